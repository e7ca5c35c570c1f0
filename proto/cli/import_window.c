/* SPDX-License-Identifier: MIT */
#include "proto/cli/import_window.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "proto/cli/cli.h"
#include "proto/client/ask.h"
#include "proto/wire.h"

#include <stdlib.h>

#define NS_PER_MS    INT64_C(1000000)
#define MAX_TRIES    24 /* about 20 seconds of pauses */
#define MAX_SILENCES 3

enum nbx_err nbx_import_window_init(struct nbx_import_window *w, const struct nbx_import_what *what,
                                    struct nbx_client *client, int timeout_ms)
{
    *w = (struct nbx_import_window){.what = what, .client = client, .timeout_ms = timeout_ms};
    w->batches = calloc(NBX_IMPORT_MAX_WINDOW, sizeof *w->batches);
    w->arena = nbx_arena_new(NBX_CLIENT_MAX_REPLY_BYTES);
    return w->batches && w->arena ? NBX_OK : NBX_ELIMIT;
}

void nbx_import_window_fini(struct nbx_import_window *w)
{
    for (int i = 0; w->batches && i < NBX_IMPORT_MAX_WINDOW; i++) {
        nbx_buf_fini(&w->batches[i].entries);
        nbx_buf_fini(&w->batches[i].body);
    }
    free(w->batches);
    nbx_arena_destroy(&w->arena);
}

static struct nbx_import_batch *batch_at(struct nbx_import_window *w, uint64_t sequence)
{
    return &w->batches[sequence % w->what->window];
}

/* sending */

static enum nbx_err transmit(struct nbx_import_window *w, struct nbx_import_batch *b,
                             struct nbx_fault *fault)
{
    struct nbx_request request = {
        .op = w->what->op,
        .body = {(const char *)b->body.p, (uint32_t)b->body.len},
        .tag = b->sequence,
    };
    enum nbx_err err = nbx_client_send(w->client, &request);
    if (err && err != NBX_EBUSY)
        return nbx_fault_set(fault, err, NULL, "a request could not be sent");
    int64_t now = nbx_clock_mono_ns();
    b->next_try_ns = err == NBX_EBUSY ? now + NS_PER_MS : 0;
    b->deadline_ns = now + w->timeout_ms * NS_PER_MS;
    return NBX_OK;
}

static enum nbx_err try_later(struct nbx_import_batch *b, struct nbx_str message,
                              struct nbx_fault *fault)
{
    if (++b->n_tries > MAX_TRIES)
        return nbx_fault_set(fault, NBX_EBUSY, NULL, "the daemon stays busy: %.*s",
                             NBX_STR_ARG(message));
    b->next_try_ns = nbx_clock_mono_ns() + nbx_ask_pause_ms(b->n_tries) * NS_PER_MS;
    return NBX_OK;
}

/* replies */

/* Counts go up in the order of the file, so that the progress names a row below which all is
 * acknowledged. */
static void advance(struct nbx_import_window *w)
{
    while (w->first_open < w->next_sequence && w->is_done[w->first_open % w->what->window]) {
        uint64_t at = w->first_open % w->what->window;
        w->counts->rows = w->done[at].rows;
        w->counts->applied += w->done[at].applied;
        w->counts->duplicates += w->done[at].duplicates;
        w->counts->withheld += w->done[at].withheld;
        w->counts->refused += w->done[at].refused;
        w->is_done[at] = false;
        w->first_open++;
    }
    nbx_import_state_save(w->state, w->counts, false);
}

static uint32_t report_refused(struct nbx_import_window *w, struct nbx_import_batch *b,
                               const struct nbx_value *errors)
{
    struct nbx_value body;
    struct nbx_fault fault;
    const struct nbx_value *entries = NULL;
    if (nbx_wire_decode(&body, b->body.p, b->body.len, w->arena, &fault) == NBX_OK)
        entries = nbx_value_get(&body, w->what->list);
    for (uint32_t i = 0; i < errors->n; i++) {
        const struct nbx_value *error = &errors->list[i];
        int64_t index = nbx_cli_int(error, "index");
        bool known = index >= 0 && index < b->n;
        nbx_fault_set(&fault, NBX_EBAD, NULL, "%.*s", NBX_STR_ARG(nbx_cli_text(error, "message")));
        struct nbx_str field = nbx_cli_text(error, "field");
        snprintf(fault.field, sizeof fault.field, "%.*s", NBX_STR_ARG(field));
        nbx_import_state_refuse(
            w->state, known ? b->lines[index] : 0, &fault,
            known && entries && (uint64_t)index < entries->n ? &entries->list[index] : NULL);
    }
    return errors->n;
}

