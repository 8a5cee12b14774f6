#!/usr/bin/env python3
"""A client that ends its sending behind a whole request still reads: it gets its answer. Only a reset says that it left."""

import contextlib
import socket
import ssl
import threading
import time

from harness import (Authority, Interrupted, RawOrigin, check, check_equal, eventually, patient, promptly, reads_body, run,
                     scenario, start_proxy)

ASK = "GET {} HTTP/1.1\r\nHost: h\r\n\r\n"
UPGRADE = "GET {} HTTP/1.1\r\nHost: h\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
ROUNDS = 10


def holding(s):
    """An origin that answers /hold... only once the event is set, and everything else at once."""
    origin, release = RawOrigin(s), threading.Event()
    origin.on("/hold", lambda connection, request: release.wait(patient(20)) and connection.respond(
        200, request.target.encode()))
    origin.on("/", lambda connection, request: connection.respond(200, request.target.encode() + bytes(request.body)))
    return origin, release


def end_seen(proxy, client):
    """The client ends its sending, and the only worker has seen that."""
    client.finish_sending()
    check_equal(proxy.get("/behind").status, 200, "status of what came behind it")


def expect_last(client, body):
    """The answer, and the end."""
    response = client.response()
    check_equal((response.status, bytes(response.body)), (200, body), "answer")
    client.expect_closed()
    return response


def cancelled(origin, target):
    """Whether the origin's connection with this request has ended."""
    used = next((c for c in origin.connections if any(r.target == target for r in c.requests)), None)
    return used and (used.ended or not used.established())


@scenario("a client that has ended its sending gets no answer")
def answered(s):
    origin, release = holding(s)
    large = b"x" * (8 << 20)
    origin.on("/large", status=200, body=large)
    proxy = start_proxy(s, origin, {"workers": 1})
    with s.case(f"the end comes with the request, {ROUNDS} of {ROUNDS}"):
        for number in range(ROUNDS):
            with proxy.client() as client:
                with proxy.asleep():
                    client.send(ASK.format(f"/{number}"))
                    client.finish_sending()
                check(expect_last(client, f"/{number}".encode()).closes, "the answer does not announce the close")
    with s.case(f"the end comes soon after the request, {ROUNDS} of {ROUNDS}"):
        for number in range(ROUNDS):
            with proxy.client() as client:
                client.send(ASK.format(f"/{number}"))
                client.finish_sending()
                expect_last(client, f"/{number}".encode())
    with s.case(f"the end comes while the origin thinks, {ROUNDS} of {ROUNDS}"):
        for number in range(ROUNDS):
            release.clear()
            with proxy.client() as client:
                client.send(ASK.format(f"/hold/{number}"))
                origin.request_for(f"/hold/{number}")
                end_seen(proxy, client)
                release.set()
                check(expect_last(client, f"/hold/{number}".encode()).closes, "the answer does not announce the close")
    for name, body in (("a length", "Content-Length: 5\r\n\r\n-body"),
                       ("chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\n-body\r\n0\r\n\r\n")):
        with s.case(f"behind a body with {name}"):
            for cut in (0, 3):
                with proxy.client() as client:
                    request = f"POST /{cut} HTTP/1.1\r\nHost: h\r\n{body}"
                    client.send(request[:len(request) - cut])
                    client.wait_until_read()
                    client.send(request[len(request) - cut:])
                    client.finish_sending()
                    expect_last(client, f"/{cut}-body".encode())
    with s.case("a large answer, that the client does not take at once"):
        with proxy.client(receive_buffer=4096) as client:
            client.send(ASK.format("/large"))
            client.finish_sending()
            expect_last(client, large)
    with s.case("every one of the requests sent before the end"):
        with proxy.client() as client:
            client.send("".join(ASK.format(f"/{number}") for number in range(5)))
            client.finish_sending()
            for number in range(4):
                response = client.response()
                check_equal((bytes(response.body), response.closes), (f"/{number}".encode(), False), "answer")
            expect_last(client, b"/4")
    with s.case("a refusal"):
        with proxy.client() as client:
            client.send("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n")
            client.finish_sending()
            check_equal(client.response().status, 400, "status")
            client.expect_closed()
    with s.case("nothing is left of them"):
        proxy.rest()


