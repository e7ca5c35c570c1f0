# SPDX-License-Identifier: MIT
"""Writes a model as a bundle, the one file that nbxd loads. models/FORMAT.md is normative.

    import numpy as np, nbx.bundle
    nbx.bundle.write("taste.safetensors", item_ids=ids, item_factors=factors, name="taste")

`from_implicit` writes what implicit has trained.
"""

import hashlib
import json
import os
import re
import secrets
import tempfile
import time

import numpy as np

FORMATS = {"factors": 1, "blend": 2}
FORMAT_OF_ATTRIBUTES = 2
HEADER_ALIGN = 64
MAX_HEADER_BYTES = 16 << 20
MAX_SPACES = 8
MAX_NEIGHBOURS = 4
MAX_POSITIONS = 256
MAX_GROUPS = 16
MOST = 1e6  # of weights and positions
MAX_DIMS = 4096
MAX_ITEMS = 2**31 - 1
MAX_ID_BYTES = 255
MAX_FEATURES = 65536
MAX_PRICE_BOUNDS = 255
MAX_GOLDEN = 100  # queries, and items that one expects
MAX_GOLDEN_HISTORY = 256
WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}\Z")
OWN_KEYS = ("nbx_format", "name", "version", "family", "created_ms", "spaces", "neighbours",
            "nbx_digest")
CUSTOMERS = {"factors": ("folded", "given"), "blend": ("folded", "summed", "constant")}
NO_DIGEST = "0" * 64
FOLDED = {"alpha0": (0.01, 0, 1e6), "lambda": (0.003, 0, 1e6), "nu": (1.0, 0, 4)}


def write(path, item_ids, item_factors=None, *, name="model", version=None, created_ms=None,
          metadata=None, spaces=None, neighbours=None, attributes=None, customer_attributes=None,
          family=None, golden=None, **space):
    """Writes a bundle to `path` (ends in .safetensors) and returns its version.

    item_ids: n ids, in the order of the rows. item_factors: (n, dims), an array of NumPy or a
    tensor of PyTorch. What else a space needs is a keyword: customer="folded" (default; then
    alpha0, lambda_, nu as the model was trained with) or "given"; metric="dot" (default) or
    "cosine"; space="main". For several spaces pass `spaces`, a list of dicts with these keywords
    and item_factors each. metadata: a dict that is kept and shown, never interpreted.

    A blend is the sum of all its spaces and neighbours. It is written where family="blend", where
    there are neighbours, or where a space has a weight or is of a blend only: customer="summed"
    (then history_factors as item_factors, positions, default [1], groups, of which each has a list
    of positions, one behind the other, and bias=True) or "constant" (1 dimension). Each space then
    has a weight, default 1. neighbours: a list of at most 4 dicts with name, weight, positions,
    scaled_by (the name of a space that they correct: its deviation then counts, not theirs) and
    the matrix N[i, item] either as start (n + 1), items and weights (m), row after row with
    ascending items, or as triples, (rows, items, weights) in any order.

    attributes: a dict with names, such as "category=shoes" (FORMAT.md has all kinds), vectors, one
    row for each with the dimensions of all spaces side by side, and price_bounds, ascending
    (default: none). Items that the model does not know then have the sum of theirs.
    customer_attributes: likewise of customers, names such as "gender=f", without price_bounds.
    Customers without history then have the sum of theirs.

    golden: a list of queries that nbxd asks before it accepts the bundle, dicts with history, item
    ids or (id, weight), most recent first, or with vector (and space), and expect, the ids of the
    list, the best first. tolerance: the share of them that may be missing; without it the list must
    be the very same.

    The file appears whole or not at all: it is written beside its place and renamed.
    """
    created_ms = int(time.time() * 1000) if created_ms is None else created_ms
    version = new_version(created_ms) if version is None else version
    if spaces is None:
        alone = neighbours and item_factors is None and not space
        spaces = [] if alone else [dict(space, item_factors=item_factors)]
    elif space or item_factors is not None:
        raise ValueError("give either item_factors with its keywords, or spaces")
    neighbours = neighbours or []
    family = _family(family, spaces, neighbours)
    item_ids = list(map(str, item_ids))
    offsets, id_bytes = _ids(item_ids)
    spaces = [_space(len(offsets) - 1, family, **one) for one in spaces]
    scaling = [info["name"] for info, *_ in spaces if info["customer"] != "constant"]
    neighbours = [_neighbours(len(offsets) - 1, scaling, **one) for one in neighbours]
    _check(path, name, version, created_ms, spaces, neighbours)
    dims = sum(info["dims"] for info, *_ in spaces)
    features = _features("attributes", dims, **attributes or {})
    if "price_bounds" in (customer_attributes or {}):
        raise ValueError("customer_attributes: price_bounds belong to attributes of items only")
    of_customers = _features("customer_attributes", dims, **customer_attributes or {})
    tensors = _tensors(offsets, id_bytes, spaces, neighbours, features, of_customers)
    number = max(FORMATS[family], FORMAT_OF_ATTRIBUTES if features or of_customers else 1)
    own = {"nbx_format": str(number), "name": name, "version": version, "family": family,
           "created_ms": str(created_ms), "spaces": _json([info for info, *_ in spaces]), "nbx_digest": NO_DIGEST}
    if family == "blend":
        own["neighbours"] = _json([info for info, _ in neighbours])
    extra = _extra(metadata or {})
    if golden is not None:
        if "golden" in extra:
            raise ValueError("metadata: 'golden' is there already, as golden")
        dims = {info["name"]: info["dims"] for info, *_ in spaces}
        extra = dict(golden=_json(_golden(golden, set(item_ids), dims, family)), **extra)
    header = _signed(_header(dict(own, **extra), tensors), tensors)
    _write_file(path, header, tensors)
    return version


