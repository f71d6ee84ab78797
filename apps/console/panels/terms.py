"""The contract of a run in words, and its alerts as differences from it."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from django.utils import timezone

from apps.console.templatetags.figures import clock
from apps.core.text import visible
from apps.detection.difference import Term, difference, seen_in
from apps.detection.models import Alert
from apps.fleet import contracts
from apps.fleet.contract import WORDS, Unreadable
from apps.fleet.models import RunContract, TrainingRun

Context = dict[str, Any]
LISTED = 20  # entries of a list
HEADS = {"destinations": "Destinations", "programs": "Programs", "gpu_owners": "GPU owners"}


def contract(run: TrainingRun) -> Context:
    """What holds now, by whom and until when; and every version there was."""
    rows = contracts.versions(run)
    now = timezone.now()
    row = contracts.in_force(rows, now)
    held = contracts.contract_of(row)
    after = contracts.in_force(rows, row.ends_at) if row and row.ends_at else None
    return {
        "run": run,
        "contract": row,
        "terms": [_terms(name, getattr(held, name)) for name in HEADS],
        "contract_note": held.note,
        "after": after,
        "history": [
            {
                "row": it,
                "holds": row is not None and it.pk == row.pk,
                "over": bool(it.ends_at and it.ends_at <= now),
            }
            for it in rows
        ],
        "unreadable": _unreadable(run, rows),
    }


def differences(rows: Sequence[Alert]) -> dict[int, Context]:
    """By alert, what its run's contract said of it when it happened; those it says nothing of are missing."""
    known = {
        run.pk: contracts.versions(run) for run in {row.run.pk: row.run for row in rows if row.run}.values()
    }
    mine = [row for row in rows if known.get(row.run_id or 0)]
    seen = seen_in(mine)
    found = {}
    for row in mine:
        version = contracts.in_force(known[row.run_id or 0], row.occurred_at)
        terms = difference(contracts.contract_of(version), seen[row.pk])
        if version and terms:
            found[row.pk] = {
                "within": all(term.within for term in terms),
                "says": _says(terms),
                "whose": _whose(version),
                "version": version.version,
            }
    return found


def _says(terms: list[Term]) -> str:
    """What is against it; where nothing is, what is allowed."""
    against = [term.says for term in terms if not term.within]
    return "; ".join(against or [term.says for term in terms])


def _whose(version: RunContract) -> str:
    since = f"since {clock(version.made_at)} by {visible(version.by, limit=60)}"
    return f"{since}, until {clock(version.ends_at.astimezone(UTC))}" if version.ends_at else since


def _terms(name: str, entries: tuple[str, ...] | None) -> Context:
    shown = list(entries or ())[:LISTED]
    return {
        "head": HEADS[name],
        "word": WORDS[name],
        "said": entries is not None,
        "entries": shown,
        "more": len(entries or ()) - len(shown),
    }


def _unreadable(run: TrainingRun, rows: list[RunContract]) -> list[str]:
    """Why the contract that came with the run's start is not one; nothing where one is known."""
    if rows or not run.contract:
        return []
    try:
        contracts.read_told(run)
    except Unreadable as error:
        return error.wrong[:5]
    return []
