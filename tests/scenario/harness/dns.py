"""DNS servers: dnsmasq, and one of our own that can misbehave in every way."""

import ipaddress
import os
import signal
import socket
import struct
import threading
import time

from .process import Process
from .verdict import eventually

_CODES = {"A": 1, "SOA": 6, "AAAA": 28, "SRV": 33}
_NAMES = {code: name for name, code in _CODES.items()}


class Silence:
    """An answer that never comes."""


def _wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def _data(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    priority, weight, port, target = value
    return struct.pack("!3H", priority, weight, port) + _wire_name(target)


class Question:
    """What was asked, and how."""

    def __init__(self, message, transport):
        self.at = time.monotonic()
        self.transport = transport
        self.message = message
        self.id = message[:2]
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode())
            at += 1 + message[at]
        self.name = ".".join(labels)
        self.kind = _NAMES.get(struct.unpack("!H", message[at + 1:at + 3])[0], "?")
        self.section = message[12:at + 5]

    def answer(self, records=(), code=0, ttl=0, truncated=False, number=None):
        """A whole message: records are values of the kind that was asked for."""
        flags = 0x8180 | code | (0x0200 if truncated else 0)
        head = (number or self.id) + struct.pack("!5H", flags, 1, len(records), 0, 0)
        body = b""
        for value in records:
            data = _data(self.kind, value)
            body += b"\xc0\x0c" + struct.pack("!HHIH", _CODES[self.kind], 1, ttl, len(data)) + data
        return head + self.section + body


class DnsServer:
    """Answers by answers[(name, kind)]: values of records, or a function of the question that returns a message (or
    several), Silence, or None for an orderly "no such name". What is not there is SERVFAIL. The TTL is 0: what the
    proxy makes of it is its min_ttl."""

    def __init__(self, scenario, name="dns"):
        self.name = name
        self.answers = {}
        self.questions = []
        self.port = scenario.port()
        self._udp = self._open(socket.SOCK_DGRAM)
        self._tcp = self._open(socket.SOCK_STREAM)
        self._tcp.listen(16)
        for work in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=work, daemon=True).start()
        scenario.add(self)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def asked(self, name, kind="A"):
        """The questions so far."""
        return [q for q in list(self.questions) if (q.name, q.kind) == (name, kind)]

    def host(self, name, *addresses):
        """The name has these addresses and no others."""
        for kind, version in (("A", 4), ("AAAA", 6)):
            self.answers[name, kind] = [a for a in addresses if ipaddress.ip_address(a).version == version]

    def forget(self, name):
        for kind in ("A", "AAAA", "SRV"):
            self.answers.pop((name, kind), None)

    def stop(self):
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def log_tail(self, lines):
        return [f"{q.at:.3f} {q.transport} {q.kind} {q.name}" for q in self.questions[-lines:]]

    def _open(self, kind):
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", self.port))
        return sock

    def _answer(self, message, transport):
        """The messages to send."""
        question = Question(message, transport)
        self.questions.append(question)
        said = self.answers.get((question.name, question.kind), lambda q: q.answer(code=2))
        if callable(said):
            said = said(question)
        elif said is not None:
            said = question.answer(said)
        if said is None:
            said = question.answer(code=3)
        if said is Silence:
            return []
        return said if isinstance(said, list) else [said]

    def _serve_udp(self):
        while True:
            try:
                message, client = self._udp.recvfrom(4096)
                if not message:
                    return
                for answer in self._answer(message, "udp"):
                    if len(answer) > 512:
                        answer = Question(message, "udp").answer(truncated=True)
                    self._udp.sendto(answer, client)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                sock, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=[sock], daemon=True).start()

    def _serve_one(self, sock):
        with sock, sock.makefile("rb") as stream:
            while head := stream.read(2):
                message = stream.read(struct.unpack("!H", head)[0])
                for answer in self._answer(message, "tcp"):
                    sock.sendall(struct.pack("!H", len(answer)) + answer)


class Dnsmasq(Process):
    """dnsmasq for the domain `test`; say() gives names their addresses."""

    def __init__(self, scenario, name="dnsmasq", more=(), ttl=1):
        self.port = scenario.port()
        self._hosts = {}
        self._path = scenario.write(f"{name}.hosts", "")
        super().__init__(scenario, name, [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=", f"--port={self.port}",
            "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts", "--local=/test/",
            f"--local-ttl={ttl}", "--log-facility=-", f"--addn-hosts={self._path}", *more])
        eventually(self._up, f"{name} listens")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def say(self, name, *addresses):
        """The name has these addresses from now on; none: there is no such name."""
        self.say_all({name: addresses})

    def say_all(self, hosts):
        """The same for several names at once."""
        self._hosts.update(hosts)
        rows = "".join(f"{address} {host}\n" for host, each in self._hosts.items() for address in each)
        with open(f"{self._path}.new", "w") as file:
            file.write(rows)
        os.rename(f"{self._path}.new", self._path)
        self.signal(signal.SIGHUP)

    def _up(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False
