"""Workers and people at the same incident at the same moment: one opens it, nobody's alert is lost."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from apps.accounts.models import User
from apps.detection.models import Alert
from apps.gateway import ingest
from apps.gateway.stages.announce import announce
from apps.incidents.models import Incident, IncidentSpan
from apps.incidents.services import close
from tests.gateway.machine import Machine
from tests.gateway.working import alert, put, run_start, told

pytestmark = pytest.mark.django_db(transaction=True)


def together(*works: Callable[[], Any]) -> list[BaseException]:
    """All of `works` at once, each on a connection of its own; what went wrong."""
    wrong: list[BaseException] = []
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> None:
        try:
            gate.wait(timeout=10)
            work()
        except BaseException as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return wrong


def all_held_once() -> None:
    """Every alert lies in exactly one span, and the counts say so too."""
    for row in Alert.objects.all():
        spans = IncidentSpan.objects.filter(key=bytes(row.correlation_key), first_alert_id__lte=row.pk)
        assert sum(span.last_alert_id is None or span.last_alert_id >= row.pk for span in spans) == 1
    assert sum(Incident.objects.values_list("alert_count", flat=True)) == Alert.objects.count()


def test_two_workers_open_one_incident_for_one_key() -> None:
    machines = [Machine.enrolled() for _ in range(2)]
    told(machines[0], run_start())
    told(machines[1], run_start())
    for round_ in range(5):
        for machine in machines:
            title = f"behaviour {round_}"
            batch = put(machine, *(alert(f"rule-{round_}", title=title, run="rome") for _ in range(20)))
            assert batch.pk
        ids = [row.pk for row in _waiting()]
        wrong = together(*(lambda pk=pk: ingest.work_off_alone(pk) for pk in ids))
        assert wrong == []
    assert Incident.objects.count() == 5
    assert {row.alert_count for row in Incident.objects.all()} == {40}
    all_held_once()


def test_many_keys_in_opposite_order_do_not_wait_in_a_circle() -> None:
    machines = [Machine.enrolled() for _ in range(2)]
    for machine in machines:
        told(machine, run_start())
    names = [f"b{number}" for number in range(12)]
    for order in (names, names[::-1]):
        for machine, mine in zip(machines, (order, order[::-1]), strict=True):
            put(machine, *(alert(name, title=name, run="rome") for name in mine))
        ids = [row.pk for row in _waiting()]
        assert together(*(lambda pk=pk: ingest.work_off_alone(pk) for pk in ids)) == []
    assert Incident.objects.count() == 12
    all_held_once()


def test_closing_waits_for_alerts_that_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    ana = User.objects.create(username="ana", role="responder")
    machine = Machine.enrolled()
    told(machine, alert())
    incident = Incident.objects.get()
    put(machine, alert())
    inserted, closing = threading.Event(), threading.Event()

    def late(*arguments: Any) -> None:
        inserted.set()
        assert not closing.wait(timeout=0.5), "it was closed while its alert was under way"
        announce(*arguments)

    monkeypatch.setattr(ingest, "announce", late)

    def person() -> None:
        inserted.wait(timeout=10)
        with transaction.atomic():
            close(incident, verdict="model", by=ana)
            closing.set()

    assert together(ingest.work_off, person) == []
    incident.refresh_from_db()
    assert (incident.status, incident.alert_count) == ("closed", 2)
    told_after = told_again(machine, monkeypatch)
    assert told_after.follows_id == incident.pk
    all_held_once()


def told_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Incident:
    monkeypatch.undo()
    told(machine, alert())
    return Incident.objects.order_by("-pk")[0]


def _waiting() -> Any:
    from apps.telemetry.models import Batch

    return Batch.objects.filter(state="pending").order_by("pk")


def test_run_that_starts_beside_a_growing_incident_waits_for_nobody_in_a_circle() -> None:
    machines = [Machine.enrolled() for _ in range(2)]
    for machine in machines:
        told(machine, run_start())
    for round_ in range(6):
        for number, machine in enumerate(machines):
            name = f"run-{round_}-{number}"
            start = run_start(name, root_pid=1_000 + round_ * 2 + number)
            put(
                machine,
                start,
                *(alert(f"r{round_}-{n % 3}", title=f"t{round_}-{n % 3}", run="rome") for n in range(9)),
            )
        ids = [row.pk for row in _waiting()]
        assert together(*(lambda pk=pk: ingest.work_off_alone(pk) for pk in ids)) == []
    assert Incident.objects.count() == 18
    all_held_once()
