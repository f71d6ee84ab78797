"""How this host's agent is, from its state directory alone."""

from __future__ import annotations

from typing import Any

from hostagent import runs
from hostagent.config import NotEnrolledError, State
from hostagent.heartbeat import kill_path
from hostagent.spool import Spool


def status(state: State) -> dict[str, Any]:
    try:
        identity = state.identity()
    except NotEnrolledError:
        return {"state": str(state.root), "enrolled": False, "running": False}
    spool = Spool(state.spool_file)
    try:
        figures = spool.figures()
    finally:
        spool.close()
    return {
        "state": str(state.root),
        "enrolled": True,
        "running": state.running(),
        "server": identity.server,
        "host": identity.host_name,
        "agent_id": identity.agent_id,
        "orders": kill_path(state),
        "spool": figures,
        "runs": [
            {"run": run.run, "running": run.running, "drill": run.drill} for run in runs.all_runs(state)
        ],
    }
