"""Slow clients: what a client takes for its request is the client's time, and says nothing of the origin."""

import concurrent.futures
import contextlib
import signal

from harness import h2_bytes as h2
from harness.h2_wire import H2Client
from harness import (Broken, Interrupted, RawOrigin, Stopwatch, begin_upload, check, check_equal, eventually, reads_body,
                     run, scenario, start_proxy, takes)

QUICK = {"consecutive": 5, "open_min": "150ms", "open_max": "150ms", "ramp": "100ms"}


def settings(**upstream):
    return {"workers": 1, "listeners": {"web": {"timeouts": {"body": "700ms"}}},
            "upstreams": {"app": {"breaker": QUICK, "retry": {"attempts": 1}, "pool": {"warm_min": 0}, **upstream}}}


# Several, because two addresses are one client for the proxy once in 64 processes.
OTHERS = ["127.77.0.1", "127.78.0.1", "127.79.0.1"]


def ask_at_once(clients):
    """The statuses of what each asks."""
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(lambda client: client.request("GET", "/").status, clients))


def upload(s, proxy, number, fields="", begun=b"x", path=None):
    """An upload that has begun, and ends with `s` at the latest."""
    return s.enter_context(begin_upload(proxy.address, number, fields, begun, path))


def told(proxy):
    return [line for line in proxy.log().splitlines() if " breaker " in line or "ejected" in line]


def breaker(proxy):
    return proxy.admin_json("/upstreams")["upstreams"][0]["breaker"]


@scenario("slow clients open a breaker or eject an endpoint")
def stalled(s):
    origins = [RawOrigin(s, name) for name in ("one", "two")]
    for name, chosen, fields, timeouts, status in (
            ("one endpoint", origins[:1], "", {"total": "300ms"}, 408),
            ("two endpoints", origins, "", {"total": "300ms"}, 408),
            ("a deadline of the call", origins, "grpc-timeout: 300m\r\n", {"first_byte": "400ms"}, 504)):
        with s.case(name), contextlib.ExitStack() as clients:
            proxy = start_proxy(s, chosen, settings(timeouts=timeouts), name=name.replace(" ", "-"))
            slow = [upload(clients, proxy, number, fields) for number in range(15)]
            check_equal([client.response("POST").status for client in slow], [status] * len(slow), "how they end")
            check_equal(told(proxy), [], "breakers and ejections")
            check_equal(breaker(proxy)["failures"], 0, "failures")
            check_equal(proxy.get("/").status, 200, "status of others")


@scenario("heads without bodies take all connections")
def heads_only(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 2, "upstreams": {"app": {
        "pool": {"max": 4, "warm_min": 0}, "limits": {"in_flight": 4, "queue": 4}}}})
    with contextlib.ExitStack() as clients:
        slow = [upload(clients, proxy, number, begun=b"") for number in range(20)]
        for client in slow:
            client.wait_until_read()
        check_equal(proxy.get("/").status, 200, "status of others")
        check_equal([request.target for request in origin.requests], ["/"], "what the origin was asked")
        check_equal(proxy.bound("upstream_in_flight", "app")["used"], 0, "places that are taken")
        for client in slow:
            client.send(b"x" * 100)
            check_equal(client.response("POST").status, 200, "status of an upload")


