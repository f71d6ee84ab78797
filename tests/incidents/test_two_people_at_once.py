"""Whoever comes second loses, is told who was first, and leaves no trace in history, audit or feed."""

import threading

import pytest
from django.db import connection

from apps.audit.models import AuditEntry
from apps.feed.models import FeedEntry
from apps.incidents import services
from apps.incidents.choices import Status
from apps.incidents.models import Incident, StatusChange
from tests.console.cast import person, story

pytestmark = pytest.mark.django_db


def test_the_second_to_take_is_told_who_was_first():
    incident = story().incident
    seen_by_jonas = Incident.objects.get(pk=incident.pk)
    services.take(incident, by=person("ana"), version=1)
    with pytest.raises(services.Lost) as lost:
        services.take(seen_by_jonas, by=person("jonas"), version=1)
    assert lost.value.by == "ana"
    assert lost.value.when == StatusChange.objects.latest("id").at
    assert "ana was first" in lost.value.says
    assert Incident.objects.get(pk=incident.pk).owner == person("ana")


def test_what_was_lost_left_nothing_behind():
    incident = story().incident
    stale = Incident.objects.get(pk=incident.pk)
    services.take(incident, by=person("ana"))
    before = (StatusChange.objects.count(), AuditEntry.objects.count(), FeedEntry.objects.count())
    for act in (
        lambda: services.take(stale, by=person("jonas")),
        lambda: services.close(stale, verdict="model", by=person("jonas")),
        lambda: services.grade(stale, level="low", by=person("jonas"), version=1),
    ):
        with pytest.raises(services.Lost):
            act()
    assert (StatusChange.objects.count(), AuditEntry.objects.count(), FeedEntry.objects.count()) == before
    assert incident.spans.get().last_alert_id is None


def test_of_two_grades_from_the_same_page_one_counts():
    incident = story().incident
    stale = Incident.objects.get(pk=incident.pk)
    services.grade(incident, level="high", by=person("ana"), version=incident.version)
    with pytest.raises(services.Lost) as lost:
        services.grade(stale, level="low", by=person("jonas"), version=stale.version)
    assert lost.value.by == "ana"
    assert Incident.objects.get(pk=incident.pk).level == "high"


def test_an_incident_that_grew_meanwhile_is_no_conflict():
    incident = story().incident
    Incident.objects.filter(pk=incident.pk).update(alert_count=900)
    assert services.take(incident, by=person("ana"), version=1).status == Status.TAKEN


@pytest.mark.django_db(transaction=True)
def test_of_many_who_take_at_the_same_instant_exactly_one_wins():
    incident = story().incident
    people = [person(name) for name in ("ana", "jonas", "ada")]
    start = threading.Barrier(len(people))
    results: dict[str, str] = {}

    def take(user) -> None:
        mine = Incident.objects.get(pk=incident.pk)
        start.wait()
        try:
            services.take(mine, by=user, version=1)
            results[user.username] = "won"
        except services.Lost as lost:
            results[user.username] = lost.by
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = Incident.objects.get(pk=incident.pk).owner.username
    assert results.pop(winner) == "won"
    assert set(results.values()) == {winner}
    assert AuditEntry.objects.filter(action="incident.taken").count() == 1
