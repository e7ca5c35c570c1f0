/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness.h"

#include "engine/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES   5
#define EXIT_TAKEN    4 /* the port we found free was taken meanwhile */
#define WAIT_MS       60000
#define PATIENCE      "60s" /* of the queues, so that a busy machine fails no test */
#define PEER_ARENA    ((size_t)1 << 30)
#define LOG_MAX_BYTES ((long)64 << 20)

static void pause_a_moment(void)
{
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static bool accepts(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool open = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (fd >= 0)
        close(fd);
    return open;
}

void server_configure(struct server *s, const char *settings)
{
    FILE *f = fopen(s->config, "w");
    cr_assert_not_null(f, "%s: %s", s->config, strerror(errno));
    s->options.settings = settings;
    fprintf(f, "data_dir: \"%s\"\n", s->data);
    fprintf(f, "listen: [\"%s\"", s->endpoint);
    if (s->options.tcp)
        fprintf(f, ", \"tcp://127.0.0.1:%d\"", s->tcp_port);
    fprintf(f, "]\n");
    if (s->options.http)
        fprintf(f, "http: \"127.0.0.1:%d\"\n", s->http_port);
    else
        fprintf(f, "http: \"\"\n");
    fputs(settings ? settings : "", f);
    if (!settings || !strstr(settings, "queue_time"))
        fprintf(f, "queue_time: %s\n", PATIENCE);
    cr_assert_eq(fclose(f), 0);
}

/* The child: nbxd with its log in a file, killed when the test program ends. */
static void become_daemon(const struct server *s)
{
    const char *program = s->options.program ? s->options.program : NBX_BIN_DIR "/nbxd";
    int log = open(s->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("ASAN_OPTIONS", "abort_on_error=1", 0);
    if (log >= 0) {
        dup2(log, 1);
        dup2(log, 2);
        execl(program, "nbxd", "--config", s->config, (char *)NULL);
    }
    _exit(127);
}

/* True once hello says ready, and the HTTP door is open, which is the last; false where the process
 * ended instead. */
static bool becomes_ready(struct server *s, int *code)
{
    int64_t until_ns = nbx_clock_mono_ns() + (int64_t)WAIT_MS * 1000000;
    struct stat st;
    int status;
    while (nbx_clock_mono_ns() < until_ns) {
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            s->pid = 0;
            *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            return false;
        }
        if (stat(s->socket, &st) == 0 && (!s->http_port || accepts(s->http_port))) {
            peer_open(&s->peer, s);
            struct nbx_value *hello = get(&s->peer, "hello", "", "{}");
            cr_assert(bool_at(hello, "ready"));
            return true;
        }
        pause_a_moment();
    }
    *code = -1;
    return false;
}

void server_begin(struct server *s)
{
    int code = 0;
    for (int i = 0; i < START_TRIES; i++) {
        s->tcp_port = s->options.tcp ? free_port() : 0;
        s->http_port = s->options.http ? free_port() : 0;
        server_configure(s, s->options.settings);
        unlink(s->socket);
        s->pid = fork();
        cr_assert(s->pid >= 0);
        if (s->pid == 0)
            become_daemon(s);
        if (becomes_ready(s, &code))
            return;
        if (code != EXIT_TAKEN)
            break;
    }
    char *log = server_log(s);
    cr_assert_fail("nbxd ended with %d before it was ready:\n%s", code, log);
}

void server_start(struct server *s, const struct server_options *options)
{
    memset(s, 0, sizeof *s);
    if (options)
        s->options = *options;
    snprintf(s->folder, sizeof s->folder, "%s/nbx-daemon-XXXXXX", P_tmpdir);
    cr_assert_not_null(mkdtemp(s->folder));
    snprintf(s->data, sizeof s->data, "%s/data", s->folder);
    snprintf(s->config, sizeof s->config, "%s/nbxd.yaml", s->folder);
    snprintf(s->log, sizeof s->log, "%s/log", s->folder);
    snprintf(s->socket, sizeof s->socket, "%s/socket", s->folder);
    snprintf(s->endpoint, sizeof s->endpoint, "ipc://%s", s->socket);
    cr_assert_eq(mkdir(s->data, 0700), 0);
    server_begin(s);
}

char *server_log(const struct server *s)
{
    FILE *f = fopen(s->log, "r");
    cr_assert_not_null(f, "%s: %s", s->log, strerror(errno));
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    cr_assert(n >= 0 && n < LOG_MAX_BYTES);
    char *text = calloc(1, (size_t)n + 1);
    cr_assert_not_null(text);
    size_t got = fread(text, 1, (size_t)n, f);
    text[got] = '\0';
    fclose(f);
    return text;
}

static void must_be_clean(const struct server *s)
{
    static const char *const words[] = {"Sanitizer", "runtime error:", "Assertion", "assertion"};
    char *log = server_log(s);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        cr_assert_null(strstr(log, words[i]), "the daemon's log:\n%s", log);
    free(log);
}

int server_wait(struct server *s)
{
    int64_t until_ns = nbx_clock_mono_ns() + (int64_t)WAIT_MS * 1000000;
    int status = 0;
    while (waitpid(s->pid, &status, WNOHANG) == 0) {
        if (nbx_clock_mono_ns() > until_ns)
            return -1;
        pause_a_moment();
    }
    s->pid = 0;
    peer_close(&s->peer);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void server_end(struct server *s)
{
    kill(s->pid, SIGTERM);
    int code = server_wait(s);
    if (code != 0) {
        char *log = server_log(s);
        cr_assert_fail("nbxd ended with %d:\n%s", code, log);
    }
    must_be_clean(s);
}

void server_kill(struct server *s)
{
    kill(s->pid, SIGKILL);
    server_wait(s);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

void server_remove(struct server *s)
{
    nftw(s->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void server_stop(struct server *s)
{
    server_end(s);
    server_remove(s);
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
        n++;
    return n;
}

static size_t reloads(const struct server *s)
{
    char *log = server_log(s);
    size_t n = count_of(log, "reload=");
    free(log);
    return n;
}

void server_reload(struct server *s)
{
    size_t before = reloads(s);
    int64_t until_ns = nbx_clock_mono_ns() + (int64_t)WAIT_MS * 1000000;
    kill(s->pid, SIGHUP);
    while (reloads(s) == before) {
        cr_assert(nbx_clock_mono_ns() < until_ns, "the daemon does not reload");
        cr_assert_eq(waitpid(s->pid, NULL, WNOHANG), 0, "the daemon ended while it reloaded");
        pause_a_moment();
    }
}

size_t server_resident(const struct server *s)
{
    char path[64];
    unsigned long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)s->pid);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    cr_assert_eq(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

void peer_open(struct peer *p, const struct server *s)
{
    p->arena = nbx_arena_new(PEER_ARENA);
    cr_assert_not_null(p->arena);
    cr_assert_eq(nbx_client_new(&p->client, s->endpoint), NBX_OK);
}

void peer_close(struct peer *p)
{
    nbx_client_destroy(&p->client);
    nbx_arena_destroy(&p->arena);
}

int server_nbx(const struct server *s, const char *words, char *out, size_t room)
{
    char command[512];
    snprintf(command, sizeof command, "%s/nbx %s --config %s 2>&1", NBX_BIN_DIR, words, s->config);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    out[fread(out, 1, room - 1, f)] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int server_replay(const struct server *s, const char *decision, char *out, size_t room)
{
    char words[64];
    snprintf(words, sizeof words, "replay %s", decision);
    return server_nbx(s, words, out, room);
}
