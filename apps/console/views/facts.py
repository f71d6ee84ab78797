"""One observed fact, and the text in it as it came."""

from django.http import Http404, HttpResponse
from django.shortcuts import render

from apps.accounts.roles import Right
from apps.console.access import Signed, is_fragment, page
from apps.console.panels import fact


@page(Right.VIEW)
def fact_page(request: Signed, kind: str, pk: int) -> HttpResponse:
    """A dialog for the page that asks, a page for whoever follows the link."""
    found = fact.of(kind, pk)
    if found is None:
        raise Http404
    name = "_fact" if is_fragment(request) else "page"
    return render(request, f"console/fact/{name}.html", {"section": "queue", "fact": found})


@page(Right.VIEW)
def fact_original(request: Signed, kind: str, pk: int) -> HttpResponse:
    """The whole text, byte for byte, as a file: no browser shows or runs it."""
    row = fact.find(kind, pk)
    text = fact.original(kind, row) if row is not None else None
    if text is None:
        raise Http404
    return HttpResponse(
        text.encode("utf-8", "surrogatepass"),
        content_type="text/plain; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{kind}-{pk}.txt"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )
