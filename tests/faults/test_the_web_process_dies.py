"""An order outlives the process that took it: the row is the truth, the bell is only a bell."""

import pytest

from apps.fleet.choices import RunState
from apps.response.models import Receipt
from tests.flows.training_host import TrainingHost, gone, reached, until
from tests.live import Web
from tests.response.cast import order, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.cgroup]


def test_an_order_given_just_before_the_kill_arrives_after_the_restart(
    server: Web, training_host: TrainingHost
) -> None:
    run, pids = training_host.launch_tree("kestrel-32b", 4)
    server.kill()
    target = order(run, person()).targets.get()
    assert not gone(pids)
    server.start()
    until(lambda: reached(target, "VERIFIED"), what="verified dead")
    assert gone(pids)
    run.refresh_from_db()
    assert run.state == RunState.KILLED


def test_receipts_of_a_stop_that_the_server_did_not_live_to_see_arrive_once(
    server: Web, training_host: TrainingHost
) -> None:
    run, pids = training_host.launch_tree("kestrel-32b", 4)
    target = order(run, person()).targets.get()
    until(lambda: reached(target, "DELIVERED", "FROZEN", "CAPTURED", "SIGNALLED", "WATCHING"))
    server.kill()
    until(lambda: gone(pids), what="the host finishes by itself")
    server.start()
    until(lambda: reached(target, "VERIFIED"), what="verified dead")
    # The result comes first; the steps to it follow, each once
    until(lambda: sorted(numbers()) == list(range(max(numbers()) + 1)), what="every step arrived")


def numbers() -> list[int]:
    return list(Receipt.objects.values_list("seq", flat=True))
