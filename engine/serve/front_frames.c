/* SPDX-License-Identifier: MIT */
#include "engine/serve/front_frames.h"

#include <stdio.h>

/* The rest of one message, frame by frame. */
struct frames {
    void *router;
    zmq_msg_t frame;
    bool more;
};

static bool next(struct frames *f)
{
    if (!f->more || zmq_msg_recv(&f->frame, f->router, ZMQ_DONTWAIT) < 0)
        return false;
    f->more = zmq_msg_more(&f->frame) != 0;
    return true;
}

/* Reads what is left of the message, so that the next one begins where it should. */
static void drain(struct frames *f)
{
    while (next(f))
        continue;
}

static struct nbx_str view(struct frames *f)
{
    return (struct nbx_str){zmq_msg_data(&f->frame), (uint32_t)zmq_msg_size(&f->frame)};
}

static bool keep(struct nbx_frame *to, struct nbx_str s, uint32_t max)
{
    if (s.len > max)
        return false;
    memcpy(to->p, s.p, s.len);
    to->len = s.len;
    return true;
}

/* The client's frames up to and with the empty one. */
static bool take_envelope(struct frames *f, struct nbx_job *job)
{
    while (next(f)) {
        struct nbx_str s = view(f);
        if (s.len == 0)
            return true;
        if (job->n_envelope == NBX_MAX_ENVELOPE ||
            !keep(&job->envelope[job->n_envelope++], s, NBX_MAX_ENVELOPE_BYTES))
            return false;
    }
    return false;
}

/* Magic, operation, key and body: exactly four frames. Returns why not, or NULL. */
static const char *take_request(struct frames *f, struct nbx_job *job)
{
    if (!next(f) || !nbx_str_is(view(f), NBX_MAGIC))
        return "the first frame after the empty one must be NBX1";
    if (!next(f))
        return "four frames must follow the empty one: NBX1, operation, key, body";
    job->op = nbx_op_find(view(f));
    if (!job->op)
        return "unknown operation; hello lists the known ones";
    if (!next(f) || !f->more)
        return "four frames must follow the empty one: NBX1, operation, key, body";
    if (!keep(&job->key, view(f), NBX_ID_MAX_BYTES))
        return "the key frame is longer than 255 bytes";
    if (!next(f) || f->more)
        return "four frames must follow the empty one: NBX1, operation, key, body";
    zmq_msg_move(&job->body, &f->frame);
    return NULL;
}

enum nbx_frames_result nbx_frames_receive(void *router, struct nbx_job *job, const char **why)
{
    struct frames f = {.router = router, .more = true};
    enum nbx_frames_result result = NBX_FRAMES_NONE;
    zmq_msg_init(&f.frame);
    if (next(&f)) {
        result = NBX_FRAMES_DROPPED;
        if (keep(&job->peer, view(&f), NBX_ID_MAX_BYTES) && take_envelope(&f, job)) {
            *why = take_request(&f, job);
            result = *why ? NBX_FRAMES_REFUSED : NBX_FRAMES_OK;
        }
        drain(&f);
    }
    zmq_msg_close(&f.frame);
    return result;
}

static int put(void *router, const void *p, size_t n, int more)
{
    return zmq_send(router, p, n, ZMQ_DONTWAIT | more) < 0;
}

/* Only the first frame can find the peer gone or full; the others follow it or are dropped. */
enum nbx_err nbx_frames_send(void *router, const struct nbx_job *job)
{
    const char *status = nbx_err_status(job->status);
    if (put(router, job->peer.p, job->peer.len, ZMQ_SNDMORE))
        return NBX_EBUSY;
    for (uint32_t i = 0; i < job->n_envelope; i++)
        put(router, job->envelope[i].p, job->envelope[i].len, ZMQ_SNDMORE);
    put(router, "", 0, ZMQ_SNDMORE);
    put(router, NBX_MAGIC, strlen(NBX_MAGIC), ZMQ_SNDMORE);
    put(router, status, strlen(status), ZMQ_SNDMORE);
    return put(router, job->reply.p, job->reply.len, 0) ? NBX_EBUSY : NBX_OK;
}
