"""The life of an HTTP/2 client: drain, reload, timeouts, stalls, WebSocket, a browser."""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from harness import (Authority, RawOrigin, access_rows, check, check_equal, eventually, merge, node_program, once_of, patient,
                     run, scenario, start_proxy, takes)
from harness.verdict import Skipped
from harness import h2_bytes as h2
from harness.h2_wire import H2Client

CLEARTEXT = {"listeners": {"web": {"http2": {"cleartext": True}}}}
# The last stream of a GOAWAY that refuses none.
ALL_STREAMS = (1 << 31) - 1
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def cleartext(s, origin, settings=None, **options):
    return start_proxy(s, origin, merge(CLEARTEXT, settings or {}), **options)


def holding_origin(s):
    origin, release = RawOrigin(s), threading.Event()
    origin.on("/hold", lambda c, _: release.wait(patient(30)) and c.respond(200, b"held"))
    return origin, release


def closes_in_order(client):
    client.wait_for(lambda: client.ended, "the connection ends")
    check_equal(client.ended, "eof", "how it ends")


@scenario("a client that has sent a malformed head is taken for one that does not end it")
def malformed_head_is_over(s):
    origin = RawOrigin(s)
    origin.on("/long", takes(1.0, lambda c, _: c.respond(200, b"whole")))
    proxy = cleartext(s, origin, {"listeners": {"web": {"timeouts": {"head": "200ms"}}}})
    with H2Client(proxy.address) as client:
        long, wrong = client.ask("GET", "/long"), client.new_stream()
        client.send(h2.headers(wrong, h2.block([(":method", "GET"), (":scheme", "http")]), True))
        check_equal(client.outcome(wrong), ("stream", h2.PROTOCOL_ERROR), "what becomes of it")
        check_equal(client.response(long).status, 200, "status")
        check_equal(client.goaways, [], "goaways")


@scenario("a drain breaks open streams, refuses those on their way, or waits for clients at rest")
def drain(s):
    origin, release = holding_origin(s)
    proxy = cleartext(s, origin, {"drain": {"grace": "20s"}})
    with H2Client(proxy.address) as busy, H2Client(proxy.address) as idle:
        idle.request("GET", "/")
        held = busy.ask("GET", "/hold")
        origin.request_for("/hold")
        proxy.signal(signal.SIGTERM)
        with s.case("GOAWAY asks for no further stream, and then names the last one"):
            for client, last in ((busy, 3), (idle, 1)):
                client.wait_for(lambda c=client: c.goaways, "the first GOAWAY")
                check_equal(client.goaways[0][:2], (ALL_STREAMS, h2.NO_ERROR), "the first")
                if client is busy:
                    late = client.ask("GET", "/late")
                    check_equal(client.response(late).status, 200, "a request that was on its way")
                client.wait_for(lambda c=client: len(c.goaways) == 2, "the second GOAWAY")
                check_equal(client.goaways[1][:2], (last, h2.NO_ERROR), "the second")
        with s.case("a client at rest is closed in order"):
            closes_in_order(idle)
        with s.case("an open stream is finished, then its connection is closed"):
            check(not busy.ended, "it has ended already")
            release.set()
            check_equal(bytes(busy.response(held).body), b"held", "payload")
            closes_in_order(busy)
    check_equal(proxy.wait(15), 0, "exit code")


@scenario("a drain outlasts its grace for an HTTP/2 client, or drops its streams without a word")
def cut(s):
    origin, _ = holding_origin(s)
    proxy = cleartext(s, origin, {"drain": {"grace": "3s"}})
    origin.on("/large", status=200, body=b"x" * (1 << 20))
    with H2Client(proxy.address, settings={h2.INITIAL_WINDOW_SIZE: 100000}, automatic=False) as client:
        client.open_window(0, 1 << 30)
        streams = [client.ask("GET", "/large" if number % 3 == 1 else f"/hold/{number}") for number in range(30)]
        begun = streams[1::3]
        held = [stream for stream in streams if stream not in begun]
        origin.request_for("/hold/29")
        for stream in begun:
            client.head_of(stream)
        proxy.signal(signal.SIGTERM)
        check_equal({client.response(stream).status for stream in held}, {503}, "what had no response yet")
        check_equal({client.reset_of(stream) for stream in begun}, {h2.CANCEL}, "what had begun")
        proxy.expect_clean_exit(codes=(3,))


