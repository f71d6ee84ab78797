"""One incident: what happened, who did it, and what people did about it."""

from typing import Any

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.accounts.roles import Right
from apps.attribution.choices import Origin
from apps.console import answers
from apps.console.access import Signed, incident_or_404, is_fragment, page
from apps.console.charts import timeline, zoom
from apps.console.context import feed_cursor
from apps.console.panels import incident as panels
from apps.console.panels.case import Case
from apps.incidents import services
from apps.incidents.choices import Status, Verdict
from apps.incidents.models import Incident


@page(Right.VIEW)
def incident_page(request: Signed, pk: int) -> HttpResponse:
    """The whole page."""
    cursor = feed_cursor()
    case = Case(incident_or_404(request, pk))
    first = case.join.alert.host if case.join.alert else None
    context = panels.whole(case) | {
        "section": "queue",
        "cursor": cursor,
        "figure_hosts": case.hosts,
        "figure_host": first,
        "windows": timeline.windows(case),
        "window": timeline.DEFAULT,
    }
    return render(request, "console/incident/page.html", context)


@page(Right.VIEW)
def incident_peek(request: Signed, pk: int) -> HttpResponse:
    """The pane beside the queue."""
    context = panels.peek(Case(incident_or_404(request, pk)))
    return render(request, "console/incident/_peek.html", context)


@page(Right.VIEW)
def incident_panel(request: Signed, pk: int, name: str) -> HttpResponse:
    """One fragment, as it is now."""
    case = Case(incident_or_404(request, pk))
    if name not in panels.FRAGMENTS:
        raise Http404
    context = {"incident": case.incident} | panels.FRAGMENTS[name](case)
    return render(request, f"console/incident/_{name}.html", context)


@page(Right.VIEW)
def incident_figure(request: Signed, pk: int) -> JsonResponse:
    """The lanes, for `static/js/timeline.js`."""
    case = Case(incident_or_404(request, pk))
    host = request.GET.get("host", "")
    window = request.GET.get("window", "")
    wanted = int(host) if host.isdecimal() and len(host) < 19 else None
    span = zoom.asked(request.GET)
    return JsonResponse(timeline.figure(case, host=wanted, window=window, span=span))


@page(Right.TRIAGE, methods=("POST",))
def incident_act(request: Signed, pk: int, act: str) -> HttpResponse:
    """One act of triage; whoever comes second is told who was first."""
    incident = incident_or_404(request, pk, Right.TRIAGE)
    if act not in ACTS:
        raise Http404
    try:
        ACTS[act](incident, request)
    except services.Lost as error:
        return answers.lost(request, error)
    except services.TooLate as error:
        return answers.toast(str(error), status=409)
    except services.Unreasoned as error:
        return answers.toast(str(error), status=422)
    except ValueError:
        return answers.toast("Not done: choose one of the values offered.", status=422)
    return _acted(request, incident, act)


@page(Right.TRIAGE, methods=("GET", "POST"))
def incident_annotate(request: Signed, pk: int) -> HttpResponse:
    """The dialog, and what was written in it."""
    incident = incident_or_404(request, pk, Right.TRIAGE)
    if request.method == "GET":
        return render(request, "console/incident/_annotate.html", {"incident": incident})
    text = request.POST.get("text", "")
    try:
        services.annotate(incident, text=text, by=request.user)
    except ValueError as error:
        context = {"incident": incident, "text": text, "error": str(error)}
        return render(request, "console/incident/_annotate.html", context, status=422)
    if not is_fragment(request):
        return redirect("incident", pk=pk)
    return answers.toast("Annotated.", closedialog={})


@page(Right.TRIAGE)
def incident_judge(request: Signed, pk: int) -> HttpResponse:
    """The dialog that asks who did it."""
    incident = incident_or_404(request, pk, Right.TRIAGE)
    context = {"incident": incident, "origins": Origin.choices}
    return render(request, "console/incident/_judge.html", context)


@page(Right.TRIAGE)
def incident_close(request: Signed, pk: int) -> HttpResponse:
    """The dialog that asks for a verdict."""
    incident = incident_or_404(request, pk, Right.TRIAGE)
    context = {"incident": incident, "verdicts": Verdict.choices}
    return render(request, "console/incident/_close.html", context)


def _take(incident: Incident, request: Signed) -> None:
    """Take what waits; take over what somebody has only if the page showed that somebody."""
    if incident.status == Status.TAKEN and _version(request) == incident.version:
        services.assign(incident, to=request.user, by=request.user, version=incident.version)
    else:
        services.take(incident, by=request.user)


def _close(incident: Incident, request: Signed) -> None:
    services.close(
        incident,
        verdict=request.POST.get("verdict", ""),
        note=request.POST.get("note", ""),
        by=request.user,
        version=_version(request),
    )


def _grade(incident: Incident, request: Signed) -> None:
    services.grade(
        incident,
        level=request.POST.get("level", ""),
        note=request.POST.get("note", ""),
        by=request.user,
        version=_version(request),
    )


def _judge(incident: Incident, request: Signed) -> None:
    services.judge(
        incident,
        origin=request.POST.get("origin", ""),
        note=request.POST.get("note", ""),
        by=request.user,
        version=_version(request),
    )


ACTS: dict[str, Any] = {
    "take": _take,
    "release": lambda incident, request: services.release(
        incident, by=request.user, version=_version(request)
    ),
    "close": _close,
    "reopen": lambda incident, request: services.reopen(incident, by=request.user, version=_version(request)),
    "grade": _grade,
    "judge": _judge,
    "undo": lambda incident, request: services.undo(incident, act=_undone(request), by=request.user),
}


def _acted(request: Signed, incident: Incident, act: str) -> HttpResponse:
    if not is_fragment(request):
        return redirect("incident", pk=incident.pk)
    undo: dict[str, object] | None = None
    if act in services.INVERTIBLE:
        url = reverse("incident_act", args=[incident.pk, "undo"])
        undo = {"url": url, "act": act, "seconds": services.UNDO_SECONDS}
    words = {
        "take": "Taken.",
        "release": "Given back.",
        "close": "Closed.",
        "reopen": "Reopened.",
        "judge": "Your verdict stands.",
    }
    text = f"{incident.number}: {words.get(act, 'Changed.')}"
    return answers.toast(text, undo=undo, closedialog={})


def _undone(request: Signed) -> str:
    act = request.POST.get("act", "")
    if act not in services.INVERTIBLE:
        raise ValueError(act)
    return act


def _version(request: Signed) -> int | None:
    text = request.POST.get("version", "")
    return int(text) if text.isdecimal() and len(text) < 19 else None
