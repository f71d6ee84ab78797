"""Repeats: what a process goes on doing is said once, and again when there is something new to say.

A tunnel in use opens a connection every few seconds. That is one alert a process, rule and peer, not one a
connection; the connections themselves are all kept. It is said again for another peer, after `AFTER`, and
when the incident that it went to was closed meanwhile.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from apps.core.text import storable
from apps.detection.selectors import BY_SLUG, AlertSaid, said_of
from apps.incidents.keys import correlation_key
from apps.incidents.models import IncidentSpan
from apps.telemetry import selectors

if TYPE_CHECKING:
    from apps.gateway.stages.detect import Finding

AFTER = timedelta(minutes=15)  # by the server's clock: a host's own could be set to silence it
REMEMBERED = timedelta(days=1)  # within which a repeat knows how often it was in between
TIMES = "connections"  # in an alert's detail, when it speaks for more than one


class Saying(NamedTuple):
    """What makes two findings the same."""

    process_id: int
    slug: str
    key: bytes  # of its incident
    peer: tuple[str, ...]


def without_repeats(findings: Sequence["Finding"]) -> list["Finding"]:
    """Those findings about sockets that say something new, each with how many connections it speaks for."""
    if not findings:
        return []
    apart: dict[Saying, list[Finding]] = {}
    for finding in findings:
        apart.setdefault(_saying(finding), []).append(finding)
    said = _said(apart)
    kept: list[Finding] = []
    for saying, same in apart.items():
        before = said.get(saying)
        now = same[0].item.batch.received_at
        if before is None:
            kept.append(_counted(same[0], _opened(same)))
        elif before.received_at <= now - AFTER:
            kept.append(_counted(same[0], selectors.opened_since(saying.process_id, before.connection_id)))
    return kept


def _said(wanted: dict[Saying, list["Finding"]]) -> dict[Saying, AlertSaid]:
    """The last alert of each of `wanted`, where its incident is still open."""
    since = min(same[0].item.batch.received_at for same in wanted.values()) - REMEMBERED
    earlier = said_of({one.process_id for one in wanted}, {one.slug for one in wanted}, since=since)
    if not earlier:
        return {}
    spans = IncidentSpan.objects.filter(key__in={one.key for one in wanted}, last_alert_id=None)
    open_from = {bytes(key): first for key, first in spans.values_list("key", "first_alert_id")}
    found: dict[Saying, AlertSaid] = {}
    for alert in earlier:  # newest first
        key = bytes(alert.correlation_key)
        if key in open_from and alert.id >= open_from[key]:
            peer = _peer(alert.slug, alert.detail, alert.remote or alert.local)
            found.setdefault(Saying(alert.process_id, alert.slug, key, peer), alert)
    return found


def _saying(finding: "Finding") -> Saying:
    run, process = finding.run, finding.process_id or 0
    key = correlation_key(
        run_id=run.pk if run else None,
        host_id=finding.item.batch.host_id,
        behaviour=BY_SLUG[finding.slug].behaviour,
        drill=run.drill if run else False,
    )
    socket = finding.item.record
    other = storable(socket.remote or socket.local, limit=64)  # as it is stored
    return Saying(process, finding.slug, key, _peer(finding.slug, finding.detail, other))


def _peer(slug: str, detail: Any, other: str) -> tuple[str, ...]:
    told = detail if isinstance(detail, dict) else {}
    return tuple(str(told.get(name, "")) for name in BY_SLUG[slug].peer) or (other,)


def _opened(same: list["Finding"]) -> int:
    """How many connections to one peer these are; one is seen twice on its way to being established."""
    sockets = [finding.item.record for finding in same]
    return len({record.local for record in sockets if record.remote == sockets[0].remote})


def _counted(finding: "Finding", times: int) -> "Finding":
    return finding._replace(detail={**finding.detail, TIMES: times}) if times > 1 else finding
