"""States of streams, the frames that belong to them, their windows and priorities."""

from harness import check, h2_bytes as h2

from .shape import (CLOSED, FINE, FLOW, MALFORMED, PROTOCOL, SIZE, Answered, Ended, Reset, Silent, answered, begun, get, post)

BLOCK = h2.block(h2.request_fields())
BOTH = (Reset(h2.PROTOCOL_ERROR), PROTOCOL)
RESET = post(path="/hang") + h2.rst_stream(1)
SIZES = (Reset(h2.FRAME_SIZE_ERROR), SIZE)


def closed_by(*frames):
    """Frames for a stream that is over in both directions."""
    return [get(), answered(), *frames]


def one_more(client):
    """As many streams as are allowed, and one more, all without an answer."""
    most = client.settings.get(h2.MAX_CONCURRENT_STREAMS)
    check(most, f"no bound on streams: {client.settings}")
    client.send(b"".join(get(2 * each + 1, "/hang") for each in range(most + 1)))
    client.wait_for(lambda: any(each.reset is not None for each in client.messages.values()) or client.goaways,
                    "the last stream is refused")
    if client.goaways:
        return  # 5.4.1: a stream error may be one of the connection
    refused = [(each.stream, each.reset) for each in client.messages.values() if each.reset is not None]
    check([stream for stream, _ in refused] == [2 * most + 1], f"refused: {refused}; {client.state()}")
    check(refused[0][1] in (h2.REFUSED_STREAM, h2.PROTOCOL_ERROR), f"refused by {refused}")
    client.send(h2.rst_stream(1) + get(2 * most + 3))
    client.response(2 * most + 3)


def overrun(stream, frames):
    """So many full frames at once, whatever the windows are."""
    return h2.data(stream, bytes(h2.FRAME_BYTES)) * frames


def window_of(size, stream=1):
    """The response has exactly so many bytes so far, and no more come."""
    def step(client):
        message = client.wait_for(lambda: (m := client.messages.get(stream)) and m.bytes >= size and m, f"{size} bytes")
        client.send(h2.ping(b"flushing"))
        client.wait_for(lambda: client.pongs, "the answer to PING")
        check(message.bytes == size, f"{message.bytes} bytes where {size} are allowed")
    return step


def announce(size):
    """Set the initial window, and wait until it holds."""
    def step(client):
        client.announce({h2.INITIAL_WINDOW_SIZE: size})
        acks = client.settings_acks
        client.wait_for(lambda: client.settings_acks > acks, "SETTINGS are acknowledged")
    return step


def open_window(stream, size):
    return lambda client: client.open_window(stream, size)


def manual(client):
    """Windows are opened by the steps only."""
    client.automatic = False


IDS = [
    ("an even stream", "5.1.1", [get(2)], PROTOCOL),
    ("a stream below the last one", "5.1.1", [get(5) + get(3)], (PROTOCOL, Ended(h2.STREAM_CLOSED))),
    ("the same stream again", "5.1.1", [get(), answered(), get()], (Ended(h2.STREAM_CLOSED), PROTOCOL, Reset(h2.STREAM_CLOSED))),
    ("a stream that was skipped", "5.1.1", [get(9), answered(9), get(7)], (PROTOCOL, Ended(h2.STREAM_CLOSED))),
    ("streams with gaps between them", "5.1.1", [get(1) + get(101) + get(1001)], Answered(stream=1001)),
    ("the last stream there is", "5.1.1", [get(h2.LARGEST)], Answered(stream=h2.LARGEST)),
    ("a stream below the last one there is", "5.1.1", [get(h2.LARGEST), answered(h2.LARGEST), get(h2.LARGEST - 2)],
     (PROTOCOL, Ended(h2.STREAM_CLOSED))),
    ("more streams than are allowed", "5.1.2", [one_more], (PROTOCOL, Silent())),
    ("streams that end give way to others", "5.1.2",
     [b"".join(get(each) for each in range(1, 81, 2)), answered(79), b"".join(get(each) for each in range(81, 161, 2))],
     Answered(stream=159)),
]

