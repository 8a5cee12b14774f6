#!/usr/bin/env python3
"""TLS towards upstreams: who is believed, what is said of the others, and what a session may be used for."""

import calendar
import hashlib
import os
import random
import re
import time

from harness import (SANITIZED, Arrived, Authority, DnsServer, HaproxyOrigin, NginxOrigin, OpensslServer, RawOrigin,
                     access_rows, becomes, check, check_equal, eventually, replace_certificate, run, run_program, scaled, scenario,
                     start_proxy)


class Cases:
    """Upstreams by name, each with a route of its own: get("name") is answered by upstream `name`."""

    def __init__(self, s, authority):
        self._scenario = s
        self._authority = authority
        self.upstreams = {}
        self.proxy = None

    def add(self, name, origin, server_name="app.test", timeouts=None, **tls):
        self.upstreams[name] = {
            "endpoints": [origin.address], "pool": {"warm_min": 0}, "timeouts": timeouts or {},
            "tls": {"enabled": True, "server_name": server_name, "ca": self._authority.cert, **tls}}

    def start(self, env=None, **settings):
        routes = [{"name": name, "path_prefix": f"/{name}", "upstream": name} for name in self.upstreams]
        self.proxy = start_proxy(self._scenario, None, {"upstreams": self.upstreams, "routes": routes,
                                                        "readiness": {"give_up_after": "1ms"}, **settings},
                                 env=env)
        return self.proxy

    def succeeds(self, name):
        response = self.proxy.get(f"/{name}")
        check(response.status in (200, 404), f"{name}: answered {response.start_line} {response.body!r}")
        check(self.handshakes(name, "full") + self.handshakes(name, "resumed") >= 1, f"{name}: no handshake")

    def handshakes(self, name, kind):
        return self.proxy.metric("evenkeel_upstream_tls_handshakes_total", upstream=name, kind=kind)

    def fails(self, name, cause, error, status=502):
        """The client, the figures and the log must name the same cause; and nothing goes on without TLS."""
        response = self.proxy.get(f"/{name}")
        check_equal(response.status, status, f"{name}: status")
        said = response.get("Proxy-Status", "")
        check(f"error={error}" in said and cause in said, f"{name}: Proxy-Status: {said}")
        eventually(lambda: self.proxy.metric("evenkeel_upstream_tls_failures_total", upstream=name, cause=cause),
                   f"{name}: a failure is counted as {cause}")
        self.proxy.wait_for_log(f"upstream {name}: endpoint")
        line = re.compile(rf"upstream {name}: .*: {cause}; \d+ failed")
        eventually(lambda: line.search(self.proxy.log()), f"{name}: the log says {cause}")


@scenario("a certificate is believed that must not be, or the cause is not said")
def certificates(s):
    authority, stranger = Authority(s), Authority(s, "stranger")
    right = {kind: authority.issue("app.test", "IP:127.0.0.1", kind=kind) for kind in ("ecdsa", "rsa")}
    cases = Cases(s, authority)
    for kind, certificate in right.items():
        for version in ("1_2", "1_3"):
            cases.add(f"s-{kind}-{version}", OpensslServer(s, f"s-{kind}-{version}", certificate, f"-tls{version}"))
    nginx = NginxOrigin(s, tls=right["ecdsa"])
    cases.add("nginx", nginx)
    cases.add("address", nginx, server_name="")
    cases.add("haproxy", HaproxyOrigin(s, NginxOrigin(s, "plain"), tls=right["rsa"]))
    cases.add("unverified", OpensslServer(s, "s-unverified", stranger.issue("other.test")), verify=False, ca="")
    cases.add("intermediate", OpensslServer(s, "s-pinned", right["rsa"]), ca=right["rsa"].cert)
    cases.add("expired", OpensslServer(s, "s-expired", authority.issue("app.test", days=-1)))
    cases.add("wrong-name", NginxOrigin(s, "other", tls=authority.issue("other.test")))
    cases.add("wrong-address", NginxOrigin(s, "third", tls=authority.issue("app.test")), server_name="")
    cases.add("unknown-issuer", OpensslServer(s, "s-stranger", stranger.issue("app.test")))
    cases.add("self-signed", OpensslServer(s, "s-self", stranger), server_name="stranger")
    cases.add("system", nginx, ca="")
    cases.add("foreign", OpensslServer(s, "s-foreign", stranger.issue("app.test")), ca="")
    proxy = cases.start(env={"SSL_CERT_FILE": authority.cert})
    for name in cases.upstreams:
        if name in ("expired", "wrong-name", "wrong-address", "unknown-issuer", "self-signed", "foreign"):
            continue
        with s.case(f"{name} is taken"):
            cases.succeeds(name)
    for name, cause in (("expired", "certificate_expired"), ("wrong-name", "certificate_wrong_name"),
                        ("wrong-address", "certificate_wrong_name"), ("unknown-issuer", "certificate_unknown_issuer"),
                        ("self-signed", "certificate_self_signed"), ("foreign", "certificate_unknown_issuer")):
        with s.case(f"{name} is refused as {cause}"):
            cases.fails(name, cause, "tls_certificate_error")
    proxy.wait_for_log("tls.verify is false")


