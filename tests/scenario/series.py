"""What clients say makes no series: however many paths, hosts, methods, user agents and field names there are, /metrics stays as it is.

EVENKEEL_SCALE=full sends a million requests.
"""

import os
import random
import re
import time

from harness import NginxOrigin, becomes, check, check_equal, eventually, patient, run, scaled, scenario, start_proxy

REQUESTS = scaled(6000, 1_000_000)
BATCH = 200
AGENTS = ("Mozilla/5.0 (X11; Linux) {}", "crawler/{}", "curl/{}", "python-requests/{}", "{}")
METHODS = ("GET", "GET", "POST", "HEAD", "OPTIONS", "PROPFIND")


def request(draw):
    def word():
        return f"{draw.getrandbits(48):x}"
    method = draw.choice((*METHODS, word().upper()))
    agent = draw.choice(AGENTS).format(word())
    return (f"{method} /{word()}/{word()}?{word()}={word()} HTTP/1.1\r\nHost: {word()}.test\r\nUser-Agent: {agent}\r\n"
            f"X-{word()}: {word()}\r\nCookie: {word()}={word()}\r\nContent-Length: 0\r\n")


def send(proxy, draw, count):
    """Requests in batches of one connection each; returns how many answers came."""
    answered = 0
    for first in range(0, count, BATCH):
        batch = [request(draw) for _ in range(min(BATCH, count - first))]
        with proxy.client() as client:
            client.socket.settimeout(patient(20))
            client.send("\r\n".join(batch) + "Connection: close\r\n\r\n")
            received = b"".join(iter(lambda: client.socket.recv(1 << 20), b""))
            answered += len(re.findall(rb"HTTP/1\.1 [2345]\d\d", received))
    return answered


def scrape(proxy):
    """The series, the size of the page, and how long it took."""
    began = time.monotonic()
    text = proxy.admin("/metrics")[1].decode()
    took_s = time.monotonic() - began
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0] for line in lines}, len(text), took_s


@scenario("each new path, host, method, user agent or field name makes a series", within=scaled(60, 900))
def series(s):
    seed = int(os.environ.get("EVENKEEL_SEED", "0")) or random.randrange(1, 1 << 31)
    s.note(f"seed {seed}")
    draw = random.Random(seed)
    proxy = start_proxy(s, NginxOrigin(s), {
        "log": {"level": "warn"}, "metrics": {"user_agents": True},
        "drift": {"interval": "10m"},  # its series begin with its first sample, whatever the traffic is
        # without warm connections the first request waits for one, which begins a series, too
        "upstreams": {"app": {"breaker": {"enabled": False}, "retry": {"attempts": 1}, "pool": {"warm_min": 0}}}})
    # whatever occurs at all has occurred
    send(proxy, draw, REQUESTS // 10)
    scrape(proxy)
    before, bytes_before, _ = scrape(proxy)
    check_equal(send(proxy, draw, REQUESTS), REQUESTS, "answers")
    after, bytes_after, took_s = scrape(proxy)
    print(f"# {REQUESTS} requests: {len(before)} series before, {len(after)} after; {bytes_before} and {bytes_after} bytes; "
          f"the last scrape took {took_s * 1000:.1f} ms")
    with s.case("no series came or went"):
        check_equal((sorted(after - before), sorted(before - after)), ([], []), "series that came, and that went")
    with s.case("the page is as long as it was, within a hundredth"):
        check(abs(bytes_after - bytes_before) < 0.01 * bytes_before, f"{bytes_before} bytes, then {bytes_after}")
    with s.case("every kind of user agent was counted"):
        counts = {kind: proxy.metric("evenkeel_requests_by_user_agent_total", kind=kind)
                  for kind in ("browser", "bot", "tool", "library", "other")}
        check_equal(sum(counts.values()), REQUESTS + REQUESTS // 10, f"requests in {counts}")
        check(min(counts.values()) > 0, f"{counts}")


@scenario("the buckets of histograms cannot be chosen, or a reload does not change them")
def buckets(s):
    proxy = start_proxy(s, NginxOrigin(s), {"metrics": {"buckets": ["500us", "20ms", "1.5s"]}})
    proxy.get("/hello")

    def edges():
        return [re.search(r'le="([^"]*)"', name)[1] for name in proxy.metrics()
                if name.startswith("evenkeel_upstream_duration_seconds_bucket")]
    becomes(edges, ["0.0005", "0.02", "1.5", "+Inf"], "edges")
    with s.case("a reload with others"):
        check(proxy.reload({"metrics": {"buckets": ["1m"]}}), "it was rejected")
        check_equal(edges(), ["60", "+Inf"], "edges")
    for wrong in (["2ms", "1ms"], ["1ms", "1ms"], ["10us"], ["61m"], ["1h"], ["5"], ["x"], [f"{n}ms" for n in range(1, 32)]):
        with s.case(f"{' '.join(wrong[:2])}{' ...' if len(wrong) > 2 else ''} is refused, and told what to write"):
            logged = len(proxy.log())
            check(not proxy.reload({"metrics": {"buckets": wrong}}), "it was taken")
            eventually(lambda since=logged: "a time between 100us and 60m" in proxy.log()[since:], "the log says what is expected")


run()
