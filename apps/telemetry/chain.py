"""Where a tool call stands: its run, episode and step, from the spans above it in its trace.

A tool call's own span names none of them; an agent's or a trajectory's does, and may come before or after.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from apps.core.bulk import rows, run
from apps.telemetry.rows import CallKey, LinkRow
from apps.telemetry.services import staged

GENERATIONS = 32
MOST_CALLS = 2_000  # of one lot's traces, the latest

LINKS = """
INSERT INTO telemetry_spanlink AS l ({names}) SELECT {names} FROM {table}
    ON CONFLICT (trace_id, span_id) DO UPDATE
   SET run_id = COALESCE(l.run_id, EXCLUDED.run_id),
       episode = COALESCE(NULLIF(l.episode, ''), EXCLUDED.episode),
       global_step = COALESCE(l.global_step, EXCLUDED.global_step)
 WHERE (l.run_id IS NULL OR l.run_id = EXCLUDED.run_id)
   AND (l.run_id IS NULL AND EXCLUDED.run_id IS NOT NULL OR l.episode = '' AND EXCLUDED.episode <> ''
        OR l.global_step IS NULL AND EXCLUDED.global_step IS NOT NULL)
"""
# Those of a trace that has a new link; and else, those that are new or stand right below what is new.
LACKING = """
SELECT id FROM telemetry_toolcall
 WHERE (trace_id = ANY(%(linked)s) OR id = ANY(%(calls)s)
        OR trace_id = ANY(%(traces)s) AND parent_span_id = ANY(%(spans)s))
   AND (run_id IS NULL OR episode_id IS NULL OR global_step IS NULL) ORDER BY id DESC LIMIT %(most)s
"""
# A call's own span may be among the links: what it said while its run was not known.
ABOVE = """
WITH RECURSIVE up AS (
    SELECT t.id AS call, t.trace_id, t.span_id AS at, 0 AS step, NULL::bigint AS run_id,
           ''::varchar AS episode, NULL::bigint AS global_step
      FROM telemetry_toolcall t WHERE t.id = ANY(%s)
    UNION ALL
    SELECT up.call, up.trace_id, p.parent_span_id, up.step + 1, p.run_id, p.episode, p.global_step
      FROM up CROSS JOIN LATERAL (
           SELECT l.parent_span_id, l.run_id, l.episode, l.global_step FROM telemetry_spanlink l
            WHERE l.trace_id = up.trace_id AND l.span_id = up.at
           UNION ALL
           SELECT c.parent_span_id, CASE WHEN up.step > 0 THEN c.run_id END, COALESCE(e.native_id, ''),
                  c.global_step
             FROM telemetry_toolcall c LEFT JOIN fleet_episode e ON e.id = c.episode_id
            WHERE c.trace_id = up.trace_id AND c.span_id = up.at
           LIMIT 1) p
     WHERE up.step < %s AND up.at <> '')
SELECT t.id, t.run_id, up.run_id, up.episode, up.global_step
  FROM up JOIN telemetry_toolcall t ON t.id = up.call
 WHERE up.run_id IS NOT NULL OR up.episode <> '' OR up.global_step IS NOT NULL
 ORDER BY t.id, up.step
"""
PLACE = """
UPDATE telemetry_toolcall t
   SET run_id = COALESCE(t.run_id, s.run_id), episode_id = COALESCE(t.episode_id, s.episode_id),
       global_step = COALESCE(t.global_step, s.global_step)
  FROM {table} s
 WHERE t.id = s.row_id AND (t.run_id IS NULL OR t.run_id = s.run_id)
   AND (t.run_id IS NULL OR t.episode_id IS NULL AND s.episode_id IS NOT NULL
        OR t.global_step IS NULL AND s.global_step IS NOT NULL)
RETURNING t.id, t.run_id
"""


class Found(NamedTuple):
    """What stands above a tool call, of one run."""

    call_id: int
    run_id: int
    episode: str
    global_step: int | None


class Place(NamedTuple):
    """Where a tool call belongs."""

    row_id: int
    run_id: int
    episode_id: int | None
    global_step: int | None


def store_links(links: Iterable[LinkRow]) -> None:
    """Where these spans stand is known; what was said first stays."""
    kept = {row[:2]: row for row in links}
    if kept:
        table = staged("link", LinkRow, (kept[key] for key in sorted(kept)))
        run(LINKS.format(names=", ".join(LinkRow._fields), table=table))


def lacking(*, linked: Iterable[str], calls: Iterable[int], keys: Iterable[CallKey]) -> list[int]:
    """Calls whose run, episode or step is not known and may be now: of traces `linked`, `calls` themselves,
    and those below `keys`.
    """
    below = list(keys)
    asked = {
        "linked": list(linked),
        "calls": list(calls),
        "traces": sorted({trace for trace, _ in below}),
        "spans": [span for _, span in below],
        "most": MOST_CALLS,
    }
    if not (asked["linked"] or asked["calls"] or below):
        return []
    return [pk for (pk,) in rows(LACKING, asked)]


def above(calls: Sequence[int]) -> list[Found]:
    """What stands above each of `calls`, of the same run, the nearest first."""
    if not calls:
        return []
    return [
        found
        for (pk, own), line in groupby(rows(ABOVE, [list(calls), GENERATIONS]), key=lambda row: row[:2])
        if (found := _found(pk, own, [row[2:] for row in line])) is not None
    ]


def _found(call: int, own: int | None, line: list[tuple[Any, ...]]) -> Found | None:
    run = own or next((run for run, _, _ in line if run is not None), None)
    if run is None:
        return None
    ours = [row for row in line if row[0] in (None, run)]
    episode = next((episode for _, episode, _ in ours if episode), "")
    step = next((step for _, _, step in ours if step is not None), None)
    return Found(call, run, episode, step)


def place_calls(places: Sequence[Place]) -> dict[int, int]:
    """The calls stand where it is said, as far as that was not known; the run of those that moved."""
    if not places:
        return {}
    return dict(rows(PLACE.format(table=staged("place", Place, places))))
