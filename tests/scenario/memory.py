"""Memory runs out: something is given up at each step, nothing is killed, and all of it comes back by itself.

The program gets a memory cgroup of its own where one can be made (version 1 or 2, as root).
EVENKEEL_SCALE=full: 64 MiB and 5,000 clients with large bodies.
"""

import contextlib
import os
import re
import ssl
import threading

from harness import (SANITIZED, Authority, Interrupted, NginxOrigin, RawOrigin, Skipped, check, check_equal, eventually, h2_attacks,
                     program, run, scaled, scenario, start_proxy)

MIB = 1 << 20
STEPS = ["shrink_pools", "refuse_retries", "refuse_work", "pause_accept"]
LIMIT_BYTES = scaled(18 * MIB, 64 * MIB)
CLIENTS, TLS_EACH = scaled((900, 16), (5000, 1))


class Group:
    """A memory cgroup: the program that is started through `program` is in it."""

    VERSIONS = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
                ("/sys/fs/cgroup", "memory.max", "memory.current"))

    def __init__(self, s, limit_bytes):
        self.limit_bytes = limit_bytes
        self.path = self._make()
        if not self.path:
            raise Skipped("no memory cgroup can be made here")
        s.finally_do(lambda: os.rmdir(self.path))
        join = f"echo $$ > {self.path}/cgroup.procs"
        self.program = s.write("in_group", f"#!/bin/sh\n{join}\nexec {program()} \"$@\"\n")
        os.chmod(self.program, 0o755)

    def _make(self):
        for root, limit, usage in self.VERSIONS:
            path = f"{root}/evenkeel-{os.getpid()}"
            try:
                os.mkdir(path)
            except OSError:
                continue
            with contextlib.suppress(OSError):
                self._usage = f"{path}/{usage}"
                with open(self._usage) as _, open(f"{path}/{limit}", "w") as file:
                    file.write(str(self.limit_bytes))
                return path
            os.rmdir(path)
        return None

    def start(self, s, origin, settings):
        return start_proxy(s, origin, settings, executable=self.program)

    def used(self):
        with open(self._usage) as usage:
            return int(usage.read())


def begun(proxy):
    """How often each step began."""
    return {step: proxy.metric("evenkeel_memory_pressure_total", step=step) for step in STEPS}


def refused(proxy):
    """Requests that were, for want of memory."""
    return proxy.metric("evenkeel_exchanges_by_reason_total", reason="no_memory") or 0


def step_now(proxy):
    return proxy.admin_json("/resources")["memory"]["pressure"]


def said(proxy, ends=False):
    """The lines of the log about steps: what begins, or what ends."""
    lines = re.findall(r"memory: [0-9]+% of [0-9]+ MiB is in use: (no longer: )?([^;\n]*)", proxy.log())
    return [effect for ended, effect in lines if bool(ended) == ends]


def served(proxy, **options):
    try:
        with proxy.client(within=2.0, **options) as client:
            return client.request("GET", "/hello").status == 200
    except (Interrupted, OSError):
        return False


def recovers(s, proxy, **options):
    with s.case("it recovers by itself"):
        eventually(lambda: step_now(proxy) == "none", "no pressure is left", 20)
        eventually(lambda: served(proxy, **options), "a client is served")
        proxy.rest()
        check("accepting pauses: no descriptors" not in proxy.log(), "descriptors are blamed")
        check_equal(proxy.admin("/readyz")[0], 200, "readiness")


class Requests:
    """Connections with so many requests each that wait for a slow upstream."""

    EACH = 100

    def __init__(self, proxy):
        self._proxy = proxy
        self._sockets = []
        self._asked = b"".join(h2_attacks.get(stream) for stream in range(1, 2 * self.EACH, 2))

    def add(self):
        self._sockets.append(self._proxy.client().socket)
        self._sockets[-1].sendall(h2_attacks.OPENING + self._asked)

    def close(self):
        for each in self._sockets:
            each.close()


