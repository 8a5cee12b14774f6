"""The candidates: one small adapter each, tuned alike. docs/internals/benchmark.md says why each value.

An adapter names its program, tells its version, and writes a configuration that listens on one port of 127.0.0.1 and
forwards everything to another, with one worker, connections to the origin kept for good, and no access log.
"""

import os

import machine
from stage import FOREVER, SANITIZED, Failed, nginx_argv, nginx_file, program, render, wait_until_up

POOL = 256


class Nginx:
    name = "nginx"
    is_peer = True
    needs = "nginx"

    @staticmethod
    def version():
        return machine.says("nginx", "-v")

    @staticmethod
    def config(stage, name, listen, origin, tls):
        secured = f"ssl_certificate {tls.cert}; ssl_certificate_key {tls.key}; ssl_protocols TLSv1.2 TLSv1.3;"
        return nginx_file(stage, name, stage.most_clients + POOL, f"""
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    http2_max_requests {FOREVER};
    grpc_buffer_size 64k;
    proxy_buffer_size 64k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 256k;
    proxy_max_temp_file_size 0;
    upstream origin {{
        server 127.0.0.1:{origin};
        keepalive {POOL};
        keepalive_requests {FOREVER};
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{listen} reuseport backlog=4096;
        listen 127.0.0.1:{tls.port} ssl http2 reuseport backlog=4096;
        listen 127.0.0.1:{tls.h2.clear} http2 reuseport backlog=4096;
        {secured}
        location / {{ proxy_pass http://origin; }}
    }}
    upstream h2 {{
        server 127.0.0.1:{tls.h2.origin};
        keepalive {POOL};
        keepalive_requests {FOREVER};
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{tls.h2.onward} ssl http2 reuseport backlog=4096;
        {secured}
        location / {{ grpc_pass grpc://h2; }}
    }}
    upstream calls {{
        server 127.0.0.1:{tls.h2.calls};
        keepalive {POOL};
        keepalive_requests {FOREVER};
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{tls.h2.grpc} ssl http2 reuseport backlog=4096;
        {secured}
        location / {{ grpc_pass grpc://calls; }}
    }}
    upstream secure {{
        server 127.0.0.1:{tls.origin};
        keepalive {POOL};
        keepalive_requests {FOREVER};
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{tls.onward} reuseport backlog=4096;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate {tls.cert};
        proxy_ssl_name bench.test;
        proxy_ssl_server_name on;
        proxy_ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ proxy_pass https://secure; }}
    }}""")

    @staticmethod
    def argv(stage, name, config):
        return nginx_argv(stage, name, config)


class Haproxy:
    name = "haproxy"
    is_peer = True
    needs = "haproxy"

    @staticmethod
    def version():
        return machine.says("haproxy", "-v")

    @staticmethod
    def config(stage, name, listen, origin, tls):
        del name
        return f"""global
    nbthread 1
    maxconn {stage.most_clients}
    maxpipes {POOL // 2}
    tune.pipesize 262144
    hard-stop-after 1s

defaults
    mode http
    option splice-response
    option splice-request
    http-reuse always
    timeout connect 1s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h

frontend web
    bind 127.0.0.1:{listen} backlog 4096
    bind 127.0.0.1:{tls.port} backlog 4096 ssl crt {tls.pair} ssl-min-ver TLSv1.2 alpn h2,http/1.1
    bind 127.0.0.1:{tls.h2.clear} backlog 4096 proto h2
    default_backend origin

backend origin
    server origin 127.0.0.1:{origin} pool-max-conn {POOL} pool-purge-delay 1h

frontend onward
    bind 127.0.0.1:{tls.onward} backlog 4096
    default_backend secure

backend secure
    default-server ssl verify required ca-file {tls.cert} sni str(bench.test)
    server origin 127.0.0.1:{tls.origin} pool-max-conn {POOL} pool-purge-delay 1h

frontend h2
    bind 127.0.0.1:{tls.h2.onward} backlog 4096 ssl crt {tls.pair} ssl-min-ver TLSv1.2 alpn h2
    default_backend h2

backend h2
    server origin 127.0.0.1:{tls.h2.origin} proto h2 pool-max-conn {POOL} pool-purge-delay 1h

frontend grpc
    bind 127.0.0.1:{tls.h2.grpc} backlog 4096 ssl crt {tls.pair} ssl-min-ver TLSv1.2 alpn h2
    default_backend calls

backend calls
    server origin 127.0.0.1:{tls.h2.calls} proto h2 pool-max-conn {POOL} pool-purge-delay 1h
"""

    @staticmethod
    def argv(stage, name, config):
        return ["haproxy", "-q", "-db", "-f", stage.write(f"{name}.cfg", config)]


