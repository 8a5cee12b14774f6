"""Tracing: what is sampled gets a tree of spans, and the next hop is told of it."""

import threading

from harness import Arrived, RawOrigin, check, check_equal, eventually, run, scenario
from harness.h2_wire import H2Client
from harness.otlp import PARENT, Collector, exports, losses, parented, trace_of, traced

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def told(arrived):
    """(trace, span, flags) of the traceparent that the origin got."""
    value, = arrived.all("traceparent")
    version, trace, span, flags = value.split("-")
    check_equal(version, "00", "version of traceparent")
    return trace, span, flags


@scenario("a request has no span, or one that says what was not")
def trees(s):
    origin, collector = RawOrigin(s), Collector(s)
    proxy = traced(s, origin, collector, tracing={"service_name": 'shop "edge" \u20ac'},
                   listeners={"web": {"http2": {"cleartext": True}}})
    with s.case("a trace that begins here"):
        arrived = Arrived(proxy.get("/cart?secret=1", [("User-Agent", 'odd "agent" \\ \xff\x80 \t')]))
        trace, span, flags = told(arrived)
        server, (client,) = collector.trace(trace, 2)
        check_equal((flags, span, server.parent), ("01", client.id, None), "flags and parents")
        check_equal(arrived.all("X-Request-Id"), [server["evenkeel.request_id"]], "id of the request")
        check_equal(server.name, "GET all", "name")
        for key, value in {"http.request.method": "GET", "url.path": "/cart", "url.query": None, "url.scheme": "http",
                           "http.route": "all",
                           "http.response.status_code": 200, "server.address": "shop.example",
                           "client.address": "127.0.0.1",
                           "network.protocol.version": "1.1", "error.type": None, "evenkeel.reason": "complete",
                           "evenkeel.attempts": 1,
                           "user_agent.original": 'odd "agent" \\ \xff\x80'}.items():
            check_equal(server[key], value, key)
        for key, value in {"http.request.method": "GET", "server.address": "127.0.0.1", "server.port": origin.port,
                           "evenkeel.upstream": "app",
                           "evenkeel.endpoint": origin.address, "http.response.status_code": 200,
                           "http.request.resend_count": None,
                           "evenkeel.outcome": "answered", "error.type": None,
                           "network.protocol.version": "1.1"}.items():
            check_equal(client[key], value, key)
        check_equal((server.status, client.status), (0, 0), "statuses")
        check_equal(collector.resource["service.name"], 'shop "edge" \u20ac', "service.name")
    with s.case("a trace that goes on"):
        arrived = Arrived(proxy.get("/", parented(1) + [("tracestate", "a=1,b=2")]))
        server, (client,) = collector.trace(trace_of(1), 2)
        check_equal((server.parent, server.state, told(arrived)), (PARENT, "a=1,b=2", (trace_of(1), client.id, "01")),
                    "parents")
        check_equal(arrived.all("tracestate"), ["a=1,b=2"], "tracestate")
    with s.case("a traceparent that is none, and its tracestate"):
        for wrong in ("00-" + "0" * 32 + f"-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", f"00-{TRACE.upper()}-{PARENT}-01",
                      "01"):
            arrived = Arrived(proxy.get("/", [("traceparent", wrong), ("tracestate", "a=1")]))
            server, _ = collector.trace(told(arrived)[0], 2)
            check_equal((server.parent, server.state, arrived.all("tracestate")), (None, None, []), wrong)
    with s.case("a later version of traceparent"):
        arrived = Arrived(proxy.get("/", [("traceparent", f"cc-{trace_of(2)}-{PARENT}-01-more")]))
        server, (client,) = collector.trace(trace_of(2), 2)
        check_equal((server.parent, told(arrived)), (PARENT, (trace_of(2), client.id, "01")), "parents")
    with s.case("somebody trusted has decided against it"):
        arrived = Arrived(proxy.get("/", parented(3, "02")))
        check_equal(told(arrived), (trace_of(3), PARENT, "02"), "what the origin is told")
    with s.case("an HTTP/2 client"), H2Client(proxy.address) as client:
        check_equal(client.request(method="POST", path="/h2", fields=parented(4), body=b"x" * 100).status, 200,
                    "status")
        server, (attempt,) = collector.trace(trace_of(4), 2)
        check_equal([server[key] for key in ("network.protocol.version", "http.request.body.size", "server.address",
                                             "http.request.method")],
                    ["2", 100, "shop.example", "POST"], "attributes")
        check_equal(attempt["network.protocol.version"], "1.1", "version of the attempt")
    with s.case("an odd method, a long path, a status of the origin"):
        origin.on("/gone", status=500, body=b"no")
        proxy.get("/gone/" + "x" * 4000, parented(5), method="BREW")
        server, (attempt,) = collector.trace(trace_of(5), 2)
        check_equal((server["http.request.method"], server["http.request.method_original"], server.name),
                    ("_OTHER", "BREW", "HTTP all"), "method")
        check_equal((len(server["url.path"]), server["error.type"], server.status), (1024, "500", 2), "path and error")
        check_equal((attempt["evenkeel.outcome"], attempt["error.type"], attempt.status), ("answered", "500", 2),
                    "the attempt")
    with s.case("there is no route"):
        check(proxy.reload({"routes": [{"name": "api", "path_prefix": "/api/", "upstream": "app"}]}),
              "the reload is taken")
        check_equal(proxy.get("/other", parented(6)).status, 404, "status")
        server, _ = collector.trace(trace_of(6), 1)
        check_equal((server["evenkeel.reason"], server["http.route"], server.name, server.status, server["error.type"]),
                    ("no_route", None, "GET", 0, "no_route"), "the span")
    check(not any(span.trace == trace_of(3) for span in collector.spans),
          "a request was traced against the word of its sender")
    check_equal(losses(proxy), {"queue_full": 0, "collector_failed": 0, "collector_refused": 0, "end": 0}, "losses")
    proxy.stop()


