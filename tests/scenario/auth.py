"""Who may use a route: auth.forward asks a service."""

import threading

from harness import Arrived, RawOrigin, access_rows, check, check_equal, eventually, run, run_program, scenario, start_proxy
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client

FORGED = "mallory"
PATIENT = {"retry": {"attempts": 1}, "breaker": {"enabled": False}, "pool": {"warm_min": 0}, "required": False}
FORWARD = {"upstream": "sso", "path": "/verify?rd=1", "copy": ["Remote-User", "X-Auth-Groups"]}
GUARDED = {"name": "guarded", "path_prefix": "/in", "upstream": "app", "auth": {"forward": FORWARD}}
REST = {"name": "all", "upstream": "app"}


def judge(connection, request):
    """Lets those pass who have the cookie of a user, and says who they are."""
    cookie = request.get("Cookie") or ""
    if "user=" in cookie:
        name = cookie.partition("user=")[2]
        return connection.respond(200, b"fine", [("Remote-User", name), ("X-Auth-Groups", "a"), ("X-Auth-Groups", "b"), ("X-Other", "no")])
    if "known" in cookie:
        return connection.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 30\r\nETag: \"a\"\r\n\r\n")
    if "banned" in cookie:
        return connection.respond(403, b"no, " + request.method.encode())
    return connection.respond(302, b"<a>log in</a>", [("Location", "https://sso.example/?rd=" + (request.get("X-Forwarded-Uri") or "")),
                                                      ("Set-Cookie", "csrf=1; Secure"), ("Set-Cookie", "b=2"), ("Content-Type", "text/html"),
                                                      ("Connection", "X-Secret"), ("X-Secret", "1")])


def behind(s, origin=None, service=None, forward=(), settings=None, **options):
    """A proxy whose route /in is guarded by a service."""
    service = service or RawOrigin(s, "sso").on("/verify", judge)
    guarded = {**GUARDED, "auth": {"forward": {**FORWARD, **dict(forward)}}}
    plain = {"listeners": {"web": {"http2": {"cleartext": True}}}, "upstreams": {"sso": {"endpoints": [service.address], **PATIENT}},
             "routes": [guarded, {"name": "text", "path": "/text", "respond": {"status": 200, "body": "for {user}"}, "auth": guarded["auth"]}, REST]}
    return start_proxy(s, origin or RawOrigin(s), {**plain, **(settings or {})}, **options), service


def user(name="ann", *more):
    return [("Cookie", f"a=b; user={name}"), *more]


