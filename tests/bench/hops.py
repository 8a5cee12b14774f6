"""One hop in front of an origin of finite capacity, for each candidate, configured alike as far as each can be."""

import sys

from stage import nginx_argv, program, render, wait_until_up
from harness.process import Process

# What all are told: attempts in all, what may be at the origin at a time, how long to wait for a place there.
ATTEMPTS = 3


def nginx(stage, name, listen, behind, limits):
    queue = f"max_conns={limits['in_flight']}" if limits.get("in_flight") else ""
    # It retries at another server only: the same one, once for each attempt.
    servers = f"server 127.0.0.1:{behind} max_fails=0 {queue}; " * (ATTEMPTS if limits["retries"] else 1)
    return nginx_argv(stage, name, f"""
daemon off;
worker_processes 1;
pid {stage.path(name + '.pid')};
error_log stderr crit;
events {{ worker_connections 16000; }}
http {{
    access_log off;
    proxy_temp_path {stage.path(name + '-proxy')};
    client_body_temp_path {stage.path(name + '-body')};
    fastcgi_temp_path {stage.path(name + '-fastcgi')};
    uwsgi_temp_path {stage.path(name + '-uwsgi')};
    scgi_temp_path {stage.path(name + '-scgi')};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream behind {{
        zone behind 64k;
        {servers}
        keepalive 20;
    }}
    server {{
        listen 127.0.0.1:{listen} backlog=4096;
        location / {{
            proxy_pass http://behind;
            proxy_connect_timeout 250ms;
            proxy_read_timeout {limits['first_byte_ms']}ms;
            proxy_next_upstream {'error timeout http_502 http_503 http_504' if limits['retries'] else 'off'};
            proxy_next_upstream_tries {ATTEMPTS};
        }}
    }}
}}""")


def haproxy(stage, name, listen, behind, limits):
    maxconn = f"maxconn {limits['in_flight']}" if limits.get("in_flight") else ""
    retries = ATTEMPTS - 1 if limits["retries"] else 0
    return ["haproxy", "-q", "-db", "-f", stage.write(f"{name}.cfg", f"""global
    nbthread 1
    maxconn 8000
defaults
    mode http
    http-reuse always
    retries {retries}
    {'retry-on all-retryable-errors' if retries else ''}
    timeout connect 250ms
    timeout server {limits['first_byte_ms']}ms
    timeout client 30s
    timeout queue {limits['queue_wait_ms']}ms
frontend web
    bind 127.0.0.1:{listen} backlog 4096
    default_backend behind
backend behind
    server behind 127.0.0.1:{behind} {maxconn} {'proto h2' if limits.get("http2") else ''}
""")]


def access_log(stage, name):
    """Where Evenkeel writes what it saw."""
    return stage.path(f"{name}.access")


def evenkeel(stage, name, listen, behind, limits):
    first_byte = f"{limits['first_byte_ms']}ms"
    return [program(), "-c", stage.write(f"{name}.conf", render({
        "workers": 1,
        "admin": {"listen": f"unix:{stage.path(name)}.sock"},
        "log": {"level": "info", "access": {"path": access_log(stage, name)}},
        "listeners": {"web": {"listen": f"127.0.0.1:{listen}"}},
        "upstreams": {"behind": {
            "endpoints": [f"127.0.0.1:{behind}"],
            "protocol": "http2" if limits.get("http2") else "http1",
            "pool": {"warm_min": 1},
            "timeouts": {"connect": "250ms", "first_byte": first_byte, "per_try": first_byte, "total": "3s"},
            "retry": {"attempts": ATTEMPTS if limits["retries"] else 1,
                      "on": ["connect_failure", "reset", "502", "503", "504"]},
            "breaker": {"enabled": limits["retries"]},
            "limits": {"in_flight": limits["in_flight"], "queue": limits["queue"],
                       "queue_wait": f"{limits['queue_wait_ms']}ms", "queue_target": limits.get("queue_target", "5ms")},
        }},
        "routes": [{"name": "all", "upstream": "behind"}],
        "drain": {"grace": "1s"},
    }))]


HOPS = {"evenkeel": evenkeel, "nginx": nginx, "haproxy": haproxy}
# Those that forward anything over HTTP/2: nginx speaks it to servers of gRPC only.
HTTP2_HOPS = {"evenkeel": evenkeel, "haproxy": haproxy}


def start_hop(stage, candidate, name, behind, **limits):
    """Start one; returns the port it listens on."""
    listen = stage.port()
    process = Process(stage, name, HOPS[candidate](stage, name, listen, behind, limits))
    wait_until_up(process, listen, 10)
    return listen


def progress(text):
    print(text, file=sys.stderr, flush=True)
