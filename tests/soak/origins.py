"""Origins that serve, hesitate, lie, break off and vanish, as each request asks them to (X-Mood)."""

import asyncio
import collections
import contextlib
import ssl

from h2_origins import Service
from message import chunks, payload, read_body, read_head

MOODS = {}


def _mood(function):
    MOODS[function.__name__] = function
    return function


class Origin:
    """One server at an address of its own; bounce() takes it away for a while, connections and all."""

    def __init__(self, port, draw, ledger, certificate=None, host="127.0.0.1"):
        self.host, self.port = host, port
        self.tls = certificate is not None
        self._draw = draw
        self._ledger = ledger
        self._writers = set()
        self._tasks = set()
        self._server = self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.cert, certificate.key)
            self._offer()

    async def start(self):
        while self._server is None:  # the port may still serve a connection that we made
            with contextlib.suppress(OSError):
                self._server = await asyncio.start_server(self._take, self.host, self.port, ssl=self._context,
                                                          reuse_address=True, limit=1 << 20)
                return
            await asyncio.sleep(0.02)  # how often it is tried

    def _offer(self):
        """What a TLS connection may speak."""
        self._context.set_alpn_protocols(self._draw.choice((["h2", "http/1.1"], ["h2"], ["http/1.1"])))

    async def bounce(self):
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(self._draw.uniform(0, 0.6))  # how long it is away
        if self._context:
            self._offer()
        await self.start()

    async def leave(self):
        """It ends now, connections and all."""
        if self._server:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, reader, writer):
        # A task of our own: one of asyncio's streams that is cancelled complains.
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer) and self._draw.random() > 0.02:
                pass
        except (asyncio.IncompleteReadError, OSError):
            pass
        except (ValueError, asyncio.LimitOverrunError) as fault:
            self._ledger.fault(f"an origin cannot read what it was sent: {fault!r}")
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader, writer):
        """One exchange; true if the connection goes on."""
        (method, _, version), fields = await read_head(reader)
        if version == "HTTP/2.0":
            return await self._serve_http2(reader, writer)
        answer = _Answer(method, fields, self._draw, reader, writer)
        if method == "POST":
            self._ledger.arrived[answer.name] += 1
        if "upgrade" in fields:
            return await _echo(answer)
        if "expect" in fields:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if answer.mood == "early":
            writer.write(answer.head("403 Forbidden", "Content-Length: 0\r\nConnection: close\r\n"))
            await asyncio.sleep(0.02)  # its client may go on sending for a while
            return False
        # the pace of a slow reader
        slowly = (lambda: asyncio.sleep(0.01)) if answer.mood == "slow_reader" else None
        answer.received = await read_body(reader, fields, slowly)
        self._ledger.whole_uploads.add(answer.name)
        if answer.received != payload(answer.name, len(answer.received)):
            self._ledger.fault(f"{answer.name}: an origin got bytes that are not its own")
        goes_on = await MOODS[answer.mood](answer)
        await writer.drain()
        return goes_on

    async def _serve_http2(self, reader, writer):
        """All of the connection, whose preface has come up to its first empty line; it does not go on."""
        await reader.readexactly(len(b"SM\r\n\r\n"))
        await Service(reader, writer, self._draw, self._ledger).serve()
        return False


class _Answer:
    def __init__(self, method, fields, draw, reader, writer):
        self.method, self.draw, self.reader, self.writer = method, draw, reader, writer
        self.name = fields.get("x-name", "")
        self.mood = fields.get("x-mood", "whole")
        self.received = b""
        self.body = payload(self.name, int(fields.get("x-count", 0)))

    def head(self, status, more):
        return f"HTTP/1.1 {status}\r\nX-Name: {self.name}\r\nX-Received: {len(self.received)}\r\n{more}\r\n".encode()

    def length(self):
        return self.head("200 OK", f"Content-Length: {len(self.body)}\r\n")

    def less(self):
        """Not all of the body."""
        return self.body[:self.draw.randint(0, max(0, len(self.body) - 1))]

    def end(self):
        """In one of two ways."""
        if self.draw.random() < 0.5:
            self.writer.transport.abort()


async def _echo(answer):
    answer.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    while data := await answer.reader.read(4096):
        answer.writer.write(data)
        await answer.writer.drain()


@_mood
async def whole(answer):
    answer.writer.write(answer.length())
    if answer.method != "HEAD":
        answer.writer.write(answer.body)
    return True


@_mood
async def late(answer):
    await asyncio.sleep(answer.draw.uniform(0, 0.3))  # what is late about it
    return await whole(answer)


@_mood
async def in_pieces(answer):
    raw = answer.length() + (answer.body if answer.method != "HEAD" else b"")
    while raw:
        size = answer.draw.randint(1, max(1, len(raw)))
        answer.writer.write(raw[:size])
        await answer.writer.drain()
        raw = raw[size:]
        await asyncio.sleep(0.001)  # so that some pieces come alone
    return True


@_mood
async def chunked(answer):
    answer.writer.write(answer.head("200 OK", "Transfer-Encoding: chunked\r\nTrailer: X-Last\r\n"))
    if answer.method != "HEAD":
        for piece in chunks(answer.body, answer.draw):
            answer.writer.write(piece)
            await answer.writer.drain()
        answer.writer.write(b"0\r\nX-Last: yes\r\n\r\n")
    return True


@_mood
async def call(answer):
    """As a server of gRPC that a gateway has in front of it."""
    answer.writer.write(answer.head("200 OK", "Content-Type: application/grpc\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n"))
    for piece in chunks(answer.body, answer.draw):
        answer.writer.write(piece)
        await answer.writer.drain()
    answer.writer.write(b"0\r\ngrpc-status: 0\r\n\r\n")
    return True


@_mood
async def until_close(answer):
    answer.writer.write(answer.head("200 OK", "Connection: close\r\n"))
    if answer.method != "HEAD":
        answer.writer.write(answer.body)
    return False


@_mood
async def after_hints(answer):
    answer.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * answer.draw.randint(1, 3))
    return await whole(answer)


@_mood
async def unavailable(answer):
    answer.writer.write(answer.head("503 Service Unavailable", "Content-Length: 0\r\n"))
    return True


@_mood
async def too_short(answer):
    answer.writer.write(answer.length() + (answer.less() if answer.method != "HEAD" else b""))
    await answer.writer.drain()
    answer.end()
    return False


@_mood
async def without_last_chunk(answer):
    answer.writer.write(answer.head("200 OK", "Transfer-Encoding: chunked\r\n"))
    for piece in chunks(answer.less() if answer.method != "HEAD" else b"", answer.draw):
        answer.writer.write(piece)
    await answer.writer.drain()
    answer.end()
    return False


@_mood
async def garbage(answer):
    answer.writer.write(answer.draw.randbytes(answer.draw.randint(1, 300)))
    return False


@_mood
async def stray(answer):
    """Right, but followed by bytes that nobody asked for."""
    await whole(answer)
    answer.writer.write(b"stray")
    return True


@_mood
async def gone(answer):
    answer.writer.transport.abort()
    return False


@_mood
async def silent(_answer):
    await asyncio.sleep(3)  # longer than any first_byte
    return False


MOODS["early"] = MOODS["slow_reader"] = whole  # what is odd about them comes before the answer
WEIGHTS = collections.Counter({name: 1 for name in MOODS if name != "call"}) + collections.Counter(whole=20, late=4, in_pieces=2, chunked=3)
