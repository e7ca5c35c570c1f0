/* SPDX-License-Identifier: MIT
 * Payloads held against their bytes.
 *
 * Owns:    an arena, from golden_begin to golden_end.
 * Threads: one.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_STORE_GOLDEN_H
#define NBX_TEST_STORE_GOLDEN_H

#include "engine/base/hash.h"
#include "tests/unit/store/samples_decision.h"
#include "tests/unit/store/samples_log.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct nbx_arena *arena;

static inline void golden_begin(void)
{
    arena = nbx_arena_new(1u << 20);
}

static inline void golden_end(void)
{
    nbx_arena_destroy(&arena);
}

static inline const char *hex_of(struct nbx_str s)
{
    char *hex = nbx_arena_alloc(arena, 2 * (size_t)s.len + 1);
    nbx_hex(hex, s.p, s.len);
    hex[2 * s.len] = '\0';
    return hex;
}

static inline struct nbx_stored stored_of(uint8_t version, const char *hex)
{
    uint32_t n = (uint32_t)strlen(hex) / 2;
    char *p = nbx_arena_alloc(arena, n);
    for (uint32_t i = 0; i < n; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        p[i] = (char)strtoul(pair, NULL, 16);
    }
    return (struct nbx_stored){version, {p, n}};
}

/* Encodes `record` to exactly `hex`, and `hex` decodes to the same record. */
#define GOLDEN(kind, same, version, record, hex)                                                   \
    do {                                                                                           \
        struct nbx_##kind##_record in_ = (record), out_;                                           \
        struct nbx_buf b_ = {0};                                                                   \
        nbx_##kind##_record_encode(&b_, &in_);                                                     \
        cr_assert_str_eq(hex_of((struct nbx_str){(const char *)b_.p, (uint32_t)b_.len}), (hex));   \
        nbx_buf_fini(&b_);                                                                         \
        struct nbx_stored stored_ = stored_of((version), (hex));                                   \
        cr_assert_eq(nbx_##kind##_record_decode(&out_, &stored_, arena), NBX_OK);                  \
        cr_assert(same(&in_, &out_));                                                              \
    } while (0)

/* The bytes of an older version, which decode to `record`. */
#define GOLDEN_OLD(kind, same, version, record, hex)                                               \
    do {                                                                                           \
        struct nbx_##kind##_record want_ = (record), out_;                                         \
        struct nbx_stored stored_ = stored_of((version), (hex));                                   \
        cr_assert_eq(nbx_##kind##_record_decode(&out_, &stored_, arena), NBX_OK);                  \
        cr_assert(same(&want_, &out_));                                                            \
    } while (0)

static struct nbx_member members[] = {
    {{"tier", 4}, {.type = NBX_STRING, .s = {"gold", 4}}},
    {{"age", 3}, {.type = NBX_INT, .i = 41}},
    {{"ok", 2}, {.type = NBX_BOOL, .b = true}},
};
static const struct nbx_value map = {.type = NBX_MAP, .n = 3, .members = members};
static const struct nbx_value consent = {.type = NBX_MAP, .n = 1, .members = members + 2};

#endif