@scenario("attempts are missing in a trace, or do not say what became of them")
def attempts(s):
    collector = Collector(s)
    first, second = RawOrigin(s, "first"), RawOrigin(s, "second")
    gate, begun = threading.Event(), threading.Event()
    for origin in (first, second):
        origin.on("/fails", status=503, body=b"no")
        origin.on("/resets", lambda connection, _: connection.reset() or False)
        origin.on("/waits", lambda connection, _: begun.set() or gate.wait(30) and connection.respond(200, b"late"))
    proxy = traced(s, [first, second], collector, upstreams={"app": {
        "breaker": {"enabled": False}, "health": {"eject_after": 0}, "pool": {"warm_min": 0},
        "limits": {"in_flight": 1, "queue_wait": "20s"},
        "retry": {"attempts": 3, "on": ["connect_failure", "reset", "503"], "backoff_base": "5ms", "backoff_max": "5ms",
                  "budget": {"ratio": 1.0, "per_second": 1000.0}}}})
    with s.case("retried after resets, and failed"):
        check_equal(proxy.get("/resets", parented(2)).status, 502, "status")
        server, tries = collector.trace(trace_of(2), 4)
        check_equal({(t["evenkeel.outcome"], t["error.type"], t["http.response.status_code"], t.status) for t in tries},
                    {("failed", "upstream_reset", None, 2)}, "attempts")
        check_equal((server["http.response.status_code"], server["error.type"], server.status),
                    (502, "upstream_reset", 2), "the request")
    with s.case("retried after a status"):
        check_equal(proxy.get("/fails", parented(1)).status, 503, "status")
        server, tries = collector.trace(trace_of(1), 4)
        check_equal([(t["http.request.resend_count"], t["http.response.status_code"], t["error.type"],
                      t["evenkeel.outcome"], t.status) for t in tries],
                    [(None, 503, "503", "answered", 2), (1, 503, "503", "answered", 2),
                     (2, 503, "503", "answered", 2)], "attempts")
        check_equal((server["error.type"], server.status, server["evenkeel.attempts"]), ("503", 2, 3), "the request")
        check(all(t["evenkeel.connect_ms"] is not None or t["evenkeel.reused"] for t in tries),
              f"how they were connected: {tries}")
        parents = [request.get("traceparent") for origin in (first, second) for request in origin.requests
                   if request.target == "/fails"]
        check_equal(sorted(parents), sorted(f"00-{trace_of(1)}-{t.id}-01" for t in tries), "what the origins were told")
    with s.case("queued"):
        waiting = [threading.Thread(target=proxy.get, args=["/waits", parented(number)]) for number in (3, 4)]
        waiting[0].start()
        check(begun.wait(20), "the first request is at its origin")
        waiting[1].start()
        eventually(lambda: proxy.bound("upstream_queued")["used"] == 1, "the second one waits")
        gate.set()
        for thread in waiting:
            thread.join()
        server, (attempt,) = collector.trace(trace_of(4), 2)
        check(attempt["evenkeel.queue_ms"] is not None and server["evenkeel.queue_ms"] == attempt["evenkeel.queue_ms"],
              f"no wait: {server} {attempt}")
        check_equal(collector.trace(trace_of(3), 2)[1][0]["evenkeel.queue_ms"], None, "wait of the first")
    with s.case("the client leaves"):
        gate.clear()
        begun.clear()
        with proxy.client() as client:
            client.send(f"GET /waits HTTP/1.1\r\nHost: h\r\ntraceparent: 00-{trace_of(5)}-{PARENT}-01\r\n\r\n")
            check(begun.wait(20), "the request is at its origin")
            client.reset()
        server, (attempt,) = collector.trace(trace_of(5), 2)
        gate.set()
        check_equal((server["evenkeel.reason"], server["http.response.status_code"], server.status,
                     server["error.type"]),
                    ("client_abort", None, 0, "client_abort"), "the request")
        check_equal((attempt["evenkeel.outcome"], attempt["error.type"], attempt.status), ("cancelled", None, 0),
                    "the attempt")
    proxy.stop()


