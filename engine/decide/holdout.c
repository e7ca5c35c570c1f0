/* SPDX-License-Identifier: MIT */
#include "engine/decide/holdout.h"

#include "engine/base/random.h"
#include "engine/customer/consent.h"
#include "engine/customer/seen.h"
#include "engine/store/log_record.h"

#include <stdlib.h>

#define SEED          6
#define CASES_BYTES   ((size_t)32 << 20)  /* a bound of what cases take */
#define SCRATCH_BYTES ((size_t)512 << 20) /* and one customer, or one entry of the log */

/* Customers being looked for, and looked at. */
struct gathering {
    const struct nbx_holdout_source *source;
    struct nbx_customer_scope scope; /* its arena is emptied before each of them */
    struct nbx_holdout *out;
    bool any_item;     /* the catalogue is empty */
    uint64_t *numbers; /* (n) of NBX_N_GROUPS * NBX_HOLDOUT_ENTRIES */
    size_t n;
    uint64_t *persons; /* (out->n) whose cases there are already, the first of linked identities */
};

/* who was here lately */

/* NBX_ENOTFOUND: there is none left, or no way on. */
static enum nbx_err read_entry(struct gathering *g, struct nbx_cursor *cursor)
{
    struct nbx_str key;
    struct nbx_stored stored;
    struct nbx_log_record entry;
    nbx_arena_reset(g->scope.arena);
    enum nbx_err err = nbx_cursor_next(cursor, &key, &stored);
    if (err == NBX_ECORRUPT && !key.p)
        return NBX_ENOTFOUND;
    if (!err)
        err = nbx_log_record_decode(&entry, &stored, g->scope.arena);
    if (!err && nbx_log_of_events(entry.kind) && NBX_CUSTOMER_SERIAL(entry.number))
        g->numbers[g->n++] = entry.number;
    return err == NBX_ECORRUPT ? NBX_OK : err;
}

static enum nbx_err read_group(struct gathering *g, uint16_t group)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_key from = nbx_key_log(group, 0), to = nbx_key_log(group + 1, 0);
    enum nbx_err err = nbx_cursor_open(&cursor, nbx_customers_store(g->source->customers),
                                       NBX_FAMILY_LOG, nbx_key_str(&from), nbx_key_str(&to), true);
    for (int i = 0; !err && i < NBX_HOLDOUT_ENTRIES; i++)
        err = read_entry(g, cursor);
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Each once, by number. */
static enum nbx_err find_recent(struct gathering *g)
{
    enum nbx_err err = NBX_OK;
    size_t n = 0;
    for (uint16_t group = 0; !err && group < NBX_N_GROUPS; group++)
        err = read_group(g, group);
    if (g->n)
        qsort(g->numbers, g->n, sizeof *g->numbers, compare_numbers);
    for (size_t i = 0; i < g->n; i++)
        if (n == 0 || g->numbers[n - 1] != g->numbers[i])
            g->numbers[n++] = g->numbers[i];
    g->n = n;
    return err;
}

/* what they did */

/* The item that was liked last, of those that may be held out. */
static bool find_last(struct nbx_seen_item *last, const struct gathering *g,
                      const struct nbx_seen_record *seen)
{
    uint32_t at = 0;
    struct nbx_seen_item item;
    bool found = false;
    while (nbx_seen_next(seen, g->source->vocabulary, g->source->now_ms, &at, &item)) {
        if (!nbx_seen_likes(&item) ||
            !(g->any_item || nbx_catalog_has(g->source->catalog, item.item_no)))
            continue;
        if (!found || nbx_seen_compare_liked(&item, last) < 0)
            *last = item;
        found = true;
    }
    return found;
}

/* What was liked before, as it weighed when the last item was; NULL where the arena is out. */
static struct nbx_seen_item *find_before(size_t *n, const struct gathering *g,
                                         const struct nbx_seen_record *seen,
                                         const struct nbx_seen_item *last)
{
    uint32_t at = 0;
    struct nbx_seen_item item, *items = nbx_arena_calloc(g->scope.arena, seen->n, sizeof *items);
    *n = 0;
    while (items && nbx_seen_next(seen, g->source->vocabulary, last->liked_ms, &at, &item))
        if (nbx_seen_likes(&item) && nbx_seen_compare_liked(last, &item) < 0)
            items[(*n)++] = item;
    if (*n)
        qsort(items, *n, sizeof *items, nbx_seen_compare_liked);
    *n = *n < NBX_HOLDOUT_HISTORY ? *n : NBX_HOLDOUT_HISTORY;
    return items;
}

