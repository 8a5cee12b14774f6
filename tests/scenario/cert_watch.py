"""Certificates that are renewed are taken by themselves, whole or not at all."""

import contextlib
import os
import re
import shutil
import ssl
import threading

from harness import (Authority, Interrupted, RawOrigin, check, check_equal, eventually, merge, promptly, render, replace_certificate,
                     run, scenario, start_proxy)
from harness.disk import HangingDisk


def context_for(authority):
    return ssl.create_default_context(cafile=authority.cert)


def text_of(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def leaf(path):
    """As ssl.get_server_certificate() writes it."""
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(text_of(path)))


def serves(proxy, listener, path):
    return ssl.get_server_certificate(proxy.listeners[listener].pair) == leaf(path)


def overwrite(live, new):
    """In place, the certificate first."""
    shutil.copyfile(new.cert, live.cert)
    shutil.copyfile(new.key, live.key)


class Linked:
    """A pair behind links, as certbot and Kubernetes make them."""

    def __init__(self, s):
        self._folder = s.path("links")
        os.mkdir(self._folder)
        self._count = 0
        self.cert, self.key = f"{self._folder}/tls.crt", f"{self._folder}/tls.key"
        for name in ("tls.crt", "tls.key"):
            os.symlink(f"..data/{name}", f"{self._folder}/{name}")

    def point_at(self, pair):
        self._count += 1
        folder = f"{self._folder}/..{self._count}"
        os.mkdir(folder)
        shutil.copyfile(pair.cert, f"{folder}/tls.crt")
        shutil.copyfile(pair.key, f"{folder}/tls.key")
        self.point_at_folder(f"..{self._count}")

    def point_at_folder(self, folder):
        os.symlink(folder, f"{self._folder}/..new")
        os.rename(f"{self._folder}/..new", f"{self._folder}/..data")

    def settings(self):
        return {"cert": self.cert, "key": self.key}


def listeners(s, **certificates):
    return {"listeners": {name: {"listen": f"127.0.0.1:{s.port()}", "tls": {"certificates": [each.settings()]}}
                          for name, each in certificates.items()}}


@scenario("a renewed certificate is served only after a signal", within=30)
def renewed(s):
    authority = Authority(s)
    renamed, written, second, third = (authority.issue("shop.test") for _ in range(4))
    linked = Linked(s)
    linked.point_at(renamed)
    proxy = start_proxy(s, RawOrigin(s), {"workers": 1, **listeners(s, web=renamed, written=written, linked=linked)})
    with proxy.client(tls=context_for(authority)) as client:
        check_equal(client.request("GET", "/").status, 200, "status before")
        replace_certificate(renamed, second)
        overwrite(written, second)
        linked.point_at(second)
        for listener, how in (("web", "renamed over"), ("written", "written in place"), ("linked", "an exchanged link")):
            with s.case(how):
                eventually(lambda name=listener: serves(proxy, name, second.cert), "the new certificate is served")
        with s.case("whoever is connected notices nothing, and it is not a reload"):
            check_equal(client.request("GET", "/").status, 200, "status on the connection from before")
            check_equal((proxy.metric("evenkeel_generation"), *proxy.reloads()), (1, 0, 0), "generation, reloads")
    with s.case("it is counted and logged, with the date of its end"):
        proxy.expect_count(3, "evenkeel_tls_files_taken_total")
        line = re.compile(r"listeners\.(\w+)\.tls: changed files are in use; .* on \d{4}-\d\d-\d\d")
        eventually(lambda: sorted(line.findall(proxy.log())) == ["linked", "web", "written"], "listeners in the log")
    with s.case("a configuration file that was edited meanwhile is not taken, until it is asked for"):
        proxy.write_config(render(merge(proxy.settings, {"routes": [{"name": "no", "respond": {"status": 418}}]})))
        replace_certificate(renamed, third)
        eventually(lambda: serves(proxy, "web", third.cert), "the third certificate is served")
        with proxy.client(tls=context_for(authority)) as client:
            check_equal(client.request("GET", "/").status, 200, "status by the settings from before")
            check_equal(proxy.admin("/reload", "POST")[0], 200, "status of POST /reload")
            check_equal(client.request("GET", "/").status, 418, "status by the new settings")
    with s.case("the files of the new settings are watched from then on"):
        replace_certificate(renamed, second)
        eventually(lambda: serves(proxy, "web", second.cert), "the second certificate is served again")


