"""The admin pages tell the truth, and promtool accepts the metrics."""

import contextlib
import json
import re
import socket
import threading
import time

from harness import (LISTENING, Client, NginxOrigin, RawOrigin, becomes, check, check_equal, curl, eventually, h2load,
                     patient, promtool, run, scenario, start_proxy)


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
    proxy = start_proxy(s, origin, {"drift": {"interval": "10m"}})  # samples of drift begin series
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
    with s.case("the process goes by the conventional names, and workers by their numbers"):
        figures = proxy.metrics()
        check(1 << 20 < figures["process_resident_memory_bytes"] < figures["process_virtual_memory_bytes"], "memory")
        check(0 < figures["process_open_fds"] < figures["process_max_fds"], "descriptors")
        check(abs(figures["process_start_time_seconds"] - time.time()) < patient(60), "start time")
        cpu = [figures[f'evenkeel_worker_cpu_seconds_total{{worker="{number}"}}'] for number in range(int(figures["evenkeel_workers"]))]
        check(0 < sum(cpu) <= figures["process_cpu_seconds_total"], f"CPU time of workers: {cpu}")
    with s.case("the exchanges are counted by their status class"):
        for kind, count in {"2xx": 30, "4xx": 6, "5xx": 3}.items():
            proxy.expect_count(count, "evenkeel_responses_total", **{"class": kind})
        proxy.expect_count(1, "evenkeel_exchanges_by_reason_total", reason="request_invalid")
        proxy.expect_count(35, "evenkeel_exchanges_by_reason_total", route="all", reason="complete")
    with s.case("no label comes from traffic: series do not grow with it"):
        before = len(proxy.metrics())
        for number in range(200):
            proxy.get(f"/unique/{number}", [("User-Agent", f"agent-{number}")], host=f"host-{number}.example")
        with proxy.client() as client:
            client.request("BREW", "/coffee")
        check_equal(len(proxy.metrics()), before, "series")
    with s.case("latency is a histogram that counts each exchange of a route"):
        found = {}

        def agreed():  # an exchange is counted after its client has the answer
            found.update(proxy.metrics())
            whole = found['evenkeel_exchange_duration_seconds_count{route="all"}']
            return whole == sum(value for series, value in found.items() if series.startswith('evenkeel_responses_total{route="all"'))
        eventually(agreed, "the histogram counts each response")
        whole = found['evenkeel_exchange_duration_seconds_count{route="all"}']
        check_equal(whole, found['evenkeel_exchange_duration_seconds_bucket{route="all",le="+Inf"}'], "last bucket")
        buckets = [value for series, value in found.items() if series.startswith(
            'evenkeel_exchange_duration_seconds_bucket{route="all"')]
        check_equal(buckets, sorted(buckets), "buckets in their order")
        check(0 < found['evenkeel_exchange_duration_seconds_sum{route="all"}'] < whole, "the sum is out of place")
    with s.case("every bound is exposed"):
        exposed = proxy.metrics()
        for bound in proxy.bounds():
            for figure in ("limit", "used", "peak"):
                series = f'evenkeel_bound_{figure}{{name="{bound["name"]}",detail="{bound.get("detail") or ""}"}}'
                check(series in exposed, f"{series} is missing")


@scenario("a name with a quotation mark, a backslash or a byte that is no text breaks the metrics")
def hostile_names(s):
    names = ['quoted "route"', "back\\slash", "grüße", 'end\\"', "x" * 900 + '"']
    routes = [{"name": name, "path_prefix": f"/{number}", "upstream": "app"} for number, name in enumerate(names)]
    proxy = start_proxy(s, RawOrigin(s), {"routes": routes})
    for number in range(len(names)):
        check_equal(proxy.get(f"/{number}").status, 200, "status")
    with s.case("promtool has no objection"):
        check_equal(promtool(proxy.admin("/metrics")[1]), "", "promtool")
    with s.case("each name is told apart"):
        for name in names:
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            series = f'evenkeel_responses_total{{route="{escaped}",class="2xx"}}'
            becomes(lambda wanted=series: proxy.metrics().get(wanted), 1, f"answers of {name}")
    with s.case("/status has the names as they are"):
        check_equal([route["name"] for route in proxy.admin_json("/status")["routes"]], names, "names in /status")


