"""A rate holds over all replicas of a fleet, however the requests lie, and without the store each keeps its share.

Requests are sent in pipelines over one connection to each replica, far more than the rate allows, and what was admitted
is counted by the client's clock. With EVENKEEL_SCALE=full the windows have five seconds.
"""

import contextlib
import os
import secrets
import socket
import threading
import time

from harness import RedisStore, check, check_equal, eventually, patient, run, run_program, scaled, scenario, start_proxy

LIMIT = 300
DEMANDS = (500, 300, 100, 60, 40)  # requests a second at each replica
STEP_S, GAP_S, BACKLOG_S = 0.02, 0.1, 0.5
WINDOW_S, WINDOWS = scaled(2.5, 5), scaled(3, 10)
SEPARATOR = b"HTTP/1.1 "


class Load:
    """Offers so many requests a second at one replica, and notes when each was admitted or refused."""

    def __init__(self, proxy, per_second, fields=""):
        self.proxy = proxy
        self._socket = socket.create_connection(proxy.address, timeout=patient(20))
        self._request = f"GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode()
        self._per_second, self._over = per_second, threading.Event()
        self.sent = self.read = 0
        self.answers = []  # (when, how many, how many of them with 200)
        self.gaps = []     # when nothing was offered, or nothing answered, for a while
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._offer, self._read)]
        for thread in self._threads:
            thread.start()

    def _offer(self):
        owed, last = 0.0, time.monotonic()
        while not self._over.wait(STEP_S):
            now = time.monotonic()
            owed += self._per_second * min(now - last, GAP_S)
            last = self._note_gap(last, now)
            if self.sent - self.read > max(self._per_second * BACKLOG_S, 1):
                owed = 0.0  # the machine is slower than the load: whoever waits is enough
                self.gaps.append((now - STEP_S, now))
            count, owed = int(owed), owed - int(owed)
            with contextlib.suppress(OSError):
                self._socket.sendall(self._request * count)
                self.sent += count

    def _read(self):
        left, last = b"", time.monotonic()
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                data, left = left + data, b""
                cut = data.rfind(SEPARATOR[:1], len(data) - len(SEPARATOR) - 3)
                if cut >= 0:
                    data, left = data[:cut], data[cut:]
                last = self._note_gap(last, time.monotonic())
                self.answers.append((time.monotonic(), data.count(SEPARATOR), data.count(SEPARATOR + b"200")))
                self.read += self.answers[-1][1]

    def _note_gap(self, last, now):
        if now - last > GAP_S + 2 / self._per_second:
            self.gaps.append((last, now))
        return now

    def answered(self):
        return sum(count for _, count, _ in self.answers)

    def good(self):
        return sum(good for _, _, good in self.answers)

    def admitted(self, since, until):
        return sum(good for when, _, good in self.answers if since <= when < until)

    def paused(self, since, until):
        return any(begin < until and end > since for begin, end in self.gaps)

    def end(self):
        self._over.set()
        self._threads[0].join()
        eventually(lambda: self.answered() == self.sent, lambda: f"{self.answered()} of {self.sent} are answered")
        self._socket.close()


def fleet_of(s, store, route, count=len(DEMANDS), timeout="500ms"):
    root = s.path("root")
    os.makedirs(root, exist_ok=True)
    key = s.path("fleet.key")
    for path, text in ((os.path.join(root, "index.html"), "index"), (key, secrets.token_hex(32) + "\n")):
        if not os.path.exists(path):
            with open(path, "w") as file:
                file.write(text)
            os.chmod(path, 0o600)
    fleet = {"store": [store.address], "key_file": key, "timeout": timeout, "warm_state": False}
    settings = {"workers": 1, "fleet": fleet, "routes": [{"name": "all", "files": {"root": root}, **route}]}
    proxies = [start_proxy(s, None, settings, name=f"replica{number}") for number in range(count)]
    for proxy in proxies:
        eventually(lambda: rates(proxy)[0]["replicas"] == count and rates(proxy)[0]["state"] == "leasing",
                   lambda: f"{proxy.name} knows of {count}: {rates(proxy)}")
    return proxies


def rates(proxy):
    return proxy.admin_json("/fleet")["rates"]


def asked(loads):
    """How often each of the replicas has asked the store."""
    proxies = {load.proxy.name: load.proxy for load in loads}
    return [sum(rate["asked"] for rate in rates(proxy)) for proxy in proxies.values()]


def window(loads, seconds, shared=True):
    """From when until when so many seconds were, and whether nobody stood still meanwhile.

    Neither a client nor a worker, and with `shared` neither a control thread nor the store. Nobody asks the store too often.
    """
    began, before, since = time.monotonic(), asked(loads), time.monotonic()
    until = since + seconds
    while time.monotonic() < until:
        time.sleep(STEP_S)  # the window
    questions = [after - first for first, after in zip(before, asked(loads))]
    check(max(questions) <= 10 * (time.monotonic() - began) + 1, f"questions in {seconds} s: {questions}")
    often = not shared or min(questions) >= 7 * seconds
    return since, until, often and not any(load.paused(since, until) for load in loads)


