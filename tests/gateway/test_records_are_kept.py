"""A record that was written afterwards makes calls without times; a run says where it comes from."""

import pytest

from apps.fleet.models import Episode, TrainingRun
from apps.telemetry.models import ToolCall
from hostagent.sensors.otlp_lines import records_of
from tests.console.cast import browser
from tests.gateway.machine import Machine
from tests.gateway.working import run_start, told
from tests.hostagent.test_records_written_after import TRAJECTORY, line

pytestmark = pytest.mark.django_db


def test_calls_of_a_trajectory_are_known_from_the_record() -> None:
    machine = Machine.enrolled()
    told(machine, run_start(), *records_of(line(TRAJECTORY), run="rome"))
    told(machine, *records_of(line(TRAJECTORY), run="rome"))
    calls = list(ToolCall.objects.select_related("episode").order_by("call_id"))
    assert [(call.known_from, call.name, call.call_id) for call in calls] == [
        ("record", "bash", "c1"),
        ("record", "bash", "c2"),
    ]
    assert {call.episode for call in calls} == {Episode.objects.get(native_id="train_3_7_0_12")}
    page = browser("mei").get(f"/runs/{TrainingRun.objects.get().pk}/").content.decode()
    assert page.count("from a record, times not told") == 2


def test_run_says_its_policy_checkpoint_and_parent() -> None:
    before = {"policy": "kestrel", "base_checkpoint": "<b>s3://x/step-900", "parent_run": "first"}
    told(Machine.enrolled(), run_start("rome", **before), run_start("other", parent_run="\u202enobody"))
    run = TrainingRun.objects.get(name="rome")
    assert (run.policy, run.base_checkpoint, run.parent_run) == tuple(before.values())
    page = browser("mei").get(f"/runs/{run.pk}/").content.decode()
    assert "policy <code>kestrel</code>" in page
    assert "<b>s3" not in page
    assert "<code>first</code>, which is not known here" in page
    told(Machine.enrolled(), run_start("first"))
    parent = TrainingRun.objects.get(name="first")
    assert f'href="/runs/{parent.pk}/"' in browser("mei").get(f"/runs/{run.pk}/").content.decode()
    assert "\u202e" not in browser("mei").get(f"/runs/{run.pk + 1}/").content.decode()
