"""What a route does besides forwarding: fields, rewriting, redirects, answers of its own, pages, access."""

import itertools

from harness import (FORGED, Arrived, RawOrigin, access_rows, believed_fields, check, check_equal, curl, eventually, forged, run, run_program,
                     scenario, spellings_of_http1, start_proxy)

REST = {"name": "all", "upstream": "app"}
UNTRUSTING = {"trusted_peers": ["192.0.2.1/32"]}


def target_of(proxy, target, **options):
    return Arrived(proxy.get(target, **options)).target


@scenario("a field of request or response is not what the route says")
def fields(s):
    origin = RawOrigin(s)
    origin.on("/plain", status=200, body=b"ok", fields=[("Server", "secret"), ("X-Old", "1"), ("X-Both", "origin")])
    proxy = start_proxy(s, origin, {
        "request": {"set": {"X-Client": "{client}", "X-Global": "global"}, "remove": ["X-Gone"]},
        "response": {"set": {"X-Frame": "deny", "X-Route": "{route}"}, "remove": ["server"]},
        "routes": [{"name": "special", "path_prefix": "/special", "upstream": "app",
                    "request": {"set": {"X-Global": "route", "X-Was": "{header:X-Was}-seen", "X-Forwarded-Proto": "https", "X-None": "{header:None}",
                                        "X-All": "{{{method} {scheme} {host} {path} {query} {listener} {route} {upstream} {cookie:c}"},
                                "add": {"X-More": "more"}}}, REST]})
    with s.case("those of all routes"):
        arrived = Arrived(proxy.get("/", [("X-Gone", "1"), ("X-Client", FORGED), ("x-client", FORGED), ("X-Global", "mine")]))
        check_equal([arrived.all(name) for name in ("X-Gone", "X-Client", "X-Global")], [[], ["127.0.0.1"], ["global"]], "fields")
    with s.case("those of the route come after"):
        arrived = Arrived(proxy.get("/special?a=b", [("X-Was", "it"), ("X-More", "one"), ("Cookie", "b=1; c=2"), ("X-None", "none")]))
        check_equal([arrived.all(name) for name in ("X-Global", "X-Was", "X-More", "X-Forwarded-Proto", "X-None")],
                    [["route"], ["it-seen"], ["one", "more"], ["https"], []], "fields")
        check_equal(arrived.all("X-All"), ["{GET http shop.example /special a=b web special app 2"], "placeholders")
    with s.case("of a response"):
        answer = proxy.get("/plain")
        check_equal([answer.get(name) for name in ("X-Frame", "X-Route", "Server", "X-Old", "X-Both")],
                    ["deny", "all", None, "1", "origin"], "fields")
        check_equal(bytes(answer.body), b"ok", "body")
    with s.case("of our own answers too"):
        check_equal(proxy.get("/%zz/..%2f..%2fx").get("X-Frame"), "deny", "X-Frame")
    with s.case("of a response with some statuses only"):
        origin.on("/status/404", status=404, body=b"")
        cached = {"statuses": "200-399", "set": {"Cache-Control": "immutable"}}
        check(proxy.reload({"response": {**cached, "remove": ["Server"]}, "routes": [{"name": "s", "path_prefix": "/status", "upstream": "app", "response": cached},
            {"name": "own", "path": "/own", "respond": {"status": 404}, "response": cached}, REST]}), "the reload was rejected")
        check_equal([proxy.get(target).get("Cache-Control") for target in ("/status/200", "/status/404", "/own", "/plain")],
                    ["immutable", None, None, "immutable"], "Cache-Control")
        check(proxy.reload({"response": {"statuses": "404", "set": {"X-Frame": "deny"}, "remove": []}, "routes": [
            {"name": "own", "path": "/own", "respond": {"status": 404}}, REST]}), "the reload was rejected")
        check_equal([proxy.get(target).get("X-Frame") for target in ("/plain", "/own")], [None, "deny"], "X-Frame")
        check(proxy.reload({"response": {"statuses": "100-599", "set": {"X-Frame": "deny"}}}), "the reload was rejected")
    with s.case("HTTP/1 goes on behind them"), proxy.client() as client:
        for _ in range(3):
            check_equal(client.request("GET", "/plain").status, 200, "status")
            check_equal(client.request("POST", "/x", body=b"abc").status, 200, "status")
    with s.case("a reload changes them"):
        check(proxy.reload({"request": {"set": {"X-Client": "new"}}}), "the reload was rejected")
        check_equal(Arrived(proxy.get("/")).all("X-Client"), ["new"], "X-Client")
    with s.case("a name with _ is the same for many a server"):
        check(proxy.reload({"headers": {"underscores": True}, "request": {"set": {"X-Client": "{client}"}, "remove": ["X-Gone"]}}), "the reload was rejected")
        arrived = Arrived(proxy.get("/", [("X_Gone", "1"), ("x_client", FORGED), ("X_Other", "1")]))
        check_equal([arrived.all(name) for name in ("X_Gone", "X_Client", "X_Other", "X-Client")], [[], [], ["1"], ["127.0.0.1"]], "fields")
    with s.case("a value that is too long is refused"):
        check(proxy.reload({"request": {"set": {"X-Client": "{header:X-L}{header:X-L}"}}}), "the reload was rejected")
        check_equal(proxy.get("/", [("X-L", "x" * 6000)]).status, 431, "status")


