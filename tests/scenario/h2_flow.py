"""Flow control of HTTP/2: windows bound what is held, whatever they are, and none holds up another stream."""

import hashlib
import queue
import random
import time

from harness import (SANITIZED, Bystander, MemoryWatch, NginxOrigin, check, check_equal, describe, eventually, full_scale,
                     merge, patient, reads_body, run, scaled, scenario, start_proxy)
from harness import h2_bytes as h2
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client

KIB, MIB = 1 << 10, 1 << 20
SETTINGS = {"workers": 1, "limits": {"body": "8GiB"}, "listeners": {"web": {"http2": {"cleartext": True}}},
            "upstreams": {"app": {"pool": {"max": 256}}}}
STREAMS = 100
# As much as a client of HTTP/1 can make the proxy hold, for each stream: one read, and what waits for its socket.
STREAM_BYTES = 128 * KIB
LARGE = scaled(200 * MIB, 4096 * MIB)


def start(s):
    origin = NginxOrigin(s)
    origin.publish("large", LARGE)
    origin.publish("page", b"0123456789" * 10000)
    return origin, start_proxy(s, origin, SETTINGS)


def held_bytes(proxy):
    return proxy.bound("buffers_bytes")["used"]


def stalled(proxy, settings, **options):
    """A client of 100 streams that wants a large page on each, and takes none of it."""
    client = H2Client(proxy.address, settings=settings, automatic=False, **options)
    for _ in range(STREAMS):
        client.ask(path="/large")
    return client


def holds_its_bound(proxy, watch, before):
    """What it holds grows no more, and is at most its bound."""
    def at_rest():
        seen = held_bytes(proxy)
        time.sleep(0.1)  # in which it would grow
        watch.poll()
        return held_bytes(proxy) == seen
    eventually(at_rest, "what is held does not grow any more")
    held = held_bytes(proxy) - before
    check(held <= STREAMS * STREAM_BYTES, f"{held / KIB:.0f} KiB of buffers are held for {STREAMS} streams")
    if not SANITIZED:
        check(watch.growth_kib <= 2 * STREAMS * STREAM_BYTES / KIB, f"memory grew by {watch.growth_kib} KiB")
    return held


@scenario("a client that takes nothing of 100 streams makes the proxy hold more than its bound", within=120)
def stalled_reader(s):
    origin, proxy = start(s)
    check_equal(proxy.get("/page").status, 200, "status")
    bystander = Bystander(s, proxy, origin)
    for what, settings, options in (
            ("its windows are shut", {h2.INITIAL_WINDOW_SIZE: 0}, {}),
            ("its windows are as they are by default", {}, {}),
            ("its windows are wide, and its socket is not read", {h2.INITIAL_WINDOW_SIZE: h2.LARGEST}, {"receive_buffer": 8 * KIB})):
        with s.case(what):
            watch, before = MemoryWatch(proxy, clients=1), held_bytes(proxy)
            client = stalled(proxy, settings, **options)
            client.open_window(0, h2.LARGEST - h2.WINDOW_BYTES)
            eventually(lambda: proxy.bound("exchanges")["used"] >= STREAMS, "all its requests are under way")
            held = holds_its_bound(proxy, watch, before)
            s.note(f"{what}: {held / KIB:.0f} KiB of buffers, {watch.growth_kib} KiB of memory; {bystander.expect_unharmed()}")
            client.close()


@scenario("streams that are not read hold up others of the same connection", within=60)
def beside_stalled_streams(s):
    _, proxy = start(s)
    with H2Client(proxy.address, settings={h2.INITIAL_WINDOW_SIZE: 64 * KIB}) as client:
        client.open_window(0, h2.LARGEST - h2.WINDOW_BYTES)
        client.automatic = False
        hung = [client.ask(path="/large") for _ in range(STREAMS - 1)]
        for stream in hung:
            client.wait_for(lambda stream=stream: client.messages.get(stream) and client.messages[stream].bytes == 64 * KIB,
                            f"the window of stream {stream} is used up")
        client.automatic = True
        for _ in range(50):
            message = client.request(path="/page")
            check_equal(bytes(message.body), b"0123456789" * 10000, "payload")
        check_equal({client.messages[stream].bytes for stream in hung}, {64 * KIB}, "bytes on the streams that are not read")


@scenario("a large body is cut, changed or held in memory", within=400)
def large_bodies(s):
    origin, proxy = start(s)
    for size, window in (("64 KiB", None), ("2^31-1", h2.LARGEST)):
        with s.case(f"{LARGE // MIB} MiB to a client with windows of {size}"):
            with H2Client(proxy.address, settings={h2.INITIAL_WINDOW_SIZE: window} if window else None) as client:
                watch = MemoryWatch(proxy, clients=1)
                download(client, watch, window)
                modest(s, watch)
    with s.case(f"{LARGE // MIB} MiB from a client"):
        with H2Client(proxy.address) as client:
            watch = MemoryWatch(proxy, clients=1)
            sent = upload(client, watch)
        check_equal(hashlib.sha256(open(f"{origin.root}/put/large", "rb").read()).hexdigest() if not full_scale() else sent, sent,
                    "checksum")
        modest(s, watch)


def modest(s, watch):
    s.note(f"memory grew by {watch.growth_kib} KiB")
    check(SANITIZED or watch.growth_kib < 8 * KIB, f"memory grew by {watch.growth_kib} KiB")


