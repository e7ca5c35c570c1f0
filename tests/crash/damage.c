/* SPDX-License-Identifier: MIT
 * Damaged files: a bit flipped or the end cut off in one file of a data folder, of each kind in
 * turn. The daemon must answer as before, or refuse to start with exit code 3 and the file's name,
 * or end so once it reads what is damaged. With `on_damage: serve` it stays, and must say so of
 * what it cannot read, in the reply and with the file in its log, and nbxd --verify must find it.
 * Never another answer, a crash or a hang.
 *
 *     damage [--rounds N] [--seed S] [--program NBXD]
 *
 * The last line counts kinds of files.
 */
#include "tests/crash/daemon.h"
#include "tests/crash/questions.h"

#include "engine/base/random.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS     100
#define NAME_BYTES 128
#define MAX_FILES  256
#define HANG_MS    60000
#define SERVES     QUESTIONS_SETTINGS "on_damage: serve\n"

/* A kind of file is what its name begins or ends with. */
static const struct {
    const char *begins, *ends;
} kinds[] = {{"", ".sst"},    {"", ".log"},     {"MANIFEST", ""},     {"CURRENT", ""},
             {"OPTIONS", ""}, {"IDENTITY", ""}, {"acknowledged", ""}, {"", ".safetensors"}};
#define N_KINDS (sizeof kinds / sizeof *kinds)

enum outcome { SAME, REFUSED, ENDED, WRONG, N_OUTCOMES };

struct test {
    struct nbx_random random;
    struct daemon daemon;        /* on `folder` */
    struct daemon whole;         /* on `base` */
    char base[256], folder[256]; /* undamaged, and this round's copy */
    struct questions questions;
    unsigned counts[N_KINDS][N_OUTCOMES];
};

static bool is_kind(const char *name, size_t kind)
{
    size_t n = strlen(name), m = strlen(kinds[kind].ends);
    return strncmp(name, kinds[kind].begins, strlen(kinds[kind].begins)) == 0 && n >= m &&
           strcmp(name + n - m, kinds[kind].ends) == 0;
}

/* Any of the kind's files that are not empty; false where there is none. */
static bool pick_file(struct test *t, size_t kind, char name[NAME_BYTES])
{
    char names[MAX_FILES][NAME_BYTES], path[DAEMON_PATH_BYTES];
    struct stat st;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/data", t->folder);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && n < MAX_FILES && (e = readdir(dir));)
        if (is_kind(e->d_name, kind) && fstatat(dirfd(dir), e->d_name, &st, 0) == 0 &&
            S_ISREG(st.st_mode) && st.st_size > 0)
            snprintf(names[n++], NAME_BYTES, "%s", e->d_name);
    if (dir)
        closedir(dir);
    if (n > 0)
        snprintf(name, NAME_BYTES, "%s", names[nbx_random_below(&t->random, n)]);
    return n > 0;
}

