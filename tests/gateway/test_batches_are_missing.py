"""Numbers are without holes: a batch that never came is news, one that only failed is not."""

import pytest

from apps.detection.models import Alert
from apps.gateway import ingest
from apps.telemetry.models import Batch
from tests.gateway.machine import Machine
from tests.gateway.working import alert, process, put, told

pytestmark = pytest.mark.django_db(transaction=True)


def missing() -> list[dict[str, object]]:
    return list(Alert.objects.filter(rule__slug="batches-missing").values_list("detail", flat=True))


def test_hole_in_the_numbers_is_an_alert_once() -> None:
    machine = Machine.enrolled()
    told(machine, alert())
    machine.sequence += 3
    told(machine, alert())
    told(machine, alert())
    assert missing() == [{"batches": 3, "before": 5}]
    assert Alert.objects.get(rule__slug="batches-missing").level == "high"


def test_unbroken_numbers_are_none() -> None:
    machine = Machine.enrolled()
    for _ in range(3):
        put(machine, process())
    told(machine, alert())
    assert missing() == []


def test_agent_may_begin_anywhere() -> None:
    machine = Machine.enrolled()
    machine.sequence = 500
    told(machine, alert())
    assert missing() == []


def test_batch_that_waits_for_another_try_is_not_missing() -> None:
    machine = Machine.enrolled()
    told(machine, alert())
    bad = put(machine, alert())
    Batch.objects.filter(pk=bad.pk).update(body=b"nonsense")
    ingest.work_off()
    told(machine, alert())
    assert missing() == []
