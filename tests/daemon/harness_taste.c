/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness_taste.h"

#include "engine/base/random.h"

#include <math.h>
#include <stdlib.h>

#define ID_BYTES  8
#define TOLERANCE 1e-4 /* of a score: single precision over the daemon's sums */
#define PER_PUT   1000

void model_make(struct model *m, size_t n_items, size_t dims, uint64_t seed)
{
    struct nbx_random r;
    *m = (struct model){.n_items = n_items, .dims = dims};
    m->ids = calloc(n_items, sizeof *m->ids + ID_BYTES);
    m->factors = calloc(n_items * dims, sizeof *m->factors);
    cr_assert(m->ids && m->factors && dims <= TASTE_MAX_DIMS && n_items <= PER_PUT);
    char *text = (char *)(m->ids + n_items);
    nbx_random_init(&r, seed);
    for (size_t i = 0; i < n_items; i++, text += ID_BYTES) {
        int n = snprintf(text, ID_BYTES, "i%03u", (unsigned)i % PER_PUT);
        m->ids[i] = (struct nbx_str){text, (uint32_t)n};
    }
    for (size_t i = 0; i < n_items * dims; i++)
        m->factors[i] = (float)nbx_random_normal(&r);
    m->info = (struct nbx_bundle_info){.name = NBX_STR("taste"),
                                       .version = NBX_STR("1"),
                                       .created_ms = 1700000000000,
                                       .n_items = n_items,
                                       .item_ids = m->ids,
                                       .n_spaces = 1};
    m->info.spaces[0] = (struct nbx_space){.name = NBX_STR("main"),
                                           .dims = dims,
                                           .metric = NBX_METRIC_DOT,
                                           .customer = NBX_CUSTOMER_FOLDED,
                                           .item_factors = m->factors,
                                           .alpha0 = 0.1F,
                                           .lambda = 0.05F,
                                           .nu = 0.9F};
}

void model_free(struct model *m)
{
    free(m->ids);
    free(m->factors);
    *m = (struct model){0};
}

void model_put_items(const struct model *m, struct peer *p)
{
    struct nbx_buf text = {0};
    nbx_buf_printf(&text, "{'items': [");
    for (size_t i = 0; i < m->n_items; i++)
        nbx_buf_printf(&text, "%s{'id': '%.*s'}", i ? "," : "", NBX_STR_ARG(m->ids[i]));
    nbx_buf_printf(&text, "]}");
    nbx_buf_put_u8(&text, '\0');
    cr_assert(!text.failed);
    struct nbx_value *r = get(p, "item.put", "", "%s", (const char *)text.p);
    cr_assert_eq(int_at(r, "applied"), (int64_t)m->n_items);
    nbx_buf_fini(&text);
}

/* The left hand side. a: (dims, dims) */
static void fill_system(double *a, const struct model *m, const struct deeds *d)
{
    const struct nbx_space *space = &m->info.spaces[0];
    size_t k = m->dims;
    double alpha0 = (double)space->alpha0;
    double reg =
        (double)space->lambda * pow((double)d->n + alpha0 * (double)m->n_items, (double)space->nu);
    memset(a, 0, k * k * sizeof *a);
    for (size_t r = 0; r < m->n_items; r++) {
        double w = alpha0;
        for (size_t i = 0; i < d->n; i++)
            w += d->row[i] == r ? d->weight[i] : 0;
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++)
                a[i * k + j] += w * (double)m->factors[r * k + i] * (double)m->factors[r * k + j];
    }
    for (size_t i = 0; i < k; i++)
        a[i * k + i] += reg;
}

/* Solves a x = b in place by Gauss without pivoting: a is positive definite. */
static void solve(double *a, double *b, size_t k)
{
    for (size_t c = 0; c < k; c++)
        for (size_t r = c + 1; r < k; r++) {
            double f = a[r * k + c] / a[c * k + c];
            for (size_t j = c; j < k; j++)
                a[r * k + j] -= f * a[c * k + j];
            b[r] -= f * b[c];
        }
    for (size_t c = k; c-- > 0;) {
        for (size_t j = c + 1; j < k; j++)
            b[c] -= a[c * k + j] * b[j];
        b[c] /= a[c * k + c];
    }
}

void taste_fold(double *x, const struct model *m, const struct deeds *d)
{
    double a[TASTE_MAX_DIMS * TASTE_MAX_DIMS];
    size_t k = m->dims;
    fill_system(a, m, d);
    memset(x, 0, k * sizeof *x);
    for (size_t i = 0; i < d->n; i++)
        for (size_t j = 0; j < k; j++)
            x[j] += d->weight[i] * (double)m->factors[d->row[i] * k + j];
    solve(a, x, k);
}

void taste_shares(double *shares, const struct model *m, const struct deeds *d, const float *y)
{
    double a[TASTE_MAX_DIMS * TASTE_MAX_DIMS], z[TASTE_MAX_DIMS];
    size_t k = m->dims;
    fill_system(a, m, d);
    for (size_t j = 0; j < k; j++)
        z[j] = (double)y[j];
    solve(a, z, k);
    for (size_t i = 0; i < d->n; i++)
        shares[i] = d->weight[i] * taste_score(z, m, d->row[i]);
}

double taste_score(const double *x, const struct model *m, size_t row)
{
    double sum = 0;
    for (size_t j = 0; j < m->dims; j++)
        sum += x[j] * (double)m->factors[row * m->dims + j];
    return sum;
}

static bool is_without(const struct expected *e, size_t row)
{
    for (size_t i = 0; i < e->n_without; i++)
        if (e->without[i] == row)
            return true;
    return false;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static size_t row_of(const struct model *m, struct nbx_str id)
{
    for (size_t i = 0; i < m->n_items; i++)
        if (nbx_str_eq(m->ids[i], id))
            return i;
    cr_assert_fail("'%.*s' is no item of the model", NBX_STR_ARG(id));
    return 0;
}

/* Where rounding decides between two, each may stand in the other's place; but every score must be
 * the item's own, and the i-th must be the i-th best. */
void must_rank(const struct nbx_value *reply, const struct model *m, const struct expected *e)
{
    double *best = calloc(m->n_items, sizeof *best);
    const struct nbx_value *items = at(reply, "items");
    size_t n = 0;
    cr_assert(best && items && items->type == NBX_LIST);
    for (size_t r = 0; r < m->n_items; r++)
        if (!is_without(e, r))
            best[n++] = taste_score(e->x, m, r);
    qsort(best, n, sizeof *best, falling);
    cr_assert(items->n <= n);
    for (uint32_t i = 0; i < items->n; i++) {
        const struct nbx_value *item = &items->list[i];
        size_t row = row_of(m, text_at(item, "id"));
        double got = number_at(item, "score"), own = taste_score(e->x, m, row);
        cr_assert(!is_without(e, row), "item %zu must not be here", row);
        cr_assert_float_eq(got, own, TOLERANCE, "row %zu scores %.9g, not %.9g", row, got, own);
        cr_assert_float_eq(got, best[i], TOLERANCE, "place %u scores %.9g, the best is %.9g", i,
                           got, best[i]);
        cr_assert(nbx_str_is(text_at(item, "source"), e->source), "place %u is %.*s", i,
                  NBX_STR_ARG(text_at(item, "source")));
    }
    free(best);
}