@scenario("whoever answers for the DNS says whose certificate is believed")
def services(s):
    authority, server = Authority(s), DnsServer(s)
    server.host("evil.test", "127.0.0.1")
    cases = Cases(s, authority)
    for name, shown in (("shop", "shop.test"), ("bank", "evil.test")):
        origin = NginxOrigin(s, f"at-{name}", tls=authority.issue(shown))
        service = f"_https._tcp.{name}.test"
        server.answers[service, "SRV"] = [(1, 1, origin.port, "evil.test")]
        cases.add(name, origin, server_name="")
        cases.upstreams[name]["endpoints"] = [f"srv:{service}"]
    cases.start(resolver={"servers": [server.address]})
    with s.case("a certificate for the domain in the settings is believed, whatever the target's name"):
        cases.succeeds("shop")
    with s.case("a certificate for the target that DNS chose is not"):
        cases.fails("bank", "certificate_wrong_name", "tls_certificate_error")


@scenario("a probe goes another way than the traffic, or believes anybody")
def probes(s):
    authority = Authority(s)
    cases = Cases(s, authority)
    servers = {"good": NginxOrigin(s, tls=authority.issue("app.test")),
               "bad": NginxOrigin(s, "expired", tls=authority.issue("app.test", days=-1))}
    for kind in ("http", "tls"):
        for name, server in servers.items():
            cases.add(f"{kind}-{name}", server)
            cases.upstreams[f"{kind}-{name}"]["health"] = {
                "type": kind, "path": "/hello" if kind == "http" else "", "interval": "100ms", "fall": 2}
    proxy = cases.start()
    for kind in ("http", "tls"):
        eventually(lambda: proxy.metric("evenkeel_endpoint_probes_total", upstream=f"{kind}-good", state="good") >= 3,
                   f"{kind} probes are answered")
        check_equal(proxy.metric("evenkeel_endpoint_healthy", upstream=f"{kind}-good"), 1, "healthy")
        check(cases.handshakes(f"{kind}-good", "resumed") >= 1, "probes do not resume")
        eventually(lambda: proxy.metric("evenkeel_endpoint_healthy", upstream=f"{kind}-bad") == 0,
                   f"{kind} probes find the expired certificate")
        check(proxy.metric("evenkeel_upstream_tls_failures_total", upstream=f"{kind}-bad", cause="certificate_expired"),
              "the cause is not counted")


@scenario("no common ground is met by a downgrade, or not told from other trouble")
def protocols(s):
    authority = Authority(s)
    rsa = authority.issue("app.test", kind="rsa")
    cases = Cases(s, authority)
    silent = RawOrigin(s, "silent", serve=lambda connection: connection.wait_for_end())
    cases.add("version", OpensslServer(s, "s-old", rsa, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))
    cases.add("cipher", OpensslServer(s, "s-weak", rsa, "-tls1_2", "-cipher", "AES128-SHA"))
    cases.add("plain", NginxOrigin(s, "plain"))
    cases.add("silent", silent, timeouts={"tls": "200ms"})
    cases.start()
    cases.fails("version", "no_common_version", "tls_protocol_error")
    cases.fails("cipher", "handshake_refused", "tls_alert_received")
    cases.fails("plain", "not_tls", "tls_protocol_error")
    cases.fails("silent", "timeout", "connection_timeout", 504)
    check(all(b"GET " not in connection.raw for connection in silent.connections), "a request went out in the clear")


