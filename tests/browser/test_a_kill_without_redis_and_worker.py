"""The kill path when all else is broken: the broker hangs and no worker works."""

import os
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Place, SignIn
from tests.browser.killing import order_the_kill

LONG = 60_000


@pytest.fixture
def hung(place: Place) -> Iterator[None]:
    """Broker and worker stand still. Killed ones would be brought back by the supervisor."""
    place.drill_incident()
    pids = [place.stack.pid(name) for name in ("valkey", "worker", "beat")]
    for pid in pids:
        os.killpg(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        os.killpg(pid, signal.SIGCONT)


def test_a_kill_ordered_in_the_browser_arrives_and_its_proof_shows(
    place: Place, sign_in: SignIn, hung: None
) -> None:
    ana = sign_in("ana")
    ana.goto(f"{place.address}/runs/")
    ana.get_by_role("link", name=re.compile("^drill-rome")).first.click()
    run = ana.get_by_role("heading", level=1).inner_text()
    assert place.marked(run)
    ana.locator(".rung.kill").first.click()
    order_the_kill(ana, run, reason="The broker is down and this must stop")
    expect(ana.locator("main")).to_contain_text(re.compile("verified dead", re.I), timeout=LONG)
    assert place.marked(run) == []
