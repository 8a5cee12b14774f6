"""The metrics of upstreams and endpoints: exact statuses, and where the time goes."""

import threading

from harness import RawOrigin, becomes, check, check_equal, eventually, run, scenario, start_proxy

QUICK_S = 0.1
SLOW_S = 0.25


def count(proxy, name, **labels):
    return proxy.metric(f"evenkeel_{name}_count", **labels) or 0


def upto(proxy, name, seconds, **labels):
    """How many samples were not above this edge."""
    return proxy.metric(f"evenkeel_{name}_bucket", le=seconds, **labels) or 0


@scenario("which statuses an upstream answers, and how often it does not, is not told")
def statuses(s):
    origin = RawOrigin(s)
    for status in (200, 201, 404, 418, 299, 503):
        origin.on(f"/{status}", lambda connection, _, status=status: connection.respond(status, b"x"))
    origin.on("/cut", lambda connection, _: connection.close() and False)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"retry": {"attempts": 1}, "breaker": {"enabled": False}}}})
    asked = {200: 5, 201: 2, 404: 3, 418: 1, 299: 2, 503: 4}
    for status, times in asked.items():
        for _ in range(times):
            check_equal(proxy.get(f"/{status}").status, status, "status")
    for status, times in asked.items():
        label = "2xx" if status == 299 else status
        with s.case(f"{times} answers {status}"):
            proxy.expect_count(times, "evenkeel_upstream_responses_total", upstream="app", status=label)
    with s.case("a class of an endpoint"):
        proxy.expect_count(4, "evenkeel_endpoint_responses_total", endpoint=origin.address, **{"class": "4xx"})
    with s.case("an attempt without an answer"):
        check_equal(proxy.get("/cut", method="POST").status, 502, "status")
        proxy.expect_count(1, "evenkeel_upstream_responses_total", upstream="app", status="none")
        proxy.expect_count(1, "evenkeel_endpoint_responses_total", **{"class": "none"})
    with s.case("the last failure of an endpoint, and its cause"):
        failure = proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"][0]["health"]["last_failure"]
        check_equal(failure["cause"], "upstream_reset", "cause")
        check(0 <= failure["ago_s"] < 60, f"time: {failure}")
        proxy.get("/503")
        failure = proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"][0]["health"]["last_failure"]
        check_equal((failure["cause"], failure.get("status")), ("status", 503), "cause")
        asked[503] += 1
    with s.case("every answer has a service time, every exchange a duration and a time in the queue"):
        becomes(lambda: count(proxy, "upstream_service_seconds", upstream="app"), sum(asked.values()), "service times")
        becomes(lambda: count(proxy, "upstream_duration_seconds", upstream="app"), sum(asked.values()) + 1, "durations")
        becomes(lambda: count(proxy, "upstream_queue_seconds", upstream="app"), sum(asked.values()) + 1, "times in the queue")


@scenario("a retried answer is not counted for the endpoint that gave it")
def retried(s):
    bad, good = RawOrigin(s, "bad"), RawOrigin(s, "good")
    bad.on("/", lambda connection, _: connection.respond(503, b"no"))
    good.on("/", lambda connection, _: connection.respond(200, b"ok"))
    proxy = start_proxy(s, [bad, good], {"upstreams": {"app": {
        "balance": "round_robin", "breaker": {"enabled": False},
        "retry": {"on": ["503"], "attempts": 3, "budget": {"per_second": 100.0}}}}})
    for _ in range(4):
        check_equal(proxy.get("/").status, 200, "status")
    check(proxy.metric("evenkeel_endpoint_responses_total", endpoint=bad.address, **{"class": "5xx"}) >= 1, "none of the bad one")
    proxy.expect_count(4, "evenkeel_endpoint_responses_total", endpoint=good.address, **{"class": "2xx"})
    becomes(lambda: count(proxy, "upstream_duration_seconds", upstream="app"), 4, "an exchange counts once")


@scenario("a slow endpoint beside a quick one does not show")
def slow_endpoint(s):
    slow, quick = RawOrigin(s, "slow"), RawOrigin(s, "quick")
    wait = threading.Event()
    slow.on("/", lambda connection, _: wait.wait(SLOW_S) or connection.respond(200, b"ok"))
    quick.on("/", lambda connection, _: connection.respond(200, b"ok"))
    proxy = start_proxy(s, [slow, quick], {"upstreams": {"app": {"balance": "round_robin"}}})
    for _ in range(8):
        proxy.get("/")
    with s.case("all that the slow one served is above its time"):
        becomes(lambda: count(proxy, "endpoint_service_seconds", endpoint=slow.address), 4, "samples")
        check_equal(upto(proxy, "endpoint_service_seconds", QUICK_S, endpoint=slow.address), 0, "below")
    with s.case("the quick one's is not"):
        becomes(lambda: count(proxy, "endpoint_service_seconds", endpoint=quick.address), 4, "samples")
        check(upto(proxy, "endpoint_service_seconds", QUICK_S, endpoint=quick.address) >= 3, "above")


@scenario("time in the queue counts as the upstream's service time")
def queue(s):
    origin = RawOrigin(s)
    wait = threading.Event()
    origin.on("/", lambda connection, _: wait.wait(SLOW_S) or connection.respond(200, b"ok"))
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"limits": {"in_flight": 1, "queue_wait": "30s"}}}})
    clients = [threading.Thread(target=proxy.get, args=("/",)) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    becomes(lambda: count(proxy, "upstream_queue_seconds", upstream="app"), 4, "exchanges")
    # The first does not wait, the second one service time, the third two, the fourth three.
    check_equal(upto(proxy, "upstream_queue_seconds", QUICK_S, upstream="app"), 1, "that did not wait")
    check(upto(proxy, "upstream_service_seconds", 2 * SLOW_S, upstream="app") >= 3, "the service time contains the queue")


@scenario("the time of dials and handshakes does not show, or is counted where there was none")
def connecting(s):
    origin = RawOrigin(s)
    origin.on("/", lambda connection, _: connection.respond(200, b"ok"))
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {"pool": {"warm_min": 0}}}})
    with proxy.client() as client:
        for _ in range(3):
            client.request("GET", "/")
    becomes(lambda: count(proxy, "upstream_connect_seconds", upstream="app"), 1, "of three requests one dialled")
    check_equal(count(proxy, "upstream_tls_seconds", upstream="app"), 0, "handshakes")


@scenario("what endpoints answered is forgotten when they leave the configuration, or the upstream counts it twice")
def departed(s):
    first, second = RawOrigin(s, "first"), RawOrigin(s, "second")
    for origin in (first, second):
        origin.on("/", lambda connection, _: connection.respond(200, b"ok"))
    proxy = start_proxy(s, first)
    for _ in range(3):
        proxy.get("/")
    settings = proxy.settings
    settings["upstreams"]["app"]["endpoints"] = [second.address]
    proxy.reload(settings)
    proxy.get("/")
    proxy.expect_count(4, "evenkeel_upstream_responses_total", upstream="app", status=200)
    settings["upstreams"]["app"]["endpoints"] = [first.address, second.address]
    proxy.reload(settings)

    def remembered():
        return proxy.metric("evenkeel_endpoint_responses_total", endpoint=first.address, **{"class": "2xx"}) == 3

    eventually(remembered, "the three answers of an endpoint that came back", 20)


run()
