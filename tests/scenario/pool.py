"""The keep-alive pool: connections are reused, exactly bounded, and never handed out dead."""

import threading
import time

from harness import (ESTABLISHED, Arrived, Client, NginxOrigin, RawOrigin, Stopwatch, check, check_equal, eventually, h2load,
                     in_parallel, patient, promptly, run, scaled, scenario, start_proxy, takes)

BOTH = ("evenkeel", "nginx")


def pool(limits=None, **settings):
    """Settings of upstream `app` with nothing kept warm, so that only traffic dials."""
    return {"upstreams": {"app": {"pool": {"warm_min": 0, **settings}, "limits": limits or {}}}}


@scenario("requests dial anew although a connection is idle", proxies=BOTH)
def reuse(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 1, **pool()})
    with s.case("one client, 200 requests, one upstream connection"):
        with proxy.client() as client:
            for number in range(200):
                check_equal(Arrived(client.request("GET", f"/{number}")).target, f"/{number}", "target")
        check_equal(len(origin.connections), 1, "upstream connections")
    with s.case("200 clients one after the other share it"):
        for _ in range(200):
            check_equal(proxy.get("/").status, 200, "status")
        check_equal(len(origin.connections), 1, "upstream connections")
    with s.case("bodies, chunked responses, HEAD and 304 leave it usable"):
        origin.on("/chunked", lambda connection, _: connection.send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"))
        origin.on("/304", status=304, reason="Not Modified")
        origin.on("/head", lambda connection, _: connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"))
        for method, target, body in (("POST", "/", b"x" * 100000), ("GET", "/chunked", b""), ("HEAD", "/head", b""),
                                     ("GET", "/304", b""), ("GET", "/", b"")) * 5:
            check(proxy.get(target, method=method, body=body).status in (200, 304), "status")
        check_equal(len(origin.connections), 1, "upstream connections")
    with s.case("a response that says close, or is of HTTP/1.0, ends its connection"):
        origin.on("/close", lambda connection, _: connection.respond(200, b"x", [("Connection", "close")]))
        origin.on("/old", lambda connection, _: connection.send("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"))
        for target in ("/close", "/old"):
            used = len(origin.connections)
            check_equal(bytes(proxy.get(target).body), b"x", "body")
            last = origin.connections[-1]
            eventually(lambda last=last: last.ended or not last.established(), "the connection is closed")
            check_equal(proxy.get("/").status, 200, "status")
            check_equal(len(origin.connections), used + 1, "upstream connections")


@scenario("workers keep their idle connections from each other: reuse falls with their number")
def reuse_across_workers(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 4, **pool(max=64)})
    requests = scaled(20000, 200000)
    h2load(f"{proxy.url}/hello", requests, 32).expect_clean()
    dialled = proxy.metric("evenkeel_endpoint_dials_total", upstream="app")
    check(dialled is not None, "no metric counts the dials")
    check(dialled <= requests * 0.005, f"{dialled:.0f} dials for {requests} requests")
    # New clients land on other workers; what is idle serves them all the same.
    before = dialled
    for _ in range(100):
        check_equal(proxy.get("/hello").status, 200, "status")
    after = proxy.metric("evenkeel_endpoint_dials_total", upstream="app")
    check(after - before <= 4, f"{after - before:.0f} dials for 100 single requests")


@scenario("an endpoint gets more connections than max")
def exact_max(s):
    maximum, slow = 8, takes(0.002, status=200, body=b"ok")
    origin = RawOrigin(s)
    origin.on("/", slow)
    # Some answers end their connection, so that dials go on all the time.
    origin.on("/close", lambda connection, request: slow(connection, request) and connection.number % 2 == 0)
    patience = {"in_flight": 1024, "queue": 1024, "queue_wait": "10s", "queue_target": "1m"}
    proxy = start_proxy(s, origin, {"workers": 8, **pool(patience, max=maximum)})
    rounds = scaled(25, 200)

    def client(number):
        with Client(proxy.address) as connection:
            for turn in range(rounds):
                target = "/close" if (turn + number) % 5 == 0 else "/"
                response = connection.request("GET", target)
                check(response.status in (200, 502), f"answered {response.start_line}")
                if response.closes:
                    return

    in_parallel(64, client)
    check(origin.peak_established <= maximum, f"{origin.peak_established} connections at once, {maximum} allowed")
    check(origin.peak_established >= maximum - 1, f"only {origin.peak_established} of {maximum} were ever used")


@scenario("an idle connection is kept past its idle limit")
def idle_limit(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, pool(idle="700ms", jitter=0.0))
    check_equal(proxy.get("/").status, 200, "status")
    started = time.monotonic()
    (connection,) = origin.connections
    check(connection.established(), "it was not kept at all")
    promptly(lambda: connection.ended, "the idle connection is closed", 3, proxy)
    took = time.monotonic() - started
    check(took > 0.3, f"it was closed after {took:.1f} s already")
    check_equal(connection.ended, "eof", "how it was closed")
    check_equal(proxy.get("/").status, 200, "status afterwards")


@scenario("a connection serves more requests than max_requests")
def request_limit(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 1, **pool(max_requests=10, jitter=0.0)})
    with proxy.client() as client:
        for _ in range(50):
            check_equal(client.request("GET", "/").status, 200, "status")
    counts = [len(connection.requests) for connection in origin.connections]
    check(max(counts) <= 10, f"requests per connection: {counts}")
    check(len(counts) <= 8, f"it was closed too early: {counts}")


