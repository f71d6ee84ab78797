"""Every five seconds: still here, and how each part is. Silence is a sign too, so it must mean something."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

from hostagent import __version__, facts, protocol
from hostagent.clock import Clock
from hostagent.config import State, read_json
from hostagent.outlet import Outlet
from hostagent.protocol import Record, SensorState
from hostagent.sensors.base import Sensor
from hostagent.spool import Spool

EVERY_S = 5.0
FIRST_S = 0.5
KILL_PATH_SILENT_S = 20.0


def heartbeat(state: State, sensors: Sequence[Sensor], spool: Spool, clock: Clock) -> Record:
    """How the agent is right now."""
    return {
        "kind": protocol.HEARTBEAT,
        "at": time.time(),
        "sensors": {**{sensor.name: sensor.state() for sensor in sensors}, "orders": kill_path(state)},
        "spool": spool.figures(),
        "load": os.getloadavg()[0],
        "uptime_s": facts.uptime_s(),
        "clock": clock.figures(),
        "version": __version__,
        "addresses": facts.addresses(),
    }


def kill_path(state: State) -> SensorState:
    """How orders reach this host, from what the kill path itself wrote last."""
    health = read_json(state.health / "warden.json")
    age = time.time() - float(health.get("at") or 0)
    if age > KILL_PATH_SILENT_S:
        return {
            "mode": "off",
            "ok": False,
            "blind": "The kill path is silent: orders may not be carried out.",
        }
    mode = str(health.get("mode", "poll"))
    blind = "" if mode == "bell" else "The bell is down: orders are asked for every 2 s."
    return {"mode": mode, "ok": bool(health.get("ok")), "blind": blind}


def beat(
    stop: threading.Event,
    outlet: Outlet,
    *,
    state: State,
    sensors: Sequence[Sensor],
    spool: Spool,
    clock: Clock,
) -> None:
    """Heartbeats until told to stop, the first one when every sensor has had a look."""
    stop.wait(FIRST_S)
    while True:
        outlet.put(heartbeat(state, sensors, spool, clock), urgent=True)
        if stop.wait(EVERY_S):
            return
