"""Replicas act as one by a store, and none of a store's faults costs a request anything."""

import glob
import os
import re
import signal
import socket
import ssl
import threading

from harness import (Authority, DnsServer, RawOrigin, RedisStore, check, check_equal, eventually, patient,
                     run, run_program, scenario, start_proxy)
from harness.fleet import drained, fault, key_file, replica, seen


def last_beat_ms(store):
    """When the newest beat of a replica came, by the clock of the store."""
    return int(store.ask("ZREVRANGE", "evenkeel:1:{evenkeel}:members", "0", "0", "WITHSCORES").split()[-1].strip("\""))


@scenario("replicas do not know of each other, or believe in one that has gone")
def members(s):
    store, origin, release = RedisStore(s), RawOrigin(s), threading.Event()
    origin.on("/hold", lambda connection, request: release.wait(patient(20)) and connection.respond(200, b"held"))
    proxies = [replica(s, origin, f"replica{number}", {"store": [store.address]}, drain={"grace": "60s"}) for number in range(3)]
    with s.case("each knows all"):
        for proxy in proxies:
            eventually(lambda: len(seen(proxy)) == 3, f"{proxy.name} sees three")
            check_equal(sum(each["self"] for each in proxy.admin_json("/fleet")["replicas"]), 1, "of which itself")
        eventually(lambda: proxies[0].metric("evenkeel_fleet_replicas") == 3, "so do the metrics")
    with s.case("one that ends is missed at once, however long its last requests take"), proxies[2].client() as client:
        client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        origin.request_for("/hold")
        proxies[2].signal(signal.SIGTERM)
        eventually(lambda: len(seen(proxies[0])) == 2, "it is gone", 4)
        gone_ms = last_beat_ms(store)
        eventually(lambda: len(seen(proxies[0])) != 2 or last_beat_ms(store) > gone_ms + 2500, "others are heard thrice")
        check_equal(len(seen(proxies[0])), 2, "replicas while it drains")
        release.set()
        check_equal(client.response().status, 200, "status of its last request")
        proxies[2].expect_clean_exit()
    with s.case("one that is killed is missed after a while"):
        proxies[1].kill()
        eventually(lambda: len(seen(proxies[0])) == 1, "it is gone", 15)
    with s.case("a fleet of another name in the same store is another fleet"):
        other = replica(s, origin, "other", {"store": [store.address], "name": "other"})
        eventually(lambda: len(seen(other)) == 1, "it is alone")
        check_equal(len(seen(proxies[0])), 1, "replicas of the first")
    with s.case("a reload takes a replica out"):
        proxies[0].settings["fleet"] = {}
        check(proxies[0].reload(), "the reload is taken")
        check_equal(proxies[0].admin_json("/fleet")["on"], False, "on")


class Rubbish:
    """Answers everything with what is not the Redis protocol, or ends the connection."""

    def __init__(self, s, answer):
        def serve(connection):
            connection.reader.fill()
            if answer:
                connection.send(answer)
                connection.wait_for_end()
        self.address = RawOrigin(s, "rubbish", serve=serve).address


def broken_stores(s):
    """What is wrong: the words of `fleet`."""
    def written(name, text):
        return key_file(s, name, text)

    authority = Authority(s, "right")
    secured = RedisStore(s, "secured", certificate=authority.issue("redis.test"))
    guarded = RedisStore(s, "guarded", rows=["requirepass secret"])
    narrow = RedisStore(s, "narrow", rows=["user default off", "user evenkeel on >secret ~* +get +set +auth +ping"])
    primary = RedisStore(s, "primary")
    copy = RedisStore(s, "copy", rows=[f"replicaof 127.0.0.1 {primary.port}"])
    full = RedisStore(s, "full", rows=["maxmemory 1", "maxmemory-policy noeviction"])
    silent = socket.create_server(("127.0.0.1", s.port()))
    tls = {"enabled": True, "server_name": "redis.test", "ca": authority.cert}
    return {
        "refused": {"store": [f"127.0.0.1:{s.port()}"]},
        "timeout": {"store": ["127.0.0.1:{}".format(silent.getsockname()[1])]},
        "rubbish": {"store": [Rubbish(s, b"HTTP/1.1 400 Bad Request\r\n\r\n").address]},
        "broken": {"store": [Rubbish(s, b"").address], "timeout": "20s"},
        "no_address": {"store": ["nowhere.invalid:6379"]},
        "password": {"store": [guarded.address], "password_file": written("wrong", "wrong")},
        "forbidden": {"store": [narrow.address], "user": "evenkeel", "password_file": written("right", "secret")},
        "read_only": {"store": [copy.address]},
        "full": {"store": [full.address]},
        "tls": {"store": [secured.address], "tls": {**tls, "ca": Authority(s, "wrong").cert}},
        "none": {"store": [f"127.0.0.1:{s.port()}", secured.address], "tls": tls},
    }, silent


