"""Signals at every moment of a process's life: each does what it is for, or says why not; none ends what should go on."""

import contextlib
import os
import re
import shutil
import signal
import socket
import threading

from harness import (DnsServer, RawOrigin, Silence, check, check_equal, eventually, patient, program, run, scenario,
                     start_proxy)
from harness.proxy import EvenkeelProxy

NAME = "app.test"


class Stage:
    """A proxy that is held at one moment of its life. `target` is the process that is signalled."""

    within = 40.0

    def __init__(self, s, number):
        self.s = s
        self.name = f"{type(self).__name__.lower()}-{number.name.lower()}"
        self.origin = RawOrigin(s, f"{self.name}-origin")
        self.origin.on("/", status=200, body=b"ok")
        self.proxy = self.enter()

    def signal(self, number):
        os.kill(self.target(), number)

    def target(self):
        return self.proxy.pid

    def release(self):
        """What it waits for comes."""

    def settings(self, **more):
        return {"workers": 1, "upstreams": {"app": {"endpoints": [self.origin.address]}}, **more}

    def started(self, settings, **options):
        return start_proxy(self.s, None, settings, name=self.name, **options)

    def serves(self):
        eventually(lambda: self.proxy._answers() and self.proxy.get("/").status == 200, "it serves", self.within)

    def says(self, *words):
        eventually(lambda: any(each in self.proxy.log() for each in words),
                   lambda: f"the log says one of {words}:\n{self.proxy.log()}", self.within)


class Early(EvenkeelProxy):
    """Nobody waits until it is up."""

    def _wait_until_up(self):
        pass


def writer_of(pipe):
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # nobody reads
        return None


class Reading(Stage):
    """The configuration is being read."""

    def enter(self):
        part = f"{self.name}.part"
        self._part = self.s.path(part)
        os.mkfifo(self._part)

        class Unread(Early):
            """One whose configuration includes what comes through a pipe."""

            def text(self):
                return f'@include "{part}"\n{super().text()}'

        proxy = Unread(self.s, self.settings(), name=self.name)
        self._pipe = eventually(lambda: writer_of(self._part), "the configuration is being read")
        return proxy

    def release(self):
        self.s.write(f"{self.name}.next", "")
        os.rename(f"{self._part.removesuffix('.part')}.next", self._part)
        os.close(self._pipe)


class Naming(Stage):
    """The start waits for the addresses of names."""

    def enter(self):
        self._server = DnsServer(self.s, f"{self.name}-dns")
        self._server.answers[NAME, "A"] = self._server.answers[NAME, "AAAA"] = lambda question: Silence
        port = self.origin.address.rpartition(":")[2]
        proxy = Early(self.s, {"workers": 1, "resolver": {"servers": [self._server.address]}, "upstreams": {
            "app": {"endpoints": [f"{NAME}:{port}"], "timeouts": {"resolve": "30s"}}}}, name=self.name)
        eventually(lambda: self._server.asked(NAME), "it has begun to ask")
        return proxy

    def release(self):
        self._server.host(NAME, "127.0.0.1")


class Warming(Stage):
    """Readiness waits for an upstream that is not there."""

    def enter(self):
        settings = self.settings(readiness={"give_up_after": "60s"})
        settings["upstreams"]["absent"] = {"endpoints": [f"127.0.0.1:{self.s.port()}"]}
        proxy = self.started(settings)
        check_equal(proxy.admin("/readyz")[0], 503, "status of /readyz")
        return proxy


class ReloadNaming(Stage):
    """A reload waits for the addresses of names."""

    def enter(self):
        self._server = DnsServer(self.s, f"{self.name}-dns")
        self._server.answers[NAME, "A"] = self._server.answers[NAME, "AAAA"] = lambda question: Silence
        proxy = self.started(self.settings(resolver={"servers": [self._server.address]}))
        proxy.settings["upstreams"]["other"] = {"endpoints": [f"{NAME}:80"], "timeouts": {"resolve": "30s"},
                                                "pool": {"warm_min": 0}}
        proxy.write_config(proxy.text())
        proxy.signal(signal.SIGHUP)
        eventually(lambda: self._server.asked(NAME), "the reload has begun to ask")
        return proxy

    def release(self):
        self._server.host(NAME, "127.0.0.1")