@scenario("a listener that a reload takes away keeps or breaks its HTTP/2 clients")
def reload(s):
    origin, release = holding_origin(s)
    other = {"listen": f"127.0.0.1:{s.port()}", "http2": {"cleartext": True}}
    proxy = cleartext(s, origin, {"listeners": {"other": other}})
    with H2Client(proxy.listeners["other"].pair) as client, H2Client(proxy.address) as kept:
        kept.request("GET", "/")
        held = client.ask("GET", "/hold")
        origin.request_for("/hold")
        del proxy.settings["listeners"]["other"]
        check(proxy.reload({}), "the reload was rejected")
        client.wait_for(lambda: client.goaways, "GOAWAY")
        release.set()
        check_equal(bytes(client.response(held).body), b"held", "the open stream")
        closes_in_order(client)
        check_equal(kept.request("GET", "/").status, 200, "a client of the listener that stays")


@scenario("an HTTP/2 client at rest stays for ever, is cut off, or lives on by PING")
def idle(s):
    proxy = cleartext(s, RawOrigin(s), {"listeners": {"web": {"timeouts": {"idle": "1s"}}}})
    with H2Client(proxy.address) as client:
        client.request("GET", "/")
        began = time.monotonic()
        for number in range(8):
            opaque = b"alive %02d" % number
            client.send(h2.ping(opaque))
            client.wait_for(lambda o=opaque: o in client.pongs, "PING is answered")
        client.wait_for(lambda: client.goaways, "GOAWAY")
        check(time.monotonic() - began > 0.8, "it went too early")
        closes_in_order(client)
    with H2Client(proxy.address, begin=False) as client:
        client.send(h2.PREFACE)
        client.wait_for(lambda: client.ended, "a client that only sends the preface is closed")


@scenario("a head that does not end holds a connection for ever")
def head_late(s):
    proxy = cleartext(s, RawOrigin(s), {"listeners": {"web": {"timeouts": {"head": "1s"}}}})
    with H2Client(proxy.address) as client:
        client.request("GET", "/")
        began = time.monotonic()
        client.send(h2.headers(client.new_stream(), h2.block(h2.request_fields()), end=True, whole=False))
        client.wait_for(lambda: client.goaways, "GOAWAY")
        check_equal(client.goaways[0][1], h2.ENHANCE_YOUR_CALM, "its code")
        check(time.monotonic() - began > 0.8, "it went too early")
        closes_in_order(client)
    eventually(lambda: proxy.metric("evenkeel_http2_connection_errors_total") == 1, "it is counted once")


@scenario("a stream whose reader stalls holds others up, or is never ended")
def stalled_stream(s):
    origin = RawOrigin(s)
    origin.on("/large", status=200, body=b"x" * (1 << 20))
    proxy = cleartext(s, origin, {"listeners": {"web": {"timeouts": {"send": "2s"}}}})
    with H2Client(proxy.address, settings={h2.INITIAL_WINDOW_SIZE: 0}) as client:
        client.open_window(0, 1 << 24)
        stalled = client.ask("GET", "/large")
        client.head_of(stalled)
        slowest = 0.0
        for _ in range(99):
            began = time.monotonic()
            stream = client.ask("GET", "/")
            client.open_window(stream, 1 << 20)
            check_equal(client.response(stream).status, 200, "status")
            slowest = max(slowest, time.monotonic() - began)
        s.note(f"the slowest of 99 beside it took {slowest * 1000:.1f} ms")
        check(slowest < patient(1), f"one beside it took {slowest:.2f} s")
        check_equal(client.reset_of(stalled), h2.CANCEL, "the end of the stalled one")
        proxy.expect_count(1, "evenkeel_exchanges_by_reason_total", reason="client_stalled")
        stream = client.ask("GET", "/")
        client.open_window(stream, 1 << 20)
        check_equal(client.response(stream).status, 200, "the connection goes on")


def read_slowly(client, messages):
    """Read of two responses for longer than the proxy waits for a client that takes nothing; returns the longest pause."""
    pause, began = threading.Event(), time.monotonic()
    last, longest = began, 0.0
    # What the kernel holds of the first is 4 MiB at most.
    while sum(message.bytes for message in messages) < 12 << 20 or time.monotonic() < began + 3:
        if any(message.reset for message in messages) or not client.read_once():
            break
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        pause.wait(0.01)  # this is what makes it slow
    return max(longest, time.monotonic() - last)


@scenario("a stream starves behind another of a slow client, or is ended because it has to wait")
def turns(s):
    origin = RawOrigin(s)
    for name in ("one", "two"):
        origin.on(f"/{name}", status=200, body=b"x" * (64 << 20))
    proxy = cleartext(s, origin, {"listeners": {"web": {"timeouts": {"send": "1s"}}}})

    def both_come():
        with H2Client(proxy.address, settings={h2.INITIAL_WINDOW_SIZE: 1 << 30}, receive_buffer=65536) as client:
            client.send(h2.window_update(0, 1 << 30))
            messages = [client._message(client.ask("GET", f"/{name}")) for name in ("one", "two")]  # pylint: disable=protected-access
            longest = read_slowly(client, messages)
            got = [message.bytes for message in messages]
            s.note(f"{got} bytes of two responses")
            check_equal(([message.reset for message in messages], client.ended), ([None, None], None),
                        f"resets, and the end of a client that took nothing for {longest:.1f} s at most")
            check(min(got) > sum(got) / 8, f"{got} bytes: one waits for the other")

    once_of(5, both_come)  # a client that gets no processor takes nothing for too long


