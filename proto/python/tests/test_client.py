# SPDX-License-Identifier: MIT
"""The client against a ROUTER that answers as it is told."""

import datetime
import hashlib
import os
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock

import msgpack
import numpy as np
import zmq

import nbx

try:
    import pandas
except ImportError:
    pandas = None


class FakeDaemon:
    """Takes requests on a thread; `answer(op, key, body)` gives status and body, or None for
    silence."""

    def __init__(self, answer, endpoint="tcp://127.0.0.1:*"):
        self.answer = answer
        self.requests = []
        self._socket = zmq.Context.instance().socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(endpoint)
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            if not self._socket.poll(10):
                continue
            frames = self._socket.recv_multipart()
            cut = frames.index(b"")
            magic, op, key, body = frames[cut + 1:]
            assert magic == b"NBX1"
            self.requests.append((op.decode(), key.decode(), msgpack.unpackb(body)))
            answer = self.answer(*self.requests[-1])
            if answer is not None:
                self._socket.send_multipart(frames[:cut + 1] + answer)

    def close(self):
        self._stop.set()
        self._thread.join()
        self._socket.close()


def ok(body):
    return [b"NBX1", b"ok", msgpack.packb(body)]


def error(status, **body):
    return [b"NBX1", status.encode(), msgpack.packb(body)]


class Served(unittest.TestCase):
    def serve(self, answer, **options):
        daemon = FakeDaemon(answer)
        self.addCleanup(daemon.close)
        client = nbx.Client(daemon.endpoint, **{"timeout": 10, **options})
        self.addCleanup(client.close)
        return daemon, client


