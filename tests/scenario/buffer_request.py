"""buffer_request: the body of a request is taken in before an upstream is asked, so that a slow client holds no place there."""

import hashlib
import random

from harness import Arrived, Client, RawOrigin, check, check_equal, describe, eventually, patient, run, run_program, scenario, start_proxy
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client
from harness.programs import gunicorn_server

KIB = 1024
MIB = 1024 * KIB
RNG = random.Random(5)
BODY = RNG.randbytes(900_000)
APPLICATION = '''
def application(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    said = b"%d\\n" % len(environ["wsgi.input"].read(length))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]
'''


def buffering(buffer="1MiB", **settings):
    return {"workers": 1, "routes": [{"name": "all", "upstream": "app", "buffer_request": buffer}], **settings}


def begun(proxy, target, body, sent, fields=()):
    """A client whose upload has begun: so many bytes of its body have been read by the proxy."""
    client = Client(proxy.address, within=patient(20))
    client.send(f"POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n{''.join(fields)}\r\n".encode() + body[:sent])
    client.wait_until_read()
    return client


def arrived(response, body):
    said = Arrived(response)
    check_equal((said.bytes, said.sha256), (len(body), hashlib.sha256(body).hexdigest()), "length and checksum")
    return said


def held(proxy):
    return proxy.bound("request_buffer_bytes")["used"]


@scenario("a slow upload holds the only worker of a server", within=60)
def lone_worker(s):
    for workers in (1, 2):
        origin = gunicorn_server(s, APPLICATION, workers, f"gunicorn-{workers}")
        proxy = start_proxy(s, origin, buffering(), name=f"front-{workers}")
        with s.case(f"{workers} sync worker: others are served while uploads stand still"):
            slow = [begun(proxy, f"/up/{number}", BODY, 600_000) for number in range(3)]
            check_equal([proxy.get("/").status for _ in range(20)], [200] * 20, "statuses")
        with s.case(f"{workers} sync worker: the uploads come whole"):
            for client in slow:
                client.send(BODY[600_000:])
                response = client.response("POST")
                check_equal((response.status, bytes(response.body)), (200, b"900000\n"), "answer")
        proxy.stop()
        origin.stop()


@scenario("a body goes to the upstream before it is whole, or changed")
def whole(s):
    for name, origin, protocol in (("HTTP/1", RawOrigin(s), {}), ("HTTP/2", H2Origin(s, "h2"), {"protocol": "http2"})):
        proxy = start_proxy(s, origin, buffering(upstreams={"app": protocol}), name=f"to-{name[-1]}")
        for size in (1, 1000, 65_520, 65_521, 200_000, MIB - 1):
            body = RNG.randbytes(size)
            with s.case(f"{size} bytes to {name}"):
                client = begun(proxy, f"/up/{size}", body, size - 1)
                check_equal([r for r in origin.requests if r.target == f"/up/{size}"], [], "requests at the origin")
                check_equal(proxy.bound("upstream_in_flight", "app")["used"], 0, "places that are taken")
                client.send(body[-1:])
                arrived(client.response("POST"), body)
        with s.case(f"what was taken in is given back ({name})"):
            eventually(lambda proxy=proxy: held(proxy) == 0, "nothing is held")
            check(proxy.bound("request_buffer_bytes")["peak"] >= 900_000, "nothing was ever held")
            check(proxy.metric("evenkeel_bodies_buffered_total") >= 5, "bodies that were taken in")
        with s.case(f"a body that comes with its head ({name})"):
            arrived(proxy.get("/at-once", method="POST", body=BODY), BODY)


