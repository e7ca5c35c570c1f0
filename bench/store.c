/* SPDX-License-Identifier: MIT
 * bench_store [--json] [--customers N] [--seconds S] [--writers W] [--synced-only] [--dir DIR]
 *
 * What one observe costs in the store: a batch of event, event id, seen set, two trend counts and
 * the group's sequence number, written unsynced, and acknowledged by one commit thread that syncs
 * once for everybody waiting; point reads beside it; opening and opening again. */
#include "engine/store/store.h"
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/store/key.h"
#include "engine/store/log_record.h"
#include "proto/message.h"

#include <ftw.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_SEEN      20
#define N_ITEMS     100000
#define MAX_WRITERS 64
#define MAX_SAMPLES 2000000
#define START_MS    INT64_C(1700000000000)

static struct {
    bool json, synced_only; /* synced_only: nothing but W writers, acknowledged after a sync */
    uint64_t customers;
    double seconds;
    int writers;
    const char *dir;
} args = {false, false, 20000, 1.0, 4, NULL};

struct samples {
    uint32_t *ns; /* (n) of MAX_SAMPLES */
    size_t n;
    double seconds; /* how long they took together */
};

/* What one writer thread works with. */
struct writer {
    struct nbx_store *store;
    struct nbx_random random;
    struct nbx_batch *batch;
    struct nbx_buf event, event_id, seen;
    struct samples writes, acks;
    uint64_t seq;
    int no;
    bool grouped;
};

/* The commit thread: a ticket is a number of writes; `synced` of them are on the disk. */
static struct {
    struct nbx_store *store;
    pthread_mutex_t lock;
    pthread_cond_t wanted, done;
    uint64_t written, synced, syncs;
    bool stop;
} commit = {.lock = PTHREAD_MUTEX_INITIALIZER,
            .wanted = PTHREAD_COND_INITIALIZER,
            .done = PTHREAD_COND_INITIALIZER};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_store: cannot %s\n", what);
    exit(1);
}

static struct samples samples_new(void)
{
    struct samples s = {.ns = malloc(MAX_SAMPLES * sizeof *s.ns)};
    must(s.ns != NULL, "get memory");
    return s;
}

