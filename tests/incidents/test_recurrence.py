"""The same behaviour over runs and episodes: a rate, by lineage, and whether it becomes more."""

import uuid

import pytest
from django.utils import timezone

from apps.attribution.models import Attribution
from apps.fleet.models import Episode, TrainingRun
from apps.incidents.models import Incident
from apps.incidents.selectors import recurrence
from apps.telemetry.models import ToolCall
from tests.console.cast import Story, browser, story

pytestmark = pytest.mark.django_db


def episodes(run: TrainingRun, number: int) -> list[Episode]:
    made = [
        Episode(run=run, native_id=f"{run.pk}-{place}", global_step=100 + place) for place in range(number)
    ]
    return Episode.objects.bulk_create(made)


def hit(it: Story, episode: Episode, *, origin: str = "model") -> None:
    """In that episode an alert of the incident was raised, by `origin`."""
    call = ToolCall.objects.create(
        run=it.run, episode=episode, trace_id=uuid.uuid4().hex, span_id=uuid.uuid4().hex[:16], name="bash",
        started_at=timezone.now(), received_at=timezone.now(),
    )  # fmt: skip
    Attribution.objects.create(alert=it.alert(), tool_call=call, origin=origin, strength=90)


def test_rate_is_of_all_episodes_of_the_lineage_also_of_runs_without_it() -> None:
    it = story()
    calm = TrainingRun.objects.create(
        name="calm", marker="calm", lineage=it.run.lineage, started_at=timezone.now()
    )
    episodes(calm, 50)
    own = episodes(it.run, 49)  # and the one of the story, which was hit
    hit(it, own[9])
    hit(it, own[9])
    hit(it, own[10], origin="unknown")
    found = recurrence.of(it.incident)
    [line] = found.lines
    assert (line.runs, line.episodes, line.hit, line.rate) == (2, 100, 2, 20.0)
    assert (line.first_step, line.last_step) == (109, 18_412)
    assert (found.incidents, found.runs, found.hosts, found.trend) == (1, 1, 1, "too few")


@pytest.mark.parametrize(
    ("places", "trend"),
    [((1, 30, 31, 32, 33), "rising"), ((1, 2, 3, 4, 30), "falling"), ((1, 2, 30, 31), "steady")],
)
def test_later_half_against_the_earlier(places: tuple[int, ...], trend: str) -> None:
    it = story()
    Attribution.objects.update(origin="unknown")  # the story's own
    own = episodes(it.run, 39)
    for place in places:
        hit(it, own[place])
    assert recurrence.of(it.incident).trend == trend


def test_what_a_person_said_was_somebody_else_does_not_count() -> None:
    it, other = story(), story("gpu-b")
    Incident.objects.update(behaviour="tunnel")
    assert recurrence.of(Incident.objects.get(pk=it.incident.pk)).hit == 2
    Incident.objects.filter(pk=other.incident.pk).update(judged="operator")
    assert recurrence.of(Incident.objects.get(pk=it.incident.pk)).hit == 1


def test_drills_are_counted_apart_and_the_page_says_the_rate() -> None:
    it = story()
    story("drilled", drill=True)
    Incident.objects.update(behaviour="tunnel")
    assert recurrence.of(Incident.objects.get(pk=it.incident.pk)).incidents == 1
    page = browser("mei").get(f"/incidents/{it.incident.pk}/panel/recurrence/").content.decode()
    assert "1000 per 1,000" in page
    assert "too few to say" in page


def test_no_episode_told_means_no_rate() -> None:
    it = story()
    ToolCall.objects.update(episode=None)
    Episode.objects.all().delete()
    page = browser("mei").get(f"/incidents/{it.incident.pk}/panel/recurrence/").content.decode()
    assert "there is no rate" in page
