"""A configuration that is written for another machine, on this one: a recipe of contrib/recipes.

Four things are replaced in its text, and nothing else:

  an address in `listen`       by a free port of 127.0.0.1; ask() takes the recipe's own port for it
  an address in `endpoints`    by an origin of its own, whose answers tell in X-Origin which address it stands for
  a port of probes             by that of an origin that finds everything well
  a path below a folder of the machine (/etc, /home, /opt, /run, /srv, /var)    by the same below this scenario's directory

Certificates and keys that it names are made. What is added are a worker and an admin listener of the scenario.
"""

import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import ssl

from .certificates import Authority, replace
from .commands import curl
from .origin import Arrived, LocalOrigin, RawOrigin, describe
from .proxy import EvenkeelProxy, run_program
from .verdict import check, check_equal, patient

FOLDER = os.path.join(os.environ.get("top_srcdir", "."), "contrib/recipes")
_FOLDERS = r"/(?:etc|home|opt|run|srv|var)/"
_HEAD = re.compile(rb"HTTP/[\d.]+ (\d{3})[^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)


def recipes():
    """The names of all recipes."""
    return sorted(os.path.basename(path).removesuffix(".conf") for path in glob.glob(f"{FOLDER}/*.conf"))


def _text(path):
    with open(path) as file:
        return file.read()


class Answer:
    """What curl -i has got: the last response's status, fields and body."""

    def __init__(self, done):
        heads = list(_HEAD.finditer(done.out))
        check(heads, f"curl exited with {done.code} and no answer: {done.error}")
        last = heads[-1]
        self.status = int(last[1])
        rows = (row.partition(":") for row in last[2].decode().split("\r\n"))
        self._fields = [(name.lower(), value.strip()) for name, _, value in rows]
        self.body = done.out[last.end():]

    def get(self, name):
        """The value of a field; None: there is none."""
        return next((value for key, value in self._fields if key == name.lower()), None)

    @property
    def origin(self):
        """The endpoint that has answered, as the recipe writes it; None: Evenkeel itself."""
        return self.get("X-Origin")

    @property
    def arrived(self):
        """The request that the origin has got."""
        check_equal(self.status, 200, "status")
        return Arrived(self.body)


class Kitchen:
    """What recipes have in common: an authority, and a certificate for every name that stands in one of them."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.authority = Authority(scenario)
        texts = "".join(_text(path) for path in glob.glob(f"{FOLDER}/**/*.conf", recursive=True))
        names = re.findall(r"(?:\*\.)?(?:[\w-]+\.)+(?:example|internal)\b", texts)
        self._names = sorted(set(names))
        self.certificate = self.authority.issue(*self._names)
        self.client = self.authority.issue("client.example", client=True)

    def renew(self):
        """Another certificate takes the place of the first."""
        replace(self.certificate, self.authority.issue(*self._names))

    def file(self, kind):
        """The file that stands for one that a recipe gives as `cert`, `key`, `ca` or `client_ca`."""
        return {"cert": self.certificate.cert, "key": self.certificate.key}.get(kind, self.authority.cert)


class Recipe(EvenkeelProxy):
    """The running recipe. `files`: {path as the recipe has it: content}; `stand_in(kitchen, name)` makes an origin."""

    def __init__(self, kitchen, name, files=(), stand_in=None):
        self.kitchen = kitchen
        self._leaves = False
        self._stand_in = stand_in or (lambda kitchen, name: RawOrigin(kitchen.scenario, name))
        self._root = kitchen.scenario.path(name)
        self._ports = {}           # {the recipe's port: ours}
        self.origins = {}          # {endpoint as the recipe has it: origin}
        os.makedirs(self._root)
        for path, content in dict(files).items():
            self.write(path, content)
        self._recipe = self._prepared(name)
        run_check(kitchen.scenario, self._recipe)
        address = next(iter(self._ports.values()))
        super().__init__(kitchen.scenario, {"listeners": {"web": {"listen": f"127.0.0.1:{address}"}},
                                            "admin": {"listen": f"unix:{self._root}/admin"}}, name=name)

    def text(self):
        return self._recipe

    def write(self, path, content):
        """A file of the machine that the recipe is written for."""
        os.makedirs(os.path.dirname(self._root + path), exist_ok=True)
        with open(self._root + path, "wb" if isinstance(content, bytes) else "w") as file:
            file.write(content)

    def remove(self, path):
        os.unlink(self._root + path)

    def ask(self, url, *arguments):
        """What curl gets for a URL of the world that the recipe is written for."""
        return Answer(self._curl("-i", *arguments, url))

    def fetch(self, url, path, *arguments):
        """The body goes to a file, each piece as it comes."""
        done = self._curl("--no-buffer", "--output", path, *arguments, url)
        check_equal(done.code, 0, f"exit code of curl for {url}")

    def hangs_up(self, url, *arguments):
        """Whether there is no answer at all."""
        done = self._curl(*arguments, url)
        return done.code != 0 and not done.out

    def _curl(self, *arguments):
        aside = [word for port, ours in self._ports.items() for word in ("--connect-to", f":{port}:127.0.0.1:{ours}")]
        return curl("--path-as-is", "--cacert", self.kitchen.authority.cert, *aside, *arguments)

    def shown(self, name):
        """The certificate that a client is shown for a name."""
        with socket.create_connection(("127.0.0.1", self._ports["443"]), timeout=patient(10)) as sock:
            context = ssl.create_default_context(cafile=self.kitchen.authority.cert)
            with context.wrap_socket(sock, server_hostname=name) as tls:
                return tls.getpeercert(binary_form=True)

    def leave(self):
        """Begin to end, while others run on."""
        self._leaves = True
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGTERM)

    def stop(self):
        if self._leaves and not self._stopped:  # a second signal would cut off who is still there
            self.expect_clean_exit()
        super().stop()

    # ---- the text

    def _prepared(self, name):
        beside = f"{FOLDER}/{name.removesuffix('.conf')}.d"
        if os.path.isdir(beside):
            shutil.copytree(beside, self.kitchen.scenario.path(os.path.basename(beside)))
            for path in glob.glob(self.kitchen.scenario.path(f"{name}.d/*")):
                changed = self._replaced(_text(path))
                with open(path, "w") as file:
                    file.write(changed)
        text = self._replaced(_text(f"{FOLDER}/{name}.conf"))
        return f'workers = 1;\nadmin = {{ listen = "unix:{self._root}/admin"; }};\n{text}'

    def _replaced(self, text):
        text = re.sub(rf"(\"|\"unix:)({_FOLDERS}[^\"]*\")", self._moved, text)
        text = re.sub(r"\b(cert|key|ca|client_ca) = \"(/[^\"]*)\"", lambda m: f'{m[1]} = "{self.kitchen.file(m[1])}"', text)
        text = re.sub(r"\blisten = (\"[^\"]*\"|\[[^\]]*\])",
                      lambda m: re.sub(r"\"[^\"]*:(\d+)\"", self._listener, m[0]), text)
        text = re.sub(r"\bport = \d+;", lambda m: f"port = {RawOrigin(self.kitchen.scenario, 'probes').port};", text)
        return re.sub(r"\bendpoints = \[[^\]]*\]", lambda m: re.sub(r"\"([^\" ]+)([^\"]*)\"", self._endpoint, m[0]), text)

    def _moved(self, found):
        path = self._root + found[2].removesuffix('"')
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return f'{found[1]}{path}"'

    def _listener(self, found):
        if found[1] not in self._ports:
            self._ports[found[1]] = self.kitchen.scenario.port()
        return f'"127.0.0.1:{self._ports[found[1]]}"'

    def _endpoint(self, found):
        name = found[1].replace(self._root, "")
        if name not in self.origins:
            self.origins[name] = self._origin(name, found[1])
        return f'"{getattr(self.origins[name], "endpoint", self.origins[name].address)}{found[2]}"'

    def _origin(self, name, endpoint):
        local = endpoint.startswith("unix:")
        origin = (LocalOrigin(self.kitchen.scenario, name, endpoint.removeprefix("unix:")) if local
                  else self._stand_in(self.kitchen, name))
        return origin.on("", lambda connection, request: describe(connection, request, [("X-Origin", name)]))


def run_check(scenario, text):
    """-t has nothing to warn of."""
    scenario.write("recipe.conf", text)
    done = run_program(scenario, "-t", "-c", "recipe.conf")
    said = done.stdout + done.stderr
    check(done.returncode == 0 and "warning" not in said, f"-t exits with {done.returncode} and says:\n{said}")
