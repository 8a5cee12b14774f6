"""SIGUSR2: the program is replaced without a client noticing, or everything stays as it is."""

import os
import shutil
import signal
import socket
import ssl
import threading

from harness import (Authority, Interrupted, RawOrigin, check, check_equal, eventually, leftovers, patient, program, run,
                     scenario, start_proxy)


class Load:
    """Clients that ask without a pause and obey Connection: close."""

    def __init__(self, proxy, clients=6):
        self.served, self.faults = 0, []
        self._stop = False
        self._threads = [threading.Thread(target=self._ask, args=(proxy, i), daemon=True) for i in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self, proxy, number):
        address = proxy.address
        while not self._stop:
            try:
                with proxy.client() as client:
                    self._use(client, number)
            except (OSError, Interrupted) as fault:
                self.faults.append(f"{fault!r} {fault.__context__!r} at {address}")
                return

    def _use(self, client, number):
        while not self._stop:
            response = client.request("GET", "/") if number % 2 else client.request("POST", "/", body=b"x" * 3000)
            if response.status != 200:
                self.faults.append(response)
            self.served += 1
            if response.closes or number == 0:  # number 0 connects anew each time
                return

    def more(self, count=50):
        wanted = self.served + count
        eventually(lambda: self.served >= wanted or self.faults, "requests are served")
        check(not self.faults, f"faults: {self.faults[:3]}")

    def stop(self):
        self._stop = True
        for thread in self._threads:
            thread.join(patient(10))
        check(not self.faults, f"faults: {self.faults[:3]}")


def copied_program(s):
    path = s.path("program")
    shutil.copy2(program(), path)
    return path


def replace_program(path, text=None):
    """Put a script, or the program itself, where the program was."""
    if text is None:
        shutil.copy2(program(), f"{path}.next")
    else:
        with open(f"{path}.next", "w") as file:
            file.write(text)
        os.chmod(f"{path}.next", 0o755)
    os.rename(f"{path}.next", path)


@scenario("an upgrade under load fails a request, or leaves something behind")
def in_a_row(s):
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"x" * 1000)
    pid_file = s.path("pid")
    proxy = start_proxy(s, origin, {"pid_file": pid_file, "drain": {"grace": "8s"}})
    # The first one that was upgraded to is the measure, at rest.
    old = proxy.upgrade()
    check_equal(proxy.get("/").status, 200, "status")
    check_equal(old.wait(patient(8)), 0, "exit code of the old process")
    proxy.rest()
    fds, threads = proxy.open_fds(besides=origin.address), proxy.threads()
    load = Load(proxy)
    load.more()
    for _ in range(9):
        old = proxy.upgrade()
        load.more()
        check_equal(old.wait(patient(8)), 0, "exit code of the old process")
        with open(pid_file) as file:
            check_equal(file.read(), f"{proxy.pid}\n", "the pid file")
    load.stop()
    with s.case("nothing is left behind"):
        proxy.rest()
        eventually(lambda: proxy.open_fds(besides=origin.address) <= fds, f"no more descriptors than the first one's {fds}")
        check_equal(proxy.threads(), threads, "threads")
        names = [name for name in os.listdir(s.directory) if "sock" in name or "pid" in name]
        check_equal(sorted(names), ["evenkeel.sock", "pid"], "files")
    with s.case("the last one reloads and drains like the first"):
        check(proxy.reload({"limits": {"body": "1MiB"}}), "rejected")
        proxy.stop()
        names = [name for name in os.listdir(s.directory) if "sock" in name or "pid" in name]
        check_equal(names, [], "files left at the end")


@scenario("a new program that is no good takes the service down")
def no_good(s):
    origin = RawOrigin(s)
    path = copied_program(s)
    proxy = start_proxy(s, origin, {"upgrade": {"ready_within": "3s"}}, executable=path)
    load = Load(proxy, 3)
    failures = 0
    for name, text, words in (
            ("one that exits", "#!/bin/sh\nexit 3\n", "has ended"),
            ("one that hangs", "#!/bin/sh\nexec sleep 100\n", "did not become ready"),
            ("one that leaves a child with the channel", "#!/bin/sh\nsleep 2 & exit 0\n", "has ended"),
            ("one that is no program", "garbage", "cannot be started"),
            ("one that says what it should not", "#!/bin/bash\nprintf A >&3\nexec sleep 100\n", "has sent an invalid message")):
        with s.case(name):
            replace_program(path, text)
            proxy.signal(signal.SIGUSR2)
            failures += 1
            eventually(lambda n=failures: proxy.admin_json("/status")["upgrade"]["failures"] == n, "it has failed")
            status = proxy.admin_json("/status")["upgrade"]
            # one that ends soon may not even have been there to be given anything
            check(words in status["last_error"] or "cannot be sent" in status["last_error"], f"/status says {status['last_error']}")
            check_equal(status["pid"], 0, "the new process in /status")
            load.more(20)
    with s.case("a configuration it cannot start with"):
        replace_program(path)
        good = proxy.text()
        proxy.write_config("nonsense")
        proxy.signal(signal.SIGUSR2)
        failures += 1
        eventually(lambda: proxy.admin_json("/status")["upgrade"]["failures"] == failures, "it has failed")
        proxy.write_config(good)
        load.more(20)
    with s.case("no process is left"):
        children = [pid for pid in os.listdir("/proc") if pid.isdigit() and leftovers.parent_of(pid) == proxy.pid]
        check_equal(children, [], "children")
    with s.case("a good one is taken after all"):
        old = proxy.upgrade()
        load.more(20)
        check_equal(old.wait(patient(8)), 0, "exit code of the old process")
        check_equal(os.readlink(f"/proc/{proxy.pid}/exe"), path, "its program")
    load.stop()


