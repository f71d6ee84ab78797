"""A shell that gives its process to what it was told to run: one process, two moments."""

from datetime import UTC, datetime

import pytest

from apps.detection.models import Alert
from apps.incidents.selectors import join
from apps.telemetry.models import Process
from tests.gateway.machine import Machine
from tests.gateway.working import NOW, TUNNEL, process, told

pytestmark = pytest.mark.django_db
SHELL = ("bash", "-c", " ".join(TUNNEL))
BEGAN, LATER = NOW + 1.25, NOW + 1.5


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


@pytest.mark.parametrize("lots", [1, 2])
def test_both_moments_are_kept(lots: int) -> None:
    machine = Machine.enrolled()
    seen = [process(300, SHELL, at=BEGAN), process(300, TUNNEL, at=LATER)]
    for part in [seen] if lots == 1 else [[one] for one in seen]:
        told(machine, *part)
    row = Process.objects.get()
    assert (row.started_at, row.executed_at) == (moment(BEGAN), moment(LATER))
    assert tuple(row.argv) == TUNNEL


def test_no_alert_stands_before_its_process() -> None:
    told(Machine.enrolled(), process(300, SHELL, at=BEGAN), process(300, TUNNEL, at=LATER))
    raised = Alert.objects.select_related("process", "connection").order_by("occurred_at")
    assert raised.first().occurred_at == moment(BEGAN)
    for alert in raised:
        assert [fact.kind for fact in join.thread(alert, None)] == ["process", "alert"]
