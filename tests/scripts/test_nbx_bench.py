# Goal: nbx-bench against a real nbxd: every scenario is answered, --json is one object, a ramp ends
# with an answer, and a daemon that is absent or dies is told clearly and soon.
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

BIN = os.environ.get("NBX_BIN_DIR", "build/dev/bin")
ITEMS = 50


def program(name, *words, **more):
    return subprocess.run([os.path.join(BIN, name), *words], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, **more)


class Daemon:
    """An nbxd on an ipc socket in a folder of its own, with a few items."""

    def __init__(self, items=ITEMS):
        self.folder = tempfile.TemporaryDirectory()
        self.endpoint = f"ipc://{self.folder.name}/nbx.sock"
        config = os.path.join(self.folder.name, "nbx.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"listen: [\"{self.endpoint}\"]\nhttp: \"\"\nlog_level: warn\n"
                       f"data_dir: {self.folder.name}/data\nqueue_time: 30s\n")
        self.process = subprocess.Popen([os.path.join(BIN, "nbxd"), "--config", config])
        assert self.nbx("hello", "--timeout", "60").returncode == 0
        feed = os.path.join(self.folder.name, "items.csv")
        with open(feed, "w", encoding="utf-8") as file:
            file.write("id,price\n" + "".join(f"item-{i},{i}\n" for i in range(items)))
        if items:
            done = self.nbx("import", "items", feed)
            assert done.returncode == 0, done.stderr

    def nbx(self, *words):
        return program("nbx", *words, env={**os.environ, "NBX_ENDPOINT": self.endpoint})

    def bench(self, *words):
        return program("nbx-bench", "--endpoint", self.endpoint, *words)

    def stats(self):
        return json.loads(self.nbx("stats", "--json").stdout)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.folder.cleanup()
        return code


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()

    @classmethod
    def tearDownClass(cls):
        assert cls.daemon.stop() == 0

    def measure(self, *words):
        done = self.daemon.bench("--json", "--warmup", "0", "--duration", "0.5", "--rate", "100",
                                 *words)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.assertEqual(done.stdout.count("\n"), 1)
        return json.loads(done.stdout)

    def test_each_scenario_is_answered(self):
        for scenario, more in (("recommend", ["--filter", '{"field": "price", "lt": 20}',
                                              "--exclude-seen", "--record", "none", "--n", "3"]),
                               ("rank", ["--rank-items", "7"]),
                               ("observe", ["--ack", "memory", "--type", "cart"]),
                               ("observe", ["--ack", "durable"])):
            with self.subTest(scenario=scenario, more=more):
                got = self.measure("--scenario", scenario, *more)
                self.assertEqual((got["scenario"], got["failed"]), (scenario, 0))
                self.assertGreater(got["answered"], 20)
                self.assertEqual(got["statuses"], {"ok": got["sent"]})
                self.assertEqual(sum(bar["count"] for bar in got["histogram"]), got["answered"])
                us = got["latency_us"]
                self.assertTrue(0 < us["p50"] <= us["p95"] <= us["p99"] <= us["p99.9"] <= us["max"])

    def test_sampled_items_are_those_of_the_catalogue(self):
        before = self.daemon.stats()["events.applied"]
        got = self.measure("--scenario", "observe", "--n-customers", "1", "--customer-prefix", "ann")
        self.assertEqual(self.daemon.stats()["events.applied"] - before, got["sent"])
        history = json.loads(self.daemon.nbx("customer", "get", "ann0", "--json").stdout)["history"]
        self.assertTrue(history)
        self.assertTrue(all(event["item"].startswith("item-") for event in history), history)

    def test_mixed_has_a_part_for_each_scenario(self):
        got = self.measure("--scenario", "mixed", "--mix", "recommend=2,observe=1,rank=1")
        parts = {part["scenario"]: part for part in got["scenarios"]}
        self.assertEqual(set(parts), {"recommend", "observe", "rank"})
        self.assertEqual(sum(part["answered"] for part in parts.values()), got["answered"])
        self.assertEqual(got["failed"], 0)

    def test_same_seed_sends_the_same_number(self):
        one, same, other = (self.measure("--seed", seed)["sent"] for seed in ("5", "5", "6"))
        self.assertEqual(one, same)
        self.assertNotEqual(one, other)

    def test_connections_are_all_used(self):
        self.assertEqual(self.measure("--connections", "8")["connections"], 8)

    def test_text_is_one_table_and_quiet_beside(self):
        done = self.daemon.bench("--rate", "100", "--duration", "0.3", "--histogram")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("\nrecommend ", done.stdout)
        self.assertIn("#", done.stdout)
        self.assertNotIn("\r", done.stdout + done.stderr)

    def test_ramp_ends_with_an_answer(self):
        words = ("--rate", "100:200", "--p99-ms", "60000", "--duration", "0.1", "--warmup", "0",
                 "--settle", "0", "--step-samples", "100")
        done = self.daemon.bench(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.endswith(", the highest asked for\n"), done.stdout)
        got = json.loads(self.daemon.bench(*words, "--json").stdout)
        self.assertEqual([step["rate"] for step in got["steps"]], [100, 150, 200])
        self.assertEqual((got["holds"], got["fails"]), (200, 0))
        self.assertTrue(all(step["held"] and step["answered"] >= 100 for step in got["steps"]))

    def test_ramp_where_nothing_holds(self):
        done = self.daemon.bench("--rate", "100:200", "--p99-ms", "0.001", "--duration", "0.1",
                                 "--warmup", "0", "--settle", "0", "--step-samples", "100",
                                 "--tries", "2", "--json")
        self.assertEqual(done.returncode, 1)
        got = json.loads(done.stdout)
        self.assertEqual([step["rate"] for step in got["steps"]], [100, 100])
        self.assertEqual((got["holds"], got["fails"]), (0, 100))

    def test_refused_requests_are_counted(self):
        done = self.daemon.bench("--rate", "100", "--duration", "0.3", "--channel", "nowhere",
                                 "--json")
        self.assertEqual(done.returncode, 1)
        got = json.loads(done.stdout)
        self.assertEqual(got["failed"], got["sent"])
        self.assertEqual(got["statuses"], {"bad_request": got["sent"]})


class Mistakes(unittest.TestCase):
    def refused(self, code, message, *words):
        start = time.monotonic()
        done = program("nbx-bench", *words)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        self.assertIn(message, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertLess(time.monotonic() - start, 60)

    def test_wrong_usage(self):
        self.refused(2, "nbx-bench: --rate: not a number: \"x\"", "--rate", "x")
        self.refused(2, "nbx-bench: --endpoint: not an endpoint: here", "--endpoint", "here")
        self.refused(2, "nbx-bench: --filter: line 1", "--filter", "{")
        self.refused(2, "nbx-bench: --items: cannot be opened: /none", "--items", "/none",
                     "--scenario", "rank")

    def test_nobody_there(self):
        with tempfile.TemporaryDirectory() as folder:
            gone = f"ipc://{folder}/none"
            message = f"nbx-bench: --endpoint: nobody answers at {gone} within 300 ms"
            gone = (gone, "--timeout-ms", "300")
            self.refused(1, message, "--endpoint", *gone)
            self.refused(1, message, "--endpoint", *gone, "--json")
            self.refused(1, message, "--endpoint", *gone, "--scenario", "rank")
            self.refused(1, message, "--endpoint", *gone, "--rate", "1:2", "--json")

    def test_no_items_to_sample(self):
        daemon = Daemon(items=0)
        try:
            self.refused(1, "--items: nbxd at " + daemon.endpoint + " shows no items to sample",
                         "--endpoint", daemon.endpoint, "--scenario", "observe")
        finally:
            self.assertEqual(daemon.stop(), 0)

    def test_a_daemon_that_dies_ends_the_run(self):
        daemon = Daemon()
        bench = subprocess.Popen([os.path.join(BIN, "nbx-bench"), "--endpoint", daemon.endpoint,
                                  "--rate", "200", "--duration", "300", "--timeout-ms", "500",
                                  "--json"], text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        while daemon.stats()["requests.recommend"] < 150:  # past the warm-up
            continue
        daemon.process.kill()
        out, err = bench.communicate(timeout=60)
        daemon.process.wait()
        daemon.folder.cleanup()
        self.assertEqual(bench.returncode, 1)
        self.assertIn(f"--endpoint: {daemon.endpoint} has not answered anything for 500 ms", err)
        got = json.loads(out)
        self.assertGreater(got["answered"], 0)
        self.assertGreater(got["lost"], 0)
        self.assertIn("has not answered", got["error"])


if __name__ == "__main__":
    unittest.main()
