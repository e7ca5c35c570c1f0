/* SPDX-License-Identifier: MIT
 * A town, and folders in which all of its log is done again.
 *
 * Threads: one.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_CARE_AGAIN_H
#define NBX_TEST_CARE_AGAIN_H

#include "engine/care/dump.h"
#include "engine/care/rebuild.h"
#include "engine/care/verify.h"
#include "tests/unit/decide/histories.h"
#include "tests/unit/decide/linking.h"

static struct town t;
static struct nbx_buf told; /* lines that differ */

static inline void again_begin(void)
{
    history_town(&t);
}

static inline void again_end(void)
{
    nbx_buf_fini(&told);
    town_end(&t);
}

static inline void reopen(void)
{
    int64_t now_ms = t.shop.now_ms;
    town_reopen(&t);
    t.scope.now_ms = t.shop.now_ms = now_ms;
}

static inline void differs(void *ctx, struct nbx_str line, bool stored)
{
    (void)ctx;
    nbx_buf_printf(&told, "%s %.*s\n", stored ? "stored " : "rebuilt", NBX_STR_ARG(line));
}

static inline const char *told_text(void)
{
    nbx_buf_put_u8(&told, '\0');
    told.len--;
    return (const char *)told.p;
}

/* Into a folder beside the town's; which is opened, verified and closed. */
static inline struct nbx_rebuilt rebuild(const char *name)
{
    char dir[160];
    static const struct nbx_event_type types[] = {
        {.name = {"view", 4}, .class = NBX_CLASS_POSITIVE, .weight = 0.5, .negative_below = NAN},
        {.name = {"buy", 3}, .class = NBX_CLASS_POSITIVE, .weight = 2, .negative_below = 2.5},
        {.name = {"show", 4}, .class = NBX_CLASS_NEUTRAL, .negative_below = NAN},
        {.name = {"dismiss", 7}, .class = NBX_CLASS_NEGATIVE, .negative_below = NAN}};
    struct nbx_vocabulary_options vocabulary = {.types = types,
                                                .n_types = 4,
                                                .channels = t.shop.channels,
                                                .n_channels = 2,
                                                .currency = NBX_STR("EUR")};
    snprintf(dir, sizeof dir, "%s/%s", t.shop.f.root, name);
    struct nbx_rebuild_options options = {.dir = dir,
                                          .vocabulary = &vocabulary,
                                          .trend_half_life_ms = 24 * TOWN_HOUR_MS,
                                          .now_ms = t.shop.now_ms,
                                          .cache_bytes = 1 << 20,
                                          .write_buffer_bytes = 4 << 20,
                                          .differs = differs};
    struct nbx_rebuilt out;
    struct nbx_fault fault;
    nbx_buf_clear(&told);
    cr_assert_eq(nbx_rebuild_folder(&out, t.shop.f.store, &options, &fault), NBX_OK, "%s",
                 fault.message);
    return out;
}

static inline void found(void *ctx, const struct nbx_finding *finding)
{
    (void)ctx;
    cr_assert_fail("%s: %s", nbx_family_name(finding->family), finding->what);
}

static inline struct nbx_store *open_beside(const char *name)
{
    char dir[160];
    struct nbx_store *store;
    struct nbx_fault fault;
    snprintf(dir, sizeof dir, "%s/%s", t.shop.f.root, name);
    struct nbx_store_options options = {
        .dir = dir, .cache_bytes = 1 << 20, .write_buffer_bytes = 4 << 20};
    cr_assert_eq(nbx_store_open(&store, &options, &fault), NBX_OK, "%s", fault.message);
    return store;
}

/* Events older than keep_ms, 0: none, may be gone. */
static inline void verify_kept(const char *name, int64_t keep_ms)
{
    struct nbx_verified done;
    struct nbx_verify_options options = {
        .now_ms = t.scope.now_ms, .event_retention_ms = keep_ms, .found = found};
    struct nbx_store *store = open_beside(name);
    cr_assert_eq(nbx_verify(&done, store, &options), NBX_OK);
    nbx_store_close(&store);
}

static inline void verify_beside(const char *name)
{
    verify_kept(name, 0);
}

/* Every record of the family. */
static inline struct nbx_buf contents(const struct nbx_store *store, enum nbx_family family)
{
    struct nbx_buf b = {0};
    struct nbx_cursor *cursor;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    cr_assert_eq(nbx_cursor_open(&cursor, store, family, all, all, false), NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK) {
        nbx_buf_put_str(&b, key);
        nbx_buf_put_str(&b, stored.payload);
    }
    nbx_cursor_close(&cursor);
    return b;
}

/* Also records that are no state: what links may lead to. */
static inline void same_links_beside(const char *name)
{
    struct nbx_store *store = open_beside(name);
    struct nbx_buf was = contents(t.shop.f.store, NBX_FAMILY_LINKS);
    struct nbx_buf is = contents(store, NBX_FAMILY_LINKS);
    cr_assert_eq(is.len, was.len);
    cr_assert(is.len > 0 && memcmp(is.p, was.p, is.len) == 0);
    nbx_buf_fini(&was);
    nbx_buf_fini(&is);
    nbx_store_close(&store);
}

static inline void write_raw(enum nbx_family family, const struct nbx_key *key, uint8_t version,
                             const struct nbx_buf *b)
{
    nbx_batch_put(t.shop.f.batch, family, nbx_key_str(key), version,
                  (struct nbx_str){(const char *)b->p, (uint32_t)b->len});
    fixture_write(&t.shop.f);
}

static inline bool add_line(void *ctx, struct nbx_str line)
{
    nbx_buf_put(ctx, line.p, line.len);
    nbx_buf_put_u8(ctx, '\n');
    return true;
}

static inline struct nbx_buf dump(const struct nbx_store *store)
{
    struct nbx_buf out = {0};
    struct nbx_dump_options options = {.line = add_line, .ctx = &out};
    cr_assert_eq(nbx_state_dump(store, &options), NBX_OK);
    nbx_buf_put_u8(&out, '\0');
    return out;
}

#endif