@scenario("counts get lost between the workers")
def exact_counts(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 4})
    h2load(f"{proxy.url}/hello", 20000, 64).expect_clean()

    eventually(lambda: proxy.metric("evenkeel_responses_total", **{"class": "2xx"}) == 20000,
               "20,000 exchanges are counted")
    eventually(lambda: proxy.bound("clients")["used"] == 0, "no client is left")
    check_equal(proxy.bound("exchanges")["used"], 0, "exchanges in flight")


@scenario("status and resources are not JSON, or miss what an operator needs")
def pages(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"pool": {"warm_min": 0}}}})
    check_equal(proxy.get("/").status, 200, "status")
    # a client has its response a moment before it is counted
    eventually(lambda: proxy.metric("evenkeel_responses_total", **{"class": "2xx"}) == 1, "the exchange is counted")
    with s.case("/status says who, since when, with which settings"):
        status = proxy.admin_json("/status")
        check_equal((status["pid"], status["generation"], status["draining"], len(status["workers"])),
                    (proxy.pid, 1, False, 2), "pid, generation, draining, workers")
        check_equal(status["configuration"], proxy.config_path, "configuration")
        check(0 <= status["uptime_s"] < 60 and re.match(r"\d+\.\d+\.\d+", status["version"]), f"{status}")
    with s.case("/status says what routes and endpoints do"):
        (route,), (upstream,) = status["routes"], status["upstreams"]
        check_equal((route["name"], route["responses"]["2xx"]), ("all", 1), "route")
        check(0 < route["p50_ms"] <= route["p99_ms"] < 5000, f"route: {route}")
        (endpoint,) = upstream["endpoints"]
        check_equal((endpoint["endpoint"], endpoint["open"], endpoint["idle"], endpoint["dials"]),
                    (origin.address, 1, 1, 1), "endpoint")
    with s.case("/status tells of reloads, taken and rejected"):
        check(not proxy.reload(text="nonsense"), "nonsense was taken")
        check(proxy.reload({}), "the good file was rejected")
        status = proxy.admin_json("/status")
        check_equal((status["generation"], status["reloads"]["ok"], status["reloads"]["failed"]), (2, 1, 1), "reloads")
    with s.case("/resources lists the bounds with unit, limit, used, peak, slope and time left"):
        for row in proxy.admin_json("/resources")["bounds"]:
            check({"name", "unit", "limit", "used", "peak", "slope_per_hour", "left_s"} <= set(row), f"{row}")
            check_equal(row["unit"], "bytes" if row["name"].endswith("_bytes") else "count", f"unit of {row['name']}")
            check(row["used"] <= row["peak"], f"{row}")
    with s.case("what a client sends does not break the JSON"):
        with proxy.client() as client:
            client.request("GET", "/%22\"\\\xff", host="quote\"d")
        for page in ("/status", "/resources"):
            proxy.admin_json(page)
    with s.case("a page that does not exist is 404, a wrong method 405"):
        check_equal(proxy.admin("/nothing")[0], 404, "status")
        check_equal(proxy.admin("/metrics", "DELETE")[0], 405, "status")


@scenario("POST /drain does not drain")
def drain_page(s):
    proxy = start_proxy(s, RawOrigin(s))
    check_equal(proxy.admin("/drain")[0], 405, "status of GET /drain")
    check(proxy.exit_code is None, "GET drains")
    check_equal(proxy.admin("/drain", "POST")[0], 202, "status of POST /drain")
    proxy.expect_clean_exit()


