"""A well-behaved client beside the trouble: it must not notice."""

import json
import os
import signal
import sys

from .process import Process
from .verdict import check, eventually

_PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.py")


class _Probe(Process):
    """Asks for one page all the time, from a process of its own."""

    def __init__(self, scenario, name, address, target, pause, servers):
        host, port = address
        self._reports = 0
        super().__init__(scenario, name, [sys.executable, _PROBE, host, str(port), target, str(pause),
                                          *(str(each.pid) for each in servers)])
        self.wait_for_log("up", 10)

    def ask(self):
        """Have the figures since the last call reported."""
        self.signal(signal.SIGUSR1)
        self._reports += 1

    def figures(self):
        """{"requests", "p50_ms", "p99_ms", "worst_ms", "waited_ms", "faults"} of what was asked for last."""
        eventually(lambda: len(self._lines()) >= self._reports, f"{self.name} reports", 25)
        return json.loads(self._lines()[self._reports - 1])

    def _lines(self):
        return self.log().splitlines()[1:]


class Bystander:
    """Two clients that do the same at the same time: one through the proxy, one straight to an origin.

    The second shows what the machine does to anybody; what the first suffers beyond that is the proxy's doing. Neither
    counts what it, the proxy or the origin waited for a processor that others had.
    """

    def __init__(self, scenario, proxy, origin, target="/hello", pause=0.005):
        self._through = _Probe(scenario, "bystander", proxy.address, target, pause, (proxy, origin))
        self._beside = _Probe(scenario, "bystander-beside", ("127.0.0.1", origin.port), target, pause, (origin,))

    def p99_ms(self):
        """Of what it asked for since the last call; each request was answered."""
        self._through.ask()
        figures = self._through.figures()
        check(not figures["faults"], f"another client saw faults: {figures['faults']}")
        return figures["p99_ms"]

    def expect_unharmed(self):
        """Since the last call each request was answered, and 99 in 100 soon; returns the figures in words."""
        for probe in (self._through, self._beside):
            probe.ask()
        through, beside = self._through.figures(), self._beside.figures()
        check(not through["faults"], f"another client saw faults: {through['faults']}")
        said = (f"another client: p50 {through['p50_ms']:.1f}, p99 {through['p99_ms']:.1f}, "
                f"worst {through['worst_ms']:.1f} ms; beside the proxy: p99 {beside['p99_ms']:.1f}, "
                f"worst {beside['worst_ms']:.1f} ms; not counted: up to {through['waited_ms']:.1f} and "
                f"{beside['waited_ms']:.1f} ms for a processor")
        check(through["p99_ms"] < 25 + 3 * beside["p99_ms"], f"harmed: {said}")
        return said
