"""SIGHUP: the settings change as one, and nobody who is being served notices."""

import hashlib
import json
import os
import random
import signal
import socket
import threading
import time

from harness import (SANITIZED, Address, Arrived, Client, Interrupted, NginxOrigin, RawOrigin, check, check_equal, curl,
                     eventually, merge, patient, render, run, scaled, scenario, start_proxy, wrk_in_background)


class SlowReader(threading.Thread):
    """A client that takes `seconds` to read a file, and checks every byte of it."""

    def __init__(self, proxy, target, content, seconds):
        super().__init__(daemon=True)
        self._client = proxy.client(receive_buffer=16384, within=seconds + 30)
        self._target = target
        self._content = content
        self._seconds = seconds
        self.fault = None
        self.start()

    def run(self):
        digest, pace = hashlib.sha256(), self._seconds / len(self._content)

        def slowly(piece):
            digest.update(piece)
            time.sleep(len(piece) * pace)  # the pace of a slow reader

        try:
            self._client.send(f"GET {self._target} HTTP/1.1\r\nHost: h\r\n\r\n")
            response = self._client.response(sink=slowly)
            check(response.complete, f"the slow reader's response ended by {response.ended}")
            check_equal(digest.hexdigest(), hashlib.sha256(self._content).hexdigest(), "the slow reader's checksum")
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault
        finally:
            self._client.close()

    def verdict(self):
        self.join(patient(self._seconds + 30))
        check(not self.is_alive(), "the slow reader never got to the end")
        if self.fault:
            raise self.fault


