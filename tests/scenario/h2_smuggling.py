"""Requests of HTTP/2 that would mean something else in HTTP/1, and responses of HTTP/2 that would: nothing malformed goes on.

A request is sent as fields and payload. What is malformed must reach the origin with not one byte; what is not must arrive as
exactly one request with exactly the expected fields. Each case carries a mark in its path, wherever it has one, and each value that
tries to smuggle carries SMUGGLED, which must never be seen at the origin outside of the place where it belongs.
"""

from harness import RawOrigin, check, check_equal, merge, run, scenario, start_proxy
from harness import h2_bytes as h2
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client

WITHIN_S = 5
CLEARTEXT = {"workers": 1, "listeners": {"web": {"http2": {"cleartext": True}}}}
# Many cases fail at the origin's side by intent, and none of that may make the endpoint look sick.
HTTP2_UPSTREAM = {"upstreams": {"app": {"protocol": "http2", "breaker": {"enabled": False}, "retry": {"attempts": 1}}}}
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n"
# What the proxy adds to a request for the origin.
ADDED = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "x-real-ip", "forwarded", "traceparent",
         "x-envoy-expected-rq-timeout-ms", "x-envoy-attempt-count", "via"}

M, S, A, P = ":method", ":scheme", ":authority", ":path"


def pseudo(method="POST", path="/ROW", scheme="http", authority="shop.example"):
    return h2.request_fields(method, path, scheme, authority)


class Malformed:
    """Must not reach the origin. `payload`: with so much of a payload; `trailers` behind it."""

    def __init__(self, fields, payload=None, trailers=None, statuses=(400, 404, 405, 413, 414, 421, 431, 501)):
        self.fields, self.payload, self.trailers, self.statuses = fields, payload, trailers, statuses


class Arrives:
    """Arrives once, as method, target, Host, and these fields besides what the proxy adds."""

    def __init__(self, fields, expected=(), payload=None, trailers=None, method="POST", target="/ROW", host="shop.example",
                 seen_trailers=()):
        self.fields, self.payload, self.trailers = fields, payload, trailers
        self.method, self.target, self.host = method, target, host
        self.expected, self.seen_trailers = list(expected), list(seen_trailers)


def more(*fields, **options):
    """A request with these fields besides the pseudo fields; malformed."""
    return Malformed(pseudo() + list(fields), **options)


def kept(*fields, **options):
    """A request whose fields arrive as they are."""
    return Arrives(pseudo() + list(fields), fields, **options)


def _odd(name, section, make, characters):
    for what, character in characters:
        yield f"{what} in {name}", section, make(character)


CONTROLS = [("CR", "\r"), ("LF", "\n"), ("NUL", "\0"), ("CR LF", "\r\n"), ("a whole request", f" HTTP/1.1\r\nX: y\r\n\r\n{SMUGGLED}")]
SPACES = [("a space", " "), ("a tab", "\t")]
ODD = [("DEL", "\x7f"), ("a control character", "\x01"), ("a vertical tab", "\x0b")]


NAMES = [
    *_odd("a name", "8.2.1", lambda c: more((f"x-a{c}b", "v")), CONTROLS + SPACES + ODD),
    *_odd("front of a name", "8.2.1", lambda c: more((f"{c}x-a", "v")), CONTROLS[:4] + SPACES),
    *_odd("the end of a name", "8.2.1", lambda c: more((f"x-a{c}", "v")), CONTROLS[:4] + SPACES),
    ("a colon in a name", "8.2.1", more(("x-a:b", "v"))),
    ("a colon at the end of a name", "8.2.1", more(("x-a:", "v"))),
    ("a length and its value in a name", "8.2.1", more(("content-length: 0", "v"))),
    ("a coding in a name", "8.2.1", more(("transfer-encoding: chunked\r\nx", "v"))),
    ("upper case in a name", "8.2.1", more(("X-a", "v"))),
    ("Content-Length in upper case", "8.2.1", more(("Content-Length", "0"))),
    ("Transfer-Encoding in upper case", "8.2.1", more(("Transfer-Encoding", "chunked"))),
    ("an empty name", "8.2.1", more(("", "v"))),
    ("a name in brackets", "9110 5.1", more(("x[a]", "v"))),
    ("a name in quotes", "9110 5.1", more(("\"x\"", "v"))),
    ("a name with a letter beyond ASCII", "8.2.1", more(("x-\xe4", "v"))),
    ("a name of every character that may be in one", "9110 5.1", kept(("!#$%&'*+-.^`|~09az", "v"))),
]

