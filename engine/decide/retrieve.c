/* SPDX-License-Identifier: MIT */
#include "engine/decide/retrieve.h"

#include "engine/score/dot.h"
#include "engine/score/excerpt.h"
#include "engine/score/search.h"
#include "engine/score/tally.h"
#include "engine/score/topk.h"

enum nbx_err nbx_list_init(struct nbx_list *list)
{
    struct nbx_arena *arena = list->d->scope->arena;
    list->choices = nbx_arena_calloc(arena, list->room, sizeof *list->choices);
    if (list->distinct) {
        list->n_groups = 4;
        while (list->n_groups < list->room * 2)
            list->n_groups *= 2;
        list->groups = nbx_arena_calloc(arena, list->n_groups, sizeof *list->groups);
    }
    return list->choices && (list->groups || !list->distinct) ? NBX_OK : NBX_ELIMIT;
}

static uint32_t group_of(const void *catalog, uint32_t item_no)
{
    return nbx_catalog_group(catalog, item_no);
}

/* True if the item's group is new; remembers it. Items without a group are groups of their own. */
static bool admit_group(struct nbx_list *list, uint32_t item_no)
{
    uint32_t group = list->distinct ? nbx_catalog_group(list->d->world->catalog, item_no) : 0;
    if (group == 0)
        return true;
    uint32_t at = group * UINT32_C(2654435769) & (list->n_groups - 1);
    while (list->groups[at] && list->groups[at] != group)
        at = (at + 1) & (list->n_groups - 1);
    bool fresh = list->groups[at] == 0;
    list->groups[at] = group;
    return fresh;
}

/* Closes the item's bit; adds it unless its group stands in the list. */
static void take(struct nbx_list *list, struct nbx_hit hit, enum nbx_source source,
                 enum nbx_reason reason)
{
    nbx_gate_close(list->gate, hit.row);
    if (admit_group(list, hit.row))
        list->choices[list->n++] = (struct nbx_choice){
            .item_no = hit.row, .score = hit.score, .source = source, .reason = reason};
}

bool nbx_list_admit(struct nbx_list *list, const struct nbx_choice *choice)
{
    if (!nbx_gate_passes(list->gate, choice->item_no))
        return false;
    uint32_t before = list->n;
    struct nbx_hit hit = {.score = choice->score, .row = choice->item_no};
    take(list, hit, choice->source, choice->reason);
    return list->n > before;
}

/* Variants of one group take no place from each other: the search itself leaves all but the best
 * out. */
static struct nbx_query query_of(const struct nbx_list *list, bool by_angle)
{
    return (struct nbx_query){.vector = list->taste->vector,
                              .k = list->room - list->n,
                              .reach = list->reach,
                              .eligible = list->gate->bits,
                              .n_eligible = list->gate->n_words * 64,
                              .weights = by_angle ? list->taste->space->by_angle : NULL,
                              .addends = list->taste->addends.n ? &list->taste->addends : NULL,
                              .group = list->distinct ? group_of : NULL,
                              .tie = nbx_catalog_tie,
                              .tie_ctx = list->d->world->catalog};
}

/* The lists that want more of this space. */
static size_t gather_wanting(struct nbx_list **out, struct nbx_list *const *lists, size_t n,
                             const struct nbx_model_space *space)
{
    size_t n_out = 0;
    for (size_t i = 0; i < n; i++)
        if (lists[i]->taste->space == space && !lists[i]->drained && lists[i]->n < lists[i]->room)
            out[n_out++] = lists[i];
    return n_out;
}

/* The excerpt of their space that covers the gates of all lists (n), or NULL: none of them may
 * have addends, which an excerpt does not serve. */
static const struct nbx_excerpt *excerpt_for(struct nbx_list *const *lists, size_t n)
{
    const struct nbx_model_excerpt *excerpt = lists[0]->gate->excerpt;
    for (size_t i = 0; i < n; i++)
        if (lists[i]->gate->excerpt != excerpt || lists[i]->taste->addends.n)
            excerpt = NULL;
    return excerpt ? excerpt->by_space[lists[0]->taste->space_ix] : NULL;
}

/* The index that the lists (n) are searched in. An excerpt has no weights, and no cells for an
 * approximation. */
static enum nbx_err view_for(const struct nbx_index **out, struct nbx_list *const *lists, size_t n,
                             bool by_angle)
{
    const struct nbx_excerpt *excerpt = excerpt_for(lists, n);
    bool approximate = excerpt && excerpt->of->cells.n && lists[0]->reach > 0;
    *out = lists[0]->taste->space->index;
    if (!excerpt || approximate || (by_angle && lists[0]->taste->space->by_angle))
        return NBX_OK;
    return nbx_excerpt_view(out, *out, excerpt, lists[0]->d->scope->arena);
}

