"""The process tree around alerts: their processes, the ancestors of each, and what each started."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from apps.telemetry.models import Process

ANCESTORS = 16
AROUND = timedelta(minutes=10)
SCANNED = 400  # processes of a host looked through for children
HITS = 8  # alerting processes that the tree is drawn for
SHOWN = 120


@dataclass(frozen=True, slots=True)
class Node:
    """One line of the tree."""

    process: Process
    depth: int
    hit: bool


@dataclass(frozen=True, slots=True)
class Tree:
    """Lines with parents before children, and how many more there are."""

    nodes: list[Node]
    cut: int


def around(hits: list[Process]) -> Tree:
    """The tree of `hits`, from the farthest ancestors seen down to what they started."""
    hits = hits[:HITS]
    known: dict[int, Process] = {}
    for process in hits:
        known |= {row.pk: row for row in [*_ancestors(process), *_below(process)]}
    children: dict[int | None, list[Process]] = {}
    for row in sorted(known.values(), key=lambda row: (row.started_at, row.pk)):
        parent = _parent_among(row, known.values())
        children.setdefault(parent.pk if parent else None, []).append(row)
    nodes = _lines(children, {row.pk for row in hits})
    return Tree(nodes[:SHOWN], max(0, len(nodes) - SHOWN))


def _lines(children: dict[int | None, list[Process]], hits: set[int]) -> list[Node]:
    waiting = [(0, row) for row in reversed(children.get(None, []))]
    nodes: list[Node] = []
    while waiting:
        depth, row = waiting.pop()
        nodes.append(Node(row, depth, row.pk in hits))
        waiting += [(depth + 1, child) for child in reversed(children.get(row.pk, []))]
    return nodes


def _parent_among(row: Process, others: Iterable[Process]) -> Process | None:
    """A pid is used again: a parent is the last process of that pid that started before its child."""
    older = [
        other
        for other in others
        if other.host_id == row.host_id and other.pid == row.ppid and other.pk != row.pk
        and other.start_ticks <= row.start_ticks
    ]  # fmt: skip
    return max(older, key=lambda other: other.start_ticks, default=None)


def _ancestors(process: Process) -> list[Process]:
    """`process` and those above it, as far as they were seen."""
    line = [process]
    while len(line) <= ANCESTORS and line[-1].ppid > 0:
        child = line[-1]
        older = Process.objects.filter(
            host=child.host_id, pid=child.ppid, start_ticks__lte=child.start_ticks
        ).exclude(pk__in=[row.pk for row in line])
        parent = older.order_by("-start_ticks").first()
        if parent is None:
            break
        line.append(parent)
    return line


def _below(process: Process) -> list[Process]:
    """Descendants of `process` that started near it."""
    until = (process.ended_at or process.started_at) + AROUND
    near = Process.objects.filter(
        host=process.host_id, started_at__gte=process.started_at, started_at__lte=until
    ).order_by("started_at")[:SCANNED]
    family = {process.pid: process}
    found: list[Process] = []
    for row in near:
        parent = family.get(row.ppid)
        if parent is not None and row.pk != process.pk and parent.start_ticks <= row.start_ticks:
            family[row.pid] = row
            found.append(row)
    return found
