"""Who may use a route: auth.basic asks for a name and a password."""

import base64
import os
import signal

from harness import (Arrived, RawOrigin, access_rows, becomes, check, check_equal, curl, eventually, merge, once_of, run,
                     run_program, scenario, start_proxy)
from harness.h2_wire import H2Client
from harness.passwords import basic, bcrypt, hashed

USERS = f"""# staff
ann:{bcrypt("secret")}
bob:{hashed("pass:word", "$6$rounds=1000$salt")}:Bob Smith\r
cat:{hashed("ünï", "$y$j75$abcdefghijklmnop")}

dan:{bcrypt("old", mark="2b")}
eve:{bcrypt("", mark="2a")}
"""


def guarded(s, users=USERS, **more):
    """The settings of a proxy whose route /in asks for a password."""
    auth = {"basic": {"file": s.write("users", users), "realm": "staff only"}}
    return merge({"listeners": {"web": {"http2": {"cleartext": True}}}, "routes": [
        {"name": "in", "path_prefix": "/in", "upstream": "app", "auth": auth, "request": {"set": {"X-User": "{user}", "X-Auth": "{header:Authorization}"}}},
        {"name": "text", "path": "/text", "respond": {"status": 200, "body": "{user}"}, "auth": auth},
        {"name": "passing", "path": "/passing", "upstream": "app", "auth": {"basic": {**auth["basic"], "pass": True}}},
        {"name": "all", "upstream": "app"}]}, more)


def processor_ms(proxy, name):
    """Processor time of the threads of this name."""
    total = 0
    for task in os.listdir(f"/proc/{proxy.pid}/task"):
        with open(f"/proc/{proxy.pid}/task/{task}/stat", encoding="ascii") as stat:
            line = stat.read()
        if name in line[line.index("(") + 1:line.rindex(")")]:
            total += sum(int(field) for field in line[line.rindex(")") + 2:].split()[11:13]) * 10
    return total


