"""Where a tool call stands: its run, episode and step, from the spans above it in its trace.

A tool call's own span names none of them; an agent's or a trajectory's does, and may come before or after.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

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
           SELECT c.parent_span_id, NULL, ''::varchar, NULL FROM telemetry_toolcall c
            WHERE c.trace_id = up.trace_id AND c.span_id = up.at
           LIMIT 1) p
     WHERE up.step < %s AND up.at <> '')
SELECT t.id, t.run_id,
       (array_agg(up.run_id ORDER BY up.step) FILTER (WHERE up.run_id IS NOT NULL))[1],
       COALESCE((array_agg(up.episode ORDER BY up.step) FILTER (WHERE up.episode <> ''))[1], ''),
       (array_agg(up.global_step ORDER BY up.step) FILTER (WHERE up.global_step IS NOT NULL))[1]
  FROM up JOIN telemetry_toolcall t ON t.id = up.call GROUP BY t.id, t.run_id ORDER BY t.id
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
    """What stands above each of `calls`; nothing where that is of another run than the call, or of none."""
    if not calls:
        return []
    found = []
    for pk, own, run_id, episode, step in rows(ABOVE, [list(calls), GENERATIONS]):
        of = own or run_id
        if of is not None and run_id in (None, of) and (episode or step is not None or own is None):
            found.append(Found(pk, of, episode, step))
    return found


def place_calls(places: Sequence[Place]) -> dict[int, int]:
    """The calls stand where it is said, as far as that was not known; the run of those that moved."""
    if not places:
        return {}
    return dict(rows(PLACE.format(table=staged("place", Place, places))))
