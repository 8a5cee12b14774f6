"""POST /snapshot: what a bug report carries. It shows what hangs, names what is stuck, and tells no secret."""

import contextlib
import json
import socket
import threading
import time

from harness import (Client, RawOrigin, check, check_equal, eventually, network, patient, reads_body, run,
                     run_program, scenario, start_proxy, stopped_thread)
from harness import head as head_of
from harness.h2_wire import H2Client
from harness.origin import reset_socket

SECRET = "s3cret"
SECRETS = [("Cookie", f"session={SECRET}"), ("Authorization", f"Bearer {SECRET}"), ("X-Api-Key", SECRET),
           ("Referer", f"http://shop.example/?{SECRET}"), ("User-Agent", SECRET)]
SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
LARGE = 16 * 1024 * 1024


def snapshot(proxy):
    status, body = proxy.admin("/snapshot", "POST")
    check_equal(status, 200, f"status of POST /snapshot: {body[:200]!r}")
    return json.loads(body)


class Hanging:
    """An origin that does its part of an exchange up to a point, and no more until the end."""

    def __init__(self, s):
        self._over = threading.Event()
        self.let_go = self._over.set
        s.finally_do(self.let_go)
        self.origin = RawOrigin(s, "origin")
        self.origin.on("/head", lambda connection, _: self._wait())
        self.origin.on("/part", self._part).on("/upgrade", self._switch)
        self.origin.on("/large", lambda connection, _: connection.respond(body=bytes(LARGE)) and None)
        self.origin.on("/deaf", reads_body(lambda connection, _: self._wait()))

    def _wait(self):
        self._over.wait(patient(60))
        return False

    def _part(self, connection, _):
        connection.send("HTTP/1.1 200 Fine\r\nContent-Length: 100\r\n\r\npart")
        return self._wait()

    def _switch(self, connection, _):
        connection.send(SWITCHING)
        return self._wait()