@scenario("auth.basic lets in who has no password, or keeps out who has one")
def passwords(s):
    log = {"log": {"access": {"path": s.path("access.log"), "format": "json"}}}
    proxy = start_proxy(s, RawOrigin(s), guarded(s, **log))
    for name, password in (("ann", "secret"), ("bob", "pass:word"), ("cat", "ünï"), ("dan", "old"), ("eve", "")):
        with s.case(f"{name}, at first and when it is remembered"):
            for _ in range(2):
                arrived = Arrived(proxy.get("/in", [basic(name, password)], method="POST", body=b"x" * 1000))
                check_equal((arrived.bytes, arrived.all("X-User"), arrived.all("Authorization"), arrived.all("X-Auth")), (1000, [name], [], []), "at the origin")
    with s.case("who has none is asked for one"):
        answer = proxy.get("/in")
        check_equal((answer.status, answer.get("WWW-Authenticate")), (401, 'Basic realm="staff only", charset="UTF-8"'), "answer")
    right = basic("ann", "secret")
    for way, fields in (("a wrong password", [basic("ann", "secreT")]), ("another's", [basic("ann", "old")]), ("an unknown name", [basic("zoe", "secret")]),
                        ("no name", [basic("", "secret")]), ("a longer one", [basic("ann", "secret" + "x" * 100)]),
                        ("a very long one", [basic("ann", "x" * 5000)]), ("a NUL in it", [basic("ann", "secret\0")]), ("a NUL in the name", [basic("ann\0", "secret")]),
                        ("another scheme", [basic("ann", "secret", "Bearer")]), ("no base64", [("Authorization", "Basic ann:secret")]),
                        ("no colon", [("Authorization", "Basic " + base64.b64encode(b"ann").decode())]), ("nothing", [("Authorization", "Basic")]),
                        ("it twice", [right, right]), ("a right and a wrong one", [right, basic("ann", "x")]), ("the hash itself", [basic("ann", bcrypt("secret"))]),
                        ("_ in the name of the field", [("Authorization_", right[1])]), ("Proxy-Authorization", [("Proxy-Authorization", right[1])])):
        with s.case(way):
            check_equal(proxy.get("/in", fields).status, 401, "status")
    for way, field in (("the scheme in other case", ("Authorization", right[1].replace("Basic", "bASIC"))), ("no padding", ("authorization", right[1].rstrip("="))),
                       ("spaces", ("Authorization", right[1].replace(" ", "   ")))):
        with s.case(way):
            check_equal(proxy.get("/in", [field]).status, 200, "status")
    with s.case("a route that answers by itself, and a challenge without a body to HEAD"):
        check_equal((bytes(proxy.get("/text", [right]).body), proxy.get("/text").status, len(proxy.get("/text", method="HEAD").body)), (b"ann", 401, 0), "answers")
    with s.case("Authorization goes on if told"):
        check_equal(Arrived(proxy.get("/passing", [right])).all("Authorization"), [right[1]], "at the origin")
    with s.case("curl"):
        check_equal(curl("-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", "bob:pass:word", f"{proxy.url}/in").text, "200", "status")
    with s.case("HTTP/2, and gRPC"), H2Client(proxy.address) as client:
        check_equal((client.request(path="/in").status, client.request(path="/in", fields=[("authorization", right[1])]).status), (401, 200), "statuses")
        answer = client.request(method="POST", path="/in/S/M", fields=[("content-type", "application/grpc"), ("te", "trailers")], body=b"\0\0\0\0\0")
        check_equal((answer.status, answer.get("grpc-status")), (200, "16"), "gRPC")
    for target in ("/%69n", "//in", "/x/../in", "/x/..%2fin", "/in%2fx", "/in;x=1"):
        with s.case(f"{target} leads to the same question"):
            check_equal(proxy.get(target).status, 401, "status")
    with s.case("an upload, and a client that waits for 100"), proxy.client() as client:
        client.send(f"POST /in HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n{right[0]}: {right[1]}\r\n\r\n")
        check_equal(client.interim().status, 100, "interim")
        client.send("hello")
        check_equal(Arrived(client.response()).bytes, 5, "bytes")
    with s.case("the log has the names of those who were let in, and of nobody else"):
        rows = eventually(lambda: [row for row in access_rows(s.path("access.log")) if row["route"] == "in"], "lines")
        check_equal({row["status"] for row in rows if row.get("user")}, {200}, "statuses of lines with a user")
        check({"ann", "bob", "cat"} <= {row.get("user") for row in rows}, "users")


@scenario("who only says to be somebody is logged, or told of, as that user")
def unknown(s):
    settings = guarded(s, f"ann:{bcrypt('secret', 12)}\n", workers=1, log={"access": {"path": s.path("access.log"), "format": "json"}},
                       response={"set": {"X-Who": "{user}"}})
    settings["routes"][0]["deadline"] = "50ms"
    proxy = start_proxy(s, RawOrigin(s), settings)
    with s.case("the deadline comes before the hash"):
        answer = proxy.get("/in", [basic("ann", "guess")])
        check_equal((answer.status, answer.get("X-Who")), (504, None), "status and user")
    with s.case("the client leaves before the hash"):
        with proxy.client() as client:
            client.send(f"GET /in HTTP/1.1\r\nHost: h\r\n{': '.join(basic('ann', 'another'))}\r\n\r\n")
            eventually(lambda: hashes(proxy) == 2, "it is hashed")
    rows = eventually(lambda: (rows := access_rows(s.path("access.log"))) and len(rows) >= 2 and rows, "two lines")
    check_equal([row.get("user") for row in rows], [None, None], "users")
    eventually(lambda: proxy.bound("password_checks")["used"] == 0, "no hash goes on, which the end would wait for")


def hashes(proxy):
    return proxy.metric("evenkeel_auth_hashes_total")