@scenario("a rewritten request goes on to another target than the route says")
def rewriting(s):
    log = {"log": {"access": {"path": s.path("access.log"), "format": "json"}}}
    proxy = start_proxy(s, RawOrigin(s), {**log, "routes": [
        {"name": "strip", "path_prefix": "/app", "rewrite": {"strip_prefix": "/app"}, "upstream": "app"},
        {"name": "regex", "path_regex": "^/v([12])/(.*)$", "rewrite": {"path": "/{2}/of/{1}", "host": "api.internal"}, "upstream": "app"},
        {"name": "words", "path": "/words", "rewrite": {"path": "/two words"}, "upstream": "app"},
        {"name": "fixed", "path": "/old", "rewrite": {"path": "/new?from=old"}, "upstream": "app"}, REST]})
    for target, sent in (("/app/x?y=/app/z", "/x?y=/app/z"), ("/app", "/"), ("/app?q", "/?q"), ("/app/", "/"), ("/application", "/application"),
                         ("/app/a%2Fb//c", "/a%2Fb//c"), ("/%61pp/x%20y", "/x%20y"), ("/v1/a/b?c", "/a/b/of/1?c"), ("/v2/a%2Fb", "/a%2Fb/of/2"),
                         ("/v%31/a%2525", "/a%2525/of/1"), ("/old?x=1", "/new?from=old"), ("/x/../app/y", "/y"),
                         ("/app//evil.example/x", "/evil.example/x"), ("/app//", "/"), ("/v1//evil.example", "/evil.example/of/1"),
                         ("/app%2Fx", "/x"), ("//shop.example/v1/a", "/a/of/1"), ("/v%31/a%3Fb?c", "/a%3Fb/of/1?c"), ("/%61pp/a%3Fb?c", "/a%3Fb?c"),
                         ("/words?c", "/two%20words?c")):
        with s.case(f"{target} becomes {sent}"):
            check_equal(target_of(proxy, target), sent, "target")
    with s.case("the host, and what the upstream is told of the client's"):
        arrived = Arrived(proxy.get("/v1/x"))
        check_equal((arrived.all("Host"), arrived.all("X-Forwarded-Host")), (["api.internal"], ["shop.example"]), "hosts")
    with s.case("a host made of the path is a host, or the request is refused"):
        check(proxy.reload({"routes": [{"name": "h", "path_regex": "^/h/(.*)", "rewrite": {"host": "{1}.internal:80"}, "upstream": "app"}]}), "the reload was rejected")
        check_equal(Arrived(proxy.get("/h/a_b-c")).all("Host"), ["a_b-c.internal:80"], "Host")
        for target in ("/h/a/b", "/h/evil@b", "/h/a%20b", "/h/a:1"):
            check_equal(proxy.get(target).status, 400, target)
        check(proxy.reload({"routes": [{"name": "regex", "path_regex": "^/v([12])/(.*)$", "rewrite": {"path": "/{2}/of/{1}", "host": "api.internal"},
                                        "upstream": "app"}, {"name": "strip", "path_prefix": "/app", "rewrite": {"strip_prefix": "/app"}, "upstream": "app"},
                                       REST]}), "the reload was rejected")
    with s.case("a response tells the client of what it has sent"):
        check(proxy.reload({"response": {"set": {"X-Came": "{host}{target}"}}}), "the reload was rejected")
        check_equal(proxy.get("/v1/x?y").get("X-Came"), "shop.example/v1/x?y", "X-Came")
    with s.case("the log has the request as it came"):
        rows = eventually(lambda: [row for row in access_rows(s.path("access.log")) if row["target"] == "/v1/x"], "the line")
        check_equal(rows[-1]["host"], "shop.example", "host")
    with s.case("a body goes with it"):
        check_equal(Arrived(proxy.get("/app/upload", method="POST", body=b"x" * 100000)).bytes, 100000, "bytes")


