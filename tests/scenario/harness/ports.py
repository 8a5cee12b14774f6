"""Free ports: chosen by binding port 0, and kept bound so that nobody else gets them meanwhile.

The reservation is a bound socket that never listens. With SO_REUSEPORT on both sides a server
of the same user can bind beside it, and only the server receives connections.
"""

import socket

from .verdict import Skipped


class Reservation:
    def __init__(self, address="127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind((address, 0))
        self.port = self._socket.getsockname()[1]

    def release(self):
        self._socket.close()


def reserve(address="127.0.0.1"):
    return Reservation(address)


def has_ipv6():
    try:
        reserve("::1").release()
    except OSError:
        return False
    return True


def need_ipv6():
    if not has_ipv6():
        raise Skipped("there is no ::1 on this machine")
