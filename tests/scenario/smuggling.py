"""Hostile and odd requests end to end: nothing that was refused ever reaches the origin.

Every row names the section of RFC 9112 (or 9110) it rests on, and says what must become of the bytes:

  refused        answered with this status (400 unless stated) and closed; the origin sees no complete
                 request, and no byte at all when the fault is in the head
  served(n)      answered n times with 200; the origin sees exactly the requests that the row lists

Each row ends with a request for /smuggled where a confused proxy would let one through.
"""

from harness import RawOrigin, check, check_equal, eventually, run, scenario, start_proxy

try:
    import h11
except ImportError:
    h11 = None

HOST = b"Host: shop.example\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def get(fields=b"", target=b"/ROW", version=b"HTTP/1.1", host=HOST):
    return b"GET " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b"", host=HOST, version=b"HTTP/1.1"):
    return b"POST /ROW " + version + b"\r\n" + host + fields + b"\r\n" + body


def chunks(body):
    return post(CHUNKED, body)


class Refused:
    def __init__(self, *statuses, in_body=False):
        self.statuses = statuses or (400,)
        self.in_body = in_body


class Served:
    """`bodies`: what the origin must have received as the body of each request."""

    def __init__(self, *bodies):
        self.bodies = bodies or (b"",)


HEAD = Refused()
BODY = Refused(in_body=True)

