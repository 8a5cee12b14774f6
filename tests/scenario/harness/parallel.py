"""The same work several times, side by side."""

import contextlib
import threading

from .verdict import check, patient


@contextlib.contextmanager
def beside(count, work, within=40.0):
    """work(number) runs in `count` threads beside what is inside; at the end they are over, and the first fault is raised."""
    faults = []

    def one(number):
        try:
            work(number)
        except Exception as fault:  # pylint: disable=broad-except
            faults.append(fault)

    threads = [threading.Thread(target=one, args=[number], daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(patient(within))
    if faults:
        raise faults[0]
    check(not any(thread.is_alive() for thread in threads), f"not over within {patient(within):g} s")


def in_parallel(count, work, within=40.0):
    """Nothing else meanwhile."""
    with beside(count, work, within):
        pass
