"""`user`: the process starts as root and goes on as somebody else; what the operator asks for later still works."""

import contextlib
import os
import pwd
import signal

from harness import (Authority, RawOrigin, Skipped, access_rows, check, check_equal, eventually, render, run,
                     run_program, scenario, start_proxy)

NAME = "nobody"


def somebody():
    if os.geteuid() != 0:
        raise Skipped("only root can become another user")
    return pwd.getpwnam(NAME)


class Logs:
    """A folder for the logs, of root's or of the user's own, that the user can at least look into."""

    def __init__(self, s, owner):
        os.chmod(s.directory, 0o711)
        self.folder = s.path("logs")
        os.mkdir(self.folder, 0o755)
        os.chown(self.folder, owner, -1)
        self.error, self.access = (os.path.join(self.folder, name) for name in ("error.log", "access.log"))

    def settings(self, **more):
        return {"user": NAME, "workers": 1, "log": {"path": self.error, "access": {"path": self.access, **more}}}


def text_of(path):
    with contextlib.suppress(FileNotFoundError), open(path) as file:
        return file.read()
    return ""


def targets(*paths):
    return [row["target"] for path in paths for row in access_rows(path)]


def started(s, owner, **more):
    logs = Logs(s, owner)
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    proxy = start_proxy(s, origin, {**logs.settings(**more), "admin": {"listen": f"127.0.0.1:{s.port()}"}})
    with open(f"/proc/{proxy.pid}/status") as status:
        row = next(row for row in status if row.startswith("Uid:"))
    check_equal(set(row.split()[1:]), {str(pwd.getpwnam(NAME).pw_uid)}, "the users that the process runs as")
    return logs, proxy


def ask(proxy, target):
    check_equal(proxy.get(target).status, 200, "status")


def reopen(logs, proxy):
    def count():
        return sum(text_of(os.path.join(logs.folder, name)).count("logs reopened") for name in os.listdir(logs.folder))

    before = count()
    proxy.signal(signal.SIGUSR1)
    eventually(lambda: count() > before, "the logs are reopened")


@scenario("with `user` set and the logs in a folder of root's, reload and SIGUSR1 lose every later line")
def folder_of_root(s):
    user = somebody()
    logs, proxy = started(s, 0)
    with s.case("the files are the user's"):
        check_equal({os.stat(path).st_uid for path in (logs.error, logs.access)}, {user.pw_uid}, "owner")
    with s.case("a reload is taken"):
        check(proxy.reload({"limits": {"body": "1MiB"}}), f"rejected:\n{text_of(logs.error)}")
        ask(proxy, "/reloaded")
        eventually(lambda: targets(logs.access) == ["/reloaded"], "its line is there")
    with s.case("files that were moved away and cannot be made anew are written on"):
        moved = [f"{path}.1" for path in (logs.error, logs.access)]
        os.rename(logs.error, moved[0])
        os.rename(logs.access, moved[1])
        reopen(logs, proxy)
        ask(proxy, "/kept")
        eventually(lambda: targets(moved[1]) == ["/reloaded", "/kept"], "the line is in the old file")
        eventually(lambda: "logs reopened" in text_of(moved[0]), "the error log goes on in the old file")
        proxy.wait_for_log("cannot reopen")
    with s.case("files that were made for the user are taken"):
        for path in (logs.error, logs.access):
            with open(path, "w"):
                os.chown(path, user.pw_uid, -1)
        reopen(logs, proxy)
        ask(proxy, "/anew")
        eventually(lambda: targets(logs.access) == ["/anew"], "the line is in the new file")
    with s.case("a reload that names a log that cannot be opened is rejected, and the old one goes on"):
        check(not proxy.reload({"log": {"access": {"path": os.path.join(logs.folder, "other.log")}}}), "taken")
        ask(proxy, "/still")
        eventually(lambda: targets(logs.access) == ["/anew", "/still"], "the line is in the old file")


