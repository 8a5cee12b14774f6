"""SIGTERM: what is in flight is finished, nothing new is begun, and the process ends in time."""

import contextlib
import os
import random
import signal
import threading
import time

from harness import (Broken, Interrupted, RawOrigin, check, check_equal, eventually, patient, run, scaled, scenario,
                     start_proxy, stopped_thread, takes)


# The exit code that says: the grace was over before the last client was.
CUT = 3


def holding_origin(s):
    """An origin whose /hold answers when released."""
    origin = RawOrigin(s)
    release = threading.Event()
    origin.on("/hold", lambda connection, _: release.wait(patient(30)) and connection.respond(200, b"held"))
    return origin, release


def hold(proxy, origin, target="/hold"):
    client = proxy.client(within=30)
    client.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
    origin.request_for(target)
    return client


def refuses(proxy):
    try:
        proxy.client().close()
        return False
    except OSError:
        return True


@scenario("a drain cuts what is in flight, or waits for what is idle")
def graceful(s):
    origin, release = holding_origin(s)
    proxy = start_proxy(s, origin, {"drain": {"grace": "30s"}})
    idle, fresh = proxy.client(), proxy.client()
    check_equal(idle.request("GET", "/").status, 200, "status")
    busy = hold(proxy, origin)
    proxy.signal(signal.SIGTERM)
    with s.case("idle clients are closed at once, in an orderly way"):
        check_equal(idle.ending(), "eof", "the end of an idle client")
    with s.case("a client that has not asked yet is closed, too"):
        check_equal(fresh.ending(), "eof", "the end of a fresh client")
    with s.case("no more connections are taken"):
        eventually(lambda: refuses(proxy), "connections are refused")
    with s.case("the exchange in flight is finished and its client told to go"):
        check(proxy.exit_code is None, "it has exited already")
        release.set()
        response = busy.response()
        check_equal((response.status, bytes(response.body)), (200, b"held"), "answer")
        check(response.closes, "the response does not announce the close")
        check_equal(busy.ending(), "eof", "the end")
    with s.case("then it exits, long before the grace is over"):
        started = time.monotonic()
        check_equal(proxy.wait(), 0, "exit code")
        check(time.monotonic() - started < 15, "it waited for the grace")


@scenario("a drain outlasts its grace")
def grace_is_over(s):
    origin, _ = holding_origin(s)
    proxy = start_proxy(s, origin, {"drain": {"grace": "3s"}})
    client = hold(proxy, origin)
    started = time.monotonic()
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit(codes=(CUT,))
    took = time.monotonic() - started
    check(took <= 3, f"it took {took:.2f} s")
    check(took > 1, f"it gave up after {took:.2f} s already")
    try:
        response = client.response()
        check(response.status in (503, 504), f"answered {response.status}")
    except Interrupted:
        pass


@scenario("a client that has its answer, and whose end is awaited, is taken for an exchange that is cut off")
def answered(s):
    proxy = start_proxy(s, RawOrigin(s), {"drain": {"grace": "500ms"}})
    with proxy.client() as client:
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nmore")
        check_equal(client.response().status, 200, "status")
        proxy.signal(signal.SIGTERM)
        proxy.expect_clean_exit()
    check("cut off" not in proxy.log(), "the log says that something was")


@scenario("a second signal does not end the process at once")
def second_signal(s):
    for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)):
        with s.case(f"{first.name} and {second.name}"):
            origin, _ = holding_origin(s)
            proxy = start_proxy(s, origin, {"drain": {"grace": "20s"}}, name=f"evenkeel-{first.name}")
            client = hold(proxy, origin)
            proxy.signal(first)
            eventually(lambda p=proxy: refuses(p), "the drain has begun")
            check(proxy.exit_code is None, "the first signal ended it")
            started = time.monotonic()
            proxy.signal(second)
            proxy.expect_clean_exit(codes=(CUT, 128 + second, -second))
            check(time.monotonic() - started < 10, "it took too long")
            with contextlib.suppress(Interrupted):
                check_equal(client.response().status, 503, "status of the exchange that was cut")
            check(client.ending() in ("eof", "reset"), "the client is still connected")
    with s.case("nobody is cut off, and the exit status says so"):
        proxy = start_proxy(s, origin, {"drain": {"grace": "20s", "pause": "10s"}}, name="evenkeel-idle")
        proxy.signal(signal.SIGTERM)
        eventually(lambda: proxy.admin_json("/status")["draining"], "the drain has begun")
        proxy.signal(signal.SIGTERM)
        proxy.expect_clean_exit()


