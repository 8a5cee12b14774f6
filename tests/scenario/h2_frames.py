"""Every case of tests/corpus/h2 against the proxy: frames of a client, and what becomes of them.

After each case another connection is still served. A case that ends no connection must leave its own alive, too.
"""

import ssl
import sys
import threading
from pathlib import Path

from harness import Authority, Failed, RawOrigin, check, check_equal, reads_body, run, scenario, start_proxy
from harness import h2_bytes as h2
from harness.h2_wire import H2Client

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from corpus.h2 import CASES  # noqa: E402  pylint: disable=wrong-import-position,import-error
from corpus.h2.shape import RAW, Answered, Ended, Http1, Reset  # noqa: E402  pylint: disable=wrong-import-position,import-error

WITHIN_S = 5
# Of the cases, these go over TLS, too.
TLS_CASES = CASES[::4]
PAGE = b"0123456789" * 10


def has_come(client, outcome):
    message = client.messages.get(outcome.stream)
    if isinstance(outcome, Answered):
        return message and message.complete and message.reset is None and message.status in outcome.statuses
    if isinstance(outcome, Reset):
        return message and message.reset in outcome.codes
    if isinstance(outcome, Ended):
        told = any(code in outcome.codes for _, code, _ in client.goaways)
        return client.ended and (told or not outcome.codes)
    if isinstance(outcome, Http1):
        return client.http1_status() in outcome.statuses
    return all(code == h2.NO_ERROR for _, code, _ in client.goaways)


def in_vain(client, allowed):
    """An answer has come where nothing but answers are allowed, and not this one."""
    answers = [each for each in allowed if isinstance(each, Answered)]
    return len(answers) == len(allowed) and all((m := client.messages.get(each.stream)) and m.over for each in answers)


def go(client, steps):
    """The steps of a case; neighbours of bytes in one write."""
    waiting = b""
    for step in [*steps, None]:
        if isinstance(step, bytes):
            waiting += step
            continue
        if waiting:
            client.send(waiting)
            waiting = b""
        if step is not None and step is not RAW:
            step(client)


def judge(client, allowed, said_goodbye):
    def known():
        return next((each for each in allowed if has_come(client, each)), None) or in_vain(client, allowed)

    try:
        outcome = client.wait_for(known, f"any of {allowed}", WITHIN_S)
    except Failed as fault:
        raise Failed(f"none of {allowed}: {fault}") from None
    check(outcome is not True, f"none of {allowed}: {client.state()}")
    if not isinstance(outcome, (Ended, Http1)):
        client.send(h2.ping(b"alive?!?"))
        client.wait_for(lambda: b"alive?!?" in client.pongs or client.ended, "the connection is alive, or has ended", WITHIN_S)
        if any(isinstance(each, Ended) and has_come(client, each) for each in allowed):
            return  # what the client sent behind it was another fault
        stays_alive(client, said_goodbye)
        check(has_come(client, outcome), f"{outcome} no longer: {client.state()}")


def stays_alive(client, said_goodbye):
    """The connection has answered a PING, or, told to go, has ended in an orderly way."""
    check(all(code == h2.NO_ERROR for _, code, _ in client.goaways), f"a connection error: {client.state()}")
    check(b"alive?!?" in client.pongs or said_goodbye, f"the connection has ended: {client.state()}")


def try_case(address, tls, case):
    name, _, steps, allowed = case
    with H2Client(address, begin=RAW not in steps, tls=tls, within=WITHIN_S) as client:
        if RAW not in steps:
            client.wait_for(lambda: client.settings_acks and client.settings is not None, "SETTINGS", WITHIN_S)
        else:
            client.credit.announce({})
        go(client, steps)
        judge(client, allowed if isinstance(allowed, tuple) else (allowed,), "GOAWAY" in name)


def section_of(section):
    return section.replace(" of RFC ", " of ") if " " in section else f"9113 {section}"


def try_all(s, address, tls, cases):
    fence = H2Client(address, tls=tls)
    for case in cases:
        with s.case(f"{case[0]} (RFC {section_of(case[1])})"):
            try_case(address, tls, case)
            check_equal(fence.request(path="/fence").status, 200, "status on another connection")
    fence.close()


def origin_of(s):
    origin, over = RawOrigin(s, receive_buffer=65536), threading.Event()
    s.finally_do(over.set)
    origin.on("/", status=200, body=PAGE).on("/large", status=200, body=b"x" * (1 << 20))
    return origin.on("/hang", reads_body(lambda *_: over.wait() and False))


@scenario("frames of a client are misunderstood", within=120, proxies=("evenkeel", "nginx"))
def cleartext(s):
    proxy = start_proxy(s, origin_of(s), {"workers": 1, "listeners": {"web": {"http2": {"cleartext": True}}}})
    try_all(s, proxy.address, None, CASES)
    s.note(f"{len(CASES)} cases")


@scenario("frames of a client are misunderstood over TLS", within=120, proxies=("evenkeel", "nginx"))
def over_tls(s):
    authority = Authority(s)
    certificate = authority.issue("shop.test")
    proxy = start_proxy(s, origin_of(s), {"workers": 1, "listeners": {"web": {
        "tls": {"certificates": [certificate.settings()]}, "http2": {"streams": 100}}}})
    try_all(s, proxy.address, ssl.create_default_context(cafile=authority.cert), TLS_CASES)


run()
