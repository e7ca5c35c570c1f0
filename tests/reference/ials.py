#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""iALS as its definition reads, in plain Python: the reference the C solver is held against.

Rendle, Krichene, Zhang, Koren 2022, eq. 1-5. No eigenbasis, no Woodbury: each row solves
    (alpha0 G + sum_S w y yT + reg I) x = sum_S w y,   reg = lambda (n_S + alpha0 n_other)^nu
by Gaussian elimination in double precision.

stdin:  n_customers n_items dim alpha0 lambda nu epochs n_pairs
        n_pairs lines: customer item weight
        n_items lines: the first item factors
stdout: the loss after each epoch, one per line; then the customers' factors and the items'.
"""

import sys


def solve(a, b):
    """a x = b by elimination with partial pivoting; both are overwritten."""
    n = len(b)
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(a[r][i]))
        a[i], a[pivot], b[i], b[pivot] = a[pivot], a[i], b[pivot], b[i]
        for r in range(i + 1, n):
            f = a[r][i] / a[i][i]
            for c in range(i, n):
                a[r][c] -= f * a[i][c]
            b[r] -= f * b[i]
    for i in reversed(range(n)):
        b[i] = (b[i] - sum(a[i][c] * b[c] for c in range(i + 1, n))) / a[i][i]
    return b


def dot(x, y):
    return sum(p * q for p, q in zip(x, y))


def regularisation(n, n_other, s):
    return s["lambda"] * (n + s["alpha0"] * n_other) ** s["nu"]


def solve_side(rows, fixed, s):
    dim = s["dim"]
    gram = [[sum(y[i] * y[j] for y in fixed) for j in range(dim)] for i in range(dim)]
    out = []
    for row in rows:
        reg = regularisation(len(row), len(fixed), s)
        a = [[s["alpha0"] * g for g in line] for line in gram]
        b = [0.0] * dim
        for other, w in row:
            y = fixed[other]
            for i in range(dim):
                b[i] += w * y[i]
                for j in range(dim):
                    a[i][j] += w * y[i] * y[j]
        for i in range(dim):
            a[i][i] += reg
        out.append(solve(a, b) if row else [0.0] * dim)
    return out


def loss(by_customer, by_item, customers, items, s):
    """The objective, every pair visited."""
    total = 0.0
    for row, x in zip(by_customer, customers):
        total += sum(w * (dot(x, items[i]) - 1) ** 2 for i, w in row)
        total += s["alpha0"] * sum(dot(x, y) ** 2 for y in items)
        total += regularisation(len(row), len(items), s) * dot(x, x)
    for row, y in zip(by_item, items):
        total += regularisation(len(row), len(customers), s) * dot(y, y)
    return total


def main():
    words = iter(sys.stdin.read().split())
    n_customers, n_items, dim = (int(next(words)) for _ in range(3))
    s = {"dim": dim}
    for name in ("alpha0", "lambda", "nu"):
        s[name] = float(next(words))
    epochs, n_pairs = int(next(words)), int(next(words))
    by_customer = [[] for _ in range(n_customers)]
    by_item = [[] for _ in range(n_items)]
    for _ in range(n_pairs):
        c, i, w = int(next(words)), int(next(words)), float(next(words))
        by_customer[c].append((i, w))
        by_item[i].append((c, w))
    items = [[float(next(words)) for _ in range(dim)] for _ in range(n_items)]
    customers = None
    for _ in range(epochs):
        customers = solve_side(by_customer, items, s)
        items = solve_side(by_item, customers, s)
        print(repr(loss(by_customer, by_item, customers, items, s)))
    for row in customers + items:
        print(*map(repr, row))


if __name__ == "__main__":
    main()