@scenario("a store that is no good costs a request something, or nobody says what is wrong with it", within=120)
def faults(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 1})
    stores, silent = broken_stores(s)
    with silent:
        for word, fleet in stores.items():
            with s.case(word):
                proxy.settings["fleet"] = {"key_file": key_file(s), "timeout": "300ms", **fleet}
                check(proxy.reload(), "the reload is taken")
                eventually(lambda: fault(proxy) == word and (word != "none" or len(seen(proxy)) == 1),
                           lambda: f"it is {word}: {proxy.admin_json('/fleet')['store']}")
                check_equal(proxy.get("/").status, 200, "status of a request")
                if word != "none":
                    check(proxy.metric("evenkeel_fleet_store_faults_total", fault=word) > 0, "it is counted")


@scenario("a store's name is not looked up, or its addresses are tried once only", within=60)
def named(s):
    store, origin = RedisStore(s), RawOrigin(s)
    server = DnsServer(s)
    server.host("redis.test", "127.0.0.2", "127.0.0.1")  # at the first one nobody listens
    proxy = replica(s, origin, "named", {"store": [f"redis.test:{store.port}"]}, resolver={"servers": [server.address]})
    eventually(lambda: len(seen(proxy)) == 1, lambda: f"it is found: {proxy.admin_json('/fleet')['store']}")


@scenario("a fleet is left alone by a failover of its store", within=90)
def failover(s):
    primary, origin = RedisStore(s, "primary"), RawOrigin(s)
    copy = RedisStore(s, "copy", rows=[f"replicaof 127.0.0.1 {primary.port}"])
    sentinel = RedisStore(s, "sentinel", sentinel=True, rows=[
        f"sentinel monitor mymaster 127.0.0.1 {primary.port} 1", "sentinel down-after-milliseconds mymaster 1000",
        "sentinel failover-timeout mymaster 5000"])
    proxy = replica(s, origin, "watched", {"sentinel": {"addresses": [sentinel.address]}})
    eventually(lambda: len(seen(proxy)) == 1, "it is there")
    eventually(lambda: proxy.admin_json("/fleet")["store"]["at"] == primary.address, "it is at the primary")
    eventually(lambda: "evenkeel:1:{evenkeel}:tickets" in copy.keys(), "its replica has what it has")
    primary.kill()
    eventually(lambda: fault(proxy) == "none" and proxy.admin_json("/fleet")["store"]["at"] == copy.address,
               lambda: f"it goes on with the new primary: {proxy.admin_json('/fleet')['store']}", 40)
    check("evenkeel:1:{evenkeel}:tickets" in copy.keys(), "the keys were lost")
    check_equal(proxy.get("/").status, 200, "status of a request")