/* One search for all of the lists, which are of one space. */
static enum nbx_err search_once(struct nbx_list **lists, size_t n, enum nbx_source source,
                                bool by_angle)
{
    struct nbx_arena *arena = lists[0]->d->scope->arena;
    struct nbx_query *queries = nbx_arena_calloc(arena, n, sizeof *queries);
    struct nbx_search_results found = {.n_hits = nbx_arena_calloc(arena, n, sizeof *found.n_hits),
                                       .partial = nbx_arena_calloc(arena, n, sizeof(bool))};
    if (!queries || !found.n_hits || !found.partial)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++) {
        queries[i] = query_of(lists[i], by_angle);
        found.stride = queries[i].k > found.stride ? queries[i].k : found.stride;
    }
    found.hits = nbx_arena_calloc(arena, n * found.stride, sizeof *found.hits);
    if (!found.hits)
        return NBX_ELIMIT;
    const struct nbx_index *index;
    enum nbx_err err = view_for(&index, lists, n, by_angle);
    if (!err)
        err = nbx_search_many(index, queries, n, arena, &found, NULL);
    for (size_t i = 0; !err && i < n; i++) {
        lists[i]->drained = found.n_hits[i] < queries[i].k;
        lists[i]->partial = lists[i]->partial || found.partial[i];
        for (size_t h = 0; h < found.n_hits[i]; h++)
            take(lists[i], found.hits[i * found.stride + h], source, lists[i]->taste->reason);
    }
    return err;
}

/* Searches again below the last result for lists that had an item's group already: what was looked
 * at is closed in the gate. */
enum nbx_err nbx_lists_fill_by_score(struct nbx_list *const *lists, size_t n,
                                     enum nbx_source source, bool by_angle)
{
    const struct nbx_model *model = lists[0]->d->world->model;
    struct nbx_arena *arena = lists[0]->d->scope->arena;
    struct nbx_list **wanting = nbx_arena_calloc(arena, n, sizeof(struct nbx_list *));
    if (!wanting)
        return NBX_ELIMIT;
    for (size_t s = 0; model && s < nbx_model_n_spaces(model); s++) {
        const struct nbx_model_space *space = nbx_model_space_at(model, s);
        for (size_t k; (k = gather_wanting(wanting, lists, n, space)) > 0;) {
            enum nbx_err err = search_once(wanting, k, source, by_angle);
            if (err)
                return err;
        }
    }
    return NBX_OK;
}

static size_t count_open(const struct nbx_gate *gate)
{
    size_t n = 0;
    for (size_t w = 0; w < gate->n_words; w++)
        n += (size_t)__builtin_popcountll(gate->bits[w]);
    return n;
}

/* The addends of a taste, to be looked up by item. */
static enum nbx_err tally_addends(struct nbx_tally *out, const struct nbx_list *list)
{
    const struct nbx_addends *a = &list->taste->addends;
    enum nbx_err err = nbx_tally_init(out, a->n, SIZE_MAX, list->d->scope->arena);
    for (size_t i = 0; !err && i < a->n; i++)
        nbx_tally_add(out, a->labels[i], a->values[i]);
    return err;
}

static void offer_word(struct nbx_topk *top, const struct nbx_list *list,
                       const struct nbx_tally *addends, size_t word)
{
    const struct nbx_taste *taste = list->taste;
    size_t padded = nbx_padded(taste->space->dims);
    for (uint64_t bits = list->gate->bits[word]; bits; bits &= bits - 1) {
        uint32_t item_no = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
        const float *y = nbx_model_item(list->d->world->model, taste->space_ix, item_no);
        if (y)
            nbx_topk_offer(top, nbx_dot(taste->vector, y, padded) + nbx_tally_get(addends, item_no),
                           item_no);
    }
}

enum nbx_err nbx_list_fill_one_by_one(struct nbx_list *list)
{
    size_t n = count_open(list->gate);
    struct nbx_hit *heap = nbx_arena_calloc(list->d->scope->arena, n, sizeof *heap);
    if (!heap)
        return NBX_ELIMIT;
    struct nbx_topk top;
    struct nbx_tally addends;
    enum nbx_err err = tally_addends(&addends, list);
    if (err)
        return err;
    nbx_topk_init(&top, heap, n, nbx_catalog_tie, list->d->world->catalog);
    for (size_t w = 0; w < list->gate->n_words; w++)
        offer_word(&top, list, &addends, w);
    size_t found = nbx_topk_finish(&top);
    for (size_t i = 0; i < found && list->n < list->room; i++)
        take(list, heap[i], NBX_SOURCE_PERSONAL, list->taste->reason);
    return NBX_OK;
}

