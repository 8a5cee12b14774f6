"""Verdicts and waits: a condition is awaited with a deadline, never slept for."""

import os
import time

from .processor import Stopwatch

PATIENCE = float(os.environ.get("EVENKEEL_PATIENCE", "1"))


class Failed(AssertionError):
    """What the scenario guards against has happened."""


class Skipped(Exception):
    """The scenario says nothing here, and why."""


def full_scale():
    return os.environ.get("EVENKEEL_SCALE") == "full"


def scaled(small, full):
    """The figure to use: `small` by default, `full` when EVENKEEL_SCALE=full."""
    return full if full_scale() else small


def patient(seconds):
    """A deadline in seconds, stretched for slow builds and machines."""
    return seconds * PATIENCE


def give_up_after(seconds):
    """A deadline for what takes so long on an idle machine, and ends of its own: only one that hangs reaches it."""
    return patient(seconds) * 4


def be_patient(factor):
    """Stretch every deadline by at least `factor`; a value given in the environment stands."""
    global PATIENCE
    if "EVENKEEL_PATIENCE" not in os.environ:
        PATIENCE = max(PATIENCE, factor)


def check(truth, otherwise):
    if not truth:
        raise Failed(otherwise)


def check_equal(seen, expected, what):
    if seen != expected:
        raise Failed(f"{what}: expected {_short(expected)}, saw {_short(seen)}")


def eventually(condition, what, within=20.0):
    """The first true value of condition(); fails when there is none within the deadline.

    The deadline says that it will never come true; how soon it does is a matter of promptly().
    `what` is text, or a function that tells at the deadline what is the case instead.
    """
    limit = patient(within)
    deadline = time.monotonic() + limit
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failed(f"not within {limit:g} s: {what() if callable(what) else what}")
        time.sleep(pause)  # how often the condition is looked at
        pause = min(pause * 1.5, 0.02)


def becomes(seen, expected, what):
    """seen() is `expected` soon: what happens to a client is counted after the client has seen it."""
    eventually(lambda: seen() == expected, lambda: f"{what}: expected {_short(expected)}, saw {_short(seen())}")


def once_of(times, trial):
    """trial() passes at least once; for what is judged by speed. A busy machine fails a trial now and then, a defect all."""
    for left in reversed(range(times)):
        try:
            return trial()
        except Failed:
            if left == 0:
                raise


def promptly(condition, what, within, *processes):
    """The condition comes true so many seconds after the call, not counting what we or the processes wait for a processor.

    Returns the stopwatch.
    """
    watch = Stopwatch(*processes)
    eventually(condition, what, within + 20)
    watch.stop()
    check(watch.seconds <= within, f"{what}: it took {watch.seconds:.3f} s, and {watch.waited:.3f} s for a processor")
    return watch


def _short(value, limit=600):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