@scenario("a client certificate is not shown, or a refusal of it is not told")
def client_certificates(s):
    authority, stranger = Authority(s), Authority(s, "stranger")
    server = authority.issue("app.test", kind="rsa")
    good, bad = authority.issue("proxy", client=True), stranger.issue("proxy", client=True)
    cases = Cases(s, authority)
    wants = ("-Verify", "2", "-verify_return_error", "-CAfile", authority.cert)
    plain = NginxOrigin(s, "plain")
    haproxy = HaproxyOrigin(s, plain, tls=server, bind=f"ca-file {authority.cert} verify required")
    servers = {version: OpensslServer(s, f"s-{version}", server, f"-tls{version}", *wants)
               for version in ("1_2", "1_3")}
    for version, origin in servers.items():
        cases.add(f"right-{version}", origin, cert=good.cert, key=good.key)
        cases.add(f"wrong-{version}", origin, cert=bad.cert, key=bad.key)
        cases.add(f"missing-{version}", origin)
    cases.add("right-haproxy", haproxy, cert=good.cert, key=good.key)
    cases.add("missing-haproxy", haproxy)
    cases.add("wrong-haproxy", haproxy, cert=bad.cert, key=bad.key)
    proxy = cases.start()
    for name in ("right-1_2", "right-1_3", "right-haproxy"):
        cases.succeeds(name)
    expiry = "evenkeel_upstream_tls_certificate_expiry_timestamp_seconds"
    check(proxy.metric(expiry, upstream="right-1_2") > time.time() + 29 * 86400, "its end is not told")
    check(proxy.metric(expiry, upstream="missing-1_2") is None, "an end is told of none")
    cases.fails("missing-1_2", "handshake_refused", "tls_alert_received")
    cases.fails("missing-1_3", "client_certificate_required", "tls_alert_received")
    for name in ("wrong-1_2", "wrong-1_3", "wrong-haproxy"):
        cases.fails(name, "certificate_refused", "tls_alert_received")
    cases.fails("missing-haproxy", "client_certificate_required", "tls_alert_received")
    with s.case("no request is sent where the certificate was refused, and nothing is tried without end"):
        failed = proxy.metric("evenkeel_upstream_tls_failures_total", upstream="missing-1_3")
        check_equal(failed, 1, "handshakes for one request")


