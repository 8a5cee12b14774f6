"""Where a route's requests go: clients that stay at their endpoint by a cookie, and several upstreams by weight."""

import collections
import math
import os
import random
import re
import secrets
import ssl
import threading
import time

from harness import (Authority, Client, NginxOrigin, RawOrigin, check, check_equal, eventually, merge, run, run_program, scenario,
                     start_proxy)
from harness.h2_wire import H2Client

STICKY = {"routes": [{"name": "all", "upstream": "app", "sticky": {"cookie": "node"}}]}
FORM = re.compile(r"node=([A-Za-z0-9_-]{22}); Path=/; HttpOnly; SameSite=Lax$")


def named(s, *names, **options):
    """Origins that tell their name in the body."""
    origins = [RawOrigin(s, name, **options) for name in names]
    for origin in origins:
        origin.on("/", lambda connection, _, name=origin.name: connection.respond(200, name.encode()))
    return origins


def addresses(*origins):
    return [str(origin.address) for origin in origins]


def token_of(answer):
    """The value of the cookie that an answer sets; None: it sets none."""
    value = answer.get("Set-Cookie")
    return None if value is None else value.partition(";")[0].partition("=")[2]


def ask(proxy, token=None, fields=(), **options):
    """(who answered, the cookie that came)."""
    answer = proxy.get("/", [*fields, *([("Cookie", f"a=b; node={token}; c=d")] if token is not None else [])], **options)
    check_equal(answer.status, 200, "status")
    return bytes(answer.body).decode(), token_of(answer)


def settle(proxy, name):
    """A cookie that names this origin."""
    for _ in range(200):
        who, token = ask(proxy)
        if who == name:
            return token
    raise AssertionError(f"{name} was never chosen")


def endpoint_of(origin):
    return f"/upstreams/app/endpoints/{origin.address}"


def leave(origin):
    """The endpoint is gone, with its connections."""
    origin.refuse()
    for connection in list(origin.connections):
        connection.close()


@scenario("a client with a cookie is sent to another endpoint, or a cookie of another making is believed")
def stays(s):
    three = named(s, "one", "two", "three")
    proxy = start_proxy(s, three, merge(STICKY, {"listeners": {"web": {"http2": {"cleartext": True}}},
                                                 "upstreams": {"app": {"health": {"slow_start": "1ms"}}}}))
    with s.case("the first answer sets it, and it does not tell where the endpoint is"):
        answer = proxy.get("/")
        found = FORM.match(answer.get("Set-Cookie") or "")
        check(found, f"Set-Cookie: {answer.get('Set-Cookie')}")
        check_equal((ask(proxy, found[1]), ask(proxy, found[1])), ((bytes(answer.body).decode(), None),) * 2, "who answers")
    tokens = {name: settle(proxy, name) for name in ("one", "two", "three")}
    with s.case("each endpoint has one name, and its clients stay"):
        check_equal(len(set(tokens.values())), 3, "names")
        for name, token in tokens.items():
            check_equal({ask(proxy, token) for _ in range(10)}, {(name, None)}, "who answers")
    with s.case("over HTTP/2 too"), H2Client(proxy.address) as client:
        check(FORM.match(client.request(path="/").get("set-cookie") or ""), "no cookie")
        for name, token in tokens.items():
            answer = client.request(path="/", fields=[("cookie", "a=b"), ("cookie", f"node={token}")])
            check_equal((bytes(answer.body).decode(), answer.get("set-cookie")), (name, None), "answer")
    for word, forged in (("empty", ""), ("short", "x"), ("of the right form", secrets.token_urlsafe(16)), ("long", tokens["one"] + "A"),
                         ("cut", tokens["one"][:-1]), ("an address", str(three[0].address)), ("of bytes", "\xff" * 22)):
        with s.case(f"a forged one is replaced: {word}"):
            check(ask(proxy, forged)[1] in tokens.values(), "it was not")
    with s.case("a reload keeps it, whatever the order of the endpoints"):
        check(proxy.reload({"upstreams": {"app": {"endpoints": addresses(*reversed(three))}}}), "the reload was rejected")
        for name, token in tokens.items():
            check_equal(ask(proxy, token), (name, None), "who answers")
    with s.case("a reload changes it"):
        check(proxy.reload({"routes": [{"name": "all", "upstream": "app",
                                        "sticky": {"cookie": "__Host-n", "max_age": "2h", "same_site": "none"}}]}), "the reload was rejected")
        check(re.fullmatch(r"__Host-n=[A-Za-z0-9_-]{22}; Path=/; HttpOnly; SameSite=None; Secure; Max-Age=7200",
                           proxy.get("/").get("Set-Cookie")), proxy.get("/").get("Set-Cookie"))
    with s.case("and takes it away"):
        check(proxy.reload({"routes": [{"name": "all", "upstream": "app"}]}), "the reload was rejected")
        check_equal(ask(proxy, tokens["one"])[1], None, "Set-Cookie")
    with s.case("fields of the route do not touch it"):
        check(proxy.reload(merge(STICKY, {"response": {"set": {"X-Frame": "deny"}, "remove": ["Set-Cookie"]}})), "the reload was rejected")
        answer = proxy.get("/")
        check_equal((token_of(answer) in tokens.values(), answer.get("X-Frame")), (True, "deny"), "fields")
    with s.case("an upgrade keeps it"):
        proxy.upgrade()
        for name, token in tokens.items():
            check_equal(ask(proxy, token), (name, None), "who answers")


