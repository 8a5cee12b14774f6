"""Warm state: a process begins with what the one before it knew, and never with garbage."""

import os
import signal
import socket
import stat
import threading
import time

from harness import (Authority, Dnsmasq, DnsServer, RawOrigin, check, check_equal, eventually, full_scale, merge,
                     patient, promptly, render, run, run_program, scenario, start_proxy)
from harness.disk import HangingDisk


def state(proxy):
    return proxy.admin_json("/status")["warm_state"]


def endpoint_view(proxy):
    return proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"][0]


def ready(proxy):
    eventually(lambda: proxy.admin("/readyz")[0] == 200, "it is ready")


def warm_settings(path, **more):
    return {"warm_state": {"path": path, **more}, "drain": {"grace": "2s"}}


def save_one(s, origin, path, name, **more):
    """A run of the proxy that leaves a warm state behind."""
    proxy = start_proxy(s, origin, warm_settings(path, **more), name=name)
    ready(proxy)
    check_equal(proxy.get().status, 200, "status")
    proxy.stop()
    return proxy


@scenario("a restarted process forgets what was known")
def restored(s):
    origin = RawOrigin(s)
    server = Dnsmasq(s)
    server.say("app.test", "127.0.0.1")
    path = s.path("warm")
    settings = merge(warm_settings(path), {"resolver": {"servers": [server.address], "min_ttl": "1s"}})
    endpoint = f"app.test:{origin.port}"
    proxy = start_proxy(s, endpoint, settings, name="first")
    ready(proxy)
    check_equal(proxy.get().status, 200, "status")
    check_equal(state(proxy)["restored"], False, "restored from nothing")
    proxy.stop()
    with s.case("the file is its owner's alone"):
        check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode")
    server.stop()
    proxy = start_proxy(s, endpoint, settings, name="second")
    with s.case("latency estimates are there before the first request"):
        check(endpoint_view(proxy)["latency_ms"] > 0, "no estimate")
    with s.case("names stand for what they stood for although no server answers"):
        ready(proxy)
        check_equal(proxy.get().status, 200, "status")
    with s.case("/status tells where it comes from"):
        told = state(proxy)
        check(told["restored"] and told["restored_age_s"] < 30, f"told {told}")
        check_equal(proxy.metric("evenkeel_warm_state_restored"), 1, "metric")


@scenario("a restart begins with full handshakes, or takes as long as a cold start")
def sessions(s):
    authority = Authority(s)
    names = [f"{letter}.test" for letter in "abcde"]
    origin = RawOrigin(s, certificate=authority.issue(*names), handshake_s=0.1)
    server = DnsServer(s)
    answered = threading.Event()
    # What a lookup costs; later on the server does not answer before the test lets it.
    server.answers["app.test", "A"] = lambda question: time.sleep(0.4) or question.answer(["127.0.0.1"])
    server.answers["app.test", "AAAA"] = lambda question: question.answer()
    upstreams = {name[0]: {"endpoints": [f"app.test:{origin.port}"],
                           "tls": {"enabled": True, "server_name": name, "ca": authority.cert}} for name in names}
    upstreams["a"]["pool"] = {"warm_min": 30}  # many more at once than tls_sessions.per_name
    settings = merge(warm_settings(s.path("warm")), {
        "upstreams": upstreams, "routes": [{"name": "all", "upstream": "a"}],
        "resolver": {"servers": [server.address]}})

    def handshakes(proxy, kind):
        return proxy.metric("evenkeel_upstream_tls_handshakes_total", kind=kind) or 0

    took, proxy = {}, None
    for start in ("cold", "warm"):
        proxy = start_proxy(s, None, settings, name=start)
        ready(proxy)
        took[start] = proxy.metric("evenkeel_ready_after_seconds")
        if start == "cold":
            check_equal(proxy.get().status, 200, "status")
            eventually(lambda p=proxy: p.metric("evenkeel_tls_sessions") >= 30 + 4 * 2, "each connection has a session")
            proxy.stop()
            server.answers["app.test", "A"] = lambda question: answered.wait(patient(20)) and question.answer(["127.0.0.1"])
    answered.set()
    with s.case("the first handshakes of a warm start are resumed"):
        full, resumed = handshakes(proxy, "full"), handshakes(proxy, "resumed")
        check(resumed >= 30 and resumed >= 0.95 * (full + resumed), f"{resumed:g} resumed, {full:g} full")
    with s.case("it is ready before a lookup is answered, in half of the time"):
        s.note(f"ready after {took['cold']:.3f} s cold, {took['warm']:.3f} s warm; "
                  f"{resumed:g} handshakes resumed, {full:g} full")
        if full_scale():  # on a machine of our own its time can be told from noise
            check(took["warm"] <= took["cold"] / 2, f"cold {took['cold']:.3f} s, warm {took['warm']:.3f} s")


