// SPDX-License-Identifier: MIT
// Debian's faiss as a subject, by its C++ interface.
//
//     faiss build DESCRIPTION VECTORS DIM THREADS INDEX     DESCRIPTION as index_factory takes it
//     faiss serve INDEX QUERIES DIM
#include "bench/subjects/subject.h"

#include <faiss/AutoTune.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>

#include <omp.h>

#include <cstring>
#include <memory>
#include <vector>

extern "C" void openblas_set_num_threads(int n);

static void use_threads(int n)
{
    omp_set_num_threads(n);
    openblas_set_num_threads(n);
}

static void build(char **args)
{
    size_t bytes, dim = strtoul(args[2], nullptr, 10);
    const float *rows = static_cast<const float *>(nbx_subject_map(args[1], &bytes));
    size_t n = bytes / sizeof(float) / dim;
    use_threads(atoi(args[3]));
    std::unique_ptr<faiss::Index> index(
        faiss::index_factory(int(dim), args[0], faiss::METRIC_INNER_PRODUCT));
    if (auto *hnsw = dynamic_cast<faiss::IndexHNSW *>(index.get()))
        hnsw->hnsw.efConstruction = 200;
    index->train(faiss::Index::idx_t(n), rows);
    index->add(faiss::Index::idx_t(n), rows);
    faiss::write_index(index.get(), args[4]);
}

struct Served {
    std::unique_ptr<faiss::Index> index;
    std::unique_ptr<faiss::IDSelectorBitmap> selector;
    faiss::SearchParameters plain;
    faiss::SearchParametersIVF ivf;
    faiss::SearchParameters *parameters = nullptr; // NULL: the index's own
    std::vector<float> scores;
    std::vector<faiss::Index::idx_t> labels;
};

static void set(void *self, const char *name, double value)
{
    Served *s = static_cast<Served *>(self);
    if (strcmp(name, "nprobe") == 0)
        s->ivf.nprobe = size_t(value);
    faiss::ParameterSpace().set_index_parameter(s->index.get(), name, value);
}

static void filter(void *self, const uint64_t *bits)
{
    Served *s = static_cast<Served *>(self);
    s->parameters = nullptr;
    if (!bits)
        return;
    s->selector.reset(new faiss::IDSelectorBitmap((s->index->ntotal + 7) / 8,
                                                  reinterpret_cast<const uint8_t *>(bits)));
    s->plain.sel = s->ivf.sel = s->selector.get();
    s->parameters = &s->plain;
    if (dynamic_cast<faiss::IndexIVF *>(s->index.get()))
        s->parameters = &s->ivf;
}

static void search_some(Served *s, const float *queries, size_t n, size_t k, uint32_t *ids)
{
    s->scores.resize(n * k);
    s->labels.resize(n * k);
    s->index->search(faiss::Index::idx_t(n), queries, faiss::Index::idx_t(k), s->scores.data(),
                     s->labels.data(), s->parameters);
    for (size_t i = 0; i < n * k; i++)
        ids[i] = s->labels[i] < 0 ? UINT32_MAX : uint32_t(s->labels[i]);
}

static void search(void *self, const float *query, size_t k, uint32_t *ids)
{
    search_some(static_cast<Served *>(self), query, 1, k, ids);
}

static void search_many(void *self, const float *queries, size_t n, size_t k, unsigned threads,
                        uint32_t *ids)
{
    use_threads(int(threads));
    search_some(static_cast<Served *>(self), queries, n, k, ids);
    use_threads(1);
}

static void serve(char **args)
{
    Served s;
    size_t bytes, index_bytes, dim = strtoul(args[2], nullptr, 10);
    use_threads(1);
    s.index.reset(faiss::read_index(args[0]));
    const float *rows = static_cast<const float *>(nbx_subject_map(args[1], &bytes));
    nbx_subject_queries queries = {rows, bytes / sizeof(float) / dim, dim};
    nbx_subject_map(args[0], &index_bytes);
    nbx_subject subject = {};
    subject.self = &s;
    subject.n_items = size_t(s.index->ntotal);
    subject.bytes = index_bytes;
    subject.set = set;
    subject.filter = filter;
    subject.search = search;
    subject.search_many = search_many;
    nbx_subject_serve(&subject, &queries);
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "build") == 0)
        build(argv + 2);
    else if (argc == 5 && strcmp(argv[1], "serve") == 0)
        serve(argv + 2);
    else
        nbx_subject_fail("usage", "faiss build|serve ...");
    return 0;
}
