"""Whoever reads too slowly is told to fetch the page anew, and costs nobody else anything."""

import pytest

from apps.feed import frames
from apps.feed.seat import LIMIT, Seat
from tests.feed.news import change
from tests.live import Page, Web, session_of
from tests.response.cast import person


async def test_a_full_row_of_frames_is_dropped_for_one_that_says_so() -> None:
    seat = Seat(frozenset({"queue"}), after=0)
    for number in range(LIMIT):
        seat.offer(str(number), else_="resync")
    seat.offer("one too many", else_="resync")
    seat.offer("next", else_="resync")
    assert [await seat.next(), await seat.next()] == ["resync", "next"]


def test_a_page_that_does_not_read_gets_a_resync_and_then_goes_on(server: Web) -> None:
    session = session_of(person())
    slow, quick = Page(server, session, queue=1), Page(server, session)
    slow.subscribe("queue")
    quick.subscribe("queue")
    large = "x" * 200_000
    for _ in range(3 * LIMIT):
        quick.until_seen(change("queue", text=large).pk)
    resync = slow.until("resync", seconds=60)
    assert "resync" not in quick.names
    last = change("queue")
    slow.until_seen(last.pk, seconds=60)
    assert [number for number in slow.seen if number > resync["cursor"]] == [
        number for number in quick.seen if number > resync["cursor"]
    ] + [last.pk]


def test_frames_are_json_and_carry_hostile_text_as_text() -> None:
    import json
    from datetime import UTC, datetime

    hostile = '</script>\u2028"\\\x1b'
    at = datetime(2026, 11, 23, tzinfo=UTC)
    row = (7, "incident.changed", ["queue"], "incident", 1, hostile, at, {"text": hostile})
    frame = json.loads(frames.entries([frames.item(row)], cursor=7, lag_ms=0))
    assert frame["entries"][0]["by"] == hostile
    assert frame["entries"][0]["detail"] == {"text": hostile}


pytestmark = pytest.mark.timeout(120)