@scenario("a retry or a hedge forgets what the route does")
def again(s):
    origin = RawOrigin(s)
    calls = itertools.count()
    origin.on("/new", lambda connection, request: (connection.respond(503, b"") if next(calls) == 0 else
                                                    connection.respond(200, ", ".join(v for n, v in request.fields if n == "X-A").encode())))
    retry = {"retry": {"attempts": 3, "on": ["503"], "backoff_base": "1ms"}}
    proxy = start_proxy(s, origin, {"upstreams": {"app": retry}, "routes": [
        {"name": "r", "path_prefix": "/app", "rewrite": {"strip_prefix": "/app"}, "request": {"set": {"X-A": "{route}"}}, "upstream": "app"}]})
    answer = proxy.get("/app/new")
    check_equal((answer.status, bytes(answer.body), next(calls)), (200, b"r", 2), "the second attempt")


@scenario("a redirect leads elsewhere than the route says")
def redirects(s):
    proxy = start_proxy(s, RawOrigin(s), {"routes": [
        {"name": "https", "host": "plain.example", "redirect": {"to": "https://{host}{target}"}},
        {"name": "see", "path": "/see", "redirect": {"to": "/other", "status": 303}},
        {"name": "regex", "path_regex": "^/u/(.*)", "redirect": {"to": "/users/{1}", "status": 302}},
        {"name": "bare", "path_regex": "^/to/(.*)", "redirect": {"to": "/{1}"}},
        {"name": "cdn", "path": "/cdn", "redirect": {"to": "//cdn.example{target}"}},
        {"name": "slash", "host": "slash.example", "redirect": {"to": "{path}/"}}, REST]})
    for target, host, status, location in (
            ("/a?b=c", "plain.example:8080", 308, "https://plain.example/a?b=c"), ("/see", "shop.example", 303, "/other"),
            ("/to//evil.example/", "shop.example", 308, "/evil.example/"), ("//evil.example", "slash.example", 308, "/evil.example/"),
            ("/cdn", "shop.example", 308, "//cdn.example/cdn"), ("/to/a%09b", "shop.example", 308, "/a%09b"),
            ("/u/a%0d%0aX-Evil:%20y", "shop.example", 302, "/users/a%0d%0aX-Evil:%20y"),
            ("/%75/a%0d%0aX-Evil:%20y", "shop.example", 302, "/users/a%0D%0AX-Evil:%20y")):
        with s.case(f"{host}{target}"):
            answer = proxy.get(target, host=host)
            check_equal((answer.status, answer.get("Location"), answer.get("X-Evil"), len(answer.body)), (status, location, None, 0), "answer")
    with s.case("OPTIONS * has no path"):
        answer = proxy.get("*", method="OPTIONS", host="plain.example")
        check_equal((answer.status, answer.get("Location")), (308, "https://plain.example"), "answer")
    with s.case("a client that follows arrives"):
        done = curl("-sS", "-L", "-o", "/dev/null", "-w", "%{http_code} %{url_effective}", f"{proxy.url}/see")
        said = done.text
        check(said.startswith("200 ") and said.endswith("/other"), said)
    with s.case("behind a trusted peer that ends TLS the scheme is the client's"):
        check(proxy.reload({"routes": [{"name": "s", "redirect": {"to": "{scheme}://x/"}}]}), "the reload was rejected")
        check_equal(proxy.get("/", [("X-Forwarded-Proto", "https")]).get("Location"), "https://x/", "Location")
        check_equal(proxy.get("/").get("Location"), "http://x/", "Location")
        check(proxy.reload(UNTRUSTING), "the reload was rejected")
        check_equal(proxy.get("/", [("X-Forwarded-Proto", "https")]).get("Location"), "http://x/", "Location")
    with s.case("what a client sends names no other host, nor more of the one that the text names"):
        rows = ((r"^/old(.*)", "https://shop.example{1}"), (r"^/~(.*)/x$", "https://{1}.users.example/{query}"), (r"^/port(.*)", "https://{host}:8443{1}?a"),
                (r"^/out/(.*)", "{1}"), (r"^/www/(.*)", "//www.{1}/x"), (r"^/head$", "{header:X-To}"), (r"^/whole(.*)", "https://{header:X-To}{1}"))
        check(proxy.reload({"routes": [{"path_regex": regex, "redirect": {"to": to}} for regex, to in rows]}), "the reload was rejected")
        for target, to, status, location in (
                ("/old/a?b", "", 308, "https://shop.example/a"), ("/old", "", 308, "https://shop.example"),
                ("/old.evil.example/", "", 308, "https://shop.example/.evil.example/"), ("/old@evil.example", "", 308, "https://shop.example/@evil.example"),
                ("/old:80@evil.example", "", 308, "https://shop.example/:80@evil.example"), ("/~ann/x?q", "", 308, "https://ann.users.example/q"),
                ("/~evil.example//x", "", 400, None), ("/~evil.example%5C/x", "", 400, None), ("/~evil@example/x", "", 400, None),
                ("/port/a", "", 308, "https://shop.example:8443/a?a"), ("/port0", "", 308, "https://shop.example:8443/0?a"),
                ("/out/https://evil.example/", "", 308, "/https://evil.example/"), ("/out//evil.example", "", 308, "/evil.example"),
                ("/out/", "", 308, None), ("/www/a.example", "", 308, "//www.a.example/x"), ("/www/a/b", "", 400, None),
                ("/head", "https://evil.example", 308, "/https://evil.example"), ("/whole/a", "b.example:81", 308, "https://b.example:81/a"),
                ("/whole/a", "evil.example/", 400, None), ("/whole/a", "", 308, None)):
            answer = proxy.get(target, [("X-To", to)])
            check_equal((answer.status, answer.get("Location")), (status, location), f"{target} {to}")
        for target in ("/port/a", "/~ann/x"):
            with proxy.client() as client:
                client.send(f"GET {target} HTTP/1.0\r\n\r\n")
                answer = client.response()
            check_equal((answer.status, answer.get("Location")), (308, "https://ann.users.example/" if "ann" in target else None), f"{target} without Host")
    with s.case("it is counted as what it is"):
        check(proxy.metric("evenkeel_exchanges_by_reason_total", reason="redirected") >= 6, "redirected")