def broken_files(text):
    """Wrong configurations made of a right one: (what is wrong, text)."""
    return [
        ("a syntax error", text + "\nlisteners = {"),
        ("an unknown key", text + "\nlisten = 5;\n"),
        ("a bare number for a duration", text.replace('grace = "5s"', "grace = 5")),
        ("a value out of range", text.replace("workers = 2", "workers = -1")),
        ("an upstream that does not exist", text.replace('upstream = "app"', 'upstream = "nobody"')),
        ("an empty file", ""),
        ("random bytes", bytes(random.Random(7).randbytes(2000)).decode("latin-1")),
        ("a half-written file", text[:len(text) // 2]),
    ]


@scenario("a reload under load fails a request, resets a connection, or leaks", within=90)
def under_load(s):
    seconds, reloads = scaled(8, 20), 20
    origin = NginxOrigin(s)
    content = random.Random(1).randbytes(4 << 20)
    origin.publish("file", content)
    extra = s.port()
    proxy = start_proxy(s, origin, {"workers": 2, "upstreams": {"app": {"pool": {"warm_min": 0}}}})
    base = proxy.settings
    more = {"listeners": {"extra": {"listen": f"127.0.0.1:{extra}"}}}
    second = {"upstreams": {"other": {"endpoints": [origin.address]}},
              "routes": [{"name": "other", "path_prefix": "/other/", "upstream": "other"}, *base["routes"]]}
    good = [
        base,
        merge(base, more),
        merge(base, second),
        merge(base, {"upstreams": {"app": {"timeouts": {"idle": "29s"}, "limits": {"queue": 300}}}}),
        merge(merge(base, more), second),
        merge(base, {"drain": {"grace": "6s"}, "limits": {"head": "16KiB"}}),
        merge(base, {"upstreams": {"app": {"pool": {"max": 200}}}}),
    ]
    # Each reload once before anything is measured: what is allocated once is no growth.
    for settings in good:
        check(proxy.reload(text=render(settings)), "a good file was rejected")
    check(proxy.reload(text=render(base)), "the first file was rejected")
    for _ in range(16):
        curl("-o", s.path("file"), f"{proxy.url}/file")

    proxy.rest()
    fds_before = proxy.open_fds(besides=origin.address)
    def alone():
        eventually(lambda: proxy.bound("generations")["used"] == 1, "one generation is left")

    load = wrk_in_background(s, f"{proxy.url}/hello", seconds + 1, connections=16)
    reader = SlowReader(proxy, "/file", content, seconds - 1)
    broken = broken_files(proxy.text())
    eventually(lambda: proxy.metric("evenkeel_exchanges_started_total") > 100, "the load has begun")
    memory = None
    started = time.monotonic()
    for number in range(reloads):
        # Reloads are spread over the time of the load.
        time.sleep(max(0.0, started + number * (seconds - 1) / reloads - time.monotonic()))
        if number % 3 == 2:
            what, text = broken[number // 3 % len(broken)]
            check(not proxy.reload(text=text), f"{what} was taken")
        else:
            settings = good[number % len(good)]
            check(proxy.reload(text=render(settings)), "a good file was rejected")
            if "extra" in settings["listeners"]:
                address = Address(f"127.0.0.1:{extra}").pair
                with proxy.client() as client, type(client)(address) as beside:
                    check_equal(beside.request("GET", "/hello").status, 200, "status on the new listener")
        if number == 3:
            alone()
            memory = proxy.memory_kib()
    check_equal(bool(proxy.reload(text=render(base))), True, "the last reload")
    load.report().expect_clean()
    reader.verdict()
    alone()
    if not SANITIZED:
        grown = proxy.memory_kib() - memory
        check(grown < 1024, f"memory grew by {grown} KiB from the fourth reload to the last")

    eventually(lambda: proxy.open_fds(besides=origin.address) <= fds_before, f"the fds return to {fds_before}")


@scenario("a reload changes what did not change: an upstream loses its connections")
def keeps_connections(s):
    origin, other = RawOrigin(s), RawOrigin(s, "other")
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {
        "app": {"pool": {"warm_min": 0}}, "other": {"endpoints": [other.address], "pool": {"warm_min": 0}}},
        "routes": [{"name": "other", "path_prefix": "/other", "upstream": "other"},
                   {"name": "all", "upstream": "app"}]})
    with proxy.client() as client:
        check_equal(Arrived(client.request("GET", "/")).connection, 0, "upstream connection")
        check_equal(Arrived(client.request("GET", "/other")).connection, 0, "upstream connection")
        with s.case("an unchanged upstream keeps its idle connection, a client its connection"):
            for grace in ("6s", "7s"):
                check(proxy.reload({"drain": {"grace": grace}}), "the file was rejected")
                check_equal(Arrived(client.request("GET", "/")).connection, 0, "upstream connection")
        with s.case("a change of one upstream leaves the other alone"):
            check(proxy.reload({"upstreams": {"other": {"timeouts": {"connect": "900ms"}}}}), "the file was rejected")
            check_equal(Arrived(client.request("GET", "/")).connection, 0, "upstream connection")
            check_equal(client.request("GET", "/other").status, 200, "status")
        with s.case("a removed upstream's connections are closed"):
            check(proxy.reload({"upstreams": {"other": None}, "routes": [{"name": "all", "upstream": "app"}]}),
                  "the file was rejected")
            eventually(lambda: not other.open_connections(), "the connections are closed")
            check_equal(Arrived(client.request("GET", "/other")).connection, 0, "upstream connection")
        with s.case("a changed endpoint is used at once, the old one no more"):
            before = len(origin.requests)
            check(proxy.reload({"upstreams": {"app": {"endpoints": [other.address]}}}), "the file was rejected")
            check_equal(client.request("GET", "/moved").status, 200, "status")
            check_equal(other.request_for("/moved").target, "/moved", "target")
            check_equal(len(origin.requests), before, "requests at the old endpoint")
            eventually(lambda: not origin.open_connections(), "the old endpoint's connections are closed")


@scenario("a listener does not come or go with a reload")
def listeners(s):
    origin = RawOrigin(s)
    release = threading.Event()
    origin.on("/hold", lambda connection, _: release.wait(patient(20)) and connection.respond(200, b"held"))
    proxy = start_proxy(s, origin)
    extra = Address(f"127.0.0.1:{s.port()}")
    Client = type(proxy.client())
    with s.case("a new listener serves"):
        check(proxy.reload({"listeners": {"extra": {"listen": extra}}}), "the file was rejected")
        eventually(lambda: Client(extra.pair).request("GET", "/").status == 200, "the new listener serves")
    idle, busy = Client(extra.pair), Client(extra.pair)
    check_equal(idle.request("GET", "/").status, 200, "status")
    busy.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
    origin.request_for("/hold")
    check(proxy.reload({"listeners": {"extra": None}}), "the file was rejected")
    with s.case("a removed listener takes no more connections"):
        def refused():
            try:
                Client(extra.pair).close()
                return False
            except ConnectionRefusedError:
                return True
        eventually(refused, "connections are refused")
    with s.case("a removed listener's idle clients are closed in an orderly way"):
        check_equal(idle.ending(), "eof", "the end")
    with s.case("a removed listener's exchange in flight is finished"):
        release.set()
        response = busy.response()
        check_equal((response.status, bytes(response.body)), (200, b"held"), "answer")
        check_equal(busy.ending(), "eof", "the end")
    with s.case("it can come back"):
        check(proxy.reload({"listeners": {"extra": {"listen": extra}}}), "the file was rejected")
        eventually(lambda: Client(extra.pair).request("GET", "/").status == 200, "the listener serves")


@scenario("connections that wait to be accepted are lost in a reload")
def backlog(s):
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    proxy = start_proxy(s, origin, {"workers": 2})
    stop = threading.Event()
    faults, served = [], []

    def connect_and_ask():
        while not stop.is_set():
            try:
                check_equal(proxy.get("/").status, 200, "status")
                served.append(1)
            except Exception as fault:  # pylint: disable=broad-except
                faults.append(fault)

    threads = [threading.Thread(target=connect_and_ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(10):
        check(proxy.reload({"drain": {"grace": f"{5 + number % 2}s"}, "workers": 2}), "the file was rejected")
    stop.set()
    for thread in threads:
        thread.join(patient(10))
    check(not faults, f"{len(faults)} of {len(served) + len(faults)} failed, first: {faults[:1]}")
    check(served, "nothing was served")


@scenario("a bad file changes something, or does not say what is wrong and where")
def bad_files(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"pool": {"warm_min": 0}}}})
    good = proxy.text()
    with proxy.client() as client:
        for what, text in broken_files(good):
            with s.case(f"{what} is rejected with its place, and the service goes on as before"):
                logged = len(proxy.log())
                check(not proxy.reload(text=text), "it was taken")
                eventually(lambda at=logged: f"{os.path.basename(proxy.config_path)}:" in proxy.log()[at:],
                           "the log names the file and a line")
                check_equal(Arrived(client.request("GET", "/")).connection, 0, "upstream connection")
        with s.case("a file that is gone is rejected"):
            proxy.write_config(good)
            os.rename(proxy.config_path, f"{proxy.config_path}.away")
            before = proxy.reloads()
            proxy.signal(signal.SIGHUP)
            eventually(lambda: proxy.reloads() == (before[0], before[1] + 1), "the reload is counted as rejected")
            check_equal(Arrived(client.request("GET", "/")).connection, 0, "upstream connection")
        with s.case("a right file is taken afterwards"):
            check(proxy.reload(text=good), "the good file was rejected")


