"""An origin on raw sockets: it records exactly what arrives and can misbehave in every way."""

import contextlib
import ctypes
import hashlib
import json
import socket
import ssl
import struct
import threading
import time

from . import ports
from .verdict import Failed, eventually, patient
from .wire import Broken, Reader, Request, wait_until_read

_ESTABLISHED = 1
_libc = ctypes.CDLL(None)


def reset_socket(sock):
    """Have the kernel send a reset at once, whoever else holds the socket or waits for it."""
    unspecified = ctypes.create_string_buffer(struct.pack("H14x", socket.AF_UNSPEC))
    _libc.connect(sock.fileno(), unspecified, 16)  # dissolves the association


class OriginConnection:
    """One connection from the proxy, served by a thread of its own."""

    def __init__(self, sock, number):
        self.socket = sock
        self.number = number
        self.reader = Reader(sock, record=True)
        self.requests = []
        self.ended = None          # how the proxy ended it: "eof", "reset"; None while it is open
        self.thread = None         # that serves it

    @property
    def raw(self):
        return bytes(self.reader.raw)

    def read_head(self):
        """The head of the next request; None when the proxy closes instead."""
        try:
            request = Request(self.reader.through(b"\r\n\r\n"))
        except Broken as broken:
            self.ended = broken.how
            return None
        self.requests.append(request)
        return request

    def read_request(self, sink=None):
        request = self.read_head()
        if request:
            request.read_body(self.reader, sink)
        return request

    def send(self, data):
        """Send; False once the proxy has gone."""
        try:
            self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
            return True
        except OSError:
            return False

    def wait_until_read(self):
        """Wait until the proxy has read all that was sent."""
        wait_until_read(self.socket)

    def respond(self, status=200, body=b"", fields=(), reason="Fine"):
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in fields]
        if status not in (204, 304):
            lines.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def wait_for_end(self, within=30.0):
        """Read until the proxy ends the connection; returns how ("timeout": it did not)."""
        self.socket.settimeout(patient(within))
        try:
            while True:
                self.reader.fill()
                self.reader.buffer.clear()
        except Broken as broken:
            self.ended = broken.how
            return broken.how

    def reset(self):
        """Send a reset at once, even if the connection's own thread sits in recv()."""
        reset_socket(self.socket)
        self.close()

    def close(self):
        """End it at once, whoever calls.

        Only the thread that serves it gives its descriptor back: OpenSSL has the number, and a call that is under way would go
        on with the connection that gets the number next.
        """
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that sits in recv()
        if self.thread in (None, threading.current_thread()):
            self.socket.close()

    def established(self):
        """Whether the kernel still holds it open in both directions."""
        try:
            info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
            return info[0] == _ESTABLISHED
        except OSError:
            return False


def describe(connection, request, more=()):
    """The default answer: what arrived, as JSON; with `more` fields."""
    return connection.respond(200, json.dumps({
        "method": request.method, "target": request.target, "version": request.version,
        "fields": request.fields, "trailers": request.trailers,
        "bytes": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest(),
        "connection": connection.number,
    }).encode(), [("Content-Type", "application/json"), *more])


class Arrived:
    """The description of describe(), read back from the response (or its body) at the client."""

    def __init__(self, response):
        body = response if isinstance(response, bytes) else bytes(response.body)
        status = 200 if isinstance(response, bytes) else response.status
        if status != 200:
            raise Failed(f"answered {response.start_line}: {body[:200]!r}")
        said = json.loads(body)
        self.method, self.target, self.version = said["method"], said["target"], said["version"]
        self.fields = [tuple(field) for field in said["fields"]]
        self.trailers = [tuple(field) for field in said["trailers"]]
        self.bytes, self.sha256, self.connection = said["bytes"], said["sha256"], said["connection"]

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]


class Recorder:
    """What every origin tells of itself: where it is, what has arrived; and how it is told what to answer."""

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def requests(self):
        """All requests of all connections, in the order of the connections."""
        return [request for connection in list(self.connections) for request in connection.requests]

    def on(self, prefix, answer=None, **respond):
        """Answer targets that start with `prefix`; keywords are those of respond()."""
        self._answers[prefix] = answer or self._plain(**respond)
        return self

    def request_for(self, target, within=20.0):
        """The (only awaited) request for exactly this target."""
        return eventually(lambda: next((r for r in self.requests if r.target == target), None),
                          f"{self.name} receives {target}", within)


