"""Search: numbers of incidents and orders, and how names of runs and hosts begin."""

import re

from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.accounts.roles import Right
from apps.console.access import Signed, page
from apps.console.context import feed_cursor
from apps.fleet.models import Host, TrainingRun
from apps.incidents.models import Incident
from apps.incidents.selectors import queue
from apps.response.models import ContainmentOrder

SHOWN = 20
_NUMBER = re.compile(r"(INC|CO)-0*(\d{1,18})", re.IGNORECASE)


@page(Right.VIEW)
def search_page(request: Signed) -> HttpResponse:
    """What begins with the text; or the one thing that it names."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:120]
    if number := _NUMBER.fullmatch(text):
        model = Incident if number[1].upper() == "INC" else ContainmentOrder
        if model.objects.filter(pk=int(number[2])).exists():
            return redirect("incident" if model is Incident else "order", pk=int(number[2]))
    runs = list(TrainingRun.objects.filter(name__startswith=text).order_by("-pk")[:SHOWN]) if text else []
    hosts = list(Host.objects.filter(name__startswith=text).order_by("name")[:SHOWN]) if text else []
    found = list(Incident.objects.filter(run__in=runs).order_by("-pk")[:SHOWN]) if runs else []
    if len(runs) + len(hosts) == 1 and not found:
        exact = (runs or hosts)[0]
        if exact.name == text:
            return redirect("run" if runs else "host", pk=exact.pk)
    states = queue.states_of(found)
    context = {
        "q": text,
        "cursor": feed_cursor(),
        "incidents": [{"incident": row, "state": states[row.pk]} for row in found],
        "runs": runs,
        "hosts": hosts,
        "orders": [],
    }
    return render(request, "console/search/page.html", context)