static void samples_add(struct samples *s, int64_t ns)
{
    if (s->n < MAX_SAMPLES)
        s->ns[s->n++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static int compare_ns(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* In microseconds; samples are sorted. */
static double percentile(const struct samples *s, double p)
{
    return s->n ? s->ns[(size_t)(p * (double)(s->n - 1))] / 1000.0 : 0;
}

static void report(const char *name, struct samples *s)
{
    qsort(s->ns, s->n, sizeof *s->ns, compare_ns);
    double rate = s->seconds > 0 ? (double)s->n / s->seconds : 0;
    const char *format =
        args.json ? "{\"name\":\"%s\",\"n\":%zu,\"per_s\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
                    "\"p999_us\":%.1f}\n"
                  : "%-32s %9zu %9.0f %9.1f %9.1f %9.1f\n";
    printf(format, name, s->n, rate, percentile(s, 0.5), percentile(s, 0.99), percentile(s, 0.999));
    free(s->ns);
    *s = (struct samples){0};
}

static void report_value(const char *name, double v, const char *unit)
{
    printf(args.json ? "{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"%s\"}\n" : "%-32s %9.1f %s\n",
           name, v, unit);
}

static struct nbx_str bytes_of(const struct nbx_buf *b)
{
    return (struct nbx_str){(const char *)b->p, (uint32_t)b->len};
}

static void encode_seen(struct writer *w)
{
    struct nbx_seen_entry entries[N_SEEN];
    for (uint32_t i = 0; i < N_SEEN; i++)
        entries[i] = (struct nbx_seen_entry){
            .item_no = 1 + i * (N_ITEMS / N_SEEN) +
                       (uint32_t)nbx_random_below(&w->random, N_ITEMS / N_SEEN),
            .type_no = (uint16_t)(1 + nbx_random_below(&w->random, 5)),
            .last_ms = START_MS - (int64_t)nbx_random_below(&w->random, INT64_C(31536000000))};
    struct nbx_seen_record seen = {.entries = entries, .n = N_SEEN, .digest = w->seq};
    nbx_buf_clear(&w->seen);
    nbx_seen_record_encode(&w->seen, &seen);
}

static void encode_event(struct writer *w, uint32_t item_no)
{
    char id[37];
    snprintf(id, sizeof id, "%08x-%04x-4000-8000-%012llx", w->no, 1, (unsigned long long)w->seq);
    struct nbx_event_record event = {.id = nbx_str_c(id),
                                     .seq = w->seq,
                                     .arrived_ms = START_MS,
                                     .type_no = 2,
                                     .item_no = item_no,
                                     .channel_no = 1,
                                     .placement = NBX_STR("home"),
                                     .session = NBX_STR("s-1234567890"),
                                     .quantity = 1,
                                     .rating = NAN,
                                     .value = NBX_MONEY_UNSET};
    nbx_buf_clear(&w->event);
    nbx_event_record_encode(&w->event, &event);
}

/* The batch of one observe with one event. */
static void fill_batch(struct writer *w)
{
    uint8_t id_hash[16];
    uint8_t group = (uint8_t)w->no;
    uint64_t number = NBX_CUSTOMER(group, 1 + nbx_random_below(&w->random, args.customers));
    uint32_t item_no = 1 + (uint32_t)nbx_random_below(&w->random, N_ITEMS);
    int64_t time_ms = START_MS + (int64_t)w->seq++;
    nbx_be64_put(id_hash, nbx_random_u64(&w->random));
    nbx_be64_put(id_hash + 8, nbx_random_u64(&w->random));
    encode_event(w, item_no);
    encode_seen(w);
    nbx_buf_clear(&w->event_id);
    nbx_event_id_record_encode(&w->event_id, &(struct nbx_event_id_record){.time_ms = time_ms});
    struct nbx_key event = nbx_key_event(number, time_ms, id_hash);
    struct nbx_key event_id = nbx_key_event_id(number, id_hash);
    struct nbx_key seen = nbx_key_customer(number);
    struct nbx_key trend = nbx_key_trend(1, (uint32_t)(time_ms / 3600000), item_no);
    struct nbx_key total = nbx_key_trend(NBX_TREND_ALL, 0, item_no);
    struct nbx_key seq = nbx_key_meta_group("seq", group);
    nbx_batch_clear(w->batch);
    nbx_batch_put(w->batch, NBX_FAMILY_EVENTS, nbx_key_str(&event), NBX_EVENT_RECORD,
                  bytes_of(&w->event));
    nbx_batch_put(w->batch, NBX_FAMILY_EVENT_IDS, nbx_key_str(&event_id), NBX_EVENT_ID_RECORD,
                  bytes_of(&w->event_id));
    nbx_batch_put(w->batch, NBX_FAMILY_SEEN, nbx_key_str(&seen), NBX_SEEN_RECORD,
                  bytes_of(&w->seen));
    nbx_batch_add(w->batch, nbx_key_str(&trend), 1);
    nbx_batch_add(w->batch, nbx_key_str(&total), 1);
    nbx_record_u64_put(w->batch, NBX_FAMILY_META, nbx_key_str(&seq), w->seq);
    struct nbx_log_event done = {.time_ms = time_ms};
    memcpy(done.id_hash, id_hash, sizeof done.id_hash);
    struct nbx_log_record entry = {.kind = NBX_LOG_EVENTS,
                                   .now_ms = time_ms,
                                   .number = number,
                                   .events = &done,
                                   .n_events = 1};
    nbx_log_put(w->batch, group, w->seq, &entry);
}

static void await_sync(void)
{
    pthread_mutex_lock(&commit.lock);
    uint64_t ticket = ++commit.written;
    pthread_cond_signal(&commit.wanted);
    while (commit.synced < ticket)
        pthread_cond_wait(&commit.done, &commit.lock);
    pthread_mutex_unlock(&commit.lock);
}

static void *commit_main(void *unused)
{
    pthread_mutex_lock(&commit.lock);
    while (!commit.stop) {
        if (commit.written == commit.synced) {
            pthread_cond_wait(&commit.wanted, &commit.lock);
            continue;
        }
        uint64_t target = commit.written;
        pthread_mutex_unlock(&commit.lock);
        must(nbx_store_sync(commit.store) == NBX_OK, "sync");
        pthread_mutex_lock(&commit.lock);
        commit.synced = target;
        commit.syncs++;
        pthread_cond_broadcast(&commit.done);
    }
    pthread_mutex_unlock(&commit.lock);
    return unused;
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    int64_t start = nbx_clock_mono_ns(), end = start + (int64_t)(args.seconds * 1e9);
    for (int64_t now = start; now < end;) {
        fill_batch(w);
        int64_t t0 = nbx_clock_mono_ns();
        enum nbx_err err;
        while ((err = nbx_store_write(w->store, w->batch)) == NBX_EBUSY)
            usleep(100);
        must(err == NBX_OK, "write");
        int64_t t1 = nbx_clock_mono_ns();
        if (w->grouped)
            await_sync();
        now = nbx_clock_mono_ns();
        samples_add(&w->writes, t1 - t0);
        samples_add(&w->acks, now - t0);
    }
    w->writes.seconds = w->acks.seconds = (double)(nbx_clock_mono_ns() - start) * 1e-9;
    return NULL;
}

static struct writer writer_new(struct nbx_store *store, int no, bool grouped)
{
    struct writer w = {.store = store,
                       .batch = nbx_batch_new(),
                       .no = no,
                       .grouped = grouped,
                       .writes = samples_new(),
                       .acks = samples_new()};
    must(w.batch != NULL, "get memory");
    nbx_random_init(&w.random, 1 + (uint64_t)no);
    return w;
}

static void writer_fini(struct writer *w)
{
    nbx_batch_destroy(&w->batch);
    nbx_buf_fini(&w->event);
    nbx_buf_fini(&w->event_id);
    nbx_buf_fini(&w->seen);
    free(w->writes.ns);
    free(w->acks.ns);
}

static void samples_join(struct samples *to, const struct samples *from)
{
    for (size_t i = 0; i < from->n; i++)
        samples_add(to, from->ns[i]);
    to->seconds = from->seconds;
}

static void bench_writers(struct nbx_store *store, int n, bool grouped)
{
    struct writer writers[MAX_WRITERS];
    pthread_t threads[MAX_WRITERS], committer;
    char name[64];
    commit.store = store;
    commit.stop = false;
    commit.syncs = 0;
    must(!grouped || pthread_create(&committer, NULL, commit_main, NULL) == 0, "start a thread");
    for (int i = 0; i < n; i++) {
        writers[i] = writer_new(store, i, grouped);
        must(pthread_create(&threads[i], NULL, writer_main, &writers[i]) == 0, "start a thread");
    }
    struct samples writes = samples_new(), acks = samples_new();
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        samples_join(&writes, &writers[i].writes);
        samples_join(&acks, &writers[i].acks);
        writer_fini(&writers[i]);
    }
    snprintf(name, sizeof name, "observe batch, %d writer%s%s", n, n > 1 ? "s" : "",
             grouped ? ", synced" : "");
    report(name, &writes);
    if (!grouped) {
        free(acks.ns);
        return;
    }
    pthread_mutex_lock(&commit.lock);
    commit.stop = true;
    pthread_cond_signal(&commit.wanted);
    pthread_mutex_unlock(&commit.lock);
    pthread_join(committer, NULL);
    double seconds = acks.seconds;
    report("  until acknowledged", &acks);
    report_value("  syncs a second", (double)commit.syncs / seconds, "/s");
}

/* Every customer of writer 0's group has a seen set afterwards. */
static void load(struct nbx_store *store)
{
    struct writer w = writer_new(store, 0, false);
    nbx_batch_clear(w.batch);
    for (uint64_t c = 1; c <= args.customers; c++) {
        struct nbx_key key = nbx_key_customer(NBX_CUSTOMER(0, c));
        encode_seen(&w);
        nbx_batch_put(w.batch, NBX_FAMILY_SEEN, nbx_key_str(&key), NBX_SEEN_RECORD,
                      bytes_of(&w.seen));
        if (nbx_batch_count(w.batch) < 256 && c < args.customers)
            continue;
        enum nbx_err err;
        while ((err = nbx_store_write(store, w.batch)) == NBX_EBUSY)
            usleep(1000);
        must(err == NBX_OK, "load");
        nbx_batch_clear(w.batch);
    }
    report_value("seen set of 20 events", (double)w.seen.len + 5, "bytes");
    encode_event(&w, 50000);
    report_value("event", (double)w.event.len + 5, "bytes");
    writer_fini(&w);
}

static void bench_reads(struct nbx_store *store, const char *name, uint64_t first, bool decode)
{
    struct samples s = samples_new();
    struct nbx_random r;
    struct nbx_arena *arena = nbx_arena_new(1u << 20);
    must(arena != NULL, "get memory");
    nbx_random_init(&r, 3);
    int64_t start = nbx_clock_mono_ns(), end = start + (int64_t)(args.seconds * 0.5e9);
    for (int64_t now = start; now < end; now = nbx_clock_mono_ns()) {
        struct nbx_stored stored;
        struct nbx_seen_record seen;
        struct nbx_key key = nbx_key_customer(first + nbx_random_below(&r, args.customers));
        nbx_arena_reset(arena);
        int64_t t0 = nbx_clock_mono_ns();
        enum nbx_err err = nbx_store_get(store, NBX_FAMILY_SEEN, nbx_key_str(&key), arena, &stored);
        if (!err && decode)
            err = nbx_seen_record_decode(&seen, &stored, arena);
        samples_add(&s, nbx_clock_mono_ns() - t0);
        must(err == NBX_OK || err == NBX_ENOTFOUND, "read");
    }
    s.seconds = (double)(nbx_clock_mono_ns() - start) * 1e-9;
    report(name, &s);
    nbx_arena_destroy(&arena);
}

static struct nbx_store *open_timed(const char *name, const struct nbx_store_options *options)
{
    struct nbx_store *store = NULL;
    struct nbx_fault fault = {0};
    int64_t t0 = nbx_clock_mono_ns();
    if (nbx_store_open(&store, options, &fault))
        fprintf(stderr, "bench_store: %s\n", fault.message);
    must(store != NULL, "open the store");
    report_value(name, (double)(nbx_clock_mono_ns() - t0) * 1e-6, "ms");
    return store;
}

static void run(const char *dir)
{
    struct nbx_store_options options = {
        .dir = dir, .cache_bytes = (size_t)96 << 20, .write_buffer_bytes = (size_t)64 << 20};
    struct nbx_store *store = open_timed("open, new folder", &options);
    if (args.synced_only) {
        bench_writers(store, args.writers, true);
        nbx_store_close(&store);
        return;
    }
    load(store);
    if (!args.json)
        printf("%-32s %9s %9s %9s %9s %9s\n", "", "n", "/s", "p50 us", "p99 us", "p99.9 us");
    bench_reads(store, "get seen set, in memory", NBX_CUSTOMER(0, 1), false);
    bench_writers(store, 1, false);
    bench_writers(store, args.writers, false);
    bench_writers(store, 1, true);
    bench_writers(store, args.writers, true);
    bench_writers(store, 4 * args.writers < MAX_WRITERS ? 4 * args.writers : MAX_WRITERS, true);
    nbx_store_close(&store);
    store = open_timed("open again", &options);
    bench_reads(store, "get seen set, from file", NBX_CUSTOMER(0, 1), false);
    bench_reads(store, "get and decode seen set", NBX_CUSTOMER(0, 1), true);
    bench_reads(store, "get absent", NBX_CUSTOMER(200, 1), false);
    struct nbx_store_stats stats;
    nbx_store_get_stats(store, &stats);
    report_value("cache", (double)stats.cache_bytes / 1e6, "MB");
    report_value("write buffers", (double)stats.memtable_bytes / 1e6, "MB");
    report_value("disk", (double)stats.disk_bytes / 1e6, "MB");
    nbx_store_close(&store);
}

static void parse_args(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool *flag = strcmp(argv[i], "--json") == 0          ? &args.json
                     : strcmp(argv[i], "--synced-only") == 0 ? &args.synced_only
                                                             : NULL;
        if (flag) {
            *flag = true;
            continue;
        }
        must(value != NULL, "read the arguments");
        if (strcmp(argv[i], "--customers") == 0)
            args.customers = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            args.seconds = strtod(value, NULL);
        else if (strcmp(argv[i], "--writers") == 0)
            args.writers = (int)strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--dir") == 0)
            args.dir = value;
        else
            must(false, "read the arguments");
        i++;
    }
    must(args.customers > 0 && args.writers > 0 && args.writers <= MAX_WRITERS,
         "read the arguments");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    char own[] = P_tmpdir "/nbx-bench-store-XXXXXX";
    parse_args(argc, argv);
    must(args.dir != NULL || mkdtemp(own) != NULL, "make a folder");
    run(args.dir ? args.dir : own);
    if (!args.dir)
        nftw(own, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