IDLE = [
    ("DATA on an idle stream", "5.1", [h2.data(1, b"test", True)], PROTOCOL),
    ("RST_STREAM on an idle stream", "5.1", [h2.rst_stream(1)], PROTOCOL),
    ("WINDOW_UPDATE on an idle stream", "5.1", [h2.window_update(1, 100)], PROTOCOL),
    ("CONTINUATION on an idle stream", "5.1", [h2.continuation(1, BLOCK)], PROTOCOL),
    ("DATA on an idle stream behind a request", "5.1", [get(), answered(), h2.data(3, b"test", True)], PROTOCOL),
    ("RST_STREAM on an idle stream behind a request", "6.4", [get(), answered(), h2.rst_stream(3)], PROTOCOL),
    ("WINDOW_UPDATE on an idle stream behind a request", "5.1", [get(), answered(), h2.window_update(5, 100)], PROTOCOL),
    ("DATA on an idle stream of the server", "5.1", [h2.data(2, b"test", True)], PROTOCOL),
    ("RST_STREAM on an idle stream of the server", "6.4", [h2.rst_stream(2)], PROTOCOL),
    ("WINDOW_UPDATE on an idle stream of the server", "5.1", [h2.window_update(2, 1)], PROTOCOL),
    ("PRIORITY on an idle stream", "5.1", [h2.priority(1) + get()], FINE),
]

HALF_CLOSED = [
    ("DATA behind the end of a request", "5.1", [get() + h2.data(1, b"test", True)], CLOSED),
    ("DATA behind the end of a request that is not answered yet", "6.1", [get(path="/hang") + h2.data(1, b"test", True)], CLOSED),
    ("empty DATA behind the end of a request", "5.1", [get(path="/hang") + h2.data(1, b"", True)], CLOSED),
    ("HEADERS behind the end of a request", "5.1", [get() + get()], CLOSED),
    ("HEADERS behind the end of a request that is not answered yet", "5.1", [get(path="/hang") + get()], CLOSED),
    ("CONTINUATION behind the end of a request", "5.1", [get() + h2.continuation(1, BLOCK)], (*CLOSED, *BOTH)),
    ("DATA behind trailers", "5.1", [post(path="/hang") + h2.headers(1, h2.block([("x-t", "1")]), True) + h2.data(1, b"x", True)],
     CLOSED),
    ("trailers behind trailers", "5.1", [post(path="/hang") + h2.headers(1, h2.block([("x-t", "1")]), True) * 2], CLOSED),
    ("WINDOW_UPDATE behind the end of a request", "5.1", [get() + h2.window_update(1, 100)], FINE),
    ("PRIORITY behind the end of a request", "5.1", [get() + h2.priority(1)], FINE),
    ("RST_STREAM behind the end of a request", "5.1", [get(path="/hang") + h2.rst_stream(1) + get(3)], Answered(stream=3)),
]

OVER = [
    ("DATA behind RST_STREAM", "5.1", [RESET + h2.data(1, b"test", True)], CLOSED),
    ("HEADERS behind RST_STREAM", "5.1", [RESET + get()], CLOSED),
    ("CONTINUATION behind RST_STREAM", "5.1", [RESET + h2.continuation(1, BLOCK)], (*CLOSED, *BOTH)),
    ("RST_STREAM behind RST_STREAM", "5.1", [RESET + h2.rst_stream(1) + get(3)], (Answered(stream=3), *CLOSED)),
    ("WINDOW_UPDATE behind RST_STREAM", "5.1", [RESET + h2.window_update(1, 100) + get(3)], (Answered(stream=3), *CLOSED)),
    ("PRIORITY behind RST_STREAM", "5.1", [RESET + h2.priority(1) + get(3)], Answered(stream=3)),
    ("DATA on a closed stream", "5.1", closed_by(h2.data(1, b"test", True)), CLOSED),
    ("HEADERS on a closed stream", "5.1", closed_by(get()), (Ended(h2.STREAM_CLOSED), PROTOCOL)),
    ("CONTINUATION on a closed stream", "5.1", closed_by(h2.continuation(1, BLOCK)), (Ended(h2.STREAM_CLOSED), PROTOCOL)),
    ("PRIORITY on a closed stream", "5.1", closed_by(h2.priority(1), get(3)), Answered(stream=3)),
    ("WINDOW_UPDATE on a closed stream", "5.1", closed_by(h2.window_update(1, 100), get(3)), Answered(stream=3)),
    ("RST_STREAM on a closed stream", "5.1", closed_by(h2.rst_stream(1), get(3)), Answered(stream=3)),
]

