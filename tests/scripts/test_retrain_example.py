# Goal: the worked example of the Python package runs from events to answers against a real nbxd.
# It needs implicit: where no Python here has it, the test says so and is skipped.
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.environ.get("NBX_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.environ.get("NBX_BIN_DIR") or os.path.join(ROOT, "build", "dev", "bin")
EXAMPLE = os.path.join(ROOT, "proto", "python", "examples", "retrain_implicit.py")
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import demo  # noqa: E402
import nbx  # noqa: E402

SEED = 20261126
CUSTOMERS, ITEMS, TASTES = 120, 80, 4
# bench/implicit installs it there on first use.
PYTHONS = (sys.executable, os.path.join(ROOT, "build", "implicit", "venv", "bin", "python"))


# Debian's ZeroMQ and msgpack, behind what a virtual environment has of its own.
BEHIND = "import runpy, sys; sys.path.append('/usr/lib/python3/dist-packages'); "


def run(python, code, *words):
    env = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "proto", "python"),
               OPENBLAS_NUM_THREADS="1")
    return subprocess.run([python, "-c", BEHIND + code, *words], env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def find_python():
    """One that has all the example needs, or None."""
    for python in PYTHONS:
        if os.path.exists(python) and run(
                python, "import implicit, scipy, nbx.bundle").returncode == 0:
            return python
    return None


PYTHON = find_python()


@unittest.skipUnless(PYTHON, "implicit is not installed; bench/implicit installs it")
class RetrainExampleTest(unittest.TestCase):
    def setUp(self):
        print(f"seed {SEED}")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        demo.BIN = BIN
        self.daemon = demo.Daemon(folder.name, demo.settings("EUR"))
        self.addCleanup(self.daemon.stop)
        self.daemon.start()
        self.client = nbx.Client(self.daemon.endpoint, timeout=10)
        self.addCleanup(self.client.close)

    def example(self):
        return run(PYTHON, "del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')",
                   EXAMPLE, self.daemon.endpoint)

    def tell(self):
        """Customers who take to items of their taste."""
        draw, now = random.Random(SEED), int(time.time() * 1000)
        self.client.item_put([{"id": f"i{i}"} for i in range(ITEMS)])
        for c in range(CUSTOMERS):
            items = [i for i in range(ITEMS)
                     if draw.random() < (0.6 if i % TASTES == c % TASTES else 0.03)]
            draw.shuffle(items)
            self.client.observe([{"type": "view", "item": f"i{i}", "time": now - 60000 + 1000 * n}
                                 for n, i in enumerate(items)], f"c{c}")

    def test_from_events_to_answers_and_back(self):
        self.tell()
        done = self.example()
        self.assertEqual(done.returncode, 0, done.stdout)
        models = self.client.models()
        self.assertEqual([m["stage"] for m in models["models"]], ["staged"])
        version = models["models"][0]["version"]
        self.assertNotIn("active", models)
        self.assertGreater(models["models"][0]["metrics"]["hit@10"], 0.2)
        for line in (f"{CUSTOMERS} customers and {ITEMS} items", f"pushed als {version}: staged",
                     "before: no model: ", " compared, overlap ", f"activated: {version}: ",
                     "rolled back: no model: "):
            self.assertIn(line, done.stdout)
        compared = re.search(r"^shadow: (\d+) compared", done.stdout, re.MULTILINE)
        self.assertGreater(int(compared.group(1)), 0, done.stdout)

    def test_a_daemon_without_events_is_told(self):
        done = self.example()
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no events to learn from", done.stdout)


if __name__ == "__main__":
    unittest.main()
