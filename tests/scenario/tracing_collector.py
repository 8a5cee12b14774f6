"""Tracing: a collector that fails in every way delays nothing, and gets what it can take."""

import signal
import threading
import time

from harness import Authority, RawOrigin, check, check_equal, eventually, render, run, run_program, scenario
from harness.otlp import Collector, exports, losses, parented, trace_of, traced


@scenario("a collector that fails delays requests, or spans are lost that it would have taken")
def troubles(s):
    origin, collector = RawOrigin(s), Collector(s)
    proxy = traced(s, origin, collector, tracing={"timeout": "400ms"})
    over = threading.Event()
    s.finally_do(over.set)
    number = 0

    def trouble(name, answer, counted, lost=None):
        nonlocal number
        number += 1
        with s.case(name):
            before, lost_before = exports(proxy)[counted], losses(proxy)
            collector.answer = answer
            check_equal(proxy.get("/", parented(number)).status, 200, "status")
            eventually(lambda: exports(proxy)[counted] > before, f"an export is counted as {counted}")
            if lost:
                eventually(lambda: losses(proxy)[lost] >= lost_before[lost] + 2, f"spans are counted as {lost}")
            collector.answer = None
            if not lost:
                collector.trace(trace_of(number), 2)

    trouble("503 with Retry-After", lambda connection, _: connection.respond(503, b"later", [("Retry-After", "1")]),
            "put_off")
    trouble("429", lambda connection, _: connection.respond(429), "put_off")
    trouble("no answer", lambda connection, _: over.wait(30) and False, "failed")
    trouble("no HTTP", lambda connection, _: connection.send("SSH-2.0-OpenSSH\r\n" * 10) and False, "failed")
    trouble("an endless head",
            lambda connection, _: connection.send(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100000) and False, "failed")
    trouble("a reset", lambda connection, _: connection.reset() or False, "failed")
    trouble("400", lambda connection, _: connection.respond(400, b"bad \x1b[31m\n spans"), "refused",
            "collector_refused")
    part = b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no"}}'
    trouble("part of it", lambda connection, _: connection.respond(200, part),
            "taken", "collector_refused")
    with s.case("interim answers and pieces"):
        collector.answer = lambda connection, _: all(connection.send(piece) for piece in (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 ", "200 OK\r\nTransfer-Encoding: chunked\r\n",
            "\r\n2\r\n{}\r\n0\r\n\r\n")) and False
        before = exports(proxy)["taken"]
        check_equal(proxy.get("/", parented(90)).status, 200, "status")
        eventually(lambda: exports(proxy)["taken"] > before, "it is taken")
        collector.answer = None
    with s.case("nobody is there"):
        collector.refuse()
        check_equal(proxy.get("/", parented(91)).status, 200, "status")
        eventually(lambda: losses(proxy)["collector_failed"] == 2, "its spans are given up")
        collector.listen()
        proxy.get("/", parented(92))
        collector.trace(trace_of(92), 2)
    eventually(lambda: proxy.log().count("takes spans again") == proxy.log().count("takes no spans"),
               "the log tells of the end of each failure")
    proxy.wait_for_log("takes spans again: 2 were dropped")
    lines = [line for line in proxy.log().splitlines() if "tracing: " in line]
    check(len([line for line in lines if "takes no spans" in line]) <= 10, f"too many lines: {lines}")
    check(not any("\x1b" in line for line in lines), "what the collector says is written as it is")
    proxy.stop()


@scenario("spans pile up, or the end of the process waits for a collector")
def bounded(s):
    origin, collector = RawOrigin(s).on("/", status=200, body=b"ok"), Collector(s)
    over = threading.Event()
    s.finally_do(over.set)
    collector.answer = lambda connection, _: over.wait(60) and False
    proxy = traced(s, origin, collector, tracing={"batch": 1}, drain={"grace": "20s"})
    with proxy.client() as client:
        for number in range(700):
            check_equal(client.request("GET", "/" + "x" * 1500, [("User-Agent", "u" * 600)]).status, 200, "status")
    queue = eventually(lambda: (row := proxy.bound("trace_queue_bytes"))["refused"] and row, "the queue is full")
    check(queue["used"] <= queue["limit"], f"more than the bound: {queue}")
    eventually(lambda: losses(proxy)["queue_full"] == proxy.bound("trace_queue_bytes")["refused"],
               "what was refused is what was lost")
    eventually(lambda: "bound trace_queue_bytes refuses" in proxy.log(), "a line of the log tells of it")
    began = time.monotonic()
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit()
    check(time.monotonic() - began < 15, "the end waits for the collector")
    proxy.wait_for_log("spans are lost at the end")


