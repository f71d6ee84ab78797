"""Tool calls: told of by spans, by answers that ask for them and by processes that name them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from apps.core.bulk import rows, run
from apps.core.locks import take_some
from apps.telemetry.choices import TOLD, KnownFrom
from apps.telemetry.matching import Matching, Slot, merged
from apps.telemetry.rows import CallKey, CallRow
from apps.telemetry.services import staged

MOST_KEPT = 20_000  # rows of the lot's traces that are looked at

KEPT = """
SELECT id, trace_id, span_id, call_id, known_from, asked_key, started_at, arguments_captured, run_id,
       told_as_id
  FROM telemetry_toolcall
 WHERE trace_id = ANY(%s)
   AND (span_id = ANY(%s) OR call_id <> '' AND call_id = ANY(%s) OR asked_key = ANY(%s)
        OR known_from IN ('asked', 'process'))
 ORDER BY id DESC LIMIT %s
"""
# An answer and a process fill in what is not known; where its span is known now, the row goes by that.
CHANGES = """
UPDATE telemetry_toolcall t
   SET span_id = s.span_id, asked_key = s.asked_key, call_id = s.call_id, known_from = s.known_from,
       told_as_id = COALESCE(t.told_as_id, s.told_as_id), host_id = COALESCE(t.host_id, s.host_id),
       run_id = COALESCE(t.run_id, s.run_id), name = COALESCE(NULLIF(t.name, ''), s.name),
       arguments = CASE WHEN t.arguments_captured THEN t.arguments ELSE s.arguments END,
       arguments_captured = t.arguments_captured OR s.arguments_captured
  FROM {table} s WHERE t.id = s.row_id
"""
# What was said first stays: a run that writes its own traces cannot rewrite them. But a span takes the place
# of what was only expected of it, and what a process claims binds no span to that process's run.
CALLS = """
INSERT INTO telemetry_toolcall AS t ({names}) SELECT {names} FROM {table}
    ON CONFLICT (trace_id, span_id) DO UPDATE
   SET run_id = CASE WHEN t.known_from = 'process' THEN COALESCE(EXCLUDED.run_id, t.run_id)
                     ELSE COALESCE(t.run_id, EXCLUDED.run_id) END,
       episode_id = COALESCE(t.episode_id, EXCLUDED.episode_id),
       host_id = COALESCE(t.host_id, EXCLUDED.host_id),
       sandbox_id = COALESCE(t.sandbox_id, EXCLUDED.sandbox_id),
       global_step = COALESCE(t.global_step, EXCLUDED.global_step),
       call_id = COALESCE(NULLIF(t.call_id, ''), EXCLUDED.call_id),
       said_run = COALESCE(NULLIF(t.said_run, ''), EXCLUDED.said_run),
       asked_key = COALESCE(NULLIF(t.asked_key, ''), EXCLUDED.asked_key),
       name = CASE WHEN {expected} THEN EXCLUDED.name ELSE t.name END,
       parent_span_id = CASE WHEN {expected} THEN EXCLUDED.parent_span_id ELSE t.parent_span_id END,
       started_at = CASE WHEN {expected} THEN EXCLUDED.started_at ELSE t.started_at END,
       known_from = CASE WHEN {expected} THEN EXCLUDED.known_from ELSE t.known_from END,
       arguments = CASE WHEN t.arguments_captured THEN t.arguments ELSE EXCLUDED.arguments END,
       arguments_captured = t.arguments_captured OR EXCLUDED.arguments_captured,
       failed = CASE WHEN t.ended_at IS NULL THEN EXCLUDED.failed ELSE t.failed END,
       ended_at = COALESCE(t.ended_at, EXCLUDED.ended_at)
 WHERE EXCLUDED.known_from IN ('span', 'record')
   AND (t.run_id IS NULL OR t.run_id = EXCLUDED.run_id OR t.known_from = 'process')
   AND ({expected}
        OR t.ended_at IS NULL AND EXCLUDED.ended_at IS NOT NULL
        OR NOT t.arguments_captured AND EXCLUDED.arguments_captured
        OR t.run_id IS NULL AND EXCLUDED.run_id IS NOT NULL)