class ClientTest(Served):
    def test_every_operation_has_its_name_key_and_body(self):
        daemon, client = self.serve(lambda op, key, body: ok({"op": op}))
        calls = [
            (lambda: client.hello(), ("hello", "", {})),
            (lambda: client.stats(), ("stats", "", {})),
            (lambda: client.recommend("anna", n=3, explain=True, filter=None),
             ("recommend", "anna", {"n": 3, "explain": True})),
            (lambda: client.recommend(), ("recommend", "", {})),
            (lambda: client.rank("anna", ("a", "b"), n=2),
             ("rank", "anna", {"n": 2, "items": ["a", "b"]})),
            (lambda: client.similar("a", n=2), ("similar", "", {"n": 2, "item": "a"})),
            (lambda: client.similar(vector=[1, 2]), ("similar", "", {"vector": [1, 2]})),
            (lambda: client.observe({"id": "e", "type": "view"}, "anna", ack="memory"),
             ("observe", "anna", {"ack": "memory", "events": [{"id": "e", "type": "view"}]})),
            (lambda: client.retract("anna", ("e1", "e2")),
             ("retract", "anna", {"events": ["e1", "e2"]})),
            (lambda: client.retract("anna", item="a"), ("retract", "anna", {"item": "a"})),
            (lambda: client.customer_get("anna"), ("customer.get", "anna", {})),
            (lambda: client.customer_put("anna", attributes={"age": None}, locale="de"),
             ("customer.put", "anna", {"attributes": {"age": None}, "locale": "de"})),
            (lambda: client.customer_link("anna", "card-1", type="card"),
             ("customer.link", "anna", {"identity": "card-1", "type": "card"})),
            (lambda: client.customer_link("anna", "web-1", ack="memory"),
             ("customer.link", "anna", {"identity": "web-1", "ack": "memory"})),
            (lambda: client.customer_unlink("anna", "card-1"),
             ("customer.unlink", "anna", {"identity": "card-1"})),
            (lambda: client.customer_forget("anna"), ("customer.forget", "anna", {})),
            (lambda: client.customer_export("anna"), ("customer.export", "anna", {})),
            (lambda: client.decision_get("00" * 16), ("decision.get", "00" * 16, {})),
            (lambda: client.item_put({"id": "a", "price": 5}),
             ("item.put", "", {"items": [{"id": "a", "price": 5}]})),
            (lambda: client.item_patch([{"id": "a", "price": None}]),
             ("item.patch", "", {"items": [{"id": "a", "price": None}]})),
            (lambda: client.item_get("a"), ("item.get", "", {"ids": ["a"]})),
            (lambda: client.item_delete(("a", "b")), ("item.delete", "", {"ids": ["a", "b"]})),
            (lambda: client.models(), ("model.list", "", {})),
            (lambda: client.get_model("taste", "1"),
             ("model.get", "", {"name": "taste", "version": "1"})),
            (lambda: client.stage_model("taste", "1", "archived"),
             ("model.stage", "", {"name": "taste", "version": "1", "stage": "archived"})),
            (lambda: client.activate_model("taste", "1"),
             ("model.activate", "", {"name": "taste", "version": "1"})),
            (lambda: client.rollback_model(), ("model.rollback", "", {})),
            (lambda: client.delete_model("taste", "1"),
             ("model.delete", "", {"name": "taste", "version": "1"})),
            (lambda: client.log_read(256, 7, n=5),
             ("log.read", "", {"stream": 256, "from": 7, "n": 5})),
        ]
        for call, request in calls:
            self.assertEqual(call(), {"op": request[0]})
            self.assertEqual(daemon.requests[-1], request)

    def test_an_export_is_all_of_its_pages(self):
        pages = {None: {"customer": {"id": "anna"}, "events": [1, 2], "seen": [], "next": "events:0a"},
                 "events:0a": {"events": [3], "seen": [4], "next": "seen:0b"},
                 "seen:0b": {"events": [], "seen": [5]}}
        _, client = self.serve(lambda op, key, body: ok(pages[body.get("after")]))
        self.assertEqual(client.customer_export("anna"),
                         {"customer": {"id": "anna"}, "events": [1, 2, 3], "seen": [4, 5]})

    def test_an_export_of_a_linked_customer_has_the_other_identities_by_themselves(self):
        pages = {None: {"identity": "a", "linked": [{"id": "a"}], "customer": {"id": "a"},
                        "events": [1], "next": "1:events:0a"},
                 "1:events:0a": {"identity": "a", "events": [2], "next": "2:events:"},
                 "2:events:": {"identity": "b", "customer": {"id": "b"}, "events": [3],
                               "next": "2:events:0b"},
                 "2:events:0b": {"identity": "b", "events": [4]}}
        _, client = self.serve(lambda op, key, body: ok(pages[body.get("after")]))
        self.assertEqual(client.customer_export("a"), {
            "identity": "a", "linked": [{"id": "a"}], "customer": {"id": "a"}, "events": [1, 2],
            "others": [{"identity": "b", "customer": {"id": "b"}, "events": [3, 4]}]})

    def test_events_are_those_of_all_pages(self):
        pages = {None: {"events": [1, 2], "next": "0a"}, "0a": {"events": [], "next": "0b"},
                 "0b": {"events": [3]}}
        daemon, client = self.serve(lambda op, key, body: ok(pages[body.get("after")]))
        since = datetime.datetime(2026, 1, 31, tzinfo=datetime.timezone.utc)
        self.assertEqual(list(client.events(since, 1769904000000, types=("view", "cart"))), [1, 2, 3])
        wanted = {"since": 1769817600000, "until": 1769904000000, "types": ["view", "cart"]}
        self.assertEqual(daemon.requests, [
            ("events.read", "", wanted), ("events.read", "", dict(wanted, after="0a")),
            ("events.read", "", dict(wanted, after="0b"))])
        daemon.requests.clear()
        self.assertEqual(list(client.events(types="view")), [1, 2, 3])
        self.assertEqual(daemon.requests[0], ("events.read", "", {"types": ["view"]}))
        with self.assertRaisesRegex(ValueError, "time zone"):
            list(client.events(datetime.datetime(2026, 1, 31)))

    def test_a_page_that_was_lost_is_asked_for_again(self):
        silent = [True]
        pages = {None: {"events": [1], "next": "0a"}, "0a": {"events": [2]}}

        def answer(op, key, body):
            lost = "after" in body and silent and silent.pop()
            return None if lost else ok(pages[body.get("after")])

        _, client = self.serve(answer, timeout=0.3)
        self.assertEqual(list(client.events()), [1, 2])

    def test_without_pandas_a_frame_says_what_it_needs(self):
        _, client = self.serve(lambda *_: ok({"events": []}))
        with unittest.mock.patch.dict(sys.modules, pandas=None):
            with self.assertRaisesRegex(ImportError, "pip install pandas"):
                client.events_frame()

    @unittest.skipUnless(pandas, "pandas is not installed")
    def test_a_frame_has_a_row_an_event(self):
        events = [{"customer": "anna", "type": "view", "time": 1769817600000, "item": "a",
                   "effect": "positive"},
                  {"customer": "anna", "type": "search", "time": 1769817601000,
                   "effect": "neutral", "session": "s"}]
        _, client = self.serve(lambda *_: ok({"events": events}))
        frame = client.events_frame()
        self.assertEqual(list(frame.columns),
                         ["customer", "item", "type", "time", "effect", "session"])
        self.assertEqual(frame["time"][0], pandas.Timestamp("2026-01-31", tz="UTC"))
        self.assertEqual(list(frame["item"].fillna("")), ["a", ""])
        _, client = self.serve(lambda *_: ok({"events": []}))
        self.assertEqual(client.events_frame().shape, (0, 5))

    def test_events_without_an_id_get_one_that_a_retry_keeps(self):
        silent = [True]

        def answer(op, key, body):
            return None if silent and silent.pop() else ok({})

        daemon, client = self.serve(answer, timeout=0.3)
        client.observe([{"type": "view"}, {"type": "view"}], "anna")
        self.assertEqual(len(daemon.requests), 2)
        self.assertEqual(daemon.requests[0], daemon.requests[1])
        ids = [event["id"] for event in daemon.requests[0][2]["events"]]
        self.assertEqual(len(set(ids)), 2)
        client.recommend("anna", observe=[{"type": "view"}])
        self.assertIn("id", daemon.requests[-1][2]["observe"][0])

    def test_many_customers_are_asked_for_in_lists(self):
        def answer(op, key, body):
            names = body["customers"]
            return ok({"results": [{"customer": name, "items": []} for name in names if name],
                       "errors": [{"index": i, "field": f"customers[{i}]", "message": "no"}
                                  for i, name in enumerate(names) if not name]})

        daemon, client = self.serve(answer)
        results = list(client.recommend_many(iter(["a", "b", "", "c", "d"]), size=2, n=3))
        self.assertEqual([r["customer"] for r in results], ["a", "b", "", "c", "d"])
        self.assertEqual(results[2]["error"], {"field": "customers[0]", "message": "no"})
        self.assertEqual([request[1:] for request in daemon.requests],
                         [("", {"customers": ["a", "b"], "n": 3}),
                          ("", {"customers": ["", "c"], "n": 3}),
                          ("", {"customers": ["d"], "n": 3})])
        self.assertEqual(list(client.recommend_many([])), [])

    def test_vectors_travel_as_floats(self):
        daemon, client = self.serve(lambda *_: ok({}))
        client.recommend(vector=np.array([1.0, -2.0]))
        self.assertEqual(daemon.requests[-1][2]["vector"], b"\0\0\x80\x3f\0\0\0\xc0")
        client.item_put([{"id": "a", "vector": np.ones(1, "f8")}])
        self.assertEqual(daemon.requests[-1][2]["items"][0]["vector"], b"\0\0\x80\x3f")

    def test_statuses_are_exceptions(self):
        statuses = {"bad_request": nbx.BadRequest, "not_found": nbx.NotFound, "busy": nbx.Busy,
                    "limit": nbx.Limit, "denied": nbx.Denied, "conflict": nbx.Conflict,
                    "storage": nbx.Storage, "internal": nbx.Internal}
        daemon, client = self.serve(
            lambda op, key, body: error(key, message="no", field="n", id=7))
        for status, kind in statuses.items():
            with self.assertRaises(kind) as caught:
                client.recommend(status)
            self.assertEqual((caught.exception.message, caught.exception.field,
                              caught.exception.id, caught.exception.status),
                             ("no", "n", 7, status))
            self.assertEqual(str(caught.exception), "n: no")
        with self.assertRaises(nbx.ProtocolError):
            client.recommend("surprise")

    def test_what_is_not_a_reply_is_refused(self):
        for answer in ([b"NBX1", b"ok"], [b"NBX2", b"ok", b"\x80"], [b"NBX1", b"ok", b"\xc1"],
                       [b"NBX1", b"ok", b"\x80\x80"], [b"NBX1", b"ok", b"\xdd\xff\xff\xff\xff"]):
            _, client = self.serve(lambda *_: answer)
            with self.assertRaises(nbx.ProtocolError, msg=answer):
                client.hello()

    def test_silence_ends_in_timeout(self):
        daemon, client = self.serve(lambda *_: None, timeout=0.05, tries=3)
        begin = time.monotonic()
        with self.assertRaises(nbx.Timeout) as caught:
            client.hello()
        self.assertIsInstance(caught.exception, TimeoutError)
        self.assertLess(time.monotonic() - begin, 5)
        client = nbx.Client("tcp://127.0.0.1:1", timeout=0.05)
        with self.assertRaises(nbx.Timeout):
            client.hello()

    def test_a_daemon_that_was_away_is_found_again(self):
        daemon, client = self.serve(lambda *_: ok({"n": 1}))
        self.assertEqual(client.hello(), {"n": 1})
        daemon.close()
        with self.assertRaises(nbx.Timeout):
            client.call("hello", timeout=0.05)
        again = FakeDaemon(lambda *_: ok({"n": 2}), daemon.endpoint)
        self.addCleanup(again.close)
        self.assertEqual(client.hello(), {"n": 2})

    def test_it_is_a_context_manager_and_may_be_closed_twice(self):
        daemon, _ = self.serve(lambda *_: ok({}))
        with nbx.Client(daemon.endpoint, timeout=10) as client:
            client.hello()
        client.close()
        self.assertEqual(client.hello(), {})
        client.close()

    def test_a_body_that_cannot_be_packed_leaves_the_client_usable(self):
        _, client = self.serve(lambda *_: ok({}))
        with self.assertRaises(TypeError):
            client.recommend("anna", context={"x": object()})
        self.assertEqual(client.hello(), {})


