"""Routes that answer with files: nothing outside the folder, conditions and ranges as nginx has them."""

import contextlib
import os
import re
import socket
import stat

from harness import (Arrived, Client, NginxOrigin, RawOrigin, access_rows, check, check_equal, eventually, run, run_program, scenario,
                     start_proxy)
from harness.h2_wire import H2Client

SECRET = b"nobody's business"
OLD_S = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
CLEARTEXT = {"listeners": {"web": {"http2": {"cleartext": True}}}}
REST = {"name": "all", "upstream": "app"}


def tree(s, name="root"):
    """A folder of files beside one that is secret; returns its path."""
    root = s.path(name)
    os.makedirs(os.path.join(root, "sub", "deep"))
    os.makedirs(os.path.join(root, "bare"))
    os.makedirs(os.path.join(root, ".git"))
    os.makedirs(os.path.join(root, ".well-known", "acme-challenge"))
    put(root, "index.html", b"index")
    put(root, "page.html", b"page")
    put(root, "sub/index.html", b"sub index")
    put(root, "two words.txt", b"words")
    put(root, "letters.txt", bytes(97 + i % 26 for i in range(1000)))
    put(root, "empty.txt", b"")
    put(root, ".env", SECRET)
    put(root, ".git/config", SECRET)
    put(root, ".well-known/acme-challenge/token", b"token")
    return root


def put(root, name, content):
    """Write a file of the past; returns its path. `content`: bytes, or the size of a file of zeros."""
    path = os.path.join(root, name)
    with open(path, "wb") as file:
        if isinstance(content, int):
            file.truncate(content)
        else:
            file.write(content)
    os.utime(path, (OLD_S, OLD_S))
    return path


def files(root, name="files", **more):
    return {"name": name, "files": {"root": root, **more}}


def serve(s, *routes, **more):
    """A proxy with these routes, and an upstream for the rest."""
    return start_proxy(s, RawOrigin(s), {**CLEARTEXT, "routes": [*routes, REST], **more})


# ---- outside the folder

# Each leads to the secret in some server.
OUTSIDE = (
    "/../secret", "/../../secret", "/sub/../../secret", "/%2e%2e/secret", "/%2e./secret", "/.%2e/secret", "/%2E%2E/secret", "/..%2fsecret",
    "/..%2Fsecret", "/%2e%2e%2fsecret", "/sub/..%2f..%2fsecret", "/sub%2f..%2f..%2fsecret", "/..\\secret", "/..%5csecret", "/%2e%2e%5csecret",
    "/sub\\..\\..\\secret", "/..;/secret", "/..;x=1/secret", "/;/../secret", "/..%3b/secret", "/..%00/secret", "/..%00secret", "/%00../secret",
    "/....//secret", "/...//secret", "/..//secret", "//../secret", "///../../secret", "/./../secret", "/sub/./../../secret", "/%252e%252e/secret",
    "/%252e%252e%252fsecret", "/%c0%ae%c0%ae/secret", "/%c0%ae%c0%ae%c0%afsecret", "/%e0%80%ae%e0%80%ae/secret", "/%uff0e%uff0e/secret",
    "/.%252e/secret", "/..%c0%afsecret", "/..%ef%bc%8fsecret", "/%2e%2e;/secret", "/index.html/../../secret", "/page.html%00/../../secret",
    "/sub/deep/../../../secret", "/sub/%2e%2e/%2e%2e/secret", "/out", "/out/", "/absolute", "/up/secret", "/up%2fsecret", "/up/../secret",
    "/.env", "/%2eenv", "/%2Eenv", "/.git/config", "/.git%2fconfig", "/%2egit/config", "/./.env", "//.env", "/sub/../.env", "/.well-known/../.env",
    "/.well-known/acme-challenge/..%2f..%2f.env", "http://shop.example/../secret", "/static/../../secret", "/static%2f..%2f..%2fsecret",
)  # fmt: skip


