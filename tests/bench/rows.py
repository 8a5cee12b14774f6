"""What is measured: one row of the benchmark per dict; the kinds are in measure.py.

Common to all rows: `name` (for --rows), `title`, `kind`, and `goal`: the ratio of Evenkeel's figure to the better
peer's that is not to be exceeded, or `goal_figure`: the same for the figure itself. `body` is the size of the
response's body in bytes, `request` names the fields a request carries, `fields` are further ones, `tls` says that the client speaks TLS, and
`onward` that the proxy does, to the origin. `http2` says that the client speaks HTTP/2, `onward_http2` that the proxy
does, too, and `grpc` that both do, for unary calls of gRPC.
"""

# What a current Chrome sends with a page's sub-request on a site with consent, analytics and session cookies.
_BROWSER = (
    ("Connection", "keep-alive"),
    ("Cache-Control", "max-age=0"),
    ("sec-ch-ua", '"Chromium";v="126", "Google Chrome";v="126", "Not-A.Brand";v="24"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Windows"'),
    ("Upgrade-Insecure-Requests", "1"),
    ("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                   "Chrome/126.0.0.0 Safari/537.36"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
               "application/signed-exchange;v=b3;q=0.7"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-User", "?1"),
    ("Sec-Fetch-Dest", "document"),
    ("Referer", "https://shop.example/catalogue/outdoor/tents?sort=price&page=3&colour=green"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de-DE;q=0.8,de;q=0.7,en-US;q=0.6"),
    ("Priority", "u=0, i"),
    ("Cookie", "session=8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab91; csrf=eccbc87e4b5ce2fe28308fd9f2a7baf3; "
               "_ga=GA1.2.1436789501.1718035200; _ga_K4T1X9QW2B=GS1.1.1718035200.7.1.1718036412.42.0.0; "
               "_gid=GA1.2.904418237.1718035200; consent=analytics%3A1%7Cmarketing%3A0%7Cversion%3A4; "
               "basket=a87ff679a2f3e71d9181a67b7542122c; currency=EUR; locale=en_GB; last_seen=1718036398"),
)

REQUESTS = {"plain": (), "browser": _BROWSER}

CONNECTIONS = 32

ROWS = (
    {"name": "instructions", "title": "user instructions, 128 B", "kind": "instructions",
     "body": 128, "request": "plain", "goal_figure": 5000, "goal_policy": 600},
    {"name": "idle", "title": "memory of an idle client", "kind": "memory",
     "body": 128, "request": "plain", "goal_figure": 512},
    {"name": "small", "title": "128 B, keep-alive", "kind": "cpu",
     "body": 128, "request": "plain", "goal": 0.75},
    {"name": "browser", "title": "128 B, browser's fields", "kind": "cpu",
     "body": 128, "request": "browser", "goal": 0.75},
    {"name": "10k", "title": "10 KiB", "kind": "cpu",
     "body": 10 << 10, "request": "plain", "goal": 0.8},
    {"name": "100k", "title": "100 KiB", "kind": "cpu",
     "body": 100 << 10, "request": "plain", "goal": 0.8},
    {"name": "1m", "title": "1 MiB", "kind": "cpu",
     "body": 1 << 20, "request": "plain", "goal": 0.8},
    {"name": "tls", "title": "128 B over TLS, keep-alive", "kind": "cpu", "tls": True,
     "body": 128, "request": "plain", "goal": 0.8},
    {"name": "tls-100k", "title": "100 KiB over TLS", "kind": "cpu", "tls": True,
     "body": 100 << 10, "request": "plain", "goal": 0.8},
    {"name": "tls-onward", "title": "128 B from an origin with TLS, keep-alive", "kind": "cpu", "onward": True,
     "body": 128, "request": "plain", "goal": 0.8},
    {"name": "tls-onward-100k", "title": "100 KiB from an origin with TLS", "kind": "cpu", "onward": True,
     "body": 100 << 10, "request": "plain", "goal": 0.8},
    {"name": "tls-full", "title": "TLS handshake, full, with a request", "kind": "handshake", "tls": True,
     "resumed": False, "body": 128, "request": "plain", "goal": 0.95},
    {"name": "tls-resumed", "title": "TLS handshake, resumed, with a request", "kind": "handshake", "tls": True,
     "resumed": True, "body": 128, "request": "plain", "goal": 0.95},
    {"name": "tls-idle", "title": "memory of an idle TLS client", "kind": "memory", "tls": True,
     "body": 128, "request": "plain", "goal": 1.0},
    {"name": "h2-instructions", "title": "user instructions over HTTP/2, 128 B", "kind": "instructions", "http2": True,
     "body": 128, "request": "plain", "goal": 0.9, "goal_policy": 600},
    {"name": "h2-idle", "title": "memory of an idle HTTP/2 client", "kind": "memory", "http2": True,
     "body": 128, "request": "plain", "goal_figure": 8192},
    {"name": "h2", "title": "128 B over HTTP/2 and TLS", "kind": "cpu", "http2": True, "tls": True,
     "body": 128, "request": "plain", "goal": 0.9},
    {"name": "h2-100k", "title": "100 KiB over HTTP/2 and TLS", "kind": "cpu", "http2": True, "tls": True,
     "body": 100 << 10, "request": "plain", "goal": 0.9},
    {"name": "h2-onward", "title": "128 B, HTTP/2 to the origin, too", "kind": "cpu", "http2": True, "tls": True,
     "onward_http2": True, "body": 128, "request": "plain", "goal": 0.9},
    {"name": "h2-onward-100k", "title": "100 KiB, HTTP/2 to the origin, too", "kind": "cpu", "http2": True, "tls": True,
     "onward_http2": True, "body": 100 << 10, "request": "plain", "goal": 0.9},
    {"name": "grpc", "title": "gRPC, unary call, 128 B each way", "kind": "cpu", "http2": True, "tls": True,
     "grpc": True, "body": 128, "request": "plain", "goal": 0.9},
)


def body(size):
    """The body of that size, the same everywhere; no two neighbouring pieces of it are alike."""
    line = b"".join(b"%08x" % (number * 2654435761 & 0xffffffff) for number in range(4099))
    return (line * (size // len(line) + 1))[:size]


def message(row):
    """A message of gRPC with its prefix: as long as the body of the row."""
    return b"\0" + (row["body"] - 5).to_bytes(4, "big") + body(row["body"] - 5)


def content(row):
    """What a response of the row carries."""
    return message(row) if row.get("grpc") else body(row["body"])


def target(row):
    return f"/bench.Unary/{row['body']}.grpc" if row.get("grpc") else f"/{row['body']}"


def request_head(row, host):
    """The bytes of a request of this row."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in (*REQUESTS[row["request"]], *row.get("fields", ())))
    return f"GET {target(row)} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()
