"""Falco's JSON output: one object an alert, without an id of its own."""

from typing import Any

from apps.detection.choices import Level
from apps.fleet.choices import AlertFormat
from apps.gateway.adapters.base import (
    BLIND,
    Adapter,
    Item,
    Sheet,
    Told,
    UnreadableError,
    container_of,
    epoch,
    flow_of,
    hashed,
    inner,
    moment,
    obj,
    pid_of,
    sheet_of,
    technique_of,
    text,
    texts,
    without_empty,
)

LEVELS = {
    "emergency": Level.CRITICAL,
    "alert": Level.CRITICAL,
    "critical": Level.CRITICAL,
    "error": Level.HIGH,
    "warning": Level.MEDIUM,
    "notice": Level.LOW,
    "informational": Level.INFO,
    "info": Level.INFO,
    "debug": Level.INFO,
}
DROPS = "falco internal: syscall event drop"
SHOWN = (
    "proc.cmdline", "proc.name", "proc.pname", "proc.exepath", "user.name", "fd.name", "container.name",
    "container.image.repository", "k8s.ns.name", "k8s.pod.name",
)  # fmt: skip


def read(content: bytes) -> Sheet:
    """The alerts; what Falco says of its own dropped events is an alert that it was blind."""
    return sheet_of(content, _one)


def _one(item: Item, sheet: Sheet) -> None:
    rule = text(item, "rule", limit=200)
    if not rule or not text(item, "priority"):
        raise UnreadableError("it has no rule or no priority")
    fields = obj(item, "output_fields")
    blind = rule.lower().startswith(DROPS)
    at = moment(inner(item, "time"))
    sheet.told.append(
        Told(
            native=hashed(item),
            at=at if at is not None else epoch(fields.get("evt.time"), per_second=1e9),
            rule=rule,
            title="Falco dropped system calls: it was blind" if blind else rule,
            behaviour=BLIND if blind else rule[:60],
            level=LEVELS.get(text(item, "priority").lower(), Level.MEDIUM).value,
            technique="T1562" if blind else technique_of(item.get("tags")),
            names=tuple(name for name in (text(item, "hostname", limit=120),) if name),
            flow=_flow(fields),
            pid=pid_of(fields, "proc.pid"),
            container=container_of(fields.get("container.id")),
            family="coverage" if blind else "syscall",
            detail=_detail(item, fields),
        )
    )


def _flow(fields: Item) -> dict[str, object] | None:
    """Where the rule asks for them: client is who began it."""
    names = ("fd.l4proto", "fd.cip", "fd.cport", "fd.sip", "fd.sport")
    return flow_of(*(fields.get(name) for name in names))


def _detail(item: Item, fields: Item) -> dict[str, Any]:
    said = {name: text(fields, name) for name in SHOWN}
    more = {"output": text(item, "output", limit=2_000), "source": text(item, "source")}
    dropped = {name: text(fields, name) for name in list(fields)[:64] if name.startswith("n_drops")}
    return without_empty(more | said | dropped | {"tags": texts(item.get("tags"), limit=80)})


ADAPTER = Adapter(AlertFormat.FALCO, read)
