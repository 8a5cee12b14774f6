"""An endpoint is what its text says: a URL, a file, a share of the requests, a backup."""

import collections
import math
import os
import random
import threading

from harness import (Authority, Client, LocalOrigin, RawOrigin, check, check_equal, eventually, run, run_program, scenario, start_proxy)

METHODS = ("p2c", "round_robin", "least_in_flight", "hash:header:X-User")
LIGHT, HEAVY = 5, 95
REQUESTS = 500


def named(s, *names, **options):
    """Origins that tell their name in the body."""
    origins = [RawOrigin(s, name, **options) for name in names]
    for origin in origins:
        origin.on("/", lambda connection, _, name=origin.name: connection.respond(200, name.encode()))
    return origins


def leave(origin):
    """The endpoint is gone, with its connections."""
    origin.refuse()
    for connection in list(origin.connections):
        connection.close()


def upstream(**settings):
    return {"upstreams": {"app": {"required": False, **settings}}}


def binomial_bounds(count, share, chance=1e-6):
    """The fewest and the most of `count` fair draws: beyond each is seen with that chance."""
    chances = [math.comb(count, n) * share ** n * (1 - share) ** (count - n) for n in range(count + 1)]
    fewest = next(n for n in range(count + 1) if sum(chances[:n + 1]) > chance)
    most = next(n for n in range(count, -1, -1) if sum(chances[n:]) > chance)
    return fewest, most


