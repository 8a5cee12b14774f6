"""What processes wait for a processor that others have: on a busy machine the most of any time, and no fault of theirs."""

import contextlib
import os
import time


class Waits:
    """What the threads of a process waited since the last look, in seconds."""

    def __init__(self, pid):
        self._tasks = f"/proc/{pid}/task"
        self._files = {}
        self._last = {}
        self.look()

    def look(self):
        """{thread: seconds} since the last call; of threads that have ended nothing is known."""
        now = dict(self._now())
        waits = {thread: waited - self._last.get(thread, 0.0) for thread, waited in now.items()}
        self._last = now
        return waits

    def _now(self):
        with contextlib.suppress(OSError):  # the process has ended
            for thread in os.listdir(self._tasks):
                with contextlib.suppress(OSError):
                    yield thread, self._waited(thread)

    def _waited(self, thread):
        if thread not in self._files:
            self._files[thread] = os.open(f"{self._tasks}/{thread}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        return int(os.pread(self._files[thread], 100, 0).split()[1]) / 1e9

    def close(self):
        for file in self._files.values():
            os.close(file)
        self._files = {}


class Stopwatch:
    """Time that passes, less what this process and `others` wait for a processor meanwhile.

    How soon something comes is measured with it: what is left of the time is what the processes did or waited for of
    their own. Threads of the others work side by side, so the one that waited longest counts; ours take turns, so all do.
    stop() gives `took` and `waited`, both in seconds, and what is left as `seconds`.
    """

    def __init__(self, *others):
        self._others = [Waits(each.pid) for each in others]
        self._ours = Waits(os.getpid())
        self.took = self.waited = self.seconds = 0.0
        self._started = time.monotonic()

    def stop(self):
        self.took = time.monotonic() - self._started
        waited = sum(self._ours.look().values()) + sum(max(each.look().values(), default=0) for each in self._others)
        self.waited = min(self.took, waited)
        self.seconds = self.took - self.waited
        for each in (self._ours, *self._others):
            each.close()
        return self
