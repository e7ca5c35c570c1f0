/* SPDX-License-Identifier: MIT
 * Runs a fuzz target over every file of the folders given, and over each of their beginnings and
 * some thousands of seeded mutations: what `scripts/test` does without a fuzzer.
 *
 * usage: fuzz_<what> FOLDER... */
#include "engine/base/random.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES (1 << 16)
#define MUTATIONS      200 /* of each file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In a block of just its size, so that a sanitizer sees the first byte too far. */
static void run(const uint8_t *bytes, size_t n)
{
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact)
        abort();
    memcpy(exact, bytes, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

static void run_mutations(const uint8_t *bytes, size_t n, struct nbx_random *random)
{
    uint8_t *changed = malloc(n);
    if (!changed)
        abort();
    for (int i = 0; i < MUTATIONS; i++) {
        memcpy(changed, bytes, n);
        for (uint64_t flips = 1 + nbx_random_below(random, 4); flips > 0; flips--)
            changed[nbx_random_below(random, n)] = (uint8_t)nbx_random_u64(random);
        run(changed, n);
    }
    free(changed);
}

static void run_file(const char *path, struct nbx_random *random)
{
    static uint8_t bytes[MAX_FILE_BYTES];
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t len = 0; len <= n; len++)
        run(bytes, len);
    if (n > 0)
        run_mutations(bytes, n, random);
}

/* Files in the order of their names, so that every run mutates alike. */
static int run_folder(const char *folder, struct nbx_random *random)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);
    int files = 0;
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            run_file(path, random);
            files++;
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return files;
}

int main(int argc, char **argv)
{
    struct nbx_random random;
    nbx_random_init(&random, 1);
    int files = 0;
    for (int i = 1; i < argc; i++)
        files += run_folder(argv[i], &random);
    printf("%d files, %d mutations of each (seed 1)\n", files, MUTATIONS);
    return files > 0 ? 0 : 2;
}
