"""Clients of HTTP/2: several streams at once, resets, slow windows, bad frames; and each answer is held against its request."""

import asyncio
import contextlib

from harness import h2_attacks, h2_bytes as h2
from asks import OWN, Ask
from h2_end import Gone, H2End, draw_settings
from patience import Late, patiently

_FLOODS = [h2_attacks.RAPID_RESET, h2_attacks.CONTINUATION, h2_attacks.PING, h2_attacks.SETTINGS, h2_attacks.PRIORITY,
           h2_attacks.EMPTY_DATA, *h2_attacks.MADE_RESETS.values()]


class Client(H2End):
    """One connection with everything that may happen on it."""

    def __init__(self, reader, writer, draw, names, ledger):
        super().__init__(reader, writer, draw_settings(draw), h2.PREFACE)
        self._draw, self._names, self._ledger = draw, names, ledger
        self._scheme = "https" if writer.get_extra_info("ssl_object") else "http"
        self._next = 1
        self._open = 0
        self._at = "opening"      # for reports, as are
        self._asks = {}           # [stream]
        self._slow = self.announced.get(h2.INITIAL_WINDOW_SIZE, h2.WINDOW_BYTES) >= h2.WINDOW_BYTES and draw.random() < 0.1
        self._ways = {self._several: 60, self._call: 8, self._change_windows: 5, self._stall: 3, self._tunnel: 4, self._go_away: 4,
                      self._give_up: 4, self._spoil: 5, self._flood: 1, self._reset_rapidly: 2}

    async def visit(self, is_over):
        """The whole life of the connection; nothing is begun once is_over()."""
        self._saw("HTTP/2 connections of clients")
        self.start()
        reading = asyncio.ensure_future(self.read(self._ledger))
        try:
            await self._patiently(self.until(lambda: self.settings is not None or self.http1_status()))
            if self.http1_status():
                self._saw("connections that were answered over HTTP/1")
                return
            for _ in range(self._draw.randint(1, 8)):
                way = self._draw.choices(list(self._ways), self._ways.values())[0]
                self._at = way.__name__
                await way()
                if is_over() or self.goaways:
                    break
        except Gone:
            pass
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _saw(self, what):
        self._ledger.seen[what] += 1

    async def _patiently(self, work):
        """What the work returns; a fault if for so long nothing comes, not even for another stream."""
        try:
            return await patiently(work, lambda: self.heard_s)
        except Late:
            self._ledger.fault(f"a client waited longer than any timeout of the proxy: {self.state()}")
            raise Gone from None

    def state(self):
        """In words, for reports: what goes on, and how it stands."""
        asks = [f"{ask}: {self.uploaded[stream]} bytes sent, window {self.window(stream)}, {self.messages.get(stream)}"
                for stream, ask in self._asks.items()]
        return f"at {self._at}, {self._open} open of {self.settings}; {'; '.join(asks)}; {super().state()}"

    def delay_s(self, _message):
        return self._draw.uniform(0, 0.05) if self._slow else 0

    # ---- ways

    async def _several(self, then=None, most=8):
        """Requests at once; `then` is done while they are on their way."""
        count = self._draw.randint(1, 3 if self._slow else most)
        asks = [self._exchange(Ask.draw(self._draw, next(self._names))) for _ in range(count)]
        tasks = [asyncio.ensure_future(self._patiently(ask)) for ask in asks]
        try:
            if then:
                await asyncio.sleep(self._draw.uniform(0, 0.05))  # it may meet any moment of them
                then()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _call(self):
        """Of gRPC: whatever happens, it has a status, or is reset."""
        ask = Ask.draw(self._draw, next(self._names), "POST")
        ask.mood = ask.fields["X-Mood"] = "call"
        ask.fields = {**{name: value for name, value in ask.fields.items() if name.startswith("X-")},
                      "Content-Type": "application/grpc", "TE": "trailers"}
        await self._patiently(self._exchange(ask))

    async def _change_windows(self):
        size = self._draw.choice((0, 10000, h2.WINDOW_BYTES, 1 << 20))
        await self._several(lambda: self.announce({h2.INITIAL_WINDOW_SIZE: size} if size else {}))
        self.send(h2.ping(b"are you?"))
        await self._patiently(self.until(lambda: b"are you?" in self.pongs))

    async def _go_away(self):
        """No more requests, but those that were made are answered."""
        await self._several(lambda: self.send(h2.goaway(0)))
        self._saw("GOAWAYs of clients")
        raise Gone

    async def _give_up(self):
        await self._several(self._writer.transport.abort)
        raise Gone

    async def _spoil(self):
        stream, open_stream = self._next, max(1, self._next - 2)
        self._next += 2
        bad = self._draw.choice((
            self._draw.randbytes(self._draw.randint(9, 2000)), h2.data(0, b"x"), h2.data(stream, b"x"),
            h2.headers(stream, h2.indexed(127), True), h2.headers(2, h2.block(h2.request_fields()), True),
            h2.headers(stream, h2.block(h2.request_fields(path=None)), True), h2.headers(stream, b"", True),
            h2.headers(stream, h2.block(h2.request_fields(more=[("connection", "x")])), True),
            h2.headers(stream, h2.block(h2.request_fields()), whole=False) + h2.ping(),
            h2.window_update(0, 0), h2.window_update(0, h2.LARGEST), h2.window_update(open_stream, h2.LARGEST),
            h2.settings({h2.ENABLE_PUSH: 2}), h2.settings({h2.INITIAL_WINDOW_SIZE: 1 << 31}), h2.push_promise(1, 2, b""),
            h2.rst_stream(0), h2.rst_stream(stream + 20), h2.frame(h2.PING, 0, 0, b"short"), h2.continuation(stream, b""),
            h2.goaway(0, h2.INTERNAL_ERROR), h2.data(open_stream, b"late", True)))
        await self._several(lambda: self.send_as_it_is(bad))
        self._saw("bad frames")

    async def _flood(self):
        flood = self._draw.choice(_FLOODS)
        self._next = 1 << 30  # those of the flood are used up
        self.send(flood)
        self._saw("floods of HTTP/2")
        await self._patiently(self.until(lambda: self.goaways))
        raise Gone

    async def _reset_rapidly(self):
        """As fast as they can be made, up to more than a proxy bears."""
        for number in range(self._draw.choice((10, 50, 2000))):
            if number % 50 == 0:
                await asyncio.sleep(0)  # the others, and all origins, have this thread too
            stream = self._begin(Ask.draw(self._draw, next(self._names), "GET"), True)
            self.send(h2.rst_stream(stream))
            del self._asks[stream]
        self._saw("rapid resets")
        await self._several()

    async def _stall(self):
        """An upload of which the end never comes."""
        ask = Ask.draw(self._draw, next(self._names), "POST")
        self._ledger.unfinished.add(ask.name)
        stream = self._begin(ask, False)
        message = self._message(stream)
        with contextlib.suppress(Gone):
            await self._patiently(self.upload(stream, ask.body[:self._draw.randint(0, max(0, len(ask.body) - 1))], end=False))
        if self._draw.random() < 0.5:
            await asyncio.sleep(self._draw.uniform(0, 0.3))  # when it breaks off
        else:
            await self._patiently(self.until(lambda: message.over))
            self._saw(f"stalled uploads over HTTP/2 ended by {message.status or 'reset'}")
        self._reset(stream)

    async def _tunnel(self):
        """RFC 8441."""
        if not self.settings.get(h2.ENABLE_CONNECT_PROTOCOL):
            return
        stream, self._next = self._next, self._next + 2
        self._asks[stream] = "a tunnel"
        fields = h2.request_fields("CONNECT", "/plain/tunnel", self._scheme, "localhost", [(":protocol", "websocket")])
        self.send_head(stream, fields)
        message = self._message(stream)
        await self._patiently(self.until(lambda: message.fields or message.over))
        if message.status == 200 and not message.over:
            sent = self._draw.randbytes(self._draw.randint(1, 50000))
            await self._patiently(self.upload(stream, sent, end=False))
            await self._patiently(self.until(lambda: message.over or message.bytes >= len(sent)))
            if message.body != sent[:len(message.body)] or message.complete and len(message.body) < len(sent):
                self._ledger.fault("a tunnel over HTTP/2 changed its bytes")
            self._saw("tunnels over HTTP/2")
        self._reset(stream)

    # ---- one exchange

    def _begin(self, ask, end):
        """Send the head; returns the stream."""
        stream, self._next = self._next, self._next + 2
        self._asks[stream] = ask
        more = [(name.lower(), value) for name, value in ask.fields.items()]
        if ask.body and self._draw.random() < 0.5:
            more.append(("content-length", str(len(ask.body))))
        self.send_head(stream, h2.request_fields(ask.method, ask.path, self._scheme, "localhost", more), end)
        return stream

    async def _exchange(self, ask):
        await self.until(lambda: self._open < self.settings.get(h2.MAX_CONCURRENT_STREAMS, 100))
        if self.goaways:
            raise Gone
        self._open += 1
        try:
            stream = self._begin(ask, ask.method != "POST")
            await self._answered(ask, stream, self._message(stream))
            self._asks.pop(stream, None)
        finally:
            self._open -= 1
            self.tell()

    async def _answered(self, ask, stream, message):
        sending = asyncio.ensure_future(self._send_body(ask, stream))
        try:
            if self._draw.random() < 0.08:
                await self._leave(ask, stream, sending)
                return
            await self.until(lambda: message.over)
            self._judge(ask, message)
            if not sending.done():
                self._reset(stream)  # answered before all was sent
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _leave(self, ask, stream, sending):
        """The client resets its stream at any moment of its exchange."""
        await asyncio.sleep(self._draw.uniform(0, 0.05))  # which moment
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if self.uploaded[stream] < len(ask.body):  # all of a length that was told is whole, also without an end
            self._ledger.unfinished.add(ask.name)
        self._reset(stream)
        self._saw("streams that clients reset")

    def _reset(self, stream):
        self._asks.pop(stream, None)
        self.send(h2.rst_stream(stream, self._draw.choice((h2.CANCEL, h2.NO_ERROR, h2.INTERNAL_ERROR))))

    async def _send_body(self, ask, stream):
        if ask.method == "POST":
            trailers = self._draw.random() < 0.2
            await self.upload(stream, ask.body, end=not trailers)
            if trailers:
                self.send_head(stream, [("x-sent", str(len(ask.body)))], True)

    def _judge(self, ask, message):
        own = message.get(OWN) is not None
        if message.fields and not own and message.get("x-name") != ask.name:
            self._ledger.fault(f"{ask.name} got the answer of {message.get('x-name')}")
        if not message.complete:
            self._saw(f"streams that ended by {h2.code_name(message.reset)}")
            return
        self._saw(f"{message.status} {'own' if own else 'passed on'} over HTTP/2")
        if ask.mood == "call":
            self._judge_call(ask, message)
            return
        if int(message.get("content-length", message.bytes)) != message.bytes and ask.method != "HEAD":
            self._ledger.fault(f"{ask.name}: {message.get('content-length')} bytes announced, {message.bytes} came")
        if ask.method == "HEAD" and message.bytes:
            self._ledger.fault(f"HEAD of {ask.name} is answered with {message.bytes} bytes")
        elif not own and message.status == 200 and ask.method != "HEAD":
            ask.judge(self._ledger, message.get("x-received"), bytes(message.body))
            if message.trailers != ([("x-last", "yes")] if ask.mood == "chunked" else []):
                self._ledger.fault(f"{ask.name} ({ask.mood}) got the trailers {message.trailers}")
        message.body.clear()

    def _judge_call(self, ask, message):
        status = dict(message.trailers).get("grpc-status", message.get("grpc-status"))
        self._saw(f"calls of gRPC with status {status}")
        if status is None:
            self._ledger.fault(f"{ask.name}: a call ended with {message.status}, {message.fields} and no status")
        elif status == "0":
            ask.judge(self._ledger, message.get("x-received"), bytes(message.body))
        message.body.clear()
