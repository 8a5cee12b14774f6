"""A reload that is rejected, for whatever reason and however late, has changed nothing."""

import copy
import os
import signal
import socket
import subprocess

from harness import (Authority, RawOrigin, check, check_equal, eventually, patient, run, run_program, scenario,
                     start_proxy)

REQUEST = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"


def s_client(proxy, *arguments):
    host, port = proxy.address
    done = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", *arguments], input=REQUEST,
                          capture_output=True, timeout=patient(10), check=False)
    return done.stdout.decode(errors="replace")


def other_settings(s, proxy, origin):
    """The settings of a proxy with everything changed that a reload can change, and nothing wrong with them."""
    with open(s.path("other.keys"), "wb") as file:
        file.write(os.urandom(80))
    changed = copy.deepcopy(proxy.settings)
    changed["limits"] = {"clients": 77, "handshakes": 55, "body": "1MiB"}
    changed["tls_tickets"] = {"keys": s.path("other.keys")}
    changed["tls_sessions"] = {"entries": 99, "per_name": 1, "ttl": "1h"}
    changed["listeners"]["more"] = {"listen": f"127.0.0.1:{s.port()}", "rate": {"per_second": 5.0, "burst": 5.0}}
    changed["upstreams"]["app"]["limits"] = {"in_flight": 11, "queue": 3}
    changed["upstreams"]["app"]["breaker"] = {"min_requests": 5}
    changed["upstreams"]["more"] = {"endpoints": [origin.address], "pool": {"warm_min": 0}}
    changed["routes"] = [{"name": "more", "host": "more.test", "upstream": "more",
                          "shards": {"count": 4, "key": "header:X-Tenant"}},
                         {"name": "all", "upstream": "app", "rate": {"per_second": 1000.0, "burst": 9.0}}]
    changed["log"] = {"level": "error", "path": "stderr", "access": {"path": s.path("access.log")}}
    return changed


def taken_port(s):
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.listen()
    s.finally_do(holder.close)
    return f"127.0.0.1:{holder.getsockname()[1]}"


# What is wrong, from what is looked at first to what is looked at last.
FAULTS = {
    "a syntax error": lambda s, settings: settings.update(nonsense={}),
    "a file with ticket keys that is not there": lambda s, settings: settings.update(tls_tickets={"keys": "/nowhere"}),
    "a certificate that is not there": lambda s, settings: settings["listeners"].update(
        wrong={"listen": f"127.0.0.1:{s.port()}", "tls": {"certificates": [{"cert": "/nowhere", "key": "/nowhere"}]}}),
    "an address in use": lambda s, settings: settings["listeners"].update(wrong={"listen": taken_port(s)}),
    "an authority that is not there": lambda s, settings: settings["upstreams"].update(
        wrong={"endpoints": ["127.0.0.1:1"], "tls": {"enabled": True, "ca": "/nowhere"}}),
    "a log that cannot be opened": lambda s, settings: settings["log"].update(path="/nowhere/error.log"),
}


def picture(proxy):
    """All that can be seen of a configuration from outside."""
    # the last one appears with the first request that meets no idle connection
    moving = ("evenkeel_reload", "evenkeel_log_", "evenkeel_build", "evenkeel_upstream_connect_seconds")
    return {
        "bounds": [(row["name"], row.get("detail"), row["limit"]) for row in proxy.bounds()
                   if row["name"] not in ("fds", "log_ring_bytes")],
        "series": sorted(series for series in proxy.metrics() if not series.startswith(moving)),
        "upstreams": [(each["name"], [row["address"] for row in each["endpoints"]])
                      for each in proxy.admin_json("/upstreams")["upstreams"]],
        "listening": sorted(local for local, _, state in proxy.sockets() if state == 10),
        "generation": proxy.admin_json("/status")["generation"],
        "reopened": os.path.exists(os.path.join(os.path.dirname(proxy.config_path), "access.log")),
    }


@scenario("a rejected reload leaves some of its settings behind", within=120)
def table(s):
    site = Authority(s, "authority").issue("shop.test")
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    with open(s.path("keys"), "wb") as file:
        file.write(os.urandom(80))
    proxy = start_proxy(s, origin, {
        "listeners": {"web": {"tls": {"certificates": [site.settings()]}}}, "tls_tickets": {"keys": s.path("keys")},
        "log": {"access": {"path": "off"}}, "drift": {"interval": "10m"}})  # samples of drift begin series
    session = s.path("session")
    check("HTTP/1.1 200" in s_client(proxy, "-tls1_2", "-ign_eof", "-sess_out", session), "no session to begin with")
    proxy.rest()
    before, good = picture(proxy), copy.deepcopy(proxy.settings)
    effective = run_program(s, "-T", "-c", proxy.config_path).stdout
    for what, spoil in FAULTS.items():
        with s.case(what):
            proxy.settings = other_settings(s, proxy, origin)
            spoil(s, proxy.settings)
            logged = len(proxy.log())
            check(not proxy.reload(text=proxy.text()), "it was taken")
            check("Reused, TLS" in s_client(proxy, "-tls1_2", "-ign_eof", "-sess_in", session),
                  "a session of before is not resumed")
            proxy.rest()
            eventually(lambda: picture(proxy) == before,
                       lambda: [(key, then, now) for (key, then), now in zip(before.items(), picture(proxy).values())
                                if then != now], 5)
            check("warn: reload:" not in proxy.log()[logged:], "the log speaks as if it were taken")
        proxy.settings = copy.deepcopy(good)
    with s.case("the old file is taken, and says what it said"):
        check(proxy.reload(text=proxy.text()), "rejected")
        check_equal(run_program(s, "-T", "-c", proxy.config_path).stdout, effective, "effective configuration")
        check("Reused, TLS" in s_client(proxy, "-tls1_2", "-ign_eof", "-sess_in", session), "a session is not resumed")
    with s.case("what was spoiled is taken once it is mended"):
        proxy.settings = other_settings(s, proxy, origin)
        check(proxy.reload(text=proxy.text()), "rejected")
        check("Reused, TLS" not in s_client(proxy, "-tls1_2", "-ign_eof", "-sess_in", session), "the keys are the old ones")
        eventually(lambda: proxy.bound("tls_sessions")["limit"] == 99, "sessions have the new limit", 5)


@scenario("rejected reloads use up the room for route names")
def route_names(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin)
    series = set(proxy.metrics())
    good = copy.deepcopy(proxy.settings)
    for number in range(6):
        proxy.settings = copy.deepcopy(good)
        proxy.settings["listeners"]["wrong"] = {"listen": taken_port(s)}
        proxy.settings["routes"] = [{"name": f"route-{number}-{each}", "path_prefix": f"/{each}", "upstream": "app"}
                                    for each in range(900)]
        check(not proxy.reload(text=proxy.text()), "it was taken")
    names = [each for each in set(proxy.metrics()) - series if "route-" in each]
    check_equal(names, [], "series of routes that never were")
    book = [row["name"] for row in proxy.admin_json("/status")["routes"]]
    check_equal([name for name in book if name.startswith("route-")], [], "names that are kept of them")
    proxy.settings["listeners"].pop("wrong")
    check(proxy.reload(text=proxy.text()), f"there is no room for 900 routes any more: {proxy.log_tail(1)}")
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit()


run()
