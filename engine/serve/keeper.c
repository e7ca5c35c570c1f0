/* SPDX-License-Identifier: MIT
 * The keeper: the one writer of what all workers read. It builds a new world, hands it to every
 * worker, waits until each obeys it, and frees the old one.
 */
#include "engine/serve/keeper.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/store/log_record.h"

#include <stdlib.h>
#include <time.h>

#define ARENA_BYTES     ((size_t)256 << 20) /* decoded item changes of one round */
#define RANKING_TICK_MS 50
#define MEMORY_PAUSE_NS 10000000

struct nbx_world nbx_keeper__world(const struct nbx_keeper *k, const struct nbx_model *model)
{
    return (struct nbx_world){.generation = k->generation,
                              .catalog = k->catalog,
                              .model = model,
                              .rankings = k->rankings,
                              .vocabulary = k->vocabulary,
                              .catalogue_seq = k->catalogue_seq};
}

static void fill_world(struct nbx_world *world, const struct nbx_keeper *k,
                       const struct nbx_model *model)
{
    *world = nbx_keeper__world(k, model);
    nbx_keeper__put_excerpts(k, world);
}

/* The canary's world lies behind the one that names it. */
static struct nbx_world *make_world(struct nbx_keeper *k)
{
    struct nbx_world *worlds = calloc(2, sizeof *worlds);
    if (!worlds)
        return NULL;
    k->generation++;
    fill_world(&worlds[0], k, k->model);
    if (!k->models.canary.model)
        return worlds;
    fill_world(&worlds[1], k, k->models.canary.model);
    worlds[1].is_canary = true;
    worlds[0].canary = &worlds[1];
    worlds[0].canary_share = k->trials.canary_share;
    return worlds;
}

static bool all_adopted(const struct nbx_keeper *k)
{
    for (unsigned w = 0; w < k->server->n_workers; w++)
        if (atomic_load(&k->server->workers[w].adopted) < k->generation)
            return false;
    return true;
}

enum nbx_err nbx_keeper__publish(struct nbx_keeper *k)
{
    struct nbx_server *s = k->server;
    nbx_keeper__pause_asking(k);
    struct nbx_world *world = make_world(k);
    struct nbx_world_mail *mails = calloc(s->n_workers, sizeof *mails);
    if (!world || !mails) {
        free(world);
        free(mails);
        return NBX_ELIMIT;
    }
    for (unsigned w = 0; w < s->n_workers; w++) {
        mails[w] = (struct nbx_world_mail){{NBX_MAIL_WORLD}, world};
        nbx_mail__send(s->workers[w].from_keeper, &s->workers[w].bell, &mails[w]);
    }
    while (!all_adopted(k)) {
        nbx_bell_sleep(&k->bell);
        if (!all_adopted(k))
            nbx_bell_wait(&k->bell, -1);
        nbx_bell_wake(&k->bell);
    }
    free(mails);
    free(k->world);
    k->world = world;
    nbx_keeper__end_excerpts(k);
    nbx_count(&k->counters.worlds, 1);
    return NBX_OK;
}

void nbx_keeper__must_publish(struct nbx_keeper *k)
{
    const struct timespec pause = {0, MEMORY_PAUSE_NS};
    while (nbx_keeper__publish(k)) {
        nbx_log_errorx("world=waiting reason=memory");
        nanosleep(&pause, NULL);
    }
}

static void reload_vocabulary(struct nbx_keeper *k, const struct nbx_vocabulary_options *options)
{
    struct nbx_vocabulary *fresh = NULL, *old = k->vocabulary;
    if (nbx_vocabulary_new(&fresh, k->server->store, options)) {
        nbx_log_warnx("vocabulary=kept");
        return;
    }
    k->vocabulary = fresh;
    if (nbx_keeper__publish(k)) {
        k->vocabulary = old;
        old = fresh;
    }
    nbx_vocabulary_destroy(&old);
}

static bool reload(struct nbx_keeper *k)
{
    pthread_mutex_lock(&k->reload_lock);
    const struct nbx_server_options *options = k->reload;
    pthread_mutex_unlock(&k->reload_lock);
    if (!options)
        return false;
    reload_vocabulary(k, &options->vocabulary);
    k->accept = options->accept;
    k->trials.guard = options->guard;
    nbx_keeper__reload_model(k);
    pthread_mutex_lock(&k->reload_lock);
    k->reload = NULL;
    pthread_cond_signal(&k->reloaded);
    pthread_mutex_unlock(&k->reload_lock);
    return true;
}

void nbx_server_reload(struct nbx_server *s, const struct nbx_server_options *options)
{
    struct nbx_keeper *k = &s->keeper;
    atomic_store(&s->queue_time_ms, options->queue_time_ms);
    atomic_store(&s->drain_timeout_ms, options->drain_timeout_ms);
    pthread_mutex_lock(&k->reload_lock);
    k->reload = options;
    nbx_bell_ring(&k->bell);
    while (k->reload)
        pthread_cond_wait(&k->reloaded, &k->reload_lock);
    pthread_mutex_unlock(&k->reload_lock);
}

static bool reload_asked(struct nbx_keeper *k)
{
    pthread_mutex_lock(&k->reload_lock);
    bool asked = k->reload != NULL;
    pthread_mutex_unlock(&k->reload_lock);
    return asked;
}

