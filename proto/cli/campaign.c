/* SPDX-License-Identifier: MIT */
#include "proto/cli/campaign.h"

#include "engine/base/clock.h"
#include "engine/base/progress.h"
#include "engine/base/value_floats.h"
#include "proto/cli/answer_text.h"
#include "proto/cli/customer_file.h"
#include "proto/client/ask.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIST_CUSTOMERS 250
#define N_LISTS        4 /* under way: the daemon takes 8 of all its clients */
#define REPLY_ARENA    ((size_t)512 << 20)
#define NS_PER_MS      INT64_C(1000000)
#define MAX_TRIES      30  /* where the daemon is busy: about 25 seconds of pauses */
#define MAX_REPORTED   100 /* refused rows that are printed */

enum stage { FREE, UNDER_WAY, ANSWERED };

/* Customers asked for in one request. */
struct list {
    enum stage stage;
    uint64_t sequence;
    struct nbx_buf body; /* the request */
    struct nbx_buf text; /* the answer, to be written in turn */
    uint64_t lines[LIST_CUSTOMERS];
    uint32_t n, n_tries;
    int64_t next_try_ns; /* 0: waits for a reply */
    int64_t deadline_ns;
};

struct campaign {
    struct nbx_cli *cli;
    const struct nbx_value *asked; /* the body's members but for the customers */
    const char *path;
    struct nbx_answer_text text;
    struct nbx_customer_file file;
    struct nbx_arena *arena; /* of one reply */
    uint32_t list_size;
    struct list lists[N_LISTS]; /* by sequence modulo */
    uint64_t next, first;       /* to be filled; the first that is not written */
    bool ended, headed;
    uint64_t n_answered, n_refused;
    struct nbx_progress progress;
};

static struct list *list_at(struct campaign *c, uint64_t sequence)
{
    return &c->lists[sequence % N_LISTS];
}

static void refuse_row(struct campaign *c, const struct nbx_fault *fault)
{
    if (c->n_refused++ >= MAX_REPORTED)
        return;
    nbx_progress_end(&c->progress);
    nbx_cli_fail(fault);
}

/* filling */

/* Reads ids into `ids` until the list is full or the file ends. */
static enum nbx_err read_ids(struct campaign *c, struct list *l, struct nbx_buf *ids,
                             struct nbx_fault *fault)
{
    while (l->n < c->list_size && !c->ended) {
        struct nbx_str id;
        enum nbx_err err = nbx_customer_file_next(&c->file, &id, &l->lines[l->n], fault);
        if (err == NBX_EBAD || err == NBX_ELIMIT) {
            refuse_row(c, fault);
            continue;
        }
        if (err)
            return err;
        c->ended = id.len == 0;
        if (c->ended)
            break;
        nbx_wire_str(ids, id);
        l->n++;
    }
    return NBX_OK;
}

static enum nbx_err make_body(struct campaign *c, struct list *l, const struct nbx_buf *ids,
                              struct nbx_fault *fault)
{
    const struct nbx_value *asked = c->asked;
    nbx_buf_clear(&l->body);
    nbx_wire_map(&l->body, asked->n + 1);
    for (uint32_t i = 0; i < asked->n; i++) {
        nbx_wire_str(&l->body, asked->members[i].key);
        nbx_wire_value(&l->body, &asked->members[i].value);
    }
    nbx_wire_text(&l->body, "customers");
    nbx_wire_list(&l->body, l->n);
    nbx_buf_put(&l->body, ids->p, ids->len);
    if (l->body.failed || ids->failed)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    return NBX_OK;
}

static enum nbx_err transmit(struct campaign *c, struct list *l, struct nbx_fault *fault)
{
    struct nbx_request request = {.op = "recommend",
                                  .body = {(const char *)l->body.p, (uint32_t)l->body.len},
                                  .tag = l->sequence};
    enum nbx_err err = nbx_client_send(c->cli->client, &request);
    if (err && err != NBX_EBUSY)
        return nbx_fault_set(fault, err, NULL, "a request could not be sent");
    int64_t now = nbx_clock_mono_ns();
    l->next_try_ns = err == NBX_EBUSY ? now + NS_PER_MS : 0;
    l->deadline_ns = now + c->cli->timeout_ms * NS_PER_MS;
    return NBX_OK;
}