@scenario("auth.forward lets a request pass that the service has refused, or keeps one from passing")
def forward(s):
    log = {"log": {"access": {"path": s.path("access.log"), "format": "json"}}}
    proxy, service = behind(s, settings=log)
    with s.case("what the service is asked"):
        check_equal(proxy.get("/in/../in/x?y=%20z", user("ann", ("If-None-Match", "*"), ("Range", "bytes=0-1"), ("Accept", "text/html"),
                                                          ("X-Forwarded-Uri", FORGED), ("X_Forwarded_Uri", FORGED), ("Authorization", "Bearer t")),
                                method="POST", body=b"payload").status, 200, "status")
        asked = service.requests[-1]
        fields = {name: [v for n, v in asked.fields if n.lower() == name.lower()] for name in (
            "Host", "X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-For", "Accept",
            "Authorization", "If-None-Match", "Range", "Content-Length", "Content-Type")}
        check_equal((asked.method, asked.target, fields), ("GET", "/verify?rd=1", {
            "Host": ["shop.example"], "X-Forwarded-Method": ["POST"], "X-Forwarded-Uri": ["/in/x?y=%20z"], "X-Forwarded-Proto": ["http"],
            "X-Forwarded-Host": ["shop.example"], "X-Forwarded-For": ["127.0.0.1"], "Accept": ["text/html"], "Authorization": ["Bearer t"],
            "If-None-Match": [], "Range": [], "Content-Length": [], "Content-Type": []}), "the question")
    with s.case("who may pass passes, with the copied fields and the body"):
        arrived = Arrived(proxy.get("/in/x", user("ann", ("Remote-User", FORGED)), method="POST", body=b"x" * 100000))
        check_equal((arrived.method, arrived.bytes, arrived.all("Remote-User"), arrived.all("X-Auth-Groups"), arrived.all("X-Other")),
                    ("POST", 100000, ["ann"], ["a", "b"], []), "at the origin")
    with s.case("who may not gets the service's answer"):
        answer = proxy.get("/in/x?a=b")
        check_equal((answer.status, answer.get("Location"), answer.all("Set-Cookie"), bytes(answer.body), answer.get("X-Secret")),
                    (302, "https://sso.example/?rd=/in/x?a=b", ["csrf=1; Secure", "b=2"], b"<a>log in</a>", None), "answer")
        check_equal(proxy.get("/in", [("Cookie", "banned")]).status, 403, "status")
        check_equal(len(proxy.get("/in", [("Cookie", "banned")], method="HEAD").body), 0, "body of HEAD")
    with s.case("a 304 has the length of the page that the client has, or none"):
        answer = proxy.get("/in", [("Cookie", "known")])
        check_equal((answer.status, answer.get("Content-Length"), answer.get("ETag")), (304, "30", '"a"'), "answer")
    with s.case("the connection goes on"), proxy.client() as client:
        for cookie, status in (("banned", 403), ("user=b", 200), ("", 302), ("user=b", 200)):
            check_equal(client.request("GET", "/in", [("Cookie", cookie)]).status, status, cookie)
    with s.case("a route that answers by itself is guarded too, and knows the user"):
        check_equal((proxy.get("/text").status, bytes(proxy.get("/text", user("bob")).body)), (302, b"for bob"), "answers")
    with s.case("other routes are not asked about"):
        count = len(service.requests)
        check_equal((proxy.get("/x").status, len(service.requests)), (200, count), "status and questions")
    with s.case("the log says who it was, and why not"):
        said = {(302, "auth_refused", None), (200, "responded", "bob")}
        eventually(lambda: said == {(row["status"], row["reason"], row.get("user")) for row in access_rows(s.path("access.log"))
                                    if row["target"] == "/text"}, "the lines")
    with s.case("it is counted"):
        check(proxy.metric("evenkeel_auth_passed_total") >= 5 and proxy.metric("evenkeel_auth_refused_total") >= 5, "counters")
        proxy.expect_count(proxy.metric("evenkeel_exchanges_started_total"), "evenkeel_exchanges_finished_total")


