"""The order page: the verdict in one line, each host with what it signed, nothing claimed without proof."""

import json
from collections import Counter
from typing import Any

from apps.console.templatetags.marks import STAGES
from apps.core import keys
from apps.response.choices import PROVEN, SETTLED, WORST_FIRST, Action, Stage
from apps.response.models import ContainmentOrder, OrderTarget, Receipt
from apps.response.selectors import elsewhere
from apps.response.selectors import reached as reached_by

Context = dict[str, Any]
LOUD = frozenset({Stage.SURVIVED, Stage.UNREACHABLE, Stage.REFUSED})
OPEN = frozenset({Stage.NOT_CONFIRMED, Stage.EXPIRED, Stage.CANCELLED})
BEATS = {
    Action.KILL: (Stage.DELIVERED, Stage.FROZEN, Stage.SIGNALLED, Stage.VERIFIED),
    Action.PAUSE: (Stage.DELIVERED, Stage.FROZEN, Stage.CAPTURED, Stage.PAUSED),
    Action.RESUME: (Stage.DELIVERED, Stage.RESUMED),
}
SCORES = {
    Action.KILL: (Stage.VERIFIED, Stage.WATCHING, Stage.NOT_CONFIRMED, Stage.SURVIVED, Stage.UNREACHABLE),
    Action.PAUSE: (Stage.PAUSED, Stage.NOT_CONFIRMED, Stage.UNREACHABLE),
    Action.RESUME: (Stage.RESUMED, Stage.NOT_CONFIRMED, Stage.UNREACHABLE),
}
PROBES = (("cgroup", "cgroup empty"), ("gpu", "0 GPU holders"), ("sockets", "0 sockets"))
NO_GPU = "no GPU device on this host"  # in the host's words: nothing was counted there
ELSEWHERE = (
    ("terminal", "On the host itself: find the run's processes by its marker and stop them there"),
    ("network", "Cut the host off at its switch port"),
    ("offline", "Power it off by its management controller"),
)


def whole(order: ContainmentOrder) -> Context:
    """Everything that the page and its live panel show."""
    targets = list(order.targets.select_related("host", "agent"))
    receipts: dict[int, list[Receipt]] = {}
    for row in Receipt.objects.filter(target__order=order).order_by("target", "seq"):
        receipts.setdefault(row.target_id, []).append(row)
    rank = {stage: place for place, stage in enumerate(WORST_FIRST)}
    targets.sort(key=lambda target: (rank[Stage(target.stage)], target.host.name))
    settled = bool(targets) and all(target.stage in SETTLED for target in targets)
    return {
        "order": order,
        "settled": settled,
        "settled_at": max((it.settled_at for it in targets if it.settled_at), default=None)
        if settled
        else None,
        "verdict": verdict(order, targets),
        "score": _score(order, targets),
        "took": _took(receipts),
        "columns": [stage.label for stage in BEATS[Action(order.action)]],
        "targets": [_row(order, target, receipts.get(target.pk, [])) for target in targets],
    }


