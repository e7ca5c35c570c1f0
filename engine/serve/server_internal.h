/* SPDX-License-Identifier: MIT
 * The threads as each other sees them: who owns which ring. ARCHITECTURE.md has the picture.
 */
#ifndef NBX_SERVE_SERVER_INTERNAL_H
#define NBX_SERVE_SERVER_INTERNAL_H

#include "engine/base/budget.h"
#include "engine/base/hash.h"
#include "engine/base/ring.h"
#include "engine/care/backup.h"
#include "engine/serve/arm.h"
#include "engine/serve/aside.h"
#include "engine/serve/asker.h"
#include "engine/serve/counters.h"
#include "engine/serve/mail.h"
#include "engine/serve/server.h"

#include <pthread.h>

#define NBX_PEER_SLOTS 4096

/* The ROUTER and the jobs, under a lock: whoever has an answer sends it, whoever is idle takes what
 * came. The thread takes while all workers are busy, so that nothing lies in the socket without an
 * age. Never decodes a body, never blocks on a send. */
struct nbx_front {
    struct nbx_server *server;
    pthread_t thread;
    pthread_mutex_t lock; /* a leaf but for the bells; guards all below but the atomics */
    void *router;
    struct nbx_bell bell;
    int ear;           /* what the thread sleeps on; see nbx_front__ear */
    _Atomic bool more; /* a round was full: the thread goes on */
    struct nbx_job *free_jobs;
    size_t n_jobs, max_jobs; /* made so far; bound */
    size_t in_flight;        /* jobs that other threads hold, and the bytes of their bodies */
    size_t bytes_in_flight;
    uint32_t of_peer[NBX_PEER_SLOTS]; /* in_flight by hash of the peer */
    uint32_t next_group;              /* for requests of nobody in particular */
    _Atomic bool draining, drained;
    struct nbx_counters counters;
};

/* What is served in slices between requests, apart, so that a long list of customers holds no
 * events up. */
enum nbx_lane_kind { NBX_LANE_EVENTS, NBX_LANE_CUSTOMERS, NBX_N_LANES };

struct nbx_lane {
    struct nbx_ring *from_fanout;
    struct nbx_part *part; /* under way */
    int64_t served_ns;     /* when its last slice ended */
};

/* Owns the customers of its groups (group % n_workers == ix), an arena and a filter cache. */
struct nbx_worker {
    struct nbx_server *server;
    unsigned ix;
    pthread_t thread;
    struct nbx_bell bell;
    int ear; /* what it sleeps on; see nbx_front__ear */
    struct nbx_ring *from_front, *from_keeper;
    struct nbx_ring *to_commit, *to_fanout;
    struct nbx_arena *arena;
    struct nbx_batch *batch;
    struct nbx_recent *recent; /* its customers' records */
    struct nbx_filter_cache *filters;
    struct nbx_excerpt_wish *wish;             /* of the request being served */
    _Atomic(struct nbx_excerpt_wish *) wished; /* the keeper takes it; NULL: room for one */
    struct nbx_lane lanes[NBX_N_LANES];
    int64_t due_ns;       /* when to look next for events of all groups that became due */
    unsigned sweep_group; /* what is looked after next; see nbx_sweep */
    uint64_t sweep_at;
    int64_t sweep_ns; /* when */
    int64_t sweep_begun_ns;
    int64_t customer_ns; /* what one customer of many took lately; 0: not known yet */
    _Atomic bool quit;   /* not before the keeper ended: it waits for worlds to be adopted */
    const struct nbx_world *world;
    _Atomic uint64_t adopted; /* generation of the world in use */
    uint16_t decision_counter;
    struct nbx_arm arms[NBX_N_ARMS]; /* while there is a canary */
    struct nbx_ring *asked;          /* of struct nbx_question: some requests, for the keeper */
    uint64_t ask_due;                /* what the next question has of NBX_ASK_ALL */
    struct nbx_counters counters;
};

