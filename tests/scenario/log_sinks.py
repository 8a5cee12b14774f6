"""Where logs go: pipes that nobody reads, disks that are full, devices and files that others rotate. No log waits for another,
and every line is written whole or counted as lost."""

import contextlib
import fcntl
import json
import os
import re
import signal
import stat
import struct
import subprocess
import termios

from harness import (NginxOrigin, RawOrigin, Skipped, check, check_equal, eventually, h2load, program, run,
                     run_program, scaled, scenario, start_proxy)

# Fields that make an access line long: queues of a MiB are full after a few hundred requests.
LONG = [("User-Agent", "u" * 1000), ("Referer", "r" * 1000)]
LOST = re.compile(r"access log \S+: (\d+) lines were lost")


def quick_origin(s):
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    return origin


def ask(proxy, count, first=0):
    with proxy.client() as client:
        for number in range(first, first + count):
            check_equal(client.request("GET", f"/{number}?{'t' * 900}", LONG).status, 200, "status")


def numbers(text):
    """The numbers of the requests that these access lines are about; each line has to parse."""
    return [int(json.loads(row)["target"][1:].partition("?")[0]) for row in text.splitlines()]


def wrapped(s, commands):
    """The program behind a shell's commands."""
    path = s.path("wrapper")
    with open(path, "w") as file:
        file.write(f'#!/bin/sh\n{commands}\n')
    os.chmod(path, 0o755)
    return path


class Pipe:
    """A FIFO and its reading end, which holds a page and is not read until asked to."""

    def __init__(self, s, name):
        self.path = s.path(name)
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.text = b""

    def small(self):
        fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, 4096)
        return self

    def held_bytes(self):
        return struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, b"\0" * 4))[0]

    def read(self):
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self.fd, 65536):
                self.text += more
        return self.text.decode()

    def close(self):
        os.close(self.fd)


def read_file(path):
    with contextlib.suppress(FileNotFoundError), open(path) as file:
        return file.read()
    return ""


@scenario("a standard output that nobody reads silences the error log")
def unread_output(s):
    pipe = Pipe(s, "stdout.fifo")
    error_log = s.path("error.log")
    proxy = start_proxy(s, quick_origin(s), {
        "workers": 1, "log": {"path": error_log, "level": "info", "access": {"path": "stdout", "format": "json"}}},
        executable=wrapped(s, f'exec {program()} "$@" >{pipe.path}'))
    asked = 600
    ask(proxy, asked)
    with s.case("the error log goes on"):
        proxy.signal(signal.SIGUSR1)
        eventually(lambda: "logs reopened" in read_file(error_log), "the error log says what happens")
    with s.case("it says that lines are being lost, and why"):
        eventually(lambda: "access log stdout: lines are being lost: its reader does not keep up" in read_file(error_log),
                   "the loss is told")
        dropped = proxy.metric("evenkeel_log_dropped_total", log="access")
        check(dropped > 0, "nothing is counted")
        check_equal(proxy.metric("evenkeel_log_dropped_total", log="error"), 0, "lines lost of the error log")
        check_equal(proxy.bound("log_ring_bytes", "access")["refused"], dropped, "refusals of its queue")
    with s.case("once it is read all lines but the lost ones come, whole, and the count is told"):
        eventually(lambda: len(pipe.read().splitlines()) >= asked - dropped, "the rest arrives")
        told = eventually(lambda: LOST.search(read_file(error_log)), "the end is told")
        check_equal(int(told[1]), dropped, "lines told to be lost")
        check_equal(numbers(pipe.read()), list(range(asked - int(dropped))), "lines that came")
    with s.case("lines come as before"):
        ask(proxy, 3, first=asked)
        eventually(lambda: numbers(pipe.read())[-3:] == [asked, asked + 1, asked + 2], "new lines arrive")
    with s.case("what cannot be written at the end is told"):
        ask(proxy, 100, first=asked + 3)
        proxy.stop()
        check(re.search(r"access log stdout: \d+ lines are lost at the end", read_file(error_log)), "nothing is told")
    pipe.close()