@scenario("a head that waits for its body outlives its upstream, or is lost in a reload or at the end of the process", within=90)
def heads_that_wait(s):
    first, second = RawOrigin(s, "first"), RawOrigin(s, "second")
    other = {"upstreams": {"other": {"endpoints": [second.address], "pool": {"warm_min": 0}}},
             "routes": [{"name": "other", "path_prefix": "/upload/1", "upstream": "other"}, {"name": "all", "upstream": "app"}],
             "listeners": {"web": {"timeouts": {"body": "20s"}}}}
    proxy = start_proxy(s, first, {"workers": 1, **other})
    with contextlib.ExitStack() as clients:
        waits, resets = upload(clients, proxy, 1, begun=b""), upload(clients, proxy, 1, begun=b"")
        waits.wait_until_read()
        resets.wait_until_read()
        with s.case("its upstream leaves the settings and comes back with the body"):
            check(proxy.reload({"upstreams": {"other": None}, "routes": [{"name": "all", "upstream": "app"}]}), "rejected")
            resets.reset()
            eventually(lambda: proxy.metric("evenkeel_clients_open") == 1, "the client is gone")
            waits.send(b"x" * 100)
            check_equal(waits.response("POST").status, 200, "status")
            check_equal([request.target for request in second.requests], ["/upload/1"], "what its origin was asked")
        with s.case("the upstream is configured anew"):
            check(proxy.reload(other), "rejected")
            check_equal(waits.request("POST", "/upload/1", body=b"x").status, 200, "status")
        with s.case("a drain lets it finish"):
            drained = upload(clients, proxy, 1, begun=b"")
            drained.wait_until_read()
            proxy.signal(signal.SIGTERM)
            proxy.wait_for_log("drain: finishing")
            drained.send(b"x" * 100)
            check_equal(drained.response("POST").status, 200, "status")
    proxy.expect_clean_exit()


@scenario("slow uploads of one client hold all connections while others wait")
def greedy(s):
    for name, sources, wait, status in (("others wait", OTHERS, "20s", 200),
                                        ("only the client itself waits", ["127.11.0.1"], "1500ms", 503)):
        with s.case(name), contextlib.ExitStack() as clients:
            proxy = start_proxy(s, RawOrigin(s, f"origin {name}"), {"workers": 2, "upstreams": {"app": {
                "pool": {"max": 4, "warm_min": 0}, "limits": {"queue_wait": wait}}}}, name=name.replace(" ", "-"))
            slow = [upload(clients, proxy, 1) for _ in range(4)]
            eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 4, "all connections are taken")
            others = [clients.enter_context(contextlib.closing(proxy.client(source=source))) for source in sources]
            answers = [ask_at_once(others) for _ in range(2)]
            check_equal(answers[1], [status] * len(others), "status of who waits")
            left = [client for client in slow if client.is_open()]
            check(0 < len(left) < 4 if status == 200 else len(left) == 4, f"{len(left)} slow uploads are left")
            proxy.expect_count(4 - len(left), "evenkeel_slow_uploads_ended_total")
            for client in left:
                client.send(b"x" * 99)
                check_equal(client.response("POST").status, 200, "status of an upload")


def stalled_streams(s, proxy, source, count):
    """A client of HTTP/2 that takes nothing of so many responses."""
    client = s.enter_context(H2Client(proxy.address, settings={h2.INITIAL_WINDOW_SIZE: 0}, source=source))
    for _ in range(count):
        client.ask("GET", "/large")
    return client


def stalled_reader(s, proxy, source):
    """The same over HTTP/1, of one response."""
    client = s.enter_context(contextlib.closing(proxy.client(source=source, receive_buffer=4096)))
    client.send(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    return client


@scenario("responses that their clients do not take hold all places of an upstream while others wait")
def not_taken(s):
    origin = RawOrigin(s).on("/large", status=200, body=b"x" * (16 << 20))
    listener = {"web": {"http2": {"cleartext": True}}}
    for name, queue, hold in (
            ("streams of four clients, others wait", 8, lambda c, p: [stalled_streams(c, p, f"127.{n}.0.1", 8) for n in range(31, 35)]),
            ("streams of one client, others are refused", 0, lambda c, p: [stalled_streams(c, p, "127.31.0.1", 32)]),
            ("connections of one client, others wait", 8, lambda c, p: [stalled_reader(c, p, "127.31.0.1") for _ in range(32)])):
        with s.case(name), contextlib.ExitStack() as clients:
            proxy = start_proxy(s, origin, {"workers": 1, "listeners": listener, "upstreams": {"app": {
                "pool": {"warm_min": 0}, "limits": {"in_flight": 32, "queue": queue, "queue_wait": "20s"}, "timeouts": {"total": "30s"}}}},
                name=name.replace(" ", "-"))
            hold(clients, proxy)
            eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 32, "all places are taken")
            others = [clients.enter_context(contextlib.closing(proxy.client(source=source))) for source in OTHERS]
            watch = Stopwatch(proxy)
            eventually(lambda: 200 in ask_at_once(others), "another client is served")
            check(watch.stop().seconds < 8, f"another client was served after {watch.seconds:.1f} s")
            left = 32 - proxy.metric("evenkeel_slow_responses_ended_total")
            check(0 < left < 32, f"{left} of 32 responses are left")


