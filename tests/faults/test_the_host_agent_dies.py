"""Losing a host is never success: it is said aloud, and what the host signs later settles it."""

import pytest

from apps.audit.models import AuditEntry
from apps.fleet.choices import RunState
from tests.flows.training_host import TrainingHost, gone, reached, until
from tests.live import Page, Web, session_of
from tests.response.cast import order, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.cgroup]


def test_a_dead_host_agent_is_unreachable_and_its_late_receipt_settles_the_order(
    server: Web, training_host: TrainingHost
) -> None:
    run, pids = training_host.launch_tree("kestrel-32b", 4)
    training_host.kill()
    ana = person()
    page = Page(server, session_of(ana))
    page.subscribe(f"run:{run.pk}")
    target = order(run, ana).targets.get()
    while page.until("entries")["entries"][-1]["detail"].get("stage") != "UNREACHABLE":
        pass
    page.close()
    assert not gone(pids)
    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    assert AuditEntry.objects.filter(action="order.unreachable").count() == 1
    training_host.start()
    until(lambda: reached(target, "VERIFIED"), what="the order waited at the door")
    assert gone(pids)
    run.refresh_from_db()
    assert run.state == RunState.KILLED
