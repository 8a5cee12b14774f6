"""The proxy under test: Evenkeel, or nginx in its place to judge the scenarios themselves."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess

from . import verdict
from .client import Client, UnixHttpConnection
from .ending import describe_end, describe_exit, sanitizer_report
from .peers import nginx_file
from .process import LISTENING, Adopted, Process
from .settings import Address, merge, render
from .verdict import Failed, becomes, check, eventually, give_up_after, patient

THE_PROXY = os.environ.get("EVENKEEL_PROXY", "evenkeel")
# Bounds of which nothing is used when nobody asks.
_TRANSIENT = {"clients", "refusals", "handshakes", "exchanges", "upstream_in_flight", "upstream_queued", "shard_in_flight",
              "shard_queued", "replay_bytes", "request_buffer_bytes", "detached_requests", "file_tasks", "compress_bytes",
              "password_checks"}


def program():
    """The path of the program under test."""
    return os.path.abspath(os.environ.get("EVENKEEL", "./evenkeel"))


def _sanitized():
    """Which sanitizer the program carries: "", "asan", "tsan" or "ubsan"."""
    try:
        with open(program(), "rb") as file:
            image = file.read()
    except OSError:
        return ""
    for mark, name in ((b"__asan_init", "asan"), (b"__tsan_init", "tsan"), (b"__ubsan_handle", "ubsan")):
        if mark in image:
            return name
    return ""


SANITIZED = _sanitized() if THE_PROXY == "evenkeel" else ""
if SANITIZED:
    verdict.be_patient(4 if SANITIZED == "tsan" else 2)


def run_program(scenario, *arguments, within=10.0):
    """Run the program to its end; returns the completed process with text output."""
    try:
        return subprocess.run([program(), *arguments], cwd=scenario.directory, timeout=give_up_after(within),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(arguments)} did not end within {give_up_after(within):g} s") from None


def _first_address(listen):
    """The host and port of a listener's first address; None: that is a UNIX socket."""
    first = listen if isinstance(listen, str) else listen[0]
    return None if first.startswith("unix:") else Address(first)


class _Proxy(Process):
    """What the scenarios use of either proxy."""

    def __init__(self, scenario, settings, name):
        self._scenario = scenario
        self.settings = merge(self._defaults(scenario, name), settings)
        self.config_path = scenario.path(f"{name}.conf")
        self.listeners = self._addresses()
        self.write_config(self.text())

    def _addresses(self):
        """{listener: its first address}, without those in the file system."""
        first = {key: _first_address(each["listen"]) for key, each in self.settings["listeners"].items()}
        return {key: address for key, address in first.items() if address}

    @property
    def address(self):
        """(host, port) of the first listener."""
        return next(iter(self.listeners.values())).pair

    @property
    def url(self):
        return "http://{}:{}".format(*self.address)

    def client(self, listener=None, **options):
        address = self.listeners[listener].pair if listener else self.address
        return Client(address, **options)

    def get(self, target="/", fields=(), method="GET", body=b"", host="shop.example"):
        with self.client() as client:
            return client.request(method, target, fields, body, host)

    def write_config(self, text):
        """Replace the configuration file in one step."""
        with open(f"{self.config_path}.new", "w") as file:
            file.write(text)
        os.rename(f"{self.config_path}.new", self.config_path)

    def _answers(self):
        try:
            socket.create_connection(self.address, timeout=1).close()
            return True
        except OSError:
            return False

    def _wait_until_up(self):
        def up():
            if self.exit_code is not None:
                raise Failed(f"{self.name} {describe_exit(self.exit_code)} at start:\n{self.log()}")
            return self._answers()
        eventually(up, f"{self.name} is up", 10)

    def rest(self, clients=0, within=30.0):
        """Wait until at most so many clients are connected, and nobody else waits to be taken or served.

        A figure that is to be compared with a later one is read then: before, what went on last is part of it.
        """
        eventually(lambda: not self._busy(clients), lambda: f"at rest; busy with {self._busy(clients)}", within)

    def _busy(self, clients):
        """What is under way, in words; empty at rest."""
        ports = {port for _, port in (each.pair for each in self.listeners.values())}
        waiting = self.to_be_accepted()  # asked first: whoever is taken meanwhile is seen among the clients
        connected = sum(state != LISTENING and int(local.rpartition(":")[2]) in ports for local, _, state in self.sockets())
        return f"{connected} clients, {waiting} to be accepted" if connected > clients or waiting else ""

    @staticmethod
    def _defaults(scenario, _name):
        return {
            "workers": 2,
            "listeners": {"web": {"listen": f"127.0.0.1:{scenario.port()}"}},
            "routes": [{"name": "all", "upstream": "app"}],
        }