@scenario("a request that waits is dropped from its queue, or not repeated, because its client has ended its sending")
def waits(s):
    origin, release = holding(s)
    failed = []

    def flaky(connection, _):
        failed.append(True)
        return connection.respond(503, b"no", [("Retry-After", "1")]) if len(failed) == 1 else connection.respond(200, b"yes")
    origin.on("/flaky", flaky)
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {
        "retry": {"on": ["503"]}, "timeouts": {"total": "20s"},
        "limits": {"in_flight": 1, "queue": 4, "queue_wait": "20s"}}}})
    with s.case("a retry is made"):
        with proxy.client() as client:
            client.send(ASK.format("/flaky"))
            eventually(lambda: failed, "the first attempt fails")
            client.finish_sending()
            expect_last(client, b"yes")
    with s.case("its turn in the queue comes"):
        with proxy.client() as first, proxy.client() as second:
            first.send(ASK.format("/hold/first"))
            origin.request_for("/hold/first")
            second.send(ASK.format("/second"))
            second.finish_sending()
            eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 1, "it is queued")
            release.set()
            check_equal(first.response().status, 200, "status of the first")
            expect_last(second, b"/second")


@scenario("a client that ends its sending, and then resets, is waited for")
def ended_then_reset(s):
    origin, release = holding(s)
    proxy = start_proxy(s, origin, {"workers": 1})
    with s.case("its attempt is cancelled"):
        client = proxy.client()
        client.send(ASK.format("/hold/1"))
        origin.request_for("/hold/1")
        end_seen(proxy, client)
        client.reset()
        promptly(lambda: cancelled(origin, "/hold/1"), "the origin sees the end", 3, proxy)
    with s.case("its attempt is cancelled, if request, end and reset come together"):
        with proxy.asleep():
            client = proxy.client()
            client.send(ASK.format("/hold/2"))
            client.finish_sending()
            client.reset()
        promptly(lambda: proxy.metric("evenkeel_clients_accepted_total") >= 2 and proxy.bound("clients")["used"] == 0,
                 "the client is gone", 3, proxy)
    release.set()


STUCK = "POST {} HTTP/1.1\r\nHost: shop.test\r\n{}\r\n\r\n"
BY_LENGTH, BY_CHUNKS = "Content-Length: 1000000000", "Transfer-Encoding: chunked"


def stuff(proxy, client, head):
    """Send the head, and then bytes until the proxy takes no more of them."""
    piece, taken = b"8000\r\n" + b"x" * 0x8000 + b"\r\n", [-1.0]
    client.send(head)
    client.socket.settimeout(0.05)

    def full():
        try:
            client.socket.sendall(piece)
            return False
        except OSError:  # ssl.SSLError is one too
            before, taken[0] = taken[0], proxy.metric("evenkeel_client_received_bytes_total")
            return before == taken[0]

    eventually(full, "the proxy takes no more")


@scenario("a client that resets while nobody takes its upload holds its endpoint until that is given up")
def stuck_upload(s):
    release, authority = threading.Event(), Authority(s)
    origin = RawOrigin(s)
    origin.on("/stuck", reads_body(lambda connection, _: release.wait(patient(60)) and False))
    origin.on("/tunnel", lambda connection, _: connection.send(SWITCHING) and release.wait(patient(60)) and False)
    origin.on("/free", status=200)
    proxy = start_proxy(s, origin, {
        "workers": 1, "limits": {"body": "none"},
        "listeners": {"secure": {"listen": f"127.0.0.1:{s.port()}",
                                 "tls": {"certificates": [authority.issue("shop.test").settings()]}}},
        "upstreams": {"app": {"breaker": {"consecutive": 2, "open_min": "20s", "open_max": "20s"},
                              "limits": {"in_flight": 2, "queue_wait": "60s"}}}})
    trusting = ssl.create_default_context(cafile=authority.cert)
    for name, head, options in (("a length", STUCK.format("/stuck/length", BY_LENGTH), {}),
                                ("chunks", STUCK.format("/stuck/chunks", BY_CHUNKS), {}),
                                ("TLS", STUCK.format("/stuck/tls", BY_LENGTH), {"listener": "secure", "tls": trusting}),
                                ("a tunnel", UPGRADE.format("/tunnel"), {})):
        with s.case(f"an upload with {name}"):
            client = proxy.client(**options)
            stuff(proxy, client, head)
            client.reset()
            promptly(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 0, "its place is free", 3, proxy)
            promptly(lambda: cancelled(origin, head.split()[1]), "the origin sees the end", 3, proxy)
    with s.case("one that waits in the queue"):
        before = [proxy.client() for _ in range(2)]
        for client in before:
            client.send(ASK.format("/stuck/before"))
        eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 2, "all places are taken")
        client = proxy.client()
        stuff(proxy, client, STUCK.format("/stuck/queued", BY_LENGTH))
        check_equal(proxy.bound("upstream_queued", "app")["used"], 1, "requests that wait")
        client.reset()
        promptly(lambda: proxy.bound("upstream_queued", "app")["used"] == 0, "it waits no more", 3, proxy)
        for each in before:
            each.reset()
    with s.case("none of them is the origin's fault"):
        check_equal(proxy.get("/free").status, 200, "status")
        proxy.expect_count(5 + len(before), "evenkeel_exchanges_by_reason_total", reason="client_abort")
    release.set()