@scenario("a chunked body is not taken in, or loses its end")
def chunked(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, buffering())
    with s.case("it goes on with its length"), proxy.client() as client:
        client.send("POST /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        client.wait_until_read()
        check_equal(len(origin.requests), 0, "requests at the origin")
        client.send("6\r\n world\r\n0\r\n\r\n")
        said = arrived(client.response("POST"), b"hello world")
        check_equal((said.all("Content-Length"), said.all("Transfer-Encoding")), (["11"], []), "framing")
    with s.case("with trailers it stays chunked"), proxy.client() as client:
        client.send("POST /trailers HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        client.wait_until_read()
        client.send("0\r\nX-Sum: 5\r\n\r\n")
        said = arrived(client.response("POST"), b"hello")
        check_equal((said.trailers, said.all("Transfer-Encoding")), ([("X-Sum", "5")], ["chunked"]), "trailers and framing")
    with s.case("an empty one"), proxy.client() as client:
        client.send("POST /empty HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.wait_until_read()
        client.send("0\r\n\r\n")
        arrived(client.response("POST"), b"")


@scenario("a body of an HTTP/2 client is not taken in")
def http2(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, buffering(listeners={"web": {"http2": {"cleartext": True}}}))
    with H2Client(proxy.address) as client:
        with s.case("it goes on when it is whole, with its length"):
            stream = client.ask("POST", "/slow", body=b"x" * 10_000, end=False)
            check_equal(client.request(path="/beside").status, 200, "status of another stream")
            check_equal([r.target for r in origin.requests], ["/beside"], "requests at the origin")
            client.send_payload(stream, b"x" * 10_000)
            said = arrived(client.response(stream), b"x" * 20_000)
            check_equal(said.all("Content-Length"), ["20000"], "framing")
        with s.case("windows open while it is taken in"):
            arrived(client.request(method="POST", path="/large", body=BODY), BODY)


@scenario("a client that waits for 100 waits for ever")
def expects(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, buffering())
    with proxy.client() as client:
        client.send("POST /up HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        check_equal(client.interim().status, 100, "interim response")
        check_equal(len(origin.requests), 0, "requests at the origin")
        client.send("hello")
        said = arrived(client.response("POST"), b"hello")
        check_equal(said.all("Expect"), [], "what the origin is asked to expect")


@scenario("a body longer than the buffer is refused, cut or held in memory")
def longer(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, buffering("64KiB"))
    body = RNG.randbytes(3 * MIB)
    with s.case("what is taken in goes first, the rest as it comes"):
        client = begun(proxy, "/long", body, 40_000)
        check_equal(len(origin.requests), 0, "requests before the buffer is full")
        client.send(body[40_000:100_000])
        eventually(lambda: origin.connections and origin.connections[-1].requests, "the origin has the head")
        client.send(body[100_000:])
        arrived(client.response("POST"), body)
    with s.case("chunked"), proxy.client() as client:
        client.send(b"POST /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 50_000):
            part = body[at:at + 50_000]
            client.send(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        client.send("0\r\n\r\n")
        check_equal(arrived(client.response("POST"), body).all("Transfer-Encoding"), ["chunked"], "framing")
    proxy.expect_count(2, "evenkeel_bodies_overlong_total")
    eventually(lambda: held(proxy) == 0, "nothing is held")


@scenario("a body that was taken in is not sent again, or in part")
def retried(s):
    failed = []

    def once(connection, request):
        if request.target in failed:
            return describe(connection, request)
        failed.append(request.target)
        return connection.respond(503, b"not now")

    origin = RawOrigin(s).on("/", once)
    proxy = start_proxy(s, origin, buffering(upstreams={"app": {"retry": {"attempts": 3, "on": ["connect_failure", "reset", "503"]}}}))
    for size in (1000, 70_000, 900_000):
        with s.case(f"PUT of {size} bytes"):
            arrived(proxy.get(f"/put/{size}", method="PUT", body=BODY[:size]), BODY[:size])
    with s.case("a POST is not repeated"):
        check_equal(proxy.get("/post", method="POST", body=BODY).status, 503, "status")
    eventually(lambda: held(proxy) == 0, "nothing is held")


@scenario("the time that a client takes to send is taken from the upstream's")
def deadlines(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, buffering(upstreams={"app": {"timeouts": {"total": "600ms"}}},
                                             listeners={"web": {"timeouts": {"body": "700ms"}}}))
    with s.case("an upload that takes longer than the deadline"):
        client = begun(proxy, "/slow", b"x" * 6, 1)
        for _ in range(5):
            client.send_slowly(b"x", pause=0.2)
        check_equal(client.response("POST").status, 200, "status")
    with s.case("one that stands still"):
        check_equal(begun(proxy, "/still", b"x" * 100, 50).response("POST").status, 408, "status")
    with s.case("one that is given up"):
        begun(proxy, "/gone", b"x" * 100, 50).close()
        eventually(lambda: held(proxy) == 0, "nothing is held")
    check_equal([r.target for r in origin.requests], ["/slow"], "what the origin was asked")


@scenario("one client takes the memory from the others, or memory refuses uploads", within=60)
def scarce(s):
    """At 64 MiB of memory there are 12.8 MiB for bodies: a client address has at most half of it."""
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, buffering("1MiB", limits={"memory": "64MiB"}))
    body = bytes(MIB - 1)
    limit = proxy.bound("request_buffer_bytes")["limit"]
    clients = [begun(proxy, f"/greedy/{number}", body, MIB - 2) for number in range(10)]
    with s.case("beyond its share, bodies go on as they come"):
        eventually(lambda: (proxy.metric("evenkeel_bodies_unbuffered_total") or 0) >= 1, "a body was not taken in")
        check(held(proxy) <= limit * 0.6, f"{held(proxy)} of {limit} bytes are held")
    with s.case("other clients have their bodies taken in, but for one whose address is counted with the greedy one's by chance"):
        buffered = proxy.metric("evenkeel_bodies_buffered_total") or 0
        for number in range(9, 12):
            other = Client(proxy.address, source=f"127.0.0.{number}", within=patient(20))
            other.send(b"POST /other HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + body[:999_999])
            other.wait_until_read()
            other.send(b"x")
            check_equal(other.response("POST").status, 200, "status")
        check(proxy.metric("evenkeel_bodies_buffered_total") >= buffered + 2, "their bodies are not taken in")
    with s.case("all of them are served"):
        for client in clients:
            client.send(b"x")
        check_equal([client.response("POST").status for client in clients], [200] * 10, "statuses")
    eventually(lambda: held(proxy) == 0, "nothing is held")


@scenario("a reload does not change what is taken in")
def reloaded(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 1})
    client = begun(proxy, "/before", b"x" * 10, 5)
    eventually(lambda: origin.connections and origin.connections[-1].requests, "without it the origin has the head at once")
    check(proxy.reload(buffering("1KiB")), "the reload was rejected")
    client.send(b"x" * 5)
    check_equal(client.response("POST").status, 200, "status of what was under way")
    client = begun(proxy, "/after", b"x" * 10, 5)
    check_equal([r.target for r in origin.requests], ["/before"], "requests at the origin")
    client.send(b"x" * 5)
    check_equal(client.response("POST").status, 200, "status")


@scenario("a wrong buffer_request is taken, or not explained")
def wrong(s):
    for value, route, said in (
            ('"1"', 'upstream = "app";', 'routes.[0].buffer_request: expected a size such as'),
            ('"1GiB"', 'upstream = "app";', 'routes.[0].buffer_request: expected'),
            ('true', 'upstream = "app";', 'routes.[0].buffer_request: expected a size such as'),
            ('"1MiB"', 'respond = { status = 200; };', "routes.[0].buffer_request: has no effect without an upstream")):
        with s.case(f"{value} with {route}"):
            path = s.write("wrong.conf", 'listeners = { web = { listen = "127.0.0.1:0"; }; };\n'
                           'upstreams = { app = { endpoints = [ "127.0.0.1:1" ]; }; };\n'
                           f"routes = ( {{ {route}\n buffer_request = {value}; }} );\n")
            done = run_program(s, "-t", "-c", path)
            check_equal(done.returncode, 1, "status")
            check(f"wrong.conf:4: {said}" in done.stdout + done.stderr, done.stdout + done.stderr)


run()
