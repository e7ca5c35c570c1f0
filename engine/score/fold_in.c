/* SPDX-License-Identifier: MIT */
#include "engine/score/fold_in.h"

#include "engine/base/check.h"
#include "engine/blas/blas.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_ROWS 256 /* of a long history at a time, so that scratch does not grow with it */

struct nbx_fold_in {
    size_t dim, n_items;
    struct nbx_fold_in_options options;
    float *gram;   /* (dim, dim) lower triangle of G */
    bool straight; /* G is diagonal: Q is the identity, and nothing is turned */
    float *axes;   /* (dim, dim) Q: row i is the eigenvector of eigenvalues[i], G = QT diag Q */
    double *eigenvalues; /* (dim) ascending; rounding below zero is cut off */
};

/* Below this share of the largest element, what stands beside the diagonal is G's own rounding. */
#define ROUNDING 1e-5F

static bool is_diagonal(const float *gram, size_t dim)
{
    float most = 0, beside = 0;
    for (size_t i = 0; i < dim; i++) {
        most = fmaxf(most, gram[i * dim + i]);
        for (size_t j = 0; j < i; j++)
            beside = fmaxf(beside, fabsf(gram[i * dim + j]));
    }
    return beside <= ROUNDING * most;
}

/* Q is computed in doubles: it is done once and every answer rests on it. */
static enum nbx_err diagonalise(struct nbx_fold_in *fold)
{
    fold->straight = is_diagonal(fold->gram, fold->dim);
    for (size_t i = 0; fold->straight && i < fold->dim; i++)
        fold->eigenvalues[i] = (double)fold->gram[i * fold->dim + i];
    if (fold->straight)
        return NBX_OK;
    size_t cells = fold->dim * fold->dim;
    double *work = malloc(cells * sizeof *work);
    if (!work)
        return NBX_ELIMIT;
    for (size_t i = 0; i < cells; i++)
        work[i] = fold->gram[i];
    enum nbx_err err = nbx_blas_eigen(work, fold->eigenvalues, fold->dim);
    for (size_t i = 0; i < cells && !err; i++)
        fold->axes[i] = (float)work[i];
    for (size_t i = 0; i < fold->dim && !err; i++)
        fold->eigenvalues[i] = fmax(fold->eigenvalues[i], 0);
    free(work);
    return err;
}

/* The caller may have filled either the lower triangle or both. */
static bool copy_lower(float *out, const float *gram, size_t dim)
{
    bool finite = true;
    for (size_t i = 0; i < dim; i++) {
        for (size_t j = 0; j < dim; j++) {
            out[i * dim + j] = j <= i ? gram[i * dim + j] : 0;
            finite = finite && isfinite(out[i * dim + j]);
        }
    }
    return finite;
}

/* Aligned, so that BLAS does the same thing after every restart. */
static float *square(size_t dim)
{
    return aligned_alloc(64, (dim * dim * sizeof(float) + 63) / 64 * 64);
}

enum nbx_err nbx_fold_in_new(struct nbx_fold_in **out, const float *gram, size_t dim,
                             size_t n_items, struct nbx_fold_in_options options)
{
    *out = NULL;
    NBX_ASSERT(dim > 0);
    enum nbx_err err = NBX_ELIMIT;
    struct nbx_fold_in *fold = calloc(1, sizeof *fold);
    if (!fold)
        return NBX_ELIMIT;
    *fold = (struct nbx_fold_in){.dim = dim, .n_items = n_items, .options = options};
    fold->gram = square(dim);
    fold->axes = square(dim);
    fold->eigenvalues = calloc(dim, sizeof *fold->eigenvalues);
    if (!fold->gram || !fold->axes || !fold->eigenvalues)
        goto out;
    err = copy_lower(fold->gram, gram, dim) ? diagonalise(fold) : NBX_EBAD;
    if (err)
        goto out;
    *out = fold;
    fold = NULL;
out:
    nbx_fold_in_destroy(&fold);
    return err;
}

void nbx_fold_in_destroy(struct nbx_fold_in **fold)
{
    if (!fold || !*fold)
        return;
    free((*fold)->gram);
    free((*fold)->axes);
    free((*fold)->eigenvalues);
    free(*fold);
    *fold = NULL;
}

static double regularisation(const struct nbx_fold_in *fold, size_t n)
{
    const struct nbx_fold_in_options *o = &fold->options;
    return o->lambda * pow((double)n + o->alpha0 * (double)fold->n_items, o->nu);
}