DATA = [
    ("DATA", "6.1", [post() + h2.data(1, b"test", True)], FINE),
    ("DATA in several frames", "6.1", [post() + h2.data(1, b"test") + h2.data(1, b"test", True)], FINE),
    ("DATA with padding", "6.1", [post() + h2.data(1, b"test", True, pad=6)], FINE),
    ("DATA with the most padding there is", "6.1", [post() + h2.data(1, b"test", True, pad=255)], FINE),
    ("DATA with an empty padding", "6.1", [post() + h2.data(1, b"test", True, pad=0)], FINE),
    ("DATA that is nothing but padding", "6.1", [post() + h2.data(1, b"", False, pad=100) + h2.data(1, b"x", True)], FINE),
    ("DATA with padding that is not zero", "6.1",
     [post() + h2.frame(h2.DATA, h2.END_STREAM | h2.PADDED, 1, b"\3testabc")], (FINE, PROTOCOL)),
    ("DATA whose padding is longer than the frame", "6.1", [post() + h2.frame(h2.DATA, 9, 1, b"\6Test")], PROTOCOL),
    ("DATA whose padding is as long as the frame", "6.1", [post() + h2.frame(h2.DATA, 9, 1, b"\5Test")], PROTOCOL),
    ("DATA with padding but without its length", "6.1", [post() + h2.frame(h2.DATA, 9, 1)], (SIZE, PROTOCOL)),
    ("DATA of no stream", "6.1", [h2.data(0, b"test", True)], PROTOCOL),
    ("empty DATA before the end", "6.1", [post() + h2.data(1, b"") + h2.data(1, b"test", True)], FINE),
    ("an end that is empty DATA", "6.1", [post() + h2.data(1, b"test") + h2.data(1, b"", True)], FINE),
    ("a payload that is empty", "6.1", [post() + h2.data(1, b"", True)], FINE),
]

HEADERS = [
    ("HEADERS with padding", "6.2", [get(pad=6)], FINE),
    ("HEADERS with the most padding there is", "6.2", [get(pad=255)], FINE),
    ("HEADERS with a priority", "6.2", [get(priority_=h2.dependency(0, 256))], FINE),
    ("HEADERS with a priority on an unknown stream", "6.2", [get(priority_=h2.dependency(77, 1, True))], FINE),
    ("HEADERS with a priority and padding", "6.2", [get(priority_=h2.dependency(), pad=9)], FINE),
    ("HEADERS of no stream", "6.2", [get(0)], PROTOCOL),
    ("HEADERS whose padding is longer than the frame", "6.2",
     [h2.frame(h2.HEADERS, 13, 1, bytes([len(BLOCK) + 1]) + BLOCK)], PROTOCOL),
    ("HEADERS whose padding is all there is", "6.2", [h2.frame(h2.HEADERS, 13, 1, b"\x08" + bytes(7))], PROTOCOL),
    ("HEADERS with padding but without its length", "6.2", [h2.frame(h2.HEADERS, 13, 1)], (SIZE, PROTOCOL)),
    ("HEADERS with a priority that is cut off", "6.2", [h2.frame(h2.HEADERS, 0x25, 1, b"\0\0")], (SIZE, PROTOCOL)),
    ("HEADERS with priority and padding that overlap", "6.2", [h2.frame(h2.HEADERS, 0x2d, 1, b"\5" + bytes(6))], (SIZE, PROTOCOL)),
    ("HEADERS that depend on themselves", "5.3.1 of RFC 7540", [get(priority_=h2.dependency(1))], BOTH),
    ("a second head that does not end the stream", "8.1", [post(path="/hang") + post(path="/hang")], BOTH),
    ("HEADERS without a field", "8.3.1", [h2.headers(1, b"", True)], MALFORMED),
]