def verdict(order: ContainmentOrder, targets: list[OrderTarget]) -> Context:
    """The worst host names the whole: contained only when every host has proved it."""
    count = Counter(target.stage for target in targets)
    open_stages = [stage for stage in WORST_FIRST if count[stage] and stage not in PROVEN]
    rest = ", ".join(f"{count[stage]} {_hosts(count[stage])} {stage.label.lower()}" for stage in open_stages)
    if not targets:
        return {"tone": "bad", "lead": "Nothing was sent.", "rest": "No host carries the run", "says": ""}
    if not open_stages and order.action == Action.KILL and (left := elsewhere(order)):
        where = ", ".join(host.name for host in left[:5])
        says = f"The run also stands on hosts that this order does not address: {where}. Give another order."
        rest = f"The run stands on {len(left)} more {_hosts(len(left))}"
        return {"tone": "bad", "lead": "Not contained.", "rest": rest, "says": says}
    if not open_stages:
        done = {"KILL": "Verified dead", "PAUSE": "Paused", "RESUME": "Resumed"}[order.action]
        says = "Every host signed that nothing of the run is left." if order.action == Action.KILL else ""
        return {
            "tone": "ok",
            "lead": f"{done}.",
            "rest": f"{len(targets)} of {len(targets)} {_hosts(len(targets))}",
            "says": says,
        }
    worst = open_stages[0]
    if worst in LOUD | OPEN:
        lead = {"KILL": "Not contained.", "PAUSE": "Not paused.", "RESUME": "Not resumed."}[order.action]
        tone = "bad" if worst in LOUD else "late"
        loud = next(target for target in targets if target.stage == worst)
        return {"tone": tone, "lead": lead, "rest": rest, "says": _warning(loud)}
    lead = {"KILL": "Not contained yet.", "PAUSE": "Not paused yet.", "RESUME": "Not resumed yet."}[
        order.action
    ]
    if worst == Stage.WATCHING and order.action == Action.KILL:  # dead on every probe, and may come back
        lead = "Not verified yet."
    return {"tone": "wait", "lead": lead, "rest": rest, "says": ""}


def bundle(order: ContainmentOrder) -> Context:
    """Orders and receipts as they were signed, with the keys to check them."""
    return {
        "format": "sentinel-receipts/v1",
        "order": order.number,
        "action": order.action,
        "run": order.run.name,
        "requested_at": order.requested_at.isoformat(),
        "server_key": keys.public_key("server"),
        "targets": [
            {
                "host": target.host.name,
                "host_key": keys.b64(bytes(target.agent.public_key)) if target.agent else None,
                "order": {"payload": target.payload, "signature": target.signature},
                "stage": target.stage,
                "receipts": [
                    {
                        "payload": row.payload,
                        "signature": row.signature,
                        "received_at": row.received_at.isoformat(),
                    }
                    for row in target.receipts.order_by("seq")
                ],
            }
            for target in order.targets.select_related("host", "agent").order_by("host__name")
        ],
    }


def _row(order: ContainmentOrder, target: OrderTarget, receipts: list[Receipt]) -> Context:
    last = receipts[-1].data if receipts else {}
    loud = target.stage in LOUD
    return {
        "host": target.host,
        "stage": target.stage,
        "loud": loud,
        "before": target.processes_before,
        "after": target.processes_after,
        "beats": _beats(order, target, receipts),
        "probes": _probes(order, target, receipts),
        "known": _known(target, receipts) if loud else [],
        "else_ways": [{"glyph": glyph, "text": text} for glyph, text in ELSEWHERE] if loud else [],
        "note": target.detail or str(last.get("detail") or ""),
        "survivors": [it for it in last.get("survivors") or [] if isinstance(it, dict)][:20],
        "signed": bool(receipts),
    }


def _beats(order: ContainmentOrder, target: OrderTarget, receipts: list[Receipt]) -> list[Context]:
    """How far it came, each step with its milliseconds since the request (server clock)."""
    at = reached_by(order, receipts)
    steps = BEATS[Action(order.action)]
    reached = [stage for stage in steps if stage in at]
    beats: list[Context] = []
    for place, stage in enumerate(steps):
        if stage in at:
            unit = " ms" if stage == reached[0] else ""
            beats.append({"kind": "", "text": f"+{at[stage]:,}{unit}"})
        elif any(steps.index(later) > place for later in reached):
            beats.append({"kind": "", "text": "passed"})
        elif target.stage in LOUD or target.stage in OPEN:
            first = len(beats) == len(reached)
            kind = "to" if not first else "stuck" if receipts else "lostit"
            beats.append({"kind": kind, "text": "no answer" if first and not receipts else "unknown"})
        else:
            first = len(beats) == len(reached)
            beats.append({"kind": "doing" if first else "to", "text": "under way" if first else "not yet"})
    return beats


