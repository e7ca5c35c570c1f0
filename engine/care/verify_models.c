/* SPDX-License-Identifier: MIT
 * What must hold of the versions of models: one is active at most, each has its file, and the file
 * is what was pushed.
 */
#include "engine/base/hash.h"
#include "engine/care/files.h"
#include "engine/care/verify_internal.h"
#include "engine/model/registry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)1 << 20) /* at a time */

/* The digest of all that can be read; false where that is not all. */
static bool digest_of(uint8_t *digest, int fd)
{
    struct nbx_digest sum;
    uint8_t *p = malloc(READ_BYTES);
    ssize_t n = p ? 1 : -1;
    nbx_digest_begin(&sum);
    while (n > 0) {
        n = read(fd, p, READ_BYTES);
        if (n > 0)
            nbx_digest_add(&sum, p, (size_t)n);
    }
    nbx_digest_end(&sum, digest);
    free(p);
    return n == 0;
}

static const char *check_file(const struct nbx_check *c, const struct nbx_version *v)
{
    char path[NBX_CARE_PATH_BYTES];
    uint8_t digest[NBX_DIGEST_BYTES];
    const char *dir = nbx_store_dir(c->store);
    if (!nbx_registry_has_file(dir, v))
        return v->record.stage == NBX_STAGE_ARCHIVED ? NULL
                                                     : "its file is missing or has another size";
    nbx_registry_path(path, sizeof path, dir, v);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool read_all = fd >= 0 && digest_of(digest, fd);
    if (fd >= 0)
        close(fd);
    if (!read_all)
        return "its file cannot be read";
    return memcmp(digest, v->record.digest, sizeof digest) == 0
               ? NULL
               : "its file is damaged: it has another digest than what was pushed";
}

/* Of a second one in the stage, what is wrong with it. */
static const char *const only_one_in[NBX_N_STAGES] = {
    [NBX_STAGE_ACTIVE] = "is active, and so is another one",
    [NBX_STAGE_SHADOW] = "is the shadow, and so is another one",
    [NBX_STAGE_CANARY] = "is the canary, and so is another one"};

const char *nbx_verify__model(struct nbx_check *c, struct nbx_str key,
                              const struct nbx_stored *stored)
{
    struct nbx_version v;
    const char *what =
        nbx_verify__undecoded(c, nbx_model_record_decode(&v.record, stored, c->arena));
    if (what || c->err)
        return what;
    if (!nbx_key_model_parse(key, &v.name, &v.version))
        return "has a key that is no name and version of a model";
    if (v.record.deleted)
        return NULL;
    enum nbx_stage stage = v.record.stage;
    return only_one_in[stage] && c->models_in[stage]++ ? only_one_in[stage] : check_file(c, &v);
}
