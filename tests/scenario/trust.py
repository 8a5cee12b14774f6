"""Whose word counts: fields that servers believe, names in disguise, and who the client is behind a trusted peer."""

import json

from harness import Arrived, RawOrigin, WsgiOrigin, access_rows, check, check_equal, eventually, run, scenario, start_proxy

NOBODY = {"trusted_peers": ["192.0.2.1/32"]}
BELIEVED = ("X-Real-IP", "x-real-ip", "X-Client-IP", "Client-IP", "True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP",
            "X-Cluster-Client-IP", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Forwarded-Scheme",
            "X-Forwarded-User", "X-Forwarded-Whatever-Comes", "X-Envoy-Internal", "X-Envoy-External-Address",
            "Front-End-Https", "X-Url-Scheme", "X-Original-URL", "X-Rewrite-URL", "X-Remote-User", "Proxy")  # fmt: skip
# Names much like them, that mean nothing to a server.
HARMLESS = ("X-Real-Name", "X-Forwarded", "X-Forward-For", "Proxy-Hint", "X-Requested-With", "X-CSRF-Token", "Client",
            "True-Client", "Priority", "Range", "From", "X")  # fmt: skip
# What a CGI or WSGI server takes for the field of the same name with "-".
DISGUISED = ("X_Forwarded_For", "X_Forwarded_Client_Cert", "X-Forwarded_Proto", "x_forwarded_host", "Forwarded_", "X_Request_Id",
             "Transfer_Encoding", "Content_Length", "X_Real_IP", "X_Forwarded_Port", "Proxy_Authorization", "Host_",
             "X_Envoy_Attempt_Count", "_", "X_Custom")  # fmt: skip


