/* SPDX-License-Identifier: MIT
 * nbxd: options, configuration, server, HTTP door, signals; then all of it in reverse.
 */
#include "engine/base/log.h"
#include "engine/blas/blas.h"
#include "engine/conf/conf.h"
#include "engine/http/http.h"
#include "engine/main_care.h"
#include "engine/main_options.h"
#include "engine/score/dot.h"
#include "engine/serve/server.h"
#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EXIT_RUNTIME = 1, EXIT_CONFIG = 2, EXIT_CORRUPT = 3, EXIT_TAKEN = 4, EXIT_PERMISSION = 5 };

#define LARGE_BLOCK_BYTES 262144
#define MALLOC_ARENAS     4
#define WATCH_MS          100 /* between looks at the memory in use */
#define TRIM_BYTES        ((long long)32 << 20)

struct daemon {
    const char *config_path;
    struct nbx_conf *conf;
    struct nbx_main_options *options; /* of `conf`, in the server's words */
    struct nbx_server *server;
    struct nbx_http *http;
};

static void print_help(void)
{
    puts(
        "usage: nbxd [--config FILE]\n"
        "       nbxd --verify | --restore DIR | --rebuild DIR |\n"
        "            --import FILE | --replay DECISION [--config FILE]\n"
        "       nbxd --doctor | --check-model BUNDLE [--json] [--config FILE]\n"
        "       nbxd --check-config FILE | --print-config | --version | --help\n\n"
        "  --config FILE        settings in YAML; without it the defaults hold\n"
        "  --verify             read all of the data folder, also beside a daemon that uses it, "
        "and\n"
        "                       print what is damaged or does not fit together, and exit\n"
        "  --verify --forgotten [ID...]\n"
        "                       look for what is left of who was forgotten, of the ids in every "
        "file\n"
        "  --restore DIR        make the data folder, which must be empty or not there, of the "
        "backup\n"
        "                       in DIR, verify it and exit\n"
        "  --rebuild DIR        do all commands of the data folder's log again into DIR, which "
        "must be\n"
        "                       empty or not there, hold the two states together and exit\n"
        "  --import FILE        make the data folder, which must be empty or not there, of a log "
        "that\n"
        "                       `nbx log export` wrote, and exit\n"
        "  --replay DECISION    make a decision again, also beside a daemon, and exit: 0 the same "
        "list,\n"
        "                       1 another, 2 it cannot be made again, 3 stored data is damaged\n"
        "  --doctor             look at the data folder and the daemon on it, change nothing, and "
        "print\n"
        "                       what is wrong, since when and what to do: 0 nothing, 1 something, "
        "3 stored\n"
        "                       data is damaged or newer; with --json as JSON\n"
        "  --check-model BUNDLE say whether the bundle would be accepted, by itself and by the "
        "items "
        "of the\n"
        "                       data folder, if there is one: 0 it would, 1 it would not\n"
        "  --check-config FILE  report every mistake as file:line:column and exit\n"
        "  --print-config       print the settings in effect, each with its meaning, and exit\n"
        "  --version            print version, commit and kernel and exit\n\n"
        "signals: TERM and INT answer what was taken, then end; HUP reads the settings and the\n"
        "newest bundle again.\n"
        "exit codes: 0 ended as asked, 1 failed while running, 2 usage or settings, 3 stored data\n"
        "damaged or newer, 4 address or data folder taken, 5 no permission");
}

static int exit_code(enum nbx_err err)
{
    switch (err) {
    case NBX_OK: return 0;
    case NBX_EBAD: return EXIT_CONFIG;
    case NBX_ECORRUPT:
    case NBX_EVERSION: return EXIT_CORRUPT;
    case NBX_ECONFLICT: return EXIT_TAKEN;
    case NBX_EDENIED: return EXIT_PERMISSION;
    default: return EXIT_RUNTIME;
    }
}

static struct nbx_conf *load_conf(const char *path)
{
    struct nbx_conf *conf = NULL;
    struct nbx_diagnostics diagnostics = {0};
    if (nbx_conf_load(&conf, path, &diagnostics))
        nbx_diagnostics_print(&diagnostics, stderr);
    nbx_diagnostics_fini(&diagnostics);
    return conf;
}

static int start(struct daemon *d)
{
    struct nbx_fault fault = {0};
    d->options = nbx_main_options_new(d->conf, NBX_VERSION);
    if (!d->options)
        return EXIT_RUNTIME;
    enum nbx_err err = nbx_server_start(&d->server, &d->options->server, &fault);
    if (!err && d->conf->http[0]) {
        struct nbx_http_options http = {.listen = d->conf->http,
                                        .front = NBX_FRONT_INPROC,
                                        .zmq_context = nbx_server_zmq(d->server)};
        err = nbx_http_start(&d->http, &http, &fault);
        if (err)
            err = NBX_ECONFLICT;
    }
    if (err) {
        nbx_log_errorx("start=failed field=%s reason=\"%s\"", fault.field, fault.message);
        return exit_code(err);
    }
    nbx_log_info("ready=true version=%s listen=%s http=%s data_dir=%s workers=%lld kernel=%s",
                 NBX_VERSION, d->conf->listen[0], d->conf->http, d->conf->data_dir,
                 (long long)d->conf->workers, nbx_dot_kernel());
    return 0;
}

