"""Loads of an even rate, and what /drift says."""

import threading
import time


class Load:
    """Runs a step so many times in a second, and counts with the time.

    What is late is made up for, so that the rate of seconds is even.
    """

    def __init__(self, step, rate):
        self.rate = rate
        self.counts = [(time.monotonic(), 0)]
        self._step = step
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        due = time.monotonic()
        while not self._ended.is_set():
            self._step()
            self.count_one()
            due += 1 / self.rate
            self._ended.wait(max(0, due - time.monotonic()))

    def count_one(self):
        self.counts.append((time.monotonic(), self.counts[-1][1] + 1))

    def rate_lately(self, seconds):
        """Steps per second."""
        last_at, last = self.counts[-1]
        first_at, first = next(each for each in self.counts if each[0] >= last_at - seconds)
        return (last - first) / max(last_at - first_at, 1e-9)


def drift_figures(proxy):
    """{(name, detail): figure} of /drift, each with its resource and page."""
    return {(figure["figure"], figure["detail"]): {**figure, "runbook": resource["runbook"]}
            for resource in proxy.admin_json("/drift")["resources"] for figure in resource["figures"]}
