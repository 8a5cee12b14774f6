"""Refusals: evenkeel_bound_refused_total counts those who went without because of a limit, each once, and nobody else."""

import threading

from harness import (RawOrigin, check, check_equal, eventually, run, scenario, start_proxy)

# Each bound, and which test says what its refusals are. Whoever adds a bound says it here.
TAKEN = "test_bound: a take that fails is a refusal"
SHOWN = "nothing is ever refused by it"
COVERED = {
    "clients": "here", "refusals": TAKEN, "upstream_in_flight": "here", "upstream_queued": "here", "shard_in_flight": "here",
    "shard_queued": "here", "endpoint_connections": "here", "fds": "test_fds, bounds.py", "tls_sessions": "test_session_cache",
    "tls_session_bytes": "test_session_cache", "tls_session_names": TAKEN, "handshakes": "tls_listener.py",
    "log_ring_bytes": "log_sinks.py", "compress_bytes": "compress.py", "admin_connections": "admin_abuse.py", "exchanges": TAKEN, "buffers_bytes": TAKEN,
    "replay_bytes": TAKEN, "request_buffer_bytes": "test_fair_bound", "generations": TAKEN, "upstreams": TAKEN, "endpoints": TAKEN, "dns_names": TAKEN, "pipes": SHOWN, "file_tasks": "test_task_pool",
    "upstream_connections": SHOWN, "idle_connections": SHOWN, "dials_in_flight": SHOWN, "health_probes": SHOWN, "dns_queries": SHOWN,
    "detached_requests": TAKEN, "password_checks": "auth.py", "trace_queue_bytes": "tracing_collector.py",
}


def gated(s):
    """An origin that answers once it is let; returns it and the gate."""
    gate = threading.Event()

    def answer(connection, _request):
        check(gate.wait(30), "the gate is opened")
        return connection.respond(200, b"ok")

    return RawOrigin(s).on("/", answer), gate


def ask(proxy, count, target="/"):
    """So many requests at once; a function that returns their statuses once all are answered."""
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(proxy.get(target).status)) for _ in range(count)]
    for thread in threads:
        thread.start()

    def answers():
        for thread in threads:
            thread.join()
        return sorted(statuses)

    return answers


def refused(proxy):
    """What each bound has refused, but for those that have not."""
    rows = {}
    for row in proxy.bounds():
        if row["refused"]:
            rows[row["name"]] = rows.get(row["name"], 0) + row["refused"]
    return rows


def limited(**upstream):
    return {"workers": 1, "upstreams": {"app": {"retry": {"attempts": 1}, "pool": {"warm_min": 0, "max": 8}, **upstream}}}


@scenario("whoever waits and is served in the end is counted as refused")
def waiting(s):
    origin, gate = gated(s)
    proxy = start_proxy(s, origin, limited(limits={"in_flight": 1, "queue": 10, "queue_wait": "30s", "queue_target": "30s"}))
    with s.case("for a place of limits.in_flight"):
        answers = ask(proxy, 4)
        eventually(lambda: proxy.bound("upstream_queued", "app")["used"] == 3, "three wait")
        gate.set()
        check_equal(answers(), [200] * 4, "answers")
        check_equal(refused(proxy), {}, "refusals")
    with s.case("each bound has a test that says what its refusals are"):
        check_equal([row["name"] for row in proxy.bounds() if row["name"] not in COVERED], [], "bounds without one")
    origin, gate = gated(s)
    proxy = start_proxy(s, origin, limited(pool={"warm_min": 0, "max": 1}, limits={"queue_wait": "30s", "queue_target": "30s"}),
                        name="narrow")
    with s.case("for a connection of pool.max"):
        answers = ask(proxy, 4)
        eventually(lambda: sum(proxy.bound(name, "app")["used"] for name in ("upstream_in_flight", "upstream_queued")) >= 4,
                   "all are there")
        gate.set()
        check_equal(answers(), [200] * 4, "answers")
        check_equal(refused(proxy), {}, "refusals")
    origin, gate = gated(s)
    proxy = start_proxy(s, origin, {**limited(limits={"queue_wait": "30s", "queue_target": "30s"}), "routes": [
        {"name": "all", "upstream": "app", "shards": {"count": 1, "in_flight": 1, "queue": 10}}]}, name="sharded")
    with s.case("for a place of a shard"):
        answers = ask(proxy, 4)
        eventually(lambda: sum(row["used"] for row in proxy.bounds() if row["name"] == "shard_queued") == 3, "three wait")
        gate.set()
        check_equal(answers(), [200] * 4, "answers")
        check_equal(refused(proxy), {}, "refusals")