static void fill_from_ranking(struct nbx_list *list, const struct nbx_ranking *ranking,
                              enum nbx_source source, enum nbx_reason reason)
{
    for (size_t i = 0; i < ranking->n && list->n < list->room; i++) {
        struct nbx_hit hit = {.score = ranking->scores[i], .row = ranking->item_nos[i]};
        if (nbx_gate_passes(list->gate, hit.row))
            take(list, hit, source, reason);
    }
}

#define NONE_OPEN UINT32_MAX

/* The first item from `from` on that the gate passes. */
static uint32_t next_open(const struct nbx_gate *gate, uint32_t from)
{
    for (size_t w = from / 64; w < gate->n_words; w++) {
        uint64_t bits = gate->bits[w] & (w == from / 64 ? ~UINT64_C(0) << from % 64 : ~UINT64_C(0));
        if (bits)
            return (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
    }
    return NONE_OPEN;
}

static int64_t newest_open_ms(const struct nbx_list *list)
{
    int64_t newest_ms = 0;
    for (uint32_t i = 0; (i = next_open(list->gate, i)) != NONE_OPEN; i++) {
        int64_t created_ms = nbx_catalog_created_ms(list->d->world->catalog, i);
        newest_ms = created_ms > newest_ms ? created_ms : newest_ms;
    }
    return newest_ms;
}

/* Where the catalogue moved on since the rankings were made, items that they do not know: those
 * created at since_ms or later, newest first. Compared by age, which a float holds to the
 * millisecond for hours. */
static enum nbx_err fill_unranked(struct nbx_list *list, int64_t since_ms)
{
    const struct nbx_catalog *catalog = list->d->world->catalog;
    size_t k = list->room - list->n;
    if (k == 0 || nbx_catalog_generation(catalog) == list->d->world->rankings->catalog_generation)
        return NBX_OK;
    struct nbx_hit *heap = nbx_arena_calloc(list->d->scope->arena, k, sizeof *heap);
    if (!heap)
        return NBX_ELIMIT;
    struct nbx_topk top;
    int64_t newest_ms = newest_open_ms(list);
    nbx_topk_init(&top, heap, k, nbx_catalog_tie, catalog);
    for (uint32_t i = 0; (i = next_open(list->gate, i)) != NONE_OPEN; i++) {
        int64_t created_ms = nbx_catalog_created_ms(catalog, i);
        if (created_ms >= since_ms)
            nbx_topk_offer(&top, (float)(created_ms - newest_ms), i);
    }
    size_t n = nbx_topk_finish(&top);
    for (size_t i = 0; i < n; i++) {
        heap[i].score = (float)nbx_catalog_created_ms(catalog, heap[i].row);
        take(list, heap[i], NBX_SOURCE_NEWEST, NBX_REASON_NEWEST);
    }
    return NBX_OK;
}

/* The newest item of the ranking, 0 where it is empty. */
static int64_t ranked_until_ms(const struct nbx_list *list)
{
    const struct nbx_ranking *newest = &list->d->world->rankings->newest;
    return newest->n ? nbx_catalog_created_ms(list->d->world->catalog, newest->item_nos[0]) : 0;
}

enum nbx_err nbx_list_fill_fallbacks(struct nbx_list *list, uint16_t channel_no)
{
    const struct nbx_rankings *r = list->d->world->rankings;
    if (channel_no > 0 && channel_no <= r->n_channels)
        fill_from_ranking(list, &r->trend[channel_no], NBX_SOURCE_TREND,
                          NBX_REASON_TRENDING_IN_CHANNEL);
    fill_from_ranking(list, &r->trend[0], NBX_SOURCE_TREND, NBX_REASON_TRENDING);
    fill_from_ranking(list, &r->popular, NBX_SOURCE_POPULAR, NBX_REASON_POPULAR);
    enum nbx_err err = fill_unranked(list, ranked_until_ms(list));
    if (err)
        return err;
    fill_from_ranking(list, &r->newest, NBX_SOURCE_NEWEST, NBX_REASON_NEWEST);
    return fill_unranked(list, 0);
}
