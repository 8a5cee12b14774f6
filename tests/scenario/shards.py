"""Shards: one tenant's storm stays in its shard, and every shard has figures of its own."""

import collections
import re
import signal
import subprocess
import threading
import time

from harness import (RawOrigin, access_rows, check, check_equal, eventually, full_scale, log_lines, patient, run, scaled,
                     scenario, start_proxy)

CALM = {"retry": {"attempts": 1}, "breaker": {"enabled": False}, "health": {"eject_after": 0}}


def sharded(shards, **upstream):
    return {"routes": [{"name": "all", "upstream": "app", "shards": {"count": 8, **shards}}],
            "upstreams": {"app": {**CALM, **upstream}}}


def tenant(name):
    return [("X-Tenant", name)]


def shards(proxy):
    return proxy.admin_json("/status")["routes"][0]["shards"]


@scenario("a shard lets more in than its limit, or wakes nobody when a place is free")
def limits(s):
    at_once, peak, lock = collections.Counter(), collections.Counter(), threading.Lock()

    def answer(connection, request):
        name = request.get("X-Tenant")
        with lock:
            at_once[name] += 1
            peak[name] = max(peak[name], at_once[name])
        time.sleep(0.01)  # the time of service
        with lock:
            at_once[name] -= 1
        return connection.respond(200, b"x")

    origin = RawOrigin(s).on("/", answer)
    proxy = start_proxy(s, origin, {"workers": 4, "log": {"access": {"path": s.path("access")}},
                                    **sharded({"in_flight": 3, "queue": 64})})
    results = collections.Counter()

    def client(number):
        with proxy.client() as connection:
            for _ in range(scaled(20, 200)):
                status = connection.request("GET", "/", tenant(f"t{number % 2}")).status
                with lock:
                    results[status] += 1

    threads = [threading.Thread(target=client, args=[number]) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patient(60))
    check_equal(results, {200: 24 * scaled(20, 200)}, "answers")
    same = len({line["shard"] for line in access_rows(s.path("access"))}) == 1
    for name in peak:
        check(peak[name] <= 3, f"{peak[name]} of {name} at once")
    check(same or max(peak.values()) == 3, "the limit was never reached")
    eventually(lambda: all(row["in_flight"] == row["queued"] == 0 for row in shards(proxy)), "all shards are empty")
    check_equal(sum(row["requests"] for row in shards(proxy)), 24 * scaled(20, 200), "requests counted")


@scenario("a full shard does not refuse, or holds what has gone")
def full(s):
    origin = RawOrigin(s).on("/hold", lambda connection, _: connection.wait_for_end() and False)
    proxy = start_proxy(s, origin, {"workers": 1, **sharded({"in_flight": 1, "queue": 1, "count": 2},
                                                            limits={"queue_wait": "2500ms"})})
    held, waiting = proxy.client(), proxy.client()
    held.send("GET /hold HTTP/1.1\r\nHost: a\r\nX-Tenant: t\r\n\r\n")
    origin.request_for("/hold")
    waiting.send("GET /wait HTTP/1.1\r\nHost: a\r\nX-Tenant: t\r\n\r\n")
    eventually(lambda: proxy.metric("evenkeel_shard_queued", route="all") == 1, "one waits")
    full = [row for row in proxy.bounds() if row["name"] == "shard_in_flight" and row["used"] == row["limit"]]
    check_equal([row["detail"].partition("/")[0] for row in full], ["all"], "full shards in /resources")
    response = proxy.get("/more", tenant("t"))
    check_equal((response.status, "shard_full" in response.get("Proxy-Status")), (503, True), "what is too much")
    response = waiting.response()
    check_equal((response.status, "shard_timeout" in response.get("Proxy-Status")), (503, True), "who waited too long")
    waiting.send("GET /wait HTTP/1.1\r\nHost: a\r\nX-Tenant: t\r\n\r\n")
    eventually(lambda: proxy.metric("evenkeel_shard_queued", route="all") == 1, "one waits")
    waiting.reset()
    eventually(lambda: proxy.metric("evenkeel_shard_queued", route="all") == 0, "it has left the line")
    with s.case("a reload to another number of shards while one is full"):
        check(proxy.reload({"routes": [{"name": "all", "upstream": "app", "shards": {"count": 5, "in_flight": 1}}]}),
              "the reload was rejected")
        check_equal(len(shards(proxy)), 5, "shards")
        check_equal(proxy.get("/", tenant("t")).status, 200, "status in the new set")
        held.reset()
        eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 0, "the old one is let go")
        check(proxy.reload({"routes": [{"name": "all", "upstream": "app"}]}), "the reload was rejected")
        check_equal(len(shards(proxy)), 0, "shards")


def requests_by_shard(proxy):
    return [row["requests"] for row in shards(proxy)]


