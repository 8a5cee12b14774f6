#!/usr/bin/env python3
"""HTTP/2 towards real servers: what is agreed on by ALPN, sessions, fallback to HTTP/1, large bodies, reload and drain."""

import hashlib
import os
import threading

from harness import (SANITIZED, Authority, HaproxyOrigin, MemoryWatch, NginxOrigin, NodeServer, RawOrigin, check, check_equal,
                     eventually, reads_body, run, scaled, scenario, start_proxy, takes)
from harness.h2_origin import H2Origin
from harness.peers import _Server

HERE = os.path.dirname(os.path.abspath(__file__))


def endpoint(proxy, name="app"):
    upstreams = proxy.admin_json("/upstreams")["upstreams"]
    return next(each for each in upstreams if each["name"] == name)["endpoints"][0]


class Nghttpd(_Server):
    """nghttpd serving the files of its directory; over TLS with a certificate."""

    def __init__(self, scenario, name="nghttpd", tls=None, *more):
        port = scenario.port()
        self.root = scenario.path(f"{name}-files")
        os.makedirs(self.root)
        with open(os.path.join(self.root, "hello"), "w") as file:
            file.write("hello\n")
        rest = [tls.key, tls.cert] if tls else ["--no-tls"]
        super().__init__(scenario, name, ["nghttpd", "-d", self.root, *more, str(port), *rest], port)


class NodeH2(NodeServer):
    def __init__(self, scenario, certificate, name="node"):
        path = os.path.join(HERE, "node", "h2-server.js")
        self._more = [certificate.cert, certificate.key]
        super().__init__(scenario, name, path, {}, arguments=self._more)


def nginx_http2(scenario, certificate, name="nginx"):
    """nginx with HTTP/2 on an address of its own."""
    nginx = NginxOrigin(scenario, name, others=lambda port: f"""
        server {{
            listen 127.0.0.2:{port} ssl http2;
            ssl_certificate {certificate.cert}; ssl_certificate_key {certificate.key};
            keepalive_requests 50;
            root {scenario.path(f"{name}-files")};
            location = /hello {{ return 200 "hello\\n"; }}
            location /put/ {{ dav_methods PUT; client_max_body_size 0; }}
        }}""")
    return nginx, f"127.0.0.2:{nginx.port}"


def tls(authority):
    return {"enabled": True, "server_name": "app.test", "ca": authority.cert}


@scenario("a real server is not spoken to in what it has chosen")
def peers(s):
    authority = Authority(s)
    certificate = authority.issue("app.test")
    _, nginx = nginx_http2(s, certificate)
    plain = NginxOrigin(s, "nginx-http1", tls=certificate)
    behind = NginxOrigin(s, "behind")
    servers = {
        "nginx": (nginx, "http2"),
        "nghttpd": (Nghttpd(s, "nghttpd", certificate).address, "http2"),
        "haproxy": (HaproxyOrigin(s, behind, tls=certificate, bind="alpn h2,http/1.1").address, "http2"),
        "node": (NodeH2(s, certificate).address, "http2"),
        "old": (plain.address, "http1"),
        "without-alpn": (RawOrigin(s, "raw", certificate=certificate).on("/", status=200, body=b"hello\n").address, "http1"),
    }
    upstreams = {name: {"endpoints": [address], "protocol": "auto", "tls": tls(authority), "pool": {"max_requests": 20}}
                 for name, (address, _) in servers.items()}
    upstreams["cleartext"] = {"endpoints": [Nghttpd(s, "nghttpd-plain").address], "protocol": "http2"}
    upstreams["forced"] = {"endpoints": [plain.address], "protocol": "http2", "tls": tls(authority)}
    upstreams["deaf"] = {"endpoints": [behind.address], "protocol": "http2"}
    routes = [{"name": name, "host": f"{name}.test", "upstream": name} for name in upstreams]
    proxy = start_proxy(s, None, {"upstreams": upstreams, "routes": routes, "readiness": {"give_up_after": "1ms"}})
    for name, (_, spoken) in [*servers.items(), ("cleartext", (None, "http2"))]:
        with s.case(f"{name}: {spoken}"):
            for _ in range(100):
                response = proxy.get("/hello", host=f"{name}.test")
                check_equal(response.status, 200, "status")
                check(b"hello" in response.body or name == "node", f"{response.body!r}")
            check_equal(endpoint(proxy, name)["protocol"], spoken, "protocol")
            check_equal(endpoint(proxy, name)["dial_failures"], 0, "failed dials")
            if name != "cleartext":
                resumed = proxy.metric("evenkeel_upstream_tls_handshakes_total", upstream=name, kind="resumed")
                check(resumed >= 1, "no session was resumed")
    with s.case("node tells what it was spoken to in"):
        check_equal(bytes(proxy.get("/", method="POST", body=b"x" * 100000, host="node.test").body), b"2.0 POST 100000", "answer")
    with s.case("what has to be HTTP/2 and is not is a failed handshake"):
        response = proxy.get("/hello", host="forced.test")
        check_equal(response.status, 502, "status")
        check("no_common_application_protocol" in response.get("Proxy-Status"), response.get("Proxy-Status"))
    with s.case("a server that does not know HTTP/2 is a connection that fails"):
        response = proxy.get("/hello", host="deaf.test")
        check_equal(response.status, 502, "status")
        check("connect_failed" in response.get("Proxy-Status"), response.get("Proxy-Status"))


