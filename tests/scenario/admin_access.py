"""Who may use the admin listener: a token where others can reach it, and no page of elsewhere anywhere."""

import base64
import contextlib
import http.client
import json
import os
import re
import ssl

from harness import Authority, RawOrigin, check, check_equal, patient, run, run_program, scenario, start_proxy

TOKEN = "4f2a" * 16
NEXT = "next-" + "b0c1" * 10
FILES = 'listeners = {{ web = {{ listen = "127.0.0.1:{web}"; }}; }};\n' \
        'upstreams = {{ app = {{ endpoints = [ "127.0.0.1:1" ]; }}; }};\n' \
        'routes = ( {{ name = "all"; upstream = "app"; }} );\n' \
        'admin = {{\n  {admin}\n}};\n'


def token_file(s, text=TOKEN + "\n", mode=0o600, name="token"):
    path = s.write(name, text)
    os.chmod(path, mode)
    return path


def tested(s, admin, *options):
    """What -t says of an admin group."""
    s.write("access.conf", FILES.format(web=s.port(), admin=admin))
    return run_program(s, *(options or ("-t",)), "-c", "access.conf")


@scenario("an admin listener that other machines can reach is taken although it asks nobody who they are")
def reachable(s):
    port = s.port()
    for listen in (f"0.0.0.0:{port}", f"[::]:{port}", "192.0.2.7:9901"):
        with s.case(f"{listen} without tokens is an error with its line and what to write"):
            done = tested(s, f'listen = "{listen}";')
            check_equal(done.returncode, 1, "exit code")
            for word in ("access.conf:5: admin.listen: ", listen, "token_file = ", "openssl rand -hex 32", "127.0.0.1"):
                check(word in done.stderr, f"{word!r} is not in {done.stderr}")
    with s.case("a start refuses it, too"):
        done = run_program(s, "-c", "access.conf")
        check_equal(done.returncode, 1, "exit code")
        check("access.conf:5: admin.listen: " in done.stderr, f"said {done.stderr}")
    for listen in (f"127.0.0.1:{port}", f"[::1]:{port}", f"unix:{s.path('a.sock')}"):
        with s.case(f"{listen} needs no token"):
            done = tested(s, f'listen = "{listen}";')
            check_equal((done.returncode, done.stderr), (0, ""), "exit code and complaints")
    with s.case("a token file makes it good"):
        done = tested(s, f'listen = "0.0.0.0:{port}"; token_file = "{token_file(s)}";')
        check_equal((done.returncode, done.stderr), (0, ""), "exit code and complaints")
    with s.case("a token is not in the effective configuration"):
        dumped = tested(s, f'listen = "0.0.0.0:{port}"; token_file = "{token_file(s)}";', "-T").stdout
        check("token_file" in dumped and TOKEN not in dumped, f"dumped {dumped}")


@scenario("a token file that protects nothing is taken")
def token_files(s):
    port = s.port()

    def said(path):
        return tested(s, f'listen = "0.0.0.0:{port}"; token_file = "{path}";')

    for what, text, word in (("an empty one", "", "token:1: there is no token"),
                             ("a short token", "short\n", "token:1: a token has at least 16"),
                             ("a token with a blank", f"{TOKEN}\nno token at all\n", "token:2: a token consists of")):
        with s.case(f"{what} is an error with file, line and what to write"):
            done = said(token_file(s, text))
            check_equal(done.returncode, 1, "exit code")
            check("access.conf:5: admin.token_file: " in done.stderr, f"said {done.stderr}")
            check(word in done.stderr and "openssl rand -hex 32" in done.stderr, f"said {done.stderr}")
            check(not text or text.split("\n")[-2] not in done.stderr, "the token is told")
    for what, path in (("one that does not exist", s.path("nowhere")), ("a folder", s.directory)):
        with s.case(f"{what} is an error"):
            done = said(path)
            check_equal(done.returncode, 1, "exit code")
            check("access.conf:5: admin.token_file: " in done.stderr, f"said {done.stderr}")
    for mode, warned in ((0o644, True), (0o602, True), (0o620, True), (0o600, False), (0o400, False), (0o440, False)):
        with s.case(f"mode {mode:04o} is {'warned of' if warned else 'good'}"):
            done = said(token_file(s, mode=mode))
            said_so = (f"{mode:04o}" in done.stderr, "chmod 600" in done.stderr)
            check_equal((done.returncode, *said_so), (0, warned, warned), f"exit code and warning: {done.stderr}")


