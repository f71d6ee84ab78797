"""Fragments of the incident page and of the peek beside the queue."""

from collections.abc import Callable
from typing import Any

from apps.attribution.choices import Origin
from apps.console.charts.mini import mini
from apps.console.panels import log, orders
from apps.console.panels.case import Case
from apps.console.panels.fact import block
from apps.console.panels.spoken import spoken
from apps.console.panels.terms import differences
from apps.core.text import visible
from apps.detection.models import Alert
from apps.incidents.models import StatusChange
from apps.incidents.selectors import recurrence, story, tree
from apps.incidents.selectors.join import Fact, Join
from apps.telemetry.models import ToolCall

Context = dict[str, Any]
BASIS_SHOWN = 12
TEXTS = 20
KNOTS = {"call": "tool call", "process": "process", "connection": "connection", "alert": "alert"}


def head(case: Case) -> Context:
    """Title, marks and acts."""
    attribution = case.join.attribution
    call = attribution.tool_call if attribution else None
    return {
        "incident": case.incident,
        "state": case.state,
        "hosts": len(case.hosts),
        "step": call.global_step if call else None,
        "episode": call.episode.native_id if call and call.episode else None,
        "blind": case.join.missing,
    }


def join(case: Case) -> Context:
    """The thread to scale, and how far the clocks may be off."""
    found = case.join
    if found.alert is None or (found.attribution is None and len(found.facts) < 2):
        return {"join": None}
    return {
        "join": {
            "facts": [_fact(fact) for fact in found.facts],
            "joined": found.joined,
            "model": _by_model(found),
            "clock_error_ms": found.clock_error_ms,
            "says": _says(found),
            "end_to_end_ms": found.end_to_end_ms if found.joined else None,
        }
    }


def hypotheses(case: Case) -> Context:
    """Who may have done it and what that rests on; and a person's word on it, where there is one."""
    looked = sum(bool(getattr(row, "concluded", [])) for row in case.rows)
    change = StatusChange.objects.filter(incident=case.incident, field="judged").order_by("-id").first()
    return {
        "hypotheses": case.join.hypotheses,
        "basis": case.join.basis[:BASIS_SHOWN],
        "missing": case.join.missing,
        "attribution_count": looked,
        "judged": change if case.incident.judged else None,
    }


def evidence(case: Case) -> Context:
    """Texts of the agent and its programs, and the uploads they came in."""
    calls = story.calls_of(case.rows)
    texts = [_call_text(call, open=place == 0) for place, call in enumerate(calls[:TEXTS])]
    texts += [
        block("process", row, title=f"Process {row.pid}", note="command line")
        for row in case.processes[: TEXTS - len(texts)]
    ]
    shown = [row for row in case.rows[: TEXTS - len(texts)] if row.detail]
    against = differences(shown)
    texts += [
        block("alert", row, title=row.rule.title, note="detail of the alert")
        | {"difference": against.get(row.pk)}
        for row in shown
    ]
    return {"texts": texts, "items": story.kept(case.rows)}


def process_tree(case: Case) -> Context:
    """Processes around those that raised alerts."""
    found = tree.around(case.processes)
    why = {row.process_id: row.rule.title for row in reversed(case.rows)}
    return {
        "tree": [
            {
                "process": node.process,
                "depth": node.depth,
                "hit": node.hit,
                "why": why.get(node.process.pk, "") if node.hit else "",
                "first": place == 0,
            }
            for place, node in enumerate(found.nodes)
        ],
        "tree_cut": found.cut,
    }


def timeline(case: Case) -> Context:
    """Alerts, tool calls and acts in one list, newest first."""
    entries = log.of_incident(case)
    return {"log": entries[: log.SHOWN], "log_cut": max(0, len(entries) - log.SHOWN)}


def episodes(case: Case) -> Context:
    """Episodes with a joined call."""
    found = story.episodes(case.rows)
    return {"episodes": [{"episode": it, "calls": calls, "alerts": count} for it, calls, count in found]}


def how_often(case: Case) -> Context:
    """How often the incident's behaviour comes back."""
    return {"recurrence": recurrence.of(case.incident)}


def annotations(case: Case) -> Context:
    """What people wrote."""
    return {"incident": case.incident, "annotations": story.annotations(case.incident)}


