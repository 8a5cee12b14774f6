"""Warm pools: the level is there without traffic, exact over all workers, and kept by reloads."""

from harness import (ESTABLISHED, RawOrigin, NginxOrigin, NginxProxy, Stopwatch, check, check_equal, eventually, h2load,
                     once_of, run, scaled, scenario, start_proxy)


def pool(**settings):
    return {"upstreams": {"app": {"pool": settings}}}


def sockets_to(proxy, origin):
    return sorted(row[0] for row in proxy.sockets() if row[1] == origin.address and row[2] == ESTABLISHED)


@scenario("a fresh process has an empty pool, or fills it beyond its level")
def start(s):
    for workers in (1, 3, 8):
        with s.case(f"{workers} workers dial the level before anybody asks for readiness, and no more"):
            origin = RawOrigin(s, f"origin-{workers}")
            proxy = start_proxy(s, origin, {"workers": workers, **pool(warm_min=10)}, name=f"evenkeel-{workers}")
            eventually(lambda p=proxy: p.admin("/readyz")[0] == 200, "it is ready")
            ready = proxy.metric("evenkeel_endpoint_ready_connections")
            check(ready >= 8, f"{ready} of 10 connections when it is ready (readiness.pools is 0.8)")
            eventually(lambda o=origin: len(o.open_connections()) == 10, "10 connections")
            for number in range(50):
                check_equal(proxy.get(f"/{number}").status, 200, "status")
            proxy.expect_count(10, "evenkeel_endpoint_dials_total")
            check_equal(origin.peak_established, 10, "connections at once")


@scenario("a reload drops pooled connections of what has not changed")
def reloads(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 2, **pool(warm_min=6)})
    eventually(lambda: len(sockets_to(proxy, origin)) == 6, "the pool is warm")
    before = sockets_to(proxy, origin)
    for number in range(20):
        check(proxy.reload({"limits": {"clients": 1000 + number}}), "the reload was rejected")
        check_equal(proxy.get("/").status, 200, "status")
    check_equal(sockets_to(proxy, origin), before, "sockets to the origin")
    with s.case("a higher level is dialled for, a new endpoint gets its own"):
        second = RawOrigin(s, "second")
        check(proxy.reload({"upstreams": {"app": {"endpoints": [origin.address, second.address],
                                                  "pool": {"warm_min": 8}}}}), "the reload was rejected")
        eventually(lambda: len(origin.open_connections()) == 8 and len(second.open_connections()) == 8, "8 each")
        check(set(before) <= set(sockets_to(proxy, origin)), "connections of the first endpoint were dropped")


@scenario("a new endpoint takes traffic before it is warm although another one serves")
def cold(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 2, **pool(warm_min=2)})
    check_equal(proxy.get("/").status, 200, "status")
    silent = RawOrigin(s, "silent", backlog=0)
    silent.refuse()
    check(proxy.reload({"upstreams": {"app": {"endpoints": [origin.address, silent.address]}}}), "rejected")
    for _ in range(200):
        check_equal(proxy.get("/").status, 200, "status")
    check_equal(proxy.metric("evenkeel_endpoint_leases_total", endpoint=silent.address), 0, "leases of the cold endpoint")
    check_equal(proxy.metric("evenkeel_endpoint_cold", endpoint=silent.address), 1, "cold")
    silent.listen()
    eventually(lambda: proxy.get("/") and len(silent.requests) > 0, "it is used once it is warm")
    check_equal(proxy.metric("evenkeel_endpoint_cold"), 0, "cold")


IN_FLIGHT = 32


def bursts(proxy):
    clients, requests = scaled(400, 2000), scaled(20000, 100000)
    for _ in range(2):
        h2load(f"{proxy.url}/hello", requests // 2, clients).expect_clean()
        proxy.rest()
    return requests


def reuses(s, origin, workers, peaks):
    """Two bursts; most requests go over connections that have served others, of which there are hardly more than in flight."""
    proxy = start_proxy(s, origin, {"workers": workers, "limits": {"clients": 10000}, "upstreams": {"app": {
        "limits": {"in_flight": IN_FLIGHT, "queue": 10000, "queue_wait": "10s", "queue_target": "1m"}}}})
    watch = Stopwatch(proxy)
    requests = bursts(proxy)
    watch.stop()
    # A worker that waits for a processor cannot lend what it has: what is dialled instead is the machine's doing.
    most = IN_FLIGHT * (1.5 + watch.waited / watch.took)
    fresh = proxy.metric("evenkeel_endpoint_leases_total", state="fresh")
    peaks[workers] = proxy.bound("endpoint_connections")["peak"]
    proxy.stop()
    check(fresh <= max(requests * 0.001, most), f"{fresh:.0f} of {requests} on fresh connections")
    check(peaks[workers] <= most, f"{peaks[workers]} connections for {IN_FLIGHT} in flight")


@scenario("bursts over many clients dial, and more workers dial more")
def reuse(s):
    peaks = {}
    for workers in (1, 2, 4):
        with s.case(f"{workers} workers: 99.9% of the requests on reused connections, and no more of them than with one"):
            origin = NginxOrigin(s, f"origin-{workers}")
            once_of(3, lambda: reuses(s, origin, workers, peaks))
    s.note(f"peaks of upstream connections by workers: {peaks}")
    if scaled(False, True):
        origin = NginxOrigin(s, "origin-nginx")
        nginx = NginxProxy(s, {"upstreams": {"app": {"endpoints": [origin.address]}}})
        bursts(nginx)
        s.note(f"nginx: {len([row for row in nginx.sockets() if row[1] == origin.address])} connections at the end")


run()
