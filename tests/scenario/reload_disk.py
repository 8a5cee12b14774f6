#!/usr/bin/env python3
"""A disk that hangs while a reload reads its configuration stops nothing but that reload."""

import os
import signal
import threading
import time

from harness import Authority, RawOrigin, check, check_equal, eventually, merge, once_of, promptly, run, scenario, start_proxy
from harness.disk import HangingDisk


class Pipe:
    """A file that nothing can be read from, and that nobody who reads it comes back from, until the pipe ends."""

    def __init__(self, s, name):
        self.path = s.path(name)
        self._writer = None
        os.mkfifo(self.path)

    def wait_for_reader(self):
        self._writer = eventually(self._open, "it is being read")

    def _open(self):
        try:
            return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads
            return None

    def end(self):
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None


def stays_alive(proxy):
    promptly(lambda: proxy.admin("/livez")[0] == 200, "/livez", 1, proxy)
    check_equal(proxy.get("/").status, 200, "status of a request")


def refused_reload(proxy, text):
    """The answer to POST /reload; all else is answered meanwhile."""
    answers = []
    proxy.write_config(text)
    asks = threading.Thread(target=lambda: answers.append(proxy.admin("/reload", "POST")))
    asks.start()
    while asks.is_alive():
        stays_alive(proxy)
        asks.join(0.1)
    return answers[0]


@scenario("a part of the configuration that cannot be read to its end stops the admin listener", within=60)
def pipe_in_the_way(s):
    proxy = start_proxy(s, RawOrigin(s).on("/", status=200), {"workers": 1})
    fine, part = proxy.text(), Pipe(s, "part")
    with s.case("all is answered meanwhile"):
        proxy.write_config(f'@include "{part.path}"\n{fine}')
        proxy.signal(signal.SIGHUP)
        part.wait_for_reader()
        stays_alive(proxy)
        check_equal(proxy.reloads(), (0, 0), "reloads that are over")
    with s.case("a second reload is kept, and taken when the first one is rejected"):
        proxy.write_config(fine)
        proxy.signal(signal.SIGHUP)
        proxy.wait_for_log("this reload waits until the last one is over")
        proxy.wait_for_log(f"reload rejected, generation 1 stays in use: {part.path}: its disk hangs")
        eventually(lambda: proxy.reloads() == (1, 1), "the second one is taken")
        check_equal(proxy.metric("evenkeel_generation"), 2, "generation")
    with s.case("what comes too late of the first one changes nothing"):
        part.end()
        check(proxy.reload(text=fine), "the reload was rejected")
        check_equal((proxy.reloads(), proxy.metric("evenkeel_generation")), ((2, 1), 3), "reloads and generation")
    with s.case("SIGTERM ends the process"):
        proxy.write_config(f'@include "{part.path}"\n{fine}')
        proxy.signal(signal.SIGHUP)
        part.wait_for_reader()
        proxy.signal(signal.SIGTERM)
        proxy.expect_clean_exit()
    part.end()


@scenario("a file that a reload reads on a disk that hangs stops the admin listener", within=60)
def hanging_disk(s):
    proxy = start_proxy(s, RawOrigin(s).on("/", status=200), {"workers": 1})
    with HangingDisk(s) as disk:
        for name, settings in (
                ("users", {"routes": [{"upstream": "app", "auth": {"basic": {"file": f"{disk.path}/users"}}}]}),
                ("ticket keys", {"tls_tickets": {"keys": f"{disk.path}/keys"}})):
            with s.case(f"a reload that names {name} there is rejected, and all is answered meanwhile"):
                kept, proxy.settings = proxy.settings, merge(proxy.settings, settings)
                text, proxy.settings = proxy.text(), kept
                status, body = refused_reload(proxy, text)
                check(status == 422 and f"{disk.path}/" in str(body) and "its disk hangs" in str(body), f"{status} {body}")
        with s.case("one that reads nothing there is taken"):
            check(proxy.reload(text=proxy.text()), "the reload was rejected")
            stays_alive(proxy)


@scenario("a reload waits longer for its files than they take to be looked at")
def at_once(s):
    pair = Authority(s).issue("shop.test").settings()
    proxy = start_proxy(s, RawOrigin(s).on("/", status=200), {
        "workers": 1, "listeners": {"web": {}, "secure": {"listen": f"127.0.0.1:{s.port()}", "tls": {"certificates": [pair]}}}})

    def trial():
        before, began = proxy.reloads()[0], time.monotonic()
        proxy.signal(signal.SIGHUP)
        eventually(lambda: proxy.reloads() == (before + 1, 0), "the reload is taken")
        took = time.monotonic() - began
        check(took < 1.8, f"it took {took:.1f} s: as long as until a disk is taken to hang")

    once_of(5, trial)


run()