@scenario("a request that cannot be a stream finds no way to a server that has both")
def both(s):
    authority = Authority(s)
    node = NodeH2(s, authority.issue("app.test"))
    proxy = start_proxy(s, node, {"workers": 1, "upstreams": {"app": {"protocol": "auto", "tls": tls(authority)}}})
    with s.case("the warm level is there without a request, as soon as it is known that connections are shared"):
        eventually(lambda: endpoint(proxy)["connections"]["ready"] == 2, "two connections are ready")
    check_equal(bytes(proxy.get("/").body), b"2.0 GET 0", "a GET")
    with s.case("an upgrade has a connection of HTTP/1 to itself"):
        with proxy.client() as client:
            client.send(b"GET /echo HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            check_equal(client.response().status, 101, "status")
            client.send(b"hello")
            while len(client.reader.buffer) < 5:
                client.reader.fill()
            check_equal(bytes(client.reader.buffer), b"hello", "echo")
            check_equal(bytes(proxy.get("/").body), b"2.0 GET 0", "a GET beside it")
        check_equal(endpoint(proxy)["protocol"], "http2", "protocol")
    with s.case("HTTP_1_1_REQUIRED means HTTP/1 from now on, and the client does not notice"):
        response = proxy.get("/required", method="POST", body=b"abc")
        check_equal([response.status, bytes(response.body)], [200, b"1.1 POST 3"], "answer")
        check_equal(bytes(proxy.get("/").body), b"1.1 GET 0", "the next one")
        check_equal(endpoint(proxy)["protocol"], "http1", "protocol")


@scenario("a probe asks in another protocol than the requests")
def probes(s):
    authority = Authority(s)
    certificate = authority.issue("app.test")
    _, nginx = nginx_http2(s, certificate)
    for name, upstream in (("tls", {"endpoints": [nginx], "tls": tls(authority)}),
                           ("cleartext", {"endpoints": [Nghttpd(s).address]})):
        with s.case(f"{name}: probes are answered"):
            health = {"path": "/hello", "interval": "100ms"}
            proxy = start_proxy(s, None, {"upstreams": {"app": {"protocol": "http2", "health": health, **upstream}}},
                                name=f"evenkeel-{name}")
            eventually(lambda the=proxy: endpoint(the)["health"]["probes_good"] >= 3, "probes are answered")
            check_equal(endpoint(proxy)["health"]["probes_failed"], 0, "failed probes")


@scenario("a large body takes memory, or is changed")
def large(s):
    size = scaled(100, 1000) * 1024 * 1024
    nghttpd = Nghttpd(s)
    with open(os.path.join(nghttpd.root, "big"), "wb") as file:
        file.truncate(size)
    proxy = start_proxy(s, nghttpd, {"workers": 1, "upstreams": {"app": {"protocol": "http2"}},
                                     "limits": {"body": "2GiB"}})
    with s.case("from the server"):
        watch, digest, count = MemoryWatch(proxy), hashlib.sha256(), [0]

        def sink(piece):
            digest.update(piece)
            count[0] += len(piece)
            watch.poll()
        with proxy.client() as client:
            client.send(b"GET /big HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            check_equal(client.response(sink=sink).status, 200, "status")
        check_equal(count[0], size, "bytes")
        check(watch.growth_kib < 4096, f"{watch.growth_kib} KiB")
        s.note(f"{watch.growth_kib} KiB for {size >> 20} MiB down")
    with s.case("to the server"):
        watch, piece = MemoryWatch(proxy), b"\0" * (1 << 20)
        with proxy.client() as client:
            client.send(f"POST /hello HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {size}\r\n\r\n".encode())
            for _ in range(size >> 20):
                client.send(piece)
                watch.poll()
            check_equal(client.response().status, 200, "status")
        check(watch.growth_kib < 8192, f"{watch.growth_kib} KiB")
        s.note(f"{watch.growth_kib} KiB for {size >> 20} MiB up")


@scenario("a client that does not read makes the proxy keep its response, or slows others")
def stalled(s):
    origin = H2Origin(s)
    given = {}

    def flood(stream, _):
        stream.head(200, [("content-length", str(50 << 20))])
        given[stream.id] = 0
        while stream.payload(b"x" * 16384, within=5.0):
            given[stream.id] += 16384
        return True
    flood.bytes = 1 << 30
    origin.on("/flood", flood).on("/", status=200, body=b"ok")
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {"protocol": "http2", "pool": {"max": 1}}}})
    check_equal(proxy.get("/x").status, 200, "status")
    watch = MemoryWatch(proxy)
    clients = [proxy.client(receive_buffer=4096) for _ in range(10)]
    for client in clients:
        client.send(b"GET /flood HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    eventually(lambda: len(given) == 10 and min(given.values()) >= 65536, "all have begun")
    for _ in range(50):
        check_equal(proxy.get("/x").status, 200, "status beside it")
        watch.poll()
    # for each the window of a stream and what its client's side keeps; the rest is in sockets
    check(watch.growth_kib < 10 * (4000 if SANITIZED else 400), f"{watch.growth_kib} KiB for 10 clients that do not read")
    s.note(f"{watch.growth_kib} KiB for 10 clients that do not read")
    for client in clients:
        client.reset()
    eventually(lambda: endpoint(proxy)["http2"]["streams"] == 0, "the streams are over")
    check_equal(len(origin.connections), 1, "connections")


@scenario("streams that are open are cut off by a reload, a drain or an upgrade")
def endings(s):
    for how in ("reload", "upgrade", "drain"):
        with s.case(f"{how}: what has begun is finished"):
            origin = H2Origin(s, f"origin-{how}")
            origin.on("/slow", reads_body(takes(1.0, status=200, body=b"done"))).on("/", status=200, body=b"ok")
            proxy = start_proxy(s, origin, {"workers": 2, "upstreams": {"app": {"protocol": "http2"}}}, name=f"evenkeel-{how}")
            answers = []
            threads = [threading.Thread(target=lambda the=proxy: answers.append(the.get("/slow").status)) for _ in range(20)]
            for thread in threads:
                thread.start()
            eventually(lambda the=origin: len(the.requests) >= 20, "all have begun")
            if how == "reload":
                check(proxy.reload({"upstreams": {"app": {"pool": {"streams": 5, "max": 3}}}}), "the reload was rejected")
            elif how == "upgrade":
                old = proxy.upgrade()
            else:
                proxy.stop()
            for thread in threads:
                thread.join()
            check_equal(answers, [200] * 20, "answers")
            if how != "drain":
                check_equal(proxy.get("/after").status, 200, "afterwards")
            if how == "upgrade":
                old.wait(20)


if __name__ == "__main__":
    run()
