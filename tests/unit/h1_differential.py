#!/usr/bin/env python3
"""Our HTTP/1.x parser against two others, h11 and llhttp (the one inside Node), on messages that were spoilt a little.

We may be stricter, never laxer: what we accept, each of the others accepts too and reads alike: method, target, fields,
and where the body ends. Where we accept more on purpose is said in INTENDED, a row each with its reason and the versions of
llhttp that need it; a row that no message needed is an error in the table; the corpus has a message for each. EVENKEEL_SEED repeats a run, EVENKEEL_CASES says how many messages.
"""

import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import h11

ROOT = Path(os.environ.get("top_srcdir", "."))
BUILD = Path(os.environ.get("top_builddir", "."))
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/corpus/h1"))
import cases  # noqa: E402

HTTP_1_0, ABSOLUTE_FORM, ASTERISK = 1 << 5, 1 << 6, 1 << 8


class Message:
    """role: "Q" a request, "R" a response to GET, "H" a response to HEAD."""

    def __init__(self, role, data, fixed=False):
        self.role, self.data, self.fixed = role, data, fixed
        self.start_line = data.split(b"\r\n", 1)[0]
        self.head = data.split(b"\r\n\r\n", 1)[0].lower()
        self.body = data.split(b"\r\n\r\n", 1)[1] if b"\r\n\r\n" in data else b""
        self.lengths = b" ".join(line for line in self.head.split(b"\r\n") if line.startswith(b"content-length:"))
        self.framed = b"content-length:" in self.head or b"transfer-encoding:" in self.head


# What the llhttp at hand has in its list of methods.
LLHTTP_METHODS = set()

# The newest llhttp of which the table below is known to be complete and free of needless rows.
NEWEST_LLHTTP = (9, 4)


def ever(_):
    return True


def since(*version):
    return lambda llhttp: llhttp >= version


def before(*version):
    return lambda llhttp: llhttp < version


# Where we accept what another refuses: who, which versions of llhttp, what of, why.
INTENDED = [
    ("llhttp", ever, lambda m: m.role == "Q" and m.start_line.split(b" ")[0].decode("latin-1") not in LLHTTP_METHODS,
     "a method is any token (RFC 9110 9.1); llhttp has a list"),
    ("llhttp", ever, lambda m: not (m.start_line.endswith((b"HTTP/1.0", b"HTTP/1.1")) if m.role == "Q"
                                    else m.start_line.startswith((b"HTTP/1.0", b"HTTP/1.1"))),
     "HTTP/1.2 and up are served as 1.1 (RFC 9110 2.5); llhttp refuses them"),
    ("both", ever, lambda m: re.search(rb"[ \t][;=]|[;=][ \t]", m.body),
     "bad white space around the semicolon and the equals sign of a chunk extension is to be removed (RFC 9112 7.1.1)"),
    ("llhttp", since(8), lambda m: m.role != "Q" and b";" in m.body,
     "chunk extensions of responses may hold whatever is no control (RFC 9112 7.1.1: to be ignored)"),
    ("both", ever, lambda m: m.role != "Q" and (b" \r\n" in m.body or b"\t\r\n" in m.body),
     "white space behind a chunk size of a response cannot be mistaken"),
    ("both", ever, lambda m: m.role != "Q" and m.data.startswith(b"\r\n"),
     "empty lines before a response belong to no message; its connection is not used again"),
    ("both", ever, lambda m: m.role != "Q" and (m.head.count(b"content-length:") > 1 or b"," in m.lengths),
     "lengths of a response that agree are one (RFC 9112 6.3)"),
    ("both", ever, lambda m: m.role != "Q" and b"transfer-encoding:" in m.head and
     (b"content-length:" in m.head or m.head.count(b"chunked") > 1),
     "chunked in a response wins over a length and over itself (RFC 9112 6.3); its connection is not used again"),
    ("llhttp", before(9, 4), lambda m: any(line.startswith((b"content-length:", b"transfer-encoding:")) and
                                           b"\t" in line[len(line.rstrip()):] for line in m.head.split(b"\r\n")),
     "a tab is white space behind a length or a coding too (RFC 9110 5.6.3)"),
    ("llhttp", ever, lambda m: m.role != "Q" and m.start_line[8:10] == b" 1" and b"content-length:" in m.head,
     "no 1xx response has a body, whatever its length says (RFC 9112 6.3); llhttp knows some"),
    ("llhttp", before(9), lambda m: m.role != "Q" and m.start_line[8:12] in (b" 204", b" 304") and m.framed,
     "no 204 or 304 has a body, whatever its fields say (RFC 9112 6.3); llhttp reads one"),
    ("both", ever, lambda m: b"content-length:" in m.body.lower() or b"transfer-encoding:" in m.body.lower(),
     "framing fields among trailers are dropped unread (RFC 9110 6.5.1); the others read them"),
]  # fmt: skip


# --- messages

