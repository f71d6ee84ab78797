"""What the receipts say, and where the run stands in spite of them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.fleet.models import Placement
from apps.response import selectors
from apps.response.models import ContainmentOrder, OrderTarget, Receipt
from apps.response.services import receive_all
from tests.response.cast import machine, order, person, place, run

pytestmark = pytest.mark.django_db


def came(requested: ContainmentOrder, *moments: float) -> list[Receipt]:
    """The receipts, as if each had come that many milliseconds after the request."""
    receipts = list(Receipt.objects.order_by("seq"))
    for row, moment in zip(receipts, moments, strict=True):
        row.received_at = requested.requested_at + timedelta(milliseconds=moment)
    return receipts


def test_steps_that_came_in_one_bundle_have_their_own_times() -> None:
    here = machine()
    issued = order(run(here), person())
    target = issued.targets.get()
    steps = [("DELIVERED", 0.0), ("FROZEN", 4.0), ("SIGNALLED", 9.0), ("WATCHING", 20.0)]
    bundle = [here.receipt(target, step, seq, mono_ms=ms) for seq, (step, ms) in enumerate(steps)]
    receive_all(here.agent, bundle)
    reached = selectors.reached(issued, came(issued, 31, 55, 55, 55))
    assert reached == {"DELIVERED": 31, "FROZEN": 35, "SIGNALLED": 40, "WATCHING": 51}


def test_a_first_receipt_that_was_held_up_does_not_shift_the_others() -> None:
    here = machine()
    issued = order(run(here), person())
    target = issued.targets.get()
    receive_all(
        here.agent,
        [here.receipt(target, "DELIVERED", 0, mono_ms=0), here.receipt(target, "FROZEN", 1, mono_ms=5)],
    )
    assert selectors.reached(issued, came(issued, 900, 36)) == {"DELIVERED": 31, "FROZEN": 36}


def test_a_host_agent_that_was_restarted_counts_anew() -> None:
    here = machine()
    issued = order(run(here), person())
    target = issued.targets.get()
    steps = [("DELIVERED", 0.0), ("FROZEN", 4.0), ("DELIVERED", 0.0), ("WATCHING", 20.0)]
    receive_all(
        here.agent, [here.receipt(target, step, seq, mono_ms=ms) for seq, (step, ms) in enumerate(steps)]
    )
    reached = selectors.reached(issued, came(issued, 30, 34, 5_000, 5_020))
    assert reached == {"DELIVERED": 30, "FROZEN": 34, "WATCHING": 5_020}


def test_a_claim_without_proof_is_not_shown_as_reached() -> None:
    here = machine()
    issued = order(run(here), person())
    receive_all(here.agent, [here.receipt(issued.targets.get(), "VERIFIED", probes={})])
    assert set(selectors.reached(issued, list(Receipt.objects.all()))) == {"NOT_CONFIRMED"}


def test_nothing_signed_is_nothing_reached() -> None:
    assert selectors.reached(order(run(machine()), person()), []) == {}


def test_hosts_that_joined_before_the_end_are_named_and_later_ones_are_not() -> None:
    here, late, next_day = machine("a"), machine("b"), machine("c")
    training = run(here)
    issued = order(training, person())
    assert selectors.elsewhere(issued) == []
    place(training, late)
    assert selectors.elsewhere(issued) == [late.host]
    OrderTarget.objects.update(stage="VERIFIED", settled_at=timezone.now())
    after = place(training, next_day)
    Placement.objects.filter(pk=after.pk).update(started_at=timezone.now() + timedelta(days=1))
    assert selectors.elsewhere(issued) == [late.host]