@scenario("a connection that died idle waits in the pool for its victim")
def idle_death(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 2, **pool()})
    for how in ("close", "reset", "stray bytes"):
        with s.case(f"{how} by the origin is noticed at once, without traffic"):
            barrier = threading.Barrier(4)
            origin.on("/together", lambda connection, _, b=barrier: b.wait(patient(5)) is not None
                      and connection.respond(200, b"ok"))
            in_parallel(4, lambda _: check_equal(proxy.get("/together").status, 200, "status"))
            idle = origin.open_connections()
            check(len(idle) >= 4, f"{len(idle)} connections are idle")

            def held():
                return [row for row in proxy.sockets() if row[1] == origin.address and row[2] == ESTABLISHED]

            before = held()
            check(len(before) >= 4, "the proxy holds no idle connections")
            for connection in idle:
                if how == "stray bytes":
                    connection.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                else:
                    connection.reset() if how == "reset" else connection.close()
            # What was needed a moment ago is dialled again.
            promptly(lambda b=before: not {row[0] for row in b} & {row[0] for row in held()},
                     "the proxy has closed its side", 2, proxy)
            check_equal(proxy.get("/").status, 200, "status of the next request")


def dies_when_reused(connection, request):
    if len(connection.requests) > 1:
        connection.reset() if request.target.endswith("reset") else connection.close()
        return False
    return connection.respond(200, b"ok")


@scenario("a client pays for a reused connection that dies before the first byte")
def stale_reuse(s):
    origin = RawOrigin(s).on("/dies", dies_when_reused)
    proxy = start_proxy(s, origin, {"workers": 1, **pool()})
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        for how in ("close", "reset"):
            with s.case(f"{method} is sent once more on a fresh connection ({how})"):
                target = f"/dies/{method}/{how}"
                with proxy.client() as client:
                    check_equal(client.request("GET", "/prepare").status, 200, "status before")
                    response = client.request(method, target)
                check_equal(response.status, 200, f"status of {method}")
                check_equal(len([r for r in origin.requests if r.target == target]), 2, "tries at the origin")
    with s.case("a fresh connection that dies is not redialled without end"):
        origin.on("/always", lambda connection, _: False)
        check_equal(proxy.get("/always").status, 502, "status")
        tries = len([r for r in origin.requests if r.target == "/always"])
        check(tries <= 4, f"{tries} tries at the origin: three attempts and one free redial are the most")


@scenario("what a dead connection may have carried is sent twice, or in part")
def stale_bodies(s):
    origin = RawOrigin(s).on("/dies", dies_when_reused)
    proxy = start_proxy(s, origin, {"workers": 1, **pool()})

    def bodies(method, target, body=b""):
        """The status of the request on a connection that dies of it, and the body of each try at the origin."""
        with proxy.client() as client:
            check_equal(client.request("GET", "/prepare").status, 200, "status before")
            status = client.request(method, target, body=body).status
        return status, [bytes(request.body) for request in origin.requests if request.target == target]

    with s.case("a POST that was sent is not repeated"):
        check_equal(bodies("POST", "/dies/full", b"pay once"), (502, [b"pay once"]), "status, bodies")
    with s.case("a POST without a body is not repeated either"):
        check_equal(bodies("POST", "/dies/empty"), (502, [b""]), "status, bodies")
    with s.case("a PUT is repeated whole"):
        check_equal(bodies("PUT", "/dies/put", b"body"), (200, [b"body", b"body"]), "status, bodies")
    with s.case("a PUT that is too large to be kept is not repeated"):
        status, tries = bodies("PUT", "/dies/large", bytes(300000))
        check_equal((status, [len(body) for body in tries]), (502, [300000]), "status, bytes of the bodies")
    # Where no redial is left, nothing is repeated whatever it is.
    check_equal(proxy.metric("evenkeel_redials_refused_total"), 0, "redials that the cap refused")


