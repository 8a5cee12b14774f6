"""Large bodies pass whole, up and down, to slow and fast peers, and the proxy's memory does not follow them."""

import hashlib
import os
import random
import threading
import time

from harness import (SANITIZED, Arrived, MemoryWatch, NginxOrigin, RawOrigin, check, check_equal, curl, describe,
                     eventually, in_parallel, patient, reads_body, run, scaled, scenario, start_proxy)

BOTH = ("evenkeel", "nginx")
MIB = 1 << 20
LIMIT_KIB = 4096
UNLIMITED = {"limits": {"body": "8GiB"}}
LONG = {"timeouts": {"first_byte": "60s", "per_try": "900s", "total": "900s", "idle": "30s"}}
BLOCK = random.Random(3).randbytes(MIB)


class Source:
    """`size` bytes that are cheap to make and to check, and differ from place to place."""

    def __init__(self, size):
        self.size = size

    def pieces(self):
        """Each MiB is the same block rotated by its number."""
        for number in range((self.size + MIB - 1) // MIB):
            turn = number * 37 % MIB
            piece = BLOCK[turn:] + BLOCK[:turn]
            yield piece[:min(MIB, self.size - number * MIB)]

    def digest(self):
        sum_ = hashlib.sha256()
        for piece in self.pieces():
            sum_.update(piece)
        return sum_.hexdigest()


class Sink:
    """Counts and sums what comes, at most `rate` bytes a second (0: as fast as it comes)."""

    def __init__(self, watch=None, rate=0):
        self.count = 0
        self._digest = hashlib.sha256()
        self._watch = watch
        self._rate = rate
        self._started = time.monotonic()

    def __call__(self, piece):
        self.count += len(piece)
        self._digest.update(piece)
        if self._watch:
            self._watch.poll()
        if self._rate:
            ahead = self.count / self._rate - (time.monotonic() - self._started)
            if ahead > 0:
                time.sleep(ahead)  # the pace of a slow reader

    def digest(self):
        return self._digest.hexdigest()


def streaming_origin(s, rate=0, **options):
    """GET .../down/SIZE/FRAMING sends SIZE bytes; POST .../up takes a body and tells its length and sum."""
    origin = RawOrigin(s, **options)

    def down(connection, request):
        size, framing = request.target.split("/")[-2:]
        source = Source(int(size))
        if framing == "length":
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {source.size}\r\n\r\n")
        elif framing == "chunked":
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for piece in source.pieces():
            if framing == "chunked":
                # Chunks of odd sizes, so that their ends wander through every buffer.
                cut = 300_007
                for at in range(0, len(piece), cut):
                    part = piece[at:at + cut]
                    connection.send(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            elif not connection.send(piece):
                return False
            if rate:
                time.sleep(len(piece) / rate)  # the pace of a slow origin
        return connection.send("0\r\n\r\n") if framing == "chunked" else framing != "close"

    @reads_body
    def take(connection, request):
        sink = Sink(rate=rate)
        request.read_body(connection.reader, sink)
        if not request.complete:
            return False
        return connection.respond(200, f"{sink.count} {sink.digest()}".encode())

    for prefix in ("", "/slow"):
        origin.on(f"{prefix}/down/", down).on(f"{prefix}/up", take)
    return origin.on("/describe", describe)


def bounded(watch, proxy, s):
    s.note(f"memory grew by at most {watch.growth_kib} KiB")
    if not SANITIZED:
        check(watch.growth_kib <= LIMIT_KIB, f"memory grew by {watch.growth_kib} KiB, from {watch.start_kib} KiB")
    check(proxy.exit_code is None, "the proxy is gone")


def warm(proxy, size=4 * MIB):
    """The first large body may allocate what the later ones use."""
    sink = Sink()
    with proxy.client(within=60) as client:
        client.send(f"GET /down/{size}/length HTTP/1.1\r\nHost: h\r\n\r\n")
        check(client.response(sink=sink).complete, "the first body is cut")


@scenario("a large download is cut, changed, or held in memory", within=400, proxies=BOTH)
def downloads(s):
    fast, slow = scaled(256 * MIB, 3072 * MIB), scaled(24 * MIB, 512 * MIB)
    rate = scaled(12 * MIB, 64 * MIB)
    origin, slow_origin = streaming_origin(s), streaming_origin(s, rate=rate, name="slow origin")
    proxy = start_proxy(s, origin, {**UNLIMITED, "upstreams": {"app": LONG, "slow": {
        "endpoints": [slow_origin.address], **LONG}},
        "listeners": {"web": {"timeouts": {"send": "30s"}}},
        "routes": [{"name": "slow", "path_prefix": "/slow/", "upstream": "slow"}, {"name": "all", "upstream": "app"}]})
    warm(proxy)
    table = [
        ("length", fast, 0, "", "to a fast client"),
        ("chunked", fast, 0, "", "to a fast client"),
        ("close", fast // 4, 0, "", "to a fast client"),
        ("length", slow, rate, "", "to a slow client"),
        ("chunked", slow, rate, "", "to a slow client"),
        ("length", slow, 0, "/slow", "from a slow origin"),
    ]
    for framing, size, client_rate, prefix, whom in table:
        with s.case(f"{size // MIB} MiB framed by {framing} {whom}"):
            watch = MemoryWatch(proxy)
            sink = Sink(watch, client_rate)
            with proxy.client(within=60) as client:
                client.send(f"GET {prefix}/down/{size}/{framing} HTTP/1.1\r\nHost: h\r\n\r\n")
                response = client.response(sink=sink)
            check(response.complete, f"cut after {sink.count} bytes: {response.ended}")
            check_equal((sink.count, sink.digest()), (size, Source(size).digest()), "length and checksum")
            bounded(watch, proxy, s)


@scenario("bytes of a download that was given up are in the next one")
def given_up(s):
    """What stands in a pipe when its client goes must not be what another client gets."""
    origin = RawOrigin(s)
    for letter in b"ab":
        origin.on(f"/{letter:c}", lambda connection, _, letter=letter: connection.respond(200, bytes([letter]) * 16 * MIB))
    proxy = start_proxy(s, origin, {"workers": 1})
    for _ in range(3):
        client = proxy.client(receive_buffer=8192)
        client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        eventually(lambda: proxy.bound("pipes")["used"] > 0, "the download goes through a pipe")
        time.sleep(0.2)  # so much waits for the reader that it stands in the pipe
        client.reset()
        proxy.rest()
        body = bytes(proxy.get("/b").body)
        check_equal((len(body), body.count(b"b")), (16 * MIB, 16 * MIB), "bytes, and those of this download")


@scenario("a large upload is cut, changed, or held in memory", within=400, proxies=BOTH)
def uploads(s):
    fast, slow = scaled(256 * MIB, 3072 * MIB), scaled(24 * MIB, 512 * MIB)
    rate = scaled(12 * MIB, 64 * MIB)
    origin = streaming_origin(s)
    slow_origin = streaming_origin(s, rate=rate, name="slow origin", receive_buffer=65536)
    proxy = start_proxy(s, origin, {**UNLIMITED, "upstreams": {"app": LONG, "slow": {
        "endpoints": [slow_origin.address], **LONG}},
        "listeners": {"web": {"timeouts": {"body": "30s"}}},
        "routes": [{"name": "slow", "path_prefix": "/slow/", "upstream": "slow"}, {"name": "all", "upstream": "app"}]})
    warm(proxy)
    table = [
        ("length", fast, 0, "", "from a fast client"),
        ("chunked", fast, 0, "", "from a fast client"),
        ("chunked", slow, rate, "", "from a slow client"),
        ("length", slow, 0, "/slow", "to a slow origin"),
        ("chunked", slow, 0, "/slow", "to a slow origin"),
    ]
    for framing, size, client_rate, prefix, whom in table:
        with s.case(f"{size // MIB} MiB framed by {framing} {whom}"):
            source, watch = Source(size), MemoryWatch(proxy)
            length = f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked"
            with proxy.client(within=60) as client:
                client.send(f"POST {prefix}/up HTTP/1.1\r\nHost: h\r\n{length}\r\n\r\n")
                for piece in source.pieces():
                    if framing == "chunked":
                        piece = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (
                            piece[:7], piece[7:100_000], piece[100_000:]) if part)
                    client.send(piece)
                    watch.poll()
                    if client_rate:
                        time.sleep(MIB / client_rate)  # the pace of a slow client
                if framing == "chunked":
                    client.send("0\r\n\r\n")
                response = client.response()
            check_equal(response.status, 200, "status")
            check_equal(bytes(response.body).decode(), f"{size} {source.digest()}", "length and checksum")
            bounded(watch, proxy, s)


@scenario("up and down at the same time, one stands in the other's way", within=200)
def both_ways(s):
    origin = RawOrigin(s)
    size = scaled(64 * MIB, 1024 * MIB)

    @reads_body
    def echo(connection, request):
        # What comes is sent back at once: the proxy must move both directions or both stop.
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
        request.read_body(connection.reader, connection.send)
        return True

    origin.on("/echo", echo)
    proxy = start_proxy(s, origin, {**UNLIMITED, "upstreams": {"app": LONG}})
    source, watch = Source(size), MemoryWatch(proxy)
    with proxy.client(within=60) as client:
        def pour():
            client.send(f"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n")
            for piece in source.pieces():
                client.send(piece)

        sender = threading.Thread(target=pour, daemon=True)
        sender.start()
        sink = Sink(watch)
        response = client.response(sink=sink)
        sender.join(patient(10))
    check(response.complete, f"cut after {sink.count} bytes: {response.ended}")
    check_equal(sink.digest(), source.digest(), "checksum")
    bounded(watch, proxy, s)


@scenario("many large bodies at once hold memory each", within=200, proxies=BOTH)
def crowd(s):
    origin = streaming_origin(s)
    count, size = scaled(24, 100), scaled(4 * MIB, 16 * MIB)
    proxy = start_proxy(s, origin, {**UNLIMITED, "upstreams": {"app": LONG}})
    warm(proxy)
    watch, digest = MemoryWatch(proxy), Source(size).digest()

    def one(number):
        sink = Sink(watch, rate=size if number % 2 else 0)
        with proxy.client(within=60) as client:
            client.send(f"GET /down/{size}/{'chunked' if number % 3 else 'length'} HTTP/1.1\r\nHost: h\r\n\r\n")
            response = client.response(sink=sink)
        check(response.complete, f"cut after {sink.count} bytes: {response.ended}")
        check_equal(sink.digest(), digest, "checksum")

    in_parallel(count, one, 120)
    s.note(f"memory grew by at most {watch.growth_kib} KiB for {count} bodies")
    if not SANITIZED:
        check(watch.growth_kib <= LIMIT_KIB + count * 160, f"memory grew by {watch.growth_kib} KiB")


@scenario("curl and nginx lose bytes of a large file between them", within=200, proxies=BOTH)
def real_peers(s):
    origin = NginxOrigin(s)
    size = scaled(200 * MIB, 3072 * MIB) + 12345
    source = Source(size)
    with open(origin.publish("file", b""), "wb") as file:
        for piece in source.pieces():
            file.write(piece)
    proxy = start_proxy(s, origin, {**UNLIMITED, "upstreams": {"app": LONG}})
    curl("-o", "/dev/null", f"{proxy.url}/file", within=100)
    watch = MemoryWatch(proxy)
    with s.case("download"):
        path = s.path("received")
        done = curl("-o", path, f"{proxy.url}/file", within=120)
        check_equal(done.code, 0, "exit code of curl")
        check_equal(_file_digest(path), source.digest(), "checksum")
    with s.case("upload"):
        done = curl("-T", path, f"{proxy.url}/put/stored", within=120)
        check_equal(done.code, 0, "exit code of curl")
        check_equal(_file_digest(os.path.join(origin.root, "put", "stored")), source.digest(), "checksum")
    with s.case("a range of it"):
        done = curl("-r", "1048570-2097160", f"{proxy.url}/file", within=30)
        with open(path, "rb") as file:
            file.seek(1048570)
            check(done.out == file.read(1048591), "the range differs")
    watch.poll()
    bounded(watch, proxy, s)


def _file_digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@scenario("small bodies of every length around the buffer sizes arrive short or long", within=90, proxies=BOTH)
def odd_sizes(s):
    origin = streaming_origin(s)
    proxy = start_proxy(s, origin)
    edges = (1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
    sizes = [0, 1, 2, *sorted({edge + delta for edge in edges for delta in (-301, -200, -2, -1, 0, 1, 2)})]
    for framing in ("length", "chunked"):
        with s.case(f"down, framed by {framing}"):
            with proxy.client() as client:
                for size in sizes:
                    response = client.request("GET", f"/down/{size}/{framing}")
                    check(response.complete, f"cut at {size}")
                    check(bytes(response.body) == b"".join(Source(size).pieces()), f"{size} bytes differ")
        with s.case(f"up, framed by {framing}"):
            with proxy.client() as client:
                for size in sizes:
                    body = b"".join(Source(size).pieces())
                    if framing == "length":
                        client.send(f"POST /describe HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n".encode() + body)
                    else:
                        chunk = f"{size:x}\r\n".encode() + body + b"\r\n" if size else b""
                        client.send(b"POST /describe HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk +
                                    b"0\r\n\r\n")
                    arrived = Arrived(client.response())
                    check_equal((arrived.bytes, arrived.sha256), (size, hashlib.sha256(body).hexdigest()), f"{size} bytes")


run()
