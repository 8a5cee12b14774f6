"""A route's mirror gets copies of requests, and whatever becomes of them changes nothing for the client."""

import hashlib
import random
import threading

from harness import Arrived, RawOrigin, becomes, check, check_equal, eventually, run, run_program, scenario, start_proxy
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client

BODY = random.Random(7).randbytes(60_000)


def mirrored(s, origin, shadow, words="", route=None, settings=None, upstream=None, **options):
    return start_proxy(s, origin, {
        "workers": 1, "listeners": {"web": {"http2": {"cleartext": True}}}, **(settings or {}),
        "upstreams": {"shadow": {"endpoints": [getattr(shadow, "address", shadow)], "required": False, **(upstream or {})},
                      **(settings or {}).get("upstreams", {})},
        "routes": [{"name": "all", "upstream": "app", "mirror": f"shadow {words}".strip(), **(route or {})}]}, **options)


def counts(proxy):
    return [int(proxy.metric(f"evenkeel_mirrored_{kind}total") or 0) for kind in ("", "dropped_")]


def copies(shadow, target, count=1):
    """The requests for the target, once so many have come to the shadow as a whole."""
    return eventually(lambda: len(got := [r for r in shadow.requests if r.target == target and r.complete]) >= count and got,
                      f"{count} copies of {target}")


