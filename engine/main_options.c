/* SPDX-License-Identifier: MIT */
#include "engine/main_options.h"

#include <stdlib.h>

#define ARENA_BYTES ((size_t)1 << 20)

static struct nbx_str *strings(struct nbx_arena *arena, const char *const *p, size_t n)
{
    struct nbx_str *out = nbx_arena_calloc(arena, n, sizeof *out);
    for (size_t i = 0; out && i < n; i++)
        out[i] = nbx_str_c(p[i]);
    return out;
}

static struct nbx_event_type *event_types(struct nbx_arena *arena, const struct nbx_conf *conf)
{
    static const enum nbx_event_class classes[] = {[NBX_CONF_NEUTRAL] = NBX_CLASS_NEUTRAL,
                                                   [NBX_CONF_POSITIVE] = NBX_CLASS_POSITIVE,
                                                   [NBX_CONF_NEGATIVE] = NBX_CLASS_NEGATIVE};
    struct nbx_event_type *out = nbx_arena_calloc(arena, conf->n_events, sizeof *out);
    for (size_t i = 0; out && i < conf->n_events; i++)
        out[i] = (struct nbx_event_type){.name = nbx_str_c(conf->events[i].type),
                                         .class = classes[conf->events[i].class],
                                         .weight = conf->events[i].weight,
                                         .half_life_ms = conf->events[i].half_life_ms,
                                         .ttl_ms = conf->events[i].ttl_ms,
                                         .negative_below = conf->events[i].negative_below};
    return out;
}

/* A map name -> type name, as the catalogue takes it. */
static struct nbx_value *attribute_types(struct nbx_arena *arena, const struct nbx_conf *conf)
{
    static const char *const names[] = {[NBX_CONF_STRING] = "string",
                                        [NBX_CONF_STRINGS] = "strings",
                                        [NBX_CONF_INT] = "int",
                                        [NBX_CONF_FLOAT] = "float",
                                        [NBX_CONF_BOOL] = "bool"};
    struct nbx_value *map = nbx_arena_calloc(arena, 1, sizeof *map);
    struct nbx_member *members = nbx_arena_calloc(arena, conf->n_attributes, sizeof *members);
    if (!map || !members)
        return NULL;
    for (size_t i = 0; i < conf->n_attributes; i++)
        members[i] =
            (struct nbx_member){nbx_str_c(conf->attributes[i].name),
                                nbx_value_string(nbx_str_c(names[conf->attributes[i].type]))};
    *map =
        (struct nbx_value){.type = NBX_MAP, .n = (uint32_t)conf->n_attributes, .members = members};
    return map;
}

static struct nbx_placement *placements(struct nbx_arena *arena, const struct nbx_conf *conf)
{
    struct nbx_placement *out = nbx_arena_calloc(arena, conf->n_placements, sizeof *out);
    for (size_t i = 0; out && i < conf->n_placements; i++)
        out[i] = (struct nbx_placement){.name = nbx_str_c(conf->placements[i].name),
                                        .recall = (float)conf->placements[i].recall};
    return out;
}

static struct nbx_accept_bounds accept_bounds(const struct nbx_conf_model *m)
{
    return (struct nbx_accept_bounds){.max_without_vector = m->max_without_vector,
                                      .max_norm = m->max_norm,
                                      .max_unknown = m->max_unknown,
                                      .min_covered = m->min_covered,
                                      .min_listed = m->min_listed,
                                      .max_loss = m->max_loss};
}

static struct nbx_guard guard(const struct nbx_conf_canary *c)
{
    return (struct nbx_guard){.window = (uint64_t)c->window,
                              .max_failed = c->max_failed,
                              .max_slower = c->max_slower,
                              .min_coverage = c->min_coverage};
}

static void fill(struct nbx_server_options *o, const struct nbx_conf *conf)
{
    o->data_dir = conf->data_dir;
    o->workers = (unsigned)conf->workers;
    o->memory_limit = (size_t)conf->memory_limit_bytes;
    o->trend_half_life_ms = conf->trend_half_life_ms;
    o->event_retention_ms = conf->event_retention_ms;
    o->history_max = (uint64_t)conf->history_max;
    o->decision_retention_ms = conf->decision_retention_ms;
    o->queue = (size_t)conf->request_queue;
    o->queue_time_ms = conf->queue_time_ms;
    o->max_message_bytes = (size_t)conf->max_message_bytes;
    o->model_max_bytes = (size_t)conf->model_max_bytes;
    o->model_push_idle_ms = conf->model_push_idle_ms;
    o->accept = accept_bounds(&conf->model);
    o->guard = guard(&conf->canary);
    o->drain_timeout_ms = conf->drain_timeout_ms;
}

struct nbx_main_options *nbx_main_options_new(const struct nbx_conf *conf, const char *version)
{
    struct nbx_main_options *out = calloc(1, sizeof *out);
    if (!out || !(out->arena = nbx_arena_new(ARENA_BYTES))) {
        free(out);
        return NULL;
    }
    struct nbx_server_options *o = &out->server;
    struct nbx_str *channels = strings(out->arena, conf->channels, conf->n_channels);
    struct nbx_event_type *types = event_types(out->arena, conf);
    fill(o, conf);
    o->version = version;
    o->listen = strings(out->arena, conf->listen, conf->n_listen);
    o->n_listen = conf->n_listen;
    o->attribute_types = attribute_types(out->arena, conf);
    o->vocabulary = (struct nbx_vocabulary_options){.types = types,
                                                    .n_types = conf->n_events,
                                                    .channels = channels,
                                                    .n_channels = conf->n_channels,
                                                    .placements = placements(out->arena, conf),
                                                    .n_placements = conf->n_placements,
                                                    .currency = nbx_str_c(conf->currency)};
    if (!o->listen || !o->attribute_types || !channels || !types || !o->vocabulary.placements)
        nbx_main_options_destroy(&out);
    return out;
}

void nbx_main_options_destroy(struct nbx_main_options **options)
{
    if (!options || !*options)
        return;
    nbx_arena_destroy(&(*options)->arena);
    free(*options);
    *options = NULL;
}
