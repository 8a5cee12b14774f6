"""What a service manager sees: notifications, the watchdog, sockets it hands over, the pid file."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from harness import (SANITIZED, RawOrigin, Skipped, check, check_equal, eventually, patient, program, run, run_program, scenario, start_proxy,
                     stopped_thread)


class Manager:
    """The manager's end of NOTIFY_SOCKET."""

    def __init__(self, s, abstract=False):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"\0evenkeel-{os.getpid()}-{time.monotonic_ns()}" if abstract else s.path("notify.sock")
        self._socket.bind(name)
        self.environment = {"NOTIFY_SOCKET": name.replace("\0", "@")}
        self.seen = []

    def _receive(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.seen.append(self._socket.recv(4096, socket.MSG_DONTWAIT).decode())

    def take(self, words, within=20.0):
        """Waits for a message with these words; what came before it is forgotten."""
        def found():
            self._receive()
            return next((index + 1 for index, text in enumerate(self.seen) if words in text), None)
        count = eventually(found, f"the manager is told {words}", within)
        told, self.seen = self.seen[count - 1], self.seen[count:]
        return dict(row.split("=", 1) for row in told.splitlines())

    def forget(self):
        """Nothing that has come so far counts."""
        self._receive()
        self.seen.clear()

    def count(self, words):
        self._receive()
        return sum(words in text for text in self.seen)


@scenario("the service manager is not told, or told the wrong thing")
def notifications(s):
    for abstract in (False, True):
        with s.case("abstract socket" if abstract else "socket file"):
            manager = Manager(s, abstract)
            origin = RawOrigin(s)
            proxy = start_proxy(s, origin, {"drain": {"grace": "3s"}}, env=manager.environment,
                                name=f"evenkeel-{abstract}")
            manager.take("READY=1")
            check(proxy.reload({"limits": {"body": "1MiB"}}), "the reload was rejected")
            reloading = manager.take("RELOADING=1")
            skew = abs(int(reloading["MONOTONIC_USEC"]) / 1e6 - time.monotonic())
            check(skew < patient(5), f"MONOTONIC_USEC is {skew:.1f} s off")
            manager.take("READY=1")
            check(not proxy.reload(text="nonsense"), "the reload was taken")
            manager.take("RELOADING=1")
            manager.take("READY=1")
            check_equal(manager.count("WATCHDOG"), 0, "signs of life that nobody asked for")
            proxy.signal(signal.SIGTERM)
            manager.take("STOPPING=1")
            proxy.expect_clean_exit()


@scenario("the watchdog is fed although a worker hangs")
def watchdog(s):
    manager = Manager(s)
    proxy = start_proxy(s, RawOrigin(s), env={**manager.environment, "WATCHDOG_USEC": "400000"})
    manager.take("READY=1")
    for _ in range(3):
        manager.take("WATCHDOG=1")
    with stopped_thread(proxy.thread("worker 1")):
        def silent_for(seconds):
            eventually(lambda: proxy.metric("evenkeel_worker_silence_seconds") > seconds, "the silence is measured")

        silent_for(0.4)
        manager.forget()
        silent_for(1.2)  # twice as long as the manager would wait
        check_equal(manager.count("WATCHDOG=1"), 0, "signs of life while a worker hangs")
    manager.take("WATCHDOG=1")


@scenario("a watchdog that is another process's is fed")
def not_our_watchdog(s):
    manager = Manager(s)
    start_proxy(s, RawOrigin(s), env={**manager.environment, "WATCHDOG_USEC": "40000", "WATCHDOG_PID": "1"})
    manager.take("READY=1")
    time.sleep(0.2)  # ten times as long as a sign of life would take, were it ours to give
    check_equal(manager.count("WATCHDOG"), 0, "signs of life")


@scenario("a socket that the manager handed over is not used")
def activation(s):
    listening = socket.create_server(("127.0.0.1", 0), backlog=16)
    unused = socket.create_server(("127.0.0.1", 0))
    address = "127.0.0.1:{}".format(listening.getsockname()[1])
    origin = RawOrigin(s)
    origin.on("/", status=200, body=b"ok")
    early = socket.create_connection(listening.getsockname())
    early.sendall(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
    proxy = start_proxy(s, origin, {"workers": 3, "listeners": {"web": {"listen": address}}},
                        sockets=[listening, unused])
    with s.case("who connected before the start is served"):
        early.settimeout(patient(5))
        check(early.recv(100).startswith(b"HTTP/1.1 200"), "no answer")
    with s.case("every worker takes clients from it"):
        clients = [proxy.client() for _ in range(30)]
        for client in clients:
            check_equal(client.request("GET", "/").status, 200, "status")
    with s.case("one that no listener wants is closed and named"):
        proxy.wait_for_log("127.0.0.1:{} belongs to no listener".format(unused.getsockname()[1]))
    with s.case("a reload keeps it"):
        check(proxy.reload({"limits": {"body": "1MiB"}}), "the reload was rejected")
        check_equal(proxy.get().status, 200, "status")
    with s.case("its descriptors are counted"):
        check_equal(proxy.bound("fds")["used"] >= 3, True, "descriptors")
    proxy.stop()


@scenario("the pid file is missing, stale, or another's")
def pid_file(s):
    origin = RawOrigin(s)
    path = s.path("proxy.pid")
    proxy = start_proxy(s, origin, {"pid_file": path})
    with open(path) as file:
        check_equal(file.read(), f"{proxy.pid}\n", "the file")
    proxy.stop()
    check(not os.path.exists(path), "the file is left behind")
    with s.case("one that names another process by then stays"):
        proxy = start_proxy(s, origin, {"pid_file": path}, name="second")
        with open(path, "w") as file:
            file.write("1\n")
        proxy.stop()
        check(os.path.exists(path), "the file of another process is gone")
    with s.case("one that cannot be written stops the start"):
        config = s.write("bad.conf", proxy.text().replace(path, "/proc/nowhere/pid"))
        done = run_program(s, "-c", config)
        check_equal(done.returncode, 1, "exit code")
        check("pid_file /proc/nowhere/pid" in done.stderr, f"it says {done.stderr[-300:]!r}")


def number_after(text, key):
    """The value of a line `key: 35s` or `key: 35`."""
    found = re.search(rf"^ *{key}: *(\d+)", text, re.MULTILINE)
    check(found, f"there is no {key}")
    return int(found[1])


def seconds(text, key):
    """A duration in a configuration."""
    found = re.search(rf'{key} = "(\d+)s"', text)
    check(found, f"there is no {key}")
    return int(found[1])


def accepts(s, name, text, secret):
    with s.case(f"{name}: the configuration is valid"):
        done = run_program(s, "-t", "-c", s.write("example.conf", re.sub(r'(\w+_file) = "[^"]*"', rf'\1 = "{secret}"', text)))
        check_equal(done.returncode, 0, done.stderr)


def fits_pod(s, name, pod, conf):
    """Secrets are where the configuration looks for them, and the pod's times are those of the drain."""
    with s.case(f"{name}: each secret is where the pod mounts it, and somebody says how to make it"):
        for path in re.findall(r'_file = "([^"]*)"', conf):
            folder, file = os.path.split(path)
            volume = re.search(rf"name: (\w+), mountPath: {folder},", pod)
            check(volume, f"nothing is mounted at {folder}")
            made = re.search(rf"- name: {volume[1]}\n +secret: {{secretName: ([\w-]+),", pod)
            check(made and re.search(rf"secret generic {made[1]} .*--from-literal={re.escape(file)}=", pod), f"nobody makes {path}")
    with s.case(f"{name}: the kubelet waits longer than the grace, and notices within the pause"):
        check(number_after(pod, "terminationGracePeriodSeconds") > seconds(conf, "grace"), "it kills first")
        probe = pod[pod.index("readinessProbe:"):]
        noticed = number_after(probe, "periodSeconds") * number_after(probe, "failureThreshold") + number_after(
            probe, "timeoutSeconds")
        check(noticed < seconds(conf, "pause"), f"readiness is noticed after {noticed} s")
        probe = pod[pod.index("startupProbe:"):]
        check(number_after(probe, "periodSeconds") * number_after(probe, "failureThreshold")
              > seconds(conf, "give_up_after"), "it is restarted while it warms up")


@scenario("an example of contrib/ is no good, or its times do not agree with the drain's")
def examples(s):
    contrib = os.path.join(os.path.dirname(__file__), "..", "..", "contrib")

    def read(*path):
        with open(os.path.join(contrib, *path)) as file:
            return file.read()

    secret = s.write("token", "0123456789abcdef" * 4)
    os.chmod(secret, 0o600)
    for name in ("evenkeel.yaml", "fleet.yaml"):
        pod = read("kubernetes", name)
        pod_conf = re.search(r"evenkeel\.conf: \|\n((?:    .*\n)+)", pod)[1]
        accepts(s, f"kubernetes, {name}", pod_conf, secret)
        fits_pod(s, f"kubernetes, {name}", pod, pod_conf)
    for name, conf_name in (("compose.yaml", "evenkeel.conf"), ("fleet.yaml", "fleet.conf")):
        compose, conf = read("compose", name), read("compose", conf_name)
        accepts(s, f"compose, {name}", conf, secret)
        with s.case(f"compose, {name}: it is killed after the grace, and may warm up"):
            check(f"./{conf_name}:/etc/evenkeel/evenkeel.conf" in compose, f"{conf_name} is not mounted")
            check(number_after(compose, "stop_grace_period") > seconds(conf, "grace"), "it kills first")
            check(number_after(compose, "start_period") > seconds(conf, "give_up_after"), "it is ill while it warms up")
    with s.case("systemd: likewise, by default"):
        unit = read("evenkeel.service.in")
        grace = seconds(read("evenkeel.conf.sample"), "grace")
        check(int(re.search(r"TimeoutStopSec=(\d+)s", unit)[1]) > grace, "it kills first")



def contrib_text(*path):
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "contrib", *path)) as file:
        return file.read()