@scenario("a field of auth.forward.copy is what the client has forged")
def forgeries(s):
    for name, origin, protocol in (("http1", RawOrigin(s, "h1"), {}), ("http2", H2Origin(s, "h2"), {"protocol": "http2"})):
        proxy, _ = behind(s, origin, settings={"headers": {"underscores": True}}, name=f"to-{name}")
        proxy.settings["upstreams"]["app"].update(protocol)
        check(proxy.reload(), "the reload was rejected")
        for way, fields in (("as it is", [("Remote-User", FORGED)]), ("in upper case", [("REMOTE-USER", FORGED)]), ("with _", [("Remote_User", FORGED)]),
                            ("with _ in other case", [("rEMOTE_uSER", FORGED)]), ("twice", [("Remote-User", FORGED), ("remote-user", FORGED)]),
                            ("named in Connection", [("Connection", "Remote-User"), ("Remote-User", FORGED)]),
                            ("another one", [("X-Auth_Groups", FORGED)])):
            with s.case(f"{name}: {way}"):
                arrived = Arrived(proxy.get("/in", user("ann", *fields)))
                check_equal(arrived.all("Remote-User"), ["ann"], "the user")
                check(all(FORGED not in value for field, value in arrived.fields if field != "connection"), arrived.fields)
            if "Connection" not in way:
                with s.case(f"{name}: {way}, over HTTP/2"), H2Client(proxy.address) as client:
                    lower = [(field.lower(), value) for field, value in fields]
                    arrived = Arrived(client.request(path="/in", fields=[("cookie", "user=ann"), *lower]))
                    check(all(FORGED not in value for _, value in arrived.fields), arrived.fields)
        with s.case(f"{name}: in trailers, at once and late"):
            for pause in (False, True):
                with proxy.client() as client:
                    client.send("POST /in HTTP/1.1\r\nHost: shop.example\r\nCookie: user=ann\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
                    if pause:
                        client.wait_until_read()
                    client.send(f"0\r\nRemote-User: {FORGED}\r\nRemote_User: {FORGED}\r\nX-Fine: 1\r\n\r\n")
                    arrived = Arrived(client.response())
                    check_equal([name.lower() for name, _ in arrived.trailers], ["x-fine"], "trailers")


@scenario("no spelling of its path leads around a route with auth")
def bypasses(s):
    def upgrade(connection, request):
        check_equal(request.get("Upgrade"), "websocket", "Upgrade")
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        connection.reader.fill()
        connection.send(f"{request.get('Remote-User')} said")
        return False

    proxy, _ = behind(s, RawOrigin(s).on("/in/socket", upgrade))
    for target in ("/in", "/in/", "/%69n", "//in", "/x/../in", "/x/..%2fin", "/in%2fx", "/./in", "/x/%2e%2e/in", "/x\\..\\in", "/in;x=1", "/x/..;/in",
                   "http://shop.example/in"):
        with s.case(target):
            check_equal(proxy.get(target).status, 302, "status")
    with H2Client(proxy.address) as client:
        for target in ("/in", "/%69n", "//in", "/x/../in"):
            with s.case(f"{target} over HTTP/2"):
                answer = client.request(path=target)
                check_equal((answer.status, bytes(answer.body)), (302, b"<a>log in</a>"), "answer")
    with s.case("an upgrade"), proxy.client() as client:
        answer = client.request("GET", "/in", [("Connection", "Upgrade"), ("Upgrade", "websocket")])
        check_equal(answer.status, 302, "status")
    with s.case("an upgrade of somebody who may"), proxy.client() as client:
        client.send("GET /in/socket HTTP/1.1\r\nHost: h\r\nCookie: user=ann\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        check_equal(client.response().status, 101, "status")
        client.send("ping")
        client.reader.fill()
        check_equal(bytes(client.reader.buffer), b"ann said", "bytes through the tunnel")


@scenario("a service that is closed for maintenance is asked, or its routes are open")
def maintained(s):
    proxy, service = behind(s)
    check_equal(proxy.admin("/upstreams/sso/maintenance/on", "POST")[0], 200, "status of the act")
    for target in ("/in", "/text"):
        with s.case(target):
            answer = proxy.get(target, user())
            check("maintenance" in answer.get("Proxy-Status") and answer.get("Retry-After"), answer.fields)
            check_equal((answer.status, len(service.requests)), (503, 0), "status and questions")
    with s.case("it is open again"):
        check_equal(proxy.admin("/upstreams/sso/maintenance/off", "POST")[0], 200, "status of the act")
        check_equal((proxy.get("/in", user()).status, proxy.get("/in").status), (200, 302), "statuses")


@scenario("the body of a request is taken before it is known who sends it")
def bodies(s):
    gate = threading.Event()
    asked = threading.Event()

    def waits(connection, request):
        asked.set()
        gate.wait(20)
        return judge(connection, request)

    origin = RawOrigin(s)
    proxy, _ = behind(s, origin, RawOrigin(s, "sso").on("/verify", waits), {"timeout": "20s"})
    with proxy.client() as client, s.case("a client that waits for 100 is not told to go on"):
        client.send("POST /in HTTP/1.1\r\nHost: shop.example\r\nCookie: user=ann\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        check(asked.wait(10), "the service was not asked")
        check_equal([request.target for request in origin.requests], [], "at the origin")
        check_equal(proxy.bound("upstream_in_flight", "app")["used"], 0, "places at the upstream")
        gate.set()
        check_equal(client.interim().status, 100, "interim")
        client.send("hello")
        check_equal(Arrived(client.response()).bytes, 5, "bytes")
    gate.clear(), asked.clear()
    with proxy.client() as client, s.case("a large one waits, and arrives whole"):
        client.send("POST /in HTTP/1.1\r\nHost: shop.example\r\nCookie: user=ann\r\nContent-Length: 3000000\r\n\r\n")
        sender = threading.Thread(target=lambda: client.send(b"x" * 3000000))
        sender.start()
        check(asked.wait(10), "the service was not asked")
        gate.set()
        check_equal(Arrived(client.response()).bytes, 3000000, "bytes")
        sender.join()
    for size in (30000, 3000000):  # below and above buffer_request
        gate.clear(), asked.clear()
        proxy.settings["routes"][0]["buffer_request"] = "1MiB"
        check(proxy.reload(), "the reload was rejected")
        with proxy.client() as client, s.case(f"one of {size} bytes that the route takes in waits, and arrives whole"):
            client.send(f"POST /in HTTP/1.1\r\nHost: shop.example\r\nCookie: user=ann\r\nContent-Length: {size}\r\n\r\n" + "a" * 10000)
            sender = threading.Thread(target=lambda: client.send(b"x" * (size - 10000)))
            check(asked.wait(10), "the service was not asked")
            sender.start()
            gate.set()
            check_equal(Arrived(client.response()).bytes, size, "bytes")
            sender.join()
    gate.clear(), asked.clear()
    with s.case("a client that goes away meanwhile takes the question with it"):
        client = proxy.client()
        client.send("GET /in HTTP/1.1\r\nHost: shop.example\r\nCookie: user=ann\r\n\r\n")
        check(asked.wait(10), "the service was not asked")
        client.reset()
        eventually(lambda: proxy.bound("exchanges")["used"] == 0, "nothing is left")
        gate.set()


@scenario("a service that fails, hangs or answers late lets a request pass, or holds it")
def failures(s):
    gate = threading.Event()
    service = RawOrigin(s, "sso")
    proxy, _ = behind(s, None, service, {"timeout": "300ms"})

    def said(answer):
        return answer.status, (answer.get("Proxy-Status") or "").partition("details=")[2].strip('"')

    with s.case("it hangs"):
        service.on("/verify", lambda connection, _: gate.wait(20) and False)
        check_equal(said(proxy.get("/in", user()))[0], 504, "status")
    with s.case("its body hangs"):
        service.on("/verify", lambda connection, _: connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx") and gate.wait(20) and False)
        check_equal(proxy.get("/in", user()).status, 504, "status")
    gate.set()
    for name, answer, detail in (
            ("status 500", lambda c, _: c.respond(500, b"secret"), "auth_unavailable: status 500"),
            ("nonsense", lambda c, _: c.send("nonsense\r\n\r\n") and False, "auth_unavailable: upstream_invalid"),
            ("an end without an answer", lambda c, _: False, "auth_unavailable: upstream_reset"),
            ("half an answer", lambda c, _: c.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx") and False, "auth_unavailable: upstream_incomplete"),
            ("101", lambda c, _: c.send("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n") and False, "auth_unavailable: upgrade_failed"),
            ("a refusal without an end", lambda c, _: c.respond(403, b"x" * 70000), "auth_unavailable: its answer is too long"),
            ("fields without an end", lambda c, _: c.respond(200, b"", [("Remote-User", "x" * 40000)]), "auth_unavailable: upstream_head_too_large")):
        with s.case(name):
            service.on("/verify", answer)
            check_equal(said(proxy.get("/in", user())), (503, detail), "answer")
    with s.case("a long page with 2xx is a yes"):
        service.on("/verify", status=200, body=b"x" * 70000, fields=[("Remote-User", "ann")])
        check_equal(Arrived(proxy.get("/in")).all("Remote-User"), ["ann"], "user")
    with s.case("it is not there"):
        service.stop()
        check_equal(said(proxy.get("/in", user())), (503, "auth_unavailable: connect_refused"), "answer")
    with s.case("nothing of it went on, and nothing is left"):
        eventually(lambda: proxy.bound("exchanges")["used"] == 0, "exchanges")
        check(proxy.metric("evenkeel_auth_failed_total") >= 9, "evenkeel_auth_failed_total")


@scenario("a service that is down is asked for every request, and each one waits")
def breaker(s):
    service = RawOrigin(s, "sso").on("/verify", lambda connection, _: connection.wait_for_end() and False)
    lasting = {"consecutive": 5, "open_min": "30s", "open_max": "60s"}
    sso = {"endpoints": [service.address], "retry": {"attempts": 1}, "breaker": lasting, "required": False}
    proxy, _ = behind(s, None, service, {"timeout": "200ms"}, {"upstreams": {"sso": sso}})
    for _ in range(5):
        check_equal(proxy.get("/in").status, 504, "status while it hangs")
    asked = len(service.requests)
    answer = proxy.get("/in")
    check_equal((answer.status, len(service.requests)), (503, asked), "status, and questions")
    check("breaker_open" in answer.get("Proxy-Status") and int(answer.get("Retry-After")) > 0, answer.get("Proxy-Status"))
    check_equal(proxy.get("/x").status, 200, "other routes")


@scenario("auth.forward does not ask over HTTP/2 or TLS as over HTTP/1, or not for every kind of request")
def protocols(s):
    service = H2Origin(s, "sso")
    proxy, _ = behind(s, None, service, {"copy": []}, {"upstreams": {"sso": {"endpoints": [service.address], "protocol": "http2", **PATIENT}}})
    with s.case("HTTP/2 at the service"):
        for _ in range(3):
            check_equal(proxy.get("/in", method="POST", body=b"x").status, 200, "status")
    with s.case("a gRPC call is told why not"):
        closed, _ = behind(s, None, RawOrigin(s, "dead").on("/verify", status=500), name="closed")
        with H2Client(closed.address) as client:
            answer = client.request(method="POST", path="/in/S/M", fields=[("content-type", "application/grpc"), ("te", "trailers")], body=b"\0\0\0\0\0")
            check_equal((answer.status, answer.get("grpc-status")), (200, "14"), "answer")


@scenario("a reload changes whom auth.forward asks, or harms a request that waits")
def reloads(s):
    gate, asked = threading.Event(), threading.Event()

    def waits(connection, request):
        asked.set()
        gate.wait(20)
        return judge(connection, request)

    proxy, _ = behind(s, None, RawOrigin(s, "sso").on("/verify", waits), {"timeout": "20s"})
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(proxy.get("/in/old", user())))
    waiting.start()
    check(asked.wait(10), "the service was not asked")
    other = RawOrigin(s, "other").on("/check", status=204, fields=[("Remote-User", "other")])
    proxy.settings["routes"][0]["auth"]["forward"].update({"upstream": "other", "path": "/check"})
    with s.case("the new service is asked"):
        check(proxy.reload({"upstreams": {"other": {"endpoints": [other.address], **PATIENT}}}), "the reload was rejected")
        check_equal(Arrived(proxy.get("/in")).all("Remote-User"), ["other"], "user")
    with s.case("the one that waits goes on as it began"):
        gate.set()
        waiting.join()
        check_equal((answers[0].status, Arrived(answers[0]).all("Remote-User")), (200, ["ann"]), "answer")
    with s.case("the rate of the route comes before, and counts once"):
        proxy.settings["routes"][0]["rate"] = {"per_second": 0.01, "burst": 2.0}
        check(proxy.reload(), "the reload was rejected")
        asked = len(other.requests)
        check_equal([proxy.get("/in").status for _ in range(5)], [200, 200, 200, 503, 503], "statuses")
        check_equal(len(other.requests), asked + 3, "questions")
        del proxy.settings["routes"][0]["rate"]
    with s.case("without auth nobody is asked"):
        for route in proxy.settings["routes"]:
            route.pop("auth", None)
        check(proxy.reload(), "the reload was rejected")
        check_equal(Arrived(proxy.get("/in", [("Remote-User", "mine")])).all("Remote-User"), ["mine"], "user")


WRONG = [
    ({"forward": {"path": "/x"}}, 'auth.forward: expected upstream = "NAME"'),
    ({"forward": {"upstream": "app"}}, 'expected path = "/verify"'),
    ({"forward": {"upstream": "ap", "path": "/x"}}, 'auth.forward.upstream: there is no upstream "ap"; the nearest is "app"'),
    ({"forward": {"upstream": "app", "path": "x"}}, 'expected a path that begins with "/"'),
    ({"forward": {"upstream": "app", "path": "/a b"}}, 'expected a path that begins with "/"'),
    ({"forward": {"upstream": "app", "path": "/x", "copy": ["Host"]}}, "Host is written by the proxy itself"),
    ({"forward": {"upstream": "app", "path": "/x", "copy": ["a b"]}}, "expected a field name"),
    ({"forward": {"upstream": "app", "path": "/x", "timeout": 5}}, "duration"),
    ({"forward": {}}, 'auth.forward: expected upstream = "NAME"'),
    ({"froward": {"upstream": "app"}}, 'the nearest known key here is "forward"'),
]


@scenario("a wrong auth is accepted, or its message does not say what to write")
def wrong(s):
    proxy = start_proxy(s, RawOrigin(s))
    for auth, message in WRONG:
        with s.case(f"{auth}"):
            proxy.settings["routes"] = [{"name": "x", "upstream": "app", "auth": auth}]
            done = run_program(s, "-t", "-c", s.write("wrong.conf", proxy.text()))
            said = done.stdout + done.stderr
            check_equal(done.returncode, 1, said)
            check(message in said and "wrong.conf:" in said, said)


run()
