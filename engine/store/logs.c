/* SPDX-License-Identifier: MIT
 * Which of RocksDB's logs there must be: a list of them follows the number in `acknowledged`.
 *
 * Why:     the history's end says nothing of a log that vanishes from before newer ones. A log that
 *          was synced may go only once all in it is in tables, which the database's manifest says
 *          first: the least number it still keeps.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  a list that cannot be made or read is none.
 */
#include "engine/store/store_internal.h"

#include "engine/base/hash.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SUFFIX     ".log"
#define KEPT       "rocksdb.min-log-number-to-keep"
#define LINE       "%020" PRIu64 " %020" PRIu64 "\n"
#define LINE_BYTES 42

/* 0 where the name is no log's: they are numbered from 1. */
static uint64_t number_of(const char *name)
{
    char *end = NULL;
    uint64_t number = isdigit((unsigned char)name[0]) ? strtoull(name, &end, 10) : 0;
    return end && strcmp(end, SUFFIX) == 0 ? number : 0;
}

void nbx_store__list_logs(struct nbx_store__logs *out, const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0, newest = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        uint64_t number = number_of(e->d_name);
        if (number && n < NBX_LOGS_MAX && fstatat(dirfd(d), e->d_name, &st, 0) == 0)
            out->p[n++] = (struct nbx_store__log){number, (uint64_t)st.st_size};
    }
    if (d)
        closedir(d);
    for (size_t i = 1; i < n; i++)
        newest = out->p[i].number > out->p[newest].number ? i : newest;
    if (n)
        out->p[newest].bytes = 0; /* it grows */
    out->n = n;
}

uint64_t nbx_store__newest_log(const char *dir)
{
    uint64_t newest = 0;
    struct nbx_store__logs logs;
    nbx_store__list_logs(&logs, dir);
    for (size_t i = 0; i < logs.n; i++)
        newest = logs.p[i].number > newest ? logs.p[i].number : newest;
    return newest;
}

/* "logs N SUM" and a line for each, SUM over these. */
size_t nbx_store__print_logs(char out[NBX_LOGS_BYTES], const struct nbx_store__logs *logs)
{
    char lines[NBX_LOGS_MAX * LINE_BYTES + 1] = "";
    for (size_t i = 0; i < logs->n; i++)
        snprintf(lines + i * LINE_BYTES, LINE_BYTES + 1, LINE, logs->p[i].number, logs->p[i].bytes);
    uint32_t sum = nbx_hash32(lines, logs->n * LINE_BYTES);
    return (size_t)snprintf(out, NBX_LOGS_BYTES, "logs %zu %08" PRIx32 "\n%s", logs->n, sum, lines);
}

void nbx_store__parse_logs(struct nbx_store__logs *out, const char *text)
{
    char again[NBX_LOGS_BYTES];
    size_t n = 0;
    *out = (struct nbx_store__logs){0};
    const char *line = strchr(text, '\n');
    if (!line || sscanf(text, "logs %zu ", &n) != 1 || n > NBX_LOGS_MAX)
        return;
    for (size_t i = 0; i < n; i++) {
        struct nbx_store__log *log = &out->p[i];
        if (sscanf(line + 1 + (strlen(line) > i * LINE_BYTES ? i * LINE_BYTES : 0),
                   "%" SCNu64 " %" SCNu64, &log->number, &log->bytes) == 2)
            out->n++;
    }
    size_t len = nbx_store__print_logs(again, out);
    if (out->n != n || strncmp(text, again, len) != 0)
        out->n = 0; /* a power cut left it half written */
}

static bool is_whole(const struct nbx_store__log *log, const char *dir)
{
    char path[NBX_STORE_PATH_BYTES];
    struct stat st;
    snprintf(path, sizeof path, "%s/%06" PRIu64 SUFFIX, dir, log->number);
    return stat(path, &st) == 0 && (uint64_t)st.st_size >= log->bytes;
}

/* The least log that the database needs; false where it cannot be told, and then opening it tells
 * why. */
static bool read_least(const char *dir, uint64_t *least)
{
    struct nbx_store_options options = {
        .dir = dir, .cache_bytes = 1u << 20, .write_buffer_bytes = 64u << 20, .read_only = true};
    struct nbx_store *store = nbx_store__peek(&options, false);
    bool told = store && rocksdb_property_int_cf(store->db, store->families[NBX_FAMILY_META], KEPT,
                                                 least) == 0;
    nbx_store_close(&store);
    return told;
}

uint64_t nbx_store__lost_log(const struct nbx_store__logs *logs, const char *dir)
{
    uint64_t least = 0, lost = 0;
    bool told = false;
    for (size_t i = 0; i < logs->n; i++) {
        if (is_whole(&logs->p[i], dir))
            continue;
        /* A daemon beside us may have let go of it only now, so what was read before does not say
         * that it is lost. */
        if ((!told || logs->p[i].number >= least) && !(told = read_least(dir, &least)))
            return 0;
        if (logs->p[i].number >= least)
            lost = logs->p[i].number;
    }
    return lost;
}
