/* SPDX-License-Identifier: MIT */
#include "engine/base/folder.h"
#include "engine/json/json.h"
#include "models/bundle/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_BYTES   ((size_t)64 << 20)
#define OWN_KEYS        8
#define SPACE_KEYS      8
#define NEIGHBOURS_KEYS 4
#define MAX_TENSORS     (9 + 2 * NBX_BUNDLE_MAX_SPACES + 3 * NBX_BUNDLE_MAX_NEIGHBOURS)

struct content {
    struct nbx_arena *arena;
    const struct nbx_bundle_info *info;
    struct nbx_value metadata;
    struct nbx_tensor tensors[MAX_TENSORS]; /* (n_tensors), in file order */
    size_t n_tensors;
    struct nbx_buf offsets, id_bytes;        /* of the items */
    struct nbx_buf name_offsets, name_bytes; /* of the items' features */
    struct nbx_buf customer_offsets, customer_bytes;
    bool failed; /* memory was out on the way */
};

static struct nbx_value text_value(struct nbx_arena *arena, struct nbx_str s)
{
    return nbx_value_string(nbx_arena_str(arena, s));
}

/* The decimal a person would write for f: 0.003, not 0.003000000026077032. */
static struct nbx_value short_float(float f)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f)
            break;
    }
    return nbx_value_float(strtod(text, NULL));
}

static enum nbx_err json_text(struct nbx_value *out, const struct nbx_value *v,
                              struct nbx_arena *arena)
{
    struct nbx_buf text = {0};
    enum nbx_err err = nbx_json_encode(&text, v);
    if (!err)
        *out = text_value(arena, (struct nbx_str){(char *)text.p, (uint32_t)text.len});
    nbx_buf_fini(&text);
    return err;
}

static struct nbx_value positions_value(struct content *c, const float *positions, size_t n)
{
    struct nbx_value *list = nbx_arena_calloc(c->arena, n, sizeof *list);
    c->failed = c->failed || !list;
    for (size_t i = 0; list && i < n; i++)
        list[i] = short_float(positions[i]);
    return (struct nbx_value){.type = NBX_LIST, .n = list ? (uint32_t)n : 0, .list = list};
}

/* members: room for SPACE_KEYS. */
static struct nbx_value space_value(struct content *c, const struct nbx_space *s,
                                    struct nbx_member *members)
{
    uint32_t n = 0;
    members[n++] = (struct nbx_member){NBX_STR("name"), nbx_value_string(s->name)};
    members[n++] = (struct nbx_member){NBX_STR("dims"), nbx_value_int((int64_t)s->dims)};
    members[n++] = (struct nbx_member){NBX_STR("metric"),
                                       nbx_value_string(nbx_str_c(nbx_bundle__metrics[s->metric]))};
    members[n++] = (struct nbx_member){
        NBX_STR("customer"), nbx_value_string(nbx_str_c(nbx_bundle__sources[s->customer]))};
    if (s->customer == NBX_CUSTOMER_FOLDED) {
        members[n++] = (struct nbx_member){NBX_STR("alpha0"), short_float(s->alpha0)};
        members[n++] = (struct nbx_member){NBX_STR("lambda"), short_float(s->lambda)};
        members[n++] = (struct nbx_member){NBX_STR("nu"), short_float(s->nu)};
    }
    if (s->customer == NBX_CUSTOMER_SUMMED) {
        members[n++] = (struct nbx_member){
            NBX_STR("positions"), positions_value(c, s->positions, s->n_groups * s->n_positions)};
        members[n++] = (struct nbx_member){NBX_STR("groups"), nbx_value_int((int64_t)s->n_groups)};
        members[n++] = (struct nbx_member){NBX_STR("bias"), nbx_value_bool(s->bias)};
    }
    if (nbx_bundle_is_blend(c->info))
        members[n++] = (struct nbx_member){NBX_STR("weight"), short_float(s->weight)};
    return (struct nbx_value){.type = NBX_MAP, .n = n, .members = members};
}

