# SPDX-License-Identifier: MIT
"""implicit's AlternatingLeastSquares on one matrix: how long fit takes, what it reaches.

    implicit_als.py PAIRS --dim D --threads T --iterations N --alpha0 A --lambda L [--cholesky]

PAIRS   objective.py's file. Runs in the venv that has implicit and prints one JSON object. The
clocks run during fit alone: implicit's own loop, its starting factors and its transposition.
"""

import argparse
import json
import sys
import time

import numpy as np
from scipy.sparse import csr_matrix

import objective

sys.path = [path for path in sys.path if not path.endswith("bench")]  # where implicit is a file
# pylint: disable=wrong-import-position
import implicit  # noqa: E402
from implicit.cpu.als import AlternatingLeastSquares  # noqa: E402


def main():
    p = argparse.ArgumentParser()
    p.add_argument("pairs")
    p.add_argument("--dim", type=int)
    p.add_argument("--threads", type=int)
    p.add_argument("--iterations", type=int)
    p.add_argument("--alpha0", type=float)
    p.add_argument("--lambda", type=float, dest="lambda_")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--cholesky", action="store_true")
    args = p.parse_args()
    pairs = objective.Pairs.load(args.pairs)
    theirs = objective.of_implicit(args.alpha0, args.lambda_)
    ones = np.ones(len(pairs.items), "f4")
    matrix = csr_matrix((ones, (pairs.customers, pairs.items)), (pairs.n_customers, pairs.n_items))
    model = AlternatingLeastSquares(
        factors=args.dim, iterations=args.iterations, num_threads=args.threads,
        use_cg=not args.cholesky, random_state=args.seed, alpha=theirs.alpha,
        regularization=theirs.regularization)
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(matrix, show_progress=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    reached = objective.loss(pairs, model.user_factors * theirs.scale,
                             model.item_factors * theirs.scale, args.alpha0, args.lambda_)
    print(json.dumps({"version": implicit.__version__, "seconds": wall, "cpu_seconds": cpu,
                      "loss": reached}))


if __name__ == "__main__":
    main()
