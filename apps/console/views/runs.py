"""Training runs: the list, and one run."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Exists, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from apps.accounts.roles import Right
from apps.audit.services import By
from apps.console.access import Signed, page, run_or_404, trace_token_or_404
from apps.console.charts import gpus, zoom
from apps.console.charts import run as run_chart
from apps.console.charts.timeline import DEFAULT, WINDOWS
from apps.console.context import feed_cursor
from apps.console.panels import calls, unassigned
from apps.console.panels import run as panels
from apps.detection.choices import RANK
from apps.fleet.choices import LIVE_RUNS
from apps.fleet.models import Host, Placement, TrainingRun
from apps.fleet.trace_tokens import make_trace_token, revoke_trace_token
from apps.incidents.choices import OPEN
from apps.incidents.models import Incident
from apps.telemetry.models import GpuSample

PAGE = 50


@page(Right.VIEW)
def runs_page(request: Signed) -> HttpResponse:
    """Runs, newest first."""
    cursor = feed_cursor()
    state = "ended" if request.GET.get("state") == "ended" else "live"
    rows = TrainingRun.objects.filter(state__in=LIVE_RUNS)
    if state == "ended":
        rows = TrainingRun.objects.exclude(state__in=LIVE_RUNS)
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(_with_figures(rows).order_by("-pk")[: PAGE + 1])
    query = {"state": state, "before": found[PAGE - 1].pk} if len(found) > PAGE else {}
    context = {
        "section": "runs",
        "cursor": cursor,
        "state": state,
        "runs": [_line(row) for row in found[:PAGE]],
        "unassigned": unassigned.number(),
        "unassigned_limit": unassigned.COUNT_LIMIT,
        "next_url": f"{reverse('runs')}?{urlencode(query)}" if query else None,
    }
    return render(request, "console/runs/page.html", context)


@page(Right.VIEW)
def run_page(request: Signed, pk: int) -> HttpResponse:
    """The whole page of one run."""
    cursor = feed_cursor()
    run = run_or_404(request, pk)
    context = panels.whole(run) | {
        "section": "runs",
        "cursor": cursor,
        "figure_hosts": list(Host.objects.filter(placements__run=run).order_by("name")[:200]),
        "figure_host": _gpu_host(run, None),
        "windows": [window for window in WINDOWS if window[0] != "episode"],
        "window": DEFAULT,
    }
    return render(request, "console/run/page.html", context)


@page(Right.VIEW)
def run_panel(request: Signed, pk: int, name: str) -> HttpResponse:
    """One fragment, as it is now."""
    run = run_or_404(request, pk)
    if name not in panels.PANELS:
        raise Http404
    return render(request, f"console/run/_{name}.html", {"run": run} | panels.PANELS[name](run))


@page(Right.TRIAGE, methods=("POST",))
def run_token_make(request: Signed, pk: int) -> HttpResponse:
    """A new trace token; its text is in this answer and nowhere else."""
    run = run_or_404(request, pk, Right.TRIAGE)
    _, text = make_trace_token(run, by=By("person", request.user.username))
    return render(request, "console/run/_tokens.html", panels.tokens(run) | {"made": text})


@page(Right.TRIAGE, methods=("POST",))
def run_token_revoke(request: Signed, pk: int) -> HttpResponse:
    """The trace token opens nothing any more."""
    token = trace_token_or_404(request, pk, Right.TRIAGE)
    revoke_trace_token(token, by=By("person", request.user.username))
    return render(request, "console/run/_tokens.html", panels.tokens(token.run))


@page(Right.VIEW)
def run_calls(request: Signed, pk: int) -> HttpResponse:
    """One page of its tool calls, filtered."""
    return render(
        request, "console/run/_calls.html", calls.calls(run_or_404(request, pk), calls.wanted(request.GET))
    )


@page(Right.VIEW)
def run_figure(request: Signed, pk: int) -> JsonResponse:
    """Calls and alerts of the run."""
    run, window = run_or_404(request, pk), request.GET.get("window", "")
    return JsonResponse(run_chart.figure(run, window=window, span=zoom.asked(request.GET)))


@page(Right.VIEW)
def run_gpus(request: Signed, pk: int) -> JsonResponse:
    """GPU use by process on one of its hosts."""
    run, window = run_or_404(request, pk), request.GET.get("window", "")
    stretch = run_chart.stretch_of(run, window, zoom.asked(request.GET))
    return JsonResponse(gpus.figure(run, _gpu_host(run, request.GET.get("host", "")), stretch))


def _gpu_host(run: TrainingRun, wanted: str | None) -> Host | None:
    """The host asked for, if the run stands on it; else one whose GPUs were seen; else its first."""
    hosts = Host.objects.filter(placements__run=run).order_by("name")
    if wanted and wanted.isdecimal() and len(wanted) < 19:
        return hosts.filter(pk=int(wanted)).first() or hosts.first()
    seen = GpuSample.objects.filter(host=OuterRef("pk"), occurred_at__gte=run.started_at)
    return hosts.filter(Exists(seen)).first() or hosts.first()


def _with_figures(rows: Any) -> Any:
    """Each run with its hosts, GPUs and the worst of its open incidents, in one query."""
    places = Placement.objects.filter(run=OuterRef("pk")).order_by().values("run")
    incidents = Incident.objects.filter(run=OuterRef("pk"), status__in=OPEN).order_by().values("run")
    return rows.prefetch_related("placements").annotate(
        host_count=Coalesce(Subquery(places.annotate(n=Count("pk")).values("n")), 0),
        incident_count=Coalesce(Subquery(incidents.annotate(n=Count("pk")).values("n")), 0),
        worst_rank=Subquery(incidents.annotate(n=Max("rank")).values("n")),
    )


def _line(row: Any) -> dict[str, Any]:
    levels = {rank: level for level, rank in RANK.items()}
    gpus = sum(len(place.gpus) for place in row.placements.all())
    return {
        "run": row,
        "hosts": row.host_count,
        "gpus": gpus or None,
        "incidents": row.incident_count,
        "worst": levels.get(row.worst_rank),
    }
