"""An HTTP/2 origin that records what arrives and can misbehave in every way: RawOrigin's twin.

Answers are functions answer(stream, request), chosen by the longest prefix of the target; those of origin.py serve here too:
`stream` has respond() and a number like a connection there. Each runs in a thread of its own once the request is complete,
or, marked by reads_body(), once its head is there. `serve(connection)` replaces the dialogue: nothing is sent then but what
it sends, not even SETTINGS.
"""

import contextlib
import socket
import ssl
import threading

from . import h2_bytes as h2, ports
from .h2_wire import H2Wire
from .origin import Recorder, describe, reset_socket
from .verdict import check


class _TlsSocket:
    """TLS that one thread reads while others write, which ssl.SSLSocket does not allow."""

    def __init__(self, sock, context):
        self._socket = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._state, self._order = threading.Lock(), threading.Lock()
        while not self._attempt(self._tls.do_handshake, done=True):
            self._receive()
        self.fileno, self.shutdown = sock.fileno, sock.shutdown
        self.alpn = self._tls.selected_alpn_protocol()

    def recv(self, most):
        while not (piece := self._attempt(lambda: self._tls.read(most) or b"")):
            if piece == b"" or not self._receive():
                return b""
        return piece

    def sendall(self, plain):
        self._attempt(lambda: self._tls.write(plain))

    def close(self):
        self._socket.close()

    def _attempt(self, step, done=None):
        """What the step returns, or `done`; None: it needs more of the other end. Sends what it has made."""
        with self._order:
            with self._state:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    result, done = None, None
                coded = self._outgoing.read()
            if coded:
                self._socket.sendall(coded)
        return done if result is None else result

    def _receive(self):
        piece = self._socket.recv(1 << 18)
        with self._state:
            self._incoming.write(piece)
        return piece


class OriginStream:
    """What an answer is given: one stream of one connection."""

    def __init__(self, connection, stream):
        self.connection = connection
        self.id = stream
        self.number = connection.number

    def respond(self, status=200, body=b"", fields=(), trailers=()):
        """A whole response. Returns whether the proxy was there to the end."""
        self.head(status, [*fields, ("content-length", str(len(body)))] if status not in (204, 304) else fields,
                  end=not body and not trailers)
        if body and not self.payload(body, end=not trailers):
            return False
        if trailers:
            self.trailers(trailers)
        return True

    def head(self, status=200, fields=(), end=False):
        self.connection.send_head(self.id, [(":status", str(status)), *((name.lower(), value) for name, value in fields)], end)

    def payload(self, payload, end=False, within=30.0):
        return self.connection.send_payload(self.id, payload, end, within)

    def trailers(self, fields):
        self.connection.send_head(self.id, fields, True)

    def reset(self, code=h2.CANCEL):
        return self.connection.send(h2.rst_stream(self.id, code))

    def send(self, data):
        """Bytes, frames as a rule, as they are."""
        return self.connection.send(data)


class H2OriginConnection(H2Wire):
    """One connection from the proxy. `raw`: every byte that arrived."""

    def __init__(self, sock, number, origin, settings):
        super().__init__(sock, settings)
        self.number = number
        self.raw = bytearray()
        self.requests = []           # H2Message each, in the order of their heads
        self.alpn = getattr(sock, "alpn", None)
        self._origin = origin
        self._preface = bytearray()

    def take(self, piece):
        self.raw += piece
        if len(self._preface) < len(h2.PREFACE):
            missing = len(h2.PREFACE) - len(self._preface)
            self._preface += piece[:missing]
            check(h2.PREFACE.startswith(self._preface), f"a preface of {bytes(self._preface)!r}")
            piece = piece[missing:]
        super().take(piece)

    def on_head(self, message):
        self.requests.append(message)
        self._origin.on_head(self, message)

    def on_end(self, message):
        self._origin.on_end(self, message)

    def run(self):
        """Read to the end of the connection."""
        with contextlib.suppress(socket.timeout):
            while self.read_once():
                pass

    def reset(self):
        """End the connection by a TCP reset."""
        reset_socket(self.socket)
        self.close()

    def go_away(self, last=None, code=h2.NO_ERROR):
        """GOAWAY; `last`: the newest stream by default."""
        newest = max((each.stream for each in self.requests), default=0)
        return self.send(h2.goaway(newest if last is None else last, code))