static enum nbx_err spaces_text(struct nbx_value *out, struct content *c)
{
    struct nbx_value spaces[NBX_BUNDLE_MAX_SPACES];
    struct nbx_member members[NBX_BUNDLE_MAX_SPACES][SPACE_KEYS];
    for (size_t i = 0; i < c->info->n_spaces; i++)
        spaces[i] = space_value(c, &c->info->spaces[i], members[i]);
    struct nbx_value list = {.type = NBX_LIST, .n = (uint32_t)c->info->n_spaces, .list = spaces};
    return json_text(out, &list, c->arena);
}

/* members: room for NEIGHBOURS_KEYS. */
static struct nbx_value neighbours_value(struct content *c, const struct nbx_neighbours *n,
                                         struct nbx_member *members)
{
    uint32_t k = 0;
    members[k++] = (struct nbx_member){NBX_STR("name"), nbx_value_string(n->name)};
    members[k++] =
        (struct nbx_member){NBX_STR("positions"), positions_value(c, n->positions, n->n_positions)};
    members[k++] = (struct nbx_member){NBX_STR("weight"), short_float(n->weight)};
    if (n->scaled_by)
        members[k++] = (struct nbx_member){
            NBX_STR("scaled_by"), nbx_value_string(c->info->spaces[n->scaled_by - 1].name)};
    return (struct nbx_value){.type = NBX_MAP, .n = k, .members = members};
}

static enum nbx_err neighbours_text(struct nbx_value *out, struct content *c)
{
    struct nbx_value parts[NBX_BUNDLE_MAX_NEIGHBOURS];
    struct nbx_member members[NBX_BUNDLE_MAX_NEIGHBOURS][NEIGHBOURS_KEYS];
    for (size_t i = 0; i < c->info->n_neighbours; i++)
        parts[i] = neighbours_value(c, &c->info->neighbours[i], members[i]);
    struct nbx_value list = {.type = NBX_LIST, .n = (uint32_t)c->info->n_neighbours, .list = parts};
    return json_text(out, &list, c->arena);
}

bool nbx_bundle__is_own_key(struct nbx_str key)
{
    for (const char *const *k = nbx_bundle__keys; *k; k++)
        if (nbx_str_is(key, *k))
            return true;
    return false;
}

/* Strings go in as they are, anything else as its JSON text: safetensors knows only strings. */
static enum nbx_err add_extra(struct content *c, const struct nbx_value *extra,
                              struct nbx_fault *fault)
{
    for (uint32_t i = 0; i < extra->n; i++) {
        const struct nbx_member *m = &extra->members[i];
        if (nbx_bundle__is_own_key(m->key))
            return nbx_fault_set(fault, NBX_EBAD, "extra_json", "%.*s belongs to the format",
                                 NBX_STR_ARG(m->key));
        struct nbx_member *to = &c->metadata.members[c->metadata.n++];
        *to = *m;
        if (m->value.type != NBX_STRING && json_text(&to->value, &m->value, c->arena))
            return nbx_fault_set(fault, NBX_EBAD, "extra_json", "%.*s cannot be written",
                                 NBX_STR_ARG(m->key));
    }
    return NBX_OK;
}

/* The oldest format that can say it. */
static int format_of(const struct nbx_bundle_info *info)
{
    if (nbx_bundle_is_blend(info))
        return NBX_BUNDLE_BLEND_FMT;
    return info->features.n || info->customer_features.n ? NBX_BUNDLE_FEATURES_FMT
                                                         : NBX_BUNDLE_FACTORS_FMT;
}