static enum nbx_err send_next(struct campaign *c, struct nbx_fault *fault)
{
    struct list *l = list_at(c, c->next);
    struct nbx_buf ids = {0};
    l->n = l->n_tries = 0;
    enum nbx_err err = read_ids(c, l, &ids, fault);
    if (!err && l->n > 0)
        err = make_body(c, l, &ids, fault);
    nbx_buf_fini(&ids);
    if (err || l->n == 0)
        return err;
    l->stage = UNDER_WAY;
    l->sequence = c->next++;
    return transmit(c, l, fault);
}

/* answers */

static void report_errors(struct campaign *c, const struct list *l, const struct nbx_value *errors)
{
    for (uint32_t i = 0; errors && errors->type == NBX_LIST && i < errors->n; i++) {
        int64_t index = nbx_cli_int(&errors->list[i], "index");
        struct nbx_fault fault;
        nbx_fault_set(&fault, NBX_EBAD, NULL, "%.*s",
                      NBX_STR_ARG(nbx_cli_text(&errors->list[i], "message")));
        snprintf(fault.field, sizeof fault.field, "%.112s:%" PRIu64, c->path,
                 index >= 0 && index < l->n ? l->lines[index] : 0);
        refuse_row(c, &fault);
    }
}

static enum nbx_err keep_answer(struct campaign *c, struct list *l, struct nbx_value *body,
                                struct nbx_fault *fault)
{
    const struct nbx_value *results = nbx_value_get(body, "results");
    if (!results || results->type != NBX_LIST)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "what answers is not an nbxd that knows lists");
    nbx_buf_clear(&l->text);
    if (!c->headed)
        nbx_answer_text_head(&l->text, &c->text);
    c->headed = true;
    l->text.failed |= nbx_value_spread_bins(body, c->arena) != NBX_OK;
    for (uint32_t i = 0; i < results->n; i++)
        nbx_answer_text_put(&l->text, &c->text, &results->list[i]);
    if (l->text.failed)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    report_errors(c, l, nbx_value_get(body, "errors"));
    l->n = results->n;
    l->stage = ANSWERED;
    return NBX_OK;
}

/* Whatever is next in the file's order goes out at once. */
static enum nbx_err write_answered(struct campaign *c, struct nbx_fault *fault)
{
    for (; c->first < c->next && list_at(c, c->first)->stage == ANSWERED; c->first++) {
        struct list *l = list_at(c, c->first);
        if (fwrite(l->text.p, 1, l->text.len, stdout) < l->text.len || fflush(stdout))
            return nbx_fault_set(fault, NBX_ESTORAGE, NULL, "the answers cannot be written: %s",
                                 strerror(errno));
        c->n_answered += l->n;
        l->stage = FREE;
    }
    nbx_progress_update(&c->progress, nbx_csv_bytes_read(c->file.csv));
    return NBX_OK;
}

static enum nbx_err try_later(struct list *l, struct nbx_str message, struct nbx_fault *fault)
{
    if (++l->n_tries > MAX_TRIES)
        return nbx_fault_set(fault, NBX_EBUSY, NULL, "the daemon stays busy: %.*s",
                             NBX_STR_ARG(message));
    l->next_try_ns = nbx_clock_mono_ns() + nbx_ask_pause_ms(l->n_tries) * NS_PER_MS;
    return NBX_OK;
}

static enum nbx_err take_reply(struct campaign *c, struct nbx_reply *reply, struct nbx_fault *fault)
{
    struct list *l = list_at(c, reply->tag);
    struct nbx_str message = nbx_cli_text(&reply->body, "message");
    if (l->sequence != reply->tag || l->stage != UNDER_WAY)
        return NBX_OK;
    if (nbx_str_is(reply->status, "ok"))
        return keep_answer(c, l, &reply->body, fault);
    if (nbx_str_is(reply->status, "busy"))
        return try_later(l, message, fault);
    nbx_fault_set(fault, nbx_ask_error_of(reply->status), NULL, "%.*s", NBX_STR_ARG(message));
    snprintf(fault->field, sizeof fault->field, "%.*s",
             NBX_STR_ARG(nbx_cli_text(&reply->body, "field")));
    return fault->code;
}

/* Sends again what was told to wait; *until_ns is when to look next. */
static enum nbx_err look_after(struct campaign *c, int64_t *until_ns, struct nbx_fault *fault)
{
    int64_t now = nbx_clock_mono_ns();
    *until_ns = INT64_MAX;
    for (uint64_t s = c->first; s < c->next; s++) {
        struct list *l = list_at(c, s);
        if (l->stage != UNDER_WAY)
            continue;
        if (!l->next_try_ns && l->deadline_ns <= now)
            return nbx_fault_set(fault, NBX_EBUSY, NULL,
                                 "no reply from %s within %d ms; is nbxd running there?",
                                 c->cli->endpoint, c->cli->timeout_ms);
        enum nbx_err err = l->next_try_ns && l->next_try_ns <= now ? transmit(c, l, fault) : NBX_OK;
        if (err)
            return err;
        int64_t due = l->next_try_ns ? l->next_try_ns : l->deadline_ns;
        *until_ns = due < *until_ns ? due : *until_ns;
    }
    return NBX_OK;
}

