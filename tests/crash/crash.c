/* SPDX-License-Identifier: MIT
 * What an acknowledgement is worth: kill -9 and power cuts while four writers send, an outside
 * ledger of what they were told, and a look at the store each time it is up again.
 *
 *     crash [--rounds N] [--power-rounds N] [--loop-rounds N] [--seed S]
 *           [--only kill|power|loop|nosync] [--bin DIR]
 *
 * kill    every acknowledgement survives, nothing is applied twice or in part
 * power   every durable acknowledgement survives the loss of all that was not synced
 * loop    the same on a real file system; as root only
 * nosync  the power scenario against a daemon that does not sync: it must find a loss
 *
 * At the end of all but the last nbxd --verify finds nothing, beside the daemon and after it.
 *
 * The daemons are those beside this program, or in DIR. Beside a sanitized build all but kill
 * take the release build's where there are some: only without a sanitizer fits a daemon into the
 * little memory that makes it change its files often.
 *
 * The last line counts scenarios. Exit code 1 where one fails.
 */
#include "tests/crash/daemon.h"
#include "tests/crash/loop.h"
#include "tests/crash/scenario.h"

#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KILL_ROUNDS          50
#define POWER_ROUNDS         20
#define LOOP_ROUNDS          5
#define NOSYNC_ROUNDS        5
#define N_SCENARIOS          4
#define READY_MAX_RELEASE_MS 2000.0
/* A sanitizer slows a start down as it likes: this only finds one that hangs. */
#define READY_MAX_SANITIZED_MS 20000.0

struct options {
    unsigned rounds, power_rounds, loop_rounds;
    uint64_t seed;
    const char *only;         /* NULL: all */
    char bin[PATH_MAX];       /* folder of the programs */
    char power_bin[PATH_MAX]; /* the same for all but kill */
};

static bool read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {{"rounds", required_argument, NULL, 'r'},
                                          {"power-rounds", required_argument, NULL, 'p'},
                                          {"loop-rounds", required_argument, NULL, 'l'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"bin", required_argument, NULL, 'b'},
                                          {NULL, 0, NULL, 0}};
    *o = (struct options){
        .rounds = KILL_ROUNDS, .power_rounds = POWER_ROUNDS, .loop_rounds = LOOP_ROUNDS, .seed = 1};
    ssize_t n = readlink("/proc/self/exe", o->bin, sizeof o->bin - 1);
    o->bin[n > 0 ? n : 0] = '\0';
    dirname(o->bin);
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'r': o->rounds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'p': o->power_rounds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'l': o->loop_rounds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': o->seed = strtoull(optarg, NULL, 10); break;
        case 'o': o->only = optarg; break;
        case 'b': snprintf(o->bin, sizeof o->bin, "%s", optarg); break;
        default: return false;
        }
    }
    return optind == argc && o->rounds > 0 && o->power_rounds > 0 && o->loop_rounds > 0;
}

/* Where all but kill find theirs; false where there is no daemon at all. */
static bool find_power_bin(struct options *o, bool *sanitized)
{
    char program[PATH_MAX + 64];
    struct daemon daemon;
    snprintf(program, sizeof program, "%s/nbxd", o->bin);
    snprintf(o->power_bin, sizeof o->power_bin, "%s", o->bin);
    if (!daemon_init(&daemon, program, "", ""))
        return false;
    *sanitized = daemon.sanitized;
    snprintf(program, sizeof program, "%s/../../release/bin/nbxd-nosync", o->bin);
    if (*sanitized && access(program, X_OK) == 0)
        snprintf(o->power_bin, sizeof o->power_bin, "%.4000s/../../release/bin", o->bin);
    return true;
}

static double bound_ms(bool sanitized)
{
    return sanitized ? READY_MAX_SANITIZED_MS : READY_MAX_RELEASE_MS;
}