static void acknowledge(struct nbx_import_window *w, struct nbx_import_batch *b,
                        const struct nbx_value *reply)
{
    uint64_t at = b->sequence % w->what->window;
    const struct nbx_value *errors = reply ? nbx_value_get(reply, "errors") : NULL;
    w->done[at] = (struct nbx_import_counts){.rows = b->last_row, .refused = b->n_refused};
    if (reply) {
        /* those of a later time are held until then: taken they are */
        w->done[at].applied =
            (uint64_t)(nbx_cli_int(reply, "applied") + nbx_cli_int(reply, "held"));
        w->done[at].duplicates = (uint64_t)nbx_cli_int(reply, "duplicates");
        w->done[at].withheld = (uint64_t)nbx_cli_int(reply, "withheld");
    }
    if (errors && errors->type == NBX_LIST && errors->n > 0)
        w->done[at].refused += report_refused(w, b, errors);
    w->is_done[at] = true;
    b->sent = false;
    advance(w);
}

static enum nbx_err take_reply(struct nbx_import_window *w, const struct nbx_reply *reply,
                               struct nbx_fault *fault)
{
    struct nbx_import_batch *b = batch_at(w, reply->tag);
    if (b->sequence != reply->tag || !b->sent)
        return NBX_OK; /* the second reply to a batch that was sent twice */
    struct nbx_str message = nbx_cli_text(&reply->body, "message");
    struct nbx_str field = nbx_cli_text(&reply->body, "field");
    if (nbx_str_is(reply->status, "ok")) {
        acknowledge(w, b, &reply->body);
        return NBX_OK;
    }
    if (nbx_str_is(reply->status, "busy"))
        return try_later(b, message, fault);
    nbx_fault_set(fault, nbx_ask_error_of(reply->status), NULL, "%.*s", NBX_STR_ARG(message));
    snprintf(fault->field, sizeof fault->field, "%.*s", NBX_STR_ARG(field));
    return fault->code;
}

/* Sends again what was told to wait or was never answered; *until_ns is when to look next. */
static enum nbx_err look_after(struct nbx_import_window *w, int64_t *until_ns,
                               struct nbx_fault *fault)
{
    int64_t now = nbx_clock_mono_ns();
    *until_ns = INT64_MAX;
    for (uint64_t s = w->first_open; s < w->next_sequence; s++) {
        struct nbx_import_batch *b = batch_at(w, s);
        if (!b->sent)
            continue;
        bool silent = !b->next_try_ns && b->deadline_ns <= now;
        if (silent && ++b->n_tries > MAX_SILENCES)
            return nbx_fault_set(fault, NBX_EBUSY, NULL,
                                 "no reply within %d ms, %d times; is nbxd running?", w->timeout_ms,
                                 MAX_SILENCES + 1);
        enum nbx_err err = NBX_OK;
        if (silent || (b->next_try_ns && b->next_try_ns <= now))
            err = transmit(w, b, fault);
        if (err)
            return err;
        int64_t due = b->next_try_ns ? b->next_try_ns : b->deadline_ns;
        *until_ns = due < *until_ns ? due : *until_ns;
    }
    return NBX_OK;
}

/* Takes one reply, or waits for the next moment something is due. */
static enum nbx_err step(struct nbx_import_window *w, struct nbx_fault *fault)
{
    int64_t until_ns;
    enum nbx_err err = look_after(w, &until_ns, fault);
    if (err)
        return err;
    int64_t left_ns = until_ns - nbx_clock_mono_ns();
    int wait_ms = left_ns <= 0 ? 0 : (int)(left_ns / NS_PER_MS) + 1;
    struct nbx_reply reply;
    nbx_arena_reset(w->arena);
    err = nbx_client_recv(w->client, wait_ms, w->arena, &reply);
    if (err == NBX_EBUSY)
        return NBX_OK;
    return err ? nbx_fault_set(fault, err, NULL, "what answers is not nbxd")
               : take_reply(w, &reply, fault);
}

/* batches */

enum nbx_err nbx_import_window_begin(struct nbx_import_window *w, struct nbx_import_batch **out,
                                     struct nbx_fault *fault)
{
    while (w->next_sequence - w->first_open >= w->what->window) {
        enum nbx_err err = step(w, fault);
        if (err)
            return err;
    }
    struct nbx_import_batch *b = batch_at(w, w->next_sequence);
    nbx_buf_clear(&b->entries);
    b->sequence = w->next_sequence;
    b->n = b->n_tries = 0;
    b->n_refused = 0;
    b->sent = false;
    b->next_try_ns = 0;
    *out = b;
    return NBX_OK;
}

enum nbx_err nbx_import_window_send(struct nbx_import_window *w, struct nbx_fault *fault)
{
    struct nbx_import_batch *b = batch_at(w, w->next_sequence++);
    if (b->n == 0) {
        acknowledge(w, b, NULL);
        return NBX_OK;
    }
    nbx_buf_clear(&b->body);
    nbx_wire_map(&b->body, 1);
    nbx_wire_text(&b->body, w->what->list);
    nbx_wire_list(&b->body, b->n);
    nbx_buf_put(&b->body, b->entries.p, b->entries.len);
    if (b->body.failed)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    b->sent = true;
    return transmit(w, b, fault);
}

enum nbx_err nbx_import_window_drain(struct nbx_import_window *w, struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    while (!err && w->first_open < w->next_sequence)
        err = step(w, fault);
    return err;
}
