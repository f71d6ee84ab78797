"""A script asks for a drill, and follows it."""

import pytest

from apps.audit.models import AuditEntry
from apps.drills.models import Drill
from apps.drills.services import receive
from tests.api.script import script_of
from tests.drills.cast import said
from tests.response.cast import machine, person, run

pytestmark = pytest.mark.django_db


def test_it_is_asked_for_and_followed_to_its_run() -> None:
    one, script = machine(), script_of(person())
    path = f"/hosts/{one.host.pk}/drills"
    answer = script.post(path, {"name": "rome", "reason": "monthly"})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["stage"], made["by"], made["run"]) == ("REQUESTED", "ana", None)
    entry = AuditEntry.objects.get(action="drill.asked")
    assert (entry.by_kind, entry.detail["reason"]) == ("script", "monthly")
    drill = Drill.objects.get()
    receive(one.agent, *one.signed(said(drill, "STARTED", run="drill-rome-1")))
    training = run(one, name="drill-rome-1", drill=True)
    (listed,) = script.get(path).json()["items"]
    assert (listed["number"], listed["stage"], listed["run"]["id"]) == (drill.number, "STARTED", training.pk)


def test_a_second_one_is_a_conflict_that_says_why() -> None:
    one, script = machine(), script_of(person())
    script.post(f"/hosts/{one.host.pk}/drills")
    again = script.post(f"/hosts/{one.host.pk}/drills")
    assert (again.status_code, again.json()["code"]) == (409, "under_way")


def test_a_name_that_there_is_not_is_invalid() -> None:
    one, script = machine(), script_of(person())
    assert script.post(f"/hosts/{one.host.pk}/drills", {"name": "troy"}).status_code == 422
    assert not Drill.objects.exists()
