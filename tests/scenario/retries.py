"""Retries: what fails is tried again where that helps and harms nobody, and never more than the budget allows."""

import itertools
import json
import random
import threading
import time

from harness import Arrived, RawOrigin, Stopwatch, becomes, check, check_equal, eventually, promptly, run, scaled, scenario, start_proxy, takes

CALM = {"breaker": {"enabled": False}, "health": {"eject_after": 0}, "pool": {"warm_min": 0}}


def policy(retry=None, **upstream):
    retry = {"on": ["connect_failure", "reset", "502", "503", "504"], "backoff_base": "5ms", "backoff_max": "20ms",
             **(retry or {})}
    return {"workers": 1, "upstreams": {"app": {**CALM, "retry": retry, **upstream}}}


def failing(times, status=503, fields=()):
    """Fail so many requests of each target, then answer."""
    left = {}

    def answer(connection, request):
        count = left.setdefault(request.target, itertools.count(1))
        if next(count) <= times:
            if status is None:
                connection.reset()
                return False
            return connection.respond(status, b"no", fields)
        return connection.respond(200, bytes(request.body), [("X-Attempt", request.get("X-Envoy-Attempt-Count"))])
    return answer


def verdicts(proxy):
    return {series.split('verdict="')[1].split('"')[0]: value for series, value in proxy.metrics().items()
            if series.startswith("evenkeel_retry_verdicts_total") and value}


@scenario("a failure that a retry would have mended reaches the client")
def mended(s):
    origin = RawOrigin(s)
    origin.on("/503", failing(2)).on("/502", failing(1, 502)).on("/504", failing(1, 504))
    origin.on("/500", failing(1, 500)).on("/reset", failing(2, None))
    proxy = start_proxy(s, origin, policy())
    # a reused connection that dies is redialled once without counting as a retry
    for target, attempts in (("/503", "3"), ("/502", "2"), ("/504", "2"), ("/reset", "23")):
        with s.case(f"GET {target} is answered at attempt {' or '.join(attempts)}"):
            response = proxy.get(target)
            check(response.status == 200 and response.get("X-Attempt") in attempts,
                  f"{response.status} at attempt {response.get('X-Attempt')}")
    with s.case("500 is passed on"):
        check_equal(proxy.get("/500").status, 500, "status")
    with s.case("a POST that was sent is not repeated"):
        check_equal(proxy.get("/503/post", method="POST", body=b"pay").status, 503, "status")
        check_equal(len([r for r in origin.requests if r.target == "/503/post"]), 1, "requests at the origin")
        becomes(lambda: verdicts(proxy).get("unsafe"), 1, "verdicts")
    with s.case("attempts end"):
        origin.on("/never", status=503)
        check_equal(proxy.get("/never").status, 503, "status")
        check_equal(len([r for r in origin.requests if r.target == "/never"]), 3, "requests at the origin")
    with s.case("the connection that carried a short refusal is kept"):
        check(len(origin.connections) <= 6, f"{len(origin.connections)} connections")


