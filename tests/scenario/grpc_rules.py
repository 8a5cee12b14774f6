"""What Evenkeel does for a gRPC call, whatever carries it: refusals, deadlines, retries, silence, what is written about it."""

import itertools
import time

from harness import (RawOrigin, Stopwatch, access_rows, becomes, check, check_equal, eventually, patient, run, scenario, start_proxy)

CALL = [("Content-Type", "application/grpc"), ("TE", "trailers"), ("Connection", "TE")]
MESSAGE = b"\0\0\0\0\2hi"
CALM = {"breaker": {"enabled": False}, "health": {"eject_after": 0}, "pool": {"warm_min": 0}}


def start(s, origin, upstream=None, name="evenkeel", **settings):
    upstream = {**CALM, **(upstream or {})}
    return start_proxy(s, origin, {"workers": 1, "log": {"access": {"path": s.path("access")}},
                                   "upstreams": {"app": upstream}, **settings}, name=name)


def call(proxy, target="/pkg.Service/Method", fields=(), body=MESSAGE):
    return proxy.get(target, [*CALL, *fields], method="POST", body=body)


def outcome(response):
    """(HTTP status, grpc-status) of a response."""
    return response.status, response.get("grpc-status")


def trailers_only(connection, status, fields=()):
    return connection.respond(200, b"", [("Content-Type", "application/grpc"), ("grpc-status", status), *fields])


def failing(times, status, fields=()):
    """Fail so many calls of each target, then answer."""
    counts = {}

    def answer(connection, request):
        if next(counts.setdefault(request.target, itertools.count(1))) <= times:
            return trailers_only(connection, status, fields)
        return trailers_only(connection, 0, [("x-attempts", request.get("grpc-previous-rpc-attempts") or "none"),
                                             ("x-bytes", len(request.body))])
    return answer


def verdicts(proxy):
    return {series.split('verdict="')[1].split('"')[0]: value for series, value in proxy.metrics().items()
            if series.startswith("evenkeel_retry_verdicts_total") and value}


def calls(proxy, status):
    return proxy.metric("evenkeel_grpc_calls_total", grpc_status=status) or 0


def rows(s, count):
    def read():
        lines = access_rows(s.path("access"))
        return len(lines) >= count and lines
    return eventually(read, f"{count} access lines")


@scenario("a call that is refused is answered with an HTTP error")
def refusals(s):
    gone = s.port()
    proxy = start_proxy(s, [f"127.0.0.1:{gone}"], {
        "workers": 1, "log": {"access": {"path": s.path("access")}},
        "limits": {"body": "1KiB"},
        "upstreams": {"app": CALM},
        "routes": [{"name": "tight", "path_prefix": "/tight", "upstream": "app",
                    "key_rate": {"key": "client", "per_second": 0.001, "burst": 1.0}},
                   {"name": "app", "path_prefix": "/pkg.Service", "upstream": "app"}]})
    for _ in range(2):
        call(proxy, "/tight")
    for target, body, code, reason in (("/pkg.Service/Method", MESSAGE, "14", "connect_refused"),
                                       ("/other.Service/Method", MESSAGE, "12", "no_route"),
                                       ("/tight", MESSAGE, "8", "client_rate")):
        with s.case(f"{reason} is {code}"):
            response = call(proxy, target, body=body)
            check_equal(outcome(response), (200, code), "status")
            check_equal(response.get("Content-Type"), "application/grpc", "content type")
            check(reason in response.get("Proxy-Status"), f"Proxy-Status: {response.get('Proxy-Status')}")
            check(reason in response.get("grpc-message"), f"grpc-message: {response.get('grpc-message')}")
            check_equal(bytes(response.body), b"", "body")
    with s.case("body_too_large is 8"):
        with proxy.client() as client:
            client.send("POST /pkg.Service/Method HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n"
                        "TE: trailers\r\nConnection: TE\r\nContent-Length: 2000\r\n\r\n")
            check_equal(outcome(client.response("POST")), (200, "8"), "status")
    with s.case("without the field TE too"):
        response = proxy.get("/pkg.Service/Method", CALL[:1], method="POST", body=MESSAGE)
        check_equal(outcome(response), (200, "14"), "status")
    with s.case("what is no call gets its HTTP status"):
        for kind in ("application/grpc-web", "application/grpc-web+proto", "application/json"):
            response = proxy.get("/pkg.Service/Method", [("Content-Type", kind), *CALL[1:]], method="POST", body=MESSAGE)
            check_equal(outcome(response), (502, None), kind)
    with s.case("the access log and the metrics say the status"):
        lines = rows(s, 10)
        check_equal([(line["status"], line.get("grpc_status")) for line in lines[2:6]],
                    [(200, "unavailable"), (200, "unimplemented"), (200, "resource_exhausted"), (200, "resource_exhausted")],
                    "access lines")
        check_equal([line.get("grpc_status") for line in lines[7:10]], [None] * 3, "lines of other requests")
        becomes(lambda: calls(proxy, "unimplemented"), 1, "unimplemented calls in metrics")


