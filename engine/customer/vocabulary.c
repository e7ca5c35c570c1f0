/* SPDX-License-Identifier: MIT */
#include "engine/customer/vocabulary.h"

#include "engine/base/arena.h"
#include "engine/base/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_BYTES ((size_t)1 << 20)
#define HOUR_MS     INT64_C(3600000)

struct channel {
    struct nbx_str name;
    uint16_t no;
};

struct nbx_vocabulary {
    unsigned users;               /* who destroy it */
    struct nbx_arena *arena;      /* everything below */
    struct nbx_event_type *types; /* (n_types) */
    size_t n_types;
    uint64_t digest;           /* over them */
    struct nbx_type_ttl *ttls; /* (n_ttls) */
    uint32_t n_ttls;
    struct channel *channels; /* (n_channels) */
    size_t n_channels;
    uint16_t max_channel;
    struct nbx_placement *placements; /* (n_placements) */
    size_t n_placements;
    struct nbx_str currency;
    const char *type_list, *channel_list;
};

/* A sum, so that the order of types in the settings makes no difference. */
static uint64_t digest_of(const struct nbx_event_type *type)
{
    uint8_t bytes[32];
    uint64_t weight;
    memcpy(&weight, &type->weight, sizeof weight);
    nbx_be64_put(bytes, type->no);
    nbx_be64_put(bytes + 8, weight);
    nbx_be64_put(bytes + 16, (uint64_t)type->half_life_ms);
    nbx_be64_put(bytes + 24, (uint64_t)type->ttl_ms);
    return nbx_hash64(bytes, sizeof bytes);
}

static enum nbx_err take_types(struct nbx_vocabulary *v, struct nbx_store *store,
                               const struct nbx_vocabulary_options *o)
{
    v->types = nbx_arena_calloc(v->arena, o->n_types, sizeof *v->types);
    v->ttls = nbx_arena_calloc(v->arena, o->n_types, sizeof *v->ttls);
    if (!v->types || !v->ttls)
        return NBX_ELIMIT;
    for (; v->n_types < o->n_types; v->n_types++) {
        struct nbx_event_type *type = &v->types[v->n_types];
        *type = o->types[v->n_types];
        type->name = nbx_arena_str(v->arena, type->name);
        enum nbx_err err = nbx_names_intern(store, "type", type->name, &type->no);
        if (err)
            return err;
        v->digest += digest_of(type);
        if (type->ttl_ms)
            v->ttls[v->n_ttls++] = (struct nbx_type_ttl){type->no, type->ttl_ms};
    }
    return NBX_OK;
}

static enum nbx_err take_channels(struct nbx_vocabulary *v, struct nbx_store *store,
                                  const struct nbx_vocabulary_options *o)
{
    v->channels = nbx_arena_calloc(v->arena, o->n_channels, sizeof *v->channels);
    if (!v->channels)
        return NBX_ELIMIT;
    for (; v->n_channels < o->n_channels; v->n_channels++) {
        struct channel *channel = &v->channels[v->n_channels];
        channel->name = nbx_arena_str(v->arena, o->channels[v->n_channels]);
        enum nbx_err err = nbx_names_intern(store, "channel", channel->name, &channel->no);
        if (err)
            return err;
        if (channel->no > v->max_channel)
            v->max_channel = channel->no;
    }
    return NBX_OK;
}

/* Records carry a placement's name, so that it needs no number. */
static enum nbx_err take_placements(struct nbx_vocabulary *v,
                                    const struct nbx_vocabulary_options *o)
{
    v->placements = nbx_arena_calloc(v->arena, o->n_placements, sizeof *v->placements);
    if (!v->placements)
        return NBX_ELIMIT;
    for (; v->n_placements < o->n_placements; v->n_placements++) {
        struct nbx_placement *placement = &v->placements[v->n_placements];
        *placement = o->placements[v->n_placements];
        placement->name = nbx_arena_str(v->arena, placement->name);
        if (!placement->name.p)
            return NBX_ELIMIT;
    }
    return NBX_OK;
}

/* "a, b, c" in the arena. */
static const char *keep_list(struct nbx_arena *arena, const struct nbx_buf *list)
{
    if (list->failed)
        return NULL;
    size_t n = list->len >= 2 ? list->len - 2 : 0; /* without the last ", " */
    return nbx_arena_str(arena, (struct nbx_str){(const char *)list->p, (uint32_t)n}).p;
}

