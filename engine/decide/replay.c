/* SPDX-License-Identifier: MIT */
#include "engine/decide/replay.h"

#include "engine/decide/gate.h"
#include "engine/decide/retrieve.h"
#include "engine/decide/taste.h"

#include <stdarg.h>
#include <stdio.h>

/* A decision on its way again. */
struct again {
    struct nbx_replayed *out;
    const struct nbx_decide *d;
    const struct nbx_decision_record *record;
    struct nbx_gate gate;
    struct nbx_taste taste;
    struct nbx_list list;
    uint32_t n_scored; /* items of the record that the vector ranked: they come first */
};

__attribute__((format(printf, 2, 3))) static void differ(struct again *a, const char *format, ...)
{
    va_list args;
    if (!a->out->same)
        return;
    a->out->same = false;
    va_start(args, format);
    vsnprintf(a->out->difference, sizeof a->out->difference, format, args);
    va_end(args);
}

static struct nbx_str id_of(const struct again *a, uint32_t item_no)
{
    bool exists = item_no && item_no < nbx_ids_end(a->d->ids);
    return exists ? nbx_ids_name(a->d->ids, item_no) : NBX_STR("(no such item)");
}

static struct nbx_choice choice_of(const struct nbx_decision_item *item)
{
    return (struct nbx_choice){
        .item_no = item->item_no, .score = item->score, .source = (enum nbx_source)item->source};
}

/* The ids of what the request excluded. */
static enum nbx_err excluded_ids(struct nbx_strs *out, const struct again *a)
{
    const struct nbx_item_numbers *excluded = &a->record->excluded;
    *out = (struct nbx_strs){.p = nbx_arena_calloc(a->d->scope->arena, excluded->n, sizeof *out->p),
                             .n = excluded->n};
    for (uint32_t i = 0; out->p && i < out->n; i++)
        out->p[i] = id_of(a, excluded->p[i]);
    return out->p ? NBX_OK : NBX_ELIMIT;
}

static enum nbx_err open_gate(struct again *a, const struct nbx_profile *profile,
                              struct nbx_fault *fault)
{
    const struct nbx_decision_record *r = a->record;
    struct nbx_gate_request asked = {
        .offer = {.channel = r->channel, .store = r->store, .now_ms = r->now_ms},
        .filter = r->filter,
        .profile = r->personal ? profile : NULL,
        .exclude_seen = r->exclude_seen};
    enum nbx_err err = excluded_ids(&asked.exclude, a);
    if (!err)
        err = nbx_gate_open(&a->gate, a->d, &asked, fault);
    if (!err && nbx_str_is(r->op, "rank"))
        err = nbx_gate_keep_only(&a->gate, r->ranked.p, r->ranked.n, a->d->scope->arena);
    return err;
}

/* The record's items that the vector ranked, alone, and then closed for what follows. */
static enum nbx_err score_recorded(struct again *a)
{
    struct nbx_gate all = a->gate;
    uint32_t *numbers = nbx_arena_calloc(a->d->scope->arena, a->n_scored, sizeof *numbers);
    if (!numbers)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < a->n_scored; i++)
        numbers[i] = a->record->items[i].item_no;
    enum nbx_err err = nbx_gate_keep_only(&a->gate, numbers, a->n_scored, a->d->scope->arena);
    if (!err)
        err = nbx_list_fill_one_by_one(&a->list);
    a->gate = all;
    for (uint32_t i = 0; i < a->list.n; i++)
        nbx_gate_close(&a->gate, a->list.choices[i].item_no);
    return err;
}

static enum nbx_err fill_scored(struct again *a)
{
    struct nbx_list *const lists[] = {&a->list};
    if (!a->taste.space)
        return NBX_OK;
    if (a->record->partial)
        return score_recorded(a);
    return nbx_str_is(a->record->op, "rank")
               ? nbx_list_fill_one_by_one(&a->list)
               : nbx_lists_fill_by_score(lists, 1, NBX_SOURCE_PERSONAL, false);
}

static uint32_t count_scored(const struct nbx_decision_record *r)
{
    uint32_t n = 0;
    while (n < r->n && r->items[n].source == NBX_SOURCE_PERSONAL)
        n++;
    return n;
}

static bool same_bits(float a, float b)
{
    uint32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}