@scenario("a server's status is not seen")
def statuses(s):
    origin = RawOrigin(s)

    def with_trailers(connection, _):
        return connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n0\r\ngrpc-status: 5\r\ngrpc-message: no\r\n\r\n")

    origin.on("/head", lambda connection, _: trailers_only(connection, 7))
    origin.on("/trailers", with_trailers)
    origin.on("/none", status=200, body=b"x")
    origin.on("/page", status=404, body=b"no such page")
    proxy = start(s, origin)
    for number, (target, status) in enumerate((("/head", "permission_denied"), ("/trailers", "not_found"),
                                               ("/none", "unknown"), ("/page", "unimplemented")), start=1):
        with s.case(f"{target} is {status}"):
            call(proxy, target)
            check_equal(rows(s, number)[-1]["grpc_status"], status, "in the access log")
            becomes(lambda: calls(proxy, status), 1, "in metrics")


@scenario("a call's deadline is not kept, not told or not understood")
def deadlines(s):
    ended = []

    def never(connection, _):
        connection.wait_for_end()
        ended.append(time.monotonic())
        return False

    def headed(connection, _):
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n")
        return never(connection, _)

    origin = RawOrigin(s).on("/never", never).on("/headed", headed)
    proxy = start(s, origin, trusted_peers=["10.0.0.0/8"])
    with s.case("of a client that is not trusted"):
        begun, watch = time.monotonic(), Stopwatch(proxy)
        response = call(proxy, "/never", [("grpc-timeout", "300m")])
        took_ms, waited_ms = (time.monotonic() - begun) * 1000, watch.stop().waited * 1000
        check_equal(outcome(response), (200, "4"), "status")
        check(290 <= took_ms <= 300 + patient(50) + waited_ms, f"answered after {took_ms:.0f} ms")
        eventually(lambda: len(ended) == 1, "the server is let go")
        told = origin.request_for("/never").get("grpc-timeout")
        check(told.endswith("m") and 200 <= int(told[:-1]) <= 291, f"the server was told {told}")
    with s.case("after the response's head"):
        with proxy.client() as client:
            watch = Stopwatch(proxy)
            client.send("POST /headed HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\n"
                        "Connection: TE\r\ngrpc-timeout: 300m\r\nContent-Length: 0\r\n\r\n")
            response = client.response("POST")
            check(watch.stop().took >= 0.29, f"after {watch.took:.2f} s")
            eventually(lambda: len(ended) == 2, "the server is let go")
            check_equal(dict(response.trailers).get("grpc-status"), "4", f"trailers: {response.trailers}")
    with s.case("a client that is no gRPC client is not obeyed"):
        origin.on("/plain", status=200)
        response = proxy.get("/plain", [("grpc-timeout", "1n")])
        check_equal(response.status, 200, "status")
    with s.case("malformed"):
        for value in ("soon", "5", "5s", "123456789m", "-1S", ""):
            response = call(proxy, "/malformed", [("grpc-timeout", value)])
            check_equal(outcome(response), (200, "13"), repr(value))
        check(not [r for r in origin.requests if r.target == "/malformed"], "the server got it")


@scenario("a call whose response breaks off looks complete, or has no status")
def breaks(s):
    origin = RawOrigin(s)
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"

    def cut(connection, _):
        connection.send(head)
        connection.wait_until_read()
        connection.close()
        return False

    origin.on("/cut", cut)
    proxy = start(s, origin)
    response = call(proxy, "/cut")
    check_equal((bytes(response.body), dict(response.trailers).get("grpc-status")), (b"abc", "14"), "body and status")
    check("upstream_incomplete" in dict(response.trailers).get("Proxy-Status", ""), f"trailers: {response.trailers}")
    with s.case("to a client that takes no trailers it breaks off visibly"):
        with proxy.client() as client:
            client.send("POST /cut HTTP/1.0\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\n"
                        "Connection: TE\r\nContent-Length: 0\r\n\r\n")
            client.reader.through(b"abc")
            check_equal(client.ending(), "reset", "how the connection ends")
    check_equal([line["grpc_status"] for line in rows(s, 2)], ["unavailable"] * 2, "in the access log")