def worker_was_here(proxy):
    """The only worker has dealt with everything that came before."""
    with proxy.client() as client:
        client.send("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n")
        check_equal(client.response().status, 400, "status of what came behind it")


@contextlib.contextmanager
def all_places_taken(proxy, release):
    release.clear()
    with proxy.client() as client:
        client.send(ASK.format("/hold/first"))
        eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 1, "the only place is taken")
        try:
            yield
        finally:
            release.set()
        check_equal(client.response().status, 200, "status of the first")


def queued_upload(proxy, client, first, rest):
    """An upload waits in the queue: what came first has been read, and the rest stays in the socket. The client ends its sending."""
    client.send(first)
    eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 1, "it is queued")
    client.send(rest)
    client.finish_sending()


def half(name, kind, body):
    return f"POST /{name} HTTP/1.1\r\nHost: shop.test\r\n{kind}\r\n\r\n{body}"


CHUNKED = "Transfer-Encoding: chunked"


@scenario("a client that ends its sending inside an upload that nobody takes holds its place until that is given up")
def cut_upload(s):
    authority, (origin, release) = Authority(s), holding(s)
    origin.on("/stuck", reads_body(lambda connection, _: release.wait(patient(60)) and False))
    proxy = start_proxy(s, origin, {
        "workers": 1, "limits": {"body": "none"},
        "listeners": {"secure": {"listen": f"127.0.0.1:{s.port()}",
                                 "tls": {"certificates": [authority.issue("shop.test").settings()]}}},
        "upstreams": {"app": {"limits": {"in_flight": 1, "queue": 4, "queue_wait": "60s"},
                              "timeouts": {"total": "60s", "first_byte": "60s"}}}})
    trusting = ssl.create_default_context(cafile=authority.cert)
    cut = (("a length", half("cut", "Content-Length: 9", "some"), "more", {}),
           ("a length, of which nothing is unread", half("cut", "Content-Length: 9", "some"), "", {}),
           ("a chunk", half("cut", CHUNKED, "9\r\nsome"), "more", {}),
           ("chunks", half("cut", CHUNKED, "4\r\nsome\r\n"), "4\r\nmore\r\n", {}),
           ("trailers", half("cut", CHUNKED, "4\r\nsome\r\n"), "4\r\nmore\r\n0\r\nA: b\r\n", {}),
           ("a length, over TLS", half("cut", "Content-Length: 900", "some"), "more", {"listener": "secure", "tls": trusting}),
           ("chunks, over TLS", half("cut", CHUNKED, "4\r\nsome\r\n"), "", {"listener": "secure", "tls": trusting}))
    with all_places_taken(proxy, release):
        for name, first, rest, options in cut:
            with s.case(f"it is queued: {name}"), proxy.client(**options) as client:
                queued_upload(proxy, client, first, rest)
                promptly(lambda: proxy.bound("upstream_queued", "app")["used"] == 0, "it waits no more", 3, proxy)
                if not options:  # Python forgets the keys with the end of its sending
                    check(client.ending() in ("eof", "reset"), "the connection stays open")
    with s.case("its origin does not read"), proxy.client() as client:
        release.clear()
        client.send(STUCK.format("/stuck", BY_LENGTH))
        sent = 0
        before = proxy.metric("evenkeel_client_received_bytes_total")
        while proxy.metric("evenkeel_client_received_bytes_total") - before >= sent:
            client.send(b"x" * 0x4000)
            sent += 0x4000
            worker_was_here(proxy)
        client.finish_sending()
        promptly(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 0, "its place is free", 3, proxy)
        promptly(lambda: cancelled(origin, "/stuck"), "the origin sees the end", 3, proxy)
        release.set()
    with s.case("all are the client's doing"):
        proxy.expect_count(len(cut) + 1, "evenkeel_exchanges_by_reason_total", reason="client_abort")


