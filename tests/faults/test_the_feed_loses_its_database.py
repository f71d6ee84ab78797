"""A page is told that it may be stale, and gets what it missed when the database is back."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from tests.feed.news import change
from tests.flows.training_host import until
from tests.live import Page, Web, session_of
from tests.response.cast import person

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def shut_out() -> Iterator[None]:
    """The web process loses its links and gets no new ones; this test's own stays."""
    name = connection.settings_dict["NAME"]
    quoted = connection.ops.quote_name(name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (mine,) = cursor.fetchone()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {quoted} WITH ALLOW_CONNECTIONS false")
        try:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
                [name, mine],
            )
            yield
        finally:
            cursor.execute(f"ALTER DATABASE {quoted} WITH ALLOW_CONNECTIONS true")


def test_the_page_is_told_and_misses_nothing(server: Web) -> None:
    page = Page(server, session_of(person()))
    page.subscribe("queue")
    first = change("queue")
    page.until_seen(first.pk)
    with shut_out():
        until(lambda: page.until("beat")["link"] is False, what="the beat says that nothing is heard")
        missed = [change("queue").pk for _ in range(3)]
    page.until_seen(missed[-1])
    assert page.seen == [first.pk, *missed]
    until(lambda: page.until("beat")["link"] is True, what="live again")
    page.close()
