"""Hedging: two attempts at one request, in every order of starting, failing, waiting, answering and giving up."""

import os
import random
import time

from harness import RawOrigin, check, check_equal, eventually, run, scaled, scenario, start_proxy

SEED = int(os.environ.get("EVENKEEL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
SMALL, LARGE, HUGE = 2_000, 1_500_000, 12_000_000
# what an endpoint does with a request, after it has waited
DEEDS = ("small", "large", "reset", "503", "cut")
SIZES = {"small": SMALL, "cut": SMALL, "large": LARGE, "huge": HUGE}


def plan_of(target):
    """{origin: (wait in ms, deed)} as the target says: /TAG/first=30:small/second=0:reset"""
    return {name: (int(wait), deed) for name, _, rest in (part.partition("=") for part in target.split("/")[2:])
            for wait, _, deed in [rest.partition(":")]}


def content(tag, size):
    word = f"{tag}.".encode()
    return (word * (size // len(word) + 1))[:size]


def endpoint(name):
    def answer(connection, request):
        if not request.target.startswith("/plan"):
            return connection.respond(200, b"fast")
        wait_ms, deed = plan_of(request.target)[name]
        time.sleep(wait_ms / 1000)  # the order of the two is the test
        tag = f"{request.target.split('/')[1]}-{name}"
        if deed == "503":
            return connection.respond(503, b"no")
        if deed == "reset":
            connection.reset()
            return False
        size = SIZES[deed]
        fields = [("X-Tag", tag)]
        if deed == "cut":
            connection.send(f"HTTP/1.1 200 Fine\r\nX-Tag: {tag}\r\nContent-Length: {size}\r\n\r\n")
            connection.send(content(tag, size // 2))
            connection.reset()
            return False
        return connection.respond(200, content(tag, size), fields)
    return answer


def rig(s, retry=None, **upstream):
    origins = [RawOrigin(s, name).on("/", endpoint(name)) for name in ("first", "second")]
    retry = {"hedge": True, "attempts": 3, "on": ["connect_failure", "reset", "503"], "backoff_base": "15ms",
             "backoff_max": "40ms", "budget": {"ratio": 1.0, "per_second": 1000.0}, **(retry or {})}
    proxy = start_proxy(s, origins, {"workers": 1, "upstreams": {"app": {
        "balance": "round_robin", "breaker": {"enabled": False}, "health": {"eject_after": 0}, "pool": {"warm_min": 0},
        "retry": retry, **upstream}}})
    teach(proxy, 500)
    return origins, proxy


def teach(proxy, count):
    """What most answers take has to be known, and hedges to be earned."""
    with proxy.client() as client:
        for number in range(count):
            check_equal(client.request("GET", f"/{number}").status, 200, "status")


def consistent(response, plan):
    """Nothing of one attempt is in the answer of the other."""
    if response.status != 200:
        check_equal(response.status in (502, 503, 504), True, f"status {response.status}")
        return
    tag = response.get("X-Tag")
    deed = plan[tag.rsplit("-", 1)[1]][1]
    body, whole = bytes(response.body), content(tag, SIZES[deed])
    if deed == "cut":
        check(not response.complete, f"the body of {tag} was cut, and nothing shows it")
        check(whole.startswith(body), f"the body of {tag} ({deed}): {body[-60:]!r}")
    else:
        check(response.complete and body == whole, f"the body of {tag} ({deed}): {len(body)} bytes, {body[-60:]!r}")


@scenario("the two attempts of a hedged request get into each other's way", within=180)
def every_order(s):
    rng = random.Random(SEED)
    s.note(f"seed {SEED}")
    _, proxy = rig(s)
    before = proxy.metric("evenkeel_hedges_total", upstream="app")
    for number in range(scaled(260, 3000)):
        plan = {name: (rng.choice((0, 0, 12, 25, 40, 60)), rng.choice(DEEDS)) for name in ("first", "second")}
        target = f"/plan{number}/" + "/".join(f"{name}={wait}:{deed}" for name, (wait, deed) in plan.items())
        leaves = rng.random() < 0.15
        with proxy.client() as client:
            client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
            if leaves:
                time.sleep(rng.choice((0.005, 0.02, 0.045)))  # the moment of leaving is the test
                continue
            response = client.response()
            consistent(response, plan)
            if response.complete and response.get("Connection") != "close":
                with_next = client.request("GET", "/next")
                check_equal((with_next.status, bytes(with_next.body)), (200, b"fast"), f"the next answer after {target}")
        if number % 20 == 19:
            teach(proxy, 60)
    hedges = proxy.metric("evenkeel_hedges_total", upstream="app") - before
    s.note(f"{hedges:.0f} hedges")
    check(hedges >= 10, f"{hedges} hedges")
    eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 0, "all places are given back")
    eventually(lambda: proxy.bound("exchanges")["used"] == 0, "no exchange is left")


@scenario("a retry that was planned goes on after the twin has answered", within=90)
def planned_retry(s):
    """The first one fails and plans a retry; meanwhile its twin answers, slowly and at length."""
    origins, proxy = rig(s, {"backoff_base": "200ms", "backoff_max": "200ms"})
    for number in range(scaled(8, 60)):
        teach(proxy, 60)
        plan = {"first": (20, "reset"), "second": (60, "huge")} if number % 2 else {"first": (60, "huge"), "second": (20, "reset")}
        target = f"/plan{number}/" + "/".join(f"{name}={wait}:{deed}" for name, (wait, deed) in plan.items())
        with proxy.client(receive_buffer=8192) as client:
            client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.35)  # the answer is on its way when the retry would come
            consistent(client.response(), plan)
            for _ in range(3):
                following = client.request("GET", "/next")
                check_equal((following.status, bytes(following.body)), (200, b"fast"), "the next answer")
    check(proxy.exit_code is None, "the proxy is gone")


@scenario("a slow reader of what a twin brings is cut off", within=120)
def slow_reader(s):
    _, proxy = rig(s)
    won = proxy.metric("evenkeel_hedges_won_total", upstream="app")
    for number in range(scaled(8, 40)):
        teach(proxy, 60)
        plan = {name: (80, "small") for name in ("first", "second")}
        plan[("first", "second")[number % 2]] = (5, "huge")
        target = f"/plan{number}/" + "/".join(f"{name}={wait}:{deed}" for name, (wait, deed) in plan.items())
        with proxy.client(receive_buffer=8192) as client:
            client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.15)  # so much waits for the reader that it stands in a pipe
            consistent(client.response(), plan)
    s.note(f"{proxy.metric('evenkeel_hedges_won_total', upstream='app') - won:.0f} hedges won")
    check(proxy.metric("evenkeel_hedges_won_total", upstream="app") > won, "no hedge has won")


@scenario("a twin that finds no place is forgotten in the line that it stood in", within=90)
def no_place(s):
    """The first attempt holds the only place, so the twin would have to wait, and ends instead."""
    _, proxy = rig(s, limits={"in_flight": 1, "queue": 4})
    before = proxy.metric("evenkeel_hedges_total", upstream="app")
    for number in range(5):
        with proxy.client() as client:
            check_equal(client.request("GET", f"/plan{number}/first=120:small/second=120:small").status, 200, "status")
        teach(proxy, 60)
    check(proxy.metric("evenkeel_hedges_total", upstream="app") > before, "no twin was started")
    eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 0, "nobody stands in line")
    eventually(lambda: proxy.bound("exchanges")["used"] == 0, "no exchange is left")


run()
