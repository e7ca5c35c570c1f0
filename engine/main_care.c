/* SPDX-License-Identifier: MIT */
#include "engine/main_care.h"

#include "engine/base/clock.h"
#include "engine/care/backup.h"
#include "engine/care/replay.h"
#include "engine/care/verify.h"
#include "engine/main_options.h"
#include "version.h"

#include <stdio.h>

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
