"""The access log: one line per exchange that parses, is true, and survives rotation."""

import datetime
import json
import os
import re
import signal
import threading
import time

from harness import (Interrupted, NginxOrigin, RawOrigin, access_rows, check, check_equal, eventually, h2load, log_lines,
                     patient, run, scenario, start_proxy)

COMBINED = re.compile(r'^(\S+) - - \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" '
                      r'"((?:[^"\\]|\\.)*)"')


def access(s, **settings):
    # One worker: between several, lines are in no particular order.
    return {"workers": 1, "log": {"access": {"path": s.path("access.log"), **settings}}}


def lines(s, count, within=20):
    """The lines of the access log, once there are `count`."""
    path = s.path("access.log")

    def read():
        rows = log_lines(path)
        return rows if len(rows) >= count else None

    return eventually(read, f"{count} lines in the access log", within)


@scenario("a JSON access line does not parse, or does not say what happened")
def json_lines(s):
    origin = RawOrigin(s)
    origin.on("/cut", lambda connection, _: connection.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx") and False)
    origin.on("/hold", lambda connection, _: connection.wait_for_end() and False)
    proxy = start_proxy(s, origin, {**access(s, format="json"), "upstreams": {"app": {"pool": {"warm_min": 0}}}})
    proxy.get("/plain?q=1", [("User-Agent", "tester/1"), ("Referer", "http://r.example/")])
    with s.case("an ordinary exchange"):
        row = json.loads(lines(s, 1)[0])
        for key, value in {"client": "127.0.0.1", "method": "GET", "target": "/plain?q=1", "host": "shop.example",
                           "protocol": "HTTP/1.1", "status": 200, "reason": "complete", "listener": "web", "route": "all",
                           "upstream": "app", "endpoint": origin.address, "attempts": 1, "reused": False,
                           "client_tls": None, "user_agent": "tester/1", "referer": "http://r.example/", "request_bytes": 0}.items():
            check_equal(row[key], value, key)
        check(row["response_bytes"] > 100 and 0 <= row["duration_ms"] < 5000, f"bytes and duration: {row}")
        check_equal(row["request_id"], origin.requests[0].get("X-Request-Id"), "request id")
        age = time.time() - datetime.datetime.fromisoformat(row["time"]).timestamp()
        check(-1 < age < 60, f"time: {row['time']}")
    with s.case("bodies are counted, reuse is told"):
        with proxy.client() as client:
            client.request("GET", "/first")
            client.request("POST", "/body", body=b"x" * 12345)
        row = json.loads(lines(s, 3)[2])
        check_equal((row["request_bytes"], row["reused"]), (12345, True), "request bytes and reuse")
    with s.case("the client's port, and the trace that the request belongs to"):
        (trace,) = origin.requests[0].all("traceparent")
        first = json.loads(lines(s, 1)[0])
        check_equal(first["trace_id"], trace.split("-")[1], "trace that began here")
        given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        with proxy.client() as client:
            client.request("GET", "/traced", [("traceparent", given), ("X-Request-Id", "mine")])
            port = client.socket.getsockname()[1]
        row = json.loads(lines(s, 4)[3])
        check_equal((row["trace_id"], row["client_port"]), (given.split("-")[1], port), "given trace and port")
    with s.case("what a client sends cannot break the line"):
        evil = 'a"b\\c\x80\xff\t</script>{"x":1}'
        proxy.get("/evil%22\"'<>{}\\", [("User-Agent", evil), ("Referer", evil)])
        row = json.loads(lines(s, 5)[4])
        check_equal(row["status"], 200, "status")
    with s.case("our own refusals are logged with their reason"):
        with proxy.client() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            check_equal(client.response().status, 400, "status")
        row = json.loads(lines(s, 6)[5])
        check_equal((row["status"], row["reason"]), (400, "request_invalid"), "status and reason")
    with s.case("a broken response is logged as broken"):
        check(not proxy.get("/cut").complete, "the response is whole")
        row = json.loads(lines(s, 7)[6])
        check_equal((row["status"], row["reason"]), (200, "upstream_incomplete"), "status and reason")
    with s.case("an aborted request is logged as aborted"):
        client = proxy.client()
        client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        origin.request_for("/hold")
        client.reset()
        row = json.loads(lines(s, 8)[7])
        check_equal((row["status"], row["reason"]), (0, "client_abort"), "status and reason")


@scenario("the log does not say what was asked in a request that is refused")
def refused_lines(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {**access(s, format="json"), "limits": {"head": "8KiB"},
                                    "listeners": {"web": {"timeouts": {"head": "2s"}}}})
    agent = "User-Agent: tester/1\r\n"
    rows = [
        ("two hosts", f"GET /two-hosts HTTP/1.1\r\n{agent}Host: a\r\nHost: b\r\n\r\n", 400, ("GET", "/two-hosts", "a", "tester/1")),
        ("a field without a colon", f"GET /no-colon HTTP/1.1\r\nHost: a\r\nbad\r\n{agent}\r\n", 400,
         ("GET", "/no-colon", "a", "tester/1")),
        ("a bad method", f"G@T /bad-method HTTP/1.1\r\nHost: a\r\n{agent}\r\n", 400, ("G@T", "/bad-method", "a", "tester/1")),
        ("a version that is not spoken", f"GET /version HTTP/3.0\r\nHost: a\r\n{agent}\r\n", 505,
         ("GET", "/version", "a", "tester/1")),
        ("a long target", f"GET /{'x' * 9000} HTTP/1.1\r\nHost: a\r\n{agent}\r\n", 414, ("GET", f"/{'x' * 1023}", "a", "tester/1")),
        ("too many fields", f"GET /many HTTP/1.1\r\nHost: a\r\n{agent}" + "".join(f"X-{n}: 1\r\n" for n in range(300)) + "\r\n",
         431, ("GET", "/many", "a", "tester/1")),
        ("a bad chunk", f"POST /chunk HTTP/1.1\r\nHost: a\r\n{agent}Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
         ("POST", "/chunk", "a", "tester/1")),
        ("a head that does not end", f"GET /slow HTTP/1.1\r\nHost: a\r\n{agent}X-", 408, ("GET", "/slow", "a", "tester/1")),
        ("bytes that are no text", "GET /\xff\xfe HTTP/1.1\r\nHost: \x01\r\nUser-Agent: \xff\r\n\r\n", 400, None),
    ]
    for number, (what, sent, status, expected) in enumerate(rows):
        with s.case(what):
            with proxy.client() as client:
                client.send(sent.encode("latin-1"))
                check_equal(client.response().status, status, "status")
            row = json.loads(lines(s, number + 1)[number])
            check_equal(row["status"], status, "status in the log")
            if expected:
                check_equal((row["method"], row["target"], row["host"], row["user_agent"]), expected, "what was asked")
            else:
                check_equal((row["method"], row["target"]), ("GET", "/\xff\xfe"), "what was asked")


@scenario("a long target and an agent that is not UTF-8 cost the line its request id")
def crowded_lines(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, access(s, format="json"))
    bad = "\xff" * 1000
    proxy.get(f"/{'x' * 1000}", [("User-Agent", bad), ("Referer", bad)])
    row = json.loads(lines(s, 1)[0])
    check_equal(row["request_id"], origin.requests[0].get("X-Request-Id"), "request id")
    check_equal(row["target"], f"/{'x' * 1000}", "target")
    check(row["user_agent"], "the agent is not logged")


@scenario("a combined access line does not parse")
def combined_lines(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, access(s, format="combined"))
    proxy.get("/plain", [("User-Agent", "tester/1"), ("Referer", "http://r.example/")])
    proxy.get("/evil\"x\\", [("User-Agent", 'quote " and \\ and \x80'), ("Referer", "-")])
    with proxy.client() as client:
        client.send("\x01\x02\x03 nonsense \"\r\n\r\n")
        check_equal(client.response().status, 400, "status")
    rows = lines(s, 3)
    matches = [COMBINED.match(row) for row in rows]
    check(all(matches), f"lines that do not parse: {[r for r, m in zip(rows, matches) if not m]}")
    check_equal((matches[0][1], matches[0][3], matches[0][4]), ("127.0.0.1", "GET /plain HTTP/1.1", "200"), "first line")
    check_equal((matches[0][6], matches[0][7]), ("http://r.example/", "tester/1"), "referer and user agent")
    check_equal(matches[2][4], "400", "status of the refusal")


@scenario("a log line is lost, torn or repeated under load")
def complete_lines(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {**access(s, format="json"), "workers": 4})
    h2load(f"{proxy.url}/hello", 10000, 32).expect_clean()
    rows = [json.loads(row) for row in lines(s, 10000)]
    check_equal(len(rows), 10000, "lines")
    check_equal(len({row["request_id"] for row in rows}), 10000, "distinct request ids")


@scenario("SIGUSR1 does not reopen the logs, or loses lines on the way")
def reopen(s):
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    error_log = s.path("error.log")
    settings = access(s, format="json")
    settings["log"].update(path=error_log, level="info")
    proxy = start_proxy(s, origin, settings)
    stop, asked = threading.Event(), []

    def traffic():
        with proxy.client() as client:
            while not stop.is_set():
                check_equal(client.request("GET", f"/{len(asked)}").status, 200, "status")
                asked.append(1)

    thread = threading.Thread(target=traffic, daemon=True)
    thread.start()
    for number in range(5):
        before = len(asked)
        eventually(lambda before=before: len(asked) > before + 20, "traffic flows")
        os.rename(s.path("access.log"), s.path(f"access.log.{number}"))
        os.rename(error_log, f"{error_log}.{number}")
        proxy.signal(signal.SIGUSR1)
        eventually(lambda: os.path.exists(s.path("access.log")), "the access log is back")
        eventually(lambda: os.path.exists(error_log), "the error log is back")
    stop.set()
    thread.join(patient(5))

    def targets():
        found = []
        for name in [f"access.log.{number}" for number in range(5)] + ["access.log"]:
            found += [row["target"] for row in access_rows(s.path(name))]
        return found

    eventually(lambda: len(targets()) >= len(asked), "each request has its line")
    check_equal(targets(), [f"/{number}" for number in range(len(asked))], "targets in their order")
    fds = [os.readlink(f"/proc/{proxy.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{proxy.pid}/fd")]
    check(not [fd for fd in fds if re.search(r"\.log\.\d", fd)], f"a rotated file is still open: {fds}")


@scenario("a request that gave up in the queue is logged as if it had not waited")
def queued_in_vain(s):
    origin = RawOrigin(s)
    origin.on("/hold", lambda connection, _: connection.wait_for_end() and False)
    proxy = start_proxy(s, origin, {**access(s, format="json"), "upstreams": {"app": {
        "pool": {"warm_min": 0}, "limits": {"in_flight": 1, "queue_wait": "200ms", "queue_target": "1m"}}}})
    with proxy.client() as holder:
        holder.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        origin.request_for("/hold")
        check_equal(proxy.get("/queued").status, 503, "status")
        row = json.loads(lines(s, 1)[0])
        check_equal(row["reason"], "queue_timeout", "reason")
        # The wait is the difference of two whole milliseconds.
        check(200 <= row["queue_ms"] <= row["duration_ms"] + 1, f"waited {row['queue_ms']} of {row['duration_ms']} ms")
        holder.reset()


@scenario("a log that cannot be written stops the service")
def unwritable(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"log": {"access": {"path": "/dev/full", "format": "json"}}})
    for _ in range(50):
        check_equal(proxy.get("/").status, 200, "status")
    eventually(lambda: proxy.metric("evenkeel_log_write_errors_total") > 0, "the failed writes are counted")
    proxy.wait_for_log("/dev/full")


@scenario("access log off still writes")
def off(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"log": {"level": "error", "access": {"path": "off"}}})
    for _ in range(10):
        check_equal(proxy.get("/").status, 200, "status")
    check_equal([row for row in proxy.log().splitlines() if "GET" in row], [], "lines about requests")
    try:
        with proxy.client() as client:
            client.send("nonsense\r\n\r\n")
            client.response()
    except Interrupted:
        pass


run()