@scenario("a standard error that nobody reads silences the access log")
def unread_errors(s):
    pipe = Pipe(s, "stderr.fifo").small()
    access_log = s.path("access.log")
    proxy = start_proxy(s, quick_origin(s), {
        "workers": 1, "log": {"path": "stderr", "level": "info", "access": {"path": access_log, "format": "json"}}},
        executable=wrapped(s, f'exec {program()} "$@" 2>{pipe.path}'))

    seen = [-1, -2, -3]
    while len(set(seen[-3:])) > 1:  # each reload has something to say
        check(proxy.reload({}), "the reload is rejected")
        seen.append(pipe.held_bytes())
    ask(proxy, 1)
    with s.case("the access log goes on"):
        eventually(lambda: numbers(read_file(access_log)) == [0], "the access line is written")
    with s.case("nothing of the error log is lost that fits into its queue"):
        eventually(lambda: pipe.read().count(" info: generation ") >= len(seen) - 3, "the rest arrives")
        check_equal(proxy.metric("evenkeel_log_dropped_total", log="error"), 0, "lines lost")
    proxy.stop()
    pipe.close()


@scenario("a FIFO that nobody reads yet keeps the process from starting")
def reader_comes_late(s):
    path = s.path("access.fifo")
    os.mkfifo(path)
    proxy = start_proxy(s, quick_origin(s), {"workers": 1, "log": {"access": {"path": path, "format": "json"}}})
    ask(proxy, 10)
    proxy.wait_for_log(f"access log {path}: cannot write: nobody reads it")
    for first in (0, 10):
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        text = b""

        def lines(reader=reader):
            nonlocal text
            with contextlib.suppress(BlockingIOError):
                text += os.read(reader, 65536)
            return text.count(b"\n") >= 10

        with s.case(f"a reader that comes gets all that was queued, from {first} on"):
            eventually(lines, "the lines arrive")
            check_equal(numbers(text.decode()), list(range(first, first + 10)), "lines")
        os.close(reader)
        ask(proxy, 10, first=first + 10)
    check_equal(proxy.metric("evenkeel_log_dropped_total", log="access"), 0, "lines lost")


@scenario("lines lost to a full disk are not counted")
def full_disk(s):
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        raise Skipped("no file system can be mounted here without others seeing it")
    folder = s.path("disk")
    os.mkdir(folder)
    size = 4 * 1024 * 1024
    proxy = start_proxy(s, quick_origin(s), {
        "workers": 1, "log": {"level": "info", "access": {"path": f"{folder}/access.log", "format": "json"}}},
        executable=wrapped(s, f'exec unshare -m sh -c \'mount -t tmpfs -o size={size} none {folder} && exec {program()} "$@"\' sh "$@"'))
    disk = f"/proc/{proxy.pid}/root{folder}"
    with open(f"{disk}/filler", "wb") as filler:
        filler.write(bytes(size - 64 * 1024))
    asked = 600
    ask(proxy, asked)
    with s.case("the operator is told"):
        proxy.wait_for_log("cannot write: No space left on device")
        proxy.wait_for_log("lines are being lost: No space left on device")

    def dropped():
        return int(proxy.metric("evenkeel_log_dropped_total", log="access"))

    check(dropped() > 0, "nothing is counted")
    with s.case("once there is space all lines but the lost ones are in the file, whole, and the count is told"):
        os.remove(f"{disk}/filler")
        eventually(lambda: read_file(f"{disk}/access.log").count("\n") + dropped() >= asked, "the rest is written")
        eventually(lambda: sum(map(int, LOST.findall(proxy.log()))) == dropped(), "as many are told to be lost as are counted")
        there = numbers(read_file(f"{disk}/access.log"))
        check_equal(len(there) + dropped(), asked, "lines that are there or lost")
        check_equal(there, sorted(set(there)), "order")


