#!/usr/bin/env python3
"""The PROXY protocol on listeners: whom it is believed from, and that what follows it is not touched."""

import contextlib
import ssl
import struct

from harness import (Authority, HaproxyOrigin, NginxOrigin, RawOrigin, check, check_equal, curl, eventually, run,
                     scenario, start_proxy)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
REQUEST = b"GET /hello HTTP/1.1\r\nHost: shop.test\r\n\r\n"


def source(origin, target):
    """What the origin was told of the client that asked for this."""
    return origin.request_for(target).all("X-Forwarded-For")


def version_1(source="192.0.2.7", port=51234):
    return f"PROXY TCP4 {source} 198.51.100.1 {port} 443\r\n".encode()


def version_2(source=(192, 0, 2, 7), port=51234, more=b""):
    body = bytes(source) + bytes((198, 51, 100, 1)) + struct.pack(">HH", port, 443) + more
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(body)) + body


def start(s, origin, **more):
    return start_proxy(s, origin, {"listeners": {"web": {"proxy_protocol": True, **more.pop("listener", {})}}, **more})


@scenario("the client's address is lost, or the request behind the header is damaged")
def believed(s):
    origin = RawOrigin(s)
    proxy = start(s, origin)
    for number, header in enumerate((version_1(), version_2(), version_2(more=b"\x04\x00\x03abc"))):
        for slowly in (False, True):
            target = f"/{number}{slowly}"
            request = REQUEST.replace(b"/hello", target.encode())
            with proxy.client() as client:
                if slowly:
                    client.send_slowly(header + request, step=5, pause=0.002)
                else:
                    client.send(header + request)
                check_equal(client.response().status, 200, "status")
                client.send(REQUEST)
                check_equal(client.response().status, 200, "the second one's status")
            check_equal(source(origin, target), ["192.0.2.7"], "X-Forwarded-For")


@scenario("a header that tells nothing is taken for an attack")
def local(s):
    proxy = start(s, NginxOrigin(s))
    for header in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\x00\x00"):
        with proxy.client() as client:
            client.send(header + REQUEST)
            check_equal(client.response().status, 200, "status")


@scenario("anybody can claim to be somebody")
def untrusted(s):
    proxy = start(s, NginxOrigin(s), trusted_peers=["10.0.0.0/8"])
    with contextlib.suppress(ConnectionResetError), proxy.client() as client:
        client.send(version_1("10.0.0.1") + REQUEST)
        eventually(lambda: not client.is_open(), "the connection is closed")
    proxy.expect_count(1, "evenkeel_proxy_headers_refused_total")


@scenario("a connection without a header, or with a broken one, is served")
def broken(s):
    proxy = start(s, NginxOrigin(s), listener={"timeouts": {"handshake": "500ms"}})
    for number, junk in enumerate((REQUEST, b"PROXY TCP4 1.2.3.4\r\n" + REQUEST, SIGNATURE + b"\x31\x11\x00\x00",
                                   b"PROXY " + b"x" * 200), 1):
        with proxy.client() as client:
            client.send(junk)
            eventually(lambda: not client.is_open(), "the connection is closed")
        eventually(lambda: proxy.metric("evenkeel_proxy_headers_invalid_total") == number, "it is counted")
    with proxy.client() as client:
        client.send(b"PROXY TC")
        eventually(lambda: not client.is_open(), "half a header is waited for only so long")


@scenario("TLS does not begin behind the header")
def before_tls(s):
    authority = Authority(s)
    origin = RawOrigin(s)
    proxy = start(s, origin, listener={"tls": {"certificates": [authority.issue("shop.test").settings()]}})
    with proxy.client() as client:
        client.send(version_2())
        context = ssl.create_default_context(cafile=authority.cert)
        with context.wrap_socket(client.socket, server_hostname="shop.test") as secure:
            secure.sendall(REQUEST)
            check(b" 200 " in secure.recv(4096), "no answer")
    request = origin.request_for("/hello")
    check_equal(request.all("X-Forwarded-For"), ["192.0.2.7"], "X-Forwarded-For")
    check_equal(request.all("X-Forwarded-Proto"), ["https"], "X-Forwarded-Proto")


