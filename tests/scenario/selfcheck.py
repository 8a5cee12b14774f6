"""The harness itself: what a run starts ends with it, and what waits sees what it waits for."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys

from harness import (Client, NginxOrigin, Process, RawOrigin, Stopwatch, check, check_equal, eventually, patient, run,
                     scenario, start_proxy)

# A run that is in the middle of an upgrade: the process that serves is nobody's child.
IN_THE_MIDDLE = """
import signal, sys
sys.path.insert(0, {folder!r})
from harness import Failed, RawOrigin, eventually, run, scenario, start_proxy

@scenario("in the middle")
def _(s):
    proxy = start_proxy(s, RawOrigin(s))
    proxy.signal(signal.SIGUSR2)
    print("pid", eventually(proxy.successor, "a new process serves", 10), flush=True)
    {ending}

run()
"""


def runs(pid):
    """Whether it is there and has not ended."""
    try:
        os.readlink(f"/proc/{pid}/exe")
        return True
    except OSError:
        return False


def in_the_middle(s, name, ending):
    """(the run, the pid of the process that it is about to forget)"""
    folder = os.path.dirname(os.path.abspath(__file__))
    path = s.write(f"{name}.py", IN_THE_MIDDLE.format(folder=folder, ending=ending))
    inner = Process(s, name, [sys.executable, path])
    said = eventually(lambda: re.search(r"^pid (\d+)\n", inner.log(), re.MULTILINE), "it says which process it is about to forget")
    return inner, int(said[1])


@scenario("a run that fails, or is killed, leaves a process behind")
def left_behind(s):
    with s.case("one that fails"):
        inner, pid = in_the_middle(s, "fails", 'raise Failed("on purpose")')
        check_equal(inner.wait(30), 1, "exit code")
        check(not runs(pid), "the new process runs on")
    for word in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with s.case(f"one that gets {word.name}"):
            inner, pid = in_the_middle(s, word.name, "signal.pause()")
            check(runs(pid), "there is no new process")
            inner.signal(word)
            check(inner.wait(30) != 0, "exit code")
            eventually(lambda pid=pid: not runs(pid), "the new process has ended")


@scenario("a process that nobody ended is not told of")
def told(s):
    inner = Process(s, "careless", [sys.executable, s.write("careless.py", IN_THE_MIDDLE.format(
        folder=os.path.dirname(os.path.abspath(__file__)), ending="pass"))])
    check_equal(inner.wait(30), 1, "exit code")
    inner.wait_for_log("left running:")


@scenario("a program that loops is not ended, or leaves what it has started")
def loops(s):
    watchdog = shlex.split(os.environ.get("watchdog", "timeout --kill-after=10"))
    script = s.write("loops.sh", "sleep 100 & echo $! >pid; while :; do :; done\n")
    done = subprocess.run([*watchdog, "1", "sh", script], cwd=s.directory, timeout=patient(20), check=False)
    check(done.returncode != 0, "its end looks like a good one")
    with open(s.path("pid")) as file:
        pid = int(file.read())
    eventually(lambda: not runs(pid), "what it has started has ended")


@scenario("what has not been read, or has not been accepted, is taken for done")
def at_rest(s):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(listener.getsockname())
        client.send("not read")
        try:
            client.wait_until_read(within=0.2)
        except AssertionError:
            pass
        else:
            check(False, "nobody has read it")
        served, _ = listener.accept()
        check_equal(served.recv(100), b"not read", "what was sent")
        client.wait_until_read()
        served.close()
        client.close()
    with s.case("a proxy with a client, or with one that waits to be taken, is not at rest"):
        proxy = start_proxy(s, RawOrigin(s))
        proxy.rest()
        with proxy.client() as inside:
            inside.send("GET")
            check(proxy._busy(0), "one is inside")  # pylint: disable=protected-access
            proxy.rest(clients=1)
            with proxy.asleep(), proxy.client():
                check_equal(proxy.to_be_accepted(), 1, "clients to be accepted")
        proxy.rest()
    with s.case("descriptors of pooled connections are told from others"):
        origin = NginxOrigin(s)
        proxy = start_proxy(s, origin, name="pooled")
        eventually(lambda: proxy.open_fds() > proxy.open_fds(besides=origin.address), "its pool is warm")


@scenario("a stopwatch counts what others do on the machine")
def stopwatch(s):
    busy = [Process(s, f"busy-{number}", ["sh", "-c", "while :; do :; done"]) for number in range(2 * os.cpu_count())]
    watch, spent = Stopwatch(), os.times()
    while sum(os.times()[:2]) - sum(spent[:2]) < 0.2:
        pass
    watch.stop()
    for each in busy:
        each.kill()
    s.note(f"{watch.took:.2f} s, of which {watch.waited:.2f} s for a processor")
    check(watch.waited > watch.took / 4, f"it waited for {watch.waited:.2f} s of {watch.took:.2f} s")
    check(0.15 < watch.seconds < patient(1), f"{watch.seconds:.2f} s were its own")


run()
