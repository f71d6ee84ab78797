"""Fragments of the run page."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import Count, Max
from django.utils import timezone

from apps.console.panels import orders as order_lists
from apps.console.panels.calls import calls, tools
from apps.console.panels.terms import contract, differences
from apps.detection.models import Alert
from apps.fleet.choices import AgentState
from apps.fleet.health import health
from apps.fleet.models import Host, HostAgent, Placement, TrainingRun
from apps.fleet.trace_tokens import trace_tokens_of
from apps.incidents.models import Incident
from apps.incidents.selectors import queue
from apps.response.models import ContainmentOrder
from apps.telemetry.models import GpuSample, Process, ToolCall

Context = dict[str, Any]
ALERTS = 12
GAPS = 8  # hosts whose reason is told
COUNT_LIMIT = 100_000
LINEAGE = 6
TOKENS = 50
GPU_FRESH = timedelta(minutes=2)


def head(run: TrainingRun) -> Context:
    """Name, marks, and where it comes from."""
    parent = TrainingRun.objects.filter(name=run.parent_run).exclude(pk=run.pk) if run.parent_run else None
    return {
        "run": run,
        "hosts": run.placements.count(),
        "lineage": _lineage(run),
        "parent": parent.order_by("-pk").first() if parent is not None else None,
    }


def stats(run: TrainingRun) -> Context:
    """Six figures; what is not known is a gap in words."""
    processes = Process.objects.filter(run=run, ended_at=None).count()
    agents = HostAgent.objects.filter(host__placements__run=run, state=AgentState.ACTIVE)
    heard = agents.aggregate(at=Max("last_seen_at"))["at"]
    return {
        "stats": [
            _stat("Step", run.global_step, gap="not told by the run"),
            _stat("Episodes", run.episodes.count() or None, gap="no trace yet"),
            _stat(
                "Tool calls", _few(ToolCall.every.filter(run=run, told_as=None)) or None, gap="no trace yet"
            ),
            _stat("Processes", processes, unit="now"),
            _stat("Alerts", _few(Alert.objects.filter(run=run))),
            _stat("Last heard", heard and f"{heard:%H:%M:%S}", unit="UTC", gap="never"),
        ]
    }


def alerts(run: TrainingRun) -> Context:
    """The newest alerts, each as a difference from the contract."""
    found = Alert.objects.filter(run=run).select_related("host", "run", "process", "connection")
    rows = list(found.order_by("-id")[: ALERTS + 1])
    cut = len(rows) > ALERTS
    rows = rows[:ALERTS]
    against = differences(rows)
    return {
        "alerts": [{"alert": row, "difference": against.get(row.pk)} for row in rows],
        "alerts_cut": cut,
        "outside": sum(not found["within"] for found in against.values()),
    }


def gpu_gap(run: TrainingRun) -> list[Context]:
    """Why GPU use is not known, host by host in the sensor's own words; nothing where a GPU was seen."""
    hosts = list(Host.objects.filter(placements__run=run).order_by("name")[:GAPS])
    if GpuSample.objects.filter(host__in=hosts, occurred_at__gte=run.started_at).exists():
        return []
    agents = {it.host_id: it for it in HostAgent.objects.filter(host__in=hosts, state=AgentState.ACTIVE)}
    return [{"host": host.name, "says": _blind(agents.get(host.pk))} for host in hosts]


def _blind(agent: HostAgent | None) -> str:
    if agent is None:
        return "no host agent speaks for it."
    sensor = agent.sensors.get("gpu") if isinstance(agent.sensors, dict) else None
    if not isinstance(sensor, dict):
        return "its host agent tells of no GPU sensor."
    return str(sensor.get("blind") or "its GPU sensor saw no process on a GPU.")


def placements(run: TrainingRun) -> Context:
    """Its hosts, and who holds which GPU there."""
    rows = list(Placement.objects.filter(run=run).select_related("host").order_by("host__name"))
    hosts = [row.host_id for row in rows]
    agents = {it.host_id: it for it in HostAgent.objects.filter(host__in=hosts, state=AgentState.ACTIVE)}
    alive = dict(
        Process.objects.filter(run=run, ended_at=None)
        .order_by()
        .values("host")
        .annotate(n=Count("pk"))
        .values_list("host", "n")
    )
    return {
        "placements": [
            {
                "placement": row,
                "state": health(agents.get(row.host_id)).value,
                "processes": alive.get(row.host_id, 0),
                "gpus": _gpus(run, row.host_id),
            }
            for row in rows
        ]
    }


def orders(run: TrainingRun) -> Context:
    """What was ordered."""
    return {"orders": order_lists.listed(ContainmentOrder.objects.filter(run=run).order_by("-id"))}


def incidents(run: TrainingRun) -> Context:
    """Its incidents, newest first."""
    rows = list(Incident.objects.filter(run=run).select_related("run").order_by("-id")[:20])
    states = queue.states_of(rows)
    return {"incidents": [{"incident": row, "state": states[row.pk]} for row in rows]}


def ladder(run: TrainingRun) -> Context:
    """The way to an order."""
    return {"run": run, "ladder": order_lists.ladder(run, None)}


def tokens(run: TrainingRun) -> Context:
    """Who may send its traces."""
    return {"run": run, "tokens": list(trace_tokens_of(run)[:TOKENS])}


PANELS: dict[str, Callable[[TrainingRun], Context]] = {
    "head": head,
    "stats": stats,
    "calls": calls,
    "alerts": alerts,
    "contract": contract,
    "placements": placements,
    "orders": orders,
    "incidents": incidents,
    "ladder": ladder,
    "tokens": tokens,
}


def whole(run: TrainingRun) -> Context:
    """Everything that the page shows at once."""
    context: Context = {"gpu_gap": gpu_gap(run), "tools": tools(run)}
    for panel in PANELS.values():
        context |= panel(run)
    return context


def _lineage(run: TrainingRun) -> list[Context]:
    if not run.lineage:
        return []
    rows = TrainingRun.objects.filter(lineage=run.lineage, pk__lte=run.pk).annotate(n=Count("incidents"))
    line = list(rows.order_by("-pk")[:LINEAGE])[::-1]
    return [{"run": row, "incidents": row.n, "current": row.pk == run.pk} for row in line] if line[1:] else []


def _gpus(run: TrainingRun, host_id: int) -> list[Context]:
    """Each GPU with its newest holders; somebody else's process on it is drawn as foreign."""
    since = timezone.now() - GPU_FRESH
    rows = GpuSample.objects.filter(host=host_id, occurred_at__gte=since).order_by("gpu_uuid", "-occurred_at")
    found: dict[str, Context] = {}
    for row in rows[:2_000]:
        gpu = found.setdefault(
            row.gpu_uuid, {"share": row.sm_percent, "foreign": False, "title": row.gpu_uuid}
        )
        gpu["foreign"] = gpu["foreign"] or row.run_id != run.pk
    return list(found.values())


def _few(rows: Any) -> int:
    return len(rows.order_by().values_list("pk")[:COUNT_LIMIT])


def _stat(word: str, value: Any, *, unit: str = "", gap: str = "") -> Context:
    shown = f"{value:,}" if isinstance(value, int) else value
    if value == COUNT_LIMIT:
        shown = f"{COUNT_LIMIT:,}+"
    return {"word": word, "value": shown, "unit": unit, "gap": gap}
