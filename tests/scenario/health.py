"""Health: endpoints are taken out and brought back by probes, by what became of attempts, and by the operator."""

import collections
import os
import threading
import time

from harness import (NginxOrigin, RawOrigin, check, check_equal, eventually, patient, run, scaled, scenario,
                     start_proxy, wrk_in_background)

QUICK = {"interval": "50ms", "timeout": "5s", "fall": 2, "rise": 2, "slow_start": "100ms"}


def upstream(health=None, **settings):
    return {"upstreams": {"app": {"health": health or {}, **settings}}}


def endpoint_of(proxy, origin):
    """The row of /upstreams."""
    rows = [row for row in proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"]
            if row["address"] == origin.address]
    check_equal(len(rows), 1, "rows of the endpoint")
    return rows[0]


def health_status(proxy, origin):
    return endpoint_of(proxy, origin)["health"]["status"]


def await_status(proxy, origin, wanted, within=20.0):
    eventually(lambda: health_status(proxy, origin) == wanted, f"{origin.address} is {wanted}", within)


def lines_about(proxy, origin, word):
    return [line for line in proxy.log().splitlines() if f"({origin.address}): {word}:" in line]


class Load:
    """Clients that ask on and on; any answer but 200 is a fault."""

    def __init__(self, proxy, clients=4, pause=0.002):
        self._proxy, self._pause = proxy, pause
        self._stop = threading.Event()
        self.served = collections.Counter()
        self.faults = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        try:
            with self._proxy.client() as client:
                while not self._stop.is_set():
                    response = client.request("GET", "/")
                    check_equal(response.status, 200, "status under load")
                    self.served[response.get("X-Origin")] += 1
                    time.sleep(self._pause)  # a client's pause
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(fault)

    def total(self):
        return sum(self.served.values())

    def go_on(self, count=50):
        """Wait until so many more are served."""
        goal = self.total() + count
        eventually(lambda: self.faults or self.total() >= goal, f"{count} more requests are served")
        if self.faults:
            raise self.faults[0]

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(patient(10))
        if self.faults:
            raise self.faults[0]


def named(s, name):
    origin = RawOrigin(s, name)
    origin.on("/", lambda connection, _: connection.respond(200, b"ok", [("X-Origin", name)]))
    origin.on("/health", lambda connection, _: connection.respond(200))
    return origin


@scenario("an endpoint whose probes fail keeps its traffic, or does not get it back")
def down_and_up(s):
    rows = "location = /health { try_files /up =503; }\nadd_header X-Origin $server_port;"
    two = [NginxOrigin(s, f"nginx{number}", rows) for number in range(2)]
    marks = [origin.publish("up", b"ok\n") for origin in two]
    for origin in two:
        origin.publish("index.html", b"hello\n")
    proxy = start_proxy(s, two, {"workers": 2, **upstream({"path": "/health", **QUICK})})
    load = Load(proxy)
    load.go_on()
    with s.case("it goes down, and no request fails or goes there"):
        os.remove(marks[0])
        await_status(proxy, two[0], "down")
        check_equal(endpoint_of(proxy, two[0])["health"]["why"], "probes are answered with 503", "why")
        load.go_on(20)
        before = load.served[str(two[0].port)]
        load.go_on(100)
        check_equal(load.served[str(two[0].port)], before, "requests at the endpoint that is down")
        check_equal(proxy.metric("evenkeel_endpoint_healthy", endpoint=two[0].address), 0, "metric")
        check_equal(proxy.metric("evenkeel_upstream_endpoints_healthy", upstream="app"), 1, "metric")
    with s.case("it comes back, and takes its share again"):
        with open(marks[0], "wb") as file:
            file.write(b"ok\n")
        await_status(proxy, two[0], "up")
        before = load.served[str(two[0].port)]
        eventually(lambda: load.served[str(two[0].port)] > before + 20, "it is used again")
    load.end()
    with s.case("each change is told once"):
        eventually(lambda: lines_about(proxy, two[0], "up"), "it is told")
        check_equal(len(lines_about(proxy, two[0], "down")), 1, "lines")
        check_equal(len(lines_about(proxy, two[0], "up")), 1, "lines")
        check_equal(len(lines_about(proxy, two[1], "down")), 0, "lines")


