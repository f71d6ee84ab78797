"""How often an address may knock. Kept in the database's cache, so it holds with Redis down."""

from django.core.cache import cache
from django.http import HttpRequest

from apps.gateway.auth import RefusedError


def throttle(request: HttpRequest, what: str, *, most: int, seconds: int) -> None:
    """One more knock from this address; RefusedError beyond `most` within `seconds`."""
    key = f"throttle:{what}:{request.META.get('REMOTE_ADDR', '')}"
    if cache.add(key, 1, seconds):
        return
    try:
        count = cache.incr(key)
    except ValueError:  # it expired just now
        return
    if count > most:
        raise RefusedError(429, "too-many", "Too many tries; wait a little.", retry_after=seconds)