@scenario("a client that ends its sending behind a whole upload is cut off while nobody takes that")
def whole_upload(s):
    authority, (origin, release) = Authority(s), holding(s)
    proxy = start_proxy(s, origin, {
        "workers": 1,
        "listeners": {"web": {}, "secure": {"listen": f"127.0.0.1:{s.port()}",
                                            "tls": {"certificates": [authority.issue("shop.test").settings()]}}},
        "upstreams": {"app": {"limits": {"in_flight": 1, "queue": 4, "queue_wait": "60s"}, "timeouts": {"total": "60s"}}}})
    trusting = ssl.create_default_context(cafile=authority.cert)
    large = "m" * 100_000
    for name, kind, some, rest, body in (
            ("a length", "Content-Length: 8", "some", "more", "somemore"),
            ("chunks", CHUNKED, "4\r\nsome\r\n", "4\r\nmore\r\n0\r\n\r\n", "somemore"),
            ("the middle of a chunk", CHUNKED, "8\r\nsome", "more\r\n0\r\n\r\n", "somemore"),
            ("many chunks, and trailers", CHUNKED, "4\r\nsome\r\n", "1\r\nm\r\n" * 1000 + "0\r\nA: b\r\n\r\n", "some" + "m" * 1000),
            ("much", "Content-Length: 100004", "some", large, "some" + large)):
        with s.case(f"an upload with {name}"), contextlib.ExitStack() as stack:
            with all_places_taken(proxy, release):
                client = stack.enter_context(proxy.client())
                queued_upload(proxy, client, half("whole", kind, some), rest)
                worker_was_here(proxy)
            expect_last(client, f"/whole{body}".encode())
    with s.case("an upload with chunks, over TLS"):
        with all_places_taken(proxy, release):
            client = SecureClient(proxy.listeners["secure"].pair, trusting)
            client.send(half("whole", CHUNKED, "4\r\nsome\r\n"))
            client.flush()
            eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 1, "it is queued")
            client.send("4\r\nmore\r\n0\r\n\r\n")
            client.end()
            client.flush()
            client.socket.shutdown(socket.SHUT_WR)
            worker_was_here(proxy)
        answer = client.rest()
        check(answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"/wholesomemore"), f"answer {answer!r}")
        client.socket.close()
    proxy.rest()


@scenario("a client that closed is sent a whole endless answer")
def closed_while_answered(s):
    def endless(connection, _):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while connection.send("1000\r\n" + "x" * 4096 + "\r\n"):
            pass
        connection.ended = "cancelled"
        return False
    origin = RawOrigin(s).on("/endless", endless)
    proxy = start_proxy(s, origin)
    client = proxy.client()
    client.send(ASK.format("/endless"))
    client.socket.recv(100)
    client.close()
    promptly(lambda: cancelled(origin, "/endless"), "the origin sees the end", 3, proxy)


@scenario("the end of a client's sending keeps a worker busy until its answer comes")
def no_spin(s):
    origin, release = holding(s)
    proxy = start_proxy(s, origin, {"workers": 1})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(20)]
        for number, client in enumerate(clients):
            client.send(ASK.format(f"/hold/{number}"))
            origin.request_for(f"/hold/{number}")
            end_seen(proxy, client)
        before = proxy.cpu_seconds()
        time.sleep(1)  # what is measured is the work done in a second in which nothing happens
        used = proxy.cpu_seconds() - before
        release.set()
        for number, client in enumerate(clients):
            expect_last(client, f"/hold/{number}".encode())
    check(used < 0.3, f"{used:.2f} s of processor time")