@scenario("the pool begins as if there had never been traffic")
def pools(s):
    origin = RawOrigin(s)
    release = threading.Event()
    origin.on("/hold", lambda connection, _: release.wait(patient(20)) and connection.respond())
    settings = merge(warm_settings(s.path("warm")), {"upstreams": {"app": {"pool": {"warm_min": 1}}}})
    proxy = start_proxy(s, origin, settings, name="first")
    ready(proxy)
    clients = [proxy.client() for _ in range(20)]
    for client in clients:
        client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
    eventually(lambda: len(origin.requests) == 20, "20 requests are at the origin")
    release.set()
    for client in clients:
        check_equal(client.response().status, 200, "status")
    proxy.stop()
    before = len(origin.connections)
    proxy = start_proxy(s, origin, settings, name="second")
    ready(proxy)
    check(endpoint_view(proxy)["connections"]["open"] >= 16, "ready with fewer than 80% of what was needed before")
    eventually(lambda: len(origin.connections) - before == 20, "all of them are there again")


@scenario("an outage is met with full traffic after a restart")
def outage(s):
    origin = RawOrigin(s)
    origin.on("/", lambda connection, _: connection.reset() or False)
    settings = merge(warm_settings(s.path("warm")), {"upstreams": {"app": {
        "retry": {"attempts": 1}, "breaker": {"consecutive": 3, "open_min": "20s", "open_max": "30s"}}}})
    proxy = start_proxy(s, origin, settings, name="first")
    ready(proxy)
    for _ in range(4):
        check(proxy.get(method="POST").status in (502, 503), "an answer")
    proxy.wait_for_log("breaker closed -> open")
    proxy.stop()
    proxy = start_proxy(s, origin, settings, name="second")
    before = len(origin.requests)
    for _ in range(5):
        check_equal(proxy.get(method="POST").status, 503, "status")
    check_equal(len(origin.requests), before, "requests that reached the origin")
    proxy.wait_for_log("breaker closed -> open: restored")


@scenario("the state is saved at the end only")
def periodic(s):
    path = s.path("warm")
    proxy = start_proxy(s, RawOrigin(s), warm_settings(path, interval="1s"))
    eventually(lambda: state(proxy)["saves"] >= 2, "it is saved twice")
    proxy.kill()
    proxy = start_proxy(s, RawOrigin(s, "other"), warm_settings(path), name="second")
    check(state(proxy)["restored"], "what was saved before a kill is not restored")


@scenario("a disk that hangs while the state is saved stops the admin listener, or the end", within=60)
def hanging_disk(s):
    origin = RawOrigin(s).on("/", status=200)
    with HangingDisk(s, {}) as disk:
        proxy = start_proxy(s, origin, warm_settings(f"{disk.path}/warm", interval="1s"))
        ready(proxy)
        proxy.wait_for_log(f"warm state {disk.path}/warm: it cannot be written")
        disk.hang("lookup", "getattr")
        proxy.wait_for_log(f"warm state {disk.path}/warm: its disk hangs")
        with s.case("all is answered"):
            promptly(lambda: proxy.admin("/livez")[0] == 200, "/livez", 1, proxy)
            check_equal(proxy.get("/").status, 200, "status")
        with s.case("the operator is obeyed, and does not wait for the disk"):
            promptly(lambda: proxy.admin(f"/upstreams/app/endpoints/{origin.address}/drain", "POST")[0] == 200, "the answer", 1, proxy)
        with s.case("SIGTERM ends the process"):
            proxy.signal(signal.SIGTERM)
            proxy.wait_for_log("its disk hangs: what was saved last stays")
            proxy.wait_for_log("files: a disk still hangs")  # the last that it says
            disk.end()  # before that no process of this kernel ends whose thread waits there
            proxy.expect_clean_exit()


