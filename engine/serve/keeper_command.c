/* SPDX-License-Identifier: MIT
 * Changes of versions as commands: their records and their entry in the catalogue's stream of the
 * log, in one batch.
 */
#include "engine/serve/keeper_models.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/store/log_record.h"

#include <time.h>

#define STALL_PATIENCE_NS INT64_C(10000000000)
#define STALL_PAUSE_NS    2000000
#define MAX_MEMBERS       8

struct members {
    struct nbx_member p[MAX_MEMBERS]; /* (n) */
    uint32_t n;
};

static void add(struct members *m, const char *key, struct nbx_str text)
{
    if (text.len)
        m->p[m->n++] = (struct nbx_member){nbx_str_c(key), nbx_value_string(text)};
}

static void add_version(struct members *m, const struct nbx_model_deed *deed, char *digest)
{
    const struct nbx_model_record *r = &deed->v->record;
    add(m, "name", deed->v->name);
    add(m, "version", deed->v->version);
    if (!r->deleted)
        add(m, "stage", nbx_str_c(nbx_model_stages[r->stage]));
    if (r->share > 0)
        m->p[m->n++] = (struct nbx_member){NBX_STR("share"), nbx_value_float(r->share)};
    if (deed->ended)
        add(m, "verdict", r->verdict);
    if (!deed->pushed)
        return;
    nbx_hex(digest, r->digest, sizeof r->digest);
    add(m, "digest", (struct nbx_str){digest, 2 * sizeof r->digest});
    add(m, "by", r->by);
}

static void put_entry(struct nbx_keeper *k, const struct nbx_model_deed *deed)
{
    char digest[2 * NBX_DIGEST_BYTES];
    struct members m = {.n = 0};
    add(&m, "what", nbx_str_c(deed->what));
    if (deed->v)
        add_version(&m, deed, digest);
    struct nbx_value body = {.type = NBX_MAP, .n = m.n, .members = m.p};
    struct nbx_log_record entry = {
        .kind = NBX_LOG_MODEL, .now_ms = nbx_clock_wall_ms(), .body = &body};
    nbx_random_system(entry.id, sizeof entry.id);
    nbx_log_put(k->batch, NBX_STREAM_CATALOGUE, ++k->catalogue_seq, &entry);
    nbx_keeper__put_seq(k);
}

enum nbx_err nbx_models__write(struct nbx_keeper *k, const struct nbx_model_deed *deed,
                               struct nbx_fault *fault)
{
    const struct timespec pause = {0, STALL_PAUSE_NS};
    int64_t begun_ns = nbx_clock_mono_ns();
    put_entry(k, deed);
    enum nbx_err err = nbx_store_write(k->server->store, k->batch);
    while (err == NBX_EBUSY && nbx_clock_mono_ns() - begun_ns < STALL_PATIENCE_NS) {
        nanosleep(&pause, NULL);
        err = nbx_store_write(k->server->store, k->batch);
    }
    nbx_batch_clear(k->batch);
    if (!err)
        return NBX_OK;
    k->catalogue_seq--;
    return nbx_fault_set(fault, err, NULL, "the record of the model cannot be written");
}
