#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lightgcn protocol as its definition reads, in plain Python: the reference for evaluate.

Each customer of the test pairs is folded in from the event pairs (ials.py's solution of one row),
all items but its own are sorted by score, ties by id, and the first k compared with its test
pairs. Means over the customers of the test pairs.

stdin:  k dim alpha0 lambda nu n_items n_events n_test
        n_items lines: id factors;  n_events lines: customer item;  n_test lines: customer item
stdout: recall ndcg precision hit mrr map
"""

import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ials  # noqa: E402  (beside this file)


def metrics(ranking, relevant, k):
    right = [item in relevant for item in ranking[:k]]
    places = [place for place, good in enumerate(right, 1) if good]
    best = min(k, len(relevant))
    dcg = sum(1 / math.log2(place + 1) for place in places)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, best + 1))
    precisions = [(n + 1) / place for n, place in enumerate(places)]
    return (len(places) / len(relevant), dcg / ideal, len(places) / k, float(bool(places)),
            1 / places[0] if places else 0.0, sum(precisions) / best)


def main():
    words = iter(sys.stdin.read().split())
    k, dim = int(next(words)), int(next(words))
    s = {"dim": dim}
    for name in ("alpha0", "lambda", "nu"):
        s[name] = float(next(words))
    n_items, n_events, n_test = (int(next(words)) for _ in range(3))
    ids, factors = [], []
    for _ in range(n_items):
        ids.append(next(words))
        factors.append([float(next(words)) for _ in range(dim)])
    row_of = {id_: row for row, id_ in enumerate(ids)}
    own, relevant = {}, {}
    for pairs, n in ((own, n_events), (relevant, n_test)):
        for _ in range(n):
            customer, item = next(words), next(words)
            pairs.setdefault(customer, set()).add(item)
    total = [0.0] * 6
    for customer in sorted(relevant):
        history = [(row_of[i], 1.0) for i in sorted(own.get(customer, ())) if i in row_of]
        ranking = []
        if history:
            x = ials.solve_side([history], factors, s)[0]
            left = [(-ials.dot(x, y), id_) for id_, y in zip(ids, factors)
                    if id_ not in own[customer]]
            ranking = [id_ for _score, id_ in sorted(left)]
        for n, value in enumerate(metrics(ranking, relevant[customer], k)):
            total[n] += value
    print(*(repr(value / len(relevant)) for value in total))


if __name__ == "__main__":
    main()
