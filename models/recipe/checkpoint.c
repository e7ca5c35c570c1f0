/* SPDX-License-Identifier: MIT */
#include "models/recipe/checkpoint.h"

#include "engine/base/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC      "nbx-checkpoint 1 "
#define LINE_BYTES (sizeof MAGIC + NBX_CHECKPOINT_KEY_BYTES)
#define SUFFIX     ".new"

static enum nbx_err file_fault(const char *path, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ESTORAGE, path, "%s", strerror(errno));
}

void nbx_checkpoint_key(char out[NBX_CHECKPOINT_KEY_BYTES], const struct nbx_ingredient *ingredient,
                        const struct nbx_dataset *dataset, uint64_t seed)
{
    struct nbx_buf text = {0};
    const struct nbx_csr *pairs = &dataset->by_customer;
    nbx_ingredient_write(&text, ingredient);
    nbx_buf_put_u64le(&text, seed);
    nbx_buf_put_u64le(&text, nbx_hash64(pairs->start, (pairs->n_rows + 1) * sizeof(uint64_t)));
    nbx_buf_put_u64le(
        &text, nbx_hash64(dataset->sequence, nbx_csr_entries(pairs) * sizeof *dataset->sequence));
    snprintf(out, NBX_CHECKPOINT_KEY_BYTES, "%016" PRIx64, nbx_hash64(text.p, text.len));
    nbx_buf_fini(&text);
}

enum nbx_err nbx_checkpoint_open(FILE **out, const char *path, const char *key,
                                 struct nbx_fault *fault)
{
    char line[LINE_BYTES + 2], want[LINE_BYTES + 2];
    *out = fopen(path, "rb");
    if (!*out)
        return errno == ENOENT ? NBX_OK : file_fault(path, fault);
    snprintf(want, sizeof want, MAGIC "%s\n", key);
    if (fgets(line, sizeof line, *out) && strcmp(line, want) == 0)
        return NBX_OK;
    fclose(*out);
    *out = NULL;
    return nbx_fault_set(fault, NBX_ECONFLICT, path,
                         "is of a fit of other data, settings or seed: remove it, or fit without "
                         "--resume");
}

static char *beside(const char *path)
{
    char *name;
    return asprintf(&name, "%s" SUFFIX, path) < 0 ? NULL : name;
}

enum nbx_err nbx_checkpoint_begin(FILE **out, const char *path, const char *key,
                                  struct nbx_fault *fault)
{
    char *name = beside(path);
    *out = name ? fopen(name, "wb") : NULL;
    enum nbx_err err = *out ? NBX_OK : file_fault(path, fault);
    if (!err)
        fprintf(*out, MAGIC "%s\n", key);
    free(name);
    return err;
}

enum nbx_err nbx_checkpoint_keep(FILE **file, const char *path, bool written,
                                 struct nbx_fault *fault)
{
    char *name = beside(path);
    written = written && fflush(*file) == 0 && fsync(fileno(*file)) == 0;
    written = fclose(*file) == 0 && written;
    *file = NULL;
    written = written && name && rename(name, path) == 0;
    enum nbx_err err = written ? NBX_OK : file_fault(path, fault);
    if (err && name)
        unlink(name);
    free(name);
    return err;
}

bool nbx_checkpoint_write_floats(FILE *to, const float *x, size_t n)
{
    uint64_t sum = nbx_hash64(x, n * sizeof *x);
    return fwrite(x, sizeof *x, n, to) == n && fwrite(&sum, sizeof sum, 1, to) == 1;
}

bool nbx_checkpoint_read_floats(FILE *from, float *x, size_t n)
{
    uint64_t sum;
    return fread(x, sizeof *x, n, from) == n && fread(&sum, sizeof sum, 1, from) == 1 &&
           sum == nbx_hash64(x, n * sizeof *x);
}
