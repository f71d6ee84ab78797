"""What happens at the same instant happens once."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from apps.audit.models import AuditEntry
from apps.feed.models import FeedEntry
from apps.fleet.choices import RunState
from apps.fleet.models import TrainingRun
from apps.response.models import ContainmentOrder, OrderTarget, Receipt
from apps.response.services import OrderRefusedError, issue, preview, receive, sweep_silence
from apps.response.services.silence import SWEEPER
from tests.response.cast import machine, order, person, run

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What all of `acts` gave, each on a thread and a connection of its own."""

    def done(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except OrderRefusedError as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(done, acts))


def test_a_button_that_was_pressed_many_times_is_one_order() -> None:
    training, ana, key = run(machine()), person(), secrets.token_hex(16)
    digest = preview(training).digest
    words = {"action": "KILL", "by": ana, "reason": "tunnel", "typed_name": training.name}
    press = lambda: issue(training, parameters_digest=digest, idempotency_key=key, **words).pk  # noqa: E731
    assert len(set(at_once(*[press] * 6))) == 1
    assert ContainmentOrder.objects.count() == OrderTarget.objects.count() == 1
    assert AuditEntry.objects.filter(action="order.issued").count() == 1


def test_one_key_on_two_runs_is_one_order_and_one_refusal() -> None:
    ana, key = person(), secrets.token_hex(16)
    runs = [run(machine(name), name=name) for name in ("kestrel", "heron")]
    results = at_once(*[lambda one=one: order(one, ana, idempotency_key=key).pk for one in runs])
    assert results.count("key_reused") == 1
    assert ContainmentOrder.objects.count() == 1


def test_the_last_two_hosts_prove_it_at_once_and_the_run_is_dead() -> None:
    machines = [machine(f"gpu-{number}") for number in range(6)]
    training = run(*machines)
    issued = order(training, person())
    proofs = [(one.agent, *one.receipt(issued.targets.get(host=one.host), "VERIFIED")) for one in machines]
    results = at_once(*[lambda proof=proof: receive(*proof).result for proof in proofs])
    assert results == ["stored"] * 6
    assert TrainingRun.objects.get().state == RunState.KILLED
    assert FeedEntry.objects.filter(kind="run.changed").count() == 1


def test_one_receipt_handed_in_many_times_at_once_is_one() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    sent = here.receipt(target, "DELIVERED")
    results = at_once(*[lambda: receive(here.agent, *sent).result] * 6)
    assert sorted(results) == ["duplicate"] * 5 + ["stored"]
    assert Receipt.objects.count() == 1


def test_a_sweep_steps_aside_for_another_one() -> None:
    order(run(machine()), person())
    OrderTarget.objects.update(stage_at="2020-01-01T00:00:00Z")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SWEEPER])
        assert at_once(sweep_silence) == [0]
    assert at_once(sweep_silence) == [1]


def test_a_row_that_a_receipt_holds_is_not_called_silent() -> None:
    target = order(run(machine()), person()).targets.get()
    OrderTarget.objects.update(stage_at="2020-01-01T00:00:00Z")
    with transaction.atomic():
        OrderTarget.objects.select_for_update().get(pk=target.pk)
        assert at_once(sweep_silence) == [0]


def test_orders_receipts_and_sweeps_on_many_hosts_at_once_never_wait_in_a_circle() -> None:
    machines, ana = [machine(f"gpu-{number}") for number in range(4)], person()
    training = run(*machines)
    issued = order(training, ana)
    acts: list[Callable[[], Any]] = []
    for one in machines:
        target = issued.targets.get(host=one.host)
        for seq, stage in enumerate(("DELIVERED", "SIGNALLED", "WATCHING", "VERIFIED")):
            sent = (one.agent, *one.receipt(target, stage, seq))
            acts.append(lambda sent=sent: receive(*sent).result)
    acts += [sweep_silence] * 4
    acts += [lambda: order(training, ana, "PAUSE") and "ordered"] * 2
    results = at_once(*acts)
    assert results[:16] == ["stored"] * 16
    assert set(issued.targets.values_list("stage", flat=True)) == {"VERIFIED"}
    assert set(results[20:]) <= {"ordered", "not_live", "stale_targets"}
