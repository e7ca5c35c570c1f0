# Goal: what a running nbxd serves is what nbx-train evaluate says, to six digits: a blend of five
# families on a history whose order counts, with items taken back, customers without history, items
# the bundle does not know, and lists that a fallback fills up.
import csv
import json
import os
import random
import subprocess
import tempfile
import unittest

BIN = os.environ.get("NBX_BIN_DIR", "build/dev/bin")
SERVED = os.path.join(os.path.dirname(__file__), "..", "..", "bench", "served")
CUSTOMERS, ITEMS, EVENTS_EACH = 300, 120, 15
RECIPE = {"parts": [{"family": "ease", "weight": 1, "keep": 30},
                    {"family": "ials", "weight": 1.4, "dim": 16, "epochs": 3},
                    {"family": "spectral", "weight": 0.7, "dim": 8, "rounds": 3},
                    {"family": "transitions", "weight": 1.2, "keep": 30},
                    {"family": "popularity", "weight": 0.2}]}


def write(path, header, rows):
    with open(path, "w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([header, *rows])


def walk(draw):
    """Item after item of one customer: mostly the neighbour of the one before."""
    at = draw.randrange(ITEMS)
    while True:
        yield f"item-{at}"
        at = (at + draw.choice((1, 1, 1, 2, 7))) % ITEMS if draw.random() < 0.8 \
            else draw.randrange(ITEMS)


def make_files(folder):
    draw = random.Random(4)
    events, test = [], []
    for who in range(CUSTOMERS):
        items, time = walk(draw), 1700000000000
        for _ in range(draw.randrange(2, EVENTS_EACH)):
            time += draw.choice((0, 1000))  # some at once: the file's order decides
            kind = draw.choices(("view", "purchase", "search", "dismiss"), (8, 4, 1, 1))[0]
            events.append((f"c{who}", kind, next(items), time))
        test += [(f"c{who}", next(items)) for _ in range(2)]
    test += [(f"new-{i}", f"item-{i}") for i in range(5)] + [("c1", "nobody-knows")]
    write(os.path.join(folder, "events.csv"), ("customer", "type", "item", "time"), events)
    write(os.path.join(folder, "test.csv"), ("customer", "item"), test)


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        make_files(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def fit(self, recipe):
        with open(self.path("recipe.json"), "w", encoding="utf-8") as f:
            json.dump(recipe, f)
        subprocess.run([os.path.join(BIN, "nbx-train"), "fit", "--recipe", self.path("recipe.json"),
                        "--events", self.path("events.csv"), "--out", self.path("m.safetensors")],
                       check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       timeout=120)

    def serve(self, *more):
        done = subprocess.run(["/usr/bin/python3", SERVED, "--bundle", self.path("m.safetensors"),
                               "--events", self.path("events.csv"), "--test", self.path("test.csv"),
                               "--bin", BIN, "--digits", "6", "--json", *more], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def check(self, report):
        self.assertEqual(report["customers"], CUSTOMERS + 5)
        self.assertGreaterEqual(report["cold"], 5)
        for row in report["rows"]:
            self.assertTrue(row["agree"], row)
        self.assertGreater(report["rows"][0]["served"], 0.05)

    def test_a_blend(self):
        self.fit(RECIPE)
        self.check(self.serve("--k", "10,100"))

    def test_one_space(self):
        self.fit({"parts": [{"family": "ials", "dim": 16, "epochs": 3}]})
        self.check(self.serve("--k", "20"))


if __name__ == "__main__":
    unittest.main()
