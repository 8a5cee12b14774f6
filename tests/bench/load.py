"""Load: wrk for the clock, and a client that counts exchanges exactly."""

import os
import re
import selectors
import socket
import ssl
import subprocess
import time

import rows
from stage import Failed, on_cores

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wrk.lua")
_CHUNK = 256 << 10


class WrkFigures:
    """What one run of wrk saw. expect_clean(): nothing failed and no byte was missing."""

    def __init__(self, text):
        lines = [line.split() for line in text.splitlines() if line.startswith("figures ")]
        if len(lines) != 1 or len(lines[0]) != 10:
            raise Failed(f"wrk says nothing sensible:\n{text}")
        duration, self.requests, self.bytes, p99, *errors = map(int, lines[0][1:])
        self.seconds = duration / 1e6
        self.p99_ms = p99 / 1e3
        self.errors = dict(zip(("connect", "read", "write", "status", "timeout"), errors))

    def expect_clean(self, wire_bytes, connections):
        """`wire_bytes`: the least and the greatest size of a response, head included."""
        if any(self.errors.values()) or not self.requests:
            raise Failed(f"wrk saw failures: {self.errors} beside {self.requests} good responses")
        least, greatest = self.requests * wire_bytes[0], (self.requests + connections) * wire_bytes[1]
        if not least <= self.bytes <= greatest:
            raise Failed(f"{self.requests} responses came with {self.bytes} bytes, not {least} to {greatest}")

    def responses(self, wire_bytes):
        """Responses received, counting the parts of those that the end of the run cut off."""
        return self.bytes / (sum(wire_bytes) / 2)


def url(running, row):
    scheme, port = ("https" if row.get("tls") else "http", running.port_of(row))
    return f"{scheme}://127.0.0.1:{port}{rows.target(row)}"


def handshakes(stage, running, row, seconds):
    """Connections that openssl s_time opens one after the other, each with one request; how many there were."""
    version = "-tls1_2" if row["resumed"] else "-tls1_3"
    argv = [*on_cores(stage.other_cores), "openssl", "s_time", "-connect", f"127.0.0.1:{running.tls.port}",
            "-reuse" if row["resumed"] else "-new", version, "-time", str(seconds), "-www", rows.target(row)]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 20,
                              check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"openssl s_time did not end {seconds + 20} s after its start") from None
    # a mark for each connection: "r" resumed, "t" TLS made anew
    marks = re.findall(r"^[rt*]+$", done.stdout, re.MULTILINE)
    found = re.search(r"(\d+) connections in \d+ real seconds, (\d+) bytes read per connection", done.stdout)
    if done.returncode != 0 or not found or not marks:
        raise Failed(f"openssl s_time exited with {done.returncode}: {done.stdout}{done.stderr}")
    count, size = int(found[1]), int(found[2])
    if size < row["body"] or ("r" in marks[-1]) != row["resumed"] or len(set(marks[-1])) != 1:
        raise Failed(f"openssl s_time saw {size} bytes a connection, and handshakes {marks[-1][:40]}")
    return count


def wrk(stage, running, row, seconds):
    """Closed-loop load for so many whole seconds on all cores but the proxy's."""
    argv = [*on_cores(stage.other_cores), "wrk", "-t", str(min(2, len(stage.other_cores))),
            "-c", str(rows.CONNECTIONS), "-d", f"{seconds}s", "--timeout", "10s", "-s", _SCRIPT]
    for name, value in rows.REQUESTS[row["request"]]:
        argv += ["-H", f"{name}: {value}"]
    argv.append(url(running, row))
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 20,
                              check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"wrk did not end {seconds + 20} s after its start") from None
    if done.returncode != 0:
        raise Failed(f"wrk exited with {done.returncode}: {done.stdout}{done.stderr}")
    return WrkFigures(done.stdout)


class Crowd:
    """Keep-alive connections that each do a given number of exchanges, checked to the byte, and stay open."""

    def __init__(self, running, row):
        port = running.port_of(row)
        self._address = ("127.0.0.1", port)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if row.get("tls") else None
        if self._tls:
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
        self._request = rows.request_head(row, f"127.0.0.1:{port}")
        self._body = memoryview(rows.content(row))
        self._members = []
        self._chunk = bytearray(_CHUNK)
        self.wire_bytes = None

    def exchange(self, connections, each, within):
        """Open `connections` more, `each` exchanges on every one, at most rows.CONNECTIONS of them active at a time."""
        deadline = time.monotonic() + within
        unopened, active = connections, 0
        with selectors.DefaultSelector() as selector:
            while unopened or active:
                while unopened and active < rows.CONNECTIONS:
                    self._open(selector, each)
                    unopened, active = unopened - 1, active + 1
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise Failed(f"{active} of {connections} connections had no answer within {within:g} s")
                for key, _ in ready:
                    if self._read(key.data):
                        selector.unregister(key.fileobj)
                        active -= 1

    def close(self):
        for member in self._members:
            member.socket.close()
        self._members = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _open(self, selector, each):
        connection = socket.create_connection(self._address, timeout=5)
        member = _Member(self._tls.wrap_socket(connection) if self._tls else connection, each)
        self._members.append(member)
        member.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._begin(member)
        selector.register(member.socket, selectors.EVENT_READ, member)

    def _begin(self, member):
        member.socket.sendall(self._request)

    def _read(self, member):
        """Take what has arrived; True when the member's last exchange is complete."""
        count = member.socket.recv_into(self._chunk)
        if count == 0:
            raise Failed("the connection was closed before the response was complete")
        return self._take(member, memoryview(self._chunk)[:count])

    def _take(self, member, piece):
        if member.body_seen is None:
            piece = self._read_head(member, piece)
            if piece is None:
                return False
        end = member.body_seen + len(piece)
        if piece != self._body[member.body_seen:end]:
            raise Failed("the body differs from what the origin serves")
        member.body_seen = end
        if end < len(self._body):
            return False
        return self._complete(member)

    def _read_head(self, member, piece):
        """Collects the head; returns the start of the body once it is there."""
        member.head += piece
        end = member.head.find(b"\r\n\r\n")
        if end < 0:
            return None
        end += 4
        head = bytes(member.head[:end])
        if not head.startswith(b"HTTP/1.1 200 ") or _content_length(head) != len(self._body):
            raise Failed(f"not the expected response:\n{head.decode(errors='replace')}")
        size = end + len(self._body)
        least, greatest = self.wire_bytes or (size, size)
        self.wire_bytes = (min(least, size), max(greatest, size))
        member.body_seen = 0
        return memoryview(member.head)[end:]

    def _complete(self, member):
        member.head = bytearray()
        member.body_seen = None
        member.left -= 1
        if member.left:
            member.socket.sendall(self._request)
        return not member.left


class _Member:
    __slots__ = ("socket", "left", "head", "body_seen", "stream")

    def __init__(self, connection, exchanges):
        self.socket = connection
        self.left = exchanges
        self.head = bytearray()
        self.body_seen = None  # None: the head is not complete
        self.stream = None  # of HTTP/2


def _content_length(head):
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return None
