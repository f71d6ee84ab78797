"""A receipt counts when its host signed it for the order it was given, and moves the order only forward."""

import json

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.feed.models import FeedEntry
from apps.fleet.choices import RunState
from apps.fleet.models import Placement, TrainingRun
from apps.response.models import OrderTarget, Receipt
from apps.response.services import receive, sweep_silence
from apps.telemetry.models import Batch, Process
from tests.response.cast import Machine, machine, order, person, place, run, said

pytestmark = pytest.mark.django_db


def stage(target: OrderTarget) -> str:
    return OrderTarget.objects.get(pk=target.pk).stage


def test_a_kill_goes_step_by_step_to_verified_dead() -> None:
    here = machine()
    training = run(here)
    target = order(training, person()).targets.get()
    steps = ["DELIVERED", "FROZEN", "CAPTURED", "SIGNALLED", "WATCHING", "VERIFIED"]
    for seq, step in enumerate(steps):
        assert receive(here.agent, *here.receipt(target, step, seq)).result == "stored"
        assert stage(target) == step
    training.refresh_from_db()
    assert training.state == RunState.KILLED
    assert training.ended_at
    assert Placement.objects.get().ended_at
    assert FeedEntry.objects.filter(kind="run.changed", topics__contains=["queue"]).exists()
    assert AuditEntry.objects.filter(action="receipt.received").count() == len(steps)


def test_what_the_host_looked_for_and_did_not_find_is_not_shown_as_running() -> None:
    """Its end was never told: the host was killed with it, or the event was missed."""
    here, other = machine("a"), machine("b")
    training = run(here, other)
    lives = {one.host.name: left_behind(one, training) for one in (here, other)}
    targets = {target.host_id: target for target in order(training, person()).targets.all()}
    mine = targets[here.host.pk]
    receive(here.agent, *here.receipt(mine, "WATCHING", 4))
    assert not ended(lives[here.host.name]), "not yet proven"
    receive(here.agent, *here.receipt(mine, "VERIFIED", 5))
    assert ended(lives[here.host.name])
    assert not ended(lives[other.host.name]), "the other host has not said so"


def left_behind(one: Machine, training: TrainingRun) -> Process:
    now = timezone.now()
    batch = Batch.objects.create(
        agent=one.agent, sequence=1, body=b"[]", digest="", signature="", received_at=now
    )
    return Process.objects.create(
        host=one.host, run=training, pid=77, start_ticks=5, ppid=1, batch=batch,
        started_at=now, executed_at=now, received_at=now,
    )  # fmt: skip


def ended(process: Process) -> bool:
    process.refresh_from_db()
    return process.ended_at is not None


def test_a_late_step_is_kept_and_moves_nothing_back() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    receive(here.agent, *here.receipt(target, "SIGNALLED", 3))
    assert receive(here.agent, *here.receipt(target, "FROZEN", 1)).result == "stored"
    assert stage(target) == "SIGNALLED"
    assert Receipt.objects.count() == 2


def test_the_same_receipt_again_changes_nothing() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    sent = here.receipt(target, "DELIVERED")
    receive(here.agent, *sent)
    assert receive(here.agent, *sent).result == "duplicate"
    assert Receipt.objects.count() == 1
    assert AuditEntry.objects.filter(action="receipt.received").count() == 1


def test_other_words_under_the_same_number_are_refused() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    receive(here.agent, *here.receipt(target, "DELIVERED"))
    assert receive(here.agent, *here.receipt(target, "VERIFIED", 0)).result == "refused"
    assert stage(target) == "DELIVERED"


def test_a_forged_receipt_is_refused_and_recorded() -> None:
    here, other = machine("a"), machine("b")
    target = order(run(here), person()).targets.get()
    text, _ = here.receipt(target, "VERIFIED")
    _, signature = other.signed(text)
    assert receive(here.agent, text, signature).result == "refused"
    assert stage(target) == "REQUESTED"
    assert AuditEntry.objects.get(action="receipt.refused").by_name == "a"


def test_altered_words_under_a_true_signature_are_refused() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    text, signature = here.receipt(target, "DELIVERED")
    altered = text.replace("DELIVERED", "VERIFIED")
    assert receive(here.agent, altered, signature).result == "refused"
    assert stage(target) == "REQUESTED"


def test_another_host_cannot_speak_for_this_one() -> None:
    here, other = machine("a"), machine("b")
    target = order(run(here), person()).targets.get()
    assert receive(other.agent, *other.receipt(target, "VERIFIED")).result == "refused"
    assert stage(target) == "REQUESTED"


def test_a_receipt_with_the_nonce_of_an_earlier_order_is_refused() -> None:
    here, ana = machine(), person()
    training = run(here)
    first = order(training, ana, "PAUSE").targets.get()
    second = order(training, ana).targets.get()
    replayed = here.signed(said(second, "VERIFIED", nonce=first.nonce))
    assert receive(here.agent, *replayed).result == "refused"
    assert stage(second) == "REQUESTED"