RETURNING id, trace_id, span_id, (xmax = 0)
"""
EXPECTED = "t.known_from IN ('asked', 'process')"
# The client's and the server's side of one MCP call, or a framework's span around them, are one call. What
# says other arguments is another, so nothing can be hidden behind its own parent.
SIDES = """
UPDATE telemetry_toolcall c SET told_as_id = p.id
  FROM telemetry_toolcall p
 WHERE c.trace_id = ANY(%(traces)s) AND p.trace_id = c.trace_id AND p.span_id = c.parent_span_id
   AND (c.span_id = ANY(%(spans)s) OR p.span_id = ANY(%(spans)s))
   AND c.told_as_id IS NULL AND c.known_from = 'span' AND p.known_from = 'span' AND p.name = c.name
   AND (c.run_id IS NULL OR p.run_id IS NULL OR c.run_id = p.run_id)
   AND (c.call_id = '' OR p.call_id = '' OR c.call_id = p.call_id)
   AND (NOT c.arguments_captured OR NOT p.arguments_captured OR c.arguments = p.arguments)
RETURNING c.id
"""
OUTER = """
UPDATE telemetry_toolcall p SET arguments = c.arguments, arguments_captured = true
  FROM telemetry_toolcall c
 WHERE c.id = ANY(%s) AND p.id = c.told_as_id AND c.arguments_captured AND NOT p.arguments_captured
"""
ENDED = """
UPDATE telemetry_toolcall a SET ended_at = r.ended_at
  FROM telemetry_toolcall r
 WHERE a.told_as_id = ANY(%s) AND r.id = a.told_as_id AND a.ended_at IS NULL AND r.ended_at IS NOT NULL
