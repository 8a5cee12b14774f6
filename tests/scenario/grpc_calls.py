"""gRPC by a real client and a real server: every kind of call, cleartext and TLS, and what a proxy can get wrong in between."""

import signal
import threading
import time

import grpc

from harness import (Authority, Stopwatch, check, check_equal, curl, eventually, patient, run, scaled, scenario,
                     start_proxy)
from harness.grpc_peers import NOT_SERVING, SERVING, Channel, Server, failure, text

CALM = {"breaker": {"enabled": False}, "health": {"eject_after": 0}}


class Setting:
    """A server, a proxy and a client's channel, all in cleartext or all in TLS."""

    def __init__(self, s, upstream=None, secure=False, servers=1, name="evenkeel", **settings):
        authority = certificate = None
        web = {"http2": {"cleartext": True}}
        upstream = {"protocol": "http2", **CALM, **(upstream or {})}
        if secure:
            authority = Authority(s)
            certificate = authority.issue("shop.test", "IP:127.0.0.1")
            web = {"tls": {"certificates": (certificate.settings(),)}}
            upstream["tls"] = {"enabled": True, "ca": authority.cert, "server_name": "shop.test"}
        self.servers = [Server(s, certificate, name=f"server{number}") for number in range(servers)]
        self.server = self.servers[0]
        self.proxy = start_proxy(s, [server.address for server in self.servers],
                                 {"workers": 1, "log": {"access": {"path": s.path("access")}},
                                  "listeners": {"web": web}, "upstreams": {"app": upstream}, **settings}, name=name)
        self.channel = Channel(self.proxy.address, authority.cert if secure else None)
        s.finally_do(self.channel.close)

    def until_held(self):
        check(self.server.held.acquire(timeout=patient(10)), "the call does not reach the server")


def each_kind(setting):
    channel = setting.channel
    check_equal(channel.unary()(b"hello", timeout=patient(30)), b"hello", "unary")
    check_equal(channel.upload()(iter([b"x" * 1000] * 200), timeout=patient(30)), b"200 200000", "client streaming")
    got = list(channel.download()(b"500 1000", timeout=patient(30)))
    check_equal([int.from_bytes(each[:4], "big") for each in got], list(range(500)), "server streaming")
    turns, said = channel.both(), []
    more = threading.Semaphore(0)

    def talk():
        for number in range(100):
            more.acquire()
            yield b"%d" % number

    call = turns(talk(), timeout=patient(30))
    for number in range(100):  # each message waits for the answer to the one before
        more.release()
        said.append(next(call))
    check_equal(said, [b"%d" % number for number in range(100)], "bidirectional streaming")
    check_equal(next(call, None), None, "what follows the last message")
    check_equal(list(channel.both("Late")(iter([b"a", b"b"]), timeout=patient(30))), [b"a", b"b"], "an answer after the end")


@scenario("a kind of call does not pass", within=120)
def kinds(s):
    for secure in (False, True):
        with s.case("over TLS" if secure else "in cleartext"):
            each_kind(Setting(s, secure=secure, name="secure" if secure else "plain"))


@scenario("metadata or a status is lost")
def metadata(s):
    setting = Setting(s)
    with s.case("metadata, also binary, both ways"):
        sent = [("x-word", "a b"), ("x-raw-bin", bytes(range(256))), ("x-empty-bin", b"")]
        message, call = setting.channel.unary().with_call(b"m", metadata=sent, timeout=patient(30))
        initial, trailing = text(call.initial_metadata()), text(call.trailing_metadata())
        check_equal(message, b"m", "message")
        for key, value in sent:
            check_equal((initial.get(key), trailing.get("end-" + key)), (value, value), key)
    with s.case("a call that fails before its first message"):
        for code in grpc.StatusCode:
            if code != grpc.StatusCode.OK:
                error = failure(setting.channel.unary("Fail"), f"{code.name} grund: ü%\n".encode())
                check_equal((error.code(), error.details()), (code, "grund: ü%\n"), "status and message")
                trailing = text(error.trailing_metadata())
                check_equal((trailing["x-why"], trailing["x-why-bin"]), ("asked-for", bytes(range(256))), "metadata")
    with s.case("statuses are counted"):
        eventually(lambda: setting.proxy.metric("evenkeel_grpc_calls_total", grpc_status="data_loss") == 1, "a data_loss")
        setting.proxy.expect_count(1, "evenkeel_grpc_calls_total", grpc_status="ok")


