"""What goes wrong at the origin or at the client is told, never hidden, and harms nobody else."""

import contextlib
import queue
import socket
import threading
import time

from harness import (Arrived, Interrupted, RawOrigin, Skipped, beside, check, check_equal, curl, eventually,
                     patient, promptly, reads_body, run, scenario, start_proxy)

BOTH = ("evenkeel", "nginx")
IMPATIENT = {"upstreams": {"app": {"timeouts": {
    "connect": "500ms", "first_byte": "1500ms", "idle": "1500ms", "per_try": "5s", "total": "8s"}}}}


def expect_proxy_error(response, statuses, errors=None):
    """The response is the proxy's own, with one of these statuses and Proxy-Status errors."""
    check(response.status in statuses, f"answered {response.start_line}, expected one of {statuses}")
    check(response.complete, "the error response is not complete")
    if errors:
        told = response.get("Proxy-Status") or ""
        check(any(f"error={error}" in told.replace(" ", "") for error in errors),
              f"Proxy-Status {told!r} names none of {errors}")


BAD_RESPONSES = [
    # name, section, bytes the origin sends before it closes
    ("nothing at all", "RFC 9112 8", b""),
    ("not HTTP", "RFC 9112 4", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ("HTTP/2.0 as version", "RFC 9112 2.3", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("HTTP/0.9: no head", "RFC 9112 4", b"<html>hello</html>"),
    ("lower-case http", "RFC 9112 2.3", b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("no status code", "RFC 9112 4", b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"),
    ("two digits of status", "RFC 9112 4", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    ("four digits of status", "RFC 9112 4", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status 099", "RFC 9110 15", b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    ("letters in the status", "RFC 9112 4", b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n"),
    ("the head ends early", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nContent-Le"),
    ("the head never ends with an empty line", "RFC 9112 2.1", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"),
    ("a field without a colon", "RFC 9112 5", b"HTTP/1.1 200 OK\r\nNonsense\r\nContent-Length: 0\r\n\r\n"),
    ("an empty field name", "RFC 9110 5.1", b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n"),
    ("space before the colon", "RFC 9112 5.1", b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
    ("obs-fold", "RFC 9112 5.2", b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
    ("bare CR in a value", "RFC 9112 2.2", b"HTTP/1.1 200 OK\r\nX-A: b\rc\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in a value", "RFC 9110 5.5", b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in a name", "RFC 9110 5.1", b"HTTP/1.1 200 OK\r\nX\0A: b\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in the reason", "RFC 9112 4", b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"),
    ("differing Content-Lengths", "RFC 9112 6.3",
     b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    ("a list of differing lengths", "RFC 9112 6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!"),
    ("a negative length", "RFC 9110 8.6", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    ("a signed length", "RFC 9110 8.6", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
    ("a hexadecimal length", "RFC 9110 8.6", b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello"),
    ("an empty length", "RFC 9110 8.6", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello"),
    ("a length beyond 64 bits", "RFC 9110 8.6",
     b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\nhello"),
    ("an unknown transfer coding", "RFC 9112 6.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello"),
    ("chunked not last", "RFC 9112 6.3",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding on HTTP/1.0", "RFC 9112 6.1",
     b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("101 that nobody asked for", "RFC 9110 15.2.2",
     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw"),
    ("only an interim response", "RFC 9110 15.2", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ("a head beyond every limit", "RFC 9110 5.4", b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 200000 + b"\r\n\r\n"),
    ("too many fields", "RFC 9110 5.4",
     b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"Content-Length: 0\r\n\r\n"),
]


@scenario("a malformed response is passed on")
def malformed_responses(s):
    origin = RawOrigin(s)
    for number, (_, _, data) in enumerate(BAD_RESPONSES):
        origin.on(f"/{number}/", lambda connection, _, data=data: connection.send(data) and False)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"breaker": {"enabled": False}}}})
    for number, (name, section, _) in enumerate(BAD_RESPONSES):
        with s.case(f"a response with {name} becomes a 502 ({section})"):
            response = proxy.get(f"/{number}/")
            expect_proxy_error(response, (502,), (
                "http_protocol_error", "http_response_incomplete", "http_response_header_section_size",
                "http_response_header_size", "http_response_transfer_coding", "http_upgrade_failed",
                "connection_terminated", "proxy_internal_response", "http_response_status"))
            check_equal(Arrived(proxy.get("/well")).target, "/well", "the next exchange")


@scenario("bytes behind a response become the next client's response")
def stray_bytes(s):
    origin = RawOrigin(s)
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
    stray = {
        "/length/": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + evil,
        "/chunked/": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + evil,
        "/204/": b"HTTP/1.1 204 No Content\r\n\r\n" + evil,
        "/304/": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n" + evil,
    }
    # As long as what is read at once, so that nothing tells what follows; and long enough to be spliced.
    for size in (16384, 65536, 131072, 1 << 20):
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {size - 50:07d}\r\n\r\n"
        stray[f"/{size}/"] = head.encode() + b"x" * (size - 50) + evil
        whole = size - len(head)
        stray[f"/{size}/whole/"] = f"HTTP/1.1 200 OK\r\nContent-Length: {whole:07d}\r\n\r\n".encode() + b"x" * whole + evil
    stray["/head/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + evil
    sent = queue.SimpleQueue()
    for target, data in stray.items():
        origin.on(target, lambda connection, _, data=data: sent.put(connection.send(data)))
    served = threading.Event()
    origin.on("/late/", lambda at, _: at.respond(200, b"ok") and served.wait(patient(10)) and at.send(evil))
    proxy = start_proxy(s, origin, {"workers": 1})
    for target in [*stray, "/late/"]:
        with s.case(f"after a response with stray bytes ({target}) the connection is not used again"):
            with proxy.client() as client:
                first = client.request("HEAD" if target == "/head/" else "GET", target)
                check(first.complete and b"EVIL" not in first.body, "the stray bytes were passed on")
                used = next(c for c in origin.connections if any(r.target == target for r in c.requests))
                if target == "/late/":
                    served.set()
                    eventually(lambda: not used.established(), "the connection with late stray bytes is closed")
                else:  # an origin that has to wait for space sends the last bytes later
                    sent.get(timeout=patient(20))
                client = client if client.is_open() else proxy.client()
                check_equal(Arrived(client.request("GET", "/well")).target, "/well", "the next exchange")
            eventually(lambda: not used.established(), "the connection with stray bytes is closed")


@scenario("our own answer to a HEAD, or to what may be one, is followed by content")
def head_without_content(s):
    """RFC 9110 9.3.2: a client would take it for the next response."""
    proxy = start_proxy(s, RawOrigin(s), {"limits": {"clients": 1}, "listeners": {"web": {"timeouts": {"head": "1s"}}}})
    for request, status, length in (
            (b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, None),
            (b"HEAD http://other HTTP/1.1\r\nHost: a b\r\n\r\n", 400, None),
            (b"HEA\0 / HTTP/1.1\r\n\r\n", 400, "0"),
            (b"HEAD / HTTP/1.1\r\nHos", 408, "0")):
        with s.case(f"{request!r}"), proxy.client() as client:
            client.send(request)
            answer = client.response("HEAD")
            check_equal(answer.status, status, "status")
            check(length in (None, answer.get("Content-Length")), f"Content-Length: {answer.get('Content-Length')}")
            client.expect_closed()
        eventually(lambda: proxy.bound("clients")["used"] == 0, "the client has gone")
    with s.case("one too many, before its request is read"), proxy.client() as inside:
        inside.send("GET")
        eventually(lambda: proxy.bound("clients")["used"] == 1, "one client is inside")
        with proxy.client() as client:
            client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = client.response("HEAD")
            check_equal((answer.status, answer.get("Content-Length")), (503, "0"), "status and length")
            check(not client.reader.buffer, "it has content")


@scenario("an origin that refuses connections is not named as the cause", proxies=BOTH)
def refused(s):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = start_proxy(s, "127.0.0.1:{}".format(unused.getsockname()[1]))
        with proxy.client() as client:
            for _ in range(3):
                response = client.request("GET", "/")
                errors = ("connection_refused",) if proxy.kind == "evenkeel" else None
                expect_proxy_error(response, (502, 503), errors)
            check(client.is_open(), "the client's connection was closed for the origin's fault")
            response = client.request("POST", "/", body=b"x" * 1000)
            expect_proxy_error(response, (502, 503))


@scenario("an origin that does not take connections holds a request longer than the connect timeout", proxies=BOTH)
def unreachable(s):
    # A listener whose backlog is full drops further connection attempts without a word.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
            fillers.append(filler)
        proxy = start_proxy(s, "127.0.0.1:{}".format(deaf.getsockname()[1]), IMPATIENT)
        started = time.monotonic()
        response = proxy.get("/")
        took = time.monotonic() - started
        expect_proxy_error(response, (502, 503, 504), ("connection_timeout",) if proxy.kind == "evenkeel" else None)
        check(took < patient(4), f"it took {took:.1f} s")
        for filler in fillers:
            filler.close()


@scenario("a dead endpoint makes requests fail although another one lives")
def one_dead_endpoint(s):
    origin = RawOrigin(s)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = start_proxy(s, ["127.0.0.1:{}".format(unused.getsockname()[1]), origin],
                            {"workers": 1, "upstreams": {"app": {"balance": "round_robin"}}})
        statuses = [proxy.get("/").status for _ in range(20)]
        served = statuses.count(200)
        check(served >= 10 and set(statuses) <= {200, 502, 503}, f"statuses: {statuses}")


@scenario("an origin that stays silent holds a request longer than first_byte", proxies=BOTH)
def silent(s):
    origin = RawOrigin(s)
    origin.on("/silent", lambda connection, _: connection.wait_for_end() and False)
    origin.on("/half-head", lambda connection, _: connection.send("HTTP/1.1 200 OK\r\nX: ")
              and connection.wait_for_end() and False)
    proxy = start_proxy(s, origin, IMPATIENT)
    for target in ("/silent", "/half-head"):
        with s.case(f"{target} is 504 in time and the upstream connection is closed"):
            with proxy.client() as client:
                started = time.monotonic()
                response = client.request("GET", target)
                took = time.monotonic() - started
                expect_proxy_error(response, (504,), (
                    "http_response_timeout", "connection_read_timeout") if proxy.kind == "evenkeel" else None)
                check(1 <= took < patient(4), f"it took {took:.1f} s")
                check_equal(Arrived(client.request("GET", "/well")).target, "/well", "the next exchange")
            used = next(c for c in origin.connections if any(r.target == target for r in c.requests))
            eventually(lambda used=used: used.ended, "the upstream connection is closed")


@scenario("a response cut by the origin is never silently short", proxies=BOTH)
def cut_responses(s):
    origin = RawOrigin(s)
    length = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"c350\r\n" + b"x" * 50000
    endings = {
        "length": length, "chunk": chunked, "chunks": chunked + b"\r\n", "last-chunk": chunked + b"\r\n0\r\n",
        "bad-chunk": chunked + b"\r\nZZ\r\nmore\r\n0\r\n\r\n", "bad-end": chunked + b"XX0\r\n\r\n",
        "huge-chunk": chunked + b"\r\nFFFFFFFFFFFFFFFFFF\r\nx",
    }

    def ending(data, how):
        def answer(connection, request):
            if request.target.endswith("/late"):
                connection.send(data[:100])
                connection.wait_until_read()
                connection.send(data[100:])
            else:
                connection.send(data)
            # The proxy must have the head before a reset may overtake it.
            connection.wait_until_read()
            if how == "reset":
                connection.reset()
            return False
        return answer

    for name, data in endings.items():
        origin.on(f"/{name}/fin", ending(data, "fin")).on(f"/{name}/reset", ending(data, "reset"))
    origin.on("/close/reset", ending(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50000, "reset"))
    proxy = start_proxy(s, origin)
    for name in [*endings, "close"]:
        for how in ("fin", "reset"):
            if (name, how) == ("close", "fin"):
                continue
            for version in ("HTTP/1.1", "HTTP/1.0"):
                for when in ("", "/late"):
                    with s.case(f"{name} ended by {how}{when} looks broken to a client of {version}"):
                        if proxy.kind == "nginx" and (version == "HTTP/1.0" or name in ("bad-chunk", "bad-end")):
                            raise Skipped("nginx ends it like a whole one")
                        with proxy.client() as client:
                            try:
                                response = client.request("GET", f"/{name}/{how}{when}", version=version)
                            except Interrupted:
                                continue       # not even a head: nothing could look whole
                            if response.status == 502:
                                continue
                            check_equal(response.status, 200, "status")
                            check(not response.complete, f"{len(response.body)} bytes look like a whole response")
                            check(response.ended in ("eof", "reset"), f"the connection ended by {response.ended}")
    with s.case("curl sees the break, too"):
        done = curl(f"{proxy.url}/length/fin")
        check(done.code == 18, f"curl exits with {done.code}: {done.error}")
        done = curl(f"{proxy.url}/chunk/reset")
        check(done.code in (18, 56), f"curl exits with {done.code}: {done.error}")
    with s.case("the next request is served"):
        check_equal(Arrived(proxy.get("/well")).target, "/well", "the next exchange")


@scenario("a response that stalls half-way holds the client longer than the idle timeout", proxies=BOTH)
def stalled(s):
    origin = RawOrigin(s)

    def stall(start):
        return lambda connection, _: connection.send(start) and connection.wait_for_end() and False

    origin.on("/length", stall("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"))
    origin.on("/chunked", stall("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"))
    proxy = start_proxy(s, origin, IMPATIENT)
    for target in ("/length", "/chunked"):
        with s.case(f"{target}: the response is broken off after the idle timeout"):
            with proxy.client() as client:
                started = time.monotonic()
                response = client.request("GET", target)
                took = time.monotonic() - started
                check(not response.complete and response.ended in ("eof", "reset"), f"ended by {response.ended}")
                check_equal(bytes(response.body), b"half", "what had come")
                check(1 <= took < patient(4), f"it took {took:.1f} s")


@scenario("a stall is overlooked because something else was waited for before it")
def stalled_later(s):
    origin = RawOrigin(s)
    # More than a slow client's socket takes at once, and then nothing.
    origin.on("/burst", lambda connection, _: connection.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n" + b"x" * 0x400000 + b"\r\n")
        and connection.wait_for_end(20) and False)
    timeouts = {"first_byte": "20s", "idle": "20s", "per_try": "20s", "total": "20s"}
    proxy = start_proxy(s, origin, {
        "listeners": {"web": {"timeouts": {"body": "700ms", "send": "20s"}}},
        "upstreams": {"app": {"timeouts": timeouts},
                      "brisk": {"endpoints": [origin.address], "timeouts": {**timeouts, "idle": "700ms"}}},
        "routes": [{"name": "brisk", "path_prefix": "/burst", "upstream": "brisk"}, {"name": "all", "upstream": "app"}]})
    with s.case("the origin stalls after the client had been slow"):
        with proxy.client(receive_buffer=8192) as client:
            client.send("GET /burst HTTP/1.1\r\nHost: h\r\n\r\n")
            origin.request_for("/burst")
            # Longer than the idle timeout: a timer that looked at it meanwhile must not have forgotten it.
            time.sleep(1.5)  # the client is as slow as that
            started = time.monotonic()
            response = client.response()
            check(not response.complete and len(response.body) == 0x400000, f"{len(response.body)} bytes came")
            check((took := time.monotonic() - started) < patient(5), f"it took {took:.1f} s")
    with s.case("the client stalls in a body that had to wait for the connection"):
        with proxy.client() as client:
            started = time.monotonic()
            client.send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nbegin")
            with contextlib.suppress(Interrupted):
                check_equal(client.response().status, 408, "status")
            check((took := time.monotonic() - started) < patient(5), f"it took {took:.1f} s")
    with s.case("the client stalls in a body that the origin had been slow to take"):
        hesitant = threading.Event()

        @reads_body
        def hesitates(connection, request):
            hesitant.wait(patient(10))
            request.read_body(connection.reader)

        origin.on("/hesitates", hesitates)
        with proxy.client() as client:
            client.send(b"POST /hesitates HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n")
            client.socket.settimeout(0.3)
            with contextlib.suppress(OSError):
                while True:
                    client.socket.send(b"x" * 65536)
            hesitant.set()
            client.socket.settimeout(patient(10))
            started = time.monotonic()
            with contextlib.suppress(Interrupted):
                check(client.response().status in (408, 504), "status")
            took = time.monotonic() - started
            check(took < patient(5), f"it took {took:.1f} s")


@scenario("an exchange goes on for ever in small steps, past the limit of the whole")
def total_deadline(s):
    origin = RawOrigin(s)

    def drip(connection, _):
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while connection.send("x"):
            time.sleep(0.1)  # the pace of the drip
        return False

    origin.on("/drip", drip)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"timeouts": {
        "first_byte": "500ms", "idle": "500ms", "per_try": "1s", "total": "1500ms", "stream": "1500ms"}}}})
    with proxy.client() as client:
        started = time.monotonic()
        response = client.request("GET", "/drip")
        took = time.monotonic() - started
        check(not response.complete and response.ended in ("eof", "reset"), f"ended by {response.ended}")
        check(0.5 <= took < patient(4), f"it took {took:.1f} s")


@scenario("a route's deadline does not shorten the upstream's")
def route_deadline(s):
    origin = RawOrigin(s)
    origin.on("/wait", lambda connection, _: connection.wait_for_end() and False)
    proxy = start_proxy(s, origin, {"routes": [{"name": "short", "path_prefix": "/wait", "upstream": "app",
                                                "deadline": "600ms"}]})
    started = time.monotonic()
    response = proxy.get("/wait")
    took = time.monotonic() - started
    expect_proxy_error(response, (504,), ("http_response_timeout",))
    check(0.4 <= took < patient(3), f"it took {took:.1f} s")


@scenario("an aborted request goes on at the origin", proxies=BOTH)
def client_abort(s):
    origin = RawOrigin(s)
    origin.on("/wait", lambda connection, _: connection.wait_for_end() and False)

    def endless(connection, _):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while connection.send("1000\r\n" + "x" * 4096 + "\r\n"):
            pass
        connection.ended = "cancelled"
        return False

    origin.on("/endless", endless)
    proxy = start_proxy(s, origin)

    def cancelled(target):
        used = next((c for c in origin.connections if any(r.target == target for r in c.requests)), None)
        return used and (used.ended or not used.established())

    def aborts(client, how):
        client.reset() if how == "reset" else client.close()

    with s.case("reset while waiting for the response cancels the attempt"):
        client = proxy.client()
        client.send("GET /wait/reset HTTP/1.1\r\nHost: h\r\n\r\n")
        origin.request_for("/wait/reset")
        client.reset()
        promptly(lambda: cancelled("/wait/reset"), "the origin sees the end", 3, proxy)
    for how in ("close", "reset"):
        with s.case(f"{how} in the middle of the response cancels the attempt"):
            client = proxy.client()
            client.send(f"GET /endless/{how} HTTP/1.1\r\nHost: h\r\n\r\n")
            client.socket.recv(100)
            aborts(client, how)
            promptly(lambda how=how: cancelled(f"/endless/{how}"), "the origin sees the end", 3, proxy)
        with s.case(f"{how} in the middle of the request body cancels the attempt, and the body is not completed"):
            client = proxy.client()
            client.send(f"POST /upload/{how} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf")
            request = origin.request_for(f"/upload/{how}")
            aborts(client, how)
            promptly(lambda how=how: cancelled(f"/upload/{how}"), "the origin sees the end", 3, proxy)
            check(not request.complete, "the request body was completed")
            chunked = proxy.client()
            chunked.send(f"POST /chunked/{how} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            request = origin.request_for(f"/chunked/{how}")
            aborts(chunked, how)
            promptly(lambda how=how: cancelled(f"/chunked/{how}"), "the origin sees the end", 3, proxy)
            check(not request.complete, "the chunked request body was completed")


@scenario("a reset that arrives together with the last bytes before it is overlooked")
def data_and_reset(s):
    origin = RawOrigin(s)
    origin.on("/wait", lambda connection, _: connection.wait_for_end() and False)
    held = threading.Event()

    def cut(start):
        def answer(connection, _):
            held.wait(patient(10))
            connection.send(start)
            connection.reset()
            return False
        return answer

    origin.on("/head", cut("HTTP/1.1 200 OK\r\nContent-Le"))
    origin.on("/body", cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
    origin.on("/chunk", cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"))
    origin.on("/close", cut("HTTP/1.1 200 OK\r\n\r\nhalf"))
    proxy = start_proxy(s, origin, {"workers": 1})

    for target in ("/head", "/body", "/chunk", "/close"):
        with s.case(f"from the origin, in the middle of {target[1:]}"):
            held.clear()
            with proxy.client() as client:
                client.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
                origin.request_for(target)
                used = next(c for c in origin.connections if any(r.target == target for r in c.requests))
                with proxy.asleep():
                    held.set()
                    eventually(lambda used=used: not used.established(), "the origin has reset")
                started = time.monotonic()
                try:
                    response = client.response()
                    check(response.status in (502, 504) or not response.complete, "the response looks whole")
                except Interrupted:
                    pass
                took = time.monotonic() - started
                check(took < patient(2), f"it took {took:.1f} s")
    for name, data in (("without a byte", ""), ("in the middle of a head", "GET /wa"),
                       ("behind a request", "GET /wait/whole HTTP/1.1\r\nHost: h\r\n\r\n"),
                       ("in the middle of a body", "POST /wait/body HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf"),
                       ("in the middle of a chunk",
                        "POST /wait/chunk HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf")):
        with s.case(f"from a client, {name}"):
            proxy.rest()
            accepted = proxy.metric("evenkeel_clients_accepted_total")
            with proxy.asleep():
                client = proxy.client()
                client.send(data)
                client.reset()
            eventually(lambda count=accepted: proxy.metric("evenkeel_clients_accepted_total") > count,
                       "the client was taken")
            promptly(lambda: proxy.bound("clients")["used"] == 0, "the client is gone", 2, proxy)


@scenario("a response that comes before the request body is over is lost in the upload")
def early_response(s):
    origin = RawOrigin(s)

    @reads_body
    def refuse(connection, _):
        connection.respond(403, b"enough", [("Connection", "close")], "Forbidden")
        connection.socket.shutdown(socket.SHUT_WR)
        connection.wait_for_end()
        return False

    @reads_body
    def answer_then_read(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
        request.read_body(connection.reader)
        return connection.send("4\r\nlate\r\n0\r\n\r\n")

    @reads_body
    def refuse_and_slam(connection, _):
        connection.respond(403, b"enough", [("Connection", "close")], "Forbidden")
        return False                     # closes with unread data: the kernel sends a reset

    origin.on("/refuse", refuse).on("/both", answer_then_read).on("/slam", refuse_and_slam)
    proxy = start_proxy(s, origin, {"limits": {"body": "1GiB"}})
    head = "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n"
    with s.case("a refusal reaches a client that has sent a part and waits"):
        with proxy.client() as client:
            client.send(head.format("/refuse", 100 << 20) + "x" * 10000)
            response = client.response()
            check_equal((response.status, bytes(response.body)), (403, b"enough"), "answer")
    for target in ("/refuse", "/slam"):
        with s.case(f"a refusal reaches a client that goes on sending ({target})"):
            with proxy.client() as client:
                client.send(head.format(target, 200 << 20))

                def pour(client=client):
                    with contextlib.suppress(OSError):
                        for _ in range(200):
                            client.socket.sendall(b"x" * (1 << 20))

                sender = threading.Thread(target=pour, daemon=True)
                sender.start()
                response = client.response()
                check_equal((response.status, bytes(response.body)), (403, b"enough"), "answer")
                client.socket.settimeout(patient(5))
            sender.join(patient(5))
    with s.case("curl sees the refusal of a large upload"):
        path = s.write("large", b"")
        with open(path, "wb") as file:
            file.truncate(100 << 20)
        done = curl("-w", "%{http_code}", "-H", "Expect:", "--data-binary", f"@{path}", f"{proxy.url}/refuse")
        check_equal(done.text, "enough403", "curl's output")
    with s.case("request and response flow at the same time"):
        with proxy.client() as client:
            client.send(head.format("/both", 20))
            early = bytearray()
            # The first half of the response comes while half of the request is still due.
            client.send("x" * 10)
            while b"early" not in early:
                client.reader.fill()
                early = client.reader.buffer
            client.send("x" * 10)
            response = client.response()
            check_equal((response.complete, bytes(response.body)), (True, b"earlylate"), "answer")
            if response.closes:
                check_equal(client.ending(), "eof", "the end")
            else:
                check_equal(Arrived(client.request("GET", "/next")).target, "/next", "the next exchange")


@scenario("a failing exchange spoils the exchanges beside it", proxies=BOTH)
def neighbours(s):
    origin = RawOrigin(s)
    origin.on("/cut", lambda connection, _: connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1") and False)
    origin.on("/reset", lambda connection, _: connection.reset() or False)
    proxy = start_proxy(s, origin, {"workers": 1})

    def well(_):
        with proxy.client() as client:
            for number in range(200):
                arrived = Arrived(client.request("POST", f"/well/{number}", body=b"b" * number))
                check_equal((arrived.target, arrived.bytes), (f"/well/{number}", number), "what arrived")

    with beside(4, well):
        for number in range(100):
            with proxy.client() as client:
                client.send(f"GET {('/cut', '/reset', '/well')[number % 3]} HTTP/1.1\r\nHost: h\r\n\r\n")
                if number % 2:
                    client.reset()
                else:
                    with contextlib.suppress(Interrupted):
                        client.response()


run()