@scenario("an end in the middle of a request is taken for the request's")
def incomplete(s):
    origin, _ = holding(s)
    origin.on("/upload", lambda connection, _: connection.wait_for_end() and False)
    proxy = start_proxy(s, origin)
    for name, rest in (("length", "Content-Length: 9\r\n\r\nhalf"), ("chunk", "Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
                       ("chunks", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
                       ("trailers", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nA: b\r\n")):
        with s.case(f"of the body ({name})"):
            with proxy.client() as client:
                client.send(f"POST /upload/{name} HTTP/1.1\r\nHost: h\r\n{rest}")
                client.finish_sending()
                check(client.ending() in ("eof", "reset"), "the connection stays open")
            check(not any(r.complete for r in origin.requests), "the request was completed")
    with s.case("of the head"):
        with proxy.client() as client:
            client.send("GET /head HTTP/1.1\r\nHost: h\r\n")
            client.finish_sending()
            check(client.ending() in ("eof", "reset"), "the connection stays open")
    proxy.rest()


@scenario("a tunnel does not begin with the end that its client has sent")
def tunnel(s):
    def talk(connection, _):
        connection.send(SWITCHING + "hello")
        connection.wait_for_end()
        return connection.send("bye") and False
    origin = RawOrigin(s).on("/talk", talk)
    proxy = start_proxy(s, origin)
    for number in range(ROUNDS):
        with proxy.client() as client:
            client.send(UPGRADE.format(f"/talk/{number}"))
            client.finish_sending()
            check_equal(client.response().status, 101, "status")
            received = bytearray(client.reader.buffer)
            while piece := client.socket.recv(100):
                received += piece
            check_equal(bytes(received), b"hellobye", "bytes of the tunnel")


class SecureClient:
    """TLS whose directions end one by one, which Python's sockets cannot do."""

    def __init__(self, address, context):
        self.socket = socket.create_connection(address, timeout=patient(20))
        self._arrives, self._leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrives, self._leaves, server_hostname="shop.test")
        self._until_done(self._tls.do_handshake)

    def _until_done(self, call):
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                self.flush()
                received = self.socket.recv(65536)
                self._arrives.write(received) if received else self._arrives.write_eof()

    def flush(self):
        if self._leaves.pending:
            self.socket.sendall(self._leaves.read())

    def send(self, text):
        self._tls.write(text.encode())

    def end(self):
        """Ends our direction by close_notify."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()

    def rest(self):
        received = bytearray()
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while piece := self._until_done(lambda: self._tls.read(65536)):
                received += piece
        return bytes(received)


@scenario("a client that has ended its sending gets no answer over TLS")
def secure(s):
    authority, (origin, release) = Authority(s), holding(s)
    certificate = authority.issue("shop.test")
    proxy = start_proxy(s, origin, {"listeners": {"web": {"tls": {"certificates": [certificate.settings()]}}}})
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=authority.cert)
        context.minimum_version = context.maximum_version = version
        for shut in (False, True):
            with s.case(f"{version.name}, close_notify{' and the end of TCP' if shut else ''}"):
                for number, target in enumerate(("/at-once", "/hold")):
                    release.clear()
                    client = SecureClient(proxy.address, context)
                    client.send(ASK.format(target).replace("Host: h", "Host: shop.test"))
                    if number:
                        client.flush()
                        eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 1, "the request is on its way")
                    client.end()
                    client.flush()
                    if shut:
                        client.socket.shutdown(socket.SHUT_WR)
                    release.set()
                    answer = client.rest()
                    check(answer.startswith(b"HTTP/1.1 200") and answer.endswith(target.encode()), f"answer {answer!r}")
                    client.socket.close()
    with s.case("a reset behind close_notify cancels the attempt"):
        release.clear()
        client = SecureClient(proxy.address, context)
        client.send(ASK.format("/hold/reset").replace("Host: h", "Host: shop.test"))
        client.flush()
        origin.request_for("/hold/reset")
        client.end()
        client.flush()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.socket.close()
        promptly(lambda: cancelled(origin, "/hold/reset"), "the origin sees the end", 3, proxy)
    release.set()


@scenario("listeners.NAME.abort_on_close leaves the origin working for nobody")
def abort_on_close(s):
    origin, release = holding(s)
    proxy = start_proxy(s, origin, {"workers": 1, "listeners": {"web": {"abort_on_close": True}}})
    for how in ("close", "finish_sending"):
        with s.case(f"{how}() cancels the attempt"):
            client = proxy.client()
            client.send(ASK.format(f"/hold/{how}"))
            origin.request_for(f"/hold/{how}")
            getattr(client, how)()
            promptly(lambda how=how: cancelled(origin, f"/hold/{how}"), "the origin sees the end", 3, proxy)
    with s.case("a reload takes it back, for clients that are there too"):
        client = proxy.client()
        client.send(ASK.format("/hold/reloaded"))
        origin.request_for("/hold/reloaded")
        check(proxy.reload({"listeners": {"web": {"abort_on_close": False}}}), "the reload was rejected")
        end_seen(proxy, client)
        release.set()
        expect_last(client, b"/hold/reloaded")
    with s.case("what was received before is not answered either"):
        check(proxy.reload({"listeners": {"web": {"abort_on_close": True}}}), "the reload was rejected")
        release.clear()
        with proxy.client() as client:
            client.send(ASK.format("/hold/a") + ASK.format("/hold/b"))
            client.finish_sending()
            try:
                client.response()
                check(False, "an answer")
            except Interrupted:
                pass
    release.set()


run()