@scenario("probes of a name go without its name, or nobody knows where an address comes from")
def names(s):
    origin = named(s, "origin")
    hosts = []
    origin.on("/health", lambda connection, request: hosts.append(request.get("Host")) or connection.respond(200))
    proxy = start_proxy(s, f"localhost:{origin.port}", {"workers": 1, **upstream({"path": "/health", **QUICK})})
    eventually(lambda: len(hosts) >= 3, "three probes")
    check_equal(set(hosts), {f"localhost:{origin.port}"}, "Host of the probes")
    row = endpoint_of(proxy, origin)
    check_equal((row["endpoint"], row["source"]), (f"localhost:{origin.port}", "hosts"), "endpoint and source")
    check_equal(proxy.metric("evenkeel_endpoint_healthy", endpoint=f"localhost:{origin.port}") >= 1, True, "metric")
    check(proxy.reload(upstream({"host": "shop.example"}, endpoints=[origin.address])), "the reload was rejected")
    eventually(lambda: "shop.example" in hosts, "the Host that is configured")
    check_equal(endpoint_of(proxy, origin)["source"], "literal", "source")


@scenario("an endpoint that fails now and then is taken out")
def flapping(s):
    two = [named(s, f"origin{number}") for number in range(2)]
    asked = []

    def every_other(connection, _):
        asked.append(1)
        return connection.respond(200 if len(asked) % 2 else 500)

    two[0].on("/health", every_other)
    proxy = start_proxy(s, two, {"workers": 1, **upstream({"path": "/health", **QUICK, "interval": "20ms"})})
    eventually(lambda: len(asked) >= 30, "30 probes")
    health = endpoint_of(proxy, two[0])["health"]
    check_equal((health["status"], health["changes"]), ("up", 0), "status and changes")
    check(health["probes_failed"] >= 10, f"{health}")


@scenario("with every endpoint unhealthy nothing is served, though they might serve")
def panic(s):
    three = [named(s, f"origin{number}") for number in range(3)]
    proxy = start_proxy(s, three, {"workers": 1, **upstream({"path": "/health", **QUICK}, balance="round_robin")})
    for origin in three:
        origin.on("/health", status=500)
    eventually(lambda: proxy.admin_json("/upstreams")["upstreams"][0]["endpoints_healthy"] == 0, "all are down")
    shown = proxy.admin_json("/upstreams")["upstreams"][0]
    check(shown["panic"], f"no panic: {shown}")
    check_equal(proxy.metric("evenkeel_upstream_panic", upstream="app"), 1, "metric")
    check_equal({proxy.get("/").get("X-Origin") for _ in range(9)}, {"origin0", "origin1", "origin2"}, "origins")
    for origin in three[:2]:
        origin.on("/health", status=204)
    eventually(lambda: not proxy.admin_json("/upstreams")["upstreams"][0]["panic"], "calm")
    seen = set()

    def both():
        # one that has just come back gets its share by and by
        seen.update(proxy.get("/").get("X-Origin") for _ in range(9))
        return seen >= {"origin0", "origin1"}
    eventually(both, "both are used")
    check_equal(seen, {"origin0", "origin1"}, "origins")
    proxy.wait_for_log("upstream app: panic:")
    eventually(lambda: proxy.log().count("upstream app: panic:") == 1, "lines")