@scenario("an attempt that got no connection is missing in a trace")
def refused(s):
    origin, collector = RawOrigin(s), Collector(s)
    proxy = traced(s, [f"127.0.0.1:{s.port()}", origin], collector,
                   upstreams={"app": {"balance": "round_robin", "breaker": {"enabled": False},
                                      "pool": {"warm_min": 0}}})
    for number in (1, 2):
        check_equal(proxy.get("/", parented(number)).status, 200, "status")
    eventually(lambda: sum(span.kind == "SERVER" for span in collector.spans) == 2, "both requests")
    number = next(int(span.trace, 16) for span in collector.spans if span["evenkeel.attempts"] == 2)
    _, tries = collector.trace(trace_of(number), 3)
    check_equal([(t["evenkeel.outcome"], t["error.type"], t["http.request.resend_count"]) for t in tries],
                [("failed", "connect_refused", None), ("answered", None, 1)], "attempts")


@scenario("the attempts of a hedged request, or what asks whether a request is allowed, are missing in a trace")
def inner(s):
    collector, gate = Collector(s), threading.Event()
    origins = [RawOrigin(s, name) for name in ("first", "second")]
    asked = []

    def slow_once(connection, _):
        asked.append(connection)
        return gate.wait(30) and False if len(asked) == 1 else connection.respond(200, b"fast")
    for origin in origins:
        origin.on("/", status=200, body=b"ok").on("/slow", slow_once)
    guard = RawOrigin(s, "guard").on("/verify", status=200)
    proxy = traced(s, origins, collector, tracing={"sample": 0.0}, upstreams={
        "app": {"balance": "round_robin", "breaker": {"enabled": False}, "health": {"eject_after": 0},
                "retry": {"hedge": True}},
        "calm": {"endpoints": [origins[0].address]}, "guard": {"endpoints": [guard.address]}},
        routes=[{"name": "guarded", "path": "/guarded", "upstream": "calm",
                 "auth": {"forward": {"upstream": "guard", "path": "/verify"}}},
                {"name": "all", "upstream": "app"}])
    with proxy.client() as client:  # what most answers take has to be known, and hedges to be earned
        for number in range(500):
            check_equal(client.request("GET", f"/{number}").status, 200, "status")
    with s.case("hedged"):
        check_equal(proxy.get("/slow", parented(1)).status, 200, "status")
        gate.set()
        server, tries = collector.trace(trace_of(1), 3)
        check_equal([(t["evenkeel.outcome"], t["evenkeel.role"], t["error.type"]) for t in tries],
                    [("cancelled", None, None), ("answered", "hedge", None)], "attempts")
        check_equal(server["evenkeel.attempts"], 2, "attempts that were counted")
        parents = [request.get("traceparent") for origin in origins for request in origin.requests
                   if request.target == "/slow"]
        check_equal(sorted(parents), sorted(f"00-{trace_of(1)}-{t.id}-01" for t in tries), "what the origins were told")
    with s.case("a side request"):
        check_equal(proxy.get("/guarded", parented(2)).status, 200, "status")
        _, tries = collector.trace(trace_of(2), 3)
        check_equal([(t["evenkeel.upstream"], t["evenkeel.role"]) for t in tries], [("guard", "side"), ("calm", None)],
                    "attempts")
        check_equal(guard.requests[-1].get("traceparent"), f"00-{trace_of(2)}-{tries[0].id}-01", "what it was told")
    check_equal({int(span.trace, 16) for span in collector.spans}, {1, 2}, "traces that there are")