/* out (n, dim): rows (n, dim) in the axes of G. */
static void turn(float *out, const struct nbx_fold_in *fold, const float *rows, size_t n)
{
    if (fold->straight)
        memcpy(out, rows, n * fold->dim * sizeof *out);
    else
        nbx_blas_gemm_nt(out, rows, fold->axes, n, fold->dim, fold->dim);
}

/* A short history in the axes of G, where A = D is diagonal. With the rows
 *     Z = W^1/2 Y_S QT D^-1/2,   the system is   D^1/2 (I + ZT Z) D^1/2,
 * and Woodbury turns it round to K = I + Z ZT, n x n and never worse conditioned than the data. */
struct short_system {
    float *z;          /* (n, dim) */
    float *factored;   /* (n, n) Cholesky factor of K */
    float *root_w;     /* (n) square roots of the weights */
    float *inv_root_d; /* (dim) */
};

static enum nbx_err alloc_short(struct short_system *s, size_t n, size_t dim,
                                struct nbx_arena *arena)
{
    s->z = nbx_arena_floats(arena, n * dim);
    s->factored = nbx_arena_floats(arena, n * n);
    s->root_w = nbx_arena_floats(arena, n);
    s->inv_root_d = nbx_arena_floats(arena, dim);
    return s->z && s->factored && s->root_w && s->inv_root_d ? NBX_OK : NBX_ELIMIT;
}

/* False where A is singular: no regularisation and an axis no item lies on. */
static bool invert_diagonal(float *inv_root_d, const struct nbx_fold_in *fold, size_t n)
{
    double reg = regularisation(fold, n);
    for (size_t i = 0; i < fold->dim; i++) {
        double d = fold->options.alpha0 * fold->eigenvalues[i] + reg;
        if (!(d > 0))
            return false;
        inv_root_d[i] = (float)(1 / sqrt(d));
    }
    return true;
}

static enum nbx_err build_short(struct short_system *s, const struct nbx_fold_in *fold,
                                const struct nbx_history *h, struct nbx_arena *arena)
{
    size_t n = h->n, dim = fold->dim;
    float *rows = nbx_arena_floats(arena, n * dim); /* W^1/2 Y_S */
    if (!rows || alloc_short(s, n, dim, arena))
        return NBX_ELIMIT;
    if (!invert_diagonal(s->inv_root_d, fold, n))
        return NBX_EBAD;
    for (size_t i = 0; i < n; i++) {
        s->root_w[i] = sqrtf(h->weights[i]);
        for (size_t d = 0; d < dim; d++)
            rows[i * dim + d] = s->root_w[i] * h->factors[i][d];
    }
    turn(s->z, fold, rows, n);
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++)
            s->z[i * dim + d] *= s->inv_root_d[d];
    memset(s->factored, 0, n * n * sizeof *s->factored);
    for (size_t i = 0; i < n; i++)
        s->factored[i * n + i] = 1;
    nbx_blas_outer(s->factored, s->z, n, dim);
    return nbx_blas_cholesky(s->factored, n);
}

/* x = QT D^-1/2 ZT K^-1 w^1/2. */
static enum nbx_err solve_short(const struct nbx_fold_in *fold, const struct nbx_history *h,
                                struct nbx_arena *arena, float *x)
{
    struct short_system s;
    enum nbx_err err = build_short(&s, fold, h, arena);
    if (err)
        return err;
    float *rotated = nbx_arena_floats(arena, fold->dim);
    if (!rotated)
        return NBX_ELIMIT;
    nbx_blas_cholesky_solve(s.factored, s.root_w, h->n, 1);
    nbx_blas_gemv_t(rotated, s.z, s.root_w, h->n, fold->dim);
    for (size_t d = 0; d < fold->dim; d++)
        rotated[d] *= s.inv_root_d[d];
    if (fold->straight)
        memcpy(x, rotated, fold->dim * sizeof *x);
    else
        nbx_blas_gemv_t(x, fold->axes, rotated, fold->dim, fold->dim);
    return NBX_OK;
}

