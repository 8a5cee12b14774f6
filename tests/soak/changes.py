"""Everything an operator may do to a proxy at work, at random."""

import asyncio
import json
import signal

from harness import Failed

# Stands for some of the origins, now these and now those.
NAME = "origins.test"


def draw_settings(draw, fixed, origins, authority, extra_port):
    """A configuration over `fixed`; every key that a reload takes may differ from the last one."""
    named = [origin for origin in origins if origin.host != "127.0.0.1"]
    plain = [origin for origin in origins if origin not in named and not origin.tls]
    secure = [origin for origin in origins if origin.tls]
    upstreams = {"plain": _draw_upstream(draw, plain), "secure": _draw_upstream(draw, secure),
                 "named": {**_draw_upstream(draw, named), "endpoints": [f"{NAME}:{named[0].port}"]}}
    for name in ("plain", "named"):
        upstreams[name]["proxy_protocol"] = draw.choice(("none", "none", "local", "client"))
        if upstreams[name]["proxy_protocol"] == "client":
            upstreams[name]["protocol"] = "http1"  # a connection that names one client
    upstreams["secure"]["tls"] = {"enabled": True, "ca": authority.cert, "server_name": "localhost"}
    upstreams["hedged"] = {**_hedged_upstream(plain), **fixed["upstreams"]["hedged"]}
    prefixes = {"/secure": "secure", "/named": "named", "/": "plain"}
    if draw.random() < 0.5:
        upstreams["other"] = _draw_upstream(draw, plain)
        prefixes = {"/plain/other": "other", **prefixes}
    routes = [_draw_route(draw, prefix, name, upstreams[name]) for prefix, name in prefixes.items()]
    routes.insert(0, {"path_prefix": "/hedged", "upstream": "hedged"})
    listeners = {name: {**each, "http2": _draw_http2(draw)} for name, each in fixed["listeners"].items()}
    if draw.random() < 0.5:
        listeners["extra"] = {"listen": f"127.0.0.1:{extra_port}"}
    return {
        **fixed, "listeners": listeners, "upstreams": upstreams, "routes": routes,
        "limits": {"body": draw.choice(("1MiB", "64MiB")), "clients": draw.choice((30, 400, 4000))},
    }


def _draw_http2(draw):
    return {"cleartext": draw.random() < 0.9, "streams": draw.choice((1, 4, 128))}


def _draw_upstream(draw, origins):
    endpoints = [f"127.0.0.1:{origin.port}" for origin in draw.sample(origins, draw.randint(1, len(origins)))]
    if draw.random() < 0.2:
        endpoints.append("127.0.0.1:1")  # nobody listens there
    conditions = ["connect_failure", "reset", "502", "503", "504"]
    return {
        "endpoints": endpoints,
        "protocol": draw.choice(("http1", "http2", "http2", "auto")),
        "balance": draw.choice(("p2c", "round_robin", "least_in_flight", "hash:header:X-Name", "hash:client")),
        "pool": {"warm_min": draw.randint(0, 4), "max": draw.randint(6, 60), "lifetime": f"{draw.randint(1, 5)}s",
                 "idle": f"{draw.randint(300, 5000)}ms", "max_requests": draw.randint(3, 1000),
                 "streams": draw.choice((1, 3, 20, 100)), "ping": f"{draw.randint(500, 3000)}ms"},
        "timeouts": {"connect": "300ms", "first_byte": f"{draw.randint(500, 1500)}ms", "idle": "1s",
                     "per_try": f"{draw.randint(400, 1500)}ms", "total": f"{draw.randint(2, 5)}s"},
        "retry": {"attempts": draw.randint(1, 3), "on": conditions[:draw.randint(1, len(conditions))],
                  "hedge": draw.random() < 0.5, "budget": {"ratio": draw.choice((0.1, 0.5))}},
        "breaker": {"enabled": draw.random() < 0.5, "consecutive": draw.choice((10, 100)), "open_max": "1s"},
        "limits": {"in_flight": draw.randint(8, 100), "queue": draw.randint(1, 60),
                   "queue_wait": f"{draw.randint(50, 800)}ms", "adaptive": draw.random() < 0.5},
        "health": {"type": "tcp", "interval": f"{draw.randint(200, 2000)}ms", "timeout": "150ms"},
        "required": False,
    }


