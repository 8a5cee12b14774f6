"""Names: traffic goes on as long as one address works, and follows what the servers say."""

import json
import random
import signal
import threading
import time

from harness import (ESTABLISHED, DnsServer, Dnsmasq, NginxOrigin, Process, RawOrigin, Silence, Stopwatch, check, check_equal,
                     eventually, patient, ports, program, promptly, run, scaled, scenario, start_proxy, wrk_in_background)

TWO, THREE, FOUR = "127.0.0.2", "127.0.0.3", "127.0.0.4"
NAME = "app.test"


def origin_of(s, *also, name="nginx"):
    return NginxOrigin(s, name, also=also or (TWO, THREE, FOUR))


def proxy_for(s, server, origin, settings=None, endpoint=None, **resolver):
    """In front of app.test, refreshed a few times a second."""
    return start_proxy(s, endpoint or f"{NAME}:{origin.port}", {
        "resolver": {"servers": [server.address], "min_ttl": "200ms", "max_ttl": "1s", **resolver},
        "upstreams": {"app": {"balance": "round_robin", "pool": {"warm_min": 0}, "timeouts": {"resolve": "2s"},
                              **(settings or {})}}})


def where(proxy):
    """The address that served a request."""
    response = proxy.get("/where")
    check_equal(response.status, 200, f"status ({response.get('Proxy-Status')})")
    return bytes(response.body).decode()


def places(proxy, count=20):
    return {where(proxy) for _ in range(count)}


def name_row(proxy, name=NAME):
    return next(row for row in proxy.admin_json("/status")["names"] if row["name"] == name)


def expect_unresolved(proxy):
    response = proxy.get("/where")
    check_equal(response.status, 503, "status")
    check("error=dns_error" in (response.get("Proxy-Status") or ""), f"Proxy-Status: {response.get('Proxy-Status')}")
    check(response.get("Retry-After"), "no Retry-After")


def is_unresolved(proxy):
    return proxy.get("/where").status == 503


@scenario("addresses that come and go under load cost a request", within=90)
def churn(s):
    origin = origin_of(s)
    server = Dnsmasq(s)
    server.say(NAME, TWO, THREE)
    eventually(lambda: server.log().count("addresses"), "dnsmasq has read its names")
    proxy = proxy_for(s, server, origin, {"pool": {"warm_min": 2}}, max_ttl="300ms")
    seconds = scaled(2, 30)
    load = wrk_in_background(s, f"{proxy.url}/hello", seconds, 16)
    chance = random.Random(7)
    end = time.monotonic() + seconds - 0.5
    while time.monotonic() < end:
        server.say(NAME, *chance.sample([TWO, THREE, FOUR], chance.choice([1, 2, 3])))
        time.sleep(chance.uniform(0.1, 0.6))  # some changes are seen, others are over before
    s.note(f"{load.report().expect_clean().requests} requests")
    metrics = proxy.metrics()
    check(metrics["evenkeel_dns_adoptions_total"] >= 2, "the workers took over no change")
    check_equal(metrics["evenkeel_reloads_total"], 0, "reloads counted")
    check_equal(proxy.admin_json("/status")["generation"], 1, "generation")
    check(proxy.bound("generations")["peak"] <= 2, "more than two generations lived")
    with s.case("an address that has gone gets no new request after its TTL and one refresh"):
        server.say(NAME, TWO, THREE)
        eventually(lambda: places(proxy) == {TWO, THREE}, "both addresses serve")
        server.say(NAME, THREE)
        changed = time.monotonic()
        eventually(lambda: name_row(proxy)["addresses"] == 1, "the answer is refreshed")
        check(time.monotonic() - changed < patient(2.5), "it took longer than the TTL and one refresh")
        promptly(lambda: places(proxy, 4) == {THREE}, "the workers have taken it over", 1, proxy)
        check_equal(places(proxy, 100), {THREE}, "addresses that serve")
        open_to = [row[1] for row in proxy.sockets() if row[1] == f"{TWO}:{origin.port}" and row[2] == ESTABLISHED]
        check_equal(open_to, [], "connections to the address that has gone")


