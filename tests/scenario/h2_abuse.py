"""What clients of HTTP/2 may do to a server at little cost of their own: other clients do not notice, and who does it is told.

For each attack, by so many connections at once: another client is served as before, memory stays within its bound, the attackers are
ended (with ENHANCE_YOUR_CALM where what they do is allowed, only too much of it), and the metrics name it.
EVENKEEL_SCALE=full gives it the numbers and the time of a real attack.
"""

import contextlib
import time

from harness import (SANITIZED, Bystander, MemoryWatch, NginxOrigin, RawOrigin, check, eventually, full_scale, reads_body, run,
                     scaled, scenario, start_proxy)
from harness import h2_attacks as attacks, h2_bytes as h2
from harness.h2_wire import H2Client

CONNECTIONS = scaled(20, 100)
WINDOW_S = scaled(0.5, 10.0)
# What each connection may make the proxy hold: its own part and that of its streams, as many as are allowed at a time, each with a
# connection to an HTTP/1 origin.
CONNECTION_KIB = 512 + 128 * (8 + 4)
MIB = 1 << 20
CLEARTEXT = {"workers": 1, "listeners": {"web": {"http2": {"cleartext": True}}}}


def start(s):
    """The origin of the page that others ask for, the proxy, and another client."""
    origin, hung = NginxOrigin(s), RawOrigin(s, "hung", receive_buffer=65536)
    origin.publish("large", 64 * MIB)
    hung.on("/", reads_body(lambda connection, _: connection.wait_for_end() and False))
    # Places at the upstream are no matter here: slow_clients.py has them.
    places = {"pool": {"max": 4096}, "limits": {"in_flight": 4096}}
    proxy = start_proxy(s, origin, {**CLEARTEXT, "upstreams": {"app": places, "hung": {"endpoints": [hung.address], **places}},
                                    "routes": [{"name": "hang", "path_prefix": "/hang", "upstream": "hung"},
                                               {"name": "all", "upstream": "app"}]})
    bystander = Bystander(s, proxy, origin, pause=0.001)
    bystander.p99_ms()  # the first requests wait for connections
    return proxy, bystander, bystander.p99_ms()


def told(proxy, kinds):
    return sum(proxy.metric("evenkeel_http2_clients_calmed_total", kind=kind) or 0 for kind in kinds)


@contextlib.contextmanager
def harmless(s, beside, what, connections=CONNECTIONS):
    """While the block runs, another client is served as before, and memory stays within its bound."""
    proxy, bystander, calm = beside
    watch = MemoryWatch(proxy, clients=1)
    end = time.monotonic() + WINDOW_S

    def go_on():
        while time.monotonic() < end:
            watch.poll()
            time.sleep(0.02)  # how often the memory is looked at
    yield go_on
    during = bystander.p99_ms()
    s.note(f"{what}: another client's p99 {calm:.2f} ms before, {during:.2f} ms meanwhile; memory grew by {watch.growth_kib} KiB")
    allowed = 2 * calm + 1 if full_scale() else 4 * calm + 60
    check(during <= allowed, f"another client's p99 is {during:.2f} ms, and {calm:.2f} ms at rest")
    check(SANITIZED or watch.growth_kib <= connections * CONNECTION_KIB, f"memory grew by {watch.growth_kib} KiB")


def attack(s, beside, what, flood, kind):
    """A flood; `kind`: the word for it in the metrics, or several; None: it is a connection error."""
    proxy = beside[0]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    before = told(proxy, kinds)
    with harmless(s, beside, what) as go_on:
        with attacks.Flood(proxy.address, CONNECTIONS, flood) as running:
            go_on()
            eventually(lambda: len(running.tells) >= CONNECTIONS, lambda: f"each is ended; told {running.tells[:20]}")
    s.note(f"{what}: {running.sent >> 10} KiB sent, {len(running.tells)} connections ended, {running.calmed()} told to be calm")
    if kind is None:
        errors = [code for code in running.tells if code]
        check(errors, f"no connection error was told: {running.tells[:20]}")
        return
    check(running.calmed() > 0, f"none was told to be calm: {running.tells[:20]}")
    eventually(lambda: told(proxy, kinds) > before, lambda: f"{kind} is counted: {calmed_kinds(proxy)}")


