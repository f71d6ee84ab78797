"""Scenarios with real processes, a real host agent and a real worker: who did it."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tests.flows.worker import clean_broker, worker
from tests.scenarios.play import SCENARIOS, play, staged
from tests.scenarios.stage import Stage

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.cgroup,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other users, namespaces, a daemon of at"),
    pytest.mark.skipif(
        not all(map(shutil.which, ("sshd", "cron", "atd"))), reason="needs openssh-server, cron and at"
    ),
]
MOST_WRONG = 1


@pytest.fixture
def stage(transactional_db: None, tmp_path_factory: Any) -> Iterator[Stage]:
    from tests.live import web

    with clean_broker(), web() as server, worker(), staged(server, tmp_path_factory.mktemp("stage")) as built:
        yield built
    connections.close_all()


def test_the_agent_is_named_where_it_did_it_and_nobody_else_is_blamed_for_it(stage: Stage) -> None:
    found = play(stage)
    told = "\n".join(
        f"{one.right!s:5} {one.name}: {one.origin} {one.strength} {one.matchers}" for one in found
    )
    assert len(found) == len(SCENARIOS), told
    assert sum(not one.right for one in found) <= MOST_WRONG, told
    assert [one.name for one in found if not one.truth.agent and one.origin == "model"] == [], told
