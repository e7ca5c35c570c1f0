/* SPDX-License-Identifier: MIT
 * The front: requests off the socket and onto rings, replies onto the socket.
 */
#include "engine/serve/front_frames.h"

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/log.h"
#include "engine/base/random.h"
#include "engine/serve/reply.h"
#include "engine/serve/server_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define REQUESTS_A_ROUND 64
#define BODIES_SHARE     16    /* of memory_limit: bodies of requests under way */
#define KEPT_REPLY_BYTES 65536 /* a larger buffer is not kept for the next request */

static struct nbx_job *job_take(struct nbx_front *f)
{
    struct nbx_job *job = f->free_jobs;
    if (job)
        f->free_jobs = job->next;
    else if (f->n_jobs < f->max_jobs && (job = calloc(1, sizeof *job)))
        f->n_jobs++;
    if (!job)
        return NULL;
    struct nbx_buf reply = job->reply;
    *job = (struct nbx_job){.reply = reply};
    nbx_buf_clear(&job->reply);
    zmq_msg_init(&job->body);
    return job;
}

static void job_give(struct nbx_front *f, struct nbx_job *job)
{
    zmq_msg_close(&job->body);
    if (job->reply.cap > KEPT_REPLY_BYTES)
        nbx_buf_fini(&job->reply);
    job->next = f->free_jobs;
    f->free_jobs = job;
}

/* Sends the reply without ever waiting: a peer that does not read loses it, nobody else notices. */
static void send_reply(struct nbx_front *f, struct nbx_job *job)
{
    if (job->status)
        nbx_count(&f->counters.refused, 1);
    if (job->status == NBX_EBUSY)
        nbx_count(&f->counters.shed, 1);
    if (nbx_frames_send(f->router, job))
        nbx_count(&f->counters.unsent, 1);
    job_give(f, job);
}

static void refuse(struct nbx_front *f, struct nbx_job *job, enum nbx_err code, const char *why)
{
    struct nbx_fault fault;
    nbx_fault_set(&fault, code, NULL, "%s", why);
    nbx_reply_fault(job, &fault, NULL);
    send_reply(f, job);
}

/* The one function that says which group a request belongs to. */
static bool find_group(struct nbx_front *f, struct nbx_job *job, const char **why)
{
    struct nbx_str key = nbx_job_key(job);
    struct nbx_decision_id id;
    if (job->op->key_required && key.len == 0) {
        *why = job->op->road == NBX_ROAD_DECISION ? "the key frame must be the decision id"
                                                  : "the key frame must be the customer id";
        return false;
    }
    switch (job->op->road) {
    case NBX_ROAD_CUSTOMER:
    case NBX_ROAD_OBSERVE:
        if (key.len && !nbx_id_valid(key)) {
            *why = "the key frame is not UTF-8 without NUL";
            return false;
        }
        job->group = key.len ? nbx_group_of(key) : (uint8_t)f->next_group++;
        return true;
    case NBX_ROAD_DECISION:
        if (!nbx_decision_id_parse(key, &id)) {
            *why = "the key frame is not a decision id of 32 hex digits";
            return false;
        }
        job->group = NBX_CUSTOMER_GROUP(nbx_decision_id_customer(id));
        return true;
    default:
        *why = "the key frame must be empty";
        job->group = (uint8_t)f->next_group++;
        return key.len == 0;
    }
}

/* Where the requests under way of the job's peer are counted. Two peers that share a slot share its
 * bound. */
static uint32_t *count_of_peer(struct nbx_front *f, const struct nbx_job *job)
{
    return &f->of_peer[nbx_hash64(job->peer.p, job->peer.len) % NBX_PEER_SLOTS];
}

/* Why the request cannot be taken now, or NULL. One peer may fill half a queue, so that a flood
 * leaves room for the others. */
static const char *crowded(struct nbx_front *f, const struct nbx_job *job)
{
    const struct nbx_server_options *o = &f->server->options;
    if (f->bytes_in_flight + zmq_msg_size(&job->body) > o->memory_limit / BODIES_SHARE)
        return "too much is under way";
    return *count_of_peer(f, job) >= o->queue / 2 ? "too many requests of yours are under way"
                                                  : NULL;
}