static void stop(struct daemon *d)
{
    nbx_http_stop(&d->http);
    nbx_server_stop(&d->server);
    nbx_main_options_destroy(&d->options);
    nbx_conf_destroy(&d->conf);
}

/* The server keeps pointing at the first options; only what it reloads comes from the new ones. */
static void reload(struct daemon *d)
{
    struct nbx_conf *fresh = load_conf(d->config_path);
    if (!fresh) {
        nbx_log_warnx("reload=refused action=kept");
        return;
    }
    nbx_conf_adopt(d->conf, fresh);
    nbx_log_set_level(d->conf->log_level);
    struct nbx_main_options *options = nbx_main_options_new(d->conf, NBX_VERSION);
    if (options)
        nbx_server_reload(d->server, &options->server);
    nbx_main_options_destroy(&options);
    nbx_conf_destroy(&fresh);
    nbx_log_info("reload=done");
}

/* Resident bytes of the process, but for pages of files, such as mapped bundles, which the kernel
 * takes back where memory is short; 0 where nobody says. */
static long long resident_bytes(void)
{
    unsigned long pages = 0, of_files = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%*u %lu %lu", &pages, &of_files) != 2)
        pages = of_files = 0;
    if (f)
        fclose(f);
    return (long long)(pages - of_files) * sysconf(_SC_PAGESIZE);
}

/* What RocksDB's threads free lies between blocks that live, so that the allocator keeps it: of 180
 * MiB with 50,000 customers 75 were free. Whenever the process has grown by this much, the pages
 * that nobody uses go back; `*least` is what was resident after. */
static long long trim(long long resident, long long *least)
{
    if (resident < *least + TRIM_BYTES)
        return resident;
    malloc_trim(0);
    return *least = resident_bytes();
}

/* What ZeroMQ holds for a peer that never ends its message is not ours to bound: past the limit
 * the process ends cleanly instead of being killed. */
static bool memory_exceeded(const struct daemon *d, long long bytes)
{
    if (bytes <= d->conf->memory_limit_bytes)
        return false;
    nbx_log_errorx("memory_limit=%lld resident=%lld action=exit",
                   (long long)d->conf->memory_limit_bytes, bytes);
    return true;
}

/* Damage that reads cannot tell from a shorter history must be seen by somebody. */
static bool damage_ends(const struct daemon *d)
{
    if (d->conf->on_damage == NBX_DAMAGE_SERVE || !nbx_server_is_damaged(d->server))
        return false;
    nbx_log_errorx(
        "damage=found data_dir=%s action=exit text=\"what was read above is damaged: nbx "
        "verify names all that is, nbx restore BACKUP brings back what was saved, "
        "on_damage: serve goes on without\"",
        d->conf->data_dir);
    return true;
}

/* OpenBLAS starts a thread before main runs, so blocking signals and waiting for them would leave
 * one thread that a signal can kill: a handler notes them instead and rings. */
static _Atomic bool end_asked, reload_asked;
static int bell = -1;

static void note_signal(int number)
{
    uint64_t one = 1;
    atomic_store(number == SIGHUP ? &reload_asked : &end_asked, true);
    ssize_t ignored = write(bell, &one, sizeof one);
    (void)ignored;
}

static bool take_signals(void)
{
    bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct sigaction note = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    sigemptyset(&note.sa_mask);
    signal(SIGPIPE, SIG_IGN);
    return bell >= 0 && !sigaction(SIGTERM, &note, NULL) && !sigaction(SIGINT, &note, NULL) &&
           !sigaction(SIGHUP, &note, NULL);
}

static int run(struct daemon *d)
{
    struct pollfd wait = {bell, POLLIN, 0};
    uint64_t rung;
    long long least = 0;
    for (;;) {
        if (poll(&wait, 1, WATCH_MS) > 0 && read(bell, &rung, sizeof rung) < 0)
            nbx_log_warn("bell=unreadable");
        if (atomic_load(&end_asked))
            return 0;
        if (atomic_exchange(&reload_asked, false))
            reload(d);
        if (memory_exceeded(d, trim(resident_bytes(), &least)))
            return EXIT_RUNTIME;
        if (damage_ends(d))
            return EXIT_CORRUPT;
    }
}