@scenario("with `user` set, the folder of the logs closed to everybody but root makes each reload fail")
def closed_folder(s):
    somebody()
    logs, proxy = started(s, 0)
    os.chmod(logs.folder, 0o700)
    check(proxy.reload({"limits": {"body": "1MiB"}, "log": {"level": "info"}}), f"rejected:\n{text_of(logs.error)}")
    ask(proxy, "/reloaded")
    reopen(logs, proxy)
    ask(proxy, "/reopened")
    eventually(lambda: targets(logs.access) == ["/reloaded", "/reopened"], "the lines are there")


@scenario("with `user` set and the logs in a folder of the user's, rotation by others or by itself loses lines")
def folder_of_user(s):
    user = somebody()
    logs, proxy = started(s, user.pw_uid, rotate_size="64KiB", keep=9)
    with s.case("moved away and reopened"):
        os.rename(logs.access, f"{logs.access}.moved")
        reopen(logs, proxy)
        ask(proxy, "/0")
        eventually(lambda: targets(logs.access) == ["/0"], "the line is in the new file")
    with s.case("rotated by size"):
        rotated = [f"{logs.access}.{number}" for number in range(9, 0, -1)]
        for number in range(1, 60):
            ask(proxy, f"/{number}?{'x' * 3000}")
        eventually(lambda: len(targets(*rotated, logs.access)) == 60, "each request has its line")
        check(os.path.exists(f"{logs.access}.1"), "nothing was rotated")
        check_equal([target.partition("?")[0] for target in targets(*rotated, logs.access)],
                    [f"/{number}" for number in range(60)], "targets in their order")


@scenario("a log that is no file of root's own is given away at the start")
def given_away(s):
    somebody()
    logs = Logs(s, 0)
    secret = s.write("secret", "")
    os.chmod(secret, 0o600)
    os.symlink(secret, logs.access)
    origin = RawOrigin(s)
    proxy = start_proxy(s, origin, {**logs.settings(), "admin": {"listen": f"127.0.0.1:{s.port()}"}})
    check_equal(os.stat(secret).st_uid, 0, "owner of what a link led to")
    eventually(lambda: f"log {logs.access} stays its owner's" in text_of(logs.error), "the log tells")
    check(proxy.reload({"limits": {"body": "1MiB"}}), f"rejected:\n{text_of(logs.error)}")



@scenario("-t does not say that reloads will fail because `user` cannot read what root can")
def unreadable_for_the_user(s):
    somebody()
    os.chmod(s.directory, 0o711)
    site = Authority(s, "authority").issue("shop.test")
    keys = s.write("ticket.keys", os.urandom(80))
    text = render({
        "user": NAME, "admin": {"listen": f"127.0.0.1:{s.port()}"}, "tls_tickets": {"keys": keys},
        "listeners": {"web": {"listen": f"127.0.0.1:{s.port()}", "tls": {"certificates": [site.settings()]}}},
        "upstreams": {"app": {"endpoints": ["127.0.0.1:1"]}}, "routes": [{"name": "all", "upstream": "app"}]})
    path = s.write("site.conf", text)
    for file in (path, keys, site.cert, site.key):
        os.chmod(file, 0o644)
    with s.case("all can be read"):
        done = run_program(s, "-t", "-c", path)
        check_equal((done.returncode, "by user" in done.stderr), (0, False), f"exit code, after\n{done.stderr}")
    for file in (path, keys, site.key):
        with s.case(f"{os.path.basename(file)} is root's alone"):
            os.chmod(file, 0o600)
            done = run_program(s, "-t", "-c", path)
            check_equal(done.returncode, 0, f"exit code, after\n{done.stderr}")
            rows = [row for row in done.stderr.splitlines() if file in row and f"by user {NAME}" in row]
            check(rows, f"it says {done.stderr}")
            os.chmod(file, 0o644)

run()
