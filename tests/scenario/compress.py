"""Responses are compressed for those who accept it, and mean the same."""

import gzip
import hashlib
import queue
import random
import subprocess
import threading
import zlib

from harness import (SANITIZED, MemoryWatch, RawOrigin, access_rows, check, check_equal, curl, eventually, merge, patient, render,
                     run, run_program, scaled, scenario, start_proxy)
from harness import h2_bytes as h2
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client

CHROME, FIREFOX, SAFARI = "gzip, deflate, br, zstd", "gzip, deflate, br, zstd", "gzip, deflate, br"
PAGE = b"<p>" + b"a page of some length, as pages are; " * 200 + b"</p>"
ON = {"compress": {"enabled": True}}


def decoded(response):
    """What the client reads after its coding is undone; fails if the content is not whole."""
    coding, body = response.get("Content-Encoding"), bytes(response.body)
    if coding == "gzip":
        return gzip.decompress(body)
    if coding == "zstd":
        return subprocess.run(["zstd", "-dc"], input=body, capture_output=True, timeout=patient(10), check=True).stdout
    check(coding is None, f"coding {coding}")
    return body


def page(fields=(), body=PAGE, status=200, kind="text/html"):
    return lambda connection, _: connection.respond(status, body, [("Content-Type", kind), *fields])


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked_head(kind="text/html"):
    return f"HTTP/1.1 200 Fine\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


# path: how the origin answers, what becomes of it for a client that takes anything, and whether Vary is told
RESPONSES = {
    "/page": (page(), "zstd", True),
    "/parameters": (page(kind="Text/HTML; charset=utf-8"), "zstd", True),
    "/error": (page(status=404), "zstd", True),
    "/vary": (page([("Vary", "Origin")]), "zstd", True),
    "/small": (page(body=b"small"), None, False),
    "/image": (page(kind="image/png"), None, False),
    "/events": (page(kind="text/event-stream"), None, False),
    "/untyped": (lambda connection, _: connection.respond(200, PAGE), None, False),
    "/coded": (page([("Content-Encoding", "br")]), None, False),
    "/kept": (page([("Cache-Control", "max-age=5, no-transform")]), None, False),
    "/digest": (page([("Content-Digest", "sha-256=:AAAA:")]), None, False),
    "/part": (page([("Content-Range", "bytes 0-7399/99999")], status=206), None, False),
    "/empty": (page(status=204, body=b""), None, False),
    "/login": (page([("Set-Cookie", "session=1")]), None, True),
}
# Accept-Encoding: the coding of /page
ASKED = [
    (CHROME, "zstd"), (FIREFOX, "zstd"), (SAFARI, "gzip"), ("gzip", "gzip"), ("x-gzip", "gzip"), ("GZIP;q=1.0", "gzip"),
    ("br", None), ("identity", None), ("", None), (None, None), ("*", "zstd"), ("gzip;q=0, *;q=0", None),
    ("zstd;q=0.5, gzip", "gzip"), ("gzip;q=0.5, identity", None), ("gzip;q=2", None), ("deflate, gzip;q=0.001", "gzip"),
]
# fields of the request, of the response: whether a page is compressed although there may be secrets
SECRETS = [
    ([], [], True), ([("Cookie", "a=b")], [], False), ([("Authorization", "Basic YTpi")], [], False),
    ([("Cookie", "a=b")], [("Cache-Control", "public, max-age=60")], True),
    ([("Cookie", "a=b")], [("Cache-Control", "s-maxage=60")], True),
    ([("Cookie", "a=b")], [("Cache-Control", "private, max-age=60")], False),
    ([], [("Set-Cookie", "a=b")], False), ([("Cookie", "a=b")], [("Cache-Control", "public"), ("Set-Cookie", "a=b")], False),
]