class ReloadReading(Stage):
    """A reload reads its configuration."""

    def enter(self):
        part = f"{self.name}.part"
        self._part = self.s.path(part)
        os.mkfifo(self._part)
        proxy = self.started(self.settings())
        proxy.write_config(f'@include "{part}"\n{proxy.text()}')
        proxy.signal(signal.SIGHUP)
        self._pipe = eventually(lambda: writer_of(self._part), "the configuration is being read")
        return proxy

    release = Reading.release


class ReloadWarming(Stage):
    """A reload waits for the connections of a new upstream."""

    def enter(self):
        self._mute = socket.create_server(("127.0.0.1", self.s.port()))
        proxy = self.started(self.settings())
        proxy.settings["upstreams"]["other"] = {
            "endpoints": ["127.0.0.1:{}".format(self._mute.getsockname()[1])], "timeouts": {"tls": "30s"},
            "tls": {"enabled": True, "verify": False}}
        proxy.write_config(proxy.text())
        proxy.signal(signal.SIGHUP)
        eventually(lambda: proxy.admin_json("/status")["reloads"].get("warming"), "the reload warms")
        return proxy

    def release(self):
        self._mute.close()


class Upgrading(Stage):
    """The process has begun to be replaced by one that hangs."""

    def enter(self):
        path = self.s.path(f"{self.name}-program")
        shutil.copy2(program(), path)
        proxy = self.started(self.settings(upgrade={"ready_within": "60s"}), executable=path)
        with open(f"{path}.next", "w") as file:
            file.write("#!/bin/sh\nexec sleep 100\n")
        os.chmod(f"{path}.next", 0o755)
        os.rename(f"{path}.next", path)
        proxy.signal(signal.SIGUSR2)
        self._successor = eventually(lambda: proxy.admin_json("/status")["upgrade"]["pid"], "an upgrade is in progress")
        return proxy

    def release(self):
        self.proxy.admin("/status")  # the signal has been taken before this is answered
        os.kill(self._successor, signal.SIGKILL)
        self.says("the new process has ended")


class TakingOver(Stage):
    """The process that replaces another one is not ready yet: the other one must not suffer."""

    def enter(self):
        proxy = self.started(self.settings(upgrade={"ready_within": "60s"}, readiness={"give_up_after": "60s"}))
        proxy.settings["upstreams"]["absent"] = {"endpoints": [f"127.0.0.1:{self.s.port()}"]}
        proxy.write_config(proxy.text())
        proxy.signal(signal.SIGUSR2)
        self._successor = eventually(lambda: proxy.admin_json("/status")["upgrade"]["pid"], "an upgrade is in progress")
        # The processes write their lines to one file in any order.
        eventually(lambda: proxy.log().count("generation 1,") == 2, "the new process has a generation")
        return proxy

    def target(self):
        return self._successor


class Draining(Stage):
    """An exchange holds up the end."""

    def enter(self):
        self._go_on = threading.Event()
        self.origin.on("/hold", lambda connection, _: self._go_on.wait(patient(60)) and connection.respond(200, b"held"))
        proxy = self.started(self.settings(drain={"grace": "60s"}))
        self._client = proxy.client()
        self._client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        self.origin.request_for("/hold")
        proxy.signal(signal.SIGTERM)
        eventually(lambda: proxy.admin_json("/status")["draining"], "the drain has begun")
        return proxy

    def release(self):
        self.proxy.admin("/status")  # the signal has been taken before this is answered
        self._go_on.set()

    def serves(self):
        check_equal(self._client.response().status, 200, "status of the exchange that held up the end")


def reloaded(stage):
    stage.serves()
    eventually(lambda: stage.proxy.reloads()[0] > 0, f"the reload is taken:\n{stage.proxy.log()}", stage.within)
    check_equal(stage.proxy.reloads()[1], 0, "rejected reloads")


def reloaded_twice(stage):
    stage.serves()
    eventually(lambda: stage.proxy.reloads()[0] >= 2, f"both reloads are taken:\n{stage.proxy.log()}", stage.within)