def installed_by(stage):
    """The Debian packages that a stage of a Dockerfile installs."""
    command = re.search(r"--no-install-recommends \\\n(.*?)(?:&&|\n[A-Z])", stage + "\nEND", re.DOTALL)[1]
    return {word for word in command.split() if word != "\\"}


def package_of(library):
    """The Debian package that a file belongs to."""
    for path in (os.path.realpath(library), library, library.removeprefix("/usr")):
        done = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    raise Skipped(f"{library} is no Debian package's")


@scenario("the image lacks a library, runs as root, or cannot tell how it is")
def image(s):
    dockerfile = contrib_text("docker", "Dockerfile")
    build, final = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)[1:]
    with s.case("what builds it is what builds it elsewhere"):
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "autogen.sh")) as file:
            known = set(re.findall(r"^(\S+) +\S+ +demo$", file.read(), re.MULTILINE))
        check_equal(installed_by(build), known - {"curl"}, "packages")
    with s.case("every library that the program needs is in it"):
        if SANITIZED or shutil.which("dpkg") is None:
            raise Skipped("not what an image would hold")
        said = subprocess.run(["ldd", program()], capture_output=True, text=True, check=True).stdout
        needed = {package_of(path) for path in re.findall(r"=> (/\S+)", said)}
        check_equal(needed - {"libc6", "libgcc-s1", "zlib1g"} - installed_by(final), set(), "packages that are missing")
    with s.case("it runs as the user that the pod says, not as root"):
        user = re.search(r"^USER (\d+):(\d+)$", final, re.MULTILINE)
        pod = contrib_text("kubernetes", "evenkeel.yaml")
        check_equal((int(user[1]), int(user[2])),
                    (number_after(pod, "runAsUser"), number_after(pod, "runAsGroup")), "user and group")
        check(int(user[1]) > 0, "root")
    asks = {"image": json.loads(re.search(r"HEALTHCHECK[^[]*CMD (\[.*\])", final)[1]),
            "compose": json.loads(re.search(r"test: (\[.*\])", contrib_text("compose", "compose.yaml"))[1])[1:]}
    origin = RawOrigin(s)
    for where, command in asks.items():
        with s.case(f"the health check of {where} tells a good process from a dead one, and needs no other program"):
            proxy = start_proxy(s, origin, {"admin": {"listen": f"127.0.0.1:{s.port()}"}}, name=where)
            check_equal((command[0], command[-1]), ("evenkeel", "/etc/evenkeel/evenkeel.conf"), "program and configuration")
            arguments = [*command[1:-1], proxy.config_path]
            eventually(lambda arguments=arguments: run_program(s, *arguments).returncode == 0, "it is well")
            proxy.kill()
            check_equal(run_program(s, *arguments).returncode, 1, "exit code for one that is dead")


