/* SPDX-License-Identifier: MIT
 * The reader of bundles: the container, the metadata, the tensors, golden queries; and of what it
 * takes for sound everything that is looked at before a model is accepted. */
#include "engine/base/check.h"
#include "engine/model/accept.h"
#include "models/bundle/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY ((size_t)256 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory alone, made anew for each input: a bundle is mapped. */
static int file_of(const uint8_t *data, size_t size, char *path, size_t path_bytes)
{
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    NBX_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, path_bytes, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_refusal(enum nbx_err err, const struct nbx_fault *fault)
{
    NBX_ASSERT(err == NBX_EBAD || err == NBX_EVERSION || err == NBX_ELIMIT);
    NBX_ASSERT(fault->code == err && fault->message[0]);
}

static void read_golden(const struct nbx_bundle_info *info)
{
    const struct nbx_golden *golden;
    struct nbx_fault fault = {0};
    size_t n;
    struct nbx_arena *arena = nbx_arena_new(MEMORY);
    NBX_ASSERT(arena);
    enum nbx_err err = nbx_bundle_golden(&golden, &n, info, arena, &fault);
    if (err)
        check_refusal(err, &fault);
    for (size_t i = 0; i < n; i++) {
        NBX_ASSERT(golden[i].n_expect > 0 && !golden[i].n == !!golden[i].vector);
        for (size_t k = 0; k < golden[i].n_expect; k++)
            NBX_ASSERT(golden[i].expect[k] < info->n_items);
        for (size_t k = 0; k < golden[i].n; k++)
            NBX_ASSERT(golden[i].rows[k] < info->n_items && golden[i].weights[k] > 0);
    }
    nbx_arena_destroy(&arena);
}

/* As strictly as the defaults, so that some are refused and some not. */
static void try_it(const char *path)
{
    struct nbx_budget budget = {.limit = MEMORY};
    struct nbx_accept_options options = {.bounds = {.max_without_vector = 0.5,
                                                    .max_norm = 1e5,
                                                    .max_unknown = 0.5,
                                                    .min_covered = 0.05,
                                                    .min_listed = 0.01,
                                                    .max_loss = 0.1},
                                         .budget = &budget};
    struct nbx_accepted accepted;
    struct nbx_fault fault = {0};
    enum nbx_err err = nbx_model_accept(&accepted, path, &options, &fault);
    if (err)
        check_refusal(err, &fault);
    NBX_ASSERT(atomic_load(&budget.used) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct nbx_bundle *bundle = NULL;
    struct nbx_fault fault = {0};
    int fd = file_of(data, size, path, sizeof path);
    enum nbx_err err = nbx_bundle_open(&bundle, path, &fault);
    NBX_ASSERT((bundle == NULL) == (err != NBX_OK));
    if (err) {
        check_refusal(err, &fault);
    } else {
        read_golden(nbx_bundle_get(bundle));
        nbx_bundle_close(&bundle);
        try_it(path);
    }
    close(fd);
    return 0;
}
