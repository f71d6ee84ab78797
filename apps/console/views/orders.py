"""Orders: the list, one order while it is under way, and the dialog that gives one."""

import json
import secrets
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.accounts.roles import Right
from apps.console.access import Signed, incident_or_404, is_fragment, order_or_404, page, permit, run_or_404
from apps.console.context import feed_cursor
from apps.console.panels import order as panels
from apps.console.panels import orders as lists
from apps.core.text import typable
from apps.fleet.health import health
from apps.fleet.models import TrainingRun
from apps.incidents.models import Incident
from apps.response.aim import Preview, preview
from apps.response.choices import Action, Stage
from apps.response.models import ContainmentOrder
from apps.response.services.issuing import OrderRefusedError, issue

RIGHTS = {Action.PAUSE: Right.CONTAIN, Action.KILL: Right.CONTAIN, Action.RESUME: Right.RESUME}


@page(Right.VIEW)
def orders_page(request: Signed) -> HttpResponse:
    """All orders, newest first."""
    cursor = feed_cursor()
    before = request.GET.get("before", "")
    rows = ContainmentOrder.objects.order_by("-id")
    if before.isdecimal() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = lists.listed(rows)
    more = len(found) == lists.SHOWN
    context = {
        "section": "orders",
        "cursor": cursor,
        "orders": found,
        "next_url": f"{reverse('orders')}?before={found[-1]['order'].pk}" if more else None,
    }
    return render(request, "console/orders/page.html", context)


@page(Right.VIEW)
def order_page(request: Signed, pk: int) -> HttpResponse:
    """One order, with what each host signed."""
    cursor = feed_cursor()
    context = panels.whole(order_or_404(request, pk))
    context |= {"section": "orders", "cursor": cursor, "stages": Stage.values}
    return render(request, "console/order/page.html", context)


@page(Right.VIEW)
def order_panel(request: Signed, pk: int) -> HttpResponse:
    """Verdict and receipts, as they are now."""
    return render(request, "console/order/_panel.html", panels.whole(order_or_404(request, pk)))


@page(Right.VIEW)
def order_bundle(request: Signed, pk: int) -> HttpResponse:
    """The signed texts, to be checked without this server."""
    order = order_or_404(request, pk)
    body = json.dumps(panels.bundle(order), indent=1)
    answer = HttpResponse(body, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{order.number}-receipts.json"'
    return answer


@page(Right.CONTAIN, methods=("GET", "POST"))
def contain(request: Signed, pk: int) -> HttpResponse:
    """The dialog with the exact targets; and, held long enough, the order."""
    given = request.POST if request.method == "POST" else request.GET
    action = given.get("action", Action.PAUSE)
    if action not in Action.values:
        action = Action.PAUSE
    permit(request, RIGHTS[Action(action)])
    run = run_or_404(request, pk)
    incident = _incident(request, given.get("incident", ""))
    if request.method == "GET":
        return render(request, "console/contain/_dialog.html", _dialog(run, incident, action))
    try:
        order = issue(
            run,
            action=action,
            by=request.user,
            reason=given.get("reason", ""),
            typed_name=given.get("typed_name", ""),
            parameters_digest=given.get("digest", ""),
            idempotency_key=given.get("idempotency_key", ""),
            incident=incident,
        )
    except OrderRefusedError as error:
        kept = {"reason": given.get("reason", ""), "typed_name": given.get("typed_name", "")}
        context = _dialog(run, incident, action) | kept | {"error": str(error)}
        return render(request, "console/contain/_dialog.html", context, status=422)
    url = reverse("order", args=[order.pk])
    return HttpResponse(status=204, headers={"HX-Redirect": url}) if is_fragment(request) else redirect(url)


def _incident(request: Signed, text: str) -> Incident | None:
    return incident_or_404(request, int(text)) if text.isdecimal() and len(text) < 19 else None


def _dialog(run: TrainingRun, incident: Incident | None, action: str) -> dict[str, Any]:
    seen = preview(run)
    gpus = [len(target.gpus) for target in seen.targets]
    return {
        "run": run,
        "typed_as": typable(run.name),
        "incident": incident,
        "action": action,
        "actions": _possible(run, seen),
        "targets": [
            {
                "host": target.host,
                "cgroup": target.cgroup,
                "processes": len(target.pids),
                "gpus": len(target.gpus) or None,
                "state": health(target.agent).value,
                "heard_at": target.seen_at,
                "note": "" if target.agent else "nobody there takes orders",
            }
            for target in seen.targets
        ],
        "host_count": len(seen.targets),
        "process_count": seen.processes,
        "gpu_count": sum(gpus) or None,
        "digest": seen.digest,
        "idempotency_key": secrets.token_hex(16),
        "proof": {},
    }


def _possible(run: TrainingRun, seen: Preview) -> list[str]:
    reversible = Action.RESUME if run.state == "paused" else Action.PAUSE
    return [action.value for action in (reversible, Action.KILL) if seen.allows(action)]
