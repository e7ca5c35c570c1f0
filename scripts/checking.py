"""The work of scripts/check, once the tools are there. See scripts/check for its use."""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time

import floors

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "dev")
CACHE = os.path.join(ROOT, "build", "check")
JOBS = os.cpu_count() or 2
# The commands are for gcc; clang does not know each of its warnings.
TIDY_FLAGS = ["--extra-arg=-Wno-unknown-warning-option"]


def run(command):
    """(exit code, all output) of a command run at the root."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    return done.returncode, done.stdout


def in_parallel(work, paths):
    """The outputs of work(path) that are not empty, in the order of paths."""
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return [output for output in pool.map(work, paths) if output]


def check_format(paths):
    def one(path):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            code, wanted = run(["clang-format", path])
            if code == 0 and wanted == file.read():
                return ""
        return (f"{path}: not as clang-format writes it; clang-format -i {path}" if code == 0
                else wanted)
    return in_parallel(one, paths)


def check_floors(paths):
    del paths
    return floors.check(ROOT)


def flags_of(command):
    """The -D, -I, -isystem and -std flags of a compile command."""
    words, flags = shlex.split(command), []
    for i, word in enumerate(words):
        if word == "-isystem":
            flags += [word, words[i + 1]]
        elif word.startswith(("-I", "-D", "-std")):
            flags.append(word)
    return flags


def compile_commands():
    """Path from the root -> compile command, as CMake configured it."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as file:
        return {os.path.relpath(entry["file"], ROOT): entry["command"] for entry in json.load(file)}


def check_headers(paths):
    commands = compile_commands()
    every_flag = sorted({flag for command in commands.values() for flag in flags_of(command)
                         if flag.startswith("-I")})
    base = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
            *every_flag, "-x", "c"]

    def one(path):
        # Included twice, so that a missing guard shows too.
        done = subprocess.run([*base, "-"], cwd=ROOT, text=True, errors="replace",
                              input=f'#include "{path}"\n#include "{path}"\n',
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return f"{path}: does not compile alone\n{done.stdout}" if done.returncode else ""
    return in_parallel(one, [path for path in paths if path.endswith(".h")])


class Fingerprints:
    """A hash of a file and every project header it reaches, so that a clean verdict is kept."""

    def __init__(self):
        self.direct = {}

    def read(self, path):
        if path not in self.direct:
            with open(os.path.join(ROOT, path), "rb") as file:
                content = file.read()
            reached = re.findall(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', content, re.MULTILINE)
            names = [name.decode("utf-8", "replace") for name in reached]
            self.direct[path] = (hashlib.sha256(content).digest(),
                                 [n for n in names if os.path.isfile(os.path.join(ROOT, n))])
        return self.direct[path]

    def of(self, path):
        seen, queue, digest = {path}, [path], hashlib.sha256()
        while queue:
            content, reached = self.read(queue.pop())
            digest.update(content)
            fresh = [name for name in reached if name not in seen]
            seen.update(fresh)
            queue += fresh
        return digest.hexdigest()


def tidy_rules():
    text = run(["clang-tidy", "--version"])[1]
    for folder in (".", "tests"):
        path = os.path.join(ROOT, folder, ".clang-tidy")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                text += file.read()
    return text


def check_tidy(paths):
    commands, prints, rules = compile_commands(), Fingerprints(), tidy_rules()
    os.makedirs(CACHE, exist_ok=True)

    def one(path):
        key = hashlib.sha256("\0".join(
            [path, commands[path], rules, prints.of(path)]).encode()).hexdigest()
        verdict = os.path.join(CACHE, key)
        if os.path.exists(verdict):
            os.utime(verdict)
            return ""
        code, output = run(["clang-tidy", "--quiet", "-p", BUILD, *TIDY_FLAGS, path])
        if code == 0:
            with open(verdict, "w", encoding="utf-8") as file:
                file.write(path + "\n")
            return ""
        return output
    # A file no target builds (a fuzz target where clang is missing) has no flags to check it with.
    return in_parallel(one, [path for path in paths if path.endswith(".c") and path in commands])


def forget_old_verdicts():
    limit = time.time() - 14 * 86400
    for entry in os.scandir(CACHE):
        if entry.stat().st_mtime < limit:
            os.unlink(entry.path)


def main():
    only = [folder.rstrip("/") for folder in sys.argv[1:]]
    everything = floors.sources(ROOT)
    chosen = [path for path in everything
              if not only or any(path == o or path.startswith(o + "/") for o in only)]
    if not chosen:
        print(f"check: no C files below {' '.join(only)}", file=sys.stderr)
        return 2
    failed = []
    for name, step in (("format", check_format), ("floors and doors", check_floors),
                       ("headers alone", check_headers), ("clang-tidy", check_tidy)):
        start = time.monotonic()
        problems = step(chosen)
        for problem in problems:
            print(problem.rstrip("\n"))
        verdict = f"{len(problems)} problems" if problems else "ok"
        print(f"{name}: {verdict} ({time.monotonic() - start:.1f} s)", flush=True)
        failed += [name] if problems else []
    forget_old_verdicts()
    if failed:
        print(f"check failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
