"""The admin pages tell the truth, and promtool accepts the metrics."""

import json
import re
import threading

from harness import (Client, NginxOrigin, RawOrigin, check, check_equal, curl, eventually, h2load, patient, promtool,
                     run, scenario, start_proxy)


@scenario("the process is alive and /livez does not say so, or stays silent under load")
def livez(s):
    proxy = start_proxy(s, NginxOrigin(s))
    for _ in range(20):
        check_equal(proxy.admin("/livez")[0], 200, "status of /livez")
    slow = threading.Thread(target=lambda: h2load(f"{proxy.url}/hello", 20000, 64), daemon=True)
    slow.start()
    asked = 0
    while slow.is_alive():
        check_equal(proxy.admin("/livez")[0], 200, "status of /livez under load")
        asked += 1
    check(asked > 5, f"/livez answered {asked} times while the load ran")


@scenario("metrics are refused by promtool, or lie about what happened")
def metrics(s):
    origin = RawOrigin(s)
    origin.on("/404", status=404, reason="Not Found")
    origin.on("/cut", lambda connection, _: False)
    proxy = start_proxy(s, origin)
    for target in ["/"] * 30 + ["/404"] * 5 + ["/cut"] * 3:
        proxy.get(target)
    with proxy.client() as client:
        client.send("nonsense\r\n\r\n")
        check_equal(client.response().status, 400, "status")
    status, text = proxy.admin("/metrics")
    check_equal(status, 200, "status of /metrics")
    with s.case("promtool has no objection"):
        check_equal(promtool(text), "", "promtool")
    with s.case("every series has HELP and TYPE"):
        names = {re.split(r"[{ ]", line)[0] for line in text.decode().splitlines() if line and line[0] != "#"}
        typed = set(re.findall(r"^# TYPE (\S+)", text.decode(), re.M))
        base = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in typed else name for name in names}
        check(base <= typed, f"without TYPE: {sorted(base - typed)}")
        helped = set(re.findall(r"^# HELP (\S+)", text.decode(), re.M))
        check(base <= helped, f"without HELP: {sorted(base - helped)}")
        check(all(name.startswith(("evenkeel_", "process_")) for name in names), f"foreign names in {sorted(names)}")
    with s.case("the requests are counted by their status class"):
        ok = sum(v for k, v in proxy.metrics().items() if k.startswith("evenkeel_requests_total{") and "2xx" in k)
        bad = sum(v for k, v in proxy.metrics().items() if k.startswith("evenkeel_requests_total{") and "4xx" in k)
        gateway = sum(v for k, v in proxy.metrics().items() if k.startswith("evenkeel_requests_total{") and "5xx" in k)
        check_equal((ok, gateway), (30, 3), "2xx and 5xx")
        check(bad in (5, 6), f"4xx: {bad}")
    with s.case("no label comes from traffic: series do not grow with it"):
        before = len(proxy.metrics())
        for number in range(200):
            proxy.get(f"/unique/{number}", [("User-Agent", f"agent-{number}")], host=f"host-{number}.example")
        with proxy.client() as client:
            client.request("BREW", "/coffee")
        check_equal(len(proxy.metrics()), before, "series")
    with s.case("latency is a histogram that counts each request"):
        found = [name for name in proxy.metrics() if name.startswith("evenkeel_request_seconds_count")
                 or name.startswith("evenkeel_request_duration_seconds_count")]
        check(found, "no histogram of request latency")
    with s.case("every bound is exposed"):
        exposed = proxy.metrics()
        for name in proxy.bounds():
            for figure in ("limit", "used", "peak"):
                check(f'evenkeel_bound_{figure}{{bound="{name}"}}' in exposed, f"{figure} of {name} is missing")


@scenario("counts get lost between the workers")
def exact_counts(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 4})
    h2load(f"{proxy.url}/hello", 20000, 64).expect_clean()

    def counted():
        return sum(v for k, v in proxy.metrics().items() if k.startswith("evenkeel_requests_total{"))

    eventually(lambda: counted() == 20000, "20,000 requests are counted", 3)
    eventually(lambda: proxy.bound("clients")["used"] == 0, "no client is left", 3)
    check_equal(proxy.bound("exchanges")["used"], 0, "exchanges in flight")


@scenario("status and resources are not JSON, or miss what an operator needs")
def pages(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin)
    check_equal(proxy.get("/").status, 200, "status")
    with s.case("/status says version, generation, age and state"):
        status = proxy.admin_json("/status")
        for key in ("version", "generation", "uptime_seconds", "state", "workers"):
            check(key in status, f"{key} is missing in {sorted(status)}")
    with s.case("/resources lists the bounds with limit, used and peak"):
        for row in proxy.admin_json("/resources")["bounds"]:
            check({"name", "limit", "used", "peak"} <= set(row), f"{row}")
    with s.case("a page that does not exist is 404, a wrong method 405"):
        check_equal(proxy.admin("/nothing")[0], 404, "status")
        check_equal(proxy.admin("/metrics", "DELETE")[0], 405, "status")


@scenario("the admin listener cannot be reached by TCP, or an attacker talks to it in riddles")
def over_tcp(s):
    origin = RawOrigin(s)
    port = s.port()
    proxy = start_proxy(s, origin, {"admin": {"listen": f"127.0.0.1:{port}"}})
    url = f"http://127.0.0.1:{port}"
    with s.case("curl gets the pages"):
        for page in ("livez", "metrics", "status", "resources"):
            done = curl("-f", f"{url}/{page}")
            check_equal(done.code, 0, f"exit code of curl for /{page}")
            if page in ("status", "resources"):
                json.loads(done.out)
    with s.case("HEAD, HTTP/1.0, keep-alive and pipelining"):
        with Client(("127.0.0.1", port)) as client:
            for _ in range(3):
                check_equal(client.request("GET", "/livez").status, 200, "status")
            client.send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n" * 5)
            for _ in range(5):
                check_equal(client.response().status, 200, "status")
        with Client(("127.0.0.1", port)) as client:
            check_equal(client.request("HEAD", "/metrics").status, 200, "status")
        with Client(("127.0.0.1", port)) as client:
            check_equal(client.request("GET", "/livez", version="HTTP/1.0").status, 200, "status")
            client.expect_closed()
    with s.case("garbage is refused, silence is ended, and others are answered meanwhile"):
        silent = [Client(("127.0.0.1", port)) for _ in range(20)]
        with Client(("127.0.0.1", port)) as client:
            client.send("\x16\x03\x01 nonsense\r\n\r\n")
            check(client.response().status in (400, 501), "garbage was taken")
        with Client(("127.0.0.1", port)) as client:
            client.send("GET /" + "x" * 100000)
            check(client.response().status in (400, 414, 431), "a huge head was taken")
        check_equal(curl("-f", f"{url}/livez").code, 0, "exit code of curl")
        for client in silent:
            client.close()
    with s.case("a scraper that does not read holds nobody up"):
        with Client(("127.0.0.1", port), receive_buffer=2048) as client:
            client.send("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n" * 200)
            check_equal(curl("-f", "-m", "3", f"{url}/livez").code, 0, "exit code of curl")
            check_equal(proxy.get("/").status, 200, "status through the proxy")
    eventually(lambda: proxy.open_fds() <= proxy.start_fds + 8, "the fds return", patient(5))


run()
