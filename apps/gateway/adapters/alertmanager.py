"""Alertmanager's webhook, version 4: a group of alerts, of which some may be over and some cut off."""

from apps.core.addresses import plain_address
from apps.detection.choices import Level
from apps.fleet.choices import AlertFormat
from apps.gateway.adapters.base import (
    CUT,
    MOST_ITEMS,
    Adapter,
    Item,
    Sheet,
    Told,
    UnreadableError,
    hashed,
    inner,
    items,
    moment,
    obj,
    technique_of,
    text,
    whole,
    without_empty,
)

LEVELS = {
    "emergency": Level.CRITICAL,
    "critical": Level.CRITICAL,
    "page": Level.CRITICAL,
    "fatal": Level.CRITICAL,
    "error": Level.HIGH,
    "high": Level.HIGH,
    "major": Level.HIGH,
    "warning": Level.MEDIUM,
    "medium": Level.MEDIUM,
    "minor": Level.LOW,
    "low": Level.LOW,
    "info": Level.INFO,
    "informational": Level.INFO,
    "none": Level.INFO,
}
HOSTS = ("hostname", "host", "node", "nodename", "instance")
MOST_LABELS = 32


def read(content: bytes) -> Sheet:
    """The alerts that fire; those that are over are counted, and those that were cut are an alert."""
    sheet = Sheet()
    for group in items(content):
        alerts = inner(group, "alerts") if group else None
        if group is None or not isinstance(alerts, list) or text(group, "version") not in ("4", ""):
            raise UnreadableError("it is no webhook message of version 4")
        if len(alerts) > MOST_ITEMS - len(sheet.told):
            raise UnreadableError(f"it has more than {MOST_ITEMS:,} alerts: set max_alerts")
        for alert in alerts:
            _one(alert, sheet)
        if (cut := whole(group, "truncatedAlerts") or 0) > 0:
            sheet.told.append(_cut(group, cut))
    return sheet


def _one(alert: object, sheet: Sheet) -> None:
    if not isinstance(alert, dict):
        sheet.unreadable += 1
        return
    if text(alert, "status") == "resolved":
        sheet.resolved += 1
        return
    labels, notes = obj(alert, "labels"), obj(alert, "annotations")
    name = text(labels, "alertname", limit=120) or "unnamed alert"
    hosts = [host for label in HOSTS if (host := _without_port(text(labels, label, limit=120)))]
    mark = text(alert, "fingerprint", limit=64) or hashed(alert, "labels")
    sheet.told.append(
        Told(
            native=f"{mark} {text(alert, 'startsAt', limit=64)}",
            at=moment(inner(alert, "startsAt")),
            rule=name,
            title=text(notes, "summary", limit=200) or name,
            behaviour=name[:60],
            level=LEVELS.get(text(labels, "severity").lower(), Level.MEDIUM).value,
            technique=technique_of(labels.get("technique") or labels.get("mitre")),
            names=tuple(host for host in hosts if not plain_address(host)),
            addresses=tuple(plain for host in hosts if (plain := plain_address(host))),
            family="monitoring",
            detail=without_empty(
                {
                    "labels": {key[:80]: text(labels, key) for key in list(labels)[:MOST_LABELS]},
                    "summary": text(notes, "summary"),
                    "description": text(notes, "description", limit=2_000),
                    "generator": text(alert, "generatorURL"),
                }
            ),
        )
    )


def _cut(group: Item, number: int) -> Told:
    return Told(
        native=hashed(group),
        at=None,
        rule="truncated alerts",
        title="Alertmanager cut alerts from its message",
        behaviour=CUT,
        level=Level.MEDIUM.value,
        family="coverage",
        detail={"truncated": number, "group": text(group, "groupKey")},
    )


def _without_port(told: str) -> str:
    """`trainer-7:9100` names a host, and where on it somebody measures."""
    if told.startswith("["):
        return told[1:].partition("]")[0]
    host, _, port = told.rpartition(":")
    return host if host and ":" not in host and port.isdecimal() else told


# Alertmanager sends again after 5xx and after nothing else, not even 429.
ADAPTER = Adapter(AlertFormat.ALERTMANAGER, read, busy=503)
