"""Stores of a fleet: real redis-servers, and ways to look into them."""

import contextlib
import os
import signal
import subprocess

from . import ports
from .process import Process
from .verdict import Failed, eventually, give_up_after


class RedisStore(Process):
    """A redis-server on a port of its own (with `certificate` over TLS). `rows`: more of its configuration."""

    def __init__(self, scenario, name="redis", rows=(), certificate=None, sentinel=False):
        self._reservation = ports.reserve()
        self.port = self._reservation.port
        self._certificate = certificate
        path = scenario.path(f"{name}.conf")
        port = [f"port {self.port}"]
        if certificate:
            port = ["port 0", f"tls-port {self.port}", f"tls-cert-file {certificate.cert}",
                    f"tls-key-file {certificate.key}", "tls-auth-clients no"]
        with open(path, "w") as file:
            file.write("\n".join(["bind 127.0.0.1", *port, f"dir {scenario.directory}", *rows, ""] if sentinel else [
                "bind 127.0.0.1", *port, 'save ""', "appendonly no", f"dir {scenario.directory}",
                f"dbfilename {name}.rdb", *rows, ""]))
        argv = ["redis-server", path] + (["--sentinel"] if sentinel else [])
        super().__init__(scenario, name, argv, stop_signal=signal.SIGTERM)
        eventually(self._up, f"{name} answers")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def ask(self, *words, password=None):
        """What the server answers, as text."""
        argv = ["redis-cli", "-p", str(self.port), "--no-raw"]
        if self._certificate:
            argv += ["--tls", "--insecure"]
        env = {**os.environ, **({"REDISCLI_AUTH": password} if password else {})}
        try:
            done = subprocess.run([*argv, *words], capture_output=True, text=True, check=False, env=env,
                                  stdin=subprocess.DEVNULL, timeout=give_up_after(10))
        except subprocess.TimeoutExpired:
            raise Failed(f"redis-cli {' '.join(words)} did not end") from None
        return done.stdout.strip()

    def keys(self):
        return [line.split('"')[1] for line in self.ask("KEYS", "*").splitlines() if '"' in line]

    def _up(self):
        with contextlib.suppress(Failed):
            return self.exit_code is None and self.ask("PING") != "" and "refused" not in self.ask("PING")
        return False

    def stop(self):
        super().stop()
        self._reservation.release()
