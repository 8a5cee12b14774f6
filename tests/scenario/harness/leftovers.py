"""What a run has started and nobody has ended: found whoever its parent is by now, and ended by its pid.

The program that replaces a proxy is no child of ours, and a process that is killed ends none of its children. So whatever
a run starts carries a mark in its environment, comes to us when its parent ends, and has a guard: a process in a session of
its own that lives until the run is over, however that ends, and ends what is left of it.
"""

import contextlib
import ctypes
import os
import signal
import time

from .verdict import eventually

_MARK = "EVENKEEL_TEST_RUN"
_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS, _PAUSE_S = 200, 0.01


class Run:
    """The marks are a list: a run within a run belongs to both."""

    def __init__(self):
        self._mark = f"{os.getpid()}-{time.monotonic_ns()}"
        os.environ[_MARK] = ",".join(filter(None, (os.environ.get(_MARK), self._mark)))
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        reader, self._writer = os.pipe()
        self._guard = os.fork()
        if self._guard == 0:
            os.close(self._writer)
            self._keep_watch(reader)
        os.close(reader)

    def left(self):
        """{pid: name} of what the run has started and still runs."""
        pids = {*_marked(self._mark), *_descendants(os.getpid())} - {os.getpid(), self._guard}
        return {pid: name for pid in pids if (name := _name(pid))}

    def end_left(self, within=5.0):
        """End what does not end of its own; returns "pid name" of each that had to be."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: not self.left(), "all have ended", within)
        left = self.left()
        for _ in range(_ROUNDS):
            for pid in self.left():
                self._kill(pid)
            _reap()
            if not self.left():
                break
            time.sleep(_PAUSE_S)  # what was killed has a moment to go
        return [f"{pid} {name}" for pid, name in sorted(left.items())]

    def _kill(self, pid):
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                if pid in self.left():  # it still is the one that was found
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)

    def _keep_watch(self, reader):
        """The guard's whole life: the other end of the pipe is closed when the run ends."""
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        self._guard = os.getpid()
        try:
            os.read(reader, 1)
            self.end_left(within=0)
        finally:
            os._exit(0)


def _pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _marked(mark):
    """The pids of all processes that carry the mark."""
    for pid in _pids():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            for row in file.read().decode(errors="replace").split("\0"):
                name, _, marks = row.partition("=")
                if name == _MARK and mark in marks.split(","):
                    yield pid


def _descendants(ancestor):
    children = {}
    for pid in _pids():
        children.setdefault(parent_of(pid), []).append(pid)
    found, new = [], [ancestor]
    while new:
        new = [child for pid in new for child in children.get(pid, ())]
        found += new
    return found


def parent_of(pid):
    """The pid of a process's parent; None if there is no such process."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
    return None


def _name(pid):
    """None for what has ended, though its parent has not seen it yet."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        name, _, rest = file.read().partition("(")[2].rpartition(")")
        return None if rest.split()[0] in "ZX" else name
    return None


def _reap():
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
