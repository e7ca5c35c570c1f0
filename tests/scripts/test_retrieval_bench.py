# Goal: the retrieval bench's own logic is right where it decides something: what it calls recall,
# which settings it chooses, that nbx's lists are brute force's, that figures are complete. Tiny
# sizes, nbx alone: nothing is installed.
import importlib.machinery
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout

import numpy as np

ROOT = os.environ.get("NBX_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.environ.get("NBX_BIN_DIR", os.path.join(ROOT, "build", "dev", "bin"))
PROGRAM = os.path.join(BIN, "bench_retrieval")
sys.path.insert(0, os.path.join(ROOT, "bench", "subjects"))

import cases  # noqa: E402
import process  # noqa: E402
import rivals  # noqa: E402
import sweep  # noqa: E402
import vectors  # noqa: E402

SEED = 7
N, DIM, N_QUERIES = 3000, 20, 1000


def driver():
    path = os.path.join(ROOT, "bench", "retrieval")
    loader = importlib.machinery.SourceFileLoader("retrieval", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("retrieval", loader))
    loader.exec_module(module)
    return module


class Counting(unittest.TestCase):
    def test_recall_is_the_mean_share_of_what_could_be_found(self):
        none = process.NONE
        truth = np.array([[1, 2], [3, none], [none, none]], "u4")
        self.assertEqual(process.recall(np.array([[2, 1], [3, 9], [7, 8]], "u4"), truth), 1)
        self.assertAlmostEqual(process.recall(np.array([[2, 5], [4, 9], [7, 8]], "u4"), truth), 0.5)

    def test_a_round_asks_each_query_once_by_turns(self):
        asked = []

        class Fake:
            def ask(self, first, n, warm):
                asked.append((self, first, n))
                return np.full(n, 5.0), None
        quick, slow = Fake(), Fake()
        times = process.in_turns([quick, slow], {quick: (1100, 10.0), slow: (100, 10_000.0)})
        self.assertEqual((len(times[quick]), len(times[slow])), (1100, 100))
        self.assertEqual([first for s, first, _ in asked if s is quick], [0, 500, 1000])
        self.assertIs(asked[1][0], slow)  # quick has not finished: they take turns

    def test_smallest_value_that_reaches(self):
        values = [1, 2, 4, 8, 16]
        for wanted in values:
            self.assertEqual(sweep.smallest(values, lambda v, w=wanted: v >= w), wanted)
        self.assertEqual(sweep.smallest(values, lambda v: False), 16)


class FakeIndex:
    """Finds the first `width` of 100 true items, in `width` microseconds."""
    k = 100

    def set(self, parameters):
        self.width = parameters["ef"]

    def ask(self, first, n):
        ids = np.full((n, 100), process.NONE, "u4")
        found = min(100, self.width)
        ids[:, :found] = np.arange(found)
        return np.full(n, float(self.width)), ids


class Choosing(unittest.TestCase):
    def choose(self, grid, best=None):
        truth = np.tile(np.arange(100, dtype="u4"), (30, 1))

        class Widths(rivals.Rival):
            def grid(self, description, k):
                return grid
        return sweep.Sweep(truth).one_index(FakeIndex(), Widths("hnswlib", "", ("x",), "ef"), "x",
                                            best)

    def test_the_fastest_that_reaches(self):
        chosen = self.choose([10, 50, 98, 99, 150, 200])
        self.assertEqual((chosen.parameters, chosen.reached), ({"ef": 99}, True))
        self.assertAlmostEqual(chosen.recall, 0.99)

    def test_the_nearest_where_none_reaches(self):
        chosen = self.choose([10, 50, 98])
        self.assertEqual((chosen.parameters, chosen.reached), ({"ef": 98}, False))

    def test_a_faster_index_stays_chosen(self):
        best = sweep.Chosen("before", {"ef": 1}, 0.99, 50.0, True)
        self.assertIs(self.choose([98, 99, 100], best), best)
        slower = sweep.Chosen("before", {"ef": 1}, 0.99, 500.0, True)
        self.assertEqual(self.choose([98, 99, 100], slower).parameters, {"ef": 99})


class Made(unittest.TestCase):
    def setUp(self):
        print(f"seed {SEED}")
        self.draw = np.random.default_rng(SEED)

    def test_fold_in_minimises_the_loss_it_says(self):
        factors = self.draw.normal(size=(40, 5)).astype("f4")
        space = {"alpha0": 0.05, "lambda": 0.1, "nu": 0.5}
        rows = np.array([3, 8, 30])
        x = vectors.fold([rows], factors, space)[0].astype("f8")
        y = factors.astype("f8")
        reg = 0.1 * (3 + 0.05 * 40) ** 0.5
        gradient = (0.05 * y.T @ (y @ x) + y[rows].T @ (y[rows] @ x - 1) + reg * x)
        self.assertLess(np.abs(gradient).max(), 1e-5)

    def test_copies_are_as_far_as_they_say(self):
        factors = self.draw.normal(size=(50, 64)).astype("f4") * 3
        copies = vectors.noisy(factors, 20, 4020, self.draw).astype("f8")
        origin = factors[np.arange(20, 4020) % 50].astype("f8")
        cosines = (copies * origin).sum(1) / np.linalg.norm(copies, axis=1) \
            / np.linalg.norm(origin, axis=1)
        self.assertAlmostEqual(cosines.mean(), 1 / np.hypot(1, vectors.DIRECTION_NOISE), delta=0.01)
        ratios = np.log(np.linalg.norm(copies, axis=1) / np.linalg.norm(origin, axis=1))
        self.assertAlmostEqual(ratios.std(), vectors.NORM_SIGMA, delta=0.04)


@unittest.skipUnless(os.path.exists(PROGRAM), "bench_retrieval is not built")
class Measured(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        draw = np.random.default_rng(SEED)
        print(f"seed {SEED}")
        self.items = draw.normal(size=(N, DIM)).astype("f4")
        self.asked = draw.normal(size=(N_QUERIES, DIM)).astype("f4")
        self.bits = draw.random(N) < 0.1
        padded = np.zeros((N + 63) // 64 * 64, bool)
        padded[:N] = self.bits
        self.case = cases.Case(1, "tiny", DIM, N, (10,), n=N, items=self.write("items", self.items),
                               queries=self.write("queries", self.asked))
        self.kept = self.write("kept", np.packbits(padded, bitorder="little"))

    def write(self, name, array):
        path = os.path.join(self.folder, name)
        array.tofile(path)
        return path

    def comparison(self):
        toolbox = rivals.Toolbox(self.folder, lambda text: None)
        return cases.Comparison(PROGRAM, toolbox, min(os.sched_getaffinity(0)), 1,
                                lambda text: None, ())

    def test_nbx_equals_brute_force_and_numpy(self):
        comparison = self.comparison()
        row, = comparison.measure(self.case, 10)
        self.assertEqual((row["subject"], row["recall"], row["equal"]), ("nbx exact", 1.0, True))
        self.assertLess(0, row["p50_us"])
        self.assertLessEqual(row["p50_us"], row["p99_us"])
        scores = self.asked.astype("f8") @ self.items.T.astype("f8")
        mine = np.argsort(-scores, axis=1)[:, :10]
        self.assertGreater(process.recall(mine, comparison.truth(self.case, 10)), 0.9999)

    def test_a_filter_is_obeyed(self):
        self.case.kept = self.kept
        comparison = self.comparison()
        rows = comparison.measure(self.case, 10)
        self.assertEqual([row["subject"] for row in rows],
                         ["nbx exact", "nbx exact, by an excerpt"])
        self.assertTrue(all(row["equal"] for row in rows))
        self.assertTrue(self.bits[comparison.truth(self.case, 10)].all())
        rows[1]["equal"] = False
        self.assertEqual(len(driver().wrong([{"rows": rows}])), 1)

    def test_an_excerpt_needs_a_filter(self):
        with process.Subject("nbx", self.comparison()._own(self.case, "--serve"),
                             os.sched_getaffinity(0)) as subject:
            subject.set({"excerpt": 1})
            with self.assertRaisesRegex(process.Failed, "excerpt: no filter"):
                subject.ask(0, 1)

    def test_a_wrong_list_is_seen(self):
        comparison = self.comparison()
        truth = comparison.truth(self.case, 100).copy()
        truth[5, 3] = (truth[5, 3] + 1) % N
        truth.tofile(os.path.join(self.folder, "index", f"{self.case.key}.queries.truth"))
        row, = comparison.measure(self.case, 10)
        self.assertFalse(row["equal"])
        self.assertEqual(len(driver().wrong([{"rows": [row]}])), 1)

    def test_batches_are_counted_the_same(self):
        with process.Subject("nbx", self.comparison()._own(self.case, "--serve"),
                             os.sched_getaffinity(0)) as subject:
            one = subject.ask(0, 200)[1]
            us, many = subject.many(200, 2)
        self.assertLess(0, us)
        self.assertTrue(np.array_equal(one, many))

    def test_a_subject_that_ends_says_why(self):
        with process.Subject("nbx", self.comparison()._own(self.case, "--serve"),
                             os.sched_getaffinity(0)) as subject:
            subject.set({"nprobe": 3})
            with self.assertRaisesRegex(process.Failed, "set: nprobe"):
                subject.ask(0, 1)

    def test_the_program_alone_makes_its_vectors(self):
        done = subprocess.run([PROGRAM, "--items", "2000", "--dims", "24", "--k", "5", "--queries",
                               "50", "--json"], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        self.assertEqual(found["recall"], 1)
        self.assertGreater(found["scanned_share"], 0)
        self.assertLessEqual(found["scanned_share"], 1)
        self.assertLessEqual(found["p50_us"], found["p99_us"])
        self.assertLessEqual(found["p99_us"], found["p999_us"])
        self.assertGreater(found["bytes_per_dim_item"], 0)

    def test_wrong_usage_names_the_option(self):
        for words, named in ((["--k", "0"], "--k must be 1 to"), (["--items", "x"], "--items must"),
                             (["--vectors", self.kept], "shorter than")):
            done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(named, done.stderr)


class Skipping(unittest.TestCase):
    def test_without_data_one_line_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("nbx-train", "bench_retrieval"):
                with open(os.path.join(folder, name), "w", encoding="utf-8"):
                    pass
            env = {name: v for name, v in os.environ.items() if name != "NBX_DATA"}
            done = subprocess.run([sys.executable, os.path.join(ROOT, "bench", "retrieval"),
                                   "--cache", folder, "--bin", folder], env=env, text=True,
                                  capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertRegex(done.stderr, r"^retrieval: skipped: Gowalla .*NBX_DATA.*\n$")

    def test_unknown_case(self):
        with redirect_stderr(io.StringIO()) as errors, redirect_stdout(io.StringIO()):
            sys_argv, sys.argv = sys.argv, ["retrieval", "--case", "77"]
            try:
                with self.assertRaises(SystemExit):
                    driver().parse()
            finally:
                sys.argv = sys_argv
        self.assertIn("--case knows 1, 2, 3, 4, 5", errors.getvalue())


if __name__ == "__main__":
    sys.exit(unittest.main())
