"""An order is refused unless the person saw the targets, gave a reason and typed the run's name."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.keys import public_key, unb64, verified
from apps.feed.models import FeedEntry
from apps.fleet.choices import AgentState, RunState
from apps.fleet.models import HostAgent, Placement
from apps.response import signing
from apps.response.models import ContainmentOrder, OrderTarget
from apps.response.services import OrderRefusedError, issue, preview
from apps.telemetry.models import Batch, Process
from hostagent import protocol
from tests.response.cast import Machine, machine, order, person, place, run

pytestmark = pytest.mark.django_db


def test_every_host_has_a_text_signed_by_this_server() -> None:
    here, there = machine("a"), machine("b")
    issued = order(run(here, there), person())
    for target in issued.targets.all():
        assert verified(unb64(public_key("server")), target.signature, protocol.order_bytes(target.payload))
        said = json.loads(target.payload)
        assert said["order_id"] == target.pk
        assert said["nonce"] == target.nonce
        assert said["number"] == issued.number
        assert said["agent_id"] == str(target.agent.uuid)
        assert said["targets"]["cgroup"] == "/sentinel/kestrel-32b"
        assert set(said) == set(protocol.OrderPayload.__annotations__)


def test_server_and_host_sign_the_same_bytes() -> None:
    assert signing.ORDER == protocol.CONTEXT_ORDER
    assert signing.RECEIPT == protocol.CONTEXT_RECEIPT


def test_the_order_is_in_the_trail_and_in_the_feed() -> None:
    issued = order(run(machine()), person())
    entry = AuditEntry.objects.get(action="order.issued")
    assert (entry.subject_name, entry.by_name, entry.detail["hosts"]) == (
        issued.number,
        "ana",
        ["gpu-a12-01"],
    )
    news = FeedEntry.objects.get(kind="order.issued")
    assert {f"order:{issued.pk}", f"run:{issued.run_id}", "queue"} <= set(news.topics)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"typed_name": "kestrel"}, "wrong_name"),
        ({"reason": "  "}, "no_reason"),
        ({"parameters_digest": "0" * 64}, "stale_targets"),
        ({"action": "ISOLATE"}, "unknown_action"),
        ({"idempotency_key": "short"}, "bad_key"),
    ],
)
def test_it_is_refused_and_nothing_is_written(changed: dict[str, str], code: str) -> None:
    training, ana = run(machine()), person()
    with pytest.raises(OrderRefusedError) as refused:
        order(training, ana, **changed)
    assert refused.value.code == code
    assert not ContainmentOrder.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_pause_needs_no_typed_name() -> None:
    assert order(run(machine()), person(), "PAUSE", typed_name="").action == "PAUSE"


def test_a_host_that_joined_after_the_person_looked_makes_the_targets_stale() -> None:
    training, ana = run(machine("a")), person()
    seen = preview(training).digest
    place(training, machine("b"))
    with pytest.raises(OrderRefusedError) as refused:
        order(training, ana, parameters_digest=seen)
    assert refused.value.code == "stale_targets"


def test_another_agent_on_the_host_makes_the_targets_stale() -> None:
    here = machine("a")
    training, ana = run(here), person()
    seen = preview(training).digest
    HostAgent.objects.filter(pk=here.agent.pk).update(state=AgentState.REVOKED)
    with pytest.raises(OrderRefusedError) as refused:
        order(training, ana, parameters_digest=seen)
    assert refused.value.code == "stale_targets"


def test_a_run_that_is_not_live_gives_nothing_to_order() -> None:
    training, ana = run(machine(), state=RunState.ENDED), person()
    with pytest.raises(OrderRefusedError) as refused:
        order(training, ana)
    assert refused.value.code == "not_live"


def left_behind(here: Machine, training: object) -> None:
    batch = Batch.objects.create(
        agent=here.agent, sequence=1, body=b"[]", digest="", signature="", received_at=timezone.now()
    )
    Process.objects.create(
        host=here.host, run=training, pid=77, start_ticks=5, ppid=1, batch=batch,
        started_at=timezone.now(), executed_at=timezone.now(), received_at=timezone.now(),
    )  # fmt: skip


def test_processes_that_an_ended_run_left_behind_can_be_killed_and_not_paused() -> None:
    here, ana = machine(), person()
    training = run(here, state=RunState.ENDED)
    Placement.objects.update(ended_at=timezone.now())
    left_behind(here, training)
    with pytest.raises(OrderRefusedError):
        order(training, ana, "PAUSE")
    target = order(training, ana).targets.get()
    assert json.loads(target.payload)["targets"]["pids"] == [[77, 5]]


def test_a_host_without_an_active_agent_is_unreachable_at_once() -> None:
    here, there = machine("a"), machine("b")
    HostAgent.objects.filter(pk=there.agent.pk).update(state=AgentState.REVOKED)
    issued = order(run(here, there), person())
    silent = issued.targets.get(host=there.host)
    assert (silent.stage, silent.payload, silent.agent) == ("UNREACHABLE", "", None)
    assert silent.detail
    assert issued.targets.get(host=here.host).stage == "REQUESTED"


def test_the_same_key_gives_the_same_order() -> None:
    training, ana = run(machine()), person()
    first = order(training, ana, idempotency_key="once-and-only-once")
    assert order(training, ana, idempotency_key="once-and-only-once") == first
    assert OrderTarget.objects.count() == 1


def test_the_same_key_for_another_act_is_refused() -> None:
    training, ana = run(machine()), person()
    order(training, ana, idempotency_key="once-and-only-once")
    with pytest.raises(OrderRefusedError) as refused:
        order(training, ana, "PAUSE", idempotency_key="once-and-only-once")
    assert refused.value.code == "key_reused"


def test_an_old_agent_is_shown_as_late_before_the_order() -> None:
    here = machine()
    HostAgent.objects.update(last_seen_at=timezone.now() - timedelta(minutes=5))
    assert [target.link for target in preview(run(here)).targets] == ["late"]


def test_issue_is_the_only_way_and_takes_no_positional_words() -> None:
    with pytest.raises(TypeError):
        issue(run(machine()), "KILL")  # type: ignore[misc]
