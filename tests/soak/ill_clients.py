"""Clients that are slow, that break off, and that ask for work without end: what becomes of the others is what counts."""

import asyncio
import contextlib
import socket
import struct
import threading

from harness import Failed, Libssl
from message import payload, read_head

# Far more than a proxy takes from one client.
KEY_UPDATES = 20000  # more than the kernel keeps for whoever does not read: 27 bytes each
# Of these floods, each with a thread of its own, there are never more at once.
_FLOODS = threading.Semaphore(2)
_SMALL_BUFFER = 8192
# How long a flood waits for the other side to read or write.
_LONGEST_S = 5


def upload_head(name, count, more=""):
    """The head of an upload of so many bytes."""
    return (f"POST /plain/{name} HTTP/1.1\r\nHost: localhost\r\nX-Name: {name}\r\nX-Count: 10\r\n"
            f"Content-Length: {count}\r\n{more}\r\n").encode()


async def send_slowly(writer, draw, data):
    """In pieces that come late, but never so late that its time is over."""
    step = max(1, len(data) // draw.randint(2, 8))
    for at in range(0, len(data), step):
        writer.write(data[at:at + step])
        await writer.drain()
        await asyncio.sleep(draw.uniform(0, 0.15))  # what is slow about it


def read_little(writer):
    """Have the kernel take little ahead of us; what is read late is then the proxy's to keep."""
    if sock := writer.get_extra_info("socket"):
        with contextlib.suppress(OSError):  # the connection has ended
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)


async def hesitate(transport, draw):
    """Read now and then."""
    try:
        while not transport.is_closing():
            transport.pause_reading()
            await asyncio.sleep(draw.uniform(0, 0.3))  # what is slow about it
            transport.resume_reading()
            await asyncio.sleep(0.005)  # how long it reads
    finally:
        transport.resume_reading()


async def stall(reader, writer, draw, name):
    """An upload of which a part never comes; it may break off at any moment, or wait for what it is told."""
    body = payload(name, draw.choice((100, 30000, 400000)))
    writer.write(upload_head(name, len(body)))
    await send_slowly(writer, draw, body[:draw.randint(0, len(body) - 1)])
    if draw.random() < 0.5:
        await asyncio.sleep(draw.uniform(0, 0.5))  # when it breaks off
        writer.transport.abort()
        return None
    return (await read_head(reader))[0][1]


async def expect_without_body(reader, writer, draw, name):
    """The client waits to be told to go on, is told, and says nothing; returns the statuses it was given."""
    writer.write(upload_head(name, draw.choice((1, 1000, 100000)), "Expect: 100-continue\r\n"))
    if draw.random() < 0.3:
        await asyncio.sleep(draw.uniform(0, 0.3))  # when it leaves
        return []
    statuses = [(await read_head(reader))[0][1]]
    while statuses[-1].startswith("1"):
        statuses.append((await read_head(reader))[0][1])
    return statuses


async def flood(address):
    """Change keys until the other side has enough; returns how many it took, None if there was no connection, or no turn."""
    if not _FLOODS.acquire(blocking=False):
        return None
    try:
        return await asyncio.to_thread(_flood, address)
    finally:
        _FLOODS.release()


def _flood(address):
    with contextlib.suppress(OSError, Failed), socket.create_connection(address) as sock:
        for direction in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", _LONGEST_S, 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        flooder = Libssl(sock)
        try:
            return flooder.flood(KEY_UPDATES)
        finally:
            flooder.free()
    return None
