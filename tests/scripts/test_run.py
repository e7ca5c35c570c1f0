# Goal: the newcomer's command shows personal answers that change with an event, ends cleanly,
# leaves nothing behind, and says what is wrong where something is.
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

ROOT = os.environ.get("NBX_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.environ.get("NBX_BIN_DIR", os.path.join(ROOT, "build", "dev", "bin"))
COMMAND = ["/usr/bin/python3", os.path.join(ROOT, "scripts", "demo.py")]


@unittest.skipUnless(all(os.path.exists(os.path.join(BIN, program))
                         for program in ("nbxd", "nbx", "nbx-train", "nbx-sim")),
                     "the programs are not built")
class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.env = {**os.environ, "TMPDIR": self.folder, "NBX_BIN_DIR": BIN}

    def demo(self, *options):
        return subprocess.run([*COMMAND, *options], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def expect_shown(self, output):
        self.assertEqual(len(re.findall(r"items so far, the latest", output)), 3, output)
        self.assertGreaterEqual(len(re.findall(r"personal because of .+ \(\d+ %\)", output)), 9)
        self.assertEqual(len(re.findall(r"answered in \d+\.\d\d ms", output)), 4)
        self.assertRegex(output, r"Now \S+ sends one event, \w+ of ")
        self.assertRegex(output, r"(?s)before +after\n  1\. .*(new|up from|down from)")

    def test_once_with_the_simulated_shop(self):
        # The usual ports are taken: others are found.
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", 7741))
                s.listen()
            except OSError:
                pass
            done = self.demo("--once", "--seed", "5")
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.expect_shown(done.stdout)
        self.assertNotIn("tcp://127.0.0.1:7741\n", done.stdout)
        self.assertEqual(os.listdir(self.folder), [])

    def test_own_data_is_left_as_it_was(self):
        shop = os.path.join(self.folder, "mine")
        subprocess.run([os.path.join(BIN, "nbx-sim"), "--out", shop, "--customers", "300",
                        "--items", "200"], check=True, stdout=subprocess.DEVNULL)
        before = sorted(os.listdir(shop))
        done = self.demo("--once", "--data", shop)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        self.expect_shown(done.stdout)
        self.assertEqual(sorted(os.listdir(shop)), before)
        self.assertEqual(os.listdir(self.folder), ["mine"])

    def test_stays_up_until_interrupted(self):
        with subprocess.Popen([*COMMAND], env=self.env, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            text = ""
            for line in process.stdout:
                text += line
                if "proto/python" in line:
                    break
            command = re.search(r"(nbx recommend \S+ --explain.*)\n", text)
            self.assertTrue(command, text + process.stderr.read() if not text else text)
            asked = subprocess.run([os.path.join(BIN, "nbx"), *command.group(1).split()[1:]],
                                   stdout=subprocess.PIPE, text=True)
            self.assertEqual(asked.returncode, 0)
            self.assertIn("personal", asked.stdout)
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, errors)
        self.assertIn("stopped", rest)
        self.assertEqual(os.listdir(self.folder), [])

    def test_wrong_data_folder(self):
        done = self.demo("--once", "--data", self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has neither items.csv and events.csv, nor online_retail.csv", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_step_that_fails_says_why(self):
        with open(os.path.join(self.folder, "items.csv"), "w", encoding="utf-8") as file:
            file.write("id,title\na,A\n")
        with open(os.path.join(self.folder, "events.csv"), "w", encoding="utf-8") as file:
            file.write("customer,type,item\nc,dance,a\n")
        done = self.demo("--once", "--data", self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("a known type that is not negative; its types: dance", done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), ["events.csv", "items.csv"])


if __name__ == "__main__":
    sys.exit(unittest.main())
