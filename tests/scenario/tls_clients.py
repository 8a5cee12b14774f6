#!/usr/bin/env python3
"""TLS on listeners as curl, nginx and HAProxy see it: who of them believes us, and whom we let in."""

import http.client

from harness import (Authority, HaproxyOrigin, NginxOrigin, check, check_equal, curl, eventually, patient, run, scenario,
                     start_proxy)


class Door:
    """A proxy whose `web` shows certificates good and bad by name, and whose `members` asks for one."""

    def __init__(self, s):
        self.authority, clients = Authority(s), Authority(s, "clients")
        self.member, self.stranger = (each.issue("alice", client=True) for each in (clients, Authority(s, "strangers")))
        good = [self.authority.issue("shop.test", kind=kind) for kind in ("ecdsa", "rsa")]
        bad = [self.authority.issue("old.test", days=-1), Authority(s, "lone.test")]
        self.proxy = start_proxy(s, NginxOrigin(s), {"listeners": {
            "web": {"tls": {"certificates": [each.settings() for each in good + bad]}},
            "members": {"listen": f"127.0.0.1:{s.port()}", "tls": {"certificates": [each.settings() for each in good],
                                                                   "client_ca": clients.cert}}}})

    def address(self, listener):
        return "{}:{}".format(*self.proxy.listeners[listener].pair)

    def failed(self, cause):
        return self.proxy.metric("evenkeel_tls_handshakes_failed_total", cause=cause) or 0

    # (what it is, listener, name asked for, certificate shown, the cause we count or None, whether it is served)
    def visits(self):
        return (("right", "web", "shop.test", None, None, True),
                ("wrong-name", "web", "other.test", None, None, False),
                ("expired", "web", "old.test", None, "certificate_refused", False),
                ("self-signed", "web", "lone.test", None, "certificate_refused", False),
                ("member", "members", "shop.test", self.member, None, True),
                ("stranger", "members", "shop.test", self.stranger, "certificate_unknown_issuer", False),
                ("nobody", "members", "shop.test", None, "client_certificate_missing", False))


@scenario("curl believes a certificate that is bad, or refuses a good one, in any version or with any kind of key")
def by_curl(s):
    door = Door(s)
    words = {"wrong-name": "no alternative certificate subject name", "expired": "certificate has expired",
             "self-signed": "self-signed certificate"}

    def visit(listener, name, badge, *more):
        port = door.proxy.listeners[listener].pair[1]
        shown = ("--cert", badge.cert, "--key", badge.key) if badge else ()
        return curl("--cacert", door.authority.cert, "--resolve", f"{name}:{port}:127.0.0.1", *shown, *more,
                    f"https://{name}:{port}/hello")
    for version in ("1.2", "1.3"):
        for what, listener, name, badge, cause, served in door.visits():
            with s.case(f"{what} with TLS {version}"):
                before = door.failed(cause) if cause else None
                done = visit(listener, name, badge, f"--tlsv{version}", "--tls-max", version)
                check_equal(done.code == 0 and done.out == b"hello\n", served, f"served (curl: {done.code} {done.error})")
                check(words.get(what, "") in done.error, f"curl says {done.error}")
                if cause:
                    eventually(lambda: door.failed(cause) == before + 1, f"counted as {cause}")
    for cipher, code in (("ECDHE-ECDSA-AES128-GCM-SHA256", 0), ("ECDHE-RSA-AES256-GCM-SHA384", 0), ("AES128-SHA", 35)):
        with s.case(f"{cipher}: curl ends with {code}"):
            check_equal(visit("web", "shop.test", None, "--tls-max", "1.2", "--ciphers", cipher).code, code, "curl's exit code")


def status(address, target):
    connection = http.client.HTTPConnection(address, timeout=patient(10))
    connection.request("GET", target)
    answer = connection.getresponse().status
    connection.close()
    return answer


@scenario("nginx and HAProxy in front of us believe a bad certificate, or are let in with one")
def by_proxies(s):
    door = Door(s)

    # nginx resumes any session with the address, whatever certificates it was made with, unless told not to
    def location(what, listener, name, badge):
        shown = f"proxy_ssl_certificate {badge.cert}; proxy_ssl_certificate_key {badge.key};" if badge else ""
        return f"""location = /nginx/{what} {{
            proxy_pass https://{door.address(listener)}/hello; proxy_ssl_name {name}; proxy_ssl_server_name on;
            proxy_ssl_session_reuse off; proxy_ssl_verify on; proxy_ssl_trusted_certificate {door.authority.cert}; {shown} }}"""
    nginx = NginxOrigin(s, "front", rows="".join(location(*visit[:4]) for visit in door.visits()))
    for what, listener, name, badge, _, served in door.visits():
        shown = ""
        if badge:
            with open(badge.cert) as cert, open(badge.key) as key:
                shown = f"crt {s.write(f'{what}.pem', cert.read() + key.read())}"
        haproxy = HaproxyOrigin(s, door.address(listener), name=what, server=(
            f"ssl verify required ca-file {door.authority.cert} sni str({name}) verifyhost {name} {shown}\n"
            "    retries 0"))
        with s.case(f"{what} by nginx and HAProxy"):
            check_equal(status(nginx.address, f"/nginx/{what}") == 200, served, "served through nginx")
            check_equal(status(haproxy.address, "/hello") == 200, served, "served through HAProxy")


run()
