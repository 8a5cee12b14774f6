"""HTTP/1.1 messages read off a socket exactly as framed, and how they ended when they did not."""

import socket

from .verdict import eventually

_READ_SIZE = 256 * 1024


def wait_until_read(sock, within=5.0):
    """Wait until the other end, on this machine too, has read all that was sent over this IPv4 connection."""
    ours, theirs = (_as_in_proc(address) for address in (sock.getsockname(), sock.getpeername()))

    def read():
        with open("/proc/self/net/tcp") as table:
            rows = [fields for fields in map(str.split, table) if (fields[1], fields[2]) in ((ours, theirs), (theirs, ours))]
        queues = {fields[1]: fields[4].split(":") for fields in rows}
        return int(queues.get(ours, "0")[0], 16) == 0 and int(queues.get(theirs, ("", "0"))[1], 16) == 0

    eventually(read, "what was sent is read", within)


def _as_in_proc(address):
    host, port = address
    return f"{socket.inet_aton(host)[::-1].hex().upper()}:{port:04X}"


class Broken(Exception):
    """The message broke off: `how` is "eof", "reset", "timeout" or "syntax"; `seen` what had come."""

    def __init__(self, how, seen=b"", detail=""):
        super().__init__(f"message broken by {how} {detail}after {bytes(seen[:300])!r}")
        self.how = how
        self.seen = bytes(seen)


class Reader:
    """Buffered reading from a blocking socket; `record` keeps every byte ever received."""

    def __init__(self, sock, record=False):
        self._socket = sock
        self.buffer = bytearray()
        self.raw = bytearray() if record else None

    def fill(self, seen=b""):
        """Receive once more; raises Broken at the end of the stream."""
        try:
            piece = self._socket.recv(_READ_SIZE)
        except socket.timeout:
            raise Broken("timeout", seen or self.buffer) from None
        except OSError:
            raise Broken("reset", seen or self.buffer) from None
        if not piece:
            raise Broken("eof", seen or self.buffer)
        self.buffer += piece
        if self.raw is not None:
            self.raw += piece

    def through(self, end):
        """The bytes up to and including `end`."""
        start = 0
        while (at := self.buffer.find(end, start)) < 0:
            start = max(0, len(self.buffer) - len(end) + 1)
            self.fill()
        return self._take(at + len(end))

    def exactly(self, count, sink):
        """Pass `count` bytes to `sink` as they come."""
        while count:
            if not self.buffer:
                self.fill(b"(body)")
            piece = self._take(min(count, len(self.buffer)))
            count -= len(piece)
            sink(piece)

    def chunked(self, sink):
        """Pass a chunked body to `sink`; returns its trailer fields."""
        while True:
            line = self.through(b"\r\n")
            size_text = line.split(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                raise Broken("syntax", line) from None
            if size == 0:
                break
            self.exactly(size, sink)
            if (end := self.through(b"\r\n")) != b"\r\n":
                raise Broken("syntax", end, "in place of a chunk's end ")
        trailers = []
        while (line := self.through(b"\r\n")) != b"\r\n":
            trailers.append(_field(line[:-2]))
        return trailers

    def to_eof(self, sink):
        try:
            while True:
                if self.buffer:
                    sink(self._take(len(self.buffer)))
                self.fill(b"(body)")
        except Broken as broken:
            if broken.how != "eof":
                raise

    def _take(self, count):
        piece = bytes(self.buffer[:count])
        del self.buffer[:count]
        return piece


class Message:
    def __init__(self, head):
        self.raw_head = head
        lines = head[:-4].split(b"\r\n")
        self.start_line = lines[0].decode("latin-1")
        self.fields = [_field(line) for line in lines[1:]]
        self.body = bytearray()
        self.trailers = []
        self.complete = False
        self.ended = None          # how an incomplete message ended: see Broken

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, default=None):
        """The only value of a field; several of them are joined with a comma."""
        values = self.all(name)
        return ", ".join(values) if values else default

    @property
    def chunked(self):
        return (self.get("Transfer-Encoding") or "").lower().endswith("chunked")

    def _read_body(self, reader, framing, sink):
        sink = sink or self.body.extend
        try:
            if framing == "chunked":
                self.trailers = reader.chunked(sink)
            elif framing == "close":
                reader.to_eof(sink)
            elif framing:
                reader.exactly(framing, sink)
            self.complete = True
        except Broken as broken:
            self.ended = broken.how


class Request(Message):
    def __init__(self, head):
        super().__init__(head)
        self.method, self.target, self.version = (self.start_line.split(" ") + ["", ""])[:3]

    def read_body(self, reader, sink=None):
        length = self.get("Content-Length")
        self._read_body(reader, "chunked" if self.chunked else int(length or 0), sink)


class Response(Message):
    """`framing` is "chunked", "close", or the number of body bytes announced."""

    def __init__(self, head):
        super().__init__(head)
        self.version, _, rest = self.start_line.partition(" ")
        status, _, self.reason = rest.partition(" ")
        if not self.version.startswith("HTTP/") or not status.isdigit():
            raise Broken("syntax", head)
        self.status = int(status)
        self.interim = []          # the 1xx responses that came before
        self.framing = 0

    def read_body(self, reader, method="GET", sink=None):
        length = self.get("Content-Length")
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            self.framing = 0
        elif method == "CONNECT" and self.status // 100 == 2:
            self.framing = 0
        elif self.chunked:
            self.framing = "chunked"
        else:
            self.framing = "close" if length is None else int(length)
        self._read_body(reader, self.framing, sink)

    @property
    def closes(self):
        """Whether the sender says that it closes the connection after this message."""
        options = [o.strip().lower() for o in (self.get("Connection") or "").split(",")]
        if self.version == "HTTP/1.0":
            return "keep-alive" not in options
        return "close" in options

    def __repr__(self):
        return f"<{self.start_line!r} {len(self.body)} bytes, {'complete' if self.complete else self.ended}>"


def read_response(reader, method="GET", sink=None):
    """The next final response, with the interim ones before it; raises Broken if no head came."""
    interim = []
    while True:
        response = Response(reader.through(b"\r\n\r\n"))
        if response.status // 100 == 1 and response.status != 101:
            interim.append(response)
            continue
        response.interim = interim
        response.read_body(reader, method, sink)
        return response


def _field(line):
    name, _, value = line.partition(b":")
    return name.decode("latin-1"), value.strip(b" \t").decode("latin-1")
