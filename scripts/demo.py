"""The work of scripts/run, once everything is built. See scripts/run for its use."""
import argparse
import collections
import contextlib
import csv
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.environ.get("NBX_BIN_DIR") or os.path.join(ROOT, "build", "release", "bin")
sys.path.insert(0, os.path.join(ROOT, "proto", "python"))
sys.dont_write_bytecode = True
import nbx  # noqa: E402

DEFAULT_PORT, DEFAULT_HTTP_PORT = 7741, 7742
START_SECONDS, STOP_SECONDS = 60, 20
SHOWN = 6
CANDIDATES = 40  # customers looked at, to show three of different tastes
TITLE_WIDTH, REASON_WIDTH = 36, 54


class Failed(Exception):
    """A step that did not work out; the text is for the person at the terminal."""


@contextlib.contextmanager
def step(text):
    """One line with the time the block took; the block may add to what is said."""
    said = [text]
    start = time.monotonic()
    try:
        yield said
    except Failed as failure:
        raise Failed(f"{text} failed: {failure}") from failure
    print(f"{', '.join(said):58} {time.monotonic() - start:7.1f} s", flush=True)


def call(*command):
    """Runs a program to its end; its output, or Failed with what it said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    if done.returncode != 0:
        raise Failed(f"exit code {done.returncode} of {os.path.basename(command[0])}\n"
                     f"{done.stdout.rstrip()}")
    return done.stdout


# --- data ---------------------------------------------------------------------------------------


def make_data(source, seed, out):
    """Fills the folder `out` with items.csv and events.csv: made, prepared, or linked."""
    def has(*names):
        return all(os.path.isfile(os.path.join(source, name)) for name in names)
    if source is None:
        call(os.path.join(BIN, "nbx-sim"), "--seed", str(seed), "--out", out)
        return
    if has("items.csv", "events.csv"):
        # An import notes beside the file how far it came: that must not land in your folder.
        os.makedirs(out)
        for name in ("items.csv", "events.csv", "dataset.json"):
            if has(name):
                os.symlink(os.path.abspath(os.path.join(source, name)), os.path.join(out, name))
        return
    for name, files in (("online-retail", ("online_retail.csv",)),
                        ("gowalla", ("train.txt", "test.txt"))):
        if has(*files):
            call(os.path.join(ROOT, "scripts", "prepare"), name, source, out)
            return
    raise Failed(f"{source} has neither items.csv and events.csv, nor online_retail.csv, nor "
                 "train.txt and test.txt")


def read_titles(folder):
    with open(os.path.join(folder, "items.csv"), encoding="utf-8", newline="") as file:
        return {row["id"]: row.get("title") or row["id"] for row in csv.DictReader(file)}


class Events:
    """What the demo must know of events.csv."""

    def __init__(self, folder, positive):
        self.types = collections.Counter()
        self.histories = collections.defaultdict(dict)  # customer -> its items, latest last
        with open(os.path.join(folder, "events.csv"), encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                type_ = row.get("type") or "view"
                self.types[type_] += 1
                if type_ in positive and row["customer"] and row["item"]:
                    history = self.histories[row["customer"]]
                    history.pop(row["item"], None)
                    history[row["item"]] = True

    def candidates(self, seed):
        """Customers with enough of a past to tell their taste, and not too much to read."""
        fit = sorted(c for c, items in self.histories.items() if 6 <= len(items) <= 40)
        fit = fit or sorted(self.histories, key=lambda c: (-len(self.histories[c]), c))[:50]
        return random.Random(seed).sample(fit, min(CANDIDATES, len(fit)))


def settings(currency):
    """The default settings as text, in the data's currency; a public set's events are old, so they
    are kept for long."""
    text = call(os.path.join(BIN, "nbxd"), "--print-config")
    text = set_key(text, "event_retention", "36500d")
    return set_key(text, "currency", currency) if currency else text


def positive_types(text):
    return set(re.findall(r"{type: ([\w-]+), class: positive", text))


def currency_of(folder):
    try:
        with open(os.path.join(folder, "dataset.json"), encoding="utf-8") as file:
            return json.load(file).get("currency")
    except FileNotFoundError:
        return None


# --- nbxd ---------------------------------------------------------------------------------------


def set_key(text, key, value):
    """Replaces a setting, with the list below it."""
    return re.sub(rf"^{key}:.*\n(?:  .*\n)*", lambda _: f"{key}: {value}\n", text, count=1,
                  flags=re.MULTILINE)


def free_port(wanted, taken=()):
    """The port wanted, or any free one where somebody has it."""
    for port in (wanted, 0):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            if s.getsockname()[1] not in taken:
                return s.getsockname()[1]
    raise Failed("no free port on 127.0.0.1")


class Daemon:
    """nbxd on a fresh store below `folder`."""

    def __init__(self, folder, text):
        port = free_port(DEFAULT_PORT)
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.http = f"127.0.0.1:{free_port(DEFAULT_HTTP_PORT, (port,))}"
        self.data_dir = os.path.join(folder, "nbx-data")
        self.config = os.path.join(folder, "nbx.yaml")
        self.log = os.path.join(folder, "nbxd.log")
        self.process = None
        os.makedirs(self.data_dir, exist_ok=True)
        for key, value in (("listen", f"[{self.endpoint}]"), ("http", self.http),
                           ("data_dir", json.dumps(self.data_dir))):
            text = set_key(text, key, value)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        with open(self.log, "ab") as log:
            # A group of its own: Ctrl-C reaches us, and we stop it in order.
            self.process = subprocess.Popen([os.path.join(BIN, "nbxd"), "--config", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        self.wait_for(lambda hello: hello["ready"])

    def wait_for(self, state):
        """Asks hello until `state(reply)` holds. The wait is the request's own."""
        deadline = time.monotonic() + START_SECONDS
        with nbx.Client(self.endpoint, timeout=0.2, tries=1) as client:
            while time.monotonic() < deadline:
                if self.process.poll() is not None:
                    raise Failed(f"nbxd ended with exit code {self.process.returncode}\n"
                                 f"{self.last_words()}")
                try:
                    if state(client.call("hello")):
                        return
                except (nbx.Timeout, nbx.Busy):
                    continue
        raise Failed(f"nbxd is not ready after {START_SECONDS} s\n{self.last_words()}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-20:]).rstrip()

    def stop(self):
        """Ends it in order; Failed where it does not end well."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"nbxd did not end within {STOP_SECONDS} s\n{self.last_words()}") from None
        if code != 0:
            raise Failed(f"nbxd ended with exit code {code}\n{self.last_words()}")


# --- tables -------------------------------------------------------------------------------------


def cut(text, width):
    return text if len(text) <= width else text[:width - 1] + "…"


def reason_in_words(explain, titles):
    """Codes become words here: nbxd never speaks to customers itself."""
    reason = explain.get("reason") or {}
    code, args = reason.get("code", ""), reason.get("args") or {}
    if code == "because_of_items":
        shares = {entry["item"]: entry["share"] for entry in explain.get("because", [])}
        items = args.get("items", [])
        share = f" ({100 * shares[items[0]]:.0f} %)" if items and items[0] in shares else ""
        return "because of " + ", ".join(cut(titles.get(i, i), 32) for i in items[:1]) + share
    return {
        "because_of_attributes": "liked by customers like this one",
        "customer_vector": "near this customer's taste",
        "similar_to": f"like {titles.get(args.get('item'), args.get('item'))}",
        "trending_in_channel": f"wanted now on {args.get('channel')}",
        "trending": "wanted now",
        "popular": "wanted by many",
        "newest": "new here",
        "query_vector": "near what was asked for",
    }.get(code, code)


class Shop:
    """A client's view: asks, shows, and remembers how long each answer took."""

    def __init__(self, client, titles):
        self.client = client
        self.titles = titles
        self.times_ms = []

    def timed(self, op, customer, body):
        start = time.perf_counter()
        reply = self.client.call(op, customer, body)
        self.times_ms.append(1000 * (time.perf_counter() - start))
        return reply

    def recommend(self, customer, record="decision"):
        return self.timed("recommend", customer, {
            "n": SHOWN, "exclude_seen": True, "distinct": "group", "fields": ["title"],
            "explain": True, "record": record})["items"]

    def title(self, item):
        return cut((item.get("fields") or {}).get("title") or item["id"], TITLE_WIDTH)

    def show(self, customer, history, items):
        latest = [cut(self.titles.get(item, item), 32) for item in list(history)[-3:][::-1]]
        print(f"\n{customer}: {len(history)} items so far, the latest {' · '.join(latest)}")
        for rank, item in enumerate(items, 1):
            reason = cut(reason_in_words(item.get("explain") or {}, self.titles), REASON_WIDTH)
            print(f"  {rank}. {self.title(item):{TITLE_WIDTH}} {item['score']:7.3f}  "
                  f"{item['source']:8} {reason}")
        print(f"  answered in {self.times_ms[-1]:.2f} ms")

    def show_change(self, before, after):
        places = {item["id"]: rank for rank, item in enumerate(before, 1)}
        print(f"\n  {'before':{TITLE_WIDTH + 3}}    after")
        for rank in range(1, max(len(before), len(after)) + 1):
            old = self.title(before[rank - 1]) if rank <= len(before) else ""
            new, moved = "", ""
            if rank <= len(after):
                item = after[rank - 1]
                place = places.get(item["id"])
                moved = "new" if place is None else ("" if place == rank else
                                                     f"{'up' if place > rank else 'down'} "
                                                     f"from {place}")
                new = f"{self.title(item):{TITLE_WIDTH}} {item['score']:7.3f}  {moved}"
            print(f"  {rank}. {old:{TITLE_WIDTH}}    {rank}. {new}".rstrip())


def pick_other_taste(lists, histories, customers):
    """An item that somebody else is recommended and the first customer has nothing to do with."""
    mine = {item["id"] for item in lists[0]} | set(histories[customers[0]])
    for items in reversed(lists[1:]):
        for item in items:
            if item["id"] not in mine:
                return item
    raise Failed("all customers are recommended the same; is there a model?")


def choose_customers(shop, candidates, n):
    """The first candidate and those whose recommendations share the least words with the rest."""
    words = {customer: {word for item in shop.recommend(customer, record="none")
                        for word in re.findall(r"\w+", shop.title(item).lower())}
             for customer in candidates}
    chosen = candidates[:1]
    while len(chosen) < min(n, len(candidates)):
        chosen.append(min((c for c in candidates if c not in chosen), key=lambda c: sum(
            len(words[c] & words[other]) / max(1, len(words[c] | words[other]))
            for other in chosen)))
    return chosen


def show_answers(shop, events, seed):
    customers = choose_customers(shop, events.candidates(seed), 3)
    lists = []
    for customer in customers:
        lists.append(shop.recommend(customer))
        if not lists[-1]:
            raise Failed(f"nothing is recommended to {customer}")
        shop.show(customer, events.histories[customer], lists[-1])
    if len(customers) < 2:
        return customers[0]
    item = pick_other_taste(lists, events.histories, customers)
    type_ = "cart" if "cart" in events.types else events.types.most_common(1)[0][0]
    shop.timed("observe", customers[0], {"events": [{"id": f"demo-{time.time_ns()}", "type": type_,
                                                     "item": item["id"]}]})
    print(f"\nNow {customers[0]} sends one event, {type_} of {shop.title(item)}"
          f" (kept on disk after {shop.times_ms[-1]:.2f} ms), and asks again:")
    after = shop.recommend(customers[0])
    shop.show_change(lists[0], after)
    print(f"  answered in {shop.times_ms[-1]:.2f} ms")
    if [i["id"] for i in after] == [i["id"] for i in lists[0]] and \
            [i["score"] for i in after] == [i["score"] for i in lists[0]]:
        raise Failed("the event changed nothing")
    return customers[0]


def show_what_to_try(daemon, customer):
    endpoint = "" if daemon.endpoint.endswith(f":{DEFAULT_PORT}") else (
        f" --endpoint {daemon.endpoint}")
    argument = "" if not endpoint else f'"{daemon.endpoint}"'
    body = json.dumps({"customer": customer, "n": 5, "fields": ["title"]})
    print(f"""
nbxd stays up until Ctrl-C. Try, in another terminal:

  build/release/bin/nbx recommend {customer} --explain{endpoint}

  curl -s http://{daemon.http}/v1/recommend -H 'Content-Type: application/json' \\
       -d '{body}'

  cd proto/python && /usr/bin/python3 -c 'import nbx
for item in nbx.Client({argument}).recommend("{customer}", n=5)["items"]: print(item)'
""", flush=True)


# --- all of it ----------------------------------------------------------------------------------




def prepare(arguments, folder):
    """Data, model and settings; returns (daemon, not yet started, events, titles, folder)."""
    with step("data" if arguments.data else f"simulated shop, seed {arguments.seed}") as said:
        data = os.path.join(folder, "data")
        make_data(arguments.data, arguments.seed, data)
        text = settings(currency_of(data))
        titles = read_titles(data)
        events = Events(data, positive_types(text))
        if not events.histories:
            raise Failed("events.csv has no customer with an item and a known type that is "
                         f"not negative; its types: {', '.join(sorted(events.types))}")
        said.append(f"{len(titles)} items, {sum(events.types.values())} events")
    daemon = Daemon(folder, text)
    with step("train (ials)"):
        call(os.path.join(BIN, "nbx-train"), "fit", "--family", "ials", "--events",
             os.path.join(data, "events.csv"), "--seed", str(arguments.seed), "--out",
             os.path.join(daemon.data_dir, "ials.safetensors"))
    return daemon, events, titles, data


def serve(daemon, data):
    with step("start nbxd") as said:
        daemon.start()
        said.append(daemon.endpoint)
    for what in ("items", "events"):
        with step(f"import {what}") as said:
            output = call(os.path.join(BIN, "nbx"), "import", what,
                          os.path.join(data, f"{what}.csv"), "--allow-refused", "--json",
                          "--endpoint", daemon.endpoint)
            counts = json.loads(output[output.index("{"):])
            if counts.get("refused"):
                said.append(f"{counts['refused']} refused, such as "
                            f"{output.splitlines()[0].removeprefix('nbx: ')}\n")
            if not counts.get("applied"):
                raise Failed(f"nothing was taken\n{output}")
    with step("model in use") as said:
        daemon.process.send_signal(signal.SIGHUP)
        names = []
        daemon.wait_for(lambda hello: hello["model"]["name"]
                        and not names.append(hello["model"]["version"]))
        said.append(names[-1])


def run(arguments, folder):
    daemon, events, titles, data = prepare(arguments, folder)
    try:
        serve(daemon, data)
        with nbx.Client(daemon.endpoint, timeout=5) as client:
            customer = show_answers(Shop(client, titles), events, arguments.seed)
        if not arguments.once:
            show_what_to_try(daemon, customer)
            daemon.process.wait()
            raise Failed(f"nbxd ended by itself\n{daemon.last_words()}")
    finally:
        daemon.stop()


def main():
    parser = argparse.ArgumentParser(prog="scripts/run")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--data", metavar="DIR")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    folder = tempfile.mkdtemp(prefix="nbx-run-")
    try:
        run(arguments, folder)
        print(f"\nall stopped, nothing left behind, {time.monotonic() - start:.1f} s")
    except Failed as failure:
        print(f"run: {failure}", file=sys.stderr)
        return 1
    except nbx.Error as error:
        print(f"run: nbxd answered {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
        return 0 if not arguments.once else 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