@scenario("a name without an address stops the process, or is forgotten")
def appears_later(s):
    origin = origin_of(s)
    server = Dnsmasq(s)
    proxy = proxy_for(s, server, origin)
    with s.case("the process starts, and says why it cannot serve"):
        expect_unresolved(proxy)
        proxy.wait_for_log("has no endpoints")
    with s.case("the name appears, and is served without a reload"):
        server.say(NAME, TWO)
        eventually(lambda: not is_unresolved(proxy), "requests are served")
        check_equal(places(proxy), {TWO}, "addresses that serve")
    with s.case("a reload with a name that does not exist is taken, and the others are served on"):
        check(proxy.reload({"upstreams": {"app": {"endpoints": [f"{NAME}:{origin.port}", f"no.test:{origin.port}"]}}}),
              "rejected")
        check_equal(places(proxy), {TWO}, "addresses that serve")
        check_equal(name_row(proxy, "no.test")["last"], {"A": "unknown", "AAAA": "unknown"}, "lookups")
    with s.case("a reload that changes the name fails no request"):
        server.say("new.test", FOUR)
        started = proxy.metric("evenkeel_exchanges_started_total")
        load = wrk_in_background(s, f"{proxy.url}/hello", 1, 4)
        eventually(lambda: proxy.metric("evenkeel_exchanges_started_total") > started + 100, "the load has begun")
        check(proxy.reload({"upstreams": {"app": {"endpoints": [f"new.test:{origin.port}"]}}}), "rejected")
        load.report().expect_clean()
        check_equal(places(proxy), {FOUR}, "addresses that serve")
        check_equal([row["name"] for row in proxy.admin_json("/status")["names"]], ["new.test"], "names kept")


def garbage(question):
    return [question.id + bytes(random.Random(3).randrange(256) for _ in range(300)), b"", b"\0",
            question.message[:11], question.answer([TWO], ttl=1)[:-1] if question.kind == "A" else b"x"]


def wrong_ids(question):
    return [question.answer([FOUR] if question.kind == "A" else [], number=bytes([question.id[0] ^ 1, n]))
            for n in range(8)]


TROUBLES = {
    "SERVFAIL": lambda question: question.answer(code=2),
    "REFUSED": lambda question: question.answer(code=5),
    "silence": lambda question: Silence,
    "garbage": garbage,
    "answers to other questions": wrong_ids,
    "truncation without TCP data": lambda question: question.answer(truncated=True),
    "an alias to itself": lambda question: (question.answer()[:6] + b"\0\1" + question.answer()[8:] +
                                            b"\xc0\x0c\0\5\0\1\0\0\0\1\0\2\xc0\x0c"),
}


@scenario("servers in trouble take addresses away", within=60)
def troubles(s):
    origin = origin_of(s)
    server = DnsServer(s)
    names = {trouble: f"name{number}.test" for number, trouble in enumerate(TROUBLES)}
    for name in names.values():
        server.host(name, TWO)
    # all at once, each at an upstream of its own
    one = {"pool": {"warm_min": 0}, "timeouts": {"resolve": "400ms"}}
    proxy = start_proxy(s, settings={
        "resolver": {"servers": [server.address], "min_ttl": "200ms", "max_ttl": "1s"},
        "upstreams": {name[:5]: {"endpoints": [f"{name}:{origin.port}"], **one} for name in names.values()},
        "routes": [{"header": f"X-Name: {name}", "upstream": name[:5]} for name in names.values()]})

    def served(name):
        response = proxy.get("/where", [("X-Name", name)])
        return response.status, bytes(response.body).decode()

    for name in names.values():
        check_equal(served(name), (200, TWO), "what is served")
    for trouble, name in names.items():
        server.answers[name, "A"] = server.answers[name, "AAAA"] = TROUBLES[trouble]
    for trouble, name in names.items():
        with s.case(f"{trouble}: the last answer is used on"):
            eventually(lambda name=name: name_row(proxy, name)["stale"], "the answer is stale")
            eventually(lambda name=name: name_row(proxy, name)["failures"] > 1, "lookups have failed")
            check_equal(served(name), (200, TWO), "what is served")
    for name in names.values():
        server.host(name, TWO, THREE)
    for trouble, name in names.items():
        with s.case(f"{trouble}: when it is over the answer is fresh"):
            eventually(lambda name=name: not name_row(proxy, name)["failures"] and name_row(proxy, name)["addresses"] == 2,
                       "it is answered again")
            check_equal(served(name)[0], 200, "status")
    with s.case("NXDOMAIN once changes nothing"):
        name = names["SERVFAIL"]
        server.answers[name, "A"] = lambda question: server.host(name, TWO, THREE)
        eventually(lambda: server.answers[name, "A"] == [TWO, THREE], "it was said")
        check_equal(served(name)[0], 200, "status")
        check_equal(name_row(proxy, name)["addresses"], 2, "addresses")
    check(proxy.metric("evenkeel_dns_lookups_total", result="failed") > 0, "no failure was counted")
    check(proxy.metric("evenkeel_dns_lookups_total", result="timeout") > 0, "no timeout was counted")