def containment(case: Case) -> Context:
    """Orders that came of this incident or of its run."""
    return {"orders": orders.listed(orders.around(case.incident)), "with_run": False}


def history(case: Case) -> Context:
    """What moved."""
    return {"history": [log.of_change(row) for row in story.history(case.incident)]}


def ladder(case: Case) -> Context:
    """The way to an order."""
    run = case.incident.run
    if run is None:
        return {"ladder": None, "incident": case.incident}
    return {"ladder": orders.ladder(run, case.incident), "incident": case.incident}


PANELS: dict[str, Callable[[Case], Context]] = {
    "head": head,
    "join": join,
    "hypotheses": hypotheses,
    "evidence": evidence,
    "tree": process_tree,
    "timeline": timeline,
    "episodes": episodes,
    "annotations": annotations,
    "containment": containment,
    "history": history,
    "ladder": ladder,
}
# What the page does not make with the rest: the peek asks for one, a tab that is looked at for the other.
FRAGMENTS = PANELS | {"mini": mini, "recurrence": how_often}
TABS = {
    "evidence": ("Evidence", "texts"),
    "tree": ("Processes", "tree"),
    "timeline": ("Timeline", "log"),
    "episodes": ("Episodes", "episodes"),
    "annotations": ("Annotations", "annotations"),
    "containment": ("Containment", "orders"),
    "history": ("History", "history"),
}


def whole(case: Case) -> Context:
    """Everything that the page shows at once."""
    context: Context = {}
    for panel in PANELS.values():
        context |= panel(case)
    context["tabs"] = [
        {"slug": slug, "word": word, "count": len(context[name])} for slug, (word, name) in TABS.items()
    ]
    return context


def peek(case: Case) -> Context:
    """The right pane of the queue: the same facts in the same order as on the page."""
    found = case.glance
    return {
        "incident": case.incident,
        "state": case.state,
        "four": _four(case, found.alert),
        "thread": {"joined": _by_model(found), "facts": [_fact(fact) for fact in found.facts]},
        "basis": found.basis[:BASIS_SHOWN],
        "missing": found.missing,
        "seen_before": [
            {"incident": past, "says": past.run.name if past.run else past.title}
            for past in story.seen_before(case.incident)
        ],
        **ladder(case),
    }


def _four(case: Case, alert: Alert | None) -> Context:
    incident = case.incident
    command = alert.process.argv if alert and alert.process else None
    where = [{"text": host.name, "strong": True} for host in case.hosts[:3]]
    if len(case.hosts) > 3:
        where.append({"text": f"and {len(case.hosts) - 3} more"})
    if incident.run:
        where.append({"text": incident.run.name, "code": True})
    owner = incident.run.owner if incident.run else ""
    return {
        "what": [{"text": command, "code": True}] if command else [],
        "where": where,
        "who": [{"text": "Run owner"}, {"text": owner, "strong": True}] if owner else [],
        "why": [{"text": f"came back after {incident.follows.number}"}] if incident.follows else [],
    }


def _fact(fact: Fact) -> Context:
    return {
        "kind": fact.kind,
        "word": visible(fact.label, limit=80),
        "code": spoken(fact.what) if fact.kind == "call" else fact.what,
        "note": "",
        "at": fact.at,
        "delta_ms": fact.delta_ms,
    }


def _by_model(found: Join) -> bool:
    """Whether the thread is the model's, and so violet: a call alone may stand there by its time only."""
    return found.joined and found.attribution is not None and found.attribution.origin == Origin.MODEL


def _says(found: Join) -> str:
    if found.joined and found.end_to_end_ms is not None:
        kinds = [KNOTS[fact.kind] for fact in found.facts]
        return f"One {', one '.join(sorted(kinds, key=list(KNOTS.values()).index))}."
    return found.missing[0] if found.missing else "Nothing ties it to a call of the agent."


def _call_text(call: ToolCall, *, open: bool) -> Context:
    name = visible(f"Tool call {call.call_id or call.span_id}", limit=80)
    item = block("call", call, title=name, note=call.name, open=open)
    if item["text"] is None:
        return item
    words = spoken(call.arguments)
    if words == call.arguments or words.endswith(" …"):  # not a command alone: shown as it came
        return item
    return item | {"note": f"{call.name}, its command", "text": words}
