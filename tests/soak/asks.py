"""What clients ask for, over either protocol, and what the answer must be."""

import dataclasses

from message import chunks, payload
from origins import WEIGHTS

OWN = "proxy-status"  # a field of the answers that the proxy gives itself


@dataclasses.dataclass
class Ask:
    """A request and what its answer must be."""

    name: str
    method: str
    path: str
    mood: str
    count: int  # of bytes of the answer
    body: bytes
    fields: dict

    def __str__(self):
        """For reports."""
        return f"{self.name} ({self.method} {self.path}, {self.mood}, {len(self.body)} bytes for {self.count})"

    @staticmethod
    def draw(draw, name, method=None):
        method = method or draw.choices(("GET", "POST", "HEAD"), (5, 3, 1))[0]
        mood = draw.choices(list(WEIGHTS), WEIGHTS.values())[0]
        count = draw.choice((0, 1, 10, 100, 3000, 20000, 100000, 600000 if mood == "whole" else 100000))
        body = payload(name, draw.choice((0, 10, 3000, 100000, 1200000))) if method == "POST" else b""
        fields = {"X-Name": name, "X-Mood": mood, "X-Count": str(count), "X-Tenant": str(draw.randint(0, 9))}
        if draw.random() < 0.05:
            fields["X-Envoy-Expected-Rq-Timeout-Ms"] = str(draw.randint(0, 500))
        if method == "POST" and draw.random() < 0.1:
            fields["Expect"] = "100-continue"
        path = draw.choice(("/plain", "/plain/other", "/secure", "/named", "/hedged", "/hedged"))
        return Ask(name, method, f"{path}/{name}", mood, count, body, fields)

    def raw(self, draw):
        """As HTTP/1, in pieces."""
        fields, pieces = {"Host": "localhost", **self.fields}, []
        if self.method == "POST" and draw.random() < 0.5:
            fields["Content-Length"] = len(self.body)
            pieces = [self.body[at:at + 50000] for at in range(0, len(self.body), 50000)]
        elif self.method == "POST":
            fields["Transfer-Encoding"] = "chunked"
            pieces = [*chunks(self.body, draw), b"0\r\n\r\n"]
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return [f"{self.method} {self.path} HTTP/1.1\r\n{lines}\r\n".encode(), *pieces]

    def judge(self, ledger, received, body):
        """An answer of an origin that has ended well: its field X-Received and its payload."""
        if len(body) != self.count:
            ledger.fault(f"{self.name} ({self.mood}) ended well with {len(body)} bytes of {self.count}")
        elif body != payload(self.name, self.count):
            ledger.fault(f"{self.name} ({self.mood}) got bytes that are not its own")
        if int(received) != len(self.body):
            ledger.fault(f"{self.name} ({self.mood}) sent {len(self.body)} bytes, {received} arrived")