static enum nbx_err own_members(struct content *c, struct nbx_fault *fault)
{
    const struct nbx_bundle_info *info = c->info;
    bool blend = nbx_bundle_is_blend(info);
    char format[16], created[24];
    struct nbx_value spaces, neighbours = {0};
    snprintf(format, sizeof format, "%d", format_of(info));
    snprintf(created, sizeof created, "%lld", (long long)info->created_ms);
    if (spaces_text(&spaces, c) || (blend && neighbours_text(&neighbours, c)))
        return nbx_fault_set(fault, NBX_EBAD, "spaces", "hold what JSON cannot say");
    struct nbx_value values[OWN_KEYS] = {text_value(c->arena, nbx_str_c(format)),
                                         nbx_value_string(info->name),
                                         nbx_value_string(info->version),
                                         nbx_value_string(info->family),
                                         text_value(c->arena, nbx_str_c(created)),
                                         spaces,
                                         nbx_value_string(NBX_STR(NBX_BUNDLE_NO_DIGEST)),
                                         neighbours};
    for (int i = 0; i < (blend ? OWN_KEYS : OWN_KEYS - 1); i++)
        c->metadata.members[c->metadata.n++] =
            (struct nbx_member){nbx_str_c(nbx_bundle__keys[i]), values[i]};
    return NBX_OK;
}

static enum nbx_err make_metadata(struct content *c, const char *extra_json,
                                  struct nbx_fault *fault)
{
    struct nbx_value extra = {.type = NBX_MAP};
    enum nbx_err err = NBX_OK;
    if (extra_json)
        err = nbx_json_decode(&extra, extra_json, strlen(extra_json), c->arena, fault);
    if (!err && extra.type != NBX_MAP)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "must be an object");
    if (err) {
        nbx_fault_prefix(fault, "extra_json");
        return err;
    }
    c->metadata.type = NBX_MAP;
    c->metadata.members = nbx_arena_calloc(c->arena, OWN_KEYS + extra.n, sizeof(struct nbx_member));
    if (!c->metadata.members)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    err = own_members(c, fault);
    return err ? err : add_extra(c, &extra, fault);
}

/* Ids or names (n), one behind the other, and where each begins. */
static enum nbx_dtype join(struct nbx_buf *offsets, struct nbx_buf *bytes,
                           const struct nbx_str *texts, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += texts[i].len;
    bool wide = total > UINT32_MAX;
    for (size_t i = 0; i <= n; i++) {
        if (wide)
            nbx_buf_put_u64le(offsets, bytes->len);
        else
            nbx_buf_put_u32le(offsets, (uint32_t)bytes->len);
        if (i < n)
            nbx_buf_put(bytes, texts[i].p, texts[i].len);
    }
    return wide ? NBX_DTYPE_U64 : NBX_DTYPE_U32;
}

/* A tensor of one dimension that lies in a buffer. */
static void add_buffer(struct content *c, const char *name, enum nbx_dtype dtype, size_t n,
                       const struct nbx_buf *from)
{
    c->tensors[c->n_tensors++] = (struct nbx_tensor){.name = nbx_str_c(name),
                                                     .dtype = dtype,
                                                     .n_dims = 1,
                                                     .shape = {n},
                                                     .bytes = from->len,
                                                     .data = from->p};
}

static void make_ids(struct content *c)
{
    size_t n = c->info->n_items;
    enum nbx_dtype dtype = join(&c->offsets, &c->id_bytes, c->info->item_ids, n);
    add_buffer(c, NBX_BUNDLE_IDS_OFFSETS, dtype, n + 1, &c->offsets);
}

static struct nbx_tensor list_tensor(enum nbx_dtype dtype, size_t n, const void *data)
{
    bool wide = dtype == NBX_DTYPE_U64 || dtype == NBX_DTYPE_I64;
    size_t element = wide ? sizeof(uint64_t) : sizeof(uint32_t);
    return (struct nbx_tensor){
        .dtype = dtype, .n_dims = 1, .shape = {n}, .bytes = n * element, .data = data};
}

static struct nbx_tensor matrix_tensor(size_t rows, size_t columns, const float *data)
{
    return (struct nbx_tensor){.dtype = NBX_DTYPE_F32,
                               .n_dims = 2,
                               .shape = {rows, columns},
                               .bytes = rows * columns * sizeof *data,
                               .data = data};
}

/* Adds a tensor, named after its part. */
static void add_tensor(struct content *c, const char *pattern, struct nbx_str part,
                       struct nbx_tensor tensor)
{
    char name[NBX_BUNDLE_NAME_BYTES];
    snprintf(name, sizeof name, pattern, NBX_STR_ARG(part));
    tensor.name = nbx_arena_str(c->arena, nbx_str_c(name));
    c->failed = c->failed || !tensor.name.p;
    c->tensors[c->n_tensors++] = tensor;
}

