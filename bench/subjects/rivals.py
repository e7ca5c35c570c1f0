# SPDX-License-Identifier: MIT
"""The rivals: how they are installed, compiled, built once, and what of theirs is tried.

Debian's libfaiss-dev and libhnswlib-dev are called from C++; the newer hnswlib is its source
package's headers, called the same way; the newer faiss comes compiled for Python and is called
from there.
"""

import dataclasses
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD_THREADS = 2
DEBIAN = ("libfaiss-dev", "libhnswlib-dev")
# setuptools and pybind11: pip wants to know a source package's name before it hands it over.
PIP = ("numpy", "faiss-cpu", "setuptools", "wheel", "pybind11")


class CannotInstall(Exception):
    """A rival cannot be had on this machine; the text says why."""


@dataclasses.dataclass(frozen=True)
class Rival:
    """One row of the table: an index type of a library and the settings to choose from."""
    library: str    # key of Toolbox.libraries: "faiss", "faiss-newer", "hnswlib", "hnswlib-newer"
    kind: str       # what the table calls it
    indexes: tuple  # descriptions to build; {half} stands for half the dimensions
    width: str = ""        # the parameter that buys recall with time; empty: exact
    factors: tuple = ()    # values of k_factor_rf to try; empty: nothing to refine
    filters: bool = False  # takes a filter

    def grid(self, description, k):
        """Rising values of `width`."""
        n_lists = lists_of(description)
        top, low = (n_lists // 2, 1) if n_lists else (4096, k)
        values = {low, top}
        step = 4.0
        while step < top:
            values.add(max(low, round(step)))
            step *= 1.25
        return sorted(values)


def lists_of(description):
    """The lists of an inverted file; 0 where it is another kind."""
    found = re.match(r"IVF(\d+)", description)
    return int(found.group(1)) if found else 0


IVF = tuple(f"IVF{n},Flat" for n in (256, 512, 1024, 2048, 4096, 8192))
FAST_SCAN = tuple(f"IVF{n},PQ{{half}}x4fs,RFlat" for n in (1024, 2048))
FACTORS = (8, 32, 128)

RIVALS = (
    Rival("faiss", "Flat", ("Flat",), filters=True),
    Rival("faiss", "IVF-Flat", IVF, "nprobe", filters=True),
    Rival("faiss", "IVF-PQ fast scan, refined", FAST_SCAN, "nprobe", FACTORS),
    Rival("faiss", "HNSW", ("HNSW32",), "efSearch"),
    Rival("hnswlib", "ip", ("ip-16-200",), "ef"),
    Rival("hnswlib", "l2", ("l2-16-200", "l2-32-400"), "ef"),
    Rival("faiss-newer", "Flat", ("Flat",), filters=True),
    Rival("faiss-newer", "IVF-Flat", IVF, "nprobe", filters=True),
    Rival("faiss-newer", "IVF-PQ fast scan, refined", FAST_SCAN, "nprobe", FACTORS),
    Rival("faiss-newer", "HNSW", ("HNSW32",), "efSearch", filters=True),
    Rival("hnswlib-newer", "ip", ("ip-16-200",), "ef", filters=True),
    Rival("hnswlib-newer", "l2", ("l2-16-200", "l2-32-400"), "ef", filters=True),
)
# Lists with fewer items than the first are too many, with more than the second too few.
ITEMS_PER_LIST = (16, 1000)
# A graph of more items than this takes too long to build twice: only the first description.
LARGE = 500_000


class Toolbox:
    """Installs, compiles, builds; remembers what is there in the cache folder."""

    def __init__(self, cache, say, build=True):
        self.cache, self.say, self.build = cache, say, build
        self.programs, self.versions, self.includes = {}, {}, []
        for folder in ("bin", "index"):
            os.makedirs(os.path.join(cache, folder), exist_ok=True)

    def path(self, *names):
        return os.path.join(self.cache, *names)

    def install(self, newer=True):
        """What cannot be had is said and left out."""
        for step in (self._debian, *((self._newer_faiss, self._newer_hnswlib) if newer else ())):
            try:
                step()
            except CannotInstall as error:
                self.say(f"left out: {error}")

    def _run(self, command, what):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotInstall(f"{what}: {' '.join(command[:6])} ...: "
                                f"{(done.stderr or done.stdout).strip()[-400:]}")
        return done.stdout

    def _debian(self):
        def version(package):
            done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                                  capture_output=True, text=True, check=False)
            return re.split(r"[-+]", done.stdout)[0] if done.returncode == 0 else ""
        if not all(version(package) for package in DEBIAN):
            root = [] if os.geteuid() == 0 else ["sudo"]
            self.say(f"installing {', '.join(DEBIAN)}")
            self._run([*root, "apt-get", "install", "-y", "-q", "--no-install-recommends", *DEBIAN],
                      "Debian's packages")
        self.versions["faiss"], self.versions["hnswlib"] = map(version, DEBIAN)
        self._compile("faiss", ["-fopenmp"], ["-lfaiss", "-llapack", "-lopenblas", "-fopenmp"])
        self._compile("hnswlib", [], ["-lpthread"])

    def _pip(self):
        python = self.path("venv", "bin", "python")
        if not os.path.exists(python):
            self._run([sys.executable, "-m", "venv", self.path("venv")], "venv")
        return python

    def _newer_faiss(self):
        python = self._pip()
        ask = [python, "-c", "import faiss; print(faiss.__version__)"]
        if subprocess.run(ask, capture_output=True, check=False).returncode:
            self.say(f"installing {', '.join(PIP)} into {self.path('venv')}")
            self._run([python, "-m", "pip", "install", "-q", *PIP], "faiss-cpu")
        self.versions["faiss-newer"] = self._run(ask, "faiss-cpu").strip()
        self.programs["faiss-newer"] = [python, os.path.join(HERE, "faiss_newer.py")]

    def _newer_hnswlib(self):
        if not glob.glob(self.path("hnswlib-*", "hnswlib")):
            self._run([self._pip(), "-m", "pip", "download", "-q", "--no-deps", "--no-binary",
                       ":all:", "--no-build-isolation", "-d", self.cache, "hnswlib"], "hnswlib")
            for archive in glob.glob(self.path("hnswlib-*.tar.gz")):
                self._run(["tar", "-xzf", archive, "-C", self.cache], "hnswlib")
        source = sorted(glob.glob(self.path("hnswlib-*", "hnswlib")))[-1]
        folder = os.path.dirname(source)
        self.versions["hnswlib-newer"] = os.path.basename(folder).split("-")[1]
        self._compile("hnswlib", ["-DHNSWLIB_FILTERS", "-I" + folder], ["-lpthread"], "-newer")

    def _compile(self, name, flags, libraries, suffix=""):
        source = os.path.join(HERE, name + ".cc")
        program, common = self.path("bin", name + suffix), os.path.join(HERE, "subject.c")
        newest = max(os.path.getmtime(p) for p in (source, common, common[:-1] + "h"))
        if not os.path.exists(program) or os.path.getmtime(program) < newest:
            self._run(["gcc", "-O2", "-D_GNU_SOURCE", "-I", ROOT, "-c", common, "-o",
                       program + ".o"], name)
            self._run(["g++", "-O3", "-march=native", "-I", ROOT, *flags, source, program + ".o",
                       "-o", program, *libraries], name)
        self.programs[name + suffix] = [program]

    def have(self, rival):
        return rival.library in self.programs

    def newest(self, rival):
        """The same kind of the newest release that is here."""
        newer = dataclasses.replace(rival, library=rival.library.split("-")[0] + "-newer")
        return newer if self.have(newer) else rival

    def name(self, rival):
        return f"{rival.library.split('-')[0]} {self.versions[rival.library]} {rival.kind}"

    def descriptions(self, rival, n, dim):
        """Those worth building for so many items."""
        least, most = ITEMS_PER_LIST
        worth = [d.format(half=dim // 2) for d in rival.indexes
                 if not lists_of(d) or least <= n / lists_of(d) <= most]
        graphs = rival.library.startswith("hnswlib") and n > LARGE
        return worth[:1] if graphs else worth

    def index(self, rival, description, items, dim):
        """The built index's path. Formats did not change: releases share what the newest built,
        which is the fastest at it."""
        family = rival.library.split("-")[0]
        safe = re.sub(r"[^\w.-]", "_", description)
        stem = os.path.splitext(os.path.basename(items))[0]
        path = self.path("index", f"{stem}.{family}.{safe}")
        if not os.path.exists(path):
            if not self.build:
                raise CannotInstall(f"{os.path.basename(path)} is not built")
            self.say(f"building {family} {description} for {stem}")
            builder = family + "-newer" if family + "-newer" in self.programs else family
            shape = description.split("-") if family == "hnswlib" else [description]
            self._run([*self.programs[builder], "build", *shape, items, str(dim),
                       str(BUILD_THREADS), path + ".part"], f"{family} {description}")
            os.rename(path + ".part", path)
        return path

    def command(self, rival, index, queries, dim):
        """What serves that index."""
        space = []
        if rival.library.startswith("hnswlib"):
            space = [os.path.basename(index).split(".")[-1].split("-")[0]]
        return [*self.programs[rival.library], "serve", *space, index, queries, str(dim)]
