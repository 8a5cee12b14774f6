"""Which endpoint a request goes to: by turn, by load and latency, by key."""

import collections
import time

from harness import RawOrigin, check, check_equal, eventually, in_parallel, run, scaled, scenario, start_proxy, takes


def origins(s, count):
    """Origins that tell their name in the field X-Origin."""
    all_of_them = []
    for number in range(count):
        name = f"origin{number}"
        origin = RawOrigin(s, name)
        origin.on("/", lambda connection, _, name=name: connection.respond(200, b"ok", [("X-Origin", name)]))
        all_of_them.append(origin)
    return all_of_them


def upstream(**settings):
    return {"upstreams": {"app": settings}}


def endpoints(proxy):
    return proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"]


def served_by(proxy, fields=(), target="/"):
    response = proxy.get(target, fields)
    check_equal(response.status, 200, "status")
    return response.get("X-Origin")


def shares(proxy, count, fields=()):
    """{origin: requests} of `count` requests on one connection."""
    found = collections.Counter()
    with proxy.client() as client:
        for _ in range(count):
            response = client.request("GET", "/", fields)
            check_equal(response.status, 200, "status")
            found[response.get("X-Origin")] += 1
    return found


def homes(proxy, users, field="X-User", form="{}"):
    """{user: origin}, each asked three times from connections of their own."""
    found = {}
    for user in users:
        places = {served_by(proxy, [(field, form.format(user))]) for _ in range(3)}
        check_equal(len(places), 1, f"origins that saw {user}")
        found[user] = places.pop()
    return found


USERS = [f"user-{number}" for number in range(60)]


@scenario("the requests of a key wander")
def sticky(s):
    three = origins(s, 3)
    proxy = start_proxy(s, three, {"workers": 2, **upstream(balance="hash:header:X-User")})
    with s.case("each user has one endpoint, and every endpoint has users"):
        before = homes(proxy, USERS)
        check_equal(len(set(before.values())), 3, "origins in use")
        check(max(collections.Counter(before.values()).values()) < 40, "one origin has nearly all users")
    with s.case("it stays through reloads, and whatever the order of the endpoints"):
        for order in ((2, 0, 1), (1, 2, 0), (0, 1, 2)):
            check(proxy.reload(upstream(endpoints=[three[i].address for i in order])), "the reload was rejected")
            check_equal(homes(proxy, USERS[:20]), {user: before[user] for user in USERS[:20]}, "homes")
    with s.case("users of an endpoint that is drained have a second home, and come back"):
        status, _ = proxy.admin(f"/upstreams/app/endpoints/{three[1].address}/drain", "POST")
        check_equal(status, 200, "status of the drain")
        during = homes(proxy, USERS)
        for user in USERS:
            check(during[user] != "origin1", f"{user} was sent to the drained endpoint")
            check(before[user] == "origin1" or during[user] == before[user], f"{user} moved for no reason")
        check_equal(len({during[user] for user in USERS if before[user] == "origin1"}), 2, "second homes")
        check(proxy.reload(upstream(health={"slow_start": "1ms"})), "the reload was rejected")
        proxy.admin(f"/upstreams/app/endpoints/{three[1].address}/undrain", "POST")
        eventually(lambda: all(row["health"]["traffic_share"] == 1 for row in endpoints(proxy)),
                   "it is given its share again")
        check_equal(homes(proxy, USERS), before, "homes")
    with s.case("an endpoint that leaves the settings takes only its own users along"):
        check(proxy.reload(upstream(endpoints=[three[0].address, three[2].address])), "the reload was rejected")
        after = homes(proxy, USERS)
        moved = [user for user in USERS if before[user] != "origin1" and after[user] != before[user]]
        check(len(moved) <= 3, f"{len(moved)} of {len(USERS)} users moved for no reason")


@scenario("a cookie or the client's address is no key, or a request without one fails")
def other_keys(s):
    three = origins(s, 3)
    proxy = start_proxy(s, three, {"workers": 2, **upstream(balance="hash:cookie:sid")})
    with s.case("a cookie among others"):
        first = homes(proxy, USERS[:30], "Cookie", "theme=dark; sid={}; x=1")
        check_equal(homes(proxy, USERS[:30], "Cookie", "sid={}"), first, "homes")
        check(len(set(first.values())) >= 2, "all users are at one origin")
    with s.case("without the cookie requests are spread"):
        found = collections.Counter(served_by(proxy) for _ in range(60))
        check(sum(found.values()) == 60, f"{found}")
    with s.case("the client's address"):
        check(proxy.reload(upstream(balance="hash:client")), "the reload was rejected")
        check_equal(len({served_by(proxy) for _ in range(20)}), 1, "origins of one client")
        places = set()
        for number in range(2, 40):
            with proxy.client(source=f"127.0.0.{number}") as client:
                places.add(client.request("GET", "/").get("X-Origin"))
        check(len(places) >= 2, "all clients are at one origin")


@scenario("weights are not followed")
def weights(s):
    two = origins(s, 2)
    weighted = [f"{two[0].address} weight=3", two[1].address]
    proxy = start_proxy(s, two, {"workers": 1, **upstream(endpoints=weighted, balance="round_robin")})
    with s.case("in turn: exactly"):
        check_equal(shares(proxy, 80), {"origin0": 60, "origin1": 20}, "requests")
    with s.case("least in flight, when nothing is: about"):
        check(proxy.reload(upstream(balance="least_in_flight")), "the reload was rejected")
        found = shares(proxy, 400)
        check(60 <= found["origin1"] <= 140, f"{dict(found)}")


@scenario("load and latency overrule weights")
def weights_of_two(s):
    two = origins(s, 2)
    two[0].on("/", takes(0.004, status=200, body=b"ok", fields=[("X-Origin", "origin0")]))
    weighted = [f"{two[0].address} weight=95", f"{two[1].address} weight=5"]
    for workers in (1, 2):
        with s.case(f"workers: {workers}"):
            proxy = start_proxy(s, two, {"workers": workers, **upstream(endpoints=weighted)}, name=f"p{workers}")
            found = shares(proxy, 400)
            check(found["origin0"] >= 320, f"{dict(found)}")


@scenario("a slow endpoint gets as much as a fast one")
def slow_endpoint(s):
    three = origins(s, 3)
    three[0].on("/", takes(0.25, status=200, body=b"ok", fields=[("X-Origin", "origin0")]))
    proxy = start_proxy(s, three, {"workers": 2})
    until = time.monotonic() + scaled(2, 20)
    found = collections.Counter()

    def client(_):
        with proxy.client() as connection:
            while time.monotonic() < until:
                response = connection.request("GET", "/")
                check_equal(response.status, 200, "status")
                found[response.get("X-Origin")] += 1
                time.sleep(0.002)  # a client's pause: there is room at the fast ones

    in_parallel(8, client)
    total = sum(found.values())
    s.note(f"{total} requests: {dict(found)}")
    check(found["origin0"] <= total * 0.08, f"the slow one got {found['origin0']} of {total}")
    check(min(found["origin1"], found["origin2"]) >= total * 0.2, f"{dict(found)}")
    latency = {each["address"]: each["latency_ms"] for each in endpoints(proxy)}
    check(latency[three[0].address] > latency[three[1].address], f"{latency}")


run()
