"""A configuration of ten thousand upstreams and routes is taken, and what it costs does not grow with the square of that."""

import os
import resource

from harness import RawOrigin, check, check_equal, patient, run, run_program, scenario, start_proxy

COUNT = 10000
# Of a processor. Each takes half of it; comparing each upstream's name with all others alone took more.
START_CPU_S, RELOAD_CPU_S = 1, 1
TLS_COUNT = 500


def cpu_seconds(proxy):
    """Of the process so far."""
    with open(f"/proc/{proxy.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_test(s, proxy):
    """Of `evenkeel -t` with the proxy's configuration."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    s.write("tested.conf", proxy.text())
    check_equal(run_program(s, "-t", "-c", "tested.conf").returncode, 0, "exit code")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def settings_of(origin, count):
    upstreams = {f"u{number}": {"endpoints": [origin.address], "required": False, "pool": {"warm_min": 0}}
                 for number in range(count)}
    routes = [{"name": f"r{number}", "host": f"h{number}.example", "upstream": f"u{number}"} for number in range(count)]
    return {"upstreams": upstreams, "routes": routes, "log": {"level": "warn"}}


@scenario("a configuration of 10,000 upstreams and routes is refused, or its cost grows with the square of their number")
def ten_thousand(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, None, settings_of(origin, COUNT))
    started = cpu_seconds(proxy)
    with s.case("the last route leads to the last upstream"):
        check_equal(proxy.get("/", host=f"h{COUNT - 1}.example").status, 200, "status")
        proxy.expect_count(1, "evenkeel_responses_total", route=f"r{COUNT - 1}", **{"class": "2xx"})
    with s.case("a reload is taken"):
        before = cpu_seconds(proxy)
        check(proxy.reload(settings_of(origin, COUNT)), "the reload was rejected")
        reloaded = cpu_seconds(proxy) - before
        check_equal(proxy.get("/", host="h0.example").status, 200, "status")
    with s.case("two routes of one name are not taken"):
        check(not proxy.reload(text=proxy.text().replace(f'"r{COUNT - 1}"', '"r0"')), "the reload was taken")
        proxy.wait_for_log("is the name of another route")
    with s.case("neither start nor reload looks for each name among all of them"):
        check(started < patient(START_CPU_S), f"the start took {started:.1f} s of a processor")
        check(reloaded < patient(RELOAD_CPU_S), f"the reload took {reloaded:.1f} s of a processor")


@scenario("the system's certificates are read once for each upstream that has a server name of its own")
def names_of_their_own(s):
    settings = settings_of(RawOrigin(s), TLS_COUNT)
    for name, upstream in settings["upstreams"].items():
        upstream["tls"] = {"enabled": True, "server_name": f"{name}.example"}
    with s.case("by a start"):
        proxy = start_proxy(s, None, settings)
        taken = cpu_seconds(proxy)
        check(taken < patient(START_CPU_S), f"the start took {taken:.1f} s of a processor")
    with s.case("by a reload"):
        check(proxy.reload(settings), "the reload was rejected")
        taken = cpu_seconds(proxy) - taken
        check(taken < patient(RELOAD_CPU_S), f"the reload took {taken:.1f} s of a processor")
    with s.case("by a test of the file"):
        taken = cpu_seconds_of_test(s, proxy)
        check(taken < patient(START_CPU_S), f"the test took {taken:.1f} s of a processor")


@scenario("the endpoints of an upstream are compared with each other")
def ten_thousand_endpoints(s):
    endpoints = [f"127.{10 + number // 250}.1.{number % 250 + 1}:80" for number in range(COUNT)]
    settings = {"upstreams": {"app": {"endpoints": endpoints, "required": False, "pool": {"warm_min": 0}}},
                "routes": [{"upstream": "app"}], "log": {"level": "warn"}}
    with s.case("by a start"):
        proxy = start_proxy(s, None, settings)
        taken = cpu_seconds(proxy)
        check(taken < patient(START_CPU_S), f"the start took {taken:.1f} s of a processor")
    with s.case("by a reload"):
        check(proxy.reload(settings), "the reload was rejected")
        taken = cpu_seconds(proxy) - taken
        check(taken < patient(RELOAD_CPU_S), f"the reload took {taken:.1f} s of a processor")
    with s.case("one that is named twice is refused"):
        settings["upstreams"]["app"]["endpoints"].append(endpoints[0] + " weight=2")
        check(not proxy.reload(settings), "the reload was taken")


run()