def from_implicit(path, model, item_ids, *, alpha=None, **rest):
    """Writes a model of implicit's AlternatingLeastSquares, and returns its version as `write`.

    item_ids: your ids, in the order of the model's items. alpha: the model's own, at least 1; give
    it for releases of implicit that had none and took confidences. rest: what `write` takes, such
    as name and metadata.

    A customer whose events all weigh 1, as a model was trained on ones, gets the list that
    implicit's `recalculate_user` makes: its vector is alpha / (alpha - 1) times theirs. Where alpha
    is 1 the two differ by a millionth.
    """
    alpha = getattr(model, "alpha", None) if alpha is None else alpha
    factors = getattr(model, "item_factors", None)
    if factors is None or alpha is None or not hasattr(model, "regularization"):
        raise ValueError("model: must be an AlternatingLeastSquares of implicit that was fitted; "
                         "of an old release give alpha as well")
    if not alpha >= 1:
        raise ValueError(f"alpha: must be at least 1, got {alpha}: below it what was seen counts "
                         "less than what was not, which a folded space cannot say")
    factors = factors.to_numpy() if hasattr(factors, "to_numpy") else factors
    # implicit: (YT Y + (alpha - 1) sum y yT + regularization I) x = alpha sum y. Divided by
    # alpha - 1 it is FORMAT.md's, with weights of 1.
    most = max(1.0, float(model.regularization)) / FOLDED["alpha0"][2]
    seen = max(float(alpha) - 1, most)
    return write(path, item_ids, factors, customer="folded", alpha0=1 / seen,
                 lambda_=model.regularization / seen, nu=0, **rest)


