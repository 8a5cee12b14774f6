"""Clients that mean harm, or are merely slow: they cost little, end in time, and harm nobody else."""

import contextlib
import resource
import selectors
import socket
import threading
import time

from harness import (SANITIZED, Bystander, Client, Interrupted, NginxOrigin, Process, RawOrigin, check, check_equal,
                     eventually, patient, run, scaled, scenario, start_proxy)

BOTH = ("evenkeel", "nginx")


class Crowd:
    """Many connections in one place: opened fast, from several source addresses, never read."""

    def __init__(self):
        self.sockets = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()

    def open(self, proxy, count, per_source=4000, receive_buffer=None):
        for number in range(count):
            sock = socket.socket()
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.setsockopt(socket.IPPROTO_IP, 24, 1)             # IP_BIND_ADDRESS_NO_PORT
            sock.bind((f"127.0.1.{1 + number // per_source}", 0))
            sock.settimeout(patient(10))
            sock.connect(proxy.address)
            self.sockets.append(sock)

    def send(self, data):
        """Send to each that is still open; returns how many that were."""
        alive = 0
        for sock in self.sockets:
            try:
                sock.send(data)
                alive += 1
            except OSError:
                pass
        return alive

    @staticmethod
    def ask(sockets, at_once=50):
        """One request on each, few at a time; every one is served."""
        for first in range(0, len(sockets), at_once):
            some = sockets[first:first + at_once]
            for sock in some:
                sock.sendall(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
            for sock in some:
                check(sock.recv(65536).startswith(b"HTTP/1.1 200"), "one of the crowd is not served")

    def leave(self):
        for sock in self.sockets:
            sock.close()
        self.sockets = []

    def wait_until_readable(self):
        """Wait until something has come on each."""
        for sock in self.sockets:
            sock.recv(1, socket.MSG_PEEK)

    def wait_until_closed(self, within):
        """Wait until the proxy has closed every connection; returns what it said to the first."""
        said = {}
        with selectors.DefaultSelector() as selector:
            for sock in self.sockets:
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ)
            deadline = time.monotonic() + patient(within)
            while selector.get_map() and time.monotonic() < deadline:
                for key, _ in selector.select(0.1):
                    try:
                        data = key.fileobj.recv(65536)
                    except BlockingIOError:
                        continue
                    except OSError:
                        data = b""
                    if data:
                        said[key.fileobj] = said.get(key.fileobj, b"") + data[:500]
                    else:
                        selector.unregister(key.fileobj)
            left = len(selector.get_map())
        check(left == 0, f"{left} of {len(self.sockets)} connections are still open after {patient(within):g} s")
        return said.get(self.sockets[0], b"")


def towards(proxy, origin):
    """The proxy's connections to the origin."""
    return [row for row in proxy.sockets() if row[1] == origin.address]


@contextlib.contextmanager
def returns_to_start(proxy, origin, memory_kib, clients=0):
    """What happens inside leaves no fds behind but pooled ones, and no more than `memory_kib`.

    `clients`: how many stay connected before, meanwhile and afterwards.
    """
    def fds():
        return proxy.open_fds(besides=origin.address)

    proxy.rest(clients)
    fds_before, memory = fds(), proxy.memory_kib()
    yield
    eventually(lambda: fds() <= fds_before, lambda: f"the fds return to {fds_before}, {fds()} are open")
    if not SANITIZED:
        eventually(lambda: proxy.memory_kib() <= memory + memory_kib,
                   lambda: f"memory returns to {memory} KiB within {memory_kib} KiB: {proxy.memory_kib()} KiB")


def asks(proxy, times=200):
    """Warm every worker up with ordinary traffic."""
    for _ in range(times):
        check_equal(proxy.get("/hello").status, 200, "status")