@scenario("an endpoint that breaks every request keeps getting them")
def ejection(s):
    two = [named(s, f"origin{number}") for number in range(2)]
    health = {"eject_after": 3, "eject_base": "1s", "eject_max": "5s", "slow_start": "1ms"}
    proxy = start_proxy(s, two, {"workers": 2, **upstream(health, balance="round_robin", retry={"attempts": 1},
                                                          breaker={"enabled": False})})
    two[0].on("/", lambda connection, _: connection.reset() or False)

    def ask(count):
        return collections.Counter(proxy.get("/").status for _ in range(count))

    with s.case("three failures, and it is out"):
        found = ask(40)
        check(3 <= found[502] <= 6, f"{dict(found)}")     # what comes first on each worker
        await_status(proxy, two[0], "ejected")
        proxy.expect_count(1, "evenkeel_endpoint_ejections_total", endpoint=two[0].address)
    with s.case("it is tried again, and out for longer each time"):
        eventually(lambda: ask(4) and endpoint_of(proxy, two[0])["health"]["ejections"] >= 3, "three ejections")
        eventually(lambda: len(lines_about(proxy, two[0], "ejected")) == 3, "three lines")
        started = time.monotonic()
        await_status(proxy, two[0], "up")
        check(time.monotonic() - started >= 2, "the third ejection was as short as the first")
    with s.case("mended, it is used again"):
        two[0].on("/", lambda connection, _: connection.respond(200, b"ok", [("X-Origin", "origin0")]))
        await_status(proxy, two[0], "up")
        check_equal(ask(20), {200: 20}, "statuses")
        check("origin0" in {proxy.get("/").get("X-Origin") for _ in range(10)}, "it is not used")
    with s.case("the last one is never ejected"):
        for origin in two:
            origin.on("/", lambda connection, _: connection.reset() or False)
        ask(40)
        check(sorted(health_status(proxy, origin) for origin in two) == ["ejected", "up"], "statuses")


@scenario("an endpoint that comes back is hit with its whole share at once")
def slow_start(s):
    two = [named(s, f"origin{number}") for number in range(2)]
    seconds = scaled(4, 10)
    proxy = start_proxy(s, two, {"workers": 1, **upstream({"slow_start": f"{seconds}s"}, balance="round_robin")})
    check_equal(proxy.admin(f"/upstreams/app/endpoints/{two[0].address}/drain", "POST")[0], 200, "status")
    load = Load(proxy, clients=2, pause=0.001)
    load.go_on()
    check_equal(load.served["origin0"], 0, "requests at a drained endpoint")
    check_equal(proxy.admin(f"/upstreams/app/endpoints/{two[0].address}/undrain", "POST")[0], 200, "status")
    parts = []
    for _ in range(4):
        begun, mine = load.total(), load.served["origin0"]
        time.sleep(seconds / 4)  # slow_start is a time: a quarter of it
        parts.append((load.served["origin0"] - mine) / max(1, load.total() - begun))
    eventually(lambda: endpoint_of(proxy, two[0])["health"]["traffic_share"] == 1, "its share is whole")
    begun, mine = load.total(), load.served["origin0"]
    load.go_on(200)
    last = (load.served["origin0"] - mine) / (load.total() - begun)
    load.end()
    s.note(f"its share in each quarter: {', '.join(f'{part:.2f}' for part in parts)}, then {last:.2f}")
    check(parts[0] < 0.25, f"{parts}")
    check(parts[0] < parts[1] < parts[3], f"{parts}")
    check(0.4 <= last <= 0.6, f"{last}")


