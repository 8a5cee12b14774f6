"""Limits on clients and fds: beyond them the proxy refuses politely or pauses, and never spins or falls over."""

import selectors
import time

from harness import (ESTABLISHED, Interrupted, NginxOrigin, RawOrigin, check, check_equal, eventually, run, scaled, scenario,
                     start_proxy)


def served(proxy):
    """Whether a new client is served right now."""
    try:
        return proxy.get("/hello").status == 200
    except (Interrupted, OSError):
        return False


@scenario("a client beyond limits.clients is taken, cut without a word, or shuts out the ones inside")
def clients_limit(s):
    origin = RawOrigin(s)
    origin.on("/hello", status=200, body=b"hello")
    proxy = start_proxy(s, origin, {"workers": 2, "limits": {"clients": 20}})
    inside = [proxy.client() for _ in range(20)]
    for client in inside:
        check_equal(client.request("GET", "/hello").status, 200, "status inside the limit")
    with s.case("the next ones get 503 and are closed"):
        for _ in range(10):
            with proxy.client() as client:
                client.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
                response = client.response()
                check_equal(response.status, 503, "status")
                check(response.closes and response.complete, "the refusal does not announce the close")
                check("error=" in (response.get("Proxy-Status") or ""), f"Proxy-Status: {response.get('Proxy-Status')}")
                check(client.ending() in ("eof", "reset"), "the connection stays open")
    with s.case("the ones inside are served on"):
        for client in inside:
            check_equal(client.request("GET", "/hello").status, 200, "status inside the limit")
    with s.case("the bound says so: used and peak never above the limit"):
        bound = proxy.bound("clients")
        check_equal(bound["limit"], 20, "limit")
        check(bound["used"] <= 20 and bound["peak"] <= 20, f"bound: {bound}")
    with s.case("a place that gets free is given to the next"):
        inside.pop().close()
        eventually(lambda: served(proxy), "a new client is served")
    with s.case("a burst of refused clients leaves nothing behind"):
        proxy.rest(clients=len(inside))
        fds = proxy.open_fds()
        full = proxy.client()
        for number in range(400):
            client = proxy.client()
            client.reset() if number % 2 else client.close()
        full.close()
        eventually(lambda: proxy.open_fds() <= fds, "the fds return")
        eventually(lambda: proxy.bound("refusals")["used"] == 0, "nobody is counted as being refused")
    for client in inside:
        client.close()
    eventually(lambda: proxy.bound("clients")["used"] == 0, "no client is counted any more")


@scenario("running out of fds makes the proxy spin, crash or deaf")
def fd_exhaustion(s):
    origin = NginxOrigin(s)
    # Far more clients than fds: the proxy must live on what it has.
    descriptors, clients = scaled((100, 400), (256, 2000))
    proxy = start_proxy(s, origin, {"workers": 2, "limits": {"clients": 5000}}, limits=[f"--nofile={descriptors}:{descriptors}"])
    check(served(proxy), "it does not serve at all")
    crowd = [proxy.client() for _ in range(clients)]
    try:
        # How many are there at a time rises and falls: silent ones give way to others.
        eventually(lambda: proxy.metric("evenkeel_clients_accepted_total") > 40, "the connections are taken")
        with s.case("it waits without burning the processor"):
            cpu, started = proxy.cpu_seconds(), time.monotonic()
            time.sleep(1.5)  # what it uses is a share of a time
            share = (proxy.cpu_seconds() - cpu) / (time.monotonic() - started)
            check(share < 0.10, f"it uses {share:.0%} of a core while there is nothing to do")
        with s.case("its logs are not flooded"):
            lines = len(proxy.log().splitlines())
            check(lines < 2000, f"{lines} lines in the log")
        with s.case("the kernel never had to refuse a descriptor: accepting paused before"):
            check(proxy.metric("evenkeel_accept_pauses_total") > 0, "accepting never paused")
            check_equal(proxy.metric("evenkeel_accept_errors_total"), 0, "accepts that failed")
            for word in ("EMFILE", "Too many open files"):
                check(word not in proxy.log(), f"{word} is in the log")
        with s.case("admin still answers"):
            check_equal(proxy.admin("/livez")[0], 200, "status of /livez")
        with s.case("whoever waits is taken in the place of those that have been idle longest"):
            eventually(lambda: proxy.to_be_accepted() == 0, "nobody waits", 30)
            check(proxy.metric("evenkeel_clients_given_up_total") > clients / 2, "idle clients are not given up")
        with s.case("those that are still there are served"):
            there = [client for client in crowd if client.is_open()]
            check(len(there) > 20, f"{len(there)} clients are there")
            for client in there:
                check_equal(client.request("GET", "/hello").status, 200, "status")
    finally:
        for client in crowd:
            client.close()
    with s.case("it recovers as soon as there are fds again"):
        check(served(proxy), "the first new client is not served")
        eventually(lambda: proxy.bound("clients")["used"] <= 1, "the clients are gone", 5)
        for _ in range(50):
            check(served(proxy), "a new client is not served")