def new_version(created_ms):
    """A version that sorts by time: 20260131T235959-1a2b, UTC."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(created_ms / 1000))
    return f"{stamp}-{secrets.token_hex(2)}"


def _ids(item_ids, field="item_ids", most=MAX_ITEMS):
    raw = [str(one).encode() for one in item_ids]
    if not 1 <= len(raw) <= most:
        raise ValueError(f"{field}: 1 to {most} ids, got {len(raw)}")
    if len(set(raw)) != len(raw):
        seen = set()
        twice = next(one for one in raw if one in seen or seen.add(one))
        raise ValueError(f"{field}: {twice.decode()!r} stands twice")
    for i, one in enumerate(raw):
        if not 1 <= len(one) <= MAX_ID_BYTES or b"\0" in one:
            raise ValueError(f"{field}[{i}]: must be 1 to {MAX_ID_BYTES} bytes without NUL")
    ends = np.cumsum([len(one) for one in raw], dtype="<u8")
    offsets = np.concatenate([np.zeros(1, "<u8"), ends])
    if ends[-1] < 2**32:
        offsets = offsets.astype("<u4")
    return offsets, np.frombuffer(b"".join(raw), dtype="u1")


def _family(family, spaces, neighbours):
    """What was asked for, or what the parts need."""
    blended = bool(neighbours) or any(
        one.get("customer") in ("summed", "constant") or one.get("weight") is not None
        for one in spaces)
    if family is None:
        return "blend" if blended else "factors"
    if family not in FORMATS:
        raise ValueError(f"family: must be factors or blend, got {family!r}")
    if family == "factors" and blended:
        raise ValueError("family: factors has no weight, no neighbours, no summed or constant "
                         "space; a blend has")
    return family


def _space(n_items, family, item_factors=None, space="main", metric="dot", customer="folded",
           alpha0=None, lambda_=None, nu=None, history_factors=None, positions=None, groups=None,
           bias=None, weight=None):
    """The space's entry of the metadata, its factors as little-endian 32-bit floats, and its
    history factors or None."""
    factors = _matrix("item_factors", item_factors, n_items, space)
    info = {"name": space, "dims": int(factors.shape[1]), "metric": metric, "customer": customer}
    _check_kind(info, family)
    info.update(_folding(customer, {"alpha0": alpha0, "lambda": lambda_, "nu": nu}))
    if customer == "summed":
        history_factors = _matrix("history_factors", history_factors, n_items, space)
        if history_factors.shape != factors.shape:
            raise ValueError(f"history_factors: must be as item_factors, {factors.shape}, got "
                             f"{history_factors.shape}")
        info.update(_summing(info["dims"], positions, groups, bias))
    elif any(one is not None for one in (history_factors, positions, groups, bias)):
        raise ValueError("history_factors, positions, groups and bias belong to summed spaces only")
    if family == "blend":
        info["weight"] = _weight(weight)
    return info, factors, history_factors


def _check_kind(info, family):
    if info["metric"] not in ("dot", "cosine"):
        raise ValueError(f"metric: must be dot or cosine, got {info['metric']!r}")
    if info["customer"] not in CUSTOMERS[family]:
        raise ValueError(f"customer: must be {' or '.join(CUSTOMERS[family])} in a model of family "
                         f"{family}, got {info['customer']!r}")
    if family == "blend" and info["metric"] != "dot":
        raise ValueError("metric: must be dot in a blend")
    if info["customer"] == "constant" and info["dims"] != 1:
        raise ValueError(f"item_factors: a constant space has 1 dimension, got {info['dims']}")


def _folding(customer, sent):
    """What a folded space says of itself; sent: None where a default will do."""
    if customer != "folded":
        if any(value is not None for value in sent.values()):
            raise ValueError("alpha0, lambda_ and nu belong to folded spaces only")
        return {}
    info = {}
    for key, (default, least, most) in FOLDED.items():
        value = default if sent[key] is None else float(sent[key])
        if not least <= value <= most or (key == "lambda" and value == 0):
            raise ValueError(f"{key}: must lie in {least} to {most}, got {value}")
        info[key] = value
    return info


def _weight(weight):
    value = 1.0 if weight is None else float(weight)
    if not 0 < value <= MOST or np.float32(value) == 0:
        raise ValueError(f"weight: must be above 0 to {MOST:.0f}, got {value}")
    return value


def _summing(dims, positions, groups, bias):
    """What a summed space says of itself."""
    groups, bias = 1 if groups is None else groups, False if bias is None else bias
    if not isinstance(bias, (bool, np.bool_)):
        raise ValueError(f"bias: must be True or False, got {bias!r}")
    if isinstance(groups, bool) or not isinstance(groups, (int, np.integer)) or (
            not 1 <= groups <= MAX_GROUPS):
        raise ValueError(f"groups: must be 1 to {MAX_GROUPS}, got {groups!r}")
    summed = dims - bool(bias)
    if not summed:
        raise ValueError("bias: must be False where there is 1 dimension")
    if summed % groups:
        raise ValueError(f"groups: must divide the {summed} summed dimensions, got {groups}")
    values = _positions([1] * int(groups) if positions is None else positions)
    if len(values) % groups:
        raise ValueError(f"positions: must be as many for each of {groups} groups, got "
                         f"{len(values)}")
    return {"positions": values, "groups": int(groups), "bias": bool(bias)}


def _positions(positions):
    values = [float(one) for one in ([1] if positions is None else positions)]
    if not 1 <= len(values) <= MAX_POSITIONS:
        raise ValueError(f"positions: must be 1 to {MAX_POSITIONS} numbers, got {len(values)}")
    for i, one in enumerate(values):
        if not -MOST <= one <= MOST:
            raise ValueError(f"positions[{i}]: must lie in {-MOST:.0f} to {MOST:.0f}, got {one}")
    return values


def _neighbours(n_items, scaling, name=None, start=None, items=None, weights=None, triples=None,
                positions=None, weight=None, scaled_by=None):
    """The entry of the metadata, and the arrays (start, items, weights) as they are written."""
    rows = (start, items, weights)
    if (triples is None) == all(one is None for one in rows) or (
            triples is None and any(one is None for one in rows)):
        raise ValueError(f"neighbours {name!r}: give either start, items and weights, or triples")
    arrays = _rows(n_items, *rows) if triples is None else _from_triples(n_items, *triples)
    info = {"name": name, "positions": _positions(positions), "weight": _weight(weight)}
    if scaled_by is not None:
        if scaled_by not in scaling:
            raise ValueError(f"scaled_by: must be the name of a space that is not constant, got "
                             f"{scaled_by!r}")
        info["scaled_by"] = scaled_by
    return info, arrays


def _from_triples(n_items, rows, items, weights):
    rows, items = _integers("triples[0]", rows), _integers("triples[1]", items)
    weights = np.asarray(weights)
    if not rows.shape == items.shape == weights.shape:
        raise ValueError(f"triples: must be three lists of one length, got {rows.shape}, "
                         f"{items.shape}, {weights.shape}")
    if rows.size and not 0 <= rows.min() <= rows.max() < n_items:
        raise ValueError(f"triples[0]: rows must be 0 to {n_items - 1}")
    order = np.lexsort((items, rows))
    start = np.searchsorted(rows[order], np.arange(n_items + 1))
    return _rows(n_items, start, items[order], weights[order])


def _rows(n_items, start, items, weights):
    start, items = _integers("start", start), _integers("items", items)
    if start.shape != (n_items + 1,):
        raise ValueError(f"start: must be {n_items + 1} numbers, one more than ids, got "
                         f"{start.shape}")
    if start[0] != 0 or start[-1] != len(items) or (np.diff(start) < 0).any():
        raise ValueError(f"start: must go from 0 to {len(items)}, the number of items, and never "
                         "fall")
    if items.size and not 0 <= items.min() <= items.max() < n_items:
        raise ValueError(f"items: must be 0 to {n_items - 1}")
    falls = np.diff(items) <= 0
    inside = start[(start > 0) & (start < len(items))]
    falls[inside - 1] = False  # from one row to the next
    if falls.any():
        row = np.searchsorted(start, np.argmax(falls), side="right") - 1
        raise ValueError(f"items: must ascend within a row, each once; item {row}'s do not")
    return start.astype("<u8"), items.astype("<u4"), _row_weights(weights, len(items))


def _row_weights(weights, n):
    with np.errstate(over="ignore"):
        weights = np.ascontiguousarray(weights, dtype="<f4")
    if weights.shape != (n,):
        raise ValueError(f"weights: must be {n}, one for each of items, got {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError(f"weights: entry {np.argmin(np.isfinite(weights))} is NaN, infinite or "
                         "beyond a 32-bit float")
    return weights


def _integers(field, values):
    """One dimension of them, as 64 bits with a sign."""
    values = np.asarray(values)
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise ValueError(f"{field}: must be integers in one dimension, got {values.dtype} "
                         f"{values.shape}")
    if values.size and values.max() > 2**63 - 1:
        raise ValueError(f"{field}: {values.max()} is too large")
    return values.astype("i8")


def _features(field, dims, names=None, vectors=None, price_bounds=()):
    """Offsets and bytes of the names, vectors and price bounds as they are written, or None."""
    if names is None and vectors is None:
        return None
    if not dims:
        raise ValueError(f"{field}: there is no space")
    offsets, name_bytes = _ids(names or (), "names", MAX_FEATURES)
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(vectors, dtype="<f4")
    if vectors.shape != (len(offsets) - 1, dims):
        raise ValueError(f"vectors: must be ({len(offsets) - 1}, {dims}), one row for each name, "
                         f"got {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise ValueError("vectors: one is NaN, infinite or beyond a 32-bit float")
    bounds = _integers("price_bounds", list(price_bounds))
    if len(bounds) > MAX_PRICE_BOUNDS or (np.diff(bounds) <= 0).any():
        raise ValueError(f"price_bounds: must be at most {MAX_PRICE_BOUNDS} and ascend")
    return offsets, name_bytes, vectors, bounds.astype("<i8")


def _tensors(offsets, id_bytes, spaces, neighbours, features, of_customers):
    """Names and arrays in the order of the file: larger elements first."""
    tensors = [(f"neighbours.{info['name']}.start", start) for info, (start, _, _) in neighbours]
    if features:
        tensors += [("attributes.price_bounds", features[3])]
    tensors += [("item_ids.offsets", offsets)]
    for info, factors, history_factors in spaces:
        tensors += [(f"space.{info['name']}.item_factors", factors)]
        if history_factors is not None:
            tensors += [(f"space.{info['name']}.history_factors", history_factors)]
    for info, (_, items, weights) in neighbours:
        tensors += [(f"neighbours.{info['name']}.items", items),
                    (f"neighbours.{info['name']}.weights", weights)]
    if features:
        tensors += [("attributes.names.offsets", features[0]), ("attributes.vectors", features[2])]
    if of_customers:
        tensors += [("customer_attributes.names.offsets", of_customers[0]),
                    ("customer_attributes.vectors", of_customers[2])]
    tensors += [("item_ids.bytes", id_bytes)]
    tensors += [("attributes.names.bytes", features[1])] if features else []
    return tensors + ([("customer_attributes.names.bytes", of_customers[1])]
                      if of_customers else [])


def _matrix(field, values, n_items, space):
    if values is None:
        raise ValueError(f"{field}: missing for space {space!r}")
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    with np.errstate(over="ignore"):
        factors = np.ascontiguousarray(values, dtype="<f4")
    if factors.ndim != 2 or factors.shape[0] != n_items or not 1 <= factors.shape[1] <= MAX_DIMS:
        raise ValueError(f"{field}: must be ({n_items}, 1 to {MAX_DIMS}), one row for each "
                         f"id, got {factors.shape}")
    finite = np.isfinite(factors)
    if not finite.all():
        item, dimension = np.argwhere(~finite)[0]
        raise ValueError(f"{field}: item {item}, dimension {dimension} is NaN, infinite or "
                         "beyond a 32-bit float")
    return factors


def _check(path, name, version, created_ms, spaces, neighbours):
    if not os.fspath(path).endswith(".safetensors"):
        raise ValueError("path: must end in .safetensors")
    words = [("name", name), ("version", version)]
    words += [("space", info["name"]) for info, *_ in spaces]
    words += [("neighbours", info["name"]) for info, _ in neighbours]
    for field, word in words:
        if not isinstance(word, str) or not WORD.match(word):
            raise ValueError(f"{field}: must be 1 to 64 of A-Z a-z 0-9 . _ - and not begin with a "
                             f"point, got {word!r}")
    if not 0 <= created_ms < 10**15:
        raise ValueError(f"created_ms: must be milliseconds since 1970, got {created_ms}")
    names = [word for field, word in words if field in ("space", "neighbours")]
    if len(spaces) > MAX_SPACES or not names:
        raise ValueError(f"spaces: must be 1 to {MAX_SPACES}, got {len(spaces)}")
    if len(neighbours) > MAX_NEIGHBOURS:
        raise ValueError(f"neighbours: must be at most {MAX_NEIGHBOURS}, got {len(neighbours)}")
    if len(set(names)) != len(names):
        raise ValueError(f"spaces and neighbours: must have different names, got {names}")


def _golden(golden, known, dims, family):
    """The queries as they are written; known: ids of all items, dims: of each space."""
    if len(golden) > MAX_GOLDEN:
        raise ValueError(f"golden: must be at most {MAX_GOLDEN} queries, got {len(golden)}")
    return [_golden_query(f"golden[{i}]", dict(one), known, dims, family)
            for i, one in enumerate(golden)]


def _golden_query(field, query, known, dims, family):
    unknown = set(query) - {"history", "vector", "space", "expect", "tolerance"}
    if unknown:
        raise ValueError(f"{field}: unknown key {sorted(unknown)[0]!r}")
    if ("history" in query) == ("vector" in query) or ("space" in query and "vector" not in query):
        raise ValueError(f"{field}: give either history, or vector with its space")
    if "history" in query:
        query["history"] = _golden_history(f"{field}.history", query["history"], known)
    else:
        query["vector"] = _golden_vector(field, query, dims, family)
    query["expect"] = [str(one) for one in query.get("expect", ())]
    _golden_ids(f"{field}.expect", query["expect"], known, MAX_GOLDEN)
    query["tolerance"] = float(query.get("tolerance", 0))
    if not 0 <= query["tolerance"] < 1:
        raise ValueError(f"{field}.tolerance: must be from 0 to below 1, got {query['tolerance']}")
    return query


def _golden_history(field, history, known):
    pairs = [one if isinstance(one, (tuple, list)) else (one, 1) for one in history]
    pairs = [[str(one), float(weight)] for one, weight in pairs]
    _golden_ids(field, [one for one, _ in pairs], known, MAX_GOLDEN_HISTORY)
    for one, weight in pairs:
        if not 0 < weight <= MOST or np.float32(weight) == 0:
            raise ValueError(f"{field}: {one!r} must have a weight above 0 to {MOST:.0f}, got "
                             f"{weight}")
    return pairs


def _golden_vector(field, query, dims, family):
    space = query.get("space", next(iter(dims), None))
    if family == "blend" or space not in dims:
        raise ValueError(f"{field}: a vector is of a space of a model of family factors, got "
                         f"{space!r}")
    with np.errstate(over="ignore"):
        vector = np.asarray(query["vector"], dtype="<f4")
    if vector.shape != (dims[space],) or not np.isfinite(vector).all():
        raise ValueError(f"{field}.vector: must be {dims[space]} finite 32-bit floats, got shape "
                         f"{vector.shape}")
    return [float(one) for one in vector]


def _golden_ids(field, ids, known, most):
    if not 1 <= len(ids) <= most:
        raise ValueError(f"{field}: must be 1 to {most} items, got {len(ids)}")
    if len(set(ids)) != len(ids):
        raise ValueError(f"{field}: an item stands twice")
    for one in ids:
        if one not in known:
            raise ValueError(f"{field}: {one!r} is no item of the bundle")


def _extra(metadata):
    """Strings as they are, anything else as its JSON text: safetensors knows only strings."""
    for key in metadata:
        if not isinstance(key, str) or key in OWN_KEYS:
            raise ValueError(f"metadata: {key!r} belongs to the format or is not a string")
    return {key: value if isinstance(value, str) else _json(value)
            for key, value in metadata.items()}


def _json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _header(metadata, tensors):
    """The length and the JSON, padded with spaces so that the tensors begin aligned."""
    dtypes = {"<u4": "U32", "<u8": "U64", "<f4": "F32", "<i8": "I64",
              "|u1": "U8"}
    entries, begin = {"__metadata__": metadata}, 0
    for name, array in tensors:
        entries[name] = {"dtype": dtypes[array.dtype.str], "shape": list(array.shape),
                         "data_offsets": [begin, begin + array.nbytes]}
        begin += array.nbytes
    text = _json(entries).encode()
    text += b" " * (-(8 + len(text)) % HEADER_ALIGN)
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(f"metadata: the header has {len(text)} bytes, at most {MAX_HEADER_BYTES}")
    return len(text).to_bytes(8, "little") + text


def _signed(header, tensors):
    """The header with the digest of the whole file, its own digits taken as zeros."""
    digest = hashlib.blake2b(header, digest_size=len(NO_DIGEST) // 2)
    for _, array in tensors:
        digest.update(array.data)
    empty = f'"nbx_digest":"{NO_DIGEST}"'
    return header.replace(empty.encode(), empty.replace(NO_DIGEST, digest.hexdigest()).encode(), 1)


def _write_file(path, header, tensors):
    path = os.path.abspath(os.fspath(path))
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=os.path.basename(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(header)
            for _, array in tensors:
                file.write(array.data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