@scenario("what is in the store is of use without the key, or is believed without it")
def sealed(s):
    store, origin = RedisStore(s), RawOrigin(s)
    one = replica(s, origin, "one", {"store": [store.address]})
    eventually(lambda: "evenkeel:1:{evenkeel}:tickets" in store.keys(), "there are ticket keys")
    with s.case("nothing in it can be read"):
        plain = ["somebody-unmistakable", "nothing-in-particular", origin.address] + [host for host in [socket.gethostname()] if len(host) > 7]
        check_equal(one.admin(f"/routes/all/maintenance/off?by={plain[0]}&reason={plain[1]}", "POST")[0], 200, "status")
        eventually(lambda: "evenkeel:1:{evenkeel}:words" in store.keys(), "that is in the store, too")
        for key in store.keys():
            kind = store.ask("TYPE", key).strip('"')
            look = {"hash": ["HGETALL"], "zset": ["ZRANGE", "0", "-1"], "list": ["LRANGE", "0", "-1"]}.get(kind, ["GET"])
            text = store.ask(look[0], key, *look[1:])
            check(not any(word in text for word in plain) and str(one.pid) not in text.split('"'), f"{key}: {text}")
    with s.case("another key's replica is not believed, and takes nothing of this one"):
        other = replica(s, origin, "other", {"store": [store.address], "key_file": key_file(s, "other.key")})
        eventually(lambda: other.admin_json("/fleet")["refused_values"] > 1, "it refuses what is there")
        check_equal(len(seen(other)), 1, "replicas that it sees")
        eventually(lambda: one.admin_json("/fleet")["refused_values"] > 0, "and is refused itself")
        eventually(lambda: one.log().count(" is refused: it was sealed") == 1, "lines that say so")
        other.stop()
    with s.case("a value that was changed is refused, one that was moved too"):
        members = "evenkeel:1:{evenkeel}:replicas"
        store.ask("ZADD", "evenkeel:1:{evenkeel}:members", "99999999999999", "0000000000000000")
        store.ask("EVAL", f"redis.call('HSET', '{members}', '0000000000000000', redis.call('HGET', '{members}', ARGV[1]))",
                  "0", next(iter(seen(one))))
        before = one.admin_json("/fleet")["refused_values"]
        eventually(lambda: one.admin_json("/fleet")["refused_values"] > before, "it is refused")
        check_equal(len(seen(one)), 1, "replicas")


def resumed(context, proxy, session):
    """Visits by TLS. The session for the next time, and whether this one was resumed."""
    with socket.create_connection(proxy.address, timeout=patient(20)) as plain:
        with context.wrap_socket(plain, server_hostname="shop.example", session=session) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            check(client.recv(1000).startswith(b"HTTP/1.1 200"), "it is answered")
            return client.session, client.session_reused


@scenario("a TLS session is resumed only at the replica that gave the ticket", within=120)
def tickets(s):
    store, origin = RedisStore(s), RawOrigin(s)
    authority = Authority(s)
    certificate = authority.issue("shop.example")
    listener = {"listeners": {"web": {"tls": {"certificates": [{"cert": certificate.cert, "key": certificate.key}]}}},
                "tls_tickets": {"rotate": "4s"}}
    proxies = [replica(s, origin, f"replica{number}", {"store": [store.address]}, **listener) for number in range(3)]
    for proxy in proxies:
        eventually(lambda: "tickets of TLS sessions are shared" in proxy.log(), f"{proxy.name} shares keys")
    context = ssl.create_default_context(cafile=authority.cert)
    session, _ = resumed(context, proxies[0], None)
    turn = iter(range(10**6))

    def visit(count):
        nonlocal session
        for _ in range(count):
            session, again = resumed(context, proxies[next(turn) % len(proxies)], session)
            check(again, "it was not resumed")

    def value():
        return store.ask("GET", "evenkeel:1:{evenkeel}:tickets")

    with s.case("each time at another one"):
        visit(12)
    with s.case("through two rotations"):
        for _ in range(2):
            before = value()
            eventually(lambda: visit(1) or value() != before, "the keys are others", 20)
            visit(6)
    with s.case("after reloads"):
        for proxy in proxies:
            check(proxy.reload(), "the reload is taken")
            visit(3)
    with s.case("while the store is away"):
        with store.asleep():
            eventually(lambda: fault(proxies[0]) == "timeout", "it is missed")
            visit(6)
        eventually(lambda: fault(proxies[0]) == "none", "it is there again")
        visit(6)
    with s.case("by replicas that have been restarted"):
        for number, proxy in enumerate(proxies):
            proxy.stop()
            proxies[number] = replica(s, origin, f"again{number}", {"store": [store.address]}, **listener)
            eventually(lambda: "tickets of TLS sessions are shared" in proxies[number].log(), "it shares keys")
            visit(3)


