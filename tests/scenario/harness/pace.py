"""Open-loop load: so many requests a second whatever the proxy does, each with its answer and its time."""

import threading
import time

from .client import Client, Interrupted
from .processor import Stopwatch
from .verdict import check, eventually, patient


class Answer:
    """One request: when it was due and what became of it."""

    def __init__(self, due, status, seconds, error):
        self.due, self.status, self.seconds, self.error = due, status, seconds, error


class Pace:
    """`rate` GET requests a second over `clients` connections, from now until end().

    The connections are kept, or, without `keep`, each is used once. `connect(number)` makes that of a client, to the
    address by default. `target` is what is asked for, or a function of the request's number.
    """

    def __init__(self, address, rate, clients, target="/", connect=None, keep=True):
        self._connect = connect or (lambda _: Client(address))
        self._target, self._keep = target, keep
        self._gap = 1.0 / rate
        self._started = time.monotonic()
        self._turn = 0
        self._lock = threading.Lock()
        self._stop = False
        self.answers = []
        self._threads = [threading.Thread(target=self._run, args=[number], daemon=True) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _next_due(self):
        with self._lock:
            self._turn += 1
            return self._turn, self._started + self._turn * self._gap

    def _run(self, number):
        client = None
        while not self._stop:
            turn, due = self._next_due()
            target = self._target(turn) if callable(self._target) else self._target
            time.sleep(max(0.0, due - time.monotonic()))  # the pace
            status, error, begun = None, None, time.monotonic()
            try:
                client = client or self._connect(number)
                response = client.request("GET", target)
                status = response.status
                error = None if status == 200 else response.get("Proxy-Status") or response.start_line
                if response.closes or not self._keep:
                    client.close()
                    client = None
            except (Interrupted, OSError) as fault:
                error = str(fault)
                if client:
                    client.close()
                client = None
            self.answers.append(Answer(due, status, time.monotonic() - begun, error))
        if client:
            client.close()

    def go_on(self, count):
        """Wait until so many more have their answer."""
        goal = len(self.answers) + count
        eventually(lambda: len(self.answers) >= goal, f"{count} more requests are answered", 30)

    def end(self):
        """Stop; returns all answers."""
        self._stop = True
        for thread in self._threads:
            thread.join(patient(10))
        return self.answers


def faults(answers):
    """What was not answered with 200."""
    return [answer.error for answer in answers if answer.status != 200]


def quantile_ms(answers, share):
    times = sorted(answer.seconds for answer in answers)
    return times[min(len(times) - 1, int(len(times) * share))] * 1000


def refused_at_once(proxy, seconds, within):
    """For so long: a client that asks again and again is told at once, and why, that nobody serves it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        watch = Stopwatch(proxy)
        response = proxy.get("/")
        took = watch.stop().seconds
        check(response.status in (502, 503), f"status {response.status}")
        check("error=" in (response.get("Proxy-Status") or ""), f"Proxy-Status: {response.get('Proxy-Status')}")
        check(took < patient(within), f"it took {took:.3f} s")
        time.sleep(0.02)  # a client's pause
