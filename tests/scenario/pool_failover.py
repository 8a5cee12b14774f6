"""Failover: what a dying endpoint costs clients, and how soon its pool is full again."""

import time

from harness import (Authority, Pace, RawOrigin, check, check_equal, eventually, once_of, patient, promptly, run,
                     scaled, scenario, start_proxy, takes)
from harness.pace import faults, quantile_ms, refused_at_once

SERVICE_S = 0.05


def serving(s, name="origin", **options):
    origin = RawOrigin(s, name, **options)
    origin.on("/", takes(SERVICE_S, status=200, body=b"ok"))
    return origin


def reset_all(origin):
    for connection in origin.open_connections():
        connection.reset()


def full(origin, count):
    return len(origin.open_connections()) >= count


def fails_over(s, origin, name, dial_s, warm_min, wanted, settings):
    """200 requests a second while all connections are reset at once; `wanted` have to be there again."""
    proxy = start_proxy(s, origin, {"workers": 2, "upstreams": {"app": {"pool": {"warm_min": warm_min}, **settings}}},
                        name=name)
    eventually(lambda: full(origin, warm_min), "the pool is warm")
    failed = []
    once_of(3, lambda: comes_back(s, proxy, origin, f"{name}: {wanted}", dial_s, wanted, failed))
    check_equal(failed, [], "faults")


def comes_back(s, proxy, origin, what, dial_s, wanted, failed):
    """Resets all connections under load, and judges how soon the pool is full again and what it costs in time."""
    load = Pace(proxy.address, 200, 40)
    load.go_on(scaled(140, 600))
    eventually(lambda: full(origin, wanted), f"{wanted} connections before")
    at, origin.peak_handshakes = time.monotonic(), 0
    reset_all(origin)
    again = promptly(lambda: full(origin, wanted), "the pool is full again", dial_s * 1.5 + 0.15, proxy)
    load.go_on(scaled(160, 400))
    answers = load.end()
    failed += faults(answers)
    before = quantile_ms([answer for answer in answers if answer.due < at], 0.99)
    after = quantile_ms([answer for answer in answers if at <= answer.due <= at + 2], 0.99)
    # Few requests make the last hundredth one or two, and the origin shakes hands in Python.
    limit = patient((SERVICE_S + dial_s) * 1300 + scaled(150, 20)) + 2 * (before - SERVICE_S * 1000)
    check(after < limit, f"p99 {after:.0f} ms, {before:.0f} ms before")
    s.note(f"{what} are there again after {again.seconds * 1000:.0f} ms, p99 {after:.0f} ms, {before:.0f} before")


@scenario("connections that are reset together cost an error, or more than a dial, or come back one by one")
def reset_together(s):
    with s.case("the warm level is there again at once, and no client sees an error"):
        fails_over(s, serving(s, "warm"), "evenkeel-warm", 0, 25, 25, {})
    with s.case("what was in use is there again at once, and no client sees an error"):
        fails_over(s, serving(s, "used"), "evenkeel-used", 0, 0, 8, {})
    with s.case("with TLS and 100 ms a dial it takes one dial, not one after the other"):
        authority = Authority(s)
        origin = serving(s, "tls", certificate=authority.issue("app.test"), handshake_s=0.1)
        fails_over(s, origin, "evenkeel-tls", 0.1, 25, 25,
                   {"tls": {"enabled": True, "server_name": "app.test", "ca": authority.cert}})
        check(origin.peak_handshakes >= 5, f"at most {origin.peak_handshakes} handshakes at once")


@scenario("an address family that leads nowhere costs clients an error")
def families(s):
    origin = serving(s)
    proxy = start_proxy(s, origin, {"workers": 2, "upstreams": {"app": {
        "endpoints": [f"[::1]:{origin.port}", origin.address], "balance": "round_robin"}}})
    with proxy.client() as client:
        for number in range(30):
            check_equal(client.request("GET", f"/{number}").status, 200, "status")


@scenario("an endpoint that refuses makes clients pay although another one serves")
def one_refuses(s):
    bad, good = serving(s, "bad"), serving(s, "good")
    proxy = start_proxy(s, bad, {"workers": 2, "upstreams": {"app": {
        "endpoints": [bad.address, good.address], "pool": {"warm_min": 10}}}})
    eventually(lambda: full(bad, 10) and full(good, 10), "both are warm")
    load = Pace(proxy.address, 100, 30)
    load.go_on(50)
    bad.refuse()
    reset_all(bad)
    load.go_on(scaled(150, 300))
    bad.listen()
    again = promptly(lambda: full(bad, 10), "its pool is full again", 1.0 + 0.15, proxy)
    s.note(f"full {1000 * again.seconds:.0f} ms after it was back")
    load.go_on(50)
    check_equal(faults(load.end()), [], "faults")


@scenario("with no endpoint alive clients wait, or are not told why; afterwards the pool stays empty")
def none_alive(s):
    origin = serving(s)
    proxy = start_proxy(s, origin, {"workers": 2, "upstreams": {"app": {"pool": {"warm_min": 10}}}})
    eventually(lambda: full(origin, 10), "it is warm")
    origin.refuse()
    reset_all(origin)
    with s.case("errors are immediate and explained"):
        refused_at_once(proxy, scaled(1.5, 3), 0.1)
    with s.case("the dials are few: they back off"):
        failures = proxy.metric("evenkeel_endpoint_dial_failures_total")
        check(failures < 10 * 12 + 400, f"{failures:.0f} dials failed")
    with s.case("the pool is full one step and a dial after it is back"):
        origin.listen()
        promptly(lambda: full(origin, 10), "the pool is full again", 1.0 + 0.15, proxy)
        eventually(lambda: proxy.get("/").status == 200, "the breaker lets requests through")


run()