def check_rates(s, groups, least=0.95, most=1.05, shared=True):
    """A window in which all went on has the rates; when something stood still it may have less, or what was late.

    groups: {what: (loads, the rate that they have together)}
    """
    for _ in range(WINDOWS):
        since, until, clean = window([load for loads, _ in groups.values() for load in loads], WINDOW_S, shared)
        for what, (loads, limit) in groups.items():
            count = sum(load.admitted(since, until) for load in loads)
            said = f"{what}: {count / WINDOW_S:.1f} a second of {limit:.0f}"
            check(count <= most * limit * WINDOW_S + (0 if clean else 0.4 * limit), said)
            check(not clean or count >= least * limit * WINDOW_S, said)
            s.note(said)
        if clean:
            return
    s.note("the machine was too busy to tell whether it was less")


def check_rate(s, loads, limit, what, **bounds):
    check_rates(s, {what: (loads, limit)}, **bounds)


@contextlib.contextmanager
def loads_of(*loads):
    try:
        yield loads
    finally:
        for load in loads:
            load.end()


@scenario("five replicas let more through than the rate that they share, or less", within=90)
def one_rate(s):
    store = RedisStore(s)
    proxies = fleet_of(s, store, {"rate": {"per_second": LIMIT, "fleet": True}})
    with loads_of(*(Load(proxy, demand) for proxy, demand in zip(proxies, DEMANDS))) as loads:
        window(loads, 1)
        with s.case("with the store, which each asks at most ten times a second"):
            check_rate(s, loads, LIMIT, "all together")
        with s.case("while the store hangs, each keeps its share, and no request waits"):
            with store.asleep():
                for proxy in proxies:
                    eventually(lambda: rates(proxy)[0]["state"] == "cut_off", "it is cut off")
                metric = proxies[0].metric("evenkeel_fleet_rate_cut_off", route="all", limit="rate")
                check_equal(metric, 1, "the metric that says so")
                before = [load.sent for load in loads]
                check_rate(s, loads, LIMIT, "all together", least=0, shared=False)
                for load, sent in zip(loads, before):
                    eventually(lambda: load.answered() >= sent, "all are answered")
        with s.case("when it goes on, the rate is exact again"):
            window(loads, 2)
            check_rate(s, loads, LIMIT, "all together")
            for proxy in proxies:
                eventually(lambda: rates(proxy)[0]["state"] == "leasing", "it is leasing")


@scenario("a request waits for a store that has not answered", within=60)
def nobody_waits(s):
    store = RedisStore(s)
    limit = {"per_second": 20, "burst": 80, "fleet": True}
    proxy, _ = fleet_of(s, store, {"rate": limit, "key_rate": {**limit, "key": "client"}}, count=2, timeout="60s")

    def on_their_way():
        return [rate["asked"] for rate in rates(proxy)]

    check_equal(on_their_way(), [0, 0], "questions before the first request")
    with store.asleep():
        check_equal(proxy.get("/").status, 200, "status of the first request")
        eventually(lambda: on_their_way() == [1, 1], lambda: f"each rate has asked, which nobody answers: {on_their_way()}")
        with proxy.client() as client:
            statuses = [client.request("GET", "/").status for _ in range(100)]
        check_equal(set(statuses), {200, 429}, "what the share admits, and what it does not")
        now = proxy.admin_json("/fleet")["store"]
        check(on_their_way() == [1, 1] and now["waiting"] >= 2, f"the store has answered meanwhile: {rates(proxy)}, {now}")
        check_equal((now["unanswered"], now["state"]), (0, "ready"), "questions that were given up; state of the connection")
    eventually(lambda: proxy.get("/") and all(rate["asked"] > 1 and rate["state"] == "leasing" for rate in rates(proxy)),
               lambda: f"it goes on: {rates(proxy)}")


@scenario("a key has more than its rate at several replicas, or its name is in the store", within=90)
def key_rates(s):
    store = RedisStore(s)
    limit = LIMIT / 3
    proxies = fleet_of(s, store, {"key_rate": {"per_second": limit, "key": "header:X-Key", "fleet": True}}, count=3)
    pairs = [("ann", proxies[0], 250), ("ann", proxies[1], 80), ("bob", proxies[1], 30), ("bob", proxies[2], 300)]
    with loads_of(*(Load(proxy, demand, fields=f"X-Key: {key}\r\n") for key, proxy, demand in pairs)) as loads:
        window(loads, 1)
        with s.case("each key has its rate"):
            check_rates(s, {name: ([load for load, pair in zip(loads, pairs) if pair[0] == name], limit) for name in ("ann", "bob")})
        with s.case("their names cannot be read"):
            names = [key for key in store.keys() if ":rate:" in key]
            check(len(names) == 2 and not any("ann" in name or "bob" in name for name in names), f"names: {names}")
    with s.case("keys that nobody uses are gone"):
        eventually(lambda: not [key for key in store.keys() if ":rate:" in key], lambda: f"left: {store.keys()}", 20)
        check(proxies[0].metric("evenkeel_rate_keys_limit", route="all") >= 16384, "room for keys")


