"""Detect: what rules say of the stored facts, and what hosts raised themselves, becomes alerts-to-be."""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from apps.core.jsontext import json_text
from apps.core.text import storable
from apps.detection import engine
from apps.detection.asking import command_text
from apps.detection.choices import Level
from apps.detection.facts import CommandFact, Fact, ProcessFact, SocketFact
from apps.detection.facts import Finding as Held
from apps.detection.services import AlertKey, AlertRow, HostRule, KnownRule, know_rules
from apps.fleet.models import TrainingRun
from apps.gateway import records
from apps.gateway.lot import Item, Lot
from apps.gateway.stages.calls import SeenCall
from apps.gateway.stages.processes import SeenProcess, SeenSocket
from apps.gateway.stages.repeats import without_repeats
from apps.gateway.stages.runs import gap_detail
from apps.gateway.stages.store import Kept
from apps.incidents.keys import Group, correlation_key
from apps.telemetry import selectors

GRACE = timedelta(seconds=5)  # a run that has just ended may still be tidying up
GAP = HostRule("telemetry-gap", "Telemetry was lost", "coverage", Level.MEDIUM, "", source="sentinel")
MISSING = HostRule(
    "batches-missing", "Batches never arrived", "coverage", Level.HIGH, "T1070", source="sentinel"
)
FAILED = HostRule(
    "rule-failed", "A detection rule failed", "coverage", Level.MEDIUM, "T1562", source="sentinel"
)
_SLUG = re.compile(r"[^a-z0-9._-]+")
_LEVELS = frozenset(Level.values)
_words = msgspec.json.Decoder(list[str])


class Finding(NamedTuple):
    """An alert-to-be: a rule held for something of a record."""

    item: Item
    slug: str
    run: TrainingRun | None
    process_id: int | None
    connection_id: int | None
    detail: dict[str, Any]
    level: str = ""  # the rule's own, unless a host said otherwise
    title: str = ""
    call_id: int | None = None


@dataclass(slots=True)
class Found:
    """The alerts-to-be of a lot, and how they group into incidents."""

    rows: list[AlertRow]
    groups: dict[bytes, Group]
    calls: dict[AlertKey, int]  # the tool call whose text raised it, by alert key
    techniques: dict[int, str]  # by rule

    def add(self, row: AlertRow, rule: KnownRule, place: str) -> None:
        """One alert-to-be more, in its group."""
        self.rows.append(row)
        self.techniques[rule.id] = rule.technique
        key = row.correlation_key
        if key not in self.groups:
            self.groups[key] = Group(key, rule.behaviour, place, row.run_id, row.drill)
        self.groups[key].add(
            level=row.level, host_id=row.host_id, at=row.occurred_at, technique=rule.technique
        )

    def keep_only(self, new: Container[AlertKey]) -> None:
        """Alerts that were there before are not counted a second time."""
        before = len(self.rows)
        self.rows = [row for row in self.rows if row.key in new]
        if len(self.rows) == before:
            return
        for group in self.groups.values():
            group.empty()
        for row in self.rows:
            technique = self.techniques[row.rule_id]
            group = self.groups[row.correlation_key]
            group.add(level=row.level, host_id=row.host_id, at=row.occurred_at, technique=technique)


def detect(lot: Lot, kept: Kept) -> Found:
    """Everything in the lot that an alert has to be raised for."""
    failures: list[Finding] = []
    ours = [*_of_processes(kept, failures), *_of_sockets(kept, failures), *_of_commands(kept, failures)]
    theirs = [*_of_gaps(lot), *_of_missing(kept), *_of_hosts(lot, kept), *failures]
    told = {rule.slug: rule for rule in (_host_rule(item.record) for item in lot.of(records.HostAlert))}
    told |= {GAP.slug: GAP} if lot.of(records.Gap) else {}
    told |= {MISSING.slug: MISSING} if kept.missing else {}
    told |= {FAILED.slug: FAILED} if failures else {}
    rules = know_rules({finding.slug for finding in ours}, told.values()) if ours or told else {}
    in_order = sorted([*ours, *theirs], key=lambda finding: (finding.item.batch.id, finding.item.position))
    return gather(in_order, rules)


def gather(findings: Iterable[Finding], rules: dict[str, KnownRule]) -> Found:
    """The findings as rows, grouped by what belongs into one incident."""
    found = Found([], {}, {}, {})
    for finding in findings:
        rule, batch, run, at = rules[finding.slug], finding.item.batch, finding.run, finding.item.at
        level = finding.level or rule.level
        run_id, drill = (run.pk, run.drill) if run else (None, False)
        key = correlation_key(run_id=run_id, host_id=batch.host_id, behaviour=rule.behaviour, drill=drill)
        row = AlertRow(
            rule_id=rule.id,
            level=level,
            title=finding.title or rule.title,
            host_id=batch.host_id,
            run_id=run_id,
            process_id=finding.process_id,
            connection_id=finding.connection_id,
            batch_id=batch.id,
            position=finding.item.position,
            occurred_at=at,
            received_at=batch.received_at,
            correlation_key=key,
            drill=drill,
            detail=json_text(finding.detail),
        )
        found.add(row, rule, f"in run {run.name}" if run else f"on host {batch.host_name}")
        if finding.call_id is not None:
            found.calls[row.key] = finding.call_id
    return found


# -- rules of ours -------------------------------------------------------------------------------


def _examined(
    facts: Sequence[Fact], items: Sequence[Item], failures: list[Finding]
) -> list[tuple[int, Held]]:
    """What the rules say; one that fails is told once for each record, since it may have missed something."""
    errors: list[tuple[int, str, str]] = []
    found = engine.examine_many(facts, errors=errors)
    by_place: dict[int, dict[str, str]] = {}
    for place, rule, failure in errors:
        by_place.setdefault(place, {})[rule] = failure
    for place, rules in by_place.items():
        failures.append(Finding(items[place], FAILED.slug, None, None, None, {"rules": rules}))
    return found


