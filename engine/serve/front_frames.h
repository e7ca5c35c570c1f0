/* SPDX-License-Identifier: MIT
 * A request's frames off a ROUTER and a reply's frames onto it.
 *
 * Why:     PROTOCOL.md, Frames, in one place: what is answered, what is dropped.
 * Threads: front.
 */
#ifndef NBX_SERVE_FRONT_FRAMES_H
#define NBX_SERVE_FRONT_FRAMES_H

#include "engine/serve/mail.h"

enum nbx_frames_result {
    NBX_FRAMES_NONE,    /* nothing waits */
    NBX_FRAMES_OK,      /* job->peer, envelope, op, key and body are set */
    NBX_FRAMES_REFUSED, /* answerable, but wrong: *why says how */
    NBX_FRAMES_DROPPED, /* not answerable */
};

/* One whole message, never waiting for one. */
enum nbx_frames_result nbx_frames_receive(void *router, struct nbx_job *job, const char **why);
/* Sends job->status and job->reply to job->peer; NBX_EBUSY where the peer takes nothing now. */
enum nbx_err nbx_frames_send(void *router, const struct nbx_job *job);

#endif
