"""No spelling of a path leads around the route that guards it."""

import os
import posixpath
import urllib.parse

from harness import Arrived, NginxOrigin, NodeServer, RawOrigin, WsgiOrigin, check, check_equal, get, run, scenario, start_proxy
from harness import h2_bytes as h2
from harness.h2_wire import H2Client

# Ways to write /admin/x for one server or another. The guard stands at /admin; /open and / are for everybody.
SPELLINGS = [
    "/admin/x", "/admin", "/admin/", "/admin?x", "/admin/?/../..", "http://shop.example/admin/x", "http://shop.example/open/../admin/x",
    "http://shop.example//admin/x", "http://shop.example/%61dmin/x",
    # dot segments
    "/./admin/x", "/open/../admin/x", "/open/./../admin/x", "/open/a/../../admin/x", "/admin/./x", "/admin/y/../x", "/open/../admin",
    "/admin/.", "/admin/y/..", "/../admin/x", "/open/../../admin/x", "/.//admin/x", "/open/..//admin/x", "/open//../admin/x",
    "/open/.../../../admin/x", "//../admin/x", "/open/../open/../admin/x",
    # dot segments in disguise
    "/%2e/admin/x", "/%2E/admin/x", "/open/%2e%2e/admin/x", "/open/%2E%2e/admin/x", "/open/.%2e/admin/x", "/open/%2e./admin/x",
    "/%2e%2e/admin/x", "/open/%252e%252e/admin/x", "/open/..%2fadmin/x", "/open/..%2Fadmin/x", "/open%2f../admin/x", "/open%2F..%2Fadmin/x",
    "/open/%2e%2e%2fadmin/x", "/open%2f%2e%2e%2fadmin%2fx", "/open/..%5cadmin/x", "/open/..%c0%afadmin/x", "/x/..%2f..%2fadmin/x",
    # encodings
    "/%61dmin/x", "/%61%64%6d%69%6e/x", "/%61%64%6D%69%6E/x", "/admi%6e/x", "/admi%6E", "/%2561dmin/x", "/admin%2fx", "/admin%2Fx",
    "/%2fadmin/x", "/%2Fadmin%2Fx", "/admin%00/x", "/admin%20/x", "/%41dmin/x", "/admin%3fx", "/admin%23/x", "/%u0061dmin/x",
    # doubled slashes
    "//admin/x", "///admin/x", "/admin//x", "//open/../admin/x", "/open//..//admin/x", "//shop.example/admin/x", "//open/admin/x",
    "///open/admin/x",
    # backslashes
    "/\\admin/x", "\\admin/x", "/open\\..\\admin/x", "/open/..\\admin/x", "/open\\../admin/x", "/\\shop.example/admin/x", "/admin\\x",
    "/%5cadmin/x", "/%5Copen/admin/x",
    # parameters
    "/admin;x=1/x", "/admin/x;y", "/;x/admin/x", "/open/..;/admin/x", "/open/..;x=1/admin/x", "/open;/../admin/x", "/open/;/../../admin/x",
    "/admin;/x", "/open/%2e%2e;/admin/x", "/open/..%3b/admin/x",
    # case
    "/ADMIN/x", "/Admin/x", "/open/../ADMIN/x",
    # what hides the guard from its prefix
    "/admin/y%2f..%2f..%2fopen", "/admin/../open", "/admin%2f..%2fopen", "/admin/..%2fopen", "/open/x%2f..%2f..%2fadmin",
]  # fmt: skip


def taken(path):
    return path == "/admin" or path.startswith("/admin/")


def path_reader(environ, start_response):
    """WSGI programs see the path decoded; many normalise it, by posixpath or as a URL."""
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    found = {path, posixpath.normpath(path), urllib.parse.urlsplit(path).path}
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"taken" if any(map(taken, found)) else b"other"]


def origins(s):
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node", "path-server.js")
    nginx = 'location = /admin { return 200 "taken"; } location /admin/ { return 200 "taken"; } location / { return 200 "other"; }'
    return {"nginx": NginxOrigin(s, rows=nginx), "node": NodeServer(s, "node", program, {}), "python": WsgiOrigin(s, path_reader)}


def asks(address, spelling):
    host, port = address.split(":")
    return get((host, int(port)), spelling)


def by_http1(proxy):
    def said(spelling):
        answer = proxy.get(spelling)
        return answer.status, bytes(answer.body)
    return said


