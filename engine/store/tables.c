/* SPDX-License-Identifier: MIT
 * Which of RocksDB's tables is damaged, where it does not say so itself: of a table whose blocks of
 * properties cannot be read when the database is opened, its error names the manifest.
 *
 * Why:     who is told that a folder is damaged is told which file.
 * Owns:    nothing.
 * Threads: any; the store is not open.
 * Errors:  a file that cannot be read is passed over: RocksDB's own text stands then.
 *
 * A table ends with a footer (RocksDB, table/format.h: checksum type, handles of metaindex and
 * index, version, magic); a handle is a block's place and length, behind the block stand its type
 * and its sum. All that is read at the opening is checked: metaindex, index, and what the metaindex
 * names. Sums are XXH3 of the block, mixed with its type.
 */
#include "engine/base/hash.h"
#include "engine/store/store_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOOTER_BYTES  53
#define TRAILER_BYTES 5 /* type, sum */
#define MAGIC         UINT64_C(0x88e241b785f4cff7)
#define NEWEST        6 /* of the format's versions */
#define XXH3          4 /* the last of the kinds of sums */
#define TYPE_PRIME    0x6b9083d9U

struct handle {
    uint64_t at, bytes;
};

static struct handle read_handle(struct nbx_reader *r)
{
    struct handle h = {.at = nbx_read_varint(r)};
    h.bytes = nbx_read_varint(r);
    return h;
}

/* Whether the block is whole; true where its sum is of a kind that is not known here. */
static bool is_block_whole(const uint8_t *p, size_t n, struct handle h, uint8_t kind)
{
    uint32_t stored;
    if (h.at > n || h.bytes > n - h.at || n - h.at - h.bytes < TRAILER_BYTES)
        return false;
    const uint8_t *trailer = p + h.at + h.bytes;
    memcpy(&stored, trailer + 1, sizeof stored);
    return kind != XXH3 || (nbx_hash32(p + h.at, h.bytes) ^ trailer[0] * TYPE_PRIME) == stored;
}

/* Every block that the metaindex names: entries of a key, shared in part with the one before, and a
 * handle; behind them the restart points and their number. */
static bool are_named_whole(const uint8_t *p, size_t n, struct handle metaindex, uint8_t kind)
{
    uint32_t restarts;
    if (metaindex.bytes < sizeof restarts)
        return false;
    memcpy(&restarts, p + metaindex.at + metaindex.bytes - sizeof restarts, sizeof restarts);
    if (restarts >= metaindex.bytes / sizeof restarts)
        return false;
    size_t entries = metaindex.bytes - ((size_t)restarts + 1) * sizeof restarts;
    struct nbx_reader r = nbx_reader_of((const char *)p + metaindex.at, entries);
    bool whole = true;
    while (whole && !r.failed && r.p < r.end) {
        nbx_read_varint(&r);
        uint64_t key_bytes = nbx_read_varint(&r), value_bytes = nbx_read_varint(&r);
        nbx_read_bytes(&r, key_bytes);
        struct nbx_str value = nbx_read_bytes(&r, value_bytes);
        struct nbx_reader of_handle = nbx_reader_of(value.p, value.len);
        struct handle h = read_handle(&of_handle);
        whole = !r.failed && !of_handle.failed && is_block_whole(p, n, h, kind);
    }
    return whole && !r.failed;
}

static bool is_whole(const uint8_t *p, size_t n)
{
    uint64_t magic;
    uint32_t version;
    if (n < FOOTER_BYTES)
        return false;
    const uint8_t *footer = p + n - FOOTER_BYTES;
    memcpy(&magic, footer + FOOTER_BYTES - sizeof magic, sizeof magic);
    memcpy(&version, footer + FOOTER_BYTES - sizeof magic - sizeof version, sizeof version);
    if (magic != MAGIC || version > NEWEST || footer[0] > XXH3)
        return false;
    struct nbx_reader r = nbx_reader_of((const char *)footer + 1, FOOTER_BYTES - 1);
    struct handle metaindex = read_handle(&r), index = read_handle(&r);
    return !r.failed && is_block_whole(p, n, metaindex, footer[0]) &&
           is_block_whole(p, n, index, footer[0]) && are_named_whole(p, n, metaindex, footer[0]);
}

static bool is_file_whole(const char *dir, const char *name)
{
    char path[NBX_STORE_PATH_BYTES];
    struct stat st;
    bool whole = true;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    if (fstat(fd, &st) == 0) {
        size_t n = (size_t)st.st_size;
        void *p = n ? mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
        whole = n != 0 && (p == MAP_FAILED || is_whole(p, n));
        if (n && p != MAP_FAILED)
            munmap(p, n);
    }
    close(fd);
    return whole;
}

bool nbx_store__find_damaged_table(char *name, size_t bytes, const char *dir)
{
    bool found = false;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && !found && (e = readdir(d)) != NULL;) {
        const char *suffix = strrchr(e->d_name, '.');
        if (!suffix || (strcmp(suffix, ".sst") != 0 && strcmp(suffix, ".ldb") != 0))
            continue;
        found = !is_file_whole(dir, e->d_name);
        if (found)
            snprintf(name, bytes, "%s", e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}