def download(client, watch, window):
    if window:
        client.open_window(0, h2.LARGEST - h2.WINDOW_BYTES)
    digest, seen = hashlib.sha256(), [0]

    def sink(piece):
        digest.update(piece)
        seen[0] += len(piece)
        watch.poll()
    stream = client.ask(path="/large")
    message = client.head_of(stream)
    # What came with the head is in its body.
    sink(bytes(message.body))
    message.sink = sink
    client.response(stream, 300)
    check_equal(seen[0], LARGE, "bytes")
    zeros = hashlib.sha256()
    for _ in range(LARGE // MIB):
        zeros.update(bytes(MIB))
    check_equal(digest.hexdigest(), zeros.hexdigest(), "checksum")


def upload(client, watch):
    """Returns the checksum of what was sent."""
    stream, digest = client.new_stream(), hashlib.sha256()
    client.send_head(stream, h2.request_fields("PUT", "/put/large"))
    for number in range(LARGE // MIB):
        piece = bytes([number & 255]) * MIB
        digest.update(piece)
        check(client.send_payload(stream, piece, False), client.state())
        watch.poll()
    client.send(h2.data(stream, b"", True))
    check_equal(client.response(stream, 60).status // 100, 2, "status")
    return digest.hexdigest()


@scenario("a window of one byte, or one that changes all the time, loses or repeats bytes", within=120)
def odd_windows(s):
    _, proxy = start(s)
    seed = random.randrange(1 << 32)
    s.note(f"seed {seed}")
    choose = random.Random(seed)
    with s.case("windows of one byte"):
        with H2Client(proxy.address, settings={h2.INITIAL_WINDOW_SIZE: 1}) as client:
            check_equal(bytes(client.request(path="/hello").body), b"hello\n", "payload")
    with s.case("windows that SETTINGS change all the time"):
        with H2Client(proxy.address) as client:
            streams = [client.ask(path="/page") for _ in range(20)]
            while not all(client.messages.get(each) and client.messages[each].over for each in streams):
                acks = client.settings_acks
                client.announce({h2.INITIAL_WINDOW_SIZE: choose.choice((0, 1, 100, 16384, 65535, 100000))})
                client.wait_for(lambda acks=acks: client.settings_acks > acks, "SETTINGS are acknowledged")
                if choose.random() < 0.3:
                    client.announce({h2.INITIAL_WINDOW_SIZE: 100000})
            for stream in streams:
                check_equal(bytes(client.messages[stream].body), b"0123456789" * 10000, f"payload of stream {stream}")


def upload_through(proxy, target, size):
    """What arrives at the origin is what was sent; sent by a client of HTTP/2 in pieces."""
    payload = bytes(range(251)) * (size // 251 + 1)
    with H2Client(proxy.address) as client:
        stream = client.ask("POST", target, body=payload[:size])
        check_equal(client.response(stream, 60).status, 200, "status")
    return payload[:size]


@scenario("an origin's window of 0 or one byte, or one that changes all the time, loses or repeats bytes", within=120)
def odd_windows_of_origins(s):
    seed = random.randrange(1 << 32)
    s.note(f"seed {seed}")
    choose = random.Random(seed)

    @reads_body
    def opens_later(stream, request):
        stream.connection.open_window(stream.id, 100000)
        eventually(lambda: request.complete, "the request is whole")
        stream.respond()

    @reads_body
    def changes(stream, request):
        connection = stream.connection
        while not request.complete:
            acks = connection.settings_acks
            connection.announce({h2.INITIAL_WINDOW_SIZE: choose.choice((0, 1, 100, 16384, 65535, 100000))})
            eventually(lambda acks=acks: connection.settings_acks > acks, "SETTINGS are acknowledged")
            connection.announce({h2.INITIAL_WINDOW_SIZE: 100000})
        stream.respond()

    for name, window, answer, size in (("of 0", 0, opens_later, 100000), ("of one byte", 1, describe, 300),
                                       ("of 2^31-1 bytes", h2.LARGEST, describe, 1 << 20),
                                       ("that SETTINGS change all the time", h2.WINDOW_BYTES, changes, 1 << 20)):
        with s.case(f"windows {name}"):
            origin = H2Origin(s, f"origin-{window}", settings={h2.INITIAL_WINDOW_SIZE: window}).on("/", answer)
            settings = merge(SETTINGS, {"upstreams": {"app": {"protocol": "http2"}}})
            proxy = start_proxy(s, origin, settings, name=f"to-{window}")
            sent = upload_through(proxy, "/up", size)
            check(bytes(origin.request_for("/up").body) == sent, "other bytes have arrived")


@scenario("payload that comes at once, and of which the client takes only a part, is not passed on")
def more_than_there_is_room_for(s):
    frame, asked_for = h2.FRAME_BYTES, queue.Queue()
    pieces = [bytes([number]) * frame for number in range(4)]
    origin = H2Origin(s).on("/", lambda stream, _: asked_for.put(stream))
    proxy = start_proxy(s, origin, merge(SETTINGS, {"upstreams": {"app": {"protocol": "http2"}}}))
    with H2Client(proxy.address, automatic=False) as client:
        asked = client.ask(path="/")
        stream = asked_for.get(timeout=patient(20))
        stream.head()
        stream.send(h2.data(stream.id, pieces[0]))
        client.wait_for(lambda: client.messages.get(asked) and client.messages[asked].bytes == frame, "the first frame has come")
        # A byte more than the client's windows have left, in frames that are read at once.
        stream.send(b"".join(h2.data(stream.id, piece) for piece in pieces[1:]))
        client.wait_for(lambda: client.messages[asked].bytes == h2.WINDOW_BYTES, "the window is used up")
        for window in (0, asked):
            client.open_window(window, frame)
        stream.send(h2.data(stream.id, b"", True))
        check_equal(bytes(client.response(asked).body), b"".join(pieces), "payload")


run()
