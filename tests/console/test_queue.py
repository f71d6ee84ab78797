"""The queue: what waits, then what is in hand, urgent first; the same work at any length."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.detection.choices import RANK
from apps.detection.models import Alert
from apps.incidents import services
from apps.incidents.models import Incident
from apps.incidents.selectors import queue
from tests.console.cast import Story, browser, person, story

pytestmark = pytest.mark.django_db


def incident(level: str = "high", **more) -> Incident:
    now = timezone.now()
    given = {
        "title": f"{level} thing", "behaviour": "tunnel", "first_alert_at": now, "last_alert_at": now,
        "opened_at": now, "changed_at": now,
    }  # fmt: skip
    return Incident.objects.create(level=level, rank=RANK[level], **given | more)


def shown(filters: queue.Filters | None = None, **more) -> list[str]:
    page = queue.page(filters or queue.Filters(), user=person("ana"), **more)
    return [row.incident.title for row in page.rows]


def test_what_waits_comes_first_then_what_is_in_hand_each_by_urgency():
    low, high = incident("low", title="low"), incident("critical", title="critical")
    taken = services.take(incident("critical", title="taken"), by=person("ana"))
    assert shown() == ["critical", "low", "taken"]
    assert [row.group for row in queue.page(queue.Filters(), user=person("ana")).rows] == [
        "new",
        "new",
        "taken",
    ]
    assert {low.pk, high.pk, taken.pk} == {
        row.incident.pk for row in queue.by_ids([low.pk, high.pk, taken.pk])
    }


def test_pages_follow_each_other_without_gap_or_repeat():
    for number in range(7):
        incident(["low", "high"][number % 2], title=f"waits {number}")
    for number in range(4):
        services.take(incident("medium", title=f"taken {number}"), by=person("jonas"))
    seen: list[str] = []
    after = ""
    while True:
        page = queue.page(queue.Filters(), user=person("ana"), after=after, size=3)
        seen += [row.incident.title for row in page.rows]
        if not (after := page.after):
            break
    assert seen == shown(size=50)
    assert len(seen) == len(set(seen)) == 11


def test_closed_ones_are_by_their_closing_newest_first():
    rows = [
        services.close(incident(title=f"closed {number}"), verdict="model", by=person("ana"))
        for number in range(5)
    ]
    for age, row in enumerate(rows):
        Incident.objects.filter(pk=row.pk).update(closed_at=timezone.now() - timedelta(hours=age))
    first = queue.page(queue.Filters(state="closed"), user=person("ana"), size=3)
    rest = queue.page(queue.Filters(state="closed"), user=person("ana"), size=3, after=first.after)
    assert [row.incident.title for row in first.rows + rest.rows] == [
        f"closed {number}" for number in range(5)
    ]


def test_a_cursor_that_makes_no_sense_begins_at_the_top():
    incident(title="here")
    for after in ("x", "new.9", "new.5.99999999999999999999", "taken..", "'; DROP TABLE"):
        assert browser("mei").get("/", {"after": after}).status_code == 200
        assert shown(after=after) == ["here"]


def test_each_filter_narrows_by_what_its_name_says():
    it = story()
    other = incident("low", title="other", behaviour="mining", drill=True)
    services.take(other, by=person("ana"))
    for filters, titles in {
        queue.Filters(level="high"): [it.incident.title],
        queue.Filters(owner="me"): ["other"],
        queue.Filters(owner="none"): [it.incident.title],
        queue.Filters(owner="jonas"): [],
        queue.Filters(run=it.run.pk): [it.incident.title],
        queue.Filters(host=it.host.pk): [it.incident.title],
        queue.Filters(behaviour="mining"): ["other"],
        queue.Filters(drill="only"): ["other"],
        queue.Filters(drill="no"): [it.incident.title],
        queue.Filters(text=it.incident.number): [it.incident.title],
        queue.Filters(text=it.run.name[:6]): [it.incident.title],
        queue.Filters(text="gpu-a12"): [it.incident.title],
        queue.Filters(text="%"): [],
        queue.Filters(state="taken"): ["other"],
        queue.Filters(state="new"): [it.incident.title],
    }.items():
        assert shown(filters) == titles, filters


def test_a_filter_that_cannot_be_read_shows_nothing_rather_than_everything():
    story()
    page = browser("mei").get("/?run=abc").content.decode()
    assert 'data-id="' not in page


def burst(it: Story, number: int, *, minutes_ago: float) -> None:
    for _ in range(number):
        it.alert(at=timezone.now() - timedelta(minutes=minutes_ago))


def old() -> Story:
    """A story whose alert is almost an hour old: ids follow the times of receipt."""
    it = story()
    Alert.objects.update(received_at=timezone.now() - timedelta(minutes=57))
    return it


def state(it: Story) -> str:
    return queue.states_of([it.incident])[it.incident.pk]


def test_an_incident_escalates_while_alerts_come_three_times_as_fast():
    it = old()
    assert state(it) == "new"
    burst(it, 3, minutes_ago=40)
    assert state(it) == "new"
    burst(it, 6, minutes_ago=1)
    assert state(it) == "escalating"


def test_a_steady_stream_is_no_escalation():
    it = old()
    for minutes in range(55, 0, -2):
        burst(it, 2, minutes_ago=minutes)
    assert state(it) == "new"


def test_what_comes_back_after_it_was_closed_is_regressed():
    it = story()
    again = incident(title="again", follows=it.incident)
    assert queue.states_of([again])[again.pk] == "regressed"


def test_the_sparkline_counts_the_hour_in_twelve_parts():
    it = old()
    burst(it, 3, minutes_ago=52)
    burst(it, 2, minutes_ago=1)
    row = queue.by_ids([it.incident.pk])[0]
    assert row.hours == [1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]


def test_alerts_after_closing_are_not_counted_for_the_closed_one():
    it = story()
    services.close(it.incident, verdict="model", by=person("ana"))
    burst(it, 5, minutes_ago=1)
    assert sum(queue.by_ids([it.incident.pk])[0].hours) == 1


def test_counts_say_where_everything_is():
    it = old()
    burst(it, 2, minutes_ago=30)
    burst(it, 9, minutes_ago=1)
    incident(title="again", follows=it.incident)
    services.take(incident(), by=person("ana"))
    services.close(incident(), verdict="drill", by=person("ana"))
    found = queue.counts(queue.Filters(), user=person("ana"))
    assert (found.open, found.waiting, found.closed) == (3, 2, 1)
    assert dict(found.states) == {"escalating": 1, "regressed": 1, "taken": 1}


def test_the_page_asks_as_often_for_many_rows_as_for_few():
    client = browser("ana")
    for number in range(3):
        story(f"gpu-a12-{number:02d}")
    client.get("/")
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert client.get("/").status_code == 200
    for number in range(30):
        story(f"gpu-b07-{number:02d}")
    with CaptureQueriesContext(connection) as many:
        assert client.get("/").status_code == 200
    assert len(many) == len(few)
    assert len(many) <= 40


def test_the_page_never_counts_all_alerts_and_skips_none():
    story()
    with CaptureQueriesContext(connection) as asked:
        browser("ana").get("/")
    for query in asked.captured_queries:
        sql = query["sql"].upper()
        assert " OFFSET " not in sql
        assert "ILIKE" not in sql
        assert 'COUNT(*) AS "__COUNT" FROM "DETECTION_ALERT"' not in sql


def test_acting_on_several_tells_what_was_lost_to_whom():
    first, second = incident(title="one"), incident(title="two")
    services.take(second, by=person("jonas"))
    answer = browser("ana").post("/queue/act/", {"act": "take", "ids": f"{first.pk},{second.pk},abc"})
    assert answer.status_code == 204
    said = answer.headers["HX-Trigger"]
    assert "1 taken." in said
    assert f"{second.number}: jonas was first" in said
    assert AuditEntry.objects.filter(action="incident.taken").count() == 2


def test_rows_by_name_come_as_they_are_now_closed_ones_too():
    it = story()
    services.close(it.incident, verdict="drill", by=person("ana"))
    page = browser("mei").get(f"/queue/rows/?ids={it.incident.pk},999999").content.decode()
    assert page.count("data-id=") == 1
    assert 'data-state="closed"' in page


def test_the_page_for_a_viewer_offers_no_act():
    story()
    page = browser("mei").get("/").content.decode()
    assert "data-act-url" not in page
    assert "queue/act" not in page