@scenario("a client that reads nothing at all is never ended, or makes the proxy keep all of it")
def stalled_connection(s):
    origin = RawOrigin(s)
    origin.on("/large", status=200, body=b"x" * (8 << 20))
    proxy = cleartext(s, origin, {"listeners": {"web": {"timeouts": {"send": "2s"}}}})
    with H2Client(proxy.address, settings={h2.INITIAL_WINDOW_SIZE: ALL_STREAMS}, receive_buffer=4096) as client:
        client.send(h2.window_update(0, 1 << 30))
        client.request("GET", "/")
        before = proxy.bound("buffers_bytes")["peak"]  # workers take their share of the bound ahead
        for _ in range(8):
            client.ask("GET", "/large")
        eventually(lambda: proxy.metric("evenkeel_exchanges_by_reason_total", reason="client_stalled"), "it is given up", 20)
        peak = proxy.bound("buffers_bytes")["peak"]
        check(peak - before < 8 * (256 << 10), f"buffers held {peak - before} bytes more")
    eventually(lambda: proxy.metric("evenkeel_http2_streams_open") == 0, "no stream is left")


@scenario("limits.clients counts streams")
def clients(s):
    origin, release = holding_origin(s)
    proxy = cleartext(s, origin, {"limits": {"clients": 3}, "upstreams": {"app": {"limits": {"in_flight": 1000}, "pool": {"max": 1000}}}})
    with H2Client(proxy.address) as one, H2Client(proxy.address) as two, H2Client(proxy.address) as three:
        streams = [(client, client.ask("GET", f"/hold/{number}")) for client in (one, two, three) for number in range(120)]
        eventually(lambda: len(origin.requests) == len(streams), "all of them arrive")
        check_equal(proxy.bound("clients")["used"], 3, "clients")
        check_equal(proxy.metric("evenkeel_http2_streams_open"), len(streams), "streams")
        release.set()
        for client, stream in streams:
            check_equal(client.response(stream).status, 200, "status")


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def websocket_origin(s):
    """Echoes what comes in a tunnel; /wrong does not know the key, /plain and /refuse do not switch."""
    origin = RawOrigin(s)

    def switch(connection, request, accept=None):
        key = request.get("Sec-WebSocket-Key")
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: {accept or accept_of(key)}\r\n\r\n")
        while piece := (connection.reader.buffer or connection.socket.recv(65536)):
            connection.send(bytes(piece))
            connection.reader.buffer.clear()
        return False
    origin.on("/echo", switch)
    origin.on("/wrong", lambda c, r: switch(c, r, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
    origin.on("/plain", status=200, body=b"no tunnel")
    origin.on("/refuse", status=403, body=b"no")
    return origin


def connect_to(client, path, end=False, protocol="websocket", more=()):
    stream = client.new_stream()
    client.send_head(stream, [(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"), (":path", path), (":authority", "shop.example"),
                              ("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat"), *more], end)
    return stream


@scenario("a WebSocket over HTTP/2 does not reach its origin, or something else is taken for one")
def websocket(s):
    origin = websocket_origin(s)
    proxy = cleartext(s, origin, {"drain": {"tunnels": "1s", "grace": "20s"}})
    with H2Client(proxy.address) as client:
        client.request("GET", "/refuse")
        with s.case("the tunnel carries bytes both ways, also those that came with the request"):
            stream = connect_to(client, "/echo?a=b")
            client.send_payload(stream, b"early", end=False)
            answer = client.head_of(stream)
            check_equal((answer.status, answer.get("sec-websocket-protocol")), (200, "chat"), "answer")
            check(answer.get("sec-websocket-accept") is None and answer.get("upgrade") is None, f"{answer.fields}")
            client.wait_for(lambda: bytes(answer.body) == b"early", "what came early comes back")
            client.send_payload(stream, b"x" * 300000, end=False)
            client.wait_for(lambda: answer.bytes == 300005, "300,000 bytes come back")
            request = origin.request_for("/echo?a=b")
            check_equal((request.method, request.get("Upgrade"), request.get("Sec-WebSocket-Version")), ("GET", "websocket", "13"), "request")
            check_equal(proxy.metric("evenkeel_tunnels_open"), 1, "tunnels")
        with s.case("its end passes both ways"):
            client.send_payload(stream, b"", end=True)
            client.response(stream)
            eventually(lambda: proxy.metric("evenkeel_tunnels_open") == 0, "no tunnel is left")
            eventually(lambda: proxy.metric("evenkeel_http2_streams_open") == 0, "no stream is left")
        for path, status in (("/wrong", 502), ("/plain", 502), ("/refuse", 403)):
            with s.case(f"{path}: {status}"):
                check_equal(client.head_of(connect_to(client, path)).status, status, "status")
        with s.case("a key of the client, and a length, do not reach the origin"):
            stream = connect_to(client, "/echo?own", more=[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("content-length", "5")])
            check_equal(client.head_of(stream).status, 200, "status")
            request = origin.request_for("/echo?own")
            check_equal((len(request.all("Sec-WebSocket-Key")), request.all("Content-Length")), (1, []), "keys and lengths")
        with s.case("a reset ends it at the origin, whatever its code"):
            streams = [connect_to(client, "/echo") for _ in range(2)]
            for each in streams:
                client.head_of(each)
            time.sleep(0.4)  # behind the moment at which an exchange looks for its client by itself
            for each, code in zip([stream, *streams], (h2.INTERNAL_ERROR, h2.CANCEL, h2.NO_ERROR)):
                client.send(h2.rst_stream(each, code))
            eventually(lambda: proxy.metric("evenkeel_tunnels_open") == 0, "no tunnel is left")
        with s.case("a drain ends it after drain.tunnels"):
            stream = connect_to(client, "/echo")
            client.head_of(stream)
            proxy.signal(signal.SIGTERM)
            client.wait_for(lambda: client.messages[stream].over or client.ended, "it ends")
    check_equal(proxy.wait(15), 0, "exit code")


NODE = """
const http2 = require('http2');
const client = http2.connect(process.argv[2]);
let left = 50, failed = 0;
for (let i = 0; i < 50; i++) {
  const size = i * 5000, stream = client.request({':method': 'POST', ':path': '/' + i, 'content-length': size});
  let body = '';
  stream.on('data', (piece) => body += piece);
  stream.on('error', () => failed++);
  stream.on('close', () => {
    if (JSON.parse(body || '{}').bytes !== size) failed++;
    if (--left === 0) { client.close(); process.exitCode = failed ? 1 : 0; console.log('failed', failed); }
  });
  stream.end(Buffer.alloc(size));
}
"""


@scenario("Node's http2 and the proxy do not understand each other")
def node(s):
    proxy = cleartext(s, RawOrigin(s))
    program = s.path("client.js")
    with open(program, "w") as file:
        file.write(NODE)
    check_equal(node_program(program, [proxy.url], {}), "failed 0\n", "what it says")


PAGE = ("<html><body>{}<script>let n = 0; for (const i of document.images) if (i.complete && i.naturalWidth) n++;"
        "window.onload = () => {{ document.title = 'loaded ' + document.images.length; }};</script></body></html>")
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


@scenario("a browser does not get a page with a hundred resources over one connection", within=120)
def browser(s):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        raise Skipped("there is no chromium (Debian package: chromium)")
    origin = RawOrigin(s)
    images = "".join(f'<img src="/pixel/{number}.gif">' for number in range(100))
    origin.on("/pixel/", lambda c, _: c.respond(200, PIXEL, [("Content-Type", "image/gif")]))
    origin.on("/page", lambda c, _: c.respond(200, PAGE.format(images).encode(), [("Content-Type", "text/html")]))
    log = s.path("access-browser.log")
    certificate = Authority(s).issue("localhost")
    proxy = start_proxy(s, origin, {"log": {"access": {"path": log}},
                                    "listeners": {"web": {"tls": {"certificates": [certificate.settings()]}}}})
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
             "--ignore-certificate-errors", "--virtual-time-budget=20000", "--dump-dom",
             "https://localhost:{}/page".format(proxy.address[1])],
            capture_output=True, timeout=patient(90), check=False, env={**os.environ, "HOME": profile})
    page = done.stdout.decode(errors="replace")
    if done.returncode != 0 and not page:
        raise Skipped(f"chromium does not run here: {done.stderr.decode(errors='replace')[-300:]}")
    check("<title>loaded 100</title>" in page, f"the page: {page[-300:]}")
    rows = eventually(lambda: len(found := [row for row in access_rows(log) if row["target"].startswith(("/page", "/pixel"))]) == 101
                      and found, "101 requests")
    check_equal({(row["protocol"], row["status"]) for row in rows}, {("HTTP/2.0", 200)}, "how they came")
    s.note(f"{proxy.metric('evenkeel_http2_clients_total'):g} HTTP/2 connections")


run()
