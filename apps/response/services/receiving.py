"""A receipt counts when its host signed it, for the order that it was given, and only forwards."""

import hashlib
import secrets
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from apps.audit import services as audit
from apps.core.text import storable
from apps.core.transitions import move
from apps.feed import services as feed
from apps.feed.models import FeedEntry
from apps.fleet.models import HostAgent
from apps.response import outcome
from apps.response.choices import OUTCOMES, REACHED_FROM, REFUSALS, SETTLED, Stage
from apps.response.models import OrderTarget, Receipt
from apps.response.news import moved_entry, order_subject, run_entry
from apps.response.reading import UnprovenError, judged, read


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one receipt: `stored`, `duplicate` or `refused` with its reason."""

    result: str
    detail: str = ""


@dataclass(slots=True)
class _Heard:
    """One target's new receipts of this bundle."""

    target: OrderTarget
    before: str
    known: dict[int, str] = field(default_factory=dict)  # receipts of earlier bundles: number and exact text
    receipts: list[Receipt] = field(default_factory=list)
    doubt: str = ""
    run_state: str | None = None


def receive(agent: HostAgent, payload_text: str, signature: str) -> Taken:
    """`receive_all` for one receipt."""
    return receive_all(agent, [(payload_text, signature)])[0]


def receive_all(agent: HostAgent, given: list[tuple[str, str]]) -> list[Taken]:
    """The receipts are evidence, their targets stand where the host signed, and pages are told.

    What is forged, replayed with other words, or about somebody else's order is refused and the refusal
    recorded; the order does not move. The same receipt again changes nothing. All in one transaction, so
    the steps of a stop cost one commit.
    """
    with transaction.atomic():
        read_ones = [_read(agent, text, signature) for text, signature in given]
        heard = _lock(agent, [one for one in read_ones if isinstance(one, dict)])
        results = [
            _refused(one) if isinstance(one, UnprovenError) else _keep(heard, one, text, signature)
            for one, (text, signature) in zip(read_ones, given, strict=True)
        ]
        _move(heard)
        _record(agent, heard, [result for result in results if result.result == "refused"])
        feed_entries = _news(heard)
        if feed_entries:
            feed.publish_many(feed_entries)
    return results


def _read(agent: HostAgent, text: str, signature: str) -> dict[str, Any] | UnprovenError:
    try:
        return read(agent, text, signature)
    except UnprovenError as refused:
        return refused


def _refused(why: UnprovenError) -> Taken:
    return Taken("refused", str(why))


def _lock(agent: HostAgent, receipts: list[dict[str, Any]]) -> dict[int, _Heard]:
    """The agent's targets that are spoken of, locked with their orders: hosts of one order are judged in
    turn, or the two last could each believe that the other is still alive."""
    ids = {one["order_id"] for one in receipts}
    rows = OrderTarget.objects.filter(pk__in=ids, agent=agent).select_related("order", "host")
    locked = rows.select_for_update(of=("self", "order"), no_key=True).order_by("order_id", "pk")
    heard = {target.pk: _Heard(target, target.stage) for target in locked}
    known = Receipt.objects.filter(target__in=heard, seq__in={one["seq"] for one in receipts})
    for target_id, seq, payload in known.values_list("target_id", "seq", "payload"):
        heard[target_id].known[seq] = payload
    return heard


def _keep(heard: dict[int, _Heard], data: dict[str, Any], text: str, signature: str) -> Taken:
    try:
        one = _addressed(heard, data)
    except UnprovenError as refused:
        return _refused(refused)
    seq, known = data["seq"], one.known.get(data["seq"])
    if known is not None:
        other = "another receipt was already received under this number"
        return Taken("duplicate") if known == text else Taken("refused", other)
    one.known[seq] = text
    one.receipts.append(
        Receipt(
            target=one.target,
            seq=seq,
            stage=data["stage"],
            payload=text,
            signature=signature,
            data=data,
            host_at=datetime.fromtimestamp(data["at_ms"] / 1000, UTC),
            received_at=timezone.now(),
        )
    )
    return Taken("stored")


