"""From a person's order to provably dead processes, by nothing but the web process and the host agent."""

import pytest

from apps.audit.models import AuditEntry
from apps.fleet.choices import RunState
from apps.response.models import Receipt
from tests.flows.training_host import TrainingHost, gone, reached, until
from tests.live import Page, Web, session_of
from tests.response.cast import order, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.cgroup]


def test_a_kill_ends_in_dead_processes_and_signed_proof(server: Web, training_host: TrainingHost) -> None:
    run, pids = training_host.launch_tree("kestrel-32b", 8)
    ana = person()
    page = Page(server, session_of(ana))
    page.subscribe(f"run:{run.pk}")
    target = order(run, ana).targets.get()
    until(lambda: reached(target, "WATCHING", "VERIFIED"), what="dead on every probe")
    assert gone(pids)
    until(lambda: reached(target, "VERIFIED"), what="verified dead")
    run.refresh_from_db()
    assert run.state == RunState.KILLED
    until(lambda: Receipt.objects.filter(stage="DELIVERED").exists(), what="the steps follow the result")
    stages = list(Receipt.objects.order_by("seq").values_list("stage", flat=True))
    assert stages[0] == "DELIVERED"
    assert stages[-1] == "VERIFIED"
    assert {"FROZEN", "SIGNALLED", "WATCHING"} <= set(stages)
    while page.until("entries")["entries"][-1]["kind"] != "run.changed":
        pass
    page.close()
    entries = AuditEntry.objects.filter(action="receipt.received")
    trail = sorted((one["seq"], one["stage"]) for entry in entries for one in entry.detail["receipts"])
    assert [stage for _, stage in trail] == stages


def test_pause_holds_the_run_and_resume_lets_it_go(training_host: TrainingHost) -> None:
    run, pids = training_host.launch_tree("kestrel-32b", 3)
    ana = person()
    paused = order(run, ana, "PAUSE").targets.get()
    until(lambda: reached(paused, "PAUSED"), what="paused")
    run.refresh_from_db()
    assert run.state == RunState.PAUSED
    assert not gone(pids)
    resumed = order(run, ana, "RESUME").targets.get()
    until(lambda: reached(resumed, "RESUMED"), what="resumed")
    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    killed = order(run, ana).targets.get()
    until(lambda: reached(killed, "VERIFIED"), what="verified dead")
    assert gone(pids)
