"""The stage: a directory, two sets of cores, the origin, and the programs that run on it.

Starting, logging, stopping by pid and port reservation are those of the scenarios' harness; the other modules get
what they use of it from here.
"""

import collections
import http.client
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))

# pylint: disable=wrong-import-position
import rows
from harness import Failed, eventually, leftovers, program, render
from harness.process import Process
from harness.proxy import SANITIZED
from harness.tap import Scenario

FOREVER = 1000000000


class Stage(Scenario):
    """Where one run takes place. `proxy_core` is a core number, `other_cores` a list, `file_limit` per process."""

    def __init__(self, proxy_core, other_cores, file_limit):
        super().__init__("bench", _Comments(), leftovers.Run())
        self.proxy_core = proxy_core
        self.other_cores = other_cores
        self.file_limit = file_limit
        self._certificate = None

    @property
    def most_clients(self):
        """Connections a proxy is configured for: each may need another one to the origin, and pipes come on top."""
        return (self.file_limit - 600) // 2

    def tls(self, port, onward=None, origin=None, h2=None):
        """What a listener with TLS on `port` needs, and one on `onward` that forwards to the port `origin` with TLS.
        `h2`: the ports of HTTP/2.

        The certificate is the same for all.
        """
        if self._certificate is None:
            self._certificate = _certificate(self)
        return Tls(port, *self._certificate, onward, origin, h2)

    def start(self, name, argv, cores, wrapper=()):
        """Start a program on these cores; `wrapper` runs it (valgrind)."""
        return Process(self, name, [*on_cores(cores), *wrapper, *argv])

    def stop(self, process):
        """Stop a program before the stage closes."""
        process.stop()
        self.running.remove(process)


Tls = collections.namedtuple("Tls", "port cert key pair onward origin h2")
# Listeners for HTTP/2: in clear text; with TLS, forwarding to `origin` and to `calls`, both in clear text.
Http2 = collections.namedtuple("Http2", "clear onward grpc origin calls", defaults=(0, 0, 0, 0, 0))


def _certificate(stage):
    """(certificate, key, both in one file), ECDSA on P-256."""
    cert, key, pair = (stage.path(f"bench.{suffix}") for suffix in ("crt", "key", "pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=bench.test"],
                   check=True, capture_output=True, timeout=30)
    with open(pair, "w") as both:
        for part in (cert, key):
            with open(part) as file:
                both.write(file.read())
    return cert, key, pair


class Origin:
    """nginx, serving every size of the rows: as many processes as leave a core for the load. nghttpd answers calls of gRPC."""

    def __init__(self, stage, table):
        root = stage.path("origin")
        for row in table:
            path = root + rows.target(row)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(rows.content(row))
        self.port = stage.port()
        self.h2 = Http2(origin=stage.port(), calls=stage.port())
        self.tls = stage.tls(stage.port())
        self._status_ports = []
        self.config = None
        for number in range(max(1, len(stage.other_cores) - 1)):
            self._start(stage, f"origin-{number}", root)
        if any(row.get("grpc") for row in table):
            self._start_calls(stage, root)

    def _start_calls(self, stage, root):
        types = stage.write("mime.types", "application/grpc grpc\n")
        argv = ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", root, f"--mime-types-file={types}",
                "--trailer=grpc-status: 0", str(self.h2.calls)]
        wait_until_up(stage.start("calls", argv, stage.other_cores), self.h2.calls)

    def _start(self, stage, name, root):
        status_port = stage.port()
        self.config = nginx_file(stage, name, 4000, f"""
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16 inactive=1h;
    open_file_cache_valid 1h;
    server {{ listen 127.0.0.1:{self.port} reuseport backlog=4096; root {root}; }}
    server {{ listen 127.0.0.1:{self.h2.origin} http2 reuseport backlog=4096; root {root}; }}
    server {{
        listen 127.0.0.1:{self.tls.port} ssl reuseport backlog=4096;
        ssl_certificate {self.tls.cert};
        ssl_certificate_key {self.tls.key};
        ssl_protocols TLSv1.2 TLSv1.3;
        root {root};
    }}
    server {{ listen 127.0.0.1:{status_port} reuseport; location = /status {{ stub_status; }} }}""")
        process = stage.start(name, nginx_argv(stage, name, self.config), stage.other_cores)
        wait_until_up(process, status_port)
        self._status_ports.append(status_port)

    def counts(self):
        """(connections accepted, requests served) so far, without those of asking."""
        accepted = served = 0
        for port in self._status_ports:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/status")
            text = connection.getresponse().read().decode()
            connection.close()
            found = re.search(r"requests\s+(\d+) \d+ (\d+)", text)
            accepted += int(found[1])
            served += int(found[2])
        return accepted, served


def on_cores(cores):
    """What runs the following command line on these cores only."""
    return ["taskset", "-c", ",".join(map(str, cores))]


def nginx_file(stage, name, connections, http_rows):
    """A whole nginx configuration around the rows of its http block.

    One process, no master: what is measured has one pid, and nothing outlives the harness.
    """
    paths = "".join(f"    {kind}_temp_path {stage.path(name)}-{kind};\n"
                    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""daemon off;
master_process off;
worker_rlimit_nofile {stage.file_limit};
pid {stage.path(name)}.pid;
error_log stderr error;
events {{ worker_connections {connections}; multi_accept on; }}
http {{
    access_log off;
    default_type application/octet-stream;
    tcp_nodelay on;
    keepalive_timeout 1h;
    keepalive_requests {FOREVER};
{paths}{http_rows}
}}
"""


def nginx_argv(stage, name, config):
    path = stage.write(f"{name}.conf", config)
    return ["nginx", "-c", path, "-p", stage.directory, "-e", "stderr"]


def wait_until_up(process, port, within=10.0):
    def up():
        if process.exit_code is not None:
            raise Failed(f"{process.name} exited with {process.exit_code} at start:\n{process.log()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            return False
    eventually(up, f"{process.name} accepts connections", within)


class _Comments:
    @staticmethod
    def comment(text):
        print(text, file=sys.stderr)