@scenario("a response is compressed that must not be, or means something else afterwards")
def rules(s):
    origin = RawOrigin(s)
    for path, (answer, _, _) in RESPONSES.items():
        origin.on(path, answer)
    proxy = start_proxy(s, origin, {"workers": 1, **ON})

    def get(path, coding=CHROME, fields=(), method="GET"):
        asked = [("Accept-Encoding", coding)] if coding is not None else []
        return proxy.get(path, [*asked, *fields], method)

    with s.case("by status, type, length and fields of the response"):
        for path, (_, coding, varies) in RESPONSES.items():
            response = get(path)
            check_equal(response.get("Content-Encoding"), coding if path != "/coded" else "br", f"coding of {path}")
            check_equal("Accept-Encoding" in response.all("Vary"), varies, f"{path} tells Vary")
            if coding:
                check_equal((decoded(response), response.framing), (PAGE, "chunked"), f"content of {path}")
    with s.case("by what the client accepts, with weights"):
        for accept, coding in ASKED:
            response = get("/page", accept)
            check_equal((response.get("Content-Encoding"), response.get("Vary")), (coding, "Accept-Encoding"), f"for {accept!r}")
            check_equal(decoded(response), PAGE, f"content for {accept!r}")
    with s.case("never with what may hold a secret, unless it is public"):
        for number, (asks, says, compressed) in enumerate(SECRETS):
            origin.on(f"/secret{number}", page(says))
            coding = get(f"/secret{number}", fields=asks).get("Content-Encoding")
            check_equal(coding is not None, compressed, f"compressed for {asks} and {says}")
    with s.case("HEAD has the fields of GET"):
        head, whole = get("/page", method="HEAD"), get("/page")
        for name in ("Content-Encoding", "Vary", "Content-Length"):
            check_equal(head.get(name), whole.get(name), name)
    with s.case("the entity tag becomes weak, in a 304 too for whoever asks by it; ranges are not offered"):
        origin.on("/tagged", lambda connection, request: connection.respond(
            304 if request.get("If-None-Match") else 200, b"" if request.get("If-None-Match") else PAGE,
            [("Content-Type", "text/html"), ("ETag", '"v1"'), ("Accept-Ranges", "bytes")]))
        whole = get("/tagged")
        check_equal((whole.get("ETag"), whole.get("Accept-Ranges")), ('W/"v1"', None), "compressed")
        plain = get("/tagged", None)
        check_equal((plain.get("ETag"), plain.get("Accept-Ranges")), ('"v1"', "bytes"), "as it is")
        for asked, tag in (('W/"v1"', 'W/"v1"'), ('"v1"', '"v1"'), ('"W/", W/"v1"', 'W/"v1"')):
            check_equal(get("/tagged", fields=[("If-None-Match", asked)]).get("ETag"), tag, f"of a 304 for {asked}")
        for first, second, tag in (('"x"', 'W/"v1"', 'W/"v1"'), ('W/"x"', '"v1"', '"v1"'), ('"y", W/"x"', '"z", W/"v1"', 'W/"v1"')):
            fields = [("If-None-Match", first), ("If-None-Match", second)]
            check_equal(get("/tagged", fields=fields).get("ETag"), tag, f"of a 304 for {first} and {second} in two lines")
    with s.case("a client of HTTP/1.0 gets it as it is"):
        with proxy.client() as client:
            response = client.request("GET", "/page", [("Accept-Encoding", "gzip")], version="HTTP/1.0")
            check_equal((response.get("Content-Encoding"), decoded(response)), (None, PAGE), "coding, content")
    with s.case("it is counted"):
        check(proxy.metric("evenkeel_responses_compressed_total") > 15, "responses")
        sent, came = (proxy.metric(f"evenkeel_compressed_{way}_bytes_total") for way in ("sent", "received"))
        check(0 < sent < came / 10, f"{came} bytes became {sent}")
        check_equal(proxy.bound("compress_bytes")["used"], 0, "memory afterwards")