@scenario("files that do not fit, or half of one, are used or close the listener; other listeners wait for them", within=30)
def halves(s):
    authority, first, others = Authority(s), Authority(s, "first"), Authority(s, "others")
    broken, good, new = (authority.issue("shop.test") for _ in range(3))
    before, trusted = leaf(broken.cert), s.path("clients.pem")
    shutil.copyfile(first.cert, trusted)
    settings = listeners(s, web=broken, good=good, clients=good)
    settings["listeners"]["clients"]["tls"]["client_ca"] = trusted
    proxy = start_proxy(s, RawOrigin(s), {"workers": 1, **settings})
    ours, theirs = first.issue("ours", client=True), others.issue("theirs", client=True)

    def goes_on():
        check_equal(ssl.get_server_certificate(proxy.address), before, "the certificate from before")

    def failing():
        return proxy.metric("evenkeel_tls_files_failing"), proxy.metric("evenkeel_tls_files_failures_total")

    def let_in(certificate):
        context = context_for(authority)
        context.load_cert_chain(certificate.cert, certificate.key)
        with contextlib.suppress(OSError, Interrupted), proxy.client("clients", tls=context) as client:
            return client.request("GET", "/").status == 200
        return False

    check_equal((let_in(ours), let_in(theirs)), (True, False), "clients before")
    write(broken.cert, text_of(new.cert))
    replace_certificate(good, new)
    shutil.copyfile(others.cert, trusted)
    with s.case("another listener's pair is taken"):
        eventually(lambda: serves(proxy, "good", new.cert), "the new pair is served")
    with s.case("a client CA that has changed is asked"):
        eventually(lambda: (let_in(ours), let_in(theirs)) == (False, True), "the others are let in")
    with s.case("the certificate without its key: said once, counted, and the old pair serves"):
        eventually(lambda: failing() == (1, 1), "the failure is counted")
        proxy.wait_for_log("listeners.web.tls.certificates.[0]")
        goes_on()
    with s.case("half of the file, then nothing of it: still the same failure"):
        for text in (text_of(new.cert)[:400], ""):
            write(broken.cert, text)
            goes_on()
        os.unlink(broken.cert)
        goes_on()
    with s.case("the pair is whole: taken, and nothing fails any more"):
        overwrite(broken, new)
        eventually(lambda: serves(proxy, "web", new.cert), "the new pair is served")
        eventually(lambda: failing() == (0, 1), "nothing fails")
        eventually(lambda: proxy.log().count("what was read before stays in use") == 1, "lines about it")


@scenario("an upstream goes on with a client certificate or CA that was replaced", within=30)
def upstreams(s):
    authority, other = Authority(s), Authority(s, "other")
    first, second = authority.issue("proxy", client=True), authority.issue("proxy", client=True, days=20)
    trusted = s.path("trusted.pem")
    shutil.copyfile(authority.cert, trusted)
    origin = RawOrigin(s, certificate=authority.issue("IP:127.0.0.1"))
    proxy = start_proxy(s, origin, {"workers": 1, "upstreams": {"app": {
        "tls": {"enabled": True, "ca": trusted, "cert": first.cert, "key": first.key}, "breaker": {"enabled": False}}}})

    def until_s():
        return proxy.metric("evenkeel_upstream_tls_certificate_expiry_timestamp_seconds", upstream="app")

    def status():
        return proxy.get("/").status

    before_s = until_s()
    check_equal(status(), 200, "status before")
    replace_certificate(first, second)
    write(trusted, "nothing\n")
    with s.case("a file that is no CA is said, and changes nothing"):
        proxy.wait_for_log("upstreams.app.tls.ca")
        check_equal((status(), until_s()), (200, before_s), "status and certificate meanwhile")
    with s.case("another CA and certificate are taken: the endpoint is not trusted any more"):
        shutil.copyfile(other.cert, trusted)
        eventually(lambda: status() == 502, "its certificate is refused")
        check(until_s() < before_s, "the second certificate is not in use")
    with s.case("the CA is back: the endpoint is trusted again"):
        shutil.copyfile(authority.cert, trusted)
        eventually(lambda: status() == 200, "it is trusted again")
    check_equal(proxy.metric("evenkeel_generation"), 1, "generation")