REQUESTS = [
    # --- the request line
    ("a tab between method and target", "3", b"GET\t/ROW HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("two spaces in the request line", "3", b"GET  /ROW HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("a space at the end of the request line", "3", b"GET /ROW HTTP/1.1 \r\n" + HOST + b"\r\n", HEAD),
    ("a space before the method", "3", b" GET /ROW HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("a space inside the target", "3.2", b"GET /ROW x HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("no version", "3", b"GET /ROW\r\n" + HOST + b"\r\n", HEAD),
    ("HTTP/0.9", "2.3", b"GET /ROW\r\n\r\n", HEAD),
    ("no target", "3", b"GET HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("an empty method", "3.1", b" /ROW HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("a method that is no token", "3.1", b"G(T /ROW HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("a colon in the method", "3.1", b"GET: /ROW HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("a target without a slash", "3.2", b"GET ROW HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("a NUL in the target", "3.2", b"GET /ROW\0 HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("a control character in the target", "3.2", b"GET /ROW\x0b HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("DEL in the target", "3.2", b"GET /ROW\x7f HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("a bare CR in the request line", "2.2", b"GET /ROW\rHTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("asterisk-form with GET", "3.2.4", b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("authority-form with GET", "3.2.3", b"GET shop.example:80 HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("absolute-form of another scheme", "3.2.2", b"GET ftp://shop.example/ROW HTTP/1.1\r\n" + HOST + b"\r\n",
     Refused(400, 404, 421)),
    ("absolute-form without an authority", "3.2.2", b"GET http:///ROW HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("userinfo in absolute-form", "9110 4.2.4",
     b"GET http://user:pass@shop.example/ROW HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("a fragment in the target", "3.2.1", b"GET /ROW#fragment HTTP/1.1\r\n" + HOST + b"\r\n", HEAD),
    ("CONNECT", "9110 9.3.6", b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n", Refused(501)),
    ("HTTP/2.0 as version", "2.3", get(version=b"HTTP/2.0"), Refused(400, 505)),
    ("the preface of HTTP/2", "2.3", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(400, 505)),
    ("HTTP/3.7 as version", "2.3", get(version=b"HTTP/3.7"), Refused(400, 505)),
    ("HTTP/1.10 as version", "2.3", get(version=b"HTTP/1.10"), Refused(400, 505)),
    ("HTTP/01.1 as version", "2.3", get(version=b"HTTP/01.1"), Refused(400, 505)),
    ("http/1.1 in lower case", "2.3", get(version=b"http/1.1"), Refused(400, 505)),
    ("HTTP /1.1", "2.3", get(version=b"HTTP /1.1"), HEAD),
    ("HTTP/1.1 followed by more", "2.3", get(version=b"HTTP/1.1x"), Refused(400, 505)),
    ("TLS instead of HTTP", "3", bytes.fromhex("16030100c8010000c40303") + bytes(190), HEAD),
    # --- line ends
    ("bare LF as line ends", "2.2", b"GET /ROW HTTP/1.1\nHost: shop.example\n\n", HEAD),
    ("bare LF after the request line", "2.2", b"GET /ROW HTTP/1.1\n" + HOST + b"\r\n", HEAD),
    ("bare LF after a field", "2.2", b"GET /ROW HTTP/1.1\r\nHost: shop.example\nX-A: b\r\n\r\n", HEAD),
    ("a head ended by LF", "2.2", b"GET /ROW HTTP/1.1\r\nHost: shop.example\r\n\n", HEAD),
    ("a head ended by CR CR LF", "2.2", b"GET /ROW HTTP/1.1\r\nHost: shop.example\r\n\r\r\n", HEAD),
    ("a bare CR in a value", "2.2", get(b"X-A: b\rc\r\n"), HEAD),
    ("a bare CR that hides a field", "2.2", get(b"X-A: b\rContent-Length: 48\r\n"), HEAD),
    ("a bare CR at the end of a value", "2.2", get(b"X-A: b\r\r\n"), HEAD),
    # --- fields
    ("obs-fold", "5.2", get(b"X-A: b\r\n c\r\n"), HEAD),
    ("obs-fold with a tab", "5.2", get(b"X-A: b\r\n\tc\r\n"), HEAD),
    ("obs-fold that hides chunked", "5.2", post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), HEAD),
    ("a folded first field", "2.2", b"GET /ROW HTTP/1.1\r\n Host: shop.example\r\n\r\n", HEAD),
    ("space before the colon", "5.1", get(b"X-A : b\r\n"), HEAD),
    ("tab before the colon", "5.1", get(b"X-A\t: b\r\n"), HEAD),
    ("space before the colon of Content-Length", "5.1", post(b"Content-Length : 4\r\n", b"body"), HEAD),
    ("space before the colon of Transfer-Encoding", "5.1",
     post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), HEAD),
    ("a field without a colon", "5", get(b"Nonsense\r\n"), HEAD),
    ("an empty field name", "5", get(b": value\r\n"), HEAD),
    ("a NUL in a field name", "9110 5.1", get(b"X\0A: b\r\n"), HEAD),
    ("a NUL in a value", "9110 5.5", get(b"X-A: b\0c\r\n"), HEAD),
    ("a control character in a value", "9110 5.5", get(b"X-A: b\x01c\r\n"), HEAD),
    ("DEL in a value", "9110 5.5", get(b"X-A: b\x7fc\r\n"), HEAD),
    ("a vertical tab in a value", "9110 5.5", get(b"X-A: \x0bb\r\n"), HEAD),
    ("a field name in brackets", "9110 5.1", get(b"X[A]: b\r\n"), HEAD),
    ("a field name with a non-ASCII letter", "9110 5.1", get(b"X-\xc3\xa4: b\r\n"), HEAD),
    ("a quoted field name", "9110 5.1", get(b"\"X\": b\r\n"), HEAD),
    # --- Host
    ("no Host", "3.2", get(host=b""), HEAD),
    ("two Hosts", "3.2", get(host=HOST + b"Host: other.example\r\n"), HEAD),
    ("the same Host twice", "3.2", get(host=HOST + HOST), HEAD),
    ("two Hosts in one list", "3.2", get(host=b"Host: shop.example, other.example\r\n"), HEAD),
    ("a Host with a path", "9110 7.2", get(host=b"Host: shop.example/x\r\n"), HEAD),
    ("a Host with userinfo", "9110 7.2", get(host=b"Host: user@shop.example\r\n"), HEAD),
    ("a Host with a space inside", "9110 7.2", get(host=b"Host: shop example\r\n"), HEAD),
    ("a Host with a bad port", "9110 7.2", get(host=b"Host: shop.example:8x\r\n"), HEAD),
    ("a Host with a port beyond 65535", "9110 7.2", get(host=b"Host: shop.example:99999\r\n"), HEAD),
    ("no Host, but one in absolute-form", "3.2", get(target=b"http://shop.example/ROW", host=b""), HEAD),
    # --- Content-Length
    ("differing lengths", "6.3", post(b"Content-Length: 4\r\nContent-Length: 5\r\n", b"body"), HEAD),
    ("a list of differing lengths", "6.3", post(b"Content-Length: 4, 5\r\n", b"body"), HEAD),
    ("a negative length", "9110 8.6", post(b"Content-Length: -1\r\n"), HEAD),
    ("a signed length", "9110 8.6", post(b"Content-Length: +4\r\n", b"body"), HEAD),
    ("a hexadecimal length", "9110 8.6", post(b"Content-Length: 0x4\r\n", b"body"), HEAD),
    ("a length with a decimal point", "9110 8.6", post(b"Content-Length: 4.0\r\n", b"body"), HEAD),
    ("a length with an exponent", "9110 8.6", post(b"Content-Length: 4e0\r\n", b"body"), HEAD),
    ("an empty length", "9110 8.6", post(b"Content-Length:\r\n"), HEAD),
    ("a length with a space inside", "9110 8.6", post(b"Content-Length: 4 8\r\n", b"body"), HEAD),
    ("a length with an underscore", "9110 8.6", post(b"Content-Length: 4_8\r\n", b"body"), HEAD),
    ("a length with a NUL", "9110 8.6", post(b"Content-Length: 4\0\r\n", b"body"), HEAD),
    ("a length in full-width digits", "9110 8.6", post("Content-Length: \uff14\r\n".encode(), b"body"), HEAD),
    ("a length in quotes", "9110 8.6", post(b"Content-Length: \"4\"\r\n", b"body"), HEAD),
    ("a length beyond 64 bits", "9110 8.6", post(b"Content-Length: 18446744073709551620\r\n", b"body"),
     Refused(400, 413)),
    ("a length with a list comma at its end", "9110 5.6.1", post(b"Content-Length: 4,\r\n", b"body"), HEAD),
    # --- Transfer-Encoding
    ("Content-Length with Transfer-Encoding", "6.1", post(b"Content-Length: 4\r\n" + CHUNKED, b"0\r\n\r\n"), HEAD),
    ("Transfer-Encoding with Content-Length", "6.1", post(CHUNKED + b"Content-Length: 4\r\n", b"0\r\n\r\n"), HEAD),
    ("chunked not last", "6.3", post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), HEAD),
    ("an unknown coding", "6.1", post(b"Transfer-Encoding: cow\r\n"), Refused(400, 501)),
    ("an unknown coding before chunked", "6.1", post(b"Transfer-Encoding: cow, chunked\r\n", b"0\r\n\r\n"),
     Refused(400, 501)),
    ("gzip, chunked", "6.1", post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), Refused(400, 501)),
    ("identity", "6.1", post(b"Transfer-Encoding: identity\r\n"), Refused(400, 501)),
    ("chunked twice in one field", "6.1", post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), HEAD),
    ("chunked twice in two fields", "6.1", post(CHUNKED + CHUNKED, b"0\r\n\r\n"), HEAD),
    ("chunked and identity in two fields", "6.1", post(CHUNKED + b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"),
     HEAD),
    ("xchunked", "6.1", post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), Refused(400, 501)),
    ("chunked in quotes", "6.1", post(b"Transfer-Encoding: \"chunked\"\r\n", b"0\r\n\r\n"), Refused(400, 501)),
    ("chunked with a parameter", "7", post(b"Transfer-Encoding: chunked;a=b\r\n", b"0\r\n\r\n"), Refused(400, 501)),
    ("chunked after a vertical tab", "6.1", post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), HEAD),
    ("chunked followed by a NUL", "6.1", post(b"Transfer-Encoding: chunked\0\r\n", b"0\r\n\r\n"), HEAD),
    ("chunked ended by a bare LF", "2.2", post(b"Transfer-Encoding: chunked\n", b"0\r\n\r\n"), HEAD),
    ("an empty Transfer-Encoding", "6.1", post(b"Transfer-Encoding:\r\n"), HEAD),
    ("an empty Transfer-Encoding beside a length", "6.1",
     post(b"Transfer-Encoding:\r\nContent-Length: 4\r\n", b"body"), HEAD),
    ("Transfer-Encoding on HTTP/1.0", "6.1", post(CHUNKED, b"0\r\n\r\n", version=b"HTTP/1.0"), HEAD),
    ("chunked by way of a second Transfer-Encoding", "6.1",
     post(b"Transfer-Encoding: x\r\n" + CHUNKED, b"0\r\n\r\n"), Refused(400, 501)),
    # --- chunked bodies
    ("a chunk size that is no number", "7.1", chunks(b"x\r\n"), BODY),
    ("an empty chunk size", "7.1", chunks(b"\r\n"), BODY),
    ("a chunk size with 0x", "7.1", chunks(b"0x4\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a negative chunk size", "7.1", chunks(b"-1\r\n"), BODY),
    ("a signed chunk size", "7.1", chunks(b"+4\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a space before the chunk size", "7.1", chunks(b" 4\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a chunk size beyond 64 bits", "7.1", chunks(b"10000000000000004\r\nbody\r\n0\r\n\r\n"),
     Refused(400, 413, in_body=True)),
    ("a chunk size of 2^64-1", "7.1", chunks(b"FFFFFFFFFFFFFFFF\r\nbody\r\n0\r\n\r\n"),
     Refused(400, 413, in_body=True)),
    ("a chunk size ended by LF", "7.1", chunks(b"4\nbody\r\n0\r\n\r\n"), BODY),
    ("a chunk size ended by CR", "7.1", chunks(b"4\rbody\r\n0\r\n\r\n"), BODY),
    ("a chunk longer than its size", "7.1", chunks(b"4\r\nbodyX\r\n0\r\n\r\n"), BODY),
    ("a chunk ended by LF", "7.1", chunks(b"4\r\nbody\n0\r\n\r\n"), BODY),
    ("a chunk ended by CR CR", "7.1", chunks(b"4\r\nbody\r\r0\r\n\r\n"), BODY),
    ("a chunk without an end", "7.1", chunks(b"4\r\nbody0\r\n\r\n"), BODY),
    ("a chunk extension without a name", "7.1.1", chunks(b"4;\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a chunk extension with a bracket in its value", "7.1.1", chunks(b"4;bad[=x\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a chunk extension whose quoted value has no end", "7.1.1", chunks(b"4;a=\"b\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a chunk extension followed by white space", "7.1.1", chunks(b"4;a=b \r\nbody\r\n0\r\n\r\n"), BODY),
    ("a chunk extension with something behind a quoted value", "7.1.1", chunks(b"4;a=\"b\"c\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a bare LF in a chunk extension", "7.1.1", chunks(b"4;a\nb\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a NUL in a chunk extension", "7.1.1", chunks(b"4;a=\0\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a chunk size with an underscore", "7.1", chunks(b"0_4\r\nbody\r\n0\r\n\r\n"), BODY),
    ("a last chunk ended by LF", "7.1", chunks(b"4\r\nbody\r\n0\n\n"), BODY),
    ("a trailer ended by a bare LF", "7.1.2", chunks(b"4\r\nbody\r\n0\r\nX-A: b\n\r\n"), BODY),
    ("a folded trailer", "7.1.2", chunks(b"4\r\nbody\r\n0\r\nX-A: b\r\n c\r\n\r\n"), BODY),
    ("a trailer without a colon", "7.1.2", chunks(b"4\r\nbody\r\n0\r\nnonsense\r\n\r\n"), BODY),
    ("a space before the colon of a trailer", "7.1.2", chunks(b"4\r\nbody\r\n0\r\nX-A : b\r\n\r\n"), BODY),
    # --- what is odd but right
    ("a token of every character", "9110 5.6.2", get(b"!#$%&'*+-.^_`|~09azAZ: x\r\n"), Served()),
    ("obs-text in a value", "9110 5.5", get(b"X-A: \x80\xff\r\n"), Served()),
    ("no space after the colon", "5.1", get(b"X-A:b\r\n"), Served()),
    ("spaces around a value", "5.1", get(b"X-A: \t b \t \r\n"), Served()),
    ("an empty value", "5.1", get(b"X-A:\r\n"), Served()),
    ("the same length twice", "6.3", post(b"Content-Length: 4\r\nContent-Length: 4\r\n", b"body"),
     (Served(b"body"), HEAD)),
    ("a list of equal lengths", "6.3", post(b"Content-Length: 4, 4\r\n", b"body"), (Served(b"body"), HEAD)),
    ("a length with leading zeros", "9110 8.6", post(b"Content-Length: 0004\r\n", b"body"), Served(b"body")),
    ("field names in any case", "5.1", post(b"cOnTeNt-LeNgTh: 4\r\n", b"body"), Served(b"body")),
    ("chunked in any case", "7", post(b"Transfer-Encoding: CHUNKED\r\n", b"4\r\nbody\r\n0\r\n\r\n"), Served(b"body")),
    ("chunked between empty list elements", "9110 5.6.1",
     post(b"Transfer-Encoding: , chunked ,\r\n", b"4\r\nbody\r\n0\r\n\r\n"), (Served(b"body"), HEAD)),
    ("a GET with a body", "9110 9.3.1", get(b"Content-Length: 4\r\n") + b"body", Served(b"body")),
    ("a GET with a chunked body", "9110 9.3.1", get(CHUNKED) + b"4\r\nbody\r\n0\r\n\r\n", Served(b"body")),
    ("chunk sizes in either case", "7.1", chunks(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
     Served(b"0123456789" * 2)),
    ("a chunk extension", "7.1.1", chunks(b"4;name=\"va;lue\"\r\nbody\r\n0;x\r\n\r\n"), Served(b"body")),
    ("a body that looks like chunks", "6.3", post(b"Content-Length: 5\r\n", b"0\r\n\r\n"), Served(b"0\r\n\r\n")),
    ("a body that looks like a request", "6.3",
     post(b"Content-Length: " + str(len(SMUGGLED)).encode() + b"\r\n", SMUGGLED), Served(SMUGGLED)),
    ("a chunk that looks like a request", "7.1",
     chunks(f"{len(SMUGGLED):x}".encode() + b"\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"), Served(SMUGGLED)),
    ("an IPv6 Host with a port", "9110 7.2", get(host=b"Host: [::1]:8080\r\n"), Served()),
    ("an empty line before the request", "2.2", b"\r\n" + get(), Served()),
    ("two requests in one segment", "9.3.2", get() + get(), Served(b"", b"")),
    ("a HEAD with Content-Length: 0", "9110 9.3.2", b"HEAD /ROW HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
     Served()),
    ("Upgrade to something unknown", "9110 7.8", get(b"Upgrade: h2c\r\nConnection: Upgrade\r\n"), Served()),
    ("Upgrade without Connection", "9110 7.8", get(b"Upgrade: websocket\r\n"), Served()),
    ("Transfer-Encoding under another name", "9110 5.1",
     post(b"Transfer_Encoding: chunked\r\nContent-Length: 4\r\n", b"body"), (Served(b"body"), HEAD)),
]


def _row(number, data):
    return data.replace(b"/ROW", f"/row/{number}".encode())


@scenario("a request that was refused reaches the origin", within=120)
def corpus(s):
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    proxy = start_proxy(s, origin, {"workers": 1})
    for number, (name, section, template, expected) in enumerate(REQUESTS):
        section = section if section.startswith("9110") else f"9112 {section}"
        with s.case(f"{name} (RFC {section})"):
            data = _row(number, template)
            mark = f"/row/{number}"
            expectations = expected if isinstance(expected, tuple) else (expected,)
            status = _send(proxy, data, expectations)
            # What the proxy forwarded has arrived once a later request on the same worker has.
            check_equal(proxy.get("/fence").status, 200, "status of a request after the case")
            refusal = next((e for e in expectations if isinstance(e, Refused) and status in e.statuses), None)
            arrived = [r for r in origin.requests if r.target.split("?")[0] == mark]
            if refusal:
                check(not any(r.complete for r in arrived), "a refused request was completed at the origin")
                if not refusal.in_body:
                    check(not arrived, "a refused head reached the origin")
                    check(not any(mark.encode() + b" " in c.raw for c in origin.connections), "its bytes arrived")
            else:
                served = next(e for e in expectations if isinstance(e, Served))
                check_equal([bytes(r.body) for r in arrived], list(served.bodies), "bodies at the origin")
                check(all(r.complete for r in arrived), "a request was not completed")
    smuggled = [r for r in origin.requests if r.target == "/smuggled"]
    check(not smuggled, f"{len(smuggled)} smuggled requests reached the origin")
    _judge_with_h11(s, origin)


def _send(proxy, data, expectations):
    """Send a row; returns the status it got, after checking how the connection goes on."""
    refusable = [e for e in expectations if isinstance(e, Refused)]
    served = next((e for e in expectations if isinstance(e, Served)), None)
    with proxy.client() as client:
        method = data.lstrip().split(b" ")[0].decode("latin-1")
        # Behind what must be refused, a request that must not be served.
        client.send(data + (b"" if served else SMUGGLED))
        response = client.response("HEAD" if method == "HEAD" else "GET")
        if served and response.status == 200:
            for _ in served.bodies[1:]:
                check_equal(client.response().status, 200, "status of a further request")
            if not response.closes:
                check_equal(client.request("GET", "/after").status, 200, "status of the next request")
            return 200
        allowed = sorted({status for each in refusable for status in each.statuses} | ({200} if served else set()))
        check(response.status in allowed, f"answered {response.start_line!r}, expected {allowed}")
        check(response.closes, "the refusal does not announce the close")
        check(client.ending() in ("eof", "reset"), "the connection stays open after the refusal")
        return response.status


def _judge_with_h11(s, origin):
    with s.case("an independent parser reads what the origin received as we do"):
        check(h11, "the h11 module is missing (Debian package: python3-h11)")
        for connection in origin.connections:
            whole = [r for r in connection.requests if r.complete]
            if len(whole) != len(connection.requests):
                continue
            check_equal(_h11_requests(connection.raw), [(r.method, r.target, bytes(r.body)) for r in whole],
                        f"requests of connection {connection.number}")


def _h11_requests(raw):
    """What h11 finds in the bytes of one connection."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    parser.receive_data(raw)
    parser.receive_data(b"")
    found = []
    while True:
        event = parser.next_event()
        if isinstance(event, h11.Request):
            found.append([event.method.decode(), event.target.decode("latin-1"), bytearray()])
        elif isinstance(event, h11.Data):
            found[-1][2].extend(event.data)
        elif isinstance(event, h11.EndOfMessage):
            parser.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            parser.send(h11.EndOfMessage())
            parser.start_next_cycle()
        else:
            return [(method, target, bytes(body)) for method, target, body in found]


@scenario("a refusal depends on how the bytes are split")
def splits(s):
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    proxy = start_proxy(s, origin, {"workers": 1})
    rows = [row for row in REQUESTS if isinstance(row[3], Refused) and len(row[2]) < 200][::6]
    for name, _, template, expected in rows:
        data = template.replace(b"/ROW", b"/refused")
        with s.case(f"{name}, split at every third byte"):
            for at in range(1, len(data), 3):
                with proxy.client() as client:
                    client.send(data[:at])
                    client.send(data[at:])
                    status = client.response().status
                    check(status in expected.statuses, f"answered {status} when split at {at}")
    eventually(lambda: proxy.get("/fence").status == 200, "the proxy still serves")
    check(not any(r.complete and r.target == "/refused" for r in origin.requests), "a refused request was completed")


@scenario("a request in flight is exposed to what follows it on the connection")
def refused_after_served(s):
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    proxy = start_proxy(s, origin, {"workers": 1})
    with s.case("a good request before a bad one is answered, the bad one refused, the rest ignored"):
        with proxy.client() as client:
            client.send(b"GET /good HTTP/1.1\r\n" + HOST + b"\r\n" + b"GET /bad HTTP/1.1\r\n" + SMUGGLED)
            check_equal(client.response().status, 200, "status of the good request")
            check_equal(client.response().status, 400, "status of the bad request")
            check(client.ending() in ("eof", "reset"), "the connection stays open")
    with s.case("the body of a refused request is not read as a request"):
        with proxy.client() as client:
            client.send(b"POST /refused HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + SMUGGLED)
            check_equal(client.response().status, 400, "status")
            check(client.ending() in ("eof", "reset"), "the connection stays open")
    check(not any(r.target == "/smuggled" for r in origin.requests), "a smuggled request reached the origin")


run()
