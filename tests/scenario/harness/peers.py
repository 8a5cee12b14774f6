"""Real peers: nginx and HAProxy as origins, dnsmasq, and programs on Node."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import wsgiref.simple_server

from . import ports
from .process import Process
from .verdict import Failed, eventually, give_up_after


def nginx_file(http, scenario, name):
    """A whole nginx configuration around the contents of its http block."""
    return f"""
daemon off;
master_process off;
worker_rlimit_nofile 20000;
pid {scenario.path(name + '.pid')};
error_log stderr warn;
events {{ worker_connections 16000; }}
http {{
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path {scenario.path(name + '-body')};
    proxy_temp_path {scenario.path(name + '-proxy')};
    fastcgi_temp_path {scenario.path(name + '-fastcgi')};
    uwsgi_temp_path {scenario.path(name + '-uwsgi')};
    scgi_temp_path {scenario.path(name + '-scgi')};
    {http}
}}
"""


class _Server(Process):
    """A peer that listens on a reserved port of 127.0.0.1."""

    def __init__(self, scenario, name, argv, port, stop_signal=signal.SIGTERM):
        self.port = port
        self._scenario = scenario
        super().__init__(scenario, name, argv, stop_signal=stop_signal)
        eventually(self._up, f"{name} accepts connections")

    def restart(self):
        """End it and start it anew: it has forgotten everything, ticket keys too."""
        self.stop()
        super().__init__(self._scenario, self.name, self.argv, stop_signal=self._stop_signal)
        eventually(self._up, f"{self.name} accepts connections")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _up(self):
        if self.exit_code is not None:
            raise Failed(f"{self.name} exited with {self.exit_code}:\n{self.log()}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False


class NginxOrigin(_Server):
    """nginx serving files: publish() adds one. PUT stores below /put/; /where tells the address it came to.

    `also`: further addresses to listen on, with the same port. `tls`: the certificate it shows; plain without one.
    `others`: of the port, the text of further server blocks.
    """

    def __init__(self, scenario, name="nginx", rows="", also=(), tls=None, others=lambda port: ""):
        kind = " ssl" if tls else ""
        if tls:
            rows += f"ssl_certificate {tls.cert}; ssl_certificate_key {tls.key};"
        self.root = scenario.path(f"{name}-files")
        os.makedirs(os.path.join(self.root, "put"))
        port = scenario.port()
        config = scenario.write(f"{name}.conf", nginx_file(f"""
            server {{
                listen 127.0.0.1:{port}{kind} reuseport backlog=4096;
                {" ".join(f"listen {address}:{port}{kind};" for address in also)}
                location = /where {{ return 200 "$server_addr"; }}
                root {self.root};
                location = /hello {{ return 200 "hello\\n"; }}
                location /put/ {{ dav_methods PUT; client_max_body_size 0; }}
                {rows}
            }}
            {others(port)}""", scenario, name))
        super().__init__(scenario, name, ["nginx", "-c", config, "-p", scenario.directory, "-e", "stderr"],
                         port, signal.SIGQUIT)

    def publish(self, name, content):
        """Serve `content`: bytes, or a size in bytes for a sparse file of zeros."""
        path = os.path.join(self.root, name)
        with open(path, "wb") as file:
            if isinstance(content, int):
                file.truncate(content)
            else:
                file.write(content)
        return path


class HaproxyOrigin(_Server):
    """HAProxy in front of another origin: it refuses what is not strictly HTTP/1.1.

    `behind`: an origin or "host:port", or several; `server`: more words for its line (send-proxy). `tls`: the certificate
    it shows, and `bind`: more words for the line of its own address.
    """

    def __init__(self, scenario, behind, name="haproxy", server="", tls=None, bind=""):
        port = scenario.port()
        if tls:
            both = "".join(pathlib.Path(path).read_text() for path in (tls.cert, tls.key))
            bind = f"ssl crt {scenario.write(f'{name}.pem', both)} {bind}"
        origins = behind if isinstance(behind, (list, tuple)) else [behind]
        servers = "".join(f"    server s{number} {getattr(each, 'address', each)} {server}\n"
                          for number, each in enumerate(origins))
        config = scenario.write(f"{name}.cfg", f"""
global
    maxconn 4000
    log stderr format raw local0
defaults
    mode http
    log global
    timeout connect 2s
    timeout client 30s
    timeout server 30s
frontend web
    bind 127.0.0.1:{port} {bind}
    default_backend origin
backend origin
{servers}""")
        super().__init__(scenario, name, ["haproxy", "-q", "-db", "-f", config], port, signal.SIGUSR1)

    def stop(self):
        # It waits for idle connections at a soft stop; a second signal ends that.
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
        super().stop()


class OpensslServer(_Server):
    """openssl s_server: answers any GET with a page about the handshake and closes."""

    def __init__(self, scenario, name, certificate, *arguments):
        port = scenario.port()
        super().__init__(scenario, name, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-cert",
                                          certificate.cert, "-key", certificate.key, *map(str, arguments)], port)


class NodeServer(_Server):
    """A Node program that is told its port as the first argument."""

    def __init__(self, scenario, name, path, env, arguments=()):
        port = ports.reserve()
        number = port.port
        port.release()
        self._env = env
        self.port = number
        Process.__init__(self, scenario, name, ["node", path, str(number), *arguments], env=env)
        eventually(self._up, f"{name} accepts connections", 10)


class WsgiOrigin:
    """wsgiref, the reference server of WSGI, which serves an application within the test."""

    def __init__(self, scenario, application):
        class Quiet(wsgiref.simple_server.WSGIRequestHandler):
            def log_message(self, *_):
                pass

        self._server = wsgiref.simple_server.make_server("127.0.0.1", 0, application, handler_class=Quiet)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        scenario.add(self)

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def log_tail(self, _):
        return []


def node_program(path, arguments, env, within=60):
    """Run a Node program to its end; returns its output, fails unless it exits with 0."""
    try:
        done = subprocess.run(["node", path, *map(str, arguments)], env={**os.environ, **env},
                              timeout=give_up_after(within), capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"node {os.path.basename(path)} did not end within {give_up_after(within):g} s") from None
    if done.returncode != 0:
        raise Failed(f"node {os.path.basename(path)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def node_modules(package, version):
    """The environment in which Node finds `package`; installs it below the build directory when missing.

    Distribution packages are used where there are some; without those and without a network this fails.
    """
    if not shutil.which("node"):
        raise Failed("node is missing (Debian package: nodejs)")
    cache = os.path.join(os.path.abspath(os.environ.get("top_builddir", ".")), "scenario-node")
    for place in (os.path.join(cache, "node_modules"), "/usr/share/nodejs", "/usr/lib/node_modules"):
        if os.path.exists(os.path.join(place, package, "package.json")):
            return {"NODE_PATH": place}
    os.makedirs(cache, exist_ok=True)
    try:
        done = subprocess.run(["npm", "install", "--prefix", cache, "--no-save", "--no-audit", "--no-fund",
                               f"{package}@{version}"], timeout=give_up_after(120), capture_output=True, text=True,
                              check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise Failed(f"{package} for Node is not installed and npm cannot install it: {fault}") from None
    if done.returncode != 0:
        raise Failed(f"{package} for Node is not installed and npm cannot install it:\n{done.stderr}")
    return {"NODE_PATH": os.path.join(cache, "node_modules")}