@scenario("a route that answers by itself gives another answer than it says")
def responses(s):
    proxy = start_proxy(s, RawOrigin(s), {"routes": [
        {"name": "alive", "path": "/healthz", "respond": {"status": 200, "body": "ok {method}\n"}},
        {"name": "html", "path_prefix": "/html", "respond": {"status": 404, "type": "text/html", "body": "<p>{path}</p>"}},
        {"name": "upper", "path_prefix": "/upper", "respond": {"status": 404, "type": "Text/HTML", "body": "<p>{path}</p>"}},
        {"name": "svg", "path_prefix": "/svg", "respond": {"status": 404, "type": "image/svg+xml", "body": "<p>{path}</p>"}},
        {"name": "json", "path_prefix": "/json", "respond": {"status": 404, "type": "application/json", "body": '{{"p": "{header:X-P}"}'}},
        {"name": "none", "path": "/none", "respond": {"status": 204, "body": "nothing"}}, REST]})
    with proxy.client() as client:
        for method, target, status, kind, body in (("GET", "/healthz", 200, "text/plain; charset=utf-8", b"ok GET\n"),
                                                    ("HEAD", "/healthz", 200, "text/plain; charset=utf-8", b""),
                                                    ("GET", "/none", 204, None, b""),
                                                    ("GET", "/html/'&x", 404, "text/html", b"<p>/html/&#39;&amp;x</p>"),
                                                    ("GET", "/upper/'&x", 404, "Text/HTML", b"<p>/upper/&#39;&amp;x</p>"),
                                                    ("GET", "/svg/'&x", 404, "image/svg+xml", b"<p>/svg/&#39;&amp;x</p>"),
                                                    ("GET", "/json", 404, "application/json", b'{"p": "a\\"b\\\\"}'),
                                                    ("GET", "/html/", 404, "text/html", b"<p>/html/</p>")):
            with s.case(f"{method} {target}"):
                answer = client.request(method, target, [("X-P", 'a"b\\')])
                check_equal((answer.status, answer.get("Content-Type"), bytes(answer.body)), (status, kind, body), "answer")
    with s.case("its rates hold"):
        once = {"per_second": 0.001, "burst": 0.0}
        check(proxy.reload({"routes": [{"path": "/key", "respond": {"status": 200}, "key_rate": {"key": "header:X-Key", **once}},
                                       {"path": "/rate", "redirect": {"to": "/"}, "rate": once}, REST]}), "the reload was rejected")
        for target, key, status in (("/key", "a", 200), ("/key", "a", 429), ("/key", "b", 200), ("/rate", "a", 308), ("/rate", "b", 503), ("/", "a", 200)):
            check_equal(proxy.get(target, [("X-Key", key)]).status, status, f"{target} {key}")


