# SPDX-License-Identifier: MIT
"""Finds each rival's fastest settings whose recall reaches the wanted share."""

import dataclasses

import numpy as np

from process import Failed, Subject, recall
from rivals import CannotInstall

WANTED = 0.99
HOPELESS = 3       # settings this many times slower than the best that reached are not pursued
TOO_SLOW_US = 1e5  # nor are those that take as long where none has


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


def hopeless(now, best):
    limit = HOPELESS * best.p50_us if best and best.reached else TOO_SLOW_US
    return now.p50_us > limit


class Sweep:
    """One case's truth, against which settings are tried on a serving subject."""

    def __init__(self, truth, wanted=WANTED):
        self.truth, self.wanted = truth, wanted

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

            def attempt(value, n=None, refining=refining):
                return self._try(subject, description, {rival.width: value, **refining}, n)

            def enough(value, best=best, attempt=attempt):
                now = attempt(value, N_ROUGH)
                return now.reached or hopeless(now, best)
            for value in grid[grid.index(smallest(grid, enough)):]:
                now = attempt(value)
                best = now if now.better_than(best) else best
                if now.reached or hopeless(now, best):
                    break
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
