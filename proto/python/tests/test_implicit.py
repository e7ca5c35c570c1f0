# SPDX-License-Identifier: MIT
"""Models of implicit as bundles: the vectors that the format says against implicit's."""

import json
import os
import tempfile
import types
import unittest

import numpy as np

from nbx import bundle

try:
    import implicit.cpu.als as implicit_als
    import scipy.sparse
except ImportError:
    implicit_als = None

SEED = 20261126
N_ITEMS = 60
HISTORY = [3, 17, 41, 5]


def read(path):
    """The only space of a bundle and its factors."""
    with open(path, "rb") as file:
        data = file.read()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    space = json.loads(header["__metadata__"]["spaces"])[0]
    tensor = header["space.main.item_factors"]
    first, end = tensor["data_offsets"]
    factors = np.frombuffer(data[begin + first:begin + end], "<f4").reshape(tensor["shape"])
    return space, factors.astype("f8")


def fold(space, factors, history):
    """A customer's vector by FORMAT.md, where every event weighs 1."""
    seen = factors[history]
    reg = space["lambda"] * (len(history) + space["alpha0"] * len(factors)) ** space["nu"]
    left = space["alpha0"] * factors.T @ factors + seen.T @ seen + reg * np.eye(factors.shape[1])
    return np.linalg.solve(left, seen.sum(axis=0))


def fold_implicit(model, history):
    """The same as Hu, Koren and Volinsky (2008) have it, with confidence alpha for what was seen."""
    factors = np.asarray(model.item_factors, "f8")
    seen = factors[history]
    left = (factors.T @ factors + (model.alpha - 1) * seen.T @ seen +
            model.regularization * np.eye(factors.shape[1]))
    return np.linalg.solve(left, model.alpha * seen.sum(axis=0))


class ImplicitTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "als.safetensors")
        self.ids = [f"i{i}" for i in range(N_ITEMS)]

    def model(self, **changes):
        random = np.random.default_rng(SEED)
        return types.SimpleNamespace(**{
            "item_factors": random.normal(size=(N_ITEMS, 8)).astype("f4"),
            "regularization": 0.05, "alpha": 40.0, **changes})

    def same_direction(self, one, other, tolerance=1e-6):
        one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
        self.assertLess(np.abs(one - other).max(), tolerance)

    def test_a_customers_vector_has_the_direction_of_implicits(self):
        for alpha in (1.0, 1.5, 40.0):
            for regularization in (0.01, 0.05, 20.0):
                model = self.model(alpha=alpha, regularization=regularization)
                bundle.from_implicit(self.path, model, self.ids, name="als")
                space, factors = read(self.path)
                np.testing.assert_array_equal(factors, model.item_factors.astype("f8"))
                x, wanted = fold(space, factors, HISTORY), fold_implicit(model, HISTORY)
                self.same_direction(x, wanted, 1e-4 if alpha == 1 else 1e-9)
                if alpha > 1:
                    np.testing.assert_allclose(x * alpha / (alpha - 1), wanted, rtol=1e-6)

    def test_alpha_may_be_said_and_matrices_of_the_gpu_are_fetched(self):
        model = self.model()
        wanted = fold_implicit(model, HISTORY)
        matrix = types.SimpleNamespace(to_numpy=lambda array=model.item_factors: array)
        old = types.SimpleNamespace(item_factors=matrix, regularization=model.regularization)
        version = bundle.from_implicit(self.path, old, self.ids, alpha=40, version="7")
        self.assertEqual(version, "7")
        self.same_direction(fold(*read(self.path), HISTORY), wanted)

    def test_mistakes_are_named_and_write_nothing(self):
        unfitted = self.model(item_factors=None)
        other = types.SimpleNamespace(item_factors=np.ones((N_ITEMS, 2)), regularization=0.1)
        for field, model in (("model", unfitted), ("model", other), ("model", object()),
                             ("alpha", self.model(alpha=0.5)),
                             ("alpha", self.model(alpha=float("nan"))),
                             ("lambda", self.model(regularization=0)),
                             ("item_factors", self.model(item_factors=np.ones((3, 2))))):
            with self.assertRaisesRegex(ValueError, f"^{field}: "):
                bundle.from_implicit(self.path, model, self.ids)
        self.assertFalse(os.path.exists(self.path))

    @unittest.skipUnless(implicit_als, "implicit is not installed")
    def test_a_model_that_implicit_trained(self):
        random = np.random.default_rng(SEED)
        seen = scipy.sparse.csr_matrix((random.random((200, N_ITEMS)) < 0.1).astype("f4"))
        for alpha in (1.0, 20.0):
            model = implicit_als.AlternatingLeastSquares(
                factors=8, alpha=alpha, regularization=0.05, iterations=3, random_state=SEED)
            model.fit(seen, show_progress=False)
            bundle.from_implicit(self.path, model, self.ids)
            space, factors = read(self.path)
            for user in range(5):
                x = fold(space, factors, seen[user].indices)
                self.same_direction(x, model.recalculate_user(user, seen[user]), 1e-3)


if __name__ == "__main__":
    unittest.main()
