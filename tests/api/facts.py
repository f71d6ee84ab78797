"""Incidents and alerts as ingest would leave them."""

from typing import Any

from django.utils import timezone

from apps.detection.models import Alert, DetectionRule
from apps.fleet.models import Host, TrainingRun
from apps.incidents.models import Incident, IncidentHost, IncidentSpan
from apps.telemetry.models import Batch
from tests.response import cast

HOSTILE = "<b>x</b>\u202e\x1b[2J"


def incident(**more: Any) -> Incident:
    now = timezone.now()
    plain = {
        "title": "Reverse tunnel to an outside host",
        "behaviour": "tunnel.reverse",
        "level": "critical",
        "rank": 5,
        "first_alert_at": now,
        "last_alert_at": now,
        "opened_at": now,
        "changed_at": now,
    }
    return Incident.objects.create(**(plain | more))


def alerts(of: Incident, host: Host, run: TrainingRun | None, number: int = 3) -> list[Alert]:
    agent = host.agents.first()
    batch = Batch.objects.create(
        agent=agent, sequence=1, body=b"[]", digest="0" * 64, signature="s", received_at=timezone.now()
    )
    rule = DetectionRule.objects.create(
        slug="tunnel-reverse",
        title="Reverse tunnel",
        family="tunnel",
        behaviour="tunnel.reverse",
        level="critical",
    )
    rows = [
        Alert.objects.create(
            rule=rule, level="critical", title=HOSTILE, host=host, run=run, batch=batch, position=at,
            occurred_at=timezone.now(), received_at=timezone.now(), correlation_key=b"k" * 16,
            detail={"argv": [HOSTILE]},
        )
        for at in range(number)
    ]  # fmt: skip
    IncidentSpan.objects.create(incident=of, key=b"k" * 16, first_alert_id=rows[0].pk)
    IncidentHost.objects.create(incident=of, host=host)
    return rows


def scene() -> tuple[Incident, TrainingRun, cast.Machine]:
    """A run on one host, and an incident in it with three alerts."""
    machine = cast.machine()
    run = cast.run(machine)
    found = incident(run=run)
    alerts(found, machine.host, run)
    return found, run, machine