@scenario("what holds at the top and for a route is not what is written, or a reload does not change it")
def settings(s):
    origin = RawOrigin(s).on("/", page())
    routes = [{"name": "plain", "path_prefix": "/plain", "upstream": "app", "compress": {"enabled": False}},
              {"name": "gzip", "path_prefix": "/gzip", "upstream": "app", "compress": {"codings": ["gzip"], "level": 9}},
              {"name": "secret", "path_prefix": "/secret", "upstream": "app", "compress": {"secrets": True}},
              {"name": "all", "upstream": "app"}]
    proxy = start_proxy(s, origin, {"workers": 1, **ON, "routes": routes})

    def coding(path):
        return proxy.get(path, [("Accept-Encoding", CHROME), ("Cookie", "a=b")] if path == "/secret" else
                         [("Accept-Encoding", CHROME)]).get("Content-Encoding")

    check_equal([coding(path) for path in ("/plain", "/gzip", "/secret", "/x")], [None, "gzip", "zstd", "zstd"], "codings")
    check(proxy.reload({"compress": {"enabled": False}}), "the file was rejected")
    check_equal([coding(path) for path in ("/plain", "/gzip", "/secret", "/x")], [None] * 4, "codings afterwards")
    with s.case("by the fields that the client gets, not by those that the route takes away"):
        for comes, becomes, wanted in (
                ({"Cache-Control": "public", "ETag": '"v1"'}, {"Cache-Control": "private"}, (None, '"v1"')),
                ({"Cache-Control": "private", "ETag": '"v1"'}, {"Cache-Control": "public", "ETag": '"v2"'}, ("zstd", 'W/"v2"')),
                ({"Content-Type": "image/png", "Cache-Control": "public"}, {"Content-Type": "text/html"}, ("zstd", None))):
            kind = comes.pop("Content-Type", "text/html")
            origin.on("/edited", page(comes.items(), kind=kind))
            check(proxy.reload({"compress": {"enabled": True}, "routes": [
                {"name": "edited", "upstream": "app", "response": {"set": becomes}}]}), "the file was rejected")
            answer = proxy.get("/edited", [("Accept-Encoding", CHROME), ("Cookie", "a=b")])
            check_equal((answer.get("Content-Encoding"), answer.get("ETag")), wanted, f"coding and tag with {becomes}")
    with s.case("the check of a file warns of secrets on all routes"):
        for compress, warned in (({"enabled": True, "secrets": True}, True), ({"enabled": True}, False)):
            with open(s.path("checked"), "w") as file:
                file.write(render(merge(proxy.settings, {"compress": compress})))
            said = run_program(s, "-t", "-c", s.path("checked"))
            check_equal("BREACH" in said.stdout + said.stderr, warned, f"warning for {compress}")
    with s.case("what is wrong is said, with what to write"):
        for wrong, words in (({"codings": ["br"]}, '"zstd" or "gzip"'), ({"enabled": True, "codings": []}, "enabled = false"),
                             ({"types": ["html"]}, "media type"), ({"level": 12}, "1 to 9")):
            check(not proxy.reload(merge(proxy.settings, {"compress": wrong}) and {"compress": wrong}), f"{wrong} was taken")
            proxy.wait_for_log(words)
            proxy.settings["compress"] = {"enabled": False}


@scenario("curl, over HTTP/1 and HTTP/2 on either side, gets other bytes than the origin sent", within=60)
def both_protocols(s):
    body = "".join(random.Random(3).choices("some words that repeat and others", k=120_000)).encode()
    plain = RawOrigin(s, "plain")
    plain.on("/sized", page(body=body))
    plain.on("/chunked", lambda connection, _: connection.send(
        chunked_head() + b"".join(chunk(body[at:at + 7000]) for at in range(0, len(body), 7000)) + b"0\r\n\r\n"))
    other = H2Origin(s, "other")
    other.on("/", lambda stream, _: stream.respond(200, body, [("content-type", "text/html")]))
    proxy = start_proxy(s, plain, {**ON, "listeners": {"web": {"http2": {"cleartext": True}}},
                                   "upstreams": {"h2": {"endpoints": [other.address], "protocol": "http2"}},
                                   "routes": [{"name": "h2", "path_prefix": "/h2", "upstream": "h2"},
                                              {"name": "all", "upstream": "app"}]})
    for options in ([], ["--http2-prior-knowledge"]):
        for path in ("/sized", "/chunked", "/h2"):
            for accept in ("gzip", "zstd"):
                into = s.path("got")
                done = curl("-f", "--compressed", "-H", f"Accept-Encoding: {accept}", *options, "-D", s.path("head"), "-o", into,
                            f"{proxy.url}{path}")
                check_equal(done.code, 0, f"exit code of curl for {path} {accept} {options}: {done.error}")
                with open(s.path("head")) as file:
                    check(f"content-encoding: {accept}" in file.read().lower(), f"{path} was not sent as {accept}")
                with open(into, "rb") as file:
                    check_equal(hashlib.sha256(file.read()).hexdigest(), hashlib.sha256(body).hexdigest(), f"{path} {accept}")


