"""A lot: the records of a number of batches, sorted by kind, each still knowing where it came from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from apps.gateway import records
from apps.gateway.envelope import inflate
from apps.telemetry.inbox import Waiting


class Item(NamedTuple):
    """One record and its place."""

    batch: Waiting
    position: int
    record: Any

    @property
    def at(self) -> datetime:
        """When it was, by the host's clock."""
        return datetime.fromtimestamp(self.record.at, UTC)


@dataclass(slots=True)
class Lot:
    """All records of `batches`, by kind, in the order in which they were sent."""

    batches: list[Waiting]
    by_kind: dict[type, list[Item]] = field(default_factory=dict)

    def of(self, kind: type) -> list[Item]:
        """The records of one kind."""
        return self.by_kind.get(kind, [])

    def run_names(self) -> set[str]:
        """Every name or marker under which a record speaks of a run."""
        names: set[str | None] = {item.record.marker for item in self.of(records.ProcessStart)}
        for kind in (records.RunStart, records.RunStep, records.RunEnd, records.Span, records.HostAlert):
            names |= {item.record.run for item in self.of(kind)}
        return {name[:120].replace("\x00", "\\x00") for name in names if name}

    def hosts(self) -> set[int]:
        """The hosts that sent it."""
        return {batch.host_id for batch in self.batches}


def sort_out(batches: Iterable[Waiting]) -> Lot:
    """The batches opened and sorted."""
    lot = Lot(list(batches))
    for item in _items(lot.batches):
        lot.by_kind.setdefault(type(item.record), []).append(item)
    return lot


def _items(batches: Iterable[Waiting]) -> Iterator[Item]:
    for batch in batches:
        for position, record in enumerate(records.read(inflate(batch.body, batch.encoding))):
            yield Item(batch, position, record)