@scenario("a replica without a disk starts cold although others are warm", within=90)
def warm(s):
    store, authority = RedisStore(s), Authority(s)
    origin = RawOrigin(s, certificate=authority.issue("app.test"))
    settings = {"warm_state": {"interval": "1s"}, "upstreams": {"app": {
        "tls": {"enabled": True, "server_name": "app.test", "ca": authority.cert}, "pool": {"warm_min": 8}}}}
    first = replica(s, origin, "first", {"store": [store.address]}, **settings)
    with s.case("one that is ready publishes its state"):
        eventually(lambda: first.admin_json("/fleet")["warm_states_published"] > 0, "it is published")
        cold = first.metric("evenkeel_upstream_tls_handshakes_total", kind="full")
        check(cold > 0, "the first handshakes were full")
    with s.case("one that starts takes it: its first handshakes are resumed"):
        eventually(lambda: first.admin_json("/fleet")["warm_states_published"] > 1, "one with sessions is published")
        second = replica(s, origin, "second", {"store": [store.address]}, **settings)
        second.wait_for_log("warm state of another replica: ")
        eventually(lambda: second.admin("/readyz")[0] == 200, "it is ready")
        full = second.metric("evenkeel_upstream_tls_handshakes_total", kind="full") or 0
        again = second.metric("evenkeel_upstream_tls_handshakes_total", kind="resumed") or 0
        check(again >= 6 and full <= again * 0.05, f"{full} full, {again} resumed")
        check(full <= cold / 2, f"{full} full handshakes before it was ready, {cold} in a cold start: that is no quicker")
    with s.case("a store that hangs holds up the start for no longer than an answer may take"):
        with store.asleep():
            third = replica(s, origin, "third", {"store": [store.address]}, **settings)
            eventually(lambda: third.admin("/readyz")[0] == 200, "it is ready")
            check("warm state of another replica: " not in third.log(), "it took a state")
    with s.case("a state that was changed is refused, and an older one is taken"):
        for proxy in (first, second, third):
            proxy.stop()
        states = "evenkeel:1:{evenkeel}:warm"
        store.ask("LPUSH", states, "x" * 1000)
        fourth = replica(s, origin, "fourth", {"store": [store.address]}, **settings)
        fourth.wait_for_log("warm state of another replica: ")
        check_equal(fourth.admin_json("/fleet")["refused_values"], 1, "refused values")


def offers_session(hello):
    """Whether a ClientHello of TLS 1.3 has the extension pre_shared_key (RFC 8446, 4.2.11)."""
    at = 5 + 4 + 2 + 32  # the record, the handshake, the version, the random
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at:at + 2], "big")
    at += 1 + hello[at] + 2
    while at < len(hello):
        if hello[at:at + 2] == b"\0\x29":
            return True
        at += 4 + int.from_bytes(hello[at + 2:at + 4], "big")
    return False


class Strict(RawOrigin):
    """Answers a full handshake only once it is `open`; one that resumes a session, at once."""

    def __init__(self, s, **options):
        self.open, self.held = threading.Event(), 0
        super().__init__(s, **options)

    def _shake_hands(self, sock):
        record = sock.recv(5, socket.MSG_PEEK | socket.MSG_WAITALL)
        hello = sock.recv(5 + int.from_bytes(record[3:], "big"), socket.MSG_PEEK | socket.MSG_WAITALL)
        if not offers_session(hello):
            with self._lock:
                self.held += not self.open.is_set()
            self.open.wait(patient(20))
        super()._shake_hands(sock)