CONTINUATION = [
    ("one CONTINUATION", "6.10", [get(whole=False) + h2.continuation(1, h2.block([("x-c", "1")]))], FINE),
    ("several CONTINUATION", "6.10",
     [get(whole=False) + h2.continuation(1, h2.block([("x-c", "1")]), False) + h2.continuation(1, h2.block([("x-d", "1")]))], FINE),
    ("an empty CONTINUATION", "6.10", [get(whole=False) + h2.continuation(1, b"")], FINE),
    ("HEADERS without a block of its own", "6.10", [h2.headers(1, b"", True, whole=False) + h2.continuation(1, BLOCK)], FINE),
    ("a field that is split between frames", "6.10",
     [h2.headers(1, BLOCK[:17], True, whole=False) + h2.continuation(1, BLOCK[17:18], False) + h2.continuation(1, BLOCK[18:])], FINE),
    ("trailers in CONTINUATION", "6.10",
     [post() + h2.data(1, b"x") + h2.split_headers(1, h2.block([("x-t", "1"), ("x-u", "2")]), True, at=6)], FINE),
    ("a request that ends in HEADERS before CONTINUATION", "6.2",
     [h2.headers(1, BLOCK, True, whole=False) + h2.continuation(1, b"")], FINE),
    ("DATA between HEADERS and CONTINUATION", "6.10", [post(path="/hang")[:4] + b"\0" + post(path="/hang")[5:] + h2.data(1, b"x")],
     PROTOCOL),
    ("CONTINUATION of no stream", "6.10", [get(whole=False) + h2.continuation(0, b"")], PROTOCOL),
    ("CONTINUATION of another stream", "6.10", [get(whole=False) + h2.continuation(3, b"")], PROTOCOL),
    ("CONTINUATION behind the end of a block", "6.10", [post(path="/hang") + h2.continuation(1, BLOCK)], PROTOCOL),
    ("CONTINUATION behind the end of a block in CONTINUATION", "6.10",
     [h2.headers(1, BLOCK, whole=False) + h2.continuation(1, b"") + h2.continuation(1, BLOCK)], PROTOCOL),
    ("CONTINUATION behind DATA", "6.10", [post(path="/hang") + h2.data(1, b"x") + h2.continuation(1, BLOCK)], PROTOCOL),
    ("PRIORITY within a header block", "6.2", [get(whole=False) + h2.priority(1) + h2.continuation(1, b"")], PROTOCOL),
    ("PRIORITY of another stream within a header block", "4.3", [get(whole=False) + h2.priority(3)], PROTOCOL),
    ("HEADERS of another stream within a header block", "6.2", [get(whole=False) + get(3)], PROTOCOL),
    ("HEADERS of the same stream within a header block", "6.2", [get(whole=False) + get()], PROTOCOL),
    ("PING within a header block", "4.3", [get(whole=False) + h2.ping()], PROTOCOL),
    ("SETTINGS within a header block", "4.3", [get(whole=False) + h2.settings()], PROTOCOL),
    ("RST_STREAM within a header block", "4.3", [get(whole=False) + h2.rst_stream(1)], PROTOCOL),
    ("WINDOW_UPDATE within a header block", "4.3", [get(whole=False) + h2.window_update(0, 1)], PROTOCOL),
    ("GOAWAY within a header block", "4.3", [get(whole=False) + h2.goaway()], PROTOCOL),
    ("an unknown frame within a header block", "5.5", [get(whole=False) + h2.frame(0xbb, 0, 1, b"what?")], PROTOCOL),
    ("an unknown frame of the connection within a header block", "5.5", [get(whole=False) + h2.frame(0xbb)], PROTOCOL),
    ("PRIORITY_UPDATE within a header block", "4.3", [get(whole=False) + h2.priority_update(1)], PROTOCOL),
]