@scenario("a path leads out of the folder, or to what is nobody's business")
def outside(s):
    root = tree(s)
    put(os.path.dirname(root), "secret", SECRET)
    for name, target in (("out", "../secret"), ("absolute", os.path.join(os.path.dirname(root), "secret")), ("up", ".."), ("inside", "page.html")):
        os.symlink(target, os.path.join(root, name))
    proxy = serve(s, {"path_prefix": "/static", "rewrite": {"strip_prefix": "/static"}, **files(root, "stripped")}, files(root))
    with H2Client(proxy.address) as h2:
        for target in OUTSIDE:
            with s.case(target):
                answer = proxy.get(target)
                check(answer.status in (400, 403, 404), f"{answer.status}")
                check(SECRET not in answer.body, "it was sent")
                if not target.startswith("http"):
                    answer = h2.request(path=target)
                    check(answer.status in (400, 403, 404) and SECRET not in answer.body, f"HTTP/2: {answer.status}")
    for target, status, body in (("/inside", 200, b"page"), ("/.well-known/acme-challenge/token", 200, b"token"), ("/two%20words.txt", 200, b"words"),
                                 ("/static/page.html", 200, b"page"), ("/static/", 200, b"index"), ("/sub/../page.html", 200, b"page"),
                                 ("//page.html", 200, b"page"), ("/page.html?/../secret", 200, b"page")):
        with s.case(f"{target} is inside"):
            answer = proxy.get(target)
            check_equal((answer.status, bytes(answer.body)), (status, body), "answer")


@scenario("what is no regular file is opened, and a request waits for it")
def irregular(s):
    root = tree(s)
    os.mkfifo(os.path.join(root, "fifo"))
    local = socket.socket(socket.AF_UNIX)
    local.bind(os.path.join(root, "socket"))
    with contextlib.suppress(PermissionError):
        os.mknod(os.path.join(root, "device"), stat.S_IFCHR | 0o666, os.makedev(1, 5))
    proxy = serve(s, {"path_prefix": "/dev", "rewrite": {"strip_prefix": "/dev"}, **files("/dev", "devices")}, files(root))
    for target in ("/fifo", "/socket", "/device", "/dev/zero", "/dev/tty", "/dev/null", "/bare/", "/bare", "/page.html/", "/page.html/x"):
        with s.case(target):
            answer = proxy.get(target)
            check_equal((answer.status, b"file_not_found" in answer.body), (404, True), "answer")
    local.close()


# ---- which file