@scenario("what HAProxy and curl send is not understood")
def real(s):
    origin = RawOrigin(s)
    proxy = start(s, origin)
    for version in ("send-proxy", "send-proxy-v2"):
        front = HaproxyOrigin(s, "{}:{}".format(*proxy.address), name=version, server=version)
        check_equal(curl(f"http://{front.address}/{version}").code, 0, f"curl through HAProxy with {version}")
        check_equal(source(origin, f"/{version}"), ["127.0.0.1"], "X-Forwarded-For")
    check_equal(curl("--haproxy-protocol", proxy.url).code, 0, "curl --haproxy-protocol")


class Listening(NginxOrigin):
    """nginx that takes nothing without a header: at 127.0.0.2, with TLS at 127.0.0.3. It answers whom it was told of."""

    def __init__(self, s, certificate):
        tls = f"ssl_certificate {certificate.cert}; ssl_certificate_key {certificate.key};"
        told = 'location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port $connection"; }'
        super().__init__(s, others=lambda port: f"""
            server {{ listen 127.0.0.2:{port} proxy_protocol; {told} }}
            server {{ listen 127.0.0.3:{port} ssl proxy_protocol; {tls} {told} }}""")
        self.plain, self.secure = f"127.0.0.2:{self.port}", f"127.0.0.3:{self.port}"


def told(proxy, client):
    """(whom the origin was told of, the connection's number)."""
    response = client.request("GET", "/", host="shop.test")
    check_equal(response.status, 200, f"status ({response.get('Proxy-Status')})")
    return bytes(response.body).decode().split()


def expect_clients_told(proxy):
    """Each request comes on a connection of its own, of which the origin was told whose it is."""
    numbers = set()
    with proxy.client() as one, proxy.client(source="127.0.0.9") as two:
        for client in (one, two, one, two, two, one):
            address, number = told(proxy, client)
            check_equal(address, "{}:{}".format(*client.socket.getsockname()), "the client")
            numbers.add(number)
    check_equal(len(numbers), 6, "connections")


@scenario("an origin is told of the wrong client, or of one client for another")
def onward(s):
    authority = Authority(s)
    origin = Listening(s, authority.issue("shop.test"))
    health = {"path": "/health", "interval": "100ms"}
    upstream = {"proxy_protocol": "client", "pool": {"warm_min": 2}, "health": health}
    proxy = start_proxy(s, origin.plain, {"upstreams": {"app": upstream}})
    with s.case("each request, though clients keep their connections"):
        expect_clients_told(proxy)
    with s.case("connections are dialled ahead all the same, and probes are answered"):
        eventually(lambda: proxy.metric("evenkeel_endpoint_ready_connections") >= 2, "the pool is warm")
        eventually(lambda: proxy.metric("evenkeel_endpoint_probes_total", state="good") >= 2, "probes are answered")
    secure = {"endpoints": [origin.secure], "proxy_protocol": "local",
              "tls": {"enabled": True, "ca": authority.cert, "server_name": "shop.test"}}
    with s.case("with TLS there is a header that tells of nobody, and connections are shared"):
        check(proxy.reload({"upstreams": {"app": secure}}), "the reload is taken")
        numbers = set()
        for _ in range(5):
            with proxy.client() as client:
                address, number = told(proxy, client)
                check_equal(address, ":", "whom the origin was told of")
                numbers.add(number)
        check(len(numbers) <= 2, f"{len(numbers)} connections")
        eventually(lambda: proxy.metric("evenkeel_endpoint_healthy") == 1, "probes are answered")
    with s.case("with TLS, whose handshake waits for the client, each request tells of its own"):
        check(proxy.reload({"upstreams": {"app": {"proxy_protocol": "client"}}}), "the reload is taken")
        eventually(lambda: proxy.metric("evenkeel_endpoint_ready_connections") >= 2, "the pool is warm")
        expect_clients_told(proxy)
        check(proxy.metric("evenkeel_upstream_tls_handshakes_total", kind="resumed") >= 5, "sessions are not resumed")


run()