static enum nbx_err make_lists(struct nbx_vocabulary *v)
{
    struct nbx_buf types = {0}, channels = {0};
    for (size_t i = 0; i < v->n_types; i++)
        nbx_buf_printf(&types, "%.*s, ", NBX_STR_ARG(v->types[i].name));
    for (size_t i = 0; i < v->n_channels; i++)
        nbx_buf_printf(&channels, "%.*s, ", NBX_STR_ARG(v->channels[i].name));
    v->type_list = keep_list(v->arena, &types);
    v->channel_list = keep_list(v->arena, &channels);
    nbx_buf_fini(&types);
    nbx_buf_fini(&channels);
    return v->type_list && v->channel_list ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_vocabulary_new(struct nbx_vocabulary **out, struct nbx_store *store,
                                const struct nbx_vocabulary_options *options)
{
    enum nbx_err err = NBX_ELIMIT;
    struct nbx_vocabulary *v = calloc(1, sizeof *v);
    *out = NULL;
    if (!v || !(v->arena = nbx_arena_new(NAMES_BYTES)))
        goto out;
    v->users = 1;
    v->currency = nbx_arena_str(v->arena, options->currency);
    if ((err = take_types(v, store, options)) || (err = take_channels(v, store, options)) ||
        (err = take_placements(v, options)) || (err = make_lists(v)))
        goto out;
    *out = v;
    v = NULL;
out:
    nbx_vocabulary_destroy(&v);
    return err;
}

struct nbx_vocabulary *nbx_vocabulary_share(struct nbx_vocabulary *v)
{
    v->users++;
    return v;
}

void nbx_vocabulary_destroy(struct nbx_vocabulary **vocabulary)
{
    struct nbx_vocabulary *v = vocabulary ? *vocabulary : NULL;
    if (!v)
        return;
    *vocabulary = NULL;
    if (v->users > 1) {
        v->users--;
        return;
    }
    nbx_arena_destroy(&v->arena);
    free(v);
}

const struct nbx_event_type *nbx_vocabulary_type(const struct nbx_vocabulary *v,
                                                 struct nbx_str name)
{
    for (size_t i = 0; i < v->n_types; i++)
        if (nbx_str_eq(v->types[i].name, name))
            return &v->types[i];
    return NULL;
}

const struct nbx_event_type *nbx_vocabulary_type_no(const struct nbx_vocabulary *v, uint16_t no)
{
    for (size_t i = 0; i < v->n_types; i++)
        if (v->types[i].no == no)
            return &v->types[i];
    return NULL;
}

uint16_t nbx_vocabulary_channel(const struct nbx_vocabulary *v, struct nbx_str name)
{
    for (size_t i = 0; i < v->n_channels; i++)
        if (nbx_str_eq(v->channels[i].name, name))
            return v->channels[i].no;
    return 0;
}

struct nbx_str nbx_vocabulary_channel_name(const struct nbx_vocabulary *v, uint16_t no)
{
    for (size_t i = 0; i < v->n_channels; i++)
        if (v->channels[i].no == no)
            return v->channels[i].name;
    return NBX_STR("");
}

uint16_t nbx_vocabulary_max_channel(const struct nbx_vocabulary *v)
{
    return v->max_channel;
}

struct nbx_str nbx_vocabulary_currency(const struct nbx_vocabulary *v)
{
    return v->currency;
}

float nbx_vocabulary_recall(const struct nbx_vocabulary *v, struct nbx_str placement)
{
    for (size_t i = 0; i < v->n_placements; i++)
        if (nbx_str_eq(v->placements[i].name, placement))
            return v->placements[i].recall;
    return 1;
}

const char *nbx_vocabulary_list_types(const struct nbx_vocabulary *v)
{
    return v->type_list;
}

const char *nbx_vocabulary_list_channels(const struct nbx_vocabulary *v)
{
    return v->channel_list;
}

double nbx_event_weight(const struct nbx_event_type *type, int64_t last_ms, int64_t now_ms)
{
    if (type->half_life_ms == 0)
        return type->weight;
    int64_t age_ms = (now_ms / HOUR_MS - last_ms / HOUR_MS) * HOUR_MS;
    if (age_ms <= 0)
        return type->weight;
    return type->weight * exp2(-(double)age_ms / (double)type->half_life_ms);
}

bool nbx_vocabulary_same_weights(const struct nbx_vocabulary *v, int64_t a_ms, int64_t b_ms)
{
    if (a_ms / HOUR_MS == b_ms / HOUR_MS)
        return true;
    for (size_t i = 0; i < v->n_types; i++)
        if (v->types[i].half_life_ms || v->types[i].ttl_ms)
            return false;
    return true;
}

bool nbx_event_expired(int64_t ttl_ms, int64_t last_ms, int64_t now_ms)
{
    return ttl_ms && now_ms / HOUR_MS * HOUR_MS - last_ms > ttl_ms;
}

uint64_t nbx_vocabulary_digest(const struct nbx_vocabulary *v)
{
    return v->digest;
}

uint32_t nbx_vocabulary_ttls(const struct nbx_vocabulary *v, const struct nbx_type_ttl **out)
{
    *out = v->ttls;
    return v->n_ttls;
}
