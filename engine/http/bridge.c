/* SPDX-License-Identifier: MIT */
#include "engine/http/bridge.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "proto/ops.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#define NS_PER_MS      INT64_C(1000000)
#define N_REPLY_FRAMES 5 /* tag, empty, magic, status, body */

struct nbx_http_bridge {
    struct nbx_http_bridge_options options;
    void *socket;
    int wake_fd;
    pthread_t thread;
    bool running;

    pthread_mutex_t mutex; /* of the four below */
    struct nbx_http_call *queued, *queued_last;
    bool closing;
    int64_t drain_deadline_ns;

    /* the thread's own */
    struct nbx_http_call **slots; /* (max_calls); a tag's low half is a slot */
    uint32_t *free_slots;         /* (n_free) of (max_calls) */
    uint32_t n_free, generation;
    struct nbx_http_call *first, *last; /* under way, the earliest deadline first */
};

/* calls under way */

static void end_call(struct nbx_http_bridge *b, struct nbx_http_call *call,
                     enum nbx_http_outcome outcome)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        b->first = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        b->last = call->prev;
    uint32_t slot = (uint32_t)call->tag;
    b->slots[slot] = NULL;
    b->free_slots[b->n_free++] = slot;
    call->outcome = outcome;
    call->done(call); /* the call is the caller's again */
}

static void begin_call(struct nbx_http_bridge *b, struct nbx_http_call *call)
{
    NBX_ASSERT(b->n_free > 0); /* a connection has one request at a time */
    uint32_t slot = b->free_slots[--b->n_free];
    b->slots[slot] = call;
    call->tag = (uint64_t)++b->generation << 32 | slot;
    call->deadline_ns = nbx_clock_mono_ns() + b->options.timeout_ms * NS_PER_MS;
    call->next = NULL;
    call->prev = b->last;
    if (b->last)
        b->last->next = call;
    else
        b->first = call;
    b->last = call;
}

static bool send_frames(void *socket, const struct nbx_http_call *call)
{
    const struct {
        const void *p;
        size_t n;
    } frames[] = {{&call->tag, sizeof call->tag},    {"", 0},
                  {NBX_MAGIC, sizeof NBX_MAGIC - 1}, {call->op, strlen(call->op)},
                  {call->key.p, call->key.len},      {call->request.p, call->request.len}};
    const size_t n = sizeof frames / sizeof frames[0];
    for (size_t i = 0; i < n; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < n ? ZMQ_SNDMORE : 0);
        if (zmq_send(socket, frames[i].p, frames[i].n, flags) < 0)
            return false;
    }
    return true;
}

static void send_queued(struct nbx_http_bridge *b)
{
    pthread_mutex_lock(&b->mutex);
    struct nbx_http_call *call = b->queued;
    b->queued = b->queued_last = NULL;
    pthread_mutex_unlock(&b->mutex);
    while (call) {
        struct nbx_http_call *next = call->next;
        begin_call(b, call);
        if (!send_frames(b->socket, call))
            end_call(b, call, NBX_HTTP_NOT_SENT);
        call = next;
    }
}

static void take_reply(struct nbx_http_bridge *b, zmq_msg_t *frames, size_t n)
{
    if (n != N_REPLY_FRAMES || zmq_msg_size(&frames[0]) != sizeof(uint64_t)) {
        nbx_log_warnx("http: a reply with %zu frames is dropped", n);
        return;
    }
    uint64_t tag;
    memcpy(&tag, zmq_msg_data(&frames[0]), sizeof tag);
    uint32_t slot = (uint32_t)tag;
    struct nbx_http_call *call = slot < b->options.max_calls ? b->slots[slot] : NULL;
    if (!call || call->tag != tag)
        return; /* came after its deadline */
    size_t len = zmq_msg_size(&frames[3]);
    len = len < sizeof call->status ? len : sizeof call->status - 1;
    memcpy(call->status, zmq_msg_data(&frames[3]), len);
    call->status[len] = '\0';
    nbx_buf_clear(&call->reply);
    nbx_buf_put(&call->reply, zmq_msg_data(&frames[4]), zmq_msg_size(&frames[4]));
    end_call(b, call, NBX_HTTP_REPLIED);
}

/* One message of any number of frames, of which the first few are kept. false: there is none. */
static bool receive(struct nbx_http_bridge *b)
{
    zmq_msg_t frames[N_REPLY_FRAMES + 1]; /* the last holds what is too much */
    for (size_t i = 0; i <= N_REPLY_FRAMES; i++)
        zmq_msg_init(&frames[i]);
    size_t n = 0;
    bool more = true;
    while (more) {
        zmq_msg_t *frame = &frames[n < N_REPLY_FRAMES ? n : N_REPLY_FRAMES];
        if (zmq_msg_recv(frame, b->socket, ZMQ_DONTWAIT) < 0)
            break;
        more = zmq_msg_more(frame);
        n++;
    }
    if (n > 0)
        take_reply(b, frames, n);
    for (size_t i = 0; i <= N_REPLY_FRAMES; i++)
        zmq_msg_close(&frames[i]);
    return n > 0;
}

/* the thread */

static bool is_closing(struct nbx_http_bridge *b, int64_t *drain_deadline_ns)
{
    pthread_mutex_lock(&b->mutex);
    bool closing = b->closing;
    *drain_deadline_ns = b->drain_deadline_ns;
    pthread_mutex_unlock(&b->mutex);
    return closing;
}

