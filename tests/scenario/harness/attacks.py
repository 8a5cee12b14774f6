"""What some clients do, by ill will or a bad line, that costs the others if it is not bounded.

Each is a context manager: it goes on while the block runs.
"""

import contextlib
import socket
import threading

from .client import Client
from .libssl import Libssl
from .verdict import Failed

_UPLOAD = "POST /upload/{} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100\r\n{}\r\n"
_SMALL_BUFFER = 8192


def network(number):
    """An address to come from; each number is another network."""
    return f"127.{10 + number}.0.1"


def begin_upload(address, number, fields="", begun=b"x", path=None, **options):
    """A client of the network of this number that has sent the head of an upload, and of its body what is `begun`."""
    client = Client(address, source=network(number), **options)
    client.send(_UPLOAD.format(path or number, fields).encode() + begun)
    return client


@contextlib.contextmanager
def crowd(connect, count, says=b""):
    """So many clients, made by connect(number), that say this and nothing more."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(number)) for number in range(count)]
        for client in clients:
            client.send(says)
        yield clients


def slow_reader(address, tls, target):
    """A client with a small window that asks and reads nothing."""
    client = Client(address, receive_buffer=_SMALL_BUFFER, tls=tls)
    client.send(f"GET {target} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
    return client


class _Background:
    """A thread that does something again and again."""

    def __init__(self, pause):
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._over.wait(self._pause):
            with contextlib.suppress(OSError, Failed):
                self._once()

    def _once(self):
        raise NotImplementedError

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


class Uploads(_Background):
    """So many uploads of as many networks that stall. After `patience` in seconds they are left, and begun anew."""

    def __init__(self, address, count, patience, **upload):
        super().__init__(0.01)
        self._address, self._count, self._patience, self._upload = address, count, patience, upload

    def _once(self):
        with contextlib.ExitStack() as stack:
            for number in range(self._count):
                stack.enter_context(begin_upload(self._address, number, **self._upload))
            self._over.wait(self._patience)


class KeyUpdates(_Background):
    """A client that changes keys without end, and comes again when it is cut off."""

    def __init__(self, address, at_once=5000):
        super().__init__(0.02)
        self._address, self._at_once = address, at_once

    def _once(self):
        with socket.create_connection(self._address) as sock:
            flooder = Libssl(sock)
            try:
                flooder.flood(self._at_once)
            finally:
                flooder.free()


class Trickle(_Background):
    """Connections to a unix socket that say something first, and more of it now and then."""

    def __init__(self, path, count, first=b"", more=b"", pause=0.5, receive_buffer=None):
        super().__init__(pause)
        self._clients = [Client(path, receive_buffer=receive_buffer) for _ in range(count)]
        self._more = more
        for client in self._clients:
            client.socket.setblocking(False)
            self._send(client, first)

    @staticmethod
    def _send(client, data):
        with contextlib.suppress(OSError):
            client.socket.send(data)

    def _once(self):
        for client in self._clients:
            self._send(client, self._more)

    def __exit__(self, *exception):
        super().__exit__(*exception)
        for client in self._clients:
            client.close()

    def ended(self):
        """How many of the connections the other side has closed."""
        return sum(self._at_end(client.socket) for client in self._clients)

    @staticmethod
    def _at_end(sock):
        try:
            return sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
