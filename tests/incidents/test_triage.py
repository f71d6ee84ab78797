"""Each act of triage: the row, its history, the trail and the feed move together."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.feed.models import FeedEntry
from apps.incidents import services
from apps.incidents.choices import Status
from apps.incidents.models import Annotation, Incident, IncidentSpan, StatusChange
from apps.incidents.selectors import alerts
from tests.console.cast import person, story

pytestmark = pytest.mark.django_db


def moves(incident: Incident) -> list[tuple[str, str, str, str]]:
    return list(
        StatusChange.objects.filter(incident=incident)
        .order_by("id")
        .values_list("field", "before", "after", "by")
    )


def last_entry() -> AuditEntry:
    return AuditEntry.objects.latest("seq")


def test_taking_makes_it_mine_in_row_history_trail_and_feed():
    it = story()
    taken = services.take(it.incident, by=person("ana"), version=1)
    assert (taken.status, taken.owner, taken.version) == (Status.TAKEN, person("ana"), 2)
    assert moves(taken) == [("status", "new", "taken", "ana"), ("owner", "", "ana", "ana")]
    assert (last_entry().action, last_entry().by_name, last_entry().subject_name) == (
        "incident.taken", "ana", taken.number,
    )  # fmt: skip
    entry = FeedEntry.objects.latest("id")
    assert set(entry.topics) == {"queue", f"incident:{taken.pk}", f"run:{it.run.pk}"}
    assert entry.detail["owner"] == "ana"


def test_giving_back_lets_it_wait_again():
    incident = services.take(story().incident, by=person("ana"))
    back = services.release(incident, by=person("ana"), version=incident.version)
    assert (back.status, back.owner, back.taken_at) == (Status.NEW, None, None)


def test_assigning_hands_it_to_another_person():
    incident = services.take(story().incident, by=person("ana"))
    given = services.assign(incident, to=person("jonas"), by=person("ana"), version=incident.version)
    assert given.owner == person("jonas")
    assert moves(given)[-1] == ("owner", "ana", "jonas", "ana")


def test_a_level_moves_the_place_in_the_queue():
    graded = services.grade(story().incident, level="low", by=person("jonas"), note="a test rig")
    assert (graded.level, graded.rank) == ("low", 2)
    assert last_entry().detail["note"] == "a test rig"


def test_closing_keeps_the_verdict_and_ends_its_share_of_alerts():
    it = story()
    closed = services.close(it.incident, verdict="model", note="tunnel proven", by=person("ana"))
    later = it.alert()
    assert (closed.status, closed.verdict) == (Status.CLOSED, "model")
    assert closed.closed_at is not None
    assert later.pk not in alerts.of(closed).values_list("pk", flat=True)
    assert alerts.of(closed).count() == 1


def test_an_unknown_verdict_or_level_changes_nothing():
    incident = story().incident
    for act in (
        lambda: services.close(incident, verdict="whatever", by=person("ana")),
        lambda: services.grade(incident, level="awful", by=person("ana")),
    ):
        with pytest.raises(ValueError, match="is not a valid"):
            act()
    assert Incident.objects.get(pk=incident.pk).version == 1
    assert incident.spans.get().last_alert_id is None


def test_reopening_collects_alerts_again():
    it = story()
    closed = services.close(it.incident, verdict="drill", by=person("ana"))
    again = services.reopen(closed, by=person("ana"), version=closed.version)
    later = it.alert()
    assert (again.status, again.verdict, again.closed_at) == (Status.NEW, "", None)
    assert later.pk in alerts.of(again).values_list("pk", flat=True)


def test_reopening_leaves_alerts_to_the_incident_that_followed():
    it = story()
    closed = services.close(it.incident, verdict="model", by=person("ana"))
    alert = it.alert()
    follower = story("gpu-b07-01").incident
    IncidentSpan.objects.create(incident=follower, key=it.key, first_alert_id=alert.pk)
    again = services.reopen(closed, by=person("ana"))
    assert again.status == Status.NEW
    assert IncidentSpan.objects.get(key=it.key, last_alert_id=None).incident == follower


@pytest.mark.parametrize("text", ["", "  \n", "x" * 20_001])
def test_an_annotation_is_neither_empty_nor_endless(text: str):
    with pytest.raises(ValueError, match="between 1 and 20,000"):
        services.annotate(story().incident, text=text, by=person("jonas"))


def test_an_annotation_stands_in_the_trail_with_its_text():
    incident = story().incident
    services.annotate(incident, text="key in /tmp/.k matches nothing\x00", by=person("jonas"))
    assert Annotation.objects.get().text == "key in /tmp/.k matches nothing\\x00"
    assert last_entry().detail["text"] == "key in /tmp/.k matches nothing\\x00"


@pytest.mark.parametrize("act", ["take", "close", "grade"])
def test_an_act_can_be_taken_back_within_ten_seconds(act: str):
    incident = story().incident
    {
        "take": lambda: services.take(incident, by=person("ana")),
        "close": lambda: services.close(incident, verdict="model", by=person("ana")),
        "grade": lambda: services.grade(incident, level="low", by=person("ana")),
    }[act]()
    back = services.undo(incident, act=act, by=person("ana"))
    assert (back.status, back.owner, back.level, back.verdict) == (Status.NEW, None, "critical", "")
    assert StatusChange.objects.filter(incident=incident).count() >= 2  # both stay in the history


def test_taking_over_is_taken_back_to_the_former_owner():
    incident = services.take(story().incident, by=person("jonas"))
    services.assign(incident, to=person("ana"), by=person("ana"), version=incident.version)
    assert services.undo(incident, act="take", by=person("ana")).owner == person("jonas")


def test_after_ten_seconds_it_stands():
    incident = services.take(story().incident, by=person("ana"))
    StatusChange.objects.update(at=timezone.now() - timedelta(seconds=11))
    with pytest.raises(services.TooLate):
        services.undo(incident, act="take", by=person("ana"))


def test_nobody_takes_back_what_somebody_else_did():
    incident = services.take(story().incident, by=person("ana"))
    with pytest.raises(services.TooLate):
        services.undo(incident, act="take", by=person("jonas"))


def test_a_script_acts_under_its_persons_name_and_is_told_apart():
    services.take(story().incident, by=person("ana"), via="script")
    assert (last_entry().by_kind, last_entry().by_name) == ("script", "ana")


def test_a_drill_is_marked_in_the_trail():
    services.take(story(drill=True).incident, by=person("ana"))
    assert last_entry().drill