@scenario("a certificate on a disk that hangs stops the admin listener, reloads, and the renewal of others", within=60)
def hangs(s):
    authority = Authority(s)
    first, good, new = (authority.issue("shop.test") for _ in range(3))
    moving = Linked(s)
    moving.point_at(first)
    proxy = start_proxy(s, RawOrigin(s), {"workers": 1, **listeners(s, web=moving, good=good)})
    with HangingDisk(s) as disk:
        moving.point_at_folder(disk.path)
        proxy.wait_for_log("its disk hangs: whether it has changed is not known")
        with s.case("the process answers, and serves as before"):
            check_equal(proxy.admin("/readyz")[0], 200, "/readyz")
            check(serves(proxy, "web", first.cert), "another certificate is served")
        with s.case("another certificate is renewed"):
            replace_certificate(good, new)
            eventually(lambda: serves(proxy, "good", new.cert), "the new certificate is served")
        with s.case("a reload that would read there is refused at once"):
            status, body = proxy.admin("/reload", "POST")
            check(status == 422 and "its disk hangs" in str(body), f"{status} {body}")
            check_equal(proxy.admin("/readyz")[0], 200, "/readyz")
        moving.point_at(new)
    with s.case("once it answers, what is there is read"):
        proxy.wait_for_log("its disk answers again")
        eventually(lambda: serves(proxy, "web", new.cert), "the new certificate is served")
        check_equal(proxy.admin("/reload", "POST")[0], 200, "status of a reload")


@scenario("a reload that names a certificate on a disk that hangs, of a folder not watched before, stops the admin listener", within=60)
def hangs_at_a_reload(s):
    authority = Authority(s)
    good = authority.issue("shop.test")
    proxy = start_proxy(s, RawOrigin(s), {"workers": 1, **listeners(s, web=good)})
    fine = proxy.text()
    with HangingDisk(s) as disk:
        proxy.settings["listeners"]["web"]["tls"]["certificates"] = [{"cert": f"{disk.path}/cert.pem", "key": f"{disk.path}/cert.key"}]
        hanging = proxy.text()
        with s.case("it is answered meanwhile, and the reload is refused"):
            proxy.write_config(hanging)
            refused = []
            asks = threading.Thread(target=lambda: refused.append(proxy.admin("/reload", "POST")))
            asks.start()
            while asks.is_alive():
                promptly(lambda: proxy.admin("/readyz")[0] == 200, "/readyz", 1, proxy)
            check(refused and refused[0][0] == 422 and "its disk hangs" in str(refused[0][1]), f"{refused}")
        with s.case("the next one is refused at once"):
            before = proxy.threads()
            for _ in range(5):
                promptly(lambda: proxy.admin("/reload", "POST")[0] == 422, "it is refused", 1, proxy)
            check_equal(proxy.threads(), before, "threads")
        with s.case("one that does not read there is taken"):
            check(proxy.reload(text=fine), "the reload was rejected")
            check(serves(proxy, "web", good.cert), "another certificate is served")
    with s.case("a pipe is refused, and waits for no writer"):
        os.mkfifo(s.path("pipe.pem"))
        proxy.settings["listeners"]["web"]["tls"]["certificates"] = [{"cert": s.path("pipe.pem"), "key": good.key}]
        proxy.write_config(proxy.text())
        status, body = proxy.admin("/reload", "POST")
        check(status == 422 and "not a regular file" in str(body), f"{status} {body}")
        proxy.write_config(fine)


@scenario("a pipe in the place of a certificate stops the process", within=30)
def pipe(s):
    authority = Authority(s)
    first, new = authority.issue("shop.test"), authority.issue("shop.test")
    before = leaf(first.cert)
    proxy = start_proxy(s, RawOrigin(s), {"workers": 1, **listeners(s, web=first)})
    os.mkfifo(first.cert + ".pipe")
    os.rename(first.cert + ".pipe", first.cert)
    proxy.wait_for_log("not a regular file")
    check_equal(proxy.admin("/readyz")[0], 200, "/readyz")
    check_equal(ssl.get_server_certificate(proxy.listeners["web"].pair), before, "what is served")
    replace_certificate(first, new)
    eventually(lambda: serves(proxy, "web", new.cert), "the new certificate is served")


run()