@scenario("a route with files sends another one than it says")
def which(s):
    root, other = tree(s), tree(s, "other")
    put(root, "app.js", b"plain")
    put(root, "app.js.gz", b"gzip")
    put(root, "app.js.zst", b"zstd")
    put(other, "page.html", b"other page")
    log = {"log": {"access": {"path": s.path("access.log"), "format": "json"}}}
    page = s.write("sorry.html", "<p>sorry</p>")
    proxy = serve(s, {"path_prefix": "/spa", "rewrite": {"strip_prefix": "/spa"}, **files(root, "spa", **{"try": [".html", "/index.html"]})},
                  {"path_prefix": "/pre", "rewrite": {"strip_prefix": "/pre"}, **files(root, "pre", precompressed=True)},
                  {"path_prefix": "/bare", "rewrite": {"strip_prefix": "/bare"}, **files(root, "none", index=["page.html", "index.html"])},
                  {"path": "/home", "rewrite": {"strip_prefix": "/home"}, **files(root, "home")},
                  {"path": "/\\evil.example", "rewrite": {"path": "/sub"}, **files(root, "backslash")},
                  {"error_pages": [{"status": "404", "file": page}], "response": {"set": {"Cache-Control": "max-age=60"}}, **files(root)}, **log)
    for target, status, location, body in (
            ("/", 200, None, b"index"), ("/index.html", 200, None, b"index"), ("/sub", 301, "/sub/", b""), ("/sub?a=b", 301, "/sub/?a=b", b""),
            ("//sub", 301, "/sub/", b""), ("//sub/", 200, None, b"sub index"), ("/spa", 301, "/spa/", b""), ("/spa?a=b", 301, "/spa/?a=b", b""),
            ("/%73pa", 301, "/%73pa/", b""), ("/spa/", 200, None, b"index"), ("/home", 200, None, b"index"), ("/spa/page", 200, None, b"page"),
            ("/spa/some/where", 200, None, b"index"), ("/spa/sub", 301, "/spa/sub/", b""), ("/\\evil.example", 301, "/evil.example/", b""), ("/bare/", 200, None, b"page"),
            ("/empty.txt", 200, None, b""), ("/nothing", 404, None, b"<p>sorry</p>"), ("/sub/nothing", 404, None, b"<p>sorry</p>")):
        with s.case(target):
            answer = proxy.get(target)
            check_equal((answer.status, answer.get("Location"), bytes(answer.body)), (status, location, body), "answer")
    with s.case("fields of the answer"):
        answer = proxy.get("/page.html")
        check_equal([answer.get(name) for name in ("Content-Type", "Last-Modified", "Accept-Ranges", "Cache-Control", "Vary", "Content-Length")],
                    ["text/html; charset=utf-8", "Sun, 06 Nov 1994 08:49:37 GMT", "bytes", "max-age=60", None, "4"], "fields")
    with s.case("precompressed files"):
        for accepted, coding, body in (("gzip, zstd", "zstd", b"zstd"), ("gzip", "gzip", b"gzip"), ("br", None, b"plain"), ("gzip;q=0", None, b"plain")):
            answer = proxy.get("/pre/app.js", [("Accept-Encoding", accepted)])
            check_equal((answer.get("Content-Encoding"), bytes(answer.body), answer.get("Vary"), answer.get("Content-Type")),
                        (coding, body, "Accept-Encoding", "text/javascript; charset=utf-8"), accepted)
        tags = {proxy.get("/pre/app.js", [("Accept-Encoding", coding)]).get("ETag") for coding in ("gzip", "zstd", "br")}
        check_equal(len(tags), 3, "tags that differ")
    with s.case("HEAD, and other methods"), proxy.client() as client:
        answer = client.request("HEAD", "/letters.txt")
        check_equal((answer.status, answer.get("Content-Length"), len(answer.body)), (200, "1000", 0), "answer")
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PURGE"):
            answer = client.request(method, "/letters.txt", body=b"abc" if method in ("POST", "PUT") else b"")
            check_equal((answer.status, answer.get("Allow")), (405, "GET, HEAD"), method)
    with s.case("a body with GET is not waited for"), proxy.client() as client:
        client.send("GET /page.html HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc")
        check_equal(bytes(client.response().body), b"page", "body")
    with s.case("the log and the metrics"):
        row = eventually(lambda: [row for row in access_rows(s.path("access.log")) if row["target"] == "/letters.txt" and row["method"] == "HEAD"], "a line")[0]
        check_equal((row["route"], row["status"], row["reason"], row["upstream"]), ("files", 200, "complete", ""), "line")
        check(proxy.metric("evenkeel_exchanges_by_reason_total", route="files", reason="file_not_found") == 2, "metric")
    with s.case("a reload changes the root"):
        proxy.settings["routes"] = [files(other), REST]
        check(proxy.reload({}), "the reload was rejected")
        check_equal(bytes(proxy.get("/page.html").body), b"other page", "body")
        check_equal(proxy.get("/letters.txt").status, 200, "status")
    with s.case("the root may be exchanged while it is served"):
        proxy.settings["routes"] = [files(s.path("current")), REST]
        check(proxy.reload({}), "the reload was rejected")
        check_equal(proxy.get("/page.html").status, 404, "status")
        for target, body in ((root, b"page"), (other, b"other page")):
            os.symlink(target, s.path("next"))
            os.rename(s.path("next"), s.path("current"))
            check_equal(bytes(proxy.get("/page.html").body), body, "body")


