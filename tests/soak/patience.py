"""How long a client waits: as long as something comes, and then longer than every timeout of the proxy."""

import asyncio

from harness import patient

_PATIENCE_S = patient(20)


class Late(Exception):
    """For so long nothing has come."""


async def patiently(work, heard_s):
    """What the work returns; heard_s() is when something last came, on the loop's clock.

    Counted in seconds in which this process ran: those in which a busy machine left it no time were nobody's answer.
    """
    task, left_s = asyncio.ensure_future(work), _PATIENCE_S
    try:
        while left_s > 0:
            heard = heard_s()
            if (await asyncio.wait({task}, timeout=1))[0]:
                return task.result()
            left_s = left_s - 1 if heard_s() == heard else _PATIENCE_S
        raise Late
    finally:
        task.cancel()
