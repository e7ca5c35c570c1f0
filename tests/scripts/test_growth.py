# Goal: bench/growth measures each axis by itself, takes medians over interleaved rounds, draws what
# it measured, and tells which point or program failed and why.
import json
import os
import re
import stat
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = os.environ.get("NBX_SOURCE_DIR", os.getcwd())
SVG = "{http://www.w3.org/2000/svg}"
MAX_CHART_BYTES = 60000

# Its p50 grows with everything; each round's is a third of it, the whole, three times it.
RETRIEVAL = """#!/usr/bin/python3
import argparse, json, os, sys
p = argparse.ArgumentParser()
for name in ("items", "dims", "k", "queries"):
    p.add_argument("--" + name, type=int, required=True)
p.add_argument("--json", action="store_true", required=True)
a = p.parse_args()
log = os.path.join(os.path.dirname(sys.argv[0]), "log")
with open(log, "a+") as f:
    me = f"{a.items} {a.dims} {a.k}"
    f.seek(0)
    turn = f.read().splitlines().count(me)
    f.write(me + "\\n")
p50 = a.items * a.dims * a.k / 1e6 * [3, 1 / 3, 1][turn]
%s
print(json.dumps({"p50_us": p50, "p99_us": 2 * p50, "p999_us": 3 * p50, "scanned_share": 0.25}))
"""

SERVE = """#!/usr/bin/python3
import argparse, json
p = argparse.ArgumentParser()
for name in ("rates", "rounds", "seconds", "bin"):
    p.add_argument("--" + name, required=True)
p.add_argument("--json", action="store_true", required=True)
a = p.parse_args()
%s
print(json.dumps({"rows": [
    {"rate": float(rate), "what": what, "p50": slow * 100, "p99": slow * float(rate),
     "p99.9": slow * 5000, "failed": 0}
    for rate in a.rates.split(",") for what, slow in (("echo", 1), ("recommend", 2))]}))
"""

SMALL = ["--items", "1000,100000", "--dims", "32,64", "--k", "10,20,500"]