def _hedged_upstream(origins):
    """The same after every reload, and never guarded: what most answers take has to be known before anything is hedged."""
    return {
        "endpoints": [f"127.0.0.1:{origin.port}" for origin in origins],
        "retry": {"hedge": True, "attempts": 2, "on": ["connect_failure", "reset", "503"]},
        "timeouts": {"connect": "300ms", "first_byte": "1s", "idle": "1s", "total": "3s"},
        "breaker": {"enabled": False}, "health": {"eject_after": 0}, "required": False,
    }


def _draw_route(draw, prefix, name, upstream):
    route = {"path_prefix": prefix, "upstream": name}
    if draw.random() < 0.4:
        route["shards"] = {"count": draw.randint(1, 8), "key": "header:X-Tenant", "shuffle": draw.random() < 0.5,
                           "in_flight": 20, "queue": 8}
    if draw.random() < 0.3:
        route["key_rate"] = {"per_second": 2000.0, "burst": 500.0}
    if draw.random() < 0.3:
        route["buffer_request"] = draw.choice(("1KiB", "64KiB", "2MiB"))
    if draw.random() < 0.3:
        total_s = int(upstream["timeouts"]["total"].removesuffix("s"))  # a longer deadline is an error
        route["deadline"] = f"{draw.randint(500, min(4000, total_s * 1000))}ms"
    return route


def rename(dns, origins, draw):
    """The name stands for other origins, or nobody knows what for."""
    hosts = [origin.host for origin in origins if origin.host != "127.0.0.1"]
    if draw.random() < 0.2:
        dns.forget(NAME)
    else:
        dns.host(NAME, *draw.sample(hosts, draw.randint(1, len(hosts))))


class Operator:
    """Changes one thing after the other; `draw_next()` gives the next settings."""

    def __init__(self, proxy, origins, dns, draw, draw_next, ledger):
        self._proxy, self._origins, self._dns = proxy, origins, dns
        self._draw, self._draw_next, self._ledger = draw, draw_next, ledger
        self._ways = {self._reload: 24, self._spoil: 3, self._bounce: 12, self._reopen: 6, self._look: 12,
                      self._take_out: 9, self._force: 6, self._rename: 12, self._upgrade: 1}

    async def work(self, goes_on):
        """One change after the other while goes_on()."""
        while goes_on():
            way = self._draw.choices(list(self._ways), self._ways.values())[0]
            await way()
            self._ledger.seen[f"{way.__name__.strip('_')}s"] += 1
            await asyncio.sleep(self._draw.uniform(0, 0.4))  # some changes have settled, others meet the next

    async def _reload(self):
        self._proxy.write_config(self._draw_next())
        self._proxy.signal(signal.SIGHUP)

    async def _spoil(self):
        self._proxy.write_config(self._draw_next() + "wrokers = 3;\n")
        self._proxy.signal(signal.SIGHUP)
        await asyncio.sleep(0.05)  # the wrong file may be read or not: both are right
        self._proxy.write_config(self._draw_next())

    async def _bounce(self):
        await self._draw.choice(self._origins).bounce()

    async def _rename(self):
        rename(self._dns, self._origins, self._draw)

    async def _reopen(self):
        self._proxy.signal(signal.SIGUSR1)

    async def _look(self):
        for page in ("/metrics", "/status", "/resources", "/readyz", "/upstreams"):
            await self._admin(page)

    async def _take_out(self):
        shown = json.loads((await self._admin("/upstreams"))[1])["upstreams"]
        upstream = self._draw.choice(shown)
        if upstream["endpoints"]:
            endpoint = self._draw.choice(upstream["endpoints"])["address"]
            word = self._draw.choice(("drain", "undrain", "undrain"))
            await self._admin(f"/upstreams/{upstream['name']}/endpoints/{endpoint}/{word}", "POST")

    async def _force(self):
        name = self._draw.choice(("plain", "secure", "named", "other", "hedged"))
        await self._admin(f"/upstreams/{name}/breaker/{self._draw.choice(('open', 'close', 'auto', 'auto'))}", "POST")

    async def _upgrade(self):
        self._ledger.seen["hedges"] += int(await asyncio.to_thread(self._proxy.metric, "evenkeel_hedges_total"))
        try:
            old = await asyncio.to_thread(self._proxy.upgrade, 10.0)
        except Failed:  # one that is refused, or comes to nothing, leaves the process as it was: it is asked again
            self._ledger.seen["upgrades that were repeated"] += 1
            old = await asyncio.to_thread(self._proxy.upgrade, 20.0)
        self._ledger.replaced.append(old)

    async def _admin(self, page, method="GET"):
        return await asyncio.to_thread(self._proxy.admin, page, method)
