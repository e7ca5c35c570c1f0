# Goal: bench/implicit compares what can be compared: implicit's settings stand for the same
# objective, which is counted as it is defined, nbx stops where it has reached it, medians are over
# rounds by turns, and what is missing is said in one line. implicit itself is not installed.
import importlib.machinery
import importlib.util
import io
import json
import os
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import numpy as np

ROOT = os.environ.get("NBX_SOURCE_DIR", os.getcwd())
BIN = os.environ.get("NBX_BIN_DIR", os.path.join(ROOT, "build", "dev", "bin"))
PROGRAM = os.path.join(BIN, "bench_implicit")
sys.path.insert(0, os.path.join(ROOT, "bench", "subjects"))

import objective  # noqa: E402

SEED = 11
ALPHA0, LAMBDA = 0.07, 0.4


def driver():
    path = os.path.join(ROOT, "bench", "implicit")
    loader = importlib.machinery.SourceFileLoader("implicit_driver", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def write_events(folder, n_customers=60, n_items=40):
    draw = np.random.default_rng(SEED)
    rows = [f"c{c},i{i}" for c in range(n_customers) for i in range(n_items)
            if draw.random() < 0.1 or i == c % n_items]
    path = os.path.join(folder, "events.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(["customer,item", *rows, rows[0]]) + "\n")
    return path, len(rows)


class Objective(unittest.TestCase):
    def setUp(self):
        print(f"seed {SEED}")
        draw = np.random.default_rng(SEED)
        self.seen = draw.random((9, 7)) < 0.4
        self.pairs = objective.Pairs(*np.nonzero(self.seen), 9, 7)
        self.x, self.y = draw.normal(size=(9, 3)), draw.normal(size=(7, 3))

    def norms(self, x, y):
        return (x ** 2).sum() + (y ** 2).sum()

    def test_it_is_the_definition(self):
        s = self.x @ self.y.T
        wanted = (((s - 1) ** 2)[self.seen].sum() + ALPHA0 * (s ** 2).sum()
                  + LAMBDA * self.norms(self.x, self.y))
        got = objective.loss(self.pairs, self.x, self.y, ALPHA0, LAMBDA)
        self.assertAlmostEqual(got, wanted, places=9)

    def test_implicits_is_the_same_but_for_factor_and_constant(self):
        theirs = objective.of_implicit(ALPHA0, LAMBDA)
        t = self.x @ self.y.T
        confidence = np.where(self.seen, theirs.alpha, 1)
        m = ((confidence * (t - self.seen) ** 2).sum()
             + theirs.regularization * self.norms(self.x, self.y))
        ours = objective.loss(self.pairs, self.x * theirs.scale, self.y * theirs.scale, ALPHA0,
                              LAMBDA)
        wanted = ALPHA0 / (1 + ALPHA0) ** 2 * m + self.seen.sum() * ALPHA0 / (1 + ALPHA0)
        self.assertAlmostEqual(ours, wanted, places=9)

    def test_pairs_are_distinct_and_numbered_by_id(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "events.csv")
            with open(path, "w", encoding="utf-8") as file:
                file.write("item,customer\nb,9\na,9\nb,10\nb,9\n")
            pairs = objective.Pairs.read(path)
            saved = os.path.join(folder, "pairs.npz")
            with open(saved, "wb") as file:
                pairs.save(file)
            for p in (pairs, objective.Pairs.load(saved)):
                self.assertEqual([*zip(p.customers, p.items)], [(0, 1), (1, 0), (1, 1)])
                self.assertEqual((p.n_customers, p.n_items), (2, 2))


@unittest.skipUnless(os.path.exists(PROGRAM), "bench_implicit is not built")
class Driver(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.mkdir(os.path.join(self.folder, "gowalla"))
        self.events, self.n_pairs = write_events(os.path.join(self.folder, "gowalla"))
        with open(os.path.join(self.folder, "gowalla", "dataset.json"), "w", encoding="utf-8"):
            pass
        self.driver = driver()

    def main(self, *words, **replaced):
        argv = ["implicit", "--cache", self.folder, "--bin", os.path.dirname(PROGRAM), *words]
        with mock.patch.multiple(self.driver, **replaced), mock.patch.object(sys, "argv", argv), \
                redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as said:
            code = self.driver.main()
        return code, out.getvalue(), said.getvalue()

    def rival(self, losses):
        """Takes 1, 2, 3 ... seconds and reaches these."""
        turns = iter(range(1, 100))

        def run(*_, **__):
            n = next(turns)
            return {"version": "0", "seconds": float(n), "cpu_seconds": 2.0 * n,
                    "loss": losses[(n - 1) % len(losses)]}
        return run

    def test_nbx_stops_where_the_rival_is(self):
        args = mock.Mock(program=PROGRAM, threads=1, alpha0=0.01, lambda_=1.0)
        _, epochs = self.driver.run_nbx(args, self.events, 4, "--epochs", 6)
        losses = [epoch["loss"] for epoch in epochs]
        self.assertEqual(len(losses), 6)
        code, out, said = self.main("--data", "gowalla", "--dims", "4", "--threads", "1", "--part",
                                    "rival", "--json", install=lambda cache: "python",
                                    run_implicit=self.rival([(losses[2] + losses[3]) / 2]))
        self.assertEqual(code, 0, said)
        row, = json.loads(out)["rows"]
        self.assertEqual((row["epochs"], row["reached"]), (4, True))
        self.assertAlmostEqual(row["loss"], losses[3], delta=1e-4 * losses[3])
        self.assertEqual((row["implicit_seconds"], row["implicit_cpu_seconds"]), (2, 4))
        self.assertLess(0, row["seconds"])

    def test_what_is_never_reached_is_an_error(self):
        self.driver.MOST_EPOCHS = 3
        code, out, _ = self.main("--data", "gowalla", "--dims", "4", "--rounds", "1", "--part",
                                 "rival", install=lambda cache: "python",
                                 run_implicit=self.rival([0.5]))
        self.assertEqual(code, 1)
        self.assertIn("gowalla", out)

    def test_growth_takes_each_axis_by_itself(self):
        code, out, said = self.main("--data", "gowalla", "--rounds", "1", "--part", "growth",
                                    "--json", GROWTH={"share": (0.5, 1), "dim": (4, 8),
                                                      "threads": (1, 2)},
                                    BASE={"share": 1, "dim": 8, "threads": 2})
        self.assertEqual(code, 0, said)
        growth = json.loads(out)["growth"]
        self.assertEqual([(g["share"], g["dim"], g["threads"]) for g in growth],
                         [(0.5, 8, 2), (1, 8, 2), (1, 4, 2), (1, 8, 1)])
        self.assertEqual(growth[1]["pairs"], self.n_pairs)
        self.assertLess(growth[0]["pairs"], self.n_pairs)

    def test_what_is_missing_is_one_line(self):
        def no_network(cache):
            raise self.driver.Missing("implicit cannot be installed (no network)")
        code, out, said = self.main(install=no_network)
        self.assertEqual((code, out), (0, ""))
        self.assertEqual(said, "implicit: skipped: implicit cannot be installed (no network)\n")
        with mock.patch.dict(os.environ, {"NBX_DATA": ""}):
            code, out, said = self.main("--data", "ml-1m", install=lambda cache: "python")
        self.assertEqual((code, out), (0, ""))
        self.assertRegex(said, r"^implicit: skipped: NBX_DATA must name .*ml-1m.*\n$")

    def test_a_program_that_fails_is_named(self):
        with open(self.events, "w", encoding="utf-8") as file:
            file.write("customer\n")
        code, _, said = self.main("--data", "gowalla", "--part", "growth", GROWTH_EPOCHS=2)
        self.assertEqual(code, 1)
        self.assertIn("events.csv: no events", said)
        with open(os.path.join(self.folder, "gowalla", "pairs.npz"), "wb"):
            pass
        code, _, said = self.main("--data", "gowalla", "--part", "growth", "--rounds", "1",
                                  GROWTH_EPOCHS=2)
        self.assertEqual(code, 1)
        self.assertIn("bench_implicit", said)
        self.assertIn("exit 1", said)


if __name__ == "__main__":
    sys.exit(unittest.main())
