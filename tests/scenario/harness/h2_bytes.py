"""The bytes of HTTP/2: frames and header blocks, right or wrong, as RFC 9113 and RFC 7541 lay them out.

Nothing here checks what it is told: whoever wants a frame that lies about its length says so.
"""

import struct

from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 16

# Flags. ACK is of SETTINGS and PING.
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, HAS_PRIORITY = 0x4, 0x8, 0x20

# SETTINGS.
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)
ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES = 8, 9

# Error codes.
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY,
 HTTP_1_1_REQUIRED) = range(14)
CODE_NAMES = ("NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR "
              "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY "
              "HTTP_1_1_REQUIRED").split()

WINDOW_BYTES = 65535          # of a connection and each stream, unless changed
FRAME_BYTES = 16384           # the longest payload that everybody takes
LARGEST = 2 ** 31 - 1         # of windows and stream identifiers


def code_name(code):
    return CODE_NAMES[code] if code < len(CODE_NAMES) else f"code {code:#x}"


# ---- frames

def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """Any frame. `length`: what it says about its length, if that is not the truth."""
    return struct.pack(">I", len(payload) if length is None else length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _padded(payload, pad):
    return payload if pad is None else bytes([pad]) + payload + bytes(pad)


def data(stream, payload=b"", end=False, pad=None, flags=0):
    return frame(DATA, flags | (END_STREAM if end else 0) | (0 if pad is None else PADDED), stream, _padded(payload, pad))


def headers(stream, block, end=False, whole=True, pad=None, priority_=b"", flags=0):
    """`whole`: no CONTINUATION follows. `priority_`: the five bytes of dependency()."""
    flags |= (END_STREAM if end else 0) | (END_HEADERS if whole else 0) | (0 if pad is None else PADDED)
    return frame(HEADERS, flags | (HAS_PRIORITY if priority_ else 0), stream, _padded(priority_ + block, pad))


def continuation(stream, block, whole=True):
    return frame(CONTINUATION, END_HEADERS if whole else 0, stream, block)


def dependency(on=0, weight=16, exclusive=False):
    return struct.pack(">IB", on | (0x80000000 if exclusive else 0), weight - 1)


def priority(stream, on=0, weight=16, exclusive=False):
    return frame(PRIORITY, 0, stream, dependency(on, weight, exclusive))


def rst_stream(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def settings(values=(), ack=False):
    """`values`: a dict, or pairs where an identifier comes twice."""
    pairs = values.items() if isinstance(values, dict) else values
    return frame(SETTINGS, ACK if ack else 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def push_promise(stream, promised, block):
    return frame(PUSH_PROMISE, END_HEADERS, stream, struct.pack(">I", promised) + block)


def ping(opaque=b"evenkeel", ack=False):
    return frame(PING, ACK if ack else 0, 0, opaque)


def goaway(last=0, code=NO_ERROR, debug=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + debug)


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def priority_update(stream, value=b"u=0"):
    """RFC 9218 7.1."""
    return frame(PRIORITY_UPDATE, 0, 0, struct.pack(">I", stream) + value)


def split_headers(stream, block, end=False, at=FRAME_BYTES):
    """The block as HEADERS and as many CONTINUATION as it takes."""
    pieces = [block[start:start + at] for start in range(0, len(block), at)] or [b""]
    out = headers(stream, pieces[0], end, whole=len(pieces) == 1)
    return out + b"".join(continuation(stream, piece, piece is pieces[-1]) for piece in pieces[1:])


# ---- header blocks

_HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
INDEXED, NOT_INDEXED, NEVER_INDEXED = (0x40, 6), (0x00, 4), (0x10, 4)


def as_bytes(text):
    return text if isinstance(text, (bytes, bytearray)) else text.encode("latin-1")


def integer(value, prefix_bits, first=0):
    """RFC 7541 5.1."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([first | value])
    out = bytearray([first | most])
    value -= most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def string(text, huffman=False):
    """RFC 7541 5.2."""
    text = as_bytes(text)
    if huffman:
        coded = _HUFFMAN.encode(text)
        return integer(len(coded), 7, 0x80) + coded
    return integer(len(text), 7) + text


def indexed(index):
    return integer(index, 7, 0x80)


def literal(name, value, form=NOT_INDEXED, huffman=False):
    """A field in any of the literal forms; a number as its name is an index."""
    first, bits = form
    named = integer(name, bits, first) if isinstance(name, int) else bytes([first]) + string(name, huffman)
    return named + string(value, huffman)


def table_size(size):
    return integer(size, 5, 0x20)


def block(fields):
    """Fields as they are, each a literal that no table remembers."""
    return b"".join(literal(name, value) for name, value in fields)


def request_fields(method="GET", path="/", scheme="http", authority="shop.example", more=()):
    """The fields of a request; None leaves a pseudo field out."""
    pseudo = ((":method", method), (":scheme", scheme), (":authority", authority), (":path", path))
    return [pair for pair in pseudo if pair[1] is not None] + list(more)
