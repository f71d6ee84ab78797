"""The broker, where it is used without Celery: to know whether a drain is pending already."""

from functools import lru_cache

from django.conf import settings
from redis import Redis

PENDING = "sentinel:drain-pending"
PENDING_MS = 2_000  # a drain that was lost is forgotten after this, and the next batch asks for another


@lru_cache(maxsize=1)
def _client(url: str) -> "Redis":
    return Redis.from_url(url, socket_timeout=1, socket_connect_timeout=0.5)


def claim() -> bool:
    """No drain was pending; now one is, and the caller has to send it. Raises RedisError."""
    return bool(_client(settings.REDIS_URL).set(PENDING, 1, nx=True, px=PENDING_MS))


def release() -> None:
    """None is pending: what comes into the inbox from here on needs another. Raises RedisError."""
    _client(settings.REDIS_URL).delete(PENDING)