@scenario("an error page is not shown, or for another error")
def pages(s):
    origin = RawOrigin(s)
    origin.on("/503", status=503, body=b"the origin's own")
    origin.on("/404", status=404, body=b"not here")
    sorry, mine = s.write("sorry.html", "<h1>sorry</h1>"), s.write("mine.json", '{"sorry": true}')
    dead = s.port()
    proxy = start_proxy(s, origin, {
        "error_pages": [{"status": "502-504", "file": sorry}],
        "upstreams": {"dead": {"endpoints": [f"127.0.0.1:{dead}"], "required": False, "retry": {"attempts": 1}, "breaker": {"enabled": False}}},
        "routes": [{"name": "mine", "path_prefix": "/mine", "upstream": "dead", "error_pages": [{"status": "502", "file": mine}]},
                   {"name": "dead", "path_prefix": "/dead", "upstream": "dead"},
                   {"name": "taken", "path_regex": "^/40[14]$", "upstream": "app", "error_pages": [{"status": "400-499", "file": sorry, "intercept": True}]}, REST]})
    with s.case("of all routes"):
        answer = proxy.get("/dead")
        check_equal((answer.status, answer.get("Content-Type"), bytes(answer.body)), (502, "text/html; charset=utf-8", b"<h1>sorry</h1>"), "answer")
        check(answer.get("Proxy-Status"), "there is no Proxy-Status")
    with s.case("the route's comes before"):
        check_equal((proxy.get("/mine").get("Content-Type"), bytes(proxy.get("/mine").body)), ("application/json", b'{"sorry": true}'), "answer")
    with s.case("HEAD has no body"):
        check_equal(len(proxy.get("/dead", method="HEAD").body), 0, "body")
    with s.case("the upstream's answers stay"):
        check_equal(bytes(proxy.get("/503").body), b"the origin's own", "body")
    with s.case("unless it intercepts"), proxy.client() as client:
        for _ in range(3):
            answer = client.request("GET", "/404")
            check_equal((answer.status, bytes(answer.body)), (404, b"<h1>sorry</h1>"), "answer")
        check_equal(len([each for each in origin.connections if any(r.target == "/404" for r in each.requests)]), 1,
                    "connections for answers that are replaced")
    with s.case("what belongs to the status stays"):
        kept = [("WWW-Authenticate", 'Bearer realm="api"'), ("www-authenticate", "Negotiate"), ("Allow", "GET, PUT"), ("Retry-After", "7")]
        origin.on("/401", status=401, body=b"who?", fields=[*kept, ("Set-Cookie", "a=b"), ("ETag", '"x"')])
        answer = proxy.get("/401")
        check_equal((answer.status, bytes(answer.body), answer.get("Content-Type")), (401, b"<h1>sorry</h1>", "text/html; charset=utf-8"), "page")
        check_equal([answer.all(name) for name in ("WWW-Authenticate", "Allow", "Retry-After", "Set-Cookie", "ETag")],
                    [['Bearer realm="api"', "Negotiate"], ["GET, PUT"], ["7"], [], []], "fields")
    with s.case("a reload reads the file anew"):
        s.write("sorry.html", "<h1>very sorry</h1>")
        check(proxy.reload({}), "the reload was rejected")
        check_equal(bytes(proxy.get("/dead").body), b"<h1>very sorry</h1>", "body")


