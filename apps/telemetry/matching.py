"""Which rows speak of one tool call. Pure: rows that are known and rows that come in, put together.

A call may be told of three times: by the answer of the model that asked for it, by a process that names it,
and by its own span. They come in any order, and every time the call keeps the row that it has.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from apps.telemetry.choices import TOLD, KnownFrom
from apps.telemetry.rows import CallKey, CallRow

MOST_ALIKE = 64  # that are looked at for one row: an agent may give every call the same id
SLACK = timedelta(seconds=1)  # the answer ends, and its calls begin, by clocks of one host or of two


@dataclass(slots=True, kw_only=True)
class Slot:
    """One row of a tool call: one that is kept (`id`), or one that will be."""

    id: int | None = None
    trace_id: str
    span_id: str
    call_id: str
    known_from: str
    was: str = ""  # where a row that is kept was known from
    asked_key: str
    started_at: datetime
    captured: bool
    run_id: int | None
    told_as: int | None = None
    row: CallRow | None = None  # what is to be stored of it
    filled: CallRow | None = None  # what an answer or a process adds to a row that is kept
    moved: bool = False  # its span, key or place is another than it was
    text_is_new: bool = False
    keys: set[CallKey] = field(default_factory=set)  # under which it came in

    @property
    def key(self) -> CallKey:
        return self.trace_id, self.span_id

    @property
    def waits(self) -> bool:
        """Whether it was asked for and no span has told of it."""
        return self.known_from == KnownFrom.ASKED and self.told_as is None

    @property
    def has_no_span(self) -> bool:
        """Whether its span's id only stands in."""
        return self.span_id == self.asked_key

    def may_be(self, row: CallRow) -> bool:
        """Whether both are of one run, as far as either says."""
        return None in (self.run_id, row.run_id) or self.run_id == row.run_id