def mute(s):
    """The port of a listener that takes connections and says nothing: a TLS handshake never ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    s.finally_do(listener.close)
    return listener.getsockname()[1]


def settings(s, origin):
    def to_origin(**more):
        return {"endpoints": [origin.address], "pool": {"warm_min": 0}, "required": False, **more}

    upstreams = {
        "app": to_origin(),
        "narrow": to_origin(limits={"in_flight": 1, "queue": 8, "queue_wait": "30s"}),
        "pooled": to_origin(pool={"warm_min": 0, "max": 1}, limits={"queue": 8, "queue_wait": "30s"}),
        "mute": {"endpoints": [f"127.0.0.1:{mute(s)}"], "tls": {"enabled": True, "verify": False}, "required": False,
                 "pool": {"warm_min": 0}, "timeouts": {"tls": "30s"}},
    }
    routes = [{"name": "auth", "path_prefix": "/auth", "upstream": "app",
               "auth": {"forward": {"upstream": "app", "path": "/head/verify"}}},
              {"name": "shard", "path_prefix": "/head/shard", "upstream": "app",
               "shards": {"count": 1, "key": "header:X-Tenant", "in_flight": 1, "queue": 8}},
              {"name": "narrow", "path_prefix": "/head/narrow", "upstream": "narrow"},
              {"name": "pooled", "path_prefix": "/head/pooled", "upstream": "pooled"},
              {"name": "mute", "path_prefix": "/mute", "upstream": "mute"},
              {"name": "all", "upstream": "app"}]
    return {"workers": 2, "upstreams": upstreams, "routes": routes,
            "listeners": {"web": {"http2": {"cleartext": True}, "timeouts": {"body": "60s", "send": "60s"}}}}


# path, what comes behind the head, method, further fields; stage and what is waited for
CASES = (
    ("/auth/one", b"", "GET", [], "asking", "auth"),
    ("/head/one", b"", "GET", [], "awaiting", "upstream_head"),
    ("/part/one", b"", "GET", [], "responding", "upstream_body"),
    ("/large/one", b"", "GET", [], "responding", "client_takes"),
    ("/upload/one", b"x", "POST", [("Content-Length", "100")], "sending", "client_body"),
    ("/deaf/one", bytes(LARGE), "POST", [("Content-Length", str(2 * LARGE))], "sending", "upstream_takes"),
    ("/upgrade/one", b"", "GET", [("Connection", "Upgrade"), ("Upgrade", "websocket")], "tunnel", "tunnel"),
    ("/mute/one", b"", "GET", [], "connecting", "dial"),
)
# the first of each pair takes the only place, and the second waits for it
PAIRS = (("/head/narrow", "place"), ("/head/pooled", "connection"), ("/head/shard", "shard"))


def connected(stack, proxy, number, **options):
    """A client that goes with a reset: behind a whole request, the end of its sending would be no reason to give up."""
    client = stack.enter_context(Client(proxy.address, source=network(number), **options))
    stack.callback(reset_socket, client.socket)
    return client


def begin(stack, proxy, number, case):
    path, behind, method, fields, *_ = case
    client = connected(stack, proxy, number, receive_buffer=4096)
    client.send(head_of(method, f"{path}?token={SECRET}", [*SECRETS, ("X-Tenant", "one"), *fields]))
    if behind:
        threading.Thread(target=send_on, args=[client, behind], daemon=True).start()  # some of it is not taken


def send_on(client, data):
    with contextlib.suppress(OSError):
        client.send(data)


def found(proxy, path):
    return next((row for row in snapshot(proxy)["exchanges"] if row["path"] == path), None)


def shows(proxy, path, stage, wait):
    """Wait until the snapshot shows the exchange so; returns its row."""
    seen = []

    def right():
        seen[:] = [found(proxy, path)]
        return seen[0] and (seen[0]["stage"], seen[0]["waits_for"]) == (stage, wait) and seen[0]
    return eventually(right, lambda: f"{path} is {stage} and waits for {wait}: {seen}")


@scenario("an exchange that hangs is not in the snapshot, or its stage is another")
def stages(s):
    hanging = Hanging(s)
    proxy = start_proxy(s, hanging.origin, settings(s, hanging.origin))
    with contextlib.ExitStack() as stack:
        for number, case in enumerate(CASES):
            begin(stack, proxy, number, case)
            with s.case(f"{case[0]} waits for {case[5]}"):
                row = shows(proxy, case[0], case[4], case[5])
                check_equal((row["method"], row["attempts"] <= 1), (case[2], True), "method, attempts")
                check(row["words"] and row["age_s"] >= row["waits_s"] >= 0, f"{row}")
        for number, (path, wait) in enumerate(PAIRS, len(CASES)):
            with s.case(f"the second of two for one place waits for {wait}"):
                begin(stack, proxy, number, (f"{path}/first", b"", "GET", []))
                shows(proxy, f"{path}/first", "awaiting", "upstream_head")
                begin(stack, proxy, number, (f"{path}/second", b"", "GET", []))
                row = shows(proxy, f"{path}/second", "queued", wait)
                check(0 <= row["waits_s"] <= row["age_s"], f"{row}")
        with s.case("a stream of HTTP/2"):
            client = stack.enter_context(H2Client(proxy.address))
            stack.callback(reset_socket, client.socket)
            client.ask(path=f"/head/stream?{SECRET}", fields=[("cookie", SECRET)])
            check_equal(shows(proxy, "/head/stream", "awaiting", "upstream_head")["protocol"], "HTTP/2.0", "protocol")
        connected(stack, proxy, 0).send("GET /half HTTP/1.1\r\nHost")
        whole(s, proxy)
    hanging.let_go()
    eventually(lambda: not snapshot(proxy)["exchanges"], "no exchange is left")


def whole(s, proxy):
    """What else the snapshot of many hanging exchanges has, and what not."""
    def buffered():
        return any(row["bound"] == "buffers_bytes" for row in snapshot(proxy)["top_users"])

    eventually(buffered, "half a head is held")
    status, body = proxy.admin("/snapshot", "POST")
    taken = json.loads(body)
    with s.case("no secret of any request"):
        check(SECRET.encode() not in body and b"token" not in body, "a secret is told")
    with s.case("the oldest come first"):
        ages = [row["age_s"] for row in taken["exchanges"]]
        check_equal((status, ages), (200, sorted(ages, reverse=True)), "status, ages")
        check_equal(len(ages), len(CASES) + 2 * len(PAIRS) + 1, "exchanges")
    with s.case("figures of workers, and who uses most"):
        check_equal(sum(worker["exchanges"] for worker in taken["workers"]), len(ages), "exchanges of the workers")
        check_equal(taken["snapshot"]["complete"], True, "complete")
        tops = {(row["bound"], row["by"]): {user["who"]: user["used"] for user in row["users"]}
                for row in taken["top_users"]}
        check_equal(tops["exchanges", "upstream"]["narrow"], 2, "exchanges of narrow")
        check_equal(tops["exchanges", "route"]["shard"], 2, "exchanges of the route shard")
        check(all(tops[bound, "client"] for bound in ("clients", "exchanges", "buffers_bytes")), f"{tops}")
        check_equal(tops["upstream_queued", "detail"], {"narrow": 1, "pooled": 1}, "who queues")
    with s.case("the figures of the other pages, and of the allocator"):
        check_equal(taken["status"]["pid"], proxy.pid, "pid")
        check({"bounds", "memory"} <= set(taken["resources"]) and taken["drift"], "/resources or /drift is missing")
        check_equal(len(taken["upstreams"]["upstreams"]), 4, "upstreams")
        check(taken["memory"]["resident_bytes"] > 1 << 20, f"{taken['memory']}")


@scenario("a worker that hangs keeps the snapshot from being taken, or is not named")
def stuck(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin)
    check_equal([worker["stuck"] for worker in snapshot(proxy)["workers"]], [False, False], "stuck workers")
    with stopped_thread(proxy.thread("worker 1")):
        eventually(lambda: proxy.metric("evenkeel_worker_silence_seconds") > 1, "the worker is silent")
        for _ in range(2):  # the second one finds the worker still busy with the first
            taken = snapshot(proxy)
            good, bad = taken["workers"]
            complete = taken["snapshot"]["complete"]
            check_equal((good["stuck"], bad["stuck"], complete), (False, True, False), "stuck, complete")
            check(bad["silence_s"] > 1 and bad["last_heartbeat"], f"{bad}")
            check_equal(bad["thread"], "stopped", "what its thread does")
            check("exchanges" not in bad and good["exchanges"] == 0, f"{taken['workers']}")
        with s.case("several at once wait together"):
            began, answers = time.monotonic(), []
            asking = [threading.Thread(target=lambda: answers.append(snapshot(proxy))) for _ in range(8)]
            for one in asking:
                one.start()
            for one in asking:
                one.join()
            check_equal([answer["workers"][1]["stuck"] for answer in answers], [True] * 8, "stuck")
            check(time.monotonic() - began < patient(6), "they were taken one after the other")
        with s.case("one that does not wait for its answer costs nothing"):
            with socket.socket(socket.AF_UNIX) as gone:
                gone.connect(proxy.settings["admin"]["listen"].removeprefix("unix:"))
                gone.sendall(b"POST /snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            check_equal(snapshot(proxy)["workers"][1]["stuck"], True, "stuck")
    eventually(lambda: snapshot(proxy)["snapshot"]["complete"], "the worker answers again")


@scenario("a snapshot of very many exchanges is not bounded")
def many(s):
    proxy = start_proxy(s, RawOrigin(s), {"workers": 1})
    with contextlib.ExitStack() as stack:
        for number in range(260):
            client = connected(stack, proxy, number % 50)
            client.send(head_of("POST", f"/{number:03}/" + "x" * 3000, [*SECRETS, ("Content-Length", "1")]))
        eventually(lambda: snapshot(proxy)["workers"][0]["exchanges"] == 260, "all are there")
        taken = snapshot(proxy)
        check_equal(len(taken["exchanges"]), 100, "exchanges that are described")
        check(all(len(row["path"]) <= 128 for row in taken["exchanges"]), "a path is long")
        check(len(json.dumps(taken["exchanges"])) < 100_000, "the exchanges are large")
        (clients,) = [row for row in taken["top_users"] if (row["bound"], row["by"]) == ("clients", "client")]
        check_equal(len(clients["users"]), 10, "clients that are named")
        check_equal(taken["workers"][0]["waits"], {"client_body": 260}, "what they wait for")


@scenario("a snapshot is taken without POST, or --ask does not get one")
def asked(s):
    proxy = start_proxy(s, RawOrigin(s))
    check_equal(proxy.admin("/snapshot")[0], 405, "status of GET")
    done = run_program(s, "--ask", "/snapshot", "-c", proxy.config_path)
    check_equal((done.returncode, json.loads(done.stdout)["snapshot"]["pid"]), (0, proxy.pid), "exit code, pid")


run()
