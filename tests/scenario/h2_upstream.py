#!/usr/bin/env python3
"""HTTP/2 towards upstreams: what a request becomes on a shared connection, and what an origin may do to it."""

import threading
import time

from hyperframe.frame import PingFrame

from harness import (Pace, access_rows, check, check_equal, eventually, patient, run, scaled, scenario, start_proxy)
from harness import h2_bytes as h2
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client
from harness.origin import reads_body, takes
from harness.pace import faults


def settings(**upstream):
    return {"workers": 1, "upstreams": {"app": {"protocol": "http2", **upstream}}}


def proxy_for(s, origin, name="evenkeel", workers=1, **upstream):
    return start_proxy(s, origin, {**settings(**upstream), "workers": workers}, name=name)


def figure(proxy, name):
    """Of the one endpoint, from /upstreams."""
    return proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"][0][name]


def connections(proxy):
    return figure(proxy, "connections")


def http2(proxy, name):
    return figure(proxy, "http2")[name]


# ---- what a request becomes ----


@scenario("a request or its response is not what it was on the other side of HTTP/2")
def semantics(s):
    origin = H2Origin(s)
    origin.on("/empty", status=204)
    origin.on("/same", status=304, fields=[("etag", '"a"')])
    origin.on("/long", body=b"x" * 300000)

    def with_trailers(stream, _):
        stream.head(200)
        stream.payload(b"body")
        stream.trailers([("x-sum", "17")])
    origin.on("/trailers", with_trailers)

    def interim(stream, _):
        stream.head(103, [("link", "</a.css>; rel=preload")])
        stream.respond(body=b"late")
    origin.on("/hints", interim)
    proxy = proxy_for(s, origin)
    with s.case("a GET has its pseudo-header fields, and fields in lower case"):
        response = proxy.get("/plain?a=b", fields=[("X-Thing", "1"), ("TE", "trailers"), ("Connection", "close, X-Gone"), ("X-Gone", "2")])
        check_equal(response.status, 200, "status")
        seen = origin.request_for("/plain?a=b")
        check_equal([seen.get(":method"), seen.get(":scheme"), seen.get(":authority")], ["GET", "http", "shop.example"], "pseudo")
        check_equal([seen.get("x-thing"), seen.get("x-gone"), seen.get("connection")], ["1", None, None], "fields")
        check(seen.get("x-forwarded-for") and seen.get("x-request-id"), "added fields")
    with s.case("a body arrives whole, with a length and without one"):
        body = bytes(range(256)) * 1000
        check_equal(proxy.get("/post", method="POST", body=body).status, 200, "status")
        seen = origin.request_for("/post")
        check(bytes(seen.body) == body and seen.get("content-length") == str(len(body)), f"{seen.bytes} bytes")
        with proxy.client() as client:
            client.send(b"POST /chunks HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Check: ok\r\n\r\n")
            check_equal(client.response().status, 200, "status")
        seen = origin.request_for("/chunks")
        check_equal([bytes(seen.body), seen.trailers, seen.get("content-length")], [b"abcdefg", [("x-check", "ok")], None], "chunks")
    with s.case("HEAD, 204 and 304 have no body"):
        for method, target, status in (("HEAD", "/long", 200), ("GET", "/empty", 204), ("GET", "/same", 304)):
            response = proxy.get(target, method=method)
            check_equal([response.status, bytes(response.body)], [status, b""], f"{method} {target}")
        check_equal(proxy.get("/long", method="HEAD").get("Content-Length"), "300000", "length")
    with s.case("trailers and interim responses are passed on"):
        response = proxy.get("/trailers", fields=[("TE", "trailers")])
        check_equal([bytes(response.body), response.trailers], [b"body", [("x-sum", "17")]], "trailers")
        response = proxy.get("/hints")
        check_equal([response.status, bytes(response.body), [each.status for each in response.interim]], [200, b"late", [103]], "hints")
    with s.case("a long response arrives whole, on the connection that all have shared"):
        check_equal(len(proxy.get("/long").body), 300000, "bytes")
        check(len(origin.connections) <= 2, f"{len(origin.connections)} connections for {len(origin.requests)} requests")
    with s.case("100-continue is asked for and passed on"):
        def continues(stream, _):
            stream.head(100)
            stream.respond(body=b"went on")
        origin.on("/continue", reads_body(continues))
        with proxy.client() as client:
            client.send(b"POST /continue HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            check_equal(client.interim().status, 100, "interim status")
            client.send(b"body")
            check_equal(bytes(client.response().body), b"went on", "body")
    with s.case("an upgrade is refused, and says why"):
        response = proxy.get("/ws", fields=[("Connection", "Upgrade"), ("Upgrade", "websocket")])
        check_equal(response.status, 501, "status")
        check("HTTP/1" in response.get("Proxy-Status", ""), response.get("Proxy-Status"))


# ---- an origin that ends streams ----


@scenario("an origin that allows streams and then none, or says goodbye at once, is dialled without end")
def dialled_without_end(s):
    endings = {"none": lambda connection: connection.announce({h2.MAX_CONCURRENT_STREAMS: 0}),
               "goodbye": lambda connection: connection.go_away(last=0)}
    for name, end in endings.items():
        def serve(connection, end=end):
            connection.start()
            connection.wait_for(lambda: any(type(each).__name__ == "SettingsFrame" and "ACK" in each.flags
                                            for each in connection.frames), "its settings are acknowledged")
            end(connection)
        origin = H2Origin(s, name, serve)
        with s.case(name):
            proxy = proxy_for(s, origin, name=f"proxy-{name}", pool={"warm_min": 1})
            began, before = time.monotonic(), len(origin.connections)
            eventually(lambda o=origin, n=before: len(o.connections) >= n + 6, "it is dialled again")
            took = time.monotonic() - began
            check(took > 0.1, f"6 dials within {took:.3f} s")
            check_equal(figure(proxy, "in_flight"), 0, "in flight")


@scenario("a connection that ends with its last stream is used after that, because frames were still to be sent")
def ended_with_frames_left(s):
    origin = H2Origin(s)

    @reads_body
    def early(stream, _):
        stream.send(h2.ping() + h2.headers(stream.id, h2.block([(":status", "413")]), True))
    origin.on("/early", early)
    proxy = proxy_for(s, origin, pool={"max_requests": 1})
    for _ in range(scaled(20, 200)):
        with proxy.client() as client:
            client.send(b"POST /early HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 10000\r\n\r\nx")
            check_equal(client.response().status, 413, "status")
    check(len(origin.connections) >= scaled(20, 200), "each request has a connection of its own")


@scenario("a response whose head is malformed, or cut off by its client, ends the program when the connection moves to another worker")
def moves_with_part_of_a_head(s):
    origin, part = H2Origin(s), h2.block([(":status", "200"), ("x-part", "1")])
    origin.on("/malformed", lambda stream, _: stream.send(h2.headers(stream.id, h2.block([("x-no", "status")]), True)))
    origin.on("/part", lambda stream, _: stream.send(h2.headers(stream.id, part, whole=False)))
    for name in ("malformed", "part"):
        proxy = proxy_for(s, origin, name=name, workers=4, retry={"attempts": 1}, pool={"max": 1})
        with s.case(name):
            with proxy.client() as client:
                client.send(f"GET /{name} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode())
                origin.request_for(f"/{name}")
                if name == "malformed":
                    check_equal(client.response().status, 502, "status")
                else:
                    client.reset()
            connection = origin.connections[-1]
            if name == "part":
                connection.wait_for(lambda c=connection: c.requests[-1].reset is not None, "the stream is cancelled")
                connection.send(h2.continuation(connection.requests[-1].stream, h2.block([("x-more", "1")])))
            for _ in range(scaled(40, 200)):
                check_equal(proxy.get("/").status, 200, "status")
            check(figure(proxy, "handed_over") > 0, "the connection never moved")


@scenario("a request is sent again behind a response of it, because the origin says that it refuses the stream")
def refused_late(s):
    origin = H2Origin(s)
    heads = {"head": lambda stream: stream.head(200), "hints": lambda stream: stream.head(103, [("link", "</a>")]),
             "payload": lambda stream: (stream.head(200), stream.payload(b"part"))}
    for name, begin in heads.items():
        for code in (h2.REFUSED_STREAM, h2.HTTP_1_1_REQUIRED):
            def late(stream, _, begin=begin, code=code):
                begin(stream)
                stream.reset(code)

            def leaves(stream, _, begin=begin):
                begin(stream)
                stream.connection.go_away(last=0)
            origin.on(f"/{name}/{code}", reads_body(late)).on(f"/{name}/goaway", reads_body(leaves))
    for name in heads:
        for code in (h2.REFUSED_STREAM, "goaway", h2.HTTP_1_1_REQUIRED):
            proxy = proxy_for(s, origin, name=f"{name}-{code}")
            with s.case(f"{name}, then {code}"):
                response = proxy.get(f"/{name}/{code}", method="POST", body=b"once")
                check(not response.complete or response.status == 502, f"{response!r}")
                seen = [each.target for each in origin.requests]
                check_equal(seen.count(f"/{name}/{code}"), 1, "times that it was sent")


@scenario("a stream that the origin ends is a success that was none, or a failure that was none")
def resets(s):
    origin = H2Origin(s)
    origin.on("/before", lambda stream, _: stream.reset(h2.INTERNAL_ERROR))

    def after(stream, _):
        stream.head(200, [("content-length", "10")])
        stream.payload(b"half")
        stream.reset(h2.INTERNAL_ERROR)

    @reads_body
    def early(stream, _):
        stream.respond(413, b"enough")
        stream.reset(h2.NO_ERROR)

    def invalid(stream, _):
        stream.head(200, [("Connection", "close")], end=True)
    origin.on("/after", after).on("/early", early).on("/invalid", invalid)
    proxy = proxy_for(s, origin, retry={"attempts": 1})
    with s.case("before the head it is 502, and says which code"):
        response = proxy.get("/before")
        check_equal(response.status, 502, "status")
        check("INTERNAL_ERROR" in response.get("Proxy-Status"), response.get("Proxy-Status"))
    with s.case("after the head the response breaks off"):
        response = proxy.get("/after")
        check(not response.complete and response.body == b"half", f"{response!r}")
    with s.case("NO_ERROR after a whole response ends the upload, and is a success"):
        with proxy.client() as client:
            client.send(b"POST /early HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 1000)
            response = client.response()
            check_equal([response.status, bytes(response.body)], [413, b"enough"], "response")
    with s.case("a malformed response is 502 and never passed on"):
        check_equal(proxy.get("/invalid").status, 502, "status")
    with s.case("none of this was the end of a connection"):
        check_equal(proxy.get("/fine").status, 200, "status")
        check_equal(sum(connections(proxy)["closed"].values()), 0, "closed connections")


@scenario("an origin that flushes with DATA that has no payload is cut off, with all its streams")
def flushes(s):
    def flush(stream, request):
        stream.head(200)
        last = b"ok" if request.target == "/payload" else b""
        stream.send(h2.data(stream.id, b"", False) * 3 + h2.data(stream.id, last, True))
    origin = H2Origin(s).on("/", flush)
    proxy = proxy_for(s, origin, pool={"warm_min": 0})
    with proxy.client() as client:
        for target in ("/payload", "/empty") * 60:
            check_equal(client.request("GET", target).status, 200, "status")
    check_equal([each.goaways for each in origin.connections], [[]], "what the connections were told")


@scenario("what an origin pushes is taken for a response")
def pushes(s):
    origin = H2Origin(s)

    def push(stream, _):
        stream.send(h2.push_promise(stream.id, 2, h2.block(h2.request_fields(path="/pushed"))))
        stream.respond(body=b"asked for")
    origin.on("/push", push).on("/", body=b"ok")
    proxy = proxy_for(s, origin, retry={"attempts": 1})
    check(proxy.get("/push", method="POST").status in (200, 502), "status")
    eventually(lambda: any(each.goaways for each in origin.connections), "the origin sees GOAWAY")
    check_equal(next(each.goaways for each in origin.connections if each.goaways)[0][1], h2.PROTOCOL_ERROR, "code")
    check_equal(bytes(proxy.get("/next").body), b"ok", "the next one")


@scenario("a client that goes away leaves its stream running at the origin")
def cancelled(s):
    origin = H2Origin(s)
    origin.on("/slow", reads_body(lambda stream, _: None))
    proxy = proxy_for(s, origin)
    for number in range(20):
        client = proxy.client()
        client.send(f"GET /slow/{number} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode())
        seen = origin.request_for(f"/slow/{number}")
        client.reset()
        at = time.monotonic()
        eventually(lambda request=seen: request.reset is not None, "the origin sees RST_STREAM")
        s.note(f"RST_STREAM after {(time.monotonic() - at) * 1000:.0f} ms")
        check_equal(seen.reset, h2.CANCEL, "code")
    check_equal(len([each for each in origin.connections if each.ended]), 0, "connections that ended")


# ---- an origin that refuses what it has not processed ----


class Posts:
    """POST requests from several clients, each on a kept connection; no answer but 200 is expected."""

    def __init__(self, proxy, clients):
        self._proxy, self.wrong, self.done, self._stop = proxy, [], 0, False
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        with self._proxy.client() as client:
            while not self._stop:
                response = client.request("POST", "/post", body=b"payload")
                with self._lock:
                    self.done += 1
                    if response.status != 200:
                        self.wrong.append(response.get("Proxy-Status") or response.start_line)

    def go_on(self, count):
        goal = self.done + count
        eventually(lambda: self.done >= goal, f"{count} more are answered", 120 + count / 100)

    def end(self):
        self._stop = True
        for thread in self._threads:
            thread.join(30)
        check_equal(self.wrong[:5], [], f"of {self.done} answers those that are wrong")


@scenario("a request fails although the origin has said that it has not processed it", within=scaled(60, 1500))
def refusals(s):
    kinds = {}
    lock = threading.Lock()

    def goes_away(stream, request):
        connection = stream.connection
        with lock:
            last = kinds.get(connection)
            if last is None and len(connection.requests) >= 50:
                last = kinds[connection] = request.stream
                connection.go_away(last)
        if last is None or request.stream <= last:
            stream.respond(body=b"ok")

    with s.case("GOAWAY that refuses a POST with a body that is still arriving"):
        origin, first = H2Origin(s, "early"), []

        @reads_body
        def refuses_first(stream, request):
            if not first:
                first.append(stream.connection)
                stream.connection.go_away(0)
            else:
                eventually(lambda: request.complete, "the whole body")
                stream.respond(body=b"%d" % request.bytes)
        origin.on("/", refuses_first)
        proxy = proxy_for(s, origin, "evenkeel-early")
        with proxy.client() as client:
            client.send(b"POST /x HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 20000\r\n\r\n" + b"x" * 10000)
            eventually(lambda: len(origin.requests) == 2, "it is sent again")
            client.send(b"x" * 10000)
            response = client.response()
            check_equal([response.status, bytes(response.body)], [200, b"20000"], "response")

    with s.case("several connections refuse a request one after the other; the next serves it"):
        origin = H2Origin(s, "twice")

        def refuses_four(stream, _):
            if len(origin.requests) <= 4:
                stream.connection.go_away(0)
            else:
                stream.respond(body=b"ok")
        origin.on("/", refuses_four)
        proxy = proxy_for(s, origin, "evenkeel-twice")
        check_equal(proxy.get("/post", method="POST", body=b"x").status, 200, "status")
        check_equal(len(origin.requests), 5, "requests of the origin")
    with s.case("an origin that refuses everything is not asked for ever"):
        origin = H2Origin(s, "never")
        origin.on("/", lambda stream, _: stream.reset(h2.REFUSED_STREAM))
        proxy = proxy_for(s, origin, "evenkeel-never")
        check_equal(proxy.get("/post", method="POST", body=b"x").status, 502, "status")
        check(2 <= len(origin.requests) <= 10, f"the origin was asked {len(origin.requests)} times")

    count = [0]

    def refuses(stream, _):
        with lock:
            count[0] += 1
            refused = count[0] % 40 == 0
        if refused:
            stream.reset(h2.REFUSED_STREAM)
        else:
            stream.respond(body=b"ok")
    for name, answer in (("GOAWAY after 50 requests", goes_away), ("REFUSED_STREAM for each 40th", refuses)):
        with s.case(f"{name}: POST is sent again, and no client sees it"):
            origin = H2Origin(s, name.split()[0].lower())
            origin.on("/", answer)
            proxy = proxy_for(s, origin, f"evenkeel-{origin.name}")
            load = Posts(proxy, 16)
            load.go_on(scaled(3000, 100000))
            load.end()
            s.note(f"{name}: {len(origin.connections)} connections, {proxy.metric('evenkeel_redials_total')} redials")


class Counted:
    """How many requests are at the origin at a time. Each is kept until `wanted` have been there at once, however slow
    anything is, and for a moment in which one too many would come."""

    def __init__(self, wanted):
        self._wanted, self._most, self._running = wanted, 0, 0
        self._change = threading.Condition()

    def expect(self, wanted):
        """From now on."""
        with self._change:
            self._wanted, self._most = wanted, 0

    def answer(self):
        @reads_body
        def counted(stream, _):
            with self._change:
                self._running += 1
                self._most = max(self._most, self._running)
                self._change.notify_all()
                self._change.wait_for(lambda: self._most >= self._wanted, patient(20))
            time.sleep(0.005)  # in which one too many would come
            with self._change:
                self._running -= 1
            stream.respond(body=b"ok")
        return counted

    def check(self):
        with self._change:
            check_equal(self._most, self._wanted, "streams at a time")


@scenario("a limit of streams that changes is not kept, or stops what may go on")
def limits(s):
    most = Counted(8)
    origin = H2Origin(s, settings={h2.MAX_CONCURRENT_STREAMS: 8})
    origin.on("/", most.answer())
    proxy = proxy_for(s, origin, pool={"max": 1, "warm_min": 1}, limits={"queue_wait": "20s", "queue_target": "10s"})
    load = Posts(proxy, 16)
    with s.case("so many streams and no more at a time"):
        load.go_on(100)
        most.check()
    for limit in (1, 4):
        with s.case(f"changed to {limit} in flight"):
            origin.connections[0].announce({h2.MAX_CONCURRENT_STREAMS: limit})
            load.go_on(30)
            most.expect(limit)
            load.go_on(30)
            most.check()
    load.end()
    with s.case("pool.streams is kept where the origin allows more"):
        few = proxy_for(s, origin, "evenkeel-few", pool={"max": 1, "streams": 2}, limits={"queue_wait": "20s", "queue_target": "10s"})
        most.expect(2)
        load = Posts(few, 8)
        load.go_on(30)
        most.check()
        load.end()
    with s.case("0 is waited for"):
        def serve(connection):
            connection.send(h2.settings({h2.MAX_CONCURRENT_STREAMS: 0}))
            time.sleep(0.3)  # how long it takes no streams
            connection.announce({h2.MAX_CONCURRENT_STREAMS: 10})
        late = H2Origin(s, "late", serve=serve)
        late.on("/", status=200, body=b"ok")
        proxy = proxy_for(s, late, "evenkeel-late", pool={"warm_min": 0})
        check_equal(proxy.get("/first").status, 200, "status")


@scenario("a burst at a cold endpoint dials a connection for each request")
def burst(s):
    def slowly(connection):
        connection.automatic = False
        time.sleep(1.0)  # how long it takes to be there, in which the whole burst comes
        connection.send(h2.settings({h2.MAX_CONCURRENT_STREAMS: 100}) + h2.settings(ack=True))
        connection.automatic = True
    origin = H2Origin(s, serve=slowly)
    origin.on("/", reads_body(takes(0.2, status=200, body=b"ok")))
    proxy = proxy_for(s, origin, pool={"warm_min": 0}, limits={"queue": 1000})
    gate = threading.Barrier(201)
    wrong = []

    def ask():
        clients = [proxy.client() for _ in range(5)]
        gate.wait()
        for client in clients:
            client.send(b"GET /x HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        for client in clients:
            response = client.response()
            if response.status != 200:
                wrong.append(response.get("Proxy-Status"))
            client.close()
    threads = [threading.Thread(target=ask) for _ in range(200)]
    for thread in threads:
        thread.start()
    gate.wait()
    for thread in threads:
        thread.join()
    check_equal(wrong, [], "wrong answers")
    check(figure(proxy, "dials") <= 11, f"{figure(proxy, 'dials')} dials for 1000 requests of which a connection carries 100")


# ---- connections that die ----


def in_one_piece(stream, _):
    """So that a connection breaks before a response or behind it, not within."""
    stream.send(h2.headers(stream.id, h2.block([(":status", "200")])) + h2.data(stream.id, b"ok", True))


@scenario("a connection that breaks costs a client an error where the request may be sent again")
def broken(s):
    origin = H2Origin(s)
    origin.on("/", in_one_piece)
    # On a slow machine all clients have a request in flight whenever a connection breaks.
    plenty = settings(retry={"budget": {"ratio": 1.0, "per_second": 100.0}})
    proxy = start_proxy(s, origin, {**plenty, "workers": 2, "log": {"access": {"path": s.path("access")}}})
    load = Pace(proxy.address, 200, 20)
    for _ in range(scaled(5, 40)):
        load.go_on(100)
        for connection in origin.open_connections():
            connection.reset()
    load.go_on(100)
    wrong = faults(load.end())
    check_equal(wrong[:5], [], f"faults; {[row for row in access_rows(s.path('access')) if row['status'] != 200 or row['reason'] != 'complete'][:5]}")


def mute_origin(s):
    """It says nothing but its SETTINGS."""
    def serve(connection):
        connection.automatic = False
        connection.send(h2.settings({}))

    return H2Origin(s, "mute", serve=serve).on("/", lambda stream, _: None)


@scenario("an origin that is silent holds its streams for ever")
def silent(s):
    origin = H2Origin(s)
    origin.on("/", body=b"ok").on("/never", lambda stream, _: None)
    proxy = proxy_for(s, origin, pool={"ping": "200ms", "warm_min": 1}, retry={"attempts": 1})

    def pings():
        return sum(isinstance(frame, PingFrame) and "ACK" not in frame.flags
                   for each in origin.connections for frame in each.frames)

    with s.case("one that answers PING keeps them, and is asked again only for new ones, twice"):
        clients = []
        for number in (1, 2, 3, 4):
            clients.append(proxy.client())
            clients[-1].send(b"GET /never HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == number, "the request is sent")
            eventually(lambda: pings() == min(number, 3), "it is asked")
            time.sleep(0.5)  # longer than until it would be asked again: nothing tells that it is not
            check_equal(pings(), min(number, 3), f"PINGs with {number} streams that wait")
        check_equal(http2(proxy, "pings_failed"), 0, "pings failed")
    with s.case("something of a stream is heard: it may be asked again"):
        check_equal(proxy.get("/").status, 200, "status")
        eventually(lambda: pings() == 4, "it is asked")
        for client in clients:
            client.reset()
    with s.case("one that does not is dead within twice pool.ping"):
        proxy = proxy_for(s, mute_origin(s), "evenkeel-mute", pool={"ping": "200ms", "warm_min": 0}, retry={"attempts": 1})
        at = time.monotonic()
        response = proxy.get("/x")
        check_equal(response.status, 502, "status")
        check(time.monotonic() - at < 5, "it took long")
        check_equal(http2(proxy, "pings_failed"), 1, "pings failed")


@scenario("a server that hangs under traffic is not asked, since each new stream puts that off")
def hangs_under_traffic(s):
    proxy = proxy_for(s, mute_origin(s), pool={"ping": "1s", "warm_min": 0}, retry={"attempts": 1})
    clients, last = [], 0

    def failed():
        nonlocal last
        if time.monotonic() - last > 0.2:  # new streams come more often than it is asked
            last = time.monotonic()
            clients.append(proxy.client())
            clients[-1].send(b"GET /x HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        return http2(proxy, "pings_failed")

    eventually(failed, "it is asked, and does not answer", 10)
    for client in clients:
        client.close()


@scenario("frames behind the last answer of a connection that is retired end the program")
def behind_the_last(s):
    def answer(stream, _):
        block = stream.connection.encoder.encode([(":status", "204")])
        stream.send(h2.headers(stream.id, block, True) + h2.ping() * 3)
    origin = H2Origin(s).on("/", answer)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"protocol": "http2", "pool": {"max_requests": 1, "warm_min": 0}}}})
    for number in range(20):
        check_equal(proxy.get(f"/{number}").status, 204, f"answer {number}")
    check_equal(len(origin.connections), 20, "connections, each for one request")


@scenario("a request over HTTP/2 on both sides takes turns of the worker in which nothing happens")
def empty_passes(s):
    origin = H2Origin(s).on("/", in_one_piece)
    proxy = start_proxy(s, origin, {**settings(), "listeners": {"web": {"http2": {"cleartext": True}}}})
    count = 400
    with H2Client(proxy.address, automatic=False) as client:
        client.request("GET", "/first")
        before = proxy.metric("evenkeel_loop_passes_total")
        for number in range(count):
            check_equal(client.request("GET", f"/{number}").status, 200, f"answer {number}")
        passes = proxy.metric("evenkeel_loop_passes_total") - before
    check(passes < 2.5 * count, f"{passes} passes for {count} requests: one for each request, one for each answer, and a few for timers")


if __name__ == "__main__":
    run()
