"""Strata: what one client or one path meets is not taken for what all meet, and what all meet is."""

from harness import RawOrigin, check, check_equal, eventually, network, run, scenario, start_proxy, takes

# Of 35 calls; those that fail come in a row that is longer than opens a breaker or ejects an endpoint.
FAILING, FINE = 25, 10
ROUNDS = 12


class Crowd:
    """Clients of many networks who ask for many paths."""

    def __init__(self, proxy, count=16):
        self.clients = [proxy.client(source=network(number)) for number in range(count)]
        self.asked = 0

    def ask(self, target=None):
        """The next one asks for the target or for the next of the paths."""
        self.asked += 1
        client = self.clients[self.asked * 7 % len(self.clients)]
        return client.request("GET", target or f"/fine/{self.asked % 13}?{self.asked}")


def origins(s):
    """Two that are alike."""
    def too_large(connection, _):
        return connection.respond(200, b"x", [(f"X-{number}", "x" * 1000) for number in range(40)])

    def garbage(connection, _):
        connection.send(b"HTTP/1.1 200 Fine\r\nno colon\r\n\r\n")
        return False

    return [RawOrigin(s, name).on("/fine", status=200, body=b"x").on("/bad", status=503).on("/large", too_large)
            .on("/garbage", garbage) for name in ("one", "two")]


def start(s, chosen, name, **upstream):
    return start_proxy(s, chosen, {"limits": {"head": "16KiB"}, "upstreams": {"app": {
        "retry": {"attempts": 1}, "pool": {"warm_min": 0}, "balance": "round_robin", **upstream}}}, name=name)


def breaker_open(response):
    return "breaker_open" in (response.get("Proxy-Status") or "")


def nobody_is_refused(s, name, chosen, ask_badly, status):
    """One asks badly most of the time, beside a crowd that was there before."""
    proxy = start(s, chosen, name)
    crowd = Crowd(proxy)
    for _ in range(2 * FAILING):
        check_equal(crowd.ask().status, 200, "status before")
    ask = ask_badly(proxy, crowd)
    for number in range(ROUNDS * FAILING):
        response = ask(number)
        check(response.status == status and not breaker_open(response),
              f"{response.status}, {response.get('Proxy-Status')} instead of the origin's own {status}")
        if number % FAILING == 0:
            for _ in range(FINE):
                check_equal(crowd.ask().status, 200, "status of the others")
    breaker = proxy.admin_json("/upstreams")["upstreams"][0]["breaker"]
    check(breaker["failures"] > breaker["calls"] / 2, f"{breaker['failures']} of {breaker['calls']} failed")
    check(breaker["failure_share"] < 0.3, f"a share of {breaker['failure_share']} failed")
    told = [line for line in proxy.log().splitlines() if " breaker " in line or "ejected" in line]
    check_equal(told, [], "breakers and ejections")


def by_one_client(target):
    """Asks for the target; {} in it is another each time."""
    def begin(proxy, _):
        client = proxy.client(source="127.200.0.1")
        return lambda number: client.request("GET", target.format(number))
    return begin


def by_all(target):
    def begin(_, crowd):
        return lambda number: crowd.ask(target)
    return begin


@scenario("one bad URL, or one client with bad requests, gets others refused", within=120)
def nothing_opens(s):
    one, two = origins(s)
    for number, (what, ask_badly, status) in enumerate((
            ("a client asks a URL that fails", by_one_client("/bad"), 503),
            ("a client asks many URLs that fail", by_one_client("/bad/{}"), 503),
            ("everybody asks a page that fails", by_all("/bad"), 503),
            ("a URL whose head is too large", by_one_client("/large"), 502),
            ("a URL whose answer is garbage", by_one_client("/garbage"), 502))):
        for chosen in ([one], [one, two]):
            with s.case(f"{what}; endpoints: {len(chosen)}"):
                nobody_is_refused(s, f"{number}-{len(chosen)}", chosen, ask_badly, status)


@scenario("an outage for all is not seen, or late")
def outage(s):
    one, two = origins(s)
    with s.case("of the upstream"):
        proxy = start(s, [one], "upstream")
        crowd = Crowd(proxy)
        for _ in range(50):
            check_equal(crowd.ask().status, 200, "status before")
        one.on("/fine", status=503)
        calls = 0
        while not breaker_open(crowd.ask()):
            calls += 1
            check(calls < 40, "40 failures of all clients and paths do not open the breaker")
        s.note(f"open after {calls} failures")
        one.on("/fine", status=200, body=b"x")
        eventually(lambda: crowd.ask().status == 200, "it is closed again")
    with s.case("of an endpoint"):
        two.on("/fine", status=503)
        proxy = start(s, [one, two], "endpoint", retry={"on": ["503"], "attempts": 2, "budget": {
            "ratio": 1.0, "per_second": 100.0}}, breaker={"enabled": False})
        crowd = Crowd(proxy)
        for _ in range(100):
            check_equal(crowd.ask().status, 200, "status")
        proxy.wait_for_log(f"endpoint {two.address} ({two.address}): ejected")
    with s.case("of one client who asks for one URL, alone"):
        proxy = start(s, [one], "lone")
        client = proxy.client()
        for _ in range(10):
            check(not breaker_open(client.request("GET", "/bad")), "it opens early")
        check(breaker_open(client.request("GET", "/bad")), "it does not open after ten failures")


@scenario("what always takes long is taken for slow")
def long_polls(s):
    origin = RawOrigin(s).on("/poll", takes(0.06, status=200, body=b"news"))
    proxy = start(s, [origin], "polls", breaker={"slow_after": "20ms", "min_requests": 5})
    for _ in range(40):
        check_equal(proxy.get("/poll").status, 200, "status")
    check_equal(proxy.admin_json("/upstreams")["upstreams"][0]["breaker"]["state"], "closed", "state")


run()