@scenario("a disk that hung while the state was saved answers at the end of the process, which crashes", within=60)
def late_disk(s):
    origin = RawOrigin(s).on("/", status=200)
    with HangingDisk(s, {}) as disk:
        proxy = start_proxy(s, origin, warm_settings(f"{disk.path}/warm", interval="1h"))
        ready(proxy)
        disk.hang("lookup", "getattr")
        for word in ("drain", "undrain"):  # the second waits for the end of the first
            check_equal(proxy.admin(f"/upstreams/app/endpoints/{origin.address}/{word}", "POST")[0], 200, word)
        with s.case("it is told of, however rarely the state is saved"):
            proxy.wait_for_log(f"warm state {disk.path}/warm: its disk hangs")
        with s.case("it answers when it is not waited for any more"):
            proxy.signal(signal.SIGTERM)
            proxy.wait_for_log("its disk hangs: what was saved last stays")
            disk.end()
            proxy.expect_clean_exit()


@scenario("a disk that hangs while the state is saved makes a process with a short grace end by force", within=60)
def short_grace(s):
    origin = RawOrigin(s).on("/", status=200)
    with HangingDisk(s, {}) as disk:
        proxy = start_proxy(s, origin, {**warm_settings(f"{disk.path}/warm", interval="1h"), "drain": {"grace": "1500ms"}})
        ready(proxy)
        disk.hang("lookup", "getattr")
        proxy.signal(signal.SIGTERM)
        proxy.wait_for_log("files: a disk still hangs")  # the last that it says, unless it is ended by force before
        disk.end()
        proxy.expect_clean_exit()


@scenario("a reload that moves the state away from a disk that hangs does not help", within=60)
def moved(s):
    with HangingDisk(s, {}) as disk:
        proxy = start_proxy(s, RawOrigin(s), warm_settings(f"{disk.path}/warm", interval="1s"))
        ready(proxy)
        proxy.wait_for_log(f"warm state {disk.path}/warm: it cannot be written")
        disk.hang("lookup", "getattr")
        proxy.wait_for_log(f"warm state {disk.path}/warm: its disk hangs")
        check(proxy.reload(warm_settings(s.path("moved"), interval="1s")), "the reload was rejected")
        eventually(lambda: os.path.exists(s.path("moved")), "it is saved at its new place")


@scenario("what a process that is not ready knows replaces what a warm one knew")
def not_ready(s):
    origin = RawOrigin(s)
    path = s.path("warm")
    save_one(s, origin, path, "first")
    settings = merge(warm_settings(path, interval="1s"), {"readiness": {"give_up_after": "1m"}})

    def keeps(proxy, what):
        check_equal(proxy.admin("/readyz")[0], 503, "/readyz")
        saves, before = state(proxy)["saves"], os.stat(path).st_mtime_ns
        time.sleep(1.6)  # by then it would have been saved: nothing tells of a save that is not made
        with s.case(f"{what}, by the timer"):
            check_equal((state(proxy)["saves"], os.stat(path).st_mtime_ns), (saves, before), "saves, and the file")
        with s.case(f"{what}, at the end"):
            proxy.signal(signal.SIGTERM)
            proxy.expect_clean_exit()
            check_equal(os.stat(path).st_mtime_ns, before, "the file")

    keeps(start_proxy(s, f"127.0.0.1:{s.port()}", settings, name="second"), "one that never was")
    proxy = start_proxy(s, origin, settings, name="third")
    ready(proxy)
    origin.refuse()
    for connection in origin.open_connections():
        connection.reset()
    eventually(lambda: proxy.admin("/readyz")[0] == 503, "readiness is lost")
    keeps(proxy, "one that no longer is")


