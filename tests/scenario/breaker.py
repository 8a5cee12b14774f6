"""The breaker: an upstream that fails is left alone, and tried again with a few requests only."""

import concurrent.futures
import threading
import time

from harness import RawOrigin, Stopwatch, check, check_equal, eventually, run, scaled, scenario, start_proxy, takes

QUICK = {"consecutive": 5, "open_min": "150ms", "open_max": "150ms", "ramp": "100ms"}


def guarded(breaker=None, **upstream):
    return {"upstreams": {"app": {"breaker": {**QUICK, **(breaker or {})}, "retry": {"attempts": 1},
                                  "pool": {"warm_min": 0}, "health": {"eject_after": 0}, **upstream}}}


def state(proxy):
    return proxy.admin_json("/upstreams")["upstreams"][0]["breaker"]["state"]


def changes(proxy):
    return [line.split(" breaker ")[1].split(":")[0] for line in proxy.log().splitlines() if " breaker " in line]


class Patient:
    """An origin that fails until told otherwise."""

    def __init__(self, s, name="origin", status=503):
        self.failing = True
        self.origin = RawOrigin(s, name).on("/", lambda connection, _: connection.respond(
            status if self.failing else 200, b"x"))
        self.address = self.origin.address

    def requests(self):
        return len(self.origin.requests)


def opened(proxy):
    """It has opened: it may be half open again by now."""
    proxy.wait_for_log(" breaker closed -> open")


def open_up(proxy, times=5):
    for _ in range(times):
        proxy.get("/")
    opened(proxy)


@scenario("an upstream that fails goes on being asked, or is not asked again when it is well")
def basics(s):
    origin = Patient(s)
    proxy = start_proxy(s, origin, guarded({"open_min": "3s", "open_max": "3s"}))
    open_up(proxy)
    before = origin.requests()
    for _ in range(20):
        watch = Stopwatch(proxy)
        response = proxy.get("/")
        check(watch.stop().seconds < 0.3, "a refusal was waited for")
        check_equal(response.status, 503, "status")
        check("breaker_open" in (response.get("Proxy-Status") or ""), f"Proxy-Status {response.get('Proxy-Status')}")
        check(int(response.get("Retry-After")) >= 1, f"Retry-After {response.get('Retry-After')}")
    check_equal(origin.requests(), before, "requests at the origin while it is open")
    origin.failing = False
    eventually(lambda: proxy.get("/").status == 200, "it is tried again")
    eventually(lambda: proxy.get("/").status == 200 and state(proxy) == "closed", "it is closed again")
    proxy.wait_for_log("breaker ramp -> closed")
    check_equal(changes(proxy), ["closed -> open", "open -> half_open", "half_open -> ramp", "ramp -> closed"], "told")
    proxy.expect_count(1, "evenkeel_breaker_changes_total", upstream="app", state="open")
    check(proxy.metric("evenkeel_breaker_refused_total", upstream="app") >= 20, "refusals are not counted")


@scenario("what says nothing of the upstream opens the breaker")
def not_failures(s):
    slow = takes(0.2, status=200, body=b"slow")
    origin = RawOrigin(s).on("/slow", slow).on("/500", status=500).on("/429", status=429)
    origin.on("/hop", status=503, fields=[("Proxy-Status", "b; error=connection_refused")])
    proxy = start_proxy(s, origin, guarded())
    with s.case("the client's own short deadline"):
        for _ in range(8):
            check_equal(proxy.get("/slow", [("X-Envoy-Expected-Rq-Timeout-Ms", 50)]).status, 504, "status")
        check_equal(state(proxy), "closed", "state")
    with s.case("clients that go away"):
        for number in range(8):
            client = proxy.client()
            client.send(f"GET /slow/{number} HTTP/1.1\r\nHost: a\r\n\r\n")
            origin.request_for(f"/slow/{number}")
            client.reset()
        eventually(lambda: proxy.bound("upstream_in_flight", "app")["used"] == 0, "they are gone")
        check_equal(state(proxy), "closed", "state")
    for target, what in (("/hop", "what another hop refused"), ("/500", "500"), ("/429", "429")):
        with s.case(what):
            for _ in range(8):
                proxy.get(target)
            check_equal(state(proxy), "closed", "state")


@scenario("a deadline of our own, or slow answers, do not open the breaker")
def hangs(s):
    origin = RawOrigin(s).on("/hang", lambda connection, _: connection.wait_for_end() and False)
    with s.case("first_byte"):
        proxy = start_proxy(s, origin, guarded(timeouts={"first_byte": "60ms"}), name="first")
        for _ in range(5):
            check_equal(proxy.get("/hang").status, 504, "status")
        opened(proxy)
    with s.case("the route's deadline"):
        proxy = start_proxy(s, origin, {**guarded(), "routes": [{"name": "r", "upstream": "app", "deadline": "60ms"}]},
                            name="second")
        for _ in range(5):
            check_equal(proxy.get("/hang").status, 504, "status")
        opened(proxy)
    with s.case("slow answers"):
        origin.on("/was_quick", status=200, body=b"quick")
        # each worker learns for itself what is usual
        proxy = start_proxy(s, origin, {"workers": 1, **guarded(
            {"slow_after": "40ms", "min_requests": 5, "window": "3s"})}, name="third")
        for _ in range(20):  # so many tell what is usual
            check_equal(proxy.get("/was_quick").status, 200, "status")
        origin.on("/was_quick", takes(0.06, status=200, body=b"slow"))
        eventually(lambda: proxy.get("/was_quick").status == 503, "slow answers open it")


