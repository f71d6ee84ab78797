"""Who sits at the feed and may still be there: asked for all browsers of this process at once.

An ended session, a person who was locked out or a role that was taken away closes the sockets within
`SECONDS`, and at once where somebody rings `people` (`feed.services.ring`).
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Any, Protocol

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.accounts.models import User
from apps.feed import hub

SECONDS = 10.0
AT_ONCE = 200  # sessions read together; between two lots the process does other things
log = logging.getLogger(__name__)


class Socket(Protocol):
    """What is needed of a browser's socket."""

    session_key: str

    def code_for(self, person: User | None) -> int | None: ...

    async def turn_away(self, code: int) -> None: ...


_here: set[Socket] = set()
_rung = asyncio.Event()


def arrived(socket: Socket) -> None:
    """The socket is looked after from here on."""
    if not _here:
        hub.current().hang("people", lambda _: _rung.set())
    _here.add(socket)


def left(socket: Socket) -> None:
    """The socket is gone."""
    _here.discard(socket)


async def keep() -> None:
    """For ever: nobody sits at the feed who would not be let in now."""
    while True:
        try:
            async with asyncio.timeout(SECONDS):
                await _rung.wait()
        except TimeoutError:
            pass
        _rung.clear()
        try:
            await check(list(_here))
        except Exception:
            log.exception("the sessions at the feed could not be read; trying again")


async def check(sockets: list[Socket]) -> None:
    """Sends away those of `sockets` whose person may not be here any more."""
    for start in range(0, len(sockets), AT_ONCE):
        lot = sockets[start : start + AT_ONCE]
        persons = await read({one.session_key for one in lot})
        for one in lot:
            if code := one.code_for(persons.get(one.session_key)):
                await one.turn_away(code)


async def read(keys: Collection[str]) -> dict[str, User]:
    """`persons_of` on a thread: a thousand browsers that come back at once must not queue for one."""
    found: dict[str, User] = await database_sync_to_async(persons_of, thread_sensitive=False)(keys)
    return found


def persons_of(keys: Collection[str]) -> dict[str, User]:
    """Who is signed in with each of these sessions right now; those of nobody are left out."""
    rows = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    contents: dict[str, dict[str, Any]] = {row.session_key: row.get_decoded() for row in rows}
    users = {str(user.pk): user for user in User.objects.filter(pk__in=map(_user_of, contents.values()))}
    return {
        key: user
        for key, content in contents.items()
        if (user := users.get(_user_of(content))) and _holds(user, content)
    }


def _user_of(content: dict[str, Any]) -> str:
    return str(content.get(SESSION_KEY, "0"))


def _holds(user: User, content: dict[str, Any]) -> bool:
    """As Django checks a session: known way in, and not older than the password."""
    known = content.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
    fresh = constant_time_compare(content.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    return bool(user.is_active and known and fresh)
