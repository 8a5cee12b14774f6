#!/usr/bin/env python3
"""TLS sessions of upstreams: names stay what they are while addresses come and go, and what can be resumed is."""

import itertools

from harness import (SANITIZED, Authority, Dnsmasq, NginxOrigin, check, check_equal, eventually, run, scaled, scenario,
                     start_proxy)

NAMES, AT_A_TIME, PER_NAME, APART = 40, 3, 4, 4
# Ticket keys of origins that do not share them: addresses of a name that live together never have the same.
KEYS = 13


def address(number):
    return f"127.{1 + number // 62500}.{1 + number // 250 % 250}.{1 + number % 250}"


class Churn:
    """Names that stand for three addresses each; one after the other is replaced by one never seen before."""

    def __init__(self, s, shared):
        self._authority = Authority(s)
        self._scenario = s
        self.rounds = scaled(7, 104)
        self._fresh = itertools.count()
        self.names = [f"n{n}.churn.test" for n in range(NAMES)]
        self.live = {name: [self._next() for _ in range(AT_A_TIME)] for name in self.names}
        most = NAMES * (AT_A_TIME + self.rounds)
        self.origin = NginxOrigin(s, tls=self._authority.issue("*.churn.test"),
                                  others=lambda port: self._servers(port, most, 1 if shared else KEYS))
        self.dns = Dnsmasq(s, ttl=0)
        self.dns.say_all(self.live)
        self.seen = set()
        self.requests = self.resumed = self.again = self.resumed_again = 0
        self.proxy = self._start()

    def _next(self):
        return address(next(self._fresh))

    def _servers(self, port, most, keys):
        return "".join(f"""server {{
            {" ".join(f"listen {address(i)}:{port} ssl;" for i in range(key, most, keys))}
            ssl_certificate {self._scenario.path("authority-1.pem")};
            ssl_certificate_key {self._scenario.path("authority-1.key")};
            location / {{ return 200 "$server_addr $ssl_session_reused"; }}
        }}""" for key in range(keys))

    def _start(self):
        upstreams = {f"n{n}": {
            "endpoints": [f"{name}:{self.origin.port}"], "balance": "round_robin",
            "tls": {"enabled": True, "ca": self._authority.cert},
            "pool": {"warm_min": 0, "max_requests": 1}} for n, name in enumerate(self.names)}
        routes = [{"upstream": f"n{n}", "host": name} for n, name in enumerate(self.names)]
        proxy = start_proxy(self._scenario, None, {
            "upstreams": upstreams, "routes": routes, "tls_sessions": {"per_name": PER_NAME},
            "resolver": {"servers": [self.dns.address], "min_ttl": "100ms", "max_ttl": "1s"}})

        def resolved():
            return all(row["addresses"] == AT_A_TIME for row in proxy.admin_json("/status")["names"])
        eventually(resolved, "the names are resolved", 20)
        return proxy

    def ask(self, client, name):
        """One request, and so one dial."""
        response = client.request("GET", "/", host=name)
        check_equal(response.status, 200, f"{name}: status ({response.get('Proxy-Status')})")
        server, reused = bytes(response.body).decode().split()
        self.requests += 1
        self.resumed += reused == "r"
        if (name, server) in self.seen:
            self.again += 1
            self.resumed_again += reused == "r"
        self.seen.add((name, server))

    def round(self, number, dials):
        with self.proxy.client() as client:
            for _ in range(dials):
                for name in self.names:
                    self.ask(client, name)
        for name in self.names:
            self.live[name][number % AT_A_TIME] = self._next()
        self.dns.say_all(self.live)
        eventually(self._follows, "the proxy has the new addresses", 20)

    def _follows(self):
        """Whether the endpoints are what the names stand for."""
        shown = self.proxy.admin_json("/upstreams")["upstreams"]
        seen = {each["name"]: {row["address"] for row in each["endpoints"]} for each in shown}
        return all(seen[f"n{n}"] == {f"{address}:{self.origin.port}" for address in self.live[name]}
                   for n, name in enumerate(self.names))

    def run(self, most_per_name):
        memory = []
        for number in range(self.rounds):
            self.round(number, 6)
            check_equal(self.proxy.metric("evenkeel_tls_session_names"), NAMES, "names")
            sessions = self.proxy.metric("evenkeel_tls_sessions")
            check(sessions <= NAMES * most_per_name, f"{sessions} sessions")
            memory.append(self.proxy.memory_kib("RssAnon"))
        self._scenario.note(f"{self.requests} dials, {self.resumed} resumed; {len(self.seen)} addresses seen; where "
                            f"seen before {self.again}, {self.resumed_again}; memory {memory[len(memory) // 3]} to "
                            f"{memory[-1]} KiB")
        check(SANITIZED or memory[-1] < memory[len(memory) // 3] * 1.1 + 1024, f"memory grows: {memory} KiB")
        check(len(self.seen) >= scaled(300, 4200), f"only {len(self.seen)} addresses were seen")


@scenario("sessions pile up as addresses change, or are not used", within=400)
def shared_keys(s):
    churn = Churn(s, shared=True)
    churn.run(PER_NAME)
    check(churn.resumed > 0.95 * churn.requests, f"{churn.resumed} of {churn.requests} resumed")
    with s.case("a name's own figures say so"):
        for name in churn.names:
            offered = churn.proxy.metric("evenkeel_tls_name_offered_total", server_name=name)
            accepted = churn.proxy.metric("evenkeel_tls_name_accepted_total", server_name=name)
            check(offered == accepted > 0, f"{name}: {accepted} of {offered} accepted")
    check_equal(churn.proxy.metric("evenkeel_tls_name_apart"), 0, "names kept apart")


@scenario("origins that do not share ticket keys are never resumed", within=400)
def keys_of_their_own(s):
    churn = Churn(s, shared=False)
    churn.run(PER_NAME * APART)
    check(churn.resumed_again > 0.8 * churn.again, f"{churn.resumed_again} of {churn.again} resumed")


if __name__ == "__main__":
    run()