class H2Origin(Recorder):
    """Listens with prior knowledge, or with a `certificate` over TLS where ALPN chooses among `alpn`.

    `settings` go out first on each connection. `sink(request)`: where a request's payload goes, called with its head.
    """

    def __init__(self, scenario, name="h2-origin", serve=None, settings=None, certificate=None, alpn=("h2",), sink=None):
        self.name = name
        self.connections = []
        self.faults = []             # what the proxy did wrong, and answers that failed; stop() fails for them
        self.notes = []
        self._answers = {"": describe}
        self._settings = settings if settings is not None else {h2.MAX_CONCURRENT_STREAMS: 100}
        self._serve = serve
        self._sink = sink
        self._tls = _context(certificate, alpn) if certificate else None
        self._reservation = ports.reserve()
        self.port = self._reservation.port
        self._stopping = False
        self._listener = None
        self.listen()
        scenario.add(self)

    @staticmethod
    def _plain(**respond):
        """An answer that is always the same, and so short that no thread is needed where the windows are large enough."""
        def answer(stream, _):
            stream.respond(**respond)
        answer.bytes = len(respond.get("body", b""))
        return answer

    def open_connections(self):
        return [connection for connection in list(self.connections) if not connection.ended]

    def refuse(self):
        """Let connections be refused from now on; those that are open go on. listen() ends it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def listen(self):
        self._listener = socket.socket()
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            self._listener.setsockopt(socket.SOL_SOCKET, option, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(1024)
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def stop(self):
        self._stopping = True
        self.refuse()
        self._reservation.release()
        for connection in list(self.connections):
            connection.close()
        check(not self.faults, f"{self.name}: {self.faults[:5]}")

    def log_tail(self, lines):
        rows = [f"connection {each.number}: {each.state()}" for each in list(self.connections)[-lines:]]
        return [f"{len(self.connections)} connections", *rows, *self.faults[-lines:], *self.notes[-lines:]]

    # ---- called by connections

    def on_head(self, connection, request):
        if self._sink and (sink := self._sink(request)):
            request.sink = sink
        answer = self._answer_for(request)
        if getattr(answer, "reads_body", False):
            self._in_thread(answer, connection, request)

    def on_end(self, connection, request):
        answer = self._answer_for(request)
        if getattr(answer, "reads_body", False):
            return
        if getattr(answer, "bytes", h2.WINDOW_BYTES) < connection.window(request.stream):
            answer(OriginStream(connection, request.stream), request)
        else:
            self._in_thread(answer, connection, request)

    def _answer_for(self, request):
        return self._answers[max((p for p in self._answers if (request.target or "").startswith(p)), key=len)]

    def _in_thread(self, answer, connection, request):
        threading.Thread(target=self._guard, args=[connection, answer, OriginStream(connection, request.stream), request],
                         daemon=True).start()

    def _guard(self, connection, work, *arguments):
        try:
            if work(*arguments) is False:
                connection.close()
        except Exception as fault:  # pylint: disable=broad-except
            if not self._stopping and not connection.ended:
                self.faults.append(f"connection {connection.number}: {type(fault).__name__}: {fault}")

    # ---- connections

    def _accept(self, listener):
        while not self._stopping:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._run, args=[sock], daemon=True).start()

    def _run(self, sock):
        try:
            if self._tls:
                sock = _TlsSocket(sock, self._tls)
        except OSError as fault:
            self.notes.append(f"handshake: {fault}")
            sock.close()
            return
        connection = H2OriginConnection(sock, len(self.connections), self, self._settings)
        self.connections.append(connection)
        if self._serve:
            threading.Thread(target=self._guard, args=[connection, self._serve, connection], daemon=True).start()
        else:
            connection.start()
        self._guard(connection, connection.run)
        connection.close()


def _context(certificate, alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    context.set_alpn_protocols(list(alpn))
    return context
