"""One end of an HTTP/2 connection on asyncio's streams: H2Wire, which holds the proxy to the rules, without its thread."""

import asyncio
import collections
import struct

from harness import Failed, h2_bytes as h2
from harness.h2_wire import H2Wire


class _Outlet:
    """What H2Wire sends to."""

    def __init__(self, writer):
        self._writer = writer

    def sendall(self, data):
        if self._writer.transport.is_closing():
            raise ConnectionResetError
        self._writer.write(data)


class Gone(Exception):
    """The stream or the connection has ended, as it may."""


class H2End(H2Wire):
    """One end. Windows open at once as payload comes, or as late as delay_s() says."""

    def __init__(self, reader, writer, settings, first=b""):
        super().__init__(_Outlet(writer), settings, first=first)
        self.frames = collections.deque(maxlen=12)
        self._reader, self._writer = reader, writer
        self._moved = asyncio.Event()
        self.heard_s = 0          # when something last came, on the loop's clock
        self.uploaded = collections.Counter()  # [stream]: bytes

    async def read(self, ledger):
        """Take what comes, up to the end of the connection."""
        how = "reset"
        try:
            while piece := await self._reader.read(65536):
                self.heard_s = asyncio.get_running_loop().time()
                self.take(piece)
                self.tell()
            how = "eof"
        except OSError:
            pass
        except Failed as fault:
            ledger.fault(f"HTTP/2 from the proxy: {fault}")
            self._writer.transport.abort()
        finally:
            self.ended = how
            self.tell()

    def tell(self):
        """Wake all who wait."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def until(self, condition):
        """The first true value of condition(); Gone if the connection ends before."""
        while not (value := condition()):
            if self.ended:
                raise Gone
            await self._moved.wait()
        return value

    async def upload(self, stream, body, end=True, pause=None):
        """The payload as the windows allow, `pause` awaited before each frame; Gone if the stream ends first."""
        at = 0
        while at < len(body):
            if pause:
                await pause()
            await self.until(lambda: self._is_reset(stream) or self.window(stream) > 0)
            if self._is_reset(stream):
                raise Gone
            size = min(len(body) - at, self.window(stream), h2.FRAME_BYTES)
            self.send_connection -= size
            self.send_windows[stream] = self.send_windows.get(stream, 0) - size
            at += size
            self.uploaded[stream] += size
            self.send(h2.data(stream, body[at - size:at], end and at == len(body)))
            await self._writer.drain()
        if end and not body:
            self.send(h2.data(stream, b"", True))

    def _is_reset(self, stream):
        message = self.messages.get(stream)
        return message is not None and message.reset is not None

    def send_as_it_is(self, data):
        """Bytes that are wrong, or seem to be: the largest increment is a right one of a window that has nothing left."""
        if len(data) == 13 and data[3] == h2.WINDOW_UPDATE:
            self.credit.open(*struct.unpack(">II", data[5:]))
        self.send(data)

    def delay_s(self, _message):
        """How long after payload its windows open again."""
        return 0

    def _give_back(self, message, size, answers):
        if delay_s := self.delay_s(message):
            asyncio.get_running_loop().call_later(delay_s, self._open_later, message, size)
        else:
            super()._give_back(message, size, answers)

    def _open_later(self, message, size):
        if not self.ended:
            answers = []
            super()._give_back(message, size, answers)
            self.send(b"".join(answers))


def draw_settings(draw, more=None):
    """What an end may announce first."""
    choices = {h2.INITIAL_WINDOW_SIZE: (10000, h2.WINDOW_BYTES, 1 << 20), h2.HEADER_TABLE_SIZE: (0, 100, 4096, 65536),
               h2.MAX_FRAME_SIZE: (h2.FRAME_BYTES, 100000), **(more or {})}
    return {key: draw.choice(values) for key, values in choices.items() if draw.random() < 0.4}