def _addressed(heard: dict[int, _Heard], data: dict[str, Any]) -> _Heard:
    """Whose receipt it is, if it fits an order that this agent was given."""
    one = heard.get(data["order_id"])
    if one is None:
        raise UnprovenError("this host agent was given no such order")
    if not secrets.compare_digest(one.target.nonce.encode(), data["nonce"].encode("utf-8", "replace")):
        raise UnprovenError("the nonce is not that of the order")
    action, stage = one.target.order.action, data["stage"]
    if stage not in REACHED_FROM or (stage in SETTLED and stage not in OUTCOMES[action] | REFUSALS):
        raise UnprovenError(f"{action} does not end in {stage}")
    return one


def _move(heard: dict[int, _Heard]) -> None:
    """Receipts are kept and targets moved, all rows before the trail's lock is taken."""
    _insert([receipt for one in heard.values() for receipt in one.receipts])
    for one in heard.values():
        if steps := _steps(one):
            stage, also = steps
            rows = OrderTarget.objects.filter(pk=one.target.pk)
            if move(rows, "stage", frm=[one.before], to=stage, **also):
                one.target.stage = stage
                one.run_state = outcome.settle(one.target)


def _insert(receipts: list[Receipt]) -> None:
    """Written out, because bulk_create packs texts into arrays and escapes each of their quotes in Python."""
    if not receipts:
        return
    fields = [field for field in Receipt._meta.concrete_fields if not field.primary_key]
    names = ", ".join(f'"{field.column}"' for field in fields)
    query = f"INSERT INTO {Receipt._meta.db_table} ({names}) VALUES ({', '.join(['%s'] * len(fields))})"  # noqa: S608
    rows = [
        [field.get_db_prep_save(getattr(one, field.attname), connection) for field in fields]
        for one in receipts
    ]
    with connection.cursor() as cursor:
        cursor.executemany(query, rows)


def _steps(one: _Heard) -> tuple[Stage, dict[str, Any]] | None:
    """Where the receipts, in their order, take the target; None where it stays."""
    now, stage, also = timezone.now(), Stage(one.before), dict[str, Any]()
    for receipt in sorted(one.receipts, key=lambda row: row.seq):
        claimed, doubt = judged(receipt.data)
        if stage not in REACHED_FROM[claimed]:
            continue
        stage, one.doubt = claimed, doubt
        also["detail"] = storable(doubt or receipt.data.get("detail", ""), limit=500)
        counts = {name: receipt.data.get(name) for name in ("processes_before", "processes_after")}
        also |= {name: value for name, value in counts.items() if value is not None}
    if not also:
        return None
    also |= {"stage_at": now, "settled_at": now if stage in SETTLED else None}
    also["delivered_at"] = one.target.delivered_at or now
    return stage, also


def _record(agent: HostAgent, heard: dict[int, _Heard], refused: list[Taken]) -> None:
    for one in heard.values():
        if one.receipts:
            audit.record(
                "receipt.received",
                by=audit.By("host", one.target.host.name),
                subject=order_subject(one.target.order),
                drill=one.target.order.drill,
                receipts=[_trace(row) for row in one.receipts],
                before=one.before,
                after=one.target.stage,
                doubt=one.doubt,
                run_state=one.run_state,
            )
    if refused:
        subject = audit.Subject("agent", str(agent.uuid), agent.host.name)
        why = [f"{number}: {text}" for text, number in _counted(refused).items()]
        audit.record("receipt.refused", by=audit.By("host", agent.host.name), subject=subject, why=why)


def _trace(row: Receipt) -> dict[str, Any]:
    """Enough to find the receipt again, and to see that it is the same."""
    return {
        "seq": row.seq,
        "stage": row.stage,
        "host_at": row.host_at,
        "sha256": hashlib.sha256(row.payload.encode()).hexdigest(),
    }


def _counted(refused: list[Taken]) -> dict[str, int]:
    counted: dict[str, int] = defaultdict(int)
    for one in refused:
        counted[one.detail] += 1
    return counted


def _news(heard: dict[int, _Heard]) -> list[FeedEntry]:
    news = []
    for one in heard.values():
        if one.target.stage != one.before:
            news.append(moved_entry(one.target, by=one.target.host.name))
        if one.run_state:
            news.append(run_entry(one.target, one.run_state))
    return news
