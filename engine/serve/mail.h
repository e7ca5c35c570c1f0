/* SPDX-License-Identifier: MIT
 * What travels between the threads: one request (job), a share of a fanned-out one (part), or a new
 * world. Rings carry pointers; whoever holds the pointer owns what it points at.
 */
#ifndef NBX_SERVE_MAIL_H
#define NBX_SERVE_MAIL_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/ring.h"
#include "engine/base/utf8.h"
#include "engine/customer/customers.h"
#include "engine/decide/decide.h"
#include "proto/message.h"
#include "proto/ops.h"

#include <zmq.h>

#define NBX_MAX_ENVELOPE       4
#define NBX_MAX_ENVELOPE_BYTES 64

enum nbx_mail_kind { NBX_MAIL_JOB, NBX_MAIL_PART, NBX_MAIL_WORLD };

struct nbx_mail {
    enum nbx_mail_kind kind;
};

struct nbx_frame {
    uint8_t p[NBX_ID_MAX_BYTES + 1];
    uint32_t len;
};

/* One request on its way: front > worker (or keeper, fan-out) > commit where durable > front. */
struct nbx_job {
    struct nbx_mail mail;  /* first: a job is a mail */
    struct nbx_job *next;  /* in the front's list of free ones */
    struct nbx_frame peer; /* ZeroMQ's routing id */
    struct nbx_frame envelope[NBX_MAX_ENVELOPE];
    uint32_t n_envelope;
    const struct nbx_op_info *op;
    struct nbx_frame key;
    uint8_t group;
    zmq_msg_t body;
    int64_t arrived_ns; /* monotonic: for waiting times */
    int64_t arrived_ms; /* wall: the clock of everything this request does */
    enum nbx_err status;
    struct nbx_buf reply; /* the body of the reply */
    bool durable;         /* reply only after the next sync */
    bool fans_out;        /* a worker found that it concerns others: on to the fan-out */
};

static inline struct nbx_str nbx_job_key(const struct nbx_job *job)
{
    return (struct nbx_str){(const char *)job->key.p, job->key.len};
}

static inline struct nbx_body nbx_job_body(struct nbx_job *job)
{
    return (struct nbx_body){zmq_msg_data(&job->body), zmq_msg_size(&job->body)};
}

/* One customer's events out of a fanned-out observe, or a group's anonymous ones. */
struct nbx_run {
    struct nbx_str customer; /* empty: anonymous */
    uint8_t group;
    struct nbx_events events;
    uint32_t *places;             /* (events.n) in the fan's list of good events */
    struct nbx_observed observed; /* the worker's answer */
    struct nbx_fault fault;       /* code not 0: the whole run failed */
};

/* One customer of a recommend for many, and where the answer lies. */
struct nbx_seat {
    struct nbx_str customer;
    uint32_t index;          /* place in the list that was sent */
    uint32_t n_members;      /* of the answer's map */
    size_t at, len;          /* the members' bytes in the part's answers */
    struct nbx_str model[2]; /* name and version of what answered */
    struct nbx_fault fault;  /* code not 0: no answer */
};

/* One of linked identities, and what became of it. */
struct nbx_fan_identity {
    struct nbx_str id;
    bool *found; /* (events.n) retract: which of the ids an event of it had */
    union {
        struct nbx_linking linking;
        struct nbx_retracted retracted;
        struct nbx_forgetting forgetting;
    } done;
};

struct nbx_server;
struct nbx_fan;
struct nbx_fan_kind; /* fan.h */

/* The share of one worker: runs of an observe, seats of a recommend, or identities. */
struct nbx_part {
    struct nbx_mail mail;
    struct nbx_server *server;
    struct nbx_fan *fan;
    struct nbx_run *runs;                /* (n) or NULL */
    struct nbx_seat *seats;              /* (n) or NULL */
    struct nbx_fan_identity *identities; /* (n) or NULL */
    uint32_t n, n_done;
    struct nbx_buf answers;  /* of the seats, one behind the other */
    struct nbx_fault fault;  /* code not 0: the whole request failed */
    bool durable;            /* something was applied that must be synced before the reply */
    struct nbx_arena *arena; /* what the worker's answer points at */
};

/* A fanned-out request: the last part to be done makes the reply. */
struct nbx_fan {
    const struct nbx_fan_kind *kind;
    struct nbx_server *server;
    struct nbx_job *job;
    struct nbx_arena *arena; /* the decoded request */
    union {
        struct nbx_observe_req observe;
        struct nbx_recommend_req recommend;
        struct nbx_link_req link;
        struct nbx_retract_req retract;
        struct nbx_simple_req forget;
    } req;
    struct nbx_strs identities; /* that it concerns, whom the key names first; else none */
    const struct nbx_value *id; /* of req; NULL: not decoded */
    struct nbx_part *parts;     /* (n_parts), one per worker; those without work are never sent */
    uint32_t n_parts;
    _Atomic uint32_t left;
    _Atomic size_t answer_bytes; /* of all seats so far */
};

/* A new world for a worker to adopt between two requests. */
struct nbx_world_mail {
    struct nbx_mail mail;
    const struct nbx_world *world;
};

/* Pushes a pointer that must not be lost: rings behind the front hold as many as there are jobs. */
void nbx_mail__send(struct nbx_ring *ring, struct nbx_bell *bell, void *mail);

#endif
