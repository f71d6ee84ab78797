"""The browser's socket with the rights of people: nobody sees more over a socket than on a page."""

import time

from django.conf import settings

from apps.accounts.models import User
from apps.accounts.roles import Right
from apps.console import standing
from apps.feed.consumers import FORBIDDEN, SIGNED_OUT, FeedConsumer

SAME_LOOK_SECONDS = 1.0  # a page opens and subscribes: one look at the session for both
TOPIC_RIGHTS = {"audit": Right.AUDIT}


class ConsoleFeed(FeedConsumer):
    """`/ws/feed/`, for people who may VIEW."""

    person: User | None = None
    read_at = 0.0

    async def connect(self) -> None:
        self.session_key = self.scope["cookies"].get(settings.SESSION_COOKIE_NAME, "")
        standing.arrived(self)
        await super().connect()

    async def disconnect(self, code: int) -> None:
        standing.left(self)
        await super().disconnect(code)

    async def refusal(self, topics: frozenset[str]) -> int | None:
        if time.monotonic() - self.read_at > SAME_LOOK_SECONDS:
            self.person = (await standing.read([self.session_key])).get(self.session_key)
            self.read_at = time.monotonic()
        return code_for(self.person, topics)

    def code_for(self, person: User | None) -> int | None:
        """The close code if `person` may not see what this socket shows."""
        return code_for(person, self.seat.topics if self.seat else frozenset())


def code_for(person: User | None, topics: frozenset[str]) -> int | None:
    """The close code if `person` may not see `topics`."""
    if person is None:
        return SIGNED_OUT
    wanted = {Right.VIEW, *(TOPIC_RIGHTS[topic] for topic in topics if topic in TOPIC_RIGHTS)}
    return None if all(person.may(right) for right in wanted) else FORBIDDEN
