"""Header compression, RFC 7541: representations, the dynamic table, integers and strings."""

from harness import h2_bytes as h2

from .shape import COMPRESSION, FINE, Answered, answered, get, half_close, with_block, MALFORMED, Ended

FORMS = (("with indexing", h2.INDEXED, "6.2.1"), ("without indexing", h2.NOT_INDEXED, "6.2.2"),
         ("that is never indexed", h2.NEVER_INDEXED, "6.2.3"))
USER_AGENT = 58                # of the static table
FIRST_DYNAMIC = 62
REQUEST = h2.block(h2.request_fields())


def huffman(text):
    """The code of a text, padded as it should be."""
    return h2.string(text, True)[1:]


def coded(code):
    """A string literal that claims to be Huffman code."""
    return h2.integer(len(code), 7, 0x80) + code


def padded_by_zeros(text):
    """The code of a text whose last byte is padded by zeros."""
    code = bytearray(huffman(text))
    unused = next(bits for bits in range(1, 8) if code[-1] & (1 << bits) - 1 == (1 << bits) - 1 and not code[-1] & 1 << bits)
    code[-1] &= ~((1 << unused) - 1) & 0xff
    return bytes(code)


def literals():
    for what, form, section in FORMS:
        for named, name in (("a name of the table", USER_AGENT), ("a new name", "x-test")):
            for coding, is_coded in (("", False), (", Huffman coded", True)):
                yield (f"a field {what}, {named}{coding}", f"7541 {section}",
                       [with_block(h2.literal(name, "test", form, is_coded))], FINE)


def two(first, second, last=Answered(stream=3)):
    """Two requests, each with its header block."""
    return [with_block(first), answered(), with_block(second, 3)], last


FIELDS = [
    *literals(),
    ("a field of the static table", "7541 6.1", [with_block(h2.indexed(16))], FINE),
    ("every field of the static table that a request may have", "7541 6.1",
     [with_block(b"".join(h2.indexed(each) for each in (15, 16, 17, 18, 19, 24, 37, 50, 51, 58)))], FINE),
    ("the whole request from the static table", "7541 6.1",
     [h2.headers(1, h2.indexed(2) + h2.indexed(6) + h2.indexed(4) + h2.literal(1, "shop.example"), True)], FINE),
    ("a field of the dynamic table", "7541 2.3.3",
     *two(h2.literal("x-kept", "1", h2.INDEXED), h2.indexed(FIRST_DYNAMIC))),
    ("a name of the dynamic table", "7541 2.3.3",
     *two(h2.literal("x-kept", "1", h2.INDEXED), h2.literal(FIRST_DYNAMIC, "2"))),
    ("a field of the dynamic table in the same block", "7541 3.2",
     [with_block(h2.literal("x-kept", "1", h2.INDEXED) + h2.indexed(FIRST_DYNAMIC))], FINE),
    ("a field that was not indexed is looked for", "7541 6.2.2", *two(h2.literal("x", "1"), h2.indexed(FIRST_DYNAMIC), COMPRESSION)),
    ("a field that is never indexed is looked for", "7541 6.2.3",
     *two(h2.literal("x", "1", h2.NEVER_INDEXED), h2.indexed(FIRST_DYNAMIC), COMPRESSION)),
    ("an empty value", "7541 5.2", [with_block(h2.literal("x-empty", ""))], FINE),
    ("an empty Huffman code", "7541 5.2", [with_block(b"\0" + h2.string("x-empty") + b"\x80")], FINE),
    ("a block of the table's size in one field", "7541 4.1", [with_block(h2.literal("x" * 32, "v" * 4000, h2.INDEXED))], FINE),
    ("a malformed request keeps the table in step", "4.3",
     [h2.headers(1, REQUEST + h2.literal("Upper", "1", h2.INDEXED), True)
      + h2.headers(3, REQUEST + h2.literal("x-kept", "1", h2.INDEXED) + h2.indexed(FIRST_DYNAMIC), True)], Answered(stream=3)),
]

INDEXES = [
    ("an index of 0", "7541 6.1", [with_block(b"\x80")], COMPRESSION),
    ("an index beyond both tables", "7541 2.3.3", [with_block(h2.indexed(70))], COMPRESSION),
    ("the first index of an empty dynamic table", "7541 2.3.3", [with_block(h2.indexed(FIRST_DYNAMIC))], COMPRESSION),
    ("a name's index beyond both tables", "7541 2.3.3", [with_block(h2.literal(70, "x"))], COMPRESSION),
    ("a name's index beyond both tables, with indexing", "7541 2.3.3", [with_block(h2.literal(70, "x", h2.INDEXED))], COMPRESSION),
    ("a name's index beyond both tables, never indexed", "7541 2.3.3",
     [with_block(h2.literal(70, "x", h2.NEVER_INDEXED))], COMPRESSION),
    ("an index of 2^31", "7541 2.3.3", [with_block(h2.indexed(2 ** 31))], COMPRESSION),
    ("an index beyond a table of one field", "7541 2.3.3", *two(h2.literal("x", "1", h2.INDEXED), h2.indexed(63), COMPRESSION)),
]

