"""The command line: -t, -T, -V, -h and --demo do and say what the manual promises."""

import os
import pwd
import re
import signal
import socket
import ssl

from harness import (Address, Process, RawOrigin, Skipped, check, check_equal, curl, eventually, program, render,
                     run, run_program, scenario, start_proxy)

GOOD = """
listeners = { web = { listen = "127.0.0.1:8080"; }; };
upstreams = { app = { endpoints = [ "127.0.0.1:8000" ]; }; };
routes = ( { name = "all"; upstream = "app"; } );
"""


def expect_errors(s, text, *expected, name="bad.conf"):
    """-t refuses the file, and says each of (line, words...) in one run."""
    s.write(name, text)
    done = run_program(s, "-t", "-c", name)
    said = done.stdout + done.stderr
    check_equal(done.returncode, 1, f"exit code, after\n{said}")
    for line, *words in expected:
        rows = [row for row in said.splitlines() if f"{name}:{line}:" in row]
        check(any(all(word in row for word in words) for row in rows), f"no {words} at {name}:{line} in\n{said}")


@scenario("-t accepts what is wrong, or refuses what is right")
def test_mode(s):
    with s.case("a good file: exit 0"):
        s.write("good.conf", GOOD)
        done = run_program(s, "-t", "-c", "good.conf")
        check_equal(done.returncode, 0, f"exit code, after\n{done.stdout}{done.stderr}")
        check(done.stdout.strip(), "nothing is said about the file")
    with s.case("an unknown key names the nearest known one"):
        expect_errors(s, GOOD + 'trusted_peer = [ "127.0.0.1/32" ];\n', (5, "trusted_peer", "trusted_peers"))
    with s.case("an unknown key deep inside, too"):
        expect_errors(s, GOOD.replace('endpoints =', 'pool = { max_request = 5; };\n endpoints ='),
                      (3, "max_request", "max_requests"))
    with s.case("a duplicate key"):
        expect_errors(s, GOOD + 'workers = 1;\nworkers = 2;\n', (6, "workers"))
    with s.case("a bare number where a duration belongs"):
        expect_errors(s, GOOD + "drain = { grace = 25; };\n", (5, "drain.grace"))
    with s.case("a duration without a unit, of zero, or infinite"):
        for value in ('"25"', '"0s"', '"infinite"', '"-1s"', '"1 fortnight"'):
            expect_errors(s, GOOD + f"drain = {{ grace = {value}; }};\n", (5, "drain.grace"))
    with s.case("a size of the wrong unit"):
        expect_errors(s, GOOD + 'limits = { body = "64s"; };\n', (5, "limits.body"))
    with s.case("a wrong type"):
        expect_errors(s, GOOD + 'workers = "many";\n', (5, "workers"))
    with s.case("a value outside its choices"):
        expect_errors(s, GOOD + 'log = { level = "loud"; };\n', (5, "log.level", "info"))
    with s.case("a route to an upstream that does not exist names the nearest"):
        expect_errors(s, GOOD.replace('upstream = "app"', 'upstream = "apps"'), (4, "apps"))
    with s.case("no listeners, upstreams or routes"):
        for key in ("listeners", "upstreams", "routes"):
            text = "\n".join(row for row in GOOD.splitlines() if not row.startswith(key))
            s.write("missing.conf", text)
            done = run_program(s, "-t", "-c", "missing.conf")
            check_equal(done.returncode, 1, f"exit code without {key}")
            check(key in done.stdout + done.stderr, f"{key} is not named:\n{done.stdout}{done.stderr}")
    with s.case("a bad address, port or endpoint"):
        expect_errors(s, GOOD.replace("127.0.0.1:8080", "127.0.0.1"), (2, "listen"))
        expect_errors(s, GOOD.replace("127.0.0.1:8080", "127.0.0.1:99999"), (2, "listen"))
        expect_errors(s, GOOD.replace("127.0.0.1:8000", "127.0.0.1:http"), (3, "endpoints"))
    with s.case("all errors of a file in one run"):
        expect_errors(s, "workers = -1;\nno_such_key = 1;\n" + GOOD + "drain = { grace = 25; };\nlog = { level = 3; };\n",
                      (1, "workers"), (2, "no_such_key"), (7, "drain.grace"), (8, "log.level"))
    with s.case("a syntax error has its line"):
        expect_errors(s, GOOD + "drain = { grace = ;\n", (5,))
    with s.case("a file that does not exist"):
        done = run_program(s, "-t", "-c", "nowhere.conf")
        check(done.returncode in (1, 2) and "nowhere.conf" in done.stderr + done.stdout, "it is not named")
    with s.case("binary rubbish and an empty file"):
        s.write("rubbish.conf", bytes(range(256)) * 20)
        check_equal(run_program(s, "-t", "-c", "rubbish.conf").returncode, 1, "exit code")
        s.write("empty.conf", "")
        check_equal(run_program(s, "-t", "-c", "empty.conf").returncode, 1, "exit code")


