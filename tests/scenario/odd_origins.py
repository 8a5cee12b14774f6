"""Origins that frame their responses oddly: what has but one meaning is served, what follows it is not trusted."""

from harness import Arrived, RawOrigin, check, check_equal, run, scenario, start_proxy

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"

# name, what the origin sends, status, body, whether its connection may be used again
TOLERATED = [
    ("the same length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
    ("a list of equal lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", 200, b"hello", True),
    ("chunked twice", CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, b"hello", False),
    ("chunked twice in a list", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
     200, b"hello", False),
    ("a length beside chunked", CHUNKED + b"Content-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, b"hello", False),
    ("a length before chunked", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"5\r\nhello\r\n0\r\n\r\n", 200, b"hello", False),
    ("204 with chunked", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, b"", False),
    ("204 with an empty chunked body", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 204, b"", False),
    ("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b"", False),
    ("204 with a body", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204, b"", False),
    ("204 with a length of nothing", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, b"", True),
    ("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"", True),
    ("304 with chunked", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304, b"", True),
    ("an empty line first", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
    ("empty lines first, HTTP/1.0", b"\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
    ("no reason", b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
    ("white space behind chunk sizes", CHUNKED + b"\r\n5  \r\nhello\r\n0 \r\n\r\n", 200, b"hello", True),
    ("odd chunk extensions", CHUNKED + b"\r\n5;\r\nhello\r\n0;bad[=x\r\n\r\n", 200, b"hello", True),
    ("250 fields", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 249 + b"Content-Length: 5\r\n\r\nhello", 200, b"hello", True),
]  # fmt: skip

# What only `lenient = true` takes; a connection is never used again.
LENIENT = [
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    ("a bare LF among CRLF", b"HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 5\r\n\r\nhello"),
    ("a folded field", b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello"),
    ("a folded Transfer-Encoding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("chunked HTTP/1.0", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"5\r\nhello\r\n0\r\n\r\n"),
    ("a NUL in a value", b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 5\r\n\r\nhello"),
    ("an escape in the reason", b"HTTP/1.1 200 \x1b[1mOK\r\nContent-Length: 5\r\n\r\nhello"),
]  # fmt: skip

# Whatever the settings: these could be read in two ways, or have no end.
REFUSED = [
    ("differing lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("a length that is none beside a good one", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5x\r\n\r\nhello"),
    ("a length that is none beside chunked", CHUNKED + b"Content-Length: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("a coding behind chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("a bare CR in a value", b"HTTP/1.1 200 OK\r\nX-A: b\rContent-Length: 5\r\n\r\nhello"),
    ("a bare CR beside bare LF", b"HTTP/1.1 200 OK\nX-A: b\rContent-Length: 5\n\nhello"),
    ("a length folded in two", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 0\r\n\r\nhello"),
    ("a space before a colon", b"HTTP/1.1 200 OK\nContent-Length : 5\n\nhello"),
    ("a folded first field", b"HTTP/1.1 200 OK\r\n X-A: b\r\nContent-Length: 5\r\n\r\nhello"),
    ("1xx with chunked", b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
]  # fmt: skip


def origin_of(s, rows):
    """An origin that sends row N for /N/ and keeps the connection open, but for what only its end ends."""
    origin = RawOrigin(s)
    for number, (_, data, *_) in enumerate(rows):
        origin.on(f"/{number}/", lambda connection, _, data=data: connection.send(data))
    return origin


def connection_of(origin, target):
    return next(c for c in origin.connections if any(r.target == target for r in c.requests))


def settings(**upstream):
    """One worker, so that a connection that may serve again does."""
    return {"workers": 1, "upstreams": {"app": {"pool": {"warm_min": 0}, "breaker": {"enabled": False}, **upstream}}}


def check_served(proxy, origin, target, status, body, reused):
    with proxy.client() as client:
        response = client.request("GET", target)
        check_equal((response.status, bytes(response.body), response.complete), (status, body, True), "answer")
        told = [name for name in ("Content-Length", "Transfer-Encoding") if response.get(name)]
        check(len(told) <= (status != 204), f"framing fields: {told}")
        again = Arrived(client.request("GET", "/next"))
        check_equal(again.target, "/next", "the next exchange")
        check_equal(again.connection == connection_of(origin, target).number, reused, "the connection serves again")


@scenario("an origin that says its framing twice is taken for a broken one")
def tolerated(s):
    origin = origin_of(s, TOLERATED)
    proxy = start_proxy(s, origin, settings())
    for number, (name, _, status, body, reused) in enumerate(TOLERATED):
        with s.case(f"a response with {name} is served, its connection {'kept' if reused else 'closed'}"):
            check_served(proxy, origin, f"/{number}/", status, body, reused)
    with s.case("what was tolerated is counted"):
        odd = sum(not reused for *_, reused in TOLERATED)
        proxy.expect_count(odd, "evenkeel_responses_tolerated_total")


@scenario("a tolerated response to HEAD says what its status forbids, or its body becomes the next response")
def tolerated_heads(s):
    origin = origin_of(s, TOLERATED)
    proxy = start_proxy(s, origin, settings())
    for number, (name, _, status, *_) in enumerate(TOLERATED):
        with s.case(f"HEAD: {name}"), proxy.client() as client:
            response = client.request("HEAD", f"/{number}/")
            told = [name for name in ("Content-Length", "Transfer-Encoding") if response.get(name)]
            check_equal(response.status, status, "status")
            check(len(told) <= (status != 204), f"framing fields: {told}")
            check_equal(Arrived(client.request("GET", "/next")).target, "/next", "the next exchange")


@scenario("bytes behind a tolerated response become the next one")
def behind_tolerated(s):
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
    rows = [(name, data + evil) for name, data, *_ in TOLERATED] + [(name, data + evil) for name, data in LENIENT]
    origin = origin_of(s, rows)
    proxy = start_proxy(s, origin, settings(lenient=True))
    for number, (name, _) in enumerate(rows):
        with s.case(f"a second response behind {name}"), proxy.client() as client:
            response = client.request("GET", f"/{number}/")
            check(b"EVIL" not in response.body, "it was passed on")
            client = client if client.is_open() else proxy.client()
            check_equal(Arrived(client.request("GET", "/next")).target, "/next", "the next exchange")


@scenario("heads against the standard pass unasked, or cannot be had")
def lenient(s):
    origin = origin_of(s, LENIENT)
    strict = start_proxy(s, origin_of(s, LENIENT), settings(), name="strict")
    proxy = start_proxy(s, origin, settings(lenient=True), name="lenient")
    for number, (name, _) in enumerate(LENIENT):
        with s.case(f"{name} is 502 by default"):
            check_equal(strict.get(f"/{number}/").status, 502, "status")
        with s.case(f"{name} is served if the upstream is lenient, its connection closed"):
            check_served(proxy, origin, f"/{number}/", 200, b"hello", False)
    with s.case("a head that comes byte by byte is the same"):
        data = LENIENT[1][1]

        def slowly(connection, _):
            for at in range(len(data)):
                connection.send(data[at:at + 1])
                connection.wait_until_read()
        origin.on("/slow", lambda connection, request: slowly(connection, request) is None)
        response = proxy.get("/slow")
        check_equal((response.status, bytes(response.body), response.get("X-A")), (200, b"hello", "b"), "answer")
    with s.case("values are told without what was wrong with them"):
        check_equal(proxy.get("/2/").get("X-A"), "b c", "a folded value")
        check_equal(proxy.get("/5/").get("X-A"), "b c", "a value with NUL")


@scenario("tolerance moves the end of a message")
def refused(s):
    origin = origin_of(s, REFUSED)
    proxies = [start_proxy(s, origin, settings(lenient=value), name=name)
               for name, value in (("strict", False), ("lenient", True))]
    for number, (name, _) in enumerate(REFUSED):
        for proxy in proxies:
            with s.case(f"{name} stays 502 ({proxy.name})"):
                check_equal(proxy.get(f"/{number}/").status, 502, "status")


run()
