"""Versions of a run's contract: each is an act with an owner, a reason and, where it loosens, an end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit.services import By, Subject, record
from apps.core.text import storable
from apps.feed.services import publish
from apps.fleet.contract import Contract, Unreadable, from_yaml, loosened, of
from apps.fleet.models import RunContract, TrainingRun

REASON = 400
LONGEST = timedelta(days=90)
MOST = 100  # versions that are read


class Lost(Exception):
    """Somebody set a newer version meanwhile; nothing was changed."""

    def __init__(self, newest: RunContract | None) -> None:
        self.newest = newest
        who = f"{newest.by} was first: version {newest.version} is" if newest else "No version is"
        super().__init__(f"{who} the newest now. Nothing was changed.")


class Refused(ValueError):
    """Why a change is not taken, in sentences."""

    def __init__(self, wrong: list[str]) -> None:
        self.wrong = wrong
        super().__init__(" ".join(wrong))


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody asks for: the whole contract, why, until when, and the version that they saw."""

    contract: Contract
    reason: str
    ends_at: datetime | None
    version: int


def versions(run: TrainingRun) -> list[RunContract]:
    """Newest first."""
    return list(RunContract.objects.filter(run=run).order_by("-version")[:MOST])


def in_force(rows: Sequence[RunContract], at: datetime) -> RunContract | None:
    """The newest of `rows` (newest first) that held then: when one ends, the one before holds again."""
    return next(
        (row for row in rows if row.made_at <= at and (row.ends_at is None or at < row.ends_at)), None
    )


def contract_of(row: RunContract | None) -> Contract:
    """What a version says; without one nothing is restricted."""
    return of(row.body) if row else Contract()


def set_contract(run: TrainingRun, change: Change, *, by: By) -> RunContract:
    """The run has a new version. Raises Refused with every reason, or Lost where somebody was first."""
    reason = storable(change.reason.strip(), limit=REASON + 1)
    now = timezone.now()
    rows = versions(run)
    newest = rows[0] if rows else None
    if change.version != (newest.version if newest else 0):
        raise Lost(newest)  # before anything is compared with what the person has not seen
    wrong = [] if 10 <= len(reason) <= REASON else [f"A reason has 10 to {REASON} characters."]
    # Compared with what holds without an end, lest what was allowed for a time stays allowed for good
    lasting = next((row for row in rows if row.ends_at is None), None)
    wider = loosened(change.contract, contract_of(lasting))
    wrong += _bad_end(change.ends_at, wider, now)
    if wrong:
        raise Refused(wrong)
    return _kept(run, change, reason, wider, by)


@transaction.atomic
def _kept(run: TrainingRun, change: Change, reason: str, wider: list[str], by: By) -> RunContract:
    """Version numbers are unique a run: of two who saw the same version, one is stored."""
    row = RunContract(
        run=run, version=change.version + 1, body=change.contract.body, by=by.name, reason=reason,
        made_at=timezone.now(), ends_at=change.ends_at,
    )  # fmt: skip
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Lost(RunContract.objects.filter(run=run).order_by("-version").first()) from None
    record(
        "contract.set", by=by, subject=Subject("run", str(run.pk), run.name), drill=run.drill,
        version=row.version, body=row.body, loosened=wider[:50], reason=reason,
        ends_at=row.ends_at.isoformat() if row.ends_at else None,
    )  # fmt: skip
    publish("run.changed", topics=[f"run:{run.pk}"], subject=("run", run.pk), by=by.name)
    return row


def told_at_start(run: TrainingRun, host: str) -> RunContract | None:
    """The contract that came with the run's start is its first version; one that cannot be read is none.

    A host tells it once: whoever holds the host could otherwise loosen it.
    """
    if not run.contract:
        return None
    try:
        contract = read_told(run)
    except Unreadable:
        return None
    return RunContract.objects.create(
        run=run, version=1, body=contract.body, by=f"launch on {host}"[:150],
        reason="told when the run was started", made_at=run.started_at,
    )  # fmt: skip


def read_told(run: TrainingRun) -> Contract:
    """What the launch told, as data or as the text of a YAML file. Raises Unreadable."""
    text = run.contract.get("yaml")
    return from_yaml(text) if isinstance(text, str) and len(run.contract) == 1 else of(run.contract)


def _bad_end(ends_at: datetime | None, wider: list[str], now: datetime) -> list[str]:
    if ends_at is None:
        shown = ", ".join(wider[:3]) + (f" and {len(wider) - 3} more" if len(wider) > 3 else "")
        return [f"It allows what was not allowed before ({shown}), so it needs an end."] if wider else []
    if ends_at <= now:
        return ["The end is in the past."]
    return ["The end is more than 90 days away."] if ends_at > now + LONGEST else []
