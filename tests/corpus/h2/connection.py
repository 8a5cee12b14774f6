"""What concerns the connection: its preface, frames as such, SETTINGS, PING, GOAWAY, and what RFC 9113 does not know."""

from harness import check, h2_bytes as h2

from .shape import (FINE, PROTOCOL, RAW, SIZE, FLOW, Answered, Ended, Http1, Silent, answered, get, half_close, post)

START = h2.PREFACE + h2.settings()


def slowly(data):
    return lambda client: client.send_slowly(data)


def settings_come_first(client):
    client.wait_for(lambda: client.frames, "a frame")
    check(type(client.frames[0]).__name__ == "SettingsFrame" and "ACK" not in client.frames[0].flags,
          f"the first frame is {client.frames[0]!r}")


def acknowledged(times):
    """SETTINGS have been acknowledged so often."""
    return lambda client: client.wait_for(lambda: client.settings_acks >= times, f"{times} acknowledgements")


def pong(opaque):
    return lambda client: client.wait_for(lambda: opaque in client.pongs, f"the answer to PING {opaque!r}")


def no_pong(opaque):
    """Whatever was answered has come by the time the next PING is answered."""
    def step(client):
        client.send(h2.ping(b"the next"))
        pong(b"the next")(client)
        check(opaque not in client.pongs, f"PING {opaque!r} was answered")
    return step


def setting(number, value):
    return h2.settings([(number, value)])


