"""Readiness: a process takes traffic when it is warm, says what is missing until then, and does not flap."""

import json
import signal

from harness import RawOrigin, check, check_equal, eventually, run, scenario, start_proxy


def readyz(proxy):
    """(status, body) of /readyz."""
    status, body = proxy.admin("/readyz")
    return status, json.loads(body)


def ready(proxy):
    return readyz(proxy)[0] == 200


@scenario("readiness is told wrongly, or not where it is asked for")
def told(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"readiness": {"listener_path": "/lb/ready"},
                                    "drain": {"grace": "5s", "pause": "1s"}})
    eventually(lambda: ready(proxy), "it is ready")
    with s.case("the body has the figures"):
        body = readyz(proxy)[1]
        check_equal((body["ready"], body["state"], body["missing"]), (True, "warm", []), "body")
        check_equal(body["figures"]["required_upstreams"], 1, "required upstreams")
    with s.case("ordinary listeners answer on the configured path, by themselves"):
        for target in ("/lb/ready", "/lb/ready?from=lb"):
            response = proxy.get(target)
            check_equal((response.status, bytes(response.body)), (200, b"200 OK (ready)\n"), target)
        check_equal(proxy.get("/lb/ready", method="HEAD").status, 200, "status of HEAD")
        check_equal(origin.requests, [], "requests at the origin")
    with s.case("other paths and methods are not taken"):
        check_equal(proxy.get("/lb/readyz").status, 200, "status")
        check_equal(proxy.get("/lb/ready", method="POST").status, 200, "status")
        check_equal(len(origin.requests), 2, "requests at the origin")
    with s.case("metrics have it"):
        check_equal(proxy.metric("evenkeel_ready"), 1, "evenkeel_ready")
        check_equal(proxy.metric("evenkeel_readiness_state", state="warm"), 1, "the state")
        check(proxy.metric("evenkeel_ready_after_seconds") > 0, "the time is missing")
    with s.case("a reload can take the path away"):
        check(proxy.reload({"readiness": {"listener_path": ""}}), "rejected")
        check_equal(bytes(proxy.get("/lb/ready").body) == b"200 OK (ready)\n", False, "answered")
        check(proxy.reload({"readiness": {"listener_path": "/lb/ready"}}), "rejected")
    with s.case("a drain takes it back first, everywhere"):
        with proxy.client() as client:
            check_equal(client.request("GET", "/lb/ready").status, 200, "status")
            proxy.signal(signal.SIGTERM)
            eventually(lambda: not ready(proxy), "/readyz is 503")
            body = readyz(proxy)[1]
            check_equal([each["what"] for each in body["missing"]], ["draining"], "missing")
            response = client.request("GET", "/lb/ready")
            check_equal(response.status, 503, "status on the listener")
            check(response.get("Retry-After"), "no Retry-After")
    proxy.expect_clean_exit(4)


@scenario("readiness is kept although nothing can be served, or flaps when something is lost for a moment")
def lost(s):
    origins = [RawOrigin(s, "one"), RawOrigin(s, "two")]
    health = {"path": "/health", "interval": "100ms", "timeout": "100ms", "fall": 2, "rise": 2}
    upstreams = {name: {"endpoints": [origin.address], "health": health}
                 for name, origin in zip(("one", "two"), origins)}
    proxy = start_proxy(s, None, {"upstreams": upstreams, "routes": [{"name": "all", "upstream": "one"}]})
    eventually(lambda: ready(proxy), "it is ready")
    for origin in origins:
        origin.on("/health", status=500)
    with s.case("every required upstream lost takes it back, after a while"):
        eventually(lambda: readyz(proxy)[1]["figures"]["usable"] == 0, "both are seen down")
        check(ready(proxy), "taken back at once")
        eventually(lambda: not ready(proxy), "it is taken back")
        check_equal([each["what"] for each in readyz(proxy)[1]["missing"]], ["lost"], "missing")
    with s.case("one of them back gives it back"):
        origins[1].on("/health", status=200)
        eventually(lambda: ready(proxy), "it is given back")
    check_equal(proxy.metric("evenkeel_readiness_gave_up"), 0, "given up")


run()