static long wait_ms(const struct nbx_http_bridge *b, bool closing, int64_t drain_deadline_ns)
{
    if (!b->first)
        return -1;
    int64_t until = b->first->deadline_ns;
    if (closing && drain_deadline_ns < until)
        until = drain_deadline_ns;
    int64_t left = until - nbx_clock_mono_ns();
    return left <= 0 ? 0 : (long)(left / NS_PER_MS) + 1;
}

static void expire(struct nbx_http_bridge *b)
{
    int64_t now = nbx_clock_mono_ns();
    while (b->first && b->first->deadline_ns <= now)
        end_call(b, b->first, NBX_HTTP_TIMED_OUT);
}

static void *run(void *arg)
{
    struct nbx_http_bridge *b = arg;
    zmq_pollitem_t items[2] = {{.socket = b->socket, .events = ZMQ_POLLIN},
                               {.fd = b->wake_fd, .events = ZMQ_POLLIN}};
    for (;;) {
        int64_t drain_deadline_ns;
        bool closing = is_closing(b, &drain_deadline_ns);
        send_queued(b);
        if (closing && (!b->first || drain_deadline_ns <= nbx_clock_mono_ns()))
            break;
        if (zmq_poll(items, 2, wait_ms(b, closing, drain_deadline_ns)) < 0 && errno == ETERM)
            break;
        uint64_t wakes;
        if (items[1].revents && read(b->wake_fd, &wakes, sizeof wakes) < 0 && errno != EAGAIN)
            nbx_log_warn("http: eventfd");
        while (receive(b))
            ;
        expire(b);
    }
    /* Where the context ended first, senders must still see the door closed. */
    pthread_mutex_lock(&b->mutex);
    b->closing = true;
    pthread_mutex_unlock(&b->mutex);
    send_queued(b);
    while (b->first)
        end_call(b, b->first, NBX_HTTP_CLOSED);
    return NULL;
}

static void wake(struct nbx_http_bridge *b)
{
    uint64_t one = 1;
    if (write(b->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        nbx_log_warn("http: eventfd");
}

/* from outside */

static enum nbx_err make_slots(struct nbx_http_bridge *b, struct nbx_fault *fault)
{
    uint32_t n = b->options.max_calls;
    b->slots = calloc(n, sizeof(struct nbx_http_call *));
    b->free_slots = calloc(n, sizeof *b->free_slots);
    if (!b->slots || !b->free_slots)
        return nbx_fault_set(fault, NBX_ELIMIT, "http", "out of memory");
    for (; b->n_free < n; b->n_free++)
        b->free_slots[b->n_free] = b->n_free;
    return NBX_OK;
}

static enum nbx_err connect_front(struct nbx_http_bridge *b, struct nbx_fault *fault)
{
    int none = 0, room = (int)b->options.max_calls + 1;
    b->socket = zmq_socket(b->options.zmq_context, ZMQ_DEALER);
    if (!b->socket || zmq_setsockopt(b->socket, ZMQ_LINGER, &none, sizeof none) ||
        zmq_setsockopt(b->socket, ZMQ_SNDHWM, &room, sizeof room) ||
        zmq_connect(b->socket, b->options.front))
        return nbx_fault_set(fault, NBX_EINTERNAL, "http", "%s: %s", b->options.front,
                             zmq_strerror(zmq_errno()));
    return NBX_OK;
}

enum nbx_err nbx_http_bridge_start(struct nbx_http_bridge **out,
                                   const struct nbx_http_bridge_options *options,
                                   struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_http_bridge *b = calloc(1, sizeof *b);
    if (!b)
        return nbx_fault_set(fault, NBX_ELIMIT, "http", "out of memory");
    b->options = *options;
    pthread_mutex_init(&b->mutex, NULL);
    b->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum nbx_err err = make_slots(b, fault);
    if (!err && b->wake_fd < 0)
        err = nbx_fault_set(fault, NBX_ELIMIT, "http", "no descriptor left");
    if (!err)
        err = connect_front(b, fault);
    if (err)
        goto out;
    b->running = pthread_create(&b->thread, NULL, run, b) == 0;
    if (!b->running)
        err = nbx_fault_set(fault, NBX_ELIMIT, "http", "cannot start a thread");
out:
    if (err)
        nbx_http_bridge_destroy(&b);
    *out = b;
    return err;
}

bool nbx_http_bridge_send(struct nbx_http_bridge *b, struct nbx_http_call *call)
{
    call->next = call->prev = NULL;
    pthread_mutex_lock(&b->mutex);
    bool taken = !b->closing;
    if (taken && b->queued)
        b->queued_last->next = call;
    else if (taken)
        b->queued = call;
    if (taken)
        b->queued_last = call;
    pthread_mutex_unlock(&b->mutex);
    if (taken)
        wake(b);
    return taken;
}

void nbx_http_bridge_stop(struct nbx_http_bridge *b, int drain_ms)
{
    if (!b->running)
        return;
    pthread_mutex_lock(&b->mutex);
    b->closing = true;
    b->drain_deadline_ns = nbx_clock_mono_ns() + drain_ms * NS_PER_MS;
    pthread_mutex_unlock(&b->mutex);
    wake(b);
    pthread_join(b->thread, NULL);
    b->running = false;
}

void nbx_http_bridge_destroy(struct nbx_http_bridge **bridge)
{
    struct nbx_http_bridge *b = *bridge;
    if (!b)
        return;
    nbx_http_bridge_stop(b, 0);
    if (b->socket)
        zmq_close(b->socket);
    if (b->wake_fd >= 0)
        close(b->wake_fd);
    pthread_mutex_destroy(&b->mutex);
    free(b->slots);
    free(b->free_slots);
    free(b);
    *bridge = NULL;
}