@scenario("a call is not repeated where that is configured, or repeated where it is not")
def retries(s):
    origin = RawOrigin(s).on("/once", failing(1, 14)).on("/internal", failing(1, 13))
    origin.on("/wait", failing(1, 14, [("grpc-retry-pushback-ms", 400)]))
    origin.on("/stop", failing(1, 14, [("grpc-retry-pushback-ms", -1)]))
    origin.on("/odd", failing(1, 14, [("grpc-retry-pushback-ms", "soon")]))
    origin.on("/late", failing(1, 14, [("grpc-retry-pushback-ms", 60000)]))
    origin.on("/always", failing(100, 14))
    origin.on("/hop", failing(1, 14, [("Proxy-Status", "other; error=connection_refused")]))
    proxy = start(s, origin, {"retry": {"on": ["grpc:unavailable"], "backoff_base": "5ms", "backoff_max": "20ms"},
                              "timeouts": {"total": "5s"}})

    def sent(target):
        return len([r for r in origin.requests if r.target == target])

    with s.case("a status that is named"):
        response = call(proxy, "/once")
        check_equal((outcome(response), response.get("x-attempts"), response.get("x-bytes")),
                    ((200, "0"), "1", str(len(MESSAGE))), "status, previous attempts, bytes of the second attempt")
    with s.case("the client's side has tried before"):
        response = call(proxy, "/once/again", [("grpc-previous-rpc-attempts", "2")])
        check_equal(response.get("x-attempts"), "3", "previous attempts")
        response = call(proxy, "/once/again", [("grpc-previous-rpc-attempts", "2")])
        check_equal(response.get("x-attempts"), "2", "previous attempts where we do not retry")
    with s.case("a status that is not named"):
        check_equal((outcome(call(proxy, "/internal")), sent("/internal")), ((200, "13"), 1), "status and calls")
    with s.case("attempts end"):
        check_equal((outcome(call(proxy, "/always")), sent("/always")), ((200, "14"), 3), "status and calls")
    with s.case("pushback"):
        watch = Stopwatch(proxy)
        check_equal(outcome(call(proxy, "/wait")), (200, "0"), "status after the wait")
        check(watch.stop().took >= 0.4, f"repeated after {watch.took:.2f} s")
        for target in ("/stop", "/odd"):
            check_equal((outcome(call(proxy, target)), sent(target)), ((200, "14"), 1), target)
        becomes(lambda: verdicts(proxy).get("pushback"), 2, "verdicts")
        watch = Stopwatch(proxy)
        check_equal((outcome(call(proxy, "/late")), sent("/late")), ((200, "14"), 1), "beyond the deadline")
        check(watch.stop().seconds < 2, "it was waited for")
    with s.case("what another hop has decided"):
        check_equal((outcome(call(proxy, "/hop")), sent("/hop")), ((200, "14"), 1), "status and calls")
    with s.case("a call that is still being sent"):
        with proxy.client() as client:
            client.send("POST /once/stream HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\n"
                        "Connection: TE\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n" + MESSAGE.decode() + "\r\n")
            client.send("7\r\n" + MESSAGE.decode() + "\r\n0\r\n\r\n")
            response = client.response("POST")
            check_equal((outcome(response), response.get("x-bytes")), ((200, "0"), str(2 * len(MESSAGE))), "status and bytes")
    with s.case("more than is kept"):
        check_equal(outcome(call(proxy, "/once/large", body=bytes(200000))), (200, "14"), "status")
        becomes(lambda: verdicts(proxy).get("body"), 1, "verdicts")
    eventually(lambda: proxy.bound("replay_bytes")["used"] == 0, "what was kept is given back")