@scenario("the certificate of an endpoint expires, and nobody was told before")
def expiry(s):
    metric = "evenkeel_upstream_tls_peer_certificate_expiry_timestamp_seconds"
    authority = Authority(s)
    origins = {days: NginxOrigin(s, f"nginx-{days}", tls=authority.issue("app.test", days=days)) for days in (20, 5)}
    proxy = start_proxy(s, list(origins.values()), {"upstreams": {"app": {
        "balance": "round_robin", "pool": {"warm_min": 0}, "tls": {"enabled": True, "ca": authority.cert, "server_name": "app.test"}}}})
    check(proxy.metric(metric, upstream="app") is None, "an end is told before a handshake")
    for _ in range(4):
        check_equal(proxy.get("/hello").status, 200, "status")
    left_days = (proxy.metric(metric, upstream="app") - time.time()) / 86400
    check(4.9 < left_days < 5.1, f"the first to end has {left_days} days")
    ends = {each["endpoint"]: each["certificate_expires"] for each in proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"]}
    for days, origin in origins.items():
        with s.case(f"the one of {days} days is told of its endpoint"):
            end_s = calendar.timegm(time.strptime(ends[origin.address], "%Y-%m-%dT%H:%M:%SZ"))
            check(abs(end_s - time.time() - days * 86400) < 3600, f"end: {ends}")


@scenario("resumption crosses trust settings, or does not happen at all")
def trust(s):
    authority = Authority(s)
    both = s.path("both.pem")
    other = Authority(s, "other")
    with open(both, "w") as file:
        file.write(open(authority.cert).read() + open(other.cert).read())
    own = authority.issue("proxy", client=True)
    nginx = NginxOrigin(s, tls=authority.issue("app.test", "b.test"), rows="keepalive_timeout 0;")
    cases = Cases(s, authority)
    cases.add("one", nginx)
    cases.add("same", nginx, ca=s.write("copy.pem", open(authority.cert).read()))
    cases.add("loose", nginx, verify=False)
    cases.add("wider", nginx, ca=both)
    cases.add("known", nginx, cert=own.cert, key=own.key)
    cases.add("name", nginx, server_name="b.test")
    proxy = cases.start()
    for _ in range(10):
        cases.succeeds("one")
    with s.case("connections to one name resume"):
        becomes(lambda: (cases.handshakes("one", "full"), cases.handshakes("one", "resumed")), (1, 9), "full, resumed")
    with s.case("another trust begins anew"):
        for name in ("loose", "wider", "known", "name"):
            cases.succeeds(name)
            cases.succeeds(name)
            made = cases.handshakes(name, "full"), cases.handshakes(name, "resumed")
            check_equal(made, (1, 1), f"{name}: full, resumed")
    with s.case("the same trust from another file does not"):
        cases.succeeds("same")
        check_equal(cases.handshakes("same", "full"), 0, "full handshakes")
    with s.case("a reload with the same contents keeps them, with others it does not"):
        check(proxy.reload({}), "the reload is taken")
        cases.succeeds("one")
        becomes(lambda: cases.handshakes("one", "full"), 1, "full handshakes after a reload")
        with open(s.path("copy.pem"), "a") as file:
            file.write(open(other.cert).read())
        check(proxy.reload({}), "the reload is taken")
        cases.succeeds("one")
        cases.succeeds("same")
        becomes(lambda: cases.handshakes("one", "full"), 1, "full handshakes of what did not change")
        # the trust is that of `wider` now, whose session may be used
        check_equal(cases.handshakes("same", "full"), 0, "full handshakes of what changed")
    check_equal(proxy.metric("evenkeel_tls_session_names"), 5, "names")


@scenario("an origin that restarts with other ticket keys is not spoken to any more")
def restart(s):
    authority = Authority(s)
    certificate = authority.issue("app.test")
    nginx = NginxOrigin(s, tls=certificate)
    cases = Cases(s, authority)
    cases.add("one", nginx, timeouts={"connect": "1s"})
    log = s.path("access.log")
    proxy = cases.start(workers=1, log={"access": {"path": log, "format": "json"}})
    with s.case("kept connections are used again, and their handshake is in the log"):
        for _ in range(5):
            check_equal(proxy.get("/one/hello").status, 404, "status")
        becomes(lambda: cases.handshakes("one", "full"), 1, "handshakes")
    nginx.restart()
    with s.case("after new keys the first dial is a full handshake, no request fails"):
        for _ in range(5):
            check_equal(proxy.get("/one/hello").status, 404, "status")
        becomes(lambda: cases.handshakes("one", "full"), 2, "full handshakes")

    def written():
        lines = access_rows(log)
        return len(lines) >= 10 and lines
    rows = eventually(written, "access lines")
    check(rows[0]["tls_ms"] > 0 and not rows[0]["resumed"] and not rows[0]["reused"], f"first line: {rows[0]}")
    check(rows[1]["tls_ms"] is None and rows[1]["reused"], f"second line: {rows[1]}")


@scenario("a body is damaged on its way through TLS, or a break of it hidden")
def bodies(s):
    authority = Authority(s)
    certificate = authority.issue("app.test")
    nginx = NginxOrigin(s, tls=certificate)
    raw = RawOrigin(s, certificate=certificate)
    cases = Cases(s, authority)
    cases.add("files", nginx)
    cases.add("raw", raw)
    proxy = cases.start()
    content = random.Random(1).randbytes(scaled(5, 50) << 20)
    os.makedirs(os.path.join(nginx.root, "files"))
    nginx.publish("files/large", content)
    with s.case("down, slowly and fast, and up"):
        check_equal(proxy.get("/files/large").body, content, "what came down")
        with proxy.client(receive_buffer=8192) as client:
            check_equal(client.request("GET", "/files/large").body, content, "what came down slowly")
        arrived = Arrived(proxy.get("/raw/up", method="POST", body=content[:1 << 20]))
        check_equal(arrived.sha256, hashlib.sha256(content[:1 << 20]).hexdigest(), "what went up")
    with s.case("a body that ends with the connection ends only with close_notify"):
        def until_the_end(connection, request):
            connection.send("HTTP/1.1 200 OK\r\n\r\nhello")
            if request.target.endswith("orderly"):
                connection.socket.unwrap()
            return False
        raw.on("/raw/end", until_the_end)
        check(proxy.get("/raw/end/orderly").complete, "an orderly end is broken")
        check(not proxy.get("/raw/end/cut").complete, "a cut is passed on as an end")
    with s.case("the next request on a connection that was closed at rest is repeated"):
        for _ in range(3):
            check_equal(proxy.get("/raw").status, 200, "status")
            for connection in raw.open_connections():
                connection.close()


@scenario("handshakes that end half way leave something behind", within=240)
def aborted(s):
    def serve(connection):
        way = connection.number % 5
        if way in (1, 2, 3):
            connection.socket.recv(4096)
        if way == 2:
            connection.send(random.Random(connection.number).randbytes(200))
        if way == 3:
            connection.send(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + bytes(40))
        if way == 4:
            connection.reset()

    authority = Authority(s)
    origin = RawOrigin(s, serve=serve)
    cases = Cases(s, authority)
    cases.add("one", origin)
    cases.upstreams["one"].update({"breaker": {"enabled": False}, "retry": {"attempts": 1},
                                   "health": {"eject_after": 0}})
    proxy = cases.start()
    proxy.rest()
    memory, fds = [], proxy.open_fds()
    for _ in range(3):
        with proxy.client() as client:
            for _ in range(scaled(150, 3400)):
                check_equal(client.request("GET", "/one").status, 502, "status")
        proxy.rest()
        memory.append(proxy.memory_kib("RssAnon"))
    causes = {cause: proxy.metric("evenkeel_upstream_tls_failures_total", cause=cause) or 0
              for cause in ("truncated", "not_tls", "protocol_error")}
    s.note(f"{causes}, memory {memory} KiB")
    check(causes["truncated"] > 100, "no handshake was cut short")
    check(SANITIZED or memory[2] < memory[0] + 512, f"memory grows: {memory} KiB")
    eventually(lambda: proxy.bound("upstream_connections")["used"] == 0, "no connection is left")
    eventually(lambda: proxy.open_fds() <= fds + 1, "descriptors are closed")


@scenario("a file that cannot be used is found only in traffic")
def files(s):
    authority, client = Authority(s), None
    client = authority.issue("proxy", client=True)
    other = authority.issue("proxy", client=True)
    nginx = NginxOrigin(s, tls=authority.issue("app.test"))
    cases = Cases(s, authority)
    cases.add("one", nginx, cert=client.cert, key=client.key)
    proxy = cases.start()
    cases.succeeds("one")
    for change, word in (({"ca": "/nowhere.pem"}, "tls.ca /nowhere.pem"),
                         ({"ca": s.write("empty.pem", "")}, "no certificate"),
                         ({"cert": "/nowhere.pem"}, "/nowhere.pem"),
                         ({"key": other.key}, "tls.cert"),
                         ({"key": ""}, "tls.key")):
        with s.case(f"{word} is an error at -t and at a reload, and nothing changes"):
            before = proxy.settings
            check(not proxy.reload({"upstreams": {"one": {"tls": change}}}), "the reload is rejected")
            done = run_program(s, "-t", "-c", proxy.config_path)
            check(done.returncode == 1 and word in done.stderr, f"-t says {done.returncode}: {done.stderr}")
            proxy.wait_for_log(word)
            proxy.settings = before
            cases.succeeds("one")
    with s.case("replaced on disk, a client certificate is shown after a reload"):
        replace_certificate(other, client)
        check(proxy.reload({}), "the reload is taken")
        cases.succeeds("one")


if __name__ == "__main__":
    run()
