"""Clients that ask, upload, pipeline, tunnel, give up and talk nonsense, and hold every answer against what it must be."""

import asyncio
import contextlib
import itertools

from harness import patient
import ill_clients
from asks import OWN, Ask
from h2_clients import Client as Http2Client
from message import read_body, read_head
from patience import Late, patiently

_LONGEST_S = 60  # that an exchange may take to which something comes all the time


class Over(Exception):
    """This connection is over, as it may be."""


class _Reader(asyncio.StreamReader):
    """One that knows when something last came, and what its client is at."""

    def __init__(self, **options):
        super().__init__(**options)
        self.heard_s = 0         # on the loop's clock
        self.at = "connecting"   # in words
        self.head = None         # the last one that has come

    def feed_data(self, data):
        self.heard_s = asyncio.get_running_loop().time()
        super().feed_data(data)

    def state(self):
        """In words, for reports."""
        return f"at {self.at}; last head {self.head}; {self!r}"


async def _connect(address, context):
    """(reader, writer), as asyncio.open_connection() makes them."""
    loop = asyncio.get_running_loop()
    reader = _Reader(limit=1 << 20, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, *address, ssl=context,
                                                server_hostname=context and "localhost")
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class Crowd:
    """Many of them, until stop()."""

    def __init__(self, addresses, draw, ledger):
        self._addresses, self._draw, self._ledger = addresses, draw, ledger
        self._names = (f"e{number}" for number in itertools.count())
        self._over = False
        self._tasks = []
        self._states = {}  # [task]: of its connection, in words
        self._secure = [address for address, context, _ in addresses if context]
        self._ways = {self._ask: 80, self._pipeline: 5, self._give_up: 5, self._tunnel: 3, self._babble: 2,
                      self._read_slowly: 4, self._upload_slowly: 4, self._stall: 3, self._half_close: 3,
                      self._expect_without_body: 2, self._flood: 1}

    def start(self, count):
        self._tasks = [asyncio.create_task(self._live()) for _ in range(count)]

    async def stop(self):
        """Let each end what it is at; a client that does not is a fault."""
        self._over = True
        done, stuck = await asyncio.wait(self._tasks, timeout=patient(_LONGEST_S))
        for task in stuck:
            self._ledger.fault(f"a client never ended: {self._states[task]()}")
        for task in done:
            task.result()

    async def leave(self):
        """They end now, whatever they are at."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _live(self):
        while not self._over:
            address, context, visit = self._draw.choice(self._addresses)
            self._states[asyncio.current_task()] = lambda: "connecting"
            try:
                reader, writer = await patiently(_connect(address, context), lambda: 0)
            except Late:
                self._ledger.fault(f"a client waited longer than any timeout of the proxy for a connection to {address}")
                continue
            except OSError:
                self._ledger.seen["refused connections"] += 1
                await asyncio.sleep(0.05)  # who is refused does not try again at once
                continue
            try:
                await visit(self, reader, writer)
            except (Over, OSError, asyncio.IncompleteReadError):
                pass
            except (ValueError, asyncio.LimitOverrunError) as fault:
                self._ledger.fault(f"a client cannot read its answer: {fault!r}; {self._state()}")
            except Late:
                self._ledger.fault(f"a client waited longer than any timeout of the proxy: {self._state()}")
            finally:
                writer.close()

    async def http1(self, reader, writer):
        """What comes to pass on a connection."""
        self._states[asyncio.current_task()] = reader.state
        for _ in range(self._draw.randint(1, 30)):
            await patiently(self._one(reader, writer), lambda: reader.heard_s)
            if self._over:
                break

    async def http2(self, reader, writer):
        """The same over HTTP/2."""
        client = Http2Client(reader, writer, self._draw, self._names, self._ledger)
        self._states[asyncio.current_task()] = client.state
        await client.visit(lambda: self._over)

    def _state(self):
        return self._states[asyncio.current_task()]()

    async def _one(self, reader, writer):
        way = self._draw.choices(list(self._ways), self._ways.values())[0]
        reader.at = way.__name__
        await way(reader, writer)

    async def _ask(self, reader, writer):
        ask = Ask.draw(self._draw, next(self._names))
        await self._exchange(ask, reader, _send(writer, ask.raw(self._draw)))

    async def _exchange(self, ask, reader, send):
        """The answer is awaited while the request is sent."""
        async with _beside(send) as sending:
            await self._expect(ask, reader)
            if not sending.done():
                raise Over  # answered before all was sent

    async def _read_slowly(self, reader, writer):
        self._saw("slow readers")
        ill_clients.read_little(writer)
        async with _beside(ill_clients.hesitate(writer.transport, self._draw)):
            await self._ask(reader, writer)

    async def _upload_slowly(self, reader, writer):
        self._saw("slow uploads")
        ask = Ask.draw(self._draw, next(self._names), "POST")
        await self._exchange(ask, reader, ill_clients.send_slowly(writer, self._draw, b"".join(ask.raw(self._draw))))

    async def _stall(self, reader, writer):
        name = next(self._names)
        reader.at = f"the stalled upload {name}"
        self._ledger.unfinished.add(name)
        status = await ill_clients.stall(reader, writer, self._draw, name)
        self._saw(f"stalled uploads ended by {status or 'the client'}")
        raise Over

    async def _expect_without_body(self, reader, writer):
        name = next(self._names)
        reader.at = f"the upload {name}, which expects 100 (Continue) and never comes"
        statuses = await ill_clients.expect_without_body(reader, writer, self._draw, name)
        self._saw(f"bodies that never came, answered {' '.join(statuses) or 'nothing'}")
        raise Over

    async def _half_close(self, reader, writer):
        ask = Ask.draw(self._draw, next(self._names))
        await self._exchange(ask, reader, _send(writer, ask.raw(self._draw), and_end=True))
        self._saw("half-closed and answered")
        if behind := await reader.read():
            self._ledger.fault(f"{ask.name} has half-closed, and its answer is followed by {behind[:80]}")
        raise Over

    async def _flood(self, _reader, _writer):
        if (taken := await ill_clients.flood(self._draw.choice(self._secure))) is not None:
            self._saw("floods of KeyUpdates")
            if taken >= ill_clients.KEY_UPDATES:
                self._ledger.fault(f"all {taken} KeyUpdates of one client were taken")

    async def _pipeline(self, reader, writer):
        asks = [Ask.draw(self._draw, next(self._names), "GET") for _ in range(self._draw.randint(2, 6))]
        writer.write(b"".join(ask.raw(self._draw)[0] for ask in asks))
        for ask in asks:
            await self._expect(ask, reader)

    def _saw(self, what):
        self._ledger.seen[what] += 1

    async def _give_up(self, _reader, writer):
        raw = b"".join(Ask.draw(self._draw, next(self._names)).raw(self._draw))
        writer.write(raw[:self._draw.randint(1, len(raw))])
        await asyncio.sleep(self._draw.uniform(0, 0.05))  # it may leave at any moment of its exchange
        writer.transport.abort()
        self._ledger.seen["given up"] += 1
        raise Over

    async def _tunnel(self, reader, writer):
        writer.write(b"GET /plain/tunnel HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        if (await read_head(reader))[0][1] == "101":
            sent = self._draw.randbytes(self._draw.randint(1, 50000))
            writer.write(sent)
            if await reader.readexactly(len(sent)) != sent:
                self._ledger.fault("a tunnel changed its bytes")
            self._ledger.seen["tunnels"] += 1
        raise Over

    async def _babble(self, reader, writer):
        writer.write(self._draw.randbytes(self._draw.randint(1, 2000)))
        await reader.read()
        raise Over

    async def _expect(self, ask, reader):
        reader.at = ask
        status, fields = "100", {}
        while status.startswith("1"):
            (_, status, _), fields = reader.head = await read_head(reader)
        own = OWN in fields
        self._ledger.seen[f"{status} {'own' if own else 'passed on'}"] += 1
        if not own and fields.get("x-name") != ask.name:
            self._ledger.fault(f"{ask.name} got the answer of {fields.get('x-name')}")
        if ask.method != "HEAD":
            ends = "transfer-encoding" in fields or "content-length" in fields
            body = await read_body(reader, fields) if ends else await reader.read()
            if not own and status == "200":
                ask.judge(self._ledger, fields["x-received"], body)
        if fields.get("connection") == "close":
            if behind := await reader.read():
                self._ledger.fault(f"{ask.method} {ask.name} ({ask.mood}): the last answer, {status} {fields}, is followed by "
                                   f"{behind[:80]}")
            raise Over


async def _send(writer, pieces, and_end=False):
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    if and_end and writer.can_write_eof():
        writer.write_eof()


@contextlib.asynccontextmanager
async def _beside(work):
    """The work goes on while the block runs, and is over when the block is."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await task
