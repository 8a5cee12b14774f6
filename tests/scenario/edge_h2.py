"""What a route does besides forwarding, for clients and upstreams of HTTP/2: the same as over HTTP/1."""

from harness import (FORGED, Arrived, RawOrigin, believed_fields, check, check_equal, forged, malformed_in_http2, merge, run, scenario,
                     spellings_of_http2, start_proxy)
from harness import h2_bytes as h2
from harness.h2_origin import H2Origin
from harness.h2_wire import H2Client

CLEARTEXT = {"listeners": {"web": {"http2": {"cleartext": True}}}, "trusted_peers": ["192.0.2.1/32"]}
ROUTES = {
    "response": {"set": {"X-Frame": "deny"}, "remove": ["Server"]},
    "routes": [
        {"name": "guard", "path_prefix": "/admin", "respond": {"status": 403, "body": "guarded"}},
        {"name": "app", "path_prefix": "/app", "rewrite": {"strip_prefix": "/app", "host": "inner.example"},
         "request": {"set": {"X-Said": "{method} {host} {path} {query} {scheme}", "X-Kept": "{header:X-Kept}!"}}, "upstream": "app"},
        {"name": "to", "path": "/to", "redirect": {"to": "https://{host}{target}"}},
        {"name": "all", "upstream": "app"}]}


def both_origins(s):
    """A proxy for each kind of upstream."""
    for name, origin, protocol in (("http1", RawOrigin(s, "h1"), {}), ("http2", H2Origin(s, "h2"), {"protocol": "http2"})):
        yield name, start_proxy(s, origin, merge(merge(CLEARTEXT, ROUTES), {"upstreams": {"app": protocol}}), name=f"to-{name}")


@scenario("a route does something else for a client of HTTP/2")
def routes(s):
    for name, proxy in both_origins(s):
        with H2Client(proxy.address) as client:
            with s.case(f"{name}: rewriting and fields"):
                arrived = Arrived(client.request(path="/app/x?y", fields=[("x-kept", "it")]))
                check_equal((arrived.target, arrived.all("Host") or arrived.all(":authority"), arrived.all("X-Forwarded-Host")),
                            ("/x?y", ["inner.example"], ["shop.example"]), "target and hosts")
                check_equal((arrived.all("X-Said"), arrived.all("X-Kept")), (["GET shop.example /app/x y http"], ["it!"]), "fields")
            with s.case(f"{name}: fields of responses"):
                check_equal(client.request(path="/x").get("x-frame"), "deny", "X-Frame")
            with s.case(f"{name}: a redirect"):
                answer = client.request(path="/to?a=b")
                check_equal((answer.status, answer.get("location"), answer.get("x-frame")), (308, "https://shop.example/to?a=b", "deny"), "answer")
            with s.case(f"{name}: an answer of the route"):
                answer = client.request(path="/admin/x")
                check_equal((answer.status, bytes(answer.body)), (403, b"guarded"), "answer")
            with s.case(f"{name}: a body goes on"):
                check_equal(Arrived(client.request(method="POST", path="/app/up", body=b"x" * 50000)).bytes, 50000, "bytes")


@scenario("a :path leads around the route that guards it")
def paths(s):
    for name, proxy in both_origins(s):
        with H2Client(proxy.address) as client:
            for path in ("/admin/x", "/./admin/x", "/open/../admin/x", "/open/%2e%2E/admin/x", "/%61dmin/x", "//admin/x", "/open/..%2fadmin/x",
                         "/open\\..\\admin/x", "/open/..;/admin/x", "/admin%2fx", "/admin;x=1/x", "/;x/admin"):
                with s.case(f"{name}: {path}"):
                    check_equal(client.request(path=path).status, 403, "status")
            with s.case(f"{name}: above the root"):
                check_equal(client.request(path="/../admin").status, 400, "status")


def with_trailers(client, fields):
    stream = client.ask(method="POST", fields=[("te", "trailers")], end=False)
    client.send_payload(stream, b"x", end=False)
    client.send_head(stream, fields, True)
    return client.response(stream)


@scenario("the origin believes a field that an untrusted client has forged over HTTP/2", within=120)
def forgeries(s):
    for protocol, proxy in both_origins(s):
        for name in believed_fields():
            with H2Client(proxy.address) as client:
                for way, fields in spellings_of_http2(name):
                    with s.case(f"{protocol}: {name} {way}"):
                        check_equal(forged(client.request(fields=fields)), [], "at the origin")
                with s.case(f"{protocol}: {name} in a trailer"):
                    trailers = [(each, FORGED) for each in (name.lower(), name.lower().replace("-", "_"))]
                    check_equal(forged(with_trailers(client, trailers)), [], "at the origin")
                for way, fields in malformed_in_http2(name):
                    with s.case(f"{protocol}: {name} {way} is no request"):
                        check_equal(client.outcome(client.ask(fields=fields)), ("stream", h2.PROTOCOL_ERROR), "what becomes of it")
        with s.case(f"{protocol}: of a trusted peer they arrive"):
            check(proxy.reload({"trusted_peers": ["127.0.0.0/8"]}), "the reload was rejected")
            with H2Client(proxy.address) as client:
                for name in believed_fields():
                    if name != "X-Forwarded-Client-Cert":
                        found = Arrived(client.request(fields=[(name.lower(), FORGED)])).all(name)
                        check(any(FORGED in value for value in found), f"{name} did not")


run()