@scenario("a state that is no good is used, or stops the start")
def refused(s):
    origin = RawOrigin(s)
    path = s.path("warm")
    save_one(s, origin, path, "first")
    with open(path, "rb") as file:
        good = file.read()
    cases = (
        ("other users may read it", good, 0o640),
        ("it is incomplete", good[:-5], 0o600),
        ("its checksum does not match", good[:-5] + b"12345", 0o600),
        ("it is not a warm state file", b"garbage" * 100, 0o600),
        ("it is of another version", good[:9] + b"\x09" + good[10:], 0o600),
        ("it is not a warm state file", b"", 0o600),
    )
    for number, (words, content, mode) in enumerate(cases):
        with s.case(words):
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, mode)
            proxy = start_proxy(s, origin, warm_settings(path), name=f"evenkeel-{number}")
            ready(proxy)
            check_equal(proxy.get().status, 200, "status")
            proxy.wait_for_log(words)
            lines = [line for line in proxy.log().splitlines() if "warm state" in line]
            check(len(lines) == 1 and words in lines[0], f"the log says {lines}")
            check_equal(state(proxy)["refused"], words, "/status")
            proxy.kill()
    with s.case("one that does not exist is no event"):
        proxy = start_proxy(s, origin, warm_settings(s.path("none")), name="evenkeel-none")
        check("warn: warm" not in proxy.log(), "a warning")
    with s.case("a place that cannot be written is told, and counted"):
        proxy = start_proxy(s, origin, warm_settings(s.path("no/where")), name="evenkeel-nowhere")
        ready(proxy)
        proxy.signal(signal.SIGTERM)
        proxy.expect_clean_exit()
        proxy.wait_for_log("it cannot be written")


@scenario("secrets lie about in the clear although there is a key")
def sealed(s):
    origin = RawOrigin(s)
    path, key = s.path("warm"), s.write("key", "00112233445566778899aabbccddeeff" * 2)
    os.chmod(key, 0o600)
    save_one(s, origin, path, "first", key_file=key)
    with open(path, "rb") as file:
        check(origin.address.encode() not in file.read(), "an address can be read")
    proxy = start_proxy(s, origin, warm_settings(path, key_file=key), name="second")
    check(state(proxy)["restored"], "not restored")
    proxy.kill()
    with s.case("another key"):
        with open(key, "w") as file:
            file.write("ff112233445566778899aabbccddeeff" * 2)
        proxy = start_proxy(s, origin, warm_settings(path, key_file=key), name="third")
        check("another key" in state(proxy)["refused"], "used")
        proxy.kill()
    with s.case("a key that anybody may read"):
        os.chmod(key, 0o644)
        done = run_program(s, "-c", s.write("bad.conf", proxy.text()))
        check_equal(done.returncode, 1, "exit code")
        check("other users may read the key file" in done.stderr, f"it says {done.stderr[-300:]!r}")


@scenario("a new replica does not find the state of another one in a shared folder")
def shared(s):
    origin = RawOrigin(s)
    folder = s.path("replicas")
    os.mkdir(folder)
    save_one(s, origin, folder, "one")
    proxy = start_proxy(s, origin, warm_settings(folder), name="two")
    check(state(proxy)["restored"], "not restored")
    ready(proxy)
    proxy.stop()
    check_equal(len(os.listdir(folder)), 2, "files")
    proxy = start_proxy(s, origin, warm_settings(folder), name="two")
    ready(proxy)
    proxy.stop()
    check_equal(len(os.listdir(folder)), 2, "files after a restart")



def operator_settings(origins, **more):
    """Upstreams of which the operator says something: "app", "shut" and "held"."""
    return {"upstreams": {name: {"endpoints": [each.address for each in origins], "required": name == "app"}
                          for name in ("app", "shut", "held")},
            "routes": [{"name": name, "path_prefix": f"/{name}", "upstream": name} for name in ("shut", "held")]
            + [{"name": "all", "upstream": "app"}], **more}


def operator_says(proxy, origins):
    drained = origins[0].address
    for path in (f"app/endpoints/{drained}/drain", "shut/breaker/open", "held/breaker/close"):
        status, body = proxy.admin(f"/upstreams/{path}", "POST")
        check_equal(status, 200, f"status of {path}: {body}")


def expect_said(proxy, origins):
    view = {each["name"]: each for each in proxy.admin_json("/upstreams")["upstreams"]}
    check_equal({row["address"]: row["health"]["status"] for row in view["app"]["endpoints"]},
                {origins[0].address: "drained", origins[1].address: "up"}, "endpoints of app")
    check_equal([view[name]["breaker"]["state"] for name in ("app", "shut", "held")],
                ["closed", "forced_open", "forced_closed"], "breakers")
    check_equal({proxy.get("/").get("Server") for _ in range(10)}, {origins[1].name}, "who answers")
    check_equal(proxy.get("/shut").status, 503, "status at the breaker that is forced open")


