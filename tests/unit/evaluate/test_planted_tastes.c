/* SPDX-License-Identifier: MIT
 * The simulated shop knows what each customer likes best: a model learned from its events must
 * find it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char said[1 << 14];

/* A program's stdout is in `said`; it must succeed. */
static void run(const char *folder, const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof command, "cd '%s' && %s/%s", folder, NBX_BIN_DIR, arguments);
    FILE *p = popen(command, "r");
    cr_assert_not_null(p);
    size_t n = fread(said, 1, sizeof said - 1, p);
    said[n] = '\0';
    cr_assert_eq(pclose(p), 0, "%s: %s", command, said);
}

static double number_after(const char *key)
{
    const char *at = strstr(said, key);
    cr_assert_not_null(at, "no %s in %s", key, said);
    return strtod(at + strlen(key), NULL);
}

Test(planted_tastes, are_found_far_better_than_by_popularity)
{
    for (int seed = 1; seed <= 3; seed++) {
        char folder[] = P_tmpdir "/nbx-tastes-XXXXXX", command[256];
        cr_assert_not_null(mkdtemp(folder));
        snprintf(command, sizeof command, "nbx-sim --out . --seed %d --now 1700000000000", seed);
        run(folder, command);
        run(folder, "nbx-train fit --events events.csv --out m.safetensors");
        run(folder, "nbx-train evaluate --bundle m.safetensors --events events.csv "
                    "--test truth.csv --k 20 --json");
        double model = number_after("\"recall@20\":");
        double popularity = number_after("\"popularity\":{\"recall@20\":");
        fprintf(stderr, "seed %d: recall@20 %.4f, popularity %.4f\n", seed, model, popularity);
        cr_expect_gt(popularity, 0, "seed %d", seed);
        cr_expect_geq(model, 3 * popularity, "seed %d: %s", seed, said);
        snprintf(command, sizeof command, "rm -rf '%s'", folder);
        cr_expect_eq(system(command), 0);
    }
}
