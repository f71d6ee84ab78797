"""Pages and hosts are told, wait, and get what they missed when the database is back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from tests.feed.news import change
from tests.flows.training_host import until
from tests.live import Page, Web, session_of
from tests.response.cast import machine, order, person, run

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


def test_a_host_is_told_to_ask_again_and_then_gets_its_order(server: Web) -> None:
    here = machine()
    target = order(run(here), person()).targets.get()

    def ask() -> tuple[int, Any]:
        return server.request("GET", "/agent/v1/orders", headers=here.headers("GET", "/agent/v1/orders"))

    assert ask()[0] == 200
    with shut_out():
        assert ask()[0] == 503
    status, answer = ask()
    assert status == 200
    assert [one["payload"] for one in answer["orders"]] == [target.payload]
