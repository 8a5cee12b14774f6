"""A raw HTTP client: sends the bytes it is told to and reports exactly what comes back."""

import contextlib
import http.client
import socket
import struct
import time

from .verdict import Failed, patient
from .wire import Broken, Reader, read_response, wait_until_read


class Interrupted(Failed):
    """The connection ended before a response head came."""


def connect(address, source=None, receive_buffer=None, within=30.0, tls=None, server_name="shop.test"):
    """A connected socket. `address` is (host, port), or the path of a unix socket.

    `tls`: the SSLContext to speak TLS by, to `server_name`.
    """
    family = _family(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(patient(within))
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source:
        # Let the kernel choose the port at connect, when it knows the whole four-tuple.
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)     # IP_BIND_ADDRESS_NO_PORT
        sock.bind((source, 0))
    try:
        sock.connect(address)
        return tls.wrap_socket(sock, server_hostname=server_name) if tls else sock
    except OSError:
        sock.close()
        raise


class Client:
    """One connection to the proxy: see connect()."""

    def __init__(self, address, **options):
        self.socket = connect(address, **options)
        self.reader = Reader(self.socket)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Close with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def finish_sending(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def send(self, data):
        """Send bytes (text is latin-1); a peer that has closed meanwhile shows when reading."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def send_slowly(self, data, step=1, pause=0.0):
        data = data.encode("latin-1") if isinstance(data, str) else data
        for at in range(0, len(data), step):
            self.send(data[at:at + step])
            time.sleep(pause)  # the pace is what the caller wants to show

    def wait_until_read(self, within=5.0):
        """Wait until the proxy has read all that was sent."""
        wait_until_read(self.socket, within)

    def response(self, method="GET", sink=None):
        """The next final response; fails if none starts."""
        try:
            return read_response(self.reader, method, sink)
        except Broken as broken:
            raise Interrupted(f"no response: {broken}") from None

    def interim(self):
        """The head of the next 1xx response."""
        from .wire import Response
        try:
            return Response(self.reader.through(b"\r\n\r\n"))
        except Broken as broken:
            raise Interrupted(f"no interim response: {broken}") from None

    def request(self, method, target, fields=(), body=b"", host="shop.example", version="HTTP/1.1"):
        """Send one request and return its response."""
        self.send(head(method, target, fields, body, host, version) + body)
        return self.response(method)

    def ending(self):
        """How the connection ends: "eof", "reset", or "timeout" if it stays open; fails on data."""
        try:
            while True:
                self.reader.fill()
                raise Failed(f"more data where the end was due: {bytes(self.reader.buffer[:300])!r}")
        except Broken as broken:
            return broken.how

    def expect_closed(self):
        """The peer closes in an orderly way, and says nothing more."""
        if self.reader.buffer:
            raise Failed(f"more data where the end was due: {bytes(self.reader.buffer[:300])!r}")
        ending = self.ending()
        if ending != "eof":
            raise Failed(f"expected the connection to be closed, saw {ending}")

    def is_open(self):
        """Whether the connection has neither data nor its end waiting."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self.socket.setblocking(True)
            self.socket.settimeout(patient(10))


def _family(address):
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def head(method, target, fields=(), body=b"", host="shop.example", version="HTTP/1.1"):
    """The bytes of a request head; a body brings its Content-Length."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def get(address, target="/", fields=(), method="GET", body=b"", host="shop.example"):
    """One request on a connection of its own."""
    with Client(address) as client:
        return client.request(method, target, fields, body, host)


class UnixHttpConnection(http.client.HTTPConnection):
    """http.client over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