class EvenkeelProxy(_Proxy):
    """The program itself. stop() insists on a clean end."""

    kind = "evenkeel"

    def __init__(self, scenario, settings, name="evenkeel", limits=(), env=None, arguments=(), sockets=(),
                 executable=None):
        super().__init__(scenario, settings, name)
        self._admin_address = self.settings["admin"]["listen"]
        environment = {
            "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=8",
            "TSAN_OPTIONS": "halt_on_error=0:second_deadlock_stack=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            **(env or {})}
        Process.__init__(self, scenario, name, [executable or program(), "-c", self.config_path, *arguments],
                         env=environment, limits=limits, sockets=sockets)
        self._wait_until_up()

    def text(self):
        return render(self.settings)

    @staticmethod
    def _defaults(scenario, name):
        return merge(_Proxy._defaults(scenario, name), {
            "admin": {"listen": f"unix:{scenario.path(f'{name}.sock')}"},
            "log": {"level": "debug", "path": "stderr"},
            "drain": {"grace": "5s"},
        })

    def _answers(self):
        # Asked of the admin listener, so that no client has been counted before the scenario begins. Its limits are in use
        # when every worker has the configuration.
        try:
            status = self.admin_json("/status")
        except Failed:
            return False
        return status["generation"] > 0 and all(each["what"] != "settings" for each in status["readiness"]["missing"])

    def admin(self, path, method="GET"):
        """(status, body) of an admin page."""
        if self._admin_address.startswith("unix:"):
            connection = UnixHttpConnection(self._admin_address.removeprefix("unix:"), patient(20))
        else:
            connection = http.client.HTTPConnection(self._admin_address, timeout=patient(20))
        try:
            connection.request(method, path, headers=self._admin_fields())
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as fault:
            raise Failed(f"admin {path}: {fault!r}\n{describe_end(self)}".rstrip()) from None
        finally:
            connection.close()

    def _admin_fields(self):
        """The first token of admin.token_file, if there is one."""
        path = self.settings["admin"].get("token_file")
        if not path:
            return {}
        with open(path) as file:
            return {"Authorization": f"Bearer {file.readline().strip()}"}

    def admin_json(self, path):
        status, body = self.admin(path)
        check(status == 200, f"admin {path} answers {status}: {body[:200]!r}")
        return json.loads(body)

    def metrics(self):
        """{"name{labels}": value} of the whole scrape."""
        status, body = self.admin("/metrics")
        check(status == 200, f"/metrics answers {status}")
        rows = (line.rpartition(" ") for line in body.decode().splitlines() if line and line[0] != "#")
        return {series: float(value) for series, _, value in rows}

    def metric(self, name, **labels):
        """The sum of the series of this name that carry these labels; None if there are none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [value for series, value in self.metrics().items()
                 if series.partition("{")[0] == name and all(label in series for label in wanted)]
        return sum(found) if found else None

    def expect_count(self, expected, name, **labels):
        """The sum becomes `expected`: what happens to a client is counted after the client has seen it."""
        becomes(lambda: self.metric(name, **labels), expected, f"{name} {labels}")

    def bounds(self):
        """The rows of /resources: {"name", "detail", "limit", "used", "peak", "refused"} each."""
        return self.admin_json("/resources")["bounds"]

    def bound(self, name, detail=None):
        """The row of one bound; without a detail there must be only one of that name."""
        rows = [row for row in self.bounds() if row["name"] == name and detail in (None, row.get("detail"))]
        check(len(rows) == 1, f"{len(rows)} bounds named {name} of {detail}")
        return rows[0]

    def in_use(self, clients=0):
        """The bounds of which more is in use than so many clients that rest account for."""
        return [row for row in self.bounds() if row["name"] in _TRANSIENT and row["used"] > clients]

    def _busy(self, clients):
        return super()._busy(clients) or self.in_use(clients)

    def reload(self, settings=None, text=None):
        """Reload with changed settings (merged over the present ones) or a raw text; waits for the outcome.

        Returns True if it was taken, False if it was rejected.
        """
        if settings is not None:
            self.settings = merge(self.settings, settings)
            self.listeners = self._addresses()
        self.write_config(self.text() if text is None else text)
        before = self.reloads()
        self.signal(signal.SIGHUP)
        after = eventually(lambda: (now := self.reloads()) != before and now, "the reload has an outcome", 10)
        return after[0] > before[0]

    def upgrade(self, within=10.0):
        """Replace the program; this object stands for the new process from then on. Returns the old one."""
        old = self._child
        self.signal(signal.SIGUSR2)
        pid = eventually(self.successor, "a new process serves", within)
        self._child, self.pid = Adopted(pid), pid
        return old

    def successor(self):
        """The pid of the process that answers in place of this one, if there is one."""
        with contextlib.suppress(Failed):
            pid = self.admin_json("/status")["pid"]
            return pid if pid != self.pid else None

    def reloads(self):
        """(taken, rejected) so far."""
        metrics = self.metrics()
        return metrics["evenkeel_reloads_total"], metrics["evenkeel_reload_failures_total"]

    def stop(self):
        if self._stopped:
            return
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
        self.expect_clean_exit()

    def expect_clean_exit(self, within=20.0, codes=(0,)):
        """It exits with one of these codes and no sanitizer had anything to report."""
        self._stopped = True
        try:
            code = self.wait(within)
        except Failed as late:
            self._child.kill()
            self._child.wait()
            raise Failed(f"{late}\n{sanitizer_report(self.log())}".rstrip()) from None
        check(code in codes and not sanitizer_report(self.log()), describe_end(self))


class NginxProxy(_Proxy):
    """nginx configured from the same settings, as far as it has the same things."""

    kind = "nginx"

    def __init__(self, scenario, settings, name="nginx-proxy", limits=(), env=None, arguments=()):
        del env, arguments
        super().__init__(scenario, settings, name)
        Process.__init__(self, scenario, name, ["nginx", "-c", self.config_path, "-p", scenario.directory,
                                                "-e", "stderr"], stop_signal=signal.SIGQUIT, limits=limits)
        self._wait_until_up()

    def text(self):
        settings = self.settings
        upstreams = "".join(
            f"upstream {name} {{ zone {name} 256k; {_nginx_servers(each)} keepalive 64; }}\n"
            for name, each in settings["upstreams"].items())
        limits = settings.get("limits", {})
        servers = "".join(self._server(each) for each in settings["listeners"].values())
        return nginx_file(f"""
            {upstreams}
            map $http_upgrade $connection_upgrade {{ default ""; websocket upgrade; }}
            map $http_upgrade $upgrade {{ default ""; websocket websocket; }}
            client_max_body_size {_nginx_size(limits.get('body', '64MiB'))};
            client_body_buffer_size 16k;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Upgrade $upgrade;
            {servers}""", self._scenario, self.name_of_files())

    def name_of_files(self):
        return os.path.basename(self.config_path).removesuffix(".conf")

    def _server(self, listener):
        timeouts = listener.get("timeouts", {})
        upstream_timeouts = next(iter(self.settings["upstreams"].values())).get("timeouts", {})
        times = {"client_header_timeout": timeouts.get("head"), "client_body_timeout": timeouts.get("body"),
                 "keepalive_timeout": timeouts.get("idle"), "send_timeout": timeouts.get("send"),
                 "proxy_connect_timeout": upstream_timeouts.get("connect"),
                 "proxy_read_timeout": upstream_timeouts.get("first_byte")}
        rows = " ".join(f"{key} {value};" for key, value in times.items() if value)
        locations = "".join(
            f"location {route.get('path_prefix', '/')} {{ proxy_pass http://{route['upstream']}; }}\n"
            for route in self.settings["routes"])
        shown = listener.get("tls", {}).get("certificates", ())
        rows += "".join(f" ssl_certificate {each['cert']}; ssl_certificate_key {each['key']};" for each in shown)
        kind = "ssl reuseport" if shown else "reuseport"
        kind += " http2" if "http2" in listener else ""
        return f"server {{ listen {listener['listen']} {kind}; {rows}\n{locations} }}\n"

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            super().stop()


def _nginx_servers(upstream):
    most = upstream.get("pool", {}).get("max")
    bound = f" max_conns={most}" if most else ""
    return " ".join(f"server {endpoint}{bound};" for endpoint in upstream["endpoints"])


def _nginx_size(text):
    return text.replace("MiB", "m").replace("KiB", "k").replace("GiB", "g")


def start_proxy(scenario, endpoints=None, settings=None, **options):
    """The proxy in front of `endpoints` (of an upstream named app), with `settings` over the defaults."""
    settings = settings or {}
    if endpoints is not None:
        if not isinstance(endpoints, (list, tuple)):
            endpoints = [endpoints]
        addresses = [getattr(each, "address", each) for each in endpoints]
        settings = merge({"upstreams": {"app": {"endpoints": addresses}}}, settings)
    kind = {"evenkeel": EvenkeelProxy, "nginx": NginxProxy}[THE_PROXY]
    return kind(scenario, settings, **options)
