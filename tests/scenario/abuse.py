"""What many clients may do to the others, and what the others notice: figures beside nginx and HAProxy under the same.

For each attack: the share of the others' requests that are served while it goes on, and the longest that one waits. The
figures are notes; of Evenkeel it is demanded that nobody is refused, whatever the speed of the machine.
EVENKEEL_SCALE=full gives them the time and the numbers of a real attack.
"""

import ssl
import time

from harness import (Authority, Client, HaproxyOrigin, KeyUpdates, NginxOrigin, NginxProxy, Pace, RawOrigin, Trickle, Uploads,
                     begin_upload, check, check_equal, crowd, merge, network, run, scaled, scenario, slow_reader, start_proxy)
from harness.pace import faults, quantile_ms

WINDOW_S = scaled(0.8, 20.0)
# Requests of the others before it begins; where failures are weighed, enough to be known: an attack alone is all the
# traffic there is.
BEFORE, KNOWN = 8, 30
# Who is not served within this is not served.
PATIENCE_S = 5.0
# How long uploads stall before those who sent them come again: longer than they are waited for here.
STALL_S = scaled(0.5, 5.0)
OTHERS = {"rate": 80, "clients": 6}
WORKERS = 2


class Rival:
    """A proxy beside ours: where it is reached."""

    def __init__(self, name, address):
        self.name, self.address = name, address


def rivals(s, origins, settings, tls):
    """nginx and HAProxy before the same origins, with the same bounds where they have them."""
    addresses = [origin.address for origin in origins]
    shown = {"tls": {"certificates": [tls.settings()]}} if tls else {}
    nginx = NginxProxy(s, merge(settings, {"listeners": {"web": {"listen": f"127.0.0.1:{s.port()}", **shown}},
                                           "upstreams": {"app": {"endpoints": addresses}}}))
    most = settings.get("upstreams", {}).get("app", {}).get("pool", {}).get("max")
    haproxy = HaproxyOrigin(s, origins, tls=tls, server=f"maxconn {most}" if most else "")
    return [Rival("nginx", nginx.address), Rival("haproxy", ("127.0.0.1", haproxy.port))]


def ours(s, origins, settings, tls):
    shown = {"listeners": {"web": {"tls": {"certificates": [tls.settings()]}}}} if tls else {}
    return start_proxy(s, origins, merge({"workers": WORKERS, **settings}, shown))


def in_words(answers):
    served = len(answers) - len(faults(answers))
    return f"{served / len(answers):6.1%} of {len(answers)} others served, worst wait {quantile_ms(answers, 1.0):.0f} ms"


def others_during(attack, address, tls=None, before=BEFORE, **ask):
    """The answers to the others while the attack on this address goes on."""
    def connect(number):
        return Client(address, within=PATIENCE_S, tls=tls, **({} if isinstance(address, str) else
                                                              {"source": network(100 + number)}))
    load = Pace(address, **{**OTHERS, **ask}, connect=connect)
    load.go_on(before)
    begun = time.monotonic()
    with attack():
        time.sleep(WINDOW_S)  # how long they meet it
        return [answer for answer in load.end() if answer.due >= begun]


def compare(s, what, origins, attack, settings=None, certificate=None, authority=None, **ask):
    """The same attack(address) on each; returns our proxy, where all others must have been served."""
    settings = settings or {}
    proxy = ours(s, origins, settings, certificate)
    tls = ssl.create_default_context(cafile=authority.cert) if authority else None
    for each in [Rival("evenkeel", proxy.address), *rivals(s, origins, settings, certificate)]:
        answers = others_during(lambda address=each.address: attack(address), each.address, tls, **ask)
        s.note(f"{what}: {each.name:8} {in_words(answers)}")
        if each.name == "evenkeel":
            check_equal(faults(answers), [], "others that were not served")
            check(answers, "nobody asked")
    return proxy


def nothing_was_blamed(proxy):
    """No origin was taken for sick."""
    told = [line for line in proxy.log().splitlines() if " breaker " in line or "ejected" in line]
    check_equal(told, [], "breakers and ejections")
    check_equal([each["breaker"]["state"] for each in proxy.admin_json("/upstreams")["upstreams"]], ["closed"], "breakers")


def fine_and_bad(s):
    return [RawOrigin(s, name).on("/fine", status=200, body=b"x").on("/bad", status=503) for name in ("one", "two")]


def many_pages(turn):
    return f"/fine/{turn % 13}"


# So that what takes minutes by default is seen in the time there is.
QUICK = {"listeners": {"web": {"timeouts": {"body": scaled("300ms", "3s")}}},
         "upstreams": {"app": {"timeouts": {"total": scaled("300ms", "3s")}, "retry": {"attempts": 1},
                               "breaker": {"consecutive": 5}}}}


def timed_out(proxy):
    return proxy.metric("evenkeel_exchanges_by_reason_total", reason="request_timeout") or 0


