"""The step before the web process: tables, the first person, and what is known of this machine."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from sentinel.stack.prepare import EXIT_SENTENCE
from sentinel.stack.problems import StackError
from sentinel.stack.processes import Child
from sentinel.stack.programs import Programs
from sentinel.stack.say import Stopwatch

MIGRATE_SECONDS = 900.0  # a large table may take a long while; Ctrl-C ends the wait


Waiter = Callable[[Child, Callable[[], bool], float], None]


@dataclass(frozen=True)
class Arrival:
    """What the database said about this start."""

    username: str
    password: str  # only when it was made just now
    token: str  # a one-time enrolment token for this machine's host agent, when it needs one
    first: bool
    agent: str  # the host agent's identity in this home: known to this database, foreign, or none


def prepare(programs: Programs, wait: Waiter, watch: Stopwatch) -> Arrival:
    """The tables are current and the first person exists; else one sentence about the server at fault."""
    child = programs.prepare()
    child.start()
    wait(child, lambda: not child.running, MIGRATE_SECONDS)
    code, lines = child.reap(), child.answer().strip().splitlines()
    answer = json.loads(lines[-1]) if lines and code in (0, EXIT_SENTENCE) else {}
    if code == EXIT_SENTENCE:
        raise StackError(answer["problem"])
    if code:
        raise StackError(f"The database could not be prepared ({child.log}): {child.tail(1)}")
    watch.lap("tables", f"{answer['migrations']} migrations applied" if answer["migrations"] else "current")
    return Arrival(
        username=answer.get("username", "admin"),
        password=answer.get("password") or "",
        token=answer.get("enrolment_token") or "",
        first=bool(answer.get("created")),
        agent=answer["agent"],
    )
