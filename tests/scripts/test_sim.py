# Goal: nbx-sim writes the agreed columns, the same bytes for the same seed, plausible funnels, and
# a truth that a trained model finds again.
import collections
import csv
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

BIN = os.environ.get("NBX_BIN_DIR", "build/dev/bin")
NOW = 1760000000000
COLUMNS = {
    "items.csv": "id,group,kind,title,brand,categories,price,available,url,image",
    "events.csv": "customer,type,item,time,channel,store,session,order,quantity,value,id",
    "test.csv": "customer,item",
    "truth.csv": "customer,item,rank",
    "customers.csv": "customer,age,store,locale,timezone,joined,loves",
}
POSITIVE = {"view", "click", "cart", "purchase"}


def sim(out, *options):
    return subprocess.run([os.path.join(BIN, "nbx-sim"), "--out", out, *options], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def rows(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Sim(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.out = os.path.join(cls.folder.name, "deep", "shop")
        done = sim(cls.out, "--seed", "7", "--now", str(NOW))
        assert done.returncode == 0, done.stderr
        cls.events = rows(cls.out, "events.csv")
        cls.items = {item["id"]: item for item in rows(cls.out, "items.csv")}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_columns(self):
        for name, columns in COLUMNS.items():
            with open(os.path.join(self.out, name), encoding="utf-8") as file:
                self.assertEqual(file.readline(), columns + "\n", name)

    def test_description_counts(self):
        with open(os.path.join(self.out, "dataset.json"), encoding="utf-8") as file:
            said = json.load(file)
        self.assertIs(said["ordered"], True)
        self.assertEqual((said["currency"], said["seed"]), ("EUR", 7))
        self.assertEqual(said["counts"], {"customers": 2000, "items": 1000,
                                          "events": len(self.events),
                                          "test": len(rows(self.out, "test.csv")),
                                          "truth": len(rows(self.out, "truth.csv"))})

    def test_same_seed_same_bytes(self):
        options = ("--customers", "200", "--items", "150", "--days", "20", "--now", str(NOW))
        with tempfile.TemporaryDirectory() as folder:
            for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
                self.assertEqual(sim(os.path.join(folder, name), "--seed", seed, *options)
                                 .returncode, 0)

            def content(name):
                base = pathlib.Path(folder, name)
                return [file.read_bytes() for file in sorted(base.iterdir())]
            self.assertEqual(content("a"), content("b"))
            for mine, other in zip(content("a"), content("c")):
                self.assertNotEqual(mine, other)

    def test_events_are_in_order_and_end_now(self):
        times = [int(event["time"]) for event in self.events]
        self.assertEqual(times, sorted(times))
        self.assertLessEqual(times[-1], NOW)
        self.assertGreater(times[-1], NOW - 3600 * 1000)
        self.assertGreaterEqual(times[0], NOW - 60 * 86400000)
        self.assertEqual(len({event["id"] for event in self.events}), len(self.events))

    def test_funnels(self):
        n = collections.Counter(event["type"] for event in self.events)
        self.assertEqual(set(n), POSITIVE | {"impression", "dismiss", "return"})
        self.assertTrue(n["impression"] > n["click"] > n["cart"] > n["purchase"] > n["return"], n)
        for event in self.events:
            self.assertIn(event["item"], self.items)
            self.assertIn(event["channel"], ("web", "app", "email", "store", "kiosk"))
            self.assertEqual(bool(event["store"]), event["channel"] in ("store", "kiosk"))
            if event["type"] == "purchase":
                self.assertEqual(int(event["value"]), int(event["quantity"])
                                 * int(self.items[event["item"]]["price"]))
        bought = collections.Counter((e["customer"], e["item"]) for e in self.events
                                     if e["type"] == "purchase")
        self.assertEqual(max(bought.values()), 1)
        back = {(e["customer"], e["item"]) for e in self.events if e["type"] == "return"}
        self.assertLessEqual(back, set(bought))

    def test_items(self):
        sizes = collections.Counter(item["group"] for item in self.items.values())
        self.assertEqual((len(self.items), min(sizes.values()), max(sizes.values())), (1000, 1, 4))
        for item in self.items.values():
            self.assertEqual(len(item["categories"].split("|")), 2)
            self.assertGreater(int(item["price"]), 0)
            self.assertTrue(item["title"].endswith(item["id"].rsplit("-", 1)[1]))
        off = sum(item["available"] == "false" for item in self.items.values())
        self.assertTrue(10 < off < 60, off)

    def test_truth_is_new_to_the_customer(self):
        touched = {(e["customer"], e["item"]) for e in self.events if e["type"] != "impression"}
        ranks = collections.defaultdict(list)
        for row in rows(self.out, "truth.csv"):
            ranks[row["customer"]].append(int(row["rank"]))
            self.assertEqual(self.items[row["item"]]["available"], "true")
            self.assertNotIn((row["customer"], row["item"]), touched)
        self.assertEqual(len(ranks), 2000)
        self.assertTrue(all(r == list(range(1, 21)) for r in ranks.values()))
        for row in rows(self.out, "test.csv"):
            self.assertNotIn((row["customer"], row["item"]), touched)

    def test_customers_buy_what_they_love(self):
        loves = {row["customer"]: row["loves"].split(" ", 1)[1]
                 for row in rows(self.out, "customers.csv")}
        bought = [(e["customer"], self.items[e["item"]]) for e in self.events
                  if e["type"] == "purchase"]
        hits = sum(item["categories"].split("|")[1] == loves[customer] for customer, item in bought)
        self.assertGreater(hits / len(bought), 5 / 24)  # five times what chance would give

    def popularity_recall(self, truth):
        pairs = {(e["customer"], e["item"]) for e in self.events if e["type"] in POSITIVE}
        seen = collections.defaultdict(set)
        for customer, item in pairs:
            seen[customer].add(item)
        count = collections.Counter(item for _, item in pairs)
        ranked = sorted(count, key=lambda item: (-count[item], item))
        total = 0
        for customer, wanted in truth.items():
            top = [i for i in ranked[:20 + len(seen[customer])] if i not in seen[customer]][:20]
            total += len(wanted.intersection(top)) / len(wanted)
        return total / len(truth)

    def test_a_trained_model_finds_the_truth(self):
        trainer, bundle = os.path.join(BIN, "nbx-train"), os.path.join(self.out, "m.safetensors")
        if not os.path.exists(trainer):
            self.skipTest("nbx-train is not built")
        events, test = os.path.join(self.out, "events.csv"), os.path.join(self.out, "truth.csv")
        subprocess.run([trainer, "fit", "--family", "ials", "--events", events, "--out", bundle,
                        "--seed", "1"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        report = json.loads(subprocess.run(
            [trainer, "evaluate", "--bundle", bundle, "--events", events, "--test", test,
             "--protocol", "lightgcn", "--k", "20", "--json"], check=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
        truth = collections.defaultdict(set)
        for row in rows(self.out, "truth.csv"):
            truth[row["customer"]].add(row["item"])
        popular = self.popularity_recall(truth)
        print(f"Recall@20 of the truth: trained {report['recall@20']:.3f}, popular {popular:.3f}")
        self.assertGreater(popular, 0)
        self.assertGreater(report["recall@20"], 3 * popular)
        self.assertGreater(report["recall@20"], 0.15)


class Options(unittest.TestCase):
    def test_smallest_shop(self):
        with tempfile.TemporaryDirectory() as out:
            for seed in range(5):
                done = sim(out, "--customers", "1", "--items", "1", "--days", "1", "--seed",
                           str(seed))
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_wrong_options(self):
        for options, words in (((), "--out DIR is missing"),
                               (("--out", "x", "more"), "takes options only"),
                               (("--out", "x", "--items", "0"), "--items: must be 1 to"),
                               (("--out", "x", "--items", "-1"), '--items: must be 1 to'),
                               (("--out", "x", "--seed", "1x"), "--seed: must be 0 to"),
                               (("--out", "x", "--colour", "1"), "unrecognized option")):
            with self.subTest(options=options):
                done = subprocess.run([os.path.join(BIN, "nbx-sim"), *options], text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, 2)
                self.assertIn(words, done.stderr)

    def test_a_folder_that_cannot_be(self):
        with tempfile.NamedTemporaryFile() as file:
            done = sim(os.path.join(file.name, "below"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(": Not a directory", done.stderr)


if __name__ == "__main__":
    unittest.main()