@scenario("others are refused because uploads stall")
def stalled_uploads(s):
    proxy = compare(s, "uploads that stall", fine_and_bad(s), lambda address: Uploads(address, 15, STALL_S), QUICK,
                    target=many_pages, before=KNOWN)
    nothing_was_blamed(proxy)
    check_equal(proxy.admin_json("/upstreams")["upstreams"][0]["breaker"]["failures"], 0, "failures")
    check(timed_out(proxy) > 0, "no upload has stalled")


@scenario("others are refused because bodies that were announced never come")
def expect_without_body(s):
    proxy = compare(s, "Expect without a body", fine_and_bad(s), lambda address: Uploads(
        address, 15, STALL_S, fields="Expect: 100-continue\r\n", begun=b""), QUICK, target=many_pages, before=KNOWN)
    nothing_was_blamed(proxy)
    check(timed_out(proxy) > 0, "no body was waited for")


class BadUrl:
    """One client that asks for a URL that fails, more often than the others ask for anything."""

    def __init__(self, address, rate):
        self._address, self._rate = address, rate

    def __enter__(self):
        self._load = Pace(self._address, self._rate, 1, "/bad")

    def __exit__(self, *_):
        check(self._load.end(), "nobody has asked for it")


@scenario("others are refused because of one bad URL", within=90)
def bad_url(s):
    # 10 a second beside 4, and faster where there is less time.
    factor = scaled(8, 1)
    proxy = compare(s, "a bad URL", fine_and_bad(s), lambda address: BadUrl(address, 10 * factor),
                    {"upstreams": {"app": {"retry": {"attempts": 1}}}}, target=many_pages, before=KNOWN, rate=4 * factor)
    nothing_was_blamed(proxy)


@scenario("others wait for a client that changes its keys without end")
def key_updates(s):
    authority = Authority(s)
    proxy = compare(s, "KeyUpdates", [NginxOrigin(s)], KeyUpdates, certificate=authority.issue("shop.test"),
                    authority=authority, target="/hello")
    check((proxy.metric("evenkeel_tls_connections_broken_total", cause="record_flood") or 0) >= 1, "no flood was cut off")


@scenario("others are refused because heads without bodies hold all connections")
def heads_without_bodies(s):
    most, heads = scaled((32, 34), (256, 258))

    def attack(address):
        return crowd(lambda number: begin_upload(address, number % 100, begun=b""), heads)
    proxy = compare(s, "heads without bodies", [NginxOrigin(s)], attack,
                    {"upstreams": {"app": {"pool": {"max": most, "warm_min": 0}}}}, target="/hello")
    check(proxy.bound("upstream_in_flight", "app")["peak"] < most, "places for requests were used up")


@scenario("others are refused because silent sockets hold the places for handshakes")
def silent_sockets(s):
    authority = Authority(s)

    def attack(address):
        return crowd(lambda _: Client(address), scaled(300, 2000))
    proxy = compare(s, "silent sockets", [NginxOrigin(s)], attack, {"limits": {"handshakes": scaled(100, 2000)}},
                    certificate=authority.issue("shop.test"), authority=authority, target="/hello", keep=False)
    handshakes = proxy.bound("handshakes")
    check(handshakes["refused"] == 0 and handshakes["peak"] < handshakes["limit"], f"handshakes: {handshakes}")


@scenario("others are refused because slow readers hold the buffers")
def slow_tls_readers(s):
    authority, origin = Authority(s), NginxOrigin(s)
    origin.publish("large", 12 << 20)
    origin.publish("page", b"x" * 50000)
    context = ssl.create_default_context(cafile=authority.cert)

    def attack(address):
        return crowd(lambda _: slow_reader(address, context, "/large"), scaled(40, 400))
    proxy = compare(s, "slow readers", [origin], attack, {"limits": {"memory": "16MiB"}},
                    certificate=authority.issue("shop.test"), authority=authority, target="/page")
    held = proxy.bound("buffers_bytes")
    check(held["refused"] == 0 and held["used"] < held["limit"], f"buffers: {held}")
    check_equal(proxy.metric("evenkeel_exchanges_by_reason_total", reason="no_memory") or 0, 0, "broken for want of memory")


@scenario("an operator waits because of slow connections to the admin listener")
def slow_admin_connections(s):
    proxy = ours(s, [RawOrigin(s)], {}, None)
    path = proxy.settings["admin"]["listen"].removeprefix("unix:")
    for name, count in (("as many as there are places", 64), ("four times as many", 256)):
        answers = others_during(lambda count=count: Trickle(path, count, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n", b"x",
                                                            0.2), path, target="/livez", keep=False)
        s.note(f"slow admin connections, {name}: evenkeel {in_words(answers)}")
        check_equal(faults(answers), [], "probes that were not answered")


run()
