"""A drill on a host: how it stands, and the question before it is asked for."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.accounts.roles import Right
from apps.console.access import Signed, host_or_404, is_fragment, page
from apps.console.panels.drill import drill_panel
from apps.drills.choices import Name
from apps.drills.services import DrillRefusedError, ask


@page(Right.VIEW)
def host_drill(request: Signed, pk: int) -> HttpResponse:
    """How the last drill on this host stands."""
    return render(request, "console/hosts/_drill.html", drill_panel(host_or_404(request, pk)))


@page(Right.DRILL, methods=("GET", "POST"))
def host_drill_start(request: Signed, pk: int) -> HttpResponse:
    """The question; and, answered with yes, the request to the host. A refusal says why."""
    host = host_or_404(request, pk, Right.DRILL)
    context = {**drill_panel(host), "reason": request.POST.get("reason", "")[:500], "error": ""}
    if request.method == "GET":
        return render(request, "console/hosts/_drill_ask.html", context)
    try:
        ask(host, name=Name.ROME, by=request.user, reason=context["reason"])
    except DrillRefusedError as refused:
        context["error"] = str(refused)
        return render(request, "console/hosts/_drill_ask.html", context, status=422)
    url = reverse("host", args=[pk])
    return HttpResponse(status=204, headers={"HX-Redirect": url}) if is_fragment(request) else redirect(url)
