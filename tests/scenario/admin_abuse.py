"""Whoever is slow, idle or foreign at the admin listener does not keep an operator or a liveness probe from being answered."""

import time

from harness import RawOrigin, Trickle, check, check_equal, eventually, run, scenario, start_proxy

PLACES = 64
HEAD = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"


def admin_path(proxy):
    return proxy.settings["admin"]["listen"].removeprefix("unix:")


@scenario("connections that send a byte now and then keep /livez from being answered")
def slow_heads(s):
    proxy = start_proxy(s, RawOrigin(s))
    with Trickle(admin_path(proxy), PLACES, HEAD, b"x") as slow:
        check_equal(proxy.admin("/livez")[0], 200, "status of /livez beside as many slow heads as there are places")
        check_equal(proxy.bound("admin_connections")["refused"], slow.ended(), "places lost, as counted and as seen")
        with Trickle(admin_path(proxy), 3 * PLACES, HEAD, b"x"):
            check_equal(proxy.admin("/livez")[0], 200, "status of /livez beside four times as many")
    check(proxy.bound("admin_connections")["refused"] > 0, "places were lost, and nothing counts that")


@scenario("idle connections keep /livez from being answered")
def idle(s):
    proxy = start_proxy(s, RawOrigin(s))
    with Trickle(admin_path(proxy), PLACES, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", b"", 0.1):
        began = time.monotonic()
        for _ in range(10):
            check_equal(proxy.admin("/livez")[0], 200, "status of /livez")
        check(time.monotonic() - began < 8, "ten answers took as long as silence may last")


@scenario("connections that do not read their pages keep /livez from being answered")
def slow_readers(s):
    proxy = start_proxy(s, RawOrigin(s))
    with Trickle(admin_path(proxy), PLACES, (HEAD + b"\r\n") * 40, HEAD + b"\r\n", 0.5, 2048):
        for _ in range(10):
            check_equal(proxy.admin("/livez")[0], 200, "status of /livez")


@scenario("a request that comes a byte at a time is waited for without end")
def one_deadline(s):
    proxy = start_proxy(s, RawOrigin(s))
    body = b"POST /upstreams/none/breaker/auto HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n"
    with Trickle(admin_path(proxy), 2, HEAD, b"x") as heads, Trickle(admin_path(proxy), 2, body, b"x") as bodies:
        eventually(lambda: (heads.ended(), bodies.ended()) == (2, 2), "slow requests are given up", 20)
    eventually(lambda: proxy.bound("admin_connections")["used"] == 1, "only the one who asks has a place")


run()