@scenario("what waits to be sent is lost at a reload or at the end")
def kept(s):
    origin, one, other = RawOrigin(s), Collector(s, "one"), Collector(s, "other")
    proxy = traced(s, origin, one, tracing={"delay": "60s"})
    check_equal(proxy.get("/", parented(1)).status, 200, "status")
    check(proxy.reload({"tracing": {"endpoint": f"http://localhost:{other.port}"}}), "the reload is taken")
    check_equal(proxy.get("/", parented(2)).status, 200, "status")
    proxy.stop()
    other.trace(trace_of(1), 2)
    other.trace(trace_of(2), 2)
    check_equal(one.requests, [], "what the first collector got")


@scenario("a collector is spoken to in clear text, or whoever answers is believed")
def secure(s):
    authority, stranger = Authority(s), Authority(s, "stranger")
    origin, collector = RawOrigin(s), Collector(s, certificate=authority.issue("collector.test", "IP:127.0.0.1"))
    url = f"https://127.0.0.1:{collector.port}/v1/traces"
    proxy = traced(s, origin, collector, tracing={"endpoint": url, "timeout": "5s", "tls": {"ca": stranger.cert}})
    with s.case("a stranger's certificate"):
        check_equal(proxy.get("/", parented(1)).status, 200, "status")
        eventually(lambda: exports(proxy)["failed"] > 0, "the handshake fails")
        eventually(lambda: "takes no spans: the TLS handshake failed" in proxy.log(), "a line of the log tells of it")
    with s.case("the right one"):
        check(proxy.reload({"tracing": {"tls": {"ca": authority.cert}}}), "the reload is taken")
        collector.trace(trace_of(1), 2)
    with s.case("another name"):
        check(proxy.reload({"tracing": {"tls": {"server_name": "other.test"}}}), "the reload is taken")
        failed = exports(proxy)["failed"]
        proxy.get("/", parented(2))
        eventually(lambda: exports(proxy)["failed"] > failed, "the handshake fails")
    with s.case("a file that is not there"):
        check(not proxy.reload({"tracing": {"tls": {"ca": "/nowhere.pem"}}}), "the reload is rejected")
        proxy.wait_for_log("tracing.tls.ca")
        check_equal(proxy.get("/").status, 200, "status")
        done = run_program(s, "-t", "-c", proxy.config_path)
        check(done.returncode != 0 and "tracing.tls.ca" in done.stderr + done.stdout, f"-t: {done}")


@scenario("a wrong tracing group is taken")
def mistaken(s):
    proxy = traced(s, RawOrigin(s), Collector(s))

    def checked(tracing):
        proxy.write_config(render({**proxy.settings, "tracing": tracing}))
        done = run_program(s, "-t", "-c", proxy.config_path)
        return done.returncode, done.stderr + done.stdout
    for tracing, words in (({"endpoint": "ftp://127.0.0.1/v1/traces"}, "tracing.endpoint: expected a URL"),
                           ({"endpoint": "127.0.0.1:4318"}, "tracing.endpoint: expected a URL"),
                           ({"endpoint": "http://127.0.0.1:4318/v1 /traces"}, "tracing.endpoint: expected a URL"),
                           ({"endpoint": "http://:4318/"}, "tracing.endpoint: expected a URL"),
                           ({"sample": 1.5}, "tracing.sample"), ({"parent": "all"}, "tracing.parent"),
                           ({"samples": 0.1}, "tracing.sample")):
        with s.case(str(tracing)):
            code, said = checked({**proxy.settings["tracing"], **tracing})
            check(code != 0 and words in said, f"-t: {said}")
    with s.case("a group without an endpoint"):
        code, said = checked({"sample": 0.1})
        check(code == 0 and "tracing: has no effect without endpoint" in said, f"-t: {said}")


run()