@scenario("the wrong requests are traced")
def sampled(s):
    origin, collector = RawOrigin(s), Collector(s)
    proxy = traced(s, origin, collector, tracing={"sample": 0.0}, trusted_peers=["192.0.2.1/32"])

    def ask(fields=()):
        return told(Arrived(proxy.get("/", fields)))
    with s.case("nobody is believed"):
        check_equal(ask(parented(1)), (trace_of(1), PARENT, "01"), "what the origin is told")
        check_equal(ask()[2], "00", "flags of a trace that begins here")
    with s.case("anybody is believed"):
        check(proxy.reload({"tracing": {"parent": "any"}}), "the reload is taken")
        check_equal((ask(parented(2))[1] == PARENT, ask(parented(3, "00"))[1] == PARENT), (False, True),
                    "whether they go on as they came")
        collector.trace(trace_of(2), 2)
    with s.case("all are traced, whatever they say"):
        check(proxy.reload({"tracing": {"parent": "none", "sample": 1.0}}), "the reload is taken")
        check_equal(ask(parented(4, "00"))[2], "01", "flags")
        collector.trace(trace_of(4), 2)
    with s.case("a share is traced"):
        check(proxy.reload({"tracing": {"sample": 0.5}}), "the reload is taken")
        with proxy.client() as client:
            flags = [told(Arrived(client.request("GET", "/")))[2] for _ in range(200)]
        check(60 < flags.count("01") < 140, f"{flags.count('01')} of 200")
    with s.case("nothing is traced any more"):
        check(proxy.reload({"tracing": {"endpoint": ""}}), "the reload is taken")
        check_equal(ask()[2], "01", "flags of a trace that others may sample")
        before = exports(proxy), losses(proxy)
        check_equal(told(Arrived(proxy.get("/", parented(9)))), (trace_of(9), PARENT, "01"), "what the origin is told")
        check_equal((exports(proxy), losses(proxy)), before,
                    "what the collector was asked, and spans that were dropped")
    check(not {1, 3, 9} & {int(span.trace, 16) for span in collector.spans}, "the wrong ones were traced")
    collector.judge()


run()
