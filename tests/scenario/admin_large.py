"""The pages of the admin listener with a thousand upstreams: whole, bounded in size and work, and in nobody's way."""

import json
import re
import socket

from harness import RawOrigin, beside, check, check_equal, eventually, promtool, run, scenario, start_proxy

UPSTREAMS = 1000
# What it takes now is a twentieth of this; a walk over all endpoints for each upstream took ten times as much.
PAGE_CPU_S = 0.75


def large_proxy(s, upstreams=UPSTREAMS):
    origin = RawOrigin(s)
    settings = {f"u{number}": {"endpoints": [f"127.1.{number // 250}.{number % 250 + 1}:9", origin.address],
                               "required": False, "pool": {"warm_min": 0}} for number in range(upstreams)}
    routes = [{"name": f"r{number}", "path_prefix": f"/{number}/", "upstream": f"u{number}"}
              for number in range(upstreams)]
    return start_proxy(s, None, {"upstreams": settings, "routes": routes, "log": {"level": "warn"}})


def names_of(text):
    return {line.partition("{")[0].partition(" ")[0] for line in text.decode().splitlines() if line[:1] != "#"}


@scenario("with many upstreams the metrics lack what concerns the whole process, and nothing says so")
def metrics(s):
    small = names_of(start_proxy(s, RawOrigin(s), name="small").admin("/metrics")[1])
    proxy = large_proxy(s)
    proxy.get("/7/")
    status, text = proxy.admin("/metrics")
    lines = text.decode().splitlines()
    check_equal(status, 200, "status")
    with s.case("promtool has no objection"):
        check_equal(promtool(text), "", "promtool")
    with s.case("figures of the process are there as with one upstream"):
        for kind in ("evenkeel_log_", "evenkeel_dns_", "evenkeel_metric_", "evenkeel_bound_", "evenkeel_tls_session"):
            wanted = {name for name in small if name.startswith(kind)}
            check(wanted and wanted <= names_of(text), f"missing: {sorted(wanted - names_of(text))}")
        check('evenkeel_bound_limit{name="clients",detail=""} 20000' in lines, "the limit of clients is missing")
    with s.case("nothing is dropped, what is left out is said, and the page is small"):
        found = proxy.metrics()
        check_equal(found["evenkeel_metric_series_dropped"], 0, "series dropped")
        check(found["evenkeel_metric_subjects_shortened"] > 0, "detail is missing, and nothing says so")
        check(len(text) < 10_000_000 and len(lines) < 100_000, f"{len(text)} bytes, {len(lines)} lines")
    with s.case("each upstream and endpoint has what alerts need"):
        for kind in ("upstream_endpoints_healthy", "endpoint_healthy", "breaker_state"):
            own = [line for line in lines if line.startswith(f'evenkeel_{kind}{{upstream="u999"')]
            check(own, f"evenkeel_{kind} of the last upstream is missing")
    with s.case("?upstream= has all of one upstream, and of no other"):
        status, one = proxy.admin("/metrics?upstream=u7")
        check_equal((status, promtool(one)), (200, ""), "status and promtool")
        check({"evenkeel_endpoint_dials_total", "evenkeel_endpoint_latency_seconds", "evenkeel_bound_limit"} <=
              names_of(one), "detail of the endpoints is missing")
        check(b'"u8"' not in one and b"evenkeel_workers" not in one, "others are on the page")
        check_equal(proxy.admin("/metrics?upstream=none")[0], 404, "status for an unknown upstream")
    with s.case("series stay once they are there"):
        before = set(found) - {"evenkeel_metric_series"}
        check(before <= set(proxy.metrics()), f"gone: {sorted(before - set(proxy.metrics()))[:5]}")


def edges_of(page):
    """The edges of buckets, as each histogram of the page has them."""
    edges = {}
    for name, edge in re.findall(r'^(\w+_bucket{.*)le="([^"]*)"', page.decode(), re.M):
        edges.setdefault(name, []).append(edge)
    return set(map(tuple, edges.values()))


@scenario("a reload frees what a page that is being written still needs", within=90)
def reload_meanwhile(s):
    proxy = large_proxy(s, 400)  # of more, histograms are left out
    proxy.get("/7/")
    eventually(lambda: edges_of(proxy.admin("/metrics")[1]), "there are histograms")
    pages = []
    for edges in (["1ms"], ["2ms", "3ms"]) * 3:
        with beside(3, lambda _: pages.extend(proxy.admin("/metrics")[1] for _ in range(3))):
            check(proxy.reload({"metrics": {"buckets": edges}}), "the reload was rejected")
    for page in pages:
        check_equal(len(edges_of(page)), 1, f"kinds of edges on a page: {edges_of(page)}")


@scenario("the work for a page grows with the square of the number of upstreams")
def linear(s):
    proxy = large_proxy(s)
    for page in ("/status", "/upstreams"):
        with s.case(f"{page} has every upstream"):
            before = proxy.cpu_seconds()
            rows = json.loads(proxy.admin(page)[1])["upstreams"]
            spent = proxy.cpu_seconds() - before
            check_equal([row["name"] for row in rows], [f"u{number}" for number in range(UPSTREAMS)], "upstreams")
            check(all(len(row["endpoints"]) == 2 for row in rows), "endpoints are missing")
            check(spent < PAGE_CPU_S, f"{page} took {spent:.2f} s of a processor")


@scenario("a liveness probe waits until large pages are written")
def livez(s):
    proxy = large_proxy(s)
    for page in ("/upstreams", "/resources", "/status"):
        with s.case(page):
            probe_amid(proxy, page)


def probe_amid(proxy, page):
    """Asks for the page many times at once, and for /livez when the first has come."""
    askers = [asks(proxy, page) for _ in range(30)]

    def answered():
        return sum(_has_data(sock) for sock in askers)

    eventually(answered, "the first page is there")
    check_equal(proxy.admin("/livez")[0], 200, "status of /livez")
    check(answered() < len(askers), "all pages went before the probe")
    # whoever leaves is not written for, and the others get their page
    for sock in askers[10:]:
        sock.close()
    del askers[10:]
    eventually(lambda: answered() == len(askers), "the pages are there", 30)
    for sock in askers:
        sock.close()
    eventually(lambda: proxy.bound("admin_connections")["used"] == 1, "only the one who asks has a place")


def asks(proxy, page):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(proxy.settings["admin"]["listen"].removeprefix("unix:"))
    sock.sendall(f"GET {page} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return sock


def _has_data(sock):
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return False


run()