SEEDS = [
    ("Q", b"GET /a/b?c=d HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: x/1.0 (y; z)\r\nAccept: */*\r\n\r\n"),
    ("Q", b"POST / HTTP/1.1\r\nHost: h:80\r\nContent-Length: 11\r\nConnection: close\r\n\r\nhello world"),
    ("Q", b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
          b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"),
    ("Q", b"GET http://a.example:8080/b?c HTTP/1.1\r\nHost: a.example:8080\r\n\r\n"),
    ("Q", b"OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n"),
    ("Q", b"DELETE /y HTTP/1.0\r\nConnection: keep-alive\r\nX-Odd:\t\x80\xff \t\r\nX-Empty:\r\n\r\n"),
    ("Q", b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    ("Q", b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("R", b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"),
    ("R", b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"),
    ("R", b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end"),
    ("R", b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 77\r\n\r\n"),
    ("R", b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"),
    ("R", b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("R", b"HTTP/1.1 200 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    ("R", b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc"),
    ("H", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    ("H", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
]  # fmt: skip

BYTES = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b";", b",", b"\0", b"\x0b", b"\x1f", b"\x7f", b"\x80", b"\xff", b"/",
         b"#", b"%", b"@", b"[", b"]", b"_", b"0", b"1", b"9", b"a", b"F", b"-", b"+", b"x", b"\"", b"\r\n "]  # fmt: skip
LINES = [b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: +5", b"Content-Length: 5, 5", b"Content-Length:",
         b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
         b"transfer-encoding:\tchunked", b"Transfer-Encoding : chunked", b"Host: other", b"Connection: close",
         b"Connection: upgrade", b"Upgrade: websocket", b" folded", b"X-Y: z", b"nonsense", b": empty", b"X(: y",
         b"Expect: 100-continue", b"!#$%&'*+-.^_`|~: z"]  # fmt: skip


def spoil(random, data):
    """The message with a few small changes."""
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        at = random.randrange(len(data) + 1)
        kind = random.randrange(7)
        if kind == 0:
            data = data[:at] + random.choice(BYTES) + data[at:]
        elif kind == 1:
            data = data[:at] + random.choice(BYTES) + data[at + 1:]
        elif kind == 2:
            data = data[:at] + data[at + random.randrange(1, 4):]
        elif kind == 3:
            lines = data.split(b"\r\n")
            lines.insert(random.randrange(1, len(lines) + 1), random.choice(LINES))
            data = b"\r\n".join(lines)
        elif kind == 4:
            lines = data.split(b"\r\n")
            lines.insert(random.randrange(len(lines)), random.choice(lines))
            data = b"\r\n".join(lines)
        elif kind == 5:
            data = data[:at] + data[at:at + 1].swapcase() + data[at + 1:]
        else:
            data = data[:at] + bytes([random.randrange(256)]) + data[at + 1:]
    return data


def messages(random, count):
    corpus = [Message("Q", case["input"], True) for case in cases.requests()]
    corpus += [Message("H" if case.get("method") == b"HEAD" else "R", case["input"], True)
               for case in cases.responses() if case.get("method") != b"CONNECT"]
    seeds = SEEDS + [(message.role, message.data) for message in corpus if len(message.data) < 400]
    return corpus + [Message(role, spoil(random, data)) for role, data in random.choices(seeds, k=count)]


# --- the others

def ask(command, messages):
    """What a program tells about the messages, a dict each."""
    records = b"".join(m.role.encode() + struct.pack("<I", len(m.data)) + m.data for m in messages)
    run = subprocess.run(command, input=records, capture_output=True, check=False, timeout=100)
    if run.returncode:
        raise RuntimeError(f"{command[0]}: {run.stderr.decode(errors='replace')}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def text(value):
    return bytes.fromhex(value)


def pairs(fields):
    """Names in lower case; transfer codings too, as h11 has them."""
    found = [(text(f["name"]).lower(), text(f["value"])) for f in fields]
    return [(n, v.lower() if n == b"transfer-encoding" else v) for n, v in found]


class Heard:
    """What another parser made of a message."""

    def __init__(self, error=None, head=None, fields=(), body=b"", done=False, trailers=(), upgrade=False):
        self.error, self.head, self.fields, self.body = error, head, list(fields), body
        self.done, self.trailers, self.upgrade = done, list(trailers), upgrade


def hear_h11(message):
    if message.role == "Q":
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    else:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        method = "HEAD" if message.role == "H" else "GET"
        connection.send(h11.Request(method=method, target="/", headers=[
            ("Host", "h"), ("Connection", "upgrade"), ("Upgrade", "websocket")]))
        connection.send(h11.EndOfMessage())
    heard = Heard()
    try:
        connection.receive_data(message.data)
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                heard.head = (event.method, event.target)
            elif isinstance(event, (h11.Response, h11.InformationalResponse)):
                heard.head = (event.status_code, event.reason)
            elif isinstance(event, h11.Data):
                heard.body += event.data
                continue
            elif isinstance(event, h11.EndOfMessage):
                heard.done, heard.trailers = True, [(n, v) for n, v in event.headers]
                break
            else:
                break
            heard.fields = [(name, value) for name, value in event.headers]
            if isinstance(event, h11.InformationalResponse):
                heard.done = True
                break
    except h11.RemoteProtocolError as error:
        heard.error = str(error)
    return heard


def heard_llhttp(message, one):
    heard = Heard(one["error"], body=text(one["body"]), done=one["done"])
    if one["head"]:
        heard.head = ((text(one["method"]), text(one["target"])) if message.role == "Q"
                      else (one["status"], text(one["reason"])))
        heard.fields, heard.upgrade = pairs(one["fields"]), one["upgrade"]
        heard.trailers = pairs(one.get("trailers", []))
    return heard


def hear_llhttp(node, messages):
    """The version of this llhttp, and what it made of the messages."""
    which, *told = ask([node, "--no-deprecation", str(ROOT / "tests/unit/h1_llhttp.js")], messages)
    LLHTTP_METHODS.update(which["methods"])
    print(f"# llhttp {which['version']}")
    version = tuple(int(part) for part in which["version"].split(".")[:2])
    return version, [heard_llhttp(*pair) for pair in zip(messages, told, strict=True)]


# --- the comparison

def expected_target(raw, ours):
    """What the target must have become, by other means than ours; and Host, if the target decides it."""
    if not ours["facts"] & ABSOLUTE_FORM:
        return raw, None
    rest = raw.split(b"//", 1)[1]
    at = min(at for at in (rest.find(b"/"), rest.find(b"?"), len(rest)) if at >= 0)
    return rest[at:] or b"/", rest[:at]


def differences(message, ours, heard):
    """In what we differ, given that we accept the head."""
    if heard.head is None:
        yield f"refuses the head: {heard.error}"
        return
    if message.role == "Q":
        method, raw = heard.head
        target, host = expected_target(raw, ours)
        if text(ours["method"]) != method:
            yield f"method {method!r}, not {text(ours['method'])!r}"
        if text(ours["target"]) != target:
            yield f"target {target!r}, not {text(ours['target'])!r}"
        if host is not None and text(ours["host"]) != host:
            yield f"host {host!r}, not {text(ours['host'])!r}"
    elif heard.head != (ours["status"], text(ours["reason"])):
        yield f"status line {heard.head}, not {ours['status']} {text(ours['reason'])!r}"
    if sorted(heard.fields) != sorted(pairs(ours["fields"])):
        yield f"fields {heard.fields}, not {pairs(ours['fields'])}"
    if heard.upgrade or ours["end"] not in ("done", "more"):
        return
    if heard.error and not heard.done:
        yield f"refuses the body: {heard.error}"
        return
    if heard.done != (ours["end"] == "done"):
        yield f"body {'over' if heard.done else 'not over'}, ours is {ours['end']}"
    if heard.body != text(ours["body"]):
        yield f"body {heard.body!r}, not {text(ours['body'])!r}"
    if heard.done and sorted(heard.trailers) != sorted(pairs(ours["trailers"])):
        yield f"trailers {heard.trailers}, not {pairs(ours['trailers'])}"


def compare(name, rows, messages, told, all_heard, used):
    """Differences that no row explains; counts what was compared."""
    accepted = stricter = 0
    found = []
    for message, ours, heard in zip(messages, told, all_heard):
        if ours["result"] != "ok":
            stricter += heard.head is not None and ours["result"] != "incomplete"
            continue
        accepted += 1
        found_here = list(differences(message, ours, heard))
        for who, _, applies, why in rows:
            if found_here and who in (name, "both") and applies(message):
                used.add(why)
                found_here = []
        found += [f"{message.role} {message.data[:600]!r}: {name} {difference}" for difference in found_here]
    print(f"# {name}: {len(messages)} messages, {accepted} accepted by us, {stricter} refused by us alone")
    return found


def report(number, title, found):
    print(f"{'not ' if found else ''}ok {number} - {title}")
    for line in found[:20]:
        print(f"#   {line}")
    return not found


def main():
    seed = int(os.environ.get("EVENKEEL_SEED") or random.SystemRandom().getrandbits(48))
    print(f"1..3\n# EVENKEEL_SEED={seed}")
    given = messages(random.Random(seed), int(os.environ.get("EVENKEEL_CASES") or 12000))
    told = ask([str(BUILD / "tests/unit/h1_print")], given)
    used = set()
    good = report(1, "we are never laxer than h11 and read alike",
                  compare("h11", INTENDED, given, told, map(hear_h11, given), used))
    node = shutil.which("node")
    if not node:
        print("ok 2 - llhttp # SKIP no node\nok 3 - intended differences # SKIP no node")
        return 0 if good else 1
    version, heard = hear_llhttp(node, given)
    rows = [row for row in INTENDED if row[1](version)]
    good &= report(2, "we are never laxer than llhttp and read alike", compare("llhttp", rows, given, told, heard, used))
    if version > NEWEST_LLHTTP:
        print("ok 3 - every intended difference is met # SKIP this llhttp is newer than the table")
    else:
        good &= report(3, "every intended difference is met", [why for *_, why in rows if why not in used])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