def _probes(order: ContainmentOrder, target: OrderTarget, receipts: list[Receipt]) -> list[Context]:
    """What the host looked at, as it signed it; nothing where it signed nothing."""
    last = next((row for row in reversed(receipts) if row.data.get("probes")), None)
    found = last.data["probes"] if last and isinstance(last.data["probes"], dict) else {}
    if order.action != Action.KILL and not found:
        return []
    probes = [_probe(found.get(name), words) for name, words in PROBES]
    marked = _probe(found.get("marker"), "no marked process")
    if marked["kind"] == "no":  # a process outside the cgroup: said beside the others, never left out
        probes.insert(0, marked)
    respawn = found.get("respawn") if isinstance(found.get("respawn"), dict) else None
    if target.stage == Stage.WATCHING and last:
        seconds = _watch_seconds(target, respawn)
        watch = {
            "kind": "wait",
            "text": "respawn watch",
            "watch_from": last.received_at,
            "watch_for": seconds,
        }
        return [*probes, watch]
    watched = respawn.get("seconds") if respawn else None
    quiet = f"{watched:.1f} s quiet" if isinstance(watched, int | float) else "respawn watch"
    return [*probes, _probe(respawn, quiet)]


def _probe(found: Any, words: str) -> Context:
    if not isinstance(found, dict) or "ok" not in found:
        return {"kind": "none", "text": "no data"}
    detail = str(found.get("detail") or "")
    if found["ok"]:
        return {"kind": "ok", "text": detail if detail == NO_GPU else words, "title": detail}
    kind = "no" if found["ok"] is False else "none"
    return {"kind": kind, "text": detail or "not confirmed", "title": detail}


def _watch_seconds(target: OrderTarget, respawn: Any) -> int:
    try:
        return int(json.loads(target.payload)["respawn_watch_s"])
    except (ValueError, KeyError, TypeError):
        return 10


def _known(target: OrderTarget, receipts: list[Receipt]) -> list[Context]:
    facts: list[Context] = []
    agent = target.agent
    if agent and agent.last_seen_at:
        facts.append({"glyph": "clock", "text": f"Last heard {agent.last_seen_at:%H:%M:%S} UTC"})
    if receipts:
        last = receipts[-1]
        facts.append({"glyph": "seal", "text": f"Last signed: {last.get_stage_display().lower()}"})
    elif agent is None:
        facts.append({"glyph": "blind", "text": "No host agent there takes orders"})
    if target.processes_before is not None:
        facts.append({"glyph": "process", "text": f"{target.processes_before} processes when it began"})
    return facts


def _score(order: ContainmentOrder, targets: list[OrderTarget]) -> list[Context]:
    count = Counter(target.stage for target in targets)
    wanted = [*SCORES[Action(order.action)]]
    wanted += [stage for stage in (Stage.REFUSED, Stage.EXPIRED, Stage.CANCELLED) if count[stage]]
    return [
        {"stage": stage.value, "word": word, "glyph": glyph, "lamp": lamp, "count": count[stage]}
        for stage in wanted
        for lamp, glyph, word in [STAGES[stage.value]]
    ]


def _took(receipts: dict[int, list[Receipt]]) -> list[tuple[str, float]]:
    """Freeze, kill and verify of the slowest host, as the hosts measured them."""
    slowest: dict[str, float] = {}
    for rows in receipts.values():
        for row in rows:
            took = row.data.get("took")
            for name, value in took.items() if isinstance(took, dict) else ():
                if isinstance(value, int | float) and name.endswith("_ms"):
                    slowest[name[:-3]] = max(slowest.get(name[:-3], 0.0), float(value))
    return [(name, slowest[name]) for name in ("freeze", "capture", "kill", "verify") if name in slowest]


def _warning(target: OrderTarget) -> str:
    name = target.host.name
    if target.stage == Stage.UNREACHABLE:
        heard = target.agent.last_seen_at if target.agent else None
        since = f"since {heard:%H:%M:%S} UTC" if heard else "yet"
        return f"{name} has not answered {since}. Treat the run as alive there until a probe says otherwise."
    return f"{name}: {target.detail}" if target.detail else ""


def _hosts(count: int) -> str:
    return "host" if count == 1 else "hosts"