class Matching:
    """Takes rows in and answers the slots that they made or changed."""

    def __init__(self, kept: Sequence[Slot]) -> None:
        self._by_key: dict[CallKey, Slot] = {}
        self._by_asked: dict[CallKey, Slot] = {}
        self._waits: dict[str, dict[int, Slot]] = defaultdict(dict)  # asked for, by trace
        self._waits_by_call: dict[CallKey, dict[int, Slot]] = defaultdict(dict)
        self._told_by_call: dict[CallKey, dict[int, Slot]] = defaultdict(dict)  # and not asked for yet
        self._begun: dict[str, dict[int, Slot]] = defaultdict(dict)  # known by their process alone
        self._stood_for: set[int] = set()
        self.touched: dict[int, Slot] = {}
        for slot in kept:
            if slot.told_as is not None:
                self._stood_for.add(slot.told_as)
        for slot in kept:
            self._know(slot)

    def told(self, row: CallRow) -> None:
        """A span of the call itself."""
        slot = self._by_key.get(row[:2])
        if slot is None:
            slot = self._asked_for(row)
            if slot is not None:
                self._move(slot, row.span_id)
        elif slot.known_from == KnownFrom.PROCESS and (other := self._asked_for(row)) is not None:
            self._unlist(other)
            other.told_as, other.moved = slot.id, True
            self._stood_for.add(slot.id or 0)
            self._touch(other)
        if slot is None:
            slot = self._new(row)
        self._unlist(slot)
        if slot.row is not row:
            slot.row = row if slot.row is None else merged(slot.row, row)
        slot.text_is_new = slot.text_is_new or (row.arguments_captured and not slot.captured)
        slot.captured = slot.captured or row.arguments_captured
        slot.known_from, slot.call_id = row.known_from, slot.call_id or row.call_id
        self._list(slot)
        self._touch(slot, row)

    def asked(self, row: CallRow) -> None:
        """An answer asks for the call; `span_id` stands in until its span is known."""
        if (row.trace_id, row.asked_key) in self._by_asked:
            return
        slot = self._told_already(row) or self._begun_already(row)
        if slot is None:
            self._touch(self._new(row), row)
            return
        self._unlist(slot)
        slot.asked_key, slot.call_id = row.asked_key, slot.call_id or row.call_id
        slot.text_is_new = slot.text_is_new or (row.arguments_captured and not slot.captured)
        slot.captured = slot.captured or row.arguments_captured
        slot.filled = row
        if slot.known_from == KnownFrom.PROCESS:
            slot.known_from = KnownFrom.ASKED
        self._by_asked[row.trace_id, row.asked_key] = slot
        self._list(slot)
        self._touch(slot, row)

    def begun(self, row: CallRow) -> None:
        """A process names the call. It fills in nothing that a span has told."""
        if row[:2] in self._by_key:
            return
        waiting = [slot for slot in self._alike(self._waits[row.trace_id], row) if slot.has_no_span]
        if len(waiting) == 1:
            slot = waiting[0]
            self._move(slot, row.span_id)
            slot.filled = slot.filled or row
            self._touch(slot, row)
            return
        self._touch(self._new(row), row)

    def _asked_for(self, row: CallRow) -> Slot | None:
        """The last that was asked for under this id before the span began."""
        if not row.call_id:
            return None
        waiting = self._alike(self._waits_by_call[row.trace_id, row.call_id], row)
        before = [slot for slot in waiting if slot.started_at <= row.started_at + SLACK]
        return max(before, key=lambda slot: slot.started_at, default=waiting[0] if waiting else None)

    def _told_already(self, row: CallRow) -> Slot | None:
        """The first span of this call id after the answer which no answer has asked for yet."""
        alike = self._alike(self._told_by_call[row.trace_id, row.call_id], row) if row.call_id else []
        after = [slot for slot in alike if slot.started_at >= row.started_at - SLACK]
        return min(after, key=lambda slot: slot.started_at, default=None)

    def _begun_already(self, row: CallRow) -> Slot | None:
        """The process that named a call of this trace after the answer, where there is one alone."""
        alike = self._alike(self._begun[row.trace_id], row)
        found = [slot for slot in alike if slot.started_at >= row.started_at - SLACK]
        return found[0] if len(found) == 1 else None

    def _alike(self, slots: dict[int, Slot], row: CallRow) -> list[Slot]:
        return [slot for slot in islice(slots.values(), MOST_ALIKE) if slot.may_be(row)]

    def _new(self, row: CallRow) -> Slot:
        slot = Slot(
            trace_id=row.trace_id,
            span_id=row.span_id,
            call_id=row.call_id,
            known_from=row.known_from,
            asked_key=row.asked_key,
            started_at=row.started_at,
            captured=row.arguments_captured,
            run_id=row.run_id,
            row=row,
            text_is_new=row.arguments_captured,
        )
        self._know(slot)
        return slot

    def _know(self, slot: Slot) -> None:
        self._by_key[slot.key] = slot
        if slot.asked_key:
            self._by_asked[slot.trace_id, slot.asked_key] = slot
        self._list(slot)

    def _lists(self, slot: Slot) -> list[dict[int, Slot]]:
        """Where others look for the slot, as it is now."""
        call = (slot.trace_id, slot.call_id)
        if slot.waits:
            return [self._waits[slot.trace_id], self._waits_by_call[call]]
        if slot.known_from == KnownFrom.PROCESS:
            return [self._begun[slot.trace_id]]
        free = slot.known_from in TOLD and not slot.asked_key and slot.id not in self._stood_for
        return [self._told_by_call[call]] if free else []

    def _list(self, slot: Slot) -> None:
        for one in self._lists(slot):
            one[id(slot)] = slot

    def _unlist(self, slot: Slot) -> None:
        for one in self._lists(slot):
            one.pop(id(slot), None)

    def _move(self, slot: Slot, span_id: str) -> None:
        del self._by_key[slot.key]
        slot.span_id, slot.moved = span_id, True
        if slot.row is not None:
            slot.row = slot.row._replace(span_id=span_id)
        self._by_key[slot.key] = slot

    def _touch(self, slot: Slot, row: CallRow | None = None) -> None:
        self.touched[id(slot)] = slot
        if row is not None:
            slot.keys.add(row[:2])


def merged(first: CallRow, then: CallRow) -> CallRow:
    """Start and end of one call in one lot."""
    said = first if first.arguments_captured else then
    return first._replace(
        arguments=said.arguments,
        arguments_captured=said.arguments_captured,
        ended_at=first.ended_at or then.ended_at,
        failed=first.failed if first.ended_at else then.failed,
        run_id=first.run_id or then.run_id,
        episode_id=first.episode_id or then.episode_id,
        call_id=first.call_id or then.call_id,
        sandbox_id=first.sandbox_id or then.sandbox_id,
    )