class Vandal:
    """Does the same to every rate in the store, again and again."""

    EACH = "for _, key in ipairs(redis.call('KEYS', '*:rate:*')) do %s end"

    def __init__(self, store, script):
        self._words = ("EVAL", self.EACH % script, "0")
        self._socket = socket.create_connection(("127.0.0.1", store.port), timeout=patient(20))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self):
        command = f"*{len(self._words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in self._words)
        while not self._over.wait(STEP_S):
            self._socket.sendall(command.encode())
            self._socket.recv(1000)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._socket.close()


@scenario("who writes the store gets more through than a replica's configuration allows, or breaks one", within=90)
def vandals(s):
    store = RedisStore(s)
    limit = LIMIT / 3
    proxies = fleet_of(s, store, {"rate": {"per_second": limit, "fleet": True}}, count=2)
    with loads_of(*(Load(proxy, 4 * limit) for proxy in proxies)) as loads:
        with s.case("a bucket that is always full"), Vandal(store, "redis.call('DEL', key)"):
            window(loads, 0.5)
            check_rates(s, {load.proxy.name: ([load], limit) for load in loads}, least=0, most=1.1)
        for what, script in (("no number", "redis.call('SET', key, 'nan')"),
                             ("far ahead", "redis.call('SET', key, '1e300')"),
                             ("long ago", "redis.call('SET', key, '-inf')"),
                             ("a list", "redis.call('DEL', key) redis.call('LPUSH', key, 'x')")):
            with s.case(what):
                with Vandal(store, script):
                    before = loads[0].good()
                    eventually(lambda: loads[0].good() > before + limit / 4, "the share remains")
                store.ask("EVAL", Vandal.EACH % "redis.call('DEL', key)", "0")
        with s.case("afterwards it is exact"):
            window(loads, 1)
            check_rate(s, loads, limit, "both")
            for proxy in proxies:
                check_equal(rates(proxy)[0]["state"], "leasing", "state")


@scenario("a reload does not change a rate over the fleet, or a mistake about one is not told", within=90)
def reloads(s):
    store = RedisStore(s)
    limit = LIMIT / 3
    proxies = fleet_of(s, store, {"rate": {"per_second": limit, "fleet": True}}, count=2)
    files = proxies[0].settings["routes"][0]["files"]

    def reload(rate, **more):
        for proxy in proxies:
            proxy.settings["routes"] = [{"name": "all", "files": files, **rate}]
            proxy.settings.update(more)
            check(proxy.reload(), "the reload is taken")

    with loads_of(Load(proxies[0], 4 * limit), Load(proxies[1], limit / 10)) as loads:
        with s.case("a lower rate"):
            reload({"rate": {"per_second": limit / 2, "fleet": True}})
            window(loads, 1)
            check_rate(s, loads, limit / 2, "both")
        with s.case("a rate of shards"):
            reload({"shards": {"count": 4, "key": "host", "rate": {"per_second": limit, "fleet": True}}})
            eventually(lambda: [each["limit"] for each in rates(proxies[0])] == ["shards.rate"], "it is the only one")
            window(loads, 1)
            check_rate(s, loads, limit, "both")
        with s.case("a rate of each replica"):
            reload({"rate": {"per_second": limit}})
            check_equal(rates(proxies[0]), [], "rates over the fleet")
            window(loads, 0.5)
            check_rate(s, loads[:1], limit, "the first", shared=False)
    with s.case("a user who may not name scripts"):
        store.ask("ACL", "SETUSER", "default", "-evalsha")
        reload({"rate": {"per_second": limit, "fleet": True}})
        with loads_of(Load(proxies[0], 2 * limit)):
            eventually(lambda: rates(proxies[0])[0]["lent"] > 0, "it is lent to")
            eventually(lambda: rates(proxies[0])[0]["state"] == "leasing", "it is leasing")
    with s.case("a user who may run none"):
        store.ask("ACL", "SETUSER", "default", "-eval")
        eventually(lambda: proxies[0].admin_json("/fleet")["store"]["fault"] == "forbidden", "it is said")
        with loads_of(Load(proxies[0], 2 * limit)):
            eventually(lambda: rates(proxies[0])[0]["state"] == "cut_off", lambda: f"cut off: {rates(proxies[0])}")
    for what, rate, fleet, words in (
            ("no fleet", {"rate": {"per_second": 1, "fleet": True}}, {}, "rate.fleet: there is no fleet: write"),
            ("no rate", {"key_rate": {"fleet": True}}, None, "key_rate.fleet: has no per_second")):
        with s.case(what):
            proxy = proxies[0]
            proxy.settings["routes"] = [{"name": "all", "files": files, **rate}]
            proxy.settings["fleet"] = proxy.settings["fleet"] if fleet is None else fleet
            proxy.write_config(proxy.text())
            done = run_program(s, "-t", "-c", proxy.config_path)
            said = done.stderr + done.stdout
            check(done.returncode == 1 and words in said, f"{done.returncode}: {said}")


run()