@scenario("more probes than allowed reach an upstream that is tried again", within=scaled(60, 200))
def probes(s):
    at_once, peak, probed, lock = [0], [0], [0], threading.Lock()
    phase = {"probing": False}

    def answer(connection, _):
        if not phase["probing"]:
            return connection.respond(503, b"x")
        with lock:
            probed[0] += 1
            at_once[0] += 1
            peak[0] = max(peak[0], at_once[0])
        time.sleep(0.05)  # the time of service
        with lock:
            at_once[0] -= 1
        return connection.respond(503 if phase["probing"] == "bad" else 200, b"x")

    origin = RawOrigin(s).on("/", answer)
    proxy = start_proxy(s, origin, {"workers": 8, **guarded({"probes": 3, "ramp": "5s"})})
    open_up(proxy)
    phase["probing"] = "bad"
    stop = threading.Event()

    def client():
        with proxy.client() as connection:
            while not stop.is_set():
                connection.request("GET", "/")
                time.sleep(0.001)  # a client's pause

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        running = [pool.submit(client) for _ in range(24)]
        eventually(lambda: probed[0] >= scaled(30, 300), "it is tried again and again", scaled(15, 150))
        stop.set()
        for each in running:
            each.result()
    check(peak[0] <= 3, f"{peak[0]} probes at once")
    s.note(f"at most {peak[0]} at once at the origin")


@scenario("one endpoint that fails opens the breaker of all")
def endpoints(s):
    bad, good = Patient(s, "bad"), Patient(s, "good")
    good.failing = False
    proxy = start_proxy(s, [bad, good], {"workers": 1, **guarded(
        {"open_min": "6s", "open_max": "6s", "min_requests": 100}, balance="round_robin",
        retry={"on": ["503"], "backoff_base": "1ms", "backoff_max": "2ms",
               "budget": {"ratio": 1.0, "per_second": 100.0}})})
    for _ in range(40):
        check_equal(proxy.get("/").status, 200, "status")
    check_equal(state(proxy), "closed", "state of the upstream")
    check_equal(bad.requests(), 5, "requests at the bad endpoint")
    rows = {row["address"]: row["breaker"] for row in proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"]}
    check_equal((rows[bad.address], rows[good.address]), ("open", "closed"), "states of the endpoints")
    bad.failing = False
    eventually(lambda: proxy.get("/").status == 200 and bad.requests() > 5, "the bad endpoint is tried again")


ON_503 = {"on": ["503"], "backoff_base": "1ms", "backoff_max": "2ms", "budget": {"ratio": 1.0, "per_second": 100.0}}


@scenario("a failure that another endpoint has made good opens the breaker of the upstream")
def made_good(s):
    bad, good = Patient(s, "bad"), Patient(s, "good")
    good.failing = False
    proxy = start_proxy(s, [bad, good], {"workers": 1, **guarded(
        {"consecutive": 1000, "min_requests": 10, "failure_rate": 0.2, "open_min": "20s", "open_max": "20s"},
        balance="round_robin", retry=ON_503)})
    for _ in range(40):
        check_equal(proxy.get("/").status, 200, "status")
    check(bad.requests() >= 10, f"only {bad.requests()} requests at the bad endpoint")
    check_equal(state(proxy), "closed", "state of the upstream")


@scenario("a retry is waited for although the breaker has opened")
def opened_by_this(s):
    origin = Patient(s)
    proxy = start_proxy(s, origin, {"workers": 1, **guarded(
        {"consecutive": 2, "open_min": "20s", "open_max": "20s"}, retry={"attempts": 3, **ON_503})})
    response = proxy.get("/")
    check_equal((response.status, bytes(response.body)), (503, b"x"), "the origin's own refusal")
    check_equal(origin.requests(), 2, "requests at the origin")
    proxy.expect_count(1, "evenkeel_retry_verdicts_total", verdict="breaker")
    proxy.expect_count(1, "evenkeel_retry_verdicts_total", verdict="made")


@scenario("an operator's word does not count")
def forced(s):
    origin = Patient(s)
    origin.failing = False
    proxy = start_proxy(s, origin, guarded())
    check_equal(proxy.get("/").status, 200, "status")
    check_equal(proxy.admin("/upstreams/app/breaker/open", "POST")[0], 200, "the operator's word")
    check_equal((state(proxy), proxy.get("/").status), ("forced_open", 503), "state and status")
    check_equal(proxy.admin("/upstreams/app/breaker/close", "POST")[0], 200, "the operator's word")
    origin.failing = True
    for _ in range(20):
        check_equal(proxy.get("/").get("Proxy-Status"), None, "it is asked all the same")
    check_equal(state(proxy), "forced_closed", "state")
    check_equal(proxy.admin("/upstreams/app/breaker/auto", "POST")[0], 200, "the operator's word")
    open_up(proxy)
    check_equal(proxy.admin("/upstreams/other/breaker/auto", "POST")[0], 404, "no such upstream")
    check_equal(proxy.admin("/upstreams/app/breaker/auto")[0], 405, "GET")


run()
