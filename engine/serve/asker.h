/* SPDX-License-Identifier: MIT
 * Asking a model what customers just asked the daemon, where nobody waits for the answer.
 *
 * Why:     a shadow's answers are held against those of the model that serves, and a model that is
 *          about to serve reads its memory first, both by real requests.
 * Owns:    the questions given to it, an arena, a filter cache. What the worlds name is lent by the
 *          keeper, which ends the asking before it frees any of it.
 * Threads: all functions are the keeper's, but for nbx_question_offer, a worker's; the asking runs
 *          on a thread of its own.
 * Errors:  NBX_ELIMIT where memory is out, and nothing is asked.
 */
#ifndef NBX_SERVE_ASKER_H
#define NBX_SERVE_ASKER_H

#include "engine/base/hist.h"
#include "engine/serve/aside.h"
#include "engine/serve/mail.h"

#define NBX_QUESTIONS_MAX 64 /* of a worker waiting, and at a time of an asker */
#define NBX_SHADOW_K      50 /* places of a list that are compared */

/* A recommend or rank that was answered. */
struct nbx_question {
    enum nbx_op op;
    uint8_t group;
    int64_t arrived_ms;
    uint32_t key_len, body_len;
    uint8_t bytes[]; /* (key_len + body_len) */
};
/* A copy for whoever asks on; NULL where memory is out. Freed by free(). */
struct nbx_question *nbx_question_of(struct nbx_job *job);

/* How the answers of two models compare. */
struct nbx_shadow_figures {
    uint64_t compared;
    uint64_t failed;         /* questions that one of the two had no answer to */
    uint64_t dropped;        /* questions not asked: enough of them waited, or the world changed */
    double overlap;          /* sums over those compared: of the share of items in both lists */
    double correlation;      /* of Kendall's tau over the items in both */
    uint64_t n_correlations; /* lists that have two items in common */
    double personal[2];      /* of the share of items that a model brought, not a fallback */
    struct nbx_hist took_ns[2]; /* processor time of deciding */
};
enum { NBX_ASKED_TRIED, NBX_ASKED_SERVING, NBX_N_ASKED };

struct nbx_asker {
    struct nbx_aside aside;
    const struct nbx_server *server;
    struct nbx_world worlds[NBX_N_ASKED]; /* SERVING: only where `compares` */
    bool compares;
    struct nbx_question *questions[NBX_QUESTIONS_MAX]; /* (n_questions) */
    size_t n_questions, n_asked;
    struct nbx_model_excerpt *excerpts[NBX_EXCERPTS_MAX]; /* (n_excerpts) to be filled first */
    size_t n_excerpts, n_filled;                          /* the first of them are, at the end */
    struct nbx_arena *arena;
    struct nbx_filter_cache *filters;
    struct nbx_shadow_figures found; /* since the start */
    _Atomic bool stop;
};

/* Asks what is in `questions`, by `worlds`; idle: when nobody else wants a processor. */
enum nbx_err nbx_asker_start(struct nbx_asker *asker, struct nbx_bell *bell, bool idle);
/* True from the start until it is ended. */
bool nbx_asker_runs(const struct nbx_asker *asker);
/* True once all is asked. */
bool nbx_asker_is_done(const struct nbx_asker *asker);
/* After the question under way; the others are dropped. What was found is added to sum, NULL:
 * nowhere. */
void nbx_asker_end(struct nbx_asker *asker, struct nbx_shadow_figures *sum);
/* Everything it owns. */
void nbx_asker_fini(struct nbx_asker *asker);

/* Kendall's tau-a of the places in both lists of what both have, (n_a) and (n_b) distinct numbers;
 * *overlap: how many that are, as a share of the longer list. False where fewer than two are in
 * both. */
bool nbx_shadow_compare(double *tau, double *overlap, const struct nbx_choice *a, uint32_t n_a,
                        const struct nbx_choice *b, uint32_t n_b);

#endif