PREFACE = [
    ("SETTINGS are the first frame of the server", "3.4", [settings_come_first, get()], FINE),
    ("preface, SETTINGS and a request in one segment", "3.4", [RAW, START + get()], FINE),
    ("preface, SETTINGS and a request byte by byte", "3.4", [RAW, slowly(START + get())], FINE),
    ("SETTINGS of the client that carry values", "3.4", [RAW, h2.PREFACE + h2.settings({h2.ENABLE_PUSH: 0}) + get()], FINE),
    ("no SETTINGS behind the preface", "3.4", [RAW, h2.PREFACE + get()], PROTOCOL),
    ("a PING before SETTINGS", "3.4", [RAW, h2.PREFACE + h2.ping() + h2.settings()], PROTOCOL),
    ("an acknowledgement in place of SETTINGS", "3.4", [RAW, h2.PREFACE + h2.settings(ack=True)], PROTOCOL),
    ("WINDOW_UPDATE before SETTINGS", "3.4", [RAW, h2.PREFACE + h2.window_update(0, 1)], PROTOCOL),
    ("an unknown frame before SETTINGS", "3.4", [RAW, h2.PREFACE + h2.frame(0xbb) + h2.settings()], (PROTOCOL, Ended())),
    ("a preface with another second line", "3.4", [RAW, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + h2.settings()],
     (Ended(), PROTOCOL, Http1(400, 505))),
    ("a preface whose last byte is wrong", "3.4", [RAW, h2.PREFACE[:-1] + b"X" + h2.settings()],
     (Ended(), PROTOCOL, Http1(400, 505))),
    ("a preface that says HTTP/2.1", "3.4", [RAW, b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n" + h2.settings()],
     (Ended(), PROTOCOL, Http1(400, 505))),
    ("a preface ended by LF", "3.4", [RAW, b"PRI * HTTP/2.0\n\nSM\n\n" + h2.settings()], (Ended(), PROTOCOL, Http1(400, 505))),
    ("half a preface, then the end", "3.4", [RAW, h2.PREFACE[:11], half_close], (Ended(), PROTOCOL, Http1(400, 505))),
    ("a preface, then the end", "3.4", [RAW, h2.PREFACE, half_close], (Ended(), PROTOCOL)),
    ("a preface twice", "3.4", [RAW, h2.PREFACE + h2.PREFACE], (SIZE, PROTOCOL)),
    ("a preface after SETTINGS", "3.4", [h2.PREFACE], (SIZE, PROTOCOL)),
    ("frames without a preface", "3.4", [RAW, h2.settings() + get()], (Ended(), Http1(400, 505))),
]

FRAMES = [
    ("an unknown type on the connection", "4.1", [h2.frame(0x16, 0, 0, b"what?") + get()], FINE),
    ("an unknown type on an idle stream", "4.1", [h2.frame(0xfe, 0xff, 9, b"what?") + get()], FINE),
    ("an unknown type on an open stream", "4.1", [post() + h2.frame(0x16, 0x1, 1, b"?") + h2.data(1, b"x", True)], FINE),
    ("an unknown type that is empty", "4.1", [h2.frame(0x7f) + get()], FINE),
    ("an unknown type of the greatest length", "4.1", [h2.frame(0xaa, 0, 0, bytes(h2.FRAME_BYTES)) + get()], FINE),
    ("undefined flags of PING", "4.1", [h2.frame(h2.PING, 0xfe, 0, b"evenkeel"), pong(b"evenkeel"), get()], FINE),
    ("undefined flags of DATA", "4.1", [post() + h2.data(1, b"x", True, flags=0xf6)], FINE),
    ("undefined flags of HEADERS", "4.1", [get(flags=0xd2)], FINE),
    ("undefined flags of SETTINGS", "4.1", [h2.frame(h2.SETTINGS, 0xfe), acknowledged(1), get()], FINE),
    ("undefined flags of RST_STREAM", "4.1", [post(path="/hang") + h2.frame(h2.RST_STREAM, 0xff, 1, bytes([0, 0, 0, 8])) + get(3)],
     Answered(stream=3)),
    ("undefined flags of WINDOW_UPDATE", "4.1", [h2.frame(h2.WINDOW_UPDATE, 0xff, 0, bytes([0, 0, 0, 1])) + get()], FINE),
    ("undefined flags of GOAWAY", "4.1", [get() + h2.frame(h2.GOAWAY, 0xff, 0, bytes(8))], FINE),
    ("the reserved bit of PING's stream", "4.1", [h2.frame(h2.PING, 0, 0x80000000, b"evenkeel"), pong(b"evenkeel"), get()], FINE),
    ("the reserved bit of HEADERS' stream", "4.1", [h2.frame(h2.HEADERS, 5, 0x80000001, get()[9:])], FINE),
    ("the reserved bit of WINDOW_UPDATE's increment", "6.9", [h2.window_update(0, 0x80000001) + get()], FINE),
    ("DATA of 2^14 bytes", "4.2", [post() + h2.data(1, bytes(h2.FRAME_BYTES), True)], FINE),
    ("DATA of more than was allowed", "4.2", [post() + h2.data(1, bytes(h2.FRAME_BYTES + 1), True)], SIZE),
    ("HEADERS of more than was allowed", "4.2",
     [get(more=[("x", "a" * (h2.FRAME_BYTES + 1))])], SIZE),
    ("an unknown frame of more than was allowed", "4.2", [h2.frame(0xaa, 0, 0, bytes(h2.FRAME_BYTES + 1))], SIZE),
    ("a length of 2^24-1 that is only said", "4.2", [h2.frame(h2.DATA, 0, 1, b"", length=2 ** 24 - 1)], (SIZE, PROTOCOL)),
    ("CONTINUATION of more than was allowed", "4.2",
     [get(whole=False) + h2.continuation(1, h2.block([("x", "a" * h2.FRAME_BYTES)]))], SIZE),
    ("half a frame, then the end", "4.1", [h2.ping()[:12], half_close], Ended()),
    ("half a frame header, then the end", "4.1", [h2.ping()[:5], half_close], Ended()),
    ("a frame for each byte of a request's payload", "6.1",
     [post() + b"".join(h2.data(1, b"x") for _ in range(100)) + h2.data(1, b"", True)], FINE),
]

SETTINGS = [
    ("SETTINGS are acknowledged", "6.5.3", [setting(h2.MAX_CONCURRENT_STREAMS, 100), acknowledged(2), get()], FINE),
    ("empty SETTINGS", "6.5", [h2.settings(), acknowledged(2), get()], FINE),
    ("an unknown setting", "6.5.2", [setting(0xff, 1), acknowledged(2), get()], FINE),
    ("a setting without a number", "6.5.2", [setting(0, 5), acknowledged(2), get()], FINE),
    ("many settings", "6.5.2", [h2.settings([(0x1000 + each, each) for each in range(20)]), acknowledged(2), get()], FINE),
    ("an acknowledgement with payload", "6.5", [h2.frame(h2.SETTINGS, h2.ACK, 0, bytes(6))], SIZE),
    ("an acknowledgement with one byte", "6.5", [h2.frame(h2.SETTINGS, h2.ACK, 0, b"x")], SIZE),
    ("an acknowledgement of nothing", "6.5.3", [h2.settings(ack=True) * 2 + get()], (FINE, PROTOCOL)),
    ("SETTINGS of a stream", "6.5", [h2.frame(h2.SETTINGS, 0, 1, bytes([0, 3, 0, 0, 0, 100]))], PROTOCOL),
    ("SETTINGS of five bytes", "6.5", [h2.frame(h2.SETTINGS, 0, 0, bytes(5))], SIZE),
    ("SETTINGS of three bytes", "6.5", [h2.frame(h2.SETTINGS, 0, 0, b"\0\3\0")], SIZE),
    ("SETTINGS of seven bytes", "6.5", [h2.frame(h2.SETTINGS, 0, 0, bytes(7))], SIZE),
    ("ENABLE_PUSH of 2", "6.5.2", [setting(h2.ENABLE_PUSH, 2)], PROTOCOL),
    ("ENABLE_PUSH of 2^32-1", "6.5.2", [setting(h2.ENABLE_PUSH, 2 ** 32 - 1)], PROTOCOL),
    ("ENABLE_PUSH of 1", "6.5.2", [setting(h2.ENABLE_PUSH, 1) + get()], FINE),
    ("ENABLE_PUSH of 0", "6.5.2", [setting(h2.ENABLE_PUSH, 0) + get()], FINE),
    ("INITIAL_WINDOW_SIZE of 2^31", "6.5.2", [setting(h2.INITIAL_WINDOW_SIZE, 2 ** 31)], FLOW),
    ("INITIAL_WINDOW_SIZE of 2^32-1", "6.5.2", [setting(h2.INITIAL_WINDOW_SIZE, 2 ** 32 - 1)], FLOW),
    ("INITIAL_WINDOW_SIZE of 2^31-1", "6.5.2", [setting(h2.INITIAL_WINDOW_SIZE, h2.LARGEST) + get()], FINE),
    ("MAX_FRAME_SIZE of 2^14-1", "6.5.2", [setting(h2.MAX_FRAME_SIZE, 2 ** 14 - 1)], PROTOCOL),
    ("MAX_FRAME_SIZE of 0", "6.5.2", [setting(h2.MAX_FRAME_SIZE, 0)], PROTOCOL),
    ("MAX_FRAME_SIZE of 2^24", "6.5.2", [setting(h2.MAX_FRAME_SIZE, 2 ** 24)], PROTOCOL),
    ("MAX_FRAME_SIZE of 2^24-1", "6.5.2", [setting(h2.MAX_FRAME_SIZE, 2 ** 24 - 1) + get()], FINE),
    ("MAX_FRAME_SIZE of 2^14", "6.5.2", [setting(h2.MAX_FRAME_SIZE, 2 ** 14) + get()], FINE),
    ("HEADER_TABLE_SIZE of 0", "6.5.2", [setting(h2.HEADER_TABLE_SIZE, 0) + get()], FINE),
    ("HEADER_TABLE_SIZE of 2^32-1", "6.5.2", [setting(h2.HEADER_TABLE_SIZE, 2 ** 32 - 1) + get()], FINE),
    ("HEADER_TABLE_SIZE that shrinks and grows again", "7541 4.2",
     [get() , answered(), h2.settings([(h2.HEADER_TABLE_SIZE, 0), (h2.HEADER_TABLE_SIZE, 4096)]), acknowledged(2), get(3)],
     Answered(stream=3)),
    ("MAX_CONCURRENT_STREAMS of 0", "6.5.2", [setting(h2.MAX_CONCURRENT_STREAMS, 0) + get()], FINE),
    ("MAX_HEADER_LIST_SIZE of 2^32-1", "6.5.2", [setting(h2.MAX_HEADER_LIST_SIZE, 2 ** 32 - 1) + get()], FINE),
    ("ENABLE_CONNECT_PROTOCOL of 1 from a client", "8441 3", [setting(h2.ENABLE_CONNECT_PROTOCOL, 1) + get()], FINE),
    ("ENABLE_CONNECT_PROTOCOL of 2", "8441 3", [setting(h2.ENABLE_CONNECT_PROTOCOL, 2) + get()], (FINE, PROTOCOL)),
    ("NO_RFC7540_PRIORITIES of 1", "9218 2.1", [RAW, h2.PREFACE + setting(h2.NO_RFC7540_PRIORITIES, 1) + get()], FINE),
    ("NO_RFC7540_PRIORITIES of 2", "9218 2.1", [RAW, h2.PREFACE + setting(h2.NO_RFC7540_PRIORITIES, 2) + get()], PROTOCOL),
    ("NO_RFC7540_PRIORITIES that changes", "9218 2.1",
     [RAW, h2.PREFACE + setting(h2.NO_RFC7540_PRIORITIES, 1) + setting(h2.NO_RFC7540_PRIORITIES, 0) + get()], (FINE, PROTOCOL)),
    ("a faulty setting behind a good one", "6.5.3", [h2.settings([(h2.MAX_FRAME_SIZE, 20000), (h2.ENABLE_PUSH, 7)])], PROTOCOL),
]

PING = [
    ("a PING is answered with what it said", "6.7", [h2.ping(b"8 bytes!"), pong(b"8 bytes!"), get()], FINE),
    ("PINGs are answered in a row", "6.7", [h2.ping(b"number 1") + h2.ping(b"number 2"), pong(b"number 2"), get()], FINE),
    ("a PING on a connection with an open stream", "6.7", [post() + h2.ping(b"8 bytes!"), pong(b"8 bytes!"), h2.data(1, b"x", True)],
     FINE),
    ("the answer to a PING that was not sent", "6.7", [h2.ping(b"8 bytes!", ack=True), no_pong(b"8 bytes!"), get()], FINE),
    ("a PING of a stream", "6.7", [h2.frame(h2.PING, 0, 1, bytes(8))], PROTOCOL),
    ("a PING of six bytes", "6.7", [h2.ping(b"6bytes")], SIZE),
    ("a PING of nine bytes", "6.7", [h2.ping(b"nine byte")], SIZE),
    ("a PING without payload", "6.7", [h2.ping(b"")], SIZE),
    ("the answer to a PING with seven bytes", "6.7", [h2.ping(b"7 bytes", ack=True)], SIZE),
    ("a faulty PING ends the connection", "5.4.1", [h2.frame(h2.PING, 0, 3, bytes(8))], PROTOCOL),
    ("a connection error tells the last stream", "5.4.1", [get(), answered(), h2.frame(h2.PING, 0, 3, bytes(8)),
                                                          lambda client: check(client.goaway()[0] == 1, f"{client.goaways}")],
     PROTOCOL),
]

GOAWAY = [
    ("a request before GOAWAY is answered", "6.8", [get() + h2.goaway()], FINE),
    ("a GOAWAY with an unknown code", "7", [get() + h2.goaway(0, 0xff)], FINE),
    ("a GOAWAY that explains itself", "6.8", [get() + h2.goaway(0, h2.NO_ERROR, b"x" * 1000)], FINE),
    ("a GOAWAY twice", "6.8", [get() + h2.goaway(h2.LARGEST - 1) + h2.goaway(0)], FINE),
    ("an upload goes on behind GOAWAY", "6.8", [post() + h2.goaway() + h2.data(1, b"x", True)], FINE),
    ("a GOAWAY of a stream", "6.8", [h2.frame(h2.GOAWAY, 0, 1, bytes(8))], PROTOCOL),
    ("a GOAWAY of seven bytes", "6.8", [h2.frame(h2.GOAWAY, 0, 0, bytes(7))], SIZE),
    ("a GOAWAY without payload", "6.8", [h2.frame(h2.GOAWAY)], SIZE),
    ("a PING behind GOAWAY", "6.8", [get(path="/hang") + h2.goaway() + h2.ping(b"8 bytes!"), pong(b"8 bytes!")], Silent()),
]

CASES = PREFACE + FRAMES + SETTINGS + PING + GOAWAY
