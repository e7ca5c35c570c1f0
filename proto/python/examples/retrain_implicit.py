# SPDX-License-Identifier: MIT
"""A model of implicit, from what customers did at a running nbxd to its answers, and back again.

    pip install implicit && python retrain_implicit.py [tcp://127.0.0.1:7741]

Takes the events, trains, checks the model on what customers did last, pushes it, has it asked in
the shadow of what answers, lets it answer, looks at a list, and rolls back.
"""

import os
import sys
import tempfile
import time

import numpy as np
import scipy.sparse
from implicit.als import AlternatingLeastSquares

import nbx
import nbx.bundle

NAME = "als"
K = 10
PATIENCE_S = 10


def read_pairs(events):
    """Who took to what, and what each took to last: ids of customers and items, and the rows and
    columns of the pairs in order of time, each pair once."""
    customers, items, last = {}, {}, {}
    for event in sorted(events, key=lambda event: event["time"]):
        if "item" not in event or event["effect"] == "neutral":
            continue
        pair = (customers.setdefault(event["customer"], len(customers)),
                items.setdefault(event["item"], len(items)))
        last.pop(pair, None)  # the last event on an item decides, and when it was
        if event["effect"] == "positive":
            last[pair] = True
    return list(customers), list(items), np.array(list(last), dtype=np.int32).reshape(-1, 2)


def train(pairs, shape):
    model = AlternatingLeastSquares(factors=32, alpha=20.0, regularization=0.05, iterations=15,
                                    random_state=1)
    ones = np.ones(len(pairs), dtype=np.float32)
    seen = scipy.sparse.csr_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=shape)
    model.fit(seen, show_progress=False)
    return model, seen


def hit_rate(pairs, shape):
    """Of customers with several items, how often the last one is among the first K of a model that
    has not seen it."""
    is_last = np.zeros(len(pairs), dtype=bool)
    is_last[[len(pairs) - 1 - i for i in np.unique(pairs[::-1, 0], return_index=True)[1]]] = True
    several = np.bincount(pairs[:, 0], minlength=shape[0]) > 1
    held = is_last & several[pairs[:, 0]]
    model, seen = train(pairs[~held], shape)
    users, wanted = pairs[held].T
    lists, _ = model.recommend(users, seen[users], N=K)
    return float((lists == wanted[:, None]).any(axis=1).mean())


def answers(client, customer):
    """Who answers, and with what."""
    reply = client.recommend(customer, n=5, exclude_seen=True, record="none")
    return (reply["model"]["version"] or "no model",
            ", ".join(item["id"] for item in reply["items"]))


def shadow(client, version, customers):
    """Asks for a few customers; the version is asked too, when there is time, and answers none of
    them."""
    asked = customers[:50]
    client.stage_model(NAME, version, "shadow", share=1.0)
    for customer in asked:
        answers(client, customer)
    until = time.monotonic() + PATIENCE_S
    trial = client.get_model(NAME, version)["trial"]
    while trial["compared"] + trial["failed"] + trial["dropped"] < len(asked):
        if time.monotonic() > until:
            break
        time.sleep(0.02)
        trial = client.get_model(NAME, version)["trial"]
    print(f"shadow: {trial['compared']} compared, overlap {trial['overlap']:.2f}")


def main(endpoint="tcp://127.0.0.1:7741"):
    client = nbx.Client(endpoint, timeout=10)
    customers, items, pairs = read_pairs(client.events())
    if not len(pairs):
        sys.exit(f"{endpoint} has no events to learn from")
    shape = (len(customers), len(items))
    print(f"{len(pairs)} pairs of {shape[0]} customers and {shape[1]} items")
    metrics = {f"hit@{K}": hit_rate(pairs, shape), "pairs": len(pairs)}
    print(f"hit@{K} {metrics[f'hit@{K}']:.3f} of what customers took to last")

    model, _ = train(pairs, shape)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"{NAME}.safetensors")
        version = nbx.bundle.from_implicit(path, model, items, name=NAME)
        pushed = client.push_model(path, metrics=metrics, by=os.path.basename(__file__),
                                   notes="implicit, 32 factors")
    print(f"pushed {NAME} {version}: {pushed['stage']}")

    someone = customers[0]
    print("before: %s: %s" % answers(client, someone))
    shadow(client, version, customers)
    client.activate_model(NAME, version)
    print("activated: %s: %s" % answers(client, someone))
    client.rollback_model()
    print("rolled back: %s: %s" % answers(client, someone))
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:2])
