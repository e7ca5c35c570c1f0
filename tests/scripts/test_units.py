# Goal: systemd takes the units in etc/ as they are, they are closed, and what they run exists.
import glob
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.environ.get("NBX_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.environ.get("NBX_BIN_DIR") or os.path.join(ROOT, "build", "dev", "bin")
MOST_EXPOSED = "20"  # of 100, by systemd's own measure


def run(*words):
    """(exit code, stdout and stderr)."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def commands(text):
    """The words of each ExecStart."""
    return [shlex.split(line) for line in re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)]


class UnitsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.units = {}
        for path in glob.glob(os.path.join(ROOT, "etc", "*.service")) + glob.glob(
                os.path.join(ROOT, "etc", "*.timer")):
            with open(path, encoding="utf-8") as file:
                self.units[os.path.basename(path)] = file.read()

    def installed(self):
        """Copies of the units whose programs are those that were built."""
        paths = []
        for name, text in self.units.items():
            paths.append(os.path.join(self.folder, name))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(text.replace("=/usr/local/bin/", f"={BIN}/"))
        return paths

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not there")
    def test_systemd_verifies_them(self):
        paths = self.installed()
        self.assertGreaterEqual(len(paths), 2)
        code, said = run("systemd-analyze", "verify", *paths)
        self.assertEqual((code, said), (0, ""))
        with open(paths[0], "a", encoding="utf-8") as file:
            file.write("[Service]\nProtectSistem=strict\n")
        code, said = run("systemd-analyze", "verify", *paths)
        self.assertIn("ProtectSistem", said, "it does look")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not there")
    def test_services_are_closed(self):
        for path in self.installed():
            if not path.endswith(".service"):
                continue
            code, said = run("systemd-analyze", "security", "--offline=true", "--no-pager",
                             f"--threshold={MOST_EXPOSED}", path)
            self.assertEqual(code, 0, said)

    def test_every_timer_has_its_service(self):
        for name in self.units:
            if name.endswith(".timer"):
                self.assertIn(name.replace(".timer", ".service"), self.units)

    def test_what_they_run_takes_those_options(self):
        for name, text in self.units.items():
            for program, command, *words in commands(text):
                code, said = run(os.path.join(BIN, os.path.basename(program)), command, "--help")
                self.assertEqual(code, 0, said)
                for word in words:
                    if word.startswith("--"):
                        self.assertIn(f"  {word} ", said, f"{name}: {word}")

    def test_variables_have_a_default(self):
        for name, text in self.units.items():
            known = re.findall(r"\b(\w+)=", " ".join(re.findall(r"^Environment=(.*)$", text, re.M)))
            for used in re.findall(r"\$\{?(\w+)", " ".join(map(" ".join, commands(text)))):
                self.assertIn(used, known, name)


if __name__ == "__main__":
    unittest.main()