@scenario("a name that has gone is used for ever, or given up at the first word")
def gone(s):
    origin = origin_of(s)
    server = DnsServer(s)
    server.host(NAME, TWO)
    proxy = proxy_for(s, server, origin, negative_count=3, negative_span="600ms")
    check_equal(places(proxy), {TWO}, "addresses that serve")
    began = time.monotonic()
    for kind in ("A", "AAAA"):
        server.answers[NAME, kind] = None
    eventually(lambda: is_unresolved(proxy), "the name is given up")
    took = time.monotonic() - began
    check(took >= 0.6, f"it was given up after {took:.2f} s")
    first = next(q for q in server.asked(NAME) if q.at > began)
    noes = [q for q in server.asked(NAME) if q.at >= first.at and q.at < began + took]
    check(len(noes) >= 3, f"it was given up after {len(noes)} answers")
    expect_unresolved(proxy)
    server.host(NAME, THREE)
    eventually(lambda: not is_unresolved(proxy), "it is served again")
    check_equal(places(proxy), {THREE}, "addresses that serve")
    with s.case("while servers fail, an answer is kept no longer than stale"):
        check(proxy.reload({"resolver": {"stale": "500ms"}}), "rejected")
        server.forget(NAME)
        eventually(lambda: is_unresolved(proxy), "the answer is given up")