static void print_outcome(const struct scenario *s, const struct outcome *o)
{
    const struct tally *t = &o->tally;
    uint64_t wrong = t->wrong + o->slow;
    printf(
        "%-7s %6u %6llu %9llu %9llu %9llu %7llu %7llu %6llu %6llu %6llu %6llu %6.0f %6.0f %6.0f\n",
        s->name, o->rounds, (unsigned long long)o->early, (unsigned long long)t->sent,
        (unsigned long long)t->durable, (unsigned long long)t->memory, (unsigned long long)t->items,
        (unsigned long long)t->refused, (unsigned long long)t->lost, (unsigned long long)t->twice,
        (unsigned long long)t->half, (unsigned long long)wrong, o->p50_ms, o->p99_ms, o->max_ms);
    if (s->death == DEATH_POWER)
        printf("        the cuts shortened %llu files by %llu bytes\n",
               (unsigned long long)o->files, (unsigned long long)o->bytes);
}

static void print_head(void)
{
    printf("\n%-7s %6s %6s %9s %9s %9s %7s %7s %6s %6s %6s %6s %6s %6s %6s\n", "", "rounds",
           "early", "events", "durable", "memory", "items", "refused", "lost", "twice", "half",
           "wrong", "p50 ms", "p99 ms", "max ms");
}

static bool passed(const struct scenario *s, const struct outcome *o)
{
    if (s->until_loss)
        return o->tally.lost > 0;
    return !o->broken && o->slow == 0 && tally_violations(&o->tally) == 0 && o->tally.durable > 0;
}

struct counts {
    unsigned passed, failed, skipped;
};

/* Those that `only` names, NULL: all. The table comes last, whatever they print on the way. */
static void run_all(const struct scenario *scenarios, const char *only, struct counts *counts)
{
    static struct outcome outcomes[N_SCENARIOS];
    bool ran[N_SCENARIOS] = {false};
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        if (only && strcmp(only, scenarios[i].name) != 0)
            continue;
        const char *why = scenarios[i].death == DEATH_LOOP ? loop_missing() : NULL;
        ran[i] = !why;
        if (ran[i])
            scenario_run(&scenarios[i], &outcomes[i]);
        else
            printf("%s: skipped, %s\n", scenarios[i].name, why);
        counts->skipped += !ran[i];
    }
    print_head();
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        if (!ran[i])
            continue;
        print_outcome(&scenarios[i], &outcomes[i]);
        if (passed(&scenarios[i], &outcomes[i]))
            counts->passed++;
        else
            counts->failed++;
    }
}

int main(int argc, char **argv)
{
    struct options o;
    char program[PATH_MAX + 16], good[PATH_MAX + 16], bad[PATH_MAX + 16];
    bool sanitized;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_options(&o, argc, argv)) {
        fprintf(stderr,
                "usage: crash [--rounds N] [--power-rounds N] [--loop-rounds N] [--seed S]\n"
                "             [--only kill|power|loop|nosync] [--bin DIR]\n");
        return 2;
    }
    if (!find_power_bin(&o, &sanitized))
        return 1;
    snprintf(program, sizeof program, "%s/nbxd", o.bin);
    snprintf(good, sizeof good, "%s/nbxd", o.power_bin);
    snprintf(bad, sizeof bad, "%s/nbxd-nosync", o.power_bin);
    double power_ms = bound_ms(sanitized && strcmp(o.bin, o.power_bin) == 0);
    printf("seed %llu\nkill: %s, ready within %.0f ms\npower: %s, ready within %.0f ms\n",
           (unsigned long long)o.seed, program, bound_ms(sanitized), good, power_ms);
    const struct scenario scenarios[N_SCENARIOS] = {
        {"kill", program, o.rounds, o.seed, DEATH_KILL, false, bound_ms(sanitized)},
        {"power", good, o.power_rounds, o.seed + 1, DEATH_POWER, false, power_ms},
        {"loop", good, o.loop_rounds, o.seed + 3, DEATH_LOOP, false, power_ms},
        {"nosync", bad, NOSYNC_ROUNDS, o.seed + 2, DEATH_POWER, true, 0},
    };
    struct counts counts = {0};
    run_all(scenarios, o.only, &counts);
    puts(
        "durable, memory: events acknowledged so; items: item changes acknowledged; early: kills\n"
        "before the daemon was ready again; wrong: anything else, slow starts among it; ms: from\n"
        "the start after a kill to ready. nosync acknowledges what it did not sync: it must lose.");
    printf("%u passed, %u failed, %u skipped\n", counts.passed, counts.failed, counts.skipped);
    return counts.failed == 0 && counts.passed + counts.skipped > 0 ? 0 : 1;
}
