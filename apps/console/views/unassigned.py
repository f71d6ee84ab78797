"""Tool calls that belong to no run that is known."""

from django.http import HttpResponse
from django.shortcuts import render

from apps.accounts.roles import Right
from apps.console.access import Signed, page
from apps.console.context import feed_cursor
from apps.console.panels import unassigned


@page(Right.VIEW)
def unassigned_page(request: Signed) -> HttpResponse:
    """The whole page."""
    context = unassigned.listed() | {"section": "runs", "cursor": feed_cursor()}
    return render(request, "console/unassigned/page.html", context)
