"""Another client: asks for one page all the time, from a process of its own, and remembers how long it took.

Run as a program: probe.py HOST PORT TARGET PAUSE [PID...]. What this process, and the PIDs that serve it, had to wait for a
processor is not counted: on a busy machine that is the most of it, and nobody's fault. Each SIGUSR1 prints the figures since
the last one as JSON, as soon as they rest on 300 requests.
"""

import json
import os
import signal
import socket
import sys
import time


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else None


class Waits:
    """What the threads of a process waited for a processor, in seconds, of which the longest counts."""

    def __init__(self, pid):
        self._threads = [os.open(f"/proc/{pid}/task/{thread}/schedstat", os.O_RDONLY)
                         for thread in os.listdir(f"/proc/{pid}/task")]
        self._before = [0.0] * len(self._threads)

    def since(self):
        """The longest wait of one thread since the last call."""
        now = [self._waited(thread) for thread in self._threads]
        waits = [after - before for before, after in zip(self._before, now)]
        self._before = now
        return max(waits)

    @staticmethod
    def _waited(thread):
        try:
            return int(os.pread(thread, 100, 0).split()[1]) / 1e9
        except OSError:  # the thread has ended
            return 0.0


def main(host, port, target, pause, *pids):
    report_due = False

    def due(*_):
        nonlocal report_due
        report_due = True

    signal.signal(signal.SIGUSR1, due)
    client = socket.create_connection((host, int(port)), timeout=20)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    everybody = [Waits(pid) for pid in (os.getpid(), *pids)]
    times, waited, faults = [], [], []
    print("up", flush=True)
    while True:
        for each in everybody:
            each.since()
        started = time.monotonic()
        try:
            client.sendall(request)
            answer = client.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                faults.append(repr(answer[:100]))
        except OSError as fault:
            faults.append(repr(fault))
        took = time.monotonic() - started
        waited.append(min(took, sum(each.since() for each in everybody)))
        times.append((took - waited[-1]) * 1000)
        if (report_due and len(times) >= 300) or len(faults) > 3:
            report_due = False
            print(json.dumps({"requests": len(times), "p50_ms": percentile(times, 0.5),
                              "p99_ms": percentile(times, 0.99), "worst_ms": max(times),
                              "waited_ms": max(waited) * 1000, "faults": faults}), flush=True)
            if faults:
                return
            times, waited = [], []
        time.sleep(float(pause))  # the caller's pace


if __name__ == "__main__":
    main(*sys.argv[1:])