@scenario("the Kubernetes example needs what a cluster lacks, or promises what it does not do")
def pod_example(s):
    for name in ("evenkeel.yaml", "fleet.yaml"):
        pod = contrib_text("kubernetes", name)
        settings = "\n".join(line.partition("#")[0] for line in pod.splitlines())
        with s.case(f"{name}: no disk that many pods write to, no secret that somebody has to fill in"):
            for words in ("ReadWriteMany", "PersistentVolumeClaim", "kind: Secret", "replace"):
                check(words not in settings, f"{words} stands in it")
        with s.case(f"{name}: the admin port is kept to Prometheus by a policy"):
            policy = settings[settings.rindex("kind: NetworkPolicy"):]
            check("podSelector:\n    matchLabels: {app: evenkeel}" in policy, "the policy is not for these pods")
            open_to_all, kept = policy.split("- from:")
            check("port: web" in open_to_all and "port: admin" not in open_to_all, "the admin port is open to all")
            check("port: admin" in kept and "Selector" in kept, "nobody may scrape")
        with s.case(f"{name}: the image is one that is built here"):
            tag = re.search(r"image: (evenkeel\S+)", settings)[1]
            check(f"-t {tag} ." in contrib_text("docker", "Dockerfile"), f"nothing builds {tag}")
    with s.case("the store of a fleet is one that the replicas find, log in to, and nobody else reaches"):
        check("evenkeel-store.default.svc.cluster.local:6379" in settings and "name: evenkeel-store\nspec:\n  selector: {app: evenkeel-store}" in settings,
              "the name of the store is no Service's")
        check("--aclfile, /etc/evenkeel-store/users.acl" in settings and "mountPath: /etc/evenkeel-store," in settings, "its users are not mounted")
        policies = [each for each in settings.split("---") if "kind: NetworkPolicy" in each and "app: evenkeel-store" in each]
        check(len(policies) == 1 and "- podSelector:\n            matchLabels: {app: evenkeel}" in policies[0], "it is open")


@scenario("`systemctl reload` with a bad file says that all is well")
def reload_command(s):
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "contrib", "evenkeel.service.in")) as file:
        commands = re.findall(r"^ExecReload=(.*)$", file.read(), re.MULTILINE)
    proxy = start_proxy(s, RawOrigin(s))
    good = proxy.text()

    def reload():
        """What systemd does: one command after the other until one fails; returns the last exit code."""
        code = 0
        for command in commands:
            words = command.replace("$MAINPID", str(proxy.pid)).split()
            words = [program() if word == "@sbindir@/evenkeel" else
                     proxy.config_path if word == "@sysconfdir@/evenkeel/evenkeel.conf" else word for word in words]
            code = subprocess.run(words, capture_output=True, timeout=patient(20), check=False).returncode
            if code != 0:
                break
        return code

    with s.case("a bad file fails, and the process never hears of it"):
        proxy.write_config(good + "nonsense = 1;\n")
        check(reload() != 0, "it succeeded")
        check_equal(proxy.reloads(), (0, 0), "reloads")
    with s.case("a good one is taken, though the ports are in use"):
        proxy.write_config(good)
        check_equal(reload(), 0, "exit code")
        eventually(lambda: proxy.reloads() == (1, 0), "the reload is taken")

run()