class RawOrigin(Recorder):
    """An origin whose answers are functions.

    on(prefix, answer) chooses answer(connection, request) by the longest prefix of the target; an answer
    that returns False ends the connection. `serve(connection)` replaces the whole dialogue. With a
    `certificate` it speaks TLS, and begins each handshake only after `handshake_s`: what a dial costs; a full handshake gives
    so many `tickets`.
    """

    def __init__(self, scenario, name="origin", serve=None, backlog=1024, receive_buffer=None, certificate=None,
                 handshake_s=0.0, tickets=2):
        self.name = name
        self.connections = []
        self.peak_established = self.peak_handshakes = self._handshakes = 0
        self._live = []
        self._answers = {"": describe}
        self._serve = serve or self._dialogue
        self._lock = threading.Lock()
        self._notes = []
        self._reservation = ports.reserve()
        self.port = self._reservation.port
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", self.port))
        self._backlog = backlog
        self._stopping = False
        self._handshake_s = handshake_s
        self._tls = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate.cert, certificate.key)
            self._tls.num_tickets = tickets
        self.listen()
        scenario.add(self)

    @staticmethod
    def _plain(**respond):
        return lambda connection, _: connection.respond(**respond)

    def open_connections(self):
        with self._lock:
            self._live = [connection for connection in self._live if connection.established()]
            return list(self._live)

    def refuse(self):
        """Let connections be refused from now on; those that are open go on. listen() ends it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    def listen(self):
        self._listener.listen(self._backlog)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reservation.release()
        for connection in list(self.connections):
            connection.close()

    def log_tail(self, lines):
        rows = [f"{len(self.connections)} connections, at most {self.peak_established} at once"]
        for connection in list(self.connections)[-(lines // 2):]:
            got = ", ".join(f"{r.method} {r.target[:60]} ({len(r.body)} bytes)" for r in connection.requests[-5:])
            rows.append(f"connection {connection.number}: {got or connection.raw[:200]!r} -> {connection.ended}")
        return rows + self._notes[-lines:]

    def _accept(self):
        while not self._stopping:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                threading.Thread(target=self._shake_hands, args=[sock], daemon=True).start()
            else:
                self._take(sock)

    def _shake_hands(self, sock):
        with self._lock:
            self._handshakes += 1
            self.peak_handshakes = max(self.peak_handshakes, self._handshakes)
        time.sleep(self._handshake_s)  # what a handshake costs here
        with self._lock:
            self._handshakes -= 1
        try:
            self._take(self._tls.wrap_socket(sock, server_side=True))
        except OSError as fault:
            self._notes.append(f"handshake: {fault}")
            sock.close()

    def _take(self, sock):
        with self._lock:
            connection = OriginConnection(sock, len(self.connections))
            connection.thread = threading.Thread(target=self._run, args=[connection], daemon=True)
            self.connections.append(connection)
            self._live.append(connection)
        self.peak_established = max(self.peak_established, len(self.open_connections()))
        connection.thread.start()

    def _run(self, connection):
        try:
            self._serve(connection)
        except Exception as fault:  # pylint: disable=broad-except
            if not self._stopping:
                self._notes.append(f"connection {connection.number}: {type(fault).__name__}: {fault}")
        finally:
            connection.close()

    def _dialogue(self, connection):
        while request := connection.read_head():
            prefix = max((p for p in self._answers if request.target.startswith(p)), key=len)
            answer = self._answers[prefix]
            if not getattr(answer, "reads_body", False):
                request.read_body(connection.reader)
                if not request.complete:
                    connection.ended = request.ended
                    return
            if answer(connection, request) is False:
                return


class LocalOrigin(RawOrigin):
    """An origin that listens on a file too."""

    def __init__(self, s, name, path):
        super().__init__(s, name)
        self._local = socket.socket(socket.AF_UNIX)
        self._local.bind(path)
        self._local.listen()
        self.endpoint = f"unix:{path}"
        threading.Thread(target=self._pass_on, daemon=True).start()

    def _pass_on(self):
        while True:
            try:
                near, _ = self._local.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                near.close()
                continue
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            sink.close()

    def stop(self):
        self._local.close()
        super().stop()


def takes(seconds, answer=None, **respond):
    """An answer that costs so many seconds: an origin's time of service. Keywords are those of respond()."""
    def slowly(connection, request):
        time.sleep(seconds)  # the time of service
        return answer(connection, request) if answer else connection.respond(**respond)
    return slowly


def reads_body(answer):
    """Mark an answer that wants the request before its body is read."""
    answer.reads_body = True
    return answer