@scenario("a sixth replica without a disk waits for what a cold start waits for", within=90)
def sixth(s):
    store, authority, server = RedisStore(s), Authority(s), DnsServer(s)
    origin, found = Strict(s, certificate=authority.issue("app.test")), threading.Event()
    server.answers["app.test", "A"] = lambda question: found.wait(patient(20)) and question.answer(["127.0.0.1"])
    server.answers["app.test", "AAAA"] = lambda question: question.answer()
    settings = {"warm_state": {"interval": "1s"}, "readiness": {"give_up_after": "60s"}, "resolver": {"servers": [server.address]},
                "upstreams": {"app": {"endpoints": [f"app.test:{origin.port}"], "pool": {"warm_min": 4}, "timeouts": {"resolve": "50s"},
                                      "tls": {"enabled": True, "server_name": "app.test", "ca": authority.cert}}}}

    def start(number):
        return replica(s, None, f"replica{number}", {"store": [store.address]}, **settings)

    def is_ready(proxy):
        return proxy.admin("/readyz")[0] == 200

    found.set()
    first = start(1)
    with s.case("a cold start waits for a lookup and for full handshakes"):
        check(server.asked("app.test"), "the name was not looked up")
        eventually(lambda: origin.held, "full handshakes have begun")
        check(not is_ready(first), "it is ready before they are answered")
        origin.open.set()
        eventually(lambda: is_ready(first), "it is ready")
    proxies = [first, *(start(number) for number in range(2, 6))]
    for proxy in proxies:
        eventually(lambda: is_ready(proxy), f"{proxy.name} is ready")
    before = [proxy.admin_json("/fleet")["warm_states_published"] for proxy in proxies]
    eventually(lambda: sum(proxy.admin_json("/fleet")["warm_states_published"] for proxy in proxies) > sum(before) + 1,
               "a state with sessions is published")
    with s.case("the sixth is ready although nothing of this is answered"):
        found.clear()
        origin.open.clear()
        held = origin.held
        last = start(6)
        eventually(lambda: is_ready(last), lambda: f"it is ready: {last.admin('/readyz')}")
        state = last.admin_json("/readyz")
        check_equal((state["state"], state["missing"]), ("warm", []), "readiness")
        resumed = last.metric("evenkeel_upstream_tls_handshakes_total", kind="resumed")
        check(resumed >= 4 and origin.held == held, f"{resumed} handshakes resumed, {origin.held - held} full ones have begun")


@scenario("a store that is slow, or has something else at the fleet's keys, is not told", within=60)
def odd_stores(s):
    store, origin = RedisStore(s), RawOrigin(s)
    for key in ("tickets", "words", "members"):
        store.ask("SET", f"evenkeel:2:{{evenkeel}}:{key}", "what another version keeps")
    proxy = replica(s, origin, "one", {"store": [store.address], "timeout": "10s"})
    with s.case("another version's keys are left alone"):
        eventually(lambda: len(seen(proxy)) == 1 and "evenkeel:1:{evenkeel}:tickets" in store.keys(), "it is there")
        check_equal((store.ask("GET", "evenkeel:2:{evenkeel}:tickets"), proxy.admin_json("/fleet")["refused_values"]),
                    ('"what another version keeps"', 0), "what the other version has; refused values")
    with s.case("replicas of another version are told of, while they are there"):
        versions = "evenkeel:all:{evenkeel}:versions"
        check_equal((proxy.metric("evenkeel_fleet_other_versions"), store.ask("ZRANGE", versions, "0", "-1")), (0, '1) "1"'), "before")
        store.ask("ZADD", versions, "1000", "0")  # it went long ago
        store.ask("EVAL", "return redis.call('ZADD', KEYS[1], (redis.call('TIME')[1] + 3600) * 1000, '2')", "1", versions)
        eventually(lambda: proxy.metric("evenkeel_fleet_other_versions") == 1, "it is counted")
        check_equal((proxy.admin_json("/fleet")["other_versions"], len(seen(proxy))), (1, 1), "other versions, replicas")
        proxy.wait_for_log("replicas of another version of Evenkeel")
        store.ask("ZREM", versions, "2")
        eventually(lambda: proxy.metric("evenkeel_fleet_other_versions") == 0, "it has gone")
    with s.case("a key of another kind is a fault of its own"):
        store.ask("SET", "evenkeel:1:{evenkeel}:words", "no hash")
        store.ask("INCR", "evenkeel:1:{evenkeel}:words:version")
        eventually(lambda: proxy.metric("evenkeel_fleet_store_faults_total", fault="command"), "it is counted")
        check_equal(proxy.get("/").status, 200, "status of a request")
        store.ask("DEL", "evenkeel:1:{evenkeel}:words")
    with s.case("answers that take long"):
        with store.asleep():
            eventually(lambda: proxy.admin_json("/fleet")["store"]["waiting"] > 0, "a question waits")
            eventually(lambda: proxy.admin_json("/fleet")["seen_s_ago"] > 1.5, "for long")
            check_equal(proxy.get("/").status, 200, "status of a request")
        eventually(lambda: proxy.metric("evenkeel_fleet_store_slow_answers_total") > 0, "they are counted")
        check(proxy.admin_json("/fleet")["store"]["slow_answers"] > 0, "and shown")


