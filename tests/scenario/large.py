"""A configuration of ten thousand upstreams and routes is taken, and what it costs does not grow with the square of that."""

import resource

from harness import RawOrigin, check, check_equal, once_of, patient, run, run_program, scenario, start_proxy

COUNT = 10000
FEW = COUNT // 10
# Ten times as many cost about ten times as much. Comparing each with all others makes it 25 times and more.
MOST_TIMES = 16
TLS_COUNT = 500
# Of a processor: a tenth of what it takes to read the system's certificates so often.
TLS_CPU_S = 1.5
# Other programs on the machine make the same work dearer, never cheaper: what costs little once is cheap.
TRIES = 5


def named(origin, count):
    upstreams = {f"u{number}": {"endpoints": [origin.address], "required": False, "pool": {"warm_min": 0}}
                 for number in range(count)}
    routes = [{"name": f"r{number}", "host": f"h{number}.example", "upstream": f"u{number}"} for number in range(count)]
    return {"upstreams": upstreams, "routes": routes, "log": {"level": "warn"}}


def with_endpoints(count):
    endpoints = [f"127.{10 + number // 250}.1.{number % 250 + 1}:80" for number in range(count)]
    return {"upstreams": {"app": {"endpoints": endpoints, "required": False, "pool": {"warm_min": 0}}},
            "routes": [{"upstream": "app"}], "log": {"level": "warn"}}


def of_start_and_reload(s, settings):
    """Processor seconds of a start with the settings, and of a reload."""
    proxy = start_proxy(s, None, settings, name="measured")
    started = proxy.cpu_seconds()
    check(proxy.reload(settings), "the reload was rejected")
    reloaded = proxy.cpu_seconds() - started
    proxy.stop()
    return {"start": started, "reload": reloaded}


def of_test(s, settings):
    """Processor seconds of `evenkeel -t` with the settings."""
    s.write("tested.conf", start_proxy(s, None, settings, name="tested").text())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    check_equal(run_program(s, "-t", "-c", "tested.conf").returncode, 0, "exit code")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def expect_no_square(s, settings_of):
    """settings_of(count): what COUNT cost is in line with what FEW cost."""
    def trial():
        few, many = (of_start_and_reload(s, settings_of(count)) for count in (FEW, COUNT))
        for what, seconds in few.items():
            check(many[what] < MOST_TIMES * seconds, f"a {what} took {many[what]:.2f} s of a processor, with a tenth {seconds:.3f} s")
    once_of(TRIES, trial)


@scenario("a configuration of 10,000 upstreams and routes is refused")
def ten_thousand(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, None, named(origin, COUNT))
    with s.case("the last route leads to the last upstream"):
        check_equal(proxy.get("/", host=f"h{COUNT - 1}.example").status, 200, "status")
        proxy.expect_count(1, "evenkeel_responses_total", route=f"r{COUNT - 1}", **{"class": "2xx"})
    with s.case("a reload is taken"):
        check(proxy.reload(named(origin, COUNT)), "the reload was rejected")
        check_equal(proxy.get("/", host="h0.example").status, 200, "status")
    with s.case("two routes of one name are not taken"):
        check(not proxy.reload(text=proxy.text().replace(f'"r{COUNT - 1}"', '"r0"')), "the reload was taken")
        proxy.wait_for_log("is the name of another route")


@scenario("each name is looked for among all of them")
def names(s):
    origin = RawOrigin(s)
    expect_no_square(s, lambda count: named(origin, count))


@scenario("the endpoints of an upstream are compared with each other")
def endpoints_of_one(s):
    with s.case("what they cost is in line with their number"):
        expect_no_square(s, with_endpoints)
    with s.case("one that is named twice is refused"):
        settings = with_endpoints(COUNT)
        proxy = start_proxy(s, None, settings)
        settings["upstreams"]["app"]["endpoints"].append(settings["upstreams"]["app"]["endpoints"][0] + " weight=2")
        check(not proxy.reload(settings), "the reload was taken")


@scenario("the system's certificates are read once for each upstream that has a server name of its own")
def names_of_their_own(s):
    settings = named(RawOrigin(s), TLS_COUNT)
    for name, upstream in settings["upstreams"].items():
        upstream["tls"] = {"enabled": True, "server_name": f"{name}.example"}

    def trial():
        taken = of_start_and_reload(s, settings) | {"test of the file": of_test(s, settings)}
        for what, seconds in taken.items():
            check(seconds < patient(TLS_CPU_S), f"a {what} took {seconds:.2f} s of a processor")
    once_of(TRIES, trial)


run()