@scenario("-t speaks of what nobody wrote")
def quiet(s):
    top = os.environ["top_srcdir"]
    with open(f"{top}/README.md") as file:
        shown = next(block for block in re.findall(r"```[a-z]*\n(.*?)```", file.read(), re.S) if "upstreams = " in block)
    with open(f"{top}/contrib/evenkeel.conf.sample") as file:
        sample = file.read()
    for what, text in (("the minimal example", GOOD), ("the first example of the README", shown), ("the sample", sample)):
        with s.case(what):
            # addresses of other programs on this machine are not the configuration's
            text = re.sub(r'listen = "[^"]*"', lambda _: f'listen = "127.0.0.1:{s.port()}"', text)
            text = re.sub(r'"/var/[^"]*"', f'"{s.path("log")}"', text)
            if "admin = " not in text:
                text += f'admin = {{ listen = "127.0.0.1:{s.port()}"; }};\n'
            s.write("quiet.conf", text)
            done = run_program(s, "-t", "-c", "quiet.conf")
            check_equal((done.returncode, done.stderr), (0, ""), "exit code and complaints")
            rows = [row for row in done.stdout.splitlines() if row.startswith(("warning", "advice"))]
            check(not rows, f"it says {rows}")


@scenario("-t reports what follows from an error that it has reported")
def one_mistake(s):
    for what, text in (
            ("a section's name", GOOD.replace("upstreams =", "upstream =")),
            ("the key of the endpoints", GOOD.replace("endpoints", "endpoint")),
            ("an endpoint", GOOD.replace("127.0.0.1:8000", "127.0.0.1")),
            ("the key of an address", GOOD.replace("listen =", "liste =")),
            ("an address", GOOD.replace("127.0.0.1:8080", "127.0.0.1")),
            ("the key of a route's upstream", GOOD.replace("upstream =", "upstrem =")),
            ("the shape of a section", GOOD.replace("upstreams = {", "upstreams = (").replace("]; }; };", "]; } } );"))):
        with s.case(what):
            s.write("bad.conf", text)
            done = run_program(s, "-t", "-c", "bad.conf")
            rows = [row for row in done.stderr.splitlines() if "evenkeel: error: " in row]
            check_equal((done.returncode, len(rows)), (1, 1), f"exit code and number of errors in\n{done.stderr}")


@scenario("@include is not followed, or errors in an included file are misplaced")
def includes(s):
    s.write("upstreams.inc", 'upstreams = { app = { endpoints = [ "127.0.0.1:8000" ]; }; };\n')
    main = 'listeners = { web = { listen = "127.0.0.1:8080"; }; };\n@include "upstreams.inc"\n' \
           'routes = ( { name = "all"; upstream = "app"; } );\n'
    s.write("main.conf", main)
    with s.case("an included file counts"):
        done = run_program(s, "-t", "-c", "main.conf")
        check_equal(done.returncode, 0, f"exit code, after\n{done.stdout}{done.stderr}")
    with s.case("relative to the including file, not to the working directory"):
        done = run_program(s, "-t", "-c", s.path("main.conf"))
        check_equal(done.returncode, 0, f"exit code, after\n{done.stdout}{done.stderr}")
    with s.case("an error names the included file and its line"):
        s.write("upstreams.inc", '\n\nupstreams = { app = { endpoint = [ "127.0.0.1:8000" ]; }; };\n')
        done = run_program(s, "-t", "-c", "main.conf")
        check_equal(done.returncode, 1, "exit code")
        check("upstreams.inc:3:" in done.stdout + done.stderr, f"said\n{done.stdout}{done.stderr}")
    with s.case("a missing included file is an error"):
        s.write("main.conf", main.replace("upstreams.inc", "missing.inc"))
        done = run_program(s, "-t", "-c", "main.conf")
        check_equal(done.returncode, 1, "exit code")


