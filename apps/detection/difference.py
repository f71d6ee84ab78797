"""An alert as a difference from its run's contract: what was seen, term by term, beside what was allowed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

from django.db.models import Q

from apps.core.text import visible
from apps.detection.models import Alert
from apps.fleet.contract import Contract
from apps.telemetry.models import GpuSample

SHOWN = 80
ABOUT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Seen:
    """What an alert is about, as far as a contract speaks of such things; empty where it is not known."""

    peer: str = ""
    exe: str = ""
    called: str = ""  # its own word for itself
    uid: int | None = None
    on_gpu: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that was compared."""

    within: bool
    says: str


def difference(contract: Contract, seen: Seen) -> list[Term]:
    """Every term of the contract that speaks of what was seen; none where it speaks of nothing of it."""
    terms = []
    if contract.destinations is not None and seen.peer:
        what = f"destination {visible(seen.peer, limit=SHOWN)}"
        terms.append(_term(what, contract.allows_peer(seen.peer), len(contract.destinations)))
    if contract.programs is not None and (seen.exe or seen.called):
        what = f"program {_name(seen)}"
        terms.append(_term(what, contract.allows_program(seen.exe, seen.called), len(contract.programs)))
    if contract.gpu_owners is not None and seen.on_gpu:
        within = contract.allows_on_gpu(seen.exe, seen.called, seen.uid)
        terms.append(_term(f"GPU held by {_name(seen)}", within, len(contract.gpu_owners)))
    return terms


def seen_in(rows: Iterable[Alert]) -> dict[int, Seen]:
    """By alert, what it is about."""
    alerts = list(rows)
    holders = _holders(alerts)
    return {
        row.pk: Seen(
            peer=row.connection.remote if row.connection else "",
            exe=row.process.exe if row.process else "",
            called=_called(row),
            uid=row.process.uid if row.process else None,
            on_gpu=row.process_id in holders,
        )
        for row in alerts
    }


def _term(what: str, within: bool, count: int) -> Term:
    if within:
        return Term(True, f"{what} is allowed")
    listed = f"among the {count:,} allowed" if count else "allowed: none is"
    return Term(False, f"{what} is not {listed}")


def _name(seen: Seen) -> str:
    """By its file, in full; by its own word only where no file was seen."""
    return (
        visible(seen.exe, limit=SHOWN)
        if seen.exe
        else f"{visible(seen.called, limit=SHOWN)}, by its own word"
    )


def _called(row: Alert) -> str:
    argv = row.process.argv if row.process else []
    return PurePosixPath(str(argv[0])).name if isinstance(argv, list) and argv else ""


def _holders(rows: list[Alert]) -> set[int]:
    """Processes of these alerts that a driver saw on a GPU about that time: samples have no end."""
    mine = [(row, row.process) for row in rows if row.process]
    near = Q(pk__in=[])
    for row, it in mine:
        about = (row.occurred_at - ABOUT, row.occurred_at + ABOUT)
        near |= Q(host=it.host_id, pid=it.pid, start_ticks=it.start_ticks, occurred_at__range=about)
    found = GpuSample.objects.filter(near).order_by().values_list("host", "pid", "start_ticks").distinct()
    seen = set(found) if mine else set()
    return {it.pk for _, it in mine if (it.host_id, it.pid, it.start_ticks) in seen}