VALUES = [
    *_odd("a value", "8.2.1", lambda c: more(("x-a", f"b{c}c")), CONTROLS),
    *_odd("front of a value", "8.2.1", lambda c: more(("x-a", f"{c}b")), CONTROLS),
    *_odd("the end of a value", "8.2.1", lambda c: more(("x-a", f"b{c}")), CONTROLS[:4]),
    *_odd("a value", "9110 5.5", lambda c: more(("x-a", f"b{c}c")), ODD),
    *_odd("a cookie", "8.2.1", lambda c: more(("cookie", f"a=b{c}c")), CONTROLS[:4]),
    *_odd("the User-Agent", "8.2.1", lambda c: more(("user-agent", f"a{c}b")), CONTROLS[:4]),
    ("a value that starts with a space", "8.2.1", (more(("x-a", " b")), Arrives(pseudo() + [("x-a", " b")], [("x-a", "b")]))),
    ("a value that ends with a tab", "8.2.1", (more(("x-a", "b\t")), Arrives(pseudo() + [("x-a", "b\t")], [("x-a", "b")]))),
    ("an empty value", "9110 5.5", kept(("x-a", ""))),
    ("a value beyond ASCII", "9110 5.5", kept(("x-a", "\x80\xff"))),
    ("a value with a tab inside", "9110 5.5", kept(("x-a", "b\tc"))),
    ("a value with a colon", "9110 5.5", kept(("x-a", "b: c"))),
    ("a value that is a request in one line", "9110 5.5", kept(("x-a", "GET /smuggled HTTP/1.1"))),
]

PSEUDO = [
    *_odd("the path", "8.3.1", lambda c: Malformed(pseudo(path=f"/ROW{c}x")), CONTROLS + SPACES + ODD),
    *_odd("front of the path", "8.3.1", lambda c: Malformed(pseudo(path=f"{c}/ROW")), CONTROLS[:4] + SPACES),
    *_odd("the end of the path", "8.3.1", lambda c: Malformed(pseudo(path=f"/ROW{c}")), CONTROLS[:4] + SPACES),
    *_odd("the method", "8.3.1", lambda c: Malformed(pseudo(f"PO{c}ST")), CONTROLS + SPACES + ODD),
    *_odd("the authority", "8.3.1", lambda c: Malformed(pseudo(authority=f"shop.example{c}x")), CONTROLS + SPACES + ODD),
    *_odd("the scheme", "8.3.1", lambda c: Malformed(pseudo(scheme=f"http{c}x")), CONTROLS + SPACES + ODD),
    ("a version in the path", "8.3.1", Malformed(pseudo(path="/ROW HTTP/1.1"))),
    ("a request in the method", "8.3.1", Malformed(pseudo("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\nPOST"))),
    ("a colon in the method", "9110 9.1", Malformed(pseudo("PO:ST"))),
    ("a slash in the method", "9110 9.1", Malformed(pseudo("PO/ST"))),
    ("a bracket in the method", "9110 9.1", Malformed(pseudo("PO(ST"))),
    ("a method beyond ASCII", "9110 9.1", Malformed(pseudo("P\xd6ST"))),
    ("an empty method", "8.3.1", Malformed(pseudo(""))),
    ("no method", "8.3.1", Malformed(pseudo(None))),
    ("no path", "8.3.1", Malformed(pseudo(path=None))),
    ("no scheme", "8.3.1", Malformed(pseudo(scheme=None))),
    ("two methods", "8.3", Malformed([(M, "GET"), *pseudo()])),
    ("two paths", "8.3", Malformed([*pseudo(), (P, "/smuggled")])),
    ("two schemes", "8.3", Malformed([*pseudo(), (S, "https")])),
    ("two authorities", "8.3", Malformed([*pseudo(), (A, "other.example")])),
    ("a pseudo field behind another", "8.3", Malformed([*pseudo(path=None), ("x-a", "b"), (P, "/ROW")])),
    ("a second path behind another field", "8.3", Malformed([*pseudo(), ("x-a", "b"), (P, "/smuggled")])),
    ("an unknown pseudo field", "8.3", Malformed([*pseudo(), (":host", "shop.example")])),
    ("a status", "8.3", Malformed([*pseudo(), (":status", "200")])),
    ("an empty pseudo field", "8.3", Malformed([*pseudo(), (":", "x")])),
    ("a method in lower case", "9110 9.1", Arrives(pseudo("post"), method="post")),
    ("a method nobody knows", "9110 9.1", Arrives(pseudo("BREW"), method="BREW")),
]