/* What was done, in words. */
static bool damage(struct test *t, const char *name, char *what, size_t what_bytes)
{
    char path[DAEMON_PATH_BYTES];
    struct stat st;
    uint8_t byte;
    snprintf(path, sizeof path, "%s/data/%s", t->folder, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        return false;
    off_t at = (off_t)nbx_random_below(&t->random, (uint64_t)st.st_size);
    bool cut = nbx_random_below(&t->random, 4) == 0, done;
    unsigned bit = (unsigned)nbx_random_below(&t->random, 8);
    if (cut) {
        done = ftruncate(fd, at) == 0;
        snprintf(what, what_bytes, "%s cut from %lld to %lld bytes", name, (long long)st.st_size,
                 (long long)at);
    } else {
        done = pread(fd, &byte, 1, at) == 1;
        byte ^= (uint8_t)(1U << bit);
        done = done && pwrite(fd, &byte, 1, at) == 1;
        snprintf(what, what_bytes, "%s with bit %u of byte %lld of %lld flipped", name, bit,
                 (long long)at, (long long)st.st_size);
    }
    close(fd);
    return done;
}

static bool log_names(const struct test *t, const char *name)
{
    char path[DAEMON_PATH_BYTES], line[2048];
    bool named = false;
    snprintf(path, sizeof path, "%s/nbxd.log", t->folder);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        named |= strstr(line, name) != NULL;
    if (f)
        fclose(f);
    return named;
}

static enum outcome wrong(const struct test *t, const char *what, const char *why)
{
    printf("%s: %s\n", what, why);
    daemon_print_log(&t->daemon);
    return WRONG;
}

/* The daemon has ended by itself, or does. */
static enum outcome judge_end(struct test *t, const char *name, const char *what)
{
    char why[64];
    int code = daemon_wait(&t->daemon, HANG_MS);
    snprintf(why, sizeof why, "exit code %d", code);
    if (code != 3)
        return wrong(t, what, why);
    return log_names(t, name) ? REFUSED : wrong(t, what, "refused, but the file is not named");
}

/* What it could not read it said so of: as it is by default, it ends for it. */
static enum outcome judge_told(struct test *t, const char *name, const char *what)
{
    struct answers answers;
    if (!log_names(t, name))
        return wrong(t, what, "told, but the file is not named in the log");
    if (daemon_verify_code(&t->daemon) != 3)
        return wrong(t, what, "nbxd --verify finds nothing");
    t->daemon.settings = QUESTIONS_SETTINGS;
    if (!daemon_launch(&t->daemon) || !daemon_await_quietly(&t->daemon))
        return wrong(t, what, "does not start a second time");
    (void)questions_ask(&t->questions, &t->daemon, &answers); /* as long as it answers */
    if (answers.other > 0)
        return wrong(t, what, "other answers before its end");
    return judge_end(t, name, what) == REFUSED ? ENDED : WRONG;
}

static enum outcome judge(struct test *t, const char *name, const char *what)
{
    struct answers answers;
    t->daemon.settings = SERVES;
    if (!daemon_launch(&t->daemon))
        return wrong(t, what, "cannot be started");
    if (!daemon_await_quietly(&t->daemon))
        return judge_end(t, name, what);
    if (!questions_ask(&t->questions, &t->daemon, &answers))
        return wrong(t, what, "no answer");
    if (!daemon_stop(&t->daemon))
        return wrong(t, what, "does not end well");
    if (answers.other > 0)
        return wrong(t, what, "other answers");
    return answers.told ? judge_told(t, name, what) : SAME;
}

static bool round_of(struct test *t, size_t kind)
{
    char name[NAME_BYTES], what[2 * NAME_BYTES];
    char from[sizeof t->base + 8], to[sizeof t->folder + 8];
    snprintf(from, sizeof from, "%s/data", t->base);
    snprintf(to, sizeof to, "%s/data", t->folder);
    folder_remove(t->folder);
    if (mkdir(t->folder, 0700) || !run_program((const char *const[]){"cp", "-a", from, to, NULL}) ||
        !pick_file(t, kind, name) || !damage(t, name, what, sizeof what))
        return false;
    enum outcome outcome = judge(t, name, what);
    if (t->daemon.pid > 0)
        daemon_kill(&t->daemon);
    t->counts[kind][outcome]++;
    return true;
}

static bool set_up(struct test *t, const char *program, uint64_t seed)
{
    nbx_random_init(&t->random, seed);
    return folder_make(t->base, sizeof t->base, "nbx-whole") &&
           folder_make(t->folder, sizeof t->folder, "nbx-damage") &&
           daemon_init(&t->whole, program, t->base, QUESTIONS_SETTINGS) &&
           daemon_init(&t->daemon, program, t->folder, QUESTIONS_SETTINGS) &&
           questions_prepare(&t->questions, &t->whole, seed);
}

static size_t print_kinds(const struct test *t)
{
    size_t failed = 0;
    printf("\n%-14s %6s %8s %6s %6s\n", "", "same", "refused", "ended", "wrong");
    for (size_t k = 0; k < N_KINDS; k++) {
        const unsigned *c = t->counts[k];
        printf("%-14s %6u %8u %6u %6u\n", *kinds[k].begins ? kinds[k].begins : kinds[k].ends,
               c[SAME], c[REFUSED], c[ENDED], c[WRONG]);
        failed += c[WRONG] > 0 || c[SAME] + c[REFUSED] + c[ENDED] == 0;
    }
    puts(
        "same: all answers as before; refused: did not start, by exit code 3 and the file's name;\n"
        "ended: so once it read the file, and with on_damage: serve answered `storage`; wrong: "
        "else.");
    return failed;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"rounds", required_argument, NULL, 'r'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"program", required_argument, NULL, 'p'},
                                          {NULL, 0, NULL, 0}};
    static struct test t;
    char program[PATH_MAX + 8];
    unsigned rounds = ROUNDS;
    uint64_t seed = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    program_beside(program, sizeof program, "nbxd");
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'r': rounds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 'p': snprintf(program, sizeof program, "%s", optarg); break;
        default:
            fprintf(stderr, "usage: damage [--rounds N] [--seed S] [--program NBXD]\n");
            return 2;
        }
    }
    printf("seed %llu, %s\n", (unsigned long long)seed, program);
    bool ran = set_up(&t, program, seed);
    for (unsigned i = 0; ran && i < rounds; i++)
        ran = round_of(&t, i % N_KINDS);
    size_t failed = ran ? print_kinds(&t) : N_KINDS;
    questions_fini(&t.questions);
    folder_remove(t.folder);
    folder_remove(t.base);
    printf("%zu passed, %zu failed, 0 skipped\n", N_KINDS - failed, failed);
    return failed == 0 ? 0 : 1;
}
