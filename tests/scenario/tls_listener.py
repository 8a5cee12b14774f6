#!/usr/bin/env python3
"""TLS on listeners: who gets which certificate, who is let in, and that nothing of it is lost at a reload."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time

from harness import (SANITIZED, Authority, NginxOrigin, RawOrigin, access_rows, becomes, check, check_equal, curl, eventually,
                     log_lines, patient, replace_certificate, run, run_program, scaled, scenario, start_proxy,
                     wrk_in_background)

REQUEST = b"GET /hello HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"


def listener(certificates, **more):
    """Settings of a listener `web` with these certificates."""
    return {"listeners": {"web": {"tls": {"certificates": [each.settings() for each in certificates], **more}}}}


def s_client(proxy, *arguments, feed=b""):
    """What openssl s_client says about a handshake."""
    host, port = proxy.address
    done = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", *map(str, arguments)], input=feed,
                          capture_output=True, timeout=patient(10), check=False)
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def context_for(authority, **more):
    context = ssl.create_default_context(cafile=authority.cert)
    for name, value in more.items():
        setattr(context, name, value)
    return context


def handshakes_failed(proxy, cause):
    return proxy.metric("evenkeel_tls_handshakes_failed_total", cause=cause) or 0


def client_hello(context):
    """The first flight of a client."""
    arrives, leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(arrives, leaves, server_hostname="shop.test").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return leaves.read()


def get(proxy, context, name="shop.test", target="/hello"):
    """One request over TLS; returns everything that came back."""
    with socket.create_connection(proxy.address, timeout=patient(10)) as plain:
        with context.wrap_socket(plain, server_hostname=name) as secure:
            secure.sendall(f"GET {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            pieces = []
            while piece := secure.recv(65536):
                pieces.append(piece)
            return b"".join(pieces)


@scenario("a client gets the wrong certificate for the name it asked for")
def names(s):
    authority = Authority(s)
    shop = authority.issue("shop.test", "www.shop.test")
    wild = authority.issue("*.wild.test")
    proxy = start_proxy(s, NginxOrigin(s), listener([shop, wild]))
    for asked, expected in (("shop.test", "shop.test"), ("WWW.shop.TEST", "shop.test"), ("a.wild.test", "*.wild.test"),
                            ("a.b.wild.test", "shop.test"), ("wild.test", "shop.test"), ("unknown", "shop.test")):
        check(f"subject=CN = {expected}\n" in s_client(proxy, "-servername", asked), f"{asked}: not {expected}")
    check("subject=CN = shop.test" in s_client(proxy, "-noservername"), "without a name: not the first")
    check(b"hello" in get(proxy, context_for(authority)), "the right name, and no answer")


@scenario("a connection made for one site is used for another that has a certificate of its own")
def misdirected(s):
    authority = Authority(s)
    certificates = [authority.issue(*names) for names in (("shop.test", "www.shop.test"), ("bank.test", "shared.test"),
                                                          ("shared.test", "*.wild.test"))]
    proxy = start_proxy(s, NginxOrigin(s), listener(certificates))
    context = context_for(authority)
    context.check_hostname = False

    def status(asked, host):
        with socket.create_connection(proxy.address, timeout=patient(10)) as plain:
            with context.wrap_socket(plain, server_hostname=asked) as secure:
                secure.sendall(f"GET /hello HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                return int(b"".join(iter(lambda: secure.recv(65536), b"")).split()[1])
    for asked, host, expected in (
            ("shop.test", "bank.test", 421), ("bank.test", "shop.test:443", 421), ("shop.test", "a.WILD.test.", 421),
            ("bank.test", "a.wild.test", 421), ("shop.test", "SHOP.test", 200), ("shop.test", "www.shop.test:8443", 200),
            ("a.wild.test", "b.wild.test", 200), ("a.wild.test", "shared.test", 200), ("bank.test", "shared.test", 200),
            ("shop.test", "elsewhere.test", 200), (None, "bank.test", 200), ("elsewhere.test", "bank.test", 200)):
        with s.case(f"{host} on a connection for {asked}: {expected}"):
            check_equal(status(asked, host), expected, "status")
    eventually(lambda: proxy.metric("evenkeel_exchanges_by_reason_total", reason="misdirected") == 4, "they are counted")


@scenario("ECDSA and RSA do not stand side by side, or a version or cipher is refused that should not be")
def matrix(s):
    authority = Authority(s)
    both = [authority.issue("shop.test", kind=kind) for kind in ("ecdsa", "rsa")]
    proxy = start_proxy(s, NginxOrigin(s), listener(both))
    for version, cipher in (("-tls1_3", None), ("-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
                            ("-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256"), ("-tls1_2", "ECDHE-RSA-CHACHA20-POLY1305")):
        said = s_client(proxy, version, "-CAfile", authority.cert, "-verify_hostname", "shop.test",
                        *(["-cipher", cipher] if cipher else []))
        check("Verification: OK" in said, f"{version} {cipher}:\n{said}")
        check(cipher is None or f"Cipher is {cipher}" in said, f"{cipher} was not taken:\n{said}")
    check("Server public key is 2048 bit" in s_client(proxy, "-sigalgs", "RSA-PSS+SHA256"), "TLS 1.3 with RSA")
    for refused, cause in ((("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "no_common_version"),
                           (("-tls1_2", "-cipher", "AES128-SHA"), "no_common_cipher"),
                           (("-alpn", "h3"), "no_common_application_protocol")):
        before = handshakes_failed(proxy, cause)
        check("Cipher is (NONE)" in s_client(proxy, *refused), f"{refused}: it was let in")
        eventually(lambda: handshakes_failed(proxy, cause) == before + 1, f"{refused} is counted as {cause}")
    for offered, chosen in (("http/1.1,h2", "h2"), ("http/1.1", "http/1.1"), ("h3,h2", "h2")):
        check(f"ALPN protocol: {chosen}\n" in s_client(proxy, "-alpn", offered), f"ALPN of {offered}")
    check("No ALPN negotiated" in s_client(proxy), "a client without ALPN gets some")


@scenario("a listener offers a protocol that tls.alpn does not name, or in another order")
def alpn(s):
    certificates, origin = [Authority(s).issue("shop.test")], NginxOrigin(s)
    for ours, offered, chosen in ((["http/1.1"], "h2,http/1.1", "ALPN protocol: http/1.1\n"),
                                  (["http/1.1", "h2"], "h2,http/1.1", "ALPN protocol: http/1.1\n"),
                                  (["h2"], "http/1.1,h2", "ALPN protocol: h2\n"),
                                  ([], "h2", "No ALPN negotiated")):
        with s.case(f"{ours} for a client of {offered}"):
            proxy = start_proxy(s, origin, listener(certificates, alpn=ours))
            check(chosen in s_client(proxy, "-alpn", offered), chosen)
            proxy.stop()


@scenario("a listener that wants 1.3 takes 1.2")
def least_version(s):
    authority = Authority(s)
    proxy = start_proxy(s, NginxOrigin(s), listener([authority.issue("shop.test")], min_version="1.3"))
    check("Cipher is (NONE)" in s_client(proxy, "-tls1_2"), "TLS 1.2 was taken")
    check("New, TLSv1.3" in s_client(proxy, "-tls1_3"), "TLS 1.3 was not")


@scenario("upstreams cannot tell that a client came by TLS, or believe a certificate that a client made up")
def forwarded(s):
    authority, clients = Authority(s), Authority(s, "clients")
    badge = clients.issue("alice", client=True)
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, listener([authority.issue("shop.test")], client_ca=clients.cert,
                                            client_auth="optional"))
    context = context_for(authority)

    def seen(target, forged=""):
        with socket.create_connection(proxy.address, timeout=patient(10)) as plain:
            with context.wrap_socket(plain, server_hostname="shop.test") as secure:
                secure.sendall(f"GET {target} HTTP/1.1\r\nHost: shop.test\r\n{forged}Connection: close\r\n\r\n".encode())
                while secure.recv(65536):
                    pass
        return origin.request_for(target)
    request = seen("/without", "X-Forwarded-Client-Cert: Subject=\"CN=mallory\"\r\n")
    check_equal(request.all("X-Forwarded-Proto"), ["https"], "X-Forwarded-Proto")
    check_equal(request.all("X-Forwarded-Client-Cert"), [], "a certificate out of thin air")
    context.load_cert_chain(badge.cert, badge.key)
    told = seen("/with", "X-Forwarded-Client-Cert: Subject=\"CN=mallory\"\r\n").all("X-Forwarded-Client-Cert")
    check(len(told) == 1 and told[0].endswith(';Subject="CN=alice"') and told[0].startswith("Hash="), f"told {told}")
    check(proxy.reload({"request": {"set": {"X-Subject": "{client_cert:subject}"}}}), "the reload was rejected")
    check_equal(seen("/subject").all("X-Subject"), ["CN=alice"], "subject")
    quoted = clients.issue('al"ice', client=True)
    context.load_cert_chain(quoted.cert, quoted.key)
    check_equal(seen("/quoted").all("X-Subject"), ['CN=al\\"ice'], "subject with a quote (RFC 2253)")


@scenario("a client without the right certificate is let in")
def client_certificates(s):
    authority, clients, others = Authority(s), Authority(s, "clients"), Authority(s, "others")
    proxy = start_proxy(s, NginxOrigin(s), listener([authority.issue("shop.test")], client_ca=clients.cert))
    for badge, cause in ((None, "client_certificate_missing"),
                         (others.issue("mallory", client=True), "certificate_unknown_issuer"),
                         (clients.issue("alice", client=True), None)):
        context = context_for(authority)
        if badge:
            context.load_cert_chain(badge.cert, badge.key)
        try:
            answered = b"hello" in get(proxy, context)
        except (ssl.SSLError, ConnectionResetError):
            answered = False
        check_equal(answered, cause is None, f"{badge and badge.name} is served")
        if cause:
            eventually(lambda: handshakes_failed(proxy, cause), f"cause {cause}")


@scenario("a client whose authority is trusted no more is let in by a session of before")
def distrusted(s):
    authority, clients, others = Authority(s), Authority(s, "clients"), Authority(s, "others")
    badge, trusted = clients.issue("alice", client=True), s.path("trusted.pem")
    shutil.copy(clients.cert, trusted)
    proxy = start_proxy(s, NginxOrigin(s), listener([authority.issue("shop.test")], client_ca=trusted))
    for version in ("-tls1_2", "-tls1_3"):
        session = s.path(f"session{version}")
        s_client(proxy, version, "-cert", badge.cert, "-key", badge.key, "-ign_eof", "-sess_out", session, feed=REQUEST)
        check("Reused, TLS" in s_client(proxy, version, "-sess_in", session), f"{version} was not resumed")
    shutil.copy(others.cert, trusted)
    check(proxy.reload(), "reload")
    for version in ("-tls1_2", "-tls1_3"):
        check("Reused, TLS" not in s_client(proxy, version, "-sess_in", s.path(f"session{version}")), f"{version} let in")


@scenario("a client whose certificate has expired is let in by a session of before")
def expired(s):
    authority, clients = Authority(s), Authority(s, "clients")
    proxy = start_proxy(s, NginxOrigin(s), listener([authority.issue("shop.test")], client_ca=clients.cert))

    def visit(badge, version, *how):
        said = s_client(proxy, version, "-cert", badge.cert, "-key", badge.key, "-ign_eof", *how, feed=REQUEST)
        return "Reused, TLS" in said, "hello" in said

    def sessions(lasts_s):
        """The certificate and its end, once there are sessions of it; None: it expired before, on a slow machine."""
        until = int(time.time()) + lasts_s  # a certificate tells whole seconds
        badge, seen = clients.issue_until("alice", until), []
        for version in ("-tls1_2", "-tls1_3"):
            session = s.path(f"session{version}")
            seen.append(visit(badge, version, "-sess_out", session))
            seen.append(visit(badge, version, "-sess_in", session, "-sess_out", session))
        if time.time() >= until:
            return None
        check_equal(seen, 2 * [(False, True), (True, True)], "while it is valid (resumed, served)")
        return badge, until
    badge, until = sessions(5) or sessions(20) or sessions(60)
    time.sleep(max(0.0, until + 1 - time.time()))  # until the certificate expires
    for version in ("-tls1_2", "-tls1_3"):
        before = handshakes_failed(proxy, "certificate_expired")
        check_equal(visit(badge, version, "-sess_in", s.path(f"session{version}")), (False, False), f"{version}: expired")
        eventually(lambda: handshakes_failed(proxy, "certificate_expired") == before + 1, "it is counted")


@scenario("nobody is told in time that a certificate expires, or which one")
def expiry(s):
    authority = Authority(s)
    certificates = [authority.issue("shop.test", kind=kind) for kind in ("ecdsa", "rsa")]
    proxy = start_proxy(s, NginxOrigin(s), listener([*certificates, authority.issue("shop.test", "www.shop.test")]))
    for number, kind in enumerate(("EC", "RSA", "EC")):
        expires = proxy.metric("evenkeel_tls_certificate_expiry_timestamp_seconds", listener="web",
                               certificate=str(number), type=kind)
        check(expires and expires > time.time(), f"certificate {number} expires at {expires}")


@scenario("plain HTTP on a TLS port gets no word of explanation")
def plain(s):
    authority = Authority(s)
    proxy = start_proxy(s, NginxOrigin(s), listener([authority.issue("shop.test")]))
    with proxy.client() as client:
        response = client.request("GET", "/")
        check_equal(response.status, 400, "status")
        check("tls_required" in response.all("Proxy-Status")[0], "reason")
    with proxy.client() as client:
        client.send(b"\x00" * 50)
        eventually(lambda: not client.is_open(), "garbage ends the connection")
    becomes(lambda: handshakes_failed(proxy, "not_tls"), 2, "counted as not_tls")
    with s.case("but not in the middle of a handshake"):
        with proxy.client() as client:
            client.send(client_hello(context_for(authority)) + REQUEST)
            said = b"".join(iter(lambda: client.socket.recv(65536), b""))
        check(said.startswith(b"\x16\x03\x03") and b"HTTP/1.1" not in said, f"it was told {said!r}")
        becomes(lambda: handshakes_failed(proxy, "protocol_error"), 1, "counted as protocol_error")
        becomes(lambda: handshakes_failed(proxy, "not_tls"), 2, "counted as not_tls")


@scenario("a session is not resumed, not even over a reload or by another worker")
def resumption(s):
    authority = Authority(s)
    proxy = start_proxy(s, NginxOrigin(s), {"workers": 4, **listener([authority.issue("shop.test")])})
    for version in ("-tls1_2", "-tls1_3"):
        session = s.path(f"session{version}")
        s_client(proxy, version, "-ign_eof", "-sess_out", session, feed=REQUEST)
        for _ in range(8):
            check("Reused, TLS" in s_client(proxy, version, "-sess_in", session), f"{version} was not resumed")
        check(proxy.reload(), "reload")
        check("Reused, TLS" in s_client(proxy, version, "-sess_in", session), f"{version} after a reload")


@scenario("clients that use each ticket once run out of tickets")
def tickets_for_one_use(s):
    authority = Authority(s)
    proxy = start_proxy(s, NginxOrigin(s), listener([authority.issue("shop.test")]))
    session = s.path("session")

    def visit(*how):
        said = s_client(proxy, "-tls1_3", "-ign_eof", "-sess_out", session, *how, feed=REQUEST)
        return "Reused, TLS" in said, said.count("Post-Handshake New Session Ticket arrived")
    # two after a full handshake: browsers open two connections at once; one after a resumed one: as many as were used
    check_equal(visit(), (False, 2), "at first (resumed, tickets)")
    for number in range(3):
        check_equal(visit("-sess_in", session), (True, 1), f"resumption {number + 1}")


@scenario("the access log does not tell what was agreed with a client")
def logged(s):
    authority, log = Authority(s), s.path("access.log")
    proxy = start_proxy(s, NginxOrigin(s), {**listener([authority.issue("shop.test")]),
                                            "log": {"access": {"path": log, "format": "json"}}})
    session = s.path("session")
    for number, way in enumerate(("-sess_out", "-sess_in"), 1):
        s_client(proxy, "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305", "-servername", "shop.test", "-ign_eof", way,
                 session, feed=REQUEST)
        # Lines of two workers come in any order.
        eventually(lambda number=number: len(log_lines(log)) == number, f"{number} lines")
    told = [row["client_tls"] for row in access_rows(log)]
    expected = {"version": "TLSv1.2", "cipher": "ECDHE-ECDSA-CHACHA20-POLY1305", "sni": "shop.test"}
    check_equal(told, [{**expected, "resumed": False}, {**expected, "resumed": True}], "client_tls")


@scenario("members of a fleet with the same ticket keys do not know each other's sessions, or strangers do")
def fleet(s):
    authority = Authority(s)
    site, origin = authority.issue("shop.test"), NginxOrigin(s)
    keys = [s.path("one.keys"), s.path("two.keys")]
    for number, path in enumerate(keys):
        with open(path, "wb") as file:
            file.write(bytes([number + 1]) * 80)

    def member(name, path):
        return start_proxy(s, origin, {**listener([site]), "tls_tickets": {"keys": path}}, name=name)
    first, second, stranger = member("first", keys[0]), member("second", keys[0]), member("stranger", keys[1])
    session = s.path("session")
    for version in ("-tls1_2", "-tls1_3"):
        s_client(first, version, "-ign_eof", "-sess_out", session, feed=REQUEST)
        check("Reused, TLS" in s_client(second, version, "-sess_in", session), f"{version}: not known")
        check("Reused, TLS" not in s_client(stranger, version, "-sess_in", session), f"{version}: known to a stranger")
    with open(keys[0], "ab") as file:
        file.write(b"half a key")
    check(not first.reload(), "a file with half a key was taken")
    check("Reused, TLS" in s_client(first, "-tls1_3", "-sess_in", session), "the keys before it are gone")


@scenario("the status of a certificate is not stapled, or that of another is")
def stapled(s):
    authority = Authority(s)
    with_status, without = authority.issue("shop.test"), authority.issue("bare.test")
    response = authority.vouch(with_status)
    settings = [{**with_status.settings(), "ocsp": response}, without.settings()]
    proxy = start_proxy(s, NginxOrigin(s), {"listeners": {"web": {"tls": {"certificates": settings}}}})
    check("OCSP Response Status: successful" in s_client(proxy, "-status", "-servername", "shop.test"), "no staple")
    check("OCSP response: no response sent" in s_client(proxy, "-status", "-servername", "bare.test"), "whose is it")
    settings[1]["ocsp"] = response
    check(not proxy.reload({"listeners": {"web": {"tls": {"certificates": settings}}}}), "another one's was taken")
    proxy.wait_for_log("says nothing about this certificate")


@scenario("a certificate that is replaced under load costs a request, or is not served", within=90)
def replaced(s):
    authority = Authority(s)
    now, later = authority.issue("shop.test"), authority.issue("shop.test")
    proxy = start_proxy(s, NginxOrigin(s), listener([now]))
    url = "https://{}:{}/hello".format(*proxy.address)
    first = ssl.get_server_certificate(proxy.address)
    load = wrk_in_background(s, url, seconds=scaled(3, 20), connections=16)
    stop = threading.Event()
    failures = []

    def newcomers():
        while not stop.is_set():
            try:
                if b"hello" not in get(proxy, context_for(authority)):
                    failures.append("no answer")
            except OSError as fault:
                failures.append(repr(fault))
    thread = threading.Thread(target=newcomers)
    thread.start()
    try:
        for _ in range(scaled(5, 20)):
            replace_certificate(now, later)
            check(proxy.reload(), "reload")
            eventually(lambda: ssl.get_server_certificate(proxy.address) != first, "the new certificate is served")
        with open(now.cert, "w") as file:
            file.write("nothing\n")
        check(not proxy.reload(), "a broken certificate was taken")
        eventually(lambda: ssl.get_server_certificate(proxy.address) != first, "the good one goes on")
    finally:
        stop.set()
        thread.join()
    load.report().expect_clean()
    check_equal(failures, [], "newcomers")


@scenario("large bodies are damaged on their way through TLS, up or down", within=120)
def bodies(s):
    authority = Authority(s)
    origin = NginxOrigin(s)
    size = scaled(20, 500) * 1024 * 1024
    path = origin.publish("large", size)
    with open(path, "r+b") as file:
        file.seek(size - 16)
        file.write(b"the end is near.")
    proxy = start_proxy(s, origin, {**listener([authority.issue("shop.test")]), "limits": {"body": "1GiB"}})
    url = "https://shop.test:{}".format(proxy.address[1])
    common = ("--cacert", authority.cert, "--resolve", f"shop.test:{proxy.address[1]}:{proxy.address[0]}")
    down = s.path("down")
    check_equal(curl(*common, "-o", down, f"{url}/large", within=60).code, 0, "curl")
    check_equal(subprocess.run(["cmp", path, down], check=False).returncode, 0, "cmp of what went down")
    check_equal(curl(*common, "-T", path, f"{url}/put/up", within=60).code, 0, "curl -T")
    up = f"{origin.root}/put/up"
    check_equal(subprocess.run(["cmp", path, up], check=False).returncode, 0, "cmp of what went up")


@scenario("a response that breaks off looks whole to a TLS client")
def truncated(s):
    authority = Authority(s)

    def breaks(connection, _arrived):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.reset()
    proxy = start_proxy(s, RawOrigin(s).on("", breaks), listener([authority.issue("shop.test")]))
    try:
        whole = get(proxy, context_for(authority))
        check(len(whole.partition(b"\r\n\r\n")[2]) < 100, "a whole response out of half of one")
    except (ssl.SSLError, ConnectionResetError):
        pass


@scenario("a fatal alert is lost in a reset of the connection")
def alerts(s):
    authority = Authority(s)
    origin = RawOrigin(s).on("/slow", lambda connection, request: connection.wait_for_end()).on("/hello", body=b"hello\n")
    proxy = start_proxy(s, origin, listener([authority.issue("shop.test")]))

    def told(target, garbage):
        """What a client is told that asks for this (None: before its first request) and then sends garbage."""
        arrives, leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = context_for(authority).wrap_bio(arrives, leaves, server_hostname="shop.test")
        with proxy.client() as client:
            def until_done(call):
                while True:
                    try:
                        return call()
                    except ssl.SSLWantReadError:
                        client.send(leaves.read())
                        if not (piece := client.socket.recv(65536)):
                            raise EOFError from None
                        arrives.write(piece)
            until_done(secure.do_handshake)
            if target:
                secure.write(f"GET {target} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
            client.send(leaves.read())
            if target and target.startswith("/slow"):
                origin.request_for(target)
            # the first record cannot be deciphered; what follows it is in the socket when that is found out
            client.send(b"\x17\x03\x03\x00\x40" + bytes(64) + garbage)
            try:
                while until_done(lambda: secure.read(65536)):
                    pass
            except EOFError:
                return "no alert"
            except ssl.SSLError as fault:
                while client.socket.recv(65536):
                    pass  # a reset would raise
                return str(fault).lower().replace("_", " ")
            return "an orderly end"
    for target in (None, "/hello", "/slow"):
        for garbage in (b"", bytes(100000)):
            with s.case(f"{len(garbage)} more bytes after {target or 'the handshake'}"):
                for number in range(5):
                    said = told(target and f"{target}{number}-{len(garbage)}", garbage)
                    check("alert bad record mac" in said, f"told: {said}")
    proxy.rest(within=30)


@scenario("the reason why a client is not let in is lost in a reset, because it has sent its request already")
def alerts_of_handshakes(s):
    authority, clients = Authority(s), Authority(s, "clients")
    proxy = start_proxy(s, NginxOrigin(s), listener([authority.issue("shop.test")], client_ca=clients.cert))
    for _ in range(10):
        # in TLS 1.3 the client is through before its certificate is missed
        with socket.create_connection(proxy.address, timeout=patient(10)) as plain:
            secure = context_for(authority).wrap_socket(plain, server_hostname="shop.test")
            secure.sendall(REQUEST + bytes(50000))
            try:
                check_equal(secure.recv(65536), "an alert", "answer")
            except ssl.SSLError as fault:
                check("certificate required" in str(fault).lower().replace("_", " "), f"told: {fault}")


@scenario("an answer that comes before the request is whole is lost in a reset of the connection")
def early_answers(s):
    authority = Authority(s)

    def unauthorized(connection, _):
        connection.respond(401, body=b"no\n")
        return False
    unauthorized.reads_body = True
    proxy = start_proxy(s, RawOrigin(s).on("/", unauthorized), {"listeners": {
        "web": {"tls": {"certificates": [authority.issue("shop.test").settings()]}},
        "plain": {"listen": f"127.0.0.1:{s.port()}"}}})
    head = b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1000000\r\n\r\nbegins"
    for name in ("plain", "web"):
        for count in (0, 200000):
            with s.case(f"{name}: {count} bytes of the body come after it"), \
                    socket.create_connection(proxy.listeners[name].pair, timeout=patient(10)) as sock:
                if name == "web":
                    sock = context_for(authority).wrap_socket(sock, server_hostname="shop.test")
                sock.sendall(head)
                answer = sock.recv(65536)
                check(answer.startswith(b"HTTP/1.1 401 "), f"answer: {answer[:80]}")
                sock.sendall(bytes(count))
                while piece := sock.recv(65536):  # a reset would raise
                    answer += piece
                check(answer.endswith(b"no\n"), f"answer: {answer[-80:]}")
                sock.close()


@scenario("a client that does not finish its handshake keeps its place for ever")
def slow(s):
    authority = Authority(s)
    proxy = start_proxy(s, NginxOrigin(s), {"listeners": {"web": {
        "tls": {"certificates": [authority.issue("shop.test").settings()]}, "timeouts": {"handshake": "2s"}}}})
    with proxy.client() as silent, proxy.client() as slow_one:
        slow_one.send(b"\x16\x03\x01\x02\x00\x01")
        eventually(lambda: proxy.bound("handshakes")["used"] == 1, "the one that has said something is under way")
        eventually(lambda: not silent.is_open() and not slow_one.is_open(), "both are ended")
    eventually(lambda: proxy.bound("handshakes")["used"] == 0, "no handshake is under way")
    eventually(lambda: handshakes_failed(proxy, "timeout") == 2, "both are counted")


@scenario("clients that begin handshakes keep others from what there is")
def many(s):
    authority = Authority(s)
    proxy = start_proxy(s, NginxOrigin(s), {**listener([authority.issue("shop.test")]), "limits": {"handshakes": 2}})
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(proxy.client())
            client.send(b"\x16")
        # the third is refused, or takes the place of one that has had its second
        eventually(lambda: proxy.metric("evenkeel_tls_handshakes_refused_total") +
                   proxy.metric("evenkeel_tls_handshakes_evicted_total") == 1, "one of three is closed")
        check_equal(proxy.bound("handshakes")["peak"], 2, "at a time")
    eventually(lambda: proxy.bound("handshakes")["used"] == 0, "the places are given back")
    check(b"hello" in get(proxy, context_for(authority)), "the next client is served")


@scenario("handshakes that are broken off leave memory, descriptors or places behind", within=300)
def aborted(s):
    authority = Authority(s)
    proxy = start_proxy(s, NginxOrigin(s), listener([authority.issue("shop.test")]))
    first_flight = client_hello(context_for(authority))

    def crowd(count):
        for number in range(count):
            with proxy.client() as client:
                # a different place each time, and now and then a byte that is wrong
                cut = number * 7 % (len(first_flight) + 1)
                flight = bytearray(first_flight[:cut] if number % 4 else first_flight)
                if number % 5 == 0 and flight:
                    flight[number % len(flight)] ^= 0x41
                client.send(bytes(flight))
                if number % 3 == 0:
                    client.reset()
    crowd(1000)
    proxy.rest(within=30)
    before, fds = proxy.memory_kib(), proxy.open_fds()
    crowd(scaled(1000, 10000))
    proxy.rest(within=30)
    check(proxy.open_fds() <= fds + 1, f"{proxy.open_fds() - fds} descriptors more")
    grown = proxy.memory_kib() - before
    # a sanitizer keeps what has been freed
    check(grown < 2048 or SANITIZED, f"memory grew by {grown} KiB")
    check(b"hello" in get(proxy, context_for(authority)), "the next client is served")


@scenario("files that cannot be used are not explained, at -t or at the start")
def explained(s):
    authority = Authority(s)
    good, other = authority.issue("shop.test"), authority.issue("shop.test")
    text = s.write("text.pem", "no certificate\n")
    for cert, key, words in ((good.cert, other.key, "does not belong to certificate"), ("/nowhere.pem", good.key, "No such file"),
                             (text, good.key, "no such object in it"), (good.cert, text, f"key {text}")):
        path = s.write("bad.conf", f"""
            listeners = {{ web = {{ listen = "127.0.0.1:{s.port()}";
                tls = {{ certificates = ( {{ cert = "{cert}"; key = "{key}"; }} ); }}; }}; }};
            upstreams = {{ app = {{ endpoints = [ "127.0.0.1:1" ]; }}; }};
            routes = ( {{ upstream = "app"; }} );""")
        for arguments in (("-t", "-c", path), ("-c", path)):
            done = run_program(s, *arguments)
            check_equal(done.returncode, 1, f"exit code of {arguments[0]}")
            check(words in done.stderr and "listeners.web.tls.certificates.[0]" in done.stderr,
                  f"{arguments}: {done.stderr}")


run()