@scenario("what was right is right for ever, or a reload forgets what it need not")
def reloads(s):
    proxy = start_proxy(s, RawOrigin(s), guarded(s, f"ann:{bcrypt('one')}\n", workers=1))
    first, second = basic("ann", "one"), basic("ann", "two")
    check_equal((proxy.get("/in", [first]).status, proxy.get("/in", [second]).status), (200, 401), "statuses")
    with s.case("a reload that changes nothing costs no hash"):
        check(proxy.reload(), "the reload was rejected")
        check_equal(({proxy.get("/in", [first]).status for _ in range(10)}, hashes(proxy)), ({200}, 2), "statuses, hashes")
    with s.case("a changed file holds at once"):
        s.write("users", f"ann:{bcrypt('two')}\n")
        check(proxy.reload(), "the reload was rejected")
        check_equal((proxy.get("/in", [first]).status, proxy.get("/in", [second]).status), (401, 200), "statuses")
    with s.case("a file that is wrong changes nothing"):
        s.write("users", "ann:secret\n")
        check(not proxy.reload(), "the reload was accepted")
        check_equal(proxy.get("/in", [second]).status, 200, "status")
    with s.case("it is hashed again after a while"):
        s.write("users", f"ann:{bcrypt('three')}\n")
        for route in proxy.settings["routes"][:2]:
            route["auth"]["basic"]["remember"] = "1ms"
        check(proxy.reload(), "the reload was rejected")
        before = hashes(proxy)
        eventually(lambda: proxy.get("/in", [basic("ann", "three")]).status == 200 and hashes(proxy) >= before + 3, "several hashes")


def guess(proxy, count):
    """So many clients, each with a password of its own that is wrong; they wait."""
    clients = [proxy.client() for _ in range(count)]
    for number, client in enumerate(clients):
        name, value = basic("ann", f"guess{number}")
        client.send(f"GET /in HTTP/1.1\r\nHost: h\r\n{name}: {value}\r\n\r\n")
    return clients


@scenario("hashes of passwords run on a worker, or keep other requests waiting")
def hashing(s):
    proxy = start_proxy(s, RawOrigin(s), guarded(s, f"ann:{bcrypt('secret', 9)}\n", workers=1))
    with s.case("a crowd with one password is hashed once"):
        crowd = [proxy.client() for _ in range(16)]
        name, value = basic("ann", "secret")
        for client in crowd:
            client.send(f"GET /in HTTP/1.1\r\nHost: h\r\n{name}: {value}\r\n\r\n")
        check_equal({client.response().status for client in crowd}, {200}, "statuses")
        becomes(lambda: hashes(proxy), 1, "hashes")
    guessing = []

    def others_pass():
        for client in guessing:
            client.close()
        eventually(lambda: proxy.bound("password_checks")["used"] == 0, "no hash goes on")
        with proxy.asleep():  # the hashes begin when all are there
            guessing[:] = guess(proxy, 40)
        eventually(lambda: proxy.bound("password_checks")["peak"] >= 8, "hashes wait")
        check_equal((proxy.get("/x").status, proxy.get("/in", [basic("ann", "secret")]).status), (200, 200), "statuses")
        check(proxy.bound("password_checks")["used"] > 0, "others have waited for the hashes")
    with s.case("other requests pass while those who guess wait, and so does who is remembered"):
        once_of(5, others_pass)
    with s.case("each of those who guess gets an answer; those who find the line full, at once"):
        answers = [client.response() for client in guessing]
        check_equal({answer.status for answer in answers}, {401, 503}, "statuses")
        busy = next(answer for answer in answers if answer.status == 503)
        check("auth_busy" in busy.get("Proxy-Status") and int(busy.get("Retry-After")) > 0, busy.get("Proxy-Status"))
        check(proxy.metric("evenkeel_auth_failed_total") > 0, "evenkeel_auth_failed_total")
    with s.case("the workers have hashed nothing"):
        spent = processor_ms(proxy, "passwords")
        check(spent > 100, f"{spent} ms on the threads for it")
        check(processor_ms(proxy, "worker") < spent / 4, f"{processor_ms(proxy, 'worker')} ms on workers, {spent} ms of hashing")
    with s.case("an unknown name costs what a known one does"):
        costs = []
        for name in ("ann", "unknown"):
            before = processor_ms(proxy, "passwords")
            for number in range(8):
                check_equal(proxy.get("/in", [basic(name, f"no{number}")]).status, 401, "status")
            costs.append(processor_ms(proxy, "passwords") - before)
        check(min(costs) * 2 > max(costs), f"processor time: {costs} ms")
    with s.case("clients that go away take their hashes with them"):
        before = hashes(proxy)
        clients = guess(proxy, 16)
        eventually(lambda: hashes(proxy) >= before + 5, "hashes are asked for")
        for client in clients:
            client.reset()
        eventually(lambda: proxy.bound("password_checks")["used"] == 0 and proxy.bound("exchanges")["used"] == 0, "nothing is left")


