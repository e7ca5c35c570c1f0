# SPDX-License-Identifier: MIT
"""What is compared: sizes, lengths of lists, filters, batches; and how one case is measured."""

import dataclasses
import json
import os
import re
import subprocess

import numpy as np

from process import Failed, Subject, in_rounds, recall
from rivals import RIVALS
from sweep import READ_SPEED, Chosen, Sweep

N_TRUTH = 1000     # queries whose recall is counted
K_TRUTH = 100      # a list of fewer is the beginning of it
N_TIMED = 2000     # queries of a round, fewer where they take long
N_BATCH = 10_000
SLOPE = 4.0        # of the sigmoid in the case of prices
SHARES = (0.5, 0.1, 0.01, 0.001)
SIZES = (0, 200_000, 1_000_000)  # 0: the trained items as they are


@dataclasses.dataclass
class Case:
    """One set of vectors, perhaps filtered, and the lengths of list asked of it."""
    number: int
    title: str
    dim: int
    size: int
    ks: tuple
    unit: bool = False
    share: float = 1.0
    batch: bool = False
    priced: bool = False  # sigmoid of the score, times a price; nbx by itself
    reads: bool = False   # stands beside the time to read the int8 vectors
    n: int = 0            # set by locate, as what follows
    items: str = ""
    queries: str = ""
    kept: str = ""
    prices: str = ""

    def locate(self, vectors):
        """Makes or finds the files."""
        self.items = vectors.items(self.dim, self.size, self.unit)
        self.n = os.path.getsize(self.items) // 4 // self.dim
        n_queries = N_BATCH if self.batch else N_TIMED
        self.queries = vectors.queries(self.dim, n_queries, self.unit)
        self.kept = vectors.kept(self.share, self.n) if self.share < 1 else ""
        self.prices = vectors.prices(self.n) if self.priced else ""
        return self

    @property
    def key(self):
        kept = f".{os.path.basename(self.kept)}" if self.kept else ".priced" if self.priced else ""
        return os.path.splitext(os.path.basename(self.items))[0] + kept


def all_cases():
    cases = [Case(1, "trained", 64, size, (10, 100)) for size in SIZES]
    cases += [Case(2, "trained", dim, 200_000, (10, 100)) for dim in (128, 256)]
    cases += [Case(3, "equal norms", 64, 1_000_000, (10,), unit=True, reads=True)]
    cases += [Case(4, f"{100 * share:g} % kept", 64, 1_000_000, (10,), share=share)
              for share in SHARES]
    cases += [Case(6, "weighted by prices", 64, size, (10,), priced=True)
              for size in (0, 1_000_000)]
    cases += [Case(5, "batch of 10,000", 64, 0, (100,), batch=True)]
    return cases


