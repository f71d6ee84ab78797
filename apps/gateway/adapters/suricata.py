"""Suricata EVE: lines of `event_type` "alert"; of a flow it knows both ends, and no process."""

from typing import Any

from apps.core.addresses import is_inside
from apps.detection.choices import Level
from apps.fleet.choices import AlertFormat
from apps.gateway.adapters.base import (
    Adapter,
    Item,
    Sheet,
    Told,
    UnreadableError,
    flow_of,
    hashed,
    inner,
    moment,
    sheet_of,
    technique_of,
    text,
    whole,
    without_empty,
)

LEVELS = {1: Level.HIGH, 2: Level.MEDIUM, 3: Level.LOW}  # 1 is the highest
# Suricata has no id of an alert: the flow, the rule and the time together are one. Rules without a flow
# (of single packets) are told apart by their ends.
ONE = (
    "flow_id",
    "alert.gid",
    "alert.signature_id",
    "timestamp",
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
)


def read(content: bytes) -> Sheet:
    """The alerts in EVE lines; other events are ignored."""
    return sheet_of(content, _one)


def _one(item: Item, sheet: Sheet) -> None:
    kind = text(item, "event_type")
    if not kind:
        raise UnreadableError("it has no event_type")
    if kind != "alert":
        sheet.ignored += 1
        return
    sid = whole(item, "alert", "signature_id")
    if sid is None:
        raise UnreadableError("it has no signature_id")
    flow = flow_of(*(inner(item, name) for name in ("proto", "src_ip", "src_port", "dest_ip", "dest_port")))
    signature = text(item, "alert", "signature", limit=200) or f"Suricata rule {sid}"
    category = text(item, "alert", "category", limit=60)
    gid = whole(item, "alert", "gid")
    sheet.told.append(
        Told(
            native=hashed(item, *ONE),
            at=moment(inner(item, "timestamp")),
            rule=f"{1 if gid is None else gid}:{sid}",
            title=signature,
            behaviour=category or signature[:60],
            level=LEVELS.get(whole(item, "alert", "severity") or 0, Level.MEDIUM).value,
            technique=technique_of(inner(item, "alert", "metadata", "mitre_technique_id")),
            addresses=_ours_first(flow["src"], flow["dst"]) if flow else (),
            flow=flow,
            detail=_detail(item),
        )
    )


def _ours_first(src: str, dst: str) -> tuple[str, ...]:
    """Which end is the host's is decided by who is known; where nobody is, the one of a private network."""
    return (dst, src) if is_inside(dst) and not is_inside(src) else (src, dst)


def _detail(item: Item) -> dict[str, Any]:
    return without_empty(
        {
            "action": text(item, "alert", "action"),  # not the verdict: other rules may have passed it
            "verdict": text(item, "verdict", "action"),
            "category": text(item, "alert", "category"),
            "app_proto": text(item, "app_proto"),
            "interface": text(item, "in_iface"),
            "sensor": text(item, "host"),
            "flow_id": text(item, "flow_id"),
            "community_id": text(item, "community_id"),
        }
    )


ADAPTER = Adapter(AlertFormat.SURICATA, read)