class Crowd:
    """Clients that have all sent the same request, and read whatever comes, all of them: one that does not read keeps
    its upstream connection from the others."""

    def __init__(self, proxy, count, target):
        self._clients = [proxy.client() for _ in range(count)]
        self._selector = selectors.DefaultSelector()
        self._received = {}                    # client: [the first bytes, how many in all]
        for client in self._clients:
            client.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
            client.socket.setblocking(False)
            self._selector.register(client.socket, selectors.EVENT_READ, client)

    def read(self):
        for key, _ in self._selector.select(0.05):
            data = key.fileobj.recv(1 << 20)
            if not data:
                self._selector.unregister(key.fileobj)
                continue
            received = self._received.setdefault(key.data, [b"", 0])
            received[0] += data[:200 - len(received[0])] if len(received[0]) < 200 else b""
            received[1] += len(data)

    def answers(self):
        """The status lines that came."""
        return {head.partition(b"\r\n")[0].decode() for head, _ in self._received.values()}

    def taken(self, proxy):
        """Those that the proxy has now."""
        there = {remote for _, remote, state in proxy.sockets() if state == ESTABLISHED}
        return [client for client in self._clients if "%s:%d" % client.socket.getsockname() in there]

    def complete(self, client, size):
        """Whether it has a whole answer: a head and so much, or an error's."""
        head, count = self._received.get(client, (b"", 0))
        return count > size or b"\r\n" in head and not head.startswith(b"HTTP/1.1 200 ")

    def close(self):
        self._selector.close()
        for client in self._clients:
            client.close()


@scenario("a new client starves while idle ones hold every descriptor")
def idle_clients_give_way(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 2, "limits": {"clients": 1000}, "upstreams": {"app": {"pool": {"warm_min": 0}}}},
                        limits=["--nofile=100:100"])
    idle = [proxy.client() for _ in range(20)]
    for client in idle:
        check_equal(client.request("GET", "/hello").status, 200, "status")
    with proxy.asleep():  # those who come one by one would find that others have been idle for long enough to go
        idle += [proxy.client() for _ in range(100)]
        for client in idle[20:]:
            client.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
    eventually(lambda: proxy.metric("evenkeel_accept_pauses_total") > 0, "accepting pauses")
    with s.case("a new client is served"):
        check_equal(proxy.get("/hello").status, 200, "status")
        check(proxy.metric("evenkeel_clients_given_up_total") > 0, "no idle client was given up")
    with s.case("those that had been idle longest have gone, by a clean end"):
        gone = [client for client in idle[:20] if not client.is_open()]
        check(gone, "none of the first 20 has gone")
        check_equal({client.ending() for client in gone}, {"eof"}, "how they ended")
    with s.case("the log says that accepting pauses, and when it goes on"):
        proxy.wait_for_log("accepting pauses: no descriptors are left for clients")
        proxy.wait_for_log("accepting goes on")
    for client in idle:
        client.close()


