"""A listener ends, by a reload or a drain: whoever the kernel has connected is served, whoever comes later is turned away."""

import signal
import socket
import threading
import time

from harness import (Address, Client, Interrupted, NginxOrigin, RawOrigin, check, check_equal, eventually, patient,
                     run, scenario, start_proxy)

CROWD = 400


def asks(address):
    client = Client(address)
    client.send("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    return client


def outcome(client):
    try:
        return client.response().status
    except Interrupted as end:
        return str(end.__context__)
    finally:
        client.close()


def crowd(proxy, address, then):
    """Connections that the kernel has accepted before the proxy hears of `then`; returns how each ends."""
    with proxy.asleep():
        clients = [asks(address) for _ in range(CROWD)]
        then()
    return [outcome(client) for client in clients]


def all_served(outcomes):
    lost = [each for each in outcomes if each != 200]
    check(not lost, f"{len(lost)} of {len(outcomes)} were not served, first: {lost[:1]}")


def quick_origin(s):
    # a program that keeps up with a crowd
    return NginxOrigin(s)


@scenario("connections that the kernel has accepted are reset by a reload that removes their listener")
def removed(s):
    extra = Address(f"127.0.0.1:{s.port()}")
    proxy = start_proxy(s, quick_origin(s), {"listeners": {"extra": {"listen": extra}}, "limits": {"clients": 2000}})

    def reload_without():
        proxy.settings["listeners"].pop("extra")
        proxy.write_config(proxy.text())
        proxy.signal(signal.SIGHUP)

    all_served(crowd(proxy, extra.pair, reload_without))
    eventually(lambda: proxy.reloads()[0] == 1, "the reload is over")
    check_equal(proxy.get("/hello").status, 200, "status at the listener that stays")


@scenario("connections that the kernel has accepted are reset by a drain")
def drained(s):
    proxy = start_proxy(s, quick_origin(s), {"drain": {"grace": "60s"}, "limits": {"clients": 2000}})
    all_served(crowd(proxy, proxy.address, lambda: proxy.signal(signal.SIGTERM)))
    proxy.expect_clean_exit()


@scenario("connections that the kernel has accepted are reset when descriptors are short")
def short_of_descriptors(s):
    # Each client takes two for a moment; there are fewer than the crowd needs at once.
    proxy = start_proxy(s, quick_origin(s), {"drain": {"grace": "60s"}, "workers": 1}, limits=("--nofile=300:300",))
    all_served(crowd(proxy, proxy.address, lambda: proxy.signal(signal.SIGTERM)))
    proxy.expect_clean_exit()


class Comers(threading.Thread):
    """Connects and asks without a pause until nobody takes it."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self._address = address
        self.served, self.faults = 0, []
        self.start()

    def run(self):
        while not self.faults:
            try:
                client = asks(self._address)
            except ConnectionRefusedError:
                return
            seen = outcome(client)
            if seen == 200:
                self.served += 1
            else:
                self.faults.append(seen)


def turned_away(address, end):
    """Clients come without a pause while the listener ends: each is served, and then all are refused."""
    comers = [Comers(address) for _ in range(8)]
    eventually(lambda: all(each.served or each.faults for each in comers), "all are served")
    end()
    for each in comers:
        each.join(patient(30))
    check_equal([each.faults for each in comers if each.faults], [], "faults")
    check(not any(each.is_alive() for each in comers), "somebody is still served")


@scenario("a client that comes while listeners close is reset", within=120)
def race(s):
    origin = quick_origin(s)
    extra = Address(f"127.0.0.1:{s.port()}")
    proxy = start_proxy(s, origin)
    for number in range(4):
        with s.case(f"reload {number} that removes the listener"):
            check(proxy.reload({"listeners": {"extra": {"listen": extra}}}), "the file was rejected")
            turned_away(extra.pair, lambda: check(proxy.reload({"listeners": {"extra": None}}), "the file was rejected"))
    for number in range(4):
        with s.case(f"drain {number}"):
            proxy = start_proxy(s, origin, {"drain": {"grace": "30s"}}, name=f"evenkeel-{number}")
            turned_away(proxy.address, lambda proxy=proxy: proxy.signal(signal.SIGTERM))
            proxy.expect_clean_exit()


@scenario("sockets of a service manager are made deaf by the process that drains")
def of_a_manager(s):
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", s.port()))
        listening.listen(100)
        origin = RawOrigin(s)
        settings = {"listeners": {"web": {"listen": Address("127.0.0.1:{}".format(listening.getsockname()[1]))}}}
        first = start_proxy(s, origin, settings, sockets=[listening], name="first")
        first.upgrade()  # the successor, too, knows whose they are
        check_equal(first.get("/").status, 200, "status")
        first.stop()
        client = asks(listening.getsockname())  # waits in the manager's socket
        second = start_proxy(s, origin, settings, sockets=[listening], name="second")
        check_equal(outcome(client), 200, "what who came in between is served")
        check_equal(second.get("/").status, 200, "status")


@scenario("a listening socket that fails for good keeps a worker busy, or is given up")
def broken(s):
    with socket.socket() as listening:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            listening.setsockopt(socket.SOL_SOCKET, option, 1)
        listening.bind(("127.0.0.1", s.port()))
        listening.listen(100)
        proxy = start_proxy(s, RawOrigin(s), {"workers": 1, "listeners": {"web": {
            "listen": Address("127.0.0.1:{}".format(listening.getsockname()[1]))}}}, sockets=[listening])
        check_equal(proxy.get("/").status, 200, "status before")
        listening.shutdown(socket.SHUT_RDWR)
        eventually(lambda: proxy.metric("evenkeel_accept_errors_total") > 0, "it fails")
        before = proxy.metric("evenkeel_accept_errors_total")
        time.sleep(1)  # what is measured is how often it is tried in a second in which nothing happens
        tries = proxy.metric("evenkeel_accept_errors_total") - before
        check(tries < 100, f"{tries:.0f} tries in a second")
        listening.listen(100)
        check_equal(proxy.get("/").status, 200, "status once it can be used again")


run()
