/* SPDX-License-Identifier: MIT */
#include "models/bundle/bundle.h"

#include "engine/json/json.h"
#include "models/bundle/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A header's tree and strings; the largest header there may be needs less. */
#define ARENA_BYTES ((size_t)1 << 30)

struct nbx_bundle {
    struct nbx_bundle_info info;
    void *map; /* the whole file */
    size_t map_bytes;
    struct nbx_bundle__texts texts; /* into the map */
    struct nbx_arena *arena;        /* names and the header's tree */
    struct nbx_buf metadata_json;
};

static enum nbx_err file_error(struct nbx_fault *fault, const char *what)
{
    enum nbx_err code = errno == ENOENT ? NBX_ENOTFOUND : NBX_ESTORAGE;
    return nbx_fault_set(fault, code, NULL, "cannot %s: %s", what, strerror(errno));
}

static enum nbx_err map_file(struct nbx_bundle *b, const char *path, struct nbx_fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_error(fault, "open");
    struct stat st;
    enum nbx_err err = NBX_OK;
    if (fstat(fd, &st) != 0)
        err = file_error(fault, "stat");
    else if (!S_ISREG(st.st_mode) || st.st_size == 0)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "truncated: an empty file, or none at all");
    if (!err) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            err = file_error(fault, "map");
        } else {
            b->map = map;
            b->map_bytes = (size_t)st.st_size;
        }
    }
    close(fd);
    return err;
}

static enum nbx_err keep_metadata(struct nbx_bundle *b, const struct nbx_value *metadata)
{
    enum nbx_err err = nbx_json_encode(&b->metadata_json, metadata);
    if (err)
        return err;
    nbx_buf_put_u8(&b->metadata_json, '\0');
    b->info.metadata_json = (const char *)b->metadata_json.p;
    return b->metadata_json.failed ? NBX_ELIMIT : NBX_OK;
}

static enum nbx_err read_file(struct nbx_bundle *b, enum nbx_bundle__part part,
                              struct nbx_fault *fault)
{
    struct nbx_safetensors file;
    enum nbx_err err = nbx_safetensors_parse(&file, b->map, b->map_bytes, b->arena, fault);
    if (!err)
        err = nbx_bundle__read_metadata(&b->info, &file, b->arena, fault);
    if (err || part == NBX_BUNDLE__HEAD)
        return err;
    /* sequential reading ahead while the ids are checked */
    (void)madvise(b->map, b->map_bytes, MADV_WILLNEED);
    err = nbx_bundle__check_digest(&file.metadata, b->map, b->map_bytes, fault);
    if (!err)
        err = nbx_bundle__read_tensors(&b->info, &b->texts, &file, fault);
    if (!err && keep_metadata(b, &file.metadata))
        err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    return err;
}

enum nbx_err nbx_bundle__open(struct nbx_bundle **out, const char *path, enum nbx_bundle__part part,
                              struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_bundle *b = calloc(1, sizeof *b);
    if (!b || !(b->arena = nbx_arena_new(ARENA_BYTES))) {
        nbx_bundle_close(&b);
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    }
    enum nbx_err err = map_file(b, path, fault);
    if (!err)
        err = read_file(b, part, fault);
    if (err) {
        nbx_bundle_close(&b);
        return err;
    }
    *out = b;
    return NBX_OK;
}

enum nbx_err nbx_bundle_open(struct nbx_bundle **out, const char *path, struct nbx_fault *fault)
{
    return nbx_bundle__open(out, path, NBX_BUNDLE__ALL, fault);
}

void nbx_bundle_close(struct nbx_bundle **bundle)
{
    if (!bundle || !*bundle)
        return;
    struct nbx_bundle *b = *bundle;
    if (b->map)
        munmap(b->map, b->map_bytes);
    free(b->texts.ids);
    free(b->texts.names);
    free(b->texts.customer_names);
    nbx_arena_destroy(&b->arena);
    nbx_buf_fini(&b->metadata_json);
    free(b);
    *bundle = NULL;
}

const struct nbx_bundle_info *nbx_bundle_get(const struct nbx_bundle *bundle)
{
    return &bundle->info;
}
