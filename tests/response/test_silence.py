"""What does not answer in time is called by its name, and a late answer still counts."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.feed.models import FeedEntry
from apps.fleet.choices import RunState
from apps.response import selectors
from apps.response.models import OrderTarget
from apps.response.services import receive, sweep_silence
from tests.response.cast import machine, order, person, run

pytestmark = pytest.mark.django_db


def later(seconds: float) -> int:
    return sweep_silence(now=timezone.now() + timedelta(seconds=seconds))


def test_a_host_that_does_not_take_its_order_is_unreachable() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    assert later(settings.ORDER_SILENCE_SECONDS - 1) == 0
    assert later(settings.ORDER_SILENCE_SECONDS + 1) == 1
    target.refresh_from_db()
    assert (target.stage, target.settled_at) == ("UNREACHABLE", None)
    assert AuditEntry.objects.get(action="order.unreachable").detail["host"] == "gpu-a12-01"
    assert FeedEntry.objects.filter(kind="order.moved").count() == 1


def test_an_unreachable_host_still_gets_its_order_when_it_comes_back() -> None:
    here = machine()
    training = run(here)
    target = order(training, person()).targets.get()
    later(settings.ORDER_SILENCE_SECONDS + 1)
    assert selectors.pending(here.agent) == [target]
    receive(here.agent, *here.receipt(target, "VERIFIED"))
    target.refresh_from_db()
    training.refresh_from_db()
    assert (target.stage, training.state) == ("VERIFIED", RunState.KILLED)


def test_an_order_that_nobody_took_expires_and_waits_no_longer() -> None:
    here = machine()
    issued = order(run(here), person())
    assert later(settings.ORDER_EXPIRY_SECONDS + 1) == 1
    assert issued.targets.get().stage == "EXPIRED"
    OrderTarget.objects.update(stage="REQUESTED", settled_at=None)
    type(issued).objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert selectors.pending(here.agent) == []


@pytest.mark.parametrize("reached", ["DELIVERED", "FROZEN", "SIGNALLED", "WATCHING"])
def test_a_host_that_took_the_order_and_fell_silent_is_not_confirmed(reached: str) -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    receive(here.agent, *here.receipt(target, reached))
    proof = settings.RESPAWN_WATCH_SECONDS + settings.ORDER_SILENCE_SECONDS
    assert later(proof - 1) == 0
    assert later(proof + 1) == 1
    target.refresh_from_db()
    assert target.stage == "NOT_CONFIRMED"
    assert later(proof + 60) == 0
    receive(here.agent, *here.receipt(target, "VERIFIED", 5))
    target.refresh_from_db()
    assert target.stage == "VERIFIED"


def test_a_settled_target_is_left_alone() -> None:
    here = machine()
    target = order(run(here), person()).targets.get()
    receive(here.agent, *here.receipt(target, "SURVIVED"))
    assert later(settings.ORDER_EXPIRY_SECONDS + 1) == 0
