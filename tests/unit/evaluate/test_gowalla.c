/* SPDX-License-Identifier: MIT
 * Real data, where NBX_DATA names the folder of the published sets: prepare, nbx-train at its
 * defaults, evaluate. Plain iALS with these settings is known to reach Recall@20 .1526 and
 * NDCG@20 .1285 on the LightGCN split of Gowalla, popularity .0416 and .0317.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char said[1 << 16];

/* The command's stdout is in `said`; it must succeed. */
static void run(const char *command)
{
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

Test(gowalla, the_defaults_reach_the_known_figures)
{
    const char *data = getenv("NBX_DATA");
    char folder[] = P_tmpdir "/nbx-gowalla-XXXXXX", command[2048], source[512];
    snprintf(source, sizeof source, "%s/gowalla", data ? data : "");
    if (!data || access(source, R_OK) != 0) {
        fprintf(stderr, "gowalla: skipped, NBX_DATA names no folder with gowalla in it\n");
        cr_skip("no data");
    }
    cr_assert_not_null(mkdtemp(folder));
    snprintf(command, sizeof command, "'%s/scripts/prepare' gowalla '%s' '%s'", NBX_SOURCE_DIR,
             source, folder);
    run(command);
    snprintf(command, sizeof command,
             "cd '%s' && %s/nbx-train fit --family ials --events events.csv --out m.safetensors",
             folder, NBX_BIN_DIR);
    run(command);
    snprintf(command, sizeof command,
             "cd '%s' && %s/nbx-train evaluate --bundle m.safetensors --events events.csv --test "
             "test.csv --protocol lightgcn --k 20 --json",
             folder, NBX_BIN_DIR);
    run(command);
    fputs(said, stderr);
    cr_expect_geq(number_after("\"recall@20\":"), 0.150);
    cr_expect_geq(number_after("\"ndcg@20\":"), 0.127);
    cr_expect_eq(number_after("\"cold\":"), 0);
    cr_expect_float_eq(number_after("\"popularity\":{\"recall@20\":"), 0.0416, 0.00005);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    run(command);
}
