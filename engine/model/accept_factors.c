/* SPDX-License-Identifier: MIT
 * The numbers of a bundle: each is finite, nbx_bundle_open has seen to that; together they must be
 * of a size that can be reckoned with, and not all say the same.
 */
#include "engine/model/accept_internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Vectors point the same way where the square of their cosine is above this: two that were rounded
 * to 32 bits are within 1e-13. */
#define SAME_WAY (1 - 1e-10)

/* A tensor of vectors, one for each item. */
struct matrix {
    char name[NBX_ACCEPT_WORD_BYTES + 32];
    const float *x; /* (n, dims) */
    size_t n, dims;
    bool constant; /* one score for each item, of whatever size */
};

static double square_of(const float *x, size_t dims)
{
    double sum = 0;
    for (size_t i = 0; i < dims; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Fills squares (n) and what is told of them; *longest is the row. */
static enum nbx_err measure(struct nbx_accepted_norms *out, double *squares, size_t *longest,
                            const struct matrix *m)
{
    double *sorted = calloc(m->n + 1, sizeof *sorted);
    size_t n = 0;
    if (!sorted)
        return NBX_ELIMIT;
    *longest = 0;
    for (size_t i = 0; i < m->n; i++) {
        squares[i] = square_of(m->x + i * m->dims, m->dims);
        if (squares[i] > squares[*longest])
            *longest = i;
        if (squares[i] > 0)
            sorted[n++] = squares[i];
    }
    qsort(sorted, n, sizeof *sorted, ascending);
    snprintf(out->tensor, sizeof out->tensor, "%s", m->name);
    out->largest = sqrt(squares[*longest]);
    out->median = n ? sqrt(sorted[n / 2]) : 0;
    out->zeros = m->n - n;
    free(sorted);
    return NBX_OK;
}

/* The first row whose vector is not a multiple of row `first`'s, or n. */
static size_t first_other_way(const struct matrix *m, const double *squares, size_t first)
{
    const float *a = m->x + first * m->dims;
    for (size_t i = first + 1; i < m->n; i++) {
        const float *b = m->x + i * m->dims;
        double dot = 0;
        for (size_t j = 0; j < m->dims; j++)
            dot += (double)a[j] * (double)b[j];
        if (squares[i] > 0 && dot * dot < SAME_WAY * squares[first] * squares[i])
            return i;
    }
    return m->n;
}

static enum nbx_err check_directions(struct nbx_accept *a, const struct matrix *m,
                                     const double *squares)
{
    char item[NBX_ACCEPT__ITEM_BYTES];
    size_t first = 0, n = 0, same = 0;
    for (size_t i = 0; i < m->n; i++)
        n += squares[i] > 0;
    while (first < m->n && !(squares[first] > 0))
        first++;
    if (n < 2 || m->dims < 2 || first_other_way(m, squares, first) < m->n)
        return NBX_OK;
    for (size_t i = first; i < m->n; i++)
        same += memcmp(m->x + i * m->dims, m->x + first * m->dims, m->dims * sizeof *m->x) == 0;
    nbx_accept__item(item, a->info, first);
    if (same == n)
        return nbx_fault_set(a->fault, NBX_EBAD, m->name,
                             "all %zu vectors are the same, as of %s: at least 2 must differ", n,
                             item);
    return nbx_fault_set(a->fault, NBX_EBAD, m->name,
                         "all %zu vectors are multiples of one, of %s, in %zu dimensions: every "
                         "customer would get one list",
                         n, item, m->dims);
}

static enum nbx_err check_sizes(struct nbx_accept *a, const struct matrix *m,
                                const struct nbx_accepted_norms *norms, size_t longest)
{
    char item[NBX_ACCEPT__ITEM_BYTES];
    double most = a->options->bounds.max_norm;
    nbx_accept__item(item, a->info, longest);
    if (norms->zeros == m->n)
        return nbx_fault_set(a->fault, NBX_EBAD, m->name, "all %zu vectors are zero", m->n);
    if (norms->largest * norms->largest < (double)FLT_MIN)
        return nbx_fault_set(a->fault, NBX_EBAD, m->name,
                             "the longest vector, of %s, has length %.3g, whose square is below "
                             "%.3g, the smallest normal 32-bit float",
                             item, norms->largest, (double)FLT_MIN);
    if (norms->largest * norms->largest > (double)FLT_MAX)
        return nbx_fault_set(a->fault, NBX_EBAD, m->name,
                             "%s has length %.3g, whose square is beyond %.3g, the largest 32-bit "
                             "float",
                             item, norms->largest, (double)FLT_MAX);
    if (!m->constant && norms->largest > most * norms->median)
        return nbx_fault_set(a->fault, NBX_EBAD, m->name,
                             "%s has length %.3g, %.4g times the median, %.3g; at most %g times",
                             item, norms->largest, norms->largest / norms->median, norms->median,
                             most);
    return NBX_OK;
}

/* squares: room for n; bare (n): cleared where the item has a vector. */
static enum nbx_err check_matrix(struct nbx_accept *a, const struct matrix *m, double *squares,
                                 bool *bare)
{
    size_t longest;
    struct nbx_accepted_norms *norms = &a->out->norms[a->out->n_norms++];
    if (measure(norms, squares, &longest, m))
        return nbx_accept__no_memory(a);
    for (size_t i = 0; i < m->n; i++)
        bare[i] = bare[i] && !(squares[i] > 0);
    enum nbx_err err = check_sizes(a, m, norms, longest);
    return err ? err : check_directions(a, m, squares);
}

static struct matrix matrix_of(const struct nbx_accept *a, const struct nbx_space *space,
                               const char *kind)
{
    bool history = strcmp(kind, "history") == 0;
    struct matrix m = {.x = history ? space->history_factors : space->item_factors,
                       .n = a->info->n_items,
                       .dims = space->dims,
                       .constant = space->customer == NBX_CUSTOMER_CONSTANT};
    snprintf(m.name, sizeof m.name, "space.%.*s.%s_factors", NBX_STR_ARG(space->name), kind);
    return m;
}

static enum nbx_err check_spaces(struct nbx_accept *a, double *squares, bool *bare)
{
    enum nbx_err err = NBX_OK;
    for (size_t s = 0; !err && s < a->info->n_spaces; s++) {
        const struct nbx_space *space = &a->info->spaces[s];
        struct matrix m = matrix_of(a, space, "item");
        err = check_matrix(a, &m, squares, bare);
        if (!err && space->customer == NBX_CUSTOMER_SUMMED) {
            m = matrix_of(a, space, "history");
            err = check_matrix(a, &m, squares, bare);
        }
    }
    return err;
}

/* The largest weight of neighbours, its sign aside, and whose it is; bare (n): cleared where the
 * item has one, or is one. */
static double measure_weights(size_t *whose, const struct nbx_neighbours *part, size_t n,
                              bool *bare)
{
    double largest = 0;
    *whose = 0;
    for (size_t row = 0; row < n; row++) {
        for (uint64_t i = part->start[row]; i < part->start[row + 1]; i++) {
            double weight = fabs((double)part->weights[i]);
            if (!(weight > 0))
                continue;
            bare[row] = bare[part->items[i]] = false;
            *whose = weight > largest ? row : *whose;
            largest = weight > largest ? weight : largest;
        }
    }
    return largest;
}

/* Weights of neighbours: a few times their square is added up. */
static enum nbx_err check_neighbours(struct nbx_accept *a, const struct nbx_neighbours *part,
                                     bool *bare)
{
    char name[NBX_ACCEPT_WORD_BYTES + 32], item[NBX_ACCEPT__ITEM_BYTES];
    size_t whose, n = a->info->n_items;
    double largest = measure_weights(&whose, part, n, bare);
    snprintf(name, sizeof name, "neighbours.%.*s.weights", NBX_STR_ARG(part->name));
    if (part->start[n] > 0 && largest * largest < (double)FLT_MIN)
        return nbx_fault_set(
            a->fault, NBX_EBAD, name,
            "the largest of %llu is %.3g, whose square is below %.3g, the smallest "
            "normal 32-bit float",
            (unsigned long long)part->start[n], largest, (double)FLT_MIN);
    if (largest * largest > (double)FLT_MAX)
        return nbx_fault_set(a->fault, NBX_EBAD, name,
                             "%s has a neighbour of weight %.3g, whose square is beyond %.3g, the "
                             "largest 32-bit float",
                             nbx_accept__item(item, a->info, whose), largest, (double)FLT_MAX);
    return NBX_OK;
}

static enum nbx_err check_features(struct nbx_accept *a, const struct nbx_features *features,
                                   const char *tensor)
{
    size_t dims = nbx_bundle_dims(a->info);
    for (size_t i = 0; i < features->n; i++) {
        double square = square_of(features->vectors + i * dims, dims);
        if (square > (double)FLT_MAX)
            return nbx_fault_set(a->fault, NBX_EBAD, tensor,
                                 "'%.*s' has length %.3g, whose square is beyond %.3g, the largest "
                                 "32-bit float",
                                 NBX_STR_ARG(features->names[i]), sqrt(square), (double)FLT_MAX);
    }
    return NBX_OK;
}

static enum nbx_err check_bare(struct nbx_accept *a, const bool *bare)
{
    char item[NBX_ACCEPT__ITEM_BYTES];
    size_t n = 0, first = 0;
    double most = a->options->bounds.max_without_vector;
    for (size_t i = a->info->n_items; i-- > 0;) {
        n += bare[i];
        first = bare[i] ? i : first;
    }
    a->out->without_vector = (double)n / (double)a->info->n_items;
    if (a->out->without_vector <= most)
        return NBX_OK;
    return nbx_fault_set(
        a->fault, NBX_EBAD, "spaces",
        "%zu of %zu items (%.4g %%) have a zero vector in every space, such as %s; "
        "at most %g %%",
        n, a->info->n_items, 100 * a->out->without_vector, nbx_accept__item(item, a->info, first),
        100 * most);
}

static enum nbx_err check_all(struct nbx_accept *a, double *squares, bool *bare)
{
    enum nbx_err err = check_spaces(a, squares, bare);
    for (size_t i = 0; !err && i < a->info->n_neighbours; i++)
        err = check_neighbours(a, &a->info->neighbours[i], bare);
    if (!err)
        err = check_features(a, &a->info->features, "attributes.vectors");
    if (!err)
        err = check_features(a, &a->info->customer_features, "customer_attributes.vectors");
    return err ? err : check_bare(a, bare);
}

enum nbx_err nbx_accept__factors(struct nbx_accept *a)
{
    size_t n = a->info->n_items;
    double *squares = calloc(n, sizeof *squares);
    bool *bare = calloc(n, sizeof *bare);
    enum nbx_err err = NBX_ELIMIT;
    if (squares && bare) {
        memset(bare, true, n * sizeof *bare);
        err = check_all(a, squares, bare);
    } else {
        nbx_accept__no_memory(a);
    }
    free(squares);
    free(bare);
    return err;
}
