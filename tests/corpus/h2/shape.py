"""What a case of this folder is: frames that a client sends, and what may become of them.

A case is (name, section, steps, allowed). `section` is where the answer is written: "5.1" of RFC 9113 unless another RFC is
named. `steps` are bytes, or functions that are given the client and wait for something; both parties have sent and
acknowledged SETTINGS before, unless the first step is RAW. `allowed` is an outcome or several. Bytes that must not be told apart from
another split go out in one write, so neighbours in a row of bytes do.
"""

from harness import h2_bytes as h2


class Outcome:
    """`stream`: which one is meant."""

    def __init__(self, stream=1):
        self.stream = stream


class Answered(Outcome):
    """The stream gets a whole response with one of these statuses, and nothing is reset."""

    def __init__(self, *statuses, stream=1):
        super().__init__(stream)
        self.statuses = statuses or (200,)

    def __repr__(self):
        return f"stream {self.stream} is answered with {self.statuses}"


class Reset(Outcome):
    """A stream error with one of these codes; the connection goes on. A 4xx or 501 may come before."""

    def __init__(self, *codes, stream=1):
        super().__init__(stream)
        self.codes = codes

    def __repr__(self):
        return f"stream {self.stream} is reset by {[h2.code_name(code) for code in self.codes]}"


class Ended(Outcome):
    """A connection error: GOAWAY with one of these codes, then the end. Without codes the end alone will do."""

    def __init__(self, *codes):
        super().__init__(0)
        self.codes = codes

    def __repr__(self):
        return f"the connection ends by {[h2.code_name(code) for code in self.codes]}"


class Http1(Outcome):
    """The answer is one of HTTP/1.1, with one of these statuses."""

    def __init__(self, *statuses):
        super().__init__(0)
        self.statuses = statuses

    def __repr__(self):
        return f"an HTTP/1.1 answer of {self.statuses}"


class Silent(Outcome):
    """Nothing comes of it: no answer, no error, and the connection goes on."""

    def __repr__(self):
        return "nothing comes of it"


RAW = object()

FINE = Answered()
PROTOCOL = Ended(h2.PROTOCOL_ERROR)
SIZE = Ended(h2.FRAME_SIZE_ERROR)
COMPRESSION = Ended(h2.COMPRESSION_ERROR)
FLOW = Ended(h2.FLOW_CONTROL_ERROR)
CLOSED = (Reset(h2.STREAM_CLOSED), Ended(h2.STREAM_CLOSED))
MALFORMED = Reset(h2.PROTOCOL_ERROR)


# ---- what cases are made of

def get(stream=1, path="/", more=(), end=True, **options):
    """A request as one HEADERS frame."""
    return h2.headers(stream, h2.block(h2.request_fields(path=path, more=more)), end, **options)


def post(stream=1, path="/", more=()):
    """The head of a request whose payload is still to come."""
    return h2.headers(stream, h2.block(h2.request_fields("POST", path, more=more)))


def fields(*pairs):
    """A request of exactly these fields."""
    return h2.headers(1, h2.block(pairs), True)


def with_block(block, stream=1, path="/"):
    """A request that ends with a header block as it is."""
    return h2.headers(stream, h2.block(h2.request_fields(path=path)) + block, True)


# ---- what is waited for

def answered(stream=1):
    """Wait for the whole response."""
    return lambda client: client.response(stream)


def begun(stream=1):
    """Wait for the head of the response."""
    return lambda client: client.head_of(stream)


def half_close(client):
    """The client will send nothing more."""
    client.finish_sending()
