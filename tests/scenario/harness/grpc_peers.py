"""A gRPC server and client of the real library. Messages are bytes: no generated code is needed."""

import concurrent.futures
import contextlib
import threading
import time

import grpc

from .verdict import patient

ENDLESS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]
HEALTH = "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


def text(metadata):
    """Metadata as a dictionary of its last values."""
    return {key: value for key, value in metadata or ()}


class Server:
    """test.Echo, and a health service that says what `health` says (None: there is none)."""

    def __init__(self, scenario, certificate=None, name="server"):
        self.name = name
        self.port = scenario.port()
        self.health = {"": SERVING}
        self.seen = []             # (method, metadata) of every call
        self.cancelled = []        # when a call that was held was cancelled, by time.monotonic()
        self.held = threading.Semaphore(0)
        self.failures = {}         # test.Echo/Flaky: how often a key still fails, with which status and metadata
        self._options = [*ENDLESS, ("grpc.so_reuseport", 0)]
        self._certificate = certificate
        self._server = None
        self.start()
        scenario.add(self)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        pool = concurrent.futures.ThreadPoolExecutor(64)
        self._server = grpc.server(pool, handlers=[self], options=self._options)
        if self._certificate:
            with open(self._certificate.key, "rb") as key, open(self._certificate.cert, "rb") as cert:
                credentials = grpc.ssl_server_credentials([(key.read(), cert.read())])
            self._server.add_secure_port(self.address, credentials)
        else:
            self._server.add_insecure_port(self.address)
        self._server.start()

    def stop(self, grace=0.0):
        """Send GOAWAY and end the calls after the grace; returns what to wait on."""
        return self._server.stop(grace)

    def close(self):
        self.stop().wait(patient(10))

    @staticmethod
    def log_tail(_count):
        """It writes none."""
        return []

    def calls(self, method):
        return [metadata for name, metadata in self.seen if name.endswith("/" + method)]

    def service(self, details):
        """grpc.GenericRpcHandler."""
        self.seen.append((details.method, text(details.invocation_metadata)))
        kind, method = {
            "/test.Echo/Unary": (grpc.unary_unary_rpc_method_handler, self.unary),
            "/test.Echo/Collect": (grpc.stream_unary_rpc_method_handler, self.collect),
            "/test.Echo/Produce": (grpc.unary_stream_rpc_method_handler, self.produce),
            "/test.Echo/Both": (grpc.stream_stream_rpc_method_handler, self.both),
            "/test.Echo/Late": (grpc.stream_stream_rpc_method_handler, self.late),
            "/test.Echo/Fail": (grpc.unary_unary_rpc_method_handler, self.fail),
            "/test.Echo/Flaky": (grpc.unary_unary_rpc_method_handler, self.flaky),
            "/test.Echo/Hold": (grpc.unary_unary_rpc_method_handler, self.hold),
            "/test.Echo/HoldStream": (grpc.stream_stream_rpc_method_handler, self.hold_stream),
            HEALTH: (grpc.unary_unary_rpc_method_handler, self.check),
        }.get(details.method, (None, None))
        return kind(method) if kind and (details.method != HEALTH or self.health is not None) else None

    def unary(self, message, context):
        """Answer with the message; metadata x-* comes back, before and behind it."""
        metadata = [(key, value) for key, value in context.invocation_metadata() if key.startswith("x-")]
        context.send_initial_metadata(metadata)
        context.set_trailing_metadata([("end-" + key, value) for key, value in metadata])
        return message

    def collect(self, messages, _):
        count = size = 0
        for message in messages:
            count, size = count + 1, size + len(message)
        return f"{count} {size}".encode()

    def produce(self, message, _):
        count, size = (int(part) for part in message.split())
        for number in range(count):
            yield number.to_bytes(4, "big") + bytes(size - 4)

    def both(self, messages, _):
        yield from messages

    def late(self, messages, _):
        """Answer only when the client has ended its direction."""
        yield from list(messages)

    def fail(self, message, context):
        code, detail = message.decode().split(" ", 1)
        context.set_trailing_metadata([("x-why", "asked-for"), ("x-why-bin", bytes(range(256)))])
        context.abort(next(each for each in grpc.StatusCode if each.name == code), detail)

    def flaky(self, message, context):
        left, code, metadata = self.failures.get(message, (0, None, ()))
        if left > 0:
            self.failures[message] = (left - 1, code, metadata)
            context.set_trailing_metadata(metadata)
            context.abort(code, "flaky")
        return message

    def _hold(self, context):
        over = threading.Event()
        context.add_callback(lambda: (self.cancelled.append(time.monotonic()), over.set()))
        self.held.release()
        over.wait(patient(60))

    def hold(self, _message, context):
        self._hold(context)
        return b""

    def hold_stream(self, messages, context):
        yield next(messages)
        self._hold(context)

    def check(self, message, context):
        """The request has one text, with its length in one byte."""
        service = message[2:].decode()
        if service not in self.health:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return self.health[service]


class Channel:
    """A client's connection. Its methods take bytes and return calls of grpc."""

    def __init__(self, address, ca=None, options=()):
        target = "{}:{}".format(*address)
        options = [*ENDLESS, ("grpc.use_local_subchannel_pool", 1), *options]
        if ca:
            with open(ca, "rb") as file:
                credentials = grpc.ssl_channel_credentials(file.read())
            options.append(("grpc.ssl_target_name_override", "shop.test"))
            self._channel = grpc.secure_channel(target, credentials, options)
        else:
            self._channel = grpc.insecure_channel(target, options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._channel.close()

    def unary(self, method="Unary", service="test.Echo"):
        return self._channel.unary_unary(f"/{service}/{method}")

    def upload(self, method="Collect"):
        return self._channel.stream_unary(f"/test.Echo/{method}")

    def download(self, method="Produce"):
        return self._channel.unary_stream(f"/test.Echo/{method}")

    def both(self, method="Both"):
        return self._channel.stream_stream(f"/test.Echo/{method}")


def failure(call, *arguments, **options):
    """The error with which a unary call ends; None: it succeeds."""
    with contextlib.suppress(StopIteration):
        try:
            call(*arguments, **{"timeout": patient(30), **options})
        except grpc.RpcError as error:
            return error
    return None
