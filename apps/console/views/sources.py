"""Alert sources: made and revoked here; and what one of them sent, byte for byte."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render

from apps.accounts.roles import Right
from apps.audit.services import By
from apps.console.access import Signed, page
from apps.console.panels import sources as panels
from apps.fleet.models import AlertSource
from apps.fleet.sources import make_source, revoke_source
from apps.telemetry.models import Report


@page(Right.ENROL, methods=("POST",))
def source_make(request: Signed) -> HttpResponse:
    """A new alert source; the text of its token is in this answer and nowhere else."""
    name, form = request.POST.get("name", ""), request.POST.get("format", "")
    by = By("person", request.user.username)
    try:
        source, text = make_source(name=name, form=form, by=by)
    except ValueError as error:
        return _panel(request, status=422, error=str(error))
    place = request.build_absolute_uri(f"/v1/alerts/{source.format}")
    return _panel(request, made={"source": source, "text": text, "place": place})


@page(Right.ENROL, methods=("POST",))
def source_revoke(request: Signed, pk: int) -> HttpResponse:
    """Its token opens nothing any more."""
    source = AlertSource.objects.filter(pk=pk).first() if pk < 2**63 else None
    if source is None:
        raise Http404
    revoke_source(source, by=By("person", request.user.username))
    return _panel(request)


@page(Right.VIEW)
def report_original(request: Signed, pk: int) -> HttpResponse:
    """The report as it was sent, to be kept and hashed elsewhere; no browser shows it as anything."""
    report = Report.objects.filter(pk=pk).first() if pk < 2**63 else None
    if report is None:
        raise Http404
    ending = {"gzip": ".gz", "zstd": ".zst"}.get(report.encoding, "")
    answer = HttpResponse(bytes(report.body), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="report-{report.pk}.txt{ending}"'
    answer["X-Content-Type-Options"] = "nosniff"
    answer["X-Sentinel-Sha256"] = report.digest
    return answer


def _panel(request: Signed, *, status: int = 200, **extra: Any) -> HttpResponse:
    context = panels.sources() | extra
    return render(request, "console/hosts/_sources.html", context, status=status)