class Comparison:
    """Measures cases: chooses each rival's settings, or remembers them, then times all by turns."""

    def __init__(self, program, toolbox, core, rounds, say, rivals=RIVALS):
        self.program, self.toolbox, self.core, self.rounds = program, toolbox, core, rounds
        self.say, self.rivals = say, rivals
        self.cannot = set()  # (case, k, rival's name) that no index could answer

    def _own(self, case, *words, weighted=True):
        if case.priced and weighted:
            words = ("--weights", case.prices, "--slope", str(SLOPE), *words)
        n_queries = os.path.getsize(case.queries) // 4 // case.dim
        return [self.program, "--items", str(case.n), "--dims", str(case.dim), "--vectors",
                case.items, "--query-vectors", case.queries, "--queries", str(n_queries), *words]

    def truth(self, case, k):
        """(N_TRUTH, k) brute-force ids."""
        asked = os.path.splitext(os.path.basename(case.queries))[0]
        path = self.toolbox.path("index", f"{case.key}.{asked}.truth")
        if not os.path.exists(path):
            words = ["--k", str(K_TRUTH), "--queries", str(N_TRUTH), "--truth", path + ".part"]
            words += ["--eligible", case.kept] if case.kept else []
            done = subprocess.run(self._own(case, *words), capture_output=True, text=True,
                                  check=False)
            if done.returncode:
                raise Failed(f"brute force: {done.stderr.strip()}")
            os.rename(path + ".part", path)
        return np.fromfile(path, "<u4").reshape(-1, K_TRUTH)[:, :k]

    def choose(self, case, k, rival):
        """The rival's best settings, from the cache or by a sweep; None where it cannot be asked.
        They are chosen with the newest release that takes the index: an older one gives the same
        lists from the same file."""
        rival = self.toolbox.newest(rival)
        asked = case.key, k, self.toolbox.name(rival)
        if asked in self.cannot:
            return None
        safe = re.sub(r"[^\w.-]", "_", self.toolbox.name(rival))
        path = self.toolbox.path("index", f"{case.key}.k{k}.{safe}.chosen")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return Chosen(**json.load(file))
        self.say(f"choosing {self.toolbox.name(rival)} for {case.key}, k {k}")
        too_slow_us = 4 * case.n * case.dim / READ_SPEED * 1e6
        chosen = Sweep(self.truth(case, k), too_slow_us).run(self.toolbox, rival, case, k,
                                                             {self.core})
        if not chosen:
            self.cannot.add(asked)
        else:
            with open(path + ".part", "w", encoding="utf-8") as file:
                json.dump(dataclasses.asdict(chosen), file)
            os.rename(path + ".part", path)
        return chosen

    def asked(self, case):
        """The rivals that stand in this case."""
        return [r for r in self.rivals if self.toolbox.have(r)
                and (not case.kept or (r.filters and r.library != "hnswlib"))
                and not case.priced and (not case.batch or r.kind == "Flat")]

    def prepare(self, case):
        for k in case.ks:
            self.truth(case, k)
            for rival in self.asked(case):
                self.choose(case, k, rival)

    def _start(self, case, k, rows):
        """Every subject of a case, started; fills rows[subject]."""
        def add(name, command, recalled, parameters="", usual_us=None):
            subject = Subject(name, command, {self.core})
            subject.use_k(k)
            if case.kept and recalled is not None:
                subject.filter(case.kept)
            rows[subject] = {"subject": name, "parameters": parameters, "recall": recalled,
                             "megabytes": round(subject.megabytes, 1), "usual_us": usual_us}
            return subject
        mine = add("nbx exact", self._own(case, "--serve"), 0.0)
        us, ids = mine.ask(0, N_TRUTH)
        truth = self.truth(case, k)
        rows[mine].update(recall=recall(ids, truth), usual_us=float(np.median(us)),
                          equal=bool(np.array_equal(ids, truth)))
        if case.kept:
            excerpt = add("nbx exact, by an excerpt", self._own(case, "--serve"), 0.0)
            excerpt.set({"excerpt": 1})
            us, ids = excerpt.ask(0, N_TRUTH)
            rows[excerpt].update(recall=recall(ids, truth), usual_us=float(np.median(us)),
                                 equal=bool(np.array_equal(ids, truth)))
        if case.reads:
            near = add("nbx, recall: 0.99", self._own(case, "--serve"), 0.0, "recall 0.99")
            near.set({"recall": 0.99})
            us, ids = near.ask(0, N_TRUTH)
            rows[near].update(recall=recall(ids, truth), usual_us=float(np.median(us)))
        if case.priced:
            plain = add("nbx exact, unweighted", self._own(case, "--serve", weighted=False), None)
            rows[plain]["usual_us"] = float(np.median(plain.ask(0, N_TRUTH)[0]))
        if case.reads:
            reading = add("reading the int8 vectors", self._own(case, "--serve-read"), None)
            rows[reading]["usual_us"] = float(np.median(reading.ask(0, 20)[0]))
        for rival in self.asked(case):
            chosen = self.choose(case, k, rival)
            if not chosen:
                continue
            index = self.toolbox.index(rival, chosen.description, case.items, case.dim)
            shown = ", ".join([chosen.description,
                               *(f"{name} {v}" for name, v in chosen.parameters.items())])
            subject = add(self.toolbox.name(rival),
                          self.toolbox.command(rival, index, case.queries, case.dim),
                          chosen.recall, shown, chosen.p50_us)
            subject.set(chosen.parameters)
        if "faiss-newer" in self.toolbox.programs and any(
                r.library == "faiss-newer" for r in self.rivals):
            empty = [*self.toolbox.programs["faiss-newer"], "serve", "", case.queries,
                     str(case.dim)]
            add(f"faiss {self.toolbox.versions['faiss-newer']} empty call (Python)", empty, None,
                usual_us=2.0)

    def measure(self, case, k):
        """The rows of one case and length of list."""
        rows = {}
        try:
            self._start(case, k, rows)
            usual = {subject: row.pop("usual_us") for subject, row in rows.items()}
            timed = in_rounds(list(rows), usual, self.rounds, N_TIMED)
        finally:
            for subject in rows:
                subject.close()
        for subject, (p50, p99, n) in timed.items():
            rows[subject].update(p50_us=round(p50, 1), p99_us=round(p99, 1), queries=n)
        return list(rows.values())

    def measure_batch(self, case, k, threads):
        """The rows of one batch: microseconds per query, the whole in one call."""
        cores = set(range(threads)) if threads > 1 else {self.core}
        truth, rows, subjects = self.truth(case, k), [], []
        named = [("nbx exact", self._own(case, "--serve"))]
        for rival in self.asked(case):
            index = self.toolbox.index(rival, "Flat", case.items, case.dim)
            named.append((self.toolbox.name(rival),
                          self.toolbox.command(rival, index, case.queries, case.dim)))
        try:
            for name, command in named:
                subjects.append(Subject(name, command, cores))
                subjects[-1].use_k(k)
                subjects[-1].many(N_TRUTH, threads)  # warms
            taken = {subject: [] for subject in subjects}
            for _ in range(self.rounds):
                for subject in subjects:
                    us, ids = subject.many(N_BATCH, threads)
                    taken[subject].append((us / N_BATCH, recall(ids[:N_TRUTH], truth),
                                           np.array_equal(ids[:N_TRUTH], truth)))
        finally:
            for subject in subjects:
                subject.close()
        for subject in subjects:
            us, recalled, equal = zip(*taken[subject])
            rows.append({"subject": subject.name, "parameters": f"{threads} threads",
                         "recall": recalled[-1], "equal": bool(equal[-1]), "queries": N_BATCH,
                         "megabytes": round(subject.megabytes, 1),
                         "us_per_query": round(float(np.median(us)), 2)})
        return rows