@scenario("idle connections cost more than they may, or stay when their clients have gone", within=90, proxies=BOTH)
def idle_crowd(s):
    wanted = 10000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    s.finally_do(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    count = min(wanted, hard - 500)
    if count < wanted:
        s.note(f"the limit of {hard} fds allows {count} connections instead of {wanted}")
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"limits": {"clients": 15000}, "listeners": {"web": {"timeouts": {"idle": "60s"}}}})
    asks(proxy)
    bystander = Bystander(s, proxy, origin)
    with returns_to_start(proxy, origin, 1024 + count // 2, clients=1):
        before = proxy.memory_kib()
        with Crowd() as crowd:
            crowd.open(proxy, count)
            with s.case(f"{count} connections are held, and the last ones are served"):
                crowd.ask(crowd.sockets[-20:] + crowd.sockets[:20])
            with s.case("an idle connection costs at most half a KiB of the process"):
                crowd.ask(crowd.sockets)
                per_connection = (proxy.memory_kib() - before) * 1024 / count
                s.note(f"{per_connection:.0f} bytes per idle connection")
                if not SANITIZED and proxy.kind == "evenkeel":
                    check(per_connection <= 512, f"{per_connection:.0f} bytes per idle connection")
            with s.case("another client does not notice while they are there"):
                s.note(bystander.expect_unharmed())
        with s.case("another client does not notice when they leave all at once"):
            eventually(lambda: proxy.open_fds() < count // 2, "the connections go")
            s.note(bystander.expect_unharmed())
    with s.case("again, from the start: the second crowd costs what the first did"):
        with returns_to_start(proxy, origin, 512, clients=1), Crowd() as crowd:
            crowd.open(proxy, count)
            crowd.ask(crowd.sockets)


@scenario("idle clients are never closed", proxies=BOTH)
def idle_timeout(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"listeners": {"web": {"timeouts": {"idle": "1s", "head": "1s"}}}})
    with s.case("a client that has been served"):
        with proxy.client() as client:
            check_equal(client.request("GET", "/hello").status, 200, "status")
            started = time.monotonic()
            client.expect_closed()
            took = time.monotonic() - started
            check(0.5 <= took < patient(3), f"it took {took:.1f} s")
    with s.case("a client that never asks"):
        with proxy.client() as client:
            started = time.monotonic()
            check(client.ending() in ("eof",), "it was not closed in an orderly way")
            check(time.monotonic() - started < patient(3), "it took too long")


@scenario("slowloris: heads that never end hold their connections", proxies=BOTH)
def slow_heads(s):
    count = scaled(500, 4000)
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"listeners": {"web": {"timeouts": {"head": "2s"}}}})
    asks(proxy)
    bystander = Bystander(s, proxy, origin)
    with returns_to_start(proxy, origin, 2048, clients=1):
        with Crowd() as crowd:
            crowd.open(proxy, count)
            crowd.send(b"GET /hello HTTP/1.1\r\nHost: h\r\n")
            stop = threading.Event()

            def drip():
                while not stop.wait(0.3):  # the pace of a slow client
                    crowd.send(b"X-A: b\r\n")

            dripper = threading.Thread(target=drip, daemon=True)
            dripper.start()
            # Every byte is in time; the head as a whole is not.
            said = crowd.wait_until_closed(6)
            stop.set()
            dripper.join(5)
            check(not said or said.startswith(b"HTTP/1.1 408"), f"the proxy said {said[:100]!r}")
        s.note(bystander.expect_unharmed())


@scenario("slowloris: bodies that never come hold their connections, or the origin's", proxies=BOTH)
def slow_bodies(s):
    count = scaled(200, 2000)
    origin, calm = NginxOrigin(s), NginxOrigin(s, "calm")
    proxy = start_proxy(s, origin, {
        "listeners": {"web": {"timeouts": {"body": "1s"}}},
        "upstreams": {"app": {"limits": {"in_flight": 4096}, "pool": {"max": 4096, "warm_min": 0},
                              "timeouts": {"first_byte": "30s", "connect": "10s"}},
                      "calm": {"endpoints": [calm.address]}},
        "routes": [{"name": "calm", "path_prefix": "/hello", "upstream": "calm"}, {"name": "all", "upstream": "app"}]})
    asks(proxy)
    bystander = Bystander(s, proxy, calm)
    with Crowd() as crowd:
        crowd.open(proxy, count)
        crowd.send(b"PUT /put/y HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nbegin")
        crowd.wait_until_closed(6)
    with Crowd() as crowd:
        crowd.open(proxy, count)
        crowd.send(b"PUT /put/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n")
        crowd.wait_until_closed(6)
    s.note(bystander.expect_unharmed())
    eventually(lambda: len(towards(proxy, origin)) <= 8, "the origin's connections are given up")