@scenario("a connection that idles out just when it is used costs a request", within=60)
def keepalive_race(s):
    # The origin closes idle connections after 50 ms; the clients pause for about as long.
    origin = NginxOrigin(s, rows="keepalive_timeout 50ms;")
    proxy = start_proxy(s, origin, {"workers": 2, **pool()})
    rounds = scaled(40, 400)

    def client(number):
        with Client(proxy.address) as connection:
            for turn in range(rounds):
                response = connection.request("GET", "/hello")
                check_equal(response.status, 200, f"status of request {turn}")
                time.sleep(0.045 + ((turn + number) % 11) * 0.001)  # about the origin's own limit: the race

    in_parallel(8, client)


@scenario("a request waits in the queue without bound, or is refused although there is room")
def queue_bounds(s):
    origin = RawOrigin(s)
    release = threading.Event()
    origin.on("/hold", lambda connection, _: release.wait(patient(20)) and connection.respond(200, b"held"))
    proxy = start_proxy(s, origin, {"workers": 2, **pool({"in_flight": 2, "queue": 2, "queue_wait": "2500ms"})})

    def hold():
        client = proxy.client(within=15)
        client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        return client

    def at_origin():
        return len([r for r in origin.requests if r.target == "/hold"])

    with s.case("two are in flight, the third waits and is refused with 503 after queue_wait"):
        flying = [hold(), hold()]
        eventually(lambda: at_origin() == 2, "two requests are in flight")
        waiting = hold()
        started = time.monotonic()
        response = waiting.response()
        took = time.monotonic() - started
        check_equal(response.status, 503, "status")
        check("error=" in (response.get("Proxy-Status") or ""), f"Proxy-Status: {response.get('Proxy-Status')}")
        check(response.get("Retry-After"), "no Retry-After")
        check(2 <= took < patient(5), f"it waited {took:.1f} s")
        check_equal(at_origin(), 2, "requests at the origin")
    with s.case("a request beyond the queue is refused at once"):
        # Its place is given back after its answer.
        eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 0, "the refused one has left the queue")
        queued = [hold(), hold()]
        # One connection each: wait until the proxy holds both before the next one comes.
        eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 2, "two requests are queued")
        watch = Stopwatch(proxy)
        with hold() as beyond:
            check_equal(beyond.response().status, 503, "status")
        took = watch.stop().seconds
        check(took < patient(0.5), f"it waited {took:.1f} s")
    with s.case("a place that gets free goes to a waiting request"):
        for client in queued:
            check_equal(client.response().status, 503, "status of the queued")
        again = [hold(), hold()]
        eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 2, "two requests are queued")
        release.set()
        for client in flying + again:
            check_equal(client.response().status, 200, "status")


@scenario("a client that has left keeps its place in the queue, and its request is sent for nobody")
def leaves_queue(s):
    origin = RawOrigin(s)
    release = threading.Event()
    origin.on("/hold", lambda connection, _: release.wait(patient(20)) and connection.respond(200, b"held"))
    proxy = start_proxy(s, origin, {**pool({"in_flight": 1, "queue": 4, "queue_wait": "20s", "queue_target": "1m"}),
                                    "listeners": {"web": {"abort_on_close": True}}})

    def ask(target):
        client = proxy.client()
        client.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
        return client

    def queued():
        return proxy.bound("upstream_queued", "app")["used"]

    flying = ask("/hold")
    origin.request_for("/hold")
    for how in ("close", "reset"):
        with s.case(f"{how} frees the place at once"):
            leaving = [ask(f"/{how}/{number}") for number in range(3)]
            eventually(lambda: queued() == 3, "three requests are queued")
            for client in leaving:
                client.reset() if how == "reset" else client.close()
            promptly(lambda: queued() == 0, "the queue is empty", 3, proxy)
    release.set()
    check_equal(flying.response().status, 200, "status of the one in flight")
    check_equal([r.target for r in origin.requests], ["/hold"], "requests at the origin")


@scenario("requests beyond max fail instead of waiting for a connection")
def waits_for_connection(s):
    origin = RawOrigin(s)
    origin.on("/", takes(0.05, status=200, body=b"ok"))
    patience = {"in_flight": 64, "queue": 64, "queue_wait": "5s", "queue_target": "1m"}
    proxy = start_proxy(s, origin, {"workers": 4, **pool(patience, max=2)})
    in_parallel(32, lambda _: check_equal(proxy.get("/").status, 200, "status"))
    check(origin.peak_established <= 2, f"{origin.peak_established} connections at once, 2 allowed")


run()
