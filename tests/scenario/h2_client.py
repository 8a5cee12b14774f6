"""HTTP/2 clients: requests and responses, over TLS and in the clear, with real clients and frame by frame."""

import hashlib
import os
import ssl
import threading
import time

from harness import (Arrived, Authority, HaproxyOrigin, NginxOrigin, RawOrigin, access_rows, check, check_equal, curl,
                     eventually, h2load, merge, patient, run, run_tool, scaled, scenario, start_proxy)
from harness import h2_bytes as h2
from harness.h2_wire import H2Client

CLEARTEXT = {"listeners": {"web": {"http2": {"cleartext": True}}}}
PRIOR = "--http2-prior-knowledge"


def cleartext(s, origin, settings=None, **options):
    return start_proxy(s, origin, merge(CLEARTEXT, settings or {}), **options)


def secure(s, origin, *names, settings=None):
    """A proxy with TLS, and what curl needs to reach it by the first of these names."""
    authority = Authority(s)
    certificates = [authority.issue(*each.split("+")).settings() for each in names or ("shop.test",)]
    proxy = start_proxy(s, origin, {**(settings or {}), "listeners": {"web": {"tls": {"certificates": certificates}}}})
    return proxy, authority


def by_name(proxy, authority, name="shop.test"):
    host, port = proxy.address
    return ["--cacert", authority.cert, "--connect-to", f"{name}:443:{host}:{port}"]


@scenario("a real client and the proxy do not understand each other over HTTP/2")
def real_clients(s):
    origin = NginxOrigin(s)
    plain = cleartext(s, origin, name="plain")
    proxy, authority = secure(s, origin)
    body = os.urandom(1 << 20)
    for name, url, how in (("in the clear", plain.url, [PRIOR]), ("over TLS", "https://shop.test", ["--http2", *by_name(proxy, authority)])):
        with s.case(f"curl {name}: GET"):
            done = curl(*how, "-i", f"{url}/hello")
            check(done.text.startswith("HTTP/2 200"), done.text[:200] + done.error)
        with s.case(f"curl {name}: HEAD has no body and keeps its length"):
            done = curl(*how, "-I", f"{url}/hello")
            check("content-length: " in done.text and done.code == 0, done.text + done.error)
        with s.case(f"curl {name}: PUT of 1 MiB, and back"):
            done = curl(*how, "-X", "PUT", "--data-binary", "@-", f"{url}/put/{name.replace(' ', '')}", feed=body)
            check(done.code == 0, done.error)
            check_equal(hashlib.sha256(curl(*how, f"{url}/put/{name.replace(' ', '')}").out).hexdigest(),
                        hashlib.sha256(body).hexdigest(), "what comes back")
        with s.case(f"curl {name}: 404 of the origin"):
            check(curl(*how, "-i", f"{url}/nothing-here").text.startswith("HTTP/2 404"), "no 404")
    with s.case("nghttp"):
        check("hello" in run_tool("nghttp", f"{plain.url}/hello"), "nghttp got nothing")
    for name, proxied, url in (("in the clear", plain, plain.url), ("over TLS", proxy, "https://{}:{}".format(*proxy.address))):
        with s.case(f"h2load {name}: 10 connections, 20 streams each"):
            report = h2load(f"{url}/hello", requests=scaled(5000, 100000), clients=10, more=("-m", "20"), http2=True)
            report.expect_clean()
            eventually(lambda p=proxied: p.metric("evenkeel_http2_streams_open") == 0, "no stream is left")
    with s.case("a client of HTTP/1.1 is served beside it"):
        check(curl("--http1.1", "-i", *by_name(proxy, authority), "https://shop.test/hello").text.startswith("HTTP/1.1 200"), "over TLS")
        check(curl("-i", f"{plain.url}/hello").text.startswith("HTTP/1.1 200"), "in the clear")


@scenario("another proxy and this one do not understand each other over HTTP/2")
def proxies(s):
    proxy = cleartext(s, RawOrigin(s), {"workers": 1})
    address = "{}:{}".format(*proxy.address)
    nginx = NginxOrigin(s, "nginx", others=lambda port: f"""
        server {{
            listen 127.0.0.2:{port};
            location / {{ grpc_pass grpc://{address}; }}
        }}""")
    fronts = {"HAProxy": HaproxyOrigin(s, address, server="proto h2").address, "nginx": f"127.0.0.2:{nginx.port}"}
    for name, front in fronts.items():
        with s.case(name):
            for number in range(10):
                done = curl("--data-binary", "@-", f"http://{front}/{number}", feed=b"x" * 20000)
                arrived = Arrived(done.out)
                check_equal((arrived.method, arrived.target, arrived.bytes), ("POST", f"/{number}", 20000), "what arrives")
    proxy.expect_count(20, "evenkeel_http2_requests_total")


