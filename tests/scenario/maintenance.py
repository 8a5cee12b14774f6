"""A route or an upstream that is closed for maintenance: by its configuration, by a file, by the operator."""

import os
import threading

from harness import (Client, RawOrigin, check, check_equal, eventually, patient, promptly, run, run_program, scenario,
                     start_proxy)
from harness.disk import HangingDisk
from harness.h2_wire import H2Client

QUICK = {"web": {"http2": {"cleartext": True}}}


def two_routes(s, origin, shop=None, settings=None, **options):
    """A proxy with a route "shop" for /shop, "other" for /other, both at "app", and "text" that answers itself."""
    page = s.write("sorry.html", "<p>back soon</p>")
    return start_proxy(s, origin, {**(settings or {}), "listeners": QUICK, "routes": [
        {"name": "shop", "path_prefix": "/shop", "upstream": "app", "error_pages": [{"status": "503", "file": page}], **(shop or {})},
        {"name": "other", "path_prefix": "/other", "upstream": "app"},
        {"name": "text", "respond": {"status": 200, "body": "here"}}]}, **options)


def closed(proxy, target, retry_after=None):
    """Whether the route answers 503 because of maintenance."""
    response = proxy.get(target)
    if response.status != 503:
        check_equal(response.status, 200, f"status of {target}")
        return False
    check("destination_unavailable" in response.get("Proxy-Status"), response.get("Proxy-Status"))
    if retry_after:
        low, high = retry_after
        check(low <= int(response.get("Retry-After")) <= high, f"Retry-After: {response.get('Retry-After')}")
    return True


def act(proxy, path):
    status, body = proxy.admin(path, "POST")
    check_equal(status, 200, f"{path}: {body!r}")


def of_route(proxy, name):
    return next(route["maintenance"] for route in proxy.admin_json("/status")["routes"] if route["name"] == name)


def of_upstream(proxy, name):
    shown = {page: next(each["maintenance"] for each in proxy.admin_json(page)["upstreams"] if each["name"] == name)
             for page in ("/status", "/upstreams")}
    check_equal(shown["/status"], shown["/upstreams"], "what both pages show")
    return shown["/status"]


@scenario("a route that the configuration closes is served, or closes others")
def configured(s):
    origin = RawOrigin(s).on("/", status=200, body=b"open")
    proxy = two_routes(s, origin, {"maintenance": {"enabled": True, "retry_after": "100s"}})
    with s.case("503 with Retry-After and the error page; the origin is not asked"):
        response = proxy.get("/shop/x")
        check_equal((response.status, bytes(response.body)), (503, b"<p>back soon</p>"), "answer")
        check(100 <= int(response.get("Retry-After")) <= 200, f"Retry-After: {response.get('Retry-After')}")
        check_equal(len(origin.requests), 0, "requests at the origin")
    with s.case("HTTP/2, and an upload"):
        with H2Client(proxy.address) as client:
            check_equal(client.request(method="POST", path="/shop/x", body=b"x" * 10_000).status, 503, "status")
    with s.case("other routes are open, the process is ready"):
        check(not closed(proxy, "/other") and not closed(proxy, "/text"), "another route is closed")
        eventually(lambda: proxy.admin("/readyz")[0] == 200, "/readyz says 200")
    with s.case("it is shown and counted"):
        check_equal(of_route(proxy, "shop"), {"operator": False, "file": False, "configuration": True, "upstream": False,
                                              "by": None, "reason": None, "since": None, "ends": None, "said_at": None}, "/status")
        check_equal((of_route(proxy, "other"), of_upstream(proxy, "app")), (None, None), "the rest of /status")
        check_equal(proxy.metric("evenkeel_route_maintenance", route="shop"), 1, "metric")
        proxy.expect_count(2, "evenkeel_exchanges_by_reason_total", route="shop", reason="maintenance")
    with s.case("a reload opens it"):
        check(proxy.reload({"routes": [{"name": "shop", "path_prefix": "/shop", "upstream": "app"}]}), "the reload was rejected")
        check(not closed(proxy, "/shop/x"), "it is closed")
        eventually(lambda: "route shop: maintenance is over" in proxy.log(), "the log says so", 20)
    with s.case("a closed route that leaves the configuration is not shown as closed"):
        act(proxy, "/routes/shop/maintenance/on")
        check(proxy.reload({"routes": [{"name": "rest", "upstream": "app"}]}), "the reload was rejected")
        eventually(lambda: proxy.metric("evenkeel_route_maintenance", route="shop") is None, "there is no series")
        check(proxy.reload({"routes": [{"name": "shop", "path_prefix": "/shop", "upstream": "app"}, {"name": "rest", "upstream": "app"}]}),
              "the reload was rejected")
        check(closed(proxy, "/shop/x"), "the operator's word does not hold")
        act(proxy, "/routes/shop/maintenance/off")