def told_environment(environ, start_response):
    """Answers with what a program at a CGI or WSGI server sees of the fields."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({key: value for key, value in environ.items() if key.startswith("HTTP_")}).encode()]


def names(arrived):
    return [name for name, _ in arrived.fields]


@scenario("a client forges what servers believe of it")
def believed(s):
    proxy = start_proxy(s, RawOrigin(s), NOBODY)
    for name in BELIEVED:
        with s.case(f"{name} from anybody does not pass"):
            arrived = Arrived(proxy.get("/", [("A", "b"), (name, "203.0.113.9"), (name.upper(), "x")]))
            check_equal([each for each in names(arrived) if each.lower() == name.lower()], [], "at the origin")
            check_equal(arrived.all("A"), ["b"], "the other field")
    for name in HARMLESS:
        with s.case(f"{name} passes"):
            check_equal(Arrived(proxy.get("/", [(name, "value")])).all(name), ["value"], "at the origin")
    with s.case("what was dropped is counted"):
        proxy.expect_count(2 * len(BELIEVED), "evenkeel_fields_believed_dropped_total")
    with s.case("none passes as a trailer"):
        with proxy.client() as client:
            client.send("POST /t HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n"
                        "X-Real-IP: 203.0.113.9\r\nX-Forwarded-Port: 443\r\nX_Real_IP: 203.0.113.9\r\n\r\n")
            check_equal(Arrived(client.response()).trailers, [("X-Sum", "1")], "trailers")
    with s.case("headers.pass lets those pass that it names"):
        check(proxy.reload({"headers": {"pass": ["x-real-ip", "X-Forwarded-Port"]}}), "the reload was rejected")
        arrived = Arrived(proxy.get("/", [("X-Real-IP", "1"), ("X-Forwarded-Port", "2"), ("X-Forwarded-Prefix", "3")]))
        check_equal((arrived.all("X-Real-IP"), arrived.all("X-Forwarded-Port"), arrived.all("X-Forwarded-Prefix")),
                    (["1"], ["2"], []), "at the origin")
    with s.case("a trusted peer is believed"):
        check(proxy.reload({"trusted_peers": ["127.0.0.0/8"], "headers": {"pass": None}}), "the reload was rejected")
        for name in (*BELIEVED, *HARMLESS):
            check_equal(Arrived(proxy.get("/", [(name, "value")])).all(name), ["value"], name)
    with s.case("a connection that outlives a reload is judged anew"), proxy.client() as client:
        for peers, believed in ((["127.0.0.0/8"], ["1"]), (["192.0.2.1/32"], []), (["127.0.0.0/8"], ["1"])):
            check(proxy.reload({"trusted_peers": peers}), "the reload was rejected")
            client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Real-IP: 1\r\n\r\n")
            check_equal(Arrived(client.response()).all("X-Real-IP"), believed, f"with {peers}")


@scenario("a name with an underscore stands in for a field that the proxy vouches for")
def underscores(s):
    wsgi = WsgiOrigin(s, told_environment)
    proxy = start_proxy(s, RawOrigin(s), {"upstreams": {"wsgi": {"endpoints": [wsgi.address], "pool": {"warm_min": 0}}},
                                          "routes": [{"path_prefix": "/wsgi", "upstream": "wsgi"},
                                                     {"name": "all", "upstream": "app"}]})
    with s.case("a WSGI server sees no forged X-Forwarded-For"):
        said = json.loads(bytes(proxy.get("/wsgi", [("X_Forwarded_For", "203.0.113.9"), ("X_Forwarded_Client_Cert", "forged")]).body))
        check_equal((said.get("HTTP_X_FORWARDED_FOR"), said.get("HTTP_X_FORWARDED_CLIENT_CERT")), ("127.0.0.1", None), "environment")
    for name in DISGUISED:
        with s.case(f"{name} is dropped, of trusted peers too"):
            arrived = Arrived(proxy.get("/", [("A", "b"), (name, "chunked"), ("C", "d")]))
            check_equal([each for each in names(arrived) if "_" in each], [], "at the origin")
            check_equal((arrived.all("A"), arrived.all("C")), (["b"], ["d"]), "the other fields")
    with s.case("a long name too, and one of an odd line"):
        arrived = Arrived(proxy.get("/", [("X-" + "a" * 40 + "_b", "c"), ("X_Empty", ""), ("X_Tab", "\ta")]))
        check_equal([each for each in names(arrived) if "_" in each], [], "at the origin")
    with s.case("a value with an underscore is no name"):
        check_equal(Arrived(proxy.get("/?a_b", [("A", "b_c: d_e")])).all("A"), ["b_c: d_e"], "at the origin")
    with s.case("they are counted, and said once in the log"):
        proxy.expect_count(len(DISGUISED) + 2 + 3, "evenkeel_fields_underscore_dropped_total")
        eventually(lambda: "X_Forwarded_For dropped" in proxy.log(), "the log names the first")
        eventually(lambda: proxy.log().count("headers.underscores") == 1, "log lines")
    with s.case("with headers.underscores they pass, but for those that stand in for another"):
        check(proxy.reload({"headers": {"underscores": True}, **NOBODY}), "the reload was rejected")
        for name in DISGUISED:
            found = Arrived(proxy.get("/", [(name, "x")])).all(name)
            harmless = name in ("X_Custom", "_", "Forwarded_", "Host_")
            check_equal(found, ["x"] if harmless else [], name)
    with s.case("responses keep theirs"):
        origin = RawOrigin(s, "plain")
        origin.on("/", status=200, body=b"ok", fields=[("X_Custom", "a")])
        check_equal(start_proxy(s, origin, name="another").get("/").get("X_Custom"), "a", "X_Custom")


# What peers in front say, and who the client is then; 10/8 and 127/8 are trusted.
TOLD = [
    ("one address", [("X-Forwarded-For", "203.0.113.9")], "203.0.113.9"),
    ("the rightmost of several", [("X-Forwarded-For", "198.51.100.1, 203.0.113.9")], "203.0.113.9"),
    ("trusted ones right of it", [("X-Forwarded-For", "198.51.100.1, 203.0.113.9,10.0.0.1 , 10.2.3.4")], "203.0.113.9"),
    ("several fields", [("X-Forwarded-For", "198.51.100.1"), ("A", "b"), ("X-Forwarded-For", "203.0.113.9"),
                        ("X-Forwarded-For", "10.0.0.1")], "203.0.113.9"),
    ("only trusted ones", [("X-Forwarded-For", "10.0.0.2, 10.0.0.1")], "10.0.0.2"),
    ("a port", [("X-Forwarded-For", "203.0.113.9:4711")], "203.0.113.9"),
    ("IPv6", [("X-Forwarded-For", "2001:db8::9")], "2001:db8::9"),
    ("IPv6 with brackets and port", [("X-Forwarded-For", "[2001:db8::9]:4711")], "2001:db8::9"),
    ("mapped IPv4", [("X-Forwarded-For", "::ffff:203.0.113.9")], "203.0.113.9"),
    ("no address", [("X-Forwarded-For", "unknown")], "127.0.0.1"),
    ("no address left of a trusted one", [("X-Forwarded-For", "203.0.113.9, unknown, 10.0.0.1")], "10.0.0.1"),
    ("nothing", [("X-Forwarded-For", "")], "127.0.0.1"),
    ("empty elements", [("X-Forwarded-For", ", 203.0.113.9 ,, ")], "203.0.113.9"),
    ("more hops than are looked at", [("X-Forwarded-For", "203.0.113.9" + ", 10.0.0.1" * 100)], "10.0.0.1"),
    ("Forwarded", [("Forwarded", 'for=203.0.113.9;proto=https;by="[2001:db8::1]"')], "203.0.113.9"),
    ("Forwarded with IPv6", [("Forwarded", 'proto=http; For="[2001:db8::9]:4711"')], "2001:db8::9"),
    ("Forwarded of several hops", [("Forwarded", "for=198.51.100.1, for=203.0.113.9, for=10.0.0.1")], "203.0.113.9"),
    ("a quote of the client's that is not closed", [("Forwarded", 'for="198.51.100.1, for=203.0.113.9')], "203.0.113.9"),
    ("Forwarded without an address", [("Forwarded", "for=_hidden, for=10.0.0.1")], "10.0.0.1"),
    ("both: the one that we write ourselves", [("Forwarded", "for=198.51.100.1"), ("X-Forwarded-For", "203.0.113.9")], "203.0.113.9"),
]  # fmt: skip
TRUSTING = {"workers": 1, "trusted_peers": ["127.0.0.0/8", "10.0.0.0/8"]}


def last_client(s, count):
    def read():
        rows = access_rows(s.path("access.log"))
        return len(rows) >= count and rows[count - 1]["client"]
    return eventually(read, f"{count} lines in the access log")


@scenario("behind a trusted peer the log names the peer")
def told_in_the_log(s):
    log = {"log": {"access": {"path": s.path("access.log"), "format": "json"}}}
    proxy = start_proxy(s, RawOrigin(s), {**TRUSTING, **log})
    for count, (name, fields, client) in enumerate(TOLD, 1):
        with s.case(f"{name}: the client is {client}"):
            check_equal(proxy.get("/", fields).status, 200, "status")
            check_equal(last_client(s, count), client, "client")
    with s.case("the chain goes on with the peer's own address"):
        arrived = Arrived(proxy.get("/", [("X-Forwarded-For", "203.0.113.9")]))
        check_equal(arrived.all("X-Forwarded-For"), ["203.0.113.9, 127.0.0.1"], "X-Forwarded-For")
    with s.case("from anybody else it is the connection's address"):
        check(proxy.reload(NOBODY), "the reload was rejected")
        check_equal(proxy.get("/", [("X-Forwarded-For", "203.0.113.9")]).status, 200, "status")
        check_equal(last_client(s, len(TOLD) + 2), "127.0.0.1", "client")
    with s.case("headers.forwarded = \"forwarded\" reads Forwarded first"):
        check(proxy.reload({**TRUSTING, "headers": {"forwarded": "forwarded"}}), "the reload was rejected")
        check_equal(proxy.get("/", [("X-Forwarded-For", "198.51.100.1"), ("Forwarded", "for=203.0.113.9")]).status, 200, "status")
        check_equal(last_client(s, len(TOLD) + 3), "203.0.113.9", "client")


@scenario("rates and hashes by client take all clients of a trusted peer for one")
def told_to_the_policy(s):
    rate = {"key_rate": {"per_second": 0.001, "burst": 1.0}}
    proxy = start_proxy(s, RawOrigin(s), {**TRUSTING, "routes": [{"name": "all", "upstream": "app", **rate}]})

    def statuses(client, count):
        return [proxy.get("/", [("X-Forwarded-For", client)]).status for _ in range(count)]

    with s.case("each client has a rate of its own"):
        for client in ("203.0.113.1", "203.0.113.2"):
            check_equal(statuses(client, 4).count(429), 2, f"refusals of {client}")
    with s.case("the addresses of a /64 are one client, others are not"):
        first = [statuses(f"2001:db8:1:2:{n}::{n}", 1)[0] for n in range(1, 6)]
        check_equal(first.count(429), 3, "refusals within a /64")
        check_equal(statuses("2001:db8:1:3::1", 1), [200], "another /64")
        check_equal(statuses("2001:db8:2:2::1", 1), [200], "another /48")
    with s.case("an IPv4 address is one client however it is written"):
        check_equal(statuses("203.0.113.7", 1) + statuses("::ffff:203.0.113.7", 2), [200, 200, 429], "statuses")
        check_equal(statuses("::ffff:203.0.113.8", 1), [200], "another one")
    with s.case("hash:client spreads the clients of a peer and keeps each at its endpoint"):
        origins = [RawOrigin(s, f"origin-{n}") for n in range(4)]
        hashed = start_proxy(s, origins, {**TRUSTING, "upstreams": {"app": {"balance": "hash:client"}}}, name="hashed")
        for n in range(40):
            for _ in range(2):
                check_equal(hashed.get(f"/{n}", [("X-Forwarded-For", f"203.0.113.{n}")]).status, 200, "status")
        counts = [len(origin.requests) for origin in origins]
        check(min(counts) > 0, f"requests: {counts}")
        for origin in origins:
            seen = [request.target for request in origin.requests]
            check(all(seen.count(target) == 2 for target in seen), "a client was sent to two endpoints")


run()
