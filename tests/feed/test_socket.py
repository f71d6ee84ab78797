"""A page gets what it missed, then what changes, in order and once."""

import json
import threading
import time

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.feed.services import ring
from tests.feed.news import change
from tests.live import Page, Web, session_of, web
from tests.response.cast import person


def test_what_changes_arrives_with_all_that_a_page_needs(server: Web) -> None:
    page = Page(server, session_of(person()))
    hello = page.subscribe("queue", "incident:42")
    entry = change("queue", "incident:42", level="high")
    frame = page.until("entries")
    assert hello["cursor"] < frame["cursor"] == entry.pk
    assert frame["lag_ms"] >= 0
    assert frame["entries"] == [
        {
            "id": entry.pk,
            "kind": "incident.changed",
            "topics": ["queue", "incident:42"],
            "subject": ["incident", 1],
            "by": "ana",
            "at_ms": int(entry.at.timestamp() * 1000),
            "detail": {"level": "high"},
        }
    ]


def test_other_topics_stay_away_and_the_beat_carries_the_cursor_past_them(server: Web) -> None:
    page = Page(server, session_of(person()))
    page.subscribe("run:7")
    foreign = change("run:8")
    while page.until("beat")["cursor"] < foreign.pk:
        pass
    assert page.seen == []


def test_a_page_that_was_away_gets_what_it_missed(server: Web) -> None:
    first, second, third = change("queue"), change("run:1"), change("queue")
    page = Page(server, session_of(person()))
    page.subscribe("queue", cursor=first.pk)
    frame = page.until("entries")
    assert [entry["id"] for entry in frame["entries"]] == [third.pk]
    assert frame["cursor"] == third.pk
    assert second.pk not in page.seen


def test_a_page_that_was_away_for_too_long_is_told_to_fetch_anew(server: Web) -> None:
    first = change("queue")
    newest = [change("queue") for _ in range(501)][-1]
    page = Page(server, session_of(person()))
    page.subscribe("queue", cursor=first.pk)
    assert page.until("resync")["cursor"] == newest.pk
    following = change("queue")
    page.until_seen(following.pk)
    assert page.seen == [following.pk]


def test_a_cursor_that_this_database_never_gave_out_is_told_to_fetch_anew(server: Web) -> None:
    page = Page(server, session_of(person()))
    page.subscribe("queue", cursor=10**12)
    page.until("resync")
    page.until_seen(change("queue").pk)


def test_an_entry_that_is_already_on_the_page_does_not_come_again(server: Web) -> None:
    page = Page(server, session_of(person()))
    page.subscribe("queue")
    on_it = change("queue")
    page.subscribe("queue", cursor=on_it.pk)
    following = change("queue")
    page.until_seen(following.pk)
    assert page.seen.count(on_it.pk) <= 1
    assert page.seen.count(following.pk) == 1


def test_nothing_is_lost_while_many_write_at_once_and_a_page_comes_and_goes(server: Web) -> None:
    """Snapshot + entries after its cursor = fresh snapshot, for every moment a page can come."""
    session = session_of(person())
    written: list[int] = []

    def write() -> None:
        written.extend(change("queue").pk for _ in range(60))
        connection.close()

    writers = [threading.Thread(target=write) for _ in range(4)]
    page = Page(server, session)
    start = page.subscribe("queue")["cursor"]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    cursor = start
    while any(writer.is_alive() for writer in writers):
        page.until("entries")
        seen += page.seen
        cursor = page.cursor
        page.close()
        page = Page(server, session)
        page.subscribe("queue", cursor=cursor)
    while len(seen) + len(page.seen) < len(written):
        page.until("entries")
    assert seen + page.seen == sorted(written)


def test_a_ping_is_answered_and_the_beat_says_whether_the_server_hears(server: Web) -> None:
    page = Page(server, session_of(person()))
    page.subscribe("queue")
    page.socket.send(json.dumps({"ping": 17.5}))
    pong = page.until("pong")
    assert pong["pong"] == 17.5
    assert abs(pong["server_ms"] - time.time() * 1000) < 60_000
    assert page.until("beat")["link"] is True


def closes_with(page: Page, code: int) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            page.socket.recv(timeout=20)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == code


def test_nobody_is_let_in_without_a_session(server: Web) -> None:
    closes_with(Page(server, None), 4401)
    closes_with(Page(server, "made-up"), 4401)


def test_a_foreign_page_cannot_open_the_socket(server: Web) -> None:
    with pytest.raises(InvalidStatus):
        Page(server, session_of(person()), origin="https://elsewhere.example")


def test_the_audit_topic_needs_its_right(server: Web) -> None:
    viewer = Page(server, session_of(person(Role.VIEWER, "vic")))
    viewer.socket.send(json.dumps({"subscribe": ["queue", "audit"], "cursor": None}))
    closes_with(viewer, 4403)
    auditor = Page(server, session_of(person(Role.AUDITOR, "aud")))
    auditor.subscribe("audit")
    auditor.until_seen(change("audit").pk)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "{}",
        '{"subscribe": []}',
        '{"subscribe": ["queue; DROP"]}',
        '{"subscribe": ["incident:0"]}',
        '{"subscribe": "queue"}',
        '{"subscribe": ["queue"], "cursor": -1}',
        '{"subscribe": ["queue"], "cursor": true}',
        '{"subscribe": ["queue"], "cursor": "1"}',
        '{"subscribe": [' + ",".join(['"queue"'] * 21) + "]}",
        '{"ping": "' + "x" * 5_000 + '"}',
        '{"ping": NaN}',
        '{"ping": 1e999}',
        '{"ping": true}',
    ],
)
def test_what_is_not_understood_closes_the_socket(server: Web, text: str) -> None:
    page = Page(server, session_of(person()))
    page.socket.send(text)
    closes_with(page, 4400)


def test_a_person_who_was_locked_out_loses_the_socket_at_once(server: Web) -> None:
    page = Page(server, session_of(person()))
    page.subscribe("queue")
    User.objects.update(is_active=False)
    ring("people")
    closes_with(page, 4401)


def test_an_ended_session_loses_its_socket(server: Web) -> None:
    page = Page(server, session_of(person()))
    page.subscribe("queue")
    Session.objects.all().delete()
    ring("people")
    closes_with(page, 4401)


def test_a_role_that_was_taken_away_takes_its_topics_with_it(server: Web) -> None:
    auditor = Page(server, session_of(person(Role.AUDITOR, "aud")))
    auditor.subscribe("queue", "audit")
    User.objects.update(role=Role.VIEWER)
    ring("people")
    closes_with(auditor, 4403)


@pytest.mark.django_db(transaction=True)
def test_a_restart_tells_pages_to_come_back() -> None:
    with web() as server:
        page = Page(server, session_of(person()))
        page.subscribe("queue")
        server.stop()
        closes_with(page, 1012)
