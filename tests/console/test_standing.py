"""Sockets of people who may not be here any more are closed, and nobody else's."""

import asyncio
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from apps.accounts.models import User
from apps.console import standing
from tests.live import session_of
from tests.response.cast import person

pytestmark = pytest.mark.django_db(transaction=True)


class Socket:
    """A browser's socket that notes why it was sent away."""

    def __init__(self, session_key: str) -> None:
        self.session_key, self.closed = session_key, list[int]()

    def code_for(self, found: User | None) -> int | None:
        return None if found else 4401

    async def turn_away(self, code: int) -> None:
        self.closed.append(code)


def test_each_session_has_its_person_and_made_up_ones_have_none() -> None:
    ana, jonas = person(name="ana"), person(name="jonas")
    keys = [session_of(ana), session_of(jonas), "made-up", ""]
    assert standing.persons_of(keys) == {keys[0]: ana, keys[1]: jonas}


def test_a_session_ends_with_its_time_its_password_and_its_person() -> None:
    ana = person()
    key = session_of(ana)
    assert standing.persons_of([key])
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not standing.persons_of([key])
    Session.objects.update(expire_date=timezone.now() + timedelta(hours=1))
    User.objects.update(is_active=False)
    assert not standing.persons_of([key])
    User.objects.update(is_active=True)
    ana.set_password("another correct horse")
    ana.save()
    assert not standing.persons_of([key])


def test_reading_many_sessions_takes_two_queries(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    keys = [session_of(person(name=name)) for name in ("ana", "jonas", "mei")]
    with django_assert_num_queries(2):
        standing.persons_of(keys)


def test_only_those_who_may_not_stay_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    key = session_of(person())
    lots: list[int] = []

    async def read(keys: set[str]) -> dict[str, User]:
        lots.append(len(keys))
        return found if key in keys else {}

    found = standing.persons_of([key])
    monkeypatch.setattr(standing, "read", read)
    staying, going = Socket(key), [Socket(f"ended {number}") for number in range(standing.AT_ONCE)]
    asyncio.run(standing.check([staying, *going]))
    assert staying.closed == []
    assert all(one.closed == [4401] for one in going)
    assert lots == [standing.AT_ONCE, 1]
