"""Each recipe of contrib/recipes is started as it is, with stand-ins for its servers, and does what it is for; curl is the judge.

harness/recipe.py says what of a recipe is replaced, so that it can run here.
"""

import os
import re
import threading

from harness import RawOrigin, check, check_equal, eventually, patient, reads_body, run, scenario
from harness.grpc_peers import HEALTH, SERVING
from harness.h2_origin import H2Origin
from harness.recipe import Kitchen, Recipe, recipes

OUTSIDE = ("-H", "X-Forwarded-For: 203.0.113.9")  # said by a peer that recipes trust: curl comes from 127.0.0.1
UPGRADE = ("--http1.1", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13",
           "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
HUGE = ("--http1.1", "-X", "PUT", "-H", "Content-Length: 99999999999", "-H", "Expect:", "-d", "x")  # it is judged by its head
LARGE = ("--http1.1", "-X", "PUT", "-H", "Content-Length: 100000000", "-H", "Expect:", "-d", "x")  # above the default limit
ANNA = "anna:$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.\n"  # her password is "secret"
JUDGES = {}                        # {recipe: (function, how it is started)}


def recipe(name, **options):
    """Declare the judge of a recipe."""
    def declare(judge):
        JUDGES[name] = (judge, options)
        return judge
    return declare


def takes_huge(it, url):
    """A payload far above the default limit goes on to the origin."""
    for origin in it.origins.values():
        origin.on("/huge", reads_body(lambda connection, _: connection.respond(201, b"") and False))
    check_equal(it.ask(url, *HUGE).status, 201, f"status of a huge upload to {url}")


def switches(it, target):
    """Let origins answer the target by an upgrade, and close."""
    for origin in it.origins.values():
        origin.on(target, lambda connection, _: connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n") and False)


def goes_to_https(it, host):
    answer = it.ask(f"http://{host}/a?b=c")
    check_equal((answer.status, answer.get("Location")), (308, f"https://{host}/a?b=c"), "answer to http")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def statuses(it, *asked):
    """[(url, more of curl's arguments..., status)] hold."""
    for url, *arguments, status in asked:
        check_equal(it.ask(url, *arguments).status, status, f"status of {url}")


def bodies(it, *asked):
    """[(url, more of curl's arguments..., body)] hold."""
    for url, *arguments, body in asked:
        check_equal(it.ask(url, *arguments).body, body, f"body of {url}")


def origins_of(it, *asked):
    """[(url, origin)] hold; None: Evenkeel answers itself."""
    for url, origin in asked:
        check_equal(it.ask(url).origin, origin, f"who answers {url}")


@recipe("node-websocket")
def node_websocket(it):
    goes_to_https(it, "chat.example")
    switches(it, "/socket.io/ws")
    statuses(it, ("https://chat.example/socket.io/ws", *UPGRADE, 101),
             ("https://chat.example/", "--http1.1", "-H", "Host: other.example", 404))
    check_equal(it.ask("https://chat.example/page", *UPGRADE).arrived.all("Upgrade"), [], "Upgrade elsewhere")
    first = it.ask("https://chat.example/socket.io/poll")
    cookie = first.get("Set-Cookie").partition(";")[0]
    again = {it.ask("https://chat.example/socket.io/poll", "-H", f"Cookie: {cookie}").origin for _ in range(4)}
    check_equal(again, {first.origin}, "the process that a client comes back to")


@recipe("gitlab", files={"/opt/gitlab/embedded/service/gitlab-rails/public/502.html": "Whoops"})
def gitlab(it):
    goes_to_https(it, "git.example")
    origins_of(it, ("https://git.example/", "unix:/var/opt/gitlab/gitlab-workhorse/sockets/socket"),
               ("https://registry.git.example/v2/", "127.0.0.1:5000"))
    takes_huge(it, "https://git.example/huge")
    takes_huge(it, "https://registry.git.example/huge")
    answer = it.ask("https://git.example/group/project.git")
    arrived = answer.arrived
    check_equal([arrived.all(name) for name in ("Host", "X-Forwarded-Ssl", "X-Forwarded-Proto")], [["git.example"], ["on"], ["https"]], "fields")
    check(answer.get("Strict-Transport-Security"), "there is no HSTS")
    statuses(it, ("https://git.example/-/readiness", *OUTSIDE, 403), ("https://git.example/-/readiness", 200))
    it.origins["127.0.0.1:5000"].on("/broken", lambda *_: False)
    it.origins["unix:/var/opt/gitlab/gitlab-workhorse/sockets/socket"].on("/broken", lambda *_: False)
    answer = it.ask("https://git.example/broken")
    check_equal((answer.status, answer.body), (502, b"Whoops"), "the page of an error")


@recipe("nextcloud")
def nextcloud(it):
    goes_to_https(it, "cloud.example")
    for name in ("carddav", "caldav"):
        answer = it.ask(f"https://cloud.example/.well-known/{name}")
        check_equal((answer.status, answer.get("Location")), (301, "https://cloud.example/remote.php/dav"), name)
    origins_of(it, ("https://cloud.example/config/config.php", None), ("https://cloud.example/data", None),
               ("https://cloud.example/apps/config", "127.0.0.1:11000"), ("https://cloud.example//config/config.php", None))
    takes_huge(it, "https://cloud.example/huge")
    it.origins["127.0.0.1:11000"].on("/php", status=200, body=b"ok", fields=[("X-Powered-By", "PHP")])
    answer = it.ask("https://cloud.example/php")
    check(answer.get("Strict-Transport-Security") and not answer.get("X-Powered-By"), "fields of the response")


@recipe("registry")
def registry(it):
    goes_to_https(it, "hub.example")
    origins_of(it, ("https://hub.example/v2/", "127.0.0.1:5000"), ("https://hub.example/v2", "127.0.0.1:5000"), ("https://hub.example/", None))
    statuses(it, ("https://hub.example/v2/a/blobs/uploads/", "-d", "x", 200), ("https://hub.example/v2/a/blobs/uploads/", "-d", "x", *OUTSIDE, 403),
             ("https://hub.example/v2/a/tags/list", *OUTSIDE, 200))
    it.origins["127.0.0.1:5000"].on("/v2/huge", reads_body(lambda connection, _: connection.respond(201, b"") and False))
    check_equal(it.ask("https://hub.example/v2/huge", *HUGE).status, 201, "status of a layer")
    check_equal(it.ask("https://hub.example/v2/").arrived.all("X-Forwarded-Proto"), ["https"], "X-Forwarded-Proto")
    check_equal(it.ask("https://hub.example/").body, b'{"errors": []}\n', "body of another path")


@recipe("minio")
def minio(it):
    goes_to_https(it, "s3.example")
    arrived = it.ask("https://bucket.s3.example/a//b%2Fc?x=1", "-H", "x-amz-meta-my_key: v").arrived
    check_equal((arrived.target, arrived.all("Host"), arrived.all("x-amz-meta-my_key")),
                ("/a//b%2Fc?x=1", ["bucket.s3.example"], ["v"]), "what a signature is over")
    takes_huge(it, "https://s3.example/huge")
    statuses(it, ("https://s3.example/minio/v2/metrics/cluster", *OUTSIDE, 403), ("https://s3.example/bucket/key", *OUTSIDE, 200))
    check(it.ask("https://s3.example/bucket").origin.endswith(":9000"), "the objects come from elsewhere")
    check(it.ask("https://console.example/").origin.endswith(":9001"), "the console comes from elsewhere")
    switches(it, "/ws")
    statuses(it, ("https://console.example/ws", *UPGRADE, 101))


@recipe("keycloak")
def keycloak(it):
    goes_to_https(it, "id.example")
    statuses(it, ("https://id.example/admin/", *OUTSIDE, 403), ("https://id.example/admin/", "-H", "X-Forwarded-For: 10.0.0.7", 200),
             ("https://id.example/metrics", 404), ("https://id.example/%61dmin/", *OUTSIDE, 403), ("https://id.example/", 302),
             ("https://id.example/realms/main", "-H", f"Cookie: large={'x' * 40000}", 200))
    for session in "abc":
        seen = {it.ask("https://id.example/realms/main", "-H", f"Cookie: AUTH_SESSION_ID={session}").origin for _ in range(3)}
        check_equal(len(seen), 1, f"number of nodes that session {session} sees")


@recipe("llm-streaming")
def llm_streaming(it):
    first_read = threading.Event()
    said = it.kitchen.scenario.path("answer")

    def words(connection, _):
        connection.send("HTTP/1.1 200 Fine\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\na\r\ndata: one\n\r\n")
        first_read.wait(patient(20))
        connection.send("a\r\ndata: two\n\r\n0\r\n\r\n")

    for origin in it.origins.values():
        origin.on("/v1/chat", words)
    asking = threading.Thread(target=it.fetch, args=("https://ai.example/v1/chat/completions", said, "-d", "{}"))
    asking.start()
    eventually(lambda: os.path.exists(said) and b"one" in read(said), "the first word has come")
    check(b"two" not in read(said), "the last word was there already")
    first_read.set()
    asking.join()
    check(read(said).endswith(b"data: one\ndata: two\n"), "the answer is not whole")
    answer = it.ask("https://ai.example/v1/models?[1-60]", "-H", "Authorization: Bearer greedy")
    check_equal(answer.status, 429, "status for a key that asks too often")
    statuses(it, ("https://ai.example/v1/models", "-H", "Authorization: Bearer modest", 200), ("https://ai.example/x", 404))


@recipe("api-limits", files={"/etc/evenkeel/errors/slow-down.json": '{"error": "slow down"}', "/etc/evenkeel/errors/error.json": '{"error": "failed"}'})
def api_limits(it):
    answer = it.ask("https://api.example/v2/orders", "-X", "OPTIONS", "-H", "Origin: https://shop.example")
    check_equal([answer.status, *(answer.get(f"Access-Control-{name}") for name in ("Allow-Origin", "Max-Age"))],
                [204, "https://shop.example", "86400"], "preflight")
    statuses(it, ("https://api.example/v1/orders", 410), ("https://api.example/", 404))
    answer = it.ask("https://api.example/v2/orders?[1-80]", "-H", "Authorization: greedy")
    check_equal((answer.status, answer.body), (429, b'{"error": "slow down"}'), "answer for a key that asks too often")
    check(answer.get("Retry-After") and answer.get("Access-Control-Allow-Origin"), "fields of that answer")
    good, *bad = it.origins
    for name in bad:
        it.origins[name].on("/v2/flaky", status=503, body=b"")
    for _ in range(4):
        check_equal(it.ask("https://api.example/v2/orders", "-H", "Authorization: modest").status, 200, "status for another key")
    seen = {it.ask("https://api.example/v2/flaky").origin for _ in range(3)}
    check(good in seen, "no answer of a server that is well")


@recipe("behind-balancer")
def behind_balancer(it):
    answer = it.ask("http://app.example:8081/x", "-H", "X-Forwarded-Proto: http")
    check_equal((answer.status, answer.get("Location")), (308, "https://app.example/x"), "answer to http")
    arrived = it.ask("http://app.example:8081/x", "-H", "X-Forwarded-Proto: https", *OUTSIDE).arrived
    check_equal([arrived.all(name) for name in ("X-Real-IP", "X-Forwarded-Proto")], [["203.0.113.9"], ["https"]], "fields")
    statuses(it, ("http://app.example:8080/", "--haproxy-protocol", 200), ("http://app.example:8081/admin", *OUTSIDE, 403),
             ("http://app.example:8081/admin", "-H", "X-Forwarded-For: 192.0.2.7", 200), ("http://app.example:8081/ready", 200))


@recipe("mtls", stand_in=lambda kitchen, name: RawOrigin(kitchen.scenario, name, certificate=kitchen.certificate))
def mtls(it):
    shown = ("--cert", it.kitchen.client.cert, "--key", it.kitchen.client.key)
    arrived = it.ask("https://ledger.internal:8443/", *shown, "-H", "X-Client-Subject: CN=forged").arrived
    check_equal(arrived.all("X-Client-Subject"), ["CN=client.example"], "X-Client-Subject")
    check(it.hangs_up("https://ledger.internal:8443/"), "who shows no certificate is answered")


def grpc_origin(kitchen, name):
    origin = H2Origin(kitchen.scenario, name)
    serving = b"\0" + len(SERVING).to_bytes(4, "big") + SERVING
    return origin.on(HEALTH, status=200, body=serving, fields=[("content-type", "application/grpc")], trailers=[("grpc-status", "0")])


@recipe("grpc", stand_in=grpc_origin)
def grpc(it):
    call = ("-H", "Content-Type: application/grpc", "-H", "TE: trailers", "--data-binary", "x")
    for method, origin in (("shop.Orders/Get", "orders.internal:50051"), ("shop.Events/Watch", "events.internal:50051")):
        check_equal(it.ask(f"https://shop.example/{method}", *call).origin, origin, f"who answers {method}")
    answer = it.ask("https://shop.example/shop.Other/Get", "-X", "POST", *call[:4])
    check_equal(answer.get("grpc-status"), "12", "grpc-status of a service that there is not")


@recipe("ingress")
def ingress(it):
    goes_to_https(it, "shop.example")
    answer = it.ask("https://www.shop.example/x")
    check_equal((answer.status, answer.get("Location")), (308, "https://shop.example/x"), "answer to www")
    api, web = "api.shop.svc.cluster.local:8080", "web.shop.svc.cluster.local:80"
    origins_of(it, ("https://shop.example/api/orders", api), ("https://shop.example/apiary", web), ("https://shop.example/metrics", None))
    check_equal(it.ask("https://shop.example/api/orders?a=b").arrived.target, "/orders?a=b", "target")
    check_equal(it.ask("https://green.apps.example/").arrived.all("X-Tenant-Host"), ["green.apps.example"], "the tenant's host")
    check_equal(it.ask("https://shop.example/", "--http1.1", "-H", "Host: other.example").body, b"default backend - 404\n", "the default")


@recipe("grafana-sso")
def grafana_sso(it):
    """The stand-in of Authelia lets the session `good` in."""
    goes_to_https(it, "grafana.example")

    def verdict(connection, request):
        good = "session=good" in (request.get("Cookie") or "")
        connection.respond(*((200, b"", [("Remote-User", "anna")]) if good else (302, b"", [("Location", "https://sso.example/?rd=")])))

    it.origins["127.0.0.1:9091"].on("/api/authz/forward-auth", verdict)
    answer = it.ask("https://grafana.example/d/1")
    check_equal((answer.status, answer.get("Location")), (302, "https://sso.example/?rd="), "answer before the login")
    answer = it.ask("https://grafana.example/d/1", "-H", "Cookie: session=good", "-H", "Remote-User: admin", "-H", "Remote-Groups: admins")
    check_equal((answer.origin, answer.arrived.all("Remote-User"), answer.arrived.all("Remote-Groups")),
                ("127.0.0.1:3000", ["anna"], []), "who has come")
    origins_of(it, ("https://sso.example/", "127.0.0.1:9091"))
    statuses(it, ("https://grafana.example/metrics", *OUTSIDE, 403))
    switches(it, "/api/live/ws")
    statuses(it, ("https://grafana.example/api/live/ws", *UPGRADE, "-H", "Cookie: session=good", 101))
    it.origins["127.0.0.1:9091"].on("/api/authz/forward-auth", status=500, body=b"")
    statuses(it, ("https://grafana.example/d/1", "-H", "Cookie: session=good", 503))


@recipe("certbot", files={"/var/lib/letsencrypt/.well-known/acme-challenge/token": "proof"})
def certbot(it):
    for scheme, arguments in (("http", ()), ("https", ())):
        answer = it.ask(f"{scheme}://shop.example/.well-known/acme-challenge/token", *arguments)
        check_equal((answer.status, answer.body), (200, b"proof"), f"the challenge by {scheme}")
    statuses(it, ("http://shop.example/.well-known/acme-challenge/other", 404), ("http://new.example/.well-known/acme-challenge/token", 200))
    goes_to_https(it, "www.shop.example")
    answer = it.ask("https://www.shop.example/")
    check(answer.origin and answer.get("Strict-Transport-Security"), "answer of the site")
    before = it.shown("shop.example")
    it.kitchen.renew()
    eventually(lambda: it.shown("shop.example") != before, "the renewed certificate is shown")


@recipe("static-api", files={"/srv/shop/dist/index.html": "<app>", "/srv/shop/dist/assets/app.js": "script", "/srv/shop/dist/assets/app.js.gz": "packed"})
def static_api(it):
    goes_to_https(it, "shop.example")
    bodies(it, ("https://shop.example/", b"<app>"), ("https://shop.example/some/page", b"<app>"), ("https://shop.example/assets/app.js", b"script"),
           ("https://shop.example/assets/app.js", "-H", "Accept-Encoding: gzip", b"packed"))
    statuses(it, ("https://shop.example/assets/gone.js", 404), ("https://shop.example/assets/../../../etc/passwd", 400))
    check("immutable" in it.ask("https://shop.example/assets/app.js").get("Cache-Control"), "assets are asked for again and again")
    check_equal(it.ask("https://shop.example/assets/gone.js").get("Cache-Control"), None, "Cache-Control of an asset that is missing")
    check_equal(it.ask("https://shop.example/").get("Cache-Control"), "no-cache", "Cache-Control of the page")
    answer = it.ask("https://shop.example/api/cart?a=b")
    check_equal((answer.arrived.target, answer.get("Cache-Control"), answer.get("X-Content-Type-Options")), ("/cart?a=b", "no-store", "nosniff"), "the API")


@recipe("rails", files={"/srv/shop/current/public/500.html": "sorry", "/srv/shop/current/public/assets/app.css": "style",
                        "/srv/shop/current/public/assets/app.css.gz": "packed", "/srv/shop/current/public/robots.txt": "robots"})
def rails(it):
    puma = "unix:/run/puma/shop.sock"
    goes_to_https(it, "shop.example")
    check_equal(it.ask("https://www.shop.example/a").get("Location"), "https://shop.example/a", "Location of www")
    bodies(it, ("https://shop.example/assets/app.css", b"style"), ("https://shop.example/robots.txt", b"robots"),
           ("https://shop.example/assets/app.css", "-H", "Accept-Encoding: gzip", b"packed"))
    statuses(it, ("https://shop.example/assets/gone.css", 404))
    origins_of(it, ("https://shop.example/", puma), ("https://shop.example/robots", puma))
    switches(it, "/cable")
    statuses(it, ("https://shop.example/cable", *UPGRADE, 101))
    it.origins[puma].on("/rails/active_storage/huge", reads_body(lambda connection, _: connection.respond(201, b"") and False))
    statuses(it, ("https://shop.example/rails/active_storage/huge", *LARGE, 201), ("https://shop.example/huge", *LARGE, 413))
    check_equal(it.ask("https://shop.example/form", "-d", "x" * 1000).arrived.bytes, 1000, "bytes of a form")
    it.origins[puma].on("/broken", lambda *_: False)
    bodies(it, ("https://shop.example/broken", b"sorry"))


@recipe("django", files={"/srv/shop/sorry.html": "sorry", "/srv/shop/static/app.css": "style", "/srv/shop/media/a/b.html": "upload"})
def django(it):
    gunicorn = "unix:/run/gunicorn/shop.sock"
    goes_to_https(it, "shop.example")
    bodies(it, ("https://shop.example/static/app.css", b"style"), ("https://shop.example/media/a/b.html", b"upload"))
    check_equal(it.ask("https://shop.example/media/a/b.html").get("X-Content-Type-Options"), "nosniff", "X-Content-Type-Options")
    statuses(it, ("https://shop.example/static/gone.css", 404), ("https://shop.example/admin/", *OUTSIDE, 403), ("https://shop.example/admin/", 200),
             ("https://shop.example/x", *LARGE, 413))
    origins_of(it, ("https://shop.example/", gunicorn), ("https://shop.example/staticky", gunicorn))
    arrived = it.ask("https://shop.example/form", "-d", "x" * 1000).arrived
    check_equal((arrived.bytes, arrived.all("X-Forwarded-Proto")), (1000, ["https"]), "a form")
    it.origins[gunicorn].on("/broken", lambda *_: False)
    bodies(it, ("https://shop.example/broken", b"sorry"))


@recipe("mastodon", files={"/home/mastodon/live/public/500.html": "sorry", "/home/mastodon/live/public/packs/app.js": "script",
                           "/home/mastodon/live/public/system/a.html": "upload", "/home/mastodon/live/public/sw.js": "worker"})
def mastodon(it):
    puma, streaming = "127.0.0.1:3000", "127.0.0.1:4000"
    goes_to_https(it, "social.example")
    bodies(it, ("https://social.example/packs/app.js", b"script"), ("https://social.example/system/a.html", b"upload"), ("https://social.example/sw.js", b"worker"))
    answer = it.ask("https://social.example/system/a.html")
    check(answer.get("Content-Security-Policy") and answer.get("Strict-Transport-Security"), "fields of what users have uploaded")
    origins_of(it, ("https://social.example/@anna", puma), ("https://social.example/api/v1/streaming/user", streaming), ("https://social.example/api/v1/statuses", puma))
    switches(it, "/api/v1/streaming")
    statuses(it, ("https://social.example/api/v1/streaming", *UPGRADE, 101))
    it.origins[puma].on("/about", status=200, body=b"about " * 1000, fields=[("Content-Type", "text/html")])
    check_equal(it.ask("https://social.example/about", "-H", "Accept-Encoding: gzip").get("Content-Encoding"), "gzip", "Content-Encoding")
    it.origins[puma].on("/broken", lambda *_: False)
    bodies(it, ("https://social.example/broken", b"sorry"))


@recipe("maintenance", files={"/etc/evenkeel/closed.json": '{"error": "closed"}', "/etc/evenkeel/closed.html": "closed"})
def maintenance(it):
    goes_to_https(it, "shop.example")
    origins_of(it, ("https://shop.example/", "127.0.0.1:8000"))
    it.write("/run/evenkeel/closed", "")
    answer = eventually(lambda: (answer := it.ask("https://shop.example/")).status == 503 and answer, "the site is closed")
    check_equal(answer.body, b"closed", "the page")
    check(int(answer.get("Retry-After")) >= 600, "Retry-After is shorter than told")
    bodies(it, ("https://shop.example/api/x", b'{"error": "closed"}'))
    statuses(it, ("https://shop.example/healthz", 200), ("https://shop.example/", "-H", "X-Forwarded-For: 10.1.2.3", 200))
    it.remove("/run/evenkeel/closed")
    eventually(lambda: it.ask("https://shop.example/").status == 200, "the site is open")


@recipe("staging", files={"/etc/evenkeel/users": ANNA})
def staging(it):
    goes_to_https(it, "staging.example")
    answer = it.ask("https://staging.example/", *OUTSIDE)
    check_equal((answer.status, answer.get("WWW-Authenticate"), answer.get("X-Robots-Tag")), (401, 'Basic realm="staging", charset="UTF-8"', "noindex, nofollow"),
                "answer without a password")
    statuses(it, ("https://staging.example/", *OUTSIDE, "-u", "anna:wrong", 401), ("https://staging.example/", *OUTSIDE, "-u", "anna:secret", 200),
             ("https://staging.example/", "-H", "X-Forwarded-For: 192.0.2.7", 200), ("https://staging.example/hooks/paid", *OUTSIDE, 200))


@recipe("canary")
def canary(it):
    goes_to_https(it, "shop.example")
    new = "canary.internal:8000"
    for arguments, wanted in ((("-H", "Cookie: canary=1"), True), (("-H", "X-Canary: never"), False)):
        answer = it.ask("https://shop.example/", *arguments)
        check_equal((answer.origin == new, answer.get("X-Served-By")), (wanted, "canary" if wanted else "stable"), f"who answers {arguments}")
    visitors = [[it.ask("https://shop.example/", "-H", f"Cookie: sid={visitor}").get("X-Served-By") for _ in range(2)] for visitor in range(12)]
    check(all(first == again for first, again in visitors), f"a visitor sees both versions: {visitors}")
    check(visitors.count(["canary"] * 2) < 6, f"the canary gets as much as the others: {visitors}")


@scenario("a recipe is not accepted without a warning, or does not do what it is for", within=120)
def judged(s):
    kitchen = Kitchen(s)
    for name in recipes():
        with s.case(name):
            judge, options = JUDGES[name]
            it = Recipe(kitchen, name, **options)
            judge(it)
            it.leave()


@scenario("a recipe is not in the list of README.md, or says nothing of what it is for")
def told(s):
    folder = os.path.join(os.environ["top_srcdir"], "contrib/recipes")
    with open(os.path.join(folder, "README.md")) as file:
        listed = set(re.findall(r"\(([\w-]+)\.conf\)", file.read()))
    check_equal(listed, set(recipes()), "recipes in README.md")
    check_equal(set(JUDGES), set(recipes()), "recipes that are judged")
    for name in recipes():
        with open(os.path.join(folder, f"{name}.conf")) as file, s.case(name):
            text = file.read()
            check(text.startswith("# ") and "\n# Change: " in text, "its head does not say what it is for and what to change")


run()
