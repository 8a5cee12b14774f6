"""Load over HTTP/2: h2load for the clock and for counted requests, and clients that are checked to the byte and stay."""

import os
import re
import statistics
import subprocess

import load
import rows
from harness import h2_bytes as h2
from stage import Failed, on_cores

# So many requests are on their way as in the rows of HTTP/1, some of them together on a connection.
CONNECTIONS = 8
STREAMS = rows.CONNECTIONS // CONNECTIONS

_GRPC_FIELDS = (("content-type", "application/grpc"), ("te", "trailers"))
_TABLE_SIZE_UPDATES = bytes(range(0x20, 0x40))
_STATUS_200 = 0x88  # the field of RFC 7541's static table


class H2LoadFigures:
    """What one run of h2load saw, with the interface of load.WrkFigures. Sizes are those of the payload."""

    def __init__(self, text, latencies_us=()):
        spans = re.findall(r"finished in ([\d.]+)(us|ms|s)\b", text)
        counts = re.findall(r"^requests: .*?(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$",
                            text, re.MULTILINE)
        payload = re.findall(r"^traffic: .*\((\d+)\) data$", text, re.MULTILINE)
        statuses = re.findall(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$", text, re.MULTILINE)
        if not len(spans) == len(counts) == len(payload) == len(statuses) == 1:
            raise Failed(f"h2load says nothing sensible:\n{text}")
        self.seconds = float(spans[0][0]) / {"us": 1e6, "ms": 1e3, "s": 1}[spans[0][1]]
        _, self.requests, *self.errors = map(int, counts[0])
        self.good = int(statuses[0][0])
        self.bytes = int(payload[0])
        ordered = sorted(latencies_us)
        self.p99_ms = (statistics.quantiles(ordered, n=100)[98] if len(ordered) > 1 else 0) / 1e3

    def expect_clean(self, sizes, connections):
        if any(self.errors) or not self.requests or self.good < self.requests:
            raise Failed(f"h2load saw failures: {self.errors} beside {self.requests} responses, {self.good} of them good")
        least, greatest = self.requests * sizes[0], (self.requests + connections) * sizes[1]
        if not least <= self.bytes <= greatest:
            raise Failed(f"{self.requests} responses came with {self.bytes} bytes, not {least} to {greatest}")

    def responses(self, sizes):
        """Responses received, counting the parts of those that the end of the run cut off."""
        return self.bytes / (sum(sizes) / 2)


def for_time(stage, running, row, seconds):
    """Closed-loop load for so many whole seconds on all cores but the proxy's."""
    log = stage.path("h2load.log")
    text = _h2load(stage, running, row, ["-D", str(seconds), f"--log-file={log}"], seconds + 20)
    with open(log) as lines:
        latencies = [int(line.split("\t")[2]) for line in lines]
    os.unlink(log)
    return H2LoadFigures(text, latencies)


def for_count(stage, running, row, exchanges, within):
    """So many requests and not one more."""
    seen = H2LoadFigures(_h2load(stage, running, row, ["-n", str(exchanges)], within))
    if any(seen.errors) or seen.good != exchanges or seen.bytes != exchanges * row["body"]:
        raise Failed(f"{exchanges} requests: {seen.good} good responses, {seen.bytes} bytes")


def _h2load(stage, running, row, much, within):
    argv = [*on_cores(stage.other_cores), "h2load", "-t", "1", "-c", str(CONNECTIONS), "-m", str(STREAMS), *much]
    for name, value in _fields(row):
        argv += ["-H", f"{name}: {value}"]
    if row.get("grpc"):
        argv += ["-d", stage.write("message.grpc", rows.message(row).decode("latin-1"))]
    argv.append(load.url(running, row))
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"h2load did not end {within} s after its start") from None
    if done.returncode != 0:
        raise Failed(f"h2load exited with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def _fields(row):
    return (*rows.REQUESTS[row["request"]], *(_GRPC_FIELDS if row.get("grpc") else ()))


class Crowd(load.Crowd):
    """The same as its base over HTTP/2, one request at a time on each connection."""

    def __init__(self, running, row):
        super().__init__(running, row)
        if self._tls:
            self._tls.set_alpn_protocols(["h2"])
        scheme, port = ("https" if row.get("tls") else "http"), running.port_of(row)
        self._block = h2.block(h2.request_fields("POST" if row.get("grpc") else "GET", rows.target(row), scheme,
                                                 f"127.0.0.1:{port}", [(name.lower(), value) for name, value in _fields(row)]))
        self._payload = rows.message(row) if row.get("grpc") else b""
        self.wire_bytes = (row["body"], row["body"])

    def _begin(self, member):
        member.stream = 1
        member.body_seen = 0
        member.socket.sendall(h2.PREFACE + h2.settings([(h2.INITIAL_WINDOW_SIZE, h2.LARGEST)])
                              + h2.window_update(0, h2.LARGEST - h2.WINDOW_BYTES) + self._ask(member))

    def _ask(self, member):
        frames = h2.headers(member.stream, self._block, end=not self._payload)
        return frames + (h2.data(member.stream, self._payload, end=True) if self._payload else b"")

    def _take(self, member, piece):
        member.head += piece
        while len(member.head) >= 9:
            end = 9 + int.from_bytes(member.head[:3], "big")
            if len(member.head) < end:
                break
            kind, flags = member.head[3:5]
            payload = bytes(member.head[9:end])
            del member.head[:end]
            if self._take_frame(member, kind, flags, payload):
                return True
        return False

    def _take_frame(self, member, kind, flags, payload):
        """True when the member's last exchange is complete."""
        if kind == h2.SETTINGS and not flags & h2.ACK:
            member.socket.sendall(h2.settings(ack=True))
        elif kind in (h2.GOAWAY, h2.RST_STREAM):
            raise Failed(f"the proxy has ended the stream or the connection: {payload!r}")
        elif kind == h2.HEADERS and not member.body_seen and payload.lstrip(_TABLE_SIZE_UPDATES)[0] != _STATUS_200:
            raise Failed(f"not the expected response: {payload!r}")
        elif kind == h2.DATA:
            end = member.body_seen + len(payload)
            if payload != self._body[member.body_seen:end]:
                raise Failed("the body differs from what the origin serves")
            member.body_seen = end
        over = kind in (h2.HEADERS, h2.DATA) and flags & h2.END_STREAM
        if over and member.body_seen != len(self._body):
            raise Failed("the response ended before its body")
        return over and self._complete(member)

    def _complete(self, member):
        member.body_seen = 0
        member.stream += 2
        member.left -= 1
        if member.left:
            member.socket.sendall(self._ask(member))
        return not member.left


def crowd(running, row):
    """The clients of a row that are checked to the byte."""
    return Crowd(running, row) if row.get("http2") else load.Crowd(running, row)