@scenario("the admin listener cannot be reached by TCP, or an attacker talks to it in riddles")
def over_tcp(s):
    origin = RawOrigin(s)
    port = s.port()
    proxy = start_proxy(s, origin, {"admin": {"listen": f"127.0.0.1:{port}"}})
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: proxy.admin("/readyz")[0] == 200, "its pool is warm")
    proxy.rest()
    fds = proxy.open_fds(besides=origin.address)
    with s.case("curl gets the pages"):
        for page in ("livez", "metrics", "status", "resources"):
            done = curl("-f", f"{url}/{page}")
            check_equal(done.code, 0, f"exit code of curl for /{page}")
            if page in ("status", "resources"):
                json.loads(done.out)
    with s.case("HEAD, HTTP/1.0, keep-alive and pipelining"):
        with Client(("127.0.0.1", port)) as client:
            for _ in range(3):
                check_equal(client.request("GET", "/livez", host="localhost").status, 200, "status")
            client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5)
            for _ in range(5):
                check_equal(client.response().status, 200, "status")
        with Client(("127.0.0.1", port)) as client:
            check_equal(client.request("HEAD", "/metrics", host="localhost").status, 200, "status")
        with Client(("127.0.0.1", port)) as client:
            check_equal(client.request("GET", "/livez", host=None, version="HTTP/1.0").status, 200, "status")
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
    with s.case("more connections than anybody needs are not taken, and leave a place for the next"):
        def held():
            return sum(local == f"127.0.0.1:{port}" and state != LISTENING for local, _, state in proxy.sockets())

        with contextlib.ExitStack() as many:
            for _ in range(300):
                sock = many.enter_context(socket.socket())
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", port))
            eventually(held, "some are taken")
            check(held() < 200, f"{held()} connections are held")
        eventually(lambda: curl("-f", "-m", "2", f"{url}/livez").code == 0, "curl gets through")
    with s.case("a scraper that does not read holds nobody up"):
        with Client(("127.0.0.1", port), receive_buffer=2048) as client:
            client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
            check_equal(curl("-f", "-m", "3", f"{url}/livez").code, 0, "exit code of curl")
            check_equal(proxy.get("/").status, 200, "status through the proxy")
    # One is the connection over which we ask.
    eventually(lambda: proxy.open_fds(besides=origin.address) <= fds + 1, "the fds return")


@scenario("a page that an operator visits reads the admin listener, or drains the process")
def foreign_pages(s):
    port, other = s.port(), "evil.example"
    proxy = start_proxy(s, RawOrigin(s), {"admin": {"listen": f"127.0.0.1:{port}"}})

    def status(path, *options, host="127.0.0.1"):
        done = curl("-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"{host}:{port}:127.0.0.1", *options,
                    f"http://{host}:{port}{path}")
        return int(done.text)

    with s.case("a name that was pointed at the listener is 403, whatever is asked"):
        for path in ("/livez", "/metrics", "/status", "/nothing"):
            check_equal(status(path, host=other), 403, f"status of {path}")
        for act in ("/drain", "/reload"):
            check_equal(status(act, "-X", "POST", host=other), 403, f"status of POST {act}")
    with s.case("a request with the Origin of another page is 403"):
        for origin in (f"http://{other}", "null", f"http://127.0.0.1:{port + 1}"):
            check_equal(status("/status", "-H", f"Origin: {origin}"), 403, f"status of /status from {origin}")
            for act in ("/drain", "/reload"):
                check_equal(status(act, "-X", "POST", "-H", f"Origin: {origin}"), 403, f"POST {act} from {origin}")
        for act in ("/drain", "/reload"):
            check_equal(status(act, "-X", "POST", "-H", "Sec-Fetch-Site: cross-site"), 403, f"POST {act} of another site")
    with s.case("a request that changes something says for whom it is"):
        with Client(("127.0.0.1", port)) as client:
            check_equal(client.request("POST", "/drain", host=None, version="HTTP/1.0").status, 403, "status")
    with s.case("nothing of this has changed anything, and the operator gets through"):
        found = proxy.admin_json("/status")
        check_equal((found["draining"], found["generation"]), (False, 1), "draining, generation")
        check_equal(status("/status", host="localhost"), 200, "status by localhost")
        check_equal(status("/status", "-H", f"Origin: http://127.0.0.1:{port}"), 200, "status from a page of ours")
    with s.case("admin.hosts allows a name from the next reload on"):
        check(proxy.reload({"admin": {"hosts": [other]}}), "the reload was rejected")
        check_equal(status("/status", host=other), 200, "status by the name")
        check_equal(status("/upstreams/app/breaker/auto", "-X", "POST", host=other), 200, "POST by the name")


run()