def tried_twice(stage):
    """The first one may have been given up, if all was so slow that its disk was taken to hang."""
    stage.serves()
    eventually(lambda: stage.proxy.reloads()[0] >= 1 and sum(stage.proxy.reloads()) >= 2,
               f"both reloads are over:\n{stage.proxy.log()}", stage.within)


def says(*words):
    def outcome(stage):
        stage.serves()
        stage.says(*words)
    return outcome


def ends_after(*words):
    """The process says so and ends by itself, before the end of the case can be a second signal."""
    def outcome(stage):
        says(*words)(stage)
        stage.proxy.expect_clean_exit(codes=(0,))
    return outcome


def begun(stage):
    """An upgrade has begun; how far it comes is not the question here, and whoever it leaves ends."""
    stage.serves()
    stage.says("warms up")
    stage.proxy.stop()
    successor = int(re.search(r"process (\d+) warms up", stage.proxy.log())[1])
    with contextlib.suppress(ProcessLookupError):  # it has not taken over, and ended with the other one
        os.kill(successor, signal.SIGKILL)


def ends(*codes):
    def outcome(stage):
        stage.proxy.expect_clean_exit(codes=codes)
    return outcome


HUP, USR1, USR2, TERM = signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM
REOPENED, NOT_YET = says("logs reopened"), says("upgrade refused: this process does not serve yet")

# What each signal does at each moment, once the process can go on.
TABLE = {
    Reading: {HUP: reloaded, USR1: REOPENED, USR2: begun, TERM: ends(0, -TERM)},
    Naming: {HUP: reloaded, USR1: REOPENED, USR2: NOT_YET, TERM: ends(0)},
    Warming: {HUP: reloaded, USR1: REOPENED, USR2: begun, TERM: ends(0)},
    ReloadNaming: {HUP: reloaded_twice, USR1: REOPENED, USR2: begun, TERM: ends(0)},
    ReloadReading: {HUP: tried_twice, USR1: REOPENED, USR2: begun, TERM: ends(0)},
    ReloadWarming: {HUP: reloaded_twice, USR1: REOPENED, USR2: begun, TERM: ends(0)},
    Upgrading: {HUP: says("reload ignored: an upgrade is in progress"), USR1: REOPENED,
                USR2: says("upgrade refused: an upgrade is in progress"), TERM: ends(0)},
    TakingOver: {HUP: says("reload ignored: an upgrade is in progress"), USR1: REOPENED,
                 USR2: says("upgrade refused: this process has not taken over yet"),
                 TERM: says("the new process has ended")},
    Draining: {HUP: ends_after("reload ignored: draining"), USR1: ends_after("logs reopened"),
               USR2: ends_after("upgrade refused: the process drains"), TERM: ends(3)},
}


@scenario("a signal ends the process, or is lost, at some moment of its life", within=400)
def table(s):
    for stage_at, outcomes in TABLE.items():
        for number, outcome in outcomes.items():
            with s.case(f"{number.name}: {stage_at.__doc__}"):
                stage = stage_at(s, number)
                stage.signal(number)
                if number != TERM:
                    check(stage.proxy.exit_code is None, f"it ended with {stage.proxy.exit_code}")
                    stage.release()
                outcome(stage)
                stage.proxy.stop()


@scenario("a page of the admin listener ends a process that has no generation yet", within=60)
def pages(s):
    stage = Naming(s, HUP)
    for method, path in [("GET", each) for each in ("/", "/livez", "/readyz", "/metrics", "/status", "/upstreams",
                                                    "/resources", "/drift")] + [
                             ("POST", "/upstreams/app/endpoints/127.0.0.1:80/drain"),
                             ("POST", "/upstreams/app/breaker/open")]:
        with s.case(f"{method} {path}"):
            check(stage.proxy.admin(path, method)[0] in (200, 404, 503), "status")
            check(stage.proxy.exit_code is None, f"it ended with {stage.proxy.exit_code}")
    check_equal(stage.proxy.admin("/drain", "POST")[0], 202, "status of POST /drain")
    stage.proxy.expect_clean_exit()


run()