@scenario("the new process takes traffic before it is ready")
def never_ready(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"readiness": {"then": "not_ready", "give_up_after": "2s"}})
    closed = f"127.0.0.1:{s.port()}"  # nobody listens there
    proxy.settings["upstreams"]["app"] = {"endpoints": [closed]}
    proxy.write_config(proxy.text())
    proxy.signal(signal.SIGUSR2)
    status = eventually(lambda: proxy.admin_json("/status")["upgrade"]["pid"], "it warms up")
    while proxy.admin_json("/status")["upgrade"]["pid"] == status:
        check_equal(proxy.get().status, 200, "status")
    proxy.wait_for_log("it did not become ready")
    check_equal(proxy.get().status, 200, "status")
    with s.case("a reload meanwhile is refused, another upgrade, too"):
        proxy.signal(signal.SIGUSR2)
        eventually(lambda: proxy.admin_json("/status")["upgrade"]["pid"], "it warms up")
        proxy.signal(signal.SIGUSR2)
        proxy.wait_for_log("upgrade refused: an upgrade is in progress")
        proxy.signal(signal.SIGHUP)
        proxy.wait_for_log("reload ignored: an upgrade is in progress")
    with s.case("a drain meanwhile ends both"):
        proxy.signal(signal.SIGTERM)
        proxy.expect_clean_exit()
        proxy.wait_for_log("this process drains")


@scenario("an exchange in flight, or a tunnel, does not survive the upgrade")
def in_flight(s):
    origin = RawOrigin(s)
    release = threading.Event()
    origin.on("/hold", lambda connection, _: release.wait(patient(20)) and connection.respond(200, b"held"))
    proxy = start_proxy(s, origin, {"drain": {"grace": "8s"}})
    client = proxy.client(within=20)
    client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
    origin.request_for("/hold")
    waiting = socket.create_connection(proxy.address)
    old = proxy.upgrade()
    proxy.wait_for_log("drain: finishing")
    check_equal(old.poll(), None, "the old process has ended")
    release.set()
    response = client.response()
    check_equal((response.status, bytes(response.body), response.closes), (200, b"held", True), "answer")
    waiting.close()
    check_equal(old.wait(patient(8)), 0, "exit code of the old process")


@scenario("the service manager loses the service")
def told_to_the_manager(s):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(s.path("notify.sock"))
    manager.settimeout(patient(5))
    proxy = start_proxy(s, RawOrigin(s), env={"NOTIFY_SOCKET": s.path("notify.sock"), "WATCHDOG_USEC": "200000"})

    def take(words):
        while True:
            text = manager.recv(4096).decode()
            if words in text:
                return text

    take("READY=1")
    take("WATCHDOG=1")
    old = proxy.upgrade()
    check_equal(take("MAINPID"), f"MAINPID={proxy.pid}", "told")
    seen = []
    while "READY=1" not in seen:
        seen.append(manager.recv(4096).decode())
    check("STOPPING=1" not in seen, "the old process says that the service stops")
    take("WATCHDOG=1")
    check_equal(old.wait(patient(8)), 0, "exit code of the old process")


@scenario("clients of TLS have to shake hands in full after an upgrade")
def tickets(s):
    authority = Authority(s)
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"listeners": {"web": {
        "listen": f"127.0.0.1:{s.port()}", "tls": {"certificates": [authority.issue("shop.example").settings()]}}}})
    context = ssl.create_default_context(cafile=authority.cert)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # the session is there when the handshake is over

    def shake(session=None):
        with socket.create_connection(proxy.address, patient(5)) as plain:
            with context.wrap_socket(plain, server_hostname="shop.example", session=session) as client:
                client.sendall(b"GET / HTTP/1.0\r\nHost: shop.example\r\n\r\n")
                check(client.recv(100).startswith(b"HTTP/1.1 200"), "no answer")
                return client.session, client.session_reused

    session, _ = shake()
    check(shake(session)[1], "a session is not resumed without an upgrade either")
    old = proxy.upgrade()
    check(shake(session)[1], "a session of before is not resumed")
    check_equal(old.wait(patient(8)), 0, "exit code of the old process")


@scenario("the warm state does not go over")
def warm(s):
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {"pool": {"warm_min": 1}}}})
    release = threading.Event()
    origin.on("/hold", lambda connection, _: release.wait(patient(20)) and connection.respond())
    clients = [proxy.client(within=20) for _ in range(10)]
    for client in clients:
        client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
    eventually(lambda: len(origin.requests) == 10, "10 requests are at the origin")
    old = proxy.upgrade()
    endpoint = proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"][0]
    check(endpoint["connections"]["open"] >= 8, f"{endpoint['connections']['open']} connections when it took over")
    release.set()
    for client in clients:
        check_equal(client.response().status, 200, "status")
    check_equal(old.wait(patient(8)), 0, "exit code of the old process")
    check(proxy.admin_json("/status")["warm_state"]["restored"], "/status does not tell")


run()
