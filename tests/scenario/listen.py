"""A listener has one address or several, of either family or in the file system, and clients find it at each."""

import contextlib
import os
import signal
import socket
import stat

from harness import (Client, RawOrigin, check, check_equal, curl, eventually, render, run, run_program, scenario,
                     start_proxy)


def listens_at(s, *addresses, origin=None, **options):
    """A proxy whose listener "more" has these addresses, beside "web", which the harness asks."""
    settings = {"listeners": {"more": {"listen": list(addresses) if len(addresses) > 1 else addresses[0],
                                       **options.pop("listener", {})}}}
    return start_proxy(s, origin or RawOrigin(s), settings, **options)


def status_of(*arguments):
    return curl("--output", "/dev/null", "--write-out", "%{http_code}", *arguments).out.decode()


def served_by_file(path):
    check_equal(status_of("--unix-socket", path, "http://shop.example/"), "200", f"status by {os.path.basename(path)}")


def refused_by(path):
    """Whether nobody listens on the file, or there is none."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return True
    return False


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


@scenario("an address of a listener is not served")
def addresses(s):
    hosts = ["127.0.0.1"] + (["[::1]"] if has_ipv6() else [])
    for form in ("*:{}", ":{}", "{}", "localhost:{}", "LocalHost:{}"):
        with s.case(f"{form}: both families"):
            port = s.port()
            proxy = listens_at(s, form.format(port), name=f"evenkeel-{port}")
            for host in hosts:
                check_equal(status_of(f"http://{host}:{port}/"), "200", f"status at {host}")
            proxy.stop()
    with s.case("a list, with a UNIX socket"):
        first, second, path = s.port(), s.port(), s.path("more.sock")
        listens_at(s, f"127.0.0.1:{first}", f"127.0.0.1:{second}", f"unix:{path}", name="evenkeel-list")
        for port in (first, second):
            check_equal(status_of(f"http://127.0.0.1:{port}/"), "200", f"status at {port}")
        served_by_file(path)


@scenario("the addresses of a listener have limits of their own, or routes and logs see them as several listeners")
def shared(s):
    ports, path = [s.port(), s.port()], s.path("more.sock")
    proxy = listens_at(s, *(f"127.0.0.1:{port}" for port in ports), f"unix:{path}",
                       listener={"rate": {"per_second": 0.001, "burst": 1.0}})
    proxy.reload({"routes": [{"name": "here", "listener": "more", "upstream": "app"}]})
    statuses = [status_of(f"http://127.0.0.1:{port}/") for port in (*ports, *ports)]
    statuses.append(status_of("--unix-socket", path, "http://shop.example/"))
    check_equal(sorted(statuses), ["200", "200", "503", "503", "503"], "statuses over all addresses")


@scenario("addresses come or go with a reload at which those that stay notice")
def reloaded(s):
    kept, added = s.port(), s.port()
    proxy = listens_at(s, f"127.0.0.1:{kept}")
    with Client(("127.0.0.1", kept)) as client:
        check_equal(client.request("GET", "/").status, 200, "status before")
        proxy.reload({"listeners": {"more": {"listen": [f"127.0.0.1:{kept}", f"127.0.0.1:{added}"]}}})
        check_equal(status_of(f"http://127.0.0.1:{added}/"), "200", "status at the new address")
        check_equal(client.request("GET", "/").status, 200, "status on the connection from before")
    proxy.reload({"listeners": {"more": {"listen": f"127.0.0.1:{added}"}}})
    eventually(lambda: status_of(f"http://127.0.0.1:{kept}/") == "000", "the old address is closed")
    check_equal(status_of(f"http://127.0.0.1:{added}/"), "200", "status at the address that stays")


@scenario("the file of a UNIX socket is open to whom it should not be")
def permissions(s):
    for words, mode in (("", 0o660), (" mode=0600", 0o600), (" mode=0666", 0o666)):
        path = s.path(f"mode{mode:o}.sock")
        proxy = listens_at(s, f"unix:{path}{words}", name=f"evenkeel-{mode:o}")
        check_equal(oct(stat.S_IMODE(os.stat(path).st_mode)), oct(mode), f"mode with {words!r}")
        served_by_file(path)
        proxy.stop()


@scenario("a start replaces a file that is not a dead socket, or does not replace one that is")
def stale(s):
    path = s.path("more.sock")
    with s.case("left behind by a process that was killed"):
        first = listens_at(s, f"unix:{path}", name="evenkeel-killed")
        first.kill()
        check(os.path.exists(path), "the file is gone with the process")
        second = listens_at(s, f"unix:{path}", name="evenkeel-after")
        served_by_file(path)
    with s.case("of a process that lives"):
        config = s.write("twice.conf", second.text().replace(str(second.address[1]), str(s.port())))
        done = run_program(s, "-c", config)
        check(done.returncode == 1 and "in use" in done.stderr, f"it ends with {done.returncode}: {done.stderr}")
        served_by_file(path)
        second.stop()
    with s.case("a file that is no socket"):
        ordinary = s.path("ordinary")
        s.write("ordinary", "precious")
        done = run_program(s, "-t", "-c", s.write("file.conf", second.text().replace(path, ordinary)))
        check("exists" in done.stderr, f"-t says {done.stdout}{done.stderr}")
        done = run_program(s, "-c", "file.conf")
        check_equal(done.returncode, 1, "exit code")
        with open(ordinary) as file:
            check_equal(file.read(), "precious", "what is in the file")


@scenario("a UNIX socket does not survive what must not touch it, or survives a reload that drops it")
def life(s):
    path = s.path("more.sock")
    origin = RawOrigin(s)
    proxy = listens_at(s, f"unix:{path}", origin=origin)
    file = os.stat(path).st_ino
    with s.case("a reload that keeps it"):
        proxy.reload({"limits": {"clients": 100}})
        served_by_file(path)
    with s.case("a rejected configuration"):
        check(not proxy.reload(text=proxy.text() + "nonsense = 1;\n"), "it is taken")
        served_by_file(path)
    with s.case("a rejected configuration that would have dropped it"):
        without = dict(proxy.settings, listeners={"web": proxy.settings["listeners"]["web"],
                                                  "bad": {"listen": "192.0.2.1:9"}})
        check(not proxy.reload(text=render(without)), "it is taken")
        served_by_file(path)
    with s.case("an upgrade"):
        proxy.reload({})
        proxy.upgrade()
        served_by_file(path)
    check_equal(os.stat(path).st_ino, file, "inode of the file, at the end")
    with s.case("a reload that drops it"):
        proxy.settings["listeners"].pop("more")
        proxy.reload()
        eventually(lambda: not os.path.exists(path), "the file is gone")


@scenario("a process that drains removes the UNIX socket of the one that takes its place")
def succession(s):
    path = s.path("more.sock")
    first = listens_at(s, f"unix:{path}", name="evenkeel-first")
    first.signal(signal.SIGTERM)
    eventually(lambda: refused_by(path), "the first process no longer listens")
    listens_at(s, f"unix:{path}", name="evenkeel-second")
    first.expect_clean_exit()
    served_by_file(path)


@scenario("a client that comes through a UNIX socket is not told of, or not trusted where it should be")
def clients(s):
    seen = []
    origin = RawOrigin(s)
    origin.on("/", lambda connection, request: (seen.append(request), connection.respond(200, b"ok")))
    path = s.path("more.sock")
    proxy = listens_at(s, f"unix:{path}", origin=origin)
    with s.case("trusted by default, as local clients are"):
        status_of("--unix-socket", path, "-H", "X-Forwarded-For: 203.0.113.7", "http://shop.example/")
        check_equal(seen[-1].get("X-Forwarded-For"), "203.0.113.7, unknown", "X-Forwarded-For")
    with s.case("not if trusted_peers leaves it out"):
        proxy.reload({"trusted_peers": ["10.0.0.0/8"]})
        status_of("--unix-socket", path, "-H", "X-Forwarded-For: 203.0.113.7", "http://shop.example/")
        check_equal(seen[-1].get("X-Forwarded-For"), "unknown", "X-Forwarded-For")


@scenario("a wrong address is taken, or what to write is not said")
def wrong(s):
    good = """listeners = { web = {
listen = %s; }; };
upstreams = { app = { endpoints = "127.0.0.1:8000"; }; };
routes = ( { upstream = "app"; } );
"""
    for listen, *words in (
            ('"127.0.0.1"', "port is missing", '"127.0.0.1:8080"'),
            ('"::1"', "port is missing", '"[::1]:8080"'),
            ("80", 'write "80"'),
            ('"shop.example:80"', "not looked up", '"*:80"'),
            ('"/run/x.sock"', '"unix:/run/x.sock"'),
            ('"unix:x.sock"', 'begins with "/"'),
            ('"unix:/run/x.sock mode=rw"', '"rw" is no mode'),
            ('"unix:/run/x.sock user=nobody-of-that-name"', "is no user"),
            ('"unix:/run/x.sock owner=root"', "is none of mode="),
            (f'"unix:/{"x" * 200}"', "longer than"),
            ('"*:70000"', "expected an address"),
            ('[ "*:8080", "127.0.0.1:8080", "0.0.0.0:8080" ]', "mean the same address"),
            ("{ port = 80; }", "got a group")):
        with s.case(f"listen = {listen}"):
            s.write("bad.conf", good % listen)
            done = run_program(s, "-t", "-c", "bad.conf")
            check_equal(done.returncode, 1, "exit code")
            rows = [row for row in done.stderr.splitlines() if "bad.conf:2:" in row]
            check(any(all(word in row for word in words) for row in rows), f"no {words} in\n{done.stderr}")


run()
