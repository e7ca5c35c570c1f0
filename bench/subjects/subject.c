/* SPDX-License-Identifier: MIT */
#include "bench/subjects/subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE 4096

void nbx_subject_fail(const char *what, const char *detail)
{
    fprintf(stderr, "retrieval: %s: %s\n", what, detail);
    exit(1);
}

const void *nbx_subject_map(const char *path, size_t *bytes)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
        nbx_subject_fail("missing or empty", path);
    *bytes = (size_t)st.st_size;
    void *p = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (p == MAP_FAILED)
        nbx_subject_fail("cannot be mapped", path);
    close(fd);
    return p;
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

float nbx_subject_time(const struct nbx_subject *subject, const float *query, size_t k,
                       uint32_t *ids)
{
    memset(ids, 0xff, k * sizeof *ids);
    double start = now_us();
    subject->search(subject->self, query, k, ids);
    return (float)(now_us() - start);
}

static void send_bytes(const void *bytes, size_t n)
{
    if (fwrite(bytes, 1, n, stdout) != n)
        nbx_subject_fail("cannot answer", "stdout is closed");
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        nbx_subject_fail("cannot answer", "out of memory");
    return p;
}

static void ask(const struct nbx_subject *subject, const struct nbx_subject_queries *queries,
                size_t k, size_t first, size_t n, size_t warm)
{
    float *us = room(n, sizeof *us);
    uint32_t *ids = room(n * k, sizeof *ids);
    for (size_t i = 0; i < warm; i++)
        nbx_subject_time(subject, queries->rows + (first + i) % queries->n * queries->stride, k,
                         ids);
    first += warm;
    for (size_t i = 0; i < n; i++)
        us[i] = nbx_subject_time(
            subject, queries->rows + (first + i) % queries->n * queries->stride, k, ids + i * k);
    send_bytes(us, n * sizeof *us);
    send_bytes(ids, n * k * sizeof *ids);
    free(us);
    free(ids);
}

static void many(const struct nbx_subject *subject, const struct nbx_subject_queries *queries,
                 size_t k, size_t n, unsigned threads)
{
    if (!subject->search_many || n > queries->n || threads == 0)
        nbx_subject_fail("many", "no batches, or more queries than there are");
    uint32_t *ids = room(n * k, sizeof *ids);
    double start = now_us();
    subject->search_many(subject->self, queries->rows, n, k, threads, ids);
    float us = (float)(now_us() - start);
    send_bytes(&us, sizeof us);
    send_bytes(ids, n * k * sizeof *ids);
    free(ids);
}

static void filter(const struct nbx_subject *subject, const char *path)
{
    size_t bytes = 0;
    const uint64_t *bits = *path ? nbx_subject_map(path, &bytes) : NULL;
    if (!subject->filter || (bits && bytes < (subject->n_items + 63) / 64 * sizeof *bits))
        nbx_subject_fail("filter", subject->filter ? "fewer bits than items" : "not supported");
    subject->filter(subject->self, bits);
}

void nbx_subject_serve(const struct nbx_subject *subject, const struct nbx_subject_queries *queries)
{
    char line[MAX_LINE], word[MAX_LINE];
    size_t k = 10, a, b, c;
    double value;
    float megabytes = (float)((double)subject->bytes / 1e6);
    send_bytes(&megabytes, sizeof megabytes);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "ask %zu %zu %zu", &a, &b, &c) == 3)
            ask(subject, queries, k, a, b, c);
        else if (sscanf(line, "many %zu %zu", &a, &b) == 2)
            many(subject, queries, k, a, (unsigned)b);
        else if (sscanf(line, "k %zu", &a) == 1)
            k = a;
        else if (strncmp(line, "filter", 6) == 0)
            filter(subject, line + 6 + strspn(line + 6, " "));
        else if (subject->set && sscanf(line, "set %s %lf", word, &value) == 2)
            subject->set(subject->self, word, value);
        else
            nbx_subject_fail("unknown command", line);
        fflush(stdout);
    }
}
