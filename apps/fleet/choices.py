"""States of hosts, host agents and runs."""

from django.db.models import TextChoices


class AgentState(TextChoices):
    ACTIVE = "active", "Active"
    CLONE = "clone", "Clone"  # a second key under a known machine: never merged silently
    REVOKED = "revoked", "Revoked"


class RunState(TextChoices):
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    ENDED = "ended", "Ended"
    KILLED = "killed", "Verified dead"  # set by signed proof of every host, by nothing else


LIVE_RUNS = frozenset({RunState.RUNNING, RunState.PAUSED})
