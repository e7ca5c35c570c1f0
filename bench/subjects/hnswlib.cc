// SPDX-License-Identifier: MIT
// hnswlib as a subject.
//
//     hnswlib build ip|l2 M EF_CONSTRUCTION VECTORS DIM THREADS INDEX
//     hnswlib serve ip|l2 INDEX QUERIES DIM
//
// l2 is the reduction of inner product to distance: each item gets one more coordinate,
// sqrt(largest norm squared - its norm squared), and each query a 0 there.
#include "bench/subjects/subject.h"

#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using Graph = hnswlib::HierarchicalNSW<float>;
using Space = std::unique_ptr<hnswlib::SpaceInterface<float>>;

static bool is_l2(const std::string &space)
{
    return space == "l2";
}

static Space make_space(const std::string &name, size_t dim)
{
    if (is_l2(name))
        return Space(new hnswlib::L2Space(dim + 1));
    return Space(new hnswlib::InnerProductSpace(dim));
}

// (n, dim) -> (n, dim + 1), all of one length.
static std::vector<float> augment(const float *rows, size_t n, size_t dim)
{
    std::vector<float> out(n * (dim + 1));
    std::vector<double> squares(n);
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++)
            squares[i] += double(rows[i * dim + d]) * rows[i * dim + d];
    double largest = *std::max_element(squares.begin(), squares.end());
    for (size_t i = 0; i < n; i++) {
        memcpy(&out[i * (dim + 1)], rows + i * dim, dim * sizeof(float));
        out[i * (dim + 1) + dim] = float(std::sqrt(largest - squares[i]));
    }
    return out;
}

static void build(char **args)
{
    std::string name = args[0];
    size_t m = strtoul(args[1], nullptr, 10), ef = strtoul(args[2], nullptr, 10), bytes;
    size_t dim = strtoul(args[4], nullptr, 10), threads = strtoul(args[5], nullptr, 10);
    const float *rows = static_cast<const float *>(nbx_subject_map(args[3], &bytes));
    size_t n = bytes / sizeof(float) / dim, stride = is_l2(name) ? dim + 1 : dim;
    std::vector<float> augmented;
    if (is_l2(name))
        augmented = augment(rows, n, dim);
    const float *from = is_l2(name) ? augmented.data() : rows;
    Space space = make_space(name, dim);
    Graph graph(space.get(), n, m, ef);
    graph.addPoint(from, 0);
    std::vector<std::thread> pool;
    for (size_t t = 0; t < threads; t++)
        pool.emplace_back([&, t] {
            for (size_t i = 1 + t; i < n; i += threads)
                graph.addPoint(from + i * stride, i);
        });
    for (auto &thread : pool)
        thread.join();
    graph.saveIndex(args[6]);
}

#ifdef HNSWLIB_FILTERS
struct Bits : hnswlib::BaseFilterFunctor {
    const uint64_t *bits = nullptr;
    bool operator()(hnswlib::labeltype id) override
    {
        return bits[id / 64] >> (id % 64) & 1;
    }
};
#endif

struct Served {
    Space space;
    std::unique_ptr<Graph> graph;
    std::vector<float> query; // (dim + 1) with its 0 last; empty where the query is used as it is
#ifdef HNSWLIB_FILTERS
    Bits filter;
#endif
};

static void set(void *self, const char *name, double value)
{
    if (strcmp(name, "ef") != 0)
        nbx_subject_fail("hnswlib has no parameter", name);
    static_cast<Served *>(self)->graph->setEf(size_t(value));
}

static void search(void *self, const float *query, size_t k, uint32_t *ids)
{
    Served *s = static_cast<Served *>(self);
    if (!s->query.empty()) {
        std::copy(query, query + s->query.size() - 1, s->query.begin());
        query = s->query.data();
    }
#ifdef HNSWLIB_FILTERS
    auto found = s->graph->searchKnn(query, k, s->filter.bits ? &s->filter : nullptr);
#else
    auto found = s->graph->searchKnn(query, k);
#endif
    for (; !found.empty(); found.pop())
        ids[found.size() - 1] = uint32_t(found.top().second);
}

#ifdef HNSWLIB_FILTERS
static void filter(void *self, const uint64_t *bits)
{
    static_cast<Served *>(self)->filter.bits = bits;
}
#endif

static void serve(char **args)
{
    Served s;
    size_t bytes, dim = strtoul(args[3], nullptr, 10);
    s.space = make_space(args[0], dim);
    s.graph.reset(new Graph(s.space.get(), args[1]));
    if (is_l2(args[0]))
        s.query.assign(dim + 1, 0);
    const float *rows = static_cast<const float *>(nbx_subject_map(args[2], &bytes));
    nbx_subject_queries queries = {rows, bytes / sizeof(float) / dim, dim};
    nbx_subject subject = {};
    subject.self = &s;
    subject.n_items = s.graph->cur_element_count;
    subject.bytes = subject.n_items * s.graph->size_data_per_element_;
    subject.set = set;
    subject.search = search;
#ifdef HNSWLIB_FILTERS
    subject.filter = filter;
#endif
    nbx_subject_serve(&subject, &queries);
}

int main(int argc, char **argv)
{
    if (argc == 9 && strcmp(argv[1], "build") == 0)
        build(argv + 2);
    else if (argc == 6 && strcmp(argv[1], "serve") == 0)
        serve(argv + 2);
    else
        nbx_subject_fail("usage", "hnswlib build|serve ...");
    return 0;
}
