"""A well-behaved client beside the trouble: it must not notice."""

import json
import os
import signal
import sys

from .process import Process
from .verdict import check, eventually, patient

_PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.py")


class Bystander(Process):
    """Asks for one page all the time, from a process of its own."""

    # What a loaded test machine does to anybody; harm done by the proxy is far above it.
    TOLERATED_P99_MS = 250

    def __init__(self, scenario, proxy, target="/hello", pause=0.005, name="bystander"):
        host, port = proxy.address
        self._reports = 0
        super().__init__(scenario, name, [sys.executable, _PROBE, host, str(port), target, str(pause)])
        self.wait_for_log("up", 10)

    def figures(self):
        """{"requests", "p50_ms", "p99_ms", "worst_ms", "faults"} since the last call."""
        self.signal(signal.SIGUSR1)
        self._reports += 1
        eventually(lambda: len(self._lines()) >= self._reports, "the bystander reports", 25)
        return json.loads(self._lines()[self._reports - 1])

    def expect_unharmed(self):
        """Since the last call each request was answered, and 99 in 100 soon; returns the figures in words."""
        figures = self.figures()
        check(not figures["faults"], f"another client saw faults: {figures['faults']}")
        check(figures["requests"] > 0, "another client was never served")
        check(figures["p99_ms"] < patient(self.TOLERATED_P99_MS), f"another client was harmed: {figures}")
        return "another client: p50 {p50_ms:.1f}, p99 {p99_ms:.1f}, worst {worst_ms:.1f} ms".format(**figures)

    def _lines(self):
        return self.log().splitlines()[1:]