TABLE = [
    ("a table size at the beginning", "7541 6.3", [h2.headers(1, h2.table_size(128) + REQUEST, True)], FINE),
    ("two table sizes at the beginning", "7541 6.3", [h2.headers(1, h2.table_size(128) + h2.table_size(4096) + REQUEST, True)], FINE),
    ("a table size of 0", "7541 6.3", [h2.headers(1, h2.table_size(0) + REQUEST, True)], FINE),
    ("the greatest table size that is allowed", "7541 6.3", [h2.headers(1, h2.table_size(4096) + REQUEST, True)], FINE),
    ("a table size beyond what was allowed", "7541 6.3", [h2.headers(1, h2.table_size(70000) + REQUEST, True)], COMPRESSION),
    ("a table size of 2^31", "7541 6.3", [h2.headers(1, h2.table_size(2 ** 31) + REQUEST, True)], COMPRESSION),
    ("a table size at the end of the block", "7541 4.2", [with_block(h2.table_size(128))], COMPRESSION),
    ("a table size between fields", "7541 4.2", [with_block(h2.table_size(128) + h2.literal("x", "1"))], COMPRESSION),
    ("a table size of 0 forgets the table", "7541 4.3",
     [with_block(h2.literal("x", "1", h2.INDEXED)), answered(),
      h2.headers(3, h2.table_size(0) + h2.table_size(4096) + REQUEST + h2.indexed(FIRST_DYNAMIC), True)], COMPRESSION),
    ("a field larger than the table empties it", "7541 4.4",
     *two(h2.literal("x", "1", h2.INDEXED) + h2.literal("y", "v" * 5000, h2.INDEXED), h2.indexed(FIRST_DYNAMIC), COMPRESSION)),
    ("a field that was pushed out", "7541 4.4",
     *two(h2.literal("x", "1", h2.INDEXED) + h2.literal("y", "v" * 4000, h2.INDEXED) + h2.literal("z", "v" * 50, h2.INDEXED),
          h2.indexed(FIRST_DYNAMIC + 2), COMPRESSION)),
    ("a field that stays while another is pushed out", "7541 4.4",
     *two(h2.literal("x", "v" * 100, h2.INDEXED) + h2.literal("y", "v" * 3960, h2.INDEXED), h2.indexed(FIRST_DYNAMIC))),
    ("a table of one field's size", "7541 4.4",
     [h2.headers(1, h2.table_size(34) + REQUEST + h2.literal("x", "1", h2.INDEXED) + h2.indexed(FIRST_DYNAMIC), True)], FINE),
]

CODES = [
    ("Huffman code with padding of more than 7 bits", "7541 5.2",
     [with_block(b"\0" + h2.string("x-test") + coded(huffman("test") + b"\xff"))], COMPRESSION),
    ("Huffman code of nothing but padding", "7541 5.2", [with_block(b"\0" + h2.string("x-test") + coded(b"\xff"))], COMPRESSION),
    ("Huffman code padded by zeros", "7541 5.2", [with_block(b"\0" + h2.string("x-test") + coded(padded_by_zeros("test")))],
     COMPRESSION),
    ("Huffman code with EOS", "7541 5.2", [with_block(b"\0" + h2.string("x-test") + coded(b"\xff\xff\xff\xff"))], COMPRESSION),
    ("Huffman code with EOS behind text", "7541 5.2",
     [with_block(b"\0" + h2.string("x-test") + coded(huffman("test") + b"\xff\xff\xff\xff"))], COMPRESSION),
    ("a name in Huffman code padded by zeros", "7541 5.2", [with_block(b"\0" + coded(padded_by_zeros("test")) + h2.string("v"))],
     COMPRESSION),
    ("a string longer than its block", "7541 5.2", [with_block(b"\0" + h2.string("x-test") + b"\x20short")], COMPRESSION),
    ("a name longer than its block", "7541 5.2", [with_block(b"\0\x20short")], COMPRESSION),
    ("a name without a value", "7541 6.2.2", [with_block(b"\0" + h2.string("x-test"))], COMPRESSION),
    ("a block that ends within an integer", "7541 5.1", [with_block(b"\xff\x80")], COMPRESSION),
    ("a block that ends within a string's length", "7541 5.1", [with_block(b"\0\x7f\x80")], COMPRESSION),
    ("an integer beyond 64 bits", "7541 5.1", [with_block(b"\xff" + b"\xff" * 12 + b"\x01")], COMPRESSION),
    ("an integer of endless zeros", "7541 5.1", [with_block(b"\xff" + b"\x80" * 2000 + b"\0")], COMPRESSION),
    ("an integer longer than it must be", "7541 5.1", [with_block(b"\0\x7f\x80\0" + b"x" * 127 + h2.string("v"))],
     (FINE, COMPRESSION)),
    ("a length of 2^32", "7541 5.2", [with_block(b"\0" + h2.integer(2 ** 32, 7))], COMPRESSION),
    ("a block of nonsense", "4.3", [h2.headers(1, b"\xff\xff\xff\xff\xff\xff", True)], COMPRESSION),
    ("nonsense in CONTINUATION", "4.3", [get(whole=False) + h2.continuation(1, b"\xff\xff\xff\xff\xff\xff")], COMPRESSION),
    ("half a header block, then the end", "4.3", [get(whole=False), half_close], Ended()),
    ("nonsense in trailers", "4.3",
     [h2.headers(1, h2.block(h2.request_fields("POST", "/hang"))) + h2.headers(1, b"\x80", True)], COMPRESSION),
    ("an empty name", "8.2.1", [with_block(h2.literal("", "x"))], MALFORMED),
]

CASES = FIELDS + INDEXES + TABLE + CODES
