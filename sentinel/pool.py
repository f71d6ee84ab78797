"""The web process's database connections.

Every request is answered on a thread of its own, and a connection belongs to a thread: without a pool each
request would open one, which takes longer than all it asks. Celery's workers and commands stay one thread and
keep their connection.
"""

from typing import Any

MOST = 24
WAIT_SECONDS = 3


def pooled(database: dict[str, Any]) -> dict[str, Any]:
    """The same database, with connections that threads share in turn and that are checked when handed out."""
    pool = {"min_size": 2, "max_size": MOST, "timeout": WAIT_SECONDS}
    options = {**database.get("OPTIONS", {}), "pool": pool}
    return database | {"OPTIONS": options, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
