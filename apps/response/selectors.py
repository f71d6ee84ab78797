"""Orders as a host agent pulls them, and what their receipts say."""

from datetime import timedelta

from django.utils import timezone

from apps.fleet.models import Host, HostAgent, Placement
from apps.response.choices import STEPS, Stage
from apps.response.models import ContainmentOrder, OrderTarget, Receipt
from apps.response.reading import judged

MOST_PENDING = 100
JUST_NOW = timedelta(seconds=1)
ON_THE_WAY = STEPS[: STEPS.index(Stage.WATCHING)]


def pending(agent: HostAgent) -> list[OrderTarget]:
    """What waits at this host's door, oldest first; a host that was given up gets it until it expires."""
    waiting = OrderTarget.objects.filter(
        agent=agent,
        stage__in=[Stage.REQUESTED, Stage.UNREACHABLE],
        order__expires_at__gt=timezone.now(),
    )
    return list(waiting.only("payload", "signature").order_by("pk")[:MOST_PENDING])


def stop_is_under_way() -> bool:
    """Whether a host was given an order a moment ago and has not said yet what came of it."""
    since = timezone.now() - JUST_NOW
    going = OrderTarget.objects.filter(settled_at=None, stage__in=ON_THE_WAY, stage_at__gt=since)
    return going.exists()


def reached(order: ContainmentOrder, receipts: list[Receipt]) -> dict[str, int]:
    """The stages that one host's receipts support, each with its milliseconds since the request.

    Receipts travel in bundles, so when one came says little. A host gives its own milliseconds since the
    order reached it; that moment is no later than any receipt's arrival less its milliseconds. The result is
    never earlier than the truth by the server's clock, whatever the host's clock says.
    """
    stages: dict[str, int] = {}
    for part in _parts(receipts):
        delivered = min(_since(order, row) - _on_host(row) for row in part)
        for row in part:
            stages.setdefault(judged(row.data)[0], max(0, round(delivered + _on_host(row))))
    return stages


def _parts(receipts: list[Receipt]) -> list[list[Receipt]]:
    """The receipts in their order, anew from each DELIVERED: a host agent that was restarted counts again."""
    parts: list[list[Receipt]] = []
    for row in sorted(receipts, key=lambda row: row.seq):
        if not parts or row.stage == Stage.DELIVERED:
            parts.append([])
        parts[-1].append(row)
    return parts


def elsewhere(order: ContainmentOrder) -> list[Host]:
    """Hosts that the run reached before this order settled, and that the order does not address."""
    targets = list(order.targets.all())
    settled = [target.settled_at for target in targets]
    until = max((at for at in settled if at), default=timezone.now()) if all(settled) else timezone.now()
    standing = Placement.objects.filter(run=order.run_id, ended_at=None, started_at__lte=until)
    others = standing.exclude(host__in=[target.host_id for target in targets])
    return [row.host for row in others.select_related("host").order_by("host__name")]


def _since(order: ContainmentOrder, row: Receipt) -> float:
    return (row.received_at - order.requested_at).total_seconds() * 1000


def _on_host(row: Receipt) -> float:
    return float(row.data.get("mono_ms", 0))
