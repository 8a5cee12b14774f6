"""A program that leaks tells so, and when the limit is met; one that does not says nothing, whatever else changes.

The time of drift runs ten times as fast as by default (EVENKEEL_DRIFT_SPEED): drift.interval is 1 s, the windows are of
one minute, six minutes and 36 minutes. EVENKEEL_SOAK_SECONDS is how long, EVENKEEL_SEED repeats a run. What the program
is, its version says: one that was configured with --enable-leaks has to tell of each leak, and the time that it says is
left must be that in which the limit is met at the pace that is measured from outside, within a quarter. Any other must
tell of none, while the load changes, origins hang or restart, and the configuration is reloaded.
"""

import contextlib
import os
import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenario"))

from harness import (Failed, Load, NginxOrigin, Skipped, check, check_equal, drift_figures,  # noqa: E402
                     program, run, scenario, start_proxy)

_SECONDS = float(os.environ.get("EVENKEEL_SOAK_SECONDS", "1800"))
_SPEED = int(os.environ.get("EVENKEEL_DRIFT_SPEED", "10"))
_DRIFT = {"drift": {"interval": f"{10000 // _SPEED}ms"}, "log": {"level": "info"}}
_WINDOW_S = 600 / _SPEED
_DESCRIPTORS, _MEMORY_MIB = 4096, 256
_CLIENTS = 4
_LEAKING_LOAD = 20 * _SPEED      # requests per second
_LOADS = (40, 100, 200, 300)
_STEP_S = 15


def leaks_on_purpose():
    return b"leaks on purpose" in subprocess.run([program(), "-V"], capture_output=True, check=True).stdout


class Asking:
    """Clients that keep their connections and ask so often together."""

    def __init__(self, proxy, rate):
        self._proxy = proxy
        self._loads = [Load(self._step(), rate / _CLIENTS) for _ in range(_CLIENTS)]
        self._leaving = contextlib.ExitStack()

    def __enter__(self):
        for load in self._loads:
            self._leaving.enter_context(load)
        return self

    def __exit__(self, *_):
        self._leaving.close()

    def change(self, rate):
        for load in self._loads:
            load.rate = rate / _CLIENTS

    def count(self):
        return sum(load.counts[-1][1] for load in self._loads)

    def _step(self):
        kept = []

        def ask():
            try:
                kept[:] = kept or [self._proxy.client()]
                kept[0].request("GET", "/hello")
            except (Failed, OSError):
                kept.clear()     # the next request makes a new one
        return ask


class Measured:
    """A figure seen from outside, with its limit: what is left of it at the pace since it is looked at."""

    def __init__(self, look, limit):
        self._look = look
        self._limit = limit
        self._seen = []
        self.note()

    def note(self):
        self._seen.append((time.monotonic(), self._look()))

    def left_s(self):
        """Like the program, which begins with the start, it does not look at the first half of a window."""
        since = [each for each in self._seen if each[0] >= self._seen[0][0] + _WINDOW_S / 2] or self._seen
        (first_at, first), (last_at, last) = since[0], since[-1]
        return (self._limit - last) * (last_at - first_at) / max(last - first, 1e-9)


class Told:
    """What the program says of leaks when it says so for the first time, beside what is measured."""

    def __init__(self, proxy, leaking):
        self.began = time.monotonic()
        self.rows = {}       # {figure: (seconds until it was told, time left as told, as measured)}
        self._proxy = proxy
        self._leaking = leaking

    def look(self):
        """Whether each leak has been told of."""
        figures = drift_figures(self._proxy)
        for name, measured in self._leaking.items():
            measured.note()
            figure = figures.get((name, None))  # before the first tick there is none
            if figure and figure["state"] == "drifting" and name not in self.rows:
                row = (time.monotonic() - self.began, figure["left_s"], measured.left_s())
                self.rows[name] = row
                print(f"# {name}: told after {row[0]:.0f} s; left: {row[1]:.0f} s as told, "
                      f"{row[2]:.0f} s as measured", flush=True)
        return self._leaking.keys() == self.rows.keys()


@scenario("the program loses descriptors, memory and places, and does not tell", within=60 + _SECONDS)
def leaks(s):
    if not leaks_on_purpose():
        raise Skipped("this program does not leak: see --enable-leaks")
    proxy = start_proxy(s, NginxOrigin(s), {**_DRIFT, "limits": {"memory": f"{_MEMORY_MIB}MiB"}},
                        limits=[f"--nofile={_DESCRIPTORS}:{_DESCRIPTORS}"], env={"EVENKEEL_LEAK_SPEED": str(_SPEED)})
    with Asking(proxy, _LEAKING_LOAD) as asking:
        told = Told(proxy, {
            "stray_descriptors": Measured(proxy.open_fds, _DESCRIPTORS),
            "resident_bytes": Measured(lambda: proxy.memory_kib("VmRSS"), _MEMORY_MIB * 1024),
            "file_tasks": Measured(lambda: proxy.bound("file_tasks")["used"], proxy.bound("file_tasks")["limit"])})
        while not told.look() and time.monotonic() < told.began + _SECONDS:
            time.sleep(1)  # the pace of looks
        s.note(f"{asking.count() / (time.monotonic() - told.began):.0f} requests per second")
    with s.case("each leak is told of"):
        check_equal(len(told.rows), 3, f"leaks: {told.rows}")
    with s.case("the time that is left is true within a quarter"):
        wrong = {name: row for name, row in told.rows.items() if not 0.75 * row[2] < row[1] < 1.25 * row[2]}
        check_equal(wrong, {}, "not true: (told after, left as told, left as measured)")
    with s.case("the log says so"):
        for name in told.rows:
            proxy.wait_for_log(f"drift: {name} grows by")


def change(draw, proxy, asking, origins):
    """One step of a healthy life."""
    asking.change(draw.choice(_LOADS))
    if draw.random() < 0.3:
        check(proxy.reload(), "a reload was rejected")
    what = draw.random()
    if what < 0.2:
        with draw.choice(origins).asleep():
            time.sleep(_STEP_S / 2)  # how long it hangs
    elif what < 0.4:
        draw.choice(origins).restart()
    time.sleep(_STEP_S)  # how long this load lasts


@scenario("the program says that something drifts while nothing leaks", within=60 + _SECONDS)
def healthy(s):
    if leaks_on_purpose():
        raise Skipped("this program leaks")
    seed = int(os.environ.get("EVENKEEL_SEED", "0")) or random.randrange(1, 1 << 31)
    s.note(f"seed {seed}")
    draw = random.Random(seed)
    origins = [NginxOrigin(s, f"nginx-{number}") for number in range(3)]
    proxy = start_proxy(s, origins, {**_DRIFT, "upstreams": {"app": {
        "timeouts": {"first_byte": "2s"}, "retry": {"on": ["connect_failure", "reset", "504"]},
        "health": {"path": "/hello", "interval": "1s", "timeout": "500ms"}}}})
    end, steps = time.monotonic() + _SECONDS, 0
    with Asking(proxy, _LOADS[0]) as asking:
        while time.monotonic() < end and "drift:" not in proxy.log():
            change(draw, proxy, asking, origins)
            steps += 1
        s.note(f"{asking.count()} requests, {steps} changes, {proxy.reloads()[0]} reloads")
    drifting = {name: each for name, each in drift_figures(proxy).items() if each["state"] == "drifting"}
    check_equal(drifting, {}, "what drifts")
    check_equal([line for line in proxy.log().splitlines() if "drift:" in line], [], "lines about drift")


run()
