"""How a row of each kind is measured: one function per kind, one sample per call."""

import time

import callgrind
import load
import load_h2
import machine
from proxies import Running
from stage import Failed


class Plan:
    """How much is done: `rounds` and `seconds` of the timed rows, and the sizes of the others."""

    def __init__(self, quick, rounds=None, seconds=None):
        self.rounds = rounds or (2 if quick else 20)
        self.seconds = seconds or 1
        self.memory_rounds = 1 if quick else 2
        self.idle_clients = 2000 if quick else 8000
        self.run_lengths = (640, 1920) if quick else (2048, 12288)


class Bench:
    """The stage, the origin and the candidates that are running for the timed rows."""

    def __init__(self, stage, origin, plan):
        self.stage = stage
        self.origin = origin
        self.plan = plan
        self._running = {}
        self._wire_bytes = {}

    def running(self, adapter):
        """The candidate's process for timed rows, started when first needed."""
        if adapter.name not in self._running:
            self._running[adapter.name] = Running(self.stage, adapter, self.origin, adapter.name)
        return self._running[adapter.name]

    def wire_bytes(self, running, row):
        """(least, greatest) size of a response of this row from this candidate; asking also warms it up."""
        key = (running.adapter.name, row["name"])
        if key not in self._wire_bytes:
            with load_h2.crowd(running, row) as crowd:
                crowd.exchange(2 * load.rows.CONNECTIONS, 10, within=20)
                self._wire_bytes[key] = crowd.wire_bytes
        return self._wire_bytes[key]

    def cpu(self, adapter, row):
        """CPU time per request under closed-loop load, and what else the load saw."""
        running = self.running(adapter)
        wire_bytes = self.wire_bytes(running, row)
        bystanders = [each for each in self._running.values() if each is not running]
        idle_before = [each.cpu() for each in bystanders]
        accepted, served = self.origin.counts()
        before, started = running.cpu(), time.monotonic()
        run_load = load_h2.for_time if row.get("http2") else load.wrk
        seen = run_load(self.stage, running, row, self.plan.seconds)
        wall = time.monotonic() - started
        run, wait, user_share = running.cpu().since(before)
        seen.expect_clean(wire_bytes, load.rows.CONNECTIONS)
        if not row.get("grpc"):  # its origin does not count, and nothing caches a POST
            self._expect_forwarded(seen.requests, accepted, served)
        others = sum(each.cpu().since(reading)[0] for each, reading in zip(bystanders, idle_before))
        return {
            "value": run * 1e6 / seen.responses(wire_bytes),
            "requests_per_second": seen.responses(wire_bytes) / seen.seconds,
            "p99_ms": seen.p99_ms,
            "busy": min(1.0, (run + wait) / min(wall, seen.seconds)),
            "contended": wait / wall,
            "user_share": user_share,
            "idle_candidates": others / wall,
        }

    def handshake(self, adapter, row):
        """CPU time per connection: its handshake, one request and its end."""
        running = self.running(adapter)
        accepted, served = self.origin.counts()
        before, started = running.cpu(), time.monotonic()
        count = load.handshakes(self.stage, running, row, self.plan.seconds)
        run, wait, user_share = running.cpu().since(before)
        wall = time.monotonic() - started
        self._expect_forwarded(count, accepted, served)
        return {"value": run * 1e6 / count, "requests_per_second": count / wall, "busy": min(1.0, (run + wait) / wall),
                "contended": wait / wall, "user_share": user_share}

    def memory(self, adapter, row):
        """Bytes of private resident memory per client that made one request and stays, in a fresh process."""
        wanted = self.plan.idle_clients // (4 if row.get("tls") else 1)
        clients = min(wanted, self.stage.most_clients - 200)
        if clients < min(wanted, 1000):
            raise Failed(f"{self.stage.file_limit} open files are too few to measure idle clients (ulimit -n)")
        running = Running(self.stage, adapter, self.origin, f"{adapter.name}-idle-{time.monotonic_ns()}")
        with load_h2.crowd(running, row) as crowd:
            crowd.exchange(2 * load.rows.CONNECTIONS, 50, within=20)
            before = self._settled_memory(running)
            crowd.exchange(clients, 1, within=60)
            after = self._settled_memory(running)
        self.stage.stop(running.process)
        return {"value": (after - before) / clients, "before_bytes": before, "clients": clients}

    def instructions(self, adapter, row):
        """User instructions per exchange."""
        lengths = self.plan.run_lengths
        count, shorter, longer = callgrind.instructions_between(self.stage, adapter, self.origin, row, lengths)
        return {"value": count, "policy": (longer.policy - shorter.policy) / (lengths[1] - lengths[0])}

    def _expect_forwarded(self, requests, accepted, served):
        now_accepted, now_served = self.origin.counts()
        if now_served - served < requests:
            raise Failed(f"{requests} requests were answered but the origin served {now_served - served}")
        # Clients that leave in the middle of a response cost the proxy its connection to the origin.
        if now_accepted - accepted > 4 * load.rows.CONNECTIONS + requests // 100:
            raise Failed(f"{requests} requests took {now_accepted - accepted} new connections to the origin")

    @staticmethod
    def _settled_memory(running):
        """Its memory once two readings 100 ms apart are the same, or after 2 s."""
        running.expect_alive()
        last = machine.private_bytes(running.pid)
        for _ in range(20):
            time.sleep(0.1)  # what lies between two readings
            now = machine.private_bytes(running.pid)
            if now == last:
                break
            last = now
        return last


# kind: (function, unit, what it is, rounds that a plan gives it)
KINDS = {
    "cpu": (Bench.cpu, "µs", "CPU time of the proxy per request, user + system, in µs", lambda plan: plan.rounds),
    "handshake": (Bench.handshake, "µs", "CPU time of the proxy per connection over TLS, user + system, in µs",
                  lambda plan: plan.rounds),
    "memory": (Bench.memory, "B", "Memory per idle client, in bytes", lambda plan: plan.memory_rounds),
    "instructions": (Bench.instructions, "", "User instructions per request", lambda plan: 1),
}
