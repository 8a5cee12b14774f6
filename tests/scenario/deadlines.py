"""Deadlines: whatever an exchange waits for ends in time, at every hop, and nothing goes on that nobody waits for."""

import time

from harness import (Arrived, RawOrigin, Stopwatch, access_rows, check, check_equal, eventually, patient, reads_body, run,
                     scenario, start_proxy, takes)

WAIT = "X-Envoy-Expected-Rq-Timeout-Ms"


def access_lines(s, name, count):
    """The access lines of a proxy, once there are so many."""
    def read():
        lines = access_rows(s.path(f"{name}.log.access"))
        return len(lines) >= count and lines
    return eventually(read, f"{count} access lines of {name}")


def hop(s, name, behind, **upstream):
    return start_proxy(s, behind, {"log": {"access": {"path": s.path(f"{name}.log.access")}}, "workers": 1,
                                   "upstreams": {"app": upstream}}, name=name)


class Behind:
    """What a proxy has for an origin: another proxy."""

    def __init__(self, proxy):
        self.address = "{}:{}".format(*proxy.address)


def never(origin):
    """Take requests and say nothing."""
    origin.on("/slow", lambda connection, _: connection.wait_for_end() and False)
    return origin


@scenario("a hop goes on working after the client's deadline")
def _(s):
    ended = []

    def slow(connection, _):
        connection.wait_for_end()
        ended.append(time.monotonic())
        return False

    origin = RawOrigin(s).on("/slow", slow)
    hops, behind, waits_ms = [], origin, []
    for name in ("last", "third", "second", "first"):
        hops.append(hop(s, name, behind))
        behind = Behind(hops[-1])
    check_equal(hops[-1].get("/warm").status, 200, "before")
    for round_number in range(1, 4):
        wait_ms = 400
        begun, watch = time.monotonic(), Stopwatch(*hops)
        response = hops[-1].get("/slow", [(WAIT, wait_ms)])
        took_ms = (time.monotonic() - begun) * 1000
        check_equal(response.status, 504, "status")
        eventually(lambda: len(ended) == round_number, "the origin is left alone")
        stopped_ms = (ended[-1] - begun) * 1000
        waited_ms = watch.stop().waited * 1000
        slack = patient(50) + waited_ms
        check(wait_ms - 50 <= took_ms <= wait_ms + slack, f"the client was answered after {took_ms:.0f} ms")
        check(wait_ms - 50 <= stopped_ms <= wait_ms + slack, f"the origin was let go after {stopped_ms:.0f} ms")
        for each in hops:
            line = access_lines(s, each.name, round_number + 1)[round_number]
            check(wait_ms - 60 <= line["duration_ms"] <= wait_ms + slack,
                  f"{each.name} worked for {line['duration_ms']} ms: {line['reason']}")
        waits_ms.append(waited_ms)
    # Each hop has 10 ms less than the one before it, unless the machine takes them each time.
    reasons = [line["reason"] for line in access_lines(s, "last", 4)[1:]]
    check("deadline" in reasons or min(waits_ms) > 10, f"the last hop ended by {reasons}")
    for each in hops:
        eventually(lambda each=each: each.bound("upstream_in_flight", "app")["used"] == 0,
                   f"no exchange is left at {each.name}")


@scenario("what remains of the deadline is not told, or is more than remains")
def _(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"routes": [{"name": "all", "upstream": "app", "deadline": "3s"}]})
    cases = [
        ("nothing is said", [], 2900, 2990),
        ("less is asked for", [(WAIT, 1000)], 900, 990),
        ("more is asked for", [(WAIT, 100000)], 2900, 2990),
        ("grpc-timeout", [("grpc-timeout", "700m")], 600, 690),
        ("both", [("grpc-timeout", "700m"), (WAIT, 500)], 400, 490),
        ("nonsense", [(WAIT, "soon")], 2900, 2990),
    ]
    for name, fields, least, most in cases:
        with s.case(name):
            watch = Stopwatch(proxy)
            arrived = Arrived(proxy.get("/", fields))
            waited_ms = watch.stop().waited * 1000
            check_equal(len(arrived.all(WAIT)), 1, "fields that say what remains")
            left = int(arrived.all(WAIT)[0])
            check(least - waited_ms <= left <= most, f"{left} ms are told")
            grpc = arrived.all("grpc-timeout")
            check_equal(len(grpc), sum(field[0] == "grpc-timeout" for field in fields), "grpc-timeout fields")
            # that of the call goes on beyond the response's head, so it is told by itself
            check(not grpc or 600 - waited_ms <= int(grpc[0].removesuffix("m")) <= 690, f"grpc-timeout says {grpc}")
            check_equal(arrived.all("X-Envoy-Attempt-Count"), ["1"], "attempt")


@scenario("a client that is not trusted sets deadlines")
def _(s):
    proxy = start_proxy(s, RawOrigin(s), {"trusted_peers": []})
    arrived = Arrived(proxy.get("/", [(WAIT, 0), ("X-Envoy-Attempt-Count", 3), ("grpc-timeout", "5S")]))
    check(74000 <= int(arrived.all(WAIT)[0]) < 75000, f"{arrived.all(WAIT)} ms are told")
    check_equal(arrived.all("X-Envoy-Attempt-Count"), ["1"], "attempt")
    check_equal(arrived.all("grpc-timeout"), ["5000m"], "what the client says of itself to the server")


