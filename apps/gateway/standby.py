"""A lot that is being worked off stands by for a stop that is under way, a moment at most.

On a small server a lot takes the processors that the stop needs. It is in the middle of a transaction, so it
goes on at once where anybody waits for a row that it holds: the stop itself, most of all.
"""

import time
from collections.abc import Sequence

from apps.core.bulk import rows
from apps.response.selectors import stop_is_under_way
from apps.telemetry.inbox import Waiting
from apps.telemetry.reports import WaitingReport

MOST_SECONDS = 0.1
SMALL_BYTES = 32 * 1024  # of bodies as sent: a lot that is done before one could ask
LOOK_SECONDS = 0.005
WAITED_FOR = """
SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))
"""


def stand_by(lot: Sequence[Waiting | WaitingReport]) -> None:
    """Returns when no stop is under way, somebody waits for this transaction, or `MOST_SECONDS` are over.

    A small lot does not ask.
    """
    if sum(len(batch.body) for batch in lot) < SMALL_BYTES:
        return
    end = time.monotonic() + MOST_SECONDS
    while stop_is_under_way() and not _is_waited_for() and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)


def _is_waited_for() -> bool:
    return bool(rows(WAITED_FOR)[0][0])
