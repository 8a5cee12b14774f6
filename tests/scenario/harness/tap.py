"""Scenarios, their life and their report in TAP."""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

from . import leftovers, ports
from .verdict import Failed, Skipped, give_up_after, patient

_scenarios = []
_LOG_LINES_SHOWN = 30


class _Overdue(Failed):
    pass


class Scenario:
    """One scenario: its directory, everything it started, and its cases.

    What it starts is stopped in reverse order; a stop that finds fault fails the scenario.
    """

    def __init__(self, name, tap, run_):
        self._run = run_
        self.name = name
        self.directory = tempfile.mkdtemp(prefix="evenkeel-")
        self.running = []
        self._tap = tap
        self._cleanups = []
        self.failed_cases = 0

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        """A file in the scenario's directory; returns its path."""
        path = self.path(name)
        with open(path, "wb" if isinstance(text, bytes) else "w") as file:
            file.write(text)
        return path

    def add(self, running):
        """Adopt something with stop() and log_tail(lines); returns it."""
        self.running.append(running)
        self._cleanups.append(running.stop)
        return running

    def finally_do(self, action):
        self._cleanups.append(action)

    def port(self):
        """A free port of 127.0.0.1, kept from others until the scenario ends."""
        reservation = ports.reserve()
        self.finally_do(reservation.release)
        return reservation.port

    def note(self, text):
        self._tap.comment(text)

    @contextlib.contextmanager
    def case(self, name):
        """One row of a table, with a TAP line of its own; the scenario goes on when it fails."""
        try:
            yield
        except _Overdue:
            raise
        except Skipped as reason:
            self._tap.result(True, name, f"SKIP {reason}")
        except Exception as fault:  # pylint: disable=broad-except
            self.failed_cases += 1
            self._tap.result(False, name)
            self._tap.comment(_explain(fault))
        else:
            self._tap.result(True, name)

    def close(self, patience=0.0):
        """Stop everything, what was forgotten after some patience; returns the faults found while doing so."""
        faults = []
        while self._cleanups:
            try:
                self._cleanups.pop()()
            except Exception as fault:  # pylint: disable=broad-except
                faults.append(fault)
        if left := self._run.end_left(patience):
            faults.append(Failed(f"left running: {', '.join(left)}"))
        return faults

    def show_logs(self):
        for running in self.running:
            lines = running.log_tail(_LOG_LINES_SHOWN)
            if lines:
                self._tap.comment(f"--- {running.name} says:")
                for line in lines:
                    self._tap.comment(f"    {line[:400]}")

    def discard(self):
        if os.environ.get("EVENKEEL_KEEP"):
            self._tap.comment(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


class _Tap:
    def __init__(self, out):
        self._out = out
        self.count = 0
        self.failures = 0

    def result(self, passed, name, directive=None):
        self.count += 1
        if not passed:
            self.failures += 1
        name = name.replace("#", "\\#")
        suffix = f" # {directive}" if directive else ""
        self._print(f"{'ok' if passed else 'not ok'} {self.count} - {name}{suffix}")

    def comment(self, text):
        for line in str(text).splitlines() or [""]:
            self._print(f"# {line}")

    def plan(self):
        self._print(f"1..{self.count}")

    def _print(self, line):
        self._out.write(line.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")
        self._out.flush()


def scenario(name, within=60, proxies=("evenkeel",)):
    """Declare a scenario: named after the failure, `within` so many seconds on an idle machine, for these proxies."""

    def declare(function):
        _scenarios.append((name, function, within, proxies))
        return function

    return declare


def run():
    """Run what the file declares; exits 0 only if nothing failed."""
    from .proxy import THE_PROXY, program

    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("-k", metavar="TEXT", default="", help="only scenarios whose name has TEXT")
    parser.add_argument("-l", action="store_true", help="list the scenarios")
    options = parser.parse_args()
    os.umask(0o022)  # some programs read as another user what a test has written
    chosen = [row for row in _scenarios if options.k in row[0]]
    if options.l:
        print("\n".join(row[0] for row in chosen))
        return
    if THE_PROXY == "evenkeel" and not os.access(program(), os.X_OK):
        print(f"Bail out! There is no program at {program()}")
        sys.exit(1)
    signal.signal(signal.SIGALRM, _overdue)
    # Both by ourselves: what is started in the background may have been told to ignore an interrupt.
    for word in (signal.SIGTERM, signal.SIGINT):
        signal.signal(word, lambda number, _: sys.exit(128 + number))
    tap, run_ = _Tap(sys.stdout), leftovers.Run()
    for name, function, within, proxies in chosen:
        if THE_PROXY in proxies:
            _run_one(tap, run_, name, function, within)
        else:
            tap.result(True, name, f"SKIP {THE_PROXY} does not promise this")
    tap.plan()
    sys.stdout.flush()
    # Threads of a failed scenario may still sit in a system call: do not wait for them.
    os._exit(1 if tap.failures else 0)


def _run_one(tap, run_, name, function, within):
    started = time.monotonic()
    current = Scenario(name, tap, run_)
    fault = skipped = None
    before = threading.active_count()
    try:
        signal.alarm(int(give_up_after(within)) + 1)
        function(current)
    except Skipped as reason:
        skipped = reason
    except (KeyboardInterrupt, SystemExit):
        current.close()
        current.discard()
        raise
    except Exception as caught:  # pylint: disable=broad-except
        fault = caught
    finally:
        signal.alarm(0)
    signal.alarm(int(patient(60)))
    faults = ([fault] if fault else []) + current.close(0 if fault else patient(5))
    signal.alarm(0)
    passed = not faults and not current.failed_cases
    took = time.monotonic() - started
    if skipped and passed:
        tap.result(True, name, f"SKIP {skipped}")
    else:
        tap.result(passed, name)
    tap.comment(f"took {took:.1f} s")
    if not passed:
        for each in faults:
            tap.comment(_explain(each))
        if current.failed_cases:
            tap.comment(f"{current.failed_cases} cases failed")
        if threading.active_count() > before:
            tap.comment(f"{threading.active_count() - before} threads left")
        current.show_logs()
    current.discard()


def _overdue(_signal, frame):
    raise _Overdue("the scenario's own time is over\n" + "".join(traceback.format_stack(frame)[-6:]))


def _explain(fault):
    if not isinstance(fault, Failed):
        return "".join(traceback.format_exception(fault)).rstrip()
    # The verdict, and which lines of the scenario led to it.
    frames = [frame for frame in traceback.extract_tb(fault.__traceback__)
              if f"{os.sep}harness{os.sep}" not in frame.filename]
    where = "".join(f"\n  at {os.path.basename(f.filename)}:{f.lineno}: {f.line}" for f in frames)
    return f"{fault}{where}"