@scenario("a copy is not the request, or does not come")
def same(s):
    for name, shadow, protocol in (("HTTP/1", RawOrigin(s, "shadow-1"), {}), ("HTTP/2", H2Origin(s, "shadow-2"), {"protocol": "http2"})):
        origin = RawOrigin(s, f"origin-{name[-1]}")
        proxy = mirrored(s, origin, shadow, "unsafe body=64KiB", upstream=protocol, name=f"to-{name[-1]}",
                         settings={"request": {"set": {"X-Said": "{method} {path}"}}})
        with s.case(f"{name}: a GET, with the fields that upstreams get"):
            check_equal(proxy.get("/get?x=1", [("X-Own", "it")]).status, 200, "status")
            copy, = copies(shadow, "/get?x=1")
            for field in ("X-Own", "X-Said", "X-Forwarded-For", "X-Request-Id"):
                own = [value for key, value in origin.requests[-1].fields if key.lower() == field.lower()]
                its = [value for key, value in copy.fields if key.lower() == field.lower()]
                check(own and own == its, f"{field}: {own}, of the copy {its}")
        with s.case(f"{name}: a body"):
            Arrived(proxy.get("/put", method="PUT", body=BODY))
            copy, = copies(shadow, "/put")
            check_equal(hashlib.sha256(copy.body).hexdigest(), hashlib.sha256(BODY).hexdigest(), "checksum of the copy")
        with s.case(f"{name}: a chunked body in pieces"), proxy.client() as client:
            client.send("POST /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            client.wait_until_read()
            client.send("6\r\n world\r\n0\r\n\r\n")
            check_equal(client.response("POST").status, 200, "status")
            check_equal(bytes(copies(shadow, "/chunked")[0].body), b"hello world", "body of the copy")
        with s.case(f"{name}: from an HTTP/2 client"), H2Client(proxy.address) as client:
            check_equal(client.request(method="POST", path="/h2", body=BODY).status, 200, "status")
            check_equal(len(copies(shadow, "/h2")[0].body), len(BODY), "bytes of the copy")
        becomes(lambda: counts(proxy), [4, 0], "copies sent and dropped")


@scenario("a copy has fields that the route takes away, or has them twice")
def edited(s):
    names = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id", "Via", "Cookie", "Authorization", "X-Kept")
    sent = [("Cookie", "a=b"), ("Authorization", "Bearer t"), ("X-Kept", "1")]
    remove = ["X-Forwarded-For", "Cookie", "Authorization"]
    for case, edits in (("removed", {"remove": remove}), ("removed and set", {"remove": remove, "set": {"X-Forwarded-Proto": "gopher", "X-Request-Id": "own"}})):
        origin, shadow = RawOrigin(s, f"origin-{len(edits)}"), RawOrigin(s, f"shadow-{len(edits)}")
        proxy = mirrored(s, origin, shadow, route={"request": edits}, settings={"headers": {"via": True}}, name=f"edits-{len(edits)}")
        with s.case(case):
            check_equal(proxy.get("/x", sent).status, 200, "status")
            own, its = ({name: request.all(name) for name in names} for request in (origin.requests[-1], copies(shadow, "/x")[0]))
            check_equal((own["X-Forwarded-For"], own["Authorization"], own["X-Kept"]), ([], [], ["1"]), "at the origin")
            check_equal(its, own, "fields of the copy")


@scenario("a mirror that is closed for maintenance gets copies")
def maintained(s):
    origin, shadow = RawOrigin(s), RawOrigin(s, "shadow")
    proxy = mirrored(s, origin, shadow)
    check_equal(proxy.admin("/upstreams/shadow/maintenance/on", "POST")[0], 200, "status of the act")
    check_equal(proxy.get("/closed").status, 200, "status")
    eventually(lambda: counts(proxy) == [0, 1], "the copy is dropped")
    check_equal(proxy.admin("/upstreams/shadow/maintenance/off", "POST")[0], 200, "status of the act")
    check_equal(proxy.get("/open").status, 200, "status")
    copies(shadow, "/open")
    check_equal([r.target for r in shadow.requests], ["/open"], "what the mirror got")


@scenario("what is done twice is not harmless")
def unsafe(s):
    origin, shadow = RawOrigin(s), RawOrigin(s, "shadow")
    proxy = mirrored(s, origin, shadow)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        check_equal(proxy.get(f"/{method}", method=method, body=b"x").status, 200, "status")
    proxy.get("/HEAD", method="HEAD")
    proxy.get("/end")
    copies(shadow, "/HEAD")
    copies(shadow, "/end")
    becomes(lambda: counts(proxy), [2, 0], "copies sent and dropped")
    check_equal(sorted(r.target for r in shadow.requests), ["/HEAD", "/end"], "what the mirror got")


@scenario("what becomes of a copy harms the request")
def harmless(s):
    origin = RawOrigin(s).on("/", status=200, body=b"ok")
    over = threading.Event()
    hangs = RawOrigin(s, "hangs").on("/", lambda connection, _: over.wait(60) and False)
    fails = RawOrigin(s, "fails").on("/", status=500, body=b"no")
    long = RawOrigin(s, "long").on("/", status=200, body=b"x" * 3_000_000)
    gone = f"127.0.0.1:{s.port()}"
    for name, shadow, dropped in (("it hangs", hangs, True), ("it fails", fails, False), ("nobody is there", gone, False),
                                  ("its answers are long", long, False)):
        proxy = mirrored(s, origin, shadow, name=name.replace(" ", "-"),
                         upstream={"timeouts": {"total": "20s"}, "limits": {"in_flight": 2, "queue": 2}})
        with s.case(f"{name}: 300 requests are answered by the origin"):
            with proxy.client() as client:
                for number in range(300):
                    response = client.request("GET", f"/{number}")
                    check_equal((response.status, bytes(response.body)), (200, b"ok"), "answer")
            app = next(each for each in proxy.admin_json("/upstreams")["upstreams"] if each["name"] == "app")
            check_equal((app["breaker"]["failures"], app["breaker"]["state"]), (0, "closed"), "breaker of the route's upstream")
            becomes(lambda: sum(counts(proxy)), 300, "copies that were made or dropped")
        with s.case(f"{name}: nothing is kept"):
            check(proxy.bound("detached_requests")["peak"] <= proxy.bound("detached_requests")["limit"], "more than the bound")
            over.set()
            eventually(lambda proxy=proxy: proxy.bound("detached_requests")["used"] == 0, "no copy is under way", 30)
        proxy.stop()


@scenario("a copy holds up its request")
def latency(s):
    """The mirror answers nothing until the client has its answer."""
    answered = threading.Event()
    shadow = RawOrigin(s, "shadow").on("/", lambda connection, _: answered.wait(30) and connection.respond(200, b"late"))
    origin = RawOrigin(s).on("/", status=200, body=b"ok")
    proxy = mirrored(s, origin, shadow)
    check_equal(proxy.get("/x").status, 200, "status")
    copies(shadow, "/x")
    answered.set()
    with s.case("a client that leaves takes its copy not with it"):
        with proxy.client() as client:
            client.send("GET /left HTTP/1.1\r\nHost: h\r\n\r\n")
            copies(shadow, "/left")
        eventually(lambda: proxy.bound("detached_requests")["used"] == 0, "the copy is over")


@scenario("a body that is too long is mirrored in part, or harms its request")
def too_long(s):
    origin, shadow = RawOrigin(s), RawOrigin(s, "shadow")
    proxy = mirrored(s, origin, shadow, "unsafe body=10KiB")
    check_equal(Arrived(proxy.get("/long", method="POST", body=BODY)).bytes, len(BODY), "bytes")
    becomes(lambda: counts(proxy), [0, 1], "copies sent and dropped")
    check_equal(Arrived(proxy.get("/short", method="POST", body=BODY[:10_000])).bytes, 10_000, "bytes")
    check_equal(len(copies(shadow, "/short")[0].body), 10_000, "bytes of the copy")
    check_equal([r.target for r in shadow.requests], ["/short"], "what the mirror got")


@scenario("a body that the route takes in is not copied, or the copy of a repeated request is longer than it")
def taken_in(s):
    failed = []

    def once(connection, request):
        failed.append(request.target)
        return connection.respond(503 if failed.count(request.target) == 1 else 200, b"ok")

    origin, shadow = RawOrigin(s).on("/", once), RawOrigin(s, "shadow")
    proxy = mirrored(s, origin, shadow, "unsafe body=200KiB", {"buffer_request": "1MiB"}, upstream={"retry": {"attempts": 1}},
                     settings={"upstreams": {"app": {"retry": {"attempts": 2, "on": ["connect_failure", "503"]}}}})
    body = BODY * 3
    with proxy.client() as client:
        client.send(f"PUT /slow HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
        client.wait_until_read()
        check_equal(len(shadow.requests), 0, "copies before the request is whole")
        client.send(body[-1:])
        check_equal(client.response("PUT").status, 200, "status")
    copy, = copies(shadow, "/slow")
    check_equal(hashlib.sha256(copy.body).hexdigest(), hashlib.sha256(body).hexdigest(), "checksum of the copy")
    becomes(lambda: counts(proxy), [1, 0], "copies sent and dropped")


@scenario("another share is mirrored, or a reload does not change it")
def share(s):
    origin, shadow = RawOrigin(s).on("/", status=200), RawOrigin(s, "shadow")
    proxy = mirrored(s, origin, shadow, "share=0.25")
    with proxy.client() as client:
        for _ in range(800):
            check_equal(client.request("GET", "/x").status, 200, "status")
    check(140 <= sum(counts(proxy)) <= 260, f"{counts(proxy)} of 800 were mirrored")
    with s.case("a reload that ends it"):
        check(proxy.reload({"routes": [{"name": "all", "upstream": "app"}]}), "the reload was rejected")
        before = counts(proxy)
        check_equal(proxy.get("/y").status, 200, "status")
        check_equal(counts(proxy), before, "copies")


@scenario("a wrong mirror is taken, or not explained")
def wrong(s):
    for written, said in (
            ('upstream = "app";\n mirror = "shadw";', 'routes.[0].mirror: there is no upstream "shadw"; the nearest is "shadow"'),
            ('upstream = "app";\n mirror = "app";', "routes.[0].mirror: is the upstream of the route"),
            ('respond = { status = 200; };\n mirror = "shadow";', "routes.[0].mirror: has no effect without an upstream"),
            ('upstream = "app";\n mirror = "shadow share=2";', '"share=2" is none of share=N'),
            ('upstream = "app";\n mirror = "shadow body=1GiB";', '"body=1GiB" is none of share=N'),
            ('upstream = "app";\n mirror = true;', "routes.[0].mirror: expected an upstream and what is copied")):
        with s.case(written.replace("\n", "")):
            path = s.write("wrong.conf", 'listeners = { web = { listen = "127.0.0.1:0"; }; };\n'
                           'upstreams = { app = { endpoints = [ "127.0.0.1:1" ]; }; shadow = { endpoints = [ "127.0.0.1:2" ]; }; };\n'
                           f"routes = ( {{ {written} }} );\n")
            done = run_program(s, "-t", "-c", path)
            text = done.stdout + done.stderr
            check_equal(done.returncode, 1, "status")
            check("wrong.conf:4: " in text and said in text, text)


run()