def calmed_kinds(proxy):
    return {series: value for series, value in proxy.metrics().items() if "calmed" in series}


FLOODS = [
    ("streams that are opened and reset", attacks.RAPID_RESET, "reset_flood"),
    ("streams made to be reset by a window opened by 0", attacks.MADE_RESETS["a window opened by 0"], None),
    ("streams made to be reset by a window opened too far", attacks.MADE_RESETS["a window opened too far"], "reset_flood"),
    ("streams made to be reset by payload behind their end", attacks.MADE_RESETS["payload behind the end"], None),
    ("streams made to be reset by a head behind their end", attacks.MADE_RESETS["a head behind the end"], None),
    ("streams made to be reset by a priority of a wrong length", attacks.MADE_RESETS["a priority of a wrong length"], None),
    ("streams made to be reset by a priority on itself", attacks.MADE_RESETS["a priority on itself"], None),
    ("streams made to be reset by a malformed head", attacks.MADE_RESETS["a malformed head"], "reset_flood"),
    ("streams made to be reset by a length that is not kept", attacks.MADE_RESETS["a length that is not kept"], "reset_flood"),
    ("a head without end", attacks.CONTINUATION, "head_flood"),
    ("a head without end, of empty frames", attacks.EMPTY_CONTINUATION, "head_flood"),
    # What comes at once is more than what may wait to be answered.
    ("PING", attacks.PING, ("ping_flood", "unread_flood")),
    ("SETTINGS", attacks.SETTINGS, ("settings_flood", "unread_flood")),
    ("PRIORITY", attacks.PRIORITY, "priority_flood"),
    ("PRIORITY_UPDATE", attacks.PRIORITY_UPDATE, "priority_flood"),
    ("WINDOW_UPDATE", attacks.WINDOW_UPDATE, "window_update_flood"),
    ("empty DATA", attacks.EMPTY_DATA, "empty_data_flood"),
    ("frames of an unknown type", attacks.UNKNOWN, "unknown_flood"),
    ("DATA that is nothing but padding", attacks.PADDING, "empty_data_flood"),
    ("heads that are small as HPACK and huge as fields", attacks.HPACK_BOMB, "head_flood"),
    ("heads that are small as HPACK and large as fields", attacks.HPACK_EXCESS, "reset_flood"),
]


@scenario("others notice a flood of frames, or nobody is told", within=300)
def floods(s):
    beside = start(s)
    for what, flood, kind in FLOODS:
        with s.case(what):
            attack(s, beside, what, flood, kind)


@scenario("streams that were reset fill the queue of an upstream")
def reset_before_served(s):
    origin = NginxOrigin(s)
    proxy = start_proxy(s, origin, {**CLEARTEXT, "upstreams": {"app": {"limits": {"in_flight": 8, "queue": 8}}}})
    with H2Client(proxy.address) as client:
        client.send(b"".join(attacks.get(stream) + h2.rst_stream(stream) for stream in range(1, 401, 2)))
        client.next_stream = 401
        check(client.request(path="/hello").status == 200, "the next request is not served")
    check(proxy.bound("upstream_queued", "app")["refused"] == 0, f"places in the queue: {proxy.bound('upstream_queued', 'app')}")


@scenario("others notice clients that take nothing of many streams", within=200)
def takes_nothing(s):
    beside = start(s)
    proxy, count = beside[0], scaled(4, 20)
    for what, settings, options in (("windows that are shut", {h2.INITIAL_WINDOW_SIZE: 0}, {}),
                                    ("sockets that are not read", {h2.INITIAL_WINDOW_SIZE: h2.LARGEST}, {"receive_buffer": 8192})):
        with s.case(what):
            with harmless(s, beside, what, count) as go_on, contextlib.ExitStack() as stack:
                for _ in range(count):
                    client = stack.enter_context(H2Client(proxy.address, settings=settings, automatic=False, **options))
                    client.open_window(0, h2.LARGEST - h2.WINDOW_BYTES)
                    for _ in range(100):
                        client.ask(path="/large")
                go_on()


run()
