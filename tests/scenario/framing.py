"""Bodies, their framing, interim responses and pipelining survive the passage, in both directions."""

import hashlib
import threading

from harness import (Arrived, Interrupted, RawOrigin, Skipped, check, check_equal, curl, describe, eventually, patient,
                     reads_body, run, scenario, start_proxy)

BOTH = ("evenkeel", "nginx")
POST_CHUNKED = "POST {} HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n{}\r\n"


def chunked_response(*chunks, trailers="", more=""):
    body = "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks)
    return f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{more}\r\n{body}0\r\n{trailers}\r\n"


@scenario("an HTTP/1.0 client gets what only HTTP/1.1 knows", proxies=BOTH)
def old_clients(s):
    origin = RawOrigin(s)
    origin.on("/chunked", lambda connection, _: connection.send(chunked_response("hello ", "world")))
    origin.on("/length", status=200, body=b"hello world")
    origin.on("/hints", lambda connection, _: connection.send(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    proxy = start_proxy(s, origin)

    def ask(target, fields=(), host="shop.example"):
        with proxy.client() as client:
            response = client.request("GET", target, fields, host=host, version="HTTP/1.0")
            return response, not client.is_open() if response.framing != "close" else True

    with s.case("without keep-alive the connection is closed after the response"):
        response, _ = ask("/length")
        check_equal((response.status, bytes(response.body)), (200, b"hello world"), "answer")
        check(response.closes, "the response does not say close")
        with proxy.client() as client:
            client.request("GET", "/length", version="HTTP/1.0")
            client.expect_closed()
    with s.case("with keep-alive the connection serves several requests"):
        with proxy.client() as client:
            for _ in range(3):
                response = client.request("GET", "/length", [("Connection", "keep-alive")], version="HTTP/1.0")
                check_equal(bytes(response.body), b"hello world", "body")
                check("keep-alive" in (response.get("Connection") or "").lower(),
                      f"Connection: {response.get('Connection')}")
    for name, fields in (("", ()), (" that asks for keep-alive", [("Connection", "keep-alive")])):
        with s.case(f"a chunked response reaches an HTTP/1.0 client{name} without chunks, ended by the close"):
            response, closed = ask("/chunked", fields)
            check_equal(response.get("Transfer-Encoding"), None, "Transfer-Encoding")
            check_equal((bytes(response.body), response.complete, closed), (b"hello world", True, True), "body")
    with s.case("interim responses are not for HTTP/1.0"):
        if proxy.kind == "nginx":
            raise Skipped("nginx relays them all the same")
        response, _ = ask("/hints")
        check_equal((response.status, response.interim), (200, []), "status and interim responses")
    with s.case("HTTP/1.0 without Host is served"):
        response, _ = ask("/what-arrived", host=None)
        check_equal(response.status, 200, "status")
        check_equal(len(Arrived(response).all("Host")), 1, "number of Host fields")
    with s.case("the origin is spoken to in HTTP/1.1, with one Host"):
        response, _ = ask("/what-arrived")
        arrived = Arrived(response)
        check_equal(arrived.version, "HTTP/1.1", "version")
        check_equal(len(arrived.all("Host")), 1, "number of Host fields")
    with s.case("Expect: 100-continue of HTTP/1.0 is not answered with 100"):
        with proxy.client() as client:
            response = client.request("POST", "/old", [("Expect", "100-continue")], b"body", version="HTTP/1.0")
            check_equal((response.status, response.interim), (200, []), "status and interim responses")
    with s.case("a client of HTTP/1.2 is answered as HTTP/1.1"):
        with proxy.client() as client:
            response = client.request("GET", "/length", version="HTTP/1.2")
            check(response.status in (200, 505), f"answered {response.status}")
            check_equal(response.version, "HTTP/1.1", "version")


@scenario("a response loses its length, its end or its connection when the origin frames it otherwise", proxies=BOTH)
def response_framing(s):
    origin = RawOrigin(s)
    big = "x" * 70000
    origin.on("/chunked", lambda connection, _: connection.send(chunked_response("a", "bb", big)))
    origin.on("/extensions", lambda connection, _: connection.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;name=value;quoted=\"a;b\"\r\nhello\r\n000006 ; x\r\n world\r\n0;last\r\n\r\n"))
    origin.on("/close", lambda connection, _: connection.send(
        "HTTP/1.1 200 OK\r\nX: y\r\n\r\n" + big) and False)
    origin.on("/old", lambda connection, _: connection.send("HTTP/1.0 200 OK\r\n\r\n" + big) and False)
    origin.on("/old-length", lambda connection, _: connection.send(
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello") and False)
    proxy = start_proxy(s, origin)
    with proxy.client() as client:
        for target, body in (("/chunked", "abb" + big), ("/close", big), ("/extensions", "hello world"),
                             ("/old", big), ("/old-length", "hello"), ("/chunked", "abb" + big)):
            with s.case(f"{target} arrives whole"):
                if not client.is_open():
                    client = proxy.client()
                response = client.request("GET", target)
                check_equal(response.version, "HTTP/1.1", "version")
                check_equal((response.complete, bytes(response.body) == body.encode()), (True, True), "whole body")
                if response.closes or response.framing == "close":
                    client.expect_closed()
                    client = proxy.client()


@scenario("a response of our own is framed as the one before it on the connection was")
def refusal_after_chunks(s):
    origin = RawOrigin(s).on("/chunked", lambda connection, _: connection.send(chunked_response("a", "bb")))
    proxy = start_proxy(s, origin, {"listeners": {"web": {"timeouts": {"head": "2s"}}}, "limits": {"head": "4KiB"}})
    for what, said, status in (("an invalid head", "GET /\r\n\r\n", 400), ("a head too large", b"GET /" + b"x" * 8000, 414),
                               ("a head that never ends", "GET / HT", 408), ("what is no head", "0\r\n\r\n", 400)):
        with s.case(what), proxy.client() as client:
            check(client.request("GET", "/chunked").chunked, "the first response is not chunked")
            client.send(said)
            response = client.response()
            check_equal((response.status, response.framing, response.complete),
                        (status, int(response.get("Content-Length")), True), "status, framing, completeness")
            client.expect_closed()


@scenario("a chunked request body arrives changed or never ends", proxies=BOTH)
def chunked_requests(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin)
    with s.case("chunks, extensions and leading zeros carry the same bytes"):
        with proxy.client() as client:
            client.send(POST_CHUNKED.format("/up", "") +
                        "5\r\nhello\r\n0001;a=b;c=\"d\"\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n")
            arrived = Arrived(client.response())
            check_equal(arrived.sha256, hashlib.sha256(b"hello 0123456789").hexdigest(), "body")
            check(arrived.all("Content-Length") in ([], ["16"]), f"Content-Length: {arrived.all('Content-Length')}")
            check_equal(Arrived(client.request("GET", "/next")).target, "/next", "the next exchange")
    with s.case("the end of a chunked body is not held back"):
        with proxy.client() as client:
            client.send(POST_CHUNKED.format("/slow", "") + "1\r\na\r\n")
            eventually(lambda: any(b"/slow" in connection.raw for connection in origin.connections), "the head arrives")
            client.send("1\r\nb\r\n0\r\n\r\n")
            check_equal(Arrived(client.response()).bytes, 2, "bytes")
    with s.case("every split of the byte stream means the same"):
        text = POST_CHUNKED.format("/split", "") + "3\r\nabc\r\n0\r\n\r\n"
        with proxy.client() as client:
            for at in range(1, len(text), 3):
                client.send(text[:at])
                client.wait_until_read()
                client.send(text[at:])
                check_equal(Arrived(client.response()).bytes, 3, f"bytes when split at {at}")


@scenario("trailers are lost, or smuggle what only a header section may say")
def trailers(s):
    origin = RawOrigin(s)
    origin.on("/down", lambda connection, _: connection.send(chunked_response(
        "data", trailers="X-Checksum: abc\r\nServer-Timing: db;dur=5\r\n", more="Trailer: X-Checksum\r\n")))
    proxy = start_proxy(s, origin)
    with s.case("response trailers reach the client"):
        with proxy.client() as client:
            response = client.request("GET", "/down", [("TE", "trailers")])
            check_equal((response.complete, bytes(response.body)), (True, b"data"), "body")
            check_equal(dict(response.trailers).get("X-Checksum"), "abc", "X-Checksum trailer")
            check_equal(Arrived(client.request("GET", "/next")).target, "/next", "the next exchange")
    with s.case("request trailers reach the origin as trailers, never as fields"):
        with proxy.client() as client:
            client.send(POST_CHUNKED.format("/up", "Trailer: X-Sum\r\n") + "4\r\ndata\r\n0\r\nX-Sum: 42\r\n\r\n")
            arrived = Arrived(client.response())
            check_equal(arrived.trailers, [("X-Sum", "42")], "trailers")
            check_equal(arrived.all("X-Sum"), [], "field of that name")
    for name in ("Content-Length", "Transfer-Encoding", "Host", "Connection", "X-Forwarded-For", "Authorization"):
        with s.case(f"the trailer {name} is refused or dropped"):
            with proxy.client() as client:
                client.send(POST_CHUNKED.format(f"/bad-{name}", "") + f"4\r\ndata\r\n0\r\n{name}: chunked\r\n\r\n")
                response = client.response()
                if response.status == 200:
                    arrived = Arrived(response)
                    check_equal(arrived.trailers, [], "trailers")
                else:
                    check_equal(response.status, 400, "status")
    with s.case("a trailer section without end is refused, and the request never completes"):
        with proxy.client() as client:
            client.send(POST_CHUNKED.format("/endless", "") + "4\r\ndata\r\n0\r\n")
            try:
                for number in range(2000):
                    client.send(f"X-Trailer-{number}: {'x' * 100}\r\n")
                status = client.response().status
                check(status in (400, 431, 413), f"answered {status}")
            except Interrupted:
                pass
        check(not any(r.target == "/endless" and r.complete for r in origin.requests), "the request was completed")


@scenario("a client that waits for 100 Continue waits in vain, or is told to send what nobody wants")
def expectation(s):
    origin = RawOrigin(s)

    @reads_body
    def continues(connection, request):
        connection.send("HTTP/1.1 100 Continue\r\n\r\n")
        request.read_body(connection.reader)
        return describe(connection, request)

    @reads_body
    def refuses(connection, _):
        connection.respond(417, b"no", [("Connection", "close")], "Expectation Failed")
        connection.wait_for_end()
        return False

    @reads_body
    def patient_origin(connection, request):
        # Never says 100: a client may then send after a while, and both must cope.
        request.read_body(connection.reader)
        return describe(connection, request)

    origin.on("/continues", continues).on("/refuses", refuses).on("/silent", patient_origin)
    proxy = start_proxy(s, origin)
    expecting = "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with s.case("100 comes, then the body goes, then the answer comes"):
        with proxy.client() as client:
            client.send(expecting.format("/continues"))
            check_equal(client.interim().status, 100, "interim status")
            client.send("hello")
            check_equal(Arrived(client.response()).bytes, 5, "bytes")
            check_equal(Arrived(client.request("GET", "/next")).target, "/next", "the next exchange")
    with s.case("the origin's refusal comes instead of 100, without the body"):
        with proxy.client() as client:
            client.send(expecting.format("/refuses"))
            response = client.response()
            check_equal((response.status, response.interim), (417, []), "status and interim responses")
            # The body was never sent: the connection can only go on if the proxy knows that it will not come.
            if not response.closes:
                client.send("hello")
                check_equal(Arrived(client.request("GET", "/next")).target, "/next", "the next exchange")
    with s.case("a client that does not wait is served"):
        with proxy.client() as client:
            client.send(expecting.format("/silent") + "hello")
            check_equal(Arrived(client.response()).bytes, 5, "bytes")
    with s.case("chunked with an expectation"):
        with proxy.client() as client:
            client.send(POST_CHUNKED.format("/continues", "Expect: 100-Continue\r\n"))
            check_equal(client.interim().status, 100, "interim status")
            client.send("5\r\nhello\r\n0\r\n\r\n")
            check_equal(Arrived(client.response()).bytes, 5, "bytes")
    with s.case("an unknown expectation is refused with 417 or passed on"):
        response = proxy.get("/unknown", [("Expect", "fly-to-the-moon")], "POST", b"hello")
        check(response.status in (200, 417), f"answered {response.status}")
    with s.case("curl uploads 2 MiB with its own expectation"):
        path = s.write("upload", b"0123456789abcdef" * 131072)
        done = curl("-H", "Expect: 100-continue", "--expect100-timeout", "10", "--data-binary", f"@{path}",
                    f"{proxy.url}/continues", within=8)
        check_equal(Arrived(done.out).bytes, 2 << 20, "bytes")


@scenario("interim responses are swallowed or taken for the final one")
def interim_responses(s):
    origin = RawOrigin(s)

    def hints(connection, _):
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
                        "HTTP/1.1 102 Processing\r\n\r\n")
        return connection.respond(200, b"final", [("Link", "</final.css>")])

    def late(connection, request):
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        connection.told = True
        eventually(lambda: released, "the client has the hint")
        return connection.respond(200, b"final")

    released = []
    origin.on("/hints", hints).on("/late", late)
    origin.on("/flood", lambda connection, _: connection.send("HTTP/1.1 103 Early Hints\r\n\r\n" * 5000)
              and connection.respond(200, b"final"))
    proxy = start_proxy(s, origin)
    with s.case("103 and 102 are relayed in order, before the final response"):
        with proxy.client() as client:
            response = client.request("GET", "/hints")
            check_equal([each.status for each in response.interim], [103, 102], "interim responses")
            check_equal(response.interim[0].get("Link"), "</style.css>; rel=preload", "Link of the hint")
            check_equal((response.status, bytes(response.body)), (200, b"final"), "final response")
            check_equal(response.get("Link"), "</final.css>", "Link of the final response")
    with s.case("a hint is not held back until the final response"):
        with proxy.client() as client:
            client.send("GET /late HTTP/1.1\r\nHost: h\r\n\r\n")
            check_equal(client.interim().status, 103, "interim status")
            released.append(True)
            check_equal(client.response().status, 200, "status")
    with s.case("a flood of interim responses is relayed or given up, and harms nobody"):
        with proxy.client() as client:
            response = client.request("GET", "/flood")
            check(response.status in (200, 502), f"answered {response.status}")
        check_equal(proxy.get("/next").status, 200, "status of the next exchange")


@scenario("pipelined requests are lost, reordered or answered twice", proxies=BOTH)
def pipelining(s):
    origin = RawOrigin(s)
    origin.on("/n/", lambda connection, request: connection.respond(200, request.target.encode()))
    proxy = start_proxy(s, origin)

    def expect(client, numbers):
        for number in numbers:
            response = client.response()
            check_equal((response.status, bytes(response.body)), (200, f"/n/{number}".encode()), f"answer {number}")

    def batch(numbers, method="GET"):
        body = "body" if method == "POST" else ""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        return "".join(f"{method} /n/{n} HTTP/1.1\r\nHost: shop.example\r\n{length}\r\n{body}" for n in numbers)

    with s.case("50 requests in one segment get 50 answers in order"):
        with proxy.client() as client:
            client.send(batch(range(50)))
            expect(client, range(50))
            check(client.is_open(), "the connection was closed")
    with s.case("50 requests with bodies in one segment"):
        with proxy.client() as client:
            client.send(batch(range(50), "POST"))
            expect(client, range(50))
    with s.case("requests delivered byte by byte"):
        with proxy.client() as client:
            client.send_slowly(batch(range(3)) + batch([3], "POST"), pause=0.0005)
            expect(client, range(4))
    with s.case("requests split at every position of their boundary"):
        text = batch([0]) + batch([1], "POST") + batch([2])
        with proxy.client() as client:
            for at in range(1, len(text), 7):
                client.send(text[:at])
                client.send(text[at:])
                expect(client, range(3))
    with s.case("more than the proxy reads at once: 2,000 requests before the first answer is read"):
        with proxy.client() as client:
            numbers = range(2000)
            client.socket.settimeout(patient(10))
            sender = threading.Thread(target=client.send, args=[batch(numbers)], daemon=True)
            sender.start()
            expect(client, numbers)
            sender.join(5)
    with s.case("empty lines before a request are ignored"):
        with proxy.client() as client:
            client.send("\r\n" + batch([0]) + "\r\n" + batch([1]))
            expect(client, range(2))
    with s.case("nothing is served after Connection: close"):
        before = len(origin.requests)
        with proxy.client() as client:
            client.send("GET /n/0 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + batch([1]))
            expect(client, [0])
            check(client.ending() in ("eof", "reset"), "the connection stayed open")
        check_equal(len(origin.requests) - before, 1, "requests at the origin")


@scenario("a request over a limit is forwarded, or refused with the wrong status")
def limits(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"limits": {"head": "8KiB", "fields": 50, "body": "100KiB"}})

    def refused(pieces, status, what):
        before = len([r for r in origin.requests if r.complete])
        with proxy.client() as client:
            for piece in [pieces] if isinstance(pieces, str) else pieces:
                client.send(piece)
            response = client.response()
            check_equal(response.status, status, f"status of {what}")
            check("error=" in (response.get("Proxy-Status") or ""), f"Proxy-Status: {response.get('Proxy-Status')}")
            check(response.closes, "the response does not announce the close")
            check(client.ending() in ("eof", "reset"), "the connection stays open")
        check_equal(len([r for r in origin.requests if r.complete]), before, "complete requests at the origin")

    start = "GET / HTTP/1.1\r\nHost: h\r\n"
    with s.case("a field section just under the limit passes"):
        check_equal(proxy.get("/", [("X-Big", "x" * 7500)]).status, 200, "status")
    with s.case("49 fields pass, 51 are 431"):
        check_equal(proxy.get("/", [(f"X-{n}", "1") for n in range(49)]).status, 200, "status")
        refused(start + "".join(f"X-{n}: 1\r\n" for n in range(51)) + "\r\n", 431, "too many fields")
    with s.case("a large field is 431"):
        refused(f"{start}X-Big: {'x' * 9000}\r\n\r\n", 431, "a large field")
    with s.case("many small fields over the head limit are 431"):
        refused(start + "".join(f"X-{n}: {'y' * 230}\r\n" for n in range(40)) + "\r\n", 431, "a large head")
    with s.case("a head that never ends is 431 before it ends"):
        refused(f"{start}X-Big: {'x' * 200000}", 431, "an endless head")
    with s.case("a long target is 414"):
        refused(f"GET /{'x' * 9000} HTTP/1.1\r\nHost: h\r\n\r\n", 414, "a long target")
    with s.case("a target that never ends is 414"):
        refused(f"GET /{'x' * 200000}", 414, "an endless target")
    with s.case("a method that never ends is refused"):
        with proxy.client() as client:
            client.send("X" * 100000)
            check(client.response().status in (400, 414, 431, 501), "status")
    with s.case("a body at the limit passes"):
        check_equal(Arrived(proxy.get("/", method="POST", body=b"x" * 102400)).bytes, 102400, "bytes")
    with s.case("a Content-Length over the limit is 413 at once"):
        refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 102401\r\n\r\n", 413, "a large body")
    with s.case("a Content-Length over the limit with Expect is 413 and no 100"):
        with proxy.client() as client:
            client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 102401\r\nExpect: 100-continue\r\n\r\n")
            response = client.response()
            check_equal((response.status, response.interim), (413, []), "status and interim responses")
    with s.case("a chunked body that grows over the limit is 413 on the way"):
        chunk = "1000\r\n" + "x" * 4096 + "\r\n"
        refused([POST_CHUNKED.format("/grows", "")] + [chunk] * 30, 413, "a growing body")
        check(not any(r.target == "/grows" and r.complete for r in origin.requests), "the request was completed")


@scenario("a stray line end behind a request is taken for the beginning of the next one", proxies=BOTH)
def stray_line_end(s):
    proxy = start_proxy(s, RawOrigin(s), {"listeners": {"web": {"timeouts": {"head": "1s", "idle": "20s"}}}})
    for pieces in (("\r\n",), ("\r", "\n"), ("\r\n\r", "\n")):
        with s.case(f"{pieces}: no 408 follows, and the next request is served"):
            with proxy.client() as client:
                check_equal(Arrived(client.request("POST", "/first", body=b"body")).bytes, 4, "bytes")
                for piece in pieces:
                    client.send(piece)
                    client.wait_until_read()
                client.socket.settimeout(1.5)
                try:
                    check_equal(client.socket.recv(100), None, "what the proxy sends")
                except TimeoutError:
                    pass
                client.socket.settimeout(patient(20))
                check_equal(Arrived(client.request("GET", "/next")).target, "/next", "the next exchange")


run()
