/* SPDX-License-Identifier: MIT */
#include "proto/client/events.h"

#include "engine/base/csv.h"
#include "engine/base/progress.h"
#include "proto/wire.h"

#include <errno.h>
#include <inttypes.h>

#define N_TRIES 3 /* of a page once others came: the daemon may be starting again */

static const char *const columns[] = {"customer", "item",      "type",   "time",    "effect",
                                      "channel",  "placement", "store",  "session", "order",
                                      "quantity", "value",     "rating", "decision"};
#define N_COLUMNS (sizeof columns / sizeof columns[0])

/* Pages being taken. */
struct pages {
    const struct nbx_pull *pull;
    struct nbx_reply reply;
    struct nbx_buf body, next, rows;
    bool ended;
    uint64_t n;
};

static void put_cell(struct nbx_buf *b, const struct nbx_value *v)
{
    if (v && v->type == NBX_STRING)
        nbx_csv_put(b, v->s);
    else if (v && v->type == NBX_INT)
        nbx_buf_printf(b, "%" PRId64, v->i);
    else if (v && v->type == NBX_FLOAT)
        nbx_buf_printf(b, "%.15g", v->f);
}

static void put_header(struct nbx_buf *b)
{
    for (size_t c = 0; c < N_COLUMNS; c++)
        nbx_buf_printf(b, "%s%s", c ? "," : "", columns[c]);
    nbx_buf_put_u8(b, '\n');
}

static void put_row(struct nbx_buf *b, const struct nbx_value *event)
{
    for (size_t c = 0; c < N_COLUMNS; c++) {
        if (c)
            nbx_buf_put_u8(b, ',');
        put_cell(b, nbx_value_get(event, columns[c]));
    }
    nbx_buf_put_u8(b, '\n');
}

static enum nbx_err write_rows(struct pages *p, FILE *out, struct nbx_fault *fault)
{
    if (p->rows.failed)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    if (fwrite(p->rows.p, 1, p->rows.len, out) != p->rows.len)
        return nbx_fault_set(fault, NBX_ESTORAGE, NULL, "the events cannot be written: %s",
                             strerror(errno));
    nbx_buf_clear(&p->rows);
    return NBX_OK;
}

static void put_body(struct pages *p)
{
    const struct nbx_value *wanted = p->pull->wanted;
    bool more = p->next.len > 0;
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, wanted->n + more);
    for (uint32_t i = 0; i < wanted->n; i++) {
        nbx_wire_str(&p->body, wanted->members[i].key);
        nbx_wire_value(&p->body, &wanted->members[i].value);
    }
    if (more)
        nbx_wire_kv_str(&p->body, "after",
                        (struct nbx_str){(const char *)p->next.p, (uint32_t)p->next.len});
}

static enum nbx_err ask(struct pages *p, struct nbx_fault *fault)
{
    int tries = p->next.len ? N_TRIES : 1;
    enum nbx_err err;
    do
        err = nbx_ask_ok(&p->pull->from, "events.read", &p->body, &p->reply, fault);
    while (err == NBX_EBUSY && --tries > 0);
    return err;
}

/* Where the next page goes on; `next` lies in the reply, which goes with the next question. */
static void take_next(struct pages *p)
{
    const struct nbx_value *next = nbx_value_get(&p->reply.body, "next");
    bool more = next && next->type == NBX_STRING;
    nbx_buf_clear(&p->next);
    if (more)
        nbx_buf_put(&p->next, next->s.p, next->s.len);
    p->ended = !more;
}

static enum nbx_err take_page(struct pages *p, struct nbx_fault *fault)
{
    put_body(p);
    enum nbx_err err = ask(p, fault);
    const struct nbx_value *events = err ? NULL : nbx_value_get(&p->reply.body, "events");
    if (err)
        return err;
    if (!events || events->type != NBX_LIST)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "what answers at %s is no nbxd with events",
                             p->pull->from.endpoint);
    for (uint32_t i = 0; i < events->n; i++)
        put_row(&p->rows, &events->list[i]);
    p->n += events->n;
    take_next(p);
    return NBX_OK;
}

enum nbx_err nbx_pull_events(const struct nbx_pull *pull, FILE *out, uint64_t *n,
                             struct nbx_fault *fault)
{
    struct pages p = {.pull = pull};
    struct nbx_progress progress;
    enum nbx_err err = NBX_OK;
    put_header(&p.rows);
    nbx_progress_start(&progress, pull->progress_fd, "pulling events", "events", 0);
    while (!err && !p.ended) {
        err = take_page(&p, fault);
        if (!err)
            err = write_rows(&p, out, fault);
        nbx_progress_update(&progress, p.n);
    }
    nbx_progress_end(&progress);
    if (!err && fflush(out))
        err = nbx_fault_set(fault, NBX_ESTORAGE, NULL, "the events cannot be written: %s",
                            strerror(errno));
    *n = p.n;
    nbx_buf_fini(&p.body);
    nbx_buf_fini(&p.next);
    nbx_buf_fini(&p.rows);
    return err;
}
