"""Fields that servers believe, and the spellings by which a client may bring a forged one past the proxy."""

import os
import re

from .origin import Arrived
from .verdict import check

FORGED = "203.0.113.66"
# Those that the proxy writes itself, and some of the names that begin with X-Forwarded-.
_WRITTEN = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Forwarded-Client-Cert", "X-Forwarded-Port",
            "X-Forwarded-Server", "X-Forwarded-Anything")


def believed_fields():
    """Every name of the program's table, and those that it writes itself."""
    with open(os.path.join(os.environ.get("top_srcdir", "."), "proxy/http/believed_fields.h")) as file:
        table = re.findall(r'^ *X\("([a-z0-9-]+)"\)', file.read(), re.MULTILINE)
    check(len(table) >= 30, f"only {table}")
    return [*(name.title() for name in table), *_WRITTEN]


def spellings(name):
    """(how, fields): ways to forge it that both protocols know."""
    yield "with _", [(name.replace("-", "_"), FORGED)]
    yield "with one _", [(name.replace("-", "_", 1), FORGED)]
    yield "several times", [(name, FORGED), (name, FORGED), ("A", "b"), (name, FORGED)]
    yield "set by a route", [("X-Copied", FORGED), (name, FORGED)]


def spellings_of_http1(name):
    yield "as it is", [(name, FORGED)]
    yield "in upper case", [(name.upper(), FORGED)]
    yield "in lower case", [(name.lower(), FORGED)]
    yield from spellings(name)
    yield "several times, in several cases", [(name, FORGED), ("A", "b"), (name.upper(), FORGED)]
    yield "with spaces around", [(name, f"  {FORGED} \t")]
    yield "named in Connection", [("Connection", name), (name, FORGED)]


def spellings_of_http2(name):
    yield "as it is", [(name.lower(), FORGED)]
    for how, fields in spellings(name):
        yield how, [(each.lower(), value) for each, value in fields]


def malformed_in_http2(name):
    """RFC 9113 8.2: none of them is a request."""
    name = name.lower()
    yield "in upper case", [(name.upper(), FORGED)]
    yield "with spaces around", [(name, f" {FORGED} ")]
    yield "with a space behind its name", [(f"{name} ", FORGED)]
    yield "named in Connection", [("connection", name), (name, FORGED)]


def forged(answer):
    """What of a forged value has arrived, be it in a trailer, but for the field that may bring it."""
    if answer.status == 400:
        return []
    arrived = Arrived(answer)
    return [(name, value) for name, value in [*arrived.fields, *arrived.trailers] if FORGED in value and name.lower() != "x-copied"]
