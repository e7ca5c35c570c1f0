/* SPDX-License-Identifier: MIT
 * What the daemon takes of memory, and that its bounds hold.
 *
 *     memory [--customers N] [--events N] [--seed S] [--only idle|fill|limit|vectors|watchdog]
 *            [--program NBXD]
 *
 * idle      an empty daemon at default settings is small
 * fill      customers with events: resident and on disk, during and after; ready soon after a kill
 * limit     past memory_limit item.put answers `limit` entry by entry, and the rest goes on
 * vectors   past it an item.put with vectors is refused whole, and the rest goes on
 * watchdog  a peer that never ends its message ends the daemon cleanly instead of the machine
 *
 * Sizes need a daemon without sanitizers: beside a sanitized build the release build's nbxd is
 * taken, and where there is none the cases are skipped. The last line counts cases.
 */
#include "tests/crash/memory.h"
#include "tests/crash/daemon.h"
#include "tests/crash/fill.h"

#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUSTOMERS 50000
#define EVENTS    20
#define ITEMS     10000
#define IDLE_MIB  40.0
/* Of 50,000 customers, and of any number: caches and write buffers have their fixed sizes. */
#define SMALL_CUSTOMERS 50000
#define SMALL_MIB       200.0
#define LARGE_MIB       512.0
/* After a kill at the end of it all. Finds a start that reads everything there is; the promise of 2
 * seconds is held by crash, on a machine that is not just done with a million events. */
#define READY_MS 10000.0

static double disk_mib(const char *folder)
{
    char path[PATH_MAX];
    double bytes = 0;
    struct stat st;
    snprintf(path, sizeof path, "%s/data", folder);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(path, sizeof path, "%s/data/%s", folder, e->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            bytes += (double)st.st_size;
    }
    if (dir)
        closedir(dir);
    return bytes / (1 << 20);
}

static enum verdict within(const char *what, double mib, double bound_mib)
{
    printf("%-9s %.1f MiB resident, at most %.0f: %s\n", what, mib, bound_mib,
           mib < bound_mib ? "ok" : "TOO MUCH");
    return mib < bound_mib ? PASSED : FAILED;
}

static enum verdict idle(struct memory_case *c)
{
    struct daemon *d = &c->daemon;
    if (!daemon_launch(d) || !daemon_await(d, NULL))
        return FAILED;
    double mib = daemon_resident_mib(d);
    return daemon_stop(d) ? within("idle", mib, IDLE_MIB) : FAILED;
}

static enum verdict fill(struct memory_case *c)
{
    struct daemon *d = &c->daemon;
    struct filled filled;
    struct fill fill = {c->customers, c->events, ITEMS, c->seed};
    if (!daemon_launch(d) || !daemon_await(d, NULL))
        return FAILED;
    double before_mib = daemon_resident_mib(d);
    if (!fill_daemon(d, &fill, &filled))
        return FAILED;
    double after_mib = daemon_resident_mib(d);
    double peak_mib = after_mib > filled.peak_mib ? after_mib : filled.peak_mib;
    printf("fill      %u customers x %u events in %.1f s: %.0f events/s\n", c->customers, c->events,
           filled.seconds, (double)c->customers * c->events / filled.seconds);
    printf("fill      resident %.1f MiB before, %.1f at most, %.1f after: %.0f bytes a customer\n",
           before_mib, peak_mib, after_mib,
           (after_mib - before_mib) * (1 << 20) / (double)c->customers);
    double ready_ms;
    if (!daemon_kill(d) || !daemon_launch(d) || !daemon_await(d, &ready_ms))
        return FAILED;
    printf("fill      ready again %.0f ms after kill -9: %s\n", ready_ms,
           ready_ms < READY_MS ? "ok" : "TOO LATE");
    if (!daemon_stop(d))
        return FAILED;
    printf("fill      %.1f MiB on disk\n", disk_mib(d->folder));
    if (ready_ms >= READY_MS)
        return FAILED;
    return within("fill", peak_mib, c->customers > SMALL_CUSTOMERS ? LARGE_MIB : SMALL_MIB);
}

static const struct {
    const char *name;
    enum verdict (*run)(struct memory_case *);
    const char *settings;
} cases[] = {
    {"idle", idle, ""},
    {"fill", fill, "queue_time: 60s\n"}, /* as fast as it goes: nothing may be shed */
    {"limit", memory_limit, "workers: 1\nmemory_limit: 64MiB\nqueue_time: 60s\n"},
    {"vectors", memory_vectors, "workers: 1\nmemory_limit: 96MiB\nqueue_time: 60s\n"},
    {"watchdog", memory_watchdog, "workers: 1\nmemory_limit: 96MiB\n"},
};
#define N_CASES (sizeof cases / sizeof *cases)

static enum verdict run_case(size_t i, struct memory_case *c, const char *program)
{
    char folder[256];
    if (!folder_make(folder, sizeof folder, "nbx-memory"))
        return FAILED;
    enum verdict verdict = FAILED;
    if (daemon_init(&c->daemon, program, folder, cases[i].settings)) {
        if (c->daemon.sanitized) {
            printf("%-9s skipped: %s is built with a sanitizer\n", cases[i].name, program);
            verdict = SKIPPED;
        } else {
            verdict = cases[i].run(c);
        }
    }
    if (c->daemon.pid > 0)
        daemon_kill(&c->daemon);
    folder_remove(folder);
    return verdict;
}

struct options {
    struct memory_case sizes;
    const char *only; /* NULL: all */
    char program[PATH_MAX + 64];
};

static bool read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"customers", required_argument, NULL, 'c'}, {"events", required_argument, NULL, 'e'},
        {"seed", required_argument, NULL, 's'},      {"only", required_argument, NULL, 'o'},
        {"program", required_argument, NULL, 'p'},   {NULL, 0, NULL, 0}};
    *o = (struct options){.sizes = {.customers = CUSTOMERS, .events = EVENTS, .seed = 1}};
    daemon_program(o->program, sizeof o->program);
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'c': o->sizes.customers = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'e': o->sizes.events = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': o->sizes.seed = strtoull(optarg, NULL, 10); break;
        case 'o': o->only = optarg; break;
        case 'p': snprintf(o->program, sizeof o->program, "%s", optarg); break;
        default: return false;
        }
    }
    return optind == argc && o->sizes.customers > 0 && o->sizes.events > 0;
}

int main(int argc, char **argv)
{
    static struct options o;
    unsigned counts[3] = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_options(&o, argc, argv)) {
        fprintf(stderr,
                "usage: memory [--customers N] [--events N] [--seed S]\n"
                "              [--only idle|fill|limit|vectors|watchdog] [--program NBXD]\n");
        return 2;
    }
    printf("seed %llu, %s\n", (unsigned long long)o.sizes.seed, o.program);
    for (size_t i = 0; i < N_CASES; i++) {
        struct memory_case c = o.sizes;
        if (!o.only || strcmp(o.only, cases[i].name) == 0)
            counts[run_case(i, &c, o.program)]++;
    }
    printf("%u passed, %u failed, %u skipped\n", counts[PASSED], counts[FAILED], counts[SKIPPED]);
    return counts[FAILED] == 0 && counts[PASSED] + counts[SKIPPED] > 0 ? 0 : 1;
}
