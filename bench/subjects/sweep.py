# SPDX-License-Identifier: MIT
"""Finds each rival's fastest settings whose recall reaches the wanted share."""

import dataclasses

import numpy as np

from process import Failed, Subject, recall
from rivals import CannotInstall

WANTED = 0.99
HOPELESS = 3       # settings this many times slower than the best that reached are not pursued
READ_SPEED = 1e10  # bytes a second: nor those that take longer than reading every vector


N_EXACT = 20   # queries of an index that has nothing to choose
N_ROUGH = 200  # queries that say where to look; the choice itself counts all


@dataclasses.dataclass
class Chosen:
    """What a sweep found; reached says whether its recall is the wanted one."""
    description: str
    parameters: dict
    recall: float
    p50_us: float
    reached: bool

    def better_than(self, other):
        """Reaching comes first, then time; where neither reaches, recall."""
        if other is None:
            return True
        if self.reached != other.reached:
            return self.reached
        return self.p50_us < other.p50_us if self.reached else self.recall > other.recall


def smallest(values, reaches):
    """The first of these rising values that reaches, or the last; reaches(value) is monotone."""
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        if reaches(values[middle]):
            high = middle
        else:
            low = middle + 1
    return values[low]


class Sweep:
    """One case's truth, against which settings are tried on a serving subject."""

    def __init__(self, truth, too_slow_us=np.inf, wanted=WANTED):
        self.truth, self.too_slow_us, self.wanted = truth, too_slow_us, wanted

    def _hopeless(self, now, best):
        reached = best and best.reached
        return now.p50_us > (HOPELESS * best.p50_us if reached else self.too_slow_us)

    def _try(self, subject, description, parameters, n=None):
        subject.set(parameters)
        n = min(n or len(self.truth), len(self.truth))
        us, ids = subject.ask(0, n)
        found = recall(ids, self.truth[:n])
        return Chosen(description, parameters, found, float(np.median(us)), found >= self.wanted)

    def one_index(self, subject, rival, description, best):
        """The best settings of one built index; best is what other indexes reached."""
        if not rival.width:
            return self._try(subject, description, {}, N_EXACT)
        grid = rival.grid(description, subject.k)
        for factor in rival.factors or (None,):
            refining = {} if factor is None else {"k_factor_rf": factor}

            def attempt(at, n=None, refining=refining):
                return self._try(subject, description, {rival.width: grid[at], **refining}, n)

            def enough(at, best=best, attempt=attempt):
                now = attempt(at, N_ROUGH)
                return now.reached or self._hopeless(now, best)
            best = self._around(attempt, smallest(range(len(grid)), enough), len(grid), best)
        return best

    def _around(self, attempt, at, n, best):
        """From a rough place on the grid down to the smallest that reaches, or up to the first."""
        now = attempt(at)
        step = -1 if now.reached else 1
        while True:
            best = now if now.better_than(best) else best
            at += step
            if not 0 <= at < n or step > 0 and (now.reached or self._hopeless(now, best)):
                return best
            now = attempt(at)
            if step < 0 and not now.reached:
                return best

    def run(self, toolbox, rival, case, k, cores):
        """The best settings over every index of this rival; None where none could be asked."""
        best = None
        for description in toolbox.descriptions(rival, case.n, case.dim):
            try:
                index = toolbox.index(rival, description, case.items, case.dim)
                command = toolbox.command(rival, index, case.queries, case.dim)
                with Subject(toolbox.name(rival), command, cores) as subject:
                    subject.use_k(k)
                    if case.kept:
                        subject.filter(case.kept)
                    best = self.one_index(subject, rival, description, best)
            except (Failed, CannotInstall) as error:
                toolbox.say(f"left out: {description}: {error}")
        return best