def named_origins(s):
    origins = [RawOrigin(s, name) for name in ("left", "right")]
    for each in origins:
        each.on("/", status=200, body=b"ok", fields=[("Server", each.name)])
    return origins


@scenario("a restart, even by force, forgets what the operator has said")
def word_kept(s):
    origins = named_origins(s)
    settings = merge(operator_settings(origins), warm_settings(s.path("warm"), interval="10m"))
    proxy = start_proxy(s, None, settings, name="first")
    ready(proxy)
    operator_says(proxy, origins)
    expect_said(proxy, origins)
    proxy.kill()
    proxy = start_proxy(s, None, settings, name="second")
    with s.case("after it was killed"):
        expect_said(proxy, origins)
        check_equal(proxy.metric("evenkeel_upgrades_total"), 0, "upgrades")
    ready(proxy)
    proxy.stop()
    proxy = start_proxy(s, None, settings, name="third")
    with s.case("after it was ended"):
        expect_said(proxy, origins)
    ready(proxy)
    for path in (f"app/endpoints/{origins[0].address}/undrain", "shut/breaker/auto", "held/breaker/auto"):
        check_equal(proxy.admin(f"/upstreams/{path}", "POST")[0], 200, f"status of {path}")
    proxy.kill()
    proxy = start_proxy(s, None, settings, name="fourth")
    with s.case("what was taken back stays taken back"):
        eventually(lambda: len({proxy.get("/").get("Server") for _ in range(10)}) == 2, "both answer")
        states = [each["breaker"]["state"] for each in proxy.admin_json("/upstreams")["upstreams"]]
        check("forced_open" not in states and "forced_closed" not in states, f"breakers: {states}")


@scenario("an upgrade forgets what the operator has said, or how many there were")
def word_handed_over(s):
    origins = named_origins(s)
    proxy = start_proxy(s, None, operator_settings(origins, drain={"grace": "3s"}))
    ready(proxy)
    operator_says(proxy, origins)
    for count in (1, 2):
        with s.case(f"upgrade {count}"):
            old = proxy.upgrade()
            expect_said(proxy, origins)
            proxy.expect_count(count, "evenkeel_upgrades_total")
            check_equal(old.wait(patient(10)), 0, "exit code of the old process")


@scenario("what the operator says while a new process warms up is forgotten")
def word_meanwhile(s):
    origins = named_origins(s)
    late = s.port()
    settings = operator_settings(origins, drain={"grace": "3s"}, upgrade={"ready_within": "60s"},
                                 readiness={"give_up_after": "60s"})
    proxy = start_proxy(s, None, settings)
    ready(proxy)
    operator_says(proxy, origins)
    # The new process waits for an upstream that is not there yet.
    proxy.write_config(render(merge(proxy.settings, {"upstreams": {"late": {"endpoints": [f"127.0.0.1:{late}"]}}})))
    proxy.signal(signal.SIGUSR2)
    # The processes write their lines to one file in any order.
    eventually(lambda: proxy.log().count("generation 1,") == 2, "the new process has a generation")
    for path in (f"app/endpoints/{origins[0].address}/undrain", f"app/endpoints/{origins[1].address}/drain",
                 "shut/breaker/auto", "held/breaker/open"):
        check_equal(proxy.admin(f"/upstreams/{path}", "POST")[0], 200, f"status of {path}")
    with socket.create_server(("127.0.0.1", late), backlog=100):
        successor = eventually(proxy.successor, "the new process serves")
        view = {each["name"]: each for each in proxy.admin_json("/upstreams")["upstreams"]}
        check_equal({row["address"]: row["health"]["status"] for row in view["app"]["endpoints"]},
                    {origins[0].address: "up", origins[1].address: "drained"}, "endpoints of app")
        check(view["shut"]["breaker"]["state"] != "forced_open", "a breaker that was let go is held")
        check_equal(view["held"]["breaker"]["state"], "forced_open", "the breaker that is held")
        check_equal({proxy.get("/").get("Server") for _ in range(10)}, {origins[0].name}, "who answers")
        os.kill(successor, signal.SIGTERM)

run()
