"""What leaks is found with the time that is left, and nothing that is healthy is called a leak. A tick is 100 ms here instead of ten seconds."""

import contextlib
import os
import threading
import time

from harness import Load, RawOrigin, check, check_equal, drift_figures, eventually, run, scenario, start_proxy

TICK_S = 0.1
DRIFT = {"drift": {"interval": f"{int(TICK_S * 1000)}ms"}}


def rate_of(load):
    """Steps per second in the time of a short window."""
    return load.rate_lately(60 * TICK_S)


def library():
    return os.path.join(os.path.abspath(os.environ.get("top_builddir", ".")), "tests/scenario/leak.so")


def left_is_true(figure, left_s):
    return 0.75 * left_s < figure["left_s"] < 1.25 * left_s


class Watch:
    """Looks at /drift for figures that are awaited, until each drifts with a time left that its true rate confirms."""

    def __init__(self, proxy, awaited):
        self.pages = {}
        self._proxy = proxy
        self._awaited = awaited     # {(name, detail): its rate per second}

    def look(self):
        seen = drift_figures(self._proxy)
        for key, rate in list(self._awaited.items()):
            figure = seen.get(key, {})
            if figure.get("state") == "drifting" and left_is_true(figure, (figure["limit"] - figure["now"]) / rate()):
                self.pages[key[0]] = figure["runbook"]
                del self._awaited[key]
        return not self._awaited

    def until_found(self):
        try:
            eventually(self.look, "all are found", 35)
        finally:
            for key in self._awaited:
                print(f"# not found: {key}: {drift_figures(self._proxy).get(key)}")


@scenario("descriptors or memory leak, and nobody is told before it is too late")
def leaks(s):
    every, leaked_bytes = 10, 131072
    proxy = start_proxy(s, RawOrigin(s), {**DRIFT, "limits": {"memory": "1GiB"}}, limits=["--nofile=1500:1500"],
                        env={"LD_PRELOAD": library(), "LEAK_EVERY": str(every), "LEAK_BYTES": str(leaked_bytes),
                             "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"})
    # What leaks does so by connections of the admin listener, so what this test asks there counts, too.
    with Load(lambda: proxy.admin("/livez"), 100) as load:
        watch = Watch(proxy, {("stray_descriptors", None): lambda: rate_of(load) / every,
                              ("resident_bytes", None): lambda: rate_of(load) * leaked_bytes})
        look = watch.look
        watch.look = lambda: load.count_one() or look()
        with s.case("each is found, with the time that is left within a quarter"):
            watch.until_found()
    with s.case("the pages of the runbooks are named"):
        check_equal(watch.pages, {"stray_descriptors": "docs/runbooks/descriptors.md",
                                  "resident_bytes": "docs/runbooks/memory.md"}, "pages")
    with s.case("the metrics and the log say so"):
        check(0 < proxy.metric("evenkeel_drift_left_seconds", figure="stray_descriptors") < 600, "time left")
        eventually(lambda: "drift: stray_descriptors grows by" in proxy.log(), "a line in the log", 20)


@scenario("requests pile up at an upstream, and nobody is told before it is full")
def pile(s):
    free = threading.Event()
    slow = RawOrigin(s).on("/", lambda connection, _: free.wait(60) and connection.respond())
    proxy = start_proxy(s, slow, {**DRIFT, "upstreams": {"app": {"limits": {"in_flight": 700}, "pool": {"max": 700}}}})
    waiting = []

    def wait_for_slow():
        waiting.append(proxy.client())
        waiting[-1].send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")

    with Load(wait_for_slow, 10) as load:
        watch = Watch(proxy, {("upstream_in_flight", "app"): lambda: rate_of(load)})
        with s.case("it is found, with the time that is left within a quarter"):
            watch.until_found()
        with s.case("its bound and its page say so"):
            check_equal(watch.pages, {"upstream_in_flight": "docs/runbooks/queues.md"}, "page")
            check(proxy.bound("upstream_in_flight", "app")["slope_per_hour"] > 0, "row of /resources")
    free.set()
    for client in waiting:
        client.close()
    with s.case("the end of it is told, too"):
        eventually(lambda: "drift: upstream_in_flight (app) grows no more" in proxy.log(), "the end is told", 20)