@scenario("a listener that cannot be bound leaves half a reload behind")
def unbindable(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        clash = f"127.0.0.1:{taken.getsockname()[1]}"
        before = dict(proxy.settings)
        check(not proxy.reload({"listeners": {"clash": {"listen": clash}},
                                "routes": [{"name": "none", "host": "nobody.example", "upstream": "app"}]}),
              "the reload was taken")
        check_equal(proxy.get("/").status, 200, "status by the old routes")
    proxy.settings = before
    check(proxy.reload(before), "the old file was rejected")


@scenario("an exchange in flight is disturbed by a reload that removes its route and upstream")
def in_flight(s):
    origin, other = RawOrigin(s), RawOrigin(s, "other")
    release = threading.Event()

    def slow(connection, _):
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        release.wait(patient(20))
        return connection.send("later")

    origin.on("/slow", slow)
    proxy = start_proxy(s, origin)
    with proxy.client() as client:
        client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        origin.request_for("/slow")
        check(proxy.reload({"upstreams": {"app": None, "other": {"endpoints": [other.address]}},
                            "routes": [{"name": "new", "upstream": "other"}]}), "the file was rejected")
        check_equal(proxy.get("/new").status, 200, "status of a new exchange")
        release.set()
        response = client.response()
        check_equal((response.complete, bytes(response.body)), (True, b"firstlater"), "the response in flight")
        if not response.closes:
            check_equal(client.request("GET", "/afterwards").status, 200, "status on the same connection")
            check_equal(len([r for r in other.requests if r.target == "/afterwards"]), 1, "requests at the new one")
    eventually(lambda: not origin.open_connections(), "the removed upstream's connections are closed")


@scenario("reloads in quick succession pile up generations")
def storm(s):
    origin = RawOrigin(s)
    held = threading.Event()
    origin.on("/hold", lambda connection, _: held.wait(patient(30)) and connection.respond(200, b"held"))
    proxy = start_proxy(s, origin)
    with proxy.client(within=30) as client:
        client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        origin.request_for("/hold")
        threads = proxy.threads()
        for number in range(50):
            proxy.write_config(render(merge(proxy.settings, {"drain": {"grace": f"{5 + number % 3}s"}})))
            proxy.signal(signal.SIGHUP)
            if number % 10 == 9:
                check_equal(proxy.get("/").status, 200, "status meanwhile")
        check(proxy.bound("generations")["peak"] <= 2, "more than two generations lived")
        check(proxy.threads() <= threads + 1, f"{proxy.threads()} threads, {threads} before, and one that reads the file")
        held.set()
        check_equal(client.response().status, 200, "status of the exchange in flight")
    eventually(lambda: proxy.bound("generations")["used"] == 1, "one generation is left")
    check(proxy.bound("generations")["peak"] <= 2, "more than two generations lived")


@scenario("a waiting client hears nothing because its reload removed the place it waits for", within=30)
def queued(s):
    origin = RawOrigin(s)
    release = threading.Event()
    origin.on("/hold", lambda connection, _: release.wait(patient(20)) and connection.respond(200, b"held"))
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {
        "pool": {"warm_min": 0}, "limits": {"in_flight": 1, "queue": 4, "queue_wait": "5s", "queue_target": "1m"}}}})
    with proxy.client() as flying, proxy.client() as waiting:
        flying.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        origin.request_for("/hold")
        waiting.send("GET /waits HTTP/1.1\r\nHost: h\r\n\r\n")
        eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 1, "one request is queued")
        check(proxy.reload({"upstreams": {"app": {"limits": {"in_flight": 5}}}}), "the file was rejected")
        release.set()
        check_equal(flying.response().status, 200, "status of the exchange in flight")
        try:
            check(waiting.response().status in (200, 503), "status of the waiting exchange")
        except Interrupted as fault:
            raise AssertionError("the waiting client got no answer") from fault


