# Goal: the test runner counts right; a failure it cannot see would make every other test worthless.
import os
import sys
import unittest

ROOT = os.environ.get("NBX_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import testing  # noqa: E402

TAP = """TAP version 13
1..5
ok - a::c  # SKIP no data
ok - a::d  # SKIP test was skipped
ok - a::b  (0.00s)
"""


class Counting(unittest.TestCase):
    def counts(self, result):
        return result.passed, result.failed, result.skipped

    def test_criterion(self):
        self.assertEqual(self.counts(testing.criterion_result(TAP, 0, "")), (1, 0, 1))
        failing = TAP + "not ok - b::x unexpected signal\nnot ok - b::c  (0.00s)\n"
        self.assertEqual(self.counts(testing.criterion_result(failing, 1, "")), (1, 2, 1))

    def test_criterion_leak_or_crash_of_the_program_fails(self):
        self.assertEqual(self.counts(testing.criterion_result(TAP, -6, "")), (1, 1, 1))
        self.assertEqual(self.counts(testing.criterion_result("", 127, "")), (0, 1, 0))

    def test_unittest(self):
        self.assertEqual(self.counts(testing.unittest_result(
            0, "Ran 5 tests in 0.1s\n\nOK (skipped=2)\n")), (3, 0, 2))
        self.assertEqual(self.counts(testing.unittest_result(
            1, "Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=1)\n")), (1, 3, 1))
        self.assertEqual(self.counts(testing.unittest_result(1, "SyntaxError\n")), (0, 1, 0))

    def test_plain_program(self):
        self.assertEqual(self.counts(testing.plain_result(0, "")), (1, 0, 0))
        self.assertEqual(self.counts(testing.plain_result(1, "")), (0, 1, 0))
        self.assertEqual(self.counts(testing.plain_result(77, "no data")), (0, 0, 1))
        said = "x\n3 passed, 0 failed, 1 skipped\n"
        self.assertEqual(self.counts(testing.plain_result(0, said)), (3, 0, 1))
        self.assertEqual(self.counts(testing.plain_result(-11, said)), (3, 1, 1))


class Selecting(unittest.TestCase):
    TESTS = [testing.Test("unit", "topk", "score", "a", False),
             testing.Test("unit", "fold", "score", "b", False),
             testing.Test("crash", "kill", "crash", "c", True)]

    def names(self, name):
        return [test.name for test in testing.select(self.TESTS, name)]

    def test_name_module_kind_part(self):
        self.assertEqual(self.names("topk"), ["topk"])
        self.assertEqual(self.names("score"), ["topk", "fold"])
        self.assertEqual(self.names("crash"), ["kill"])
        self.assertEqual(self.names("old"), ["fold"])
        self.assertEqual(self.names(""), ["topk", "fold", "kill"])
        self.assertEqual(self.names("nothing"), [])

    def test_only_targets_are_programs(self):
        known = {"test_topk", "crash", "fold"}
        for kind, name, target in (("unit", "topk", "test_topk"), ("crash", "crash", "crash"),
                                   ("crash", "ledger", ""), ("race", "topk", "")):
            test = testing.Test(kind, name, "m", "p", True)
            test.find_target(known)
            self.assertEqual(test.target, target)

    def test_parts_of_programs_are_no_tests(self):
        names = [(t.kind, t.name) for t in testing.find_tests()]
        self.assertIn(("fuzz", "decode"), names)
        self.assertNotIn(("fuzz", "replay"), names)
        self.assertIn(("crash", "crash"), names)
        self.assertNotIn(("crash", "ledger"), names)

    def test_this_file_is_found(self):
        self.assertIn("tests/scripts/test_testing.py", [t.path for t in testing.find_tests()])


if __name__ == "__main__":
    unittest.main()