static void compare_scored(struct again *a)
{
    uint32_t most = a->list.n > a->n_scored ? a->list.n : a->n_scored;
    for (uint32_t i = 0; i < most && a->out->same; i++) {
        const struct nbx_decision_item *was = &a->record->items[i];
        const struct nbx_choice *is = &a->list.choices[i];
        if (i >= a->n_scored)
            differ(a, "position %u: the vector ranks %.*s, the record has it not", i,
                   NBX_STR_ARG(id_of(a, is->item_no)));
        else if (i >= a->list.n)
            differ(a, "position %u: the record has %.*s, the vector does not rank it", i,
                   NBX_STR_ARG(id_of(a, was->item_no)));
        else if (was->item_no != is->item_no)
            differ(a, "position %u: the record has %.*s, the vector ranks %.*s", i,
                   NBX_STR_ARG(id_of(a, was->item_no)), NBX_STR_ARG(id_of(a, is->item_no)));
        else if (!same_bits(was->score, is->score))
            differ(a, "position %u: %.*s has score %.9g, the record says %.9g", i,
                   NBX_STR_ARG(id_of(a, is->item_no)), (double)is->score, (double)was->score);
    }
}

/* How often a source's scores may rise again, for it is several rankings one behind the other:
 * trends of the channel and of all; items newer than the ranking of the newest, that ranking, what
 * it does not know. */
static unsigned rises_of(const struct again *a, enum nbx_source source)
{
    switch (source) {
    case NBX_SOURCE_TREND: return a->record->channel.len > 0;
    case NBX_SOURCE_NEWEST: return 2;
    default: return 0;
    }
}

/* What the rankings gave: the order of sources, falling scores, and that each may be there. */
static void admit_ranked(struct again *a)
{
    const struct nbx_decision_record *r = a->record;
    unsigned rises = 0;
    for (uint32_t i = a->n_scored; i < r->n && a->out->same; i++) {
        struct nbx_choice choice = choice_of(&r->items[i]);
        bool begins = i == a->n_scored || r->items[i - 1].source != choice.source;
        bool rises_here = !begins && choice.score > r->items[i - 1].score;
        rises = begins ? 0 : rises + rises_here;
        if (choice.source < NBX_SOURCE_TREND || choice.source > NBX_SOURCE_NEWEST ||
            (i > a->n_scored && choice.source < r->items[i - 1].source))
            differ(a, "position %u: nothing of that source can stand there", i);
        else if (rises > rises_of(a, choice.source))
            differ(a, "position %u: score %.9g is above the one before, of the same ranking", i,
                   (double)choice.score);
        else if (i >= r->asked)
            differ(a, "position %u: only %u were asked for", i, r->asked);
        else if (!nbx_list_admit(&a->list, &choice))
            differ(a, "position %u: %.*s may not be shown there", i,
                   NBX_STR_ARG(id_of(a, choice.item_no)));
    }
}

/* Rankings know every item: a list ends early only where nothing is left. */
static void look_for_more(struct again *a)
{
    for (size_t w = 0; w < a->gate.n_words && a->list.n < a->list.room && a->out->same; w++)
        for (uint64_t bits = a->gate.bits[w]; bits && a->out->same; bits &= bits - 1) {
            uint32_t item_no = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
            struct nbx_choice more = {.item_no = item_no, .source = NBX_SOURCE_NEWEST};
            if (nbx_list_admit(&a->list, &more))
                differ(a, "the list ends at %u of %u and lacks %.*s", a->record->n,
                       a->record->asked, NBX_STR_ARG(id_of(a, item_no)));
        }
}

static enum nbx_err begin(struct again *a, const struct nbx_profile *profile,
                          struct nbx_fault *fault)
{
    enum nbx_err err = open_gate(a, profile, fault);
    if (!err)
        err = nbx_taste_of_record(&a->taste, a->d, a->record);
    if (err == NBX_ENOTFOUND)
        return nbx_fault_set(fault, NBX_EBAD, "space", "the model has no space '%.*s' of %u dims",
                             NBX_STR_ARG(a->record->vector.space), a->record->vector.n);
    a->n_scored = count_scored(a->record);
    a->list = (struct nbx_list){.d = a->d,
                                .gate = &a->gate,
                                .taste = &a->taste,
                                .room = a->record->asked,
                                .distinct = a->record->distinct_group};
    return err ? err : nbx_list_init(&a->list);
}

enum nbx_err nbx_decide_again(struct nbx_replayed *out, const struct nbx_decide *d,
                              const struct nbx_decision_record *record,
                              const struct nbx_profile *profile, struct nbx_fault *fault)
{
    struct again a = {.out = out, .d = d, .record = record};
    *out = (struct nbx_replayed){.same = true};
    enum nbx_err err = begin(&a, profile, fault);
    if (!err)
        err = fill_scored(&a);
    if (err)
        return fault->code ? err : nbx_fault_set(fault, err, NULL, "no memory to decide it again");
    if (a.taste.history.n != record->history.n)
        differ(&a, "of %u items of the history the model knows %zu", record->history.n,
               a.taste.history.n);
    compare_scored(&a);
    admit_ranked(&a);
    look_for_more(&a);
    return NBX_OK;
}
