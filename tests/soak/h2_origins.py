"""An origin's side of HTTP/2: each stream is answered in the mood that its request asks for, and connections end as they like."""

import asyncio

from hyperframe import frame as hyper

from harness import h2_bytes as h2
from h2_end import Gone, H2End, draw_settings
from message import payload

MOODS = {}
_STREAMS = {h2.MAX_CONCURRENT_STREAMS: (1, 3, 20, 100)}
# After each of them the request may have been worked on: nobody may send a POST again.
_CODES = (h2.CANCEL, h2.INTERNAL_ERROR, h2.NO_ERROR, h2.ENHANCE_YOUR_CALM)


def _mood(function):
    MOODS[function.__name__] = function
    return function


class Service(H2End):
    """One connection. `fault` and `arrived` of the ledger are what is found."""

    def __init__(self, reader, writer, draw, ledger):
        super().__init__(reader, writer, draw_settings(draw, _STREAMS))
        self.draw, self._ledger = draw, ledger
        self._tasks = set()
        self._open = set()        # streams
        self._most = None         # how many may be open: what the proxy has acknowledged
        self._last = None         # stream that is served; None before GOAWAY

    async def serve(self):
        """Up to the end of the connection."""
        self._ledger.seen["HTTP/2 connections to origins"] += 1
        self.start()
        try:
            await self.read(self._ledger)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def abort(self):
        self._writer.transport.abort()

    def go_away(self, code=h2.NO_ERROR):
        """Serve nothing newer than what has come, and end when that is over."""
        if self._last is None:
            self._last = max(self.messages, default=0)
            self.send(h2.goaway(self._last, code))
            self._ledger.seen["GOAWAYs of origins"] += 1

    def delay_s(self, message):
        return self.draw.uniform(0.002, 0.02) if message.get("x-mood") == "slow_reader" else 0

    def _on_settings(self, frame, answers):
        if "ACK" in frame.flags and self.credit.unacknowledged:
            self._most = self.credit.unacknowledged[0].get(h2.MAX_CONCURRENT_STREAMS, self._most)
        super()._on_settings(frame, answers)

    def _on_reset(self, frame, answers):
        super()._on_reset(frame, answers)
        self._open.discard(frame.stream_id)

    _handlers = {**H2End._handlers, hyper.SettingsFrame: _on_settings, hyper.RstStreamFrame: _on_reset}

    def on_head(self, message):
        if self._last is not None and message.stream > self._last:
            return
        self._open.add(message.stream)
        if self._most is not None and len(self._open) > self._most:
            self._ledger.fault(f"{len(self._open)} streams are open at an origin that allows {self._most}")
        task = asyncio.ensure_future(self._serve(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, message):
        try:
            await self._answer(message)
        except (Gone, OSError):
            pass
        finally:
            self._open.discard(message.stream)
        self._act()
        if self._last is not None and not self._open:
            await asyncio.sleep(self.draw.uniform(0, 0.02))  # the proxy may be first
            self._writer.close()

    def _act(self):
        """Now and then an origin changes its mind about the connection."""
        chance = self.draw.random()
        if chance < 0.02:
            self.go_away()
        elif chance < 0.06:
            self.announce({h2.MAX_CONCURRENT_STREAMS: self.draw.choice(_STREAMS[h2.MAX_CONCURRENT_STREAMS])})
        elif chance < 0.08:
            self.announce({h2.INITIAL_WINDOW_SIZE: self.draw.choice((0, 1000, 100000))})
            asyncio.get_running_loop().call_later(0.1, self.announce, {h2.INITIAL_WINDOW_SIZE: 65535})
        elif chance < 0.1:
            self.send(h2.ping(self.draw.randbytes(8)))

    async def _answer(self, message):
        if self.draw.random() < 0.02:
            self._ledger.seen["refused streams"] += 1
            self.send(h2.rst_stream(message.stream, h2.REFUSED_STREAM))
            return
        answer = _Answer(self, message)
        if message.method == "POST":
            self._ledger.arrived[answer.name] += 1
        if answer.mood == "early":
            answer.head(403, end=True)
            self.send(h2.rst_stream(message.stream, h2.NO_ERROR))
            return
        await self.until(lambda: message.over)
        if message.complete:
            self._take_in(answer)
            await MOODS[answer.mood](answer)

    def _take_in(self, answer):
        message = answer.request
        answer.received = bytes(message.body)
        message.body.clear()
        self._ledger.whole_uploads.add(answer.name)
        if answer.received != payload(answer.name, len(answer.received)):
            self._ledger.fault(f"{answer.name}: an origin got bytes over HTTP/2 that are not its own")
        if int(message.get("content-length", len(answer.received))) != len(answer.received):
            self._ledger.fault(f"{answer.name}: {message.get('content-length')} bytes announced, {len(answer.received)} came")


class _Answer:
    def __init__(self, service, request):
        self.service, self.request, self.draw = service, request, service.draw
        self.stream = request.stream
        self.name = request.get("x-name", "")
        self.mood = request.get("x-mood", "whole")
        self.received = b""
        self.body = payload(self.name, int(request.get("x-count", "0")))

    def head(self, status=200, more=(), end=False):
        fields = [(":status", str(status)), ("x-name", self.name), ("x-received", str(len(self.received))), *more]
        self.service.send_head(self.stream, fields, end)

    def begin(self, length=True):
        """The head of a good answer; false if that is all."""
        self.head(more=[("content-length", str(len(self.body)))] if length else (), end=self.request.method == "HEAD")
        return self.request.method != "HEAD"

    async def send(self, body, end=True, pause=None):
        await self.service.upload(self.stream, body, end, pause)

    def less(self):
        """Not all of the body."""
        return self.body[:self.draw.randint(0, max(0, len(self.body) - 1))]

    def reset(self):
        self.service.send(h2.rst_stream(self.stream, self.draw.choice(_CODES)))

    def break_off(self):
        """In one of two ways."""
        if self.draw.random() < 0.7:
            self.reset()
        else:
            self.service.abort()


@_mood
async def whole(answer):
    if answer.begin():
        await answer.send(answer.body)


@_mood
async def late(answer):
    await asyncio.sleep(answer.draw.uniform(0, 0.3))  # what is late about it
    await whole(answer)


@_mood
async def in_pieces(answer):
    if answer.begin():
        # the pace of the pieces
        await answer.send(answer.body, pause=lambda: asyncio.sleep(0.001))


@_mood
async def chunked(answer):
    """Without a length, and with trailers."""
    if answer.begin(length=False):
        await answer.send(answer.body, end=False)
        answer.service.send_head(answer.stream, [("x-last", "yes")], True)


@_mood
async def call(answer):
    """A call of gRPC: its end is its status."""
    answer.head(more=[("content-type", "application/grpc")])
    await answer.send(answer.body, end=False)
    answer.service.send_head(answer.stream, [("grpc-status", "0")], True)


@_mood
async def until_close(answer):
    """Without a length, on a connection that is its last."""
    answer.service.go_away()
    if answer.begin(length=False):
        await answer.send(answer.body)


@_mood
async def after_hints(answer):
    for _ in range(answer.draw.randint(1, 3)):
        answer.service.send_head(answer.stream, [(":status", "103"), ("link", "</x>")])
    await whole(answer)


@_mood
async def unavailable(answer):
    answer.head(503, [("content-length", "0")], end=True)


@_mood
async def too_short(answer):
    if answer.begin():
        ends = answer.draw.random() < 0.5
        await answer.send(answer.less(), end=ends)
        if not ends:
            answer.break_off()


@_mood
async def without_last_chunk(answer):
    if answer.begin(length=False):
        await answer.send(answer.less(), end=False)
        answer.break_off()


@_mood
async def garbage(answer):
    stream = answer.stream
    answer.service.send_as_it_is(answer.draw.choice((
        answer.draw.randbytes(answer.draw.randint(1, 300)),
        h2.data(stream, b"payload before a head"), h2.data(0, b"x"), h2.data(stream + 2, b"x"),
        h2.headers(stream, h2.indexed(127), True), h2.headers(stream, b"", True),
        h2.headers(stream, h2.block([(":status", "200"), ("X-Name", "x")]), True),
        h2.headers(stream, h2.block([(":status", "200"), ("connection", "close")]), True),
        h2.push_promise(stream, 2, h2.block(h2.request_fields())),
        h2.window_update(stream, 0), h2.window_update(0, h2.LARGEST), h2.settings({h2.INITIAL_WINDOW_SIZE: 1 << 31}),
        h2.settings({h2.MAX_FRAME_SIZE: 1}), h2.frame(h2.PING, 0, 0, b"short"), h2.continuation(stream, b""))))


@_mood
async def stray(answer):
    """Right, but followed by a frame that nobody asked for."""
    await whole(answer)
    answer.service.send_as_it_is(answer.draw.choice((h2.data(answer.stream, b"stray", True), h2.rst_stream(answer.stream),
                                                     h2.window_update(answer.stream, 5))))


@_mood
async def gone(answer):
    answer.break_off()


@_mood
async def silent(_answer):
    await asyncio.sleep(3)  # longer than any first_byte
    _answer.reset()


MOODS["slow_reader"] = MOODS["early"] = whole  # what is odd about them comes before the answer
