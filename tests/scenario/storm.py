"""The storm: an outage behind two hops that retry is no heavier for the origin than before, and over when it is over."""

from harness import Skipped, check, run, scaled, scenario, start_proxy
from harness.outage import MODES, run_outage


ATTEMPTS = 3
# A load that comes later than so is no steady load: such a run is repeated.
LATE_S, TRIES = 0.25, 3


def hop(s, name, port, first_byte, protocol="http1"):
    """As one would configure a hop in front of something that serves 100 a second. It takes HTTP/2, too."""
    return start_proxy(s, f"127.0.0.1:{port}", {"workers": 1, "listeners": {"web": {"http2": {"cleartext": True}}}, "upstreams": {"app": {
        "protocol": protocol,
        "timeouts": {"connect": "250ms", "first_byte": first_byte, "per_try": first_byte, "total": "3s"},
        "retry": {"attempts": ATTEMPTS, "on": ["connect_failure", "reset", "502", "503", "504"]},
        "limits": {"in_flight": 20, "queue": 20},
        "pool": {"warm_min": 1, "max": 20},
        "required": False}}}, name=name)


def storm(s, mode, length, between="http1", last="http1"):
    """`between`: what the first hop speaks to the second; `last`: what the second speaks to the origin."""
    origin_port = s.port()
    behind = hop(s, "b", origin_port, "1s", last)
    before = hop(s, "a", behind.address[1], "1250ms", between)
    for _ in range(TRIES):
        outcome = run_outage(origin_port, before.address[1], mode, length, calm=scaled(1.5, 3), settle=scaled(3, 12),
                             attempts=3, http2=last == "http2")
        if outcome.latest <= LATE_S:
            break
        s.note(f"the clients themselves were {outcome.latest:.2f} s late: that shows nothing")
    else:
        raise Skipped("the machine is too busy for a steady load")
    recovery = outcome.recovery
    s.note(f"{mode}, {length} s: {outcome.load:.2f} times the offered load, {outcome.before:.1%} before, "
           f"well again after {'never' if recovery is None else f'{recovery:.2f} s'}, queue {outcome.longest_queue}")
    check(outcome.before >= 0.99, f"{outcome.before:.1%} were answered before the outage")
    most = 1.15 + outcome.under_way * ATTEMPTS ** 2
    check(outcome.load <= most, f"{outcome.load:.2f} times the offered load reached the origin, {most:.2f} may")
    check(recovery is not None and recovery <= max(1.0, length / 10), f"well again after {recovery}")


for each, lengths in zip(MODES, scaled(((3,), (2,), ()), ((8, 20),) * 3)):
    for seconds in lengths:
        @scenario(f"an outage of {seconds} s ({each}) grows, or lasts", within=120)
        def _(s, mode=each, length=seconds):
            storm(s, mode, length)


for each in scaled(("hang", "refuse"), MODES):
    @scenario(f"an outage of an origin that is spoken to in HTTP/2, by both hops ({each}) grows, or lasts", within=120)
    def _(s, mode=each):
        storm(s, mode, scaled(2, 8), "http2", "http2")


run()
