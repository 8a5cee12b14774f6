"""The end of pooled connections: lifetimes are spread and replaced first, idle limits of origins are learned."""

import random
import threading
import time

from harness import (NginxOrigin, Pace, RawOrigin, check, check_equal, eventually, full_scale, patient,
                     run, scaled, scenario, start_proxy)
from harness.pace import faults, quantile_ms


def ready(proxy):
    return proxy.metric("evenkeel_endpoint_ready_connections")


def crowding(ends, span):
    """How many ended per span of time, from each look on: looks may be further apart on a busy machine."""
    for number, (since, before) in enumerate(ends):
        for until, after in ends[number + 1:]:
            if until - since >= span:
                yield (after - before) * span / (until - since)
                break


@scenario("lifetimes end together, or the pool dips when they do")
def lifetimes(s):
    level, lifetime = scaled(40, 200), scaled(2, 6)
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 2, "upstreams": {"app": {"pool": {
        "warm_min": level, "max": level + 20, "lifetime": f"{lifetime}s", "jitter": 0.5}}}})
    eventually(lambda: ready(proxy) == level and len(origin.open_connections()) == level, "the pool is warm")
    started = time.monotonic()
    load = Pace(proxy.address, 50, 8)
    least, ends = level, []
    while time.monotonic() - started < lifetime * 1.5:
        least = min(least, ready(proxy))
        ends.append((time.monotonic(), proxy.metric("evenkeel_endpoint_closes_total", reason="lifetime") or 0))
        time.sleep(0.02)  # how often it is looked at
    answers = load.end()
    with s.case("at no sampled moment fewer are ready than the warm level"):
        check_equal(least, level, "least ready")
        eventually(lambda: len(origin.open_connections()) >= level, "the origin sees as many")
    with s.case("all have been replaced, spread over the window"):
        check(ends[-1][1] >= level, f"{ends[-1][1]:.0f} of {level} have ended")
        # Half of the lifetime is the window: no tenth of it sees more than a third of the ends.
        most = max(crowding(ends, lifetime / 20))
        check(most <= level / 3, f"{most:.0f} of {level} ended within a tenth of the window")
    with s.case("no request fails or waits for a dial"):
        check_equal(faults(answers), [], "faults")
        check_equal(proxy.metric("evenkeel_endpoint_leases_total", state="fresh"), 0, "leases of fresh connections")
        s.note(f"p99 {quantile_ms(answers, 0.99):.1f} ms")
        if full_scale():  # on a machine of our own its time can be told from noise
            check(quantile_ms(answers, 0.99) < patient(50), f"p99 {quantile_ms(answers, 0.99):.1f} ms")


@scenario("an origin that closes idle connections early makes clients pay")
def learned(s):
    upstreams, each, rest = scaled(20, 100), scaled(20, 100), 0.3
    origin = NginxOrigin(s, rows=f"keepalive_timeout {int(rest * 1000)}ms;")
    names = [f"u{number}" for number in range(upstreams)]
    proxy = start_proxy(s, origin, {
        "workers": 1,
        "upstreams": {**{name: {"endpoints": [origin.address], "pool": {"warm_min": 0}} for name in names}, "app": None},
        "routes": [{"name": name, "path_prefix": f"/{name}/", "upstream": name} for name in names]})
    random.seed(7)
    counts, learned = {"ok": 0, "bad": []}, threading.Event()

    def one(name, rng):
        """Ask until the limits are known, and so many times more."""
        left = each
        with proxy.client() as client:
            while left:
                left -= learned.is_set()
                response = client.request("GET", f"/{name}/x")
                if response.status == 404:     # the origin's own answer: there is no such file
                    counts["ok"] += 1
                else:
                    counts["bad"].append(response.start_line)
                time.sleep(rng.uniform(0.7, 1.3) * rest)  # about the origin's limit: the race

    threads = [threading.Thread(target=one, args=[name, random.Random(random.random())], daemon=True) for name in names]
    for thread in threads:
        thread.start()

    def known():
        limits = [value for series, value in proxy.metrics().items()
                  if series.startswith("evenkeel_endpoint_learned_idle_seconds")]
        return sum(rest * 0.5 < limit < rest for limit in limits) == upstreams

    def closed(reason):
        return proxy.metric("evenkeel_endpoint_closes_total", reason=reason) or 0

    with s.case("the idle limit is learned, too long a one of a busy moment is corrected"):
        eventually(known, "all limits are known", 40)
    learned.set()
    redials, died, ended = proxy.metric("evenkeel_redials_total"), closed("died_idle"), closed("idle")
    for thread in threads:
        thread.join(patient(each * rest * 4 + 20))
    with s.case("no client error"):
        check(not counts["bad"] and counts["ok"] >= upstreams * each, f"{counts['ok']} good, others: {counts['bad']}")
    with s.case("from then on we are the first to close, and few connections are met dead"):
        died, ended = closed("died_idle") - died, closed("idle") - ended
        redials = proxy.metric("evenkeel_redials_total") - redials
        s.note(f"{counts['ok']} requests; since the limits are known {ended:.0f} closed by us, {died:.0f} by the origin, "
               f"{redials:.0f} redials")
        check(died <= ended / 2, f"{died:.0f} were closed by the origin, {ended:.0f} by us")
        check(redials <= max(scaled(4, 1), counts["ok"] * 0.001), f"{redials:.0f} redials")


run()