@scenario("a client stays at an endpoint that is out, or is sent away from one that is busy")
def falls_over(s):
    one, two = named(s, "one", "two")
    held = threading.Event()
    one.on("/held", lambda connection, _: (held.wait(20), connection.respond(200, b"one")))
    proxy = start_proxy(s, [one, two], merge(STICKY, {"upstreams": {"app": {
        "health": {"slow_start": "1ms"}, "pool": {"warm_min": 0}, "retry": {"backoff_base": "1ms", "backoff_max": "1ms"}}}}))
    tokens = {name: settle(proxy, name) for name in ("one", "two")}
    with s.case("drained: another one, and a new cookie; it stays there afterwards"):
        proxy.admin(f"{endpoint_of(one)}/drain", "POST")
        check_equal(ask(proxy, tokens["one"]), ("two", tokens["two"]), "who answers")
        proxy.admin(f"{endpoint_of(one)}/undrain", "POST")
        check_equal(ask(proxy, tokens["two"]), ("two", None), "who answers")
        eventually(lambda: ask(proxy, tokens["one"]) == ("one", None), "it serves again")
    with s.case("without a free connection: another one for this request, and the cookie stays"):
        check(proxy.reload({"upstreams": {"app": {"pool": {"max": 1}}}}), "the reload was rejected")
        with Client(proxy.address) as client:
            client.send(f"GET /held HTTP/1.1\r\nHost: h\r\nCookie: node={tokens['one']}\r\n\r\n")
            eventually(lambda: any(request.target == "/held" for request in one.requests), "the endpoint is busy")
            check_equal(ask(proxy, tokens["one"]), ("two", None), "who answers")
            held.set()
            check_equal(bytes(client.response().body), b"one", "who held it")
        eventually(lambda: ask(proxy, tokens["one"]) == ("one", None), "it has room again")
    with s.case("it refuses: a retry goes elsewhere, with a new cookie"):
        leave(one)
        check_equal(ask(proxy, tokens["one"]), ("two", tokens["two"]), "who answers")
    with s.case("none is left: an answer of our own, without a cookie"):
        leave(two)
        answer = proxy.get("/", [("Cookie", f"node={tokens['one']}")])
        check_equal((answer.status >= 502, answer.get("Set-Cookie")), (True, None), "answer")
    with s.case("gone from the configuration"):
        (three,) = named(s, "three")
        check(proxy.reload({"upstreams": {"app": {"endpoints": addresses(three)}}}), "the reload was rejected")
        who, token = ask(proxy, tokens["one"])
        check_equal((who, token not in (None, *tokens.values())), ("three", True), "who answers")