TARGETS = [
    ("an empty path", "8.3.1", Malformed(pseudo(path=""))),
    ("a relative path", "8.3.1", Malformed(pseudo(path="ROW"))),
    ("an asterisk as the path", "8.3.1", Malformed(pseudo(path="*"))),
    ("an absolute URI as the path", "8.3.1", Malformed(pseudo(path="http://other.example/ROW"))),
    ("an authority as the path", "8.3.1", Malformed(pseudo(path="other.example:80"))),
    ("a fragment in the path", "9112 3.2.1", Malformed(pseudo(path="/ROW#x"))),
    ("a path that climbs above the root", "9110 4.2.3", Malformed(pseudo(path="/../ROW"))),
    ("a query", "8.3.1", Arrives(pseudo(path="/ROW?a=b&c=%20d"), target="/ROW?a=b&c=%20d")),
    ("two slashes in front", "8.3.1", Arrives(pseudo(path="//ROW"), target="//ROW")),
    ("an encoded CR LF in the path", "8.3.1", Arrives(pseudo(path="/ROW%0d%0aX:y"), target="/ROW%0d%0aX:y")),
    ("a path with a colon and an at", "8.3.1", Arrives(pseudo(path="/ROW:@;,"), target="/ROW:@;,")),
]

AUTHORITIES = [
    ("Host that differs", "8.3.1", more(("host", "other.example"))),
    ("Host with another port", "8.3.1", more(("host", "shop.example:8080"))),
    ("two Hosts", "9112 3.2", more(("host", "shop.example"), ("host", "shop.example"))),
    ("two Hosts and no authority", "9112 3.2",
     Malformed([*pseudo(authority=None), ("host", "shop.example"), ("host", "other.example")])),
    ("an empty Host beside an authority", "8.3.1", more(("host", ""))),
    ("userinfo in the authority", "8.3.1", Malformed(pseudo(authority="user:pass@shop.example"))),
    ("userinfo in Host", "9110 7.2", Malformed([*pseudo(authority=None), ("host", "user@shop.example")])),
    ("an authority with a path", "8.3.1", Malformed(pseudo(authority="shop.example/x"))),
    ("an authority with a query", "8.3.1", Malformed(pseudo(authority="shop.example?x"))),
    ("an authority with a bad port", "8.3.1", Malformed(pseudo(authority="shop.example:8x"))),
    ("an authority with a port beyond 65535", "8.3.1", Malformed(pseudo(authority="shop.example:99999"))),
    ("a list as the authority", "8.3.1", Malformed(pseudo(authority="shop.example, other.example"))),
    ("a Host that is a list", "9112 3.2", Malformed([*pseudo(authority=None), ("host", "shop.example, other.example")])),
    ("neither authority nor Host", "8.3.1", Malformed(pseudo(authority=None))),
    ("an empty authority", "8.3.1", Malformed(pseudo(authority=""))),
    ("Host that agrees", "8.3.1", Arrives([*pseudo(), ("host", "shop.example")])),
    ("Host instead of an authority", "8.3.1", Arrives([*pseudo(authority=None), ("host", "shop.example")])),
    ("an authority with a port", "8.3.1", Arrives(pseudo(authority="shop.example:8080"), host="shop.example:8080")),
    ("an IPv6 authority", "8.3.1", Arrives(pseudo(authority="[::1]:8080"), host="[::1]:8080")),
]