@scenario("a reload, a failover or more load is called a leak")
def healthy(s):
    origins = [RawOrigin(s), RawOrigin(s, "other")]
    proxy = start_proxy(s, origins, DRIFT)
    with Load(lambda: proxy.get("/"), 50) as load:
        for step in range(4):
            load.rate = 50 * (1 + step % 3)
            proxy.reload()
            if step == 2:
                origins[1].refuse()
            time.sleep(20 * TICK_S)  # a third of a window
    units = {name: each["unit"] for (name, _), each in drift_figures(proxy).items()}
    check_equal([units[name] for name in ("resident_bytes", "threads", "error_share", "requests_per_second", "upstream_p99_seconds")],
                ["bytes", "count", "share", "per_second", "seconds"], "units")
    grown = {name: each for name, each in drift_figures(proxy).items() if each["state"] == "drifting"}
    check_equal(grown, {}, "what drifts")
    check("drift:" not in proxy.log(), "the log says that something drifts")
    with s.case("when the process was last changed is said beside it"):
        page = proxy.admin_json("/drift")
        check(20 < page["figures"] <= page["figures_most"], f"number of figures: {page['figures']} of {page['figures_most']}")
        changes = page["changes"]
        check(0 <= changes["reloaded_s_ago"] <= changes["started_s_ago"] < 60, f"changes: {changes}")
        check_equal((changes["upgraded_s_ago"], changes["generation"]), (None, 5), "upgrade and generation")


@scenario("the capacity of an upstream is not told before it is reached")
def capacity(s):
    service_s = 0.02

    def serve(connection, _):
        time.sleep(service_s)  # the service time that is to be measured
        return connection.respond()

    origin = RawOrigin(s).on("/", serve)
    proxy = start_proxy(s, origin, {"drift": {"interval": "250ms"}, "upstreams": {"app": {"limits": {"in_flight": 16}}}})
    with Load(lambda: proxy.get("/"), 50):
        def view():
            return next(each["capacity"] for each in proxy.admin_json("/upstreams")["upstreams"])
        eventually(lambda: view()["median_ms"] > 15 and view()["answers_per_second"] > 10, "there are figures", 20)
        got = view()
    # on a busy machine an answer takes longer than its origin, and the next one may come between two figures
    check(got["median_ms"] > 18 and 0.8 < got["capacity_per_second"] * got["median_ms"] / 1e3 / 16 < 1.2,
          f"16 places of so many ms: {got}")
    check(abs(got["utilisation"] - got["answers_per_second"] / got["capacity_per_second"]) < 0.01, f"utilisation: {got}")
    check_equal(got["phase"], "linear", "phase")
    check_equal(proxy.metric("evenkeel_upstream_phase", upstream="app", phase="linear"), 1, "metric of the phase")


@scenario("the service time creeps, and nobody is told before requests wait")
def creeping_service(s):
    places, before_s, after_s = 16, 0.4, 0.44
    service = {"s": before_s}

    def serve(connection, _):
        time.sleep(service["s"])  # the service time that is to be measured
        return connection.respond()

    proxy = start_proxy(s, RawOrigin(s).on("/", serve),
                        {"drift": {"interval": "500ms"}, "upstreams": {"app": {"limits": {"in_flight": places}}}})

    def view():
        return next(each["capacity"] for each in proxy.admin_json("/upstreams")["upstreams"])

    with contextlib.ExitStack() as asking:
        # As many as there are places, each busy for 0.8 of its time: none ever waits.
        for _ in range(places):
            asking.enter_context(Load(lambda: proxy.get("/"), 0.8 / before_s))
        eventually(lambda: view()["utilisation"] > 0.7 and view()["capacity_per_second"] > 0.95 * places / before_s,
                   lambda: f"the limit is nearly in use: {view()}", 20)
        service["s"] = after_s
        eventually(lambda: view()["capacity_per_second"] < 1.02 * places / after_s, lambda: f"what creeps is told: {view()}", 20)
        time.sleep(1)  # answers of before are no part of a figure any more
        # A busy machine makes answers slower, never faster: the highest figure is the true one.
        seen = [view()["capacity_per_second"] for _ in range(5) if not time.sleep(0.25)]
    check(max(seen) < 1.02 * places / after_s, f"capacities: {seen}")
    check_equal(proxy.bound("upstream_queued", "app")["peak"], 0, "requests that waited")


run()