def _of_processes(kept: Kept, failures: list[Finding]) -> Iterator[Finding]:
    facts = [_process_fact(seen, kept) for seen in kept.processes]
    for place, finding in _examined(facts, [seen.item for seen in kept.processes], failures):
        seen = kept.processes[place]
        run = kept.book.by_id.get(seen.row.run_id or 0)
        yield Finding(seen.item, finding.rule, run, seen.id, None, finding.detail)


def _process_fact(seen: SeenProcess, kept: Kept) -> ProcessFact:
    run = kept.book.by_id.get(seen.row.run_id or 0)
    ended = run is not None and run.ended_at is not None and seen.row.started_at > run.ended_at + GRACE
    return ProcessFact(
        argv=seen.argv,
        exe=seen.row.exe,
        cwd=seen.row.cwd,
        cgroup=seen.row.cgroup,
        zone="run" if run else "host",
        parent_argv=tuple(_words.decode(seen.parent_argv)),
        env_names=frozenset(seen.item.record.env_names[:512]),
        marker=seen.row.marker or None,
        run_cgroup=kept.book.cgroup_of(run.pk, seen.row.host_id) if run else None,
        run_ended=ended,
    )


def _of_sockets(kept: Kept, failures: list[Finding]) -> Iterator[Finding]:
    seen = [one for one in kept.sockets if one.process_id is not None]
    if not seen:
        return
    found: list[Finding] = []
    for place, finding in _examined(_socket_facts(seen), [one.item for one in seen], failures):
        one = seen[place]
        run = kept.book.by_id.get(one.run_id or 0)
        found.append(Finding(one.item, finding.rule, run, one.process_id, one.id, finding.detail))
    yield from without_repeats(found)


def _socket_facts(seen: list[SeenSocket]) -> list[Fact]:
    owners = selectors.owners({one.process_id for one in seen if one.process_id is not None})
    alone, together = selectors.recent_targets(
        owners,
        {one.run_id for one in seen if one.run_id is not None},
        first=min(one.row.opened_at for one in seen),
        last=max(one.row.opened_at for one in seen),
    )
    facts: list[Fact] = []
    for one in seen:
        owner = owners[one.process_id or 0]
        targets = alone.get(one.process_id or 0, set()) | together.get((one.run_id or 0, owner.cgroup), set())
        facts.append(
            SocketFact(
                argv=tuple(_words.decode(owner.argv)),
                exe=owner.exe,
                state=one.row.state,
                local=one.row.local,
                remote=one.row.remote or None,
                zone="run" if one.run_id is not None else "host",
                other_remotes=tuple(remote for remote in owner.remotes if remote != one.row.remote),
                recent_targets=tuple(sorted(targets)),
            )
        )
    return facts


def _of_commands(kept: Kept, failures: list[Finding]) -> Iterator[Finding]:
    """What tool calls asked for. Each is looked at once: when its text first became known."""
    asked = [
        (call, call.item, text)
        for call in kept.calls.seen
        if call.item is not None and call.text_is_new and (text := _asked(call))
    ]
    facts = [CommandFact(text=text, tool=call.seen.tool) for call, _, text in asked]
    for place, finding in _examined(facts, [item for _, item, _ in asked], failures):
        call, item, _ = asked[place]
        run = kept.book.by_id.get(call.run_id or 0)
        detail = {**finding.detail, "tool_call": call.id, "tool": call.seen.tool}
        yield Finding(item, finding.rule, run, None, None, detail, call_id=call.id)


def _asked(call: SeenCall) -> str:
    return command_text(call.seen.arguments) if call.seen.captured else ""


# -- what hosts raise themselves -----------------------------------------------------------------


def _of_gaps(lot: Lot) -> Iterator[Finding]:
    for item in lot.of(records.Gap):
        yield Finding(item, GAP.slug, None, None, None, gap_detail(item.record))


def _of_missing(kept: Kept) -> Iterator[Finding]:
    for batch, number in kept.missing:
        record = records.Gap(at=batch.received_at.timestamp(), dropped=number)
        detail = {"batches": number, "before": batch.sequence}
        yield Finding(Item(batch, 0, record), MISSING.slug, None, None, None, detail)


def _of_hosts(lot: Lot, kept: Kept) -> Iterator[Finding]:
    items = lot.of(records.HostAlert)
    asked = [place for place, item in enumerate(items) if item.record.pid is not None]
    keys = [(items[p].batch.host_id, items[p].record.pid, items[p].record.start_ticks) for p in asked]
    known = {asked[place]: process for place, process in selectors.named(keys).items()}
    for place, item in enumerate(items):
        process_id, run_id = known.get(place, (None, None))
        run = kept.book.named(item.record.run) or kept.book.by_id.get(run_id or 0)
        rule = _host_rule(item.record)
        yield Finding(
            item, rule.slug, run, process_id, None, item.record.detail, level=rule.level, title=rule.title
        )


def _host_rule(record: records.HostAlert) -> HostRule:
    return _read_rule(record.rule, record.title, record.family, record.level, record.technique)


@lru_cache(maxsize=4096)
def _read_rule(rule: str, title: str, family: str | None, level: str, technique: str | None) -> HostRule:
    slug = _SLUG.sub("-", rule.lower()).strip("-")[:80] or "unnamed"
    return HostRule(
        slug=slug,
        title=storable(title, limit=200) or slug,
        family=storable(family or "host", limit=40),
        level=level if level in _LEVELS else Level.MEDIUM.value,
        technique=storable(technique or "", limit=16),
    )