@scenario("a client that a route denies gets through, or one that it allows does not")
def access(s):
    proxy = start_proxy(s, RawOrigin(s), {"trusted_peers": ["127.0.0.0/8"], "routes": [
        {"name": "staff", "path_prefix": "/staff", "upstream": "app", "access": {"allow": ["10.0.0.0/8", "2001:db8::/32"], "deny": ["10.9.0.0/16"]}},
        {"name": "deny", "path_prefix": "/deny", "upstream": "app", "access": {"deny": ["203.0.113.0/24"]}},
        {"name": "text", "path": "/text", "respond": {"status": 200, "body": "in"}, "access": {"allow": ["10.0.0.0/8"]}}, REST]})
    for target, client, status in (("/staff", "10.1.2.3", 200), ("/staff", "10.9.1.1", 403), ("/staff", "203.0.113.1", 403),
                                   ("/staff", "2001:db8::1", 200), ("/staff", "::ffff:10.1.2.3", 200), ("/deny", "203.0.113.1", 403),
                                   ("/deny", "198.51.100.1", 200), ("/text", "10.0.0.1", 200), ("/text", "11.0.0.1", 403)):
        with s.case(f"{client} at {target}: {status}"):
            check_equal(proxy.get(target, [("X-Forwarded-For", client)]).status, status, "status")
    with s.case("an untrusted client cannot claim an address"):
        check(proxy.reload(UNTRUSTING), "the reload was rejected")
        answer = proxy.get("/staff", [("X-Forwarded-For", "10.1.2.3")])
        check_equal(answer.status, 403, "status")
        check("access_denied" in answer.get("Proxy-Status"), answer.get("Proxy-Status"))
    with s.case("no spelling leads around it"):
        for target in ("/%73taff", "//staff", "/x/../staff", "/x/..%2fstaff"):
            check_equal(proxy.get(target).status, 403, target)


