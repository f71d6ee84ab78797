"""A stop goes first: what can wait in this web process waits for the moment that one takes on its way.

The threads of a stop share one interpreter with everything else that the process does. Batches come all the
time and lose nothing by a tenth of a second; a stop has half of that in all.
"""

import asyncio
import time
from weakref import WeakKeyDictionary

STOP_SECONDS = 0.1  # from the click until people see it dead, and some
LOOK_SECONDS = 0.005

_until = 0.0
_waits: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]]" = WeakKeyDictionary()


def claim() -> None:
    """A stop is on its way from now on."""
    global _until
    _until = time.monotonic() + STOP_SECONDS


async def give_way() -> None:
    """Returns at once where no stop is on its way; never later than `STOP_SECONDS` from now all the same."""
    if time.monotonic() >= _until:
        return
    loop = asyncio.get_running_loop()
    wait = _waits.get(loop)
    if wait is None or wait.done():
        _waits[loop] = wait = loop.create_task(_wait())
    await asyncio.shield(wait)


async def _wait() -> None:
    """One for all that wait, however many stops follow each other."""
    latest = time.monotonic() + STOP_SECONDS
    while time.monotonic() < min(_until, latest):
        await asyncio.sleep(LOOK_SECONDS)
