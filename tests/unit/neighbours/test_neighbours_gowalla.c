/* SPDX-License-Identifier: MIT
 * Real data, where NBX_DATA names the folder of the published sets: rows of Gowalla's neighbours
 * against counts made another way, by going over pairs of items and the customers they share.
 */
#include "models/neighbours/neighbours.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEEP = 200, STEP = 4001 /* every so many rows are compared */ };

static struct nbx_fault fault;

/* The training part of Gowalla, or NULL where there is none. */
static struct nbx_dataset *read_gowalla(void)
{
    const char *data = getenv("NBX_DATA");
    char folder[] = P_tmpdir "/nbx-gowalla-XXXXXX", path[512], command[2048];
    struct nbx_dataset_options options = {.progress_fd = -1};
    struct nbx_dataset *d;
    snprintf(path, sizeof path, "%s/gowalla", data ? data : "");
    if (!data || access(path, R_OK) != 0)
        return NULL;
    cr_assert_not_null(mkdtemp(folder));
    snprintf(command, sizeof command, "'%s/scripts/prepare' gowalla '%s' '%s' >/dev/null",
             NBX_SOURCE_DIR, path, folder);
    cr_assert_eq(system(command), 0);
    snprintf(path, sizeof path, "%s/events.csv", folder);
    cr_assert_eq(nbx_dataset_read(&d, path, &options, &fault), NBX_OK, "%s", fault.message);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
    return d;
}

/* C[i][j]: the customers of i and of j ascend. */
static double shared(const struct nbx_dataset *d, size_t i, size_t j, double customer_power)
{
    const struct nbx_csr *items = &d->by_item;
    uint64_t a = items->start[i], b = items->start[j];
    double sum = 0;
    while (a < items->start[i + 1] && b < items->start[j + 1]) {
        uint32_t c = items->col[a], other = items->col[b];
        if (c == other)
            sum += pow((double)nbx_csr_row_entries(&d->by_customer, c), -customer_power);
        a += c <= other;
        b += other <= c;
    }
    return sum;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static void compare_row(const struct nbx_csr *n, const struct nbx_dataset *d, size_t i,
                        const struct nbx_neighbours_options *o)
{
    double *wanted = calloc(d->n_items, sizeof *wanted);
    double own = pow((double)nbx_csr_row_entries(&d->by_item, i), -(double)o->row_power);
    for (size_t j = 0; j < d->n_items; j++)
        if (j != i)
            wanted[j] = shared(d, i, j, (double)o->customer_power) * own *
                        pow((double)nbx_csr_row_entries(&d->by_item, j), -(double)o->column_power);
    double least = INFINITY;
    for (uint64_t at = n->start[i]; at < n->start[i + 1]; at++) {
        double weight = (double)n->weight[at], want = wanted[n->col[at]];
        cr_expect_float_eq(weight, want, 1e-6 * want, "row %zu: %g, not %g", i, weight, want);
        least = fmin(least, weight);
    }
    qsort(wanted, d->n_items, sizeof *wanted, falling);
    size_t entries = nbx_csr_row_entries(n, i);
    cr_expect_geq(least, wanted[entries] * (1 - 1e-6), "row %zu left out a larger one", i);
    cr_expect(entries == KEEP || wanted[entries] == 0, "row %zu is short: %zu", i, entries);
    free(wanted);
}

Test(neighbours_gowalla, rows_agree_with_pairs_of_items)
{
    struct nbx_dataset *d = read_gowalla();
    struct nbx_neighbours_options o = {.customer_power = 0.7f,
                                       .row_power = 0.6f,
                                       .column_power = 0.2f,
                                       .keep = KEEP,
                                       .threads = 2};
    struct nbx_csr n;
    if (!d) {
        fprintf(stderr,
                "neighbours_gowalla: skipped, NBX_DATA names no folder with gowalla in it\n");
        cr_skip("no data");
    }
    cr_assert_eq(nbx_neighbours_fit(&n, d, &o, &fault), NBX_OK, "%s", fault.message);
    for (size_t i = 0; i < d->n_items; i += STEP)
        compare_row(&n, d, i, &o);
    nbx_csr_fini(&n);
    nbx_dataset_destroy(&d);
}