class Growth(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.plot = os.path.join(self.folder.name, "chart.svg")
        self.program("bench_retrieval", RETRIEVAL % "")
        self.program("serve", SERVE % "")

    def tearDown(self):
        self.folder.cleanup()

    def program(self, name, content):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(path, stat.S_IRWXU)
        return path

    def growth(self, *words):
        return subprocess.run([os.path.join(ROOT, "bench", "growth"), "--bin", self.folder.name,
                               "--serve", os.path.join(self.folder.name, "serve"),
                               "--plot", self.plot, *words], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120)

    def measured(self, *words):
        done = self.growth("--json", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.count("\n"), 1)
        return json.loads(done.stdout)

    def test_each_axis_grows_by_itself_and_no_point_twice(self):
        got = self.measured(*SMALL)
        points = [(row["items"], row["dims"], row["k"]) for row in got["index"]]
        self.assertEqual(points, [(1000, 64, 20), (100000, 64, 20), (100000, 32, 20),
                                  (100000, 64, 10), (100000, 64, 500)])
        self.assertEqual(got["failures"], [])

    def test_rows_have_medians_of_interleaved_rounds(self):
        got = self.measured(*SMALL)
        for row in got["index"]:
            self.assertAlmostEqual(row["p50_us"], row["items"] * row["dims"] * row["k"] / 1e6)
            self.assertAlmostEqual(row["p99_us"], 2 * row["p50_us"])
        with open(os.path.join(self.folder.name, "log"), encoding="utf-8") as file:
            order = file.read().splitlines()
        self.assertEqual(len(order), 15)
        self.assertEqual(order[:5], order[5:10])
        self.assertEqual(len(set(order[:5])), 5)

    def test_the_daemon_is_asked_for_the_rates(self):
        got = self.measured("--part", "daemon", "--rates", "4000,500")
        self.assertEqual([(row["rate"], row["what"]) for row in got["daemon"]],
                         [(500, "echo"), (500, "recommend"), (4000, "echo"), (4000, "recommend")])
        self.assertEqual(got["index"], [])

    def test_the_table_has_a_line_for_each_point(self):
        done = self.growth(*SMALL, "--rates", "500,4000")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\n +100,000 +64 +20 +128\.0 +256\.0 +384\.0 +25\.0%\n")
        self.assertRegex(done.stdout, r"\n +4000 +recommend +200\.0 +8000\.0 +10000\.0 +0\n")
        self.assertTrue(done.stdout.endswith(f"\nchart: {self.plot}\n"))

    def test_a_share_nobody_can_tell_is_left_open(self):
        self.program("bench_retrieval", (RETRIEVAL % "").replace("0.25", "None"))
        done = self.growth(*SMALL, "--part", "index")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\n +1,000 +64 +20 +1\.3 +2\.6 +3\.8 +-\n")

    def test_failed_requests_are_in_the_table(self):
        self.program("serve", (SERVE % "").replace('"failed": 0', '"failed": 7')
                     + "raise SystemExit(1)\n")
        done = self.growth("--part", "daemon", "--rates", "500")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\n +500 +recommend +200\.0 +1000\.0 +10000\.0 +7\n")

    def places(self):
        """Line by line of the chart, its points in pixels."""
        root = xml.etree.ElementTree.parse(self.plot).getroot()
        return [[tuple(map(float, point.split(","))) for point in line.get("points").split()]
                for line in root.iter(SVG + "polyline")]

    def test_the_chart_shows_every_point(self):
        self.measured(*SMALL, "--rates", "500,1000,4000")
        self.assertLess(os.path.getsize(self.plot), MAX_CHART_BYTES)
        lines = self.places()
        self.assertEqual([len(line) for line in lines], [2, 2, 2, 2, 3, 3, 3, 3, 3, 3])
        for line in lines[:8]:
            self.assertEqual([x for x, _ in line], sorted({x for x, _ in line}))
        for line in lines[:6]:  # the index grows: upwards is downwards in pixels
            self.assertEqual([y for _, y in line], sorted({y for _, y in line}, reverse=True))
        # Half of k and half of the dimensions halve the time: on logarithmic axes by the same
        # share of theirs, so p99 lies as far above p50 everywhere.
        gaps = {round(p50[1] - p99[1]) for p50, p99 in zip(lines[0], lines[1])}
        self.assertEqual(len(gaps), 1)
        with open(self.plot, encoding="utf-8") as file:
            words = re.findall(r">([^<]+)</text>", file.read())
        for word in ("100k", "1k", "500", "p50", "p99", "echo p50", "echo p99", "items"):
            self.assertIn(word, words)

    def test_the_whole_default_chart_is_small(self):
        self.measured()
        self.assertLess(os.path.getsize(self.plot), MAX_CHART_BYTES)
        self.assertEqual([len(line) for line in self.places()], [6, 6, 4, 4, 6, 6, 5, 5, 5, 5])

    def test_a_point_that_fails_is_told_and_left_out(self):
        self.program("bench_retrieval", RETRIEVAL %
                     "if a.items == 100000 and a.k == 500: sys.exit('out of memory')")
        done = self.growth(*SMALL, "--part", "index", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "growth: index at items 100,000 dims 64 k 500: "
                                      "bench_retrieval: exit 1: out of memory\n")
        self.assertEqual(len(json.loads(done.stdout)["index"]), 4)

    def failed(self, message, program, content, part):
        self.program(program, content)
        done = self.growth(*SMALL, "--part", part)
        self.assertEqual(done.returncode, 1)
        self.assertIn(message, done.stderr)

    def test_programs_that_print_nonsense_are_named(self):
        self.failed("bench_retrieval: what it prints is not JSON", "bench_retrieval",
                    "#!/bin/sh\necho fast\n", "index")
        self.failed("bench_retrieval: \"p999_us\" is not a number from 0: None", "bench_retrieval",
                    "#!/bin/sh\necho '{\"p50_us\": 1, \"p99_us\": 2}'\n", "index")
        self.failed("bench_retrieval: \"scanned_share\" is not a number from 0: 'all'",
                    "bench_retrieval", "#!/bin/sh\necho '{\"p50_us\": 1, \"p99_us\": 2, "
                    "\"p999_us\": 2, \"scanned_share\": \"all\"}'\n", "index")
        self.failed("serve: \"rows\" is not a list", "serve", "#!/bin/sh\necho '{}'\n", "daemon")
        self.failed("serve: \"p99\" is not a number from 0: None", "serve",
                    "#!/bin/sh\necho '{\"rows\": [{\"rate\": 1, \"p50\": 2}]}'\n", "daemon")
        self.failed("serve: exit 3: says nothing", "serve", "#!/bin/sh\nexit 3\n", "daemon")

    def refused(self, message, *words):
        done = self.growth(*words)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn(message, done.stderr)

    def test_wrong_usage(self):
        self.refused("argument --items: \"x\" is not a whole number", "--items", "10,x")
        self.refused("argument --dims: \"5000\" is not a whole number from 1 to 4096", "--dims",
                     "5000")
        self.refused("argument --k: \"\" is not a whole number", "--k", "")
        self.refused("argument --rounds: \"0\" is not a number above 0", "--rounds", "0")
        self.refused("argument --part: invalid choice: 'both'", "--part", "both")
        self.refused("argument --plot: no such folder: /no/where", "--plot", "/no/where/x.svg")
        os.remove(os.path.join(self.folder.name, "bench_retrieval"))
        self.refused("has no bench_retrieval; scripts/build makes it")


if __name__ == "__main__":
    unittest.main()
