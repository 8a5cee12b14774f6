"""Another client: asks for one page all the time, from a process of its own, and remembers how long it took.

Run as a program: probe.py HOST PORT TARGET PAUSE. Each SIGUSR1 prints the figures since the last one as JSON,
as soon as they rest on 300 requests.
"""

import json
import signal
import socket
import sys
import time


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else None


def main(host, port, target, pause):
    report_due = False

    def due(*_):
        nonlocal report_due
        report_due = True

    signal.signal(signal.SIGUSR1, due)
    client = socket.create_connection((host, int(port)), timeout=20)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    times, faults = [], []
    print("up", flush=True)
    while True:
        started = time.monotonic()
        try:
            client.sendall(request)
            answer = client.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                faults.append(repr(answer[:100]))
        except OSError as fault:
            faults.append(repr(fault))
        times.append((time.monotonic() - started) * 1000)
        if (report_due and len(times) >= 300) or len(faults) > 3:
            report_due = False
            print(json.dumps({"requests": len(times), "p50_ms": percentile(times, 0.5),
                              "p99_ms": percentile(times, 0.99), "worst_ms": max(times), "faults": faults}), flush=True)
            if faults:
                return
            times = []
        time.sleep(float(pause))


if __name__ == "__main__":
    main(*sys.argv[1:])
