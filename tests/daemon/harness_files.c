/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness_files.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_IDS 8

int server_count_files(const struct server *s, const char *text, char found[256])
{
    int n = 0;
    DIR *dir = opendir(s->data);
    cr_assert_not_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[400];
        struct nbx_buf b = {0};
        snprintf(path, sizeof path, "%s/%s", s->data, e->d_name);
        FILE *f = e->d_type == DT_REG ? fopen(path, "re") : NULL;
        for (int c; f && (c = getc(f)) != EOF;)
            nbx_buf_put_u8(&b, (uint8_t)c);
        if (f)
            fclose(f);
        if (b.len && memmem(b.p, b.len, text, strlen(text))) {
            n++;
            snprintf(found, 256, "%s", e->d_name);
        }
        nbx_buf_fini(&b);
    }
    closedir(dir);
    return n;
}

int64_t server_stat(struct server *s, const char *name)
{
    const struct nbx_value *v = nbx_value_get(get(&s->peer, "stats", "", "{}"), name);
    cr_assert_not_null(v, "%s", name);
    return v->i;
}

void server_wait_erased(struct server *s)
{
    for (int i = 0; i < 1200 && server_stat(s, "forgotten.to_erase"); i++)
        usleep(50000);
    cr_assert_eq(server_stat(s, "forgotten.to_erase"), 0);
}

/* Ends in NULL. */
static int run(const char *const *words)
{
    char path[200];
    snprintf(path, sizeof path, "%s/nbxd", NBX_BIN_DIR);
    pid_t pid = fork();
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stdout);
        execv(path, (char *const *)words);
        _exit(127);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int server_run(const struct server *s, const char *what, const char *with)
{
    return run((const char *const[]){"nbxd", "--config", s->config, what, with, NULL});
}

int server_prove(const struct server *s, const char *const *ids, int n)
{
    const char *words[6 + MAX_IDS] = {"nbxd", "--verify", "--forgotten", "--config", s->config};
    cr_assert_leq(n, MAX_IDS);
    for (int i = 0; i < n; i++)
        words[5 + i] = ids[i];
    return run(words);
}
