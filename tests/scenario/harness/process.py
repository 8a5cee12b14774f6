"""A child process: started, watched, measured, and stopped by its pid only."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time

from .verdict import Failed, eventually, patient

# The states of /proc/net/tcp that concern us.
ESTABLISHED, LISTENING = 1, 10


class Process:
    """A program running with its output in a file of the scenario's directory.

    It dies with the harness (setpriv sets the parent-death signal); what it starts is a matter of leftovers.py.
    """

    def __init__(self, scenario, name, argv, env=None, stop_signal=signal.SIGTERM, limits=(), sockets=()):
        self.name = name
        self.argv = argv
        self._stop_signal = stop_signal
        self._log_path = scenario.path(f"{name}.log")
        self._stopped = False
        wrapper = ["setpriv", "--pdeathsig", "KILL", "--"]
        for limit in limits:
            wrapper += ["prlimit", limit, "--"]
        if sockets:
            wrapper += _activation(sockets)
        with open(self._log_path, "ab") as log:
            self._child = subprocess.Popen(  # pylint: disable=consider-using-with
                wrapper + argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=scenario.directory, env={**os.environ, **(env or {})},
                pass_fds=[each.fileno() for each in sockets])
        self.pid = self._child.pid
        scenario.add(self)

    def signal(self, number):
        self._child.send_signal(number)

    @property
    def exit_code(self):
        """None while it runs."""
        return self._child.poll()

    def wait(self, within=20.0):
        """The exit code; fails if it does not exit in time."""
        try:
            return self._child.wait(patient(within))
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not exit within {patient(within):g} s") from None

    def kill(self):
        """End it without a chance to clean up; nothing more is asked of it."""
        self._stopped = True
        self._child.kill()
        self._child.wait()

    def stop(self):
        if self._stopped:
            return
        self._stopped = True
        if self.exit_code is None:
            self.signal(self._stop_signal)
            try:
                self._child.wait(patient(10))
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()

    @contextlib.contextmanager
    def asleep(self):
        """Nothing of it runs: what happens meanwhile comes to it all at once."""
        self.signal(signal.SIGSTOP)
        try:
            eventually(lambda: set(self._states()) == {"T"}, f"{self.name} has stopped")
            yield
        finally:
            self.signal(signal.SIGCONT)

    def _states(self):
        """The letter that tells what each thread does."""
        for each in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{each}/stat") as stat:
                yield stat.read().rpartition(")")[2].split()[0]

    def log(self):
        with open(self._log_path, errors="replace") as log:
            return log.read()

    def log_tail(self, lines):
        return self.log().splitlines()[-lines:]

    def wait_for_log(self, text, within=20.0):
        eventually(lambda: text in self.log(), f"{self.name} logs {text!r}", within)

    def open_fds(self, besides=None):
        """How many descriptors it has, not counting those of connections to `besides` ("host:port")."""
        links = self._descriptors()
        aside = {f"socket:[{row[9]}]" for row in self._tcp_rows(links) if _address(row[2]) == besides}
        return sum(link not in aside for link in links)

    def open_files(self):
        """The paths of what it has open and that has one, each as often as it is open."""
        return [link for link in self._descriptors() if link.startswith("/")]

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def thread(self, name):
        """The id of the thread of that name."""
        for each in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{each}/comm") as comm:
                if comm.read().rstrip("\n") == name:
                    return int(each)
        raise Failed(f"{self.name} has no thread named {name}")

    def cpu_seconds(self):
        """Of all its threads so far, those that have ended too."""
        return time.clock_gettime(~self.pid << 3 | 2)  # the processor clock of a process, as clock_getcpuclockid(3) names it

    def memory_kib(self, row="RssAnon"):
        """A row of /proc/PID/status or smaps_rollup in KiB: RssAnon, VmRSS, Pss, ..."""
        for table in ("status", "smaps_rollup"):
            with open(f"/proc/{self.pid}/{table}") as lines:
                for line in lines:
                    if line.startswith(f"{row}:"):
                        return int(line.split()[1])
        raise KeyError(row)

    def sockets(self):
        """(local, remote, state) of each TCP socket this process holds."""
        return [(_address(row[1]), _address(row[2]), int(row[3], 16)) for row in self._tcp_rows(self._descriptors())]

    def to_be_accepted(self):
        """How many connections the kernel holds for its listening sockets."""
        return sum(int(row[4].partition(":")[2], 16) for row in self._tcp_rows(self._descriptors())
                   if int(row[3], 16) == LISTENING)

    def _descriptors(self):
        """What each of its descriptors is."""
        links = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(OSError):
                links.append(os.readlink(f"/proc/{self.pid}/fd/{fd}"))
        return links

    def _tcp_rows(self, descriptors):
        """The fields of each row of /proc/net/tcp that is one of these descriptors."""
        held = set(descriptors)
        with open(f"/proc/{self.pid}/net/tcp") as table:
            next(table)
            return [fields for fields in map(str.split, table) if f"socket:[{fields[9]}]" in held]


class Adopted:
    """A process that some child of ours started: what Process uses of a Popen."""

    def __init__(self, pid):
        self.pid = pid
        self._code = None

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def poll(self):
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # its parent has not ended yet
                return None
            if pid == self.pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, timeout=None):
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.005)  # how often its end is looked for
        return self._code


class MemoryWatch:
    """The highest memory row of a proxy seen while some work goes on: poll() it from that work."""

    def __init__(self, process, row="RssAnon", clients=0):
        process.rest(clients)
        self._process = process
        self._row = row
        self._next = 0.0
        self.start_kib = self.peak_kib = process.memory_kib(row)

    def poll(self):
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 0.02
            self.peak_kib = max(self.peak_kib, self._process.memory_kib(self._row))

    @property
    def growth_kib(self):
        return self.peak_kib - self.start_kib


_PTRACE_DETACH, _PTRACE_SEIZE, _PTRACE_INTERRUPT = 17, 0x4206, 0x4207
_WALL = 0x40000000


@contextlib.contextmanager
def stopped_thread(thread):
    """One thread of a process does not run; the others do."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def ptrace(request):
        if libc.ptrace(request, thread, None, None) != 0:
            raise Failed(f"ptrace: {os.strerror(ctypes.get_errno())}")

    ptrace(_PTRACE_SEIZE)
    ptrace(_PTRACE_INTERRUPT)
    os.waitpid(thread, _WALL)
    try:
        yield
    finally:
        try:
            ptrace(_PTRACE_DETACH)
        except Failed:
            os.waitpid(thread, _WALL)  # the process has ended, but for its tracer's knowledge


def _activation(sockets):
    """Hands listening sockets over as a service manager does (sd_listen_fds)."""
    moves = " ".join(f"{3 + number}<&{each.fileno()}" for number, each in enumerate(sockets))
    return ["bash", "-c", f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} LISTEN_FDNAMES=web exec "$@" {moves}', "bash"]


def _address(text):
    host, port = text.split(":")
    octets = bytes.fromhex(host)[::-1]
    return f"{'.'.join(str(octet) for octet in octets)}:{int(port, 16)}"