class Uploads:
    """Takes one upload as nbxd does. `lost`: how many replies to chunks get lost."""

    def __init__(self, received=b"", lost=0):
        self.data = received
        self.lost = lost
        self.commits = []

    def __call__(self, op, key, body):
        assert (op, key) == ("model.push", "")
        data = body.get("data", b"")
        if data and body["offset"] != len(self.data):
            return error("conflict", field="offset", message=f"{len(self.data)} were received")
        self.data += data
        if "commit" in body:
            assert (body["digest"], body["bytes"]) == (digest_of(self.data), len(self.data))
            self.commits.append(body["commit"])
            return ok({"name": "taste", "version": "1", "stage": "staged"})
        if data and self.lost:
            self.lost -= 1
            return None
        return ok({"received": len(self.data), "chunk": 1000})


def digest_of(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


class PushTest(Served):
    bundle = bytes(range(256)) * 10  # 2,560 bytes

    def chunks(self, daemon):
        return [(body["offset"], len(body["data"])) for _, _, body in daemon.requests
                if "data" in body]

    def test_a_file_or_its_bytes_come_in_the_daemons_chunks(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "taste.safetensors")
            with open(path, "wb") as file:
                file.write(self.bundle)
            for bundle in (path, self.bundle, bytearray(self.bundle)):
                uploads = Uploads()
                daemon, client = self.serve(uploads)
                self.assertEqual(client.push_model(bundle)["version"], "1")
                self.assertEqual(uploads.data, self.bundle)
                self.assertEqual(self.chunks(daemon), [(0, 1000), (1000, 1000), (2000, 560)])
                self.assertEqual(uploads.commits, [{}])

    def test_a_push_goes_on_where_it_was(self):
        for received, chunks in ((1500, [(1500, 1000), (2500, 60)]), (2560, [])):
            uploads = Uploads(self.bundle[:received])
            daemon, client = self.serve(uploads)
            client.push_model(self.bundle)
            self.assertEqual(self.chunks(daemon), chunks)
            self.assertEqual(len(uploads.commits), 1)

    def test_what_is_said_of_a_version_goes_with_the_commit(self):
        uploads = Uploads()
        _, client = self.serve(uploads)
        client.push_model(self.bundle, notes="first", parent="0", by="ci", activate=True,
                          metrics={"recall@20": np.float32(0.25), "n": np.int64(3), "loss": 1})
        self.assertEqual(uploads.commits, [{
            "notes": "first", "parent": "0", "by": "ci", "activate": True,
            "metrics": {"recall@20": 0.25, "n": 3, "loss": 1}}])

    def test_a_chunk_whose_reply_was_lost_counts_once(self):
        uploads = Uploads(lost=1)
        daemon, client = self.serve(uploads, timeout=0.3)
        client.push_model(self.bundle)
        self.assertEqual(uploads.data, self.bundle)
        self.assertEqual(self.chunks(daemon),
                         [(0, 1000), (0, 1000), (1000, 1000), (2000, 560)])

    def pull(self, data):
        """What pull_model writes of a file that comes in parts of 1,000 bytes."""
        known = {"name": "taste", "version": "1", "bytes": len(self.bundle),
                 "digest": digest_of(self.bundle)}

        def answer(op, key, body):
            at = body.get("offset", 0)
            return ok(known if op == "model.get" else
                      {"bytes": known["bytes"], "data": data[at:at + 1000]})

        daemon, client = self.serve(answer)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "taste.safetensors")
            try:
                client.pull_model("taste", "1", path)
                with open(path, "rb") as file:
                    return file.read()
            finally:
                self.assertLessEqual(set(os.listdir(folder)), {"taste.safetensors"})
                self.offsets = [body["offset"] for op, _, body in daemon.requests
                                if op == "model.read"]

    def test_a_version_is_pulled_in_parts(self):
        self.assertEqual(self.pull(self.bundle), self.bundle)
        self.assertEqual(self.offsets, [0, 1000, 2000])

    def test_what_is_not_the_version_leaves_no_file(self):
        with self.assertRaisesRegex(nbx.ProtocolError, "not the file of that digest"):
            self.pull(bytes(len(self.bundle)))
        with self.assertRaisesRegex(nbx.ProtocolError, "1500 bytes came, and no more do"):
            self.pull(self.bundle[:1500])

    def test_a_refusal_ends_it(self):
        _, client = self.serve(lambda *_: error("limit", field="bytes", message="too large"))
        with self.assertRaises(nbx.Limit) as caught:
            client.push_model(self.bundle)
        self.assertEqual(caught.exception.field, "bytes")
        _, client = self.serve(lambda op, key, body: (
            error("conflict", field="offset", message="0 were received") if "data" in body
            else ok({"received": 0, "chunk": 1000})))
        with self.assertRaises(nbx.Conflict):
            client.push_model(self.bundle)
        _, client = self.serve(lambda *_: ok({"received": 0, "chunk": 1000}))
        with self.assertRaises(nbx.ProtocolError):
            client.push_model(self.bundle)
        with self.assertRaises(FileNotFoundError):
            client.push_model("/nowhere/taste.safetensors")


if __name__ == "__main__":
    unittest.main()
