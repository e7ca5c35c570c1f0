"""The work of scripts/test, once the tools are there. See scripts/test for its use."""
import argparse
import collections
import concurrent.futures
import dataclasses
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEV = os.path.join(ROOT, "build", "dev")
TSAN = os.path.join(ROOT, "build", "tsan")
PROGRAMS = ["nbxd", "nbx", "nbx-train", "nbx-sim", "nbx-bench", "bench_retrieval"]
PROGRAM_SECONDS = 540  # a test that takes longer hangs
LANES = 2
MAKE_WAY = ["nice", "-n", "19"]  # on a core that nobody else wants
SKIPPED = 77  # exit code of a plain program or script that cannot run here


@dataclasses.dataclass
class Test:
    """One program or script of tests."""
    kind: str    # unit, daemon, race, fuzz, python, crash: the order they run in
    name: str    # as given on the command line: topk
    module: str  # the folder it lies in: score
    path: str    # source, from the root
    alone: bool  # starts daemons or watches the clock: beside it runs only what makes way
    target: str = ""  # what CMake calls it; empty where CMake leaves it out here

    def find_target(self, known):
        """Sets the target: the prefix of its kind and the name, or the name alone."""
        prefix = {"unit": "test_", "daemon": "test_"}.get(self.kind, self.kind + "_")
        self.target = next((t for t in (prefix + self.name, self.name) if t in known), "")

    @property
    def program(self):
        return os.path.join(TSAN if self.kind == "race" else DEV, "bin", self.target)


@dataclasses.dataclass
class Result:
    passed: int
    failed: int
    skipped: int
    output: str
    seconds: float = 0.0


def is_program(path):
    with open(path, encoding="utf-8") as file:
        return re.search(r"^int main\(", file.read(), re.MULTILINE) is not None


def find_tests():
    """Every test there is, by the tree alone: nothing need be built to know its name."""
    tests = []

    def add(kind, pattern, strip, alone):
        for path in sorted(glob.glob(os.path.join(ROOT, pattern))):
            # The folders of plain programs hold their parts too.
            if kind in ("race", "crash") and not is_program(path):
                continue
            stem = os.path.splitext(os.path.basename(path))[0]
            name = stem[len(strip):] if stem.startswith(strip) else stem
            tests.append(Test(kind, name, os.path.basename(os.path.dirname(path)),
                              os.path.relpath(path, ROOT), alone))
    add("unit", "tests/unit/*/test_*.c", "test_", False)
    add("daemon", "tests/daemon/test_*.c", "test_", True)
    add("race", "tests/race/*.c", "race_", True)
    add("fuzz", "tests/fuzz/fuzz_*.c", "fuzz_", False)
    add("python", "tests/scripts/test_*.py", "test_", True)
    add("python", "proto/python/tests/test_*.py", "test_", True)
    add("crash", "tests/crash/*.c", "crash_", True)
    return tests


def select(tests, name):
    """The tests that NAME means: itself, its module or kind, else every name it is a part of."""
    if not name:
        return tests
    for match in (lambda t: t.name == name, lambda t: name in (t.module, t.kind),
                  lambda t: name in t.name):
        chosen = [test for test in tests if match(test)]
        if chosen:
            return chosen
    return []


