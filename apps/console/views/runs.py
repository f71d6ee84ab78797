"""Training runs: the list, and one run."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from apps.accounts.roles import Right
from apps.audit.services import By
from apps.console.access import Signed, page, run_or_404, trace_token_or_404
from apps.console.charts import run as run_chart
from apps.console.charts.timeline import DEFAULT, WINDOWS
from apps.console.context import feed_cursor
from apps.console.panels import run as panels
from apps.console.panels import unassigned
from apps.detection.choices import RANK
from apps.fleet.choices import LIVE_RUNS
from apps.fleet.models import Placement, TrainingRun
from apps.fleet.trace_tokens import make_trace_token, revoke_trace_token
from apps.incidents.choices import OPEN
from apps.incidents.models import Incident

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
def run_figure(request: Signed, pk: int) -> JsonResponse:
    """Calls, alerts and GPU use of the run."""
    return JsonResponse(run_chart.figure(run_or_404(request, pk), window=request.GET.get("window", "")))


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
