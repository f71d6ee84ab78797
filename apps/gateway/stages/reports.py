"""Reports: what alert sources told becomes alerts-to-be, each with the host, process and run it was about."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apps.core.jsontext import json_text
from apps.core.text import storable
from apps.detection.services import AlertRow, HostRule, KnownRule, know_rules
from apps.fleet import strangers
from apps.fleet.models import Host, TrainingRun
from apps.fleet.selectors import RunBook, run_book
from apps.fleet.strangers import Named
from apps.gateway.adapters import ADAPTERS
from apps.gateway.adapters.base import MOST_INFLATED, Told, slug
from apps.gateway.envelope import inflate
from apps.gateway.stages.detect import Found
from apps.gateway.stages.store import REMEMBERED, Kept
from apps.incidents.keys import correlation_key
from apps.telemetry import reports, selectors
from apps.telemetry.flows import read_flow
from apps.telemetry.reports import WaitingReport


@dataclass(slots=True)
class Placed:
    """One told alert, and what of ours it was about as far as that is known."""

    report: WaitingReport
    position: int
    told: Told
    host_id: int | None = None
    process_id: int | None = None
    connection_id: int | None = None
    run_id: int | None = None

    @property
    def at(self) -> datetime:
        """When it was by the sensor's clock; by ours, where that could not be read."""
        at = self.told.at
        return self.report.received_at if at is None else datetime.fromtimestamp(at, UTC)

    @property
    def slug(self) -> str:
        """The rule among ours."""
        return slug(self.report.format, self.told.rule)

    @property
    def named(self) -> Named:
        """What it says of its host."""
        return Named(self.told.names, self.told.addresses)


def detect_reports(taken: Sequence[WaitingReport]) -> tuple[Kept, Found]:
    """Everything in the reports that was not told before, and the runs it may be of."""
    placed = _news(taken)
    _find_hosts(placed)
    _find_owners(placed)
    _find_processes(placed)
    _find_containers(placed)
    made = _make_strangers(placed)
    hosts = _names(placed)
    book = _book(placed)
    rules = know_rules((), [_rule(one) for one in placed]) if placed else {}
    found = Found([], {}, {}, {})
    for one in placed:
        run = book.by_id.get(one.run_id or 0)
        rule = rules[one.slug]
        place = f"in run {run.name}" if run else f"on host {hosts[one.host_id or 0]}"
        found.add(_row(one, rule, run), rule, place)
    return Kept(book, hosts=made), found


def _news(taken: Sequence[WaitingReport]) -> list[Placed]:
    """What is told for the first time, by whichever report of that source."""
    placed = [
        Placed(report, position, told) for report in taken for position, told in enumerate(_opened(report))
    ]
    keys = [(one.report.source_id, _native(one.told), one.report.id) for one in placed]
    fresh = reports.first_told(keys)
    news = []
    for one, (source, native, _) in zip(placed, keys, strict=True):
        if (source, native) in fresh:
            fresh.remove((source, native))
            news.append(one)
    return news


def _opened(report: WaitingReport) -> list[Told]:
    content = inflate(report.body, report.encoding, limit=MOST_INFLATED)
    return ADAPTERS[report.format].read(content).told


def _native(told: Told) -> bytes:
    return hashlib.blake2b(told.native.encode("utf-8", "replace"), digest_size=16).digest()


# -- where it was ----------------------------------------------------------------------------------


def _find_hosts(placed: Sequence[Placed]) -> None:
    for one, host in zip(placed, strangers.watched_hosts([one.named for one in placed]), strict=True):
        one.host_id = host


def _find_owners(placed: Sequence[Placed]) -> None:
    """Whose the flow was; that says the host too, where translated addresses hid it."""
    pairs = [
        (one, flow) for one in placed if (flow := read_flow(one.told.flow, host_id=one.host_id, at=one.at))
    ]
    for place, owner in selectors.flow_owners([flow for _, flow in pairs]).items():
        one = pairs[place][0]
        one.host_id, one.process_id, one.run_id = owner.host_id, owner.process_id, owner.run_id
        one.connection_id = owner.connection_id


def _find_processes(placed: Sequence[Placed]) -> None:
    asked = [(one, one.host_id, one.told.pid) for one in placed if one.process_id is None]
    known = [(one, host, pid) for one, host, pid in asked if host is not None and pid is not None]
    found = selectors.alive_at([(host, pid, one.at) for one, host, pid in known])
    for place, (process, run) in found.items():
        known[place][0].process_id, known[place][0].run_id = process, run


def _find_containers(placed: Sequence[Placed]) -> None:
    asked = [(one, one.host_id) for one in placed if one.run_id is None and one.told.container]
    known = [(one, host) for one, host in asked if host is not None]
    found = selectors.runs_of_containers([(host, one.told.container, one.at) for one, host in known])
    for place, run in found.items():
        known[place][0].run_id = run


def _make_strangers(placed: Sequence[Placed]) -> set[int]:
    """Every alert has a host, if only one that the alert itself named; answers those."""
    unknown = sorted({one.named for one in placed if one.host_id is None})  # as every worker does
    made = {named: strangers.stranger(named) for named in unknown}
    for one in placed:
        if one.host_id is None:
            one.host_id = made[one.named]
    return set(made.values())


def _names(placed: Sequence[Placed]) -> dict[int, str]:
    ids = _ids(one.host_id for one in placed)
    return dict(Host.objects.filter(pk__in=ids).values_list("pk", "name"))


def _book(placed: Sequence[Placed]) -> RunBook:
    if not placed:
        return RunBook()
    since = min(one.at for one in placed) - REMEMBERED
    book = run_book(_ids(one.host_id for one in placed), names=(), since=since)
    missing = _ids(one.run_id for one in placed) - book.by_id.keys()
    book.by_id |= TrainingRun.objects.in_bulk(missing) if missing else {}
    return book


def _ids(found: Iterable[int | None]) -> set[int]:
    return {pk for pk in found if pk is not None}


# -- what it becomes -------------------------------------------------------------------------------


def _rule(one: Placed) -> HostRule:
    told = one.told
    return HostRule(
        slug=one.slug,
        title=told.title,
        family=told.family,
        level=told.level,
        technique=told.technique,
        source=one.report.format,
        behaviour=told.behaviour,
    )


def _row(one: Placed, rule: KnownRule, run: TrainingRun | None) -> AlertRow:
    host_id = one.host_id or 0
    drill = run.drill if run else False
    run_id = run.pk if run else None
    return AlertRow(
        rule_id=rule.id,
        level=one.told.level,
        title=storable(one.told.title, limit=200) or rule.title,
        host_id=host_id,
        run_id=run_id,
        process_id=one.process_id,
        connection_id=one.connection_id,
        batch_id=None,
        position=one.position,
        occurred_at=one.at,
        received_at=one.report.received_at,
        correlation_key=correlation_key(
            run_id=run_id, host_id=host_id, behaviour=rule.behaviour, drill=drill
        ),
        drill=drill,
        detail=json_text(_detail(one)),
        report_id=one.report.id,
    )


def _detail(one: Placed) -> dict[str, Any]:
    told = one.told
    detail: dict[str, Any] = {
        "source": one.report.source_name,
        "format": one.report.format,
        "sensor_rule": told.rule,
        **told.detail,
    }
    if told.flow:
        detail["flow"] = told.flow
    if told.pid is not None:
        detail["pid"] = told.pid
    if told.container:
        detail["container"] = told.container
    if told.at is None and told.family != "coverage":
        detail["time"] = "not readable: the time of receipt stands for it"
    return detail
