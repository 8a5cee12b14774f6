#!/usr/bin/env python3
"""Failover over HTTP/2: what a dying endpoint costs clients, and how soon its pool is full again."""

from harness import (Pace, check, check_equal, eventually, once_of, promptly, reads_body, run, scaled,
                     scenario, start_proxy, takes)
from harness import h2_bytes as h2
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client
from harness.pace import faults, refused_at_once

WARM = 10


def in_one_piece(stream, _):
    """So that a connection breaks before a response or behind it, not within."""
    stream.send(h2.headers(stream.id, h2.block([(":status", "200")])) + h2.data(stream.id, b"ok", True))


def serving(s, name="origin"):
    origin = H2Origin(s, name)
    origin.on("/", reads_body(takes(0.03, in_one_piece)))
    return origin


def proxy_for(s, *origins):
    proxy = start_proxy(s, list(origins), {"workers": 2, "upstreams": {"app": {"protocol": "http2", "pool": {"warm_min": WARM}}}})
    for origin in origins:
        eventually(lambda the=origin: full(the), "it is warm")
    return proxy


def full(origin, since=0):
    """Whether the warm level is there, of connections that came after the first `since`."""
    return sum(not connection.ended for connection in list(origin.connections)[since:]) >= WARM


def reset_all(origin):
    """Returns how many connections there had been before."""
    before = len(origin.connections)
    for connection in origin.open_connections():
        connection.reset()
    return before


@scenario("HTTP/2 connections that are reset together cost an error, or come back one by one")
def reset_together(s):
    origin = serving(s)
    proxy = proxy_for(s, origin)
    load = Pace(proxy.address, 150, 30)
    load.go_on(scaled(100, 500))

    def once():
        eventually(lambda: full(origin), "it is full before")
        since = reset_all(origin)
        again = promptly(lambda: full(origin, since), "the pool is full again", 0.25, proxy)
        s.note(f"full after {again.seconds * 1000:.0f} ms")
        load.go_on(scaled(100, 300))
    once_of(3, once)
    check_equal(faults(load.end())[:5], [], "faults")


@scenario("an HTTP/2 connection that has lived long enough ends with its streams, or before another is there")
def replaced(s):
    origin = serving(s)
    proxy = start_proxy(s, origin, {"workers": 2, "upstreams": {"app": {"protocol": "http2", "pool": {
        "warm_min": 4, "lifetime": "1s"}}}})
    eventually(lambda: len(origin.open_connections()) >= 4, "it is warm")
    load, least = Pace(proxy.address, 200, 30), []
    for _ in range(scaled(20, 100)):
        load.go_on(30)
        least.append(proxy.metric("evenkeel_endpoint_ready_connections"))
    check_equal(faults(load.end())[:5], [], "faults")
    check(min(least) >= 4, f"{min(least):.0f} connections ready of a warm level of 4")
    check(len(origin.connections) >= 10, f"{len(origin.connections)} connections: none was replaced")


@scenario("HTTP/2 connections that a burst has left are kept for ever, or the warm level goes with them")
def surplus(s):
    origin = H2Origin(s, settings={h2.MAX_CONCURRENT_STREAMS: 2})
    origin.on("/slow", reads_body(takes(0.2, in_one_piece))).on("/", in_one_piece)
    proxy = start_proxy(s, origin, {"workers": 2, "listeners": {"web": {"http2": {"cleartext": True}}}, "upstreams": {"app": {
        "protocol": "http2", "pool": {"warm_min": 2, "idle": "400ms"}}}})
    with H2Client(proxy.address) as client:
        for stream in [client.ask("GET", "/slow") for _ in range(12)]:
            check_equal(client.response(stream).status, 200, "status")
        check(len(origin.connections) >= 6, f"{len(origin.connections)} connections for 12 streams, two on each")

        def spared():
            check_equal(client.request("GET", "/").status, 200, "status of the little that goes on")
            ready = proxy.metric("evenkeel_endpoint_ready_connections")
            check(ready >= 2, f"{ready:.0f} connections ready of a warm level of 2")
            return len(origin.open_connections()) <= 3  # one of them may be about to be replaced
        eventually(spared, "what is more than the warm level goes")


@scenario("an HTTP/2 endpoint that refuses makes clients pay although another one serves")
def one_refuses(s):
    bad, good = serving(s, "bad"), serving(s, "good")
    proxy = proxy_for(s, bad, good)
    load = Pace(proxy.address, 100, 30)
    load.go_on(50)
    bad.refuse()
    since = reset_all(bad)
    load.go_on(scaled(150, 300))
    bad.listen()
    again = promptly(lambda: full(bad, since), "its pool is full again", 1.0 + 0.25, proxy)
    s.note(f"full {1000 * again.seconds:.0f} ms after it was back")
    load.go_on(50)
    check_equal(faults(load.end())[:5], [], "faults")


@scenario("with no HTTP/2 endpoint alive clients wait, or are not told why; afterwards the pool stays empty")
def none_alive(s):
    origin = serving(s)
    proxy = proxy_for(s, origin)
    origin.refuse()
    since = reset_all(origin)
    with s.case("errors are immediate and explained"):
        refused_at_once(proxy, scaled(1.0, 3), 0.15)
    with s.case("the pool is full one step and a dial after it is back"):
        origin.listen()
        promptly(lambda: full(origin, since), "the pool is full again", 1.0 + 0.25, proxy)
        eventually(lambda: proxy.get("/").status == 200, "the breaker lets requests through")


if __name__ == "__main__":
    run()
