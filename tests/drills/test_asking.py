"""A drill is asked for once at a time, of a host that reports, signed for it alone and in the trail."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.keys import public_key, unb64, verified
from apps.drills import selectors
from apps.drills.choices import Stage
from apps.drills.models import Drill
from apps.drills.services import EXPIRY, DrillRefusedError
from apps.feed.models import FeedEntry
from apps.fleet.models import HostAgent
from hostagent import protocol
from hostagent.orders import parse
from tests.drills.cast import asked
from tests.response.cast import Machine, machine, person, run

pytestmark = pytest.mark.django_db


def refusal(one: Machine) -> str:
    with pytest.raises(DrillRefusedError) as refused:
        asked(one, person(name=f"p{Drill.objects.count()}-{one.host.name}"))
    return refused.value.code


def test_the_text_is_signed_for_this_host_short_lived_and_such_as_the_host_agent_reads() -> None:
    one = machine()
    drill = asked(one, reason="before the big run")
    assert verified(unb64(public_key("server")), drill.signature, protocol.order_bytes(drill.payload))
    said = json.loads(drill.payload)
    assert set(said) == set(protocol.DrillPayload.__annotations__)
    assert (said["agent_id"], said["host_id"]) == (str(one.agent.uuid), str(one.host.pk))
    assert said["expires_ms"] - said["issued_ms"] == EXPIRY.total_seconds() * 1000
    assert (said["action"], said["play"]["name"], said["drill"]) == (protocol.DRILL, "rome", True)
    assert said["order_id"] == -drill.pk
    assert parse(drill.payload) == said


def test_it_names_no_run_that_could_be_touched() -> None:
    one = machine()
    training = run(one)
    said = json.loads(asked(one).payload)
    assert said["targets"] == {"cgroup": None, "root_pid": None, "root_start_ticks": None, "pids": []}
    assert training.marker not in said["marker"]
    assert said["run"] == ""


def test_it_is_in_the_trail_and_on_the_fleet_page() -> None:
    drill = asked(machine(), reason="before the big run")
    entry = AuditEntry.objects.get(action="drill.asked")
    assert (entry.by_name, entry.subject_name, entry.drill) == ("ana", "gpu-a12-01", True)
    assert (entry.detail["number"], entry.detail["reason"]) == (drill.number, "before the big run")
    news = FeedEntry.objects.get(kind="drill.moved")
    assert (news.topics, news.detail["stage"]) == (["fleet"], "REQUESTED")


def test_the_host_finds_it_at_the_door_until_it_has_answered_or_it_expired() -> None:
    one, other = machine("a"), machine("b")
    drill = asked(one)
    assert [row.payload for row in selectors.pending(one.agent)] == [drill.payload]
    assert selectors.pending(other.agent) == []
    Drill.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert selectors.pending(one.agent) == []
    drill.refresh_from_db()
    assert selectors.stage_of(drill) == Stage.EXPIRED


def test_a_second_one_waits_for_the_first() -> None:
    one, other = machine("a"), machine("b")
    asked(one)
    assert refusal(one) == "under_way"
    asked(other, person(name="jo"))  # another host is free


def test_one_that_expired_unheard_does_not_hold_up_the_next() -> None:
    one = machine()
    asked(one)
    Drill.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    asked(one, person(name="jo"))


def test_one_whose_host_fell_silent_does_not_hold_up_the_next_for_ever() -> None:
    one = machine()
    asked(one)
    Drill.objects.update(stage="STARTED", stage_at=timezone.now() - timedelta(minutes=5))
    assert refusal(one) == "under_way"
    Drill.objects.update(stage_at=timezone.now() - timedelta(hours=1))
    asked(one, person(name="jo"))


def test_one_that_was_started_at_the_host_itself_counts() -> None:
    one = machine()
    run(one, name="drill-rome-1234", drill=True)
    assert refusal(one) == "under_way"


def test_a_run_that_is_no_drill_is_no_reason() -> None:
    one = machine()
    run(one)
    asked(one)


@pytest.mark.parametrize(
    "change",
    [{"last_seen_at": None}, {"state": "revoked"}, {"last_seen_at": timezone.now() - timedelta(hours=1)}],
)
def test_a_host_that_does_not_report_is_not_asked(change: dict[str, object]) -> None:
    one = machine()
    HostAgent.objects.update(**change)
    assert refusal(one) == "not_online"
    assert not Drill.objects.exists()
    assert not AuditEntry.objects.filter(action="drill.asked").exists()


def test_a_drill_that_there_is_not_is_refused() -> None:
    from apps.drills.services import ask

    with pytest.raises(DrillRefusedError, match="no drill by this name"):
        ask(machine().host, name="troy", by=person())