static int serve(const char *config_path)
{
    struct daemon d = {.config_path = config_path, .conf = load_conf(config_path)};
    if (!d.conf)
        return EXIT_CONFIG;
    nbx_log_set_level(d.conf->log_level);
    int code = take_signals() ? start(&d) : EXIT_RUNTIME;
    if (code == 0) {
        code = run(&d);
        nbx_log_info("stop=draining");
    }
    stop(&d);
    return code;
}

/* By itself the allocator keeps large blocks once one was freed, RocksDB's buffers above all: a
 * process with 50,000 customers held 447 MiB, with this it holds 164. */
static void return_large_blocks(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
}

struct arguments {
    enum {
        SERVE,
        CHECK,
        PRINT,
        VERIFY,
        FORGOTTEN,
        RESTORE,
        REBUILD,
        IMPORT,
        REPLAY,
        DOCTOR,
        CHECK_MODEL,
        SAY_VERSION,
        SAY_HELP,
        MISUSED
    } mode;
    const char *config, *what; /* NULL: not given */
    char **ids;                /* (n_ids) of FORGOTTEN */
    int n_ids;
    bool json;
};

static struct arguments read_arguments(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check-config", required_argument, NULL, 't'},
                                            {"print-config", no_argument, NULL, 'p'},
                                            {"verify", no_argument, NULL, 'v'},
                                            {"restore", required_argument, NULL, 'r'},
                                            {"replay", required_argument, NULL, 'd'},
                                            {"rebuild", required_argument, NULL, 'b'},
                                            {"import", required_argument, NULL, 'i'},
                                            {"forgotten", no_argument, NULL, 'f'},
                                            {"doctor", no_argument, NULL, 'o'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"check-model", required_argument, NULL, 'm'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct arguments a = {.mode = SERVE};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 't': a.mode = CHECK; /* fall through */
        case 'c': a.config = optarg; break;
        case 'p': a.mode = PRINT; break;
        case 'v': a.mode = a.mode == FORGOTTEN ? FORGOTTEN : VERIFY; break;
        case 'f': a.mode = FORGOTTEN; break;
        case 'o': a.mode = DOCTOR; break;
        case 'j': a.json = true; break;
        case 'r':
            a.mode = RESTORE;
            a.what = optarg;
            break;
        case 'b':
            a.mode = REBUILD;
            a.what = optarg;
            break;
        case 'i':
            a.mode = IMPORT;
            a.what = optarg;
            break;
        case 'm':
            a.mode = CHECK_MODEL;
            a.what = optarg;
            break;
        case 'd':
            a.mode = REPLAY;
            a.what = optarg;
            break;
        case 'V': return (struct arguments){.mode = SAY_VERSION};
        case 'h': return (struct arguments){.mode = SAY_HELP};
        default: return (struct arguments){.mode = MISUSED};
        }
    }
    a.ids = argv + optind;
    a.n_ids = argc - optind;
    if (a.n_ids == 0 || a.mode == FORGOTTEN)
        return a;
    fprintf(stderr, "nbxd: unexpected argument '%s'; see nbxd --help\n", argv[optind]);
    return (struct arguments){.mode = MISUSED};
}

/* What needs the settings and no more. */
static int look_at(const struct arguments *a)
{
    struct nbx_conf *conf = load_conf(a->config);
    int code = conf ? 0 : EXIT_CONFIG;
    if (conf && a->mode == PRINT)
        nbx_conf_print(conf, stdout);
    if (conf && a->mode == VERIFY)
        code = exit_code(nbx_main_verify(conf));
    if (conf && a->mode == FORGOTTEN)
        code = exit_code(nbx_main_prove(conf, a->ids, a->n_ids));
    if (conf && a->mode == RESTORE)
        code = exit_code(nbx_main_restore(conf, a->what));
    if (conf && a->mode == REBUILD)
        code = exit_code(nbx_main_rebuild(conf, a->what));
    if (conf && a->mode == IMPORT)
        code = exit_code(nbx_main_import(conf, a->what));
    if (conf && a->mode == REPLAY)
        code = nbx_main_replay(conf, a->what);
    if (conf && a->mode == DOCTOR)
        code = nbx_main_doctor(conf, a->config, a->json);
    if (conf && a->mode == CHECK_MODEL)
        code = nbx_main_check_model(conf, a->what, a->json);
    nbx_conf_destroy(&conf);
    return code;
}

int main(int argc, char **argv)
{
    struct arguments a = read_arguments(argc, argv);
    nbx_blas_init();
    return_large_blocks();
    switch (a.mode) {
    case SERVE: return serve(a.config);
    case SAY_VERSION:
        printf("nbxd %s (%s) kernel=%s\n", NBX_VERSION, NBX_COMMIT, nbx_dot_kernel());
        return 0;
    case SAY_HELP: print_help(); return 0;
    case MISUSED: return EXIT_CONFIG;
    default: return look_at(&a);
    }
}