class Evenkeel:
    name = "evenkeel"
    is_peer = False
    needs = program()

    @staticmethod
    def version():
        if SANITIZED:
            raise Failed(f"{program()} carries a sanitizer ({SANITIZED}): its figures mean nothing")
        return machine.says(program(), "-V")

    @staticmethod
    def settings(stage, name, listen, origin, tls):
        pool = {"max": POOL, "idle": "1h", "lifetime": "1h", "max_requests": FOREVER}
        secured = {"certificates": [{"cert": tls.cert, "key": tls.key}]}
        return {
            "workers": 1,
            "admin": {"listen": f"unix:{stage.path(name)}.sock"},
            "log": {"level": "warn"},
            "limits": {"clients": stage.most_clients},
            "listeners": {
                "web": {"listen": f"127.0.0.1:{listen}", "timeouts": {"idle": "1h"}},
                "secure": {"listen": f"127.0.0.1:{tls.port}", "timeouts": {"idle": "1h"}, "tls": secured},
                "onward": {"listen": f"127.0.0.1:{tls.onward}", "timeouts": {"idle": "1h"}},
                "clear": {"listen": f"127.0.0.1:{tls.h2.clear}", "timeouts": {"idle": "1h"},
                          "http2": {"cleartext": True}},
                "h2": {"listen": f"127.0.0.1:{tls.h2.onward}", "timeouts": {"idle": "1h"}, "tls": secured},
                "grpc": {"listen": f"127.0.0.1:{tls.h2.grpc}", "timeouts": {"idle": "1h"}, "tls": secured},
            },
            "upstreams": {
                "origin": {"endpoints": [f"127.0.0.1:{origin}"], "pool": pool},
                "secure": {"endpoints": [f"127.0.0.1:{tls.origin}"], "pool": pool,
                           "tls": {"enabled": True, "ca": tls.cert, "server_name": "bench.test"}},
                "h2": {"endpoints": [f"127.0.0.1:{tls.h2.origin}"], "pool": pool, "protocol": "http2"},
                "calls": {"endpoints": [f"127.0.0.1:{tls.h2.calls}"], "pool": pool, "protocol": "http2"},
            },
            "routes": [{"name": "onward", "listener": "onward", "upstream": "secure"},
                       {"name": "h2", "listener": "h2", "upstream": "h2"},
                       {"name": "grpc", "listener": "grpc", "upstream": "calls"},
                       {"name": "all", "upstream": "origin"}],
            "drain": {"grace": "2s"},
        }

    @staticmethod
    def config(stage, name, listen, origin, tls):
        return render(Evenkeel.settings(stage, name, listen, origin, tls))

    @staticmethod
    def argv(stage, name, config):
        return [program(), "-c", stage.write(f"{name}.conf", config)]


class Before:
    """Another build of Evenkeel, to see what a change costs: EVENKEEL_BEFORE names it. One that is too old for HTTP/2 will do."""

    name = "before"
    is_peer = True
    needs = os.environ.get("EVENKEEL_BEFORE", "evenkeel-before")

    @staticmethod
    def takes(row):
        return not row.get("http2")

    @staticmethod
    def version():
        return "before: " + machine.says(Before.needs, "-V")

    @staticmethod
    def config(stage, name, listen, origin, tls):
        settings = Evenkeel.settings(stage, name, listen, origin, tls)
        for part in ("listeners", "upstreams"):
            settings[part] = {key: group for key, group in settings[part].items() if key in ("web", "secure", "onward", "origin")}
        settings["routes"] = [route for route in settings["routes"] if route["upstream"] in settings["upstreams"]]
        return render(settings)

    @staticmethod
    def argv(stage, name, config):
        return [Before.needs, "-c", stage.write(f"{name}.conf", config)]


class Relay:
    """Not a proxy: what the system calls of one cost. It parses nothing, so it is no peer."""

    name = "relay"
    is_peer = False
    needs = os.path.join(os.environ.get("top_builddir", "."), "tests", "bench", "relay")

    @staticmethod
    def takes(row):
        return row["kind"] == "cpu" and not row.get("tls") and not row.get("http2") and not row.get("onward") and row["body"] <= 10 << 10

    @staticmethod
    def version():
        return "relay: four system calls a request and nothing else"

    @staticmethod
    def config(stage, name, listen, origin, tls):
        del stage, name, tls
        return f"{listen} {origin}"

    @staticmethod
    def argv(stage, name, config):
        del stage, name
        return [Relay.needs, *config.split()]


CANDIDATES = {adapter.name: adapter for adapter in (Nginx, Haproxy, Evenkeel, Relay, Before)}
USUAL = [name for name in CANDIDATES if name != "before"]


def takes(adapter, row):
    """Whether the row means anything to the candidate."""
    return getattr(adapter, "takes", lambda row: True)(row)


class Running:
    """A candidate at work on the proxy's core, in front of the origin."""

    def __init__(self, stage, adapter, origin, name, wrapper=(), within=10.0):
        self.adapter = adapter
        self.port = stage.port()
        h2 = origin.h2._replace(clear=stage.port(), onward=stage.port(), grpc=stage.port())
        self.tls = stage.tls(stage.port(), stage.port(), origin.tls.port, h2)
        self.config = adapter.config(stage, name, self.port, origin.port, self.tls)
        self.process = stage.start(name, adapter.argv(stage, name, self.config), [stage.proxy_core], wrapper)
        wait_until_up(self.process, self.port, within)

    def port_of(self, row):
        """Where the clients of this row connect to."""
        if row.get("http2"):
            h2 = self.tls.h2
            return h2.grpc if row.get("grpc") else h2.onward if row.get("onward_http2") else \
                self.tls.port if row.get("tls") else h2.clear
        return self.tls.port if row.get("tls") else self.tls.onward if row.get("onward") else self.port

    @property
    def pid(self):
        return self.process.pid

    def expect_alive(self):
        if self.process.exit_code is not None:
            tail = "\n".join(self.process.log_tail(20))
            raise Failed(f"{self.adapter.name} exited with {self.process.exit_code}:\n{tail}")

    def cpu(self):
        self.expect_alive()
        return machine.CpuReading(self.pid)


def missing(names):
    """Programs that these candidates need and that are not there."""
    return [CANDIDATES[name].needs for name in names if not _found(CANDIDATES[name].needs)]


def _found(needs):
    if os.sep in needs:
        return os.access(needs, os.X_OK)
    return any(os.access(os.path.join(place, needs), os.X_OK) for place in os.environ["PATH"].split(os.pathsep))
