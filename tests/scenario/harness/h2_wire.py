"""One end of an HTTP/2 connection, frame by frame, and a client made of it.

What the other end sends is held to the rules, whatever this end does: frames that cannot be parsed, payload beyond a window,
a head that breaks RFC 9113 8.2 and a frame longer than was allowed fail the scenario. What this end sends is anybody's choice:
send() takes bytes, see h2_bytes. `automatic` ends acknowledge SETTINGS and PING and open windows as payload comes.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time

import hpack
from hyperframe import frame as hyper
from hyperframe.exceptions import HyperframeError

from . import h2_bytes as h2
from .client import connect
from .verdict import Failed, check, patient

_READ_BYTES = 256 * 1024
_CONNECTION_SPECIFIC = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}


class H2Message:
    """What has come on a stream: a request at an origin, a response at a client."""

    def __init__(self, stream):
        self.stream = stream
        self.fields = []             # of the (final) head, pseudo fields too
        self.interim = []            # heads of 1xx responses
        self.trailers = []
        self.body = bytearray()
        self.sink = self.body.extend
        self.bytes = 0               # of payload
        self.data_frames = 0
        self.complete = False        # END_STREAM has come
        self.reset = None            # the code of RST_STREAM

    def all(self, name):
        return [value for key, value in self.fields if key == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return ", ".join(values) if values else default

    @property
    def over(self):
        return self.complete or self.reset is not None

    @property
    def status(self):
        return int(self.get(":status", "0"))

    @property
    def method(self):
        return self.get(":method")

    @property
    def target(self):
        return self.get(":path")

    version = "HTTP/2.0"

    @property
    def start_line(self):
        """For reports."""
        how = "complete" if self.complete else f"reset by {h2.code_name(self.reset)}" if self.reset is not None else "open"
        return f"stream {self.stream}: {self.fields[:4]}, {self.bytes} bytes, {how}"

    def __repr__(self):
        return f"<{self.start_line}>"


class _Credit:
    """What the other end may send, exactly as it can know it: SETTINGS count once it has acknowledged them."""

    def __init__(self):
        self.initial = h2.WINDOW_BYTES
        self.frame_bytes = h2.FRAME_BYTES
        self.connection = h2.WINDOW_BYTES
        self.streams = {}
        self.unacknowledged = []

    def announce(self, values):
        self.unacknowledged.append(dict(values))
        self.frame_bytes = max(self.frame_bytes, dict(values).get(h2.MAX_FRAME_SIZE, 0))

    def acknowledged(self):
        values = self.unacknowledged.pop(0) if self.unacknowledged else {}  # those that were sent as bytes announce nothing
        initial = values.get(h2.INITIAL_WINDOW_SIZE, self.initial)
        self.streams = {stream: window + initial - self.initial for stream, window in self.streams.items()}
        self.initial = initial

    def open(self, stream, increment):
        if stream == 0:
            self.connection += increment
        else:
            self.streams[stream] = self.streams.get(stream, self.initial) + increment

    def spend(self, stream, count):
        window = self.streams.get(stream, self.initial)
        # Windows may be below zero, then nothing may come but what is empty.
        check(count == 0 or count <= min(window, self.connection),
              f"{count} bytes on stream {stream}, where the windows are {window} and {self.connection}")
        self.connection -= count
        self.streams[stream] = window - count


class H2Wire:
    """`first`: the connection preface of a client. One thread reads (take()); sending is anybody's."""

    def __init__(self, sock, settings=None, automatic=True, first=b""):
        self.socket = sock
        self.automatic = automatic
        self.frames = []             # every frame that came, but payload is not kept in it
        self.messages = {}           # stream: H2Message
        self.settings = None         # of the other end; None before they came
        self.settings_acks = 0
        self.pongs = []
        self.goaways = []            # (last stream, code, debug data) each
        self.ended = None            # how the other end closed: "eof", "reset"; None while open
        self.send_connection = h2.WINDOW_BYTES
        self.send_windows = {}
        self.changed = threading.Condition(threading.RLock())
        self.credit = _Credit()
        self.encoder = hpack.Encoder()
        self._decoder = hpack.Decoder(max_header_list_size=1 << 24)
        self._decoder.max_allowed_table_size = (settings or {}).get(h2.HEADER_TABLE_SIZE, 4096)
        self._buffer = bytearray()
        self._head = None            # [stream, END_STREAM, fragments] between HEADERS and the end of its block
        self._send_lock = threading.Lock()
        self._open_preface = first
        self.announced = settings

    # ---- sending

    def start(self):
        """Send what a connection begins with."""
        self.credit.announce(self.announced or {})
        self.send(self._open_preface + h2.settings(self.announced or {}))

    def send(self, data):
        """Send bytes as they are; False once the other end has gone."""
        with self._send_lock:
            try:
                self.socket.sendall(data)
                return True
            except OSError:
                return False

    def send_slowly(self, data, step=1, pause=0.0):
        for at in range(0, len(data), step):
            self.send(data[at:at + step])
            time.sleep(pause)  # the pace is what the caller wants to show

    def finish_sending(self):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_WR)  # that of SSLSocket would forget the keys

    def announce(self, values):
        """Send SETTINGS, and hold the other end to them once it has acknowledged them."""
        self.credit.announce(values)
        self.send(h2.settings(values))

    def open_window(self, stream, increment):
        with self.changed:
            self.credit.open(stream, increment)
        self.send(h2.window_update(stream, increment))

    def send_head(self, stream, fields, end=False):
        with self._send_lock:  # the order of blocks is that of the encoder's table
            block = self.encoder.encode([(h2.as_bytes(name), h2.as_bytes(value)) for name, value in fields])
            with contextlib.suppress(OSError):
                self.socket.sendall(h2.split_headers(stream, block, end))

    def send_payload(self, stream, payload, end=True, within=30.0):
        """As the windows allow; False if the stream or the connection ended first."""
        sent, payload = 0, memoryview(payload)
        while sent < len(payload):
            size = self._spend(stream, len(payload) - sent, within)
            if not size or not self.send(h2.data(stream, bytes(payload[sent:sent + size]), end and sent + size == len(payload))):
                return False
            sent += size
        return self.send(h2.data(stream, b"", True)) if end and not payload else True

    def window(self, stream):
        """How many bytes may be sent on the stream now."""
        initial = (self.settings or {}).get(h2.INITIAL_WINDOW_SIZE, h2.WINDOW_BYTES)
        return min(self.send_connection, self.send_windows.get(stream, 0) + initial)

    def _spend(self, stream, most, within):
        def gone():
            message = self.messages.get(stream)
            return self.ended or (message and message.reset is not None)

        with self.changed:
            self.wait_for(lambda: gone() or self.window(stream) > 0, f"stream {stream} may send", within)
            if gone():
                return 0
            size = min(most, self.window(stream), h2.FRAME_BYTES)
            self.send_connection -= size
            self.send_windows[stream] = self.send_windows.get(stream, 0) - size
            return size

    # ---- receiving

    def read_once(self):
        """Receive once; False at the end of the connection. Raises socket.timeout."""
        try:
            piece = self.socket.recv(_READ_BYTES)
        except (socket.timeout, ssl.SSLWantReadError):
            raise socket.timeout() from None
        except OSError:
            return self._end("reset")
        if not piece:
            return self._end("eof")
        with self.changed:
            self.take(piece)
            self.changed.notify_all()
        return True

    def _end(self, how):
        with self.changed:
            self.ended = how
            self.changed.notify_all()
        return False

    def http1_status(self):
        """The status of an answer of HTTP/1, where one came instead of frames; 0: none."""
        return int(self._buffer[9:12]) if len(self._buffer) >= 12 and self._speaks_http1() else 0

    def _speaks_http1(self):
        return not self.frames and self._buffer.startswith(b"HTTP/1.")

    def take(self, piece):
        """Bytes of the other end."""
        self._buffer += piece
        if self._speaks_http1():
            return
        answers = []
        at = 0
        while len(self._buffer) - at >= 9:
            length = int.from_bytes(self._buffer[at:at + 3], "big")
            check(length <= self.credit.frame_bytes, f"a frame of {length} bytes: {bytes(self._buffer[at:at + 9])!r}")
            if len(self._buffer) - at < 9 + length:
                break
            self._frame(memoryview(bytes(self._buffer[at:at + 9 + length])), answers)
            at += 9 + length
        del self._buffer[:at]
        if answers and self.automatic:
            self.send(b"".join(answers))

    def _frame(self, raw, answers):
        try:
            frame, _ = hyper.Frame.parse_frame_header(raw[:9], strict=False)
            frame.parse_body(raw[9:])
        except (HyperframeError, struct.error, ValueError) as fault:
            raise Failed(f"a frame that cannot be parsed: {bytes(raw[:60])!r}: {fault!r}") from None
        check(self._head is None or (isinstance(frame, hyper.ContinuationFrame) and frame.stream_id == self._head[0]),
              f"{frame!r} within a header block")
        self.frames.append(frame)
        handle = self._handlers.get(type(frame))
        if handle:
            handle(self, frame, answers)

    def _on_settings(self, frame, _):
        if "ACK" in frame.flags:
            self.settings_acks += 1
            self.credit.acknowledged()
            return
        self.settings = {**(self.settings or {}), **frame.settings}
        if h2.HEADER_TABLE_SIZE in frame.settings:
            self.encoder.header_table_size = min(4096, frame.settings[h2.HEADER_TABLE_SIZE])
        if self.automatic:  # before any answer to what came behind it
            self.send(h2.settings(ack=True))

    def _on_ping(self, frame, answers):
        if "ACK" in frame.flags:
            self.pongs.append(frame.opaque_data)
        else:
            answers.append(h2.ping(frame.opaque_data, ack=True))

    def _on_window_update(self, frame, _):
        check(frame.window_increment > 0, "WINDOW_UPDATE by 0")
        if frame.stream_id == 0:
            self.send_connection += frame.window_increment
        else:
            self.send_windows[frame.stream_id] = self.send_windows.get(frame.stream_id, 0) + frame.window_increment

    def _on_goaway(self, frame, _):
        self.goaways.append((frame.last_stream_id, frame.error_code, frame.additional_data))

    def _on_reset(self, frame, _):
        self._message(frame.stream_id).reset = frame.error_code

    def _on_data(self, frame, answers):
        size = frame.flow_controlled_length
        self.credit.spend(frame.stream_id, size)
        message = self._message(frame.stream_id)
        check(not message.complete, f"payload behind the end of {message!r}")
        message.sink(frame.data)
        message.bytes += len(frame.data)
        message.data_frames += 1
        if "END_STREAM" in frame.flags:
            message.complete = True
            self.on_end(message)
        frame.data = b""
        if size and self.automatic:
            self._give_back(message, size, answers)

    def _give_back(self, message, size, answers):
        self.credit.open(0, size)
        answers.append(h2.window_update(0, size))
        if not message.over:
            self.credit.open(message.stream, size)
            answers.append(h2.window_update(message.stream, size))

    def _on_headers(self, frame, _):
        self._head = [frame.stream_id, "END_STREAM" in frame.flags, bytearray(frame.data)]
        self._end_of_block(frame)

    def _on_continuation(self, frame, _):
        check(self._head, "CONTINUATION without HEADERS")
        self._head[2] += frame.data
        self._end_of_block(frame)

    def _end_of_block(self, frame):
        if "END_HEADERS" not in frame.flags:
            return
        stream, end, block = self._head
        self._head = None
        try:
            fields = [(name.decode("latin-1"), value.decode("latin-1"))
                      for name, value in self._decoder.decode(bytes(block), raw=True)]
        except hpack.HPACKError as fault:
            raise Failed(f"a header block that cannot be decoded: {bytes(block[:60])!r}: {fault!r}") from None
        self._head_has_come(self._message(stream), fields, end)

    def _head_has_come(self, message, fields, end):
        check(not message.complete, f"a head behind the end of {message!r}: {fields}")
        trailers = bool(message.fields)
        check_fields(fields, trailers)
        if trailers:
            check(end, f"trailers that do not end {message!r}: {fields}")
            message.trailers = fields
        elif dict(fields).get(":status", "").startswith("1"):
            check(not end, f"an interim response that ends its stream: {fields}")
            message.interim.append(fields)
            return
        else:
            message.fields = fields
            message.complete = end
            self.on_head(message)
        if end:
            message.complete = True
            self.on_end(message)

    def _message(self, stream):
        if stream not in self.messages:
            self.messages[stream] = H2Message(stream)
        return self.messages[stream]

    def on_head(self, message):
        """A head has come, of the request or the final response."""

    def on_end(self, message):
        """END_STREAM has come."""

    _handlers = {hyper.SettingsFrame: _on_settings, hyper.PingFrame: _on_ping, hyper.WindowUpdateFrame: _on_window_update,
                 hyper.GoAwayFrame: _on_goaway, hyper.RstStreamFrame: _on_reset, hyper.DataFrame: _on_data,
                 hyper.HeadersFrame: _on_headers, hyper.ContinuationFrame: _on_continuation}

    # ---- waiting

    def wait_for(self, condition, what, within=20.0):
        """The first true value of condition(), looked at whenever something has come."""
        with self.changed:
            deadline = time.monotonic() + patient(within)
            while not (value := condition()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failed(f"not within {within:g} s: {what}; {self.state()}")
                self._more(left)
            return value

    def _more(self, left):
        """Something more has come, or so many seconds are over."""
        self.changed.wait(left)

    def state(self):
        """In words, for reports."""
        last = ", ".join(type(frame).__name__.removesuffix("Frame") for frame in list(self.frames)[-12:])
        return f"frames: {last}; goaways: {self.goaways}; ended: {self.ended}; {list(self.messages.values())[-3:]}"

    def frame_of(self, kind, stream=None, within=20.0):
        """The first frame of this class ("Ping", "RstStream", ...), on this stream if one is named."""
        def seen():
            return next((each for each in self.frames if type(each).__name__ == f"{kind}Frame"
                         and stream in (None, each.stream_id)), None)
        return self.wait_for(seen, f"{kind} on stream {stream}", within)

    def goaway(self, code=None, within=20.0):
        """The first GOAWAY with this code, or any."""
        return self.wait_for(lambda: next((each for each in self.goaways if code in (None, each[1])), None),
                             f"GOAWAY {code}", within)

    def reset_of(self, stream, within=20.0):
        """The code by which the stream is reset."""
        self.wait_for(lambda: self._message(stream).reset is not None, f"stream {stream} is reset", within)
        return self.messages[stream].reset

    def closed(self, within=20.0):
        """How the connection ends."""
        return self.wait_for(lambda: self.ended, "the connection ends", within)

    # ---- ending

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def check_fields(fields, trailers=False):
    """What RFC 9113 8.2 and 8.3 say about the fields of any message."""
    names = [name for name, _ in fields]
    pseudo = [name for name in names if name.startswith(":")]
    check(names[:len(pseudo)] == pseudo, f"pseudo fields behind others: {fields}")
    check(not trailers or not pseudo, f"pseudo fields in trailers: {fields}")
    check(len(set(pseudo)) == len(pseudo), f"a pseudo field comes twice: {fields}")
    for name, value in fields:
        check(name and name == name.lower() and not set(name) & set(" \r\n\0\t"), f"a field named {name!r}: {fields}")
        check(name not in _CONNECTION_SPECIFIC, f"a field of another connection: {name}")
        check(not set(value) & set("\r\n\0") and value == value.strip(" \t"), f"a value {value!r} of {name}")


class H2Client(H2Wire):
    """A client's connection. `address` and the options are those of Client; with `tls` it offers h2 unless told otherwise.

    `begin`: False sends nothing by itself, not even the preface.
    """

    def __init__(self, address, settings=None, automatic=True, begin=True, alpn=("h2",), tls=None, within=30.0, **options):
        if tls:
            tls.set_alpn_protocols(list(alpn))
        sock = connect(address, tls=tls, within=within, **options)
        super().__init__(sock, settings, automatic, h2.PREFACE)
        self.alpn = sock.selected_alpn_protocol() if tls else None
        self._within = patient(within)
        self.next_stream = 1
        if begin:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _more(self, left):
        self.socket.settimeout(left)
        try:
            if not self.ended:
                self.read_once()
            else:
                raise Failed(f"the connection has ended by {self.ended}; {self.state()}")
        except socket.timeout:
            pass
        finally:
            self.socket.settimeout(self._within)

    def new_stream(self):
        stream = self.next_stream
        self.next_stream += 2
        return stream

    def ask(self, method="GET", path="/", fields=(), body=None, end=True, authority="shop.example", scheme="http"):
        """Send a request; returns its stream. `body` is sent as the windows allow; `end` False leaves the stream open."""
        stream = self.new_stream()
        all_fields = h2.request_fields(method, path, scheme, authority, fields)
        self.send_head(stream, all_fields, end and body is None)
        if body is not None:
            self.send_payload(stream, body, end)
        return stream

    def response(self, stream, within=20.0):
        """The whole response; fails if the stream is reset before its end."""
        message = self._message(stream)
        self.wait_for(lambda: message.over, f"a response on stream {stream}", within)
        check(message.complete, f"{message!r}")
        return message

    def head_of(self, stream, within=20.0):
        """The response, as soon as its final head is there."""
        message = self._message(stream)
        self.wait_for(lambda: message.fields or message.over, f"a head on stream {stream}", within)
        return message

    def request(self, method="GET", path="/", fields=(), body=None, **options):
        return self.response(self.ask(method, path, fields, body, **options))

    def outcome(self, stream, within=10.0):
        """What becomes of a stream: ("answered", status), ("stream", code), ("connection", code) or ("closed", how)."""
        message = self._message(stream)

        def found():
            if failed := next((each for each in self.goaways if each[1] != h2.NO_ERROR), None):
                return ("connection", failed[1])
            if message.reset is not None and not message.complete:
                return ("stream", message.reset)
            if message.complete:
                return ("answered", message.status)
            return ("closed", self.ended) if self.ended else None

        return self.wait_for(found, f"stream {stream} has an outcome", within)
