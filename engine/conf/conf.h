/* SPDX-License-Identifier: MIT
 * The daemon's settings: read from YAML, checked, printed. etc/CONFIG.md shows them all.
 *
 * Why:     one table (table.c) is the truth for names, types, bounds, defaults and sentences; the
 *          schema, the checks, --print-config and the documentation all come from it. Only main
 *          sees this struct: every module takes options of its own.
 * Owns:    an open configuration owns everything its pointers reach.
 * Threads: main; immutable but for nbx_conf_adopt.
 * Errors:  NBX_EBAD with diagnostics: the first syntax error, or every error of meaning.
 *          NBX_ENOTFOUND: no such file. NBX_ESTORAGE: it cannot be read. NBX_ELIMIT: the file is
 *          over 1 MiB, or memory is out.
 */
#ifndef NBX_CONF_CONF_H
#define NBX_CONF_CONF_H

#include "engine/base/diagnostics.h"
#include "engine/base/err.h"
#include "engine/base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NBX_CONF_MAX_KEYS 64

enum nbx_conf_class { NBX_CONF_NEUTRAL, NBX_CONF_POSITIVE, NBX_CONF_NEGATIVE };

enum nbx_conf_attribute_type {
    NBX_CONF_STRING,
    NBX_CONF_STRINGS,
    NBX_CONF_INT,
    NBX_CONF_FLOAT,
    NBX_CONF_BOOL,
};

struct nbx_conf_event {
    const char *type; /* unique */
    enum nbx_conf_class class;
    double weight;         /* finite; > 0 where class is positive, else >= 0 */
    int64_t half_life_ms;  /* 0: the weight never fades */
    int64_t ttl_ms;        /* 0: what happened has an effect for ever */
    double negative_below; /* a `rating` below makes the event negative; NAN: never */
};

struct nbx_conf_attribute {
    const char *name; /* unique, no field that every item has */
    enum nbx_conf_attribute_type type;
};

struct nbx_conf_placement {
    const char *name; /* unique */
    double recall;    /* 0.5 to 1: exact; of requests that say none of their own */
};

/* What a bundle must be like to be taken: shares from 0 to 1, max_norm in medians. */
struct nbx_conf_model {
    double max_without_vector, max_norm, max_unknown, min_covered, min_listed, max_loss;
};

/* When a canary is rolled back: struct nbx_guard in engine/serve/arm.h. */
struct nbx_conf_canary {
    int64_t window;
    double max_failed, max_slower, min_coverage;
};

/* What damage of stored data does while it is served. */
enum nbx_on_damage { NBX_DAMAGE_EXIT, NBX_DAMAGE_SERVE };

struct nbx_conf {
    const char **listen; /* (n_listen) ZeroMQ endpoints, at least one */
    size_t n_listen;
    const char *http; /* host:port; "": no HTTP */
    const char *data_dir;
    int64_t workers; /* resolved: never 0 */
    int64_t memory_limit_bytes;
    const char **channels; /* (n_channels) unique, at least one */
    size_t n_channels;
    const char *currency;          /* ISO 4217, three capitals */
    struct nbx_conf_event *events; /* (n_events) at least one positive */
    size_t n_events;
    struct nbx_conf_attribute *attributes; /* (n_attributes) */
    size_t n_attributes;
    struct nbx_conf_placement *placements; /* (n_placements) */
    size_t n_placements;
    int64_t trend_half_life_ms;
    int64_t event_retention_ms;
    int64_t history_max;
    int64_t decision_retention_ms;
    int64_t request_queue; /* requests a worker's ring holds; a power of two */
    int64_t queue_time_ms;
    int64_t max_message_bytes;
    int64_t model_max_bytes;
    int64_t model_push_idle_ms;
    struct nbx_conf_model model;
    struct nbx_conf_canary canary;
    int64_t drain_timeout_ms;
    enum nbx_log_level log_level;
    enum nbx_on_damage on_damage;
    bool insecure;
    int64_t workers_asked; /* as configured: 0 is "cores - 1" */
    struct nbx_arena *arena;
};

/* Reads the file over the defaults; path NULL means the defaults alone. Diagnostics (may be NULL)
 * tell what is wrong; they are started for this file. *out is NULL where it fails. */
enum nbx_err nbx_conf_load(struct nbx_conf **out, const char *path,
                           struct nbx_diagnostics *diagnostics) NBX_MUST_CHECK;
void nbx_conf_destroy(struct nbx_conf **conf);

/* YAML that reads back as the same settings, each below its sentence as a comment. */
void nbx_conf_print(const struct nbx_conf *conf, FILE *out);

/* What differs between two configurations. */
struct nbx_conf_diff {
    const char *reloadable[NBX_CONF_MAX_KEYS]; /* (n_reloadable) keys that take effect at once */
    size_t n_reloadable;
    const char *kept[NBX_CONF_MAX_KEYS]; /* (n_kept) keys that need a restart */
    size_t n_kept;
};
void nbx_conf_reloadable_diff(struct nbx_conf_diff *out, const struct nbx_conf *running,
                              const struct nbx_conf *fresh);
/* Takes the reloadable settings of `fresh` over into `running`, logs each change, and names each
 * changed key that is kept as it was until a restart. */
void nbx_conf_adopt(struct nbx_conf *running, const struct nbx_conf *fresh);

#endif