@scenario("-T does not print the effective configuration, or prints one that is not accepted")
def dump(s):
    s.write("good.conf", GOOD)
    done = run_program(s, "-T", "-c", "good.conf")
    check_equal(done.returncode, 0, f"exit code, after\n{done.stderr}")
    for row in ("grace", "25s", "max_requests", "10000", "127.0.0.1:8000"):
        check(row in done.stdout, f"{row} is missing in\n{done.stdout}")
    s.write("dumped.conf", done.stdout)
    with s.case("the dump is a configuration, and dumps as itself"):
        again = run_program(s, "-T", "-c", "dumped.conf")
        check_equal((again.returncode, again.stdout), (0, done.stdout), "the dump of the dump")
    with s.case("a bad file is not dumped"):
        s.write("bad.conf", GOOD + "nonsense = 1;\n")
        check_equal(run_program(s, "-T", "-c", "bad.conf").returncode, 1, "exit code")


@scenario("-V, -h or a wrong command line do not answer as they should")
def options(s):
    with s.case("-V prints the version"):
        done = run_program(s, "-V")
        check_equal(done.returncode, 0, "exit code")
        check(re.search(r"evenkeel \d+\.\d+\.\d+", done.stdout), f"said {done.stdout!r}")
    with s.case("-h prints the options"):
        done = run_program(s, "-h")
        check_equal(done.returncode, 0, "exit code")
        for option in ("-c", "-t", "-T", "-V", "-h", "--ask", "--demo", "--json"):
            check(option in done.stdout, f"{option} is missing in\n{done.stdout}")
    for arguments in ([], ["-x"], ["-c"], ["-c", "a", "b"], ["--no-such-option"], ["-t"]):
        with s.case(f"the command line {arguments} is refused with 2 and a word on stderr"):
            done = run_program(s, *arguments)
            check_equal((done.returncode, bool(done.stderr.strip())), (2, True), f"exit code, after {done.stderr!r}")
    with s.case("a bad file at the start: exit 1 with file:line"):
        s.write("bad.conf", GOOD + "nonsense = 1;\n")
        done = run_program(s, "-c", "bad.conf")
        check_equal(done.returncode, 1, "exit code")
        check("bad.conf:5:" in done.stderr, f"said {done.stderr!r}")
    with s.case("an address in use: exit 1, and it says which"):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            s.write("taken.conf", GOOD.replace("127.0.0.1:8080", address) + 'admin = { listen = "unix:admin.sock"; };\n')
            done = run_program(s, "-c", "taken.conf")
            check_equal(done.returncode, 1, f"exit code, after\n{done.stderr}")
            check(address in done.stderr, f"said {done.stderr!r}")


@scenario("the pid file is missing, wrong, or left behind")
def pid_file(s):
    origin = RawOrigin(s)
    path = s.path("evenkeel.pid")
    proxy = start_proxy(s, origin, {"pid_file": path})
    with open(path) as file:
        check_equal(int(file.read()), proxy.pid, "pid in the file")
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit()
    check(not os.path.exists(path), "the pid file is left behind")


@scenario("the program keeps the rights it was started with although it was given a user")
def drops_user(s):
    if os.getuid() != 0:
        raise Skipped("only root can become somebody else")
    os.chmod(s.directory, 0o755)
    nobody = pwd.getpwnam("nobody")
    proxy = start_proxy(s, RawOrigin(s), {"user": "nobody"})
    with open(f"/proc/{proxy.pid}/status") as status:
        rows = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    check_equal(set(rows["Uid"].split()), {str(nobody.pw_uid)}, "user ids")
    check_equal(set(rows["Gid"].split()), {str(nobody.pw_gid)}, "group ids")
    check("0" not in rows["Groups"].split(), f"groups: {rows['Groups']}")
    check_equal(int(rows["CapEff"], 16), 0, "effective capabilities")
    for task in os.listdir(f"/proc/{proxy.pid}/task"):
        with open(f"/proc/{proxy.pid}/task/{task}/status") as status:
            check(f"Uid:\t{nobody.pw_uid}\t" in status.read(), f"thread {task} has kept its user")
    check_equal(proxy.get("/").status, 200, "status")
    check(proxy.reload({"drain": {"grace": "6s"}}), "the reload was rejected")


