"""Hosts by health, one host, and enrolment."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from apps.accounts.roles import Right
from apps.audit.services import By
from apps.console.access import Signed, host_or_404, page
from apps.console.context import feed_cursor
from apps.console.panels import fleet as panels
from apps.console.panels.drill import drill_panel
from apps.console.panels.sources import sources
from apps.fleet import invitation, services
from apps.fleet.choices import AgentState
from apps.fleet.models import EnrolmentToken, Host

FILTERS = {slug for slug, *_ in panels.COUNTS} - {"all"}


@page(Right.VIEW)
def hosts_page(request: Signed) -> HttpResponse:
    """All hosts."""
    return _page(request, None)


@page(Right.VIEW)
def host_page(request: Signed, pk: int) -> HttpResponse:
    """All hosts, and one beside them."""
    return _page(request, host_or_404(request, pk))


@page(Right.VIEW)
def hosts_panel(request: Signed, name: str) -> HttpResponse:
    """One fragment, as it is now."""
    if name == "cells":
        current = request.GET.get("host", "")
        number = int(current) if current.isdecimal() and len(current) < 19 else None
        return render(request, "console/hosts/_cells.html", panels.cells(_health(request), number))
    if name == "attention":
        return render(request, "console/hosts/_attention.html", panels.attention(_health(request)))
    raise Http404


@page(Right.ENROL, methods=("POST",))
def host_offer(request: Signed) -> HttpResponse:
    """The one command that puts a host under watch; its token works once and is shown once."""
    text = services.offer_enrolment(By("person", request.user.username))
    offer = {
        "command": _command(request, text),
        "expires_at": timezone.now() + services.TOKEN_LASTS,
        "used_by": None,
    }
    return render(request, "console/hosts/_offer.html", {"offer": offer})


@page(Right.ENROL, methods=("POST",))
def host_revoke(request: Signed, pk: int) -> HttpResponse:
    """The host's key opens nothing any more."""
    host = host_or_404(request, pk, Right.ENROL)
    for agent in host.agents.exclude(state=AgentState.REVOKED).select_related("host"):
        services.revoke(agent, by=By("person", request.user.username), reason=request.POST.get("reason", ""))
    return redirect("host", pk=pk)


def _command(request: HttpRequest, token: str) -> str:
    """What a person pastes on the host. The address is the one that this person reached the server by."""
    scheme = "https" if settings.HTTPS else "http"
    address = f"{scheme}://{request.get_host()}"
    return invitation.install_command(address, token)


def _page(request: Signed, host: Host | None) -> HttpResponse:
    cursor = feed_cursor()
    wanted = _health(request)
    unused = EnrolmentToken.objects.filter(used_at=None, expires_at__gt=timezone.now())
    context = {
        "section": "hosts",
        "cursor": cursor,
        "host": None,
        "offer": None,
        "offers_open": unused.count(),
        **panels.cells(wanted, host.pk if host else None),
        **panels.attention(wanted),
        **sources(),
        **({**panels.one(host), **drill_panel(host)} if host else {}),
    }
    return render(request, "console/hosts/page.html", context)


def _health(request: Signed) -> str:
    wanted = request.GET.get("health", "")
    return wanted if wanted in FILTERS else ""
