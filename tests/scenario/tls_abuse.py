#!/usr/bin/env python3
"""TLS used against us: what a few bytes, silence or slowness at one connection may cost the others."""

import contextlib
import socket
import ssl

from harness import (Authority, Failed, Libssl, NginxOrigin, RawOrigin, check, check_equal, crowd, eventually, patient, run,
                     scenario, slow_reader, start_proxy)

# Far more than anybody needs, and what kept a worker busy for seconds before they were counted.
UPDATES = 20000


def with_tls(s, **more):
    authority = Authority(s)
    return authority, {"workers": 1, "listeners": {"web": {"tls": {"certificates": [authority.issue("shop.test").settings()]},
                                                           **more}}}


def ask(proxy, authority, target="/hello"):
    """The answer to one request over TLS."""
    context = ssl.create_default_context(cafile=authority.cert)
    with proxy.client(tls=context, within=10) as client:
        return client.request("GET", target, host="shop.test")


@scenario("a client that sends KeyUpdates without end keeps a worker from all others")
def flood_of_a_client(s):
    authority, settings = with_tls(s)
    proxy = start_proxy(s, NginxOrigin(s), settings)
    with socket.create_connection(proxy.address) as sock:
        flooder = Libssl(sock)
        sent = flooder.flood(UPDATES)
        flooder.free()
    check(sent < UPDATES, f"all {sent} were taken")
    eventually(lambda: proxy.metric("evenkeel_tls_connections_broken_total", cause="record_flood") == 1, "it is counted")
    check_equal(ask(proxy, authority).status, 200, "status of the next client")


@scenario("a client that changes keys now and then is cut off")
def now_and_then(s):
    _, settings = with_tls(s)
    proxy = start_proxy(s, NginxOrigin(s), settings)
    with socket.create_connection(proxy.address) as sock:
        client = Libssl(sock)
        for _ in range(20):
            check(client.key_update(), "an update is taken")
            check(client.write(b"GET /hello HTTP/1.1\r\nHost: shop.test\r\n\r\n"), "a request is taken")
            answer = client.read()
            while answer and b"hello" not in answer:
                answer += client.read()
            check(b"hello" in answer, "it is answered")
        client.free()
    check_equal(proxy.metric("evenkeel_tls_connections_broken_total", cause="record_flood"), None, "none is counted")


@scenario("an origin that sends KeyUpdates without end keeps a worker from all others")
def flood_of_an_origin(s):
    authority = Authority(s)
    certificate = authority.issue("shop.test")
    sent = []

    def floods(connection):
        origin = Libssl(connection.socket, certificate)
        sent.append(origin.flood(UPDATES))
        origin.free()
    origin = RawOrigin(s, serve=floods)
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {
        "tls": {"enabled": True, "server_name": "shop.test", "ca": authority.cert}}}})
    eventually(lambda: sent and sent[0] < UPDATES, lambda: f"the first is cut off; sent {sent}")
    eventually(lambda: proxy.metric("evenkeel_endpoint_closes_total", reason="record_flood"), "it is counted")


def connecting(proxy):
    return lambda _: proxy.client()


def served(proxy, authority):
    with contextlib.suppress(OSError, Failed):
        return ask(proxy, authority).status == 200
    return False


@scenario("silent sockets use up the places for handshakes")
def silence(s):
    authority, settings = with_tls(s)
    proxy = start_proxy(s, NginxOrigin(s), {**settings, "limits": {"handshakes": 5}})
    with crowd(connecting(proxy), 50):
        eventually(lambda: proxy.metric("evenkeel_clients_open") == 50, "all are connected")
        check(served(proxy, authority), "one that speaks is served at once")
        check_equal(proxy.bound("handshakes")["peak"], 1, "handshakes at a time")


@scenario("handshakes that do not go on use up the places for others")
def stalled_handshakes(s):
    authority, settings = with_tls(s)
    proxy = start_proxy(s, NginxOrigin(s), {**settings, "limits": {"handshakes": 5}})
    with crowd(connecting(proxy), 5, b"\x16\x03\x01\x02\x00\x01") as clients:
        eventually(lambda: proxy.bound("handshakes")["used"] == 5, "no place is left")
        eventually(lambda: served(proxy, authority), "one that goes on is served", 5)
        check(not clients[0].is_open(), "the oldest has made room")
        check(all(client.is_open() for client in clients[1:]), "the others have their time")
    proxy.expect_count(1, "evenkeel_tls_handshakes_evicted_total")


@scenario("silent sockets use up the places for clients")
def silent_clients(s):
    authority, settings = with_tls(s)
    proxy = start_proxy(s, NginxOrigin(s), {**settings, "limits": {"clients": 20}})
    with crowd(connecting(proxy), 20) as clients:
        eventually(lambda: proxy.metric("evenkeel_clients_open") == 20, "no place is left")
        eventually(lambda: served(proxy, authority), "one that speaks is served", 5)
        check(not clients[0].is_open(), "the oldest has made room")
        check(all(client.is_open() for client in clients[1:]), "the others have their time")


@scenario("a reload that takes TLS from a listener ends the process at the first byte of a client that was silent")
def silent_over_a_reload(s):
    authority, settings = with_tls(s)
    proxy = start_proxy(s, NginxOrigin(s), settings)
    context = ssl.create_default_context(cafile=authority.cert)
    with socket.create_connection(proxy.address, timeout=patient(10)) as plain:
        eventually(lambda: proxy.metric("evenkeel_clients_open") == 1, "it is connected")
        del proxy.settings["listeners"]["web"]["tls"]
        check(proxy.reload(), "reload")
        with context.wrap_socket(plain, server_hostname="shop.test") as secure:
            secure.sendall(b"GET /hello HTTP/1.1\r\nHost: shop.test\r\n\r\n")
            check(secure.recv(65536).startswith(b"HTTP/1.1 200"), "it speaks TLS as it was told")
    with proxy.client() as client:
        client.send(b"GET /hello HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        check_equal(client.response().status, 200, "the next one speaks in the clear")


def begins(proxy, authority, target):
    return slow_reader(proxy.address, ssl.create_default_context(cafile=authority.cert), target)


def length_of(client):
    """How much of a body comes until the connection ends."""
    pieces = []
    client.response(sink=lambda piece: pieces.append(len(piece)))
    return sum(pieces)


@scenario("TLS clients that read slowly break the downloads of others, or their own, by using up the buffers", within=120)
def slow_readers(s):
    size = 12 << 20
    authority, settings = with_tls(s)
    origin = RawOrigin(s).on("/large", body=b"x" * size)
    proxy = start_proxy(s, origin, {**settings, "limits": {"memory": "16MiB"},
                                    "upstreams": {"app": {"breaker": {"enabled": False}}}})
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(begins(proxy, authority, "/large")) for _ in range(60)]
        eventually(lambda: proxy.metric("evenkeel_responses_paused_total") >= 20, "reading pauses for want of buffers")
        for _ in range(3):
            with begins(proxy, authority, "/large") as quick:
                check_equal(length_of(quick), size, "bytes of one who reads")
        held = proxy.bound("buffers_bytes")
        check(held["refused"] == 0 and held["used"] < held["limit"], f"buffers: {held}")
        for each in slow[::20]:
            check_equal(length_of(each), size, "bytes of one who was slow")
    check_equal(proxy.metric("evenkeel_exchanges_by_reason_total", reason="no_memory") or 0, 0, "broken for want of memory")


if __name__ == "__main__":
    run()