"""


class Stored(NamedTuple):
    """A tool call of which something was learnt."""

    id: int
    fresh: bool
    text_is_new: bool


class _Change(NamedTuple):
    row_id: int
    span_id: str
    asked_key: str
    call_id: str
    known_from: str
    told_as_id: int | None
    host_id: int | None
    run_id: int | None
    name: str
    arguments: str
    arguments_captured: bool


def store_calls(seen: Iterable[CallRow]) -> dict[CallKey, Stored]:
    """The tool calls are there, each once; answers those of which something was learnt, by the keys that
    they came under.
    """
    lines = list(seen)
    if not lines:
        return {}
    traces = sorted({row.trace_id for row in lines})
    take_some(traces)  # two who tell of one call at once make one row of it
    kept = _kept(lines, traces)
    if not kept and all(row.known_from in TOLD for row in lines):
        return _inserted(lines, traces)
    matching = Matching(kept)
    for row in lines:
        if row.known_from in TOLD:
            matching.told(row)
    for row in lines:
        if row.known_from == KnownFrom.ASKED:
            matching.asked(row)
    for row in lines:
        if row.known_from == KnownFrom.PROCESS:
            matching.begun(row)
    return _written(list(matching.touched.values()), traces)


def _inserted(lines: Sequence[CallRow], traces: list[str]) -> dict[CallKey, Stored]:
    """Spans of which nothing else is known that they could be put together with: most are such."""
    by_key: dict[CallKey, CallRow] = {}
    for row in lines:
        before = by_key.get(row[:2])
        by_key[row[:2]] = row if before is None else merged(before, row)
    ids = _store([by_key[key] for key in sorted(by_key)])
    _join_sides(traces, [span for _, span in by_key])
    return {key: Stored(pk, fresh, by_key[key].arguments_captured) for key, (pk, fresh) in ids.items()}


def _kept(lines: Sequence[CallRow], traces: list[str]) -> list[Slot]:
    asked = {row.asked_key for row in lines if row.asked_key}
    found = rows(
        KEPT,
        [
            traces,
            list({row.span_id for row in lines}),
            list({row.call_id for row in lines if row.call_id}),
            list(asked),
            MOST_KEPT,
        ],
    )
    names = (
        "id", "trace_id", "span_id", "call_id", "known_from", "asked_key", "started_at", "captured", "run_id",
        "told_as",
    )  # fmt: skip
    return [Slot(**dict(zip(names, row, strict=True)), was=row[4]) for row in found]


def _written(slots: list[Slot], traces: list[str]) -> dict[CallKey, Stored]:
    changes = [_change(slot) for slot in slots if slot.id is not None and (slot.moved or slot.filled)]
    if changes:
        run(CHANGES.format(table=staged("call_change", _Change, changes)))
    by_key = {slot.key: slot for slot in slots if slot.row is not None}
    ids = _store([_whole(by_key[key]) for key in sorted(by_key)])
    _join_sides(traces, [slot.span_id for slot in slots])
    run(ENDED, [[*(pk for pk, _ in ids.values()), *(slot.told_as for slot in slots if slot.told_as)]])
    found: dict[CallKey, Stored] = {}
    for slot in slots:
        pk, fresh = ids.get(slot.key, (slot.id if slot.moved or slot.filled else None, False))
        if pk is not None and slot.told_as is None:
            found |= {key: Stored(pk, fresh, slot.text_is_new) for key in slot.keys}
    return found


def _store(lines: Sequence[CallRow]) -> dict[CallKey, tuple[int, bool]]:
    """Id of each that is new or was changed, and whether it is new."""
    table = staged("call", CallRow, lines)
    sql = CALLS.format(names=", ".join(CallRow._fields), table=table, expected=EXPECTED)
    return {(trace, span): (pk, fresh) for pk, trace, span, fresh in rows(sql)}


def _join_sides(traces: list[str], spans: list[str]) -> None:
    if inner := [pk for (pk,) in rows(SIDES, {"traces": traces, "spans": spans})]:
        run(OUTER, [inner])


def _change(slot: Slot) -> _Change:
    row = slot.filled
    # What a span says takes its place after this: until then the row stays known as it was.
    known = slot.was if slot.row is not None else slot.known_from
    return _Change(
        row_id=slot.id or 0,
        span_id=slot.span_id,
        asked_key=slot.asked_key,
        call_id=slot.call_id,
        known_from=known,
        told_as_id=slot.told_as,
        host_id=row.host_id if row else None,
        run_id=row.run_id if row else None,
        name=row.name if row else "",
        arguments=row.arguments if row else "",
        arguments_captured=row.arguments_captured if row else False,
    )


def _whole(slot: Slot) -> CallRow:
    """The row with what else the lot says of it."""
    row, more = slot.row, slot.filled
    if row is None:
        raise ValueError("nothing to store")
    if more is None or slot.id is not None:
        return row if row.asked_key == slot.asked_key else row._replace(asked_key=slot.asked_key)
    said = row if row.arguments_captured else more
    return row._replace(
        asked_key=slot.asked_key,
        call_id=row.call_id or more.call_id,
        host_id=row.host_id or more.host_id,
        run_id=row.run_id or more.run_id,
        name=row.name or more.name,
        arguments=said.arguments,
        arguments_captured=said.arguments_captured,
    )


CLAIM = """
UPDATE telemetry_toolcall SET run_id = %s WHERE run_id IS NULL AND said_run = ANY(%s) RETURNING id
"""
CLAIM_LINKS = "UPDATE telemetry_spanlink SET run_id = %s WHERE run_id IS NULL AND said_run = ANY(%s)"


def claim_calls(run_id: int, *, names: Sequence[str]) -> list[int]:
    """Tool calls that named the run before it was known belong to it; which they are."""
    called = [name for name in names if name]
    run(CLAIM_LINKS, [run_id, called])
    return [pk for (pk,) in rows(CLAIM, [run_id, called])]


def forget_links(before: datetime) -> int:
    """Where spans stood in traces that are long over is not kept; how many there were."""
    return run("DELETE FROM telemetry_spanlink WHERE received_at < %s", [before])
