"""States of hosts, host agents and runs."""

from django.db.models import TextChoices


class AgentState(TextChoices):
    ACTIVE = "active", "Active"
    CLONE = "clone", "Clone"  # a second key under a known machine: never merged silently
    REVOKED = "revoked", "Revoked"


class AlertFormat(TextChoices):
    """What alert sources send; each has its adapter in the gateway."""

    ALERTMANAGER = "alertmanager", "Alertmanager webhook"
    FALCO = "falco", "Falco JSON"
    OCSF = "ocsf", "OCSF Detection Finding"
    SURICATA = "suricata", "Suricata EVE"
    WAZUH = "wazuh", "Wazuh 4 and 5"


class RunState(TextChoices):
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    ENDED = "ended", "Ended"
    KILLED = "killed", "Verified dead"  # set by signed proof of every host, by nothing else


LIVE_RUNS = frozenset({RunState.RUNNING, RunState.PAUSED})
