/* SPDX-License-Identifier: MIT
 * Models change places while requests go on: no request fails, every answer is the one of the model
 * that it names, and none comes from a model that was acknowledged to be gone.
 */
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_taste.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SEED      20261127
#define N_ITEMS   800
#define N_MODELS  2
#define CUSTOMERS 24
#define ASKERS    3
#define SWAPS     60

static struct server s;
static struct model m[N_MODELS]; /* taste@1, taste@2 */
static struct nbx_value answers[N_MODELS][CUSTOMERS];
static struct nbx_arena *kept;
static _Atomic bool stop;
static _Atomic int model_no; /* what was acknowledged last; -1: it is being changed */

static const char body[] = "{'record': 'none', 'n': 10, 'now': 1800000000000}";

static struct nbx_value *ask_for(struct peer *p, int customer)
{
    char id[8];
    snprintf(id, sizeof id, "c%d", customer);
    return get(p, "recommend", id, "%s", body);
}

static int model_of(const struct nbx_value *reply)
{
    struct nbx_str version = text_at(reply, "model.version");
    cr_assert(nbx_str_is(version, "1") || nbx_str_is(version, "2"), "'%.*s' answers",
              NBX_STR_ARG(version));
    return version.p[0] - '1';
}

static void activate(struct peer *p, int which)
{
    atomic_store(&model_no, -1);
    get(p, "model.activate", "", "{'name': 'taste', 'version': '%d'}", which + 1);
    atomic_store(&model_no, which);
}

/* What every customer gets of each model, with nobody else asking. */
static void keep_answers(struct peer *p)
{
    kept = nbx_arena_new((size_t)64 << 20);
    for (int i = N_MODELS; i-- > 0;) {
        activate(p, i);
        for (int c = 0; c < CUSTOMERS; c++) {
            struct nbx_value *r = ask_for(p, c);
            cr_assert_eq(model_of(r), i);
            cr_assert(nbx_value_copy(&answers[i][c], at(r, "items"), kept));
        }
    }
    for (int c = 0; c < CUSTOMERS; c++)
        cr_assert_not(nbx_value_eq(&answers[0][c], &answers[1][c]), "they can be told apart");
}

static void begin(void)
{
    static const size_t dims[N_MODELS] = {16, 24};
    struct peer *p = &s.peer;
    printf("seed %d\n", SEED);
    server_start(&s, NULL);
    for (int i = 0; i < N_MODELS; i++) {
        struct pushed f;
        model_make(&m[i], N_ITEMS, dims[i], SEED + (uint64_t)i);
        m[i].info.version = nbx_str_c(i ? "2" : "1");
        pushed_make(&f, &s, &m[i].info);
        if (i == 0)
            model_put_items(&m[i], p);
        must_push(p, &f, "{}");
        pushed_free(&f);
    }
    for (int c = 0; c < CUSTOMERS; c++) {
        char id[8];
        snprintf(id, sizeof id, "c%d", c);
        get(p, "observe", id,
            "{'events': [{'type': 'purchase', 'item': 'i%03d'}, {'type': 'view', 'item': "
            "'i%03d'}]}",
            c * 7, c * 11 + 300);
    }
    keep_answers(p);
}

static void end(void)
{
    for (int i = 0; i < N_MODELS; i++)
        model_free(&m[i]);
    nbx_arena_destroy(&kept);
    server_stop(&s);
}

TestSuite(models_swap, .init = begin, .fini = end, .timeout = 300);

struct asker {
    pthread_t thread;
    struct peer peer;
    int first;
    int n, of[N_MODELS], wrong, late;
};

/* Asks, and holds each answer against the one kept of the model it names. */
static void *ask_on(void *arg)
{
    struct asker *a = arg;
    for (int c = a->first; !atomic_load(&stop); c = (c + 1) % CUSTOMERS) {
        int before = atomic_load(&model_no);
        struct nbx_value *r = ask_for(&a->peer, c);
        int after = atomic_load(&model_no), of = model_of(r);
        a->n++;
        a->of[of]++;
        a->wrong += !nbx_value_eq(at(r, "items"), &answers[of][c]);
        a->late += before >= 0 && before == after && of != before;
        nbx_arena_reset(a->peer.arena);
    }
    return NULL;
}

static struct asker askers[ASKERS];

static void start_asking(void)
{
    atomic_store(&stop, false);
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.first = i};
        peer_open(&askers[i].peer, &s);
        cr_assert_eq(pthread_create(&askers[i].thread, NULL, ask_on, &askers[i]), 0);
    }
}

static void end_asking(void)
{
    int of[N_MODELS] = {0};
    atomic_store(&stop, true);
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        peer_close(&askers[i].peer);
        cr_expect_eq(askers[i].wrong, 0, "%d of %d answers are not their model's", askers[i].wrong,
                     askers[i].n);
        cr_expect_eq(askers[i].late, 0, "%d of %d answers come from the model that was replaced",
                     askers[i].late, askers[i].n);
        of[0] += askers[i].of[0];
        of[1] += askers[i].of[1];
    }
    printf("answers of the models: %d, %d\n", of[0], of[1]);
    cr_assert(of[0] > 0 && of[1] > 0);
}

Test(models_swap, under_requests)
{
    start_asking();
    for (int i = 0; i < SWAPS; i++) {
        activate(&s.peer, 1 - i % 2);
        if (i % 3 == 0) { /* and back */
            atomic_store(&model_no, -1);
            struct nbx_value *v = get(&s.peer, "model.rollback", "", "{}");
            atomic_store(&model_no, text_at(v, "version").p[0] - '1');
            for (int c = 0; c < CUSTOMERS; c += 5)
                cr_assert_eq(model_of(ask_for(&s.peer, c)), atomic_load(&model_no));
        }
    }
    end_asking();
}

/* Items come and go at the same time, so that worlds change for two reasons. */
Test(models_swap, under_changes_of_items)
{
    start_asking();
    for (int i = 0; i < SWAPS; i++) {
        get(&s.peer, "item.put", "", "{'items': [{'id': 'other%d', 'available': false}]}", i);
        activate(&s.peer, 1 - i % 2);
    }
    end_asking();
}
