# Goal: bench/backup loads nbxd alone and while backups are made by turns, and what it says is added
# is the difference of what it measured.
import json
import os
import subprocess
import tempfile
import unittest

BIN = os.environ.get("NBX_BIN_DIR", "build/dev/bin")
BENCH = os.path.join(os.path.dirname(__file__), "..", "..", "bench", "backup")


def bench(*words):
    return subprocess.run(["/usr/bin/python3", BENCH, "--bin", BIN, *words], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)


class Backup(unittest.TestCase):
    def test_what_is_added_is_the_difference(self):
        with tempfile.TemporaryDirectory() as folder:
            done = bench("--rounds", "2", "--seconds", "1", "--rate", "100", "--items", "200",
                         "--dims", "16", "--customers", "300", "--dir", folder, "--json")
            self.assertEqual(os.listdir(folder), [], "nothing stays")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        rows = {(row["what"], row["period"]): row for row in report["rows"]}
        self.assertEqual(set(rows), {(what, period) for what in ("recommend", "observe", "all")
                                     for period in ("alone", "backup")})
        self.assertGreaterEqual(report["backups"], 2)
        self.assertGreater(report["bytes"], 10000)
        for what, added in report["pause"].items():
            alone, backup = rows[what, "alone"], rows[what, "backup"]
            self.assertEqual(alone["failed"] + backup["failed"], 0)
            self.assertGreaterEqual(alone["answered"], 20)
            for column, value in added.items():
                self.assertAlmostEqual(value, backup[column] - alone[column], places=3)
                self.assertGreater(backup[column], 0)
        self.assertIn("silence", report["pause"]["all"])
        self.assertEqual(rows["all", "alone"]["answered"], 200)

    def test_wrong_usage_is_told(self):
        done = bench("--dir", "/nonexistent")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nonexistent", done.stderr)
        done = bench("--bin", "/nonexistent")
        self.assertEqual(done.returncode, 2)
        self.assertIn("scripts/build", done.stderr)


if __name__ == "__main__":
    unittest.main()
