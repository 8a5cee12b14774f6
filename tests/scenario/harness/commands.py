"""Real clients and load generators: curl, wrk, h2load, and promtool as a judge."""

import os
import re
import subprocess

from .process import Process
from .verdict import Failed, check, give_up_after


class _Finished:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.error = done.stderr.decode(errors="replace")

    @property
    def text(self):
        return self.out.decode(errors="replace")


def _run(argv, within, feed=None):
    try:
        return _Finished(subprocess.run(argv, input=feed, capture_output=True, timeout=give_up_after(within), check=False))
    except FileNotFoundError:
        raise Failed(f"{argv[0]} is missing") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{argv[0]} did not end within {give_up_after(within):g} s") from None


def curl(*arguments, within=20, feed=None):
    """Run curl silently; the caller judges .code, .out and .error."""
    return _run(["curl", "--silent", "--show-error", *map(str, arguments)], within, feed)


class WrkReport:
    """What wrk said. expect_clean(): not one request failed."""

    def __init__(self, text):
        self.text = text
        found = re.search(r"(\d+) requests in", text)
        check(found, f"wrk says nothing sensible:\n{text}")
        self.requests = int(found[1])

    def expect_clean(self):
        for line in ("Socket errors", "Non-2xx"):
            check(line not in self.text, f"wrk saw failed requests:\n{self.text}")
        check(self.requests > 0, f"wrk got no request through:\n{self.text}")
        return self

    def percentile_ms(self, percent):
        found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)$", self.text, re.M)
        check(found, f"wrk gives no {percent}th percentile:\n{self.text}")
        return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


def _wrk_argv(url, seconds, connections, threads, headers, script):
    argv = ["wrk", "--latency", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]
    for name, value in headers:
        argv += ["-H", f"{name}: {value}"]
    if script:
        argv += ["-s", script]
    return argv + [url]


def wrk(url, seconds=2, connections=16, threads=1, headers=(), script=None):
    done = _run(_wrk_argv(url, seconds, connections, threads, headers, script), seconds + 20)
    check(done.code == 0, f"wrk exited with {done.code}: {done.error}")
    return WrkReport(done.text)


class _BackgroundWrk(Process):
    def report(self):
        """Wait for its end; returns the report."""
        code = self.wait(60)
        check(code == 0, f"wrk exited with {code}:\n{self.log()}")
        return WrkReport(self.log())


def wrk_in_background(scenario, url, seconds, connections=16, threads=1, headers=(), script=None, name="wrk"):
    return _BackgroundWrk(scenario, name, _wrk_argv(url, seconds, connections, threads, headers, script))


class H2loadReport:
    def __init__(self, text):
        self.text = text
        found = re.search(r"requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, "
                          r"(\d+) errored, (\d+) timeout", text)
        check(found, f"h2load says nothing sensible:\n{text}")
        self.total, _, self.done, self.succeeded, self.failed, self.errored, self.timeouts = map(int, found.groups())

    def expect_clean(self):
        check(self.succeeded == self.total and not (self.failed or self.errored or self.timeouts),
              f"h2load saw failed requests:\n{self.text}")
        return self


def h2load(url, requests=5000, clients=32, threads=1, within=60, more=(), http2=False):
    """Over HTTP/1.1, or HTTP/2: by ALPN for https, else by prior knowledge."""
    done = _run(["h2load", *([] if http2 else ["--h1"]), "-n", str(requests), "-c", str(clients), "-t", str(threads), *more, url], within)
    check(done.code == 0, f"h2load exited with {done.code}: {done.error}")
    return H2loadReport(done.text)


def promtool(metrics):
    """promtool's objections to a scrape: empty if it has none, by its exit code."""
    done = _run(["promtool", "check", "metrics"], 20, metrics)
    return "" if done.code == 0 else done.text + done.error


def run_tool(*argv, within=20):
    done = _run(list(argv), within)
    check(done.code == 0, f"{os.path.basename(argv[0])} exited with {done.code}:\n{done.text}{done.error}")
    return done.text
