"""Wazuh, two generations: 4.x writes `rule`, `agent` and `data`; 5.x writes a schema like ECS."""

from apps.core.addresses import plain_address
from apps.detection.choices import Level
from apps.fleet.choices import AlertFormat
from apps.gateway.adapters.base import (
    Adapter,
    Item,
    Sheet,
    Told,
    UnreadableError,
    by_number,
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
    whole,
    without_empty,
)

LEVELS = ((15, Level.CRITICAL), (12, Level.HIGH), (7, Level.MEDIUM), (4, Level.LOW))
WORDS = {
    "critical": Level.CRITICAL,
    "high": Level.HIGH,
    "medium": Level.MEDIUM,
    "low": Level.LOW,
    "informational": Level.INFO,
}


def read(content: bytes) -> Sheet:
    """The alerts of alerts.json, or of an integration that posts one at a time."""
    return sheet_of(content, _one)


def _one(item: Item, sheet: Sheet) -> None:
    if "@timestamp" in item or "wazuh" in item:
        sheet.told.append(_five(item))
    else:
        sheet.told.append(_four(item))


def _four(item: Item) -> Told:
    rule, data = obj(item, "rule"), obj(item, "data")
    number = text(rule, "id", limit=40)
    if not number:
        raise UnreadableError("it has no rule id")
    groups = texts(rule.get("groups"), limit=60)
    title = text(rule, "description", limit=200) or f"Wazuh rule {number}"
    ends = (data.get("srcip"), data.get("srcport"), data.get("dstip"), data.get("dstport"))
    return Told(
        native=text(item, "id", limit=80) or hashed(item),
        at=moment(inner(item, "timestamp")),
        rule=number,
        title=title,
        # The description has values of the event in it; the groups have not.
        behaviour=(groups[0] if groups else f"Wazuh rule {number}")[:60],
        level=by_number(whole(rule, "level"), LEVELS, otherwise=Level.INFO),
        technique=technique_of(inner(rule, "mitre", "id")),
        names=_names(item, ("agent", "name")),
        addresses=_addresses(item, ("agent", "ip")),
        flow=flow_of(data.get("protocol") or data.get("proto"), *ends),
        pid=pid_of(data, "pid"),
        family="host",
        detail=without_empty(
            {
                "level": text(rule, "level"),
                "groups": groups,
                "location": text(item, "location"),
                "decoder": text(item, "decoder", "name"),
                "manager": text(item, "manager", "name"),
                "full_log": text(item, "full_log", limit=2_000),
            }
        ),
    )


def _five(item: Item) -> Told:
    rule = obj(item, "wazuh", "rule") or obj(item, "rule")
    number = text(rule, "id", limit=80) or text(rule, "name", limit=80)
    if not number:
        raise UnreadableError("it has no rule id")
    title = (
        text(rule, "title", limit=200)
        or text(rule, "name", limit=200)
        or text(rule, "description", limit=200)
    )
    source, target = obj(item, "source"), obj(item, "destination")
    ends = (source.get("ip"), source.get("port"), target.get("ip"), target.get("port"))
    proto = inner(item, "network", "transport") or inner(item, "network", "protocol")
    return Told(
        native=text(item, "event", "id", limit=80) or hashed(item),
        at=moment(inner(item, "@timestamp")),
        rule=number,
        title=title or f"Wazuh rule {number}",
        behaviour=next(iter(texts(inner(item, "event", "category"), limit=60)), f"Wazuh rule {number}")[:60],
        level=_word_or_number(rule.get("level") or inner(item, "event", "severity")),
        technique=technique_of(inner(item, "threat", "technique", "id") or inner(rule, "mitre", "technique")),
        names=_names(
            item, ("wazuh", "agent", "name"), ("agent", "name"), ("host", "name"), ("host", "hostname")
        ),
        addresses=_addresses(item, ("wazuh", "agent", "host", "ip"), ("host", "ip"), ("agent", "ip")),
        flow=flow_of(proto, *ends),
        pid=pid_of(item, "process", "pid"),
        family="host",
        detail=without_empty(
            {
                "action": text(item, "event", "action"),
                "dataset": text(item, "event", "dataset"),
                "command_line": text(item, "process", "command_line", limit=2_000),
                "user": text(item, "user", "name"),
                "original": text(item, "event", "original", limit=2_000),
            }
        ),
    )


def _word_or_number(value: object) -> str:
    if isinstance(value, str) and value.lower() in WORDS:
        return WORDS[value.lower()].value
    return by_number(whole({"level": value}, "level"), LEVELS, otherwise=Level.INFO)


def _names(item: Item, *paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for path in paths if (name := text(item, *path, limit=120)))


def _addresses(item: Item, *paths: tuple[str, ...]) -> tuple[str, ...]:
    told = [one for path in paths for one in texts(inner(item, *path), limit=64)]
    return tuple(plain for one in told if (plain := plain_address(one)))


ADAPTER = Adapter(AlertFormat.WAZUH, read)
