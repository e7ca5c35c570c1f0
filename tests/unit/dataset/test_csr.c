/* SPDX-License-Identifier: MIT */
#include "models/dataset/csr.h"

#include <criterion/criterion.h>

Test(csr, transpose_keeps_places_and_weights)
{
    static const struct nbx_triple triples[] = {{2, 1, 0.5f}, {0, 3, 2}, {2, 0, 3}, {0, 1, 4}};
    struct nbx_csr a, t;
    cr_assert_eq(nbx_csr_from_triples(&a, triples, 4, 3, 4, true), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&t, &a), NBX_OK);
    cr_expect_eq(t.n_rows, 4);
    cr_expect_eq(t.n_cols, 3);
    cr_expect_arr_eq(a.start, ((uint64_t[]){0, 2, 2, 4}), 4 * sizeof(uint64_t));
    cr_expect_arr_eq(t.start, ((uint64_t[]){0, 1, 3, 3, 4}), 5 * sizeof(uint64_t));
    cr_expect_arr_eq(t.col, ((uint32_t[]){2, 0, 2, 0}), 4 * sizeof(uint32_t));
    cr_expect_arr_eq(t.weight, ((float[]){3, 4, 0.5f, 2}), 4 * sizeof(float));
    cr_expect_eq(nbx_csr_row_entries(&t, 1), 2);
    cr_expect_eq(nbx_csr_weight(&t, 0, 2), 3);
    cr_expect_eq(nbx_csr_weight(&t, 1, 0), 4);
    cr_expect_eq(nbx_csr_weight(&t, 1, 2), 0.5f);
    nbx_csr_fini(&a);
    nbx_csr_fini(&t);
    cr_expect_eq(nbx_csr_entries(&a), 0);
}

Test(csr, without_weights_and_without_entries)
{
    struct nbx_csr a, t;
    cr_assert_eq(nbx_csr_from_triples(&a, NULL, 0, 0, 5, false), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&t, &a), NBX_OK);
    cr_expect_null(t.weight);
    cr_expect_eq(t.n_rows, 5);
    cr_expect_eq(nbx_csr_entries(&t), 0);
    nbx_csr_fini(&a);
    nbx_csr_fini(&t);
}
