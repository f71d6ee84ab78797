"""All scenarios on one stage, one after the other."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from apps.telemetry.models import Batch
from tests.flows.training_host import TrainingHost, until
from tests.live import Web
from tests.scenarios import by_others, by_the_agent
from tests.scenarios.stage import FIRST_PORT, Outcome, Stage, Truth, outcome

SCENARIOS = (*by_the_agent.ALL, *by_others.ALL)


@contextlib.contextmanager
def staged(server: Web, folder: Path) -> Iterator[Stage]:
    """A host agent under that server, and nothing of it left afterwards."""
    for one in (folder, folder.parent, folder.parent.parent):
        one.chmod(0o755)  # another user's process looks in as well
    host = TrainingHost.enrolled(folder / "hostagent", server)
    host.start()
    stage = Stage.built(host, server, folder)
    try:
        yield stage
    finally:
        stage.clear()
        host.stop()


def play(stage: Stage) -> list[Outcome]:
    """What was concluded about each scenario, once everything has arrived."""
    stage.start("atd", "-f")
    truths: dict[int, Truth] = {}
    for scenario in SCENARIOS:
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
    """Whether everything that was sent has been worked off."""
    return not Batch.objects.filter(state="pending").exists()