static void make_spaces(struct content *c)
{
    size_t n = c->info->n_items;
    for (size_t i = 0; i < c->info->n_spaces; i++) {
        const struct nbx_space *s = &c->info->spaces[i];
        add_tensor(c, NBX_BUNDLE_FACTORS, s->name, matrix_tensor(n, s->dims, s->item_factors));
        if (s->customer == NBX_CUSTOMER_SUMMED)
            add_tensor(c, NBX_BUNDLE_HISTORY, s->name,
                       matrix_tensor(n, s->dims, s->history_factors));
    }
}

static void make_starts(struct content *c)
{
    for (size_t i = 0; i < c->info->n_neighbours; i++)
        add_tensor(c, NBX_BUNDLE_START, c->info->neighbours[i].name,
                   list_tensor(NBX_DTYPE_U64, c->info->n_items + 1, c->info->neighbours[i].start));
}

static void make_neighbours(struct content *c)
{
    for (size_t i = 0; i < c->info->n_neighbours; i++) {
        const struct nbx_neighbours *n = &c->info->neighbours[i];
        size_t entries = (size_t)n->start[c->info->n_items];
        add_tensor(c, NBX_BUNDLE_NEIGHBOURS, n->name,
                   list_tensor(NBX_DTYPE_U32, entries, n->items));
        add_tensor(c, NBX_BUNDLE_WEIGHTS, n->name, list_tensor(NBX_DTYPE_F32, entries, n->weights));
    }
}

static void make_features(struct content *c)
{
    const struct nbx_features *f = &c->info->features;
    if (!f->n)
        return;
    enum nbx_dtype dtype = join(&c->name_offsets, &c->name_bytes, f->names, f->n);
    add_buffer(c, NBX_BUNDLE_FEATURE_OFFSETS, dtype, f->n + 1, &c->name_offsets);
    add_tensor(c, NBX_BUNDLE_FEATURE_VECTORS "%.*s", NBX_STR(""),
               matrix_tensor(f->n, nbx_bundle_dims(c->info), f->vectors));
}

static void make_customer_features(struct content *c)
{
    const struct nbx_features *f = &c->info->customer_features;
    if (!f->n)
        return;
    enum nbx_dtype dtype = join(&c->customer_offsets, &c->customer_bytes, f->names, f->n);
    add_buffer(c, NBX_BUNDLE_CUSTOMER_OFFSETS, dtype, f->n + 1, &c->customer_offsets);
    add_tensor(c, NBX_BUNDLE_CUSTOMER_VECTORS "%.*s", NBX_STR(""),
               matrix_tensor(f->n, nbx_bundle_dims(c->info), f->vectors));
}

static void make_bytes(struct content *c)
{
    add_buffer(c, NBX_BUNDLE_IDS_BYTES, NBX_DTYPE_U8, c->id_bytes.len, &c->id_bytes);
    if (c->info->features.n)
        add_buffer(c, NBX_BUNDLE_FEATURE_BYTES, NBX_DTYPE_U8, c->name_bytes.len, &c->name_bytes);
    if (c->info->customer_features.n)
        add_buffer(c, NBX_BUNDLE_CUSTOMER_BYTES, NBX_DTYPE_U8, c->customer_bytes.len,
                   &c->customer_bytes);
}

/* Larger elements first, so that each tensor is aligned without gaps. */
static enum nbx_err make_tensors(struct content *c, struct nbx_fault *fault)
{
    const struct nbx_features *f = &c->info->features;
    make_starts(c);
    if (f->n)
        add_tensor(c, NBX_BUNDLE_PRICE_BOUNDS "%.*s", NBX_STR(""),
                   list_tensor(NBX_DTYPE_I64, f->n_price_bounds, f->price_bounds));
    make_ids(c);
    make_spaces(c);
    make_neighbours(c);
    make_features(c);
    make_customer_features(c);
    make_bytes(c);
    if (c->failed || c->offsets.failed || c->id_bytes.failed || c->name_offsets.failed ||
        c->name_bytes.failed || c->customer_offsets.failed || c->customer_bytes.failed)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    return NBX_OK;
}