def must(command, log_name):
    """Runs a build step; shows its output and ends where it fails."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    if done.returncode != 0:
        print(done.stdout)
        print(f"test: {log_name} failed")
        finish([Result(0, 1, 0, "")])


def known_targets(build):
    done = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], cwd=ROOT,
                          stdout=subprocess.PIPE, text=True, check=True)
    return {line.split(":")[0] for line in done.stdout.splitlines() if ": phony" in line}


def build(tests, everything):
    """Builds what these tests need; returns those that are programs or scripts."""
    for preset, folder in (("dev", DEV), ("tsan", TSAN)):
        mine = [t for t in tests if t.kind != "python" and (t.kind == "race") == (preset == "tsan")]
        if preset == "tsan" and not mine:
            continue
        must(["cmake", "--preset", preset], f"configuring {preset}")
        known = known_targets(folder)
        for test in mine:
            test.find_target(known)
        wanted = [test.target for test in mine if test.target]
        if preset == "dev" and everything:
            wanted = ["all"]
        elif preset == "dev" and any(t.kind in ("daemon", "python", "crash") for t in tests):
            wanted += [program for program in PROGRAMS if program in known]
        if wanted:
            must(["ninja", "-C", folder, "-j", str(os.cpu_count() or 2), "--quiet", *wanted],
                 f"building {preset}")
    if any(t.kind == "crash" and t.target for t in tests):
        # Sizes and times are those of the release build's daemon.
        must(["cmake", "--preset", "release"], "configuring release")
        must(["ninja", "-C", os.path.join(ROOT, "build", "release"), "--quiet", "crash"],
             "building release")
    return [t for t in tests if t.kind == "python" or (t.target and os.path.isfile(t.program))]


def environment():
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "abort_on_error=1:detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    tsan = "halt_on_error=1:second_deadlock_stack=1"
    suppressions = os.path.join(ROOT, "tests", "race", "tsan.supp")
    if os.path.exists(suppressions):
        tsan += f":suppressions={suppressions}"
    env.setdefault("TSAN_OPTIONS", tsan)
    env["NBX_SOURCE_DIR"] = ROOT
    env["NBX_BIN_DIR"] = os.path.join(DEV, "bin")
    env["PYTHONPATH"] = os.path.join(ROOT, "proto", "python")
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    # Two tests of two threads each already fill a small machine.
    env.setdefault("OPENBLAS_NUM_THREADS", "1")
    return env


def execute(command, seconds=PROGRAM_SECONDS, makes_way=False):
    """(exit code, output); a hanging program is ended with all it started."""
    command = [*MAKE_WAY, *command] if makes_way else command
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            output += f"\ntest: ended after {seconds} s\n".encode()
    return process.returncode, output.decode("utf-8", "replace")


def criterion_result(tap, code, output):
    """Counts a TAP report. A disabled test is skipped; one left out by --filter does not count."""
    passed = failed = skipped = 0
    for line in tap.splitlines():
        if line.startswith("not ok"):
            failed += 1
        elif "# SKIP test was skipped" in line:
            continue
        elif line.startswith("ok") and "# SKIP" in line:
            skipped += 1
        elif line.startswith("ok"):
            passed += 1
    # A leak is found after the last test: the report is clean then, the exit code is not.
    return Result(passed, failed if failed or code == 0 else 1, skipped, output)


def run_criterion(test, pattern, options):
    with tempfile.NamedTemporaryFile("r", suffix=".tap", errors="replace") as tap:
        command = [test.program, "-j1", f"--tap={tap.name}", *options]
        if pattern:
            command += ["--filter", pattern]
        code, output = execute(command, makes_way=not test.alone)
        return criterion_result(tap.read(), code, output)


def unittest_result(code, output):
    ran = re.search(r"^Ran (\d+) tests?", output, re.MULTILINE)
    if not ran:
        return Result(0, 1, 0, output)
    # The verdict is the last line; a count it does not name is 0.
    verdict = output[ran.end():]
    counts = {word: int(n) for word, n in re.findall(r"(\w+)=(\d+)", verdict)}
    failed = counts.get("failures", 0) + counts.get("errors", 0)
    failed = failed if failed or code == 0 or int(ran.group(1)) == 0 else 1
    skipped = counts.get("skipped", 0)
    return Result(max(0, int(ran.group(1)) - failed - skipped), failed, skipped, output)


def run_python(test, pattern, options):
    folder, file = os.path.split(os.path.join(ROOT, test.path))
    command = ["/usr/bin/python3", "-m", "unittest", "discover", "-v", "-s", folder, "-t", folder,
               "-p", file, *options]
    if pattern:
        command += ["-k", pattern.split("/", 1)[1]]
    return unittest_result(*execute(command))


def plain_result(code, output):
    """A plain program: its last line may count like ours, else its exit code speaks for one."""
    counts = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", output, re.MULTILINE)
    if counts:
        passed, failed, skipped = map(int, counts[-1])
        return Result(passed, failed if failed or code == 0 else 1, skipped, output)
    return Result(int(code == 0), int(code not in (0, SKIPPED)), int(code == SKIPPED), output)


def corpus_of(test):
    """The seeds of a fuzz target, in the folder of its name."""
    for folder in (f"tests/fuzz/corpus/{test.name}", f"tests/fuzz/{test.name}"):
        if os.path.isdir(os.path.join(ROOT, folder)):
            return [folder]
    return []


def run_one(test, pattern, options):
    start = time.monotonic()
    if test.kind in ("unit", "daemon"):
        result = run_criterion(test, pattern, options)
    elif test.kind == "python":
        result = run_python(test, pattern, options)
    else:
        # More rounds take as long as they take.
        corpus = corpus_of(test) if test.kind == "fuzz" else []
        result = plain_result(*execute([test.program, *options, *corpus],
                                       None if options else PROGRAM_SECONDS, not test.alone))
    result.seconds = time.monotonic() - start
    return result


def report(test, result, verbose):
    state = "FAIL" if result.failed else "ok  " if result.passed else "skip"
    print(f"{state} {test.kind:6} {test.name:28} {result.passed:4} passed"
          + (f", {result.failed} failed" if result.failed else "")
          + (f", {result.skipped} skipped" if result.skipped else "")
          + f"  {result.seconds:6.1f} s", flush=True)
    if result.failed or verbose:
        print(result.output.rstrip("\n"), flush=True)


def run_all(tests, pattern, options, verbose):
    """One lane takes those that want to be alone, one after the other; the others take the rest."""
    results = []
    alone = collections.deque(test for test in tests if test.alone)
    rest = collections.deque(test for test in tests if not test.alone)
    lock = threading.Lock()

    def lane(queues):
        for queue in queues:
            while True:
                try:
                    test = queue.popleft()
                except IndexError:
                    break
                result = run_one(test, pattern, options)
                with lock:
                    report(test, result, verbose)
                    results.append(result)
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(lane, [alone, rest] if i == 0 else [rest]) for i in range(LANES)]
        for done in lanes:
            done.result()
    return results


def debug(tests, pattern):
    """Criterion runs each test in a process of its own: gdb attaches to the one it starts."""
    if len(tests) != 1 or tests[0].kind == "python":
        print(f"test: --gdb needs one compiled test, not {len(tests)}", file=sys.stderr)
        sys.exit(2)
    for tool in ("gdb", "gdbserver"):
        if not shutil.which(tool):
            print(f"test: --gdb needs {tool}: apt-get install gdb gdbserver", file=sys.stderr)
            sys.exit(2)
    test, env = tests[0], environment()
    if test.kind not in ("unit", "daemon"):
        sys.exit(subprocess.call(["gdb", "-q", "--args", test.program, *corpus_of(test)], env=env))
    server = subprocess.Popen([test.program, "-j1", "--debug=gdb",
                               *(["--filter", pattern] if pattern else [])], env=env, cwd=ROOT)
    try:
        sys.exit(subprocess.call(["gdb", "-q", "-ex", "target remote localhost:1234",
                                  "-ex", "continue", test.program]))
    finally:
        server.terminate()
        server.wait()


def finish(results):
    passed, failed, skipped = (sum(getattr(result, field) for result in results)
                               for field in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed and not skipped else 0)


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", description="Runs nbx's tests.")
    parser.add_argument("name", nargs="?", help="program, module, kind, or suite/name with *")
    parser.add_argument("--gdb", action="store_true", help="run the one test in the debugger")
    arguments, options = parser.parse_known_args()
    name, _, rest = (arguments.name or "").partition("/")
    pattern = arguments.name if rest else None
    tests = select(find_tests(), name)
    if not tests:
        print(f"test: no test is called {name}; there are: "
              + ", ".join(sorted({t.name for t in find_tests()})), file=sys.stderr)
        sys.exit(2)
    start = time.monotonic()
    tests = build(tests, everything=not arguments.name)
    print(f"test: built in {time.monotonic() - start:.1f} s", flush=True)
    if arguments.gdb:
        debug(tests, pattern)
    verbose = len(tests) == 1 and bool(arguments.name)
    results = run_all(tests, pattern, options, verbose)
    if pattern and not any(result.passed or result.failed or result.skipped for result in results):
        print(f"test: nothing matches {pattern}")
    finish(results)


if __name__ == "__main__":
    main()
