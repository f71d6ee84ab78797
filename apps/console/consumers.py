"""The browser's socket with the rights of people: nobody sees more over a socket than on a page."""

import time
from importlib import import_module
from types import SimpleNamespace
from typing import cast

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.roles import Right
from apps.feed.consumers import FORBIDDEN, SIGNED_OUT, FeedConsumer

SAME_LOOK_SECONDS = 1.0  # a page opens and subscribes: one look at the session for both
TOPIC_RIGHTS = {"audit": Right.AUDIT}


class ConsoleFeed(FeedConsumer):
    """`/ws/feed/`. The session is read anew at every check, so an ended one closes its sockets."""

    person: User | None = None
    read_at = 0.0

    async def refusal(self, topics: frozenset[str], *, again: bool) -> int | None:
        if again or time.monotonic() - self.read_at > SAME_LOOK_SECONDS:
            await self._read()
        if self.person is None:
            return SIGNED_OUT
        wanted = {Right.VIEW, *(TOPIC_RIGHTS[topic] for topic in topics if topic in TOPIC_RIGHTS)}
        return None if all(self.person.may(right) for right in wanted) else FORBIDDEN

    async def _read(self) -> None:
        """Who it is, by the session as it is now."""
        key = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        # Not thread-sensitive: a thousand browsers that come back at once must not queue for one thread.
        self.person = await database_sync_to_async(person_of, thread_sensitive=False)(key)
        self.read_at = time.monotonic()


def person_of(session_key: str | None) -> User | None:
    """Who is signed in with this session right now."""
    if not session_key:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(cast(HttpRequest, SimpleNamespace(session=session)))
    return user if isinstance(user, User) and user.is_active else None