/* shares = w^1/2 (K^-1 Z D^-1/2 Q y), elementwise: the transpose of solve_short. */
static enum nbx_err explain_short(const struct nbx_fold_in *fold, const struct nbx_history *h,
                                  const float *y, struct nbx_arena *arena, float *shares)
{
    struct short_system s;
    enum nbx_err err = build_short(&s, fold, h, arena);
    if (err)
        return err;
    float *rotated = nbx_arena_floats(arena, fold->dim);
    if (!rotated)
        return NBX_ELIMIT;
    turn(rotated, fold, y, 1);
    for (size_t d = 0; d < fold->dim; d++)
        rotated[d] *= s.inv_root_d[d];
    nbx_blas_gemv(shares, s.z, rotated, h->n, fold->dim);
    nbx_blas_cholesky_solve(s.factored, shares, h->n, 1);
    for (size_t i = 0; i < h->n; i++)
        shares[i] *= s.root_w[i];
    return NBX_OK;
}

/* The Cholesky factor of alpha0 G + reg I + sum w y yT, for a history of at least dim items. */
static enum nbx_err build_long(float **out, const struct nbx_fold_in *fold,
                               const struct nbx_history *h, struct nbx_arena *arena)
{
    size_t dim = fold->dim;
    float *a = nbx_arena_floats(arena, dim * dim);
    float *rows = nbx_arena_floats(arena, GATHER_ROWS * dim);
    if (!a || !rows)
        return NBX_ELIMIT;
    double reg = regularisation(fold, h->n);
    for (size_t i = 0; i < dim * dim; i++)
        a[i] = fold->options.alpha0 * fold->gram[i];
    for (size_t i = 0; i < dim; i++)
        a[i * dim + i] = (float)(a[i * dim + i] + reg);
    size_t filled = 0;
    for (size_t i = 0; i < h->n; i++) {
        float root_w = sqrtf(h->weights[i]);
        for (size_t d = 0; d < dim; d++)
            rows[filled * dim + d] = root_w * h->factors[i][d];
        if (++filled == GATHER_ROWS || i + 1 == h->n) {
            nbx_blas_gram(a, rows, filled, dim, 1.0f);
            filled = 0;
        }
    }
    *out = a;
    return nbx_blas_cholesky(a, dim);
}

static enum nbx_err solve_long(const struct nbx_fold_in *fold, const struct nbx_history *h,
                               struct nbx_arena *arena, float *x)
{
    float *a = NULL;
    enum nbx_err err = build_long(&a, fold, h, arena);
    if (err)
        return err;
    memset(x, 0, fold->dim * sizeof *x);
    for (size_t i = 0; i < h->n; i++)
        for (size_t d = 0; d < fold->dim; d++)
            x[d] += h->weights[i] * h->factors[i][d];
    nbx_blas_cholesky_solve(a, x, fold->dim, 1);
    return NBX_OK;
}

static enum nbx_err explain_long(const struct nbx_fold_in *fold, const struct nbx_history *h,
                                 const float *y, struct nbx_arena *arena, float *shares)
{
    float *a = NULL;
    float *t = nbx_arena_floats(arena, fold->dim);
    enum nbx_err err = t ? build_long(&a, fold, h, arena) : NBX_ELIMIT;
    if (err)
        return err;
    memcpy(t, y, fold->dim * sizeof *t);
    nbx_blas_cholesky_solve(a, t, fold->dim, 1);
    for (size_t i = 0; i < h->n; i++) {
        float sum = 0;
        for (size_t d = 0; d < fold->dim; d++)
            sum += h->factors[i][d] * t[d];
        shares[i] = h->weights[i] * sum;
    }
    return NBX_OK;
}

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

enum nbx_err nbx_fold_in_customer(const struct nbx_fold_in *fold, const struct nbx_history *history,
                                  struct nbx_arena *arena, float *x)
{
    memset(x, 0, nbx_padded(fold->dim) * sizeof *x);
    if (history->n == 0)
        return NBX_OK;
    enum nbx_err err = history->n < fold->dim ? solve_short(fold, history, arena, x)
                                              : solve_long(fold, history, arena, x);
    return err ? err : all_finite(x, fold->dim) ? NBX_OK : NBX_EBAD;
}

enum nbx_err nbx_fold_in_explain(const struct nbx_fold_in *fold, const struct nbx_history *history,
                                 const float *y, struct nbx_arena *arena, float *shares)
{
    if (history->n == 0)
        return NBX_OK;
    enum nbx_err err = history->n < fold->dim ? explain_short(fold, history, y, arena, shares)
                                              : explain_long(fold, history, y, arena, shares);
    return err ? err : all_finite(shares, history->n) ? NBX_OK : NBX_EBAD;
}
