# SPDX-License-Identifier: MIT
"""The asking side of subject.h: a subject in a process of its own, pinned to given cores."""

import os
import subprocess

import numpy as np

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
NONE = np.uint32(0xFFFFFFFF)  # where a subject has fewer answers than k


class Failed(Exception):
    """A subject ended or answered nonsense; the text says which."""


class Subject:
    """One index that answers. Close it, or use it in a `with`."""

    def __init__(self, name, command, cores):
        self.name, self.k = name, 10
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD}, preexec_fn=lambda: os.sched_setaffinity(0, cores))
        try:
            self.megabytes = float(self._read(1, "f4")[0])
            self.use_k(self.k)
        except Failed:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass
        self.process.wait()

    def _read(self, n, kind):
        wanted = n * np.dtype(kind).itemsize
        content = self.process.stdout.read(wanted)
        if len(content) < wanted:
            raise Failed(f"{self.name} ended: {self.process.stderr.read().decode().strip()}")
        return np.frombuffer(content, kind)

    def _send(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed(f"{self.name} ended: "
                         f"{self.process.stderr.read().decode().strip()}") from None

    def use_k(self, k):
        self.k = k
        self._send(f"k {k}")

    def set(self, parameters):
        for name, value in parameters.items():
            self._send(f"set {name} {value}")

    def filter(self, path=""):
        self._send(f"filter {path}")

    def ask(self, first, n, warm=0):
        """(microseconds (n), ids (n, k)) of the n queries from first + warm on."""
        self._send(f"ask {first} {n} {warm}")
        return self._read(n, "<f4"), self._read(n * self.k, "<u4").reshape(n, self.k)

    def many(self, n, threads):
        """(microseconds of the whole, ids (n, k)) of the first n queries in one call."""
        self._send(f"many {n} {threads}")
        return float(self._read(1, "<f4")[0]), self._read(n * self.k, "<u4").reshape(n, self.k)


def recall(ids, truth):
    """The mean share of each true list (n, k) that is in the answers (n, k)."""
    shares = []
    for mine, wanted in zip(ids, truth):
        wanted = wanted[wanted != NONE]
        shares.append(np.isin(wanted, mine).mean() if len(wanted) else 1.0)
    return round(float(np.mean(shares)), 9)  # .99 is reached by .99, however it was added up


def in_turns(subjects, plans, slice_seconds=0.25, warm=20):
    """One round: each subject answers plans[subject] = (queries in all, their usual microseconds),
    in slices by turns. {subject: microseconds of each query}."""
    done = {subject: [] for subject in subjects}
    left = {subject: plans[subject][0] for subject in subjects}
    while any(left.values()):
        for subject in subjects:
            if left[subject] == 0:
                continue
            n = max(10, min(500, int(slice_seconds * 1e6 / plans[subject][1])))
            n = min(n, left[subject])
            first = plans[subject][0] - left[subject]
            done[subject].append(subject.ask(first, n, warm if n > warm else 2)[0])
            left[subject] -= n
    return {subject: np.concatenate(parts) for subject, parts in done.items()}


def in_rounds(subjects, usual_us, rounds, n_queries, seconds=1.0):
    """The medians over the rounds of each subject's p50 and p99, in microseconds."""
    plans = {}
    for subject in subjects:
        affordable = int(seconds * 1e6 / usual_us[subject])
        plans[subject] = (min(n_queries, max(100, affordable)), usual_us[subject])
    p50, p99 = ({subject: [] for subject in subjects} for _ in range(2))
    for turn in range(rounds):
        order = subjects if turn % 2 == 0 else subjects[::-1]
        for subject, us in in_turns(order, plans).items():
            p50[subject].append(np.quantile(us, 0.5))
            p99[subject].append(np.quantile(us, 0.99))
    return {s: (float(np.median(p50[s])), float(np.median(p99[s])), plans[s][0])
            for s in subjects}
