"""Lists of orders, each with what came of it so far."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from apps.fleet.choices import RunState
from apps.fleet.models import Placement, TrainingRun
from apps.incidents.models import Incident
from apps.response.choices import WORST_FIRST, Action, Stage
from apps.response.models import ContainmentOrder
from apps.telemetry.models import Process

SHOWN = 50


def around(incident: Incident) -> QuerySet[ContainmentOrder]:
    """Orders given for the incident, or for its run since it began."""
    mine = Q(incident=incident)
    if incident.run_id:
        mine |= Q(run=incident.run_id, requested_at__gte=incident.opened_at)
    return ContainmentOrder.objects.filter(mine).order_by("-id")


def listed(rows: QuerySet[ContainmentOrder]) -> list[dict[str, Any]]:
    """Rows of `components/_orders.html`: the worst host speaks for the order."""
    return [_line(row) for row in rows.select_related("by", "run").prefetch_related("targets")[:SHOWN]]


def ladder(run: TrainingRun, incident: Incident | None) -> dict[str, Any]:
    """The way to an order. That a run ended is what a host said: what is known against it stands beside."""
    live = list(Placement.objects.filter(run=run, ended_at=None))
    ended = run.state == RunState.ENDED
    kills = ContainmentOrder.objects.filter(run=run, action=Action.KILL).order_by("-id")
    return {
        "run": run,
        "hosts": len(live),
        "gpus": sum(len(row.gpus) for row in live) or None,
        "incident": incident,
        "kill": next(iter(listed(kills[:1])), None) if ended else None,
        "left": Process.objects.filter(run=run, ended_at=None).count() if ended else 0,
    }


def worst(stages: Iterable[str]) -> str:
    """The first of `stages` in the order worst to best."""
    found = set(stages)
    return next((stage.value for stage in WORST_FIRST if stage in found), Stage.REQUESTED.value)


def _line(row: ContainmentOrder) -> dict[str, Any]:
    stages = [target.stage for target in row.targets.all()]
    count = Counter(stages)
    order = [stage for stage in WORST_FIRST if count[stage]]
    says = ", ".join(f"{count[stage]} of {len(stages)} {stage.label.lower()}" for stage in reversed(order))
    return {"order": row, "worst": worst(stages), "says": says or "no host to send it to"}
