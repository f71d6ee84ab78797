"""Silence is never success: what does not answer in time is called by its name."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.audit import services as audit
from apps.core.transitions import moved
from apps.feed import services as feed
from apps.response.choices import STEPS, Stage
from apps.response.models import OrderTarget
from apps.response.news import moved_entry, order_subject

SWEEPER = 7_310  # advisory lock: one process sweeps at a time, the others pass by
MOST = 500
WAITING = (Stage.REQUESTED, Stage.UNREACHABLE)
UNDER_WAY = STEPS[STEPS.index(Stage.DELIVERED) :]


@dataclass(frozen=True, slots=True)
class Rule:
    """Targets in one of `frm` that meet `when` have been silent for too long."""

    frm: tuple[Stage, ...]
    to: Stage
    when: Q
    action: str
    detail: str


def sweep_silence(*, now: datetime | None = None) -> int:
    """Targets that were silent for too long say so, in the trail and on the page. Returns how many moved.

    A late receipt still settles them.
    """
    now = now or timezone.now()
    with transaction.atomic():
        if not _first():
            return 0
        # All rows move before the trail's lock is taken: a receipt holds its row and waits for that lock.
        silent = [one for rule in rules(now) for one in _apply(rule, now)]
        for rule, target, before in silent:
            _record(rule, target, before)
        if silent:
            feed.publish_many([moved_entry(target, by="") for _, target, _ in silent])
    return len(silent)


def rules(now: datetime) -> list[Rule]:
    """What counts as too long at `now`. Expiry first: it is final."""
    silence = settings.ORDER_SILENCE_SECONDS
    proof = settings.RESPAWN_WATCH_SECONDS + silence
    return [
        Rule(
            WAITING,
            Stage.EXPIRED,
            Q(order__expires_at__lte=now),
            "order.expired",
            "Expired at the host's door.",
        ),
        Rule(
            (Stage.REQUESTED,),
            Stage.UNREACHABLE,
            Q(stage_at__lte=now - timedelta(seconds=silence)),
            "order.unreachable",
            f"No answer for {silence} s. Treat the run as alive there.",
        ),
        Rule(
            UNDER_WAY,
            Stage.NOT_CONFIRMED,
            Q(stage_at__lte=now - timedelta(seconds=proof)),
            "order.unreachable",
            f"Delivered, then no proof for {proof} s.",
        ),
    ]


def _first() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SWEEPER])
        return bool(cursor.fetchone()[0])


def _silent(rule: Rule) -> QuerySet[OrderTarget]:
    rows = OrderTarget.objects.filter(rule.when, stage__in=rule.frm, settled_at=None)
    # A row that a receipt holds right now is not silent.
    locked = rows.select_for_update(of=("self",), skip_locked=True, no_key=True)
    return locked.select_related("order", "host").order_by("order_id", "pk")


def _apply(rule: Rule, now: datetime) -> list[tuple[Rule, OrderTarget, str]]:
    settled = now if rule.to == Stage.EXPIRED else None
    also = {"stage_at": now, "settled_at": settled, "detail": rule.detail}
    rows = [(rule, target, target.stage) for target in _silent(rule)[:MOST]]
    return [one for one in rows if moved(one[1], "stage", frm=[one[2]], to=rule.to, **also)]


def _record(rule: Rule, target: OrderTarget, before: str) -> None:
    audit.record(
        rule.action,
        by=audit.SYSTEM,
        subject=order_subject(target.order),
        drill=target.order.drill,
        host=target.host.name,
        before=before,
        after=target.stage,
        why=rule.detail,
    )
