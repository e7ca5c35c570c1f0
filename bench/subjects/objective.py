# SPDX-License-Identifier: MIT
"""The objective that nbx's iALS and implicit's both minimise, and how one's settings are the other's.

nbx (models/ials/ials.h) with nu 0 and every weight 1, s = x.y:
    L = sum_S (s - 1)^2 + alpha0 sum_all s^2 + lambda (sum |x|^2 + sum |y|^2)
implicit, with confidence c = alpha on observed pairs and 1 on all others, t = u.v:
    M = c sum_S (t - 1)^2 + sum_(not S) t^2 + regularization (sum |u|^2 + sum |v|^2)
In nbx a pair of S has (s - 1)^2 + alpha0 s^2 = (1 + alpha0) (s - 1 / (1 + alpha0))^2 + a constant:
the same parabola with its lowest point at 1 / (1 + alpha0) instead of 1. So with
    t = (1 + alpha0) s,   c = (1 + alpha0) / alpha0,   regularization = lambda c
    L = alpha0 / (1 + alpha0)^2 M + |S| alpha0 / (1 + alpha0),
and implicit's factors, divided by sqrt(1 + alpha0), have nbx's objective.
"""

import collections
import csv
import dataclasses

import numpy as np

BLOCK = 50_000  # pairs scored at a time

Theirs = collections.namedtuple("Theirs", "alpha regularization scale")


def of_implicit(alpha0, lambda_):
    """implicit's settings for nbx's, and what its factors are multiplied by."""
    confidence = (1 + alpha0) / alpha0
    return Theirs(confidence, lambda_ * confidence, (1 + alpha0) ** -0.5)


@dataclasses.dataclass
class Pairs:
    """Who took to what, numbered by ids in byte order as nbx numbers them."""
    customers: np.ndarray  # (pairs)
    items: np.ndarray      # (pairs)
    n_customers: int
    n_items: int

    @classmethod
    def read(cls, events):
        """Those of an events file where every event is positive."""
        with open(events, encoding="utf-8", newline="") as file:
            rows = sorted({(row["customer"].encode(), row["item"].encode())
                           for row in csv.DictReader(file)})
        if not rows:
            raise ValueError(f"{events}: no events")
        numbers = [{name: n for n, name in enumerate(sorted(set(names)))} for names in zip(*rows)]
        columns = [np.array([numbers[side][row[side]] for row in rows]) for side in (0, 1)]
        return cls(*columns, *map(len, numbers))

    def save(self, file):
        np.savez(file, customers=self.customers, items=self.items,
                 shape=np.array([self.n_customers, self.n_items]))

    @classmethod
    def load(cls, path):
        with np.load(path) as content:
            return cls(content["customers"], content["items"], *map(int, content["shape"]))


def loss(pairs, customers, items, alpha0, lambda_):
    """L of factors (n_customers, dim) and (n_items, dim), in doubles."""
    x, y = customers.astype("f8"), items.astype("f8")
    total = alpha0 * ((x.T @ x) * (y.T @ y)).sum() + lambda_ * ((x * x).sum() + (y * y).sum())
    for first in range(0, len(pairs.items), BLOCK):
        block = slice(first, first + BLOCK)
        scores = np.einsum("ij,ij->i", x[pairs.customers[block]], y[pairs.items[block]])
        total += ((scores - 1) ** 2).sum()
    return float(total)
