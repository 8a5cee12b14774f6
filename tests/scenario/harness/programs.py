"""Servers that run as programs of their own."""

from .process import Process
from .verdict import eventually


class Program(Process):
    """A server that runs as a program of its own, at a port of 127.0.0.1."""

    def __init__(self, s, name, arguments):
        self.port = s.port()
        super().__init__(s, name, [each.format(port=self.port) for each in arguments])
        self.address = f"127.0.0.1:{self.port}"
        eventually(self._listens, f"{name} listens", 20)

    def _listens(self):
        with open("/proc/net/tcp") as file:
            return any(f":{self.port:04X} 00000000:0000 0A" in line for line in file)


def gunicorn_server(s, application, workers=1, name="gunicorn"):
    """`workers` processes that serve one connection at a time each: sync workers, which are gunicorn's default, one of them."""
    module = f"served_by_{name.replace('-', '_')}"
    s.write(f"{module}.py", application)
    return Program(s, name, ["gunicorn", "--chdir", s.directory, "--bind", "127.0.0.1:{port}", "--timeout", "5", "--workers",
                             str(workers), f"{module}:application"])
