"""Servers that take one connection at a time: what the proxy keeps ready must not be what keeps them from serving."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness import RawOrigin, check, check_equal, eventually, patient, run, scenario, start_proxy
from harness.programs import Program, gunicorn_server

APPLICATION = '''
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\\n"]
'''


def http_server(s):
    """The file server of the standard library, without threads: HTTP/1.0."""
    code = ("import functools, http.server; http.server.HTTPServer(('127.0.0.1', {port}), functools.partial("
            "http.server.SimpleHTTPRequestHandler, directory='" + s.directory + "')).serve_forever()")
    return Program(s, "http.server", ["/usr/bin/python3", "-c", code])


def wsgiref_server(s):
    """The reference server of WSGI: HTTP/1.0."""
    s.write("hello.py", APPLICATION)
    code = (f"import sys; sys.path.insert(0, '{s.directory}'); from hello import application; from wsgiref.simple_server "
            "import make_server; make_server('127.0.0.1', {port}, application).serve_forever()")
    return Program(s, "wsgiref", ["/usr/bin/python3", "-c", code])


def gunicorn(s):
    """HTTP/1.1 with Connection: close."""
    return gunicorn_server(s, APPLICATION)


SERVERS = (http_server, wsgiref_server, gunicorn)


def quick(proxy, within):
    started = time.monotonic()
    status = proxy.get("/").status
    took = time.monotonic() - started
    check_equal(status, 200, "status")
    check(took < patient(within), f"it took {took:.1f} s")


@scenario("connections kept ready starve a server that takes one at a time", within=180)
def starved(s):
    for start in SERVERS:
        server = start(s)
        proxy = start_proxy(s, server, name=f"before-{server.name}")
        with s.case(f"{server.name}: the first requests are served at once"):
            for _ in range(5):
                quick(proxy, 3)
        with s.case(f"{server.name}: so are several at a time"):
            with ThreadPoolExecutor(8) as pool:
                statuses = list(pool.map(lambda _, proxy=proxy: proxy.get("/").status, range(40)))
            check_equal(statuses, [200] * 40, "statuses")
        with s.case(f"{server.name}: nothing stands there without a request"):
            eventually(lambda proxy=proxy, server=server: not proxy_connections(proxy, server), "no connection is left")
        with s.case(f"{server.name}: others than the proxy are served"):
            check_equal(direct_get(server), b"HTTP/1.", "answer")
        proxy.stop()
        server.stop()


def proxy_connections(proxy, server):
    return [row for row in proxy.sockets() if row[1].endswith(f":{server.port}")]


def direct_get(server):
    with socket.create_connection(("127.0.0.1", server.port), patient(5)) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return sock.recv(7)


@scenario("the first requests meet a server that one idle connection blocks", within=120)
def burst_at_the_start(s):
    for start in SERVERS:
        server = start(s)
        for workers in (1, 4):
            proxy = start_proxy(s, server, {"workers": workers}, name=f"burst-{server.name}-{workers}")
            with s.case(f"{server.name}: 16 at once, the first that there are, {workers} workers"):
                started = time.monotonic()
                with ThreadPoolExecutor(16) as pool:
                    statuses = list(pool.map(lambda _, proxy=proxy: proxy.get("/").status, range(16)))
                check_equal(statuses, [200] * 16, "statuses")
                check(time.monotonic() - started < patient(6), f"it took {time.monotonic() - started:.1f} s")
            proxy.stop()
        server.stop()


@scenario("an endpoint that keeps connections is not kept warm, or is before its first answer")
def levels(s):
    keeps, closes, asked = RawOrigin(s, "keeps"), RawOrigin(s, "closes"), RawOrigin(s, "asked")
    closes.on("/", lambda connection, _: connection.respond(200, b"ok", [("Connection", "close")]) and False)
    proxy = start_proxy(s, keeps, {
        "upstreams": {"closes": {"endpoints": [closes.address]},
                      "asked": {"endpoints": [asked.address], "pool": {"warm_min": 3}}},
        "routes": [{"name": "closes", "path_prefix": "/closes", "upstream": "closes"},
                   {"name": "asked", "path_prefix": "/asked", "upstream": "asked"}, {"name": "all", "upstream": "app"}]})

    def level(origin, count):
        eventually(lambda: len(origin.open_connections()) == count, f"{count} connections at {origin.name}")

    with s.case("before the first answer one connection stands at each endpoint, or as many as pool.warm_min says"):
        level(keeps, 1)
        level(closes, 1)
        level(asked, 3)
        eventually(lambda: proxy.admin("/readyz")[0] == 200, "/readyz says 200")
    with s.case("after it the warm level is there"):
        check_equal(proxy.get("/").status, 200, "status")
        level(keeps, 2)
        check_equal(len(keeps.connections), 2, "connections in all")
    with s.case("an endpoint that closes has none, whatever was asked for"):
        check_equal(proxy.get("/closes").status, 200, "status")
        level(closes, 0)
        check(proxy.reload({"upstreams": {"closes": {"pool": {"warm_min": 4}}}}), "the reload was rejected")
        dialled = len(closes.connections)
        for _ in range(5):
            check_equal(proxy.get("/closes").status, 200, "status")
        level(closes, 0)
        check_equal(len(closes.connections) - dialled, 5, "connections for five requests")
    with s.case("it has them again when it keeps connections"):
        closes.on("/", status=200, body=b"ok")
        check_equal(proxy.get("/closes").status, 200, "status")
        level(closes, 4)
    with s.case("an endpoint that closes now and then is kept warm"):
        keeps.on("/now", lambda connection, _: connection.respond(200, b"ok", [("Connection", "close")]) and False)
        for number in range(40):
            check_equal(proxy.get("/now" if number % 4 == 0 else "/").status, 200, "status")
        level(keeps, 2)


@scenario("while the first request of an endpoint lasts, connections are dialled and closed without end")
def first_request_lasts(s):
    over = threading.Event()
    origin, clock = RawOrigin(s), RawOrigin(s, "clock")
    origin.on("/", lambda connection, _: over.wait(60) and connection.respond(200, b"ok"))
    lifetime = {"lifetime": "1s", "jitter": 0.0}
    proxy = start_proxy(s, origin, {
        "upstreams": {"app": {"pool": lifetime}, "clock": {"endpoints": [clock.address], "pool": {"warm_min": 1, **lifetime}}},
        "routes": [{"name": "clock", "path_prefix": "/clock", "upstream": "clock"}, {"name": "all", "upstream": "app"}]})

    def lifetimes_over():
        return proxy.metric("evenkeel_endpoint_closes_total", upstream="clock", reason="lifetime") or 0

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(proxy.get, "/")
        eventually(lambda: origin.requests, "the origin has the request")
        before = lifetimes_over()
        eventually(lambda: lifetimes_over() >= before + 3, "the lifetime of its connection is over")
        dialled = len(origin.connections)
        over.set()
        with s.case("its connection is not replaced before the endpoint is known to keep connections"):
            check(dialled <= 2, f"{dialled} connections for one request")
        with s.case("the request is answered, and the pool is warm then"):
            check_equal(answer.result().status, 200, "status")
            eventually(lambda: len(origin.open_connections()) >= 1, "a connection is ready")


@scenario("an endpoint that closes fresh connections now and then, and keeps used ones, loses its warm level")
def fresh_closes(s):
    origin = RawOrigin(s)
    origin.on("/now", lambda connection, _: connection.respond(200, b"ok", [("Connection", "close")]) and False)
    proxy = start_proxy(s, origin, {"workers": 1})
    check_equal(proxy.get("/").status, 200, "status")
    with s.case("two connections are kept, whatever the number of closed ones"):
        for number in range(12):
            eventually(lambda: len(origin.open_connections()) == 2, "two connections are open")
            release = threading.Event()
            origin.on("/held", lambda connection, _, release=release: release.wait(60) and connection.respond(200, b"ok"))
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(proxy.get, "/held")
                eventually(lambda: [each.target for each in origin.requests].count("/held") > number, "a request is held")
                check_equal(proxy.get("/now").status, 200, "status")
                eventually(lambda: len(origin.open_connections()) == 2, "a closed one is replaced")
                release.set()
                check_equal(answer.result().status, 200, "status")


run()
