"""What can wait gives way to a stop, for a moment and never for ever."""

import asyncio
import time

import pytest

from apps.core import precedence
from apps.response.services import OrderRefusedError
from tests.response import cast


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "_until", 0.0)
    monkeypatch.setattr(precedence, "STOP_SECONDS", 0.3)


async def test_nobody_waits_while_no_stop_is_on_its_way() -> None:
    waiting = asyncio.ensure_future(precedence.give_way())
    await asyncio.sleep(0)
    assert waiting.done()


async def test_all_wait_until_the_stop_has_had_its_time() -> None:
    precedence.claim()
    until = precedence._until
    await asyncio.gather(*(precedence.give_way() for _ in range(50)))
    assert time.monotonic() >= until


async def test_stops_that_follow_each_other_hold_nobody_up_for_ever() -> None:
    rounds = 0
    precedence.claim()
    waiting = asyncio.ensure_future(precedence.give_way())
    while not waiting.done():
        precedence.claim()
        rounds += 1
        await asyncio.sleep(0.01)
        assert rounds < 300
    assert time.monotonic() < precedence._until, "it went on while a stop was still on its way"


async def test_one_that_hangs_up_does_not_cost_the_others_their_turn() -> None:
    precedence.claim()
    first, second = (asyncio.ensure_future(precedence.give_way()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()


@pytest.mark.django_db
def test_an_order_claims_the_moment_and_nonsense_does_not() -> None:
    training, ana = cast.run(cast.machine()), cast.person()
    with pytest.raises(OrderRefusedError):
        cast.order(training, ana, reason=" ")
    assert precedence._until == 0.0
    cast.order(training, ana)
    assert precedence._until > time.monotonic()
