/* SPDX-License-Identifier: MIT */
#include "tests/crash/writer.h"

#include "engine/store/key.h"

#include <stdio.h>

#define RECEIVE_MS 20
#define LAST_MS    10 /* after the kill: replies that were on their way */

/* An error of an entry: the event at that place was left out. */
static bool settle_errors(struct writer *w, const struct sent_request *slot,
                          const struct nbx_value *observed, bool *refused)
{
    const struct nbx_value *errors = nbx_value_get(observed, "errors");
    for (uint32_t i = 0; errors && errors->type == NBX_LIST && i < errors->n; i++) {
        const struct nbx_value *index = nbx_value_get(&errors->list[i], "index");
        if (!index || index->type != NBX_INT || index->i < 0 || index->i >= slot->n)
            return false;
        const struct sent_place *at = &slot->events[index->i];
        ledger_settle(w->ledger, at->customer, at->ordinal, FATE_REFUSED);
        refused[index->i] = true;
    }
    return errors != NULL;
}

static void settle_seq(struct writer *w, const struct sent_request *slot,
                       const struct nbx_value *observed)
{
    char text[LEDGER_ID_BYTES];
    const struct nbx_value *v = nbx_value_get(observed, "seq");
    if (slot->kind == SENT_FANNED || !v || v->type != NBX_INT)
        return;
    ledger_customer_id(text, w->ledger, slot->events[0].customer);
    uint8_t group = nbx_group_of(nbx_str_c(text));
    uint64_t seq = (uint64_t)v->i;
    if (seq > w->ledger->memory_seq[group])
        w->ledger->memory_seq[group] = seq;
    if (slot->durable && seq > w->ledger->durable_seq[group])
        w->ledger->durable_seq[group] = seq;
}

static bool settle_events(struct writer *w, const struct sent_request *slot,
                          const struct nbx_reply *reply)
{
    bool refused[EVENTS_A_REQUEST] = {false}, ok = nbx_str_is(reply->status, "ok");
    const struct nbx_value *observed =
        slot->kind == SENT_RECOMMEND ? nbx_value_get(&reply->body, "observed") : &reply->body;
    if (ok && (!observed || !settle_errors(w, slot, observed, refused)))
        return false;
    for (uint32_t i = 0; i < slot->n; i++)
        if (!refused[i])
            ledger_settle(w->ledger, slot->events[i].customer, slot->events[i].ordinal,
                          !ok             ? FATE_REFUSED
                          : slot->durable ? FATE_DURABLE
                                          : FATE_MEMORY);
    if (ok)
        settle_seq(w, slot, observed);
    const struct nbx_value *decision = ok ? nbx_value_get(&reply->body, "decision") : NULL;
    if (slot->kind == SENT_RECOMMEND && decision && decision->type == NBX_STRING)
        snprintf(w->ledger->decision, sizeof w->ledger->decision, "%.*s", NBX_STR_ARG(decision->s));
    return true;
}

static bool settle_items(struct writer *w, const struct sent_request *slot,
                         const struct nbx_reply *reply)
{
    const struct nbx_value *applied = nbx_value_get(&reply->body, "applied");
    const struct nbx_value *seq = nbx_value_get(&reply->body, "seq");
    if (!nbx_str_is(reply->status, "ok"))
        return true;
    if (!applied || applied->i != ITEMS_A_SHELF || !seq)
        return false;
    struct shelf *shelf = &w->shelves[slot->shelf];
    if (slot->version > shelf->acknowledged)
        shelf->acknowledged = slot->version;
    if ((uint64_t)seq->i > w->ledger->catalogue_seq)
        w->ledger->catalogue_seq = (uint64_t)seq->i;
    w->ledger->n_items += ITEMS_A_SHELF;
    return true;
}

static bool settle_card(struct writer *w, const struct sent_request *slot,
                        const struct nbx_reply *reply)
{
    struct card *card = &w->ledger->card;
    if (!nbx_str_is(reply->status, "ok"))
        card->refused[slot->version] = true;
    else if (slot->version > card->acknowledged)
        card->acknowledged = slot->version;
    return true;
}

static bool settle(struct writer *w, const struct sent_request *slot, const struct nbx_reply *reply)
{
    switch (slot->kind) {
    case SENT_ITEMS: return settle_items(w, slot, reply);
    case SENT_CARD: return settle_card(w, slot, reply);
    default: return settle_events(w, slot, reply);
    }
}

/* Takes one reply; false where none comes in time. */
static bool receive(struct writer *w, int timeout_ms)
{
    struct nbx_reply reply;
    nbx_arena_reset(w->arena);
    enum nbx_err err = nbx_client_recv(w->client, timeout_ms, w->arena, &reply);
    if (err) {
        w->failed |= err != NBX_EBUSY;
        return false;
    }
    struct sent_request *slot = &w->window[reply.tag % WINDOW];
    if (!slot->busy || slot->tag != reply.tag) {
        w->failed = true;
        return true;
    }
    w->failed |= !settle(w, slot, &reply);
    slot->busy = false;
    slot->tag += WINDOW;
    return true;
}

static void fill_window(struct writer *w)
{
    for (unsigned i = 0; i < WINDOW && !w->failed && !atomic_load(&w->stop); i++)
        if (!w->window[i].busy)
            w->failed |= !writer_send(w, &w->window[i]);
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    while (!w->failed && !atomic_load(&w->stop)) {
        fill_window(w);
        receive(w, RECEIVE_MS);
    }
    while (receive(w, LAST_MS))
        continue;
    sem_post(&w->settled);
    nbx_client_destroy(&w->client); /* may linger: the next daemon has another socket */
    return NULL;
}

bool writer_start(struct writer *w, const char *endpoint, struct ledger *ledger,
                  struct shelf *shelves, uint64_t seed)
{
    *w = (struct writer){.ledger = ledger, .shelves = shelves, .endpoint = endpoint};
    nbx_random_init(&w->random, seed);
    for (unsigned i = 0; i < WINDOW; i++)
        w->window[i].tag = i;
    for (unsigned i = 0; i < ACTIVE_CUSTOMERS; i++)
        w->active[i] = ledger_add(ledger);
    w->arena = nbx_arena_new(1 << 20);
    sem_init(&w->settled, 0, 0);
    return w->arena && nbx_client_new(&w->client, endpoint) == NBX_OK &&
           pthread_create(&w->thread, NULL, writer_main, w) == 0;
}

void writer_settle(struct writer *w)
{
    atomic_store(&w->stop, true);
    while (sem_wait(&w->settled))
        continue;
}

void writer_join(struct writer *w)
{
    pthread_join(w->thread, NULL);
    nbx_arena_destroy(&w->arena);
    nbx_buf_fini(&w->body);
    sem_destroy(&w->settled);
}
