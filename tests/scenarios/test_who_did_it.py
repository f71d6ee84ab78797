"""Twenty scenarios with real processes, a real host agent and a real worker: who did it."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from apps.telemetry.models import Batch
from tests.flows.training_host import TrainingHost, until
from tests.flows.worker import clean_broker, worker
from tests.scenarios import by_others, by_the_agent
from tests.scenarios.stage import FIRST_PORT, Outcome, Stage, Truth, outcome

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.cgroup,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other users, namespaces, a daemon of at"),
    pytest.mark.skipif(
        not all(map(shutil.which, ("sshd", "cron", "atd"))), reason="needs openssh-server, cron and at"
    ),
]
LEAST_RIGHT = 19


@pytest.fixture
def stage(transactional_db: None, tmp_path_factory: Any) -> Iterator[Stage]:
    from tests.live import web

    folder: Path = tmp_path_factory.mktemp("stage")
    for one in (folder, folder.parent, folder.parent.parent):
        one.chmod(0o755)  # another user's process looks in as well
    with clean_broker(), web() as server, worker():
        host = TrainingHost.enrolled(folder / "hostagent", server)
        host.start()
        built = Stage.built(host, server, folder)
        try:
            yield built
        finally:
            built.clear()
            host.stop()
    connections.close_all()


def play(stage: Stage) -> list[Outcome]:
    """All scenarios, one after the other; what was concluded once everything has arrived."""
    stage.start("atd", "-f")
    truths: dict[int, Truth] = {}
    for scenario in (*by_the_agent.ALL, *by_others.ALL):
        name = scenario.__name__.replace("_", " ")
        number = FIRST_PORT + len(stage.names)
        loop = stage.loop("run")
        truths[number] = scenario(stage, loop, name)
        heard = partial(outcome, stage, number, truths[number])
        until(heard, what=f"{name}: an alert", seconds=30)
    until(settled, what="nothing waits")
    found = [outcome(stage, number, truth) for number, truth in truths.items()]
    return [one for one in found if one is not None]


def settled() -> bool:
    return not Batch.objects.filter(state="pending").exists()


def test_the_agent_is_named_where_it_did_it_and_nobody_else_is_blamed_for_it(stage: Stage) -> None:
    found = play(stage)
    told = "\n".join(
        f"{one.right!s:5} {one.name}: {one.origin} {one.strength} {one.matchers}" for one in found
    )
    assert len(found) == 20, told
    assert sum(one.right for one in found) >= LEAST_RIGHT, told
    assert [one.name for one in found if not one.truth.agent and one.origin == "model"] == [], told