@scenario("a cookie does not outlive a restart although there is a key file, or goes over plain HTTP after TLS")
def keys(s):
    two = named(s, "one", "two")
    key_file = s.path("sticky.key")
    with open(key_file, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
    os.chmod(key_file, 0o600)
    certificate = Authority(s).issue("shop.test").settings()
    settings = merge(STICKY, {"listeners": {"web": {"tls": {"certificates": [certificate]}}}})
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def ask_by_tls(proxy, token=None):
        with Client(proxy.address, tls=context) as client:
            answer = client.request("GET", "/", [("Cookie", f"node={token}")] if token else [])
            return bytes(answer.body).decode(), answer.get("Set-Cookie")

    proxy = start_proxy(s, two, merge(settings, {"sticky": {"key_file": key_file}}), name="first")
    with s.case("over TLS it is for TLS only"):
        who, cookie = ask_by_tls(proxy)
        check(cookie.endswith("; SameSite=Lax; Secure"), cookie)
        token = cookie.partition(";")[0].partition("=")[2]
    proxy.stop()
    with s.case("with a key file the next process knows it"):
        proxy = start_proxy(s, two, merge(settings, {"sticky": {"key_file": key_file}}), name="second")
        check_equal(ask_by_tls(proxy, token), (who, None), "who answers")
        proxy.stop()
    with s.case("without one it is replaced; behind a trusted peer that ended TLS the new one is for TLS too"):
        proxy = start_proxy(s, two, STICKY, name="third")
        check(ask(proxy, token)[1] not in (None, token), "it was not")
        check(proxy.get("/", [("X-Forwarded-Proto", "https")]).get("Set-Cookie").endswith("; Secure"), "Secure")
        proxy.stop()
    with s.case("the warm state hands the key on"):
        warm = merge(STICKY, {"warm_state": {"path": s.path("warm")}})
        proxy = start_proxy(s, two, warm, name="fourth")
        who, token = ask(proxy)
        eventually(lambda: proxy.admin("/readyz")[0] == 200, "it is warm, so that its state is saved")
        proxy.stop()
        proxy = start_proxy(s, two, warm, name="fifth")
        check_equal(ask(proxy, token), (who, None), "who answers")
        proxy.stop()
    with s.case("a key file that is no key"):
        with open(key_file, "w", encoding="ascii") as file:
            file.write("short")
        s.write("bad.conf", 'listeners = { web = { listen = "127.0.0.1:8080"; }; };\nupstreams = { app = { endpoints = "127.0.0.1:1"; }; };\n'
                            f'routes = ( {{ upstream = "app"; sticky = {{ cookie = "node"; }}; }} );\nsticky = {{ key_file = "{key_file}"; }};\n')
        done = run_program(s, "-t", "-c", "bad.conf")
        check(done.returncode == 1 and "sticky.key_file" in done.stderr and "64 hexadecimal digits" in done.stderr, done.stderr)


def cookies(*values):
    return "; ".join(f"node={value}" for value in values)


@scenario("a cookie of somebody else hides the client's own, which has the same name")
def among_others(s):
    two = named(s, "one", "two")
    proxy = start_proxy(s, two, merge(STICKY, {"listeners": {"web": {"http2": {"cleartext": True}}}}))
    tokens = {name: settle(proxy, name) for name in ("one", "two")}
    forged = secrets.token_urlsafe(16)
    for name, token in tokens.items():
        other = next(each for each in tokens.values() if each != token)
        for case, lines in (("behind one of another form", [cookies("deeper", token)]), ("behind an empty one", [cookies("", token)]),
                            ("behind a forged one", [cookies(forged, token)]), ("before others", [cookies(token, "deeper", other)]),
                            ("in a field of its own", [cookies("deeper"), "a=b", cookies(token)])):
            with s.case(f"{name}: {case}"):
                answer = proxy.get("/", [("Cookie", line) for line in lines])
                check_equal((bytes(answer.body).decode(), token_of(answer)), (name, None), "answer")
            with s.case(f"{name}: {case}, over HTTP/2"), H2Client(proxy.address) as client:
                answer = client.request(path="/", fields=[("cookie", part) for line in lines for part in line.split("; ")])
                check_equal((bytes(answer.body).decode(), answer.get("set-cookie")), (name, None), "answer")
    with s.case("not behind any number of them"):
        check(token_of(proxy.get("/", [("Cookie", cookies(*[forged] * 40, tokens["one"]))])) in tokens.values(), "it was looked for")
    with s.case("in a route with several upstreams"):
        check(proxy.reload({**split("app", "other", sticky={"cookie": "node"}), "upstreams": {
            "app": {"endpoints": addresses(two[0])}, "other": {"endpoints": addresses(two[1]), "required": False}}}), "the reload was rejected")
        tokens = {name: settle(proxy, name) for name in ("one", "two")}
        for name, token in tokens.items():
            check_equal({ask(proxy, fields=[("Cookie", cookies(forged, token))]) for _ in range(10)}, {(name, None)}, "who answers")


@scenario("a cache in front gives one client's cookie to others")
def not_cached(s):
    (one,) = named(s, "one")
    told = {"plain": [], "public": [("Cache-Control", "public, max-age=60, s-maxage=60")], "private": [("Cache-Control", "private, max-age=60")],
            "targeted": [("Cache-Control", "max-age=60"), ("CDN-Cache-Control", "max-age=60"), ("Acme-CDN-Cache-Control", "max-age=60"),
                         ("Surrogate-Control", "max-age=60"), ("X-Accel-Expires", "60")]}
    for name, fields in told.items():
        one.on(f"/{name}", lambda connection, _, fields=fields: connection.respond(200, b"one", [*fields, ("X-Kept", "1")]))
    proxy = start_proxy(s, one, STICKY)
    token = token_of(proxy.get("/"))
    for name, fields in told.items():
        with s.case(f"{name}: with a cookie of ours it is for this client alone"):
            answer = proxy.get(f"/{name}")
            control = [value for key, value in fields if key == "Cache-Control"]
            check_equal((token_of(answer), answer.all("Cache-Control"), answer.get("X-Kept")), (token, [*control, "private"], "1"), "answer")
            check_equal([key for key, _ in answer.fields if key in ("Surrogate-Control", "X-Accel-Expires") or key.endswith("CDN-Cache-Control")],
                        [], "what caches obey before Cache-Control")
        with s.case(f"{name}: without one it is as the origin said"):
            answer = proxy.get(f"/{name}", [("Cookie", cookies(token))])
            check_equal(answer.get("Set-Cookie"), None, "Set-Cookie")
            check_equal([field for field in answer.fields if field in fields], fields, "fields of the origin")
    cache = NginxOrigin(s, "cache", others=lambda _: f"proxy_cache_path {s.path('cache')} keys_zone=all:64k;", rows=f"""
        location /cached/ {{ proxy_pass http://{proxy.address[0]}:{proxy.address[1]}/; proxy_set_header Cookie $http_cookie; proxy_cache all;
            proxy_cache_valid 200 1m; proxy_ignore_headers Set-Cookie Vary; add_header X-Cache $upstream_cache_status; }}""")
    for name in told:
        with s.case(f"{name}: behind nginx, which stores what it may"), Client(("127.0.0.1", cache.port)) as client:
            first, second = (client.request("GET", f"/cached/{name}") for _ in range(2))
            check_equal((token_of(first), first.get("X-Cache")), (token, "MISS"), "the first client's answer")
            check_equal((token_of(second), second.get("X-Cache")), (token, "MISS"), "the second client's answer")
    with s.case("and what sets no cookie is stored"), Client(("127.0.0.1", cache.port)) as client:
        kept = [client.request("GET", "/cached/public", [("Cookie", cookies(token))]).get("X-Cache") for _ in range(2)]
        check_equal(kept, ["MISS", "HIT"], "what the cache says")


@scenario("a file of a sticky route ends the process, or sets a cookie")
def with_files(s):
    (one,) = named(s, "one")
    root = s.path("files")
    os.mkdir(root)
    s.write("files/there.txt", "there")
    proxy = start_proxy(s, one, {"routes": [{**STICKY["routes"][0], "files": {"root": root}}]})
    token = token_of(proxy.get("/"))
    for cookie in ([], [("Cookie", cookies(token))]):
        answer = proxy.get("/there.txt", cookie)
        check_equal((bytes(answer.body), answer.get("Set-Cookie"), answer.get("Cache-Control")), (b"there", None, None), "answer")
        check_equal(ask(proxy, token), ("one", None), "what is no file")


@scenario("a client stays at a backup although the endpoints in ordinary use are back")
def leaves_backup(s):
    one, spare = named(s, "one", "spare")
    held = threading.Event()
    one.on("/held", lambda connection, _: (held.wait(20), connection.respond(200, b"one")))
    proxy = start_proxy(s, None, merge(STICKY, {"upstreams": {"app": {
        "endpoints": [str(one.address), f"{spare.address} backup"], "health": {"slow_start": "1ms"}, "pool": {"warm_min": 0}}}}))
    token = settle(proxy, "one")
    proxy.admin(f"{endpoint_of(one)}/drain", "POST")
    with s.case("it stands in, and a client stays there meanwhile"):
        who, at_spare = ask(proxy, token)
        check_equal((who, at_spare not in (None, token)), ("spare", True), "who answers")
        check_equal({ask(proxy, at_spare) for _ in range(5)}, {("spare", None)}, "who answers")
    with s.case("then the client goes back, with a new cookie"):
        proxy.admin(f"{endpoint_of(one)}/undrain", "POST")
        eventually(lambda: ask(proxy, at_spare) == ("one", token), "it serves again, and its slow start is over")
        check_equal(ask(proxy, token), ("one", None), "who answers")
    with s.case("while the others have no free connection it stays"):
        check(proxy.reload({"upstreams": {"app": {"pool": {"max": 1}}}}), "the reload was rejected")
        with Client(proxy.address) as client:
            client.send(f"GET /held HTTP/1.1\r\nHost: h\r\nCookie: node={token}\r\n\r\n")
            eventually(lambda: any(request.target == "/held" for request in one.requests), "the endpoint is busy")
            check_equal(ask(proxy, at_spare), ("spare", None), "who answers")
            held.set()
            check_equal(bytes(client.response().body), b"one", "who held it")


@scenario("a cookie says where the copies for a mirror go")
def mirrored(s):
    (one,), shadows = named(s, "one"), named(s, "two", "three")
    proxy = start_proxy(s, one, {
        "upstreams": {"shadow": {"endpoints": addresses(*shadows), "required": False, "health": {"slow_start": "1ms"}}},
        "routes": [{"name": "shade", "path_prefix": "/shade", "upstream": "shadow", "sticky": {"cookie": "shade"}},
                   {"name": "all", "upstream": "app", "sticky": {"cookie": "node"}, "mirror": "shadow"}]})
    at_shadow = token_of(proxy.get("/shade"))
    check_equal({ask(proxy, at_shadow)[0] for _ in range(40)}, {"one"}, "who answers")

    def copies():
        return [[request for request in origin.requests if request.target == "/"] for origin in shadows]
    eventually(lambda: sum(map(len, copies())) == 40, "all copies have come")
    check(all(copies()), f"copies by endpoint: {[len(each) for each in copies()]}")
    check(all(f"node={at_shadow}" in request.get("Cookie") for request in sum(copies(), [])), "a copy is another request")


@scenario("a hedge moves a client that has an endpoint, or the client that has none gets the cookie of who was slower")
def hedged(s):
    def answer(name):
        def respond(connection, request):
            if request.target == f"/slow-{name}":
                time.sleep(0.1)  # the order of the two is the test
            return connection.respond(200, name.encode())
        return respond

    origins = [RawOrigin(s, name).on("/", answer(name)) for name in ("one", "two")]
    proxy = start_proxy(s, origins, merge(STICKY, {"workers": 1, "upstreams": {"app": {
        "balance": "round_robin", "health": {"slow_start": "1ms", "eject_after": 0}, "breaker": {"enabled": False},
        "retry": {"hedge": True, "budget": {"ratio": 1.0, "per_second": 1000.0}}}}}))

    def teach(count):
        """What most answers take has to be known, and hedges to be earned."""
        with proxy.client() as client:
            for _ in range(count):
                check_equal(client.request("GET", "/").status, 200, "status")

    def hedged_answer(target, token=None):
        """The answer to the first of these requests that a hedge has won."""
        for _ in range(30):
            teach(60)
            before = proxy.metric("evenkeel_hedges_won_total", upstream="app")
            got = proxy.get(target, [("Cookie", cookies(token))] if token else [])
            if proxy.metric("evenkeel_hedges_won_total", upstream="app") > before:
                return bytes(got.body).decode(), token_of(got)
        raise AssertionError("no hedge has won")

    teach(500)
    tokens = {name: settle(proxy, name) for name in ("one", "two")}
    for name, other in (("one", "two"), ("two", "one")):
        with s.case(f"{name} is slow: the other answers, and the cookie stays"):
            check_equal(hedged_answer(f"/slow-{name}", tokens[name]), (other, None), "answer")
            eventually(lambda: ask(proxy, tokens[name]) == (name, None), "the client is at its own endpoint afterwards")
        with s.case(f"{name} is slow: a client without a cookie gets that of who has answered"):
            check_equal(hedged_answer(f"/slow-{name}"), (other, tokens[other]), "answer")


def binomial_bounds(count, share, chance=1e-6):
    """The fewest and the most of `count` fair draws: beyond each is seen with that chance."""
    chances = [math.comb(count, n) * share ** n * (1 - share) ** (count - n) for n in range(count + 1)]
    fewest = next(n for n in range(count + 1) if sum(chances[:n + 1]) > chance)
    most = next(n for n in range(count, -1, -1) if sum(chances[n:]) > chance)
    return fewest, most


def split(*upstreams, **more):
    return {"routes": [{"name": "all", "upstream": list(upstreams), **more}]}


def shares(proxy, count, field=None, seed=0):
    """{who: requests} on one connection; with a field, each of another user."""
    found = collections.Counter()
    with proxy.client() as client:
        for number in range(count):
            answer = client.request("GET", "/", [(field, f"sid=u{seed}-{number}")] if field else [])
            check_equal(answer.status, 200, "status")
            found[bytes(answer.body).decode()] += 1
    return found


def homes(proxy, users):
    with proxy.client() as client:
        return {user: bytes(client.request("GET", "/", [("Cookie", f"x=1; sid={user}")]).body).decode() for user in users}


@scenario("upstreams of a route do not get the share of their weight, or a key moves between them")
def splits(s):
    app, canary = named(s, "app", "canary")
    seed = int(os.environ.get("EVENKEEL_SEED", "0")) or random.randrange(1, 1 << 31)
    count = 500
    fewest, most = binomial_bounds(count, 0.1)
    s.note(f"seed {seed}, {fewest} to {most} of {count} are chance")
    proxy = start_proxy(s, None, merge(split("app weight=90", "canary weight=10"), {
        "listeners": {"web": {"http2": {"cleartext": True}}},
        "upstreams": {"app": {"endpoints": addresses(app)}, "canary": {"endpoints": addresses(canary), "required": False}}}))
    with s.case("each request for itself"):
        found = shares(proxy, count)
        check(fewest <= found["canary"] <= most, f"{found}")
    with s.case("the metrics show it"):
        leases = {name: proxy.metric("evenkeel_endpoint_leases_total", upstream=name) for name in ("app", "canary")}
        check_equal(leases, dict(found), "leases")
    with s.case("over HTTP/2 too"), H2Client(proxy.address) as client:
        check_equal({bytes(client.request(path="/").body) for _ in range(200)}, {b"app", b"canary"}, "who answers")
    with s.case("by a key"):
        check(proxy.reload(split("app weight=90", "canary weight=10", split={"key": "cookie:sid"})), "the reload was rejected")
        found = shares(proxy, count, "Cookie", seed)
        check(fewest <= found["canary"] <= most, f"{found}")
    users = [f"{seed}-{number}" for number in range(200)]
    with s.case("a key stays"):
        before = homes(proxy, users)
        check_equal(homes(proxy, users), before, "homes")
    with s.case("more weight only brings keys to an upstream, less only takes them away"):
        check(proxy.reload(split("app weight=70", "canary weight=30", split={"key": "cookie:sid"})), "the reload was rejected")
        after = homes(proxy, users)
        moved = collections.Counter((before[user], after[user]) for user in users if before[user] != after[user])
        check(set(moved) <= {("app", "canary")} and moved[("app", "canary")] > 10, f"{moved}")
        check(proxy.reload(split("canary weight=10", "app weight=90", split={"key": "cookie:sid"})), "the reload was rejected")
        check_equal(homes(proxy, users), before, "homes")
    with s.case("by a header, the client, the host; without the key each for itself"):
        for key, field in (("header:X-User", "X-User"), ("client", None), ("host", None)):
            check(proxy.reload(split("app", "canary", split={"key": key})), "the reload was rejected")
            check_equal(len({ask(proxy, fields=[(field, "me")] if field else [])[0] for _ in range(20)}), 1, f"{key}: upstreams")
        check(proxy.reload(split("app", "canary", split={"key": "header:X-User"})), "the reload was rejected")
        check_equal(len({ask(proxy)[0] for _ in range(60)}), 2, "upstreams")
    with s.case("a weight of 0 is no request"):
        check(proxy.reload(split("app", "canary weight=0")), "the reload was rejected")
        check_equal(dict(shares(proxy, 100)), {"app": 100}, "shares")
    with s.case("one name is one upstream"):
        check(proxy.reload({"routes": [{"name": "all", "upstream": "canary"}]}), "the reload was rejected")
        check_equal(ask(proxy)[0], "canary", "who answers")
    with s.case("sticky clients stay at the upstream that their cookie names, while that gets requests"):
        check(proxy.reload(split("app", "canary", sticky={"cookie": "node"})), "the reload was rejected")
        tokens = {name: settle(proxy, name) for name in ("app", "canary")}
        for name, token in tokens.items():
            check_equal({ask(proxy, token) for _ in range(20)}, {(name, None)}, "who answers")
        check(proxy.reload(split("app", "canary weight=0", sticky={"cookie": "node"})), "the reload was rejected")
        check_equal(ask(proxy, tokens["canary"]), ("app", tokens["app"]), "who answers")


@scenario("the failure of one upstream of a route is hidden by another, or hurts the other's requests")
def alone(s):
    app, canary = named(s, "app", "canary")
    canary.on("/slow", lambda connection, _: None)
    proxy = start_proxy(s, None, merge(split("app", "canary", split={"key": "header:X-User"}, timeouts={"first_byte": "200ms"}), {
        "upstreams": {"app": {"endpoints": addresses(app)},
                      "canary": {"endpoints": addresses(canary), "required": False, "retry": {"attempts": 1},
                                 "breaker": {"consecutive": 3, "open_min": "20s", "open_max": "20s"}}}}))
    users = {ask(proxy, fields=[("X-User", f"{number}")])[0]: f"{number}" for number in range(40)}

    def status(name, target="/"):
        return proxy.get(target, [("X-User", users[name])]).status

    with s.case("timeouts of the route hold at each of them"):
        check_equal(status("canary", "/slow"), 504, "status")
    with s.case("its maintenance closes its part of the route"):
        proxy.admin("/upstreams/canary/maintenance/on", "POST")
        eventually(lambda: status("canary") == 503, "it is closed")
        check_equal({status("app") for _ in range(20)}, {200}, "statuses")
        proxy.admin("/upstreams/canary/maintenance/off", "POST")
        eventually(lambda: status("canary") == 200, "it is open")
    with s.case("its breaker opens: its requests are refused, those of the other are served"):
        leave(canary)
        eventually(lambda: status("canary") == 503, "it is open")
        check_equal({status("app") for _ in range(20)}, {200}, "statuses")
        check_equal(status("canary"), 503, "status")


@scenario("a mistake in a split or a sticky route is taken, or what to write is not said")
def mistakes(s):
    text = """listeners = { web = { listen = "127.0.0.1:8080"; }; };
upstreams = { app = { endpoints = "127.0.0.1:1"; }; canary = { endpoints = "127.0.0.1:2"; }; };
routes = ( {
%s
} );
"""
    for route, *words in (
            ('upstream = [ "app", "canry" ];', 'no upstream "canry"', '"canary"'),
            ('upstream = [ "app weight=5", "app" ];', '"app" is named twice'),
            ('upstream = [ "app weight=0", "canary weight=0" ];', "a weight has to be above 0"),
            ('upstream = [ "app weight=5%", "canary" ];', '"weight=5%" is not weight=N (0 to 1000)'),
            ('upstream = [ "app 5", "canary" ];', '"5" is not weight=N'),
            ('upstream = "app"; split = { key = "ip"; };', '"cookie:NAME"'),
            ('respond = { status = 200; }; split = { key = "client"; };', "no effect without an upstream"),
            ('respond = { status = 200; }; sticky = { cookie = "n"; };', "no effect without an upstream"),
            ('upstream = "app"; sticky = { cookie = "a b"; };', 'the name of a cookie such as "node"'),
            ('upstream = "app"; sticky = { max_age = "1h"; };', 'sticky = { cookie = "node"; ... }'),
            ('upstream = "app"; sticky = { cookie = "n"; same_site = "off"; };', '"strict"'),
            ('path = "/a"; name = "a"; upstream = "app"; sticky = { cookie = "n"; }; }, { upstream = "canary"; sticky = { cookie = "n"; };',
             'other upstreams in route "a"', "write another name")):
        with s.case(route):
            s.write("bad.conf", text % route)
            done = run_program(s, "-t", "-c", "bad.conf")
            check_equal(done.returncode, 1, "exit code")
            rows = [row for row in done.stderr.splitlines() if re.search(r"bad\.conf:[34]:", row)]
            check(any(all(word in row for word in words) for row in rows), f"no {words} in\n{done.stderr}")


run()
