"""Requests arrive at the right origin as they were sent, and answers come back as they were given."""

import re

from harness import Arrived, RawOrigin, check, check_equal, curl, eventually, ports, run, scenario, start_proxy

BOTH = ("evenkeel", "nginx")
UNTRUSTING = {"trusted_peers": ["192.0.2.1/32"]}


@scenario("a method, its body or its target is changed on the way", proxies=BOTH)
def methods(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin)
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE", "M-SEARCH", "PROPFIND"):
        with s.case(f"{method} arrives as {method}, with its body"):
            body = b"" if method == "GET" else b"a body of some length"
            arrived = Arrived(proxy.get("/method", method=method, body=body))
            check_equal((arrived.method, arrived.bytes), (method, len(body)), "method and body length")
    for target in ("/?", "/a?b=c&d=%20e&f=[]|{}", "/a%2Fb/%7Euser//x", "/?next=http://other.example/?y=1",
                   "/very-long/" + "x" * 4000, "/semi;colon,comma'quote!star*(paren)", "/%0d%0a%09"):
        with s.case(f"the target {target[:40]} arrives untouched"):
            check_equal(Arrived(proxy.get(target)).target, target, "target")


@scenario("a HEAD response is given or awaited a body", proxies=BOTH)
def head_requests(s):
    origin = RawOrigin(s)
    origin.on("/head", lambda connection, _: connection.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: \"x\"\r\n\r\n"))
    origin.on("/chunked-head", lambda connection, _: connection.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
    proxy = start_proxy(s, origin)
    with proxy.client() as client:
        for target in ("/head", "/chunked-head", "/head"):
            response = client.request("HEAD", target)
            check_equal((response.status, bytes(response.body)), (200, b""), "status and body")
        check_equal(response.get("Content-Length"), "12345", "Content-Length of what GET would bring")
        check_equal(Arrived(client.request("GET", "/after")).target, "/after", "the next exchange")


@scenario("a response that has no body by its status is read as if it had one", proxies=BOTH)
def bodiless(s):
    origin = RawOrigin(s)
    origin.on("/204", status=204, reason="No Content")
    origin.on("/304", lambda connection, _: connection.send(
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"y\"\r\n\r\n"))
    origin.on("/empty", status=200)
    proxy = start_proxy(s, origin)
    with proxy.client() as client:
        for target, status in (("/204", 204), ("/304", 304), ("/empty", 200), ("/204", 204)):
            response = client.request("GET", target)
            check_equal((response.status, len(response.body), response.complete), (status, 0, True), target)
            if status == 204:
                check_equal(response.get("Content-Length"), None, "Content-Length of a 204")
        check_equal(Arrived(client.request("GET", "/after")).target, "/after", "the next exchange")


@scenario("response fields are reordered, merged or lost", proxies=BOTH)
def response_fields(s):
    origin = RawOrigin(s)
    fields = [("Set-Cookie", "a=1; Path=/"), ("X-Order", "1"), ("Set-Cookie", "b=2, c"), ("x-lower", ""),
              ("X-Order", "2"), ("Cache-Control", "no-store,  max-age=0"), ("X-Latin", "caf\xe9"),
              ("Set-Cookie", "d=3")]
    origin.on("/fields", lambda connection, _: connection.respond(299, b"body", fields, "Quite Fine"))
    proxy = start_proxy(s, origin)
    response = proxy.get("/fields")
    check_equal(response.status, 299, "status")
    names = {name.lower() for name, _ in fields}
    kept = [(name.lower(), value) for name, value in response.fields if name.lower() in names]
    check_equal(kept, [(name.lower(), value) for name, value in fields], "fields in their order")
    check_equal(bytes(response.body), b"body", "body")


@scenario("request fields are reordered, merged or lost", proxies=BOTH)
def request_fields(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin)
    fields = [("Accept", "text/html, */*;q=0.1"), ("X-Multi", "1"), ("Cookie", "a=1; b=2"), ("X-Multi", "2"),
              ("X-Empty", ""), ("X-Latin", "na\xefve"), ("Authorization", "Basic eDp5"), ("X-Tab", "a\tb")]
    arrived = Arrived(proxy.get("/", fields))
    names = {name.lower() for name, _ in fields}
    kept = [(name.lower(), value) for name, value in arrived.fields if name.lower() in names]
    check_equal(kept, [(name.lower(), value) for name, value in fields], "fields in their order")
    check_equal(arrived.all("Host"), ["shop.example"], "Host")


@scenario("hop-by-hop fields leak through the proxy")
def hop_by_hop(s):
    origin = RawOrigin(s)
    origin.on("/response", lambda connection, _: connection.respond(200, b"x", [
        ("Connection", "keep-alive, X-Nominated"), ("Keep-Alive", "timeout=99"), ("X-Nominated", "secret"),
        ("Proxy-Connection", "keep-alive"), ("Upgrade", "h2c"), ("X-Kept", "yes")]))
    proxy = start_proxy(s, origin)
    with s.case("request: Connection-nominated and hop-by-hop fields stay behind"):
        arrived = Arrived(proxy.get("/", [
            ("Connection", "keep-alive, X-Secret"), ("Connection", "x-other"), ("X-Secret", "1"), ("X-Other", "2"),
            ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABk"), ("TE", "gzip, trailers"), ("X-Kept", "yes")]))
        for name in ("X-Secret", "X-Other", "Keep-Alive", "Proxy-Connection", "Upgrade"):
            check_equal(arrived.all(name), [], name)
        check("gzip" not in "".join(arrived.all("TE")), "TE: gzip was passed on")
        check_equal(arrived.all("X-Kept"), ["yes"], "X-Kept")
        check("close" not in " ".join(arrived.all("Connection")).lower(), "the upstream connection is not kept")
    with s.case("response: Connection-nominated and hop-by-hop fields stay behind"):
        response = proxy.get("/response")
        for name in ("X-Nominated", "Keep-Alive", "Proxy-Connection", "Upgrade"):
            check_equal(response.all(name), [], name)
        check_equal(response.get("X-Kept"), "yes", "X-Kept")
    for name, value in (("Host", None), ("Content-Length", None), ("X-Forwarded-For", None), ("X-Request-Id", None)):
        with s.case(f"nominating {name} in Connection does not remove it"):
            with proxy.client() as client:
                response = client.request("POST", "/nominate", [("Connection", name)], b"four")
            # Refusing such a request is as good as ignoring the option.
            if response.status != 400:
                arrived = Arrived(response)
                check_equal(arrived.bytes, 4, "body bytes")
                if name != "Content-Length":
                    check(arrived.all(name), f"{name} is gone")
    with s.case("Connection: close of the client is not the origin's"):
        with proxy.client() as client:
            arrived = Arrived(client.request("GET", "/", [("Connection", "close")]))
            client.expect_closed()
        check("close" not in " ".join(arrived.all("Connection")).lower(), "close was passed on")


@scenario("an absolute-form or asterisk-form target is misread")
def target_forms(s):
    origin, other = RawOrigin(s), RawOrigin(s, "other")
    proxy = start_proxy(s, origin, {
        "upstreams": {"other": {"endpoints": [other.address]}},
        "routes": [{"name": "other", "host": "other.example", "upstream": "other"},
                   {"name": "all", "upstream": "app"}]})
    with s.case("absolute-form: the authority of the target replaces Host, for the route too"):
        arrived = Arrived(proxy.get("http://other.example/x?y", host="shop.example"))
        check_equal((arrived.target, arrived.all("Host")), ("/x?y", ["other.example"]), "target and Host")
        check_equal(len(other.requests), 1, "requests at the origin of that authority")
    with s.case("absolute-form: a port is kept in Host and ignored by the route"):
        arrived = Arrived(proxy.get("http://other.example:8080/", host="other.example:8080"))
        check_equal(arrived.all("Host"), ["other.example:8080"], "Host")
        check_equal(len(other.requests), 2, "requests at the origin of that authority")
    with s.case("absolute-form without a path asks for /"):
        check_equal(Arrived(proxy.get("http://shop.example")).target, "/", "target")
    with s.case("absolute-form with a query but no path asks for / with that query"):
        arrived = Arrived(proxy.get("http://other.example:80?q=1", host="shop.example"))
        check_equal((arrived.target, arrived.all("Host")), ("/?q=1", ["other.example:80"]), "target and Host")
        check_equal(len(other.requests), 3, "requests at the origin of that authority")
    with s.case("OPTIONS * stays OPTIONS *"):
        arrived = Arrived(proxy.get("*", method="OPTIONS"))
        check_equal((arrived.method, arrived.target), ("OPTIONS", "*"), "request line")
    with s.case("curl can use it as an HTTP proxy for http"):
        done = curl("-x", proxy.url, "http://other.example/via-curl")
        check_equal(Arrived(done.out).target, "/via-curl", "target")


@scenario("a request goes to the wrong upstream")
def routing(s):
    names = ("exact", "suffix", "api", "writes", "admin", "rest")
    origins = {name: RawOrigin(s, name) for name in names}
    for name, origin in origins.items():
        origin.on("/", status=200, body=name.encode())
    proxy = start_proxy(s, None, {
        "listeners": {"private": {"listen": f"127.0.0.1:{s.port()}"}},
        "upstreams": {name: {"endpoints": [origin.address]} for name, origin in origins.items()},
        "routes": [
            {"name": "private", "listener": "private", "upstream": "admin"},
            {"name": "exact", "host": "shop.example", "path_prefix": "/exact/", "upstream": "exact"},
            {"name": "writes", "host": "shop.example", "methods": ["POST", "PUT"], "upstream": "writes"},
            {"name": "suffix", "host": "*.shop.example", "upstream": "suffix"},
            {"name": "api", "host": "api.example", "path_prefix": "/v1/", "upstream": "api"},
            {"name": "rest", "host": "rest.example", "upstream": "rest"}]})
    table = [
        # host, method, target, listener, who answers (None: nobody)
        ("shop.example", "GET", "/exact/x", "web", "exact"),
        ("SHOP.Example", "GET", "/exact/", "web", "exact"),
        ("shop.example:8080", "GET", "/exact/x?y", "web", "exact"),
        ("shop.example", "GET", "/exact", "web", None),
        ("shop.example", "GET", "/EXACT/", "web", None),
        ("shop.example", "POST", "/elsewhere", "web", "writes"),
        ("shop.example", "POST", "/exact/x", "web", "exact"),
        ("shop.example", "PUT", "/", "web", "writes"),
        ("a.shop.example", "GET", "/", "web", "suffix"),
        ("a.b.SHOP.example:1", "GET", "/", "web", "suffix"),
        ("notshop.example", "GET", "/", "web", None),
        (".shop.example", "GET", "/", "web", None),
        ("api.example", "GET", "/v1/users", "web", "api"),
        ("api.example", "GET", "/v2/users", "web", None),
        ("rest.example", "GET", "/?/v1/", "web", "rest"),
        ("rest.example.evil.example", "GET", "/", "web", None),
        ("unknown.example", "GET", "/", "web", None),
        ("unknown.example", "GET", "/", "private", "admin"),
        ("shop.example", "GET", "/exact/x", "private", "admin")]
    for host, method, target, listener, answers in table:
        with s.case(f"{method} {host}{target} on {listener} goes to {answers or 'nobody'}"):
            with proxy.client(listener) as client:
                response = client.request(method, target, host=host, body=b"x" if method != "GET" else b"")
            if answers:
                check_equal((response.status, bytes(response.body)), (200, answers.encode()), "answer")
            elif host.startswith("."):
                check(response.status in (400, 404), f"answered {response.status}")
            else:
                check_equal(response.status, 404, "status")
                check("destination_not_found" in (response.get("Proxy-Status") or ""),
                      f"Proxy-Status: {response.get('Proxy-Status')}")


@scenario("a route that asks for a field takes requests without it")
def header_routing(s):
    canary, flagged, rest = (RawOrigin(s, name) for name in ("canary", "flagged", "rest"))
    for origin in (canary, flagged, rest):
        origin.on("/", status=200, body=origin.name.encode())
    proxy = start_proxy(s, None, {
        "upstreams": {origin.name: {"endpoints": [origin.address]} for origin in (canary, flagged, rest)},
        "routes": [{"name": "canary", "header": "X-Canary: yes", "upstream": "canary"},
                   {"name": "flagged", "header": "X-Flag", "upstream": "flagged"},
                   {"name": "rest", "upstream": "rest"}]})
    for fields, answers in (([], b"rest"), ([("X-Canary", "yes")], b"canary"), ([("x-canary", "yes")], b"canary"),
                            ([("X-Canary", "no")], b"rest"), ([("X-Canary", "YES")], b"rest"), ([("X-Flag", "")], b"flagged"),
                            ([("X-Flag", "0"), ("X-Canary", "yes")], b"canary"), ([("X-Flags", "1")], b"rest")):
        with s.case(f"{fields} goes to {answers.decode()}"):
            check_equal(bytes(proxy.get("/", fields).body), answers, "answer")


@scenario("the fields we add are not those that were asked for")
def added_fields(s):
    origin = RawOrigin(s)
    mine = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Request-Id", "traceparent", "Via")
    table = [
        ({}, ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id", "traceparent")),
        ({"forwarded": "forwarded"}, ("Forwarded", "X-Request-Id", "traceparent")),
        ({"forwarded": "both", "via": True}, mine),
        ({"forwarded": "none", "request_id": False, "traceparent": False}, ()),
    ]
    for number, (headers, expected) in enumerate(table):
        with s.case(f"headers = {headers}"):
            proxy = start_proxy(s, origin, {**UNTRUSTING, "headers": headers}, name=f"evenkeel-{number}")
            arrived = Arrived(proxy.get("/"))
            check_equal({name for name in mine if arrived.all(name)}, set(expected), "fields added")
            if "Forwarded" in expected:
                (forwarded,) = arrived.all("Forwarded")
                for part in ("for=127.0.0.1", 'host="shop.example"', "proto=http"):
                    check(part in forwarded, f"Forwarded: {forwarded}")


@scenario("a listener or an endpoint with an IPv6 address is not served")
def ipv6(s):
    ports.need_ipv6()
    reservation = ports.reserve("::1")
    s.finally_do(reservation.release)
    origin = RawOrigin(s)
    inner = start_proxy(s, origin, {**UNTRUSTING, "listeners": {"web": {"listen": f"[::1]:{reservation.port}"}}})
    with s.case("a listener on ::1"):
        arrived = Arrived(inner.get("/six"))
        check_equal(arrived.all("X-Forwarded-For"), ["::1"], "X-Forwarded-For")
        check_equal(Arrived(inner.get("/", host=f"[::1]:{reservation.port}")).all("Host"), [f"[::1]:{reservation.port}"],
                    "Host")
    with s.case("an endpoint on ::1"):
        outer = start_proxy(s, f"[::1]:{reservation.port}", name="evenkeel-outer")
        check_equal(Arrived(outer.get("/through")).target, "/through", "target")


@scenario("an untrusted client speaks for others in X-Forwarded-*")
def forwarded_untrusted(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, UNTRUSTING)
    arrived = Arrived(proxy.get("/", [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"),
                                   ("X-Forwarded-Host", "evil.example"), ("Forwarded", "for=203.0.113.9")]))
    check_equal(arrived.all("X-Forwarded-For"), ["127.0.0.1"], "X-Forwarded-For")
    check_equal(arrived.all("X-Forwarded-Proto"), ["http"], "X-Forwarded-Proto")
    check_equal(arrived.all("X-Forwarded-Host"), ["shop.example"], "X-Forwarded-Host")
    check("203.0.113.9" not in str(arrived.fields), "the claimed address reached the origin")
    with proxy.client(source="127.0.0.77") as client:
        check_equal(Arrived(client.request("GET", "/")).all("X-Forwarded-For"), ["127.0.0.77"], "X-Forwarded-For")


@scenario("the chain of a trusted proxy in front is lost")
def forwarded_trusted(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin)
    arrived = Arrived(proxy.get("/", [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"),
                                   ("X-Forwarded-Host", "www.example"), ("X-Request-Id", "given-by-front")]))
    chain = [each.strip() for each in ",".join(arrived.all("X-Forwarded-For")).split(",")]
    check_equal(chain, ["203.0.113.9", "127.0.0.1"], "X-Forwarded-For")
    check_equal(arrived.all("X-Forwarded-Proto"), ["https"], "X-Forwarded-Proto")
    check_equal(arrived.all("X-Forwarded-Host"), ["www.example"], "X-Forwarded-Host")
    check_equal(arrived.all("X-Request-Id"), ["given-by-front"], "X-Request-Id")


@scenario("requests cannot be told apart: X-Request-Id or traceparent is missing or repeats")
def correlation(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, UNTRUSTING)
    identifiers, traces = set(), set()
    with proxy.client() as client:
        for _ in range(20):
            arrived = Arrived(client.request("GET", "/"))
            (identifier,), (trace,) = arrived.all("X-Request-Id"), arrived.all("traceparent")
            check(len(identifier) >= 16, f"X-Request-Id: {identifier}")
            match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", trace)
            check(match and int(match[1], 16) and int(match[2], 16), f"traceparent: {trace}")
            identifiers.add(identifier)
            traces.add(match[1])
    check_equal((len(identifiers), len(traces)), (20, 20), "distinct X-Request-Id and trace ids")
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    (trace,) = Arrived(proxy.get("/", [("traceparent", given), ("tracestate", "a=b")])).all("traceparent")
    check_equal(trace.split("-")[1], given.split("-")[1], "trace id of a given traceparent")
    for wrong in ("00-00000000000000000000000000000000-b7ad6b7169203331-01", "garbage",
                  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        with s.case(f"the invalid traceparent {wrong[:20]}... is replaced"):
            (trace,) = Arrived(proxy.get("/", [("traceparent", wrong)])).all("traceparent")
            check(trace != wrong and trace.startswith("00-"), f"traceparent: {trace}")


@scenario("several endpoints are not all used")
def balance(s):
    for policy in ("round_robin", "least_in_flight"):
        origins = [RawOrigin(s, f"{policy}-{number}") for number in range(3)]
        proxy = start_proxy(s, origins, {"workers": 1, "upstreams": {"app": {"balance": policy}}}, name=policy,)
        with s.case(f"{policy}: 90 requests reach all of three endpoints"):
            for _ in range(90):
                check_equal(proxy.get("/").status, 200, "status")
            counts = [len(origin.requests) for origin in origins]
            check_equal(sum(counts), 90, "requests in all")
            check(min(counts) >= 10, f"requests per endpoint: {counts}")  # 4.5 standard deviations, where chance decides
        if policy == "round_robin":
            with s.case("round_robin: the shares are equal"):
                check_equal(counts, [30, 30, 30], "requests per endpoint")
        else:
            with s.case("least_in_flight: a busy endpoint gets nothing more"):
                origins[0].on("/hold", lambda connection, _: connection.wait_for_end() and False)
                origins[1].on("/hold", lambda connection, _: connection.wait_for_end() and False)
                origins[2].on("/hold", lambda connection, _: connection.wait_for_end() and False)
                with proxy.client() as one, proxy.client() as two:
                    one.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
                    two.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
                    held = eventually(
                        lambda: [o for o in origins if any(r.target == "/hold" for r in o.requests)][1:2] and
                        [o for o in origins if any(r.target == "/hold" for r in o.requests)],
                        "two endpoints hold a request each")
                    (free,) = [origin for origin in origins if origin not in held]
                    before = len(free.requests)
                    for _ in range(6):
                        check_equal(proxy.get("/").status, 200, "status")
                    check_equal(len(free.requests) - before, 6, "requests at the free endpoint")
                    one.reset()
                    two.reset()


@scenario("a head at its limit does not fit with what is added to it")
def head_at_its_limit(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"limits": {"head": "128KiB"}, "headers": {"forwarded": "both", "via": True}})
    host = "h" * 30000 + ".example"
    taken_over = [("X-Forwarded-For", "192.0.2.7, " * 2000 + "192.0.2.8"), ("Via", "1.1 one, " * 1000 + "1.1 two"),
                  ("Forwarded", "for=192.0.2.7, " * 2000 + "for=192.0.2.8")]
    head = f"GET /limit HTTP/1.1\r\nHost: {host}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in taken_over)
    padding = 128 * 1024 - 1 - len(head) - len("X-Padding: \r\n\r\n")
    with proxy.client() as client:
        client.send(head + "X-Padding: " + "p" * padding + "\r\n\r\n")
        arrived = Arrived(client.response())
    check_equal(arrived.all("X-Forwarded-Host"), [host], "X-Forwarded-Host")
    ours = {"X-Forwarded-For": "127.0.0.1", "Via": "1.1 evenkeel", "Forwarded": f'for=127.0.0.1;host="{host}";proto=http'}
    for name, value in taken_over:
        check_equal(arrived.all(name), [f"{value}, {ours[name]}"], name)


@scenario("an endpoint given by name is not found")
def named_endpoint(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, f"localhost:{origin.port}")
    check_equal(Arrived(proxy.get("/named")).target, "/named", "target")


run()
