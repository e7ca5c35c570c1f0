/* SPDX-License-Identifier: MIT */
#include "engine/json/json.h"
#include "models/bundle/internal.h"

#include <string.h>

#define SCRATCH_BYTES ((size_t)64 << 20)

/* The members of a bundle's metadata that the format does not define, with key set to text. */
static enum nbx_err extra_of(struct nbx_buf *out, const struct nbx_value *metadata,
                             struct nbx_arena *arena, const char *key, const char *text)
{
    uint32_t n = 0;
    struct nbx_member *members = nbx_arena_calloc(arena, metadata->n + 1, sizeof *members);
    if (!members)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < metadata->n; i++)
        if (!nbx_bundle__is_own_key(metadata->members[i].key) &&
            !nbx_str_is(metadata->members[i].key, key))
            members[n++] = metadata->members[i];
    members[n++] = (struct nbx_member){nbx_str_c(key), nbx_value_string(nbx_str_c(text))};
    struct nbx_value extra = {.type = NBX_MAP, .n = n, .members = members};
    enum nbx_err err = nbx_json_encode(out, &extra);
    nbx_buf_put_u8(out, 0);
    return out->failed ? NBX_ELIMIT : err;
}

enum nbx_err nbx_bundle_amend(const char *path, const struct nbx_bundle_info *info, const char *key,
                              const char *text, struct nbx_fault *fault)
{
    struct nbx_value metadata = {.type = NBX_MAP};
    struct nbx_buf extra = {0};
    const char *old = info->metadata_json ? info->metadata_json : "{}";
    struct nbx_arena *arena = nbx_arena_new(SCRATCH_BYTES);
    if (!arena)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    enum nbx_err err = nbx_json_decode(&metadata, old, strlen(old), arena, fault);
    if (!err && (err = extra_of(&extra, &metadata, arena, key, text)))
        nbx_fault_set(fault, err, key, "cannot be written");
    if (!err)
        err = nbx_bundle_write(path, info, (const char *)extra.p, fault);
    nbx_buf_fini(&extra);
    nbx_arena_destroy(&arena);
    return err;
}
