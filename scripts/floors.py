"""Floors and doors: who may include what. The table below is the layout's one truth.

A file includes only its own floor or lower ones, by path from the root; each outside library is
included by the folders that are its door and by nobody else.

    floors.py [ROOT]    prints each violation as file:line: reason; exit 1 if there are any
"""
import os
import re
import sys

FLOORS = {
    "engine/base": 0,
    "proto": 1,
    "proto/client": 1,
    "engine/conf": 1,
    "engine/store": 1,
    "engine/blas": 1,
    "engine/json": 1,
    "engine/score": 1,
    "models/bundle": 1,
    "engine/catalog": 2,
    "engine/customer": 2,
    "engine/model": 2,
    "models/attributes": 2,
    "models/dataset": 2,
    "models/ials": 2,
    "models/neighbours": 2,
    "models/compress": 2,
    "models/ease": 2,
    "models/recipe": 2,
    "models/sequence": 2,
    "models/spectral": 2,
    "models/evaluate": 2,
    "models/calibrate": 2,
    "models/report": 2,
    "models/tune": 2,
    "engine/decide": 3,
    "engine/audience": 3,
    "engine/care": 4,
    "engine/serve": 4,
    "engine/http": 4,
    # Programs.
    "engine/main": 5,
    "models/train": 5,
    "models/sim": 5,
    "proto/cli": 5,
    "bench": 5,
    "tests": 6,
}

# Programs whose files lie beside the folders: pattern -> row.
PROGRAM_FILES = {
    r"engine/main(_\w+)?\.[ch]": "engine/main",
    r"models/train_main\.c": "models/train",
}

# First part of an outside header's path -> the folders that may include it. bench and tests may
# open any door: they measure and torment what is behind it.
DOORS = {
    "zmq.h": ["engine/serve", "engine/http", "proto/client"],
    "msgpack.h": ["proto"],
    "msgpack": ["proto"],
    "rocksdb": ["engine/store"],
    "cblas.h": ["engine/blas"],
    "openblas_config.h": ["engine/blas"],
    "lapack.h": ["engine/blas"],
    "lapacke.h": ["engine/blas"],
    "jansson.h": ["engine/json"],
    "microhttpd.h": ["engine/http"],
    "xxhash.h": ["engine/base"],
    "sodium.h": ["engine/base"],
    "sodium": ["engine/base"],
    "cyaml": ["engine/conf"],
    "yaml.h": ["engine/conf"],
    "criterion": [],
}
OPEN_TO_ALL_DOORS = ("bench", "tests")

# The C library, Linux and the compiler: no door needed. Anything else is a new dependency.
SYSTEM = set("""
assert ctype errno fcntl fenv float getopt inttypes limits locale math poll pthread pty sched
semaphore signal spawn stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn
string strings alloca argp byteswap err error features ftw iconv ifaddrs link resolv search termios
threads time unistd dirent dlfcn endian execinfo fnmatch glob langinfo libgen malloc netdb pwd
regex sysexits syslog tgmath ucontext utime wchar wctype immintrin cpuid x86intrin arm_neon
""".split())
SYSTEM_FOLDERS = ("sys", "netinet", "arpa", "net", "linux", "asm", "sanitizer", "bits")

GENERATED = ("version.h",)  # made by CMake from etc/*.in
SOURCE_SUFFIXES = (".c", ".h")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")')


def sources(root):
    """Paths of all C files from the root, sorted."""
    found = []
    for top in ("engine", "models", "proto", "bench", "tests"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            found += [os.path.relpath(os.path.join(folder, name), root)
                      for name in names if name.endswith(SOURCE_SUFFIXES)]
    return sorted(found)


def part_of(path):
    """The row of the table a file belongs to: itself, or the nearest folder; None if none."""
    for pattern, part in PROGRAM_FILES.items():
        if re.fullmatch(pattern, path):
            return part
    while path:
        if path in FLOORS:
            return path
        path = os.path.dirname(path)
    return None


def includes(text):
    """(line, header, angled) of each include."""
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is not None


def check_outside(part, header):
    """Why `part` may not include <header>, or None."""
    first = header.split("/")[0]
    if first in DOORS:
        doors = DOORS[first]
        if part in doors or part.split("/")[0] in OPEN_TO_ALL_DOORS:
            return None
        return f"<{header}> has another door: {', '.join(doors) or 'tests only'}"
    if first in SYSTEM_FOLDERS or (header.endswith(".h") and header[:-2] in SYSTEM):
        return None
    return f"<{header}> is not the C library's and has no door in scripts/floors.py"


def check_inside(root, part, header):
    """Why `part` may not include "header", or None."""
    if header in GENERATED:
        return None
    if ".." in header.split("/") or not os.path.isfile(os.path.join(root, header)):
        return f'"{header}" is no path from the root'
    target = part_of(header)
    if target is None:
        return f'"{header}" lies in a folder without a floor'
    if FLOORS[target] > FLOORS[part]:
        return (f'"{header}" is on floor {FLOORS[target]} ({target}), '
                f"above floor {FLOORS[part]} ({part})")
    if FLOORS[part] == 5 and FLOORS[target] == 5 and target != part:
        return f'"{header}" belongs to another program ({target})'
    if part.startswith("models/") and target.startswith("engine/") and FLOORS[target] > 1:
        return f'"{header}": models use no engine above floor 1'
    return None


def check(root):
    """List of "file:line: reason"."""
    problems = []
    for path in sources(root):
        part = part_of(path)
        if part is None:
            problems.append(f"{path}:1: its folder has no floor in scripts/floors.py")
            continue
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        for line, header, angled in includes(text):
            problem = check_outside(part, header) if angled else check_inside(root, part, header)
            if problem:
                problems.append(f"{path}:{line}: {problem}")
    return problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))
    problems = check(root)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
