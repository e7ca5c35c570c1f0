/* SPDX-License-Identifier: MIT */
#include "engine/care/manifest.h"

#include "engine/base/buf.h"
#include "engine/base/hash.h"
#include "engine/care/files.h"
#include "engine/model/registry.h"
#include "engine/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION     1
#define SUM_BYTES   32
#define HEX_BYTES   (2 * SUM_BYTES)
#define TEXT_MAX    (64u << 20)
#define NAMES_MAX   1000000
#define PIECE_BYTES ((size_t)64 << 10)

static void end_hex(char hex[HEX_BYTES + 1], struct nbx_sha256 *sha)
{
    uint8_t sum[SUM_BYTES];
    nbx_sha256_end(sha, sum);
    nbx_hex(hex, sum, sizeof sum);
    hex[HEX_BYTES] = '\0';
}

static void hex_of(char hex[HEX_BYTES + 1], const void *p, size_t n)
{
    struct nbx_sha256 sha;
    nbx_sha256_begin(&sha);
    nbx_sha256_add(&sha, p, n);
    end_hex(hex, &sha);
}

/* A file's bytes, mapped; p is "" where it is empty. */
struct file {
    const void *p;
    size_t bytes;
};

static void close_file(struct file *file)
{
    if (file->bytes)
        munmap((void *)file->p, file->bytes);
}

static enum nbx_err refuse_open(const char *path, struct nbx_fault *fault)
{
    return errno == ENOENT ? nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s is missing", path)
                           : nbx_care__refuse("open", path, fault);
}

static enum nbx_err open_file(struct file *out, const char *path, struct nbx_fault *fault)
{
    struct stat st;
    *out = (struct file){"", 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse_open(path, fault);
    enum nbx_err err = fstat(fd, &st) ? nbx_care__refuse("read", path, fault) : NBX_OK;
    if (!err && st.st_size) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            err = nbx_care__refuse("read", path, fault);
        else
            *out = (struct file){p, (size_t)st.st_size};
    }
    close(fd);
    return err;
}

/* Length and sum of a file. Read piece by piece, not mapped: to unmap it takes a lock that all
 * threads of the process want, and whoever is preempted with it makes them wait. Nor is the time of
 * access written, for that takes the file system's. */
static enum nbx_err sum_file(char hex[HEX_BYTES + 1], size_t *bytes, const char *path,
                             struct nbx_fault *fault)
{
    char piece[PIECE_BYTES];
    struct nbx_sha256 sha;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME);
    if (fd < 0 && errno == EPERM) /* somebody else's */
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse_open(path, fault);
    *bytes = 0;
    nbx_sha256_begin(&sha);
    while (n > 0 || (n < 0 && errno == EINTR)) {
        n = read(fd, piece, sizeof piece);
        if (n > 0) {
            nbx_sha256_add(&sha, piece, (size_t)n);
            *bytes += (size_t)n;
        }
    }
    end_hex(hex, &sha);
    enum nbx_err err = n < 0 ? nbx_care__refuse("read", path, fault) : NBX_OK;
    close(fd);
    return err;
}

static enum nbx_err sync_file(const char *dir, const char *name, struct nbx_fault *fault)
{
    char path[NBX_CARE_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse_open(path, fault);
    enum nbx_err err = fsync(fd) ? nbx_care__refuse("sync", path, fault) : NBX_OK;
    close(fd);
    return err;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_listed(const char *name)
{
    return name[0] != '.' && strcmp(name, NBX_MANIFEST_NAME) != 0 &&
           strcmp(name, NBX_REGISTRY_FOLDER) != 0;
}

static enum nbx_err add_name(struct nbx_manifest *m, const char *name)
{
    char **names = m->n < NAMES_MAX ? realloc(m->names, (m->n + 1) * sizeof *names) : NULL;
    if (!names)
        return NBX_ELIMIT;
    m->names = names;
    m->names[m->n] = strdup(name);
    return m->names[m->n] ? (m->n++, NBX_OK) : NBX_ELIMIT;
}

static enum nbx_err too_many(const char *dir, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "too many files in %s", dir);
}

/* The models' files, where there is such a folder. */
static enum nbx_err list_models(struct nbx_manifest *m, const char *dir, struct nbx_fault *fault)
{
    char path[NBX_CARE_PATH_BYTES];
    snprintf(path, sizeof path, "%s/" NBX_REGISTRY_FOLDER, dir);
    DIR *d = opendir(path);
    enum nbx_err err = NBX_OK;
    if (!d)
        return errno == ENOENT ? NBX_OK : nbx_care__refuse("open", path, fault);
    for (struct dirent *e; !err && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, NBX_REGISTRY_FOLDER "/%s", e->d_name);
        err = add_name(m, path) ? too_many(dir, fault) : NBX_OK;
    }
    closedir(d);
    return err;
}

