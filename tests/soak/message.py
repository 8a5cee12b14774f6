"""What clients and origins of the soak know of each other's messages: every payload follows from its exchange's name."""

import hashlib


def payload(name, count):
    """The first `count` bytes of what belongs to the exchange of this name."""
    block = hashlib.sha256(name.encode()).digest()
    return (block * (count // len(block) + 1))[:count]


async def read_head(reader):
    """(words of the start line, {lower-case name: value}); a repeated field keeps its values, comma-separated.

    A PROXY header (version 2) before it, which begins like an empty head, is skipped.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    if head == b"\r\n\r\n":
        rest = await reader.readexactly(12)
        await reader.readexactly(int.from_bytes(rest[-2:], "big"))
        head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin1").split("\r\n")
    fields = {}
    for line in lines[1:-2]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return lines[0].split(" ", 2), fields


async def read_body(reader, fields, pause=None):
    """The payload that these fields announce; with `pause`, slowly."""
    if fields.get("transfer-encoding") == "chunked":
        return await _read_chunks(reader)
    body, left = bytearray(), int(fields.get("content-length", 0))
    while left:
        if pause:
            await pause()
        piece = await reader.readexactly(min(left, 8192 if pause else 65536))
        body += piece
        left -= len(piece)
    return bytes(body)


async def _read_chunks(reader):
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(body)


def chunks(body, draw, largest=30000):
    """The body in chunks of random sizes, without the last one."""
    at = 0
    while at < len(body):
        piece = body[at:at + draw.randint(1, largest)]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
        at += len(piece)
