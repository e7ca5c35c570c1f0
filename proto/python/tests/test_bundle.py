# SPDX-License-Identifier: MIT
"""Bundles as nbx.bundle writes them, read back by the letter of models/FORMAT.md."""

import hashlib
import json
import os
import tempfile
import unittest

import numpy as np

from nbx import bundle

FACTORS = np.array([[1, 2], [3, 4], [5, -6.5]], "f4")
IDS = ["shoe-1", "s\u00e4ckchen", "b"]
ROWS = {"name": "together", "start": [0, 3, 3, 4], "items": [0, 1, 2, 1],
        "weights": [1, 2, 3, 4], "positions": [1, 0.5], "weight": 3}  # N[i, item], row by row
DTYPES = {"U8": "u1", "U32": "<u4", "U64": "<u8", "I64": "<i8", "F32": "<f4"}


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

    def test_the_digest_is_of_the_whole_file(self):
        bundle.write(self.path, IDS, FACTORS, version="v", created_ms=1, metadata={"note": "0" * 64})
        metadata, _ = read(self.path)
        with open(self.path, "rb") as file:
            whole = file.read()
        digits = metadata["nbx_digest"].encode()
        self.assertEqual(whole.count(digits), 1)
        blank = whole.replace(digits, b"0" * 64)
        self.assertEqual(hashlib.blake2b(blank, digest_size=32).hexdigest().encode(), digits)

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

    def test_a_blend_has_the_bytes_of_the_format(self):
        bundle.write(self.path, IDS, version="v", created_ms=5, spaces=[
            {"space": "taste", "item_factors": FACTORS, "alpha0": 0.5, "weight": 2},
            {"space": "next", "item_factors": FACTORS, "history_factors": -FACTORS,
             "customer": "summed", "positions": [1, -0.8, 0]},
            {"space": "popular", "item_factors": FACTORS[:, :1], "customer": "constant",
             "weight": 0.25}], neighbours=[ROWS, {"name": "alike", "triples": ([], [], [])}])
        metadata, tensors = read(self.path)
        self.assertEqual((metadata["nbx_format"], metadata["family"]), ("2", "blend"))
        self.assertEqual(list(metadata), ["nbx_format", "name", "version", "family", "created_ms",
                                          "spaces", "nbx_digest", "neighbours"])
        self.assertEqual(metadata["neighbours"],
                         '[{"name":"together","positions":[1.0,0.5],"weight":3.0},'
                         '{"name":"alike","positions":[1.0],"weight":1.0}]')
        self.assertEqual(json.loads(metadata["spaces"]), [
            {"name": "taste", "dims": 2, "metric": "dot", "customer": "folded", "alpha0": 0.5,
             "lambda": 0.003, "nu": 1, "weight": 2},
            {"name": "next", "dims": 2, "metric": "dot", "customer": "summed",
             "positions": [1, -0.8, 0], "groups": 1, "bias": False, "weight": 1},
            {"name": "popular", "dims": 1, "metric": "dot", "customer": "constant",
             "weight": 0.25}])
        self.assertEqual(list(tensors), [
            "neighbours.together.start", "neighbours.alike.start", "item_ids.offsets",
            "space.taste.item_factors", "space.next.item_factors", "space.next.history_factors",
            "space.popular.item_factors", "neighbours.together.items",
            "neighbours.together.weights", "neighbours.alike.items", "neighbours.alike.weights",
            "item_ids.bytes"])
        np.testing.assert_array_equal(tensors["space.next.history_factors"], -FACTORS)
        for part, dtype in (("start", "<u8"), ("items", "<u4"), ("weights", "<f4")):
            array = tensors[f"neighbours.together.{part}"]
            self.assertEqual(array.dtype, np.dtype(dtype))
            np.testing.assert_array_equal(array, ROWS[part])
        np.testing.assert_array_equal(tensors["neighbours.alike.start"], [0, 0, 0, 0])

    def test_neighbours_scaled_by_a_space(self):
        blend = dict(spaces=[{"space": "joint", "item_factors": FACTORS, "weight": 1},
                             {"space": "popular", "item_factors": FACTORS[:, :1],
                              "customer": "constant"}])
        bundle.write(self.path, IDS, neighbours=[dict(ROWS, scaled_by="joint")], **blend)
        self.assertEqual(read(self.path)[0]["neighbours"],
                         '[{"name":"together","positions":[1.0,0.5],"weight":3.0,'
                         '"scaled_by":"joint"}]')
        for name in ("popular", "together", "", 1):
            with self.assertRaisesRegex(ValueError, "scaled_by: must be the name of a space"):
                bundle.write(self.path, IDS, neighbours=[dict(ROWS, scaled_by=name)], **blend)

    def test_groups_and_bias_of_a_summed_space(self):
        wide = np.ones((3, 5), "f4")
        for asked, written in [
                (dict(groups=2, bias=True, positions=[1, -0.5, -1e6, 1e6]),
                 '"positions":[1.0,-0.5,-1000000.0,1000000.0],"groups":2,"bias":true'),
                (dict(groups=5, bias=np.bool_(False)),
                 '"positions":[1.0,1.0,1.0,1.0,1.0],"groups":5,"bias":false'),
                (dict(groups=np.int64(4), bias=np.bool_(True), positions=np.arange(4)),
                 '"positions":[0.0,1.0,2.0,3.0],"groups":4,"bias":true'),
                (dict(groups=1, positions=[-1]), '"positions":[-1.0],"groups":1,"bias":false')]:
            bundle.write(self.path, IDS, wide, customer="summed", history_factors=wide, **asked)
            self.assertEqual(
                read(self.path)[0]["spaces"],
                '[{"name":"main","dims":5,"metric":"dot","customer":"summed",' + written +
                ',"weight":1.0}]')

    def test_triples_in_any_order_are_rows(self):
        triples = ([2, 0, 0, 0], [1, 2, 0, 1], [4, 3, 1, 2])
        for rows, items, weights in (triples, tuple(map(np.array, triples))):
            bundle.write(self.path, IDS, neighbours=[
                {"name": "together", "triples": (rows, items, weights)}])
            metadata, tensors = read(self.path)
            self.assertEqual(json.loads(metadata["spaces"]), [])
            for part in ("start", "items", "weights"):
                np.testing.assert_array_equal(tensors[f"neighbours.together.{part}"], ROWS[part])

    def test_the_family_follows_from_the_parts(self):
        for family, asked in [
                ("factors", {}), ("factors", {"family": "factors"}), ("blend", {"family": "blend"}),
                ("blend", {"weight": 1}), ("blend", {"neighbours": [ROWS]}),
                ("factors", {"neighbours": []}),
                ("blend", {"customer": "summed", "history_factors": FACTORS})]:
            bundle.write(self.path, IDS, FACTORS, **asked)
            metadata, _ = read(self.path)
            self.assertEqual((metadata["family"], metadata["nbx_format"]),
                             (family, "2" if family == "blend" else "1"), asked)
            self.assertEqual("neighbours" in metadata, family == "blend")

    def refuse(self, mistakes, **rest):
        for words, change in mistakes:
            with self.assertRaisesRegex(ValueError, words, msg=change):
                bundle.write(self.path, IDS, **{**rest, **change})
        self.assertEqual(os.listdir(self.folder), [])

    def test_mistakes_in_a_blends_spaces_are_named(self):
        nan = FACTORS.copy()
        nan[2, 1] = np.nan
        summed = {"customer": "summed", "history_factors": FACTORS}
        self.refuse([
            ("^family", dict(family="forest")), ("^family", dict(family="factors", weight=1)),
            ("^family", dict(family="factors", neighbours=[ROWS])),
            ("^customer", dict(customer="given", weight=1)),
            ("^customer", dict(customer="given", neighbours=[ROWS])),
            ("^metric", dict(metric="cosine", family="blend")),
            ("1 dimension", dict(customer="constant")),
            ("^weight", dict(weight=0)), ("^weight", dict(weight=-1)),
            ("^weight", dict(weight=float("nan"))), ("^weight", dict(weight=1000001)),
            ("^weight", dict(weight=1e-60)),
            ("^positions: ", dict(summed, positions=[])),
            ("^positions: ", dict(summed, positions=[1] * 257)),
            (r"^positions\[1\]", dict(summed, positions=[1, -1000001])),
            (r"^positions\[0\]", dict(summed, positions=[float("nan")])),
            (r"^positions\[0\]", dict(summed, positions=[1e7])),
            ("summed spaces only", dict(weight=1, positions=[1])),
            ("summed spaces only", dict(weight=1, history_factors=FACTORS)),
            ("summed spaces only", dict(weight=1, groups=1)),
            ("summed spaces only", dict(weight=1, bias=False)),
            ("^groups: must be 1 to 16", dict(summed, groups=0)),
            ("^groups: must be 1 to 16", dict(summed, groups=17)),
            ("^groups: must be 1 to 16", dict(summed, groups=1.0)),
            ("^groups: must be 1 to 16", dict(summed, groups=True)),
            ("^groups: must divide the 2", dict(summed, groups=3, positions=[1] * 3)),
            ("^groups: must divide the 1", dict(summed, groups=2, bias=True)),
            ("^positions: must be as many", dict(summed, groups=2, positions=[1, 1, 1])),
            ("^positions: must be 1 to 256", dict(summed, groups=2, positions=[1] * 258)),
            ("^bias: must be True or False", dict(summed, bias=1)),
            ("^bias: must be True or False", dict(summed, bias="true")),
            ("^bias: must be False where", dict(
                item_factors=FACTORS[:, :1], customer="summed", history_factors=FACTORS[:, :1],
                bias=True)),
            ("^history_factors: missing", dict(customer="summed")),
            ("^history_factors", dict(customer="summed", history_factors=FACTORS[:2])),
            ("^history_factors", dict(customer="summed", history_factors=FACTORS[:, :1])),
            ("^history_factors: item 2, dim", dict(customer="summed", history_factors=nan)),
            ("folded spaces only", dict(summed, nu=1)),
            ("different names", dict(neighbours=[dict(ROWS, name="main")])),
            ("different names", dict(neighbours=[ROWS, ROWS])),
            ("^neighbours: must be at most", dict(neighbours=[ROWS] * 5)),
            ("^neighbours: must be 1 to 64", dict(neighbours=[dict(ROWS, name="a b")])),
            ("^neighbours: must be 1 to 64", dict(neighbours=[dict(ROWS, name=None)])),
            ("metadata", dict(metadata={"neighbours": "x"})),
        ], item_factors=FACTORS)
        self.refuse([("^spaces", dict(spaces=[])), ("^spaces", dict(spaces=[], family="blend"))])

    def test_mistakes_in_neighbours_are_named(self):
        whole = {"name": "n", "triples": ([0], [1], [1])}
        self.refuse([(words, dict(neighbours=[{**base, **change}])) for words, base, change in [
            ("^start", ROWS, dict(start=[0, 3, 4])), ("^start", ROWS, dict(start=[1, 3, 3, 4])),
            ("^start", ROWS, dict(start=[0, 3, 3, 3])), ("^start", ROWS, dict(start=[0, 3, 2, 4])),
            ("^start", ROWS, dict(start=[0, 3, 3, 2**64 - 1])),
            ("^start", ROWS, dict(start=[0.0, 3, 3, 4])), ("^start", ROWS, dict(start=[[0]])),
            ("^items: must be 0 to 2", ROWS, dict(items=[0, 1, 3, 1])),
            ("^items: must be 0 to 2", ROWS, dict(items=[-1, 1, 2, 1])),
            ("ascend.*item 0", ROWS, dict(items=[0, 2, 1, 1])),
            ("ascend.*item 0", ROWS, dict(items=[0, 1, 1, 1])),
            ("ascend.*item 2", ROWS, dict(start=[0, 2, 2, 4], items=[0, 1, 1, 1])),
            ("^items", ROWS, dict(items=[0.5, 1, 2, 1])),
            ("^weights", ROWS, dict(weights=[1, 2, 3])),
            ("^weights: entry 2", ROWS, dict(weights=[1, 2, float("inf"), 3])),
            ("^weights: entry 3", ROWS, dict(weights=[1, 2, 3, 1e39])),
            ("^weight:", ROWS, dict(weight=0)), ("^positions", ROWS, dict(positions=[])),
            ("give either", ROWS, dict(weights=None)), ("give either", {"name": "n"}, {}),
            ("give either", ROWS, dict(triples=([0], [1], [1]))),
            ("^triples: must be three", whole, dict(triples=([0], [1], [1, 2]))),
            (r"^triples\[0\]: rows", whole, dict(triples=([3], [1], [1]))),
            (r"^triples\[0\]: rows", whole, dict(triples=([-1], [1], [1]))),
            ("^items: must be", whole, dict(triples=([0], [3], [1]))),
            (r"^triples\[1\]: must be integers", whole, dict(triples=([0], [1.5], [1]))),
            ("ascend", whole, dict(triples=([1, 1], [2, 2], [1, 1]))),
            ("^weights", whole, dict(triples=([0], [1], [float("nan")]))),
        ]])

    def test_attributes_are_of_format_2(self):
        bundle.write(self.path, IDS, FACTORS, attributes={
            "names": ["item", "brand=\u00e9"], "vectors": [[1, 2], [3, 4]], "price_bounds": [5, 9]})
        metadata, tensors = read(self.path)
        self.assertEqual((metadata["family"], metadata["nbx_format"]), ("factors", "2"))
        self.assertEqual(list(tensors), [
            "attributes.price_bounds", "item_ids.offsets", "space.main.item_factors",
            "attributes.names.offsets", "attributes.vectors", "item_ids.bytes",
            "attributes.names.bytes"])
        self.assertEqual(tensors["attributes.price_bounds"].tolist(), [5, 9])
        self.assertEqual(tensors["attributes.names.offsets"].tolist(), [0, 4, 12])
        self.assertEqual(tensors["attributes.names.bytes"].tobytes(), b"itembrand=\xc3\xa9")
        self.assertEqual(tensors["attributes.vectors"].tolist(), [[1, 2], [3, 4]])
        bundle.write(self.path, IDS, FACTORS, weight=1, attributes={
            "names": ["item"], "vectors": [[1, 2]]})
        self.assertEqual(read(self.path)[1]["attributes.price_bounds"].tolist(), [])

    def test_mistakes_in_attributes_are_named(self):
        sound = {"names": ["a", "b"], "vectors": [[1, 2], [3, 4]]}
        self.refuse([(words, dict(attributes={**sound, **change})) for words, change in [
            ("^names: 'a' stands twice", dict(names=["a", "a"])), ("^names: 1 to", dict(names=[])),
            (r"^names\[1\]", dict(names=["a", ""])), ("^vectors: must be", dict(vectors=[[1, 2]])),
            ("^vectors: must be", dict(vectors=[[1], [2]])),
            ("^vectors: one is NaN", dict(vectors=[[1, 2], [3, float("nan")]])),
            ("^price_bounds", dict(price_bounds=[1, 1])),
            ("^price_bounds", dict(price_bounds=[1.5])),
            ("^price_bounds", dict(price_bounds=range(256))),
        ]], item_factors=FACTORS)
        self.refuse([("no space", dict(attributes=sound))], neighbours=[ROWS])

    def test_attributes_of_customers_are_of_format_2(self):
        of_customers = {"names": ["customer", "sex=\u00e9"], "vectors": [[1, 2], [3, 4]]}
        bundle.write(self.path, IDS, FACTORS, customer_attributes=of_customers)
        metadata, tensors = read(self.path)
        self.assertEqual((metadata["family"], metadata["nbx_format"]), ("factors", "2"))
        self.assertEqual(list(tensors), [
            "item_ids.offsets", "space.main.item_factors", "customer_attributes.names.offsets",
            "customer_attributes.vectors", "item_ids.bytes", "customer_attributes.names.bytes"])
        self.assertEqual(tensors["customer_attributes.names.offsets"].tolist(), [0, 8, 14])
        self.assertEqual(tensors["customer_attributes.vectors"].tolist(), [[1, 2], [3, 4]])
        bundle.write(self.path, IDS, FACTORS, customer_attributes=of_customers,
                     attributes={"names": ["item"], "vectors": [[1, 2]]})
        self.assertEqual(list(read(self.path)[1])[-3:], [
            "item_ids.bytes", "attributes.names.bytes", "customer_attributes.names.bytes"])

    def test_mistakes_in_attributes_of_customers_are_named(self):
        of_customers = {"names": ["customer", "sex=f"], "vectors": [[1, 2], [3, 4]]}
        self.refuse([
            ("^customer_attributes: price_bounds",
             dict(customer_attributes={**of_customers, "price_bounds": [1]})),
            ("^vectors: must be", dict(customer_attributes={**of_customers, "vectors": [[1, 2]]})),
        ], item_factors=FACTORS)
        self.refuse([("^customer_attributes: there is no space",
                      dict(customer_attributes=of_customers))], neighbours=[ROWS])

    def test_golden_queries_are_metadata(self):
        bundle.write(self.path, IDS, FACTORS, metadata={"note": "x"}, golden=[
            {"history": ["b", ("shoe-1", 0.5)], "expect": ["s\u00e4ckchen"]},
            {"vector": np.array([1, 0.5]), "space": "main", "expect": ["b", "shoe-1"],
             "tolerance": 0.5}])
        metadata, _ = read(self.path)
        self.assertEqual(metadata["note"], "x")
        self.assertEqual(json.loads(metadata["golden"]), [
            {"history": [["b", 1], ["shoe-1", 0.5]], "expect": ["s\u00e4ckchen"], "tolerance": 0},
            {"vector": [1, 0.5], "space": "main", "expect": ["b", "shoe-1"], "tolerance": 0.5}])
        bundle.write(self.path, IDS, FACTORS, golden=[])
        self.assertEqual(read(self.path)[0]["golden"], "[]")
        self.assertNotIn("golden", self.metadata_of())

    def metadata_of(self):
        bundle.write(self.path, IDS, FACTORS)
        return read(self.path)[0]

    def test_mistakes_in_golden_queries_are_named(self):
        history = {"history": ["b"], "expect": ["shoe-1"]}
        vector = {"vector": [1, 2], "expect": ["b"]}
        wrong = [
            ([dict(history, top=3)], "golden[0]: unknown key 'top'"),
            ([history, {"expect": ["b"]}], "golden[1]: give either history"),
            ([dict(history, vector=[1, 2])], "golden[0]: give either history"),
            ([dict(history, space="main")], "golden[0]: give either history"),
            ([dict(history, history=[])], "golden[0].history: must be 1 to 256 items, got 0"),
            ([dict(history, history=["b", "b"])], "golden[0].history: an item stands twice"),
            ([dict(history, history=["x"])], "golden[0].history: 'x' is no item"),
            ([dict(history, history=[("b", 0)])], "golden[0].history: 'b' must have a weight"),
            ([dict(history, history=[("b", float("nan"))])], "must have a weight"),
            ([{"history": ["b"]}], "golden[0].expect: must be 1 to 100 items, got 0"),
            ([dict(history, expect=["x"])], "golden[0].expect: 'x' is no item"),
            ([dict(history, tolerance=1)], "golden[0].tolerance: must be from 0 to below 1"),
            ([dict(vector, vector=[1])], "golden[0].vector: must be 2 finite"),
            ([dict(vector, vector=[1, 1e39])], "golden[0].vector: must be 2 finite"),
            ([dict(vector, space="x")], "golden[0]: a vector is of a space"),
            ([history] * 101, "golden: must be at most 100 queries, got 101"),
        ]
        for golden, message in wrong:
            with self.subTest(message), self.assertRaises(ValueError) as caught:
                bundle.write(self.path, IDS, FACTORS, golden=golden)
            self.assertIn(message, str(caught.exception))
        with self.assertRaisesRegex(ValueError, "a vector is of a space"):
            bundle.write(self.path, IDS, FACTORS, weight=2, family="blend", golden=[vector])
        with self.assertRaisesRegex(ValueError, "'golden' is there already"):
            bundle.write(self.path, IDS, FACTORS, metadata={"golden": "[]"}, golden=[history])
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