@scenario("a request fails for want of a descriptor although an upstream connection is idle")
def waits_for_descriptor(s):
    size = 4 << 20
    origin = NginxOrigin(s)
    origin.publish("large", size)
    for number, limit in enumerate((60, 80, 100, 100)):
        with s.case(f"{limit} descriptors, 300 clients: every client that was taken is served (try {number})"):
            # However slow the machine: who waits long enough is served.
            proxy = start_proxy(s, origin, {"limits": {"clients": 1000}, "upstreams": {"app": {
                "pool": {"max": 16, "warm_min": 0}, "limits": {"queue_wait": "1m", "queue_target": "1m"}}}},
                limits=[f"--nofile={limit}:{limit}"], name=f"evenkeel-{number}")
            crowd = Crowd(proxy, 300, "/large")
            try:
                # With the first pause all that fit have been taken. Later ones take the place of those that were served, for as
                # long as there are any, so who is looked at is settled now.
                eventually(lambda: proxy.metric("evenkeel_accept_pauses_total") > 0, "accepting pauses")
                taken = crowd.taken(proxy)
                check(len(taken) >= 10, f"{len(taken)} clients are there")
                eventually(lambda: crowd.read() or all(crowd.complete(client, size) for client in taken),
                           "every client that was taken has its answer", 30)
                check_equal(crowd.answers(), {"HTTP/1.1 200 OK"}, "answers")
                check_equal(proxy.bound("fds")["refused"], 0, "those who waited, counted as refused")
            finally:
                crowd.close()


@scenario("limits.clients above what the fds allow is promised all the same")
def fd_budget(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 2, "limits": {"clients": 5000}}, limits=["--nofile=256:256"])
    check(proxy.bound("fds")["limit"] <= 256, f"fds: {proxy.bound('fds')}")
    crowd = [proxy.client() for _ in range(600)]
    eventually(lambda: proxy.open_fds() > 100, "connections are taken")
    check(proxy.open_fds() <= 256, f"{proxy.open_fds()} fds")
    with s.case("what is in use is counted"):
        used = proxy.bound("fds")["used"]
        check(abs(used - proxy.open_fds()) <= 40, f"{used} fds counted, {proxy.open_fds()} open")
    # A reserve is kept: the log can be reopened and the settings reloaded.
    with s.case("a reload works although clients hold every fd they may"):
        check(proxy.reload({"drain": {"grace": "7s"}}), "the reload was rejected")
    for client in crowd:
        client.close()
    eventually(lambda: served(proxy), "a new client is served")


@scenario("a bound is exceeded, or its use does not return to nothing")
def registry(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 2})
    clients = [proxy.client() for _ in range(30)]
    for client in clients:
        check_equal(client.request("GET", "/hello").status, 200, "status")
    # Workers may hold a few places in advance, so more may be shown than are in use.
    check(proxy.bound("clients")["used"] >= 30, f"clients in use: {proxy.bound('clients')}")
    for client in clients:
        client.close()
    eventually(lambda: proxy.bound("clients")["used"] == 0, "no client is left")
    for bound in proxy.bounds():
        with s.case(f"bound {bound['name']} {bound.get('detail') or ''}".rstrip()):
            check(0 <= bound["used"] <= bound["peak"], f"{bound}")
            check(bound["limit"] > 0 and bound["peak"] <= bound["limit"], f"{bound}")
    for name, detail in (("clients", None), ("exchanges", None), ("fds", None), ("generations", None), ("upstream_queued", "app")):
        with s.case(f"there is a bound named {name}"):
            check(proxy.bound(name, detail), "none")
    check(proxy.bound("clients")["peak"] >= 30, f"peak of clients: {proxy.bound('clients')}")


run()