/* Takes one reply, or waits for the next moment something is due. */
static enum nbx_err step(struct campaign *c, struct nbx_fault *fault)
{
    int64_t until_ns;
    enum nbx_err err = look_after(c, &until_ns, fault);
    if (err)
        return err;
    int64_t left_ns = until_ns - nbx_clock_mono_ns();
    struct nbx_reply reply;
    nbx_arena_reset(c->arena);
    err = nbx_client_recv(c->cli->client, left_ns <= 0 ? 0 : (int)(left_ns / NS_PER_MS) + 1,
                          c->arena, &reply);
    if (err == NBX_EBUSY)
        return NBX_OK;
    if (err)
        return nbx_fault_set(fault, err, NULL, "what answers at %s is not nbxd", c->cli->endpoint);
    err = take_reply(c, &reply, fault);
    return err ? err : write_answered(c, fault);
}

static enum nbx_err run(struct campaign *c, struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    while (!err && (!c->ended || c->first < c->next)) {
        if (!c->ended && c->next - c->first < N_LISTS)
            err = send_next(c, fault);
        else
            err = step(c, fault);
    }
    return err;
}

/* the whole */

static int read_options(struct campaign *c, const struct nbx_cli_args *args)
{
    const struct nbx_value *format = nbx_cli_own(args, "format");
    const struct nbx_value *n = nbx_value_get(&args->body, "n");
    c->asked = &args->body;
    c->path = nbx_cli_own(args, "customers")->s.p;
    c->text.fields = nbx_value_get(&args->body, "fields");
    c->text.jsonl = format ? strcmp(format->s.p, "jsonl") == 0 : c->cli->json;
    if (format && !c->text.jsonl && strcmp(format->s.p, "csv") != 0)
        return nbx_cli_usage("--format: must be csv or jsonl");
    if (args->n > 0)
        return nbx_cli_usage("either CUSTOMER or --customers FILE; see --help");
    int64_t fit = n && n->i > 0 ? NBX_MAX_WANTED / n->i : LIST_CUSTOMERS;
    c->list_size = fit < 1 ? 1 : fit < LIST_CUSTOMERS ? (uint32_t)fit : LIST_CUSTOMERS;
    return NBX_EXIT_OK;
}

static int report(const struct campaign *c, const struct nbx_fault *fault)
{
    if (c->n_refused > MAX_REPORTED)
        fprintf(stderr, "nbx: %" PRIu64 " rows refused in all\n", c->n_refused);
    if (!fault->code)
        return c->n_refused ? NBX_EXIT_FAILED : NBX_EXIT_OK;
    nbx_cli_fail(fault);
    if (c->n_answered)
        fprintf(stderr, "nbx: ended after the answers of %" PRIu64 " customers\n", c->n_answered);
    return NBX_EXIT_FAILED;
}

static void release(struct campaign *c)
{
    for (int i = 0; i < N_LISTS; i++) {
        nbx_buf_fini(&c->lists[i].body);
        nbx_buf_fini(&c->lists[i].text);
    }
    nbx_customer_file_close(&c->file);
    nbx_arena_destroy(&c->arena);
}

int nbx_cli_campaign(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct campaign c = {.cli = cli};
    struct nbx_fault fault = {0};
    int code = read_options(&c, args);
    if (!code)
        code = nbx_cli_connect(cli);
    if (code)
        return code;
    enum nbx_err err = nbx_customer_file_open(&c.file, c.path, &fault);
    if (!err && !(c.arena = nbx_arena_new(REPLY_ARENA)))
        err = nbx_fault_set(&fault, NBX_ELIMIT, NULL, "out of memory");
    if (!err) {
        /* rows on the terminal show by themselves how far it is */
        nbx_progress_start(&c.progress, isatty(STDOUT_FILENO) ? -1 : STDERR_FILENO, "recommending",
                           "bytes", nbx_csv_bytes_total(c.file.csv));
        err = run(&c, &fault);
        nbx_progress_end(&c.progress);
    }
    fault.code = err;
    code = report(&c, &fault);
    release(&c);
    return code;
}