@scenario("clients that never read hold memory, or their connections", proxies=BOTH)
def never_read(s):
    count, size = scaled(50, 500), 32 << 20
    origin, calm = NginxOrigin(s), NginxOrigin(s, "calm")
    origin.publish("large", size)
    proxy = start_proxy(s, origin, {
        "listeners": {"web": {"timeouts": {"send": "2s"}}},
        "upstreams": {"app": {"limits": {"in_flight": 4096}, "pool": {"max": 4096, "warm_min": 0}},
                      "calm": {"endpoints": [calm.address]}},
        "routes": [{"name": "calm", "path_prefix": "/hello", "upstream": "calm"}, {"name": "all", "upstream": "app"}]})
    asks(proxy)
    with Crowd() as crowd:
        # What is kept for the next large bodies is no leak.
        crowd.open(proxy, 40)
        crowd.send(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        crowd.wait_until_readable()
    eventually(lambda: not towards(proxy, origin), "the first crowd is gone")
    bystander = Bystander(s, proxy, calm)
    with returns_to_start(proxy, origin, 2048, clients=1):
        before = proxy.memory_kib()
        with Crowd() as crowd:
            crowd.open(proxy, count, receive_buffer=8192)
            crowd.send(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
            crowd.wait_until_readable()  # the responses have begun
            peak = 0

            def gone():
                nonlocal peak
                peak = max(peak, proxy.memory_kib())
                return len([row for row in proxy.sockets() if row[0].endswith(f":{proxy.address[1]}")]) < 10

            eventually(gone, "the clients that do not read are given up")
            per_client = (peak - before) / count
            s.note(f"at most {per_client:.1f} KiB per client that does not read")
            if not SANITIZED:
                check(per_client <= 160, f"{per_client:.1f} KiB per client that does not read")
        s.note(bystander.expect_unharmed())
        eventually(lambda: len(towards(proxy, origin)) <= 8, "the origin's connections are given up")


@scenario("a client that pipelines and never reads makes the proxy buffer", proxies=BOTH)
def pipelines_unread(s):
    origin = NginxOrigin(s)
    origin.publish("page", b"x" * 100000)
    proxy = start_proxy(s, origin, {"listeners": {"web": {"timeouts": {"send": "2s"}}}})
    asks(proxy)
    proxy.rest()
    before = proxy.memory_kib()
    with proxy.client(receive_buffer=4096) as client:
        client.socket.settimeout(patient(0.5))
        request = b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n" * 1000
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 64 << 20:
                sent += client.socket.send(request)
        check(sent < 64 << 20, "64 MiB of requests were taken without one answer being read")
        growth = proxy.memory_kib() - before
        if not SANITIZED:
            check(growth < 2048, f"memory grew by {growth} KiB")


@scenario("an origin that sends interim responses without end makes the proxy buffer")
def endless_interim(s):
    origin = RawOrigin(s)

    def flood(connection, _):
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n" * 500
        connection.socket.settimeout(patient(1))
        sent = 0
        while sent < 64 << 20 and connection.send(hint):
            sent += len(hint)
        connection.sent = sent
        return False

    origin.on("/flood", flood).on("/hello", status=200, body=b"hello")
    proxy = start_proxy(s, origin)
    asks(proxy)
    proxy.rest()
    before = proxy.memory_kib()
    with proxy.client(receive_buffer=4096) as client:
        client.send("GET /flood HTTP/1.1\r\nHost: h\r\n\r\n")
        used = eventually(lambda: next((c for c in origin.connections if hasattr(c, "sent")), None), "the flood ends")
        growth = proxy.memory_kib() - before
    s.note(f"memory grew by {growth} KiB, {used.sent >> 10} KiB were sent")
    if not SANITIZED:
        check(growth < 2048, f"memory grew by {growth} KiB, {used.sent >> 10} KiB were sent")


@scenario("connections that come and go leave something behind", proxies=BOTH)
def churn(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin)
    rounds = scaled(1500, 20000)

    def storm():
        for number in range(rounds):
            client = Client(proxy.address)
            if number % 5 == 1:
                client.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
            elif number % 5 == 2:
                client.send("GET /hel")
            elif number % 5 == 3:
                client.send("POST /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhal")
            elif number % 5 == 4:
                client.send("garbage\r\n\r\n")
            client.reset() if number % 2 else client.close()

    storm()
    with returns_to_start(proxy, origin, 1024):
        storm()
        with contextlib.suppress(Interrupted):
            check_equal(proxy.get("/hello").status, 200, "status afterwards")


@scenario("one client in many takes the workers away from the others", proxies=BOTH)
def one_busy_client(s):
    origin, calm = NginxOrigin(s), NginxOrigin(s, "calm")
    origin.publish("large", scaled(512 << 20, 4 << 30))
    proxy = start_proxy(s, origin, {
        "workers": 1, "upstreams": {"calm": {"endpoints": [calm.address]}},
        "routes": [{"name": "calm", "path_prefix": "/hello", "upstream": "calm"}, {"name": "all", "upstream": "app"}]})
    bystander = Bystander(s, proxy, calm)
    busy = [Process(s, f"curl-{number}", ["curl", "-s", "-o", "/dev/null", f"{proxy.url}/large"]) for number in range(2)]
    for each in busy:
        check_equal(each.wait(30), 0, "exit code of curl")
    s.note(bystander.expect_unharmed())


run()