@scenario("a listener takes HTTP/2 in the clear although it may not")
def not_allowed(s):
    proxy = start_proxy(s, RawOrigin(s))
    with proxy.client() as client:
        client.send(h2.PREFACE)
        check_equal(client.response().status, 505, "status")


@scenario("a request or a response is changed on its way through HTTP/2")
def messages(s):
    origin = RawOrigin(s)
    origin.on("/none", status=204)
    origin.on("/same", lambda c, _: c.send("HTTP/1.1 304 Fine\r\nETag: \"a\"\r\nContent-Length: 12\r\n\r\n"))
    origin.on("/chunks", lambda c, _: c.send("HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                                             "3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n"))
    origin.on("/hints", lambda c, _: c.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok"))
    proxy = cleartext(s, origin, settings={"headers": {"via": True}})
    with H2Client(proxy.address) as client:
        with s.case("fields arrive as HTTP/1 has them"):
            said = Arrived(client.request("GET", "/a?b=c", [("x-one", "1"), ("cookie", "a=b"), ("cookie", "c=d"), ("te", "trailers")]))
            check_equal((said.method, said.target, said.version), ("GET", "/a?b=c", "HTTP/1.1"), "request line")
            check_equal(said.all("Host"), ["shop.example"], "Host")
            check_equal(said.all("Cookie"), ["a=b; c=d"], "Cookie")
            check_equal(said.all("X-One"), ["1"], "X-One")
            check_equal(said.all("X-Forwarded-Proto"), ["http"], "X-Forwarded-Proto")
            check_equal(said.all("Via"), ["2.0 evenkeel"], "Via")
        with s.case("a payload with its length, and one without, and trailers"):
            said = Arrived(client.request("POST", "/up", [("content-length", "5")], b"hello"))
            check_equal((said.bytes, said.all("Content-Length")), (5, ["5"]), "with its length")
            said = Arrived(client.request("POST", "/up", (), b"x" * 100000))
            check_equal((said.bytes, said.all("Transfer-Encoding")), (100000, ["chunked"]), "without")
            stream = client.ask("POST", "/up", (), b"abc", end=False)
            client.send_head(stream, [("x-sum", "3")], end=True)
            check_equal(Arrived(client.response(stream)).trailers, [("x-sum", "3")], "trailers")
        with s.case("HEAD, 204 and 304 have no payload"):
            for method, path, status, length in (("HEAD", "/a", 200, True), ("GET", "/none", 204, False), ("GET", "/same", 304, True)):
                response = client.request(method, path)
                check_equal((response.status, response.bytes), (status, 0), path)
                check_equal(response.get("content-length") is not None, length, f"{path}: Content-Length")
        with s.case("trailers of the origin arrive behind the payload"):
            response = client.request("GET", "/chunks")
            check_equal((bytes(response.body), response.trailers), (b"abcdefg", [("x-sum", "7")]), "response")
        with s.case("an interim response comes before the final one"):
            response = client.request("GET", "/hints")
            check_equal([dict(each)[":status"] for each in response.interim], ["103"], "interim")
            check_equal(bytes(response.body), b"ok", "payload")
        with s.case("100-continue is asked of the origin"):
            stream = client.ask("POST", "/up", [("expect", "100-continue"), ("content-length", "3")], end=False)
            message = client.messages.get(stream) or client._message(stream)  # pylint: disable=protected-access
            client.wait_for(lambda: message.interim, "100", 10)
            client.send_payload(stream, b"abc")
            check_equal(Arrived(client.response(stream)).bytes, 3, "payload")


def ask_at_once(client, path, fields=()):
    """A request with its payload in one piece, which may arrive with one read."""
    stream = client.new_stream()
    head = h2.split_headers(stream, h2.block(h2.request_fields("POST", path, more=fields)))
    client.send(head + h2.data(stream, b"payload") + h2.data(stream, b" in two frames", True))
    return stream


@scenario("a refusal of one stream harms another, or its connection")
def refusals(s):
    origin = RawOrigin(s)
    hold = threading.Event()
    origin.on("/hold", lambda c, _: hold.wait(patient(20)) and c.respond(200, b"held"))
    origin.on("/full", lambda c, _: hold.wait(patient(20)) and c.respond(200, b"held"))
    settings = {"limits": {"body": "64KiB", "head": "8KiB"},
                "upstreams": {"small": {"endpoints": [origin.address], "limits": {"in_flight": 1, "queue": 0}}},
                "routes": [{"name": "few", "path_prefix": "/few", "upstream": "app", "key_rate": {"key": "client", "per_second": 0.01, "burst": 1.0}},
                           {"name": "full", "path_prefix": "/full", "upstream": "small"},
                           {"name": "all", "upstream": "app"}]}
    proxy = cleartext(s, origin, settings=settings)
    with H2Client(proxy.address) as client:
        held = client.ask("GET", "/hold")
        client.ask("GET", "/full/first")
        origin.request_for("/full/first")
        for _ in range(2):  # the burst, and one more
            client.request("GET", "/few")
        for name, status, ask in (
                ("a payload that says it is too long", 413, lambda: client.ask("POST", "/", [("content-length", "65537")], end=False)),
                ("a payload that turns out too long", 413, lambda: client.ask("POST", "/", (), b"x" * 65537, end=False)),
                ("a head that is too long", 431, lambda: client.ask("GET", "/", [("x-long", "y" * 9000)])),
                ("a target that is too long", 414, lambda: client.ask("GET", "/" + "t" * 9000)),
                ("a full upstream", 503, lambda: client.ask("GET", "/full/second")),
                ("a rate", 429, lambda: client.ask("GET", "/few")),
                ("a head that is too long, with a payload behind it", 431, lambda: ask_at_once(client, "/", [("x-long", "y" * 9000)])),
                ("a target that is too long, with a payload behind it", 414, lambda: ask_at_once(client, "/" + "t" * 9000)),
                ("an unknown expectation", 417, lambda: client.ask("GET", "/", [("expect", "miracles")]))):
            with s.case(f"{name}: {status}"):
                stream = ask()
                check_equal(client.head_of(stream).status, status, "status")
                check_equal(client.request("GET", "/next").status, 200, "the next request")
        hold.set()
        check_equal(bytes(client.response(held).body), b"held", "the stream beside all of them")
    check(proxy.metric("evenkeel_http2_connection_errors_total") == 0, "a connection error")


@scenario("a stream is served on a connection for a site with another certificate")
def misdirected(s):
    origin = NginxOrigin(s)
    proxy, authority = secure(s, origin, "shop.test", "bank.test")
    context = ssl.create_default_context(cafile=authority.cert)
    context.check_hostname = False
    with H2Client(proxy.address, tls=context, server_name="shop.test") as client:
        check_equal(client.request("GET", "/hello", authority="bank.test", scheme="https").status, 421, "of bank.test")
        check_equal(client.request("GET", "/hello", authority="shop.test", scheme="https").status, 200, "of shop.test, after it")


@scenario("the origin goes on with a request that its client has reset")
def reset(s):
    origin = RawOrigin(s)
    ended = []
    origin.on("/slow", lambda c, _: ended.append((c.wait_for_end(20), time.monotonic())) and False)
    proxy = cleartext(s, origin)
    with H2Client(proxy.address) as client:
        for _ in range(3):
            stream = client.ask("GET", "/slow")
            count = len(ended)
            eventually(lambda n=count: len([r for r in origin.requests if r.target == "/slow"]) > n, "it arrives")
            began = time.monotonic()
            client.send(h2.rst_stream(stream))
            eventually(lambda n=count: len(ended) > n, "the origin sees the end")
            s.note(f"the origin saw it after {(ended[-1][1] - began) * 1000:.1f} ms")
        check(min(at for _, at in ended) and ended[-1][1] - began < patient(0.05), "it took longer than 50 ms")
        check_equal(client.request("GET", "/").status, 200, "the connection goes on")
    eventually(lambda: proxy.metric("evenkeel_exchanges_by_reason_total", reason="client_abort") == 3, "they are counted as aborts")
    proxy.expect_count(3, "evenkeel_http2_resets_received_total")


@scenario("an upload goes on behind a response that came early, or without an end")
def early(s):
    origin = RawOrigin(s)
    answer = lambda c, _: c.respond(200, b"enough")  # noqa: E731
    answer.reads_body = True
    origin.on("/early", answer)
    proxy = cleartext(s, origin)
    with H2Client(proxy.address) as client:
        stream = client.ask("POST", "/early", (), b"x" * 1000, end=False)
        message = client.response(stream)
        check_equal(bytes(message.body), b"enough", "payload")
        client.wait_for(lambda: message.reset is not None, "RST_STREAM")
        check_equal(message.reset, h2.NO_ERROR, "its code")
        check_equal(client.request("GET", "/").status, 200, "the connection goes on")
    for name, payload in (("an empty frame", b""), ("a frame", b"rest")):
        with s.case(f"{name} ends the request behind its answer"), H2Client(proxy.address) as client:
            stream = client.ask("POST", "/early", (), b"x" * 1000, end=False)
            client.wait_for(lambda c=client, n=stream: n in c.messages and c.messages[n].complete, "the whole answer")
            client.send_payload(stream, payload, end=True)
            check_equal(client.request("GET", "/").status, 200, "the connection goes on")
            check_equal(client.goaways, [], "GOAWAY")


@scenario("an answer that comes before the request is whole is lost on the way to curl")
def early_for_curl(s):
    proxy, authority = secure(s, RawOrigin(s), settings={"limits": {"head": "8KiB"}, "routes": [{"name": "no", "respond": {"status": 403, "body": "no"}}]})
    for name, fields, answer in (("a route's answer", [], b"403"), ("a head that is too long", ["-H", "X-Long: " + "y" * 9000], b"431")):
        for size in (1, 40000, 300000):
            with s.case(f"{name}, {size} bytes"):
                body = s.write("body", b"x" * size)
                for _ in range(5):
                    done = curl(*by_name(proxy, authority), *fields, "-w", "%{http_code}", "--data-binary", f"@{body}", "https://shop.test/")
                    check_equal((done.code, done.out[-3:]), (0, answer), f"exit code and status; curl says {done.error}")
    with s.case("the rest of the request is cut off a moment later"):
        eventually(lambda: proxy.metric("evenkeel_http2_streams_open") == 0, "no stream is open")


@scenario("what is logged of an HTTP/2 request does not say so")
def logged(s):
    for form in ("json", "combined"):
        log = s.path(f"access-{form}.log")
        proxy = cleartext(s, RawOrigin(s, name=f"origin-{form}"), settings={"log": {"access": {"path": log, "format": form}}}, name=form)
        with H2Client(proxy.address) as client:
            for _ in range(2):
                client.request("GET", "/a")
        if form == "json":
            rows = eventually(lambda p=log: len(found := access_rows(p)) == 2 and found, "two lines")
            check_equal([(row["protocol"], row["stream"]) for row in rows], [("HTTP/2.0", 1), ("HTTP/2.0", 3)], "JSON")
        else:
            eventually(lambda p=log: open(p).read().count('"GET /a HTTP/2.0" 200 ') == 2, "two lines")
        proxy.expect_count(2, "evenkeel_http2_requests_total")
        proxy.expect_count(1, "evenkeel_http2_clients_total")
        eventually(lambda p=proxy: p.metric("evenkeel_http2_clients_open") == 0, "none is left")


@scenario("streams at the same time get each other's payload, or wait for each other")
def crowd(s):
    origin = RawOrigin(s)
    gate = threading.Barrier(100)

    def together(connection, request):
        gate.wait(patient(20))
        return connection.respond(200, request.target.encode() * 1000)
    origin.on("/", together)
    proxy = cleartext(s, origin)
    with H2Client(proxy.address) as client:
        streams = {client.ask("GET", f"/{number:03}"): number for number in range(100)}
        for stream, number in streams.items():
            check_equal(bytes(client.response(stream).body), f"/{number:03}".encode() * 1000, f"stream {stream}")


@scenario("a stream beyond http2.streams is served")
def too_many(s):
    origin = RawOrigin(s)
    hold = threading.Event()
    origin.on("/hold", lambda c, _: hold.wait(patient(20)) and c.respond(200, b"held"))
    proxy = cleartext(s, origin, settings={"listeners": {"web": {"http2": {"cleartext": True, "streams": 2}}}})
    with H2Client(proxy.address) as client:
        client.request("GET", "/")
        held = [client.ask("GET", "/hold") for _ in range(2)]
        hold.set()
        for stream in held:
            check_equal(client.response(stream).status, 200, "a stream within it")
        hold.clear()
        for _ in range(2):
            client.ask("GET", "/hold")
        kind, code = client.outcome(client.ask("GET", "/hold"))
        check(kind in ("stream", "connection") and code in (h2.REFUSED_STREAM, h2.PROTOCOL_ERROR), f"the third: {kind}, {code}")
        hold.set()


@scenario("the description of an upstream's failure is lost on the way to an HTTP/2 client")
def failures(s):
    origin = RawOrigin(s)
    origin.on("/break", lambda c, _: c.send("HTTP/1.1 200 Fine\r\nContent-Length: 100\r\n\r\nhalf") and c.reset())
    origin.on("/none", lambda c, _: c.reset())
    proxy = cleartext(s, origin, settings={"upstreams": {"app": {"breaker": {"enabled": False}, "retry": {"attempts": 1}}}})
    with H2Client(proxy.address) as client:
        response = client.request("GET", "/none")
        check_equal(response.status, 502, "status")
        check("upstream_reset" in response.get("proxy-status", "") or "connection_terminated" in response.get("proxy-status", ""),
              f"Proxy-Status: {response.get('proxy-status')}")
        check_equal(client.outcome(client.ask("GET", "/break")), ("stream", h2.INTERNAL_ERROR), "a response that breaks off")
        check_equal(client.request("GET", "/").status, 200, "the connection goes on")


run()