KEYS = {
    "warm_state.key_file": 'warm_state = {{ path = "{folder}/warm"; key_file = "{path}"; }};',
    "tls_tickets.keys": 'tls_tickets = {{ keys = "{path}"; }};',
}


@scenario("-t passes what a start refuses")
def start_refuses(s):
    exposed, short = s.write("exposed.key", "ab" * 32), s.write("short.key", "abc")
    os.chmod(exposed, 0o644)
    os.chmod(short, 0o600)
    for what, line, words in [
            (f"{key} is {state}", line.format(folder=s.directory, path=path), (key, path))
            for key, line in KEYS.items()
            for state, path in (("missing", s.path("nowhere.key")), ("malformed", short), ("exposed", exposed))
    ] + [("the user does not exist", 'user = "no-such-user";', ("user no-such-user",))]:
        with s.case(what):
            path = s.write("bad.conf", GOOD.replace("127.0.0.1:8080", f"127.0.0.1:{s.port()}") + line + "\n"
                           f'admin = {{ listen = "unix:{s.path("admin.sock")}"; }};\n')
            for arguments in (("-t", "-c", path), ("-c", path)):
                done = run_program(s, *arguments)
                check_equal(done.returncode, 1, f"exit code of {arguments[0]}")
                check(all(word in done.stderr for word in words), f"{arguments} says {done.stderr}")


@scenario("-t is silent about what would make a start fail here and now")
def start_warned(s):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for what, text, words in (
                ("the port of a listener is in use", GOOD.replace("127.0.0.1:8080", f"127.0.0.1:{port}"),
                 f"listeners.web.listen: 127.0.0.1:{port} is in use"),
                ("the port of the admin listener is in use", GOOD + f'admin = {{ listen = "127.0.0.1:{port}"; }};\n',
                 f"admin.listen: 127.0.0.1:{port} is in use"),
                ("an address of another machine", GOOD.replace("127.0.0.1:8080", "192.0.2.7:8080"),
                 "listeners.web.listen: 192.0.2.7:8080: a start would fail"),
                ("a log in a folder that is not there", GOOD + 'log = { path = "/nowhere/error.log"; };\n',
                 "log.path: /nowhere/error.log: a start would fail"),
                ("a pid file likewise", GOOD + 'pid_file = "/nowhere/pid";\n', "pid_file: /nowhere/pid: a start would fail")):
            with s.case(what):
                s.write("good.conf", text)
                done = run_program(s, "-t", "-c", "good.conf")
                check_equal(done.returncode, 0, f"exit code, after\n{done.stdout}{done.stderr}")
                check(f"warning: {words}" in done.stderr, f"it says {done.stderr}")


@scenario("--ask does not say what the admin listener says, or hangs")
def ask(s):
    origin = RawOrigin(s)
    for name, listen in (("tcp", f"127.0.0.1:{s.port()}"), ("unix", f"unix:{s.path('ask.sock')}")):
        proxy = start_proxy(s, origin, {"admin": {"listen": listen}}, name=name)
        with s.case(f"{name}: a page"):
            done = run_program(s, "--ask", "/livez", "-c", proxy.config_path)
            check_equal((done.returncode, done.stdout, done.stderr), (0, "ok\n", ""), "exit code and output")
        with s.case(f"{name}: a long page, whole"):
            done = run_program(s, "--ask", "/metrics", "-c", proxy.config_path)
            check(done.returncode == 0 and len(done.stdout) > 20000 and "evenkeel_draining 0" in done.stdout,
                  f"exit code {done.returncode}, {len(done.stdout)} bytes")
        with s.case(f"{name}: a page that there is not"):
            done = run_program(s, "--ask", "/nothing", "-c", proxy.config_path)
            check_equal(done.returncode, 1, "exit code")
            check("status 404" in done.stderr, f"it says {done.stderr}")
        with s.case(f"{name}: a process that does not answer"), proxy.asleep():
            check_equal(run_program(s, "--ask", "/livez", "-c", proxy.config_path, within=20).returncode, 1, "exit code")
        proxy.stop()
        with s.case(f"{name}: no process"):
            done = run_program(s, "--ask", "/livez", "-c", proxy.config_path)
            check_equal(done.returncode, 1, "exit code")
            check("admin listener" in done.stderr, f"it says {done.stderr}")