def rotating(path):
    """Every 64 KiB, which is some 20 long lines."""
    return {"log": {"path": path, "rotate_size": "64KiB", "access": {"path": path, "format": "json", "rotate_size": "64KiB"}}}


def unchanged(path, before):
    now = os.lstat(path)
    check_equal((stat.S_IFMT(now.st_mode), now.st_ino, now.st_rdev), (stat.S_IFMT(before.st_mode), before.st_ino, before.st_rdev),
                f"what is at {path}")
    check_equal([name for name in os.listdir(os.path.dirname(path)) if name.startswith(os.path.basename(path) + ".")], [],
                "files beside it")


@scenario("rotation renames a device node")
def rotated_device(s):
    path = s.path("null")
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.close(os.open(path, os.O_WRONLY))
    except OSError as fault:
        raise Skipped(f"no device nodes here: {fault}") from None
    before = os.lstat(path)
    proxy = start_proxy(s, quick_origin(s), {"workers": 1, **rotating(path)})
    ask(proxy, 100)
    proxy.stop()
    unchanged(path, before)
    with s.case("-t says that it is not rotated"):
        said = run_program(s, "-t", "-c", proxy.config_path).stdout
        check(f"log.path: {path}: a device: it is not rotated" in said, said)
        check(f"log.access.path: {path}: a device: it is not rotated" in said, said)


@scenario("rotation renames a FIFO")
def rotated_fifo(s):
    pipe = Pipe(s, "fifo")
    before = os.lstat(pipe.path)
    proxy = start_proxy(s, quick_origin(s), {
        "workers": 1, "log": {"access": {"path": pipe.path, "format": "json", "rotate_size": "64KiB"}}})
    for first in range(0, 100, 10):
        ask(proxy, 10, first)
        eventually(lambda first=first: len(pipe.read().splitlines()) >= first + 10, "the lines arrive")
    unchanged(pipe.path, before)
    check_equal(numbers(pipe.read()), list(range(100)), "lines")
    with s.case("-t says that it is not rotated"):
        said = run_program(s, "-t", "-c", proxy.config_path).stdout
        check(f"log.access.path: {pipe.path}: a FIFO: it is not rotated" in said, said)
    pipe.close()


def lines_of(path):
    """How many there are; each is whole."""
    text = read_file(path)
    check(text.endswith("\n") or not text, f"{path} ends in a line")
    check(len(text) <= 65536, f"{path} has {len(text)} bytes")
    return len([json.loads(row) for row in text.splitlines()])


@scenario("rotation tears a line", within=300)
def torn_lines(s):
    path = s.path("access.log")
    proxy = start_proxy(s, NginxOrigin(s), {
        "workers": 4, "log": {"access": {"path": path, "format": "json", "rotate_size": "64KiB", "keep": 1000}}})
    asked = lines = rotations = 0

    def rotated():
        return [s.path(name) for name in os.listdir(s.directory) if name.startswith("access.log.")]

    def waiting():
        # What a busy disk costs is counted, and no matter here.
        dropped = proxy.metric("evenkeel_log_dropped_total", log="access")
        return asked - dropped - lines - sum(read_file(file).count("\n") for file in (path, *rotated()))

    while rotations < scaled(50, 1000):
        h2load(f"{proxy.url}/hello", 20000, 32).expect_clean()
        asked += 20000
        eventually(lambda: waiting() <= 0, "each request has its line")
        with s.case(f"each file is closed before the next is opened, after {asked} requests"):
            held = [path for path in proxy.open_files() if "access.log" in path]
            check_equal(held, [path], "open files of the log")
        for file in rotated():
            rotations += 1
            lines += lines_of(file)
            os.unlink(file)
    lines_of(path)
    s.note(f"{rotations} rotations")


run()