@scenario("a process with hashes in its line does not end")
def ends(s):
    proxy = start_proxy(s, RawOrigin(s), guarded(s, f"ann:{bcrypt('secret', 11)}\n", drain={"grace": "300ms"}))
    guess(proxy, 12)
    eventually(lambda: proxy.bound("password_checks")["peak"] >= 5, "hashes wait")
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit(codes=(0, 3))


WRONG = [
    ("ann:secret\n", 'users:1: user "ann" has no hash that is known; a password in plain text is not taken: write htpasswd -B'),
    ("\n# x\nann:$apr1$abc$def\n", 'users:3: user "ann" has an MD5 hash'),
    ("ann:$1$abc$def\n", "an MD5 hash"),
    ("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", "a SHA-1 hash"),
    ("ann:$5$abc$def\n", "a SHA-256 hash, which is not taken"),
    ("ann:$2y$10$abc\n", "a bcrypt hash that is not whole"),
    ("ann:" + bcrypt("x").replace("$04$", "$31$") + "\n", "whose cost is above 15"),
    ("ann:$6$abc$def\n", "a SHA-512 hash that is not whole"),
    ("ann:" + hashed("x", "$6$rounds=1000$abc").replace("1000", "999999999") + "\n", "more than a million rounds"),
    ("ann:$y$j9T$abc$def\n", "a yescrypt hash that is not whole"),
    ("ann\n", "users:1: expected NAME:HASH, as htpasswd -B writes it"),
    (f"ann:{bcrypt('x')}\nann:{bcrypt('y')}\n", 'user "ann" is there twice'),
    ("# nobody\n", "has no user: write htpasswd -B"),
]


@scenario("a wrong auth.basic is accepted, or its message does not say what to write")
def wrong(s):
    proxy = start_proxy(s, RawOrigin(s))

    def refuse(auth, message):
        proxy.settings["routes"] = [{"name": "x", "upstream": "app", "auth": auth}]
        done = run_program(s, "-t", "-c", s.write("wrong.conf", proxy.text()))
        said = done.stdout + done.stderr
        check_equal(done.returncode, 1, said)
        check(message in said and "wrong.conf:" in said, said)

    for users, message in WRONG:
        with s.case(f"{users!r}"):
            refuse({"basic": {"file": s.write("users", users)}}, message)
    fine = {"file": s.write("users", USERS)}
    for auth, message in (({"basic": {"file": "/nowhere"}}, "/nowhere: No such file"), ({"basic": {**fine, "realm": 'a"b'}}, "expected a text without quotes"),
                          ({"basic": fine, "forward": {"upstream": "app", "path": "/x"}}, "write basic or forward, not both"),
                          ({"basic": {**fine, "remember": "2h"}}, "remember"), ({"basic": {"realm": "x"}}, "expected file = "), ({"basic": {}}, "expected file = "),
                          ({}, "expected basic = { file")):
        with s.case(f"{auth}"):
            refuse(auth, message)


run()
