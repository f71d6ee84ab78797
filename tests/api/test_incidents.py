"""Incidents by script: read, narrowed, changed by the version that was seen, annotated."""

import pytest

from apps.audit.models import AuditEntry
from apps.incidents import services
from apps.incidents.models import Incident
from tests.api import facts
from tests.api.script import Script, script_of
from tests.response.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def script() -> Script:
    return script_of(person("responder", name="robin"))


def test_the_list_goes_on_from_its_cursor_and_ends(script: Script) -> None:
    rows = [facts.incident(rank=rank) for rank in (5, 3, 4, 2, 1)]
    first = script.get("/incidents", size=2).json()
    second = script.get("/incidents", size=2, after=first["next"]).json()
    third = script.get("/incidents", size=2, after=second["next"]).json()
    ids = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert ids == [row.pk for row in sorted(rows, key=lambda row: -row.rank)]
    assert third["next"] is None


def test_the_list_is_narrowed_as_the_queue_is(script: Script) -> None:
    facts.incident(level="low", rank=2)
    drill = facts.incident(drill=True)
    assert [item["id"] for item in script.get("/incidents", drill="only").json()["items"]] == [drill.pk]
    assert [item["id"] for item in script.get("/incidents", level="high").json()["items"]] == [drill.pk]
    assert script.get("/incidents", owner="me").json()["items"] == []
    assert script.get("/incidents", state="unheard-of").status_code == 422


def test_one_incident_has_its_hosts_history_and_notes(script: Script) -> None:
    found, run, machine = facts.scene()
    told = script.get(f"/incidents/{found.pk}").json()
    assert told["incident"]["run"] == {"id": run.pk, "name": run.name}
    assert told["hosts"] == [{"id": machine.host.pk, "name": machine.host.name}]
    assert (told["changes"], told["annotations"]) == ([], [])


def test_taking_moves_the_version_and_stands_in_the_trail_as_a_scripts_act(script: Script) -> None:
    row = facts.incident()
    told = script.post(f"/incidents/{row.pk}/take", {"version": 1}).json()["incident"]
    assert (told["owner"], told["status"], told["version"]) == ("robin", "taken", 2)
    entry = AuditEntry.objects.get(action="incident.taken")
    assert (entry.by_kind, entry.by_name) == ("script", "robin")


def test_who_comes_second_is_told_who_was_first_and_changes_nothing(script: Script) -> None:
    row = facts.incident()
    services.take(Incident.objects.get(pk=row.pk), by=person("responder", name="maria"))
    for path, body in (("take", {"version": 1}), ("close", {"version": 1, "verdict": "model"})):
        answer = script.post(f"/incidents/{row.pk}/{path}", body)
        told = answer.json()
        assert (answer.status_code, told["code"], told["by"], told["now_is"]) == (
            409,
            "lost",
            "maria",
            "taken",
        )
    row.refresh_from_db()
    assert (row.owner.username, row.version) == ("maria", 2)  # type: ignore[union-attr]


def test_the_whole_life_of_an_incident(script: Script) -> None:
    row = facts.incident()
    maria = person("operator", name="maria")
    steps = [
        ("take", {}),
        ("release", {}),
        ("assign", {"to": "maria"}),
        ("grade", {"level": "low", "note": "known"}),
        ("close", {"verdict": "sanctioned", "note": "asked for"}),
        ("reopen", {"note": "not quite"}),
    ]
    for version, (act, body) in enumerate(steps, start=1):
        answer = script.post(f"/incidents/{row.pk}/{act}", {"version": version, **body})
        assert answer.status_code == 200, answer.content
    told = answer.json()["incident"]
    assert (told["owner"], told["status"], told["level"]) == (maria.username, "taken", "low")


def test_an_incident_is_assigned_to_nobody_who_may_not_triage(script: Script) -> None:
    row = facts.incident()
    person("viewer", name="vera")
    for name in ("vera", "nobody"):
        assert script.post(f"/incidents/{row.pk}/assign", {"version": 1, "to": name}).status_code == 422
    row.refresh_from_db()
    assert row.version == 1


def test_a_note_is_kept_as_written_and_listed(script: Script) -> None:
    row = facts.incident()
    answer = script.post(f"/incidents/{row.pk}/annotations", {"text": facts.HOSTILE})
    assert answer.status_code == 201
    assert script.get(f"/incidents/{row.pk}/annotations").json() == [answer.json()]
    assert answer.json()["text"] == facts.HOSTILE
    assert script.post(f"/incidents/{row.pk}/annotations", {"text": "  "}).status_code == 422


def test_alerts_of_an_incident_a_run_and_the_fleet_go_page_by_page(script: Script) -> None:
    found, run, machine = facts.scene()
    for path, query in (
        (f"/incidents/{found.pk}/alerts", {}),
        ("/alerts", {"run": run.pk}),
        ("/alerts", {"host": machine.host.pk}),
        ("/alerts", {}),
    ):
        first = script.get(path, size=2, **query).json()
        rest = script.get(path, size=2, before=first["next"], **query).json()
        assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    one = script.get(f"/alerts/{rest['items'][0]['id']}")
    assert one.json()["detail"] == {"argv": [facts.HOSTILE]}
    assert one.content.isascii()  # a control character is written out, not sent
    assert script.get("/alerts", run=run.pk + 1).json()["items"] == []


@pytest.mark.parametrize("rows", [2, 12])
def test_a_page_costs_the_same_number_of_queries_however_long(
    script: Script, rows: int, django_assert_max_num_queries: object
) -> None:
    for _ in range(rows):
        facts.incident()
    with django_assert_max_num_queries(9):  # type: ignore[operator]
        assert len(script.get("/incidents").json()["items"]) == rows