@scenario("what an origin sends bit by bit waits in the encoder")
def bit_by_bit(s):
    origin = RawOrigin(s)
    going = threading.Semaphore(0)

    def drip(connection, _):
        connection.send(chunked_head("text/event-stream"))
        for number in range(5):
            check(going.acquire(timeout=patient(10)), "the client goes on")
            connection.send(chunk(b"data: event %d\n\n" % number))
        return connection.send(b"0\r\n\r\n")

    origin.on("/", drip)
    proxy = start_proxy(s, origin, {"workers": 1, "compress": {"enabled": True, "types": ["text/event-stream"]}})
    with proxy.client() as client:
        client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n")
        decoder, text = zlib.decompressobj(31), bytearray()

        def take(piece):
            text.extend(decoder.decompress(piece))

        head = client.reader.through(b"\r\n\r\n")
        check(b"Content-Encoding: gzip" in head, f"head {head}")
        for number in range(5):
            going.release()
            while b"event %d\n\n" % number not in text:
                client.reader.exactly(int(client.reader.through(b"\r\n"), 16), take)
                client.reader.through(b"\r\n")


@scenario("what an origin sends at once over HTTP/2 is more than the encoder takes in a step, and goes on only when more comes")
def at_once(s):
    first, rest = b"data: first\n\n", random.Random(1).randbytes(3 * h2.FRAME_BYTES)
    asked_for = queue.Queue()
    origin = H2Origin(s).on("/", lambda stream, _: asked_for.put(stream))
    proxy = start_proxy(s, origin, {"workers": 1, "compress": {"enabled": True, "types": ["text/event-stream"]},
                                    "upstreams": {"app": {"protocol": "http2"}}})
    with proxy.client() as client:
        client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n")
        stream = asked_for.get(timeout=patient(10))
        stream.head(200, [("content-type", "text/event-stream")])
        decoder, seen = zlib.decompressobj(31), bytearray()

        def read_chunk():
            size = int(client.reader.through(b"\r\n"), 16)
            client.reader.exactly(size, lambda piece: seen.extend(decoder.decompress(piece)))
            client.reader.through(b"\r\n")
            return size

        stream.send(h2.data(stream.id, first))
        check(b"Content-Encoding: gzip" in client.reader.through(b"\r\n\r\n"), "it is compressed")
        while len(seen) < len(first):
            read_chunk()
        stream.send(b"".join(h2.data(stream.id, rest[at:at + h2.FRAME_BYTES]) for at in range(0, len(rest), h2.FRAME_BYTES)))
        while len(seen) < len(first + rest):
            read_chunk()
        stream.send(h2.data(stream.id, b"", True))
        while read_chunk():
            pass
        check(seen == first + rest, "other bytes have come")