@scenario("a drain waits for a tunnel until the grace is over, or for longer")
def tunnels(s):
    origin = RawOrigin(s)
    origin.on("/tunnel", lambda connection, _: connection.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        and connection.wait_for_end(30) and False)
    proxy = start_proxy(s, origin, {"drain": {"grace": "2s"}})
    client = proxy.client()
    client.send("GET /tunnel HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
    check_equal(client.response().status, 101, "status")
    started = time.monotonic()
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit(codes=(CUT,))
    check(time.monotonic() - started <= 2, "it outlasted the grace")
    check(client.ending() in ("eof", "reset"), "the tunnel is still open")


@scenario("listeners close although balancers have not had time to look elsewhere")
def pause(s):
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    proxy = start_proxy(s, origin, {"drain": {"grace": "10s", "pause": "3s"}})
    kept = proxy.client()
    check_equal(kept.request("GET", "/").status, 200, "status")
    started = time.monotonic()
    proxy.signal(signal.SIGTERM)
    eventually(lambda: proxy.admin_json("/status")["draining"], "the drain has begun")
    with s.case("/status tells the stage and what is left of the grace"):
        told = proxy.admin_json("/status")["drain"]
        check_equal(told["stage"], "unready", "stage")
        check(7000 < told["left_ms"] <= 10000, f"{told['left_ms']} ms left")
    with s.case("meanwhile everybody is served"):
        check_equal(proxy.get().status, 200, "status of a new client")
        check(not kept.request("GET", "/").closes, "a known client is sent away early")
    with s.case("then listeners close"):
        eventually(lambda: refuses(proxy), "connections are refused")
        check(time.monotonic() - started >= 3, "they closed early")
    proxy.expect_clean_exit()


@scenario("a tunnel keeps the process for longer than tunnels may")
def tunnel_limit(s):
    origin = RawOrigin(s)
    origin.on("/tunnel", lambda connection, _: connection.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        and connection.wait_for_end(30) and False)
    proxy = start_proxy(s, origin, {"drain": {"grace": "10s", "tunnels": "1s"}})
    client = proxy.client()
    client.send("GET /tunnel HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
    check_equal(client.response().status, 101, "status")
    started = time.monotonic()
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit()
    took = time.monotonic() - started
    check(1 <= took < patient(6), f"it took {took:.2f} s")
    proxy.wait_for_log("drain: rushing")


@scenario("a worker that hangs keeps the process beyond its grace")
def hung_worker(s):
    origin, _ = holding_origin(s)
    # a process that is ended by force joins no thread
    proxy = start_proxy(s, origin, {"drain": {"grace": "2s"}}, env={"TSAN_OPTIONS": "report_thread_leaks=0"})
    with stopped_thread(proxy.thread("worker 0")):
        started = time.monotonic()
        proxy.signal(signal.SIGTERM)
        proxy.wait_for_log("ended by force")
        took = time.monotonic() - started
    proxy.expect_clean_exit(codes=(CUT,))
    check(took <= 2, f"it took {took:.2f} s")
    proxy.wait_for_log("1 workers do not answer")


@scenario("a drain under load shows a client half a response")
def under_load(s):
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"x" * 20000)
    proxy = start_proxy(s, origin, {"drain": {"grace": "5s"}})
    faults, served = [], []

    def client():
        connection = proxy.client()
        while True:
            try:
                connection.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                response = connection.response()
            except Interrupted as end:
                # Closed while idle: the usual race, and nothing of a response was sent.
                if isinstance(end.__context__, Broken) and end.__context__.seen:
                    faults.append(end)
                return
            if response.status != 200 or not response.complete:
                faults.append(response)
            served.append(1)
            if response.closes:
                return

    threads = [threading.Thread(target=client, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(served) > 200, "requests are served")
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit()
    for thread in threads:
        thread.join(patient(10))
    check(not faults, f"faults: {faults[:3]}")


@scenario("a drain loses an upload in flight")
def upload(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"drain": {"grace": "10s"}})
    with proxy.client() as client:
        client.send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst")
        request = origin.request_for("/up")
        proxy.signal(signal.SIGTERM)
        eventually(lambda: refuses(proxy), "the drain has begun")
        client.send("later")
        response = client.response()
        check_equal((response.status, bytes(request.body)), (200, b"firstlater"), "status and body")
    proxy.expect_clean_exit()


@scenario("SIGTERM right after the start leaves something behind")
def immediate(s):
    origin = RawOrigin(s)
    for number in range(5):
        proxy = start_proxy(s, origin, {"drain": {"grace": "1s"}}, name=f"evenkeel-{number}")
        proxy.signal(signal.SIGTERM)
        proxy.expect_clean_exit()


class Mixed:
    """Clients of every kind; each notes what it saw: a whole response, a refusal, or a break."""

    def __init__(self, proxy, draw):
        self.proxy, self._draw = proxy, draw
        self.seen = []          # (kind, "whole" | "refused" | "broken" | what it should not be)
        self.go = threading.Event()
        self._threads = []

    def begin(self, kind, count):
        for _ in range(count):
            wait = self._draw.uniform(0, 0.3)
            thread = threading.Thread(target=self._run, args=(kind, wait), daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self):
        for thread in self._threads:
            thread.join(patient(10))
        check(not any(thread.is_alive() for thread in self._threads), "a client still waits")

    def _run(self, kind, wait):
        try:
            with self.proxy.client(receive_buffer=8192 if kind == "reader" else None) as client:
                self.go.wait()
                self.seen.append((kind, getattr(self, f"_{kind}")(client, wait)))
        except Interrupted:
            self.seen.append((kind, "broken"))
        except OSError:
            self.seen.append((kind, "too late"))

    @staticmethod
    def _verdict(response):
        if response.status in (503, 504):
            return "refused"
        if response.status != 200:
            return f"status {response.status}"
        return "whole" if response.complete else "broken"

    def _quick(self, client, wait):
        return self._verdict(client.request("GET", f"/after?{wait}"))

    def _upload(self, client, wait):
        client.send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
        client.send_slowly(b"x" * 1000, step=100, pause=wait / 10)
        return self._verdict(client.response())

    def _reader(self, client, wait):
        client.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
        time.sleep(wait)  # one that reads late
        return self._verdict(client.response())

    def _stuck(self, client, _):
        return self._verdict(client.request("GET", "/stuck/1"))

    def _tunnel(self, client, _):
        client.send("GET /tunnel HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        response = client.response()
        if response.status != 101:
            return self._verdict(response)
        return "broken" if client.ending() in ("eof", "reset") else "still open"


CAN_FINISH = {"quick": 6, "upload": 4, "reader": 3}
CANNOT = {"stuck": 6, "tunnel": 2}


def under_way(proxy, draw, kinds):
    """So many clients of each kind, all of which have asked."""
    clients, count = Mixed(proxy, draw), sum(kinds.values())
    for kind, each in kinds.items():
        clients.begin(kind, each)
    eventually(lambda: proxy.bound("clients")["used"] == count, "all clients are there")
    clients.go.set()
    eventually(lambda: proxy.metric("evenkeel_exchanges_started_total") == count, "all have asked")
    return clients


@scenario("what could finish is cut, or what cannot keeps the process", within=240)
def everything_at_once(s):
    seed = int(os.environ.get("EVENKEEL_SEED", "0")) or random.randrange(1, 1 << 31)
    s.note(f"seed {seed}")
    draw = random.Random(seed)
    origin, stuck = RawOrigin(s), RawOrigin(s, "stuck")
    origin.on("/after", lambda connection, request: takes(float(request.target.partition("?")[2]), status=200,
                                                          body=b"late")(connection, request))
    origin.on("/big", status=200, body=b"x" * 3_000_000)
    origin.on("/tunnel", lambda connection, _: connection.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        and connection.wait_for_end(30) and False)
    stuck.on("/stuck", lambda connection, _: connection.wait_for_end(30) and False)

    def start(name, grace):
        return start_proxy(s, origin, {
            "drain": {"grace": f"{int(grace * 1000)}ms", "tunnels": "300ms"},
            "upstreams": {"stuck": {"endpoints": [stuck.address], "limits": {"in_flight": 2, "queue": 50}}},
            "routes": [{"name": "stuck", "path_prefix": "/stuck", "upstream": "stuck"},
                       {"name": "all", "upstream": "app"}],
        }, name=name)

    # What this machine needs for those that can finish; the last second of a grace is for cutting.
    began = time.monotonic()
    under_way(start("rehearsal", 5), draw, CAN_FINISH).join()
    grace = 1 + 3 * max(time.monotonic() - began, patient(0.33))
    for number in range(scaled(4, 50)):
        proxy = start(f"evenkeel-{number}", grace)
        clients = under_way(proxy, draw, {**CAN_FINISH, **CANNOT})
        time.sleep(draw.uniform(0, 0.2))  # the drain may begin at any moment of what they do
        started = time.monotonic()
        proxy.signal(signal.SIGTERM)
        proxy.expect_clean_exit(grace + 1, codes=(CUT,))
        took = time.monotonic() - started
        check(took <= grace, f"run {number}: it took {took:.2f} s")
        clients.join()
        for kind, seen in clients.seen:
            good = {"stuck": ("refused", "broken"), "tunnel": ("broken",), "reader": ("whole", "broken")}
            check(seen in good.get(kind, ("whole",)), f"run {number}: a client of kind {kind} saw {seen}")
        check_equal(len(clients.seen), sum({**CAN_FINISH, **CANNOT}.values()), "clients that know their end")


run()
