"""What the operator says at one replica of a fleet holds at all, whatever happens to the store."""

import contextlib
import socket
import threading

from harness import RawOrigin, RedisStore, check, check_equal, eventually, patient, run, scenario, start_proxy
from harness.fleet import drained, fault, origin_of, origins, replica, seen, timeouts, words


@scenario("what the operator says at one replica does not hold at the others, or does not outlive them", within=90)
def words_spread(s):
    store, origin = RedisStore(s), RawOrigin(s)
    one, two = (replica(s, origin, name, {"store": [store.address]}) for name in ("one", "two"))
    for proxy in (one, two):
        eventually(lambda: len(seen(proxy)) == 2, "they see each other")
    endpoint = f"/upstreams/app/endpoints/{origin.address}"

    def say(proxy, path, status=200):
        check_equal(proxy.admin(path, "POST")[0], status, f"status of {path}")

    with s.case("an endpoint that is drained, with who said it"):
        say(one, f"{endpoint}/drain?by=ann&reason=disk")
        for proxy in (one, two):
            eventually(lambda: drained(proxy) == [True], "it is drained")
            eventually(lambda: ("endpoint", "app", "drained") in words(proxy), "it is shown")
        said = words(two)["endpoint", "app", "drained"]
        check_equal((said["by"], said["reason"], said["endpoint"], said["said_at"]),
                    ("ann", "disk", origin.address, socket.gethostname()), "who said what where")
        for proxy in (one, two):
            check_equal([origin_of(each) for each in origins(proxy)],
                        [("ann", "disk", socket.gethostname(), True, False), None, None], "what /upstreams says of it")
            said = [each["text"] for each in proxy.admin_json("/events")["events"] if each["kind"] == "operator"]
            check_equal(said, [f"endpoint app {origin.address}: drained, said at {socket.gethostname()} by ann: disk"], "events")
    with s.case("a breaker that is forced open, and a route that is closed"):
        say(two, "/upstreams/app/breaker/open?by=cat&reason=slow")
        say(two, "/routes/all/maintenance/on?by=bob")
        eventually(lambda: one.get("/").status == 503 and ("route", "all", "closed") in words(one), "it is closed")
        eventually(lambda: ("breaker", "app", "open") in words(one), "it is open")
        for proxy in (one, two):
            check_equal(origin_of(origins(proxy)[1]), ("cat", "slow", socket.gethostname(), True, False), "who forced it")
            route = proxy.admin_json("/status")["routes"][0]["maintenance"]
            check_equal(origin_of(route), ("bob", None, socket.gethostname(), True, False), "who closed it")
    with s.case("an upstream that is closed"):
        say(one, "/upstreams/app/maintenance/on?by=dan&for=1h")
        for proxy in (one, two):
            eventually(lambda: origin_of(origins(proxy)[2]) == ("dan", None, socket.gethostname(), True, True), "by whom")
        say(two, "/upstreams/app/maintenance/off")
        for proxy in (one, two):
            eventually(lambda: origins(proxy)[2] is None, "it is open again")
    with s.case("a replica that starts later obeys"):
        three = replica(s, origin, "three", {"store": [store.address], "warm_state": False})
        eventually(lambda: drained(three) == [True] and three.get("/").status == 503, "it has heard of it")
        three.stop()
    with s.case("what is taken back"):
        say(one, f"{endpoint}/undrain")
        say(one, "/upstreams/app/breaker/auto")
        say(one, "/routes/all/maintenance/off")
        for proxy in (one, two):
            eventually(lambda: proxy.get("/").status == 200 and drained(proxy) == [False] and not words(proxy), "all is well")
            check_equal(origins(proxy), (None, None, None), "nobody is named")
    with s.case("with an end"):
        say(two, f"{endpoint}/drain?for=3s")
        eventually(lambda: drained(one) == [True], "it is drained")
        check_equal(origin_of(origins(one)[0]), (None, None, socket.gethostname(), True, True), "its end is shown")
        for proxy in (one, two):
            eventually(lambda: drained(proxy) == [False], "the end has come")
    with s.case("while the store is away, as soon as it is back"):
        with store.asleep():
            eventually(lambda: fault(one) == "timeout", "it is missed")
            say(one, f"{endpoint}/drain")
            check_equal(drained(one), [True], "here it holds at once")
            # The next dial that fails comes after rounds in which it could not be told.
            missed = timeouts(one)
            eventually(lambda: timeouts(one) > missed, "it is missed again")
        eventually(lambda: drained(two) == [True], "it is drained there, too")
    with s.case("and is not lost with all replicas"):
        for proxy in (one, two):
            proxy.stop()
        four = replica(s, origin, "four", {"store": [store.address], "warm_state": False})
        eventually(lambda: drained(four) == [True], "it is drained")
    with s.case("an end without a fleet is refused"):
        alone = start_proxy(s, origin, {"workers": 1}, name="alone")
        say(alone, f"{endpoint}/drain?for=3s", 409)


class Mute:
    """Passes a replica's questions to the store, and while it is mute no answer. A connection that was mute ends."""

    def __init__(self, s, store):
        self.store, self.mute = store, threading.Event()
        self.address = RawOrigin(s, "mute", serve=self.serve).address

    def serve(self, connection):
        with socket.create_connection(("127.0.0.1", self.store.port), timeout=patient(20)) as upstream:
            threading.Thread(target=self.answer, args=(upstream, connection), daemon=True).start()
            while True:
                connection.reader.fill()
                upstream.sendall(bytes(connection.reader.buffer))
                connection.reader.buffer.clear()

    def answer(self, upstream, connection):
        muted = False
        with contextlib.suppress(OSError):
            while (some := upstream.recv(65536)) and (not muted or self.mute.is_set()):
                muted = muted or self.mute.is_set()
                if not muted:
                    connection.send(some)
            connection.close()


