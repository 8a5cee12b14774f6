"""What lasts long and makes progress lives with the default timeouts: a stream of events, a slow download, a slow upload, long polls.

With EVENKEEL_SCALE=full it takes ten minutes with the defaults as they are. Else every timeout is a tenth of its default, and so is the time
between two events and that of a poll; all last longer than the whole that the timeouts allow up to a response's head.
"""

import re
import threading
import time

from harness import Client, RawOrigin, check, check_equal, full_scale, reads_body, run, run_program, scaled, scenario, start_proxy
from harness.h2_wire import H2Client

SCALE = scaled(10, 1)
LASTS_S = scaled(12.0, 600.0)
EVENT_S, POLL_S = 1.0 / SCALE, 45.0 / SCALE
DOWNLOAD_RATE, DOWNLOAD_BYTES = 1_000_000, scaled(12, 200) * 1_000_000
UPLOAD_RATE = 10_000
UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
BLOCK = bytes(100_000)
CLEARTEXT = {"http2": {"cleartext": True}}


def milliseconds(text):
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)(ms|s|m|h)", text))


def default_timeouts(s):
    """The timeouts of the listener and of the upstream, where nothing is set, divided by the scale."""
    path = s.write("plain.conf", 'listeners = { web = { listen = "127.0.0.1:0"; }; };\n'
                   'upstreams = { app = { endpoints = [ "127.0.0.1:1" ]; }; };\nroutes = ( { upstream = "app"; } );\n')
    said = run_program(s, "-T", "-c", path).stdout
    groups = [dict(re.findall(r'(\w+) = "(\w+)";', group)) for group in re.findall(r"timeouts = \{(.*?)\};", said, re.S)]
    check(len(groups) >= 2 and {"body", "send"} <= set(groups[0]) and {"first_byte", "total"} <= set(groups[1]), said)
    return [{key: f"{milliseconds(value) // SCALE}ms" for key, value in group.items()} for group in groups[:2]]


def origin_of(s):
    origin = RawOrigin(s)

    def events(connection, _):
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(int(LASTS_S / EVENT_S)):
            time.sleep(EVENT_S)  # the pace of the events
            event = f"data: {number}\n\n"
            if not connection.send(f"{len(event):x}\r\n{event}\r\n"):
                return False
        return connection.send("0\r\n\r\n")

    def download(connection, _):
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {DOWNLOAD_BYTES}\r\n\r\n")
        return all(connection.send(BLOCK) for _ in range(DOWNLOAD_BYTES // len(BLOCK)))

    def download_chunked(connection, _):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        return (all(connection.send(b"%x\r\n" % len(BLOCK) + BLOCK + b"\r\n") for _ in range(DOWNLOAD_BYTES // len(BLOCK)))
                and connection.send("0\r\n\r\n"))

    def poll(connection, _):
        time.sleep(POLL_S)  # nothing has happened meanwhile
        return connection.respond(200, b"nothing")

    @reads_body
    def upload(connection, request):
        count = 0

        def take(piece):
            nonlocal count
            count += len(piece)

        request.read_body(connection.reader, take)
        return connection.respond(200, str(count).encode())

    origin.on("/events", events).on("/download", download).on("/download/chunked", download_chunked)
    return origin.on("/poll", poll).on("/upload", upload)


def ask(client, target):
    client.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")


def events(address):
    with Client(address, within=LASTS_S * 2 + 30) as client:
        ask(client, "/events")
        response = client.response()
    check(response.complete, f"cut: {response.ended}")
    check_equal(bytes(response.body).count(b"data: "), int(LASTS_S / EVENT_S), "events")


def events_http2(address):
    with H2Client(address, within=LASTS_S * 2 + 30) as client:
        message = client.response(client.ask(path="/events"), within=LASTS_S * 2 + 30)
    check_equal(bytes(message.body).count(b"data: "), int(LASTS_S / EVENT_S), "events")


def polls(address):
    until = time.monotonic() + LASTS_S - POLL_S
    with Client(address, within=POLL_S * 2 + 30) as client:
        while time.monotonic() < until:
            ask(client, "/poll")
            check_equal(client.response().status, 200, "status of a poll")


def download(address, target="/download"):
    started, count = time.monotonic(), 0

    def take(piece):
        nonlocal count
        count += len(piece)
        time.sleep(max(0.0, count / DOWNLOAD_RATE - (time.monotonic() - started)))  # the pace of a slow reader

    with Client(address, receive_buffer=65536, within=LASTS_S * 2 + 30) as client:
        ask(client, target)
        response = client.response(sink=take)
    check(response.complete, f"cut: {response.ended}")
    check_equal(count, DOWNLOAD_BYTES, "bytes")


def download_chunked(address):
    """What passes through the proxy's own buffers, not through a pipe."""
    download(address, "/download/chunked")


def upload(address):
    pieces = int(LASTS_S * 10)
    with Client(address, within=LASTS_S * 2 + 30) as client:
        client.send(f"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {pieces * UPLOAD_RATE // 10}\r\n\r\n")
        for _ in range(pieces):
            client.send(b"x" * (UPLOAD_RATE // 10))
            time.sleep(0.1)  # the pace of a slow link
        response = client.response("POST")
    check_equal((response.status, bytes(response.body)), (200, b"%d" % (pieces * UPLOAD_RATE // 10)), "answer")


@scenario("a default ends what lasts long and makes progress", within=scaled(60, 900))
def alive(s):
    listener, upstream = default_timeouts(s)
    settings = {"workers": 1, "listeners": {"web": {**CLEARTEXT, "timeouts": listener}},
                "upstreams": {"app": {"timeouts": upstream}}, "routes": [{"name": "all", "upstream": "app"}]}
    if full_scale():
        settings = {"listeners": {"web": CLEARTEXT}}
    proxy = start_proxy(s, origin_of(s), settings)
    ends = {}

    def live(transfer):
        try:
            transfer(proxy.address)
            ends[transfer] = None
        except BaseException as fault:
            ends[transfer] = fault

    transfers = (events, events_http2, polls, download, download_chunked, upload)
    threads = [threading.Thread(target=live, args=[transfer]) for transfer in transfers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for transfer in transfers:
        with s.case(transfer.__name__.replace("_", " over ")):
            if ends[transfer] is not None:
                raise ends[transfer]


run()
