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

from processor import Waits


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else None


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
            each.look()
        started = time.monotonic()
        try:
            client.sendall(request)
            answer = client.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                faults.append(repr(answer[:100]))
        except OSError as fault:
            faults.append(repr(fault))
        took = time.monotonic() - started
        waited.append(min(took, sum(max(each.look().values(), default=0) for each in everybody)))
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
