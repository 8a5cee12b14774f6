"""What holds for HTTP/1 holds for HTTP/2 on both sides: who gives up, hedging, slow uploads, idle clients in the way of others."""

import contextlib
import hashlib
import threading

from harness import (Arrived, Failed, NginxOrigin, RawOrigin, Stopwatch, check, check_equal, eventually, patient,
                     reads_body, run, scenario, start_proxy)
from harness import h2_bytes as h2
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client

CLEARTEXT = {"web": {"http2": {"cleartext": True}}}
HTTP2 = {"protocol": "http2", "pool": {"warm_min": 0}}


@scenario("an origin of HTTP/2 goes on with what its client of HTTP/2 has given up")
def given_up(s):
    origin = H2Origin(s).on("/slow", reads_body(lambda stream, _: None))
    proxy = start_proxy(s, origin, {"workers": 1, "listeners": CLEARTEXT, "upstreams": {"app": HTTP2}})
    with H2Client(proxy.address) as other:
        kept = other.ask("GET", "/slow/kept")
        origin.request_for("/slow/kept")
        for name, leave in (("RST_STREAM", lambda client, stream: client.send(h2.rst_stream(stream))),
                            ("the end of the connection", lambda client, _: client.close())):
            for abort_on_close in (False, True):
                with s.case(f"{name}, abort_on_close {abort_on_close}"):
                    check(proxy.reload({"listeners": {"web": {"abort_on_close": abort_on_close}}}), "the reload was rejected")
                    with H2Client(proxy.address) as client:
                        target = f"/slow/{name.replace(' ', '-')}/{abort_on_close}"
                        stream = client.ask("GET", target)
                        request = origin.request_for(target)
                        watch = Stopwatch(proxy)
                        leave(client, stream)
                        eventually(lambda r=request: r.reset is not None, "the origin sees the end")
                        check(watch.stop().seconds < patient(0.05), f"it saw it after {watch.seconds:.3f} s")
                        check_equal(request.reset, h2.CANCEL, "code")
        check_equal(other.messages.get(kept), None, "what another client waits for")
        check_equal(origin.request_for("/slow/kept").reset, None, "its stream")
    check_equal(len(origin.connections), 1, "connections")


def answered(client, stream):
    """Whether a response comes within a second."""
    with contextlib.suppress(Failed):
        client.response(stream, 1)
        return True
    return False


@scenario("an attempt that a hedge has beaten goes on at its origin of HTTP/2")
def hedged(s):
    asked, order = set(), threading.Lock()

    def answer(stream, request):
        if not request.target.startswith("/plan"):
            stream.respond(body=b"fast")
            return
        with order:
            first = request.target not in asked
            asked.add(request.target)
        if not first:
            stream.respond(body=b"hedge")

    origins = [H2Origin(s, name).on("/", answer) for name in ("one", "two")]
    proxy = start_proxy(s, origins, {"workers": 1, "listeners": CLEARTEXT, "upstreams": {"app": {
        **HTTP2, "balance": "round_robin", "breaker": {"enabled": False}, "health": {"eject_after": 0},
        "retry": {"hedge": True, "attempts": 2, "budget": {"ratio": 1.0, "per_second": 1000.0}}}}})
    with H2Client(proxy.address) as client:
        for number in range(300):
            check_equal(client.request("GET", f"/{number}").status, 200, "status")
        beaten = 0
        for number in range(100):
            stream = client.ask("GET", f"/plan/{number}")
            if not answered(client, stream):  # what is slow by itself has spent the hedges that were earned
                client.send(h2.rst_stream(stream))
            else:
                check_equal(bytes(client.response(stream).body), b"hedge", "answer")
                seen = [request for origin in origins for request in origin.requests if request.target == f"/plan/{number}"]
                eventually(lambda both=seen: h2.CANCEL in [each.reset for each in both], "the beaten one is cancelled")
                beaten += 1
            if beaten == 3:
                break
            for again in range(60):
                client.request("GET", f"/{number}/{again}")
        check_equal(beaten, 3, "hedges that won")
    check_equal([len(origin.connections) for origin in origins], [1, 1], "connections")
    eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 0, "all places are given back")


@scenario("slow uploads over HTTP/2 hold all places while others wait")
def slow_uploads(s):
    proxy = start_proxy(s, RawOrigin(s), {
        "workers": 1, "listeners": CLEARTEXT, "upstreams": {"app": {"limits": {"in_flight": 4, "queue_wait": "10s"}}}})
    with H2Client(proxy.address, source="127.11.0.1") as client:
        slow = [client.ask("POST", "/upload", (), b"x", end=False) for _ in range(4)]
        eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 4, "all places are taken")
        with contextlib.ExitStack() as clients:
            # one of them could share the place of the greedy one in the table of addresses, by chance
            others = [clients.enter_context(contextlib.closing(proxy.client(source=f"127.{net}.0.1"))) for net in (77, 78, 79)]
            for other in others:
                other.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            statuses = [other.response().status for other in others]
            check(statuses.count(200) >= 2, f"statuses of those who wait: {statuses}")
        client.wait_for(lambda: client.messages, "one of them ends")
        ended = [stream for stream in slow if stream in client.messages]
        check(0 < len(ended) < 4, f"{len(ended)} of 4 slow uploads have ended")
        check_equal({client.head_of(stream).status for stream in ended}, {408}, "how they ended")
        for stream in set(slow) - set(ended):
            client.send_payload(stream, b"rest", end=True)
            check_equal(client.response(stream).status, 200, "status of one that goes on")


@scenario("payload that comes in tiny frames costs the proxy a write, and the origin a packet, for each")
def tiny_frames(s):
    origin, count = RawOrigin(s), 5000
    proxy = start_proxy(s, origin, {"workers": 1, "listeners": CLEARTEXT})
    with H2Client(proxy.address) as client:
        stream = client.ask("POST", "/tiny", end=False)
        payload = bytes(range(1, 251)) * (count // 250)
        client.send(b"".join(h2.data(stream, payload[at:at + 1]) for at in range(count)) + h2.data(stream, b"", True))
        arrived = Arrived(client.response(stream))
        check_equal((arrived.bytes, arrived.sha256), (count, hashlib.sha256(payload).hexdigest()), "what arrives")
    sent = len(origin.connections[-1].raw)
    check(sent < count * 2, f"{sent} bytes for a body of {count}: with the frame of each chunk")


@scenario("a new client starves while idle ones of HTTP/2 hold every descriptor")
def idle_clients_give_way(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 1, "limits": {"clients": 1000}, "listeners": CLEARTEXT,
                                    "upstreams": {"app": {"pool": {"warm_min": 0}}}}, limits=["--nofile=100:100"])
    with contextlib.ExitStack() as clients:
        idle = [clients.enter_context(H2Client(proxy.address)) for _ in range(10)]
        for client in idle:
            check_equal(client.request("GET", "/hello").status, 200, "status")
        with proxy.asleep():  # those who come one by one would find that others have been idle for long enough to go
            idle += [clients.enter_context(H2Client(proxy.address)) for _ in range(110)]
        eventually(lambda: proxy.metric("evenkeel_accept_pauses_total") > 0, "accepting pauses")
        check_equal(proxy.get("/hello").status, 200, "status of a new client")
        check(proxy.metric("evenkeel_clients_given_up_total") > 0, "no idle client was given up")
        idle[0].wait_for(lambda: idle[0].ended, "the one that has been idle longest has gone")
        check_equal((idle[0].goaways[-1][1], idle[0].ended), (h2.NO_ERROR, "eof"), "what it was told, and how it ended")


run()
