# SPDX-License-Identifier: MIT
"""The vectors of the comparison: trained on real check-ins, folded in as nbxd does, seeded.

Files are raw little-endian float32, row by row, so that C, C++ and NumPy map them as they are.
"""

import csv
import json
import os
import struct
import subprocess
import sys

import numpy as np

SEED = 1
N_QUERIES = 2000
DIRECTION_NOISE = 0.3  # length of the noise relative to the item's vector
NORM_SIGMA = 0.2       # of the log of the factor on its length
BLOCK = 100_000        # rows made at a time


class Missing(Exception):
    """Data that this machine lacks; the text says which."""


def write_once(path, make):
    """Writes make(file) at path, whole or not at all, unless it is there."""
    if not os.path.exists(path):
        with open(path + ".part", "wb") as file:
            make(file)
        os.rename(path + ".part", path)
    return path


class Vectors:
    """The vector files below one cache folder, made when first asked for."""

    def __init__(self, root, cache, programs):
        self.root, self.cache, self.programs = root, cache, programs
        os.makedirs(cache, exist_ok=True)

    def path(self, name):
        return os.path.join(self.cache, name)

    def _prepared(self):
        source = os.path.join(os.environ.get("NBX_DATA", ""), "gowalla")
        out = self.path("gowalla")
        if os.path.exists(os.path.join(out, "dataset.json")):
            return out
        if not os.path.exists(os.path.join(source, "train.txt")):
            raise Missing("Gowalla check-ins (SNAP, LightGCN's split) are not here: NBX_DATA must "
                          "name a folder with gowalla/train.txt and gowalla/test.txt")
        run([sys.executable, os.path.join(self.root, "scripts", "prepare"), "gowalla", source, out])
        return out

    def _bundle(self, dim):
        out = self.path(f"ials-{dim}.safetensors")
        if not os.path.exists(out):
            run([os.path.join(self.programs, "nbx-train"), "fit", "--dim", str(dim), "--seed",
                 str(SEED), "--created-ms", "0", "--out", out, "--events",
                 os.path.join(self._prepared(), "events.csv")])
        return read_bundle(out)

    def queries(self, dim, n=N_QUERIES, unit=False):
        """n seeded customers' folded-in vectors, (n, dim)."""
        def make(file):
            ids, factors, space = self._bundle(dim)
            histories = read_histories(os.path.join(self._prepared(), "events.csv"), ids)
            chosen = np.random.default_rng(SEED).choice(len(histories), n, replace=False)
            folded = fold([histories[c] for c in chosen], factors, space)
            file.write((normalised(folded) if unit else folded).tobytes())
        return write_once(self.path(f"queries-{dim}-{n}{'-unit' * unit}.f32"), make)

    def items(self, dim, n=0, unit=False):
        """n noisy copies of the trained items, 0: these as they are; (n, dim)."""
        def make(file):
            factors = self._bundle(dim)[1]
            draw = np.random.default_rng([SEED, dim])
            for first in range(0, n or 1, BLOCK):
                rows = (noisy(factors, first, min(first + BLOCK, n), draw) if n else factors)
                file.write((normalised(rows) if unit else rows).tobytes())
        name = f"items-{dim}-{n or 'trained'}{'-unit' * unit}.f32"
        return write_once(self.path(name), make)

    def prices(self, n):
        """n weights drawn from the catalogue prices of a real shop, in its minor units."""
        def make(file):
            source = os.path.join(os.environ.get("NBX_DATA", ""), "online-retail")
            out = self.path("online-retail")
            if not os.path.exists(os.path.join(out, "items.csv")):
                if not os.path.isdir(source):
                    raise Missing("Online Retail (UCI) is not here: NBX_DATA must name a folder "
                                  "with online-retail")
                run([sys.executable, os.path.join(self.root, "scripts", "prepare"),
                     "online-retail", source, out])
            with open(os.path.join(out, "items.csv"), encoding="utf-8", newline="") as rows:
                known = [float(row["price"]) for row in csv.DictReader(rows) if row["price"]]
            drawn = np.random.default_rng([SEED, n, 6]).choice(np.array(known, "f4"), n)
            file.write(drawn.astype("<f4").tobytes())
        return write_once(self.path(f"prices-{n}.f32"), make)

    def kept(self, share, n):
        """n bits in uint64 words, each set with probability `share`."""
        def make(file):
            bits = np.random.default_rng([SEED, n]).random(n) < share
            padded = np.zeros((n + 63) // 64 * 64, bool)
            padded[:n] = bits
            file.write(np.packbits(padded, bitorder="little").tobytes())
        return write_once(self.path(f"kept-{share:g}-{n}.bits"), make)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")


def read_bundle(path):
    """(item ids, factors (n, dim), the space's description) of a bundle's first space."""
    with open(path, "rb") as file:
        content = file.read()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    space = json.loads(header["__metadata__"]["spaces"])[0]

    def tensor(name, kind):
        begin, end = header[name]["data_offsets"]
        return np.frombuffer(content[8 + length + begin:8 + length + end], kind)
    factors = tensor(f"space.{space['name']}.item_factors", "<f4")
    offsets, names = tensor("item_ids.offsets", "<u4"), tensor("item_ids.bytes", "u1").tobytes()
    ids = [names[a:b].decode() for a, b in zip(offsets, offsets[1:])]
    return ids, factors.reshape(len(ids), -1), space


def read_histories(path, ids):
    """One array of item rows for each customer, in the order customers first appear."""
    row_of, histories = {item: row for row, item in enumerate(ids)}, {}
    with open(path, encoding="utf-8") as file:
        names = file.readline().rstrip("\n").split(",")
        customer, item = names.index("customer"), names.index("item")
        for line in file:
            fields = line.split(",")
            if fields[item] in row_of:
                histories.setdefault(fields[customer], {})[row_of[fields[item]]] = None
    return [np.array(list(rows)) for rows in histories.values()]


def fold(histories, factors, space):
    """The fold-in of engine/score/fold_in.h, every weight 1, in doubles."""
    y = factors.astype("f8")
    alpha0, power = float(space["alpha0"]), float(space["nu"])
    gram, out = alpha0 * y.T @ y, np.empty((len(histories), y.shape[1]), "f4")
    for i, rows in enumerate(histories):
        reg = float(space["lambda"]) * (len(rows) + alpha0 * len(y)) ** power
        own = y[rows]
        out[i] = np.linalg.solve(gram + own.T @ own + reg * np.eye(y.shape[1]), own.sum(0))
    return out


def noisy(factors, begin, end, draw):
    rows = factors[np.arange(begin, end) % len(factors)].astype("f8")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    noise = normalised(draw.normal(size=rows.shape), "f8")
    rows += DIRECTION_NOISE * lengths * noise
    return (rows * np.exp(NORM_SIGMA * draw.normal(size=lengths.shape))).astype("f4")


def normalised(rows, kind="f4"):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(kind)
