/* SPDX-License-Identifier: MIT
 * One side of the factorisation, customers or items, and solving it with the other one fixed.
 *
 * Owns:    factors and order; `workspace` is shared by both sides.
 * Threads: one caller; nbx_ials_side_* spread over workspace.threads.
 * Errors:  as in ials.h, without a fault: NBX_ELIMIT, NBX_EBAD.
 */
#ifndef NBX_MODELS_IALS_SIDE_H
#define NBX_MODELS_IALS_SIDE_H

#include "models/ials/ials.h"

#include <stddef.h>
#include <stdint.h>

/* Sums over rows are made of at most this many parts, added in order: the same on any number of
 * threads. */
#define NBX_IALS_MAX_PARTS 64

struct nbx_ials_side {
    const struct nbx_csr *pairs; /* (n, n of the other side) */
    size_t n, dim;
    float *factors;  /* (n, dim) */
    uint32_t *order; /* (n) rows, most pairs first: work evens out, equal systems lie together */
};

struct nbx_ials_workspace {
    size_t dim, scratch_floats;
    unsigned threads;
    float *parts;        /* (NBX_IALS_MAX_PARTS, dim, dim) */
    double *part_losses; /* (NBX_IALS_MAX_PARTS) */
    double *eigen;       /* (dim, dim) */
    double *eigenvalues; /* (dim) */
    float *basis;        /* (dim, dim) V: a row per eigenvector */
    float *basis_t;      /* (dim, dim) VT */
    float *rotated;      /* (larger side, dim) */
    float *scratch;      /* (threads, scratch_floats) */
};

enum nbx_err nbx_ials_side_init(struct nbx_ials_side *side, const struct nbx_csr *pairs,
                                size_t dim) NBX_MUST_CHECK;
void nbx_ials_side_fini(struct nbx_ials_side *side);

enum nbx_err nbx_ials_workspace_init(struct nbx_ials_workspace *w, size_t larger_side,
                                     const struct nbx_ials_options *options) NBX_MUST_CHECK;
void nbx_ials_workspace_fini(struct nbx_ials_workspace *w);
/* Bytes of a workspace. */
uint64_t nbx_ials_workspace_bytes(size_t larger_side, const struct nbx_ials_options *options);

/* How rows are cut into parts. */
size_t nbx_ials_parts(size_t n);
size_t nbx_ials_part_begin(size_t n, size_t part);

/* gram (dim, dim) = lower triangle of FT F of a side's factors. */
enum nbx_err nbx_ials_side_gram(const struct nbx_ials_side *side, struct nbx_ials_workspace *w,
                                double *gram) NBX_MUST_CHECK;
/* Replaces side's factors by the exact solution with `fixed` held. */
enum nbx_err nbx_ials_side_solve(struct nbx_ials_side *side, const struct nbx_ials_side *fixed,
                                 const struct nbx_ials_options *options,
                                 struct nbx_ials_workspace *w) NBX_MUST_CHECK;
/* Brings side's factors closer to that solution by options->steps steps, from where they are. Both
 * sides turn into the axes of the fixed one's Gram matrix. */
enum nbx_err nbx_ials_side_improve(struct nbx_ials_side *side, struct nbx_ials_side *fixed,
                                   float relaxation, const struct nbx_ials_options *options,
                                   struct nbx_ials_workspace *w) NBX_MUST_CHECK;
/* Turns both sides' factors into the axes of the items' Gram matrix, which is then diagonal; their
 * inner products stay. */
enum nbx_err nbx_ials_sides_align(struct nbx_ials_side *items, struct nbx_ials_side *customers,
                                  const struct nbx_ials_options *options,
                                  struct nbx_ials_workspace *w) NBX_MUST_CHECK;
/* lambda (n + alpha0 n_other)^nu */
float nbx_ials_reg(const struct nbx_ials_options *options, size_t n, size_t n_other);

#endif