@pytest.mark.parametrize(
    ("action", "claimed"), [("PAUSE", "VERIFIED"), ("KILL", "PAUSED"), ("KILL", "REQUESTED")]
)
def test_an_order_ends_only_in_what_was_ordered(action: str, claimed: str) -> None:
    here = machine()
    target = order(run(here), person(), action).targets.get()
    assert receive(here.agent, *here.receipt(target, claimed)).result == "refused"
    assert stage(target) == "REQUESTED"


@pytest.mark.parametrize(
    "changed",
    [
        {"probes": {}},
        {"probes": {name: {"ok": True} for name in ("cgroup", "marker", "gpu", "sockets")}},
        {"probes": {name: {"ok": "yes"} for name in ("cgroup", "marker", "gpu", "sockets", "respawn")}},
        {"processes_after": 1},
        {"processes_after": None},
        {"survivors": [{"pid": 1}]},
    ],
)
def test_a_claim_without_its_proof_is_not_confirmed(changed: dict[str, object]) -> None:
    here = machine()
    training = run(here)
    target = order(training, person()).targets.get()
    assert receive(here.agent, *here.receipt(target, "VERIFIED", **changed)).result == "stored"
    target.refresh_from_db()
    assert target.stage == "NOT_CONFIRMED"
    assert target.detail
    training.refresh_from_db()
    assert training.state == RunState.RUNNING


def test_the_run_is_dead_when_the_last_host_proved_it_and_not_before() -> None:
    here, there = machine("a"), machine("b")
    training = run(here, there)
    issued = order(training, person())
    receive(here.agent, *here.receipt(issued.targets.get(host=here.host), "VERIFIED"))
    assert TrainingRun.objects.get().state == RunState.RUNNING
    receive(there.agent, *there.receipt(issued.targets.get(host=there.host), "VERIFIED"))
    assert TrainingRun.objects.get().state == RunState.KILLED


def test_a_host_that_joined_after_the_order_keeps_the_run_alive() -> None:
    here = machine("a")
    training = run(here)
    target = order(training, person()).targets.get()
    place(training, machine("b"))
    receive(here.agent, *here.receipt(target, "VERIFIED"))
    assert TrainingRun.objects.get().state == RunState.RUNNING


def test_a_run_that_ended_because_of_the_kill_is_verified_dead_all_the_same() -> None:
    here = machine()
    training = run(here)
    target = order(training, person()).targets.get()
    TrainingRun.objects.update(state=RunState.ENDED)
    receive(here.agent, *here.receipt(target, "VERIFIED"))
    training.refresh_from_db()
    assert training.state == RunState.KILLED


def test_pause_and_resume_move_the_run() -> None:
    here, ana = machine(), person()
    training = run(here)
    receive(here.agent, *here.receipt(order(training, ana, "PAUSE").targets.get(), "PAUSED"))
    training.refresh_from_db()
    assert training.state == RunState.PAUSED
    receive(here.agent, *here.receipt(order(training, ana, "RESUME").targets.get(), "RESUMED"))
    training.refresh_from_db()
    assert training.state == RunState.RUNNING


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "nonsense",
        '"\\u0000"',
        "[" * 100_000,
        '{"order_id": 1, "seq": 0, "at_ms": 1, "stage": "DELIVERED", "nonce": "x", "mono_ms": NaN}',
        '{"order_id": 1, "seq": 0, "at_ms": 1, "stage": "DELIVERED", "nonce": "x", "mono_ms": 1e999}',
        '{"order_id": 99999999999999999999, "seq":0, "at_ms":1, "stage": "DELIVERED", "nonce": "x"}',
        '{"order_id": true, "seq": 0, "at_ms": 1, "stage": "DELIVERED", "nonce": "x", "mono_ms": 1}',
    ],
)
def test_nonsense_from_a_true_host_is_refused(text: str) -> None:
    here = machine()
    assert receive(here.agent, *here.signed(text)).result == "refused"


def test_half_a_character_is_refused() -> None:
    here = machine()
    assert receive(here.agent, "\ud800", "AAAA").result == "refused"


def test_hostile_text_in_a_receipt_is_kept_exactly_and_breaks_nothing() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    hostile = said(target, "SURVIVED", survivors=[{"pid": 1, "argv": ["\x00\x1b[2J", "x" * 50_000]}])
    text, signature = here.signed(hostile)
    assert receive(here.agent, text, signature).result == "stored"
    kept = Receipt.objects.get()
    assert kept.payload == text
    assert json.loads(kept.payload)["survivors"] == hostile["survivors"]
    assert "\x00" not in str(kept.data)


def test_a_receipt_that_comes_after_the_expiry_counts() -> None:
    here = machine()
    training = run(here)
    target = order(training, person()).targets.get()
    OrderTarget.objects.update(stage="EXPIRED", settled_at=target.stage_at)
    receive(here.agent, *here.receipt(target, "DELIVERED", 0))
    target.refresh_from_db()
    assert (target.stage, target.settled_at) == ("DELIVERED", None)
    assert sweep_silence() == 0
