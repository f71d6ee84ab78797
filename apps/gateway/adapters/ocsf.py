"""OCSF Detection Finding (class 2004), of any product that writes it."""

from apps.core.addresses import plain_address
from apps.detection.choices import Level
from apps.fleet.choices import AlertFormat
from apps.gateway.adapters.base import (
    Adapter,
    Item,
    Sheet,
    Told,
    UnreadableError,
    container_of,
    epoch,
    flow_of,
    inner,
    moment,
    obj,
    pid_of,
    sheet_of,
    technique_of,
    text,
    texts,
    whole,
    without_empty,
)

CLASS = 2004
CLOSE = 3  # the activity; and from here on the status says that somebody has dealt with it
OVER = (3, 4, 5)
LEVELS = {
    1: Level.INFO,
    2: Level.LOW,
    3: Level.MEDIUM,
    4: Level.HIGH,
    5: Level.CRITICAL,
    6: Level.CRITICAL,
}


def read(content: bytes) -> Sheet:
    """The findings; an update of one is the same alert, a closed one raises nothing."""
    return sheet_of(content, _one)


def _one(item: Item, sheet: Sheet) -> None:
    if whole(item, "class_uid") is None:
        raise UnreadableError("it has no class_uid")
    if whole(item, "class_uid") != CLASS:
        sheet.ignored += 1
        return
    uid = text(item, "finding_info", "uid", limit=200)
    if not uid:
        raise UnreadableError("it has no finding_info.uid")
    if whole(item, "activity_id") == CLOSE or whole(item, "status_id") in OVER:
        sheet.resolved += 1
        return
    info, seen = obj(item, "finding_info"), _evidence(item)
    title = text(info, "title", limit=200) or text(item, "message", limit=200) or "Detection finding"
    rule = text(info, "analytic", "uid", limit=120) or text(info, "analytic", "name", limit=120)
    device = obj(item, "device") or obj(seen, "device")
    sheet.told.append(
        Told(
            native=uid,
            at=epoch(item.get("time"), per_second=1e3) or moment(item.get("time_dt")),
            rule=rule or title,
            title=title,
            behaviour=_behaviour(info, title),
            level=LEVELS.get(whole(item, "severity_id") or 0, Level.MEDIUM).value,
            technique=_technique(item, info),
            names=tuple(name for key in ("hostname", "name") if (name := text(device, key, limit=120))),
            addresses=tuple(one for one in (plain_address(device.get("ip")),) if one),
            flow=_flow(seen),
            pid=pid_of(seen, "process", "pid"),
            container=_container(seen),
            family="finding",
            detail=without_empty(
                {
                    "product": text(item, "metadata", "product", "name"),
                    "vendor": text(item, "metadata", "product", "vendor_name"),
                    "description": text(info, "desc", limit=2_000),
                    "command_line": text(seen, "process", "cmd_line", limit=2_000),
                    "types": texts(info.get("types"), limit=80),
                    "uid": uid,
                }
            ),
        )
    )


def _behaviour(info: Item, title: str) -> str:
    named = texts(info.get("types"), limit=60) or texts(inner(info, "analytic", "name"), limit=60)
    return (named[0] if named else title)[:60]


def _evidence(item: Item) -> Item:
    found = item.get("evidences")
    whose = [one for one in found[:16] if isinstance(one, dict)] if isinstance(found, list) else []
    return next(
        (one for one in whose if "process" in one or "src_endpoint" in one), whose[0] if whose else {}
    )


def _container(seen: Item) -> str:
    return container_of(inner(seen, "container", "uid") or inner(seen, "process", "container", "uid"))


def _flow(seen: Item) -> dict[str, object] | None:
    src, dst = obj(seen, "src_endpoint"), obj(seen, "dst_endpoint")
    proto = inner(seen, "connection_info", "protocol_name")
    return flow_of(proto, src.get("ip"), src.get("port"), dst.get("ip"), dst.get("port"))


def _technique(item: Item, info: Item) -> str:
    attacks = item.get("attacks") or info.get("attacks")
    for attack in attacks[:16] if isinstance(attacks, list) else ():
        if isinstance(attack, dict):
            uid = text(attack, "sub_technique", "uid") or text(attack, "technique", "uid")
            if found := technique_of(uid):
                return found
    return ""


ADAPTER = Adapter(AlertFormat.OCSF, read)