CONNECTION = [
    ("Transfer-Encoding", "8.2.2", more(("transfer-encoding", "chunked"), payload=b"0\r\n\r\n" + SMUGGLED.encode())),
    ("Transfer-Encoding beside a length", "8.2.2", more(("content-length", "5"), ("transfer-encoding", "chunked"), payload=b"0\r\n\r\n")),
    ("an empty Transfer-Encoding", "8.2.2", more(("transfer-encoding", ""))),
    ("Transfer-Encoding: identity", "8.2.2", more(("transfer-encoding", "identity"))),
    ("Connection", "8.2.2", more(("connection", "close"))),
    ("Connection that names a length", "8.2.2", more(("connection", "content-length"), ("content-length", "0"))),
    ("Keep-Alive", "8.2.2", more(("keep-alive", "timeout=5"))),
    ("Proxy-Connection", "8.2.2", more(("proxy-connection", "keep-alive"))),
    ("Upgrade", "8.2.2", more(("upgrade", "h2c"))),
    ("HTTP2-Settings with Upgrade", "8.2.2", more(("upgrade", "h2c"), ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"))),
    ("TE: gzip", "8.2.2", more(("te", "gzip"))),
    ("TE: trailers, gzip", "8.2.2", more(("te", "trailers, gzip"))),
    ("TE: chunked", "8.2.2", more(("te", "chunked"))),
    ("CONNECT", "8.5", Malformed([(M, "CONNECT"), (A, "shop.example:443")])),
    ("CONNECT with a path", "8.5", Malformed(pseudo("CONNECT"))),
    ("Transfer_Encoding", "9110 5.1", (more(("transfer_encoding", "chunked")), Arrives([*pseudo(), ("transfer_encoding", "chunked")]))),
]

LENGTHS = [
    ("more payload than the length", "8.1.1", more(("content-length", "4"), payload=b"body" + SMUGGLED.encode())),
    ("less payload than the length", "8.1.1", more(("content-length", "100"), payload=b"body")),
    ("payload where the length is 0", "8.1.1", more(("content-length", "0"), payload=SMUGGLED.encode())),
    ("a length and no payload", "8.1.1", more(("content-length", "4"))),
    ("two lengths that differ", "8.1.1", more(("content-length", "4"), ("content-length", "5"), payload=b"body")),
    ("a list of lengths that differ", "9112 6.3", more(("content-length", "4, 5"), payload=b"body")),
    ("a length of +4", "9110 8.6", more(("content-length", "+4"), payload=b"body")),
    ("a length of -4", "9110 8.6", more(("content-length", "-4"), payload=b"body")),
    ("a length with a space in front", "9110 8.6",
     (more(("content-length", " 4"), payload=b"body"), Arrives([*pseudo(), ("content-length", " 4")], payload=b"body"))),
    ("a length with a space inside", "9110 8.6", more(("content-length", "4 8"), payload=b"body")),
    ("a length of 0x4", "9110 8.6", more(("content-length", "0x4"), payload=b"body")),
    ("a length of 4.0", "9110 8.6", more(("content-length", "4.0"), payload=b"body")),
    ("a length of 4e0", "9110 8.6", more(("content-length", "4e0"), payload=b"body")),
    ("an empty length", "9110 8.6", more(("content-length", ""), payload=b"body")),
    ("a length with an underscore", "9110 8.6", more(("content-length", "4_8"), payload=b"body")),
    ("a length with a NUL", "9110 8.6", more(("content-length", "4\0"), payload=b"body")),
    ("a length with CR LF", "9110 8.6", more(("content-length", "4\r\nx: y"), payload=b"body")),
    ("a length beyond 64 bits", "9110 8.6", more(("content-length", "18446744073709551620"), payload=b"body")),
    ("a length that ends with a comma", "9110 8.6", more(("content-length", "4,"), payload=b"body")),
    ("a length that agrees", "8.1.1", Arrives([*pseudo(), ("content-length", "4")], payload=b"body")),
    ("the same length twice", "9110 8.6", (more(("content-length", "4"), ("content-length", "4"), payload=b"body"),
                                          Arrives([*pseudo(), *[("content-length", "4")] * 2], payload=b"body"))),
    ("a payload without a length", "8.1", Arrives(pseudo(), payload=b"body")),
    ("a payload that looks like a request", "8.1", Arrives(pseudo(), payload=SMUGGLED.encode())),
    ("a payload that looks like chunks", "8.1", Arrives(pseudo(), payload=b"0\r\n\r\n" + SMUGGLED.encode())),
    ("GET with a payload", "9110 9.3.1", Arrives(pseudo("GET"), payload=b"body", method="GET")),
    ("GET without a payload", "8.1", Arrives(pseudo("GET"), method="GET")),
]

TRAILERS = [
    ("a path in trailers", "8.1", more(payload=b"body", trailers=[(P, "/smuggled")])),
    ("a status in trailers", "8.1", more(payload=b"body", trailers=[(":status", "200")])),
    ("an unknown pseudo field in trailers", "8.1", more(payload=b"body", trailers=[("x-a", "b"), (":x", "y")])),
    *_odd("a trailer's name", "8.2.1", lambda c: more(payload=b"body", trailers=[(f"x{c}a", "b")]), CONTROLS + SPACES),
    *_odd("a trailer's value", "8.2.1", lambda c: more(payload=b"body", trailers=[("x-a", f"b{c}c")]), CONTROLS),
    ("upper case in trailers", "8.2.1", more(payload=b"body", trailers=[("X-A", "b")])),
    ("Transfer-Encoding in trailers", "8.2.2", (more(payload=b"body", trailers=[("transfer-encoding", "chunked")]),
                                               Arrives(pseudo(), payload=b"body", trailers=[("transfer-encoding", "chunked")]))),
    ("a length in trailers", "9110 6.5.1", (more(payload=b"body", trailers=[("content-length", "4")]),
                                           Arrives(pseudo(), payload=b"body", trailers=[("content-length", "4")]))),
    ("Host in trailers", "9110 6.5.1", (more(payload=b"body", trailers=[("host", "other.example")]),
                                       Arrives(pseudo(), payload=b"body", trailers=[("host", "other.example")]))),
    ("trailers", "8.1", Arrives(pseudo(), payload=b"body", trailers=[("x-sum", "1")], seen_trailers=[("x-sum", "1")])),
]

JOINED = [
    ("cookies in crumbs", "8.2.3", Arrives([*pseudo(), ("cookie", "a=b"), ("cookie", "c=d"), ("cookie", "e=f")],
                                          [("cookie", "a=b; c=d; e=f")])),
    ("fields of one name in their order", "9110 5.3", kept(("x-a", "1"), ("x-b", "2"), ("x-a", "3"))),
    ("TE: trailers", "8.2.2", Arrives([*pseudo(), ("te", "trailers")])),
]

HUGE = [
    ("a head of 60 KiB", "10.5.1", more(*[(f"x-{each}", "v" * 1000) for each in range(60)])),
    ("a path of 64 KiB", "10.5.1", Malformed(pseudo(path="/ROW" + "a" * 65536), statuses=(400, 414, 431))),
    ("a name of 40 KiB", "10.5.1", more(("x" * 40000, "v"))),
    ("700 fields", "10.5.1", more(*[(f"x-{each}", "") for each in range(700)])),
    ("a method of 40 KiB", "10.5.1", Malformed(pseudo("P" * 40000), statuses=(400, 414, 431, 501))),
    ("an authority of 40 KiB", "10.5.1", Malformed(pseudo(authority="a" * 40000), statuses=(400, 414, 431))),
]

REQUESTS = NAMES + VALUES + PSEUDO + TARGETS + AUTHORITIES + CONNECTION + LENGTHS + TRAILERS + JOINED + HUGE


def marked(fields, mark):
    return [(name, value.replace("/ROW", mark) if name == P else value) for name, value in fields]


def frames_of(case, mark):
    block = h2.block(marked(case.fields, mark))
    frames = h2.split_headers(1, block, case.payload is None and case.trailers is None)
    if case.payload is not None:
        frames += h2.data(1, case.payload, case.trailers is None)
    return frames + (h2.split_headers(1, h2.block(case.trailers), True) if case.trailers is not None else b"")


def what_became(client):
    """The status of a whole answer; 0: the stream or the connection was ended."""
    kind, value = client.outcome(1, WITHIN_S)
    return value if kind == "answered" else 0


class Watch:
    """What of a case has been seen at the origin, of either protocol."""

    def __init__(self, proxy, origin):
        self._proxy, self._origin = proxy, origin
        self._bytes = 0

    def requests(self, mark):
        self.fence()
        return [r for r in self._origin.requests if (r.target or "").replace("//", "/").split("?")[0].startswith(mark)]

    def fence(self):
        """What was forwarded has arrived, once a later request on the same worker has."""
        with H2Client(self._proxy.address) as client:
            check_equal(client.request(path="/fence").status, 200, "status of a request after the case")

    def smuggled(self):
        return [r for r in self._origin.requests if (r.target or "").startswith("/smuggled")]

    def saw(self, text):
        return any(text.encode() in bytes(c.raw) for c in self._origin.connections)


def judge(case, status, seen, watch, mark):
    if isinstance(case, Malformed):
        check(status == 0 or status in case.statuses, f"a malformed request is answered with {status}")
        # The payload decides later than the head: then a part may have gone, but never a whole request.
        by_payload = case.payload is not None
        check(not [r for r in seen if r.complete], f"a malformed request arrived: {[r.start_line for r in seen]}")
        check(by_payload or not seen, f"the head of a malformed request arrived: {[r.start_line for r in seen]}")
        check(by_payload or not watch.saw(mark), "bytes of a malformed request arrived")
        return
    check_equal(status, 200, "status")
    check_equal(len(seen), 1, "requests at the origin")
    expect_arrival(case, seen[0], mark)


def expect_arrival(case, request, mark):
    check_equal((request.method, request.target), (case.method, case.target.replace("/ROW", mark)), "method and target")
    check_equal(request.all("Host") + request.all(":authority"), [case.host], "Host")
    framing = {"host", "content-length", "transfer-encoding", "connection", "te", M, S, A, P}
    fields = [(name.lower(), value) for name, value in request.fields if name.lower() not in ADDED | framing]
    check_equal(fields, [tuple(each) for each in case.expected], "fields")
    check_equal(bytes(request.body), case.payload or b"", "payload")
    check(len(request.all("Content-Length")) + len(request.all("Transfer-Encoding")) <= 1, f"framing: {request.fields}")
    if case.seen_trailers:
        check_equal([(name.lower(), value) for name, value in request.trailers], case.seen_trailers, "trailers")
    check(not {name.lower() for name, _ in request.trailers} & framing, f"trailers: {request.trailers}")


def try_requests(s, proxy, origin):
    watch = Watch(proxy, origin)
    for number, (name, section, cases) in enumerate(REQUESTS):
        mark = f"/row/{number}/"
        section = section if " " in section else f"9113 {section}"
        with s.case(f"{name} (RFC {section})"):
            cases = cases if isinstance(cases, tuple) else (cases,)
            with H2Client(proxy.address) as client:
                client.send(frames_of(cases[0], mark))
                status = what_became(client)
            seen = watch.requests(mark)
            case = next(each for each in cases if len(cases) == 1 or (status == 200) == isinstance(each, Arrives))
            judge(case, status, seen, watch, mark)
    with s.case("nothing was smuggled"):
        check_equal(watch.smuggled(), [], "smuggled requests")


@scenario("a malformed request of HTTP/2 reaches an origin of HTTP/1", within=120, proxies=("evenkeel", "nginx"))
def to_http1(s):
    origin = RawOrigin(s).on("/", status=200, body=b"ok")
    try_requests(s, start_proxy(s, origin, CLEARTEXT), origin)


@scenario("a malformed request of HTTP/2 reaches an origin of HTTP/2", within=120)
def to_http2(s):
    origin = H2Origin(s).on("/", status=200, body=b"ok")
    try_requests(s, start_proxy(s, origin, merge(CLEARTEXT, HTTP2_UPSTREAM)), origin)


# ---- responses

class Refused:
    """A response that must become 502. `frames(stream)`: all of it, behind the head of these fields if there are some."""

    def __init__(self, *fields, frames=None, end=True):
        self._fields, self._frames, self._end = fields, frames, end

    def frames(self, stream):
        head = h2.headers(stream, h2.block(self._fields), self._end) if self._fields else b""
        return head + (self._frames(stream) if self._frames else b"")


class Broken(Refused):
    """A response whose fault shows behind its head: 502, a stream that is reset, or a message that the client can see is not whole."""

    def __init__(self, *fields, frames):
        super().__init__((":status", "200"), *fields, frames=frames, end=False)


class Passed(Refused):
    """A response that arrives with this status, these fields and this payload."""

    def __init__(self, *fields, status=200, payload=b"", trailers=()):
        super().__init__((":status", str(status)), *fields, frames=lambda stream: self._rest(stream, payload, trailers),
                         end=not payload and not trailers)
        self.status, self.fields, self.payload, self.trailers = status, list(fields), payload, list(trailers)

    @staticmethod
    def _rest(stream, payload, trailers):
        return ((h2.data(stream, payload, not trailers) if payload else b"")
                + (h2.headers(stream, h2.block(trailers), True) if trailers else b""))


OK = (":status", "200")


def data(payload, end=True):
    return lambda stream: h2.data(stream, payload, end)


def trailing(*fields):
    return lambda stream: h2.data(stream, b"body") + h2.headers(stream, h2.block(fields), True)


RESPONSES = [
    ("no status", "8.3.2", Refused(("x-a", "b"))),
    ("two statuses", "8.3", Refused(OK, OK)),
    ("an empty status", "8.3.2", Refused((":status", ""))),
    ("a status of two digits", "8.3.2", Refused((":status", "20"))),
    ("a status of four digits", "8.3.2", Refused((":status", "2000"))),
    ("a status of letters", "8.3.2", Refused((":status", "abc"))),
    ("a status with a sign", "8.3.2", Refused((":status", "+20"))),
    ("a status with a reason", "8.3.2", Refused((":status", "200 OK"))),
    ("a status below 100", "9110 15", Refused((":status", "099"))),
    *_odd("the status", "8.3.2", lambda c: Refused((":status", f"20{c}0")), CONTROLS + SPACES),
    ("a status behind another field", "8.3", Refused(("x-a", "b"), OK)),
    ("a path", "8.3", Refused(OK, (":path", "/"))),
    ("an unknown pseudo field", "8.3", Refused(OK, (":x", "y"))),
    ("status 101", "8.6", Refused((":status", "101"))),
    ("status 101 that does not end", "8.6", Refused((":status", "101"), end=False)),
    ("an interim response that ends the stream", "8.1", Refused((":status", "103"))),
    ("payload before a head", "8.1", Refused(frames=data(b"body"))),
    *_odd("a name", "8.2.1", lambda c: Refused(OK, (f"x{c}a", "b")), CONTROLS + SPACES + ODD),
    *_odd("a value", "8.2.1", lambda c: Refused(OK, ("x-a", f"b{c}c")), CONTROLS + ODD),
    ("a colon in a name", "8.2.1", Refused(OK, ("x:a", "b"))),
    ("upper case in a name", "8.2.1", Refused(OK, ("X-a", "b"))),
    ("an empty name", "8.2.1", Refused(OK, ("", "b"))),
    ("Transfer-Encoding", "8.2.2", Refused(OK, ("transfer-encoding", "chunked"), frames=data(b"0\r\n\r\n"), end=False)),
    ("Connection", "8.2.2", Refused(OK, ("connection", "close"))),
    ("Keep-Alive", "8.2.2", Refused(OK, ("keep-alive", "timeout=5"))),
    ("Proxy-Connection", "8.2.2", Refused(OK, ("proxy-connection", "close"))),
    ("Upgrade", "8.2.2", Refused(OK, ("upgrade", "h2c"))),
    ("two lengths that differ", "8.1.1", Refused(OK, ("content-length", "4"), ("content-length", "5"), frames=data(b"body"), end=False)),
    ("a length of +4", "9110 8.6", Refused(OK, ("content-length", "+4"), frames=data(b"body"), end=False)),
    ("a length of 0x4", "9110 8.6", Refused(OK, ("content-length", "0x4"), frames=data(b"body"), end=False)),
    ("a length with a space inside", "9110 8.6", Refused(OK, ("content-length", "4 8"), frames=data(b"body"), end=False)),
    ("a length beyond 64 bits", "9110 8.6",
     Refused(OK, ("content-length", "18446744073709551620"), frames=data(b"body"), end=False)),
    ("a length and no payload", "8.1.1", Refused(OK, ("content-length", "4"))),
    ("more payload than the length", "8.1.1", Broken(("content-length", "4"), frames=data(b"body" + SMUGGLED.encode()))),
    ("less payload than the length", "8.1.1", Broken(("content-length", "100"), frames=data(b"body"))),
    ("a second head", "8.1", Broken(frames=lambda stream: h2.data(stream, b"body") + h2.headers(stream, h2.block([OK])))),
    ("a status in trailers", "8.1", Broken(frames=trailing(OK))),
    ("an unknown pseudo field in trailers", "8.1", Broken(frames=trailing((":x", "y")))),
    *_odd("a trailer's value", "8.2.1", lambda c: Broken(frames=trailing(("x-a", f"b{c}c"))), CONTROLS),
    *_odd("a trailer's name", "8.2.1", lambda c: Broken(frames=trailing((f"x{c}a", "b"))), CONTROLS),
    ("a stream that is reset within the payload", "5.4.2",
     Broken(frames=lambda stream: h2.data(stream, b"body") + h2.rst_stream(stream, h2.INTERNAL_ERROR))),
    ("fields", "8.1", Passed(("x-a", "b"), ("x-b", "c"), ("x-a", "d"), payload=b"body")),
    ("a length that agrees", "8.1.1", Passed(("content-length", "4"), payload=b"body")),
    ("payload that looks like a response", "8.1", Passed(payload=b"HTTP/1.1 200 OK\r\n\r\n")),
    ("no payload", "8.1", Passed(("x-a", "b"))),
    ("status 204", "8.1", Passed(status=204)),
    ("status 404", "8.1", Passed(status=404, payload=b"no")),
    ("trailers", "8.1", Passed(payload=b"body", trailers=[("x-sum", "1")])),
    ("cookies that are set", "9110 5.3", Passed(("set-cookie", "a=b"), ("set-cookie", "c=d"))),
]
ADDED_TO_RESPONSES = {"date", "server", "connection", "transfer-encoding", "content-length", "x-request-id", "keep-alive", "trailer",
                      "proxy-status", ":status"}


def judge_response(case, status, message):
    if isinstance(case, Passed):
        check(message and message.complete, f"answered {status}, not whole")
        check_equal(status, case.status, "status")
        fields = [(name.lower(), value) for name, value in message.fields if name.lower() not in ADDED_TO_RESPONSES]
        check_equal(fields, [each for each in case.fields if each[0] != "content-length"], "fields")
        check_equal(bytes(message.body), case.payload, "payload")
        check_equal([(name.lower(), value) for name, value in message.trailers], case.trailers, "trailers")
    elif isinstance(case, Broken) and status == 200:
        whole = message.complete and bytes(message.body) != b"body"
        check(not whole and not message.trailers, f"a malformed response is passed on whole: {message!r} {message.trailers}")
        check(SMUGGLED.encode() not in bytes(message.body), "payload beyond the length is passed on")
    elif not (isinstance(case, Broken) and status == 0):  # ask_http2() saw the reset
        check_equal(status, 502, "status")


def ask_http1(proxy, path):
    with proxy.client() as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
        response = client.response()
        return response.status, response


def ask_http2(proxy, path):
    with H2Client(proxy.address) as client:
        stream = client.ask(path=path, fields=[("te", "trailers")])
        message = client.head_of(stream, WITHIN_S)
        client.wait_for(lambda: message.over, "the stream is over", WITHIN_S)
        check(message.status or message.reset is not None, f"neither a head nor a reset: {message!r}")
        return message.status, message


def try_responses(s, ask):
    origin = H2Origin(s).on("/fine", status=200, body=b"ok")
    for number, (_, _, case) in enumerate(RESPONSES):
        origin.on(f"/case/{number}/", lambda stream, _, case=case: stream.send(case.frames(stream.id)))
    proxy = start_proxy(s, origin, merge(CLEARTEXT, HTTP2_UPSTREAM))
    for number, (name, section, case) in enumerate(RESPONSES):
        section = section if " " in section else f"9113 {section}"
        with s.case(f"{name} in a response (RFC {section})"):
            judge_response(case, *ask(proxy, f"/case/{number}/"))
            check_equal(proxy.get("/fine").status, 200, "status of the next request")


@scenario("a malformed response of HTTP/2 is passed on to a client of HTTP/1", within=120)
def to_client_of_http1(s):
    try_responses(s, ask_http1)


@scenario("a malformed response of HTTP/2 is passed on to a client of HTTP/2", within=120)
def to_client_of_http2(s):
    try_responses(s, ask_http2)


run()