@scenario("a deadline or a cancellation does not reach the other side")
def ends(s):
    setting = Setting(s)
    with s.case("the server is told what remains of the deadline, and is let go when it is over"):
        begun, watch = time.monotonic(), Stopwatch(setting.proxy)
        error = failure(setting.channel.unary("Hold"), b"", timeout=0.5)
        check_equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED, "status")
        eventually(lambda: setting.server.cancelled, "the server is let go")
        took, slack = setting.server.cancelled[0] - begun, patient(0.2) + watch.stop().waited
        check(0.4 <= took <= 0.5 + slack, f"the server was let go after {took:.3f} s")
    for method, begin in (("Hold", lambda: setting.channel.unary("Hold").future(b"")),
                          ("HoldStream", lambda: setting.channel.both("HoldStream")(iter([b"one"])))):
        with s.case(f"{method} is cancelled at the server within 50 ms"):
            setting.server.cancelled.clear()
            while setting.server.held.acquire(blocking=False):
                pass
            call = begin()
            setting.until_held()
            begun, watch = time.monotonic(), Stopwatch(setting.proxy)
            call.cancel()
            eventually(lambda: setting.server.cancelled, "the server is let go")
            took, waited = setting.server.cancelled[0] - begun, watch.stop().waited
            check(took <= patient(0.05) + waited, f"after {took * 1000:.0f} ms")
    with s.case("our deadline is the call's"):
        setting.proxy.reload({"upstreams": {"app": {"timeouts": {"total": "300ms"}}}})
        error = failure(setting.channel.unary("Hold"), b"")
        check_equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED, "status")
    with s.case("our deadline ends a stream that has begun with a status"):
        setting.proxy.reload({"upstreams": {"app": {"timeouts": {"total": "1s", "stream": "1s"}}}})
        call = setting.channel.both("HoldStream")(iter([b"one"]))
        check_equal(next(call), b"one", "first message")
        try:
            next(call)
        except grpc.RpcError as error:
            check_equal((error.code(), error.details()), (grpc.StatusCode.DEADLINE_EXCEEDED, "Gateway Timeout (deadline)"),
                        "status")
        else:
            check(False, "a second message")
    with s.case("a client that forgets the field TE makes calls, too"):
        answer = curl("--http2-prior-knowledge", "--include", "-H", "Content-Type: application/grpc", "-H", "grpc-timeout: 200m",
                      "--data-binary", "@-", f"{setting.proxy.url}/test.Echo/Hold", feed=bytes(5)).out
        check(b"grpc-status: 4" in answer, f"the answer: {answer}")
    eventually(lambda: setting.proxy.bound("upstream_in_flight", "app")["used"] == 0, "no call is left")


@scenario("a server takes offence at how often it is asked whether it is alive")
def asked(s):
    """A server ends a connection that is asked too often while it has nothing to say: at the third PING within five minutes behind
    a first one, unless it is told otherwise."""
    setting = Setting(s, {"pool": {"ping": "100ms"}})
    talk, more = setting.channel.both(), threading.Semaphore(0)

    def words():
        yield b"one"
        more.acquire()
        yield b"two"

    call = talk(words(), timeout=patient(30))
    check_equal(next(call), b"one", "first message")
    time.sleep(1)  # ten times pool.ping: nothing tells how often the server was asked
    more.release()
    check_equal((next(call), next(call, None)), (b"two", None), "what is said behind a silence")
    check(not setting.proxy.metric("evenkeel_endpoint_http2_events_total", event="goaway"), "the server ended the connection")


@scenario("a long stream or a large message does not pass", within=300)
def sizes(s):
    setting = Setting(s, limits={"body": "8GiB"})
    count = scaled(20000, 100000)
    with s.case(f"{count} messages on one bidirectional stream"):
        got = 0
        for number, message in enumerate(setting.channel.both()(b"%d" % n for n in range(count))):
            check(message == b"%d" % number, f"message {number} is {message[:20]!r}")
            got += 1
        check_equal(got, count, "messages")
    with s.case("messages of 64 MiB, both ways"):
        large = bytes(64 << 20)
        check(setting.channel.unary()(large, timeout=patient(120)) == large, "it came back changed")
    with s.case("memory is bounded"):
        check(setting.proxy.bound("buffers_bytes")["peak"] < 32 << 20,
              f"buffers: {setting.proxy.bound('buffers_bytes')}")