def post_reload(proxy):
    """(status, answer) of POST /reload."""
    status, body = proxy.admin("/reload", "POST")
    return status, json.loads(body)


@scenario("who asks for a reload by POST /reload is told something else than what became of it")
def posted(s):
    proxy = start_proxy(s, RawOrigin(s))

    def site(text):
        return render(merge(proxy.settings, {"routes": [{"name": "said", "respond": {"status": 200, "body": text}}]}))

    with s.case("taken: every request from then on has what the file says"):
        for number in range(2, 6):
            proxy.write_config(site(f"number {number}"))
            check_equal(post_reload(proxy), (200, {"result": "taken", "generation": number, "errors": [], "warnings": []}),
                        "answer")
            check_equal(bytes(proxy.get().body), f"number {number}".encode(), "body at once")
    with s.case("rejected: all errors with file and line, and nothing changes"):
        proxy.write_config(site("broken").replace('grace = "5s"', "grace = 5").replace("workers = 2", "workers = -1"))
        status, answer = post_reload(proxy)
        check_equal((status, answer["result"], answer["generation"]), (422, "rejected", 5), "answer")
        check_equal([error.rsplit("/", 1)[-1].split(":")[0] for error in answer["errors"]],
                    [os.path.basename(proxy.config_path)] * 2, f"files of {answer['errors']}")
        check_equal(bytes(proxy.get().body), b"number 5", "body afterwards")
    with s.case("rejected: what only building finds, such as an address in use"):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            proxy.write_config(render(merge(proxy.settings, {"listeners": {"more": {"listen": address}}})))
            status, answer = post_reload(proxy)
        check_equal((status, len(answer["errors"])), (422, 1), f"answer {answer}")
        check("more" in answer["errors"][0] and address in answer["errors"][0], f"errors {answer['errors']}")
    with s.case("several at once: each is told of a reload that read the file after it asked"):
        proxy.write_config(site("all"))
        answers = []
        asking = [threading.Thread(target=lambda: answers.append((post_reload(proxy), bytes(proxy.get().body))))
                  for _ in range(12)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(patient(20))
        check_equal({(status, body) for (status, _), body in answers}, {(200, b"all")}, "answers")
        check_equal(len(answers), 12, "answers")
        check(proxy.bound("generations")["peak"] <= 2, "more than two generations lived")
    with s.case("only by POST"):
        check_equal(proxy.admin("/reload")[0], 405, "status of GET")


@scenario("who asks while a reload is under way is told of that one, which has read the file before", within=30)
def posted_behind(s):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:  # a name server that never answers
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(patient(10))
        proxy = start_proxy(s, RawOrigin(s), {"resolver": {"servers": ["127.0.0.1:%d" % silent.getsockname()[1]]}})
        answers = {}

        def ask(who):
            answers[who] = post_reload(proxy)

        proxy.write_config(render(merge(proxy.settings, {"upstreams": {"slow": {
            "endpoints": ["nowhere.example:80"], "timeouts": {"resolve": "700ms"}}}})))
        first = threading.Thread(target=ask, args=["first"])
        first.start()
        silent.recv(512)  # the reload is under way
        proxy.write_config(render(merge(proxy.settings, {"routes": [{"name": "no", "respond": {"status": 418}}]})))
        ask("second")
        check_equal(proxy.get().status, 418, "status by the second file")
        first.join(patient(10))
        check_equal({who: (status, answer["generation"]) for who, (status, answer) in answers.items()},
                    {"first": (200, 2), "second": (200, 3)}, "answers")


@scenario("who waits for a reload and leaves, or for a process that ends, is left behind or hangs", within=30)
def posted_and_left(s):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:  # a name server that never answers
        silent.bind(("127.0.0.1", 0))
        port = s.port()
        proxy = start_proxy(s, RawOrigin(s), {"admin": {"listen": f"127.0.0.1:{port}"}, "resolver": {
            "servers": ["127.0.0.1:%d" % silent.getsockname()[1]]}})
        proxy.write_config(render(merge(proxy.settings, {"upstreams": {"slow": {
            "endpoints": ["nowhere.example:80"], "timeouts": {"resolve": "20s"}}}})))
        ask = f"POST /reload HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        left = [Client(("127.0.0.1", port)) for _ in range(20)]
        for client in left:
            client.send(ask)
        silent.settimeout(patient(10))
        silent.recv(512)  # the reload is under way
        for client in left:
            client.close()
        with Client(("127.0.0.1", port)) as first, Client(("127.0.0.1", port)) as second:
            first.send(ask)
            second.send(ask)
            check_equal(proxy.admin("/livez")[0], 200, "status of /livez meanwhile")
            check_equal(proxy.admin("/drain", "POST")[0], 202, "status of POST /drain")
            for client in (first, second):
                response = client.response()
                check_equal((response.status, json.loads(bytes(response.body))["errors"]), (409, ["draining"]), "answer")
        proxy.expect_clean_exit()


run()
