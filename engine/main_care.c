/* SPDX-License-Identifier: MIT */
#include "engine/main_care.h"

#include "engine/base/clock.h"
#include "engine/base/progress.h"
#include "engine/care/backup.h"
#include "engine/care/import.h"
#include "engine/care/prove.h"
#include "engine/care/rebuild.h"
#include "engine/care/replay.h"
#include "engine/care/verify.h"
#include "engine/main_options.h"
#include "version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CACHE_BYTES  ((size_t)64 << 20)
#define BUFFER_BYTES ((size_t)64 << 20) /* the log is read into it */

static void print_finding(void *ctx, const struct nbx_finding *finding)
{
    (void)ctx;
    printf("%s ", nbx_family_name(finding->family));
    for (uint32_t i = 0; i < finding->key.len; i++)
        printf("%02x", (uint8_t)finding->key.p[i]);
    printf(": %s\n", finding->what);
}

static enum nbx_err read_through(const struct nbx_store *store, const struct nbx_conf *conf)
{
    struct nbx_verified verified;
    struct nbx_verify_options options = {.now_ms = nbx_clock_wall_ms(),
                                         .event_retention_ms = conf->event_retention_ms,
                                         .found = print_finding};
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = nbx_verify(&verified, store, &options);
    if (err) {
        fprintf(stderr, "nbxd: %s could not be read to its end: %s\n", conf->data_dir,
                nbx_err_status(err));
        return err;
    }
    printf("%s: %llu records, %llu findings, %.1f s\n", conf->data_dir,
           (unsigned long long)verified.records, (unsigned long long)verified.findings,
           (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    return verified.findings ? NBX_ECORRUPT : NBX_OK;
}

static enum nbx_err open_to_read(struct nbx_store **store, const struct nbx_conf *conf,
                                 struct nbx_fault *fault)
{
    struct nbx_store_options options = {.dir = conf->data_dir,
                                        .cache_bytes = CACHE_BYTES,
                                        .write_buffer_bytes = BUFFER_BYTES,
                                        .read_only = true};
    return nbx_store_open(store, &options, fault);
}

enum nbx_err nbx_main_verify(const struct nbx_conf *conf)
{
    struct nbx_fault fault = {0};
    struct nbx_store *store = NULL;
    enum nbx_err err = open_to_read(&store, conf, &fault);
    if (err)
        fprintf(stderr, "nbxd: %s\n", fault.message);
    else
        err = read_through(store, conf);
    nbx_store_close(&store);
    return err;
}

static void print_left(void *ctx, const char *what)
{
    (void)ctx;
    puts(what);
}

static enum nbx_err prove(const struct nbx_store *store, char *const *ids, int n,
                          struct nbx_fault *fault)
{
    struct nbx_proved proved = {0};
    struct nbx_str *texts = calloc((size_t)n + 1, sizeof *texts);
    struct nbx_prove_options options = {.ids = texts, .n_ids = (size_t)n, .found = print_left};
    for (int i = 0; texts && i < n; i++)
        texts[i] = nbx_str_c(ids[i]);
    enum nbx_err err = texts ? nbx_prove_forgotten(&proved, store, &options, fault)
                             : nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory");
    free(texts);
    if (err)
        return err;
    printf("%s: %llu forgotten, %llu of them not yet out of the files, %d ids looked for in %llu "
           "files, %llu findings\n",
           nbx_store_dir(store), (unsigned long long)proved.customers,
           (unsigned long long)proved.pending, n, (unsigned long long)proved.files,
           (unsigned long long)proved.findings);
    return proved.findings ? NBX_ECORRUPT : NBX_OK;
}

enum nbx_err nbx_main_prove(const struct nbx_conf *conf, char *const *ids, int n)
{
    struct nbx_fault fault = {0};
    struct nbx_store *store = NULL;
    enum nbx_err err = open_to_read(&store, conf, &fault);
    if (!err)
        err = prove(store, ids, n, &fault);
    if (err && fault.code)
        fprintf(stderr, "nbxd: %s\n", fault.message);
    nbx_store_close(&store);
    return err;
}

enum nbx_err nbx_main_restore(const struct nbx_conf *conf, const char *dir)
{
    struct nbx_fault fault = {0};
    struct nbx_manifest manifest;
    enum nbx_err err = nbx_restore(&manifest, dir, conf->data_dir, &fault);
    if (err)
        fprintf(stderr, "nbxd: %s\n", fault.message);
    else
        printf("%s: restored from %s, made at %lld ms: %zu files, %llu bytes, change %llu\n",
               conf->data_dir, dir, (long long)manifest.made_ms, manifest.n,
               (unsigned long long)manifest.bytes, (unsigned long long)manifest.changes);
    nbx_manifest_fini(&manifest);
    return err ? err : nbx_main_verify(conf);
}

enum { EXIT_SAME, EXIT_DIFFERS, EXIT_GONE, EXIT_DAMAGED };

static int tell(const char *decision, const struct nbx_replay *replay)
{
    static const struct {
        int code;
        const char *word;
    } verdicts[] = {[NBX_REPLAY_SAME] = {EXIT_SAME, "same"},
                    [NBX_REPLAY_DIFFERS] = {EXIT_DIFFERS, "differs"},
                    [NBX_REPLAY_GONE] = {EXIT_GONE, "cannot be made again"}};
    int code = verdicts[replay->verdict].code;
    fprintf(code == EXIT_GONE ? stderr : stdout, "%s: %s: %s\n", decision,
            verdicts[replay->verdict].word, replay->what);
    return code;
}

static enum nbx_err replay(struct nbx_replay *out, const struct nbx_conf *conf,
                           struct nbx_decision_id id, struct nbx_fault *fault)
{
    struct nbx_store *store = NULL;
    struct nbx_main_options *words = nbx_main_options_new(conf, NBX_VERSION);
    if (!words)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory");
    enum nbx_err err = open_to_read(&store, conf, fault);
    if (!err) {
        struct nbx_replay_options options = {.data_dir = conf->data_dir,
                                             .vocabulary = &words->server.vocabulary,
                                             .attribute_types = words->server.attribute_types,
                                             .memory_bytes = words->server.memory_limit,
                                             .now_ms = nbx_clock_wall_ms(),
                                             .decision_retention_ms = conf->decision_retention_ms};
        err = nbx_replay(out, store, id, &options, fault);
    }
    nbx_store_close(&store);
    nbx_main_options_destroy(&words);
    return err;
}

int nbx_main_replay(const struct nbx_conf *conf, const char *decision)
{
    struct nbx_fault fault = {0};
    struct nbx_decision_id id;
    struct nbx_replay made = {.verdict = NBX_REPLAY_GONE};
    if (!nbx_decision_id_parse(nbx_str_c(decision), &id)) {
        fprintf(stderr, "nbxd: '%s' is no decision id of 32 hex digits\n", decision);
        return EXIT_GONE;
    }
    enum nbx_err err = replay(&made, conf, id, &fault);
    if (!err)
        return tell(decision, &made);
    fprintf(stderr, "nbxd: %s%s%s\n", fault.field, fault.field[0] ? ": " : "", fault.message);
    return err == NBX_ECORRUPT || err == NBX_EVERSION ? EXIT_DAMAGED : EXIT_GONE;
}

#define DIFFERENCES_MAX 20 /* that are told */

struct rebuilding {
    struct nbx_progress progress;
    uint64_t told[2]; /* lines rebuilt, lines stored */
};

static void show_progress(void *ctx, uint64_t commands)
{
    nbx_progress_update(&((struct rebuilding *)ctx)->progress, commands);
}

/* What kind of line it is; the rest is somebody's. */
static void print_difference(void *ctx, struct nbx_str line, bool stored)
{
    struct rebuilding *r = ctx;
    nbx_progress_end(&r->progress);
    if (r->told[stored]++ < DIFFERENCES_MAX)
        printf("%s: a line of %.*s that the other has not, or not here\n",
               stored ? "stored" : "rebuilt", (int)(strcspn(line.p, " ")), line.p);
}

static void print_rebuilt(const struct nbx_conf *conf, const struct nbx_rebuilt *rebuilt,
                          const char *dir)
{
    printf("%s: %llu commands done again in %s; %llu lines of state, %llu differ\n", conf->data_dir,
           (unsigned long long)rebuilt->commands, dir, (unsigned long long)rebuilt->lines,
           (unsigned long long)rebuilt->differences);
    if (rebuilt->as_stored || rebuilt->items_as_stored || rebuilt->trends_as_stored)
        printf("taken as they are stored, since the log does not say all of them: %llu "
               "customers%s%s%s\n",
               (unsigned long long)rebuilt->as_stored,
               rebuilt->nobodys_as_stored ? ", events of nobody" : "",
               rebuilt->items_as_stored ? ", items" : "",
               rebuilt->trends_as_stored ? ", trends" : "");
}

static struct nbx_rebuild_options make_options(struct rebuilding *r, const struct nbx_conf *conf,
                                               const struct nbx_server_options *server,
                                               const char *dir)
{
    return (struct nbx_rebuild_options){.dir = dir,
                                        .vocabulary = &server->vocabulary,
                                        .attribute_types = server->attribute_types,
                                        .trend_half_life_ms = conf->trend_half_life_ms,
                                        .now_ms = nbx_clock_wall_ms(),
                                        .cache_bytes = CACHE_BYTES,
                                        .write_buffer_bytes = BUFFER_BYTES,
                                        .differs = print_difference,
                                        .progress = show_progress,
                                        .ctx = r};
}

static enum nbx_err rebuild(const struct nbx_store *store, const struct nbx_conf *conf,
                            const struct nbx_server_options *server, const char *dir)
{
    struct nbx_fault fault;
    struct nbx_rebuilt rebuilt;
    struct rebuilding r = {.told = {0, 0}};
    struct nbx_rebuild_options options = make_options(&r, conf, server, dir);
    nbx_progress_start(&r.progress, STDERR_FILENO, "doing again", "commands", 0);
    enum nbx_err err = nbx_rebuild_folder(&rebuilt, store, &options, &fault);
    nbx_progress_end(&r.progress);
    if (err) {
        fprintf(stderr, "nbxd: %s\n", fault.message);
        return err;
    }
    print_rebuilt(conf, &rebuilt, dir);
    return rebuilt.differences ? NBX_ECORRUPT : NBX_OK;
}

enum nbx_err nbx_main_rebuild(const struct nbx_conf *conf, const char *dir)
{
    struct nbx_fault fault = {0};
    struct nbx_store *store = NULL;
    struct nbx_main_options *words = nbx_main_options_new(conf, NBX_VERSION);
    if (!words) {
        fprintf(stderr, "nbxd: no memory\n");
        return NBX_ELIMIT;
    }
    enum nbx_err err = open_to_read(&store, conf, &fault);
    if (err)
        fprintf(stderr, "nbxd: %s\n", fault.message);
    else
        err = rebuild(store, conf, &words->server, dir);
    nbx_store_close(&store);
    nbx_main_options_destroy(&words);
    return err;
}

static enum nbx_err import(const struct nbx_conf *conf, const struct nbx_server_options *server,
                           const char *path)
{
    struct nbx_fault fault;
    struct nbx_imported imported;
    struct rebuilding r = {.told = {0, 0}};
    struct nbx_rebuild_options options = make_options(&r, conf, server, conf->data_dir);
    nbx_progress_start(&r.progress, STDERR_FILENO, "importing", "commands", 0);
    enum nbx_err err = nbx_import_log(&imported, path, &options, &fault);
    nbx_progress_end(&r.progress);
    if (err) {
        fprintf(stderr, "nbxd: %s\n", fault.message);
        return err;
    }
    printf("%s: %llu commands of %s told again, %llu of them places of what is gone\n",
           conf->data_dir, (unsigned long long)imported.commands, path,
           (unsigned long long)imported.gone);
    return NBX_OK;
}

enum nbx_err nbx_main_import(const struct nbx_conf *conf, const char *path)
{
    struct nbx_main_options *words = nbx_main_options_new(conf, NBX_VERSION);
    if (!words) {
        fprintf(stderr, "nbxd: no memory\n");
        return NBX_ELIMIT;
    }
    enum nbx_err err = import(conf, &words->server, path);
    nbx_main_options_destroy(&words);
    return err;
}