def rate_of(proxy):
    return proxy.admin_json("/fleet")["rates"][0]


def users_of_example(password):
    """contrib/fleet/users.acl, as it is made for a store."""
    with open(os.path.join(os.environ["top_srcdir"], "contrib/fleet/users.acl")) as file:
        return file.read().replace("PASSWORD", password)


def commands_of_program():
    """What proxy/fleet asks a store, at the top and within scripts; all may log in, and ask a sentinel for a primary."""
    found = set()
    for path in glob.glob(os.path.join(os.environ["top_srcdir"], "proxy/fleet/*.c")):
        with open(path) as file:
            text = file.read()
        found |= set(re.findall(r"redis\.call\('([A-Z]+)'", text))
        found |= set(re.findall(r"\] = \{\s*STORE_WORD_TEXT\(\"([A-Z]+)\"\)", text))
        found |= set(re.findall(r"\"(EVAL[A-Z]*)\"", text))
    return found - {"AUTH", "PING", "SENTINEL"}


@scenario("the user of the examples may do more than a fleet needs, or less", within=90)
def example_user(s):
    with s.case("its commands are those of the program"):
        allowed = set(re.findall(r"\+([a-z]+)", users_of_example("")))
        check_equal({each.upper() for each in allowed}, commands_of_program(), "commands of contrib/fleet/users.acl")
        with open(os.path.join(os.environ["top_srcdir"], "docs/operations.md")) as file:
            check(users_of_example("PASSWORD").splitlines()[1] in file.read(), "docs/operations.md says something else")
    s.write("users.acl", users_of_example("secret"))
    store, origin = RedisStore(s, rows=[f"aclfile {s.path('users.acl')}"]), RawOrigin(s)
    authority = Authority(s)
    certificate = authority.issue("shop.example")
    more = {"listeners": {"web": {"tls": {"certificates": [certificate.settings()]}}}, "tls_tickets": {"rotate": "2s"},
            "warm_state": {"interval": "1s"}, "routes": [{"name": "all", "upstream": "app", "rate": {"per_second": 50, "burst": 1000, "fleet": True}}]}
    fleet = {"store": [store.address], "name": "edge", "user": "evenkeel", "password_file": key_file(s, "password", "secret")}
    with s.case("with it, all that a fleet does is done"):
        one, two = (replica(s, origin, name, fleet, **more) for name in ("one", "two"))
        for proxy in (one, two):
            eventually(lambda: len(seen(proxy)) == 2, "they see each other")
            eventually(lambda: "tickets of TLS sessions are shared" in proxy.log(), "they share ticket keys")
        eventually(lambda: one.admin_json("/fleet")["warm_states_published"] + two.admin_json("/fleet")["warm_states_published"] > 1,
                   "warm states are published")
        one.admin(f"/upstreams/app/endpoints/{origin.address}/drain", "POST")
        eventually(lambda: drained(two) == [True], "words spread")
        one.admin(f"/upstreams/app/endpoints/{origin.address}/undrain", "POST")
        eventually(lambda: drained(two) == [False], "and are taken back")
        three = replica(s, origin, "three", fleet, **more)
        three.wait_for_log("warm state of another replica: ")
        three.stop()
        eventually(lambda: len(seen(one)) == 2, "one that ends is missed at once", 4)
        context = ssl.create_default_context(cafile=authority.cert)
        eventually(lambda: resumed(context, one, None) and rate_of(one)["asked"] > 2, "rates are shared: the script is sent, and then named")
        eventually(lambda: rate_of(one)["state"] == "leasing", lambda: f"it is leasing: {rate_of(one)}")
    with s.case("nothing was forbidden"):
        for proxy in (one, two):
            check_equal(fault(proxy), "none", "fault")
            check(not proxy.metric("evenkeel_fleet_store_faults_total", fault="forbidden"), "something was")
    with s.case("it can do nothing else: no other keys, no look at what there is, no change of the server, neither from a script"):
        for question in (["GET", "evenkeel:1:{other}:tickets"], ["SET", "x", "1"], ["KEYS", "*"], ["FLUSHALL"], ["CONFIG", "GET", "*"],
                         ["SCRIPT", "LOAD", "return 1"], ["SCRIPT", "FLUSH"], ["EVAL", "return 1", "1", "x"],
                         ["EVAL", "return redis.call('GET', 'x')", "0"], ["EVAL", "return redis.call('KEYS', '*')", "0"],
                         ["FUNCTION", "LIST"], ["EVAL_RO", "return 1", "0"]):
            said = store.ask("--user", "evenkeel", *question, password="secret")
            check("NOPERM" in said or "user executing the script can't" in said, f"{question}: {said}")
        check("NOAUTH" in store.ask("GET", "evenkeel:1:{edge}:tickets"), "whoever does not log in is served")