@scenario("a stale admin socket keeps the program from starting")
def stale_socket(s):
    origin = RawOrigin(s)
    socket_path = f"unix:{s.path('admin.sock')}"
    first = start_proxy(s, origin, {"admin": {"listen": socket_path}})
    first.kill()
    second = start_proxy(s, origin, {"admin": {"listen": socket_path}}, name="evenkeel-again")
    check_equal(second.admin("/livez")[0], 200, "status of /livez")


@scenario("the demo does not work, or does not say what to try")
def demo(s):
    # The usual ports may be taken on this machine; others can be asked for.
    web, admin, secure = s.port(), s.port(), s.port()
    demo_ = Process(s, "demo", [program(), "--demo", str(web), str(admin), str(secure)])

    def invites():
        check(demo_.exit_code is None, f"it exited:\n{demo_.log()}")
        return "Ctrl-C" in demo_.log()

    eventually(invites, "the demo says what to try")
    said = demo_.log()
    tries = re.findall(r"curl[^\n]*", said)
    with s.case("the terminal says what to try"):
        check(len(tries) >= 3, f"it says\n{said}")
    with s.case("both backends answer with who they are"):
        seen = {curl(f"http://127.0.0.1:{web}/").text for _ in range(20)}
        check(len(seen) >= 2, f"answers: {seen}")
    with s.case("curl -i shows a response through the proxy"):
        done = curl("-i", f"http://127.0.0.1:{web}/")
        check(done.out.startswith(b"HTTP/1.1 200"), f"it shows {done.text}")
    with s.case("both listeners speak HTTP/2, one of them over TLS with a certificate for this host"):
        for option, url in (("--http2-prior-knowledge", f"http://127.0.0.1:{web}/"), ("-k", f"https://127.0.0.1:{secure}/")):
            done = curl("-i", option, url)
            check(done.out.startswith(b"HTTP/2 200"), f"{url} shows {done.text}")
            check(re.search(rf"curl [^\n]*{option} {re.escape(url)}", said), f"{url} is not among what to try:\n{said}")
        certificate = ssl.get_server_certificate(("127.0.0.1", secure))
        trusting = ssl.create_default_context(cadata=certificate)
        for name in ("127.0.0.1", "localhost"):
            with socket.create_connection(("127.0.0.1", secure)) as plain, trusting.wrap_socket(plain, server_hostname=name) as tls:
                check_equal(tls.version(), "TLSv1.3", "version")
    with s.case("there is a slow path and a failing path"):
        for path, sign in (("/slow", lambda d: d.text.endswith("200")), ("/fail", lambda d: d.text[-3:] >= "500")):
            check(path in said, f"{path} is not among what to try:\n{said}")
            done = curl("-w", "%{http_code}", f"http://127.0.0.1:{web}{path}", within=30)
            check(sign(done), f"{path} gives {done.text!r}")
    with s.case("admin answers"):
        check_equal(curl("-f", f"http://127.0.0.1:{admin}/livez").code, 0, "exit code of curl")
        check(b"evenkeel_" in curl(f"http://127.0.0.1:{admin}/metrics").out, "no metrics")
    with s.case("it ends on SIGINT"):
        demo_.signal(signal.SIGINT)
        check_equal(demo_.wait(10), 0, "exit code")


@scenario("an included default differs from what the program does: an empty group changes something")
def empty_groups(s):
    origin = RawOrigin(s)
    address = Address(f"127.0.0.1:{s.port()}")
    text = render({"listeners": {"web": {"listen": address}}, "upstreams": {"app": {"endpoints": [origin.address]}},
                   "routes": [{"name": "all", "upstream": "app"}]})
    s.write("plain.conf", text)
    s.write("groups.conf", text + "limits = { };\nlog = { access = { }; };\nresolver = { };\ndrain = { };\n")
    plain, groups = run_program(s, "-T", "-c", "plain.conf"), run_program(s, "-T", "-c", "groups.conf")
    check_equal((plain.returncode, groups.returncode), (0, 0), f"exit codes, after\n{plain.stderr}{groups.stderr}")
    check_equal(groups.stdout, plain.stdout, "the dump with empty groups")


run()
