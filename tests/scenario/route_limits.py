"""A route has limits and timeouts of its own, over those of the process and of its upstream."""

import threading

from harness import Client, RawOrigin, check, check_equal, run, run_program, scenario, start_proxy

CHUNK = b"x" * 1000


def two_routes(s, origin, special, settings=None):
    """A proxy with a route "special" for /special, and "all"."""
    return start_proxy(s, origin, {**(settings or {}), "routes": [
        {"name": "special", "path_prefix": "/special", "upstream": "app", **special}, {"name": "all", "upstream": "app"}]})


def status_of_post(proxy, target, body_bytes, chunked):
    with proxy.client() as client:
        head = f"POST {target} HTTP/1.1\r\nHost: h\r\n"
        if chunked:
            client.send(f"{head}Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(body_bytes // len(CHUNK)):
                client.send(b"3e8\r\n" + CHUNK + b"\r\n")
            client.send("0\r\n\r\n")
        else:
            client.send(f"{head}Content-Length: {body_bytes}\r\n\r\n")
            client.send(b"x" * body_bytes)
        return client.response("POST").status


@scenario("limits.body of a route does not hold, or holds for other routes")
def body(s):
    origin = RawOrigin(s)
    origin.on("/", lambda connection, _: connection.respond(200, b"taken"))
    proxy = two_routes(s, origin, {"limits": {"body": "1MiB"}}, {"limits": {"body": "10KiB"}})
    for chunked in (False, True):
        kind = "chunked" if chunked else "with a length"
        with s.case(f"{kind}: more than the process allows, less than the route does"):
            check_equal(status_of_post(proxy, "/special", 500_000, chunked), 200, "status of the route")
            check_equal(status_of_post(proxy, "/other", 500_000, chunked), 413, "status of another")
        with s.case(f"{kind}: more than the route allows"):
            check_equal(status_of_post(proxy, "/special", 2_000_000, chunked), 413, "status")
    with s.case("none: no limit"):
        proxy.reload({"routes": [{"name": "special", "path_prefix": "/special", "upstream": "app", "limits": {"body": "none"}},
                                 {"name": "all", "upstream": "app"}]})
        check_equal(status_of_post(proxy, "/special", 2_000_000, True), 200, "status")
    with s.case("less than the process allows, also in what comes with the head"):
        proxy.reload({"routes": [{"name": "special", "path_prefix": "/special", "upstream": "app", "limits": {"body": "100B"}},
                                 {"name": "all", "upstream": "app"}]})
        for chunked in (False, True):
            check_equal(status_of_post(proxy, "/special", 5_000, chunked), 413, "status of the route")
            check_equal(status_of_post(proxy, "/other", 5_000, chunked), 200, "status of another")


def outcome(proxy, target):
    with proxy.client() as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
        response = client.response()
        return response.status if response.complete else "broken off"


def held_origin(s):
    """An origin that answers /.../late after a second, and stops within the payload of /.../stops for as long."""
    origin, over = RawOrigin(s), threading.Event()

    def answer(connection, request):
        if request.target.endswith("stops"):
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
            over.wait(1)
            connection.send("67890")
        else:
            over.wait(1)
            connection.respond(200, b"late")
    origin.on("/", answer)
    return origin


@scenario("timeouts of a route do not hold, or hold for other routes")
def timeouts(s):
    with s.case("longer than the upstream's: first_byte alone raises what contains it"):
        origin = held_origin(s)
        proxy = two_routes(s, origin, {"timeouts": {"first_byte": "20s", "idle": "20s"}},
                           {"upstreams": {"app": {"timeouts": {"first_byte": "200ms", "total": "300ms", "idle": "200ms"},
                                                  "breaker": {"enabled": False}, "health": {"eject_after": 0}}}})
        check_equal(outcome(proxy, "/special/late"), 200, "outcome of the route")
        check_equal(outcome(proxy, "/special/stops"), 200, "outcome of the route, within a response")
        check_equal(outcome(proxy, "/other/late"), 504, "outcome of another")
        check_equal(outcome(proxy, "/other/stops"), "broken off", "outcome of another, within a response")
    with s.case("a reload takes them away, and an exchange that has them keeps them"):
        with Client(proxy.address) as client:
            client.send("GET /special/late?before HTTP/1.1\r\nHost: h\r\n\r\n")
            origin.request_for("/special/late?before")
            proxy.reload({"routes": [{"name": "all", "upstream": "app"}]})
            check_equal(client.response().status, 200, "status of the exchange from before")
        check_equal(outcome(proxy, "/special/late"), 504, "outcome after")
        proxy.stop()
    with s.case("shorter than the upstream's"):
        proxy = two_routes(s, held_origin(s), {"timeouts": {"first_byte": "200ms", "idle": "200ms"}},
                           {"upstreams": {"app": {"breaker": {"enabled": False}, "health": {"eject_after": 0}}}})
        check_equal(outcome(proxy, "/special/late"), 504, "outcome of the route")
        check_equal(outcome(proxy, "/special/stops"), "broken off", "outcome of the route, within a response")
        check_equal(outcome(proxy, "/other/stops"), 200, "outcome of another")


@scenario("a wrong limit or timeout of a route is taken, or what to write is not said")
def wrong(s):
    text = """listeners = { web = { listen = "127.0.0.1:8080"; }; };
upstreams = { app = { endpoints = "127.0.0.1:8000"; }; };
routes = ( { upstream = "app";
%s } );
"""
    for keys, *words in (('timeouts = { first_byte = 20; };', 'write "20s"'),
                         ('timeouts = { idle = "none"; };', "every wait has an end"),
                         ('timeouts = { connect = "1s"; };', "unknown key"),
                         ('limits = { body = "20GB"; };', 'write "20GiB"'),
                         ('limits = { body = 0; };', 'write "none"'),
                         ('limits = { bodi = "1M"; };', '"body"')):
        with s.case(keys):
            s.write("bad.conf", text % keys)
            done = run_program(s, "-t", "-c", "bad.conf")
            check_equal(done.returncode, 1, "exit code")
            rows = [row for row in done.stderr.splitlines() if "bad.conf:4:" in row]
            check(any(all(word in row for word in words) for row in rows), f"no {words} in\n{done.stderr}")


run()
