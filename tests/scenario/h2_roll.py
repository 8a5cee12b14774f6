"""Reload, upgrade and drain under a load of HTTP/2 on both sides: nothing fails that could finish."""

import signal
import threading

from harness import Arrived, check, check_equal, eventually, patient, reads_body, run, scenario, start_proxy, takes
from harness import h2_bytes as h2
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client

HTTP2 = {"workers": 2, "listeners": {"web": {"http2": {"cleartext": True}}}, "drain": {"grace": "15s"},
         "upstreams": {"app": {"protocol": "http2", "pool": {"warm_min": 2}}}}
PAYLOAD = b"x" * 3000
# What is asked for at a time on a connection: method, path, payload.
ROUND = (("GET", "/", None), ("POST", "/echo", PAYLOAD), ("GET", "/slow", None), ("POST", "/slow", PAYLOAD))


class Load:
    """Clients that ask for several things at a time, over a connection that they leave when they are told GOAWAY.

    A stream beyond the last one of GOAWAY, and one that is refused, may be sent again (RFC 9113 6.8, 8.7); anything
    else that is not an answer is a fault.
    """

    def __init__(self, proxy, clients=3, comes_again=True):
        self.served = self.unsent = self.connections = 0
        self.faults = []
        self._address, self._stop, self._lock = proxy.address, False, threading.Lock()
        self._comes_again = comes_again
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        try:
            while not self._stop:
                with H2Client(self._address) as client:
                    self.connections += 1
                    while not (self._stop or client.goaways or client.ended):
                        self._ask(client)
                self._stop = self._stop or not self._comes_again
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(repr(fault))

    def _ask(self, client):
        asked = {client.ask(method, path, body=body): (path, body) for method, path, body in ROUND}
        for stream, (path, body) in asked.items():
            self._count(client, client.outcome(stream), stream, path, body)

    def _count(self, client, outcome, stream, path, body):
        beyond = client.goaways and stream > client.goaways[-1][0]
        good = outcome == ("answered", 200)
        if good and path == "/echo":
            good = Arrived(client.messages[stream]).bytes == len(body)
        with self._lock:
            if good:
                self.served += 1
            elif beyond or outcome == ("stream", h2.REFUSED_STREAM):
                self.unsent += 1
            else:
                self.faults.append(f"{path}, stream {stream}: {outcome}; {client.state()}")

    def more(self, count=40):
        wanted = self.served + count
        eventually(lambda: self.served >= wanted or self.faults, "requests are served")
        check(not self.faults, f"faults: {self.faults[:3]}")

    def end(self):
        """Each client has its last answers."""
        self._stop = True
        for thread in self._threads:
            thread.join(patient(20))
        check(not self.faults, f"faults: {self.faults[:3]}")
        check_equal([each for each in self._threads if each.is_alive()], [], "clients that wait for ever")


def slow_origin(s):
    return H2Origin(s).on("/slow", reads_body(takes(0.1, status=200, body=b"late")))


class LongUpload:
    """A stream that goes on before, during and after."""

    def __init__(self, proxy):
        self._client = H2Client(proxy.address)
        self._stream, self._bytes = self._client.ask("POST", "/echo", end=False), 0
        self.go_on()

    def go_on(self):
        check(self._client.send_payload(self._stream, PAYLOAD, end=False), f"it is cut off: {self._client.state()}")
        self._bytes += len(PAYLOAD)

    def end(self):
        self.go_on()
        self._client.send(h2.data(self._stream, b"", True))
        arrived = Arrived(self._client.response(self._stream))
        check_equal(arrived.bytes, self._bytes, "bytes of the stream that was open all the time")
        self._client.close()


@scenario("a reload or an upgrade under a load of HTTP/2 fails a stream", within=60)
def changes(s):
    origin = slow_origin(s)
    proxy = start_proxy(s, origin, HTTP2)
    load = Load(proxy)
    load.more()
    with s.case("reloads"):
        upload = LongUpload(proxy)
        for change in ({"streams": 5}, {"max": 4}, {"lifetime": "1s"}, {"streams": 100, "max": 100, "lifetime": "10m"}):
            check(proxy.reload({"upstreams": {"app": {"pool": change}}}), f"{change} was rejected")
            upload.go_on()
            load.more()
        upload.end()
    with s.case("an upgrade"):
        upload = LongUpload(proxy)
        old = proxy.upgrade()
        load.more()
        upload.go_on()
        check_equal(old.poll(), None, "the old process has ended before its last stream")
        upload.end()
        check_equal(old.wait(patient(15)), 0, "exit code of the old process")
        load.more()
    load.end()
    s.note(f"{load.served} served over {load.connections} connections; {load.unsent} told to ask again")


@scenario("a drain under a load of HTTP/2 fails a stream", within=60)
def drains(s):
    proxy = start_proxy(s, slow_origin(s), HTTP2)
    load, upload = Load(proxy, comes_again=False), LongUpload(proxy)
    load.more()
    proxy.signal(signal.SIGTERM)
    load.end()
    upload.end()
    proxy.expect_clean_exit()
    s.note(f"{load.served} served, {load.unsent} told to ask again")


run()
