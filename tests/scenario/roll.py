"""A rolling restart behind a balancer that obeys /readyz: the new process takes traffic when it is warm."""

import threading
import time

from harness import (Authority, Client, Interrupted, NginxOrigin, Process, access_rows, check, eventually, full_scale,
                     patient, run, scaled, scenario, start_proxy)

RATE = 500
CLIENTS = 20
# What a new connection to the origin costs.
DIAL_S = 0.1


class SlowToDial(Process):
    """HAProxy in front of a TLS server: each connection is passed on after DIAL_S only."""

    def __init__(self, s, behind):
        self.port = s.port()
        config = s.write("slow.cfg", f"""
defaults
    mode tcp
    timeout connect 2s
    timeout client 60s
    timeout server 60s
listen slow
    bind 127.0.0.1:{self.port}
    tcp-request inspect-delay {int(DIAL_S * 1000)}ms
    tcp-request content accept if WAIT_END
    server origin {behind.address}
""")
        super().__init__(s, "slow", ["haproxy", "-q", "-db", "-f", config])

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


class Balancer(Process):
    """HAProxy that knows two places for a proxy and asks each of them, by HTTP or by connecting, if it may be used."""

    def __init__(self, s, places, by_readiness):
        self.address = ("127.0.0.1", s.port())
        rows = "".join(
            f"    server {name} 127.0.0.1:{web} {f'check port {admin}' if by_readiness else 'check'}\n"
            for name, (web, admin) in places.items())
        config = s.write("balancer.cfg", f"""
global
    log stderr format raw local0
defaults
    log global
    mode tcp
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout check 500ms
listen balancer
    bind 127.0.0.1:{self.address[1]}
    {'option httpchk GET /readyz' if by_readiness else ''}
    default-server inter 50ms fall 1 rise 1
{rows}""")
        super().__init__(s, f"balancer-{by_readiness}", ["haproxy", "-db", "-f", config])


class Load:
    """Requests at a constant rate, on connections kept as long as the other side likes; latencies by the time of asking."""

    def __init__(self, address):
        self.samples, self.faults = [], []
        self._address = address
        self._stop = False
        self._threads = [threading.Thread(target=self._ask, args=[number], daemon=True) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number):
        due, client = time.monotonic() + number / RATE, None
        while not self._stop:
            time.sleep(max(0, due - time.monotonic()))  # the pace
            try:
                client = client or Client(self._address)
                response = client.request("GET", "/hello")
                if response.status != 200 or not response.complete:
                    self.faults.append(response)
                if response.closes:
                    client.close()
                    client = None
            except (OSError, Interrupted) as fault:
                self.faults.append(fault)
                client = None
            self.samples.append((due, time.monotonic() - due))
            due += CLIENTS / RATE

    def go_on(self, count):
        """Wait until so many more have been asked."""
        goal = len(self.samples) + count
        eventually(lambda: len(self.samples) >= goal, f"{count} more requests", 30)

    def stop(self):
        self._stop = True
        for thread in self._threads:
            thread.join(patient(10))

    def p99(self, since, until):
        """Of the requests that were due then, in seconds."""
        took = sorted(seconds for due, seconds in self.samples if since <= due < until)
        check(len(took) > 100, f"only {len(took)} requests")
        return took[int(len(took) * 0.99)]


def roll(s, origin, authority, by_readiness):
    """One proxy replaced by another; returns p99 before and during, and what share of its requests the new one dialled for."""
    kind = "readiness" if by_readiness else "connecting"
    places = {name: (s.port(), s.port()) for name in ("old", "new")}

    def start(name):
        web, admin = places[name]
        return start_proxy(s, origin, {
            "listeners": {"web": {"listen": f"127.0.0.1:{web}"}},
            "admin": {"listen": f"127.0.0.1:{admin}"},
            "log": {"access": {"path": s.path(f"{kind}-{name}.access")}},
            "drain": {"grace": "8s", "pause": "300ms" if by_readiness else "0s"},
            "upstreams": {"app": {"pool": {"warm_min": 2 * CLIENTS},
                                  "tls": {"enabled": True, "server_name": "app.test", "ca": authority.cert}}},
        }, name=f"{kind}-{name}")

    def ready(proxy):
        eventually(lambda: proxy.admin("/readyz")[0] == 200, "it is ready")

    old = start("old")
    ready(old)
    balancer = Balancer(s, places, by_readiness)
    balancer.wait_for_log("balancer/new is DOWN")  # until it has asked it takes it to be up
    eventually(lambda: answers(balancer.address), "the balancer passes requests on")
    load = Load(balancer.address)
    load.go_on(250)
    begin = time.monotonic()
    load.go_on(scaled(750, 2500))
    begun = time.monotonic()
    new = start("new")
    if by_readiness:
        ready(new)
        balancer.wait_for_log("balancer/new is UP")
    old.stop()
    load.go_on(scaled(350, 1500))
    end = time.monotonic()
    load.stop()
    if by_readiness:
        check(not load.faults, f"{len(load.faults)} failed, the first: {load.faults[:1]}")
    check(new.metric("evenkeel_exchanges_finished_total") > 100, "the new one was not used")
    new.stop()
    balancer.kill()
    before, during = load.p99(begin, begun), load.p99(begun, end)
    dialled = [not row["reused"] for row in access_rows(s.path(f"{kind}-new.access")) if row["target"] == "/hello"]
    share = sum(dialled) / len(dialled)
    s.note(f"by {kind}: p99 {before * 1000:.1f} ms before, {during * 1000:.1f} ms during the roll, "
           f"{len(load.samples)} requests, {len(load.faults)} failed; the new one dialled for {share:.1%} of its {len(dialled)}")
    return before, during, share


def answers(address):
    try:
        with Client(address) as client:
            return client.request("GET", "/hello").status == 200
    except (OSError, Interrupted):
        return False


@scenario("a rolling restart shows clients a cold process, or fails a request", within=90)
def rolling(s):
    authority = Authority(s)
    origin = SlowToDial(s, NginxOrigin(s, tls=authority.issue("app.test")))
    before, during, share = roll(s, origin, authority, True)
    with s.case("through readiness nobody waits for a dial"):
        check(share <= 0.01, f"{share:.1%} of the requests did")
        if full_scale():  # on a machine of our own its time can be told from noise
            check(during <= before * 1.1 + 0.005, f"p99 {before * 1000:.1f} before, {during * 1000:.1f} ms during")
    with s.case("the same, when the balancer asks only whether it accepts, shows the dial"):
        _, during, share = roll(s, origin, authority, False)
        check(share > 0.01 and during >= DIAL_S / 2,
              f"{share:.1%} waited for a dial, p99 {during * 1000:.1f} ms: the comparison shows nothing")


run()