@scenario("what is no file does not get to the upstream as it came")
def before_an_upstream(s):
    root = tree(s)
    put(root, "large.bin", LARGE // 8)
    proxy = start_proxy(s, RawOrigin(s), {**CLEARTEXT, "routes": [
        {"path_prefix": "/limited", "rate": {"per_second": 0.01, "burst": 7}, "upstream": "app", **files(root, "limited")},
        {"path_prefix": "/app", "rewrite": {"strip_prefix": "/app"}, "upstream": "app", **files(root, "app")},
        {"upstream": "app", **files(root, "site")}]})
    with proxy.client() as client, H2Client(proxy.address) as h2:
        for target, body in (("/", b"index"), ("/page.html", b"page"), ("/app/page.html", b"page"), ("/sub/", b"sub index")):
            with s.case(f"{target} is a file"):
                check_equal(bytes(client.request("GET", target).body), body, "HTTP/1")
                check_equal(bytes(h2.request(path=target).body), body, "HTTP/2")
        for target, sent in (("/nothing?a=b", "/nothing?a=b"), ("/app/nothing", "/nothing"), ("/bare/", "/bare/"), ("/page.html/", "/page.html/"),
                             ("/.env", "/.env"), ("/a%2fb", "/a%2fb"), ("//nothing", "//nothing")):
            with s.case(f"{target} is none"):
                check_equal(Arrived(client.request("GET", target)).target, sent, "HTTP/1")
                check_equal(Arrived(h2.request(path=target)).target, sent, "HTTP/2")
        for method, target, body in (("POST", "/page.html", b"x" * 100000), ("OPTIONS", "/page.html", b""), ("GET", "/nothing", b"y" * 300000), ("PUT", "/nothing", b"z")):
            with s.case(f"{method} {target}"):
                arrived = Arrived(client.request(method, target, body=body))
                check_equal((arrived.method, arrived.bytes), (method, len(body)), "HTTP/1")
                arrived = Arrived(h2.request(method=method, path=target, body=body or None))
                check_equal((arrived.method, arrived.bytes), (method, len(body)), "HTTP/2")
    with s.case("an upgrade is not for a file"):
        arrived = Arrived(proxy.get("/page.html", [("Connection", "Upgrade"), ("Upgrade", "websocket")]))
        check_equal(arrived.all("Upgrade"), ["websocket"], "Upgrade")
    with s.case("a request counts once for a rate"):
        put(root, "limited", b"limited")
        statuses = [proxy.get(target, method=method).status for _ in range(4) for method, target in (("GET", "/limited"), ("GET", "/limited/x"), ("POST", "/limited"))]
        check_equal(statuses, [200] * 8 + [503] * 4, "statuses")
    proxy.rest()


@scenario("a file is sent to who may not have it")
def guarded(s):
    root = tree(s)
    origin = RawOrigin(s)
    origin.on("/verify", lambda connection, request: connection.respond(200 if request.get("Cookie") == "user=me" else 401, b"verified"))
    forward = {"auth": {"forward": {"upstream": "app", "path": "/verify"}}}
    proxy = start_proxy(s, origin, {**CLEARTEXT, "routes": [
        {"path": "/page.html", "access": {"deny": ["127.0.0.0/8"]}, **files(root, "denied")},
        {"path_prefix": "/sub", **forward, **files(root, "asked")},
        {"path_prefix": "/both", "rewrite": {"strip_prefix": "/both"}, "upstream": "app", **forward, **files(root, "both")}, files(root)]})
    with proxy.client() as client, H2Client(proxy.address) as h2:
        for target, fields, status, body in (
                ("/page.html", [], 403, None), ("/%70age.html", [], 403, None), ("/sub/../page.html", [], 403, None), ("//page.html", [], 403, None),
                ("/sub/", [], 401, b"verified"), ("/%73ub/index.html", [], 401, b"verified"), ("/sub/", [("cookie", "user=me")], 200, b"sub index"),
                ("/both/page.html", [], 401, b"verified"), ("/both/page.html", [("cookie", "user=me")], 200, b"page")):
            with s.case(f"{target} {fields}"):
                for answer in (client.request("GET", target, [(name.title(), value) for name, value in fields]), h2.request(path=target, fields=fields)):
                    check_equal((answer.status, bytes(answer.body) if body else None), (status, body), "answer")
        with s.case("what is no file goes on behind the service"):
            arrived = Arrived(client.request("GET", "/both/nothing", [("Cookie", "user=me")], body=b"x" * 100000))
            check_equal((arrived.target, arrived.bytes), ("/nothing", 100000), "at the origin")
    proxy.rest()


@scenario("a configuration without an upstream does not serve what needs none")
def alone(s):
    root = tree(s)
    proxy = start_proxy(s, settings={"routes": [{"path": "/to", "redirect": {"to": "/"}}, files(root)]})
    eventually(lambda: proxy.admin("/readyz")[0] == 200, "it is ready")
    for _ in range(2):
        check_equal(bytes(proxy.get("/page.html").body), b"page", "body")
        check_equal(proxy.get("/to").status, 308, "status")
        check(proxy.reload({}), "the reload was rejected")
    for page in ("/upstreams", "/status", "/resources", "/metrics"):
        check_equal(proxy.admin(page)[0], 200, page)


WRONG = [
    ({"files": {"try": ["/x"]}}, 'files: expected a folder such as files = { root = "/var/www"; ... }'),
    ({"files": {"root": ""}}, "files.root: expected a text that is not empty"),
    ({"files": {"root": "/"}, "redirect": {"to": "/x"}}, "write one of upstream, redirect, respond and files"),
    ({"files": {"root": "/", "try": ["index.html"]}}, 'expected a path below the root such as "/index.html", or an ending such as ".html"'),
    ({"files": {"root": "/", "try": ["/../x"]}}, "expected a path below the root"),
    ({"files": {"root": "/", "index": ["a/b"]}}, 'expected the name of a file such as "index.html"'),
    ({"files": {"root": "/", "index": [".."]}}, "expected the name of a file"),
    ({"files": {"root": "/", "timeout": "0s"}}, "files.timeout: expected"),
    ({"files": {"rot": "/"}}, "root"),
    ({"files": {"root": "/"}, "rewrite": {"host": "x"}}, "rewrite.host: has no effect on files"),
    ({"files": {"root": "/"}, "rewrite": {"path": "/a", "strip_prefix": "/b"}}, "write path or strip_prefix, not both"),
]


@scenario("a wrong route with files is accepted, or its message does not say what to write")
def wrong(s):
    proxy = start_proxy(s, RawOrigin(s))
    for route, message in WRONG:
        with s.case(f"{route}"):
            proxy.settings["routes"] = [{"name": "x", "path": "/x", **route}, REST]
            done = run_program(s, "-t", "-c", s.write("wrong.conf", proxy.text()))
            check_equal(done.returncode, 1, done.stderr)
            check_equal(done.stderr.count("error: "), 1, done.stderr)
            check(message in done.stderr and re.search(r"wrong\.conf:\d+: routes\.\[0\]", done.stderr), done.stderr)


# ---- conditions and ranges

DATE, BEFORE, AFTER = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:36 GMT", "Mon, 07 Nov 1994 08:49:37 GMT"
CONDITIONS = (
    [], [("If-None-Match", "{etag}")], [("If-None-Match", "W/{etag}")], [("If-None-Match", '"x"')], [("If-None-Match", '"x", {etag}')],
    [("If-None-Match", "*")], [("If-Modified-Since", DATE)], [("If-Modified-Since", BEFORE)], [("If-Modified-Since", AFTER)],
    [("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], [("If-Modified-Since", "Sun Nov  6 08:49:37 1994")], [("If-Modified-Since", "soon")],
    [("If-None-Match", '"x"'), ("If-Modified-Since", DATE)], [("If-None-Match", "{etag}"), ("If-Modified-Since", DATE)],
    [("If-Match", "{etag}")], [("If-Match", '"x"')], [("If-Match", "*")], [("If-Match", '"x", {etag}')], [("If-Match", '"x"'), ("If-None-Match", "{etag}")],
    [("If-Unmodified-Since", DATE)], [("If-Unmodified-Since", BEFORE)], [("If-Unmodified-Since", AFTER)],
)  # fmt: skip
RANGES = (
    "bytes=0-0", "bytes=0-9", "bytes=500-", "bytes=990-2000", "bytes=999-", "bytes=999-999", "bytes=-1", "bytes=-10", "bytes=-1000", "bytes=-5000",
    "bytes=1000-", "bytes=1000-2000", "bytes=5000-", "bytes=0-999", "bytes=0-1000000000000", "bytes=1-1,3-3", "bytes=0-9,-10", "bytes=0-0,500-509,-1",
    "bytes=10-19,0-9", "bytes=5000-,0-9", "bytes=5000-,6000-", "bytes=0-99,50-149", "bytes=0-,0-", "bytes=0-599,400-999", "bytes=0-9, 20-29", "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7",
)  # fmt: skip
IF_RANGES = ("{etag}", '"x"', "W/{etag}", DATE, BEFORE, AFTER)


def requests():
    """(target, fields) of every request that both are asked."""
    for target in ("/letters.txt", "/page.html"):
        for fields in CONDITIONS:
            yield target, fields
    for value in RANGES:
        yield "/letters.txt", [("Range", value)]
    for value in IF_RANGES:
        for span in ("bytes=0-9", "bytes=0-9,-10", "bytes=5000-"):
            yield "/letters.txt", [("Range", span), ("If-Range", value)]
    for fields in CONDITIONS:
        yield "/letters.txt", [("Range", "bytes=10-19"), *fields]


def parts(answer):
    """What a response says: of several parts, each with its range."""
    kind = answer.get("Content-Type") or ""
    body = bytes(answer.body)
    if kind.startswith("multipart/byteranges"):
        boundary = kind.partition("boundary=")[2].encode()
        check(len(body) == int(answer.get("Content-Length")), "length of several parts")
        pieces = (b"\r\n" + body.removeprefix(b"\r\n")).split(b"\r\n--" + boundary)
        check_equal((pieces[0], pieces[-1]), (b"", b"--\r\n"), "what is around the parts")
        said = [piece.removeprefix(b"\r\n").partition(b"\r\n\r\n") for piece in pieces[1:-1]]
        return [(re.search(rb"(?i)content-range: (.*)", head).group(1).strip(), text) for head, _, text in said]
    return (answer.get("Content-Range"), body if answer.status in (200, 206) else b"")


def said_by(ask, target, fields):
    tag = ask("HEAD", target, []).get("ETag")
    answer = ask("GET", target, [(name, value.replace("{etag}", tag)) for name, value in fields])
    modified = answer.get("Last-Modified") if answer.status in (200, 206) else None
    length = answer.get("Content-Length") if answer.status == 304 else None  # would be that of another answer
    return answer.status, modified, length, parts(answer)


@scenario("a conditional or range request is answered otherwise than by nginx")
def conditions(s):
    root = tree(s)
    nginx = NginxOrigin(s, rows=f"location / {{ alias {root}/; if_modified_since before; }}")
    proxy = serve(s, files(root))

    def theirs(*request):
        with Client(("127.0.0.1", nginx.port)) as client:  # it closes after some refusals
            return client.request(*request)

    asked = list(requests())
    check(len(asked) >= 100, f"only {len(asked)} requests")
    with proxy.client() as ours, H2Client(proxy.address) as h2:
        for target, fields in asked:
            with s.case(f"{target} {fields}"):
                wanted = said_by(theirs, target, fields)
                check_equal(said_by(ours.request, target, fields), wanted, "HTTP/1")
                check_equal(said_by(lambda method, path, more: h2.request(method=method, path=path, fields=[(n.lower(), v) for n, v in more]), target, fields),
                            wanted, "HTTP/2")
    with s.case("a tag counts, not the date beside it (nginx wants both)"):
        tag = proxy.get("/letters.txt").get("ETag")
        check_equal(proxy.get("/letters.txt", [("If-None-Match", tag), ("If-Modified-Since", BEFORE)]).status, 304, "status")
    with s.case("what the standard leaves open"):
        for value in ("bytes=9-0", "bytes=", "bytes=a-b", "lines=0-9", "0-9", "bytes=" + ",".join(f"{i}-{i}" for i in range(17))):
            answer = proxy.get("/letters.txt", [("Range", value)])
            check_equal((answer.status, len(answer.body)), (200, 1000), value)
        answer = proxy.get("/letters.txt", [("Range", "bytes=0-9")], method="HEAD")
        check_equal((answer.status, answer.get("Content-Length")), (200, "1000"), "a range is for GET alone")
    with s.case("a Range in several lines says nothing (nginx takes the first)"), proxy.client() as client, H2Client(proxy.address) as h2:
        for values in (("bytes=0-9", "bytes=20-29"), ("bytes=0-9", "bytes=0-9"), ("bytes=0-9", "20-29"), ("bytes=5000-", "bytes=0-9")):
            for answer in (client.request("GET", "/letters.txt", [("Range", value) for value in values]),
                           h2.request(path="/letters.txt", fields=[("range", value) for value in values])):
                check_equal((answer.status, len(answer.body)), (200, 1000), values)
    with s.case("a refused range says how long the file is"):
        check_equal(proxy.get("/letters.txt", [("Range", "bytes=5000-")]).get("Content-Range"), "bytes */1000", "Content-Range")


# ---- large files and slow clients

LARGE = 24 * 1024 * 1024


def noise(count):
    piece = os.urandom(65536)
    return b"".join(bytes((piece[i:] + piece[:i])) for i in range(count // 65536))


@scenario("a large file arrives otherwise than it is, or a slow client holds more of it than a buffer")
def large(s):
    root = tree(s)
    content = noise(LARGE // 8)
    put(root, "noise.bin", content)
    put(root, "zeros.bin", LARGE)
    proxy = serve(s, files(root), limits={"memory": "64MiB"})
    with s.case("over HTTP/1, one after the other"), proxy.client() as client:
        for _ in range(2):
            check(bytes(client.request("GET", "/noise.bin").body) == content, "bytes")
        check(bytes(client.request("GET", "/noise.bin", [("Range", "bytes=100000-1099999")]).body) == content[100000:1100000], "bytes of a range")
    with s.case("over HTTP/2, several at a time"), H2Client(proxy.address) as client:
        streams = [client.ask(path="/noise.bin") for _ in range(3)]
        for stream in streams:
            check(bytes(client.response(stream).body) == content, "bytes")
    with s.case("slow clients"), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.client(receive_buffer=4096)) for _ in range(20)]
        for client in clients:
            client.send("GET /zeros.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        for client in clients:
            client.reader.through(b"\r\n\r\n")
        used = eventually(lambda: (now := proxy.bound("buffers_bytes")["used"]) and now, "something waits for them")
        check(used < 20 * 300_000, f"{used} bytes of buffers for 20 slow clients")
        check_equal(proxy.get("/page.html").status, 200, "another client")
    proxy.rest()


@scenario("a file that becomes shorter while it is sent looks like a whole one")
def shrinks(s):
    root = tree(s)
    log = {"log": {"access": {"path": s.path("access.log"), "format": "json"}}}
    proxy = serve(s, files(root), **log)
    with s.case("over HTTP/1"), proxy.client(receive_buffer=4096) as client:
        path = put(root, "http1.bin", LARGE)
        client.send("GET /http1.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        client.reader.through(b"\r\n\r\n")
        os.truncate(path, LARGE // 2)
        got = []
        try:
            client.reader.exactly(LARGE, lambda piece: got.append(len(piece)))
            check(False, "all of it came")
        except Exception as broken:
            check(getattr(broken, "how", None) in ("eof", "reset"), repr(broken))
        check(sum(got) <= LARGE // 2, f"{sum(got)} bytes came")
    with s.case("over HTTP/2"), H2Client(proxy.address, automatic=False) as client:
        path = put(root, "http2.bin", LARGE)
        stream = client.ask(path="/http2.bin")
        client.wait_for(lambda: stream in client.messages and client.messages[stream].bytes > 0, "payload comes")
        os.truncate(path, LARGE // 2)
        client.open_window(0, LARGE)
        client.open_window(stream, LARGE)
        client.reset_of(stream)
        check(client.messages[stream].bytes <= LARGE // 2 and not client.messages[stream].complete, "it looks whole")
    reasons = eventually(lambda: (rows := [row["reason"] for row in access_rows(s.path("access.log"))]) and len(rows) == 2 and rows, "two lines")
    check_equal(reasons, ["file_changed"] * 2, "reasons")
    with s.case("one that grows is sent as long as it was"):
        path = put(root, "grows.bin", LARGE // 8)
        with proxy.client() as client:
            client.send("GET /grows.bin HTTP/1.1\r\nHost: h\r\n\r\n")
            client.reader.through(b"\r\n\r\n")
            os.truncate(path, LARGE)
            client.reader.exactly(LARGE // 8, lambda piece: None)
            check_equal(client.request("GET", "/page.html").status, 200, "the next request")


@scenario("clients that leave in the middle of a file leave something behind")
def leaving(s):
    root = tree(s)
    put(root, "zeros.bin", LARGE)
    proxy = serve(s, files(root))
    with proxy.client() as client:
        client.request("GET", "/page.html")
    proxy.rest()
    before = proxy.bound("fds")["used"]
    for turn in range(40):
        client = proxy.client(receive_buffer=4096)
        client.send(f"GET /{'zeros.bin' if turn % 2 else 'page.html'} HTTP/1.1\r\nHost: h\r\n\r\n")
        if turn % 4 > 1:
            client.reader.fill()
        client.reset()
    with H2Client(proxy.address) as client:
        for _ in range(20):
            client.ask(path="/zeros.bin")
    proxy.rest()
    eventually(lambda: proxy.bound("fds")["used"] <= before, "the descriptors are given back")


run()