@scenario("failed calls are no evidence, or those that an application answers are")
def evidence(s):
    origin = RawOrigin(s).on("/internal", lambda c, _: trailers_only(c, 13)).on("/full", lambda c, _: trailers_only(c, 8))
    origin.on("/unavailable", lambda c, _: trailers_only(c, 14))
    origin.on("/hop", lambda c, _: trailers_only(c, 14, [("Proxy-Status", "other; error=connection_refused")]))
    settings = {"breaker": {"consecutive": 5, "open_min": "30s", "open_max": "30s"}}
    proxy = start(s, origin, settings)
    with s.case("answers of the application, and refusals of other hops, open nothing"):
        for target, code in (("/internal", "13"), ("/full", "8"), ("/hop", "14")):
            for _ in range(20):
                response = call(proxy, target)
                check_equal(outcome(response), (200, code), target)
    with s.case("UNAVAILABLE opens the breaker"):
        proxy = start(s, origin, settings, name="fresh")
        seen = [call(proxy, "/unavailable").get("Proxy-Status") for _ in range(10)]
        check_equal(["breaker_open" in (each or "") for each in seen], [False] * 5 + [True] * 5, "refused by the breaker")


@scenario("a silent stream is cut, or its kept payload stays")
def silence(s):
    turns = []

    def echo_late(connection):
        """Answer nothing before the second message, and the end of the request after a while."""
        connection.read_head()
        connection.reader.through(b"one")
        turns.append("one")
        connection.reader.through(b"two")
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        turns.append("two")
        connection.reader.through(b"three")
        connection.send("0\r\ngrpc-status: 0\r\n\r\n")

    origin = RawOrigin(s, serve=echo_late)
    proxy = start(s, origin, {"timeouts": {"idle": "300ms", "first_byte": "300ms"}, "retry": {"on": ["grpc:unavailable"]}},
                  listeners={"web": {"timeouts": {"body": "300ms"}}})
    with proxy.client() as client:
        client.send("POST /stream HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\n"
                    "Connection: TE\r\nTransfer-Encoding: chunked\r\n\r\n")
        with s.case("the server gets the head before the first message"):
            eventually(lambda: origin.connections, "the call arrives")
        time.sleep(0.8)  # the silence that must not end the call
        client.send("3\r\none\r\n")
        eventually(lambda: "one" in turns, "the first message arrives")
        time.sleep(0.8)  # the same before the response's head
        check(proxy.bound("replay_bytes")["used"] > 0, "nothing is kept before the head")
        client.send("3\r\ntwo\r\n")
        client.reader.through(b"hi\r\n")
        eventually(lambda: proxy.bound("replay_bytes")["used"] == 0, "what was kept is given back at the head")
        time.sleep(0.8)  # and behind it
        client.send("5\r\nthree\r\n0\r\n\r\n")
        client.reader.through(b"grpc-status: 0\r\n\r\n")
    check_equal(rows(s, 1)[0]["grpc_status"], "ok", "status in the access log")


@scenario("a server that cannot be asked for its health is taken for healthy")
def unasked(s):
    def serve(connection):
        connection.reader.through(b"SM\r\n\r\n")
        connection.send(answers[0])
        connection.wait_for_end()

    answers = [b"HTTP/1.1 400 What is PRI?\r\nContent-Length: 0\r\n\r\n"]
    proxy = start(s, RawOrigin(s, serve=serve), {"protocol": "http2", "health": {"type": "grpc", "interval": "50ms"}})

    def why():
        return proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"][0]["health"]["why"]

    with s.case("it speaks HTTP/1"):
        eventually(lambda: why() == "probes fail: the answer is not HTTP/2", "it is down")
    settings, refused = b"\0\0\0\4\0\0\0\0\0", b"\0\0\4\3\0\0\0\0\1\0\0\0\7"
    for name, frames, said in (("it refuses the stream", settings + refused, "probes fail: the answer is not HTTP/2"),
                               ("it answers with 404", settings + b"\0\0\1\1\5\0\0\0\1\x8d", "probes are answered with 404")):
        with s.case(name):
            answers[0] = frames
            eventually(lambda said=said: why() == said, said)


@scenario("a silent stream is never cut")
def grpc_idle(s):
    def serve(connection):
        connection.read_head()
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.wait_for_end()

    proxy = start(s, RawOrigin(s, serve=serve), {"timeouts": {"grpc_idle": "400ms"}})
    with proxy.client() as client:
        watch = Stopwatch(proxy)
        client.send("POST /stream HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\n"
                    "Connection: TE\r\nContent-Length: 0\r\n\r\n")
        line = rows(s, 1)[0]
        check(watch.stop().took >= 0.39, f"cut after {watch.took:.2f} s")
        check_equal((line["reason"], line["grpc_status"]), ("idle_timeout", "deadline_exceeded"), "reason and status")


run()
