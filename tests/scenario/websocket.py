"""WebSocket tunnels: the real client and server of the npm package `ws`, and raw sockets for the rude ones."""

import os
import threading
import time

from harness import (Arrived, NodeServer, RawOrigin, check, check_equal, eventually, node_modules, node_program, patient,
                     reads_body, run, scaled, scenario, start_proxy)

BOTH = ("evenkeel", "nginx")
NODE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")
UPGRADE = ("GET {} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@scenario("a WebSocket conversation loses, reorders or delays messages", within=90, proxies=BOTH)
def conversation(s):
    modules = node_modules("ws", "8")
    server = NodeServer(s, "ws-server", os.path.join(NODE, "echo-server.js"), modules)
    proxy = start_proxy(s, server, {"upstreams": {"app": {"pool": {"max": 1000, "warm_min": 0}}}})
    url = "ws://{}:{}".format(*proxy.address)

    def client(test, *arguments):
        node_program(os.path.join(NODE, "echo-client.js"), [url, test, *arguments], modules)

    with s.case("1,000 messages each way, sent without waiting"):
        client("echo", 1000)
    with s.case("1,000 messages each way, one at a time"):
        client("pingpong", 1000)
    with s.case("binary messages of up to 8 MiB"):
        client("binary")
    with s.case("ping and pong"):
        client("control")
        server.wait_for_log("ping are you there")
    with s.case("close codes and reasons pass both ways, and a cut is a cut"):
        client("closecodes")
        for told in ("closed 3001 mine", "closed 4000 mine"):
            server.wait_for_log(told)
    with s.case("path, subprotocol and a message right behind the handshake"):
        client("handshake")
    with s.case("many sockets at once"):
        client("many", scaled(100, 500))
    if proxy.kind == "evenkeel":
        with s.case("closed tunnels leave no connection behind"):
            eventually(lambda: not [row for row in proxy.sockets() if row[1].endswith(f":{server.port}")],
                       "no socket to the server is left")


@scenario("something other than a WebSocket gets a tunnel")
def no_tunnel(s):
    origin = RawOrigin(s)
    origin.on("/switch", lambda connection, _: connection.send(SWITCHING) and connection.wait_for_end(1) and False)
    origin.on("/refuse", status=403, body=b"no", reason="Forbidden")
    origin.on("/overlook", reads_body(lambda connection, _: connection.respond(200, b"over")))
    sent = threading.Event()
    origin.on("/inner", lambda connection, _: sent.wait(patient(20)) and connection.respond(200, b"inner"))
    proxy = start_proxy(s, origin)
    with s.case("the handshake reaches the origin whole"):
        with proxy.client() as client:
            client.send(UPGRADE.format("/ask"))
            arrived = Arrived(client.response())
            check_equal([value.lower() for value in arrived.all("Upgrade")], ["websocket"], "Upgrade")
            check("upgrade" in arrived.all("Connection")[0].lower(), "Connection lacks upgrade")
            check_equal(arrived.all("Sec-WebSocket-Key"), ["dGhlIHNhbXBsZSBub25jZQ=="], "Sec-WebSocket-Key")
            check_equal(Arrived(client.request("GET", "/next")).target, "/next", "the next exchange")
    with s.case("a refused handshake is an ordinary response"):
        with proxy.client() as client:
            client.send(UPGRADE.format("/refuse"))
            response = client.response()
            check_equal((response.status, bytes(response.body)), (403, b"no"), "answer")
    with s.case("an origin that takes the payload of a handshake for a request answers nobody else with it"):
        inner = "GET /inner HTTP/1.1\r\nHost: h\r\n\r\n"
        with proxy.client() as client:
            client.send(UPGRADE.format("/overlook").replace("\r\n\r\n", f"\r\nContent-Length: {len(inner)}\r\n\r\n") + inner)
            check_equal(bytes(client.response().body), b"over", "the answer")
        with proxy.client() as client:
            client.send("GET /after HTTP/1.1\r\nHost: h\r\n\r\n")
            sent.set()
            check(b"/after" in client.response().body, "who comes next gets another's answer")
    for protocol in ("h2c", "H2C", "h2", "TLS/1.0", "tls", "HTTP/2.0", "http/3", "h2c, TLS/1.2", ",", "h2c/1"):
        with s.case(f"Upgrade: {protocol} is not passed on"):
            with proxy.client() as client:
                client.send(UPGRADE.replace("websocket", protocol).format("/ask"))
                arrived = Arrived(client.response())
                check_equal((arrived.all("Upgrade"), arrived.all("Connection")), ([], []), "Upgrade at the origin")
        with s.case(f"101 to Upgrade: {protocol} becomes a 502"):
            with proxy.client() as client:
                client.send(UPGRADE.replace("websocket", protocol).format("/switch"))
                check_equal(client.response().status, 502, "status")
    with s.case("what may be upgraded to is passed on without what may not"):
        with proxy.client() as client:
            client.send(UPGRADE.replace("websocket", "h2c ,IRC/6.9, TLS/1.0").replace(
                "Connection: Upgrade", "Connection: Upgrade\r\nUpgrade: websocket").format("/ask"))
            check_equal(Arrived(client.response()).all("Upgrade"), ["IRC/6.9, websocket"], "Upgrade at the origin")
    for protocol in ("h2c", "h2c, websocket", "SPDY/3", "SPDY/3.1x", ""):
        with s.case(f"101 to '{protocol}', which was not offered, becomes a 502"):
            origin.on("/other", lambda connection, _, protocol=protocol: connection.send(
                SWITCHING.replace("websocket", protocol) + "raw") and connection.wait_for_end(1) and False)
            with proxy.client() as client:
                client.send(UPGRADE.replace("websocket", "websocket, SPDY/3.1").format("/other"))
                check_equal(client.response().status, 502, "status")
    with s.case("101 before the request is whole becomes a 502"):
        origin.on("/early", reads_body(lambda connection, _: connection.send(SWITCHING) and
                                       connection.wait_for_end(1) and False))
        with proxy.client() as client:
            client.send(UPGRADE.replace("GET", "POST").replace("Host: h", "Host: h\r\nContent-Length: 10").format("/early") + "half")
            check_equal(client.response().status, 502, "status")
    with s.case("101 to a request without Upgrade becomes a 502"):
        check_equal(proxy.get("/switch").status, 502, "status")
    with s.case("Upgrade without Connection: upgrade gets no tunnel"):
        with proxy.client() as client:
            client.send(UPGRADE.replace("Connection: Upgrade\r\n", "").format("/switch"))
            check_equal(client.response().status, 502, "status")
    with s.case("an HTTP/1.0 request cannot upgrade"):
        with proxy.client() as client:
            client.send(UPGRADE.replace("HTTP/1.1", "HTTP/1.0").format("/switch"))
            check_equal(client.response().status, 502, "status")
    with s.case("CONNECT is refused with 501"):
        with proxy.client() as client:
            client.send("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n")
            check_equal(client.response().status, 501, "status")


@scenario("only WebSocket can be upgraded to")
def other_protocols(s):
    def echo(connection, request):
        if request.get("Upgrade") is None:
            return connection.respond(200, b"stays")
        connection.send(f"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: {request.get('Upgrade')}\r\n\r\n")
        connection.send(f"{len(request.body)} ")
        while True:
            connection.reader.fill()
            connection.send(bytes(connection.reader.buffer))
            connection.reader.buffer.clear()

    origin = RawOrigin(s)
    origin.on("/", echo)
    narrow = [{"name": "none", "path_prefix": "/none", "upgrade": ["none"], "upstream": "app"},
              {"name": "narrow", "path_prefix": "/narrow", "upgrade": ["websocket", "SPDY/3.1"], "upstream": "app"},
              {"name": "all", "upstream": "app"}]
    proxy = start_proxy(s, origin, {"routes": narrow})

    def tunnel(head, body, said):
        with proxy.client() as client:
            client.send(head + "Connection: Upgrade\r\n\r\n" + body + "ping")
            check_equal(client.response().status, 101, "status")
            wanted = f"{said} ping".encode()
            while len(client.reader.buffer) < len(wanted):
                client.reader.fill()
            check_equal(bytes(client.reader.buffer), wanted, "bytes")

    start = "POST /exec/1/start HTTP/1.1\r\nHost: docker\r\nUpgrade: tcp\r\n"
    with s.case("docker exec: POST with a body to tcp"):
        tunnel(start + "Content-Type: application/json\r\nContent-Length: 13\r\n", '{"Tty": true}', 13)
    with s.case("docker attach: POST with a length of nothing"):
        tunnel(start + "Content-Length: 0\r\n", "", 0)
    with s.case("POST without a length"):
        tunnel(start, "", 0)
    with s.case("POST with a chunked body"):
        tunnel(start + "Transfer-Encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n", 4)
    with s.case("kubectl exec: POST to SPDY/3.1"):
        tunnel("POST /api/v1/pods/x/exec?command=sh HTTP/1.1\r\nHost: k\r\nUpgrade: SPDY/3.1\r\n", "", 0)
    for prefix, protocol, passes in (("/none", "websocket", False), ("/none", "tcp", False), ("/narrow", "tcp", False),
                                     ("/narrow", "WebSocket", True), ("/narrow", "SPDY/3.1", True), ("/narrow", "SPDY/2", False)):
        with s.case(f"routes.upgrade: {protocol} at {prefix} {'passes' if passes else 'stays'}"):
            head = f"GET {prefix} HTTP/1.1\r\nHost: h\r\nUpgrade: {protocol}\r\n"
            if passes:
                tunnel(head, "", 0)
            else:
                with proxy.client() as client:
                    client.send(head + "Connection: Upgrade\r\n\r\n")
                    check_equal(bytes(client.response().body), b"stays", "answer")
                    check_equal(client.request("GET", "/next").status, 200, "the next exchange")
    with s.case("bytes before the 101 wait for it, and are a request where none comes"):
        with proxy.client() as client:
            client.send("GET /none HTTP/1.1\r\nHost: h\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n"
                        "GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
            check_equal([bytes(client.response().body) for _ in range(2)], [b"stays"] * 2, "two answers")


@scenario("a tunnel swallows bytes at its beginning or its end", proxies=BOTH)
def tunnel_edges(s):
    def echo(connection, _):
        connection.send(SWITCHING + "first")
        while True:
            if connection.reader.buffer:
                data = bytes(connection.reader.buffer)
                connection.reader.buffer.clear()
                connection.send(data)
                if b"bye" in data:
                    connection.send("last")
                    return False
            connection.reader.fill()

    origin = RawOrigin(s)
    origin.on("/", echo)
    origin.on("/end", lambda connection, _: connection.send(SWITCHING + "x" * 300000) and False)
    proxy = start_proxy(s, origin)

    def receive(client, count):
        while len(client.reader.buffer) < count:
            client.reader.fill()
        data = bytes(client.reader.buffer)
        client.reader.buffer.clear()
        return data

    with s.case("bytes behind the 101 and behind the request arrive"):
        with proxy.client() as client:
            client.send(UPGRADE.format("/") + "early")
            check_equal(client.response().status, 101, "status")
            check_equal(receive(client, 10), b"firstearly", "bytes")
            client.send("bye")
            check_equal(receive(client, 7), b"byelast", "last bytes")
            check_equal(client.ending(), "eof", "the end")
    with s.case("what the origin sends before it closes arrives whole"):
        for _ in range(20):
            with proxy.client() as client:
                client.send(UPGRADE.format("/end"))
                check_equal(client.response().status, 101, "status")
                check_equal(len(receive(client, 300000)), 300000, "bytes")
                check_equal(client.ending(), "eof", "the end")
    with s.case("a client that goes away takes the tunnel with it"):
        client = proxy.client()
        client.send(UPGRADE.format("/gone"))
        check_equal(client.response().status, 101, "status")
        used = next(c for c in origin.connections if any(r.target == "/gone" for r in c.requests))
        client.reset()
        eventually(lambda: not used.established(), "the origin's side is closed")
    with s.case("a tunnel to a reader that does not read is held back, not buffered"):
        with proxy.client(receive_buffer=4096) as client:
            client.send(UPGRADE.format("/slow"))
            check_equal(client.response().status, 101, "status")
            client.socket.settimeout(patient(1))
            before = proxy.memory_kib()
            sent = 0
            try:
                while sent < 64 << 20:
                    sent += client.socket.send(b"x" * 65536)
            except OSError:
                pass
            check(sent < 64 << 20, "64 MiB went into a tunnel that nobody empties")
            growth = proxy.memory_kib() - before
            check(growth < 4096, f"memory grew by {growth} KiB")


@scenario("a tunnel whose origin has gone stays, because its client is no longer read")
def origin_gone(s):
    for name, leave in (("closes", lambda connection: connection.close()),
                        ("ends its direction, then resets",
                         lambda connection: (connection.socket.shutdown(1), connection.wait_for_end(1), connection.reset()))):
        origin = RawOrigin(s, name.split(",")[0].replace(" ", "-"))
        origin.on("/", lambda connection, _, leave=leave: connection.send(SWITCHING) and leave(connection) and False)
        proxy = start_proxy(s, origin, name=origin.name + "-proxy")
        with s.case(f"the origin {name}, and the client sends more"):
            with proxy.client() as client:
                client.send(UPGRADE.format("/"))
                client.interim()
                for _ in range(50):
                    client.send(b"x" * 1000)
                    if proxy.metric("evenkeel_tunnels_open") == 0:
                        break
                    time.sleep(0.02)  # the reset that answers one piece meets a later one
            eventually(lambda: proxy.metric("evenkeel_tunnels_open") == 0, "the tunnel is over")


@scenario("an idle tunnel stays for ever")
def tunnel_limits(s):
    origin = RawOrigin(s)

    def chatter(connection, _):
        connection.send(SWITCHING)
        while connection.send("tick"):
            time.sleep(0.1)  # the pace of the chatter: never idle for tunnel_idle
        connection.ended = "gone"
        return False

    origin.on("/silent", lambda connection, _: connection.send(SWITCHING) and connection.wait_for_end() and False)
    origin.on("/chatter", chatter)
    proxy = start_proxy(s, origin, {"upstreams": {"app": {
        "timeouts": {"tunnel_idle": "600ms", "tunnel_total": "2s"}}}})

    def lasts(target):
        with proxy.client() as client:
            client.send(UPGRADE.format(target))
            check_equal(client.response().status, 101, "status")
            started = time.monotonic()
            while client.socket.recv(65536):
                pass
            return time.monotonic() - started

    with s.case("a silent tunnel ends after tunnel_idle, on both sides"):
        took = lasts("/silent")
        check(0.4 <= took < patient(1.8), f"it took {took:.1f} s")
        used = next(c for c in origin.connections if any(r.target == "/silent" for r in c.requests))
        eventually(lambda: used.ended, "the origin sees the end")
    with s.case("a busy tunnel outlives tunnel_idle and ends after tunnel_total"):
        took = lasts("/chatter")
        check(1.5 <= took < patient(4), f"it took {took:.1f} s")


run()
