"""An order is a row, signed for each host, in the trail and on its way with one commit."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.audit import services as audit
from apps.core import precedence
from apps.core.bulk import rows
from apps.core.text import storable, typable
from apps.feed import services as feed
from apps.fleet.models import TrainingRun
from apps.incidents.models import Incident
from apps.response.aim import Preview, Target, preview
from apps.response.choices import Action, Stage
from apps.response.models import ContainmentOrder, OrderTarget
from apps.response.news import order_subject, topics_of
from apps.response.signing import canonical, sign_order

IDS = "SELECT nextval(pg_get_serial_sequence('response_ordertarget', 'id')) FROM generate_series(1, %s)"


class OrderRefusedError(Exception):
    """Nothing was ordered. `code` is for scripts, the text for the person."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def issue(
    run: TrainingRun,
    *,
    action: str,
    by: User,
    reason: str,
    typed_name: str,
    parameters_digest: str,
    idempotency_key: str,
    incident: Incident | None = None,
    by_kind: str = "person",
) -> ContainmentOrder:
    """Every host where `run` stands has a signed order waiting, and is rung when this commits.

    Who may order is checked at the door; here it is refused (OrderRefusedError) without a reason, without
    the run's own name under a KILL, for targets other than those the person saw, and for a run that is not
    live. The same `idempotency_key` from the same person for the same act gives the same order again.
    `by_kind` is `script` where the person's token ordered.
    """
    _check_words(run, action=action, reason=reason, typed_name=typed_name, key=idempotency_key)
    precedence.claim()
    with _one_key(), transaction.atomic():
        # One order on a run at a time: the key is looked up and the targets are read under this lock.
        run = TrainingRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        if again := ContainmentOrder.objects.filter(idempotency_key=idempotency_key).first():
            return _same(again, run=run, action=action, by=by)
        seen = preview(run)
        _check_aim(seen, action=action, digest=parameters_digest)
        now = timezone.now()
        order = ContainmentOrder.objects.create(
            action=action,
            run=run,
            incident=incident,
            by=by,
            reason=storable(reason.strip(), limit=500),
            parameters_digest=seen.digest,
            idempotency_key=idempotency_key,
            drill=run.drill,
            requested_at=now,
            expires_at=now + timedelta(seconds=settings.ORDER_EXPIRY_SECONDS),
        )
        targets = _address(order, seen.targets, now=now)
        _tell(order, targets, by_kind=by_kind)
    return order


@contextmanager
def _one_key() -> Iterator[None]:
    """Two runs ordered at the same instant under one key: the second is told, not shown an error."""
    try:
        yield
    except IntegrityError as error:
        if "idempotency_key" not in str(error):
            raise
        raise OrderRefusedError("key_reused", "This idempotency key belongs to another order.") from None


def _check_words(run: TrainingRun, *, action: str, reason: str, typed_name: str, key: str) -> None:
    if action not in Action.values:
        raise OrderRefusedError("unknown_action", "The action has to be PAUSE, RESUME or KILL.")
    if not reason.strip():
        raise OrderRefusedError("no_reason", "An order needs a reason: it stays in the audit trail.")
    if action == Action.KILL and typable(typed_name) != typable(run.name):
        raise OrderRefusedError("wrong_name", f"To kill this run, type its name exactly: {typable(run.name)}")
    if not 8 <= len(key) <= 64:
        raise OrderRefusedError("bad_key", "The idempotency key has to have 8 to 64 characters.")


def _check_aim(seen: Preview, *, action: str, digest: str) -> None:
    if not seen.allows(action):
        raise OrderRefusedError("not_live", f"{seen.run.name} is not live: there is nothing to order.")
    if digest != seen.digest:
        raise OrderRefusedError(
            "stale_targets", "The run stands elsewhere than a moment ago: look at the targets again."
        )


def _same(order: ContainmentOrder, *, run: TrainingRun, action: str, by: User) -> ContainmentOrder:
    if (order.run_id, order.action, order.by_id) != (run.pk, action, by.pk):
        raise OrderRefusedError("key_reused", "This idempotency key belongs to another order.")
    return order


def _address(order: ContainmentOrder, aims: list[Target], *, now: datetime) -> list[OrderTarget]:
    """One row a host. The signed text holds the row's own id, so ids are drawn before there are rows."""
    ids = rows(IDS, [len(aims)])
    targets = [
        OrderTarget(
            pk=pk,
            order=order,
            host=aim.host,
            agent=aim.agent,
            nonce=secrets.token_hex(16),
            stage=Stage.REQUESTED if aim.agent else Stage.UNREACHABLE,
            stage_at=now,
            detail="" if aim.agent else "No host agent takes orders on this host.",
        )
        for (pk,), aim in zip(ids, aims, strict=True)
    ]
    for target, aim in zip(targets, aims, strict=True):
        if aim.agent:
            target.payload = canonical(_payload(order, target, aim))
            target.signature = sign_order(target.payload)
    return OrderTarget.objects.bulk_create(targets)


def _payload(order: ContainmentOrder, target: OrderTarget, aim: Target) -> dict[str, object]:
    return {
        "order_id": target.pk,
        "number": order.number,
        "agent_id": str(aim.agent.uuid) if aim.agent else "",
        "host_id": str(aim.host.pk),
        "run": order.run.name,
        "marker": order.run.marker,
        "action": order.action,
        "targets": {
            "cgroup": aim.cgroup or None,
            "root_pid": aim.root_pid,
            "root_start_ticks": aim.root_start_ticks,
            "pids": [list(pair) for pair in aim.pids],
        },
        "respawn_watch_s": settings.RESPAWN_WATCH_SECONDS,
        "nonce": target.nonce,
        "issued_ms": int(order.requested_at.timestamp() * 1000),
        "expires_ms": int(order.expires_at.timestamp() * 1000),
        "reason": order.reason,
        "by": order.by.username,
        "drill": order.drill,
    }


def _tell(order: ContainmentOrder, targets: list[OrderTarget], *, by_kind: str) -> None:
    audit.record(
        "order.issued",
        by=audit.By(by_kind, order.by.username),
        subject=order_subject(order),
        drill=order.drill,
        act=order.action,
        run=order.run.name,
        incident=order.incident.number if order.incident else None,
        reason=order.reason,
        hosts=[target.host.name for target in targets],
        unreachable=[target.host.name for target in targets if target.agent is None],
        parameters_digest=order.parameters_digest,
        expires_at=order.expires_at,
    )
    feed.publish(
        "order.issued",
        topics=[*topics_of(order), "queue"],
        subject=("order", order.pk),
        by=order.by.username,
        number=order.number,
        action=order.action,
        run=order.run_id,
    )
    feed.hand({f"orders:{target.agent_id}": _signed(target) for target in targets if target.agent_id})


def _signed(target: OrderTarget) -> str:
    return json.dumps({"payload": target.payload, "signature": target.signature})