def by_http2(client):
    """As a :path; what is none, is no request (RFC 9113 8.3.1), which is as good as 400."""
    def said(spelling):
        stream = client.ask(path=spelling)
        outcome = client.outcome(stream)
        check(outcome[0] == "answered" or outcome == ("stream", h2.PROTOCOL_ERROR), f"outcome {outcome}")
        return (outcome[1] if outcome[0] == "answered" else 400), bytes(client.messages[stream].body)
    return said


@scenario("a spelling of a guarded path leads around its route", within=240)
def guarded(s):
    check(len(SPELLINGS) >= 60, "the table is too short")
    found = 0
    for name, origin in origins(s).items():
        guard = RawOrigin(s, f"guard-{name}")
        guard.on("", status=299, body=b"guarded")
        upstreams = {"guard": {"endpoints": [guard.address]}, "app": {"endpoints": [origin.address], "pool": {"warm_min": 0}}}
        routes = [{"name": "guard", "path_prefix": "/admin", "upstream": "guard"}, {"name": "all", "upstream": "app"}]
        proxy = start_proxy(s, origin, {"upstreams": upstreams, "routes": routes, "listeners": {"web": {"http2": {"cleartext": True}}}},
                            name=f"proxy-{name}")
        opened = [{"name": "open", "path_prefix": "/open", "upstream": "app"}, *routes]
        for order in ("the guard first", "an open path first"):
            with H2Client(proxy.address) as client:
                for protocol, ask in (("HTTP/1", by_http1(proxy)), ("HTTP/2", by_http2(client))):
                    for spelling in SPELLINGS:
                        with s.case(f"{name}, {order}, {protocol}: {spelling}"):
                            status, body = ask(spelling)
                            check(status in (299, 400, 200), f"status {status}")
                            if status == 200:
                                check_equal(body, b"other", "what the origin takes it for")
            check(proxy.reload({"routes": opened}), "the reload was rejected")
        with s.case(f"{name} does take many of them for the guarded path"):
            by_name = [spelling for spelling in SPELLINGS if bytes(asks(origin.address, spelling).body) == b"taken"]
            check(len(by_name) >= 12, f"only {by_name}")
            found += len(by_name)
    check(found >= 60, f"{found} in all")


@scenario("a path changes on the way for another reason than its dot segments")
def unchanged(s):
    proxy = start_proxy(s, RawOrigin(s))
    for target in ("/a%2Fb", "//a//b", "/a%2f..x", "/a;b=c/d", "/a\\b", "/%61", "/a?b=/../c", "/...", "/a/.b", "/a..b/", "/%C3%A9?%2e%2e/"):
        with s.case(f"{target} goes on as it came"):
            check_equal(Arrived(proxy.get(target)).target, target, "target")
    for target, sent in (("/a/../b?c/../d", "/b?c/../d"), ("/a/./b/%2E%2e/", "/a/"), ("/a/b/..", "/a/"), ("http://shop.example/a/../b", "/b")):
        with s.case(f"{target} goes on as {sent}"):
            check_equal(Arrived(proxy.get(target)).target, sent, "target")
    for target in ("/..", "/../a", "/a/../../b", "/%2e%2E/a", "/a/%2e%2e/.%2e", "/..%2fa", "http://shop.example/.."):
        with s.case(f"{target} climbs above the root"):
            answer = proxy.get(target)
            check_equal(answer.status, 400, "status")
            check("path_above_root" in answer.get("Proxy-Status"), answer.get("Proxy-Status"))


@scenario("two readings of a path lead to two guards")
def ambiguous(s):
    routes = [{"name": "open", "path_prefix": "/open", "upstream": "app"}, {"name": "admin", "path_prefix": "/admin", "upstream": "app"}]
    proxy = start_proxy(s, RawOrigin(s), {"routes": routes})
    for target in ("/open/x%2f..%2f..%2fadmin", "/admin/x%2f..%2f..%2fopen", "//open/admin", "/open\\..\\admin", "/open/..;/admin"):
        with s.case(f"{target} is refused"):
            answer = proxy.get(target)
            check_equal(answer.status, 400, "status")
            check("ambiguous_path" in answer.get("Proxy-Status"), answer.get("Proxy-Status"))
    with s.case("no reading has a route"):
        check_equal(proxy.get("/%78").status, 404, "status")
    with s.case("a path with one meaning is served"):
        for target in ("/open/a%2Fb", "//admin", "/admin;x", "/%6fpen"):
            check_equal(Arrived(proxy.get(target)).target, target, "target")


run()
