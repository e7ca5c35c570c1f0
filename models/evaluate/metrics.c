/* SPDX-License-Identifier: MIT */
#include "models/evaluate/metrics.h"

#include <math.h>

struct nbx_metrics nbx_metrics_of(const bool *right, size_t n, size_t k, size_t n_test)
{
    struct nbx_metrics m = {0};
    size_t best = k < n_test ? k : n_test, found = 0;
    double dcg = 0, ideal = 0;
    for (size_t i = 0; i < best; i++)
        ideal += 1.0 / log2((double)i + 2.0);
    for (size_t i = 0; i < n; i++) {
        if (!right[i])
            continue;
        found++;
        dcg += 1.0 / log2((double)i + 2.0);
        m.map += (double)found / (double)(i + 1);
        if (found == 1)
            m.mrr = 1.0 / (double)(i + 1);
    }
    m.recall = (double)found / (double)n_test;
    m.precision = (double)found / (double)k;
    m.ndcg = dcg / ideal;
    m.hit = found > 0;
    m.map /= (double)best;
    return m;
}

void nbx_metrics_add(struct nbx_metrics *sum, const struct nbx_metrics *m)
{
    sum->recall += m->recall;
    sum->ndcg += m->ndcg;
    sum->precision += m->precision;
    sum->hit += m->hit;
    sum->mrr += m->mrr;
    sum->map += m->map;
}

struct nbx_metrics nbx_metrics_mean(const struct nbx_metrics *sum, size_t n)
{
    double by = n ? 1.0 / (double)n : 0.0;
    return (struct nbx_metrics){.recall = sum->recall * by,
                                .ndcg = sum->ndcg * by,
                                .precision = sum->precision * by,
                                .hit = sum->hit * by,
                                .mrr = sum->mrr * by,
                                .map = sum->map * by};
}