@scenario("draining an endpoint under load fails a request")
def drained(s):
    two = [NginxOrigin(s, f"nginx{number}") for number in range(2)]
    proxy = start_proxy(s, two, {"workers": 2, **upstream({"slow_start": "100ms"})})
    seconds = scaled(4, 15)
    load = wrk_in_background(s, f"{proxy.url}/hello", seconds)
    eventually(lambda: endpoint_of(proxy, two[0])["leases_reused"] > 100, "the load has begun")
    ends = time.monotonic() + seconds - 1.5
    turn = 0
    while time.monotonic() < ends:
        origin = two[turn % 2]
        turn += 1
        status, body = proxy.admin(f"/upstreams/app/endpoints/{origin.address}/drain", "POST")
        check_equal((status, body), (200, b"1 endpoint drained\n"), "answer")
        check_equal(health_status(proxy, origin), "drained", "status")
        eventually(lambda origin=origin: endpoint_of(proxy, origin)["in_flight"] == 0, "nothing is in flight")
        row = endpoint_of(proxy, origin)
        used = row["leases_reused"] + row["leases_fresh"]
        served = proxy.metric("evenkeel_exchanges_finished_total")
        eventually(lambda served=served: proxy.metric("evenkeel_exchanges_finished_total") > served + 50, "the load goes on")
        row = endpoint_of(proxy, origin)
        check_equal(row["leases_reused"] + row["leases_fresh"], used, "leases while it is drained")
        check_equal(proxy.admin(f"/upstreams/app/endpoints/{origin.address}/undrain", "POST")[0], 200, "status")
        eventually(lambda origin=origin, used=used: endpoint_of(proxy, origin)["leases_reused"] > used,
                   "it is used again")
    load.report().expect_clean()
    check(turn >= 3, f"only {turn} turns")
    for path, method, status in (("/upstreams/app/endpoints/127.0.0.1:1/drain", "POST", 404),
                                 (f"/upstreams/none/endpoints/{two[0].address}/drain", "POST", 404),
                                 (f"/upstreams/app/endpoints/{two[0].address}/drain", "GET", 405),
                                 ("/upstreams/app/endpoints//drain", "POST", 404),
                                 ("/upstreams", "POST", 405)):
        check_equal(proxy.admin(path, method)[0], status, f"{method} {path}")
    for origin in two:
        proxy.admin(f"/upstreams/app/endpoints/{origin.address.replace(':', '%3A')}/drain", "POST")
    response = proxy.get("/hello")
    check_equal(response.status, 503, "answer with all drained")
    check(response.get("Retry-After"), "no Retry-After")


@scenario("/upstreams explains an endpoint that is down by what it went down for, not by what is wrong now")
def present_cause(s):
    ill = RawOrigin(s, "ill")
    ill.on("/health", status=503)
    proxy = start_proxy(s, [RawOrigin(s, "well"), ill], upstream({**QUICK, "path": "/health"}))

    def why():
        return endpoint_of(proxy, ill)["health"]["why"]

    def ask(act):
        check_equal(proxy.admin(f"/upstreams/app/endpoints/{ill.address}/{act}", "POST")[0], 200, f"status of {act}")

    await_status(proxy, ill, "down")
    check_equal(why(), "probes are answered with 503", "why it is down")
    with s.case("another cause comes while it is down"):
        ill.on("/health", status=500)
        eventually(lambda: why() == "probes are answered with 500", lambda: f"the present cause, not {why()}")
        ill.refuse()
        eventually(lambda: why() == "probes fail: refused", lambda: f"the present cause, not {why()}")
    with s.case("the operator's word holds while it is drained, and no longer"):
        ask("drain")
        check_equal(why(), "by the operator", "why it is drained")
        ask("undrain")
        check_equal((health_status(proxy, ill), why()), ("down", "probes fail: refused"), "status and why after it")
    check_equal(len(lines_about(proxy, ill, "down")), 1, "lines in the log that it is down")


@scenario("a probe takes an interim response for the answer")
def interim(s):
    def hinted(connection, _):
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        return connection.respond(200, b"fine", [("Connection", "close")])

    origin = RawOrigin(s).on("/health", hinted)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"health": {
        "path": "/health", "interval": "20ms", "fall": 1}}}})
    eventually(lambda: proxy.metric("evenkeel_endpoint_probes_total", state="good") >= 3, "probes are good")
    check_equal(proxy.metric("evenkeel_endpoint_probes_total", state="bad") or 0, 0, "bad probes")


@scenario("probes ask the port of requests although they have one of their own")
def port_of_probes(s):
    origin, management = RawOrigin(s), RawOrigin(s, "management")
    origin.on("/ready", status=503, body=b"")
    management.on("/ready", status=200, body=b"")
    proxy = start_proxy(s, origin, upstream({**QUICK, "path": "/ready", "port": management.port}))
    management.request_for("/ready")
    await_status(proxy, origin, "up")
    check_equal(proxy.get("/").status, 200, "status")
    management.on("/ready", status=503, body=b"")
    await_status(proxy, origin, "down")
    with s.case("a reload changes it"):
        other = RawOrigin(s, "other")
        check(proxy.reload({"upstreams": {"app": {"health": {"port": other.port}}}}), "the reload was rejected")
        await_status(proxy, origin, "up")
    check(not [request for request in origin.requests if request.target == "/ready"], "the port of requests was asked")


run()