@scenario("a user who may not run scripts is not told, or again and again, or between two answers there seems to be nothing wrong", within=60)
def no_scripts(s):
    store, origin = RedisStore(s), RawOrigin(s)
    authority = Authority(s)
    listener = {"tls": {"certificates": [authority.issue("shop.example").settings()]}}
    proxy = replica(s, origin, "one", {"store": [store.address]}, listeners={"web": listener}, tls_tickets={"rotate": "2s"},
                    routes=[{"name": "all", "upstream": "app", "rate": {"per_second": 50, "fleet": True}}])

    def faults_seen():
        return proxy.metric("evenkeel_fleet_store_faults_total", fault="forbidden") or 0

    def answers_beside():
        return proxy.metric("evenkeel_fleet_store_questions_total") - faults_seen()

    eventually(lambda: "evenkeel:1:{evenkeel}:tickets" in store.keys() and rate_of(proxy)["state"] == "leasing", "all is well")
    store.ask("ACL", "SETUSER", "default", "-eval", "-evalsha")
    eventually(lambda: fault(proxy) == "forbidden", "it is said")
    before = answers_beside()
    eventually(lambda: fault(proxy) != "forbidden" or (answers_beside() > before + 3 and faults_seen() > 5), "some are answered, others are not")
    now = proxy.admin_json("/fleet")
    check_equal((now["store"]["fault"], now["store"]["state"], now["rates"][0]["state"]), ("forbidden", "ready", "cut_off"), "what is wrong")
    check(now["store"]["error"].startswith("NOPERM") and "eval" in now["store"]["error"], f"in the store's words: {now['store']}")
    proxy.wait_for_log("forbidden: the user may not do what is needed (ACL): NOPERM")
    check_equal((proxy.log().count(" forbidden: "), proxy.log().count(" answers\n")), (1, 0), "lines that say so, and that it is over")
    store.ask("ACL", "SETUSER", "default", "+eval", "+evalsha")
    eventually(lambda: fault(proxy) == "none" and rate_of(proxy)["state"] == "leasing", "it is over")


@scenario("a mistake about the fleet is not told, or not with what to write")
def mistakes(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"workers": 1})
    for name, fleet, words in (
            ("no key", {"store": ["127.0.0.1:1"]}, "fleet: key_file is missing: openssl rand -hex 32 >fleet.key"),
            ("a key that is not there", {"store": ["127.0.0.1:1"], "key_file": "/nowhere"}, "fleet.key_file /nowhere: No such"),
            ("no store", {"key_file": key_file(s)}, "fleet: store is missing"),
            ("a URL", {"store": ["http://127.0.0.1:1"], "key_file": key_file(s)}, 'write "host:port"'),
            ("a user without a password", {"store": ["127.0.0.1:1"], "key_file": key_file(s), "user": "u"}, "has no password_file"),
            ("no password in the file", {"store": ["127.0.0.1:1"], "key_file": key_file(s), "password_file": key_file(s, "empty", "\n")},
             "its first line is empty")):
        with s.case(name):
            proxy.settings["fleet"] = fleet
            proxy.write_config(proxy.text())
            done = run_program(s, "-t", "-c", proxy.config_path)
            check(done.returncode == 1 and words in done.stderr + done.stdout, f"{done.returncode}: {done.stderr}{done.stdout}")


run()