@scenario("requests that wait take more memory than there is, and nothing is given up for them")
def steps(s):
    if SANITIZED:
        return  # what a sanitizer keeps is not the program's memory, and is not watched
    slow = RawOrigin(s)
    free = threading.Event()
    slow.on("/", lambda *_: free.wait(60) and False)
    slow.on("/hello", body=b"hello")
    proxy = start_proxy(s, slow, {
        "log": {"level": "info"}, "limits": {"memory": "16MiB"}, "listeners": {"web": {"http2": {"cleartext": True}}},
        "upstreams": {"app": {"limits": {"in_flight": 8, "queue": 100000, "queue_wait": "1m", "queue_target": "1m"}}}})
    crowd = Requests(proxy)
    try:
        with s.case("what goes on is bounded, however many come"):
            for _ in range(120):
                crowd.add()
                if begun(proxy)["refuse_work"]:
                    break
            eventually(lambda: begun(proxy)["refuse_work"], "new requests are refused")
            # how much that is depends on how much came between two looks at the memory
            ratio = proxy.metric("evenkeel_memory_used_ratio")
            for _ in range(60):
                crowd.add()
            before = refused(proxy)
            eventually(lambda: refused(proxy) >= before + 60, "more are refused")
            proxy.wait_for_log("memory: ")
            more = proxy.metric("evenkeel_memory_used_ratio") - ratio
            # 6,000 requests that wait take half of the budget
            check(ratio > 0.7 and more < 0.2, f"use of the budget: {ratio}, and {more} more with those that were refused")
        with s.case("refused requests are told why"):
            check(refused(proxy) > 0, "none is counted")
    finally:
        free.set()
        crowd.close()
    recovers(s, proxy)
    with s.case("each step was counted once for each time, and both its ends are told"):
        eventually(lambda: len(said(proxy)) == len(said(proxy, ends=True)) == sum(begun(proxy).values()),
                   lambda: f"as many lines as steps: {begun(proxy)}, {said(proxy)}, {said(proxy, ends=True)}")
        check_equal(said(proxy)[:3], ["idle connections to upstreams are closed", "nothing is retried or hedged",
                                      "new requests are answered 503 (no_memory)"], "first lines")


class Crowd:
    """Clients, each sixteenth with TLS or all of them, that ask for something large and do not read it, or send something that does
    not end."""

    ASKS = (b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
            b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 16384)

    def __init__(self, proxy, context):
        self._proxy, self._context = proxy, context
        self._clients = []

    def add(self):
        with contextlib.suppress(OSError):
            tls = {"tls": self._context, "server_name": "shop.test"} if len(self._clients) % TLS_EACH == 0 else {}
            self._clients.append(self._proxy.client("tls" if tls else "web", within=0.5, **tls))
            self._clients[-1].send(self.ASKS[len(self._clients) % 4 == 0])

    def close(self):
        for client in self._clients:
            client.close()


@scenario("clients with large bodies take more memory than their cgroup has, and the kernel kills the process")
def crowd_in_group(s):
    if SANITIZED:
        return
    group = Group(s, LIMIT_BYTES)
    authority, origin = Authority(s), NginxOrigin(s)
    origin.publish("large", 8 * MIB)
    context = ssl.create_default_context(cafile=authority.cert)
    proxy = group.start(s, origin, {
        "log": {"level": "info"}, "limits": {"clients": 20000},
        "listeners": {"tls": {"listen": f"127.0.0.1:{s.port()}",
                              "tls": {"certificates": [authority.issue("shop.test").settings()]}}},
        "upstreams": {"app": {"limits": {"in_flight": 10000}, "pool": {"max": 10000}}}})
    crowd = Crowd(proxy, context)
    most = 0
    try:
        with s.case("it lives, and refuses before 97% of the limit are in use"):
            for number in range(CLIENTS):
                crowd.add()
                if number % 16 == 0:
                    most = max(most, group.used())
                    check(proxy.exit_code is None, f"killed by client {number}")
            eventually(lambda: refusals(proxy) > 0, "there are refusals")
            most = max(most, group.used())
            began = refusals_began(proxy)
            # what clients that are served have in socket buffers grows a little from then on
            check(began < 0.97 * LIMIT_BYTES, f"{began / MIB:.1f} MiB were in use")
        print(f"# most memory: {most / MIB:.1f} of {LIMIT_BYTES / MIB:.0f} MiB; {refusals(proxy):.0f} refused; {begun(proxy)}")
    finally:
        crowd.close()
    recovers(s, proxy, listener="tls", tls=context, server_name="shop.test")


def refusals_began(proxy):
    """How many bytes were in use when new requests began to be refused."""
    used, of_mib = eventually(lambda: re.search(r"memory: ([0-9]+)% of ([0-9]+) MiB is in use: new requests", proxy.log()),
                              "it is told").groups()
    return int(used) * int(of_mib) * MIB / 100


def refusals(proxy):
    """Exchanges that failed for want of memory, and times that others would have from then on."""
    return begun(proxy)["refuse_work"] + (proxy.metric("evenkeel_exchanges_by_reason_total", reason="no_memory") or 0)


run()
