#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""nbx-train evaluate as its definitions read, in NumPy: every figure of it, for every bundle.

    evaluation.py SAID BUNDLE EVENTS TEST [--k 10,20] [--repeat] [--weighted] [--types T=W,...]

SAID is what nbx-train evaluate --json printed for the same arguments. The bundle is read here by
models/FORMAT.md, customers are folded in by np.linalg.solve, scores are dense and in float64,
deviations are np.std over all items. Prints "N figures agree", or each that differs by more than
1e-4. Exit codes: 0 all agree, 1 some do not, 77 there is no NumPy.
"""

import argparse
import csv
import json
import math
import sys

try:
    import numpy as np
except ImportError:
    print("evaluation.py: NumPy is missing: apt-get install python3-numpy")
    sys.exit(77)

TYPES = {"": 1, "purchase": 1, "cart": 1, "click": 1, "view": 1, "visit": 1, "rating": 1,
         "call": 0, "search": 0, "impression": 0, "dismiss": -1, "return": -1}
DTYPES = {"F32": "<f4", "U32": "<u4", "U64": "<u8", "U8": "u1"}
NO_TIME = -1


# --- files -----------------------------------------------------------------------------------


def read_bundle(path):
    """(metadata, tensors by name)"""
    with open(path, "rb") as f:
        content = f.read()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, t in header.items():
        begin, stop = t["data_offsets"]
        tensors[name] = np.frombuffer(content[end + begin:end + stop],
                                      DTYPES[t["dtype"]]).reshape(t["shape"])
    return metadata, tensors


def read_events(path, types):
    """customer -> [(item, weight), ...], oldest first; customer -> what was taken back last"""
    events = {}
    with open(path, encoding="utf-8", newline="") as f:
        for order, row in enumerate(csv.DictReader(f)):
            weight = types[row.get("type") or ""]
            if row["customer"] and row["item"] and weight:
                key = row["customer"], row["item"]
                time = int(row["time"]) if row.get("time") else NO_TIME
                events.setdefault(key, []).append((time, order, weight))
    pairs, refused = {}, {}
    for (customer, item), of_pair in events.items():
        of_pair.sort()
        weight = 0
        for _time, _order, w in of_pair:
            weight = 0 if w < 0 else max(weight, w)
        if weight:
            pairs.setdefault(customer, []).append((of_pair[-1][:2], item, weight))
        else:
            refused.setdefault(customer, set()).add(item)
    return {customer: [(item, weight) for _when, item, weight in sorted(of_customer)]
            for customer, of_customer in pairs.items()}, refused


# --- scores ----------------------------------------------------------------------------------


class Model:
    def __init__(self, path):
        metadata, self.tensors = read_bundle(path)
        offsets, text = (self.tensors["item_ids." + part] for part in ("offsets", "bytes"))
        text = text.tobytes()
        self.ids = [text[offsets[i]:offsets[i + 1]].decode() for i in range(len(offsets) - 1)]
        self.row_of = {id_: row for row, id_ in enumerate(self.ids)}
        self.is_blend = metadata["family"] == "blend"
        self.spaces = json.loads(metadata["spaces"])
        self.neighbours = json.loads(metadata.get("neighbours", "[]"))

    def tensor(self, part, name):
        t = self.tensors[f"{part}.{name}"]
        return t.astype("f8") if t.dtype == "<f4" else t.astype("i8")

    def positions(self, part, n):
        """(groups, n)"""
        lists = np.array(part["positions"]).reshape(part.get("groups", 1), -1)
        return lists[:, np.minimum(np.arange(n), lists.shape[1] - 1)]

    def space(self, part, rows, weights):
        y = self.tensor("space." + part["name"], "item_factors")
        if part["customer"] == "constant":
            return y[:, 0]
        if part["customer"] == "summed":
            h = self.tensor("space." + part["name"], "history_factors")[rows]
            summed = y.shape[1] - part.get("bias", False)
            slices = zip(np.split(h[:, :summed], part.get("groups", 1), axis=1),
                         self.positions(part, len(rows)))
            x = np.concatenate([(p * weights) @ of_group for of_group, p in slices])
            return y @ np.concatenate([x, np.ones(y.shape[1] - summed)])
        n_items, dims = y.shape
        s = y[rows]
        regularisation = part["lambda"] * (len(rows) + part["alpha0"] * n_items) ** part["nu"]
        left = (part["alpha0"] * y.T @ y + (s * weights[:, None]).T @ s
                + regularisation * np.eye(dims))
        return y @ np.linalg.solve(left, weights @ s)

    def neighbour(self, part, rows, weights):
        start, items, of = (self.tensor("neighbours." + part["name"], what)
                            for what in ("start", "items", "weights"))
        scores = np.zeros(len(self.ids))
        for row, weight in zip(rows, self.positions(part, len(rows))[0] * weights):
            scores[items[start[row]:start[row + 1]]] += weight * of[start[row]:start[row + 1]]
        return scores

    def scores(self, history):
        """history: (row, weight), most recent first"""
        rows = np.array([row for row, _weight in history])
        weights = np.array([float(weight) for _row, weight in history])
        if not self.is_blend:
            return self.space(self.spaces[0], rows, weights)
        total = np.zeros(len(self.ids))
        parts = [(p, self.space) for p in self.spaces]
        for part, score in parts + [(p, self.neighbour) for p in self.neighbours]:
            own = score(part, rows, weights)
            deviation = own.std()
            if deviation > 1e-12 * np.abs(own).max(initial=0):
                total += part["weight"] * own / deviation
        return total


# --- metrics ---------------------------------------------------------------------------------


def metrics(ranking, relevant, k):
    right = np.array([item in relevant for item in ranking[:k]], dtype=bool)
    places = np.flatnonzero(right) + 1
    best = min(k, len(relevant))
    return {"recall": len(places) / len(relevant),
            "ndcg": sum(1 / np.log2(places + 1)) / sum(1 / np.log2(np.arange(1, best + 1) + 1)),
            "precision": len(places) / k,
            "hit": float(len(places) > 0),
            "mrr": 1 / places[0] if len(places) else 0.0,
            "map": sum(np.arange(1, len(places) + 1) / places) / best}


class Means:
    """Means of figures by name, over as many as were added."""

    def __init__(self):
        self.sums, self.n = {}, 0

    def add(self, figures):
        self.n += 1
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0) + value

    def get(self, names):
        return {name: self.sums.get(name, 0) / self.n if self.n else 0 for name in names}


def at_all(ranking, relevant, ks):
    return {f"{name}@{k}": value for k in ks
            for name, value in metrics(ranking, relevant, k).items()}


def exposure(lists, model, taken, customers, ks):
    figures = {}
    for k in ks:
        shown = [item for ranking in lists for item in ranking[:k]]
        counts = np.array([shown.count(id_) for id_ in model.ids], dtype=float)
        n = len(counts)
        differences = np.abs(counts[:, None] - counts[None, :]).sum()
        total = counts.sum()
        figures[f"coverage@{k}"] = (counts > 0).mean() if total else 0
        figures[f"gini@{k}"] = differences / (2 * n * n * counts.mean()) if total else 0
        figures[f"novelty@{k}"] = (np.mean([-math.log2(max(1, taken.get(item, 0)) / customers)
                                            for item in shown]) if total else 0)
    return figures


def find_head(popular, taken):
    total, so_far, head = sum(taken.get(item, 0) for item in popular), 0, set()
    for item in popular:
        if 2 * so_far >= total:
            break
        head.add(item)
        so_far += taken.get(item, 0)
    return head


def evaluate(model, events, refused, test, ks, repeat):
    taken = {}
    for of_customer in events.values():
        for item, _weight in of_customer:
            taken[item] = taken.get(item, 0) + 1
    popular = sorted(model.ids, key=lambda id_: (-taken.get(id_, 0), id_.encode()))
    head = find_head(popular, taken)
    groups = {name: Means() for name in ("model", "popularity", "new", "regular", "loyal", "head",
                                         "tail")}
    lists, cold = [], 0
    for customer, held in test.items():
        own = events.get(customer, [])
        relevant = {item for item, _weight in held}
        left_out = set() if repeat else {item for item, _weight in own}
        left_out |= refused.get(customer, set()) if own else set()
        history = [(model.row_of[item], w) for item, w in reversed(own) if item in model.row_of]
        ranking = []
        if history:
            scores = model.scores(history)
            order = sorted(range(len(scores)), key=lambda row: (-scores[row],
                                                                model.ids[row].encode()))
            ranking = [model.ids[row] for row in order if model.ids[row] not in left_out]
        cold += not history
        lists.append(ranking)
        segment = "new" if len(own) < 5 else "regular" if len(own) < 20 else "loyal"
        for group, wanted in (("model", relevant), (segment, relevant), ("head", relevant & head),
                              ("tail", relevant - head)):
            if wanted:
                groups[group].add(at_all(ranking, wanted, ks))
        groups["popularity"].add(at_all([i for i in popular if i not in left_out], relevant, ks))
    names = [f"{name}@{k}" for k in ks for name in ("recall", "ndcg")]
    everything = [f"{name}@{k}" for k in ks
                  for name in ("recall", "ndcg", "precision", "hit", "mrr", "map")]
    figures = groups["model"].get(everything)
    figures.update(exposure(lists, model, taken, len(events), ks))
    figures["popularity"] = groups["popularity"].get(everything)
    figures["segments"] = {name: dict(groups[name].get(names), users=groups[name].n)
                           for name in ("new", "regular", "loyal", "head", "tail")}
    figures.update(users=len(test), cold=cold, items=len(model.ids), head_items=len(head))
    return figures


def compare(said, wanted, path=""):
    """(figures that agree, lines on those that do not)"""
    agree, lines = 0, []
    for name, value in wanted.items():
        if isinstance(value, dict):
            more, other = compare(said.get(name, {}), value, path + name + ".")
            agree += more
            lines += other
        elif name in said and abs(said[name] - value) <= 1e-4:
            agree += 1
        else:
            lines.append(f"{path}{name}: evaluate has {said.get(name)}, the reference {value:.6f}")
    return agree, lines


def main():
    parser = argparse.ArgumentParser()
    for name in ("said", "bundle", "events", "test"):
        parser.add_argument(name)
    parser.add_argument("--k", default="20")
    parser.add_argument("--types", default="")
    parser.add_argument("--repeat", action="store_true")
    parser.add_argument("--weighted", action="store_true")
    a = parser.parse_args()
    types = dict(TYPES)
    types.update((entry.split("=")[0], float(entry.split("=")[1]))
                 for entry in a.types.split(",") if entry)
    (events, refused), (test, _) = read_events(a.events, types), read_events(a.test, types)
    if not a.weighted:
        events = {c: [(item, 1) for item, _w in pairs] for c, pairs in events.items()}
    ks = [int(k) for k in a.k.split(",")]
    wanted = evaluate(Model(a.bundle), events, refused, test, ks, a.repeat)
    with open(a.said, encoding="utf-8") as f:
        agree, lines = compare(json.load(f), wanted)
    print("\n".join(lines) if lines else f"{agree} figures agree")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
