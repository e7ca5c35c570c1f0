# Goal: floors.py finds each way of leaving one's floor, and passes the tree as it stands.
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.environ.get("NBX_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import floors  # noqa: E402

GOOD = {
    "engine/base/err.h": "#include <stdint.h>\n#include <sys/stat.h>\n",
    "engine/base/hash.c": '#include "engine/base/err.h"\n#include <xxhash.h>\n#include <sodium.h>\n',
    "engine/store/store.c": '#include "engine/base/err.h"\n#include <rocksdb/c.h>\n',
    "proto/wire.c": '#include "engine/base/err.h"\n#include <msgpack.h>\n',
    "proto/client/client.h": "#include <zmq.h>\n",
    "engine/decide/gate.h": "",
    "engine/serve/front.c": '#include "engine/decide/gate.h"\n#include <zmq.h>\n',
    "models/sim/main.c": '#include "engine/base/err.h"\n#include "models/sim/shop.h"\n',
    "models/sim/shop.h": "",
    "engine/main_options.h": "",
    "engine/main.c": '#include "engine/main_options.h"\n#include "engine/decide/gate.h"\n#include "version.h"\n',
    "models/train/arguments.h": "",
    "models/train_main.c": '#include "models/train/arguments.h"\n',
    "tests/unit/store/test_store.c": '#include <criterion/criterion.h>\n#include <zmq.h>\n',
    "bench/echo.c": "  #  include <zmq.h>\n",
}


class Tree:
    """A tree of small files that lives as long as the block."""

    def __init__(self, files):
        self.files = files

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        for path, text in self.files.items():
            full = os.path.join(self.folder.name, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        return self.folder.name

    def __exit__(self, *_):
        self.folder.cleanup()


class Floors(unittest.TestCase):
    def expect(self, path, text, place, words):
        with Tree({**GOOD, path: text}) as root:
            problems = floors.check(root)
        self.assertEqual(len(problems), 1, problems)
        self.assertTrue(problems[0].startswith(place + ": "), problems[0])
        self.assertIn(words, problems[0])

    def test_good_tree_passes(self):
        with Tree(GOOD) as root:
            self.assertEqual(floors.check(root), [])

    def test_this_tree_passes(self):
        self.assertEqual(floors.check(ROOT), [])

    def test_a_higher_floor_is_refused(self):
        self.expect("engine/base/log.c", '\n#include "proto/client/client.h"\n',
                    "engine/base/log.c:2", "floor 1 (proto/client), above floor 0")
        self.expect("engine/decide/log.c", '#include "engine/serve/front.c"\n',
                    "engine/decide/log.c:1", "floor 4 (engine/serve), above floor 3")
        self.expect("engine/serve/front.h", '#include "models/sim/shop.h"\n',
                    "engine/serve/front.h:1", "floor 5 (models/sim)")

    def test_the_simulated_shop_is_a_program(self):
        self.assertEqual(floors.FLOORS["models/sim"], 5)
        self.expect("models/sim/stream.c", '#include "tests/unit/store/test_store.c"\n',
                    "models/sim/stream.c:1", "floor 6 (tests), above floor 5")
        self.expect("models/sim/stream.c", '#include "engine/main.c"\n',
                    "models/sim/stream.c:1", "belongs to another program")

    def test_models_use_no_engine_above_floor_1(self):
        with Tree({**GOOD, "engine/catalog/catalog.h": "",
                   "models/ials/fit.c": '#include "engine/catalog/catalog.h"\n'}) as root:
            self.assertEqual(len(floors.check(root)), 1)

    def test_each_door_is_kept(self):
        for header in ("zmq.h", "msgpack.h", "msgpack/sbuffer.h", "rocksdb/c.h", "cblas.h",
                       "jansson.h", "microhttpd.h", "xxhash.h", "sodium.h", "cyaml/cyaml.h",
                       "yaml.h", "criterion/criterion.h", "lapacke.h"):
            with self.subTest(header=header):
                self.expect("engine/decide/log.c", f"#include <{header}>\n",
                            "engine/decide/log.c:1", "has another door")

    def test_an_unknown_library_is_refused(self):
        self.expect("engine/store/zip.c", "#include <zstd.h>\n", "engine/store/zip.c:1",
                    "has no door")

    def test_a_relative_path_is_refused(self):
        self.expect("engine/base/log.c", '#include "err.h"\n', "engine/base/log.c:1",
                    "no path from the root")
        self.expect("engine/base/log.c", '#include "engine/base/../base/err.h"\n',
                    "engine/base/log.c:1", "no path from the root")

    def test_a_folder_without_floor_is_refused(self):
        self.expect("engine/extra/x.c", "", "engine/extra/x.c:1", "has no floor")

    def test_comments_are_no_includes(self):
        with Tree({**GOOD, "engine/base/x.c": '// #include <zmq.h>\n/* "x.h" */\n'}) as root:
            self.assertEqual(floors.check(root), [])

    def test_the_program_prints_and_fails(self):
        with Tree({**GOOD, "engine/base/x.c": "#include <zmq.h>\n"}) as root:
            done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "floors.py"), root],
                                  stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "engine/base/x.c:1: <zmq.h> has another door: "
                                      "engine/serve, engine/http, proto/client\n")


if __name__ == "__main__":
    unittest.main()
