"""How often an address may knock and how much a token may send.

Counted in memory: one web process serves all, and a request of spans should not pay for four statements.
"""

import threading
import time
from collections import OrderedDict
from math import ceil

from django.http import HttpRequest

from apps.gateway.auth import RefusedError

MOST_KEYS = 50_000

_counted: "OrderedDict[str, tuple[float, int]]" = OrderedDict()  # when the time is over, and how much since
_guard = threading.Lock()


def throttle(request: HttpRequest, what: str, *, most: int, seconds: int) -> None:
    """One more knock from this address; RefusedError beyond `most` within `seconds`."""
    throttle_key(f"{what}:{request.META.get('REMOTE_ADDR', '')}", most=most, seconds=seconds)


def throttle_key(key: str, *, most: int, seconds: int, by: int = 1) -> None:
    """`by` more from whoever `key` stands for; RefusedError beyond `most` within `seconds`."""
    now = time.monotonic()
    with _guard:
        ends, before = _counted.pop(key, (0.0, 0))
        if ends <= now:
            ends, before = now + seconds, 0
        _counted[key] = (ends, before + by)
        while len(_counted) > MOST_KEYS:
            _counted.popitem(last=False)
    if before + by > most:
        raise RefusedError(429, "too-many", "Too many tries; wait a little.", retry_after=ceil(ends - now))


def forget() -> None:
    """Nobody has knocked yet."""
    with _guard:
        _counted.clear()
