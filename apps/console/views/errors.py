"""Refusals and failures: a page for a person, a status for a script."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from apps.console.access import is_fragment, public
from apps.core import requestid


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: the role does not carry the right."""
    return _answer(request, "403.html", 403, str(exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: nothing has this address, for this person."""
    return _answer(request, "404.html", 404, "Not here.")


def failed(request: HttpRequest) -> HttpResponse:
    """500: the id under which the log has the reason."""
    return _answer(request, "500.html", 500, "Failed.")


@public
def closed(request: HttpRequest, **kwargs: str) -> HttpResponse:
    """Doors of the sign-in library that nobody here goes through: an admin makes people, not a mail."""
    raise Http404


def _answer(request: HttpRequest, template: str, status: int, text: str) -> HttpResponse:
    if is_fragment(request):
        return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    context = {"request_id": requestid.current(), "reason": text}
    return render(request, template, context, status=status)
