"""A request that is sent again is the same request: its bytes, what it waits for, and what becomes of its connection."""

import os
import random
import re
import threading
import time

from harness import RawOrigin, check, check_equal, run, scaled, scenario, start_proxy

SEED = int(os.environ.get("EVENKEEL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
# what may differ between two attempts: how often it was tried, what time is left, and each attempt's own span
OWN = re.compile(r"^(?:X-Envoy-Attempt-Count|X-Envoy-Expected-Rq-Timeout-Ms|traceparent): .*$", re.I | re.M)


class Twice(RawOrigin):
    """Fails the first attempt at each target the way the target says, and answers the second."""

    def __init__(self, s):
        self.seen, self.lock = {}, threading.Lock()
        super().__init__(s, "origin")
        self.on("/", self.twice)

    def twice(self, connection, request):
        how = request.target.rsplit("/", 1)[1]
        with self.lock:
            attempts = self.seen.setdefault(request.target, [])
            attempts.append((connection.number, request))
        if len(attempts) > 1 or how == "plain":
            return connection.respond(200, b"done")
        if how == "reset":
            connection.reset()
            return False
        return connection.respond(503, b"no")


def sent(request):
    """What an attempt looked like at the origin, but for what is its own."""
    return OWN.sub("", request.raw_head.decode("latin-1")), bytes(request.body), request.trailers, request.complete


def compose(rng, target):
    """(the bytes of a random idempotent request, in the parts they are sent in)."""
    method = rng.choice(("GET", "PUT", "DELETE", "PUT"))
    size = rng.choice((0, 1, 700, 5000, 30000, 60000))
    body = rng.randbytes(size)
    kind = rng.choice(("none", "length", "chunked", "trailers")) if method != "GET" else "none"
    head = f"{method} {target} HTTP/1.1\r\nHost: shop.example\r\nX-Odd: {rng.random()}\r\n"
    if kind == "none":
        message = head.encode() + b"\r\n"
    elif kind == "length":
        message = head.encode() + f"Content-Length: {size}\r\n\r\n".encode() + body
    else:
        message = head.encode() + b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        while body:
            step = rng.randrange(1, 20000)
            piece, body = body[:step], body[step:]
            message += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        message += b"0\r\n" + (b"X-Sum: 42\r\n" if kind == "trailers" else b"") + b"\r\n"
    cuts = sorted(rng.randrange(1, len(message)) for _ in range(rng.choice((0, 0, 1, 3))))
    return kind, [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)])]


@scenario("attempt two is another request than attempt one", within=120)
def property_of_two_attempts(s):
    rng = random.Random(SEED)
    s.note(f"seed {SEED}")
    origin = Twice(s)
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {
        "breaker": {"enabled": False}, "health": {"eject_after": 0}, "pool": {"warm_min": 0},
        "retry": {"on": ["reset", "503"], "backoff_base": "2ms", "backoff_max": "4ms",
                  "budget": {"ratio": 1.0, "per_second": 1000.0}}}}})
    for number in range(scaled(150, 2000)):
        target = f"/{number}/{rng.choice(('reset', '503'))}"
        kind, parts = compose(rng, target)
        with proxy.client() as client:
            for part in parts:
                client.send(part)
                if len(parts) > 1:
                    client.wait_until_read()
            response = client.response()
        check_equal((response.status, bytes(response.body)), (200, b"done"), f"answer to {target} ({kind})")
        (_, first), *others = origin.seen[target]
        last_connection, last = others[-1]
        check_equal(sent(last), sent(first), f"{target} ({kind}), the last attempt and the first")
        with proxy.client() as client:
            check_equal(client.request("GET", f"/{number}-next/plain").status, 200, "status")
        (connection, _), = origin.seen[f"/{number}-next/plain"]
        check_equal(connection, last_connection, f"the connection after {target} ({kind})")


@scenario("a request whose body ended while it was queued loses its trailers")
def queued_trailers(s):
    release = threading.Event()

    def hold(connection, request):
        release.wait(20)
        return connection.respond(200, b"held")

    origin = RawOrigin(s).on("/hold", hold)
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {"limits": {"in_flight": 1, "queue": 4, "queue_wait": "20s"},
                                                                        "pool": {"warm_min": 0}}}})
    with proxy.client() as first, proxy.client() as second:
        first.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        origin.request_for("/hold")
        second.send("PUT /late HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        second.wait_until_read()
        second.send("5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")
        second.wait_until_read()
        release.set()
        check_equal(second.response().status, 200, "status")
    request = origin.request_for("/late")
    check_equal((bytes(request.body), [tuple(field) for field in request.trailers]), (b"hello", [("X-Sum", "42")]), "body and trailers")


@scenario("a request that was sent again waits for other things than the first time")
def timeouts(s):
    def answer(connection, request):
        if request.target == "/first":
            return connection.respond(200, b"there")
        if request.get("X-Envoy-Attempt-Count") == "1":
            return connection.respond(503, b"no")
        time.sleep(3)  # longer than a first byte may take, shorter than idle
        return connection.respond(200, b"late")

    origin = RawOrigin(s).on("/", answer)
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {
        "breaker": {"enabled": False}, "health": {"eject_after": 0}, "pool": {"warm_min": 0},
        "timeouts": {"first_byte": "200ms", "idle": "20s", "total": "20s"},
        "retry": {"attempts": 2, "on": ["503"], "backoff_base": "2ms", "backoff_max": "4ms",
                  "budget": {"ratio": 1.0, "per_second": 1000.0}}}}})
    check_equal(proxy.get("/first").status, 200, "status")  # so that a connection is there at once
    response = proxy.get("/")
    check_equal(response.status, 504, "status")
    check("http_response_timeout" in response.get("Proxy-Status"), f"Proxy-Status: {response.get('Proxy-Status')}")


run()
