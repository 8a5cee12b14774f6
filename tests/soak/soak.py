"""Everything at once, for as long as asked: ill origins, ill clients, reloads, upgrades; and nothing may go wrong by it.

EVENKEEL_SOAK_SECONDS is how long (5 by default; `make soak` runs an hour unless told otherwise), EVENKEEL_SEED repeats a run
as far as time allows.
"""

import asyncio
import collections
import contextlib
import logging
import os
import pathlib
import random
import re
import ssl
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenario"))

from harness import (Authority, DnsServer, access_rows, check, check_equal, describe_exit, merge, patient, render,  # noqa: E402
                     run, scenario, start_proxy)
from changes import NAME, Operator, draw_settings  # noqa: E402
from clients import Crowd  # noqa: E402
from origins import Origin  # noqa: E402

_SECONDS = float(os.environ.get("EVENKEEL_SOAK_SECONDS", "5"))
_ENOUGH = 4 * _SECONDS  # answers that were passed on well; fewer show nothing
_LONGEST_S = 60  # that it goes on for until there are enough: a busy machine serves fewer in a time
_FAULTS_SHOWN = 10


class Ledger:
    """What was seen, and what must not have been."""

    def __init__(self):
        self.seen = collections.Counter()
        self.arrived = collections.Counter()  # [POST]: times at an origin
        self.unfinished = set()  # uploads whose end was never sent
        self.whole_uploads = set()  # uploads that ended well at an origin
        self.faults = []
        self.replaced = []  # processes, each by an upgrade

    def fault(self, text):
        self.faults.append(text)

    def has_enough(self):
        return self.seen["200 passed on"] + self.seen["200 passed on over HTTP/2"] > _ENOUGH

    def shown(self, rows):
        """The first faults, each with the rows of the access log about the exchanges it names."""
        lines = []
        for fault in self.faults[:_FAULTS_SHOWN]:
            names = set(re.findall(r"\be\d+\b", fault))
            logged = [f"    logged: {row}" for row in rows if row.get("target", "").rpartition("/")[2] in names]
            lines += [fault, *(logged or ["    and no exchange of this name is logged"] * bool(names))]
        return "\n".join(lines)


def fixed_settings(s, dns, certificate, draw):
    """What no reload changes."""
    times = {"head": "1s", "idle": "2s", "body": "1s", "send": "2s"}
    return {
        "workers": 2,
        "listeners": {
            "web": {"listen": f"127.0.0.1:{s.port()}", "timeouts": times},
            "secure": {"listen": f"127.0.0.1:{s.port()}", "timeouts": times,
                       "tls": {"certificates": [certificate.settings()]}},
        },
        "upstreams": {"hedged": {"protocol": draw.choice(("http1", "http2"))}},  # what is hedged has to be known
        "log": {"level": "info", "path": "stderr",
                "access": {"path": s.path("access.log"), "rotate_size": "1MiB", "keep": 2}},
        "drain": {"grace": "6s", "tunnels": "500ms"},
        "warm_state": {"path": s.path("warm"), "interval": "1s"},
        "readiness": {"give_up_after": "2s"},
        "resolver": {"servers": [dns.address], "min_ttl": "200ms", "max_ttl": "1s"},
    }


async def live(s, draw, ledger):
    """The whole run; returns the proxy when its clients have gone."""
    authority = Authority(s)
    certificate = authority.issue("localhost", "IP:127.0.0.1")
    origins = [Origin(s.port(), draw, ledger, certificate if number > 2 else None) for number in range(5)]
    port, dns = s.port(), DnsServer(s)
    origins += [Origin(port, draw, ledger, host=f"127.0.9.{number}") for number in (1, 2, 3)]
    dns.host(NAME, "127.0.9.1")
    async with contextlib.AsyncExitStack() as leaving:
        for origin in origins:
            leaving.push_async_callback(origin.leave)
            await origin.start()
        fixed, extra_port = fixed_settings(s, dns, certificate, draw), s.port()
        # Not in a thread of its own: what the harness starts dies with the thread that started it.
        proxy = start_proxy(s, None, draw_settings(draw, fixed, origins, authority, extra_port))

        def draw_next():
            return render(merge(proxy.settings, draw_settings(draw, fixed, origins, authority, extra_port)))

        crowd = Crowd(doors(proxy, authority), draw, ledger)
        leaving.push_async_callback(crowd.leave)
        crowd.start(40)
        await Operator(proxy, origins, dns, draw, draw_next, ledger).work(until_enough(ledger))
        await crowd.stop()
    return proxy


def until_enough(ledger):
    """Whether the changes go on: for as long as asked, and until enough was served."""
    clock = asyncio.get_running_loop().time
    enough_s, longest_s = clock() + _SECONDS, clock() + _SECONDS + patient(_LONGEST_S)
    return lambda: clock() < enough_s or (clock() < longest_s and not ledger.has_enough())


def doors(proxy, authority):
    """(address, TLS, what is spoken) each."""
    web, secure = proxy.listeners["web"].pair, proxy.listeners["secure"].pair
    tls = {protocol: ssl.create_default_context(cafile=authority.cert) for protocol in ("http/1.1", "h2")}
    for protocol, context in tls.items():
        context.set_alpn_protocols([protocol])
    return [(web, None, Crowd.http1), (web, None, Crowd.http2),
            (secure, tls["http/1.1"], Crowd.http1), (secure, tls["h2"], Crowd.http2)]


@scenario("an answer is lost, mixed up or cut while everything changes", within=60 + _SECONDS)
def soak(s):
    seed = int(os.environ.get("EVENKEEL_SEED", "0")) or random.randrange(1, 1 << 31)
    s.note(f"seed {seed}")
    ledger = Ledger()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # that a peer has gone while we write is what this is about
    proxy = asyncio.run(live(s, random.Random(seed), ledger))
    ledger.seen["hedges"] += int(proxy.metric("evenkeel_hedges_total"))
    s.note(", ".join(f"{count} {what}" for what, count in ledger.seen.most_common()))
    with s.case("every answer is whole and its own, or visibly broken"):
        check(not ledger.faults, ledger.shown(access_rows(s.path("access.log"))))
        check(ledger.has_enough(), f"hardly anything was served: {ledger.seen}")
    with s.case("no POST arrives twice"):
        twice = [name for name, count in ledger.arrived.items() if count > 1]
        check(not twice, f"{len(twice)} of {len(ledger.arrived)} did: {twice[:_FAULTS_SHOWN]}")
    with s.case("no upload that broke off arrives as a whole one"):
        check_equal(sorted(ledger.unfinished & ledger.whole_uploads), [], "these did")
    with s.case("no configuration is rejected but the wrong ones"):
        rejected = [line for line in proxy.log().splitlines() if " reload rejected" in line and "wrokers" not in line]
        check_equal(rejected, [], "others")
    with s.case("each process that was replaced has ended well, or has cut off answers that were too slow for its grace"):
        ends = collections.Counter(describe_exit(each.wait(patient(20))) for each in ledger.replaced)
        cuts = proxy.log().count("drain.grace is over")
        check(set(ends) <= {"exited with 0", "exited with 3"} and ends["exited with 3"] == cuts, f"they {ends}, and {cuts} cut")
        # One that had not begun has had longer than every timeout; one that stood still, longer than timeouts.send.
        cut_off = [row for row in access_rows(s.path("access.log")) if row["reason"] == "drain_cut"]
        check_equal([row for row in cut_off if not (row["status"] == 200 and row["response_bytes"])], [], "others that were cut off")
    with s.case("nothing is in use when nobody asks"):
        proxy.rest()


run()