def is_served(proxy, source):
    """Whether a new client gets a small file."""
    with contextlib.suppress(Interrupted, OSError), contextlib.closing(proxy.client(source=source)) as client:
        return client.request("GET", "/small").status == 200
    return False


def goes_on(client):
    """Whether a slow client gets the rest of a large response, now that it takes it."""
    with contextlib.suppress(Broken, OSError):
        client.reader.through(b"\r\n\r\n")
        client.reader.exactly(8 << 20, lambda piece: None)
        return True
    return False


@scenario("files that their clients do not take hold all descriptors while others wait")
def files_not_taken(s):
    with open(s.path("large"), "wb") as file:
        file.truncate(16 << 20)
    with open(s.path("small"), "wb") as file:
        file.write(b"small")
    listener = {"web": {"http2": {"cleartext": True}, "timeouts": {"send": "1m"}}}
    routes = [{"name": "files", "files": {"root": s.path("")}}]
    for name, hold in (
            ("connections of one client", lambda c, p: stalled_reader(c, p, "127.31.0.1")),
            ("streams of one client", lambda c, p: stalled_streams(c, p, "127.31.0.1", 16))):
        with s.case(name), contextlib.ExitStack() as clients:
            proxy = start_proxy(s, settings={"workers": 1, "listeners": listener, "routes": routes}, limits=["--nofile=160:160"],
                                name=name.replace(" ", "-"))
            # one could share the place of the greedy one in the table of addresses, by chance
            slow = [stalled_reader(clients, proxy, source) for source in ("127.78.0.1", "127.79.0.1", "127.80.0.1")]
            eventually(lambda p=proxy: p.bound("fds")["used"] >= 1 + len(slow), "their files are open")
            held = []
            while proxy.metric("evenkeel_accept_pauses_total") == 0:
                check(len(held) < 200, "no pause with so many clients")
                held.append(hold(clients, proxy))
            eventually(lambda p=proxy: is_served(p, "127.77.0.1"), "another client is served")
            ended = proxy.metric("evenkeel_slow_responses_ended_total")
            check(0 < ended, "no slow transfer was ended")
            check(any(goes_on(client) for client in slow), "no slow client that has but one transfer goes on")


@scenario("a client that waits for 100 and never sends is taken for a sick origin")
def awaits_continue(s):
    def continues(connection, request):
        connection.send("HTTP/1.1 100 Continue\r\n\r\n")
        request.read_body(connection.reader)
        return False

    origin = RawOrigin(s).on("/upload/continues", reads_body(continues))
    for name, path, timeouts in (("the origin says 100", "continues", {"first_byte": "400ms"}),
                                 ("the origin says nothing", "silent", {"first_byte": "400ms"}),
                                 ("there is less time than the origin has for its 100", "brief", {"total": "400ms"})):
        with s.case(name), contextlib.ExitStack() as clients:
            proxy = start_proxy(s, origin, settings(timeouts=timeouts), name=path)
            slow = [upload(clients, proxy, number, "Expect: 100-continue\r\n", b"", path) for number in range(15)]
            check_equal([client.interim().status for client in slow], [100] * len(slow), "what they are told")
            check_equal([client.response("POST").status for client in slow], [408] * len(slow), "how they end")
            check_equal(told(proxy), [], "breakers and ejections")


@scenario("a client waits for a 100 that its origin never says")
def strict(s):
    proxy = start_proxy(s, RawOrigin(s), settings())
    with contextlib.ExitStack() as clients:
        client = upload(clients, proxy, 1, "Expect: 100-continue\r\n", b"")
        watch = Stopwatch(proxy)
        check_equal(client.interim().status, 100, "what it is told")
        check(watch.stop().took > 0.8, f"it was told after {watch.took:.3f} s, when the origin might still have")
        client.send(b"x" * 100)
        check_equal(client.response("POST").status, 200, "status")