static void route(struct nbx_front *f, struct nbx_job *job)
{
    struct nbx_server *s = f->server;
    struct nbx_worker *worker = nbx_server__owner(s, job->group);
    struct nbx_ring *ring = worker->from_front;
    struct nbx_bell *bell = &worker->bell;
    if (job->op->road == NBX_ROAD_CATALOGUE) {
        ring = s->keeper.from_front;
        bell = &s->keeper.bell;
    } else if (job->op->road == NBX_ROAD_OBSERVE && job->key.len == 0) {
        ring = s->fanout.from_front;
        bell = &s->fanout.bell;
    }
    size_t bytes = zmq_msg_size(&job->body); /* the job is the worker's once it is pushed */
    uint32_t *of_peer = count_of_peer(f, job);
    const char *why = crowded(f, job);
    if (why || nbx_ring_push(ring, job)) {
        refuse(f, job, NBX_EBUSY, why ? why : "the queue is full");
        return;
    }
    f->in_flight++;
    f->bytes_in_flight += bytes;
    ++*of_peer;
    nbx_bell_ring(bell);
}

/* Takes one message off the socket; false when there is none. */
static bool take_request(struct nbx_front *f)
{
    struct nbx_job *job = job_take(f);
    if (!job)
        return false; /* as many under way as there may be: the rest waits in the socket */
    const char *why = NULL;
    enum nbx_frames_result result = nbx_frames_receive(f->router, job, &why);
    if (result == NBX_FRAMES_NONE || result == NBX_FRAMES_DROPPED) {
        if (result == NBX_FRAMES_DROPPED)
            nbx_count(&f->counters.malformed, 1);
        job_give(f, job);
        return result == NBX_FRAMES_DROPPED;
    }
    job->mail.kind = NBX_MAIL_JOB;
    job->arrived_ns = nbx_clock_mono_ns();
    job->arrived_ms = nbx_clock_wall_ms();
    if (result == NBX_FRAMES_REFUSED || !find_group(f, job, &why)) {
        nbx_count(&f->counters.malformed, 1);
        refuse(f, job, NBX_EBAD, why);
        return true;
    }
    nbx_count(&f->counters.requests[job->op->op], 1);
    route(f, job);
    return true;
}

/* The socket's signal is heard and what came stays: else all ears would go on ringing. */
static void hear_only(struct nbx_front *f)
{
    int events;
    size_t size = sizeof events;
    zmq_getsockopt(f->router, ZMQ_EVENTS, &events, &size);
}

/* A round of messages; true where there may be more. */
static bool take_round(struct nbx_front *f)
{
    if (atomic_load(&f->draining)) {
        hear_only(f);
        return false;
    }
    atomic_store(&f->more, false);
    for (int i = 0; i < REQUESTS_A_ROUND; i++)
        if (!take_request(f))
            return false;
    atomic_store(&f->more, true);
    nbx_bell_ring(&f->bell);
    return true;
}

bool nbx_front__take(struct nbx_front *f)
{
    pthread_mutex_lock(&f->lock);
    bool more = take_round(f);
    pthread_mutex_unlock(&f->lock);
    return more;
}

/* Sending may have eaten the signal of a message that came, and whoever waits for a job's end to
 * take the next waits for this: hence a round of taking afterwards. */
void nbx_front__answer(struct nbx_front *f, struct nbx_job *const *jobs, size_t n)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < n; i++) {
        struct nbx_job *job = jobs[i];
        f->in_flight--;
        f->bytes_in_flight -= zmq_msg_size(&job->body);
        --*count_of_peer(f, job);
        send_reply(f, job);
    }
    take_round(f);
    if (atomic_load(&f->draining) && f->in_flight == 0)
        atomic_store(&f->drained, true);
    pthread_mutex_unlock(&f->lock);
}

static bool hear(int ear, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(ear, EPOLL_CTL_ADD, fd, &event) == 0;
}

int nbx_front__ear(const struct nbx_front *f, const struct nbx_bell *bell)
{
    int socket_fd, ear = epoll_create1(EPOLL_CLOEXEC);
    size_t size = sizeof socket_fd;
    if (ear < 0)
        return -1;
    if (zmq_getsockopt(f->router, ZMQ_FD, &socket_fd, &size) == 0 && hear(ear, bell->fd, EPOLLIN) &&
        hear(ear, socket_fd, EPOLLIN | EPOLLEXCLUSIVE))
        return ear;
    close(ear);
    return -1;
}

enum nbx_heard nbx_front__rest(int ear, const struct nbx_bell *bell, int timeout_ms)
{
    struct epoll_event events[2];
    unsigned heard = NBX_HEARD_NOTHING;
    int n = epoll_wait(ear, events, 2, timeout_ms);
    for (int i = 0; i < n; i++)
        heard |= events[i].data.fd == bell->fd ? NBX_HEARD_BELL : NBX_HEARD_SOCKET;
    return (enum nbx_heard)heard;
}

