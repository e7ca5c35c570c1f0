# SPDX-License-Identifier: MIT
"""Bundles as nbx.bundle writes them, read back by the letter of models/FORMAT.md."""

import json
import os
import tempfile
import unittest

import numpy as np

from nbx import bundle

FACTORS = np.array([[1, 2], [3, 4], [5, -6.5]], "f4")
IDS = ["shoe-1", "s\u00e4ckchen", "b"]
DTYPES = {"U8": "u1", "U32": "<u4", "U64": "<u8", "F32": "<f4"}


def read(path):
    """Metadata and arrays by name, every rule of the container checked."""
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    assert data[8:9] == b"{" and (8 + length) % 64 == 0
    metadata, tensors, at = header.pop("__metadata__"), {}, 0
    assert all(isinstance(value, str) for value in metadata.values())
    for name, entry in header.items():
        assert set(entry) == {"dtype", "shape", "data_offsets"}
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[8 + length + begin:8 + length + end], DTYPES[entry["dtype"]])
        assert begin == at and begin % array.itemsize == 0
        tensors[name], at = array.reshape(entry["shape"]), end
    assert 8 + length + at == len(data)
    return metadata, tensors


class FakeTensor:
    """What PyTorch's tensors offer here."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array


class BundleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "m.safetensors")

    def test_what_is_written_can_be_read(self):
        version = bundle.write(self.path, item_ids=IDS, item_factors=FACTORS, name="taste",
                               version="v1", created_ms=1700000000000, alpha0=0.5, lambda_=0.25,
                               nu=0, metadata={"note": "ok", "epochs": 8, "recall": {"20": 0.15}})
        self.assertEqual(version, "v1")
        metadata, tensors = read(self.path)
        self.assertEqual(list(metadata)[:6], ["nbx_format", "name", "version", "family",
                                              "created_ms", "spaces"])
        self.assertEqual(metadata["nbx_format"], "1")
        self.assertEqual((metadata["name"], metadata["version"]), ("taste", "v1"))
        self.assertEqual((metadata["family"], metadata["created_ms"]),
                         ("factors", "1700000000000"))
        self.assertEqual(json.loads(metadata["spaces"]), [
            {"name": "main", "dims": 2, "metric": "dot", "customer": "folded", "alpha0": 0.5,
             "lambda": 0.25, "nu": 0}])
        self.assertEqual((metadata["note"], metadata["epochs"], metadata["recall"]),
                         ("ok", "8", '{"20":0.15}'))
        self.assertEqual(list(tensors),
                         ["item_ids.offsets", "space.main.item_factors", "item_ids.bytes"])
        np.testing.assert_array_equal(tensors["space.main.item_factors"], FACTORS)
        raw, ends = tensors["item_ids.bytes"].tobytes(), tensors["item_ids.offsets"]
        self.assertEqual([raw[a:b].decode() for a, b in zip(ends, ends[1:])], IDS)
        self.assertEqual(ends.dtype, np.dtype("<u4"))

    def test_the_same_input_gives_the_same_bytes_and_no_other_file(self):
        for _ in range(2):
            bundle.write(self.path, IDS, FACTORS, version="v", created_ms=1)
            with open(self.path, "rb") as file:
                content = file.read()
            self.assertEqual(os.listdir(self.folder), ["m.safetensors"])
        bundle.write(self.path, IDS, FACTORS, version="v", created_ms=1)
        with open(self.path, "rb") as file:
            self.assertEqual(content, file.read())

    def test_defaults_are_a_folded_space_and_a_version_by_time(self):
        version = bundle.write(self.path, IDS, FACTORS)
        self.assertRegex(version, r"\A\d{8}T\d{6}-[0-9a-f]{4}\Z")
        metadata, _ = read(self.path)
        space = json.loads(metadata["spaces"])[0]
        self.assertEqual((space["alpha0"], space["lambda"], space["nu"]), (0.01, 0.003, 1))
        self.assertEqual(bundle.new_version(0)[:15], "19700101T000000")

    def test_several_spaces_and_given_ones(self):
        bundle.write(self.path, IDS, spaces=[
            {"item_factors": FACTORS, "nu": 0.5},
            {"space": "tower", "item_factors": FACTORS[:, :1], "customer": "given",
             "metric": "cosine"}])
        metadata, tensors = read(self.path)
        self.assertEqual(json.loads(metadata["spaces"])[1],
                         {"name": "tower", "dims": 1, "metric": "cosine", "customer": "given"})
        self.assertEqual(tensors["space.tower.item_factors"].shape, (3, 1))

    def test_tensors_and_other_arrays_become_floats(self):
        for factors in (FakeTensor(FACTORS), FACTORS.astype("f8"), FACTORS.tolist(),
                        np.asfortranarray(FACTORS), FACTORS.astype(">f4")):
            bundle.write(self.path, IDS, factors)
            np.testing.assert_array_equal(read(self.path)[1]["space.main.item_factors"], FACTORS)

    def test_mistakes_are_named_and_write_nothing(self):
        nan, huge = FACTORS.copy(), FACTORS.astype("f8")
        nan[1, 0], huge[2, 1] = np.nan, 1e39
        mistakes = [
            ("item_factors", dict(item_factors=FACTORS[:2])),
            ("item_factors", dict(item_factors=FACTORS[0])),
            ("item_factors", dict(item_factors=None)),
            ("item_factors: item 1, dimension 0", dict(item_factors=nan)),
            ("item_factors: item 2, dimension 1", dict(item_factors=huge)),
            ("item_factors", dict(item_factors=np.zeros((3, 4097), "f4"))),
            ("item_factors", dict(item_factors=np.zeros((3, 0), "f4"))),
            ("item_ids", dict(item_ids=[], item_factors=np.zeros((0, 2)))),
            ("'a' stands twice", dict(item_ids=["a", "b", "a"])),
            (r"item_ids\[1\]", dict(item_ids=["a", "", "b"])),
            (r"item_ids\[2\]", dict(item_ids=["a", "b", "x" * 256])),
            (r"item_ids\[0\]", dict(item_ids=["a\0", "b", "c"])),
            ("name", dict(name="")), ("name", dict(name=".x")), ("name", dict(name="a b")),
            ("name", dict(name="x" * 65)), ("version", dict(version="a/b")),
            ("space", dict(space="a b")), ("created_ms", dict(created_ms=-1)),
            ("created_ms", dict(created_ms=10**15)), ("metric", dict(metric="l2")),
            ("customer", dict(customer="asked")), ("alpha0", dict(alpha0=-1)),
            ("lambda", dict(lambda_=0)), ("nu", dict(nu=5)), ("nu", dict(nu=float("nan"))),
            ("folded spaces only", dict(customer="given", nu=1)),
            ("metadata", dict(metadata={"spaces": "x"})), ("metadata", dict(metadata={1: "x"})),
            ("spaces", dict(spaces=[{"item_factors": FACTORS}])),
            ("path", dict(path=os.path.join(self.folder, "m.bin"))),
        ]
        for words, change in mistakes:
            arguments = {"path": self.path, "item_ids": IDS, "item_factors": FACTORS, **change}
            with self.assertRaisesRegex(ValueError, words, msg=change):
                bundle.write(**arguments)
        two = [{"item_factors": FACTORS}, {"item_factors": FACTORS}]
        with self.assertRaisesRegex(ValueError, "different names"):
            bundle.write(self.path, IDS, spaces=two)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_failed_write_leaves_the_old_file(self):
        bundle.write(self.path, IDS, FACTORS, version="old")
        real = os.replace
        self.addCleanup(setattr, bundle.os, "replace", real)

        def fail(*_):
            raise OSError("full")

        bundle.os.replace = fail
        with self.assertRaises(OSError):
            bundle.write(self.path, IDS, FACTORS, version="new")
        self.assertEqual(os.listdir(self.folder), ["m.safetensors"])
        self.assertEqual(read(self.path)[0]["version"], "old")


if __name__ == "__main__":
    unittest.main()
