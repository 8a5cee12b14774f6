"""A request takes the first route whose conditions it meets, whatever they are and however many routes there are."""

import time

from harness import Arrived, RawOrigin, check, check_equal, eventually, run, run_program, scenario, start_proxy

# name, condition, requests that it takes, requests that it does not take; each (target, fields, host)
PLAIN = ("/x", (), "shop.example")
ROWS = [
    ("path", {"path": "/exact"}, [("/exact", (), None), ("/exact?q", (), None)], [("/exact/", (), None), ("/exactly", (), None)]),
    ("prefix", {"path_prefix": "/api"}, [("/api", (), None), ("/api/", (), None), ("/api/x", (), None), ("/api?x", (), None)],
     [("/apiary", (), None), ("/API", (), None), ("/x/api", (), None)]),
    ("slash", {"path_prefix": "/dir/"}, [("/dir/", (), None), ("/dir/x", (), None)], [("/dir", (), None), ("/dirx/", (), None)]),
    ("regex", {"path_regex": "^/v[12]/(.*)$"}, [("/v1/x", (), None), ("/v2/", (), None)], [("/v3/x", (), None), ("/v1", (), None)]),
    ("hosts", {"hosts": ["a.example", "*.b.example"]}, [("/", (), "A.example:80"), ("/", (), "x.b.example"), ("/", (), "x.y.b.example.")],
     [("/", (), "b.example"), ("/", (), "xb.example"), ("/", (), "a.example.org")]),
    ("methods", {"methods": ["POST"]}, [], [PLAIN]),
    ("header", {"header": "X-Beta: yes"}, [("/", [("x-beta", "yes")], None)], [("/", [("X-Beta", "no")], None), PLAIN]),
    ("query", {"query": "v=2"}, [("/?v=2", (), None), ("/?a=b&v=2&c", (), None)], [("/?v=22", (), None), ("/?av=2", (), None), ("/v=2", (), None)]),
    ("bare", {"query": "debug"}, [("/?debug", (), None), ("/?debug=1", (), None), ("/?a&debug=", (), None)], [("/?debugs", (), None)]),
    ("cookie", {"cookie": "beta=1"}, [("/", [("Cookie", "a=b; beta=1")], None)], [("/", [("Cookie", "beta=11")], None),
                                                                                     ("/", [("Cookie", "xbeta=1")], None)]),
    ("clients", {"clients": ["203.0.113.0/24"]}, [("/", [("X-Forwarded-For", "203.0.113.9")], None)],
     [("/", [("X-Forwarded-For", "198.51.100.1")], None), PLAIN]),
]  # fmt: skip


def upstream_named(name, origin):
    return {name: {"endpoints": [origin.address], "pool": {"warm_min": 0}}}


@scenario("a condition of a route takes other requests than it says")
def conditions(s):
    chosen, other = RawOrigin(s, "chosen"), RawOrigin(s, "other")
    chosen.on("", status=200, body=b"chosen")
    other.on("", status=200, body=b"other")
    upstreams = {"app": {"endpoints": [other.address]}, **upstream_named("chosen", chosen)}
    rest = {"name": "rest", "upstream": "app"}
    proxy = start_proxy(s, other, {"upstreams": upstreams, "routes": [rest]})
    # routes that take nothing here, so that the index is asked too
    crowd = [{"name": f"c{n}", "host": f"h{n}.crowd.example", "path_prefix": f"/crowd/{n}", "upstream": "app"} for n in range(20)]
    for name, condition, takes, leaves in ROWS:
        for size, more in (("few", []), ("many", crowd)):
            check(proxy.reload({"routes": [{"name": name, "upstream": "chosen", **condition}, *more, rest]}), "the reload was rejected")
            for requests, expected in ((takes, b"chosen"), (leaves, b"other")):
                for target, fields, host in requests:
                    with s.case(f"{name}, {size} routes: {target} {list(fields)} {host or ''}"):
                        answer = proxy.get(target, fields, host=host or "shop.example")
                        check_equal((answer.status, bytes(answer.body)), (200, expected), "origin")
    with s.case("several listeners"):
        port = s.port()
        check(proxy.reload({"listeners": {"inner": {"listen": f"127.0.0.1:{port}"}},
                            "routes": [{"name": "x", "listeners": ["inner", "web"], "upstream": "chosen"}, rest]}), "the reload was rejected")
        check_equal(bytes(proxy.get("/").body), b"chosen", "origin")


# what is written, and what the message must say
WRONG = [
    ({"path": "/a", "path_prefix": "/b"}, "write one of path, path_prefix and path_regex"),
    ({"host": "a", "hosts": ["b"]}, "write host or hosts, not both"),
    ({"listener": "web", "listeners": ["web"]}, "write listener or listeners, not both"),
    ({"listeners": ["wep"]}, 'the nearest is "web"'),
    ({"path_regex": "^/(a"}, "missing closing parenthesis at character"),
    ({"path": "a"}, 'expected a path such as "/api"'),
    ({"path_prefix": "/a?b"}, 'expected a path such as "/api"'),
    ({"hosts": ["a b"]}, "expected a host"),
    ({"clients": ["10.0.0.0/33"]}, "expected an address prefix"),
    ({"query": "a&b"}, '"name" or "name=value"'),
    ({"cookies": "a"}, 'the nearest known key here is "cookie"'),
]


@scenario("a wrong condition is accepted, or its message does not say what to write")
def wrong(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin)
    for condition, message in WRONG:
        with s.case(f"{condition}"):
            proxy.settings["routes"] = [{"name": "x", "upstream": "app", **condition}, {"name": "all", "upstream": "app"}]
            path = s.write("wrong.conf", proxy.text())
            done = run_program(s, "-t", "-c", path)
            check_equal(done.returncode, 1, "exit code")
            said = done.stdout + done.stderr
            check(message in said and "wrong.conf:" in said, said)


@scenario("an expression that would go back without end stops the requests of others")
def endless(s):
    proxy = start_proxy(s, RawOrigin(s), {"workers": 1, "routes": [{"name": "slow", "path_regex": "^/(a+)+$", "upstream": "app"},
                                                                    {"name": "all", "upstream": "app"}]})
    with s.case("a path that matches at once is served"):
        check_equal(Arrived(proxy.get("/aaaa")).target, "/aaaa", "target")
    with s.case("one that does not is answered with 500 and the reason"):
        before = time.monotonic()
        answer = proxy.get("/" + "a" * 3000 + "!")
        took_s = time.monotonic() - before
        check_equal(answer.status, 500, "status")
        check("regex_limit" in answer.get("Proxy-Status"), answer.get("Proxy-Status"))
        check(took_s < 1, f"it took {took_s:.3f} s")
    with s.case("others are unharmed"):
        check_equal(Arrived(proxy.get("/other")).target, "/other", "target")
    with s.case("it is counted"):
        eventually(lambda: proxy.metric("evenkeel_exchanges_by_reason_total", reason="regex_limit") == 1, "one such end")


run()