static bool write_all(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n) {
        ssize_t written = write(fd, at, n < (1u << 30) ? n : 1u << 30);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        n -= (size_t)written;
    }
    return true;
}

static enum nbx_err write_content(int fd, const struct content *c, struct nbx_fault *fault)
{
    struct nbx_buf header = {0};
    enum nbx_err err = nbx_safetensors_header(&header, &c->metadata, c->tensors, c->n_tensors);
    if (err) {
        err = nbx_fault_set(fault, err, "header", "cannot be written or is too large");
        goto out;
    }
    nbx_bundle__sign(&header, c->tensors, c->n_tensors);
    bool ok = write_all(fd, header.p, header.len);
    for (size_t i = 0; ok && i < c->n_tensors; i++)
        ok = write_all(fd, c->tensors[i].data, c->tensors[i].bytes);
    if (!ok || fsync(fd) != 0)
        err = nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot write: %s", strerror(errno));
out:
    nbx_buf_fini(&header);
    return err;
}

/* A rename is only durable once its folder is synced. */
static bool sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    bool ok = folder && nbx_folder_sync(folder);
    free(folder);
    return ok;
}

/* What we write must be readable: the reader's checks are the only ones. */
static enum nbx_err verify(const char *path, struct nbx_fault *fault)
{
    struct nbx_bundle *b = NULL;
    enum nbx_err err = nbx_bundle_open(&b, path, fault);
    nbx_bundle_close(&b);
    return err;
}

static enum nbx_err write_file(const char *path, const struct content *c, struct nbx_fault *fault)
{
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    enum nbx_err err = NBX_OK;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        err = nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot create: %s", strerror(errno));
        free(temporary);
        return err;
    }
    err = write_content(fd, c, fault);
    if (fchmod(fd, 0644) != 0 && !err)
        err = nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot set mode: %s", strerror(errno));
    close(fd);
    if (!err)
        err = verify(temporary, fault);
    if (!err && (rename(temporary, path) != 0 || !sync_folder_of(path)))
        err = nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot rename: %s", strerror(errno));
    if (err)
        unlink(temporary);
    free(temporary);
    return err;
}

enum nbx_err nbx_bundle_write(const char *path, const struct nbx_bundle_info *info,
                              const char *extra_json, struct nbx_fault *fault)
{
    if (info->n_spaces > NBX_BUNDLE_MAX_SPACES)
        return nbx_fault_set(fault, NBX_EBAD, "spaces", "at most %d", NBX_BUNDLE_MAX_SPACES);
    if (info->features.n && nbx_bundle_dims(info) == 0)
        return nbx_fault_set(fault, NBX_EBAD, NBX_BUNDLE_FEATURE_VECTORS, "there is no space");
    if (info->customer_features.n && nbx_bundle_dims(info) == 0)
        return nbx_fault_set(fault, NBX_EBAD, NBX_BUNDLE_CUSTOMER_VECTORS, "there is no space");
    if (info->n_neighbours > NBX_BUNDLE_MAX_NEIGHBOURS)
        return nbx_fault_set(fault, NBX_EBAD, "neighbours", "at most %d",
                             NBX_BUNDLE_MAX_NEIGHBOURS);
    struct content c = {.arena = nbx_arena_new(SCRATCH_BYTES), .info = info};
    if (!c.arena)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    enum nbx_err err = make_metadata(&c, extra_json, fault);
    if (!err)
        err = make_tensors(&c, fault);
    if (!err)
        err = write_file(path, &c, fault);
    nbx_buf_fini(&c.offsets);
    nbx_buf_fini(&c.id_bytes);
    nbx_buf_fini(&c.name_offsets);
    nbx_buf_fini(&c.name_bytes);
    nbx_buf_fini(&c.customer_offsets);
    nbx_buf_fini(&c.customer_bytes);
    nbx_arena_destroy(&c.arena);
    return err;
}