OTHER_FRAMES = [
    ("RST_STREAM", "6.4", [post(path="/hang") + h2.rst_stream(1) + get(3)], Answered(stream=3)),
    ("RST_STREAM of no stream", "6.4", [h2.rst_stream(0)], PROTOCOL),
    ("RST_STREAM of three bytes", "6.4", [post(path="/hang") + h2.frame(h2.RST_STREAM, 0, 1, bytes(3))], SIZE),
    ("RST_STREAM of five bytes", "6.4", [post(path="/hang") + h2.frame(h2.RST_STREAM, 0, 1, bytes(5))], SIZE),
    ("RST_STREAM with an unknown code", "7", [post(path="/hang") + h2.rst_stream(1, 0xff) + get(3)], Answered(stream=3)),
    ("RST_STREAM with NO_ERROR", "6.4", [post(path="/hang") + h2.rst_stream(1, h2.NO_ERROR) + get(3)], Answered(stream=3)),
    ("RST_STREAM within a response", "6.4", [get(path="/large"), begun(), h2.rst_stream(1) + get(3)], Answered(stream=3)),
    ("PUSH_PROMISE of a client", "8.4", [post(path="/hang") + h2.push_promise(1, 2, BLOCK)], PROTOCOL),
    ("PUSH_PROMISE of an idle stream", "8.4", [h2.push_promise(1, 3, BLOCK)], PROTOCOL),
    ("PUSH_PROMISE of no stream", "6.6", [h2.push_promise(0, 2, BLOCK)], PROTOCOL),
    ("PRIORITY of the least weight", "5.3", [h2.priority(1, weight=1) + get()], FINE),
    ("PRIORITY of the greatest weight", "5.3", [h2.priority(1, weight=256) + get()], FINE),
    ("PRIORITY on another stream", "5.3", [h2.priority(1, on=3) + get()], FINE),
    ("PRIORITY that is exclusive", "5.3", [h2.priority(1, on=3, exclusive=True) + get()], FINE),
    ("PRIORITY of a stream behind that of the request", "5.3", [h2.priority(5) + get()], FINE),
    ("PRIORITY of no stream", "6.3", [h2.priority(0)], PROTOCOL),
    ("PRIORITY of four bytes", "6.3", [h2.frame(h2.PRIORITY, 0, 1, bytes(4))], SIZES),
    ("PRIORITY of six bytes", "6.3", [h2.frame(h2.PRIORITY, 0, 1, bytes(6))], SIZES),
    ("PRIORITY of four bytes on an open stream", "6.3", [post(path="/hang") + h2.frame(h2.PRIORITY, 0, 1, bytes(4))], SIZES),
    ("PRIORITY that depends on itself", "5.3.1 of RFC 7540", [post(path="/hang") + h2.priority(1, on=1)], BOTH),
    ("PRIORITY_UPDATE before the request", "9218 7.1", [h2.priority_update(1, b"u=1, i") + get()], FINE),
    ("PRIORITY_UPDATE of an open stream", "9218 7.1", [post() + h2.priority_update(1, b"u=7") + h2.data(1, b"x", True)], FINE),
    ("PRIORITY_UPDATE of a closed stream", "9218 7.1", closed_by(h2.priority_update(1), get(3)), Answered(stream=3)),
    ("PRIORITY_UPDATE without a value", "9218 7.1", [h2.priority_update(1, b"") + get()], FINE),
    ("PRIORITY_UPDATE that cannot be parsed", "9218 7.1", [h2.priority_update(1, b"=?!") + get()], (FINE, PROTOCOL)),
    ("PRIORITY_UPDATE on a stream", "9218 7.1", [h2.frame(h2.PRIORITY_UPDATE, 0, 1, b"\0\0\0\1u=1")], PROTOCOL),
    ("PRIORITY_UPDATE for no stream", "9218 7.1", [h2.priority_update(0)], PROTOCOL),
    ("PRIORITY_UPDATE that is cut off", "9218 7.1", [h2.frame(h2.PRIORITY_UPDATE, 0, 0, b"\0\0")], SIZE),
    ("a priority field", "9218 5", [get(more=[("priority", "u=0, i")])], FINE),
    ("a priority field of nonsense", "9218 4", [get(more=[("priority", "u=9, i=?7, \"")])], FINE),
    ("a priority field twice", "9218 4", [get(more=[("priority", "u=1"), ("priority", "i")])], FINE),
]