class Asker:
    """Asks the admin listener with the fields that a case shows."""

    def __init__(self, port):
        self._port = port

    def __call__(self, path, *fields, host="127.0.0.1", method="GET"):
        """(status, head and body)."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=patient(20))) as connection:
            connection.request(method, path, headers={"Host": f"{host}:{self._port}", **dict(fields)})
            response = connection.getresponse()
            return response.status, f"{response.headers}\n{response.read().decode()}"

    def status(self, *arguments, **options):
        return self(*arguments, **options)[0]


def bearer(token):
    return "Authorization", f"Bearer {token}"


def basic(name, password):
    return "Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def guarded(s, listen):
    """A proxy whose admin listener asks for a token, and what asks it."""
    port = s.port()
    proxy = start_proxy(s, RawOrigin(s), {"admin": {"listen": f"{listen}:{port}", "token_file": token_file(s)}})
    return proxy, Asker(port)


ACTS = ("/drain", "/reload", "/upstreams/app/breaker/open", "/routes/all/maintenance/on")
WRONG = (("nothing", []), ("an empty token", [bearer("")]), ("a wrong token", [bearer("0" * 64)]),
         ("a part of the token", [bearer(TOKEN[:-1])]), ("more than the token", [bearer(TOKEN + "0")]),
         ("a wrong password", [basic("ann", "secret")]), ("the token as a name", [basic(TOKEN, "")]))


@scenario("who shows no token reads figures or changes something")
def strangers(s):
    proxy, ask = guarded(s, "0.0.0.0")
    for what, shown in WRONG:
        with s.case(f"{what}: 401 with a challenge, and nothing else"):
            for path in ("/status", "/metrics", "/resources", "/upstreams", "/drift", "/nothing"):
                status, text = ask(path, *shown)
                check_equal(status, 401, f"status of {path}")
                check(re.search(r'(?m)^WWW-Authenticate: Bearer realm="evenkeel"', text), f"no challenge: {text}")
                check_equal("invalid_token" in text, bool(shown), f"what is said of the token: {text}")
                check("generation" not in text and "app" not in text, f"told: {text}")
            for path in ACTS:
                check_equal(ask.status(path, *shown, method="POST"), 401, f"POST {path}")
    with s.case("wrong tokens are counted, and requests without one are not"):
        wrong = sum(bool(shown) for _, shown in WRONG)
        proxy.expect_count(wrong * (6 + len(ACTS)), "evenkeel_admin_wrong_tokens_total")
    with s.case("nothing of this has changed anything"):
        found = proxy.admin_json("/status")
        check_equal((found["draining"], found["generation"]), (False, 1), "draining, generation")
        check_equal(proxy.get("/").status, 200, "status through the proxy")
    with s.case("a probe needs no token, and learns no names"):
        check_equal(ask.status("/livez"), 200, "status of /livez")
        check_equal(ask.status("/livez", method="HEAD"), 200, "status of HEAD /livez")
        status, text = ask("/readyz")
        check(status in (200, 503), f"status of /readyz: {status}")
        check_equal(set(json.loads(text.split("\n\n", 1)[1])), {"ready", "state"}, "what /readyz tells")
        for path in ("/livez", "/readyz"):
            check_equal(ask.status(path, method="POST"), 401, f"POST {path}")
    with s.case("who shows the token, also as a password, gets everything"):
        for shown in ([bearer(TOKEN)], [basic("ann", TOKEN)], [basic("", TOKEN)]):
            check_equal(ask.status("/status", *shown), 200, "status")
            check_equal(ask.status("/nothing", *shown), 404, "status of a page that there is not")
            check("figures" in ask("/readyz", *shown)[1], "/readyz is brief")
            check_equal(ask.status("/upstreams/app/breaker/auto", *shown, method="POST"), 200, "POST")
            check_equal(ask.status("/drain", *shown), 405, "GET /drain")
    with s.case("--ask shows it"):
        done = run_program(s, "--ask", "/status", "-c", proxy.config_path)
        check_equal((done.returncode, json.loads(done.stdout)["pid"]), (0, proxy.pid), "exit code, pid")


@scenario("a page of elsewhere gets through with the token that the browser keeps")
def rebinding(s):
    proxy, ask = guarded(s, "127.0.0.1")
    evil = "evil.example"
    for what, shown in (("a token", [bearer(TOKEN)]), ("a password", [basic("ann", TOKEN)]), ("nothing", [])):
        with s.case(f"a name that was pointed at the listener is 403, with {what}"):
            for path in ("/livez", "/status"):
                check_equal(ask.status(path, *shown, host=evil), 403, f"status of {path}")
            for path in ACTS:
                check_equal(ask.status(path, *shown, host=evil, method="POST"), 403, f"POST {path}")
        with s.case(f"so is what another page asks, with {what}"):
            for field in (("Origin", f"http://{evil}"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"),
                          ("Sec-Fetch-Site", "same-site")):
                for path in ACTS:
                    check_equal(ask.status(path, *shown, field, method="POST"), 403, f"POST {path} with {field}")
    with s.case("a local listener that has a token asks for it"):
        check_equal((ask.status("/status"), ask.status("/status", bearer(TOKEN))), (401, 200), "statuses")
    found = proxy.admin_json("/status")
    check_equal((found["draining"], found["generation"]), (False, 1), "draining, generation")


@scenario("a reload does not take new tokens, takes bad ones, or leaves the listener open")
def changed(s):
    proxy, ask = guarded(s, "0.0.0.0")
    path = proxy.settings["admin"]["token_file"]

    def statuses():
        return [ask.status("/status", bearer(token)) for token in (TOKEN, NEXT)]

    with s.case("before a reload nothing changes"):
        token_file(s, f"{TOKEN}\n{NEXT}\n")
        check_equal(statuses(), [200, 401], "of the old and the new token")
    with s.case("with both in the file, both are good"):
        check(proxy.reload(), "the reload was rejected")
        check_equal(statuses(), [200, 200], "of the old and the new token")
    with s.case("a file without a token is rejected, and the tokens stay"):
        check_equal(ask.status("/reload", bearer(NEXT), method="POST"), 200, "POST /reload")
        token_file(s, "# none\n")
        check_equal(ask.status("/reload", bearer(NEXT), method="POST"), 422, "POST /reload")
        check_equal(statuses(), [200, 200], "of the old and the new token")
    with s.case("the old one is good no longer once it is out of the file"):
        token_file(s, f"{NEXT}\n")
        check(proxy.reload(), "the reload was rejected")
        check_equal(statuses(), [401, 200], "of the old and the new token")
    with s.case("a file that only moves the listener leaves the old one, and so must keep the token"):
        port = s.port()
        text = re.sub(r'token_file = "[^"]*";', "", proxy.text())
        text = text.replace(proxy.settings["admin"]["listen"], f"127.0.0.1:{port}")
        check(path not in text, "the token file is still there")
        check(not proxy.reload(text=text), "the reload was taken")
        check_equal(statuses(), [401, 200], "of the old and the new token")
        proxy.wait_for_log("keep token_file")
    proxy.reload({})


@scenario("with a listener that asks for certificates before it, the admin listener is open to who has none")
def by_certificate(s):
    authority, clients = Authority(s), Authority(s, "clients")
    badge, secure = clients.issue("ada", client=True), s.port()
    tls = {"certificates": [authority.issue("ops.test").settings()], "client_ca": clients.cert}
    proxy = start_proxy(s, RawOrigin(s), {
        "listeners": {"ops": {"listen": f"127.0.0.1:{secure}", "tls": tls}},
        "upstreams": {"admin": {"endpoints": [f"unix:{s.path('evenkeel.sock')}"], "required": False}},
        "routes": [{"name": "ops", "listener": "ops", "upstream": "admin"}, {"name": "all", "upstream": "app"}]})

    def status(path, *fields, shown=badge, method="GET"):
        context = ssl.create_default_context(cafile=authority.cert)
        context.check_hostname = False
        if shown:
            context.load_cert_chain(shown.cert, shown.key)
        connection = http.client.HTTPSConnection("127.0.0.1", secure, timeout=patient(20), context=context)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Host": f"ops.test:{secure}", **dict(fields)})
            return connection.getresponse().status

    with s.case("who has one asks, and changes what it may"):
        check_equal(status("/status"), 200, "status")
        check_equal(status("/upstreams/app/breaker/auto", method="POST"), 200, "POST")
        own = ("Origin", f"https://ops.test:{secure}")
        check_equal(status("/upstreams/app/breaker/auto", own, method="POST"), 200, "POST of its own page")
    with s.case("a page of elsewhere, in the browser of who has one, changes nothing"):
        for field in (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")):
            check_equal(status("/drain", field, method="POST"), 403, f"POST /drain with {field}")
    for shown, what in ((None, "none"), (Authority(s, "others").issue("eve", client=True), "another authority's")):
        with s.case(f"who has {what} gets nothing"):
            try:
                answered = status("/status", shown=shown)
            except (OSError, http.client.HTTPException):
                answered = None
            check_equal(answered, None, "status")
    check_equal(proxy.admin_json("/status")["draining"], False, "draining")


run()