# What is written, and what the message must say.
WRONG = [
    ({"respond": {"status": 200}, "response": {"statuses": "2xx"}}, 'a status such as "200" or a range such as "200-399"'),
    ({"redirect": {"to": "{hots}/"}}, "there is no {hots}; the nearest is {host}"),
    ({"redirect": {"to": "{host"}}, 'write {{ for a brace'),
    ({"redirect": {"to": "/", "status": 305}}, "expected 301, 302, 303, 307 or 308"),
    ({"redirect": {"to": "/{1}"}}, "{1} has no group"),
    ({"redirect": {"to": "/"}, "upstream": "app"}, "write one of upstream, redirect, respond and files"),
    ({}, 'expected upstream = "NAME", or redirect, respond or files'),
    ({"respond": {"body": "x"}}, "respond: expected a status"),
    ({"respond": {"status": 200, "body": "{heder:X}"}}, "the nearest is {header:NAME}"),
    ({"redirect": {"to": "/"}, "rewrite": {"host": "x"}}, "has no effect without an upstream"),
    ({"upstream": "app", "rewrite": {"path": "/a", "strip_prefix": "/b"}}, "write path or strip_prefix, not both"),
    ({"upstream": "app", "request": {"set": {"Host": "x"}}}, "use rewrite.host"),
    ({"upstream": "app", "request": {"set": {"Content-Length": "1"}}}, "is written by the proxy itself"),
    ({"upstream": "app", "request": {"remove": ["Host"]}}, "Host is written by the proxy itself"),
    ({"upstream": "app", "response": {"remove": ["transfer-encoding"]}}, "transfer-encoding is written by the proxy itself"),
    ({"upstream": "app", "request": {"set": {"X-A": "a\x01b"}}}, "control characters are not allowed here"),
    ({"respond": {"status": 200, "type": "text/\x01"}}, "expected a type such as"),
    ({"upstream": "app", "rewrite": {"path": "/a#b"}}, "rewrite.path: a path has no \"#\""),
    ({"upstream": "app", "path_regex": "(*UTF)a"}, "expected a regular expression"),
    ({"upstream": "app", "request": {"set": {"X-A": "{cookies:a}"}}}, "the nearest is {cookie:NAME}"),
    ({"upstream": "app", "request": {"set": {"X-A": "a\nb"}}}, "a line break is not allowed here"),
    ({"upstream": "app", "response": {"set": {"X-A": "{1}"}}, "path_regex": "(a)"}, "{1} has no group"),
    ({"upstream": "app", "error_pages": [{"status": "200", "file": "x"}]}, "a status from 400 to 599"),
    ({"upstream": "app", "error_pages": [{"status": "500", "file": "/nowhere"}]}, "/nowhere: No such file"),
    ({"upstream": "app", "access": {"allow": ["10.0.0.1/8"]}}, "expected an address prefix"),
    ({"upstream": "app", "rewrite": {"strip_prefix": "app"}}, 'expected a path such as "/api"'),
    ({"upstream": "app", "access": {"allow": []}}, "access.allow: is empty, which would let everybody in"),
    ({"upstream": "app", "clients": []}, "clients: is empty, which would be all clients"),
    ({"upstream": "app", "hosts": []}, "hosts: is empty"),
    ({"upstream": "app", "listeners": []}, "listeners: is empty"),
    ({"upstream": "app", "methods": []}, "methods: is empty"),
    ({"upstream": "app", "upgrade": []}, 'upgrade: is empty, which would be any: write [ "none" ]'),
    ({"redirect": {"to": "shop.example/x"}}, 'got "shop.example/x": write "https://shop.example/x"'),
    ({"redirect": {"to": "shop.example:8080/x"}}, "expected a URL such as"),
    ({"redirect": {"to": "{host}/x"}}, 'write "https://{host}/x"'),
    ({"redirect": {"to": "https:///x"}}, "expected a URL such as"),
    ({"redirect": {"to": ""}}, "expected a URL such as"),
    ({"redirect": {"to": "https://$host$request_uri"}}, "$host would be sent as it is written; write {host}"),
    ({"redirect": {"to": "/x/$1"}}, "write {1}"),
    ({"redirect": {"to": "https://{host}{uri}"}}, "there is no {uri}; write {target}"),
    ({"redirect": {"to": "https://%[hdr(host)]/"}}, "write placeholders such as {host}"),
    ({"upstream": "app", "request": {"set": {"X-Real-IP": "$remote_addr"}}}, "write {client}"),
    ({"upstream": "app", "rewrite": {"path": "http://b/x"}}, "expected a path such as"),
    ({"respond": {"status": 200}, "compress": {"enabled": True}}, "has no effect without an upstream"),
    ({"respond": {"status": 200}, "timeouts": {"idle": "5s"}}, "has no effect without an upstream"),
]

