"""Requests as messages: pseudo fields, names and values, lengths, trailers, CONNECT.

Only what a client notices is here. What an origin must never see of them is in tests/scenario/h2_smuggling.py.
"""

from harness import h2_bytes as h2

from .shape import FINE, MALFORMED, Answered, fields, get, post, Reset

GET, HTTP, SHOP, ROOT = (":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/")
CONNECT = (":method", "CONNECT")
TRAILERS = h2.block([("x-checksum", "1")])
# An own answer may stand in the place of a stream error (8.1.1), and a target that does not exist may be refused.
REFUSED = (MALFORMED, Answered(400), Answered(404), Answered(405), Answered(421), Answered(501))


def with_field(name, value):
    return get(more=[(name, value)])


def upload(length, *payload, end=True):
    """A request that announces this length, and the payload that comes."""
    frames = [h2.data(1, piece) for piece in payload[:-1]] + [h2.data(1, piece, end) for piece in payload[-1:]]
    return post(path="/hang", more=[("content-length", length)]) + b"".join(frames)


REQUESTS = [
    ("GET", "8.1", [get()], FINE),
    ("HEAD", "8.1", [h2.headers(1, h2.block(h2.request_fields("HEAD")), True)], FINE),
    ("POST", "8.1", [post() + h2.data(1, b"test", True)], FINE),
    ("POST with trailers", "8.1", [post() + h2.data(1, b"test") + h2.headers(1, TRAILERS, True)], FINE),
    ("trailers without payload", "8.1", [post() + h2.headers(1, TRAILERS, True)], FINE),
    ("OPTIONS of the whole server", "8.3.1", [fields((":method", "OPTIONS"), HTTP, SHOP, (":path", "*"))], Answered(200, 204)),
    ("a request with Host instead of an authority", "8.3.1", [fields(GET, HTTP, ROOT, ("host", "shop.example"))], FINE),
    ("Host that agrees with the authority", "8.3.1", [with_field("host", "shop.example")], FINE),
    ("cookies in several fields", "8.2.3", [get(more=[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")])], FINE),
    ("TE: trailers", "8.2.2", [with_field("te", "trailers")], FINE),
    ("Expect: 100-continue", "8.1", [post(more=[("expect", "100-continue")]) + h2.data(1, b"test", True)], FINE),
    ("a length that agrees", "8.1.1", [post(more=[("content-length", "4")]) + h2.data(1, b"te") + h2.data(1, b"st", True)], FINE),
    ("a length of 0 and no payload", "8.1.1", [with_field("content-length", "0")], FINE),
    ("a length that agrees in spite of padding", "8.1.1",
     [post(more=[("content-length", "4")]) + h2.data(1, b"test", True, pad=20)], FINE),
    ("forty requests at once", "5", [b"".join(get(each) for each in range(1, 81, 2))], Answered(stream=79)),
    ("a value with bytes beyond ASCII", "8.2.1", [with_field("x-a", b"\xc3\xa4\xff")], FINE),
    ("a value with spaces inside", "8.2.1", [with_field("x-a", "b  c\td")], FINE),
]

PSEUDO = [
    ("an unknown pseudo field", "8.3", [fields(GET, HTTP, SHOP, ROOT, (":test", "ok"))], MALFORMED),
    ("a pseudo field of responses", "8.3", [fields(GET, HTTP, SHOP, ROOT, (":status", "200"))], MALFORMED),
    ("a pseudo field behind others", "8.3", [fields(GET, HTTP, SHOP, ("x-test", "ok"), ROOT)], MALFORMED),
    ("a pseudo field in trailers", "8.1", [post(path="/hang") + h2.headers(1, h2.block([(":method", "GET")]), True)], MALFORMED),
    ("an unknown pseudo field in trailers", "8.1", [post(path="/hang") + h2.headers(1, h2.block([(":x", "GET")]), True)], MALFORMED),
    ("a path in trailers", "8.1", [post(path="/hang") + h2.headers(1, h2.block([("x", "1"), (":path", "/")]), True)], MALFORMED),
    ("a pseudo field without a name", "8.3", [fields(GET, HTTP, SHOP, ROOT, (":", "x"))], MALFORMED),
    ("a pseudo field in upper case", "8.3", [fields((":METHOD", "GET"), HTTP, SHOP, ROOT)], MALFORMED),
    ("no method", "8.3.1", [fields(HTTP, SHOP, ROOT)], MALFORMED),
    ("no scheme", "8.3.1", [fields(GET, SHOP, ROOT)], MALFORMED),
    ("no path", "8.3.1", [fields(GET, HTTP, SHOP)], MALFORMED),
    ("an empty path", "8.3.1", [fields(GET, HTTP, SHOP, (":path", ""))], MALFORMED),
    ("an empty method", "8.3.1", [fields((":method", ""), HTTP, SHOP, ROOT)], MALFORMED),
    ("an empty scheme", "8.3.1", [fields(GET, (":scheme", ""), SHOP, ROOT)], REFUSED),
    ("the method twice", "8.3", [fields(GET, GET, HTTP, SHOP, ROOT)], MALFORMED),
    ("the scheme twice", "8.3", [fields(GET, HTTP, HTTP, SHOP, ROOT)], MALFORMED),
    ("the path twice", "8.3", [fields(GET, HTTP, SHOP, ROOT, ROOT)], MALFORMED),
    ("the authority twice", "8.3", [fields(GET, HTTP, SHOP, SHOP, ROOT)], MALFORMED),
    ("two paths that differ", "8.3", [fields(GET, HTTP, SHOP, ROOT, (":path", "/other"))], MALFORMED),
    ("no authority and no Host", "8.3.1", [fields(GET, HTTP, ROOT)], REFUSED),
    ("Host that differs from the authority", "8.3.1", [with_field("host", "other.example")], REFUSED),
    ("Host twice", "8.3.1", [get(more=[("host", "shop.example"), ("host", "shop.example")])], REFUSED),
    ("an authority with userinfo", "8.3.1", [fields(GET, HTTP, (":authority", "a:b@shop.example"), ROOT)], REFUSED),
    ("a path that does not begin with a slash", "8.3.1", [fields(GET, HTTP, SHOP, (":path", "index"))], REFUSED),
    ("an asterisk as the path of GET", "8.3.1", [fields(GET, HTTP, SHOP, (":path", "*"))], REFUSED),
]

FIELDS = [
    ("a name in upper case", "8.2.1", [with_field("X-TEST", "ok")], MALFORMED),
    ("a name with one upper-case letter", "8.2.1", [with_field("x-tesT", "ok")], MALFORMED),
    ("a name with a space", "8.2.1", [with_field("x test", "ok")], MALFORMED),
    ("a name with a colon", "8.2.1", [with_field("x:test", "ok")], MALFORMED),
    ("a name with CR LF", "8.2.1", [with_field("x\r\ntest", "ok")], MALFORMED),
    ("a name with NUL", "8.2.1", [with_field("x\0test", "ok")], MALFORMED),
    ("a name beyond ASCII", "8.2.1", [with_field(b"x-\xc3\xa4", "ok")], MALFORMED),
    ("a value with LF", "8.2.1", [with_field("x-test", "a\nb")], MALFORMED),
    ("a value with CR", "8.2.1", [with_field("x-test", "a\rb")], MALFORMED),
    ("a value with NUL", "8.2.1", [with_field("x-test", "a\0b")], MALFORMED),
    ("Connection", "8.2.2", [with_field("connection", "keep-alive")], MALFORMED),
    ("Keep-Alive", "8.2.2", [with_field("keep-alive", "timeout=1")], MALFORMED),
    ("Proxy-Connection", "8.2.2", [with_field("proxy-connection", "keep-alive")], MALFORMED),
    ("Transfer-Encoding", "8.2.2", [with_field("transfer-encoding", "chunked")], MALFORMED),
    ("Upgrade", "8.2.2", [with_field("upgrade", "websocket")], MALFORMED),
    ("TE other than trailers", "8.2.2", [with_field("te", "trailers, deflate;q=0.5")], MALFORMED),
    ("TE: gzip", "8.2.2", [with_field("te", "gzip")], MALFORMED),
    ("Connection in trailers", "8.2.2", [post(path="/hang") + h2.headers(1, h2.block([("connection", "close")]), True)],
     (MALFORMED, Answered())),
    ("upper case in trailers", "8.2.1", [post(path="/hang") + h2.headers(1, h2.block([("X-Test", "1")]), True)], MALFORMED),
]

LENGTHS = [
    ("more payload than the length", "8.1.1", [upload("1", b"test")], MALFORMED),
    ("more payload than the length in several frames", "8.1.1", [upload("5", b"test", b"test")], MALFORMED),
    ("less payload than the length", "8.1.1", [upload("10", b"test")], MALFORMED),
    ("less payload than the length in several frames", "8.1.1", [upload("10", b"test", b"test")], MALFORMED),
    ("no payload where there is a length", "8.1.1", [with_field("content-length", "1")], MALFORMED),
    ("less payload than the length, then trailers", "8.1.1",
     [upload("10", b"test", end=False) + h2.headers(1, TRAILERS, True)], MALFORMED),
    ("payload where the length is 0", "8.1.1", [upload("0", b"x")], MALFORMED),
    ("a length that is no number", "8.1.1", [upload("four", b"test")], MALFORMED),
    ("a signed length", "8.1.1", [upload("+4", b"test")], MALFORMED),
    ("a length beyond 64 bits", "8.1.1", [upload("18446744073709551620", b"test", end=False)], (MALFORMED, Answered(400, 413))),
    ("two lengths that differ", "8.1.1",
     [post(path="/hang", more=[("content-length", "4"), ("content-length", "5")]) + h2.data(1, b"test", True)], MALFORMED),
]

EXTENDED = [("CONNECT", "8.5", [fields(CONNECT, (":authority", "shop.example:443"))], (*REFUSED, Reset(h2.CONNECT_ERROR))),
            ("CONNECT with a path", "8.5", [fields(CONNECT, HTTP, (":authority", "shop.example:443"), ROOT)], REFUSED),
            ("CONNECT without an authority", "8.5", [fields(CONNECT)], REFUSED),
            ("a protocol with GET", "8441 4", [fields(GET, (":protocol", "websocket"), HTTP, SHOP, ROOT)], MALFORMED),
            ("a protocol without a path", "8441 4", [fields(CONNECT, (":protocol", "websocket"), HTTP, SHOP)], MALFORMED),
            ("a protocol without a scheme", "8441 4", [fields(CONNECT, (":protocol", "websocket"), SHOP, ROOT)], MALFORMED),
            ("an unknown protocol", "8441 4", [fields(CONNECT, (":protocol", "tea"), HTTP, SHOP, ROOT)], REFUSED),
            ("an empty protocol", "8441 4", [fields(CONNECT, (":protocol", ""), HTTP, SHOP, ROOT)], REFUSED),
            ("a protocol twice", "8441 4",
             [fields(CONNECT, (":protocol", "websocket"), (":protocol", "websocket"), HTTP, SHOP, ROOT)], MALFORMED)]

LARGE = [
    ("a head larger than is allowed", "10.5.1", [h2.split_headers(1, h2.block(h2.request_fields(more=[
        (f"x-{each}", "v" * 1000) for each in range(60)])), True)], (Answered(431), Reset(h2.ENHANCE_YOUR_CALM, h2.PROTOCOL_ERROR))),
    ("more fields than are allowed", "10.5.1", [h2.split_headers(1, h2.block(h2.request_fields(more=[
        (f"x{each}", "") for each in range(700)])), True)], (Answered(431), Reset(h2.ENHANCE_YOUR_CALM, h2.PROTOCOL_ERROR))),
    ("a large head leaves the others alone", "10.5.1", [h2.split_headers(1, h2.block(h2.request_fields(more=[
        (f"x-{each}", "v" * 1000) for each in range(60)])), True) + get(3)], Answered(stream=3)),
    ("a path of 20,000 bytes", "8.3.1", [h2.split_headers(1, h2.block(h2.request_fields(path="/" + "a" * 20000)), True)],
     Answered(200, 414, 431)),
]

CASES = REQUESTS + PSEUDO + FIELDS + LENGTHS + EXTENDED + LARGE