static enum nbx_err add_case(struct gathering *g, const struct nbx_seen_record *seen)
{
    struct nbx_seen_item last = {0};
    size_t n;
    if (!find_last(&last, g, seen))
        return NBX_OK;
    struct nbx_seen_item *before = find_before(&n, g, seen, &last);
    uint32_t *items = nbx_arena_calloc(g->out->arena, n, sizeof *items);
    float *weights = nbx_arena_calloc(g->out->arena, n, sizeof *weights);
    if (!before || !items || !weights)
        return NBX_ELIMIT;
    if (n == 0) /* nothing that an answer could be made of */
        return NBX_OK;
    for (size_t i = 0; i < n; i++) {
        items[i] = before[i].item_no;
        weights[i] = (float)before[i].weight;
    }
    g->out->cases[g->out->n++] = (struct nbx_accept_case){items, weights, n, last.item_no};
    return NBX_OK;
}

/* who they are */

/* The person that the customer of that number is; not known where nobody may be looked at. */
static enum nbx_err read_person(struct nbx_profile *out, const struct gathering *g, uint64_t number)
{
    static const uint8_t needed = NBX_PURPOSE_TRAIN | NBX_PURPOSE_PROFILE;
    struct nbx_str id;
    enum nbx_err err = nbx_customer_id_of(&g->scope, number, &id);
    if (!err)
        err = nbx_profile_load(out, &g->scope, id);
    if (err)
        return err;
    bool same = out->known && out->number == number; /* not one who came back after forgetting */
    if (!same || ((out->withdrawn | out->also_withdrawn) & needed)) {
        out->known = false;
        return NBX_OK;
    }
    return nbx_profile_join(out, &g->scope, out);
}

static bool is_new(struct gathering *g, const struct nbx_profile *person)
{
    uint64_t number = person->linked ? person->linked->parts[0].number : person->number;
    for (size_t i = 0; i < g->out->n; i++)
        if (g->persons[i] == number)
            return false;
    g->persons[g->out->n] = number;
    return true;
}

static enum nbx_err look_at(struct gathering *g, uint64_t number)
{
    struct nbx_profile person;
    nbx_arena_reset(g->scope.arena);
    enum nbx_err err = read_person(&person, g, number);
    if (err == NBX_ENOTFOUND || err == NBX_ECORRUPT) /* forgotten meanwhile, or damaged */
        return NBX_OK;
    if (err || !person.known || !is_new(g, &person))
        return err;
    return add_case(g, &person.seen);
}

/* In an order of chance, until there are enough. */
static enum nbx_err draw(struct gathering *g)
{
    struct nbx_random random;
    enum nbx_err err = NBX_OK;
    nbx_random_init(&random, SEED);
    for (size_t i = 0; !err && i < g->n && i < NBX_HOLDOUT_LOOKED && g->out->n < NBX_ACCEPT_CASES;
         i++) {
        size_t pick = i + nbx_random_below(&random, g->n - i);
        uint64_t number = g->numbers[pick];
        g->numbers[pick] = g->numbers[i];
        g->numbers[i] = number;
        err = look_at(g, number);
    }
    return err;
}

enum nbx_err nbx_holdout_read(struct nbx_holdout *out, const struct nbx_holdout_source *source)
{
    struct gathering g = {.source = source,
                          .scope = {.customers = source->customers,
                                    .vocabulary = source->vocabulary,
                                    .arena = nbx_arena_new(SCRATCH_BYTES),
                                    .now_ms = source->now_ms},
                          .out = out,
                          .any_item = nbx_catalog_count(source->catalog) == 0,
                          .numbers =
                              calloc((size_t)NBX_N_GROUPS * NBX_HOLDOUT_ENTRIES, sizeof *g.numbers),
                          .persons = calloc(NBX_ACCEPT_CASES, sizeof *g.persons)};
    *out = (struct nbx_holdout){.arena = nbx_arena_new(CASES_BYTES)};
    if (out->arena)
        out->cases = nbx_arena_calloc(out->arena, NBX_ACCEPT_CASES, sizeof *out->cases);
    bool room = out->cases && g.scope.arena && g.numbers && g.persons;
    enum nbx_err err = room ? find_recent(&g) : NBX_ELIMIT;
    if (!err)
        err = draw(&g);
    nbx_arena_destroy(&g.scope.arena);
    free(g.numbers);
    free(g.persons);
    return err;
}

void nbx_holdout_free(struct nbx_holdout *holdout)
{
    nbx_arena_destroy(&holdout->arena);
    *holdout = (struct nbx_holdout){0};
}
