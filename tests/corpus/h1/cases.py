"""Reads the cases of this folder. The format is told at the top of requests.cases."""

import re
from pathlib import Path

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|\{(\d+):([^}]*)\}|(.))", re.DOTALL)
_LETTERS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


def unescape(text):
    """The bytes that a value stands for."""

    def one(match):
        code, count, repeated, letter = match.groups()
        if code:
            return bytes([int(code, 16)])
        if count:
            return unescape(repeated) * int(count)
        return _LETTERS[letter]

    return _ESCAPE.sub(one, text)


def read(name, folder=Path(__file__).parent):
    """The cases of a file, each a dict: str -> bytes, unescaped."""
    cases = []
    for block in re.split(rb"\n\n+", (folder / name).read_bytes()):
        lines = [line.partition(b":") for line in block.splitlines() if not line.startswith(b"#")]
        if lines:
            cases.append({key.decode(): unescape(value[1:]) for key, _, value in lines})
    names = [case["case"] for case in cases]
    doubled = {name for name in names if names.count(name) > 1}
    assert not doubled, f"named twice: {doubled}"
    return cases


def requests():
    return read("requests.cases")


def responses():
    return read("responses.cases")
