"""What the way to an order says about a run that a host called ended: no more than is known."""

import pytest
from django.utils import timezone

from apps.attribution.models import Attribution
from apps.console.panels import run as panels
from apps.detection.models import Alert
from apps.fleet.models import TrainingRun
from apps.response.choices import Action, Stage
from apps.response.models import OrderTarget
from apps.response.services import issue, preview
from apps.telemetry.models import Process
from tests.console.cast import Story, browser, person, story

pytestmark = pytest.mark.django_db


@pytest.fixture
def it() -> Story:
    return story("gpu-a1")


def ladder(it: Story, name: str = "ana") -> str:
    return browser(name).get(f"/incidents/{it.incident.pk}/panel/ladder/").content.decode()


def ended(it: Story, *, left: bool = False) -> None:
    TrainingRun.objects.filter(pk=it.run.pk).update(state="ended", ended_at=timezone.now())
    if not left:
        Process.objects.filter(run=it.run).update(ended_at=timezone.now())


def killed(it: Story, stage: Stage) -> None:
    run = TrainingRun.objects.get(pk=it.run.pk)
    digest = preview(run).digest
    issue(
        run, action=Action.KILL, by=person("ana"), reason="tunnel", typed_name=run.name,
        parameters_digest=digest, idempotency_key="a-key-of-its-own",
    )  # fmt: skip
    OrderTarget.objects.update(stage=stage)


def test_an_end_is_what_a_host_said(it: Story) -> None:
    ended(it)
    assert "A host said that the run ended, and none of its processes is known to live." in ladder(it)
    assert "<button" not in ladder(it)


def test_processes_that_were_left_can_be_killed(it: Story) -> None:
    ended(it, left=True)
    shown = ladder(it)
    assert "but 3 of its processes are known to live." in shown
    assert "action=KILL" in shown
    assert "action=PAUSE" not in shown
    assert "action=" not in ladder(it, "mei")


@pytest.mark.parametrize("stage", [Stage.WATCHING, Stage.NOT_CONFIRMED])
def test_a_kill_that_ended_it_is_named_and_not_called_an_end_of_its_own(it: Story, stage: Stage) -> None:
    killed(it, stage)
    ended(it)
    shown = ladder(it)
    number = OrderTarget.objects.get().order.number
    assert f"{number}</a> to kill it: 1 of 1 {stage.label.lower()}." in shown
    assert "none of its processes" not in shown


def test_a_run_names_under_its_calls_what_is_its_own_or_the_models_and_no_more(it: Story) -> None:
    assert [len(one["alerts"]) for one in panels.calls(it.run)["calls"]] == [1]
    Attribution.objects.update(origin="unknown")
    assert [len(one["alerts"]) for one in panels.calls(it.run)["calls"]] == [1]
    Alert.objects.update(run=None)
    assert [len(one["alerts"]) for one in panels.calls(it.run)["calls"]] == [0]
