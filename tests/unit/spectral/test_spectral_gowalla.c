/* SPDX-License-Identifier: MIT
 * Real data, where NBX_DATA names the folder of the published sets. Of Gowalla with powers .5 the
 * first singular vector is known exactly, the roots of the items' numbers of customers, and how
 * much the first 128 hold comes from ARPACK.
 */
#include "models/spectral/spectral.h"

#include "engine/blas/blas.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The sum of the squares of the first 128 singular values. */
#define ARPACK_SQUARES 66.9346

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

/* |B V|^2: with powers .5 a customer's row of B V is n_c^-.5 times the sum of history factors. */
static double squares(const struct nbx_dataset *d, const struct nbx_spectral *s)
{
    double sum = 0, *row = calloc(s->dim, sizeof *row);
    for (size_t c = 0; c < d->n_customers; c++) {
        for (size_t k = 0; k < s->dim; k++)
            row[k] = 0;
        for (uint64_t at = d->by_customer.start[c]; at < d->by_customer.start[c + 1]; at++)
            for (size_t k = 0; k < s->dim; k++)
                row[k] += (double)s->history_factors[d->by_customer.col[at] * s->dim + k];
        for (size_t k = 0; k < s->dim; k++)
            sum += row[k] * row[k] / (double)nbx_csr_row_entries(&d->by_customer, c);
    }
    free(row);
    return sum;
}

/* The cosine of V's first column and the roots of the numbers of customers. */
static double first_cosine(const struct nbx_dataset *d, const struct nbx_spectral *s)
{
    double sum = 0;
    for (size_t i = 0; i < d->n_items; i++)
        sum += (double)nbx_csr_row_entries(&d->by_item, i) * (double)s->history_factors[i * s->dim];
    return fabs(sum) / sqrt((double)nbx_csr_entries(&d->by_item));
}

Test(spectral_gowalla, holds_what_arpack_says_there_is)
{
    struct nbx_dataset *d = read_gowalla();
    struct nbx_spectral_options o;
    struct nbx_spectral s;
    if (!d) {
        fprintf(stderr, "spectral_gowalla: skipped, NBX_DATA names no folder with gowalla in it\n");
        cr_skip("no data");
    }
    nbx_blas_init();
    nbx_spectral_defaults(&o);
    cr_assert_eq(nbx_spectral_fit(&s, d, &o, &fault), NBX_OK, "%s", fault.message);
    double share = squares(d, &s) / ARPACK_SQUARES, cosine = first_cosine(d, &s);
    fprintf(stderr, "spectral_gowalla: %.5f of the squares, cosine %.7f\n", share, cosine);
    cr_expect_float_eq(cosine, 1, 1e-4);
    cr_expect_geq(share, 0.985);
    cr_expect_leq(share, 1 + 1e-5);
    nbx_spectral_fini(&s);
    nbx_dataset_destroy(&d);
}
