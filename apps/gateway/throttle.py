"""How often an address may knock and how much a token may send; counted in the database, not in Redis."""

from django.core.cache import cache
from django.http import HttpRequest

from apps.gateway.auth import RefusedError


def throttle(request: HttpRequest, what: str, *, most: int, seconds: int) -> None:
    """One more knock from this address; RefusedError beyond `most` within `seconds`."""
    throttle_key(f"{what}:{request.META.get('REMOTE_ADDR', '')}", most=most, seconds=seconds)


def throttle_key(key: str, *, most: int, seconds: int, by: int = 1) -> None:
    """`by` more from whoever `key` stands for; RefusedError beyond `most` within `seconds`."""
    key = f"throttle:{key}"
    if cache.add(key, by, seconds):
        return
    try:
        count = cache.incr(key, by)
    except ValueError:  # it expired just now
        return
    if count > most:
        raise RefusedError(429, "too-many", "Too many tries; wait a little.", retry_after=seconds)