/* All names of the folder but the list's own; a folder in it, other than the models', shows when it
 * is opened. */
static enum nbx_err list_names(struct nbx_manifest *m, const char *dir, struct nbx_fault *fault)
{
    DIR *d = opendir(dir);
    enum nbx_err err = NBX_OK;
    if (!d)
        return nbx_care__refuse("open", dir, fault);
    for (struct dirent *e; !err && (e = readdir(d));)
        if (is_listed(e->d_name) && add_name(m, e->d_name))
            err = too_many(dir, fault);
    closedir(d);
    if (!err)
        err = list_models(m, dir, fault);
    if (m->n)
        qsort(m->names, m->n, sizeof *m->names, by_name);
    return err;
}

/* The line of one file, as it is now. */
static enum nbx_err put_file(struct nbx_buf *text, struct nbx_manifest *m, const char *dir,
                             const char *name, struct nbx_fault *fault)
{
    char path[NBX_CARE_PATH_BYTES], hex[HEX_BYTES + 1];
    size_t bytes = 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    enum nbx_err err = sum_file(hex, &bytes, path, fault);
    if (err)
        return err;
    m->bytes += bytes;
    nbx_buf_printf(text, "file %s %zu %s\n", hex, bytes, name);
    return NBX_OK;
}

/* The lines of all files on their way into the list. */
struct lines {
    struct nbx_buf *text;
    struct nbx_manifest *m;
    const char *dir;
    struct nbx_fault *fault;
    enum nbx_err err;
};

static void *put_files(void *arg)
{
    static const struct sched_param none;
    struct lines *l = arg;
    if (l->m->unhurried)
        pthread_setschedparam(pthread_self(), SCHED_IDLE, &none); /* a wish */
    for (size_t i = 0; !l->err && i < l->m->n; i++)
        l->err = put_file(l->text, l->m, l->dir, l->m->names[i], l->fault);
    return NULL;
}

/* The sums of an unhurried one are made by a thread of their own, which does nothing else: at the
 * least priority it may be kept waiting anywhere, and must hold no lock that others want (the file
 * system's is one, for whoever syncs), while not everybody may return from that priority. */
static enum nbx_err put_lines(struct lines *l)
{
    pthread_t thread;
    if (!l->m->unhurried)
        put_files(l);
    else if (pthread_create(&thread, NULL, put_files, l))
        l->err = nbx_fault_set(l->fault, NBX_ELIMIT, NULL, "no thread for the sums of %s", l->dir);
    else
        pthread_join(thread, NULL);
    return l->err;
}