@scenario("an origin that gives up on a client who says nothing is taken for a sick one")
def given_up(s):
    def impatient(connection, _):
        connection.socket.settimeout(1.2)
        connection.wait_for_end(1.2)
        return False

    origin = RawOrigin(s).on("/upload", reads_body(impatient))
    proxy = start_proxy(s, origin, {**settings(), "listeners": {"web": {"timeouts": {"body": "20s"}}}})
    with contextlib.ExitStack() as clients:
        slow = [upload(clients, proxy, number) for number in range(15)]
        check_equal([client.response("POST").status for client in slow], [502] * len(slow), "how they end")
    check_equal(told(proxy), [], "breakers and ejections")


@scenario("an origin that breaks uploads off is not found out")
def broken_off(s):
    def breaks(connection, _):
        connection.reset()
        return False

    origin = RawOrigin(s).on("/upload", reads_body(breaks))
    proxy = start_proxy(s, origin, settings())
    with contextlib.ExitStack() as clients:
        for number in range(12):
            upload(clients, proxy, number).response("POST")
    proxy.wait_for_log(" breaker closed -> open")


@scenario("slow uploads hold the probes of a breaker, and nobody is served")
def probes(s):
    state = {"failing": True}

    def answer(connection, _):
        return connection.respond(503 if state["failing"] else 200, b"x")

    origin = RawOrigin(s).on("/", answer)
    proxy = start_proxy(s, origin, {**settings(breaker={**QUICK, "probes": 1}),
                                    "listeners": {"web": {"timeouts": {"body": "30s"}}}})
    for _ in range(5):
        proxy.get("/")
    proxy.wait_for_log(" breaker closed -> open")
    state["failing"] = False
    with contextlib.ExitStack() as clients:
        def slow():
            """An upload that is not refused: it has the probe."""
            client = upload(clients, proxy, 1)
            client.wait_until_read()
            return client if eventually(lambda: breaker(proxy)["probes_in_flight"] or not client.is_open(),
                                        "it is let through, or refused") and client.is_open() else None

        client = eventually(slow, "an upload is let through")
        watch = Stopwatch(proxy)
        eventually(lambda: proxy.get("/").status == 200, "others are served")
        check(watch.stop().seconds < 3, f"others were served after {watch.seconds:.1f} s")
        eventually(lambda: proxy.get("/").status == 200 and breaker(proxy)["state"] == "closed", "it is closed")
        client.send(b"x" * 99)
        check_equal(client.response("POST").status, 200, "the upload's own end")


@scenario("where there are only slow uploads, a breaker never closes")
def only_uploads(s):
    state = {"failing": True}

    def answer(connection, _):
        return connection.respond(503 if state["failing"] else 200, b"x")

    proxy = start_proxy(s, RawOrigin(s).on("/", answer), {
        **settings(), "listeners": {"web": {"timeouts": {"body": "30s"}}}})
    for _ in range(5):
        proxy.get("/")
    proxy.wait_for_log(" breaker closed -> open")
    state["failing"] = False
    with contextlib.ExitStack() as clients:
        def closed():
            client = upload(clients, proxy, 1)
            client.wait_until_read()
            client.send_slowly(b"x" * 99, step=11, pause=0.15)
            return client.response("POST").status == 200 and breaker(proxy)["state"] == "closed"
        eventually(closed, "it closes", within=40)


@scenario("an answer that comes before the upload has ended counts the upload as slowness")
def early(s):
    late = takes(0.1, status=200, body=b"enough")

    def answer(connection, request):
        return late(connection, request) if request.method == "POST" else connection.respond(200, b"x")

    origin = RawOrigin(s).on("/upload", reads_body(answer))
    proxy = start_proxy(s, origin, settings(breaker={**QUICK, "slow_after": "50ms", "min_requests": 5}))
    for number in range(20):
        quick = proxy.client(source=f"127.{10 + number}.0.1")
        check_equal(quick.request("GET", "/upload/one").status, 200, "status")
    with contextlib.ExitStack() as clients:
        for number in range(15):
            check_equal(upload(clients, proxy, number, path="one").response("POST").status, 200, "status")
    check_equal(told(proxy), [], "breakers and ejections")
    check_equal(breaker(proxy)["slow"], 0, "slow calls")


run()