@scenario("a refusal is not counted, or counted twice")
def refusals(s):
    origin, gate = gated(s)
    proxy = start_proxy(s, origin, limited(limits={"in_flight": 1, "queue": 2, "queue_wait": "30s", "queue_target": "30s"}))
    with s.case("the queue is full"):
        answers = ask(proxy, 6)
        eventually(lambda: refused(proxy) == {"upstream_queued": 3}, lambda: f"three are refused: {refused(proxy)}")
    gate.set()
    check_equal(answers(), [200] * 3 + [503] * 3, "answers")
    origin, gate = gated(s)
    proxy = start_proxy(s, origin, limited(limits={"in_flight": 1, "queue": 10, "queue_wait": "300ms", "queue_target": "30s"}),
                        name="impatient")
    with s.case("the queue is too slow"):
        answers = ask(proxy, 4)
        eventually(lambda: refused(proxy) == {"upstream_queued": 3}, lambda: f"three are refused: {refused(proxy)}")
        gate.set()
        check_equal(answers(), [200] + [503] * 3, "answers")
    origin, gate = gated(s)
    proxy = start_proxy(s, origin, {**limited(limits={"queue_wait": "300ms"}), "routes": [
        {"name": "all", "upstream": "app", "shards": {"count": 1, "in_flight": 1, "queue": 2}}]}, name="sharded")
    with s.case("the line of a shard is full, and too slow"):
        answers = ask(proxy, 4)
        eventually(lambda: refused(proxy) == {"shard_queued": 3}, lambda: f"three are refused: {refused(proxy)}")
        gate.set()
        check_equal(answers()[1:], [503] * 3, "answers")


@scenario("a client beyond limits.clients is not counted once")
def clients(s):
    origin = RawOrigin(s).on("/", status=200, body=b"ok")
    proxy = start_proxy(s, origin, {"workers": 1, "limits": {"clients": 2}})
    inside = [proxy.client() for _ in range(2)]
    for client in inside:
        check_equal(client.request("GET", "/").status, 200, "status")
    for _ in range(3):
        check_equal(proxy.get("/").status, 503, "status")
    check_equal(refused(proxy), {"clients": 3}, "refusals")
    for client in inside:
        client.close()


@scenario("nobody is told when a limit begins to refuse, or when it is over")
def told(s):
    origin, gate = gated(s)
    proxy = start_proxy(s, origin, limited(limits={"in_flight": 1, "queue": 2, "queue_wait": "30s", "queue_target": "30s"}))
    answers = ask(proxy, 6)
    with s.case("the log says so, with cause, figure and remedy"):
        proxy.wait_for_log("bound upstream_queued (app) refuses: 2 of 2 in use, 3 refused: requests are answered 503")
        proxy.wait_for_log("limits.queue")
    gate.set()
    check_equal(answers(), [200] * 3 + [503] * 3, "answers")
    with s.case("the log says when it is over, with the count"):
        proxy.wait_for_log("bound upstream_queued (app) refuses no more: 3 refused")
    with s.case("there are two lines, however many were refused"):
        eventually(lambda: proxy.log().count("bound upstream_queued") == 2, "lines")


@scenario("a warm pool dies at rest in silence")
def dead_pool(s):
    origin = RawOrigin(s).on("/", status=200, body=b"ok")
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {"pool": {"warm_min": 8}}}})
    eventually(lambda: proxy.metric("evenkeel_endpoint_ready_connections") >= 8, "the pool is warm")
    origin.stop()
    proxy.wait_for_log("warm connections died at rest, most of them of upstream app: endpoint")


run()