WINDOWS = [
    ("WINDOW_UPDATE of the connection", "6.9", [h2.window_update(0, 1) + get()], FINE),
    ("WINDOW_UPDATE of an open stream", "6.9", [post() + h2.window_update(1, 1) + h2.data(1, b"x", True)], FINE),
    ("WINDOW_UPDATE of the connection by 0", "6.9", [h2.window_update(0, 0)], PROTOCOL),
    ("WINDOW_UPDATE of a stream by 0", "6.9", [post(path="/hang") + h2.window_update(1, 0)], BOTH),
    ("WINDOW_UPDATE of three bytes", "6.9", [h2.frame(h2.WINDOW_UPDATE, 0, 0, bytes(3))], SIZE),
    ("WINDOW_UPDATE of five bytes", "6.9", [h2.frame(h2.WINDOW_UPDATE, 0, 0, bytes(5))], SIZE),
    ("WINDOW_UPDATE of three bytes on a stream", "6.9", [post(path="/hang") + h2.frame(h2.WINDOW_UPDATE, 0, 1, bytes(3))], SIZE),
    ("a connection's window beyond 2^31-1", "6.9.1", [h2.window_update(0, h2.LARGEST) * 2], FLOW),
    ("a stream's window beyond 2^31-1", "6.9.1", [post(path="/hang") + h2.window_update(1, h2.LARGEST) * 2],
     Reset(h2.FLOW_CONTROL_ERROR)),
    ("the widest windows there are", "6.9.1", [get(path="/hang") + h2.window_update(0, h2.LARGEST - h2.WINDOW_BYTES)
                                              + h2.window_update(1, h2.LARGEST - h2.WINDOW_BYTES) + get(3)], Answered(stream=3)),
    ("SETTINGS that open a window beyond 2^31-1", "6.9.2",
     [post(path="/hang") + h2.window_update(1, h2.LARGEST - h2.WINDOW_BYTES)
      + h2.settings({h2.INITIAL_WINDOW_SIZE: h2.WINDOW_BYTES + 1})], (FLOW, Reset(h2.FLOW_CONTROL_ERROR))),
    ("a window of one byte", "6.9.1", [manual, announce(1), get(), window_of(1), open_window(1, 999999)], FINE),
    ("a window of no byte", "6.9.1", [manual, announce(0), get(), begun(), window_of(0), open_window(1, 999999)], FINE),
    ("a window that is opened byte by byte", "6.9.1",
     [manual, announce(0), get(), begun(), *[open_window(1, 1)] * 5, window_of(5), open_window(1, 999999)], FINE),
    ("a window that SETTINGS open", "6.9.2", [manual, announce(0), get(), begun(), window_of(0), announce(1), window_of(1),
                                             announce(999999)], FINE),
    ("a window that falls below zero", "6.9.2", [manual, announce(3), get(), window_of(3), announce(2), open_window(1, 2), window_of(4),
                                                open_window(1, 999999)], FINE),
    ("a window that falls below zero and is not opened enough", "6.9.2",
     [manual, announce(9), get(), window_of(9), announce(0), open_window(1, 9), window_of(9), open_window(1, 999999)], FINE),
    ("the last of several initial windows", "6.5.3",
     [manual, lambda client: client.credit.announce({h2.INITIAL_WINDOW_SIZE: 1}),
      h2.settings([(h2.INITIAL_WINDOW_SIZE, 100), (h2.INITIAL_WINDOW_SIZE, 1)]) + get(), window_of(1), open_window(1, 999999)], FINE),
    ("a connection's window that is used up", "6.9.1",
     [manual, announce(1 << 20), get(path="/large"), window_of(h2.WINDOW_BYTES), open_window(0, 1), window_of(h2.WINDOW_BYTES + 1),
      open_window(0, 1 << 24), open_window(1, 1 << 24)], FINE),
    ("more payload than a window", "6.9.1", [post(path="/hang"), overrun(1, 1000)], (FLOW, Reset(h2.FLOW_CONTROL_ERROR))),
]

CASES = IDS + IDLE + HALF_CLOSED + OVER + DATA + HEADERS + CONTINUATION + OTHER_FRAMES + WINDOWS
