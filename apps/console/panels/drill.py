"""The drill's part of a host's page: what is under way or came last, and whether one can be asked for."""

from typing import Any

from apps.drills import selectors
from apps.drills.choices import OVER
from apps.fleet.choices import LIVE_RUNS, AgentState
from apps.fleet.health import Health, health
from apps.fleet.models import Host

LAMPS = {"STARTED": "ok", "ENDED": "", "REFUSED": "late", "NOT_CONFIRMED": "bad", "EXPIRED": "late"}


def drill_panel(host: Host) -> dict[str, Any]:
    """The last drill that was asked for here, with its run where it is known."""
    last = selectors.of_host(host).first()
    shown = None
    if last:
        stage, run = selectors.stage_of(last), selectors.run_of(last)
        live = run is not None and run.state in LIVE_RUNS
        shown = {
            "drill": last,
            "stage": stage.value,
            "word": stage.label,
            "lamp": LAMPS.get(stage, ""),
            "over": stage in OVER,
            "run": run,
            "live": live,
        }
    agent = host.agents.filter(state=AgentState.ACTIVE).first()
    busy = selectors.under_way(host) or selectors.playing(host)
    return {
        "drilled": shown,
        "drill_host": host,
        "drill_possible": health(agent) == Health.REPORTING and busy is None,
    }