def shares(proxy, count, clients=1, seed=0):
    """{origin: requests}, each request of another user."""
    found = collections.Counter()

    def ask(numbers):
        with proxy.client() as client:
            for number in numbers:
                response = client.request("GET", "/", [("X-User", f"user-{seed}-{number}")])
                check_equal(response.status, 200, "status")
                found[bytes(response.body).decode()] += 1

    threads = [threading.Thread(target=ask, args=(range(first, count, clients),)) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal(sum(found.values()), count, "requests that were answered")
    return found


@scenario("a balance method does not give each endpoint the share of its weight")
def weights(s):
    seed = int(os.environ.get("EVENKEEL_SEED", "0")) or random.randrange(1, 1 << 31)
    fewest, most = binomial_bounds(REQUESTS, LIGHT / (LIGHT + HEAVY))
    s.note(f"seed {seed}, {fewest} to {most} of {REQUESTS} are chance")
    for method in METHODS:
        for clients in (1, 8):
            with s.case(f"{method}, {clients} at a time"):
                heavy, light = named(s, "heavy", "light")
                proxy = start_proxy(s, None, upstream(
                    endpoints=[f"{heavy.address} weight={HEAVY}", f"{light.address} weight={LIGHT}"], balance=method),
                    name=f"evenkeel-{method.replace(':', '-')}-{clients}")
                found = shares(proxy, REQUESTS, clients, seed)["light"]
                check(fewest <= found <= most, f"{found} of {REQUESTS} requests at the endpoint of weight {LIGHT} of 100")
                proxy.stop()


@scenario("a backup gets requests before all others are out, or none after that")
def backup(s):
    for method in METHODS:
        with s.case(f"{method}: it rests while one of the others is in use"):
            first, second, spare = named(s, "first", "second", "spare")
            proxy = start_proxy(s, None, upstream(
                endpoints=[f"{spare.address} backup", str(first.address), str(second.address)], balance=method,
                health={"slow_start": "1ms"}), name=f"evenkeel-{method.replace(':', '-')}")
            check_equal(shares(proxy, 60)["spare"], 0, "requests at the backup")
            leave(first)
            found = shares(proxy, 60)
            check_equal((found["spare"], found["second"] > 0), (0, True), f"requests at the backup, the others: {found}")
        with s.case(f"{method}: it serves when all others are out, without an error"):
            leave(second)
            check_equal(shares(proxy, 60)["spare"], 60, "requests at the backup")
        proxy.stop()


@scenario("a backup takes what endpoints in use have no place for")
def backup_is_no_overflow(s):
    first, spare = named(s, "first", "spare")
    held = threading.Event()
    first.on("/held", lambda connection, _: (held.wait(20), connection.respond(200, b"first")))
    proxy = start_proxy(s, None, upstream(endpoints=[str(first.address), f"{spare.address} backup"],
                                          pool={"max": 1, "warm_min": 0}, limits={"queue_wait": "20s"}))
    with Client(proxy.address) as one, Client(proxy.address) as two:
        one.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
        eventually(lambda: first.connections, "the first request arrives")
        two.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        eventually(lambda: proxy.bound("upstream_queued")["used"] == 1, "the second request waits")
        held.set()
        check_equal([bytes(each.response().body) for each in (one, two)], [b"first", b"first"], "who answered")


@scenario("a probed backup does not serve while all others are down, because of the panic threshold")
def backup_against_panic(s):
    down, spare = named(s, "first", "second"), named(s, "spare")[0]
    proxy = start_proxy(s, None, upstream(
        endpoints=[str(each.address) for each in down] + [f"{spare.address} backup"],
        health={"path": "/", "interval": "50ms", "fall": 1, "rise": 1, "slow_start": "1ms"}))
    for origin in down:
        leave(origin)
    eventually(lambda: [row["health"]["status"] for row in proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"]]
               == ["down", "down", "up"], "the probes find them down")
    check_equal(shares(proxy, 40)["spare"], 40, "requests at the backup")
    check_equal(proxy.metric("evenkeel_upstream_panics_total", upstream="app"), 0, "panics")


@scenario("a UNIX socket is no endpoint like others")
def local(s):
    path = s.path("app.sock")
    origin = LocalOrigin(s, "local", path)
    seen = []
    origin.on("/", lambda connection, request: (seen.append(request), connection.respond(200, b"local")))
    proxy = start_proxy(s, None, upstream(endpoints=origin.endpoint, health={"path": "/probe", "interval": "50ms"}))
    with s.case("it serves, and is probed by a name that servers take"):
        check_equal(proxy.get("/").body, b"local", "body")
        eventually(lambda: any(request.target == "/probe" and request.get("Host") == "localhost" for request in seen),
                   "a probe with the Host localhost")
    with s.case("it has figures under its name, and can be taken out"):
        row = proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"][0]
        check_equal(row["address"], origin.endpoint, "address")
        quoted = origin.endpoint.replace("/", "%2F")
        check_equal(proxy.admin(f"/upstreams/app/endpoints/{quoted}/drain", "POST")[0], 200, "status of a drain")
        check_equal(proxy.get("/").status, 503, "status while it is out")
        proxy.admin(f"/upstreams/app/endpoints/{quoted}/undrain", "POST")
    with s.case("a file that is gone is a connect failure"):
        origin.stop()
        os.unlink(path)
        eventually(lambda: proxy.get("/").status == 502, "it is answered with 502")


@scenario("https:// does not mean TLS at port 443, or http:// not port 80")
def urls(s):
    authority = Authority(s)
    origin = RawOrigin(s, "secure", certificate=authority.issue("app.test", "IP:127.0.0.1"))
    origin.on("/", status=200)
    proxy = start_proxy(s, None, upstream(endpoints=f"https://{origin.address}", tls={"ca": authority.cert}))
    check_equal(proxy.get("/").status, 200, "status over TLS")
    check(proxy.metric("evenkeel_upstream_tls_handshakes_total", upstream="app", kind="full") >= 1, "no handshake")
    proxy.reload({"upstreams": {"more": {"endpoints": ["https://127.0.0.1"], "required": False, "tls": {"verify": True}},
                                "plain": {"endpoints": ["http://127.0.0.1"], "required": False}}})
    addresses = {each["name"]: each["endpoints"][0]["address"] for each in proxy.admin_json("/upstreams")["upstreams"]}
    check_equal((addresses["more"], addresses["plain"]), ("127.0.0.1:443", "127.0.0.1:80"), "addresses")


@scenario("a contradiction between endpoints and settings is taken, or what to write is not said")
def contradictions(s):
    text = """listeners = { web = { listen = "127.0.0.1:8080"; }; };
upstreams = { app = {
endpoints = %s; }; };
routes = ( { upstream = "app"; } );
"""
    for endpoints, *words in (
            ('"app"', "port is missing", '"app:80"'),
            ('"http://app:80/"', "no path", '"http://app:80"'),
            ('"fcgi://app:80"', 'only "http://"'),
            ('"/run/app.sock"', '"unix:/run/app.sock"'),
            ('"app:80 wait=2"', "neither weight=N"),
            ('[ "http://a", "https://b" ]', "do not mix"),
            ('[ "https://a", "b:443" ]', "for each of them"),
            ('"https://a"; tls = { enabled = false; }', "leave tls.enabled out"),
            ('"http://a"; tls = { enabled = true; }', 'write "https://"'),
            ('"unix:/run/a"; tls = { enabled = true; }', "tls.server_name"),
            ('"a:80 backup"', "all endpoints are backups"),
            ('[ "a:80", "a:80 backup" ]', "named twice")):
        with s.case(f"endpoints = {endpoints}"):
            s.write("bad.conf", text % endpoints)
            done = run_program(s, "-t", "-c", "bad.conf")
            check_equal(done.returncode, 1, "exit code")
            rows = [row for row in done.stderr.splitlines() if "bad.conf:3:" in row]
            check(any(all(word in row for word in words) for row in rows), f"no {words} in\n{done.stderr}")


run()
