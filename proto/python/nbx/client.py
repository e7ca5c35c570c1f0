# SPDX-License-Identifier: MIT
"""The client: one method for each operation of proto/PROTOCOL.md, which says what they take.

Keyword arguments are the fields of the body, by their names; None means "not sent". Replies are
the reply bodies as dicts. An error status raises the exception of its name.
"""

import contextlib
import datetime
import hashlib
import io
import itertools
import numbers
import os
import uuid

import msgpack
import zmq

from .errors import BY_STATUS, Conflict, ProtocolError, Timeout

MAGIC = b"NBX1"
MAX_REPLY_BYTES = 64 << 20
MAX_CHUNK_BYTES = 16 << 20
READ_BYTES = 1 << 20
LOADING_S = 3600.0  # looking a bundle through and loading it


class Client:
    """A connection to nbxd. Use one per thread.

    No call waits longer than `timeout` seconds for a reply, `tries` times; between tries the
    connection is made anew, so a daemon that was restarted is found again. Events get an id before
    they are first sent, so an event that is sent twice counts once.
    """

    def __init__(self, endpoint="tcp://127.0.0.1:7741", timeout=1.0, tries=2):
        self.endpoint = endpoint
        self.timeout = timeout
        self.tries = tries
        self._context = zmq.Context.instance()
        self._socket = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the connection; the next call makes another."""
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def call(self, op, key="", body=None, timeout=None):
        """Any operation: its name, its key frame and its body; returns the reply's body."""
        frames = [MAGIC, op.encode(), (key or "").encode(), msgpack.packb(_present(body or {}))]
        wait_ms = max(1, round(1000 * (self.timeout if timeout is None else timeout)))
        for _ in range(max(1, self.tries)):
            reply = self._exchange(frames, wait_ms)
            if reply is not None:
                return _read(reply)
        raise Timeout(f"{op}: no reply from {self.endpoint} within {wait_ms} ms, "
                      f"tried {max(1, self.tries)} times")

    def _exchange(self, frames, wait_ms):
        """The reply's frames, or None after silence, which costs the socket: a REQ that waits for
        a lost reply can never send again."""
        try:
            if self._socket is None:
                self._connect()
            self._socket.send_multipart(frames, flags=zmq.DONTWAIT)
            if self._socket.poll(wait_ms, zmq.POLLIN):
                return self._socket.recv_multipart(flags=zmq.DONTWAIT)
        except zmq.Again:
            pass
        except BaseException:
            self.close()
            raise
        self.close()
        return None

    def _connect(self):
        self._socket = self._context.socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_REPLY_BYTES)
        self._socket.connect(self.endpoint)

    # asking

    def recommend(self, customer="", **fields):
        """The best items for this customer now. `observe` may carry events to apply first."""
        return self.call("recommend", customer, _with_events(fields, "observe"))

    def recommend_many(self, customers, size=200, **fields):
        """Yields the result of each of `customers`, any number of them, in their order. A refused
        one is yielded as {"customer": ..., "error": {"field": ..., "message": ...}}."""
        customers = iter(customers)
        while asked := list(itertools.islice(customers, size)):
            reply = self.recommend(customers=asked, **fields)
            refused = {error["index"]: error for error in reply["errors"]}
            results = iter(reply["results"])
            for index, customer in enumerate(asked):
                error = refused.get(index)
                yield next(results) if error is None else {
                    "customer": customer,
                    "error": {"field": error["field"], "message": error["message"]}}

    def rank(self, customer="", items=(), **fields):
        """`items` (ids) in the order that suits this customer best."""
        return self.call("rank", customer, _with_events(dict(fields, items=list(items)), "observe"))

    def similar(self, item=None, **fields):
        """Items like `item`, or near the `vector` given."""
        return self.call("similar", "", dict(fields, item=item))

    # telling

    def observe(self, events, customer="", **fields):
        """What happened: one event or a list. Without `customer` each event names its own."""
        events = [events] if isinstance(events, dict) else list(events)
        return self.call("observe", customer, _with_events(dict(fields, events=events), "events"))

    def retract(self, customer, events=None, **fields):
        """Takes events back: those of these ids, or `item`, `brand`, `category` or `all` says which."""
        events = None if events is None else list(events)
        return self.call("retract", customer, dict(fields, events=events))

    # customers and decisions

    def customer_get(self, customer):
        return self.call("customer.get", customer)

    def customer_put(self, customer, **fields):
        return self.call("customer.put", customer, fields)

    def customer_link(self, customer, identity, type=None, **fields):
        """`identity`, another id such as that of a session or a card, is the same person from now
        on; `type` says what kind it is."""
        return self.call("customer.link", customer, dict(fields, identity=identity, type=type))

    def customer_unlink(self, customer, identity, **fields):
        """Undoes it: everything is as if they had never been linked."""
        return self.call("customer.unlink", customer, dict(fields, identity=identity))

    def customer_forget(self, customer):
        return self.call("customer.forget", customer)

    def customer_export(self, customer):
        """Everything held of a customer, however many pages it takes. Of a linked one what lies
        under the other identities is in `others`, each in the same form."""
        held = whose = self.call("customer.export", customer)
        after = held.pop("next", None)
        while after is not None:
            page = self.call("customer.export", customer, {"after": after})
            after = page.pop("next", None)
            if "customer" in page:  # another identity's first
                held.setdefault("others", []).append(page)
                whose = page
                continue
            for name, entries in page.items():
                if isinstance(entries, list):
                    whose[name] += entries
        return held

    def decision_get(self, decision):
        return self.call("decision.get", decision)

    # items

    def item_put(self, items, **fields):
        """Creates or replaces items; look at `errors` of the reply for those refused."""
        return self.call("item.put", "", dict(fields, items=_entries(items)))

    def item_patch(self, items, **fields):
        """Changes the fields named; a None removes the field."""
        return self.call("item.patch", "", dict(fields, items=_entries(items)))

    def item_get(self, ids, **fields):
        return self.call("item.get", "", dict(fields, ids=_ids(ids)))

    def item_delete(self, ids, **fields):
        return self.call("item.delete", "", dict(fields, ids=_ids(ids)))

    # models

    def push_model(self, bundle, notes=None, metrics=None, parent=None, by=None, activate=False,
                   timeout=LOADING_S):
        """Makes a bundle a version of the daemon's and returns what `get_model` says of it.

        bundle: the path of a file, read chunk by chunk, or its bytes. A push that was cut off goes
        on where it was; the same bundle again is the same push. notes: text; metrics: a dict of
        numbers; parent: the version it was made from; by: who pushes it; activate: serve it at
        once. The daemon then looks the bundle through: `timeout` seconds are for that, the
        client's own for each chunk."""
        commit = {"notes": notes, "metrics": _metrics(metrics), "parent": parent, "by": by,
                  "activate": True if activate else None}
        with _opened(bundle) as file:
            upload = _upload(file)
            reply = self.call("model.push", "", upload)
            while reply["received"] < upload["bytes"]:
                reply = self._push_chunk(file, upload, reply)
        return self.call("model.push", "", dict(upload, commit=_present(commit)), timeout=timeout)

    def _push_chunk(self, file, upload, reply):
        """Sends what comes next; the reply to it."""
        offset = reply["received"]
        file.seek(offset)
        data = file.read(max(1, min(reply["chunk"], MAX_CHUNK_BYTES)))
        try:
            reply = self.call("model.push", "", dict(upload, offset=offset, data=data))
        except Conflict as conflict:  # a chunk whose reply was lost was received all the same
            reply = self.call("model.push", "", upload)
            if conflict.field != "offset" or reply["received"] <= offset:
                raise
        if reply["received"] <= offset:
            raise ProtocolError(f"model.push: {offset} bytes were received, and no more come")
        return reply

    def pull_model(self, name, version, path):
        """Writes a version's bundle to `path`, which appears once all of it is there and has the
        digest it should have."""
        part = f"{path}.part"
        try:
            self._pull_into(part, self.get_model(name, version))
            os.replace(part, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)

    def _pull_into(self, path, version):
        wanted = {"name": version["name"], "version": version["version"]}
        with open(path, "w+b") as file:
            while file.tell() < version["bytes"]:
                data = self.call("model.read", "", dict(wanted, offset=file.tell()))["data"]
                if not data:
                    raise ProtocolError(f"model.read: {file.tell()} bytes came, and no more do")
                file.write(data)
            file.seek(0)
            if _upload(file)["digest"] != version["digest"]:
                raise ProtocolError("model.read: what came is not the file of that digest")

    def models(self):
        """The versions the daemon keeps: `models`, a list of them, `active`, which of them answers,
        and `rollback`, where `rollback_model` would go. The last two may be absent."""
        return self.call("model.list")

    def get_model(self, name, version):
        """What is known of a version: stage, digest, bytes, pushed, notes, metrics, ..."""
        return self.call("model.get", "", {"name": name, "version": version})

    def stage_model(self, name, version, stage, share=None, timeout=LOADING_S):
        """Tries a version, "shadow" or "canary", on a share of the requests or customers; puts it
        away, "archived", or makes it ready again, "staged". `get_model` tells how a trial does."""
        body = {"name": name, "version": version, "stage": stage, "share": share}
        return self.call("model.stage", "", _present(body), timeout)

    def activate_model(self, name, version, timeout=LOADING_S):
        """Lets a version answer. When this returns, every request is answered by it."""
        return self.call("model.activate", "", {"name": name, "version": version}, timeout)

    def rollback_model(self, timeout=LOADING_S):
        """Goes back to what the active version replaced; what is active now, {} where none is."""
        return self.call("model.rollback", timeout=timeout)

    def delete_model(self, name, version):
        """Removes a version and its file; neither the active one nor the one rollback goes to."""
        return self.call("model.delete", "", {"name": name, "version": version})

    # the daemon

    def hello(self):
        return self.call("hello")

    def stats(self):
        return self.call("stats")

    # what there is to learn from

    def events(self, since=None, until=None, types=None):
        """Yields what customers did, as dicts with `customer`, `type`, `time` (milliseconds since
        1970), `effect` and, where they are, `item`, `value`, `rating` and so on: customer after
        customer, each one's by time. Those who withdrew `train` are not in it, nor is nobody;
        linked identities are one customer.

        since, until: milliseconds or a datetime, events from the one on and before the other;
        types: names of event types."""
        fields = {"since": _milliseconds(since), "until": _milliseconds(until),
                  "types": None if types is None else _ids(types)}
        page = {"next": None}
        while "next" in page:
            page = self.call("events.read", "", dict(fields, after=page["next"]))
            yield from page["events"]

    def events_frame(self, since=None, until=None, types=None):
        """The same as a frame of pandas, a row an event, with times of UTC; columns that no event
        has are not there but for the usual five."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("events_frame needs pandas: pip install pandas") from error
        frame = pandas.DataFrame.from_records(list(self.events(since, until, types)))
        usual = ["customer", "item", "type", "time", "effect"]
        others = [name for name in frame.columns if name not in usual]
        frame = frame.reindex(columns=usual + others)
        frame["time"] = pandas.to_datetime(frame["time"], unit="ms", utc=True)
        return frame

    # the command log

    def log_heads(self):
        """The number of the last command of each stream: 256 customer groups, then the catalogue."""
        return self.call("log.heads")["heads"]

    def log_read(self, stream, from_=1, **fields):
        """A page of a stream's entries; go on with the reply's `next`."""
        return self.call("log.read", "", {"stream": stream, "from": from_, **fields})

    def log(self, heads=None):
        """Yields every entry up to the heads as they are now, stream by stream."""
        for stream, head in enumerate(self.log_heads() if heads is None else heads):
            next_ = 1
            while next_ <= head:
                page = self.log_read(stream, next_)
                if not page["entries"]:
                    break
                yield from page["entries"]
                next_ = page["next"]


def _present(body):
    """The body without what is None, its vectors as bytes."""
    return _packed({key: value for key, value in body.items() if value is not None})


def _packed(fields):
    if "vector" in fields:
        fields = dict(fields, vector=_vector(fields["vector"]))
    return fields


def _vector(vector):
    """Arrays of NumPy and PyTorch travel as little-endian 32-bit floats; lists as they are."""
    if hasattr(vector, "detach"):
        vector = vector.detach().cpu().numpy()
    if hasattr(vector, "astype"):
        return vector.astype("<f4").tobytes()
    return vector


def _milliseconds(time):
    """Since 1970; a datetime says which time zone it is of."""
    if not isinstance(time, datetime.datetime):
        return time
    if time.tzinfo is None:
        raise ValueError(f"{time}: must have a time zone")
    return round(time.timestamp() * 1000)


def _opened(bundle):
    if isinstance(bundle, (str, os.PathLike)):
        return open(bundle, "rb")
    return io.BytesIO(bundle)


def _upload(file):
    """What the daemon knows the file by."""
    digest = hashlib.blake2b(digest_size=32)
    size = 0
    while data := file.read(READ_BYTES):
        digest.update(data)
        size += len(data)
    return {"digest": digest.hexdigest(), "bytes": size}


def _metrics(metrics):
    """Numbers of NumPy too."""
    return metrics and {str(name): int(value) if isinstance(value, numbers.Integral) else float(value)
                        for name, value in metrics.items()}


def _with_events(fields, name):
    """Gives an id to each event that has none."""
    events = fields.get(name)
    if not isinstance(events, (list, tuple)):
        return fields
    return dict(fields, **{name: [
        dict(event, id=uuid.uuid4().hex) if isinstance(event, dict) and "id" not in event else event
        for event in events]})


def _entries(items):
    items = [items] if isinstance(items, dict) else list(items)
    return [_packed(item) if isinstance(item, dict) else item for item in items]


def _ids(ids):
    return [ids] if isinstance(ids, str) else list(ids)


def _read(frames):
    if len(frames) != 3 or frames[0] != MAGIC:
        raise ProtocolError(f"the reply has {len(frames)} frames and begins with {frames[0][:8]!r}")
    status = frames[1].decode("ascii", "replace")
    try:
        body = msgpack.unpackb(frames[2])
    except ValueError as error:
        raise ProtocolError(f"the reply's body is not msgpack: {error}") from error
    if status == "ok":
        return body
    if status not in BY_STATUS or not isinstance(body, dict):
        raise ProtocolError(f"unknown status {status!r}")
    raise BY_STATUS[status](body.get("message", ""), body.get("field"), body.get("id"))