@scenario("unusual answers: TTL 0, very many addresses, one family only", within=60)
def unusual(s):
    origin = origin_of(s, TWO, *(["[::1]"] if ports.has_ipv6() else []))
    server = DnsServer(s)
    server.host(NAME, TWO)
    proxy = proxy_for(s, server, origin)
    with s.case("TTL 0 does not make us ask without end"):
        check_equal(places(proxy), {TWO}, "addresses that serve")
        asked = server.asked(NAME)
        eventually(lambda: len(server.asked(NAME)) >= len(asked) + 4, "it is asked again")
        times = [q.at for q in server.asked(NAME)]
        check(min(b - a for a, b in zip(times, times[1:])) > 0.1, "it is asked more often than min_ttl says")
    with s.case("only IPv6"):
        ports.need_ipv6()
        server.host(NAME, "::1")
        server.answers[NAME, "A"] = lambda question: question.answer(code=2)
        eventually(lambda: "::1" in places(proxy), "the address serves")
        check(proxy.reload({"upstreams": {"app": {"endpoints": [f"six.test:{origin.port}"]}}}) if
              server.host("six.test", "::1") is None else False, "rejected")
        check_equal(places(proxy), {"::1"}, "addresses that serve")
    with s.case("one family in trouble says nothing of the other"):
        ports.need_ipv6()
        server.host("six.test", TWO)
        server.answers["six.test", "AAAA"] = lambda question: Silence
        eventually(lambda: places(proxy) == {TWO, "::1"}, "both families serve")
    with s.case("200 addresses come by TCP, and 64 of them are used, always the same"):
        many = [f"127.1.{n // 100}.{n % 100}" for n in range(1, 201)]
        server.host("many.test", *many)
        check(proxy.reload({"upstreams": {"app": {"endpoints": [f"many.test:{origin.port}"]}}}), "rejected")
        check_equal(name_row(proxy, "many.test")["addresses"], 64, "addresses used")
        check("tcp" in {q.transport for q in server.asked("many.test")}, "it was not asked by TCP")
        used = {row["address"] for row in proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"]}
        check_equal(used, {f"{address}:{origin.port}" for address in many[:64]}, "addresses used")
        adoptions = proxy.metrics()["evenkeel_dns_adoptions_total"]
        for _ in range(3):
            random.Random(1).shuffle(many)
            server.host("many.test", *many)
            asked = len(server.asked("many.test"))
            eventually(lambda asked=asked: len(server.asked("many.test")) > asked + 1, "it is asked again")
        check_equal(proxy.metrics()["evenkeel_dns_adoptions_total"], adoptions, "changes taken over")
        eventually(lambda: proxy.log().count("only 64 are used") == 1, "times the log says so")


@scenario("services are sent the wrong share, or to the wrong port")
def services(s):
    origin, other = origin_of(s), origin_of(s, name="nginx-other")
    server = DnsServer(s)
    service = "_http._tcp.app.test"
    server.host("one.test", TWO)
    server.host("two.test", THREE, FOUR)
    server.answers[service, "SRV"] = [(10, 30, origin.port, "one.test"), (20, 1, origin.port, "two.test")]
    proxy = proxy_for(s, server, origin, endpoint=f"srv:{service}")
    with s.case("only the lowest priority is used"):
        check_equal(places(proxy), {TWO}, "addresses that serve")
    with s.case("weights are shares, ports are theirs"):
        server.answers[service, "SRV"] = [(10, 300, other.port, "one.test"), (10, 100, origin.port, "two.test")]
        eventually(lambda: len(places(proxy, 12)) == 3, "all three serve")
        seen = [where(proxy) for _ in range(100)]
        shares = {each: seen.count(each) for each in (TWO, THREE, FOUR)}
        check(50 <= shares[TWO] <= 70 and shares[THREE] >= 15 and shares[FOUR] >= 15, f"shares: {shares}")
        rows = proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"]
        check_equal({row["address"] for row in rows},
                    {f"{TWO}:{other.port}", f"{THREE}:{origin.port}", f"{FOUR}:{origin.port}"}, "endpoints")
    with s.case("targets that have no address leave the service as it was"):
        server.answers[service, "SRV"] = [(5, 1, origin.port, "later.test")]
        for kind in ("A", "AAAA"):
            server.answers["later.test", kind] = None
        eventually(lambda: server.asked("later.test"), "the new target is asked for")
        check_equal(len(places(proxy, 20)), 3, "addresses that serve")
        server.host("later.test", TWO)
        eventually(lambda: places(proxy, 10) == {TWO}, "the new target serves")
    check_equal([row["name"] for row in proxy.admin_json("/status")["names"]], [service], "names that are told")


@scenario("a silent server holds up the process", within=60)
def silent(s):
    origin = origin_of(s)
    server = DnsServer(s)
    server.answers[NAME, "A"] = server.answers[NAME, "AAAA"] = lambda question: Silence
    settings = {"timeouts": {"resolve": "600ms"}}
    began = time.monotonic()
    proxy = proxy_for(s, server, origin, settings)
    took = time.monotonic() - began
    with s.case("the start waits for timeouts.resolve, and no longer"):
        check(0.5 <= took < patient(3), f"it took {took:.1f} s")
        expect_unresolved(proxy)
    with s.case("a reload that waits for a name holds up neither requests nor the admin listener"):
        server.host(NAME, TWO)
        eventually(lambda: not is_unresolved(proxy), "the name is served")
        server.answers["mute.test", "A"] = server.answers["mute.test", "AAAA"] = lambda question: Silence
        load = wrk_in_background(s, f"{proxy.url}/hello", 1, 4)
        proxy.settings["upstreams"]["app"]["endpoints"] = [f"{NAME}:{origin.port}", f"mute.test:{origin.port}"]
        proxy.write_config(proxy.text())
        began = time.monotonic()
        proxy.signal(signal.SIGHUP)
        slowest = 0
        while not proxy.reloads()[0]:
            watch = Stopwatch(proxy)
            check_equal(proxy.admin("/livez")[0], 200, "admin listener")
            slowest = max(slowest, watch.stop().seconds)
            check(time.monotonic() - began < patient(4), "the reload does not come to an end")
        check(time.monotonic() - began > 0.4, "the reload did not wait")
        check(slowest < patient(0.5), f"the admin listener took {slowest:.2f} s")
        load.report().expect_clean()
    with s.case("POST /reload is answered 202 after the time that it says, and the reload goes on"):
        server.answers["late.test", "A"] = server.answers["late.test", "AAAA"] = lambda question: Silence
        proxy.settings["upstreams"]["app"]["endpoints"] = [f"late.test:{origin.port}"]
        proxy.settings["upstreams"]["app"]["timeouts"]["resolve"] = "20s"
        proxy.write_config(proxy.text())
        taken = proxy.reloads()[0]
        status, answer = proxy.admin("/reload?wait=0", "POST")
        check_equal((status, json.loads(answer)["result"], json.loads(answer)["errors"]), (202, "waiting", []), "answer")
        check_equal(proxy.reloads()[0], taken, "reloads that are over")
        server.host("late.test", TWO)
        eventually(lambda: proxy.reloads()[0] == taken + 1, "the reload is over")
    with s.case("TERM while the start waits ends it at once"):
        early = s.path("early.conf")
        server.answers["early.test", "A"] = server.answers["early.test", "AAAA"] = lambda question: Silence
        proxy.settings["upstreams"]["app"]["endpoints"] = ["early.test:80"]
        proxy.settings["upstreams"]["app"]["timeouts"]["resolve"] = "20s"
        proxy.settings["listeners"]["web"]["listen"] = f"127.0.0.1:{s.port()}"
        proxy.settings["admin"]["listen"] = f"unix:{s.path('early.sock')}"
        with open(early, "w") as file:
            file.write(proxy.text())
        child = Process(s, "early", [program(), "-c", early])
        eventually(lambda: server.asked("early.test"), "it has begun to ask")
        asked = time.monotonic()
        child.signal(signal.SIGTERM)
        check_equal(child.wait(5), 0, "exit status")
        check(time.monotonic() - asked < patient(2), "it took long")


@scenario("an exchange of an upstream that a reload removed holds up what names stand for")
def beside_old_exchange(s):
    origin, slow = origin_of(s), RawOrigin(s, "slow")
    server = DnsServer(s)
    server.host(NAME, TWO)
    release = threading.Event()
    slow.on("/", lambda connection, _: release.wait(patient(20)) and connection.respond(200, b"held"))
    held = {"header": "X-Old: yes", "upstream": "old"}
    proxy = proxy_for(s, server, origin)
    check(proxy.reload({"upstreams": {"old": {"endpoints": [slow.address]}},
                        "routes": [held, {"name": "all", "upstream": "app"}]}), "rejected")
    with proxy.client() as client:
        client.send("GET /hold HTTP/1.1\r\nHost: h\r\nX-Old: yes\r\n\r\n")
        slow.request_for("/hold")
        check(proxy.reload({"upstreams": {"old": None}, "routes": [{"name": "all", "upstream": "app"}]}), "rejected")
        check_equal(places(proxy), {TWO}, "addresses that serve")
        for address in (THREE, TWO, FOUR):
            server.host(NAME, address)
            eventually(lambda address=address: places(proxy, 3) == {address}, f"{address} serves")
        check(proxy.bound("generations")["peak"] <= 2, "more than two generations lived")
        release.set()
        check_equal(client.response().status, 200, "status of what was in flight")


@scenario("names of /etc/hosts are asked of servers")
def hosts_file(s):
    origin = origin_of(s)
    server = DnsServer(s)
    proxy = proxy_for(s, server, origin, endpoint=f"localhost:{origin.port}")
    check("127.0.0.1" in places(proxy), "the address does not serve")
    check_equal(name_row(proxy, "localhost")["source"], "hosts", "source")
    check_equal(server.questions, [], "questions to the server")


run()
