"""The dialog in which a run's contract is changed: what was written stays, whatever is wrong with it."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.accounts.roles import Right
from apps.audit.services import By
from apps.console import answers
from apps.console.access import Signed, is_fragment, page, run_or_404
from apps.fleet import contracts
from apps.fleet.contract import MOST_TEXT, Unreadable, from_yaml, written
from apps.fleet.models import TrainingRun


@page(Right.CONTRACT, methods=("GET", "POST"))
def run_contract(request: Signed, pk: int) -> HttpResponse:
    """The dialog, and what was written in it."""
    run = run_or_404(request, pk, Right.CONTRACT)
    if request.method == "GET":
        return render(request, "console/run/_contract_form.html", _fresh(run))
    given = _given(request)
    try:
        row = contracts.set_contract(run, _change(given), by=By("person", request.user.username))
    except (Unreadable, contracts.Refused) as error:
        return _again(request, run, given, error.wrong, status=422)
    except contracts.Lost as error:
        newest = error.newest.version if error.newest else 0
        told = [str(error), "What you wrote is kept below; it would now replace that version."]
        return _again(request, run, given | {"version": str(newest)}, told, status=422)
    if not is_fragment(request):
        return redirect("run", pk=pk)
    return answers.toast(f"Contract version {row.version} set.", closedialog={})


def _fresh(run: TrainingRun) -> dict[str, Any]:
    """What holds now, to be changed."""
    rows = contracts.versions(run)
    held = contracts.in_force(rows, datetime.now(UTC))
    text = written(contracts.contract_of(held)) if held else ""
    return {"run": run, "text": text, "version": rows[0].version if rows else 0}


def _given(request: Signed) -> dict[str, str]:
    """The fields as they came; a file that was chosen takes the place of the text."""
    given = {name: request.POST.get(name, "") for name in ("text", "reason", "until", "version")}
    chosen = request.FILES.get("file")
    if chosen is not None and not isinstance(chosen, list):
        given["text"] = chosen.read(MOST_TEXT * 4).decode("utf-8", "replace").replace("\x00", "\ufffd")
    return given


def _change(given: dict[str, str]) -> contracts.Change:
    version = given["version"]
    return contracts.Change(
        contract=from_yaml(given["text"]),
        reason=given["reason"],
        ends_at=_moment(given["until"]),
        version=int(version) if version.isdecimal() and len(version) < 9 else -1,
    )


def _moment(text: str) -> datetime | None:
    """UTC, as the field says."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise contracts.Refused(["Until: a date and a time, 2026-11-30T18:00."]) from None


def _again(
    request: Signed, run: TrainingRun, given: dict[str, str], wrong: list[str], *, status: int
) -> HttpResponse:
    context = {"run": run, "wrong": wrong[:20]} | given
    return render(request, "console/run/_contract_form.html", context, status=status)
