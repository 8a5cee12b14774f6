"""Readiness: a process takes traffic when it is warm, says what is missing until then, and does not flap."""

import json
import signal

from harness import Authority, RawOrigin, access_rows, check, check_equal, eventually, patient, run, scenario, start_proxy

DIAL_S = 0.15


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
    proxy.expect_clean_exit()


@scenario("readiness is kept although nothing can be served, or flaps when something is lost for a moment")
def lost(s):
    origins = [RawOrigin(s, "one"), RawOrigin(s, "two")]
    health = {"path": "/health", "interval": "100ms", "timeout": "5s", "fall": 2, "rise": 2}
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


@scenario("a process is ready (cold) while no required upstream takes a connection")
def lost_beats_cold(s):
    origins = [RawOrigin(s, "one"), RawOrigin(s, "two")]
    for origin in origins:
        origin.refuse()
    upstreams = {origin.name: {"endpoints": [origin.address]} for origin in origins}
    proxy = start_proxy(s, None, {"upstreams": upstreams, "routes": [{"name": "all", "upstream": "one"}],
                                  "readiness": {"give_up_after": "1s", "listener_path": "/ready"}})
    with s.case("it gives up waiting, and is not ready"):
        body = eventually(lambda: (found := readyz(proxy)[1])["state"] != "warming" and found, "it has given up")
        check_equal((body["state"], body["ready"], body["figures"]["usable"]), ("lost", False, 0), "readiness")
        check("lost" in [each["what"] for each in body["missing"]], f"missing: {body['missing']}")
        check_equal(proxy.get("/ready").status, 503, "status on the listener")
        check_equal(proxy.metric("evenkeel_readiness_gave_up"), 1, "evenkeel_readiness_gave_up")
    with s.case("one of them comes, and it is ready"):
        origins[0].listen()
        eventually(lambda: ready(proxy), "it is ready")
        check_equal(proxy.get("/").status, 200, "status")
    with s.case("all of them go without a probe that would tell, and readiness goes"):
        origins[0].refuse()
        for connection in origins[0].open_connections():
            connection.reset()
        eventually(lambda: readyz(proxy)[1]["state"] == "lost", "it is taken back")


@scenario("a first start is ready before there is a TLS session to resume")
def without_sessions(s):
    authority = Authority(s)
    upstream = {"tls": {"enabled": True, "ca": authority.cert}, "pool": {"warm_min": 1}}
    for tickets, expected, missing in ((0, "cold", ["sessions"]), (2, "warm", [])):
        with s.case(f"an origin that gives {tickets} tickets: {expected}"):
            origin = RawOrigin(s, f"gives{tickets}", certificate=authority.issue("IP:127.0.0.1"), tickets=tickets)
            proxy = start_proxy(s, origin, {"upstreams": {"app": upstream}, "readiness": {"give_up_after": "2s"}},
                                name=f"evenkeel{tickets}")
            eventually(lambda p=proxy: ready(p), "it is ready")
            body = readyz(proxy)[1]
            check_equal((body["state"], [each["what"] for each in body["missing"]]), (expected, missing), "readiness")


def access_line(proxy, target):
    """The access line of the one request for this target."""
    def find():
        lines = access_rows(proxy.settings["log"]["access"]["path"])
        return [line for line in lines if line["target"] == target]
    return eventually(find, f"{target} is in the access log")[0]


def takes_over(proxy, upstream, **settings):
    """Sends everything to another upstream, without waiting for it."""
    proxy.settings = {**proxy.settings, "upstreams": {"new": upstream},
                      "routes": [{"name": "all", "upstream": "new"}], **settings}
    before = proxy.reloads()
    proxy.write_config(proxy.text())
    proxy.signal(signal.SIGHUP)
    return before


def over(proxy, before):
    return proxy.reloads()[0] == before[0] + 1


@scenario("a new upstream of a reload takes traffic cold, or takes readiness back, or holds the reload for ever")
def new_upstream(s):
    old = RawOrigin(s, "old")
    old.on("/", status=200, body=b"old")
    authority = Authority(s)
    tls = {"enabled": True, "ca": authority.cert}
    proxy = start_proxy(s, old, {"log": {"access": {"path": s.path("access.log")}},
                                 "routes": [{"name": "all", "upstream": "app"}]})
    eventually(lambda: ready(proxy), "it is ready")
    with s.case("the old one serves until the new one is warm; then every request finds a connection"):
        new = RawOrigin(s, "new", certificate=authority.issue("IP:127.0.0.1"), handshake_s=DIAL_S)
        new.on("/", status=200, body=b"new")
        before = takes_over(proxy, {"endpoints": [new.address], "tls": tls, "pool": {"warm_min": 4}})
        served, number = set(), 0
        while not over(proxy, before):
            number += 1
            served.add(bytes(proxy.get(f"/while/{number}").body))
            check(ready(proxy), "readiness is taken back")
        check_equal(served - {b"new"}, {b"old"}, "who served meanwhile")
        check_equal(len(new.open_connections()), 4, "connections when it takes over")
        eventually(lambda: bytes(proxy.get("/then").body) == b"new", "the new one serves")
        check_equal(proxy.get("/first").status, 200, "status")
        line = access_line(proxy, "/first")
        check_equal((line["reused"], line["connect_ms"], line["tls_ms"]), (True, None, None), "its connection")
        check_equal(len(new.connections), 4, "dials")
    with s.case("one that nobody listens for is not waited for"):
        dead = RawOrigin(s, "dead")
        dead.refuse()
        before = takes_over(proxy, {"endpoints": [dead.address]}, readiness={"give_up_after": "60s"})
        eventually(lambda: over(proxy, before), "the reload is over")
        proxy.wait_for_log("it gets traffic all the same")
    with s.case("one that is slow for ever is waited for as long as configured; the newest file wins"):
        silent = RawOrigin(s, "silent", certificate=authority.issue("IP:127.0.0.1"), handshake_s=patient(20))
        before = takes_over(proxy, {"endpoints": [silent.address], "tls": tls, "timeouts": {"tls": "30s"}, "pool": {"warm_min": 2}},
                            readiness={"give_up_after": "700ms"})
        warming = eventually(lambda: proxy.admin_json("/status")["reloads"].get("warming"), "it waits")
        check_equal(warming, {"upstreams": 1, "connections_wanted": 2, "connections_ready": 0}, "/status")
        takes_over(proxy, {"endpoints": [old.address]})
        eventually(lambda: proxy.reloads()[0] == before[0] + 2, "both reloads are over")
        check("warming" not in proxy.admin_json("/status")["reloads"], "it still waits")
        check_equal(bytes(proxy.get("/").body), b"old", "who serves")


@scenario("a process that ends while a new upstream is warmed hangs, or leaves its connections open")
def ends_while_warming(s):
    old = RawOrigin(s, "old")
    authority = Authority(s)
    silent = RawOrigin(s, "silent", certificate=authority.issue("IP:127.0.0.1"), handshake_s=patient(20))
    proxy = start_proxy(s, old)
    takes_over(proxy, {"endpoints": [silent.address], "tls": {"enabled": True, "ca": authority.cert},
                       "timeouts": {"tls": "30s"}})
    eventually(lambda: proxy.admin_json("/status")["reloads"].get("warming"), "it waits")
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit()


run()
