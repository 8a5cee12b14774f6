"""Routes that answer with files of disks that hang: nobody else waits for them, neither a request nor the end of the process."""

import contextlib
import os
import signal
import time

from harness import RawOrigin, check, check_equal, eventually, patient, run, scenario, start_proxy
from harness.disk import HangingDisk
from harness.h2_wire import H2Client

CLEARTEXT = {"listeners": {"web": {"http2": {"cleartext": True}}}}
REST = {"name": "all", "upstream": "app"}


def files(root, name="files", **more):
    return {"name": name, "files": {"root": root, **more}}


def folder(s, name, content):
    """A folder with an index."""
    path = s.path(name)
    os.makedirs(path)
    with open(os.path.join(path, "index.html"), "wb") as file:
        file.write(content)
    return path


def ask_all(proxy, target, count):
    """So many requests at a time, none of which is read; returns their connections."""
    clients = [proxy.client() for _ in range(count)]
    for client in clients:
        client.send(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
    return clients


@scenario("a disk that hangs stalls other requests, or those that wait for it wait for ever")
def hanging(s):
    root = folder(s, "root", b"index")
    disk = HangingDisk(s)
    origin = RawOrigin(s)
    origin.on("/app", status=200, body=b"app")
    proxy = start_proxy(s, origin, {**CLEARTEXT, "routes": [
        {"path_prefix": "/hangs", **files(disk.path, "hangs", timeout="1s")}, {"path_prefix": "/sub", "rewrite": {"strip_prefix": "/sub"}, **files(root)}, REST]})
    with s.case("others are served while many wait"):
        clients = ask_all(proxy, "/hangs/x", 40)
        eventually(lambda: proxy.bound("file_tasks")["used"] >= 40, "they wait for the disk")
        began = time.monotonic()
        for _ in range(20):
            check_equal(bytes(proxy.get("/sub/").body), b"index", "a file of another disk")
            check_equal(bytes(proxy.get("/app").body), b"app", "what needs no disk")
        check(time.monotonic() - began < patient(1), "they were slow")
    with s.case("who waits is told"):
        for client in clients:
            answer = client.response()
            check_equal((answer.status, b"disk_timeout" in answer.body, answer.get("Retry-After") is not None), (503, True, True), "answer")
            client.close()
        check_equal(proxy.bound("file_tasks")["used"], 4, "tasks that hang on")
    with s.case("so many wait for one disk, not more"), contextlib.ExitStack() as stack:
        connections = [stack.enter_context(H2Client(proxy.address)) for _ in range(3)]
        streams = [(each, each.ask(path="/hangs/x")) for each in connections for _ in range(100)]
        answers = [each.response(stream) for each, stream in streams]
        reasons = {b"disk_busy" in answer.body for answer in answers}
        check_equal(({answer.status for answer in answers}, reasons), ({503}, {True, False}), "answers")
        check(proxy.bound("file_tasks")["refused"] >= 300 - 256 - 4, "nothing was refused")
    with s.case("a reload does not wait for it"):
        check(proxy.reload({}), "the reload was rejected")
        check_equal(proxy.get("/sub/").status, 200, "status")
    with s.case("once it answers, all is as before"):
        disk.end()
        eventually(lambda: proxy.bound("file_tasks")["used"] == 0, "the tasks that hung are over")
        os.mkdir(os.path.join(disk.path, "hangs"))
        with open(os.path.join(disk.path, "hangs", "x"), "wb") as file:
            file.write(b"there")
        check_equal(bytes(proxy.get("/hangs/x").body), b"there", "body")


@scenario("a process does not end because a disk hangs")
def ends(s):
    disk = HangingDisk(s)
    proxy = start_proxy(s, RawOrigin(s), {"routes": [files(disk.path, timeout="1s"), REST], "drain": {"grace": "3s"}})
    clients = ask_all(proxy, "/x", 8)
    eventually(lambda: proxy.bound("file_tasks")["used"] >= 8, "they wait for the disk")
    proxy.signal(signal.SIGTERM)
    proxy.expect_clean_exit(within=10)
    for client in clients:
        client.close()


@scenario("many folders of one disk that hangs take all threads, and folders of other disks are not served")
def many_roots(s):
    disk = HangingDisk(s)
    dead = [{"path_prefix": f"/{i}", **files(os.path.join(disk.path, str(i)), f"dead{i}", timeout="1m")} for i in range(8)]
    alive = [{"path_prefix": f"/alive{i}", "rewrite": {"strip_prefix": f"/alive{i}"}, **files(folder(s, f"alive{i}", b"index"), f"alive{i}")} for i in range(4)]
    proxy = start_proxy(s, RawOrigin(s), {**CLEARTEXT, "routes": [*dead, *alive, REST]})
    clients = [client for i in range(8) for client in ask_all(proxy, f"/{i}/x", 6)]
    eventually(lambda: proxy.bound("file_tasks")["used"] == 48, "they wait for the disk")
    for turn in range(2):
        for i in range(4):
            with s.case(f"another folder, {i}, turn {turn}"):
                check_equal(bytes(proxy.get(f"/alive{i}/").body), b"index", "body")
    disk.end()
    for client in clients:
        client.response()
        client.close()
    proxy.rest()


@scenario("a process does not end because files of a disk that hangs are to be closed")
def closes(s):
    pid_path = s.path("pid")
    with HangingDisk(s, {"large.bin": bytes(8 << 20)}) as disk:
        proxy = start_proxy(s, RawOrigin(s), {"routes": [files(disk.path), REST], "drain": {"grace": "1m"}, "pid_file": pid_path})
        clients = [proxy.client(receive_buffer=4096) for _ in range(12)]
        for client in clients:
            client.send("GET /large.bin HTTP/1.1\r\nHost: h\r\n\r\n")
            client.reader.through(b"\r\n\r\n")
        disk.hang("flush")
        proxy.signal(signal.SIGTERM)
        proxy.wait_for_log("drain: finishing")
        proxy.signal(signal.SIGTERM)
        # the kernel waits for the disk too, at the very end of a process
        eventually(lambda: not os.path.exists(pid_path), "all of it is over but for what the kernel closes")
    proxy.expect_clean_exit(within=10, codes=(3,))
    for client in clients:
        client.close()


run()