@scenario("a response that breaks off ends as if it were whole")
def broken(s):
    origin = RawOrigin(s)
    origin.on("/sized", lambda connection, _: connection.send(
        f"HTTP/1.1 200 Fine\r\nContent-Type: text/html\r\nContent-Length: {2 * len(PAGE)}\r\n\r\n".encode() + PAGE) and False)
    origin.on("/chunked", lambda connection, _: connection.send(chunked_head() + chunk(PAGE)) and False)
    proxy = start_proxy(s, origin, {**ON, "upstreams": {"app": {"pool": {"warm_min": 0}}}})
    for path in ("/sized", "/chunked"):
        response = proxy.get(path, [("Accept-Encoding", "gzip")])
        check_equal((response.status, response.complete, response.get("Content-Encoding")), (200, False, "gzip"), path)
        decoder = zlib.decompressobj(31)
        text = decoder.decompress(bytes(response.body))
        check(PAGE.startswith(text) and not decoder.eof, f"{path}: the coding has an end")


@scenario("a slow client makes the proxy keep what it does not take, or damages it", within=60)
def slow(s):
    size = scaled(12, 100) * 1024 * 1024
    body = random.Random(5).randbytes(size)
    origin = RawOrigin(s)
    sent = []

    def large(connection, _):
        connection.send(chunked_head())
        for at in range(0, size, 65536):
            connection.send(chunk(body[at:at + 65536]))
            sent.append(at)
        return connection.send(b"0\r\n\r\n")

    origin.on("/", large)
    proxy = start_proxy(s, origin, {"workers": 1, **ON})
    watch = MemoryWatch(proxy)
    with proxy.client(receive_buffer=16384) as client:
        client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n")
        taken = [0]

        def rests():
            before, taken[0] = taken[0], proxy.metric("evenkeel_compressed_received_bytes_total")
            return 0 < before == taken[0]

        eventually(rests, "the proxy takes no more")
        check(len(sent) * 65536 < size * 3 // 4, f"{len(sent)} of {size // 65536} pieces were taken for a client that reads nothing")
        decoder, digest = zlib.decompressobj(31), hashlib.sha256()

        def take(piece):
            digest.update(decoder.decompress(piece))
            watch.poll()

        response = client.response(sink=take)
        check_equal((response.complete, decoder.eof, digest.hexdigest()), (True, True, hashlib.sha256(body).hexdigest()), "body")
    check(SANITIZED or watch.peak_kib - watch.start_kib < 6000, f"memory grew from {watch.start_kib} to {watch.peak_kib} KiB")


@scenario("a client of HTTP/2 that opens no window makes the proxy keep what it does not take, or gets it damaged")
def shut_window(s):
    body = random.Random(9).randbytes(3 << 20)
    origin = RawOrigin(s).on("/", page(body=body))
    proxy = start_proxy(s, origin, {"workers": 1, **ON, "listeners": {"web": {"http2": {"cleartext": True}}}})
    with H2Client(proxy.address, settings={h2.INITIAL_WINDOW_SIZE: 0}) as client:
        stream = client.ask(path="/", fields=[("accept-encoding", "gzip")])
        taken = [0]

        def rests():
            before, taken[0] = taken[0], proxy.metric("evenkeel_compressed_received_bytes_total")
            return 0 < before == taken[0]

        eventually(rests, "the proxy takes no more")
        check(taken[0] < len(body) // 4, f"{taken[0]} bytes were taken for a client that takes none")
        client.open_window(0, 16 << 20)
        client.open_window(stream, 16 << 20)
        message = client.response(stream)
        check_equal(message.get("content-encoding"), "gzip", "coding")
        check_equal(hashlib.sha256(gzip.decompress(bytes(message.body))).hexdigest(), hashlib.sha256(body).hexdigest(), "content")


@scenario("encoders take more memory than their bound, or responses suffer when it is spent")
def bounded(s):
    origin = RawOrigin(s)
    release = threading.Event()
    origin.on("/", lambda connection, _: connection.send(chunked_head() + chunk(PAGE)) and release.wait(patient(20)) and
              connection.send(b"0\r\n\r\n"))
    proxy = start_proxy(s, origin, {"workers": 1, "limits": {"memory": "16MiB"}, **ON})
    count = 10
    clients = [proxy.client() for _ in range(count)]
    for client in clients:
        client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: zstd\r\n\r\n")
    eventually(lambda: proxy.metric("evenkeel_responses_compressed_total") +
               proxy.metric("evenkeel_compressions_refused_total") == count, "all have begun")
    bound = proxy.bound("compress_bytes")
    release.set()
    responses = [client.response() for client in clients]
    check_equal([decoded(response) for response in responses], [PAGE] * count, "contents")
    plain = sum(response.get("Content-Encoding") is None for response in responses)
    check_equal(plain, proxy.metric("evenkeel_compressions_refused_total"), "responses as they are")
    check(0 < plain < count, f"{plain} of {count} were not compressed")
    check(0 < bound["used"] <= bound["limit"] and bound["refused"] > 0, f"bound {bound}")
    for client in clients:
        client.close()
    eventually(lambda: proxy.bound("compress_bytes")["used"] == 0, "the memory is given back")


@scenario("a retry, or a client that leaves, upsets compression")
def attempts(s):
    origin, first = RawOrigin(s), [True]

    def once(connection, request):
        failing, first[0] = first[0], False
        return page(status=503 if failing else 200)(connection, request)

    origin.on("/retry", once)
    origin.on("/endless", lambda connection, _: connection.send(chunked_head()) and all(
        connection.send(chunk(PAGE)) for _ in range(100_000)))
    proxy = start_proxy(s, origin, {"workers": 1, **ON, "upstreams": {"app": {"retry": {"on": ["503"]}}}})
    response = proxy.get("/retry", [("Accept-Encoding", CHROME)])
    check_equal((response.status, response.get("Content-Encoding"), decoded(response)), (200, "zstd", PAGE), "after a retry")
    for _ in range(5):
        with proxy.client() as client:
            client.send("GET /endless HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n")
            client.reader.through(b"\r\n\r\n")
            client.reset()
    eventually(lambda: proxy.bound("compress_bytes")["used"] == 0, "nothing is held for clients that left")


@scenario("the second attempt of a hedged request is passed on as it came, or its fields twice")
def hedged(s):
    body = "".join(random.Random(7).choices("words and words", k=200_000)).encode()
    release, asked = threading.Event(), threading.Semaphore(1)

    def answer(connection, request):
        if request.target == "/slow" and asked.acquire(blocking=False):
            release.wait(patient(20))  # the first that is asked
        return page(body=body if request.target == "/slow" else b"fast")(connection, request)

    origins = [RawOrigin(s, name).on("/", answer) for name in ("first", "second")]
    log = s.path("access")
    proxy = start_proxy(s, origins, {"workers": 1, **ON, "log": {"access": {"path": log}}, "response": {"add": {"X-Once": "it"}},
                                     "upstreams": {"app": {
        "balance": "round_robin", "breaker": {"enabled": False}, "pool": {"warm_min": 0},
        "retry": {"hedge": True, "budget": {"ratio": 1.0, "per_second": 1000.0}}}}})
    with proxy.client() as client:
        for _ in range(500):  # what most answers take has to be known, and hedges to be earned
            client.request("GET", "/fast")
        for coding in ("gzip", "zstd"):
            response = client.request("GET", "/slow", [("Accept-Encoding", coding)])
            check_equal((response.get("Content-Encoding"), response.all("X-Once")), (coding, ["it"]), "coding, fields")
            check_equal(hashlib.sha256(decoded(response)).hexdigest(), hashlib.sha256(body).hexdigest(), "content")
            release.set()
    check(proxy.metric("evenkeel_hedges_won_total", upstream="app") > 0, "no second attempt has won")

    def sizes():
        return [row["response_bytes"] for row in access_rows(log) if row["target"] == "/slow"]

    eventually(lambda: len(sizes()) == 2, "both are in the access log")
    check(all(0 < size < len(body) // 2 for size in sizes()), f"bytes in the access log: {sizes()}")
    eventually(lambda: proxy.bound("compress_bytes")["used"] == 0, "the memory is given back")


run()
