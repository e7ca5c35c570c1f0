# SPDX-License-Identifier: MIT
"""The faiss of the Python package index as a subject: subject.h's protocol in Python.

    faiss_newer.py build DESCRIPTION VECTORS DIM THREADS INDEX
    faiss_newer.py serve INDEX QUERIES DIM       INDEX empty: an index without items, so that the
                                                 time is that of the call alone

Calls go to the wrapped C++ function with arrays and pointers made ahead: what Python adds is one
call, and bench/retrieval shows it as a row of its own.
"""

import os
import sys
import time

import faiss
import numpy as np

EF_CONSTRUCTION = 200


class Served:
    def __init__(self, path, queries, dim):
        self.index = faiss.read_index(path) if path else faiss.IndexFlatIP(dim)
        self.megabytes = os.path.getsize(path) / 1e6 if path else 0.0
        self.queries = np.fromfile(queries, "f4").reshape(-1, dim)
        self.pointers = [faiss.swig_ptr(row) for row in self.queries]
        self.parameters, self.kept = None, None
        self.use_k(10)

    def use_k(self, k):
        self.k = k
        self.scores, self.labels = np.empty((1, k), "f4"), np.full((1, k), -1, "i8")
        self.out = faiss.swig_ptr(self.scores), faiss.swig_ptr(self.labels)

    def set(self, name, value):
        faiss.ParameterSpace().set_index_parameter(self.index, name, float(value))
        if self.parameters and hasattr(self.parameters, name):
            setattr(self.parameters, name, int(float(value)))

    def filter(self, path):
        if not path:
            self.parameters = None
            return
        self.kept = np.fromfile(path, "u1")
        selector = faiss.IDSelectorBitmap((self.index.ntotal + 7) // 8, faiss.swig_ptr(self.kept))
        if isinstance(self.index, faiss.IndexIVF):
            self.parameters = faiss.SearchParametersIVF(sel=selector, nprobe=self.index.nprobe)
        elif isinstance(self.index, faiss.IndexHNSW):
            self.parameters = faiss.SearchParametersHNSW(sel=selector,
                                                         efSearch=self.index.hnsw.efSearch)
        else:
            self.parameters = faiss.SearchParameters(sel=selector)

    def ask(self, first, n, warm):
        call, clock, pointers = self.index.search_c, time.perf_counter_ns, self.pointers
        k, (scores, labels), parameters = self.k, self.out, self.parameters
        us, ids = np.empty(n, "f4"), np.empty((n, k), "u4")
        for i in range(first, first + warm):
            call(1, pointers[i % len(pointers)], k, scores, labels, parameters)
        for i in range(n):
            query = pointers[(first + warm + i) % len(pointers)]
            start = clock()
            call(1, query, k, scores, labels, parameters)
            us[i] = (clock() - start) / 1e3
            ids[i] = self.labels[0].astype("u4")  # -1 becomes the largest
        return us, ids

    def many(self, n, threads):
        faiss.omp_set_num_threads(threads)
        scores, labels = np.empty((n, self.k), "f4"), np.empty((n, self.k), "i8")
        start = time.perf_counter_ns()
        self.index.search_c(n, self.pointers[0], self.k, faiss.swig_ptr(scores),
                            faiss.swig_ptr(labels), None)
        us = np.array([(time.perf_counter_ns() - start) / 1e3], "f4")
        faiss.omp_set_num_threads(1)
        return us, labels.astype("u4")

    def answer(self, line):
        """The arrays that answer one command."""
        word, *rest = line.split()
        if word == "ask":
            return self.ask(*map(int, rest))
        if word == "many":
            return self.many(*map(int, rest))
        if word == "k":
            self.use_k(int(rest[0]))
        elif word == "set":
            self.set(*rest)
        elif word == "filter":
            self.filter(" ".join(rest))
        else:
            sys.exit(f"retrieval: unknown command: {line}")
        return ()


def serve(path, queries, dim):
    faiss.omp_set_num_threads(1)
    served, out = Served(path, queries, int(dim)), sys.stdout.buffer
    out.write(np.array([served.megabytes], "f4").tobytes())
    out.flush()
    for line in sys.stdin:
        for array in served.answer(line.rstrip("\n")):
            out.write(array.tobytes())
        out.flush()


def build(description, vectors, dim, threads, path):
    faiss.omp_set_num_threads(int(threads))
    rows = np.fromfile(vectors, "f4").reshape(-1, int(dim))
    index = faiss.index_factory(int(dim), description, faiss.METRIC_INNER_PRODUCT)
    if isinstance(index, faiss.IndexHNSW):
        index.hnsw.efConstruction = EF_CONSTRUCTION
    index.train(rows)
    index.add(rows)
    faiss.write_index(index, path)


if __name__ == "__main__":
    {"build": build, "serve": serve}[sys.argv[1]](*sys.argv[2:])