/* Owns the fsync: one for all that wait. */
struct nbx_commit {
    struct nbx_server *server;
    pthread_t thread;
    struct nbx_bell bell;
    struct nbx_ring *from_keeper; /* workers' rings are theirs */
    struct nbx_mail **waiting;    /* (max) what the next sync releases */
    struct nbx_job **answers;     /* (max) of these, what can be answered then */
    size_t max;
    int64_t sync_ns;   /* what the last sync took */
    size_t n_released; /* by it */
    struct nbx_counters counters;
};

/* Splits an observe without a key, a recommend for many customers, and what concerns others than
 * the customer by links, over the workers. */
struct nbx_fanout {
    struct nbx_server *server;
    pthread_t thread;
    struct nbx_bell bell;
    struct nbx_ring *from_front; /* workers' rings are theirs */
    _Atomic uint32_t under_way[NBX_N_LANES];
    struct nbx_counters counters;
};

/* An index being packed anew, beside the keeper. */
struct nbx_keeper_repack {
    struct nbx_repack *repack; /* NULL: none under way */
    struct nbx_aside aside;
    int64_t begun_ns, not_before_ns;
    bool told; /* that memory is out, since it last was not */
};

/* Rankings being made, beside the keeper, of the catalogue as it was when they were begun. */
struct nbx_keeper_ranking {
    struct nbx_aside aside;
    struct nbx_trends *trends;
    struct nbx_catalog *catalog; /* a share */
    struct nbx_rankings *fresh;
    uint64_t from_trends, from_catalog; /* generations of the newest that were begun */
    int64_t begun_ns, took_ns;          /* when the newest were begun; the cost of those made */
};

/* Excerpts of the model for filters that come often; one being made, beside the keeper. */
struct nbx_keeper_excerpts {
    struct nbx_aside aside;
    struct nbx_model_excerpt *fresh; /* being made; NULL: none */
    enum nbx_err made;
    /* (n) of the active model, a canary, and one that takes the place of one of them. */
    struct nbx_model_excerpt *list[3 * NBX_EXCERPTS_MAX];
    size_t n;
    /* (n_dropped) out of the list, while workers read them: one that made room and all the rest. */
    struct nbx_model_excerpt *dropped[3 * NBX_EXCERPTS_MAX + 1];
    size_t n_dropped;
    uint64_t n_made;
};

/* A backup being made, beside the keeper. */
struct nbx_keeper_backup {
    struct nbx_aside aside;
    const struct nbx_server *server;
    struct nbx_job *job; /* NULL: none */
    struct nbx_value id; /* of its request */
    char *dir;
    struct nbx_manifest manifest;
    struct nbx_fault fault;
    int64_t begun_ns;
};

/* Files being rid of who was forgotten, beside the keeper. */
struct nbx_keeper_erase {
    struct nbx_aside aside;
    const struct nbx_customers *customers;
    enum nbx_err err;
    size_t n;              /* customers the last one was of */
    int64_t not_before_ns; /* 0: nobody waits */
    int64_t begun_ns;
};

#define NBX_UPLOADS_MAX 4 /* at a time */

/* A model's file that comes in chunks. */
struct nbx_upload {
    char digest[NBX_MODEL_DIGITS + 1]; /* of the whole file, as announced; "": none */
    int fd;
    uint64_t bytes, received;
    int64_t touched_ns;
};

/* What a bundle is judged by, as it was when that began: held until it has ended. */
struct nbx_model_judge {
    struct nbx_server *server;
    struct nbx_catalog *catalog;       /* a share */
    struct nbx_vocabulary *vocabulary; /* a share */
    struct nbx_model *active;          /* a share; NULL: none serves */
    struct nbx_accept_bounds bounds;
};

/* A model in memory, with the items of that catalogue. */
struct nbx_resident {
    struct nbx_model *model;     /* NULL: none */
    struct nbx_catalog *catalog; /* a share */
    int64_t followed_ns;
};

/* What becomes of a version: it is made active, also by a rollback, or it is tried. */
enum nbx_move_kind { NBX_MOVE_ACTIVATE, NBX_MOVE_ROLLBACK, NBX_MOVE_TRY };

/* What a model.* has done beside the keeper: an upload looked through, or a model loaded and warmed
 * up. */
