"""This machine as a host of its own server: enrolled once, and pointed at the address of this start."""

import json
import time
from contextlib import suppress
from pathlib import Path

from sentinel.stack.arrival import Arrival, Waiter
from sentinel.stack.home import write_private
from sentinel.stack.programs import Programs
from sentinel.stack.say import Stopwatch

ENROL_SECONDS = 20.0


def enrol(programs: Programs, arrival: Arrival, wait: Waiter, watch: Stopwatch) -> bool:
    """The host agent has an identity that the server knows; false, with the reason said, when it has not."""
    state = programs.agent_state
    if arrival.agent == "known":
        point_at(state / "agent.json", programs.options.loopback)
        return True
    if arrival.agent == "foreign":
        state.rename(state.with_name(f"hostagent.{time.strftime('%Y%m%d-%H%M%S')}"))
        watch.lap("host agent", "its identity was of another database: moved aside, enrolled anew")
    if not arrival.token:
        watch.lap("host agent", "does not run: its key is gone; revoke it on the hosts page and start again")
        return False
    child = programs.enrolment(arrival.token)
    child.start()
    wait(child, lambda: not child.running, ENROL_SECONDS)
    if child.reap():
        watch.lap("host agent", f"does not run: could not enrol this machine ({child.tail(1)})")
        return False
    return True


def point_at(identity: Path, server: str) -> None:
    """The host agent calls the address of this start; the port may have changed since the last one."""
    with suppress(OSError, ValueError):
        known = json.loads(identity.read_text())
        if known.get("server") != server:
            write_private(identity, json.dumps(known | {"server": server}, indent=2))