# What is taken although it looks like one of those.
RIGHT = [
    {"redirect": {"to": "mailto:a@b.example"}}, {"redirect": {"to": "app-1+x:y"}}, {"redirect": {"to": "?a=b"}}, {"redirect": {"to": "//cdn.example/x"}},
    {"redirect": {"to": "{scheme}://{host}{target}"}}, {"redirect": {"to": "HTTPS://x"}}, {"respond": {"status": 200, "body": "cost: $1 or $host"}},
    {"upstream": "app", "request": {"set": {"X-Price": "$1, 5$", "X-None": "$nothing"}}}, {"upstream": "app", "access": {"allow": ["10.0.0.0/8"], "deny": []}},
    {"upstream": "app", "error_pages": [{"status": 503, "file": "page.html"}]},
]  # fmt: skip


@scenario("a wrong route is accepted, or its message does not say what to write")
def wrong(s):
    proxy = start_proxy(s, RawOrigin(s))
    for route, message in WRONG:
        with s.case(f"{route}"):
            proxy.settings["routes"] = [{"name": "x", "path": "/x", **route} if "path_regex" not in route else {"name": "x", **route}, REST]
            done = run_program(s, "-t", "-c", s.write("wrong.conf", proxy.text()))
            said = done.stdout + done.stderr
            check_equal(done.returncode, 1, said)
            check(message in said and "wrong.conf:" in said, said)
    s.write("page.html", "sorry")
    for route in RIGHT:
        with s.case(f"{route} is right"):
            proxy.settings["routes"] = [{"name": "x", "path": "/x", **route}, REST]
            done = run_program(s, "-t", "-c", s.write("right.conf", proxy.text()))
            check_equal((done.returncode, "warning: right.conf" in done.stderr), (0, False), done.stderr)
    with s.case("two slashes where one is meant are warned of"):
        proxy.settings["routes"] = [{"name": "x", "path": "/x", "redirect": {"to": "https://{host}/{target}"}}, REST]
        done = run_program(s, "-t", "-c", s.write("slashes.conf", proxy.text()))
        check('{target} begins with "/" itself' in done.stderr, done.stderr)


@scenario("the origin believes a field that an untrusted client has forged", within=120)
def forgeries(s):
    proxy = start_proxy(s, RawOrigin(s), {**UNTRUSTING, "request": {"set": {"X-Seen": "{header:X-Real-IP}{header:X-Forwarded-For}"}}})
    for name in believed_fields():
        for way, sent in spellings_of_http1(name):
            with s.case(f"{name} {way}"):
                check_equal(forged(proxy.get("/", sent)), [], "at the origin")
        with s.case(f"{name} in a trailer"), proxy.client() as client:
            client.send(f"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n{name}: {FORGED}\r\n"
                        f"{name.replace('-', '_')}: {FORGED}\r\n\r\n")
            check_equal(forged(client.response()), [], "at the origin")
        with s.case(f"{name} with a space before the colon"), proxy.client() as client:
            client.send(f"GET / HTTP/1.1\r\nHost: h\r\n{name} : {FORGED}\r\n\r\n")
            check_equal(client.response().status, 400, "status")
    with s.case("a route may write them all the same"):
        check(proxy.reload({"request": {"set": {"X-Real-IP": "{client}", "X-Seen": "x"}}}), "the reload was rejected")
        check_equal(Arrived(proxy.get("/", [("X-Real-IP", FORGED), ("x-real-ip", FORGED)])).all("X-Real-IP"), ["127.0.0.1"], "X-Real-IP")
    check(proxy.reload({"trusted_peers": ["127.0.0.0/8"], "request": {"set": {"X-Seen": "x", "X-Real-IP": None}}}), "the reload was rejected")
    for name in believed_fields():
        with s.case(f"{name} of a trusted peer arrives"):
            if name in ("X-Forwarded-Client-Cert",):
                continue
            check(any(FORGED in value for value in Arrived(proxy.get("/", [(name, FORGED)])).all(name)), "it did not")


run()