struct nbx_model_order {
    struct nbx_aside aside;
    struct nbx_server *server;
    struct nbx_job *job;       /* NULL: none */
    struct nbx_value id;       /* of its request */
    struct nbx_upload *upload; /* NULL: a model is loaded */
    enum nbx_move_kind kind;   /* what for */
    enum nbx_stage stage;      /* of a trial */
    double share;              /* of a trial */
    char path[4096];
    /* Of the version; what an upload turns out to be. Empty: of the folder's own bundles. */
    char name[NBX_MODEL_WORD_MAX + 1], version[NBX_MODEL_WORD_MAX + 1];
    uint8_t digest[NBX_DIGEST_BYTES]; /* of an upload */
    struct nbx_model_judge judge;     /* of an upload */
    struct nbx_accepted accepted;     /* what it found */
    struct nbx_model *model;          /* loaded, without the catalogue's items */
    struct nbx_resident fresh;
    struct nbx_asker warm_up; /* asks it what customers ask, before it serves */
    struct nbx_fault fault;
    int64_t begun_ns;
};

/* Versions of models: what of them is under way, and which are in memory beside the active one. */
struct nbx_keeper_models {
    struct nbx_upload uploads[NBX_UPLOADS_MAX];
    struct nbx_model_order order;
    struct nbx_resident previous, canary, shadow; /* previous: for a rollback */
    bool of_files; /* no version is active: the folder's own bundles serve */
    bool previous_of_files;
};

#define NBX_ASK_ALL (UINT64_C(1) << 32)

/* A shadow and a canary: how they do. */
struct nbx_keeper_trials {
    double shadow_share, canary_share;
    struct nbx_asker asker;                    /* of the shadow */
    struct nbx_shadow_figures shadow;          /* since it is one, or the daemon runs */
    uint64_t unasked;                          /* dropped before that */
    struct nbx_guard guard;                    /* of the canary */
    struct nbx_arm_figures window[NBX_N_ARMS]; /* not judged yet */
    struct nbx_arm_figures judged[NBX_N_ARMS]; /* all windows that were, without `shown` */
};

/* Owns catalogue, model, vocabulary, rankings and excerpts; hands out worlds. */
struct nbx_keeper {
    struct nbx_server *server;
    pthread_t thread;
    struct nbx_bell bell;
    struct nbx_ring *from_front;
    struct nbx_arena *arena;
    struct nbx_batch *batch;
    struct nbx_catalog *catalog;
    struct nbx_model *model;
    struct nbx_accept_bounds accept; /* of bundles that are to serve */
    struct nbx_vocabulary *vocabulary;
    struct nbx_rankings *rankings;
    struct nbx_world *world;
    struct nbx_keeper_repack repack;
    struct nbx_keeper_ranking ranking;
    struct nbx_keeper_excerpts excerpts;
    struct nbx_keeper_backup backup;
    struct nbx_keeper_erase erase;
    struct nbx_keeper_models models;
    struct nbx_keeper_trials trials;
    /* The share of recommends and ranks that workers hand on, of NBX_ASK_ALL; 0: none. */
    _Atomic uint64_t ask_share;
    uint64_t generation, catalogue_seq;
    pthread_mutex_t reload_lock; /* guards the three below: main asks, the keeper answers */
    pthread_cond_t reloaded;
    const struct nbx_server_options *reload; /* NULL: nothing asked */
    struct nbx_counters counters;
};

struct nbx_server {
    void *zmq;
    struct nbx_server_options options; /* pointers inside are the caller's and outlive us */
    struct nbx_budget budget;
    size_t recent_bytes; /* of each worker */
    struct nbx_store *store;
    struct nbx_ids *ids;
    struct nbx_trends *trends;
    struct nbx_customers *customers;
    struct nbx_front front;
    struct nbx_worker *workers; /* (n_workers) */
    unsigned n_workers;
    struct nbx_commit commit;
    struct nbx_fanout fanout;
    struct nbx_keeper keeper;
    int64_t started_ns;
    _Atomic int64_t queue_time_ms, drain_timeout_ms; /* of the options; a reload may change them */
    _Atomic bool stop;
};

