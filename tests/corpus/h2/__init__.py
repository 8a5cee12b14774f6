"""Frames of a client of HTTP/2, right, odd or hostile, and what may become of them: see shape.py."""

from . import connection, hpack, messages, streams

CASES = connection.CASES + streams.CASES + hpack.CASES + messages.CASES
