# SPDX-License-Identifier: MIT
"""Writes a model as a bundle, the one file that nbxd loads. models/FORMAT.md is normative.

    import numpy as np, nbx.bundle
    nbx.bundle.write("taste.safetensors", item_ids=ids, item_factors=factors, name="taste")
"""

import json
import os
import re
import secrets
import tempfile
import time

import numpy as np

FORMAT = 1
HEADER_ALIGN = 64
MAX_HEADER_BYTES = 16 << 20
MAX_SPACES = 8
MAX_DIMS = 4096
MAX_ITEMS = 2**31 - 1
MAX_ID_BYTES = 255
WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}\Z")
OWN_KEYS = ("nbx_format", "name", "version", "family", "created_ms", "spaces")
FOLDED = {"alpha0": (0.01, 0, 1e6), "lambda": (0.003, 0, 1e6), "nu": (1.0, 0, 4)}


def write(path, item_ids, item_factors=None, *, name="model", version=None, created_ms=None,
          metadata=None, spaces=None, **space):
    """Writes a bundle to `path` (ends in .safetensors) and returns its version.

    item_ids: n ids, in the order of the rows. item_factors: (n, dims), an array of NumPy or a
    tensor of PyTorch. What else a space needs is a keyword: customer="folded" (default; then
    alpha0, lambda_, nu as the model was trained with) or "given"; metric="dot" (default) or
    "cosine"; space="main". For several spaces pass `spaces`, a list of dicts with these keywords
    and item_factors each. metadata: a dict that is kept and shown, never interpreted.

    The file appears whole or not at all: it is written beside its place and renamed.
    """
    created_ms = int(time.time() * 1000) if created_ms is None else created_ms
    version = new_version(created_ms) if version is None else version
    if spaces is None:
        spaces = [dict(space, item_factors=item_factors)]
    elif space or item_factors is not None:
        raise ValueError("give either item_factors with its keywords, or spaces")
    offsets, id_bytes = _ids(item_ids)
    spaces = [_space(len(offsets) - 1, **one) for one in spaces]
    _check(path, name, version, created_ms, spaces)
    tensors = [("item_ids.offsets", offsets)]
    tensors += [(f"space.{info['name']}.item_factors", factors) for info, factors in spaces]
    tensors += [("item_ids.bytes", id_bytes)]
    own = {"nbx_format": str(FORMAT), "name": name, "version": version, "family": "factors",
           "created_ms": str(created_ms), "spaces": _json([info for info, _ in spaces])}
    _write_file(path, _header(dict(own, **_extra(metadata or {})), tensors), tensors)
    return version


def new_version(created_ms):
    """A version that sorts by time: 20260131T235959-1a2b, UTC."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(created_ms / 1000))
    return f"{stamp}-{secrets.token_hex(2)}"


def _ids(item_ids):
    raw = [str(one).encode() for one in item_ids]
    if not 1 <= len(raw) <= MAX_ITEMS:
        raise ValueError(f"item_ids: 1 to {MAX_ITEMS} ids, got {len(raw)}")
    if len(set(raw)) != len(raw):
        seen = set()
        twice = next(one for one in raw if one in seen or seen.add(one))
        raise ValueError(f"item_ids: {twice.decode()!r} stands twice")
    for i, one in enumerate(raw):
        if not 1 <= len(one) <= MAX_ID_BYTES or b"\0" in one:
            raise ValueError(f"item_ids[{i}]: must be 1 to {MAX_ID_BYTES} bytes without NUL")
    ends = np.cumsum([len(one) for one in raw], dtype="<u8")
    offsets = np.concatenate([np.zeros(1, "<u8"), ends])
    if ends[-1] < 2**32:
        offsets = offsets.astype("<u4")
    return offsets, np.frombuffer(b"".join(raw), dtype="u1")


def _space(n_items, item_factors=None, space="main", metric="dot", customer="folded",
           alpha0=None, lambda_=None, nu=None):
    """The space's entry of the metadata, and its factors as little-endian 32-bit floats."""
    factors = _matrix(item_factors, n_items, space)
    if metric not in ("dot", "cosine"):
        raise ValueError(f"metric: must be dot or cosine, got {metric!r}")
    if customer not in ("folded", "given"):
        raise ValueError(f"customer: must be folded or given, got {customer!r}")
    info = {"name": space, "dims": int(factors.shape[1]), "metric": metric, "customer": customer}
    sent = {"alpha0": alpha0, "lambda": lambda_, "nu": nu}
    if customer == "given":
        if any(value is not None for value in sent.values()):
            raise ValueError("alpha0, lambda_ and nu belong to folded spaces only")
        return info, factors
    for key, (default, least, most) in FOLDED.items():
        value = default if sent[key] is None else float(sent[key])
        if not least <= value <= most or (key == "lambda" and value == 0):
            raise ValueError(f"{key}: must lie in {least} to {most}, got {value}")
        info[key] = value
    return info, factors


def _matrix(item_factors, n_items, space):
    if item_factors is None:
        raise ValueError(f"item_factors: missing for space {space!r}")
    if hasattr(item_factors, "detach"):
        item_factors = item_factors.detach().cpu().numpy()
    with np.errstate(over="ignore"):
        factors = np.ascontiguousarray(item_factors, dtype="<f4")
    if factors.ndim != 2 or factors.shape[0] != n_items or not 1 <= factors.shape[1] <= MAX_DIMS:
        raise ValueError(f"item_factors: must be ({n_items}, 1 to {MAX_DIMS}), one row for each "
                         f"id, got {factors.shape}")
    finite = np.isfinite(factors)
    if not finite.all():
        item, dimension = np.argwhere(~finite)[0]
        raise ValueError(f"item_factors: item {item}, dimension {dimension} is NaN, infinite or "
                         "beyond a 32-bit float")
    return factors


def _check(path, name, version, created_ms, spaces):
    if not os.fspath(path).endswith(".safetensors"):
        raise ValueError("path: must end in .safetensors")
    words = [("name", name), ("version", version)] + [("space", info["name"]) for info, _ in spaces]
    for field, word in words:
        if not isinstance(word, str) or not WORD.match(word):
            raise ValueError(f"{field}: must be 1 to 64 of A-Z a-z 0-9 . _ - and not begin with a "
                             f"point, got {word!r}")
    if not 0 <= created_ms < 10**15:
        raise ValueError(f"created_ms: must be milliseconds since 1970, got {created_ms}")
    names = [info["name"] for info, _ in spaces]
    if not 1 <= len(names) <= MAX_SPACES or len(set(names)) != len(names):
        raise ValueError(f"spaces: must be 1 to {MAX_SPACES} with different names, got {names}")


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
    dtypes = {"<u4": "U32", "<u8": "U64", "<f4": "F32", "|u1": "U8"}
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