@scenario("the retries of one shard are made with what the requests of the others have earned")
def retry_budget(s):
    origin = RawOrigin(s).on("/", status=200).on("/fails", status=503)
    settings = sharded({"shuffle": False}, retry={"attempts": 2, "on": ["503"], "backoff_base": "1ms", "backoff_max": "2ms",
                                                  "budget": {"ratio": 0.5, "per_second": 0.0}})
    proxy = start_proxy(s, origin, settings)
    check_equal(proxy.get("/", tenant("failing")).status, 200, "status")
    own = requests_by_shard(proxy).index(1)
    # Tenants of other shards earn a retry for every two requests.
    number = 0
    while sum(requests_by_shard(proxy)) - requests_by_shard(proxy)[own] < 40:
        check_equal(proxy.get("/", tenant(f"other{number}")).status, 200, "status")
        number += 1
    earned = requests_by_shard(proxy)[own] // 2
    for _ in range(20):
        check_equal(proxy.get("/fails", tenant("failing")).status, 503, "status")
    earned += 20 // 2
    made = proxy.metric("evenkeel_retry_verdicts_total", verdict="made")
    refused = proxy.metric("evenkeel_retry_verdicts_total", verdict="shard_budget")
    check(1 <= made <= earned + 1, f"{made:.0f} retries were made, the shard has earned {earned}")
    check_equal(made + refused, 20, "decisions on a retry")


@scenario("a drain that is cut while a shard's line is full ends in a crash")
def cut_in_line(s):
    origin = RawOrigin(s).on("/", lambda connection, _: connection.wait_for_end() and False)
    proxy = start_proxy(s, origin, {"workers": 4, "drain": {"grace": "700ms"},
                                    **sharded({"in_flight": 3, "queue": 60, "count": 2}, limits={"queue_wait": "20s"})})
    clients = [proxy.client() for _ in range(60)]
    for number, client in enumerate(clients):
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\nX-Tenant: {number}\r\n\r\n")
    eventually(lambda: proxy.metric("evenkeel_shard_queued", route="all") == 54, "all others wait")
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit(codes=(3,))


@scenario("one tenant at a hundred times its share is felt by the others", within=120)
def storm(s):
    def answer(connection, request):
        time.sleep(0.05 if request.target == "/storm" else 0.01)  # the time of service
        return connection.respond(200, b"x")

    origin = RawOrigin(s).on("/", answer)
    settings = sharded({"count": 16, "in_flight": 6, "queue": 8, "shuffle": False})
    proxy = start_proxy(s, origin, {"workers": 2, "log": {"access": {"path": s.path("access")}}, **settings})
    quiet = [f"tenant-{number}" for number in range(8)]

    def lines():
        return len(log_lines(s.path("access")))

    where = {}
    for name in [*quiet, "noisy"]:
        before = lines()
        proxy.get("/probe", tenant(name))
        eventually(lambda: lines() > before, "the access line is written")
        where[name] = access_rows(s.path("access"))[-1]["shard"]
    others = [name for name in quiet if where[name] != where["noisy"]]
    check(len(others) >= 4, f"too many share a shard with the noisy one: {where}")

    def waits(after):
        """What each of the others' requests waited for a place, in milliseconds, in order; of the lines after so many."""
        rows = access_rows(s.path("access"))[after:]
        return sorted(row["queue_ms"] or 0 for row in rows if row["target"] == "/")

    def measure(seconds):
        times, statuses, lock = [], collections.Counter(), threading.Lock()
        before, end = lines(), time.monotonic() + seconds

        def work(name):
            with proxy.client() as client:
                while time.monotonic() < end:
                    begun = time.monotonic()
                    status = client.request("GET", "/", tenant(name)).status
                    with lock:
                        times.append(time.monotonic() - begun)
                        statuses[status] += 1
                    time.sleep(0.02)  # a tenant's pause
        threads = [threading.Thread(target=work, args=[name]) for name in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        times.sort()
        waited = eventually(lambda: len(found := waits(before)) >= len(times) / 2 and found, "they are in the access log")
        return times[int(len(times) * 0.99)], waited[int(len(waited) * 0.99)], statuses

    seconds = scaled(3, 15)
    baseline, _, statuses = measure(seconds)
    check_equal(list(statuses), [200], "answers before the storm")
    # Each of the others asks some 30 times a second; this one 3200 times, from a process of its own.
    load = subprocess.Popen(["h2load", "--h1", "-c", "32", "--rps", "100", "-D", str(int(seconds) + 2),
                             "-H", "x-tenant: noisy", f"{proxy.url}/storm"], stdout=subprocess.PIPE, text=True)
    try:
        refused = {"class": "5xx"}
        eventually(lambda: proxy.metric("evenkeel_responses_total", **refused) > 100, "the storm has begun")
        during, waited_ms, statuses = measure(seconds)
    finally:
        said = load.communicate(timeout=patient(60))[0]
    codes = dict(zip(("2xx", "5xx"), map(int, re.search(r"status codes: (\d+) 2xx, \d+ 3xx, \d+ 4xx, (\d+) 5xx",
                                                         said).groups())))
    s.note(f"p99 of the others {baseline * 1000:.1f} ms before, {during * 1000:.1f} ms during, of which they waited for a "
           f"place {waited_ms:.1f} ms; the noisy one: {codes}")
    check_equal(list(statuses), [200], "answers during the storm")
    check(codes["5xx"] > codes["2xx"], f"the storm was not held: {codes}")
    check(waited_ms <= 5, f"the others waited for a place, p99 {waited_ms:.1f} ms")
    if full_scale():  # on a machine of our own its time can be told from noise
        check(during <= max(1.2 * baseline, baseline + patient(0.015)),
              f"p99 of the others rose from {baseline * 1000:.1f} to {during * 1000:.1f} ms")


run()