@scenario("clients that maintenance.allow names are not served, or others are")
def allowed(s):
    origin = RawOrigin(s).on("/", status=200, body=b"open")
    proxy = two_routes(s, origin, {"maintenance": {"enabled": True, "allow": ["127.0.0.7/32"]}})
    for source, status in (("127.0.0.7", 200), ("127.0.0.8", 503)):
        with s.case(source), Client(proxy.address, source=source, within=patient(10)) as client:
            check_equal(client.request("GET", "/shop/x").status, status, "status")


@scenario("a file that is there does not close a route, or goes on to when it is gone")
def by_file(s):
    flag = s.path("closed")
    origin = RawOrigin(s).on("/", status=200, body=b"open")
    proxy = two_routes(s, origin, {"maintenance": {"file": flag}}, {"upstreams": {"app": {"maintenance": {"file": flag + "-all"}}}})
    check(not closed(proxy, "/shop/x"), "it is closed")
    with s.case("the route"):
        s.write("closed", "")
        eventually(lambda: closed(proxy, "/shop/x", (60, 120)), "it is closed")
        check(not closed(proxy, "/other"), "another route is closed")
        check_equal(of_route(proxy, "shop")["file"], True, "/status")
        os.unlink(flag)
        eventually(lambda: not closed(proxy, "/shop/x"), "it is open")
    with s.case("the upstream, and with it all its routes"):
        s.write("closed-all", "")
        eventually(lambda: closed(proxy, "/shop/x") and closed(proxy, "/other"), "both are closed")
        check(not closed(proxy, "/text"), "a route without it is closed")
        check_equal((of_upstream(proxy, "app")["file"], of_route(proxy, "other")["upstream"]), (True, True), "/status")
        check_equal(proxy.metric("evenkeel_upstream_maintenance", upstream="app"), 1, "metric")
        os.unlink(flag + "-all")
        eventually(lambda: not closed(proxy, "/other"), "it is open")


@scenario("a file on a disk that hangs stops the admin listener, opens a route, or keeps others from being closed", within=60)
def hanging_disk(s):
    flag = s.path("closed")
    origin = RawOrigin(s).on("/", status=200, body=b"open")
    with HangingDisk(s, {"closed": b""}) as disk:
        proxy = two_routes(s, origin, {"maintenance": {"file": f"{disk.path}/closed"}},
                           {"upstreams": {"app": {}, "spare": {"endpoints": [origin.address], "maintenance": {"file": flag}}}})
        check(closed(proxy, "/shop/x") and not closed(proxy, "/other"), "the wrong one is closed")
        disk.hang("lookup", "getattr")
        proxy.wait_for_log(f"maintenance: {disk.path}/closed: its disk hangs: what was last known of it holds")
        with s.case("all is answered, and what was known holds"):
            promptly(lambda: proxy.admin("/livez")[0] == 200, "/livez", 1, proxy)
            check(closed(proxy, "/shop/x") and not closed(proxy, "/other"), "the wrong one is closed")
        with s.case("a file elsewhere is seen"):
            s.write("closed", "")
            eventually(lambda: proxy.metric("evenkeel_upstream_maintenance", upstream="spare") == 1, "the upstream is closed")
            os.unlink(flag)
            eventually(lambda: proxy.metric("evenkeel_upstream_maintenance", upstream="spare") == 0, "the upstream is open")
        with s.case("a reload that names the file is rejected"):
            check(not proxy.reload({"limits": {"clients": 100}}), "it was taken")
            proxy.wait_for_log(f"reload rejected, generation 1 stays in use: {disk.path}/closed: its disk hangs")
            promptly(lambda: proxy.admin("/livez")[0] == 200, "/livez", 1, proxy)
        with s.case("the disk has gone, and the file with it"):
            disk.end()
            eventually(lambda: not closed(proxy, "/shop/x"), "it is open")
            proxy.wait_for_log(f"maintenance: {disk.path}/closed: its disk answers again")