@scenario("work is begun for a request whose deadline has passed")
def _(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"pool": {"warm_min": 0}}}})
    response = proxy.get("/late", [(WAIT, 0)])
    check_equal(response.status, 504, "status")
    check("hopeless" in response.get("Proxy-Status"), f"Proxy-Status: {response.get('Proxy-Status')}")
    check_equal(len(origin.connections), 0, "connections made for it")
    check_equal(proxy.metric("evenkeel_attempts_total"), 0, "attempts")


@scenario("work is begun for a request that has less time than the quickest answer takes")
def _(s):
    origin = RawOrigin(s).on("/", takes(0.5, status=200))
    proxy = start_proxy(s, origin, {"workers": 1})
    for _ in range(3):
        check_equal(proxy.get("/").status, 200, "status")
    response = proxy.get("/late", [(WAIT, 40)])
    check_equal(response.status, 504, "status")
    check("hopeless" in response.get("Proxy-Status"), f"Proxy-Status: {response.get('Proxy-Status')}")
    check_equal([r.target for r in origin.requests].count("/late"), 0, "requests at the origin")


@scenario("the queue holds a request longer than its deadline, or after its client has gone")
def _(s):
    origin = never(RawOrigin(s))
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {
        "limits": {"in_flight": 1, "queue": 8, "queue_wait": "30s"}}}})
    first = proxy.client()
    first.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    origin.request_for("/slow")
    watch = Stopwatch(proxy)
    response = proxy.get("/queued", [(WAIT, 200)])
    watch.stop()
    took_ms = watch.took * 1000
    check_equal(response.status, 504, "status of what had to queue")
    check(195 <= took_ms <= 200 + patient(50) + watch.waited * 1000, f"it was answered after {took_ms:.0f} ms")
    waiting = proxy.client()
    waiting.send("GET /queued HTTP/1.1\r\nHost: a\r\n\r\n")
    eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 1, "it queues")
    waiting.reset()
    eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 0, "its slot is free again")
    first.reset()
    eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 0, "the attempt is cancelled")
    eventually(lambda: any(each.requests and each.ended for each in origin.connections), "the origin is told")
    check(not any(request.target == "/queued" for request in origin.requests), "the origin got what nobody waits for")


def drips(pieces, pause):
    """A response that comes in pieces."""
    def answer(connection, _):
        connection.send(f"HTTP/1.1 200 Fine\r\nContent-Length: {pieces}\r\n\r\n")
        for _ in range(pieces):
            if not connection.send("x"):
                return False
            time.sleep(pause)  # the pace of the transfer
        return True
    return answer


@scenario("a deadline cuts a transfer that makes progress")
def lively(s):
    timeouts = {"total": "400ms", "idle": "400ms"}
    origin = RawOrigin(s).on("/drips", drips(9, 0.1)).on("/upload", status=200)
    far = start_proxy(s, origin, {"upstreams": {"app": {"timeouts": timeouts}}}, name="far")
    near = start_proxy(s, Behind(far), {"upstreams": {"app": {"timeouts": timeouts}}}, name="near")
    for proxy in (far, near):
        with s.case(f"a download, {proxy.name}"):
            check_equal(len(proxy.get("/drips").body), 9, "bytes that came")
        with s.case(f"an upload, {proxy.name}"), proxy.client() as client:
            client.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
            client.send_slowly(b"123456789", pause=0.1)
            check_equal(client.response("POST").status, 200, "status")


@scenario("an answer that begins before the upload has ended is cut while the upload makes progress")
def both_ways(s):
    def answer(connection, request):
        connection.send("HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\n")
        request.read_body(connection.reader)
        return connection.send("ok")

    proxy = start_proxy(s, RawOrigin(s).on("/upload", reads_body(answer)),
                        {"upstreams": {"app": {"timeouts": {"total": "2s", "idle": "400ms"}}}})
    with proxy.client() as client:
        client.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        client.send_slowly(b"123456789", pause=0.1)
        check_equal(bytes(client.response("POST").body), b"ok", "body")


@scenario("a request waits longer for its answer than total because its upload took long")
def after_upload(s):
    origin = never(RawOrigin(s))
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"timeouts": {"total": "600ms"}}}})
    with proxy.client() as client:
        client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        client.send_slowly(b"12345678", pause=0.1)
        client.send(b"9")
        watch = Stopwatch(proxy)
        check_equal(client.response("POST").status, 504, "status")
        took_ms = watch.stop().took * 1000
        check(300 <= took_ms <= 650 + patient(50) + watch.waited * 1000, f"it was answered after {took_ms:.0f} ms")


@scenario("a transfer that never ends is never ended")
def endless(s):
    origin = RawOrigin(s).on("/drips", drips(1000, 0.05))
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"timeouts": {"stream": "700ms", "total": "300ms"}}}})
    for name, fields, least in (("stream", [], 600), ("the deadline of a call", [("grpc-timeout", "500m")], 400)):
        with s.case(name), proxy.client() as client:
            watch = Stopwatch(proxy)
            lines = "".join(f"{key}: {value}\r\n" for key, value in fields)
            client.send(f"GET /drips HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
            response = client.response()
            took_ms = watch.stop().took * 1000
            check(not response.complete, "the response came whole")
            check(least <= took_ms <= 750 + patient(100) + watch.waited * 1000, f"it went on for {took_ms:.0f} ms")


run()