/* Each part of it: make its rings and start its thread; ask the thread to end and wait for it;
 * free what it owned, once nobody is left who looks at its rings. All take a zeroed struct. */
enum nbx_err nbx_front__make(struct nbx_front *front, struct nbx_server *server,
                             struct nbx_fault *fault);
enum nbx_err nbx_front__start(struct nbx_front *front, struct nbx_fault *fault);
void nbx_front__drain(struct nbx_front *front);
void nbx_front__stop(struct nbx_front *front);
void nbx_front__free(struct nbx_front *front);
/* From any thread: sends the replies, then takes what came meanwhile. The jobs are gone. */
void nbx_front__answer(struct nbx_front *front, struct nbx_job *const *jobs, size_t n);
/* From a thread that woke at an ear: takes what came off the socket and onto the rings. True where
 * the round was full and more may wait. */
bool nbx_front__take(struct nbx_front *front);
/* A descriptor to sleep on until the bell rings or a message comes; -1 where there is none left.
 * Of those asleep a message wakes one, the one that asked for its ear first. */
int nbx_front__ear(const struct nbx_front *front, const struct nbx_bell *bell);
/* Sleeps, -1: for ever; says what woke it. */
enum nbx_heard { NBX_HEARD_NOTHING, NBX_HEARD_BELL, NBX_HEARD_SOCKET, NBX_HEARD_BOTH };
enum nbx_heard nbx_front__rest(int ear, const struct nbx_bell *bell, int timeout_ms);
/* Workers' rings are made before any thread runs: commit and keeper look at all of them. */
enum nbx_err nbx_worker__make(struct nbx_worker *worker, struct nbx_server *server, unsigned ix);
enum nbx_err nbx_worker__start(struct nbx_worker *worker);
void nbx_worker__stop(struct nbx_worker *worker);
void nbx_worker__free(struct nbx_worker *worker);
enum nbx_err nbx_commit__start(struct nbx_commit *commit, struct nbx_server *server);
void nbx_commit__stop(struct nbx_commit *commit);
void nbx_commit__free(struct nbx_commit *commit);
enum nbx_err nbx_fanout__start(struct nbx_fanout *fanout, struct nbx_server *server);
void nbx_fanout__stop(struct nbx_fanout *fanout);
void nbx_fanout__free(struct nbx_fanout *fanout);
/* The first world, before any thread runs; then the thread. */
enum nbx_err nbx_keeper__load(struct nbx_keeper *keeper, struct nbx_server *server,
                              struct nbx_fault *fault);
enum nbx_err nbx_keeper__start(struct nbx_keeper *keeper);
void nbx_keeper__stop(struct nbx_keeper *keeper);
void nbx_keeper__free(struct nbx_keeper *keeper);

/* Forgotten customers whom files may still hold. */
uint64_t nbx_server__to_erase(const struct nbx_server *server);

/* Which worker owns a group. */
static inline struct nbx_worker *nbx_server__owner(struct nbx_server *s, uint8_t group)
{
    return &s->workers[group % s->n_workers];
}

/* A part is answered; the last one makes the job's reply and returns the job, the others NULL. */
struct nbx_job *nbx_fan__part_done(struct nbx_part *part);
/* Serves a slice of a part, from where it was left; it is done when n_done is n. NBX_EBUSY: the
 * store stalls writes; call again later, nothing is lost. */
enum nbx_err nbx_fan__serve_slice(struct nbx_worker *worker, struct nbx_part *part);

/* By the worker's tools and that clock. */
struct nbx_customer_scope nbx_worker__scope(struct nbx_worker *worker, int64_t now_ms);
/* What of the group, which is the worker's, became due before now_ms, first: before a request of
 * the group is served. Empties the arena. Where the store does not take it, it waits on. */
void nbx_worker__due(struct nbx_worker *worker, uint8_t group, int64_t now_ms);

/* Serves one request on the worker: fills job->status, reply and durable. */
void nbx_request__serve(struct nbx_worker *worker, struct nbx_job *job);

#endif