static void *front_main(void *arg)
{
    struct nbx_front *f = arg;
    while (!atomic_load(&f->server->stop)) {
        if (nbx_front__take(f))
            continue;
        nbx_bell_sleep(&f->bell);
        if (!atomic_load(&f->more) && !atomic_load(&f->server->stop))
            nbx_front__rest(f->ear, &f->bell, -1);
        nbx_bell_wake(&f->bell);
    }
    return NULL;
}

static void *open_router(struct nbx_server *s)
{
    void *router = zmq_socket(s->zmq, ZMQ_ROUTER);
    if (!router)
        return NULL;
    int linger_ms = 1000, mandatory = 1, handshake_ms = 2000, hwm = 1000;
    int heartbeat_ms = 5000, heartbeat_timeout_ms = 15000;
    int64_t max_message = (int64_t)s->options.max_message_bytes;
    zmq_setsockopt(router, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_setsockopt(router, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory);
    zmq_setsockopt(router, ZMQ_HANDSHAKE_IVL, &handshake_ms, sizeof handshake_ms);
    zmq_setsockopt(router, ZMQ_MAXMSGSIZE, &max_message, sizeof max_message);
    zmq_setsockopt(router, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(router, ZMQ_RCVHWM, &hwm, sizeof hwm);
    zmq_setsockopt(router, ZMQ_HEARTBEAT_IVL, &heartbeat_ms, sizeof heartbeat_ms);
    zmq_setsockopt(router, ZMQ_HEARTBEAT_TIMEOUT, &heartbeat_timeout_ms,
                   sizeof heartbeat_timeout_ms);
    return router;
}

static enum nbx_err bind_all(struct nbx_front *f, struct nbx_fault *fault)
{
    const struct nbx_server_options *o = &f->server->options;
    char endpoint[512];
    for (size_t i = 0; i < o->n_listen; i++) {
        snprintf(endpoint, sizeof endpoint, "%.*s", NBX_STR_ARG(o->listen[i]));
        if (zmq_bind(f->router, endpoint))
            return nbx_fault_set(fault, NBX_ECONFLICT, "listen", "%s: %s", endpoint,
                                 zmq_strerror(errno));
    }
    if (zmq_bind(f->router, NBX_FRONT_INPROC))
        return nbx_fault_set(fault, NBX_EINTERNAL, "listen", "%s: %s", NBX_FRONT_INPROC,
                             zmq_strerror(errno));
    return NBX_OK;
}

enum nbx_err nbx_front__make(struct nbx_front *f, struct nbx_server *server,
                             struct nbx_fault *fault)
{
    f->server = server;
    pthread_mutex_init(&f->lock, NULL);
    f->router = open_router(server);
    struct nbx_job *job = job_take(f); /* one at least: without any nothing would be taken again */
    if (!f->router || !job || nbx_bell_init(&f->bell))
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "no socket: %s", zmq_strerror(errno));
    job_give(f, job);
    return NBX_OK;
}

/* Its ear comes after the workers': an idle worker is to wake rather than this thread. */
enum nbx_err nbx_front__start(struct nbx_front *f, struct nbx_fault *fault)
{
    pthread_mutex_lock(&f->lock);
    enum nbx_err err = bind_all(f, fault);
    pthread_mutex_unlock(&f->lock);
    if (err)
        return err;
    f->ear = nbx_front__ear(f, &f->bell);
    if (f->ear < 0 || pthread_create(&f->thread, NULL, front_main, f))
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "no thread for the front");
    return NBX_OK;
}

void nbx_front__drain(struct nbx_front *f)
{
    if (!f->thread)
        return;
    pthread_mutex_lock(&f->lock);
    atomic_store(&f->draining, true);
    atomic_store(&f->drained, f->in_flight == 0);
    pthread_mutex_unlock(&f->lock);
    int64_t until = nbx_clock_mono_ns() + atomic_load(&f->server->drain_timeout_ms) * 1000000;
    struct timespec pause = {0, 1000000};
    while (!atomic_load(&f->drained) && nbx_clock_mono_ns() < until)
        nanosleep(&pause, NULL);
}

void nbx_front__stop(struct nbx_front *f)
{
    if (!f->thread)
        return;
    nbx_bell_ring(&f->bell);
    pthread_join(f->thread, NULL);
}

/* The socket is closed only here: until now any thread might have had something to send. */
void nbx_front__free(struct nbx_front *f)
{
    if (f->router)
        zmq_close(f->router);
    while (f->free_jobs) {
        struct nbx_job *job = f->free_jobs;
        f->free_jobs = job->next;
        nbx_buf_fini(&job->reply);
        free(job);
    }
    if (f->ear >= 0)
        close(f->ear);
    nbx_bell_fini(&f->bell);
}