@scenario("a word whose answer was lost is told again over one that was said later")
def told_again(s):
    store, origin = RedisStore(s), RawOrigin(s)
    mute = Mute(s, store)
    one = replica(s, origin, "one", {"store": [mute.address], "timeout": "3s"})
    two = replica(s, origin, "two", {"store": [store.address]})
    for proxy in (one, two):
        eventually(lambda: len(seen(proxy)) == 2, "they see each other")
    mute.mute.set()
    check_equal(one.admin("/upstreams/app/maintenance/on", "POST")[0], 200, "status")
    eventually(lambda: origins(two)[2], "it is closed there, too")
    check_equal(two.admin("/upstreams/app/maintenance/off", "POST")[0], 200, "status")
    eventually(lambda: ("upstream", "app", "closed") not in words(two), "the store has that")
    mute.mute.clear()
    eventually(lambda: origins(one)[2] is None, "the later word is heard")
    one.wait_for_log("came to the store after something that was said later")
    check_equal([proxy.get("/").status for proxy in (one, two)], [200, 200], "statuses")
    check_equal(origins(two)[2], None, "what holds")


class Between:
    """Passes a replica's questions to the store. pass_on(bytes that were asked on this connection): up to where; None: it hangs up."""

    def __init__(self, s, store, pass_on):
        self.store = store
        self.pass_on = pass_on
        self.address = RawOrigin(s, "between", serve=self.serve).address

    def serve(self, connection):
        with socket.create_connection(("127.0.0.1", self.store.port), timeout=patient(20)) as upstream:
            threading.Thread(target=self.answer, args=(upstream, connection), daemon=True).start()
            passed = 0
            while True:
                connection.reader.fill()
                end = self.pass_on(bytes(connection.reader.buffer))
                if end is None:
                    return
                upstream.sendall(connection.reader.buffer[passed:end])
                passed = max(passed, end)

    @staticmethod
    def answer(upstream, connection):
        with contextlib.suppress(OSError):  # the replica has gone
            while chunk := upstream.recv(65536):
                connection.send(chunk)


def warm_states_later(asked):
    """No question for a warm state passes before one for the operator's words."""
    held = asked.find(b"*3\r\n$6\r\nLINDEX")
    return len(asked) if held < 0 or b"HGETALL" in asked else held


@scenario("a word of the operator that comes before anything serves ends the process", within=60)
def early_word(s):
    store, origin = RedisStore(s), RawOrigin(s)
    one = replica(s, origin, "one", {"store": [store.address]})
    one.admin(f"/upstreams/app/endpoints/{origin.address}/drain", "POST")
    eventually(lambda: "1" in store.ask("EXISTS", "evenkeel:1:{evenkeel}:words"), "it is in the store")
    one.stop()
    for _ in range(3):
        store.ask("LPUSH", "evenkeel:1:{evenkeel}:warm", "no warm state")  # each costs a question more
    late = replica(s, origin, "late", {"store": [Between(s, store, warm_states_later).address], "timeout": "10s"})
    eventually(lambda: drained(late) == [True], "it serves, and obeys")


@scenario("a word that is lost on its way to the store, or by the store, does not hold at the others", within=90)
def lost_words(s):
    store, origin = RedisStore(s), RawOrigin(s)
    lost = []

    def lose_first(asked):
        if b"too many words" in asked and not lost:
            lost.append(asked)
            return None
        return len(asked)

    one = replica(s, origin, "one", {"store": [Between(s, store, lose_first).address]})
    two = replica(s, origin, "two", {"store": [store.address]})
    for proxy in (one, two):
        eventually(lambda: len(seen(proxy)) == 2, "they see each other")
    endpoint = f"/upstreams/app/endpoints/{origin.address}"
    with s.case("the connection ends as it is told: it is told again"):
        one.admin(f"{endpoint}/drain?by=ann", "POST")
        eventually(lambda: lost and drained(two) == [True], "it is drained at the other one, too")
    with s.case("the store loses its data: what holds is told again, with who said it"):
        eventually(lambda: words(one) and words(two), "both know it")
        store.ask("FLUSHALL")
        eventually(lambda: "evenkeel:1:{evenkeel}:words" in store.keys() and "evenkeel:1:{evenkeel}:tickets" in store.keys(), "it is there again")
        eventually(lambda: one.metric("evenkeel_fleet_store_losses_total") > 0 or two.metric("evenkeel_fleet_store_losses_total") > 0, "it is counted")
        check(one.admin_json("/fleet")["losses"] + two.admin_json("/fleet")["losses"] > 0, "it is shown")
        three = replica(s, origin, "three", {"store": [store.address], "warm_state": False})
        eventually(lambda: drained(three) == [True] and origin_of(origins(three)[0])[0] == "ann", "a new replica obeys")
        three.stop()
    with s.case("a word that is older than what is known is not obeyed, and the newer one is put in its place"):
        store.ask("EVAL", "redis.call('COPY', KEYS[1], 'before')", "1", "evenkeel:1:{evenkeel}:words")
        one.admin(f"{endpoint}/undrain", "POST")
        eventually(lambda: drained(two) == [False], "it is taken back")
        store.ask("EVAL", "redis.call('COPY', 'before', KEYS[1], 'REPLACE'); redis.call('INCR', KEYS[2])", "2",
                  "evenkeel:1:{evenkeel}:words", "evenkeel:1:{evenkeel}:words:version")
        late = replica(s, origin, "late", {"store": [store.address], "warm_state": False})
        eventually(lambda: "tickets of TLS sessions are shared" in late.log() and drained(late) == [False], "a new replica hears the newer one")
        check_equal((drained(one), drained(two)), ([False], [False]), "the others do not believe the older one")


run()
