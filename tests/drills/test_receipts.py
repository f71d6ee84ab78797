"""What a host signs about a drill moves it on; what it did not sign, or about another, moves nothing."""

import json
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.drills import selectors
from apps.drills.models import Drill, DrillReceipt
from apps.drills.services import receive
from apps.gateway import orders, receipts
from apps.gateway.auth import RefusedError
from tests.drills.cast import asked, said
from tests.response.cast import Machine, machine, order, person, run

pytestmark = pytest.mark.django_db
NASTY = "<b>x</b>\u202e\x00\x1b[2J' OR 1=1 --"


def give(one: Machine, drill: Drill, *stages: str, **changed: object) -> list[str]:
    first = drill.receipts.count()
    results = [
        receive(one.agent, *one.signed(said(drill, stage, first + seq, **changed)))[0]
        for seq, stage in enumerate(stages)
    ]
    drill.refresh_from_db()
    return results


def test_delivered_started_and_ended_are_told_in_the_trail_by_the_host() -> None:
    one = machine()
    drill = asked(one)
    give(one, drill, "DELIVERED")
    assert selectors.pending(one.agent) == []
    give(one, drill, "STARTED", run="drill-rome-1234")
    training = run(one, name="drill-rome-1234", drill=True)
    assert selectors.run_of(drill) == training
    give(one, drill, "ENDED", run="drill-rome-1234", detail="exited with 0")
    assert (drill.stage, drill.detail) == ("ENDED", "exited with 0")
    told = AuditEntry.objects.filter(action__in=("drill.started", "drill.ended")).order_by("seq")
    assert [(e.action, e.by_kind, e.by_name, e.drill) for e in told] == [
        ("drill.started", "host", one.host.name, True),
        ("drill.ended", "host", one.host.name, True),
    ]
    assert DrillReceipt.objects.count() == 3


def test_a_refusal_is_shown_as_the_host_said_it() -> None:
    one = machine()
    drill = asked(one)
    give(one, drill, "DELIVERED", "REFUSED", detail="this host does not allow drills")
    assert (drill.stage, drill.detail) == ("REFUSED", "this host does not allow drills")
    assert AuditEntry.objects.get(action="drill.refused").detail["why"] == "this host does not allow drills"


def test_steps_may_be_left_out_and_none_goes_back() -> None:
    one = machine()
    drill = asked(one)
    assert give(one, drill, "ENDED", "STARTED", "DELIVERED") == ["stored"] * 3
    assert drill.stage == "ENDED"


def test_the_same_receipt_again_changes_nothing_and_another_under_its_number_is_refused() -> None:
    one = machine()
    drill = asked(one)
    text, signature = one.signed(said(drill, "STARTED", run="drill-rome-1"))
    assert receive(one.agent, text, signature) == ("stored", "")
    assert receive(one.agent, text, signature) == ("duplicate", "")
    assert receive(one.agent, *one.signed(said(drill, "ENDED", 0)))[0] == "refused"
    assert DrillReceipt.objects.count() == 1
    assert AuditEntry.objects.filter(action="drill.started").count() == 1


def test_what_its_host_did_not_sign_is_refused_and_recorded() -> None:
    one, other = machine("a"), machine("b")
    drill = asked(one)
    forged = [
        (one, other.signed(said(drill, "STARTED"))),  # another key
        (other, other.signed(said(drill, "STARTED"))),  # another host's drill
        (one, one.signed(said(drill, "STARTED", nonce="other"))),
        (one, one.signed(said(drill, "VERIFIED"))),  # no stage of a drill
        (one, one.signed(said(drill, "STARTED", stage=["STARTED"]))),
        (one, one.signed(said(drill, "STARTED", seq=True))),
        (one, one.signed(said(drill, "STARTED", order_id=drill.pk))),
        (one, one.signed("[" * 9_000)),
        (one, one.signed("{}")),
    ]
    for by, (text, signature) in forged:
        assert receive(by.agent, text, signature)[0] == "refused", text[:80]
    drill.refresh_from_db()
    assert drill.stage == "REQUESTED"
    assert AuditEntry.objects.filter(action="receipt.refused").count() == len(forged)


def test_hostile_words_of_a_host_are_kept_cut_and_storable() -> None:
    one = machine()
    drill = asked(one)
    give(one, drill, "STARTED", run=NASTY * 40, detail=NASTY * 100)
    assert len(drill.run_name) <= 120
    assert len(drill.detail) <= 500
    assert "\x00" not in drill.run_name + drill.detail
    assert selectors.run_of(drill) is None


def test_a_host_cannot_claim_a_run_that_is_not_its_own_or_no_drill() -> None:
    one, other = machine("a"), machine("b")
    drill = asked(one)
    run(other, name="drill-rome-1", drill=True)
    run(one, name="kestrel-32b")
    for name in ("drill-rome-1", "kestrel-32b"):
        give(one, drill, "STARTED", run=name)
        assert selectors.run_of(drill) is None


def test_at_the_door_orders_about_runs_go_first() -> None:
    one = machine()
    drill, training = asked(one), run(one)
    assert orders.answer(one.agent, b"")[1]["orders"][0]["payload"] == drill.payload
    target = order(training, person(name="jo")).targets.get()
    listed = orders.answer(one.agent, b"")[1]["orders"]
    assert [row["payload"] for row in listed] == [target.payload]
    send(one, one.receipt(target, "DELIVERED"))
    assert orders.answer(one.agent, b"")[1]["orders"][0]["payload"] == drill.payload


def test_a_stop_at_the_door_costs_no_question_about_drills(django_assert_num_queries: Any) -> None:
    one = machine()
    asked(one)
    order(run(one), person(name="jo"))
    with django_assert_num_queries(1):
        orders.answer(one.agent, b"")


def test_receipts_about_both_come_in_one_list_and_are_answered_in_its_order() -> None:
    one = machine()
    drill, training = asked(one), run(one)
    target = order(training, person(name="jo")).targets.get()
    about_drill, about_run = one.signed(said(drill, "DELIVERED")), one.receipt(target, "DELIVERED")
    status, answer = send(one, about_drill, about_run, ("{}", "x"), one.signed(said(drill, "STARTED", 1)))
    assert status == 200
    assert [row["result"] for row in answer["results"]] == ["stored", "stored", "refused", "stored"]
    drill.refresh_from_db()
    target.refresh_from_db()
    assert (drill.stage, target.stage) == ("STARTED", "DELIVERED")


def test_a_receipt_about_a_drill_alone_that_is_refused_is_answered_as_such() -> None:
    one = machine()
    drill = asked(one)
    status, _ = send(one, one.signed(said(drill, "STARTED", nonce="other")))
    assert status == 422


def test_a_body_that_is_no_list_is_refused_as_before() -> None:
    with pytest.raises(RefusedError):
        receipts.answer(machine().agent, b"{}")


def send(one: Machine, *signed: tuple[str, str]) -> tuple[int, dict]:
    body = [{"payload": text, "signature": signature} for text, signature in signed]
    return receipts.answer(one.agent, json.dumps(body).encode())
