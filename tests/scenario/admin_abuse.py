"""Whoever is slow, idle or foreign at the admin listener does not keep an operator or a liveness probe from being answered."""

import contextlib
import socket
import threading
import time

from harness import RawOrigin, check, check_equal, curl, eventually, run, scenario, start_proxy

PLACES = 64
HEAD = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"


class Crowd:
    """Connections to the admin listener that one thread keeps from being silent."""

    def __init__(self, path, count, first=b"", more=b"", pause=0.5, receive_buffer=None):
        self._sockets = [self._connect(path, receive_buffer) for _ in range(count)]
        self._more, self._pause = more, pause
        self._over = threading.Event()
        for sock in self._sockets:
            self._send(sock, first)
        self._thread = threading.Thread(target=self._keep_on, daemon=True)

    @staticmethod
    def _connect(path, receive_buffer):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(path)
        return sock

    @staticmethod
    def _send(sock, data):
        with contextlib.suppress(OSError):
            sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def _keep_on(self):
        while not self._over.wait(self._pause):
            for sock in self._sockets:
                self._send(sock, self._more)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        for sock in self._sockets:
            sock.close()

    def ended(self):
        """How many of the connections the other side has closed."""
        return sum(self._at_end(sock) for sock in self._sockets)

    @staticmethod
    def _at_end(sock):
        try:
            return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def admin_path(proxy):
    return proxy.settings["admin"]["listen"].removeprefix("unix:")


@scenario("connections that send a byte now and then keep /livez from being answered")
def slow_heads(s):
    proxy = start_proxy(s, RawOrigin(s))
    with Crowd(admin_path(proxy), PLACES, HEAD, b"x"):
        check_equal(proxy.admin("/livez")[0], 200, "status of /livez beside as many slow heads as there are places")
        with Crowd(admin_path(proxy), 3 * PLACES, HEAD, b"x"):
            check_equal(proxy.admin("/livez")[0], 200, "status of /livez beside four times as many")
    check(proxy.bound("admin_connections")["refused"] > 0, "places were lost, and nothing counts that")


@scenario("idle connections keep /livez from being answered")
def idle(s):
    proxy = start_proxy(s, RawOrigin(s))
    with Crowd(admin_path(proxy), PLACES, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", b"", 0.1):
        began = time.monotonic()
        for _ in range(10):
            check_equal(proxy.admin("/livez")[0], 200, "status of /livez")
        check(time.monotonic() - began < 8, "ten answers took as long as silence may last")


@scenario("connections that do not read their pages keep /livez from being answered")
def slow_readers(s):
    proxy = start_proxy(s, RawOrigin(s))
    with Crowd(admin_path(proxy), PLACES, (HEAD + b"\r\n") * 40, HEAD + b"\r\n", 0.5, 2048):
        for _ in range(10):
            check_equal(proxy.admin("/livez")[0], 200, "status of /livez")


@scenario("a request that comes a byte at a time is waited for without end")
def one_deadline(s):
    proxy = start_proxy(s, RawOrigin(s))
    body = b"POST /upstreams/none/breaker/auto HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n"
    with Crowd(admin_path(proxy), 2, HEAD, b"x") as heads, Crowd(admin_path(proxy), 2, body, b"x") as bodies:
        eventually(lambda: (heads.ended(), bodies.ended()) == (2, 2), "slow requests are given up", 20)
    eventually(lambda: proxy.bound("admin_connections")["used"] == 1, "only the one who asks has a place")


run()
