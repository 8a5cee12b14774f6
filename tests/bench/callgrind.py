"""User instructions per exchange, by callgrind: the difference of two run lengths, so start-up and end cancel out."""

import glob
import os
import re
import signal

import load
import load_h2
import rows
from proxies import Running
from stage import Failed

_STARTS_WITHIN = 60.0
# The source files whose work is policy: deadlines, retries, budgets, breakers, limits, queues, rates, shards.
_POLICY = re.compile(
    r"(?:^|/)(?:breaker/\w+|pool/queue|steady/waitlist|"
    r"proxy/\w+/(?:admission|gate|shards|policy|retry|hedge|hop_fields|proxy_status|exchange_(?:admit|gate|retry|time)))\.[ch]$"
)


class Profile:
    """One callgrind output: the sum over all threads, per function its own and its callees' instructions, and what policy's source
    lines took, in whatever function they came to be.
    """

    def __init__(self, lines):
        self.total = self.policy = 0
        self.own = {}
        self.called = {}
        self._read(lines)

    def minus(self, other):
        """{(object, function): (own, with callees)}, each the difference to another profile."""
        names = set(self.own) | set(other.own) | set(self.called) | set(other.called)
        difference = {}
        for name in names:
            own = self.own.get(name, 0) - other.own.get(name, 0)
            called = self.called.get(name, 0) - other.called.get(name, 0)
            difference[name] = (own, own + called)
        return difference

    def _read(self, lines):
        where = function = None
        after_call = policy = False
        for line in lines:
            key, equals, value = line.rstrip("\n").partition("=")
            if equals:
                if key == "ob":
                    where = value
                elif key == "fn":
                    function = (where, value)
                elif key in ("fl", "fi", "fe"):
                    policy = _POLICY.search(value) is not None
                after_call = after_call or key == "calls"
            elif line[:1].isdigit():
                cost = int(line.split()[1])
                into = self.called if after_call else self.own
                into[function] = into.get(function, 0) + cost
                if not after_call:
                    self.total += cost
                    self.policy += cost if policy else 0
                after_call = False


def instructions_between(stage, adapter, origin, row, lengths, worker_only=False):
    """(user instructions per exchange, shorter run's profile, longer run's profile).

    worker_only: of the busiest thread with a loop, but the first. What others do by the clock costs more the slower callgrind is.
    """
    shorter, longer = (_run(stage, adapter, origin, row, exchanges, worker_only) for exchanges in lengths)
    return (longer.total - shorter.total) / (lengths[1] - lengths[0]), shorter, longer


def _run(stage, adapter, origin, row, exchanges, worker_only):
    name = f"{adapter.name}-callgrind-{exchanges}"
    out = stage.path(f"{name}.out")
    wrapper = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-strings=no",
               "--compress-pos=no", *(["--separate-threads=yes"] if worker_only else [])]
    running = Running(stage, adapter, origin, name, wrapper, _STARTS_WITHIN)
    if row.get("http2"):
        load_h2.for_count(stage, running, row, exchanges, within=120)
        running.expect_alive()
    else:
        with load.Crowd(running, row) as crowd:
            crowd.exchange(rows.CONNECTIONS, exchanges // rows.CONNECTIONS, within=120)
            running.expect_alive()
    running.process.signal(signal.SIGTERM)
    running.process.wait(60)
    stage.stop(running.process)
    threads = sorted(glob.glob(f"{glob.escape(out)}-*"))[1:]
    profiles = [_profile(path) for path in (threads if worker_only else [out] if os.path.exists(out) else [])]
    if worker_only:
        profiles = [profile for profile in profiles if any(function == "event_base_loop" for _, function in profile.own)]
    if not profiles:
        raise Failed(f"callgrind left nothing:\n{running.process.log()}")
    return max(profiles, key=lambda profile: profile.total)


def _profile(path):
    with open(path) as lines:
        return Profile(lines)


def breakdown(shorter, longer, exchanges, least=0.5):
    """[(own per exchange, with callees per exchange, function, object)], greatest own first."""
    table = []
    for (where, function), (own, inclusive) in longer.minus(shorter).items():
        if own >= least * exchanges:
            table.append((own / exchanges, inclusive / exchanges, re.sub(r"'\d+$", "", function), where or "?"))
    return sorted(table, reverse=True)