@scenario("the operator's word does not hold, or for longer than until it is taken back")
def by_operator(s):
    """Over reloads, the next process of an upgrade, and a restart with a warm state."""
    origin = RawOrigin(s).on("/", status=200, body=b"open")
    state = {"warm_state": {"path": s.path("state"), "interval": "1s"}}
    proxy = two_routes(s, origin, None, state)
    with s.case("said, with who and why"):
        act(proxy, "/routes/shop/maintenance/on?by=ada&reason=new%20database+tables")
        check(closed(proxy, "/shop/x", (60, 120)) and not closed(proxy, "/other"), "the wrong one is closed")
        said = of_route(proxy, "shop")
        check_equal((said["operator"], said["by"], said["reason"]), (True, "ada", "new database tables"), "/status")
        line = "route shop: maintenance begins: requests are answered 503 (ada: new database tables)"
        eventually(lambda: line in proxy.log(), "the log says who closed it and why", 20)
    with s.case("it holds over a reload"):
        check(proxy.reload({"limits": {"clients": 100}}), "the reload was rejected")
        check(closed(proxy, "/shop/x"), "it is open")
    with s.case("over an upgrade"):
        act(proxy, "/upstreams/app/maintenance/on?by=grace")
        proxy.upgrade()
        check(closed(proxy, "/shop/x") and closed(proxy, "/other"), "it is open")
        check_equal(of_route(proxy, "shop")["by"], "ada", "who")
    with s.case("over a restart"):
        act(proxy, "/upstreams/app/maintenance/off")
        proxy.stop()
        proxy = two_routes(s, origin, None, state, name="restarted")
        check(closed(proxy, "/shop/x") and not closed(proxy, "/other"), "it is not as it was left")
    with s.case("taken back"):
        act(proxy, "/routes/shop/maintenance/off")
        check(not closed(proxy, "/shop/x"), "it is closed")
        act(proxy, "/routes/shop/maintenance/off")
    with s.case("a route without an upstream"):
        act(proxy, "/routes/text/maintenance/on")
        check(closed(proxy, "/text"), "it is open")
    with s.case("what cannot be done"):
        for path, method, status in (("/routes/none/maintenance/on", "POST", 404), ("/upstreams/none/maintenance/on", "POST", 404),
                                     ("/routes/none/maintenance/off", "POST", 404), ("/routes/shop/maintenance/on", "GET", 405),
                                     ("/routes/shop/maintenance", "POST", 404), ("/routes/shop/maintenance/on?by=" + "x" * 64, "POST", 400),
                                     ("/routes/shop/maintenance/on?reason=a%0ab", "POST", 400)):
            check_equal(proxy.admin(path, method)[0], status, f"status of {method} {path}")
        check(not closed(proxy, "/shop/x"), "it is closed")


@scenario("a request that is under way is cut when its route closes")
def under_way(s):
    over = threading.Event()

    def answer(connection, _):
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        over.wait(30)
        return connection.send("67890")

    origin = RawOrigin(s).on("/", answer)
    proxy = two_routes(s, origin)
    with proxy.client() as client:
        client.send("GET /shop/x HTTP/1.1\r\nHost: h\r\n\r\n")
        eventually(lambda: origin.requests, "the origin has the request")
        act(proxy, "/routes/shop/maintenance/on")
        check(closed(proxy, "/shop/y"), "it is open")
        over.set()
        check_equal(bytes(client.response().body), b"1234567890", "body")
        check_equal(client.request("GET", "/shop/z").status, 503, "status of the next request")


@scenario("a wrong maintenance is taken, or not explained")
def wrong(s):
    for written, said in (("maintenance = { enabled = 1; };", "routes.[0].maintenance.enabled: expected"),
                          ('maintenance = { retry_after = "1ms"; };', "routes.[0].maintenance.retry_after: expected"),
                          ('maintenance = { allow = [ "10.0.0.1/8" ]; };', "routes.[0].maintenance.allow: expected"),
                          ('maintenance = { flie = "/x"; };', 'the nearest known key here is "file"')):
        with s.case(written):
            path = s.write("wrong.conf", 'listeners = { web = { listen = "127.0.0.1:0"; }; };\n'
                           'upstreams = { app = { endpoints = [ "127.0.0.1:1" ]; }; };\n'
                           f'routes = ( {{ upstream = "app";\n {written} }} );\n')
            done = run_program(s, "-t", "-c", path)
            text = done.stdout + done.stderr
            check_equal(done.returncode, 1, "status")
            check("wrong.conf:4: " in text and said in text, text)


run()