static enum nbx_err save(const char *dir, const struct nbx_buf *text, struct nbx_fault *fault)
{
    char path[NBX_CARE_PATH_BYTES];
    snprintf(path, sizeof path, "%s/" NBX_MANIFEST_NAME, dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return nbx_care__refuse("make", path, fault);
    bool written = write(fd, text->p, text->len) == (ssize_t)text->len && fsync(fd) == 0;
    if (close(fd) || !written)
        return nbx_care__refuse("write", path, fault);
    return nbx_care__sync_folder(dir, fault);
}

enum nbx_err nbx_manifest_write(struct nbx_manifest *m, const char *dir, struct nbx_fault *fault)
{
    struct nbx_buf text = {0};
    char hex[HEX_BYTES + 1];
    nbx_buf_printf(&text, "nbx-backup %d\nformat %u\nmade_ms %lld\nchanges %llu\n", VERSION,
                   m->format, (long long)m->made_ms, (unsigned long long)m->changes);
    enum nbx_err err = list_names(m, dir, fault);
    for (size_t i = 0; !err && i < m->n; i++)
        err = sync_file(dir, m->names[i], fault);
    if (!err)
        err = put_lines(&(struct lines){.text = &text, .m = m, .dir = dir, .fault = fault});
    if (!err && !text.failed) {
        hex_of(hex, text.p, text.len);
        nbx_buf_printf(&text, "sum %s\n", hex);
    }
    if (!err && text.failed)
        err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory for the list of files");
    if (!err)
        err = save(dir, &text, fault);
    nbx_buf_fini(&text);
    return err;
}

static enum nbx_err damaged(const char *dir, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s/" NBX_MANIFEST_NAME " is damaged", dir);
}

/* Head and end of the list; *files: the lines between. */
static enum nbx_err read_head(struct nbx_manifest *m, const struct file *file, const char *dir,
                              struct nbx_str *files, struct nbx_fault *fault)
{
    char head[256], hex[HEX_BYTES + 1], end[HEX_BYTES + 8];
    size_t tail = sizeof "sum \n" - 1 + HEX_BYTES, n = file->bytes;
    unsigned version = 0;
    int at = 0;
    if (n < tail || n > TEXT_MAX)
        return damaged(dir, fault);
    const char *text = file->p;
    snprintf(head, sizeof head, "%.*s", (int)(n < 255 ? n : 255), text);
    if (sscanf(head, "nbx-backup %u\n", &version) == 1 && version > VERSION)
        return nbx_fault_set(fault, NBX_EVERSION, NULL, "%s was made by a newer nbx", dir);
    hex_of(hex, text, n - tail);
    snprintf(end, sizeof end, "sum %s\n", hex);
    if (memcmp(text + n - tail, end, tail) != 0 ||
        sscanf(head,
               "nbx-backup %u\nformat %" SCNu32 "\nmade_ms %" SCNd64 "\nchanges %" SCNu64 "%n",
               &version, &m->format, &m->made_ms, &m->changes, &at) != 4)
        return damaged(dir, fault);
    at++; /* its line feed */
    *files = (struct nbx_str){text + at, (uint32_t)(n - tail) - (uint32_t)at};
    return NBX_OK;
}

/* Holds the folder's files against the lines of the list, one by one in the order of names. */
static enum nbx_err compare(struct nbx_manifest *m, const char *dir, struct nbx_str files,
                            struct nbx_fault *fault)
{
    struct nbx_buf line = {0};
    enum nbx_err err = list_names(m, dir, fault);
    for (size_t i = 0; !err && i < m->n; i++) {
        nbx_buf_clear(&line);
        err = put_file(&line, m, dir, m->names[i], fault);
        if (err)
            break;
        struct nbx_str saved = {files.p, line.len < files.len ? (uint32_t)line.len : files.len};
        if (line.failed ||
            !nbx_str_eq((struct nbx_str){(const char *)line.p, (uint32_t)line.len}, saved)) {
            err = nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                                "%s/%s is not as it was saved, or a file before it is missing", dir,
                                m->names[i]);
            break;
        }
        files.p += line.len;
        files.len -= (uint32_t)line.len;
    }
    nbx_buf_fini(&line);
    if (!err && files.len)
        err = nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s lacks files: %.*s", dir,
                            (int)(files.len < 160 ? files.len : 160), files.p);
    return err;
}

enum nbx_err nbx_manifest_check(struct nbx_manifest *out, const char *dir, struct nbx_fault *fault)
{
    char path[NBX_CARE_PATH_BYTES];
    struct file file;
    struct nbx_str files = NBX_STR("");
    *out = (struct nbx_manifest){0};
    snprintf(path, sizeof path, "%s/" NBX_MANIFEST_NAME, dir);
    enum nbx_err err = open_file(&file, path, fault);
    if (err)
        return err;
    err = read_head(out, &file, dir, &files, fault);
    if (!err && out->format > NBX_STORE_FORMAT)
        err = nbx_fault_set(fault, NBX_EVERSION, NULL,
                            "%s has format %u, this program knows up to %d", dir, out->format,
                            NBX_STORE_FORMAT);
    if (!err)
        err = compare(out, dir, files, fault);
    close_file(&file);
    return err;
}

void nbx_manifest_fini(struct nbx_manifest *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->names[i]);
    free(m->names);
    *m = (struct nbx_manifest){0};
}