@scenario("what we refuse is not understood")
def refusals(s):
    setting = Setting(s, limits={"body": "100KiB"}, routes=[
        {"name": "rated", "path_prefix": "/test.Rated", "upstream": "app",
         "key_rate": {"key": "client", "per_second": 0.001, "burst": 1.0}},
        {"name": "app", "path_prefix": "/test.Echo", "upstream": "app"}])
    channel = setting.channel
    with s.case("no route is UNIMPLEMENTED"):
        error = failure(channel.unary(service="test.None"), b"")
        check_equal(error.code(), grpc.StatusCode.UNIMPLEMENTED, "status")
        check("no_route" in error.details(), f"message: {error.details()}")
    with s.case("a rate is RESOURCE_EXHAUSTED"):
        codes = [failure(channel.unary(service="test.Rated"), b"").code() for _ in range(4)]
        check_equal(codes[-1], grpc.StatusCode.RESOURCE_EXHAUSTED, f"the last of {codes}")
    with s.case("too large a request is RESOURCE_EXHAUSTED"):
        error = failure(channel.unary(), bytes(200000))
        check_equal(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, "status")
    with s.case("a server that is gone is UNAVAILABLE"):
        setting.server.close()
        error = failure(channel.unary(), b"")
        check_equal(error.code(), grpc.StatusCode.UNAVAILABLE, "status")
        check("proxy-status" in text(error.trailing_metadata() or error.initial_metadata()), "no Proxy-Status")
    with s.case("and served again when it is back"):
        setting.server.start()
        eventually(lambda: failure(channel.unary(), b"x") is None, "it is served again")


@scenario("a failed call is not tried again where that is configured")
def retries(s):
    setting = Setting(s, {"retry": {"on": ["grpc:unavailable"], "backoff_base": "5ms", "backoff_max": "20ms"}})
    call, failures = setting.channel.unary("Flaky"), setting.server.failures
    with s.case("UNAVAILABLE once"):
        failures[b"once"] = (1, grpc.StatusCode.UNAVAILABLE, ())
        check_equal(call(b"once", timeout=patient(30)), b"once", "message")
        check_equal([each.get("grpc-previous-rpc-attempts") for each in setting.server.calls("Flaky")], [None, "1"],
                    "attempts before")
    with s.case("a status that is not named"):
        failures[b"other"] = (1, grpc.StatusCode.ABORTED, ())
        check_equal(failure(call, b"other").code(), grpc.StatusCode.ABORTED, "status")
    with s.case("pushback is kept to"):
        failures[b"later"] = (1, grpc.StatusCode.UNAVAILABLE, [("grpc-retry-pushback-ms", "300")])
        watch = Stopwatch(setting.proxy)
        check_equal(call(b"later", timeout=patient(30)), b"later", "message")
        check(watch.stop().took >= 0.3, f"tried again after {watch.took:.3f} s")
        failures[b"never"] = (1, grpc.StatusCode.UNAVAILABLE, [("grpc-retry-pushback-ms", "-1")])
        check_equal(failure(call, b"never").code(), grpc.StatusCode.UNAVAILABLE, "status")


@scenario("a probe takes no endpoint out, or does not bring it back", within=120)
def health(s):
    for secure in (False, True):
        with s.case("over TLS" if secure else "in cleartext"):
            setting = Setting(s, {"health": {"type": "grpc", "service": "test.Echo", "interval": "50ms", "rise": 1,
                                             "slow_start": "1ms", "panic": 0.0}}, secure, servers=2,
                              name="secure" if secure else "plain")

            def down(setting=setting):
                endpoints = setting.proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"]
                return [each["health"]["why"] for each in endpoints if each["health"]["status"] == "down"]

            for server in setting.servers:
                server.health = {"test.Echo": SERVING}
            eventually(lambda: not down(), "all are in use")
            setting.server.health = {"test.Echo": NOT_SERVING}
            eventually(lambda: down() == ["probes fail: the health service says that it is not serving"], "one is out")
            before = len(setting.server.calls("Unary"))
            for _ in range(20):
                setting.channel.unary()(b"", timeout=patient(30))
            check_equal(len(setting.server.calls("Unary")), before, "calls at the one that is out")
            setting.server.health = {}
            eventually(lambda: down() == ["probes fail: the health service answers with grpc-status 5"], "unknown service")
            setting.server.health = {"test.Echo": SERVING}
            eventually(lambda: not down(), "it is back")


@scenario("a stream does not outlive a drain or a GOAWAY that would let it finish")
def drains(s):
    with s.case("the server's GOAWAY"):
        setting = Setting(s)
        more = threading.Event()

        def talk():
            yield b"one"
            more.wait(patient(30))
            yield b"two"

        call = setting.channel.both()(talk(), timeout=patient(60))
        check_equal(next(call), b"one", "first message")
        stopped = setting.server.stop(grace=patient(30))
        eventually(lambda: failure(setting.channel.unary(), b"") is not None, "new calls are refused")
        more.set()
        check_equal(list(call), [b"two"], "the rest")
        check(stopped.wait(patient(20)), "the server does not stop")
    with s.case("our drain"):
        setting = Setting(s, drain={"grace": "20s"}, name="drained")
        more.clear()
        call = setting.channel.both()(talk(), timeout=patient(60))
        check_equal(next(call), b"one", "first message")
        setting.proxy.signal(signal.SIGTERM)
        eventually(lambda: setting.proxy.admin_json("/status").get("draining"), "it drains")
        more.set()
        check_equal(list(call), [b"two"], "the rest")
        setting.proxy.expect_clean_exit()


run()
