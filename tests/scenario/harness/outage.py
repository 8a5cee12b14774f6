"""An origin of finite capacity that fails for a while, and clients that ask at a steady rate whatever happens.

Everything of one run lives in one asyncio loop: a few hundred requests a second are all there is. The origin serves one
request at a time and never forgets one: whoever has given up meanwhile is served all the same, as by a server that does
not look at its connections while it works.
"""

import asyncio
import random
import socket
import struct
import time

from . import h2_bytes as h2

MODES = ("hang", "refuse", "503")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno"
# The same as field blocks, without a dynamic table.
BLOCKS = {ANSWER: h2.indexed(8), REFUSAL: h2.literal(8, "503")}


class Origin:
    """`at_once` requests at a time, each for 1 / per_second * at_once seconds; `http2`: with prior knowledge."""

    def __init__(self, port, per_second, at_once=1, http2=False):
        self.port = port
        self.arrivals = []            # when a request, or a connection that was refused, came
        self.under_way = 0            # when it began to fail: connections that were open; of HTTP/2, requests
        self.mode = None              # the failure under way
        self.longest_queue = 0
        self._seconds = at_once / per_second
        self._at_once = at_once
        self._talk = self._talk_http2 if http2 else self._talk_http1
        self._http2 = http2
        self._unanswered = 0
        self._queue = asyncio.Queue()
        self._well = asyncio.Event()
        self._well.set()
        self._well_since = 0.0
        self._writers = set()
        self._server = None
        self._workers = []

    async def start(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=4096)
        self._workers = [asyncio.ensure_future(self._work()) for _ in range(self._at_once)]

    async def stop(self):
        for worker in self._workers:
            worker.cancel()
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    def fail(self, mode):
        self.mode = mode
        self.under_way = self._unanswered if self._http2 else len(self._writers)
        if mode == "hang":
            self._well.clear()
        if mode == "refuse":
            for writer in list(self._writers):
                _reset(writer)

    def recover(self):
        self.mode = None
        self._well_since = time.monotonic()
        self._well.set()

    async def _accept(self, reader, writer):
        if self.mode == "refuse":
            self.arrivals.append(time.monotonic())
            _reset(writer)
            return
        self._writers.add(writer)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _talk_http1(self, reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await self._asked(writer.write)

    async def _talk_http2(self, reader, writer):
        """A stream that was reset is served, too, but not answered."""
        reset = set()

        def answers(stream):
            def answer(response):
                if stream not in reset:
                    writer.write(h2.headers(stream, BLOCKS[response]) + h2.data(stream, response[-2:], True))
            return answer

        await reader.readexactly(len(h2.PREFACE))
        writer.write(h2.settings({h2.MAX_CONCURRENT_STREAMS: 100}))
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, stream = head[3], int.from_bytes(head[5:], "big")
            if kind in (h2.SETTINGS, h2.PING) and not head[4] & h2.ACK:
                writer.write(h2.frame(kind, h2.ACK, 0, payload if kind == h2.PING else b""))
            elif kind == h2.HEADERS:
                self._asked(answers(stream))
            elif kind == h2.RST_STREAM:
                reset.add(stream)

    def _asked(self, answer):
        """A request has come; returns what ends when answer() has been called with the response."""
        done = asyncio.get_running_loop().create_future()
        self.arrivals.append(time.monotonic())
        if self.mode == "503":
            answer(REFUSAL)
            done.set_result(None)
        else:
            self._unanswered += 1
            self._queue.put_nowait((time.monotonic(), answer, done))
            self.longest_queue = max(self.longest_queue, self._queue.qsize())
        return done

    async def _work(self):
        free_at = 0.0
        while True:
            came_at, answer, done = await self._queue.get()
            await self._well.wait()
            # The pace is kept by the clock: a wake-up that is late, as on a busy machine, costs no capacity.
            free_at = max(came_at, self._well_since, free_at) + self._seconds
            await asyncio.sleep(max(0, free_at - time.monotonic()))  # the time of service
            self._unanswered -= 1
            try:
                answer(ANSWER)
            except OSError:
                pass
            if not done.done():
                done.set_result(None)


def _reset(writer):
    sock = writer.get_extra_info("socket")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    writer.transport.abort()


class Client:
    """Requests at a steady rate, each with so many attempts of its own."""

    def __init__(self, port, attempts=1, patience=3.0, fields=(), seed=1):
        self.results = []             # (when it was due, status of the last attempt, seconds, attempts made)
        self.latest = 0.0             # how much later than due a request was sent: what the machine costs
        self.port = port
        self._attempts = attempts
        self._patience = patience
        self._rng = random.Random(seed)
        rows = "".join(f"{name}: {value}\r\n" for name, value in fields)
        self._request = f"GET / HTTP/1.1\r\nHost: storm\r\n{rows}Connection: close\r\n\r\n".encode()

    async def offer(self, per_second, seconds):
        begin = time.monotonic()
        tasks = []
        for number in range(int(per_second * seconds)):
            due = begin + number / per_second
            await asyncio.sleep(max(0, due - time.monotonic()))  # the pace
            self.latest = max(self.latest, time.monotonic() - due)
            tasks.append(asyncio.ensure_future(self._ask(due)))
        await asyncio.gather(*tasks)

    async def _ask(self, due):
        status, attempt = 0, 0
        while attempt < self._attempts and status != 200:
            if attempt:
                await asyncio.sleep(self._rng.uniform(0, 0.1 * 2 ** attempt))  # a client's own backing off
            attempt += 1
            try:
                status = await asyncio.wait_for(self._try(), self._patience)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError):
                status = 0
        self.results.append((due, status, time.monotonic() - due, attempt))

    async def _try(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(self._request)
            status = int((await reader.readuntil(b"\r\n"))[9:12])
            await reader.read()
            return status
        finally:
            writer.close()


class Outcome:
    """What a run showed."""

    def __init__(self, origin, client, begun, began, ended, offered):
        self.length = ended - began
        during = [at for at in origin.arrivals if began <= at < ended]
        self.load = len(during) / (offered * self.length)
        # What was under way may be tried by each hop as often as it tries: the slower the machine, the more that is.
        self.under_way = origin.under_way / (offered * self.length)
        self.latest = client.latest
        # What was under way when it began is hit by it.
        before = [status == 200 for due, status, seconds, _ in client.results if begun <= due and due + seconds < began]
        self.before = sum(before) / max(1, len(before))
        self.recovery = _recovery(client.results, ended)
        self.longest_queue = origin.longest_queue
        self.attempts_after = [at - ended for at in origin.arrivals if at >= ended]


def _recovery(results, ended, share=0.99, span=2.0):
    """Seconds after `ended` from which on so many requests succeed, seen over `span` and to the end; None: never."""
    after = sorted((due - ended, status == 200) for due, status, _, _ in results if due >= ended)
    starts = [0.0] + [at + 1e-6 for at, good in after if not good]
    for start in starts:
        rest = [good for at, good in after if at >= start]
        window = [good for at, good in after if start <= at < start + span]
        if window and sum(window) >= share * len(window) and sum(rest) >= share * len(rest) \
                and after[-1][0] - start >= span / 2:
            return start
    return None


async def _run(port, proxy_port, mode, length, calm, settle, rate, capacity, attempts, patience, http2):
    origin = Origin(port, capacity, http2=http2)
    await origin.start()
    client = Client(proxy_port, attempts, patience)
    begun = time.monotonic()
    load = asyncio.ensure_future(client.offer(rate, calm + length + settle))
    await asyncio.sleep(calm)  # how long all is well before
    origin.fail(mode)
    began = time.monotonic()
    await asyncio.sleep(length)  # how long the outage lasts
    origin.recover()
    ended = time.monotonic()
    await load
    await origin.stop()
    return Outcome(origin, client, begun, began, ended, rate)


def run_outage(port, proxy_port, mode, length, calm=3.0, settle=6.0, rate=60, capacity=100, attempts=1, patience=3.0, http2=False):
    """One outage of the origin on `port`, which speaks HTTP/2 or not, seen by clients of the proxy on `proxy_port`."""
    return asyncio.run(_run(port, proxy_port, mode, length, calm, settle, rate, capacity, attempts, patience, http2))