@scenario("a body is not sent again, or not whole")
def bodies(s):
    origin = RawOrigin(s).on("/", failing(1))
    proxy = start_proxy(s, origin, policy({"idempotency_key": True}))
    rng = random.Random(1)
    for size in (1, 1000, 16384, 65536):
        with s.case(f"{size} bytes are sent again"):
            body = rng.randbytes(size)
            response = proxy.get(f"/put/{size}", method="PUT", body=body)
            check_equal((response.status, bytes(response.body) == body), (200, True), "status, and the body came whole")
    with s.case("a chunked body is sent again"):
        with proxy.client() as client:
            client.send("PUT /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            client.wait_until_read()
            client.send("6\r\n world\r\n0\r\n\r\n")
            response = client.response()
        check_equal((response.status, bytes(response.body)), (200, b"hello world"), "status and body")
    with s.case("more than 64 KiB are not"):
        check_equal(proxy.get("/put/large", method="PUT", body=bytes(200000)).status, 503, "status")
        becomes(lambda: verdicts(proxy).get("body"), 1, "verdicts")
    with s.case("a POST with an Idempotency-Key is repeated where that is configured"):
        response = proxy.get("/post", [("Idempotency-Key", "k1")], method="POST", body=b"once")
        check_equal((response.status, bytes(response.body)), (200, b"once"), "status and body")
    eventually(lambda: proxy.bound("replay_bytes")["used"] == 0, "what was kept is given back")
    check(proxy.bound("replay_bytes")["peak"] > 0, "nothing was ever kept")


@scenario("a large body is not sent though nothing of it was")
def unsent(s):
    refuses, origin = s.port(), RawOrigin(s)
    proxy = start_proxy(s, [f"127.0.0.1:{refuses}", origin.address], policy(balance="round_robin"))
    for number in range(4):
        body = bytes(300000)
        response = proxy.get(f"/post/{number}", method="POST", body=body)
        check_equal(Arrived(response).bytes, len(body), f"bytes of body {number}")


@scenario("a retry goes to the endpoint that has just failed")
def elsewhere(s):
    bad = RawOrigin(s, "bad").on("/", status=503)
    good = RawOrigin(s, "good").on("/", status=200, body=b"good")
    proxy = start_proxy(s, [bad, good], policy(balance="round_robin"))
    for _ in range(20):
        check_equal(proxy.get("/").status, 200, "status")
    check(len(bad.requests) >= 5, "the bad endpoint was hardly asked")
    check_equal(len(good.requests), 20, "requests at the good endpoint")


@scenario("Retry-After is not kept to, or kept to beyond the deadline")
def waits(s):
    origin = RawOrigin(s).on("/one", failing(1, 503, [("Retry-After", "1")]))
    origin.on("/ten", failing(1, 503, [("Retry-After", "10")]))
    proxy = start_proxy(s, origin, policy(timeouts={"total": "5s"}))
    watch = Stopwatch(proxy)
    check_equal(proxy.get("/one").status, 200, "status")
    watch.stop()
    check(watch.took >= 1.0 and watch.seconds < 2.0, f"answered after {watch.took:.2f} s")
    watch = Stopwatch(proxy)
    response = proxy.get("/ten")
    check_equal((response.status, response.get("Retry-After")), (503, "10"), "what cannot be kept to is passed on")
    check(watch.stop().seconds < 1, "it was waited for")
    becomes(lambda: verdicts(proxy).get("too_late"), 1, "verdicts")


@scenario("what another hop has decided is tried again")
def other_hop(s):
    fields = [("Proxy-Status", "ExampleCDN; error=connection_timeout")]
    origin = RawOrigin(s).on("/", failing(1, 503, fields))
    proxy = start_proxy(s, origin, policy())
    check_equal(proxy.get("/a").status, 503, "status")
    becomes(lambda: verdicts(proxy).get("other_hop"), 1, "verdicts")
    proxy.reload({"upstreams": {"app": {"retry": {"on": ["503", "other_hop"]}}}})
    check_equal(proxy.get("/b").status, 200, "status where retry.on names other_hop")


@scenario("an attempt that takes too long takes the whole deadline")
def per_try(s):
    def once(connection, request):
        if request.get("X-Envoy-Attempt-Count") == "1":
            return connection.wait_for_end() and False
        return connection.respond(200, b"second")
    origin = RawOrigin(s).on("/", once)
    proxy = start_proxy(s, origin, policy(timeouts={"per_try": "700ms", "total": "10s"}))
    watch = Stopwatch(proxy)
    check_equal(proxy.get("/").status, 200, "status")
    check(watch.stop().seconds < 3, f"answered after {watch.took:.2f} s")


@scenario("a client that has gone is retried for, or its wait is not given up")
def gone(s):
    origin = RawOrigin(s).on("/", failing(1, 503, [("Retry-After", "3")]))
    proxy = start_proxy(s, origin, policy())
    client = proxy.client()
    client.send("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
    eventually(lambda: verdicts(proxy).get("made"), "a retry is waited for")
    check_equal(proxy.bound("upstream_in_flight", "app")["used"], 0, "places held while it waits")
    client.reset()
    promptly(lambda: proxy.metric("evenkeel_exchanges_finished_total")
             == proxy.metric("evenkeel_exchanges_started_total"), "the exchange is over", 2, proxy)
    check(proxy.reload({"upstreams": {"other": {"endpoints": [origin.address]}}}), "the reload was rejected")


def load(proxy, requests, threads=8):
    """{status: count}, the times of so many requests, and how many of them an origin has answered late."""
    counts, times, late, lock = {}, [], itertools.count(), threading.Lock()
    numbers = itertools.count()

    def work():
        with proxy.client() as client:
            while (number := next(numbers)) < requests:
                begun = time.monotonic()
                response = client.request("GET", f"/{number}")
                took = time.monotonic() - begun
                with lock:
                    counts[response.status] = counts.get(response.status, 0) + 1
                    times.append(took)
                    if response.get("X-Late"):
                        next(late)
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return counts, sorted(times), next(late)


@scenario("random failures reach clients, or their mending overloads the origin", within=120)
def random_failures(s):
    requests = scaled(1500, 20000)
    for share, budget, least in ((0.05, 0.1, 0.997), (0.2, 0.1, 0.88), (1.0, 0.1, 0.0)):
        with s.case(f"{share:.0%} failures"):
            rng = random.Random(7)
            lock = threading.Lock()
            seen = []

            def flaky(connection, request, share=share, rng=rng, lock=lock, seen=seen):
                with lock:
                    bad = rng.random() < share
                    seen.append(request.target)
                return connection.respond(503 if bad else 200, b"x")

            origin = RawOrigin(s, f"flaky-{share}").on("/", flaky)
            proxy = start_proxy(s, origin, policy({"budget": {"ratio": budget, "per_second": 3.0},
                                                   "on": ["503"]}), name=f"evenkeel-{share}")
            begun = time.monotonic()
            counts, times, _ = load(proxy, requests)
            seconds = time.monotonic() - begun
            good = counts.get(200, 0) / requests
            extra = len(seen) - requests
            # the budget's window is 10 s: what it gives for them may be taken at once
            most = budget * requests + 3.0 * (seconds + 10)
            s.note(f"{share:.0%}: {good:.2%} good, {extra} retries of {most:.0f} allowed in {seconds:.1f} s, "
                   f"p99 {times[int(len(times) * 0.99)] * 1000:.1f} ms")
            check(good >= least, f"{good:.2%} were answered, {counts}")
            check(extra <= most, f"{extra} retries, the budget allows {most:.0f}")
            if share == 1.0:
                median = proxy.admin_json("/status")["routes"][0]["p50_ms"]
                check(median < 50, f"an error takes {median:.1f} ms in the proxy")
                check(verdicts(proxy).get("budget", 0) > requests / 2, f"verdicts: {json.dumps(verdicts(proxy))}")


def hedging(s, slow, share, seconds=0.25):
    """Two origins, of which the first is slow for a share of the requests; and the proxy before them."""
    rng, lock = random.Random(3), threading.Lock()

    def answer(connection, request):
        with lock:
            late = rng.random() < share
        if late:
            time.sleep(seconds)  # what makes it slow
        return connection.respond(200, b"slow" * 5000, [("X-Method", request.method), *[("X-Late", "yes")] * late])

    first = RawOrigin(s, "first").on("/", answer)
    second = RawOrigin(s, "second").on("/", slow or (lambda connection, _: connection.respond(200, b"fast" * 5000)))
    settings = policy({"hedge": True, "attempts": 1})
    settings["upstreams"]["app"]["balance"] = "round_robin"
    return first, second, start_proxy(s, [first, second], settings)


@scenario("a slow endpoint makes requests wait that another would have answered, or all are asked twice", within=90)
def hedged(s):
    first, second, proxy = hedging(s, None, 0.03)
    requests = scaled(1600, 10000)
    counts, _, late = load(proxy, requests, threads=4)
    check_equal(counts, {200: requests}, "answers")
    hedges = proxy.metric("evenkeel_hedges_total", upstream="app")
    won = proxy.metric("evenkeel_hedges_won_total", upstream="app")
    arrived = len(first.requests) + len(second.requests)
    s.note(f"{hedges:.0f} hedges of {requests}, {won:.0f} won, {late} late, {arrived} requests at the origins")
    check(won >= 5, f"{won} hedges won")
    check(hedges <= 0.02 * requests, f"{hedges} hedges")
    check(arrived <= 1.02 * requests, f"{arrived} requests at the origins")
    check(late < 0.012 * requests, f"{late} requests were late")
    proxy.expect_count(requests, "evenkeel_exchanges_started_total")
    eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 0, "all places are given back")


@scenario("a hedged request is answered twice, by a failure, or not at all")
def hedge_races(s):
    failing_too = lambda connection, _: connection.respond(503, b"no")          # noqa: E731
    first, second, proxy = hedging(s, failing_too, 0.5, 0.03)
    proxy.reload({"upstreams": {"app": {"balance": "least_in_flight"}}})
    statuses, failed = {}, set()
    with proxy.client() as client:
        for number in range(800):
            response = client.request("GET", f"/{number}")
            statuses[response.status] = statuses.get(response.status, 0) + 1
            if response.status == 503:
                failed.add(f"/{number}")
            check(bytes(response.body) in (b"slow" * 5000, b"no"), f"body {bytes(response.body[:40])!r}")
    check(set(statuses) <= {200, 503}, f"{statuses}")
    with s.case("a failure of the second attempt is no answer while the first goes on"):
        second_attempts = {r.target for r in second.requests if r.get("X-Envoy-Attempt-Count") == "2"}
        check(len(second_attempts) >= 3, f"{len(second_attempts)} second attempts met the failing endpoint")
        check_equal(second_attempts & failed, set(), "requests that such a failure has answered")
    with s.case("a client that leaves takes both with it"):
        for _ in range(40):
            client = proxy.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.01)  # by then some are hedged, others not yet
            client.reset()
        eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 0, "all places are given back")
    with s.case("a POST is not asked twice"):
        before = proxy.metric("evenkeel_hedges_total", upstream="app")
        for _ in range(60):
            proxy.get("/", method="POST")
        proxy.expect_count(before, "evenkeel_hedges_total", upstream="app")


class IntroducedOrigin(RawOrigin):
    """Each connection begins with a PROXY header, version 2."""

    def _dialogue(self, connection):
        header = bytearray()
        connection.reader.exactly(16, header.extend)
        connection.reader.exactly(int.from_bytes(header[-2:], "big"), header.extend)
        super()._dialogue(connection)


@scenario("a hedge does not say whose request it is where the origin is told of clients")
def hedge_introduces(s):
    def answer(connection, request):
        return takes(0.02 * request.target.endswith("7"), status=200, body=b"told")(connection, request)

    origins = [IntroducedOrigin(s, name).on("/", answer) for name in ("first", "second")]
    settings = policy({"hedge": True, "attempts": 1})
    settings["upstreams"]["app"].update(proxy_protocol="client", balance="round_robin")
    proxy = start_proxy(s, origins, {**settings, "workers": 1})
    with proxy.client() as client:
        for number in range(600):
            check_equal(client.request("GET", f"/{number}").status, 200, "status")
    check(proxy.metric("evenkeel_hedges_total", upstream="app") >= 3, "there was no hedge")


run()
