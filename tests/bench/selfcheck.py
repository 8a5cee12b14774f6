#!/usr/bin/env python3
"""The benchmark's own instruments: each of these would let a wrong figure pass for a right one."""

import contextlib
import os
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import callgrind
import load
import load_h2
import machine
import rows
from figures import Summary, better_peer, paired_ratio
from report import Result
from stage import Failed

SMALL = {"name": "small", "title": "small", "kind": "cpu", "body": 128, "request": "plain", "goal": 0.75}

PROFILE = """version: 1
events: Ir
ob=/bin/one
fl=a.c
fn=main
1 10
2 5
cob=/lib/two
cfi=b.c
cfn=helper
calls=3 20
2 300
fe=c.h
3 1

ob=/lib/two
fl=b.c
fn=helper
20 300

totals: 316
"""


def refused(action):
    try:
        action()
    except Failed:
        return True
    return False


def one_outlier_moves_the_median():
    summary = Summary([10, 11, 12, 11, 500])
    return summary.median != 11 or (summary.low, summary.high) != (11, 12)


def slow_rounds_move_the_ratio():
    return abs(paired_ratio([1, 2, 4], [2, 4, 8]).median - 0.5) > 1e-9


def the_worse_peer_is_the_yardstick():
    result = Result(SMALL)
    for name, value in (("nginx", 20.0), ("haproxy", 10.0), ("evenkeel", 8.0)):
        result.add(name, {"value": value})
    peer, ratio = result.ratio()
    return (peer, ratio.median) != ("haproxy", 0.8) or result.goal_met() is not False \
        or better_peer({}) is not None


def failed_requests_pass():
    clean = "figures 1000000 100 20000 900 0 0 0 0 0\n"
    load.WrkFigures(clean).expect_clean((200, 200), 32)
    wrong = ["figures 1000000 100 20000 900 0 0 0 7 0", "figures 1000000 100 20000 900 0 1 0 0 0",
             "figures 1000000 100 19999 900 0 0 0 0 0", "figures 1000000 100 27000 900 0 0 0 0 0",
             "figures 1000000 0 0 0 0 0 0 0 0", "unable to connect", clean + clean]
    return not all(refused(lambda text=text: load.WrkFigures(text).expect_clean((200, 200), 32)) for text in wrong)


def failed_requests_over_http2_pass():
    clean = (b"finished in 998.50ms, 40.06 req/s, 5.01KB/s\n"
             b"requests: 40 total, 42 started, 40 done, 40 succeeded, 0 failed, 0 errored, 0 timeout\n"
             b"status codes: 41 2xx, 0 3xx, 0 4xx, 0 5xx\n"
             b"traffic: 8.00KB (8192) total, 1.00KB (1024) headers (space savings 90.00%), 5.00KB (5120) data\n").decode()
    seen = load_h2.H2LoadFigures(clean, [1000, 3000])
    seen.expect_clean((128, 128), 32)
    if (seen.seconds, seen.responses((128, 128))) != (0.9985, 40):
        return True
    wrong = [clean.replace("0 errored", "1 errored"), clean.replace("41 2xx", "39 2xx"), clean.replace("(5120)", "(5119)"),
             clean.replace("(5120)", "(9217)"), clean.replace("40 done, 40 succ", "0 done, 0 succ"), "", clean + clean]
    return not all(refused(lambda text=text: load_h2.H2LoadFigures(text).expect_clean((128, 128), 32)) for text in wrong)


def callees_are_counted_twice():
    once = callgrind.Profile(PROFILE.splitlines())
    nothing = callgrind.Profile([])
    main = once.minus(nothing)[("/bin/one", "main")]
    return once.total != 316 or main != (16, 316) or any(any(pair) for pair in once.minus(once).values())


def the_proxy_shares_its_core():
    chosen = [machine.choose_cores({0, 1}, {}), machine.choose_cores({2, 4, 5}, {}),
              machine.choose_cores({0, 1, 2, 3}, {3: {2}, 2: {3}, 0: {1}, 1: {0}})]
    return chosen != [(1, [0]), (5, [2, 4]), (3, [0, 1])]


def a_wrong_response_is_accepted():
    body = rows.body(128)
    right = b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n" + body
    with load.Crowd(_Served(_serve(right)), SMALL) as crowd:
        crowd.exchange(2, 3, 5)
        if crowd.wire_bytes != (len(right), len(right)):
            return True
    wrong = [right.replace(b"200 OK", b"502 No"), right[:-1], right[:-1] + b"?", right + b"?",
             right.replace(b"128", b"127")]
    for response in wrong:
        with load.Crowd(_Served(_serve(response)), SMALL) as crowd:
            if not refused(lambda crowd=crowd: crowd.exchange(2, 3, 1)):
                return True
    return False


def a_profile_is_begun_without_what_it_needs():
    here = os.path.dirname(os.path.abspath(__file__))
    env = {**os.environ, "top_srcdir": os.path.join(here, "..", ".."), "top_builddir": "/nonexistent",
           "PYTHON3": sys.executable, "MAKE": "false", "CC": "gcc -D__clang__"}
    other = subprocess.run(["sh", os.path.join(here, "pgo.sh")], env=env, capture_output=True, text=True, timeout=30,
                           check=False)
    bare = subprocess.run([sys.executable, os.path.join(here, "run"), "--tools"], env={**env, "PATH": "/nonexistent"},
                          capture_output=True, text=True, timeout=30, check=False)
    return other.returncode == 0 or "works only with gcc" not in other.stderr \
        or bare.returncode == 0 or "missing: wrk (Debian package: wrk)" not in bare.stderr


class _Served:
    """What a crowd needs of a candidate that runs."""

    def __init__(self, port):
        self._port = port

    def port_of(self, _row):
        return self._port


def _serve(response):
    """The port of a server that answers three requests on each of two connections with this, then closes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer():
        with listening:
            for connection in (listening.accept()[0] for _ in range(2)):
                threading.Thread(target=_answer, args=(connection, response), daemon=True).start()

    threading.Thread(target=answer, daemon=True).start()
    return listening.getsockname()[1]


def _answer(connection, response):
    with connection, contextlib.suppress(OSError):
        for _ in range(3):
            if not connection.recv(4096):
                return
            connection.sendall(response)


FAULTS = (one_outlier_moves_the_median, slow_rounds_move_the_ratio, the_worse_peer_is_the_yardstick,
          failed_requests_pass, failed_requests_over_http2_pass, callees_are_counted_twice, the_proxy_shares_its_core, a_wrong_response_is_accepted,
          a_profile_is_begun_without_what_it_needs)


def main():
    print(f"1..{len(FAULTS)}")
    failed = 0
    for number, fault in enumerate(FAULTS, 1):
        present = fault()
        failed += present
        print(f"{'not ok' if present else 'ok'} {number} - {fault.__name__.replace('_', ' ')}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