static void *keeper_main(void *arg)
{
    struct nbx_keeper *k = arg;
    for (;;) {
        bool changed = nbx_keeper__serve_items(k);
        changed |= reload(k);
        changed |= nbx_keeper__repack(k);
        changed |= nbx_keeper__rank(k);
        changed |= nbx_keeper__excerpt(k);
        changed |= nbx_keeper__end_backup(k);
        changed |= nbx_keeper__erase(k);
        changed |= nbx_keeper__tend_models(k);
        changed |= nbx_keeper__tend_trials(k);
        if (changed)
            continue;
        if (atomic_load(&k->server->stop))
            return NULL;
        nbx_bell_sleep(&k->bell);
        if (!nbx_ring_depth(k->from_front) && !reload_asked(k) && !nbx_keeper__repacked(k) &&
            !nbx_keeper__ranked(k) && !nbx_keeper__excerpted(k) && !nbx_keeper__backup_ended(k) &&
            !nbx_keeper__erase_ended(k) && !nbx_keeper__models_ended(k) &&
            !nbx_keeper__trials_ended(k) && !atomic_load(&k->server->stop))
            nbx_bell_wait(&k->bell, RANKING_TICK_MS);
        nbx_bell_wake(&k->bell);
    }
}

static enum nbx_err load_catalogue_seq(struct nbx_keeper *k)
{
    struct nbx_key key = nbx_key_meta(NBX_META_CATALOGUE_SEQ);
    enum nbx_err err = nbx_record_u64_get(k->server->store, NBX_FAMILY_META, nbx_key_str(&key),
                                          k->arena, &k->catalogue_seq);
    nbx_arena_reset(k->arena);
    return err && err != NBX_ENOTFOUND
               ? err
               : nbx_log_begin(k->server->store, NBX_STREAM_CATALOGUE, k->catalogue_seq);
}

void nbx_keeper__put_seq(struct nbx_keeper *k)
{
    struct nbx_key key = nbx_key_meta(NBX_META_CATALOGUE_SEQ);
    nbx_record_u64_put(k->batch, NBX_FAMILY_META, nbx_key_str(&key), k->catalogue_seq);
}

static enum nbx_err load_catalog(struct nbx_keeper *k, struct nbx_fault *fault)
{
    struct nbx_server *s = k->server;
    const struct nbx_vocabulary_options *v = &s->options.vocabulary;
    struct nbx_catalog_options options = {.currency = v->currency,
                                          .channels = v->channels,
                                          .n_channels = v->n_channels,
                                          .attribute_types = s->options.attribute_types};
    return nbx_catalog_load(&k->catalog, s->ids, s->store, &s->budget, &options, fault);
}

static enum nbx_err load_trends(struct nbx_keeper *k)
{
    struct nbx_server *s = k->server;
    struct nbx_trends_options options = {.half_life_ms = s->options.trend_half_life_ms,
                                         .n_channels = nbx_vocabulary_max_channel(k->vocabulary),
                                         .now_ms = nbx_clock_wall_ms()};
    return nbx_trends_load(&s->trends, s->store, &s->budget, &options);
}

enum nbx_err nbx_keeper__load(struct nbx_keeper *k, struct nbx_server *server,
                              struct nbx_fault *fault)
{
    enum nbx_err err;
    k->server = server;
    k->accept = server->options.accept;
    k->trials.guard = server->options.guard;
    k->arena = nbx_arena_new(ARENA_BYTES);
    k->batch = nbx_batch_new();
    if (!k->arena || !k->batch)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory for the catalogue");
    if ((err = load_catalogue_seq(k)) ||
        (err = nbx_vocabulary_new(&k->vocabulary, server->store, &server->options.vocabulary)) ||
        (err = load_trends(k)))
        return nbx_fault_set(fault, err, NULL, "the store cannot be read: %s", nbx_err_status(err));
    if ((err = load_catalog(k, fault)) || (err = nbx_keeper__load_model(k, &k->model, fault)))
        return err;
    if ((err = nbx_keeper__rank_first(k)))
        return nbx_fault_set(fault, err, NULL, "no memory for the rankings");
    k->world = make_world(k);
    return k->world ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_keeper__start(struct nbx_keeper *k)
{
    k->from_front = nbx_ring_new(k->server->options.queue);
    if (!k->from_front || nbx_bell_init(&k->bell))
        return NBX_ELIMIT;
    pthread_mutex_init(&k->reload_lock, NULL);
    pthread_cond_init(&k->reloaded, NULL);
    return pthread_create(&k->thread, NULL, keeper_main, k) ? NBX_ELIMIT : NBX_OK;
}

void nbx_keeper__stop(struct nbx_keeper *k)
{
    if (!k->thread)
        return;
    nbx_bell_ring(&k->bell);
    pthread_join(k->thread, NULL);
    nbx_keeper__repack_stop(k);
    nbx_keeper__rank_stop(k);
    nbx_keeper__excerpt_stop(k);
    nbx_keeper__backup_stop(k);
    nbx_keeper__erase_stop(k);
    nbx_keeper__models_stop(k);
    pthread_cond_destroy(&k->reloaded);
    pthread_mutex_destroy(&k->reload_lock);
}

void nbx_keeper__free(struct nbx_keeper *k)
{
    free(k->world);
    nbx_keeper__excerpt_free(k);
    nbx_keeper__models_free(k);
    nbx_rankings_destroy(&k->rankings);
    nbx_model_release(&k->model);
    nbx_vocabulary_destroy(&k->vocabulary);
    nbx_catalog_release(&k->catalog);
    nbx_ring_destroy(&k->from_front);
    nbx_batch_destroy(&k->batch);
    nbx_arena_destroy(&k->arena);
    nbx_bell_fini(&k->bell);
}
