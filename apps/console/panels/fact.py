"""One observed fact by itself: an alert, a tool call, a process or a connection, with its text as it came."""

from collections.abc import Callable
from typing import Any

from django.db.models import Model

from apps.console.panels.spoken import spoken
from apps.console.panels.terms import differences
from apps.console.templatetags.untrusted import as_text
from apps.core.text import visible
from apps.detection.models import Alert
from apps.incidents.models import Incident
from apps.incidents.selectors import alerts, story
from apps.telemetry.models import Connection, Process, ToolCall

Context = dict[str, Any]
MOST = 20


def of(kind: str, pk: int) -> Context | None:
    """What its dialog shows; None where there is no such row."""
    row = find(kind, pk)
    return None if row is None else {"kind": kind, "pk": pk} | SHOWN[kind](row)


def find(kind: str, pk: int) -> Any:
    """The row, or None."""
    if kind not in FINDERS or pk >= 2**63:
        return None
    return FINDERS[kind](pk)


def original(kind: str, row: Any) -> str | None:
    """The text that the agent or a program chose, whole; None where there is none to give out."""
    if kind == "call":
        return row.arguments if row.arguments_captured else None
    if kind == "process":
        return as_text(row.argv)
    return as_text(row.detail) if kind == "alert" else None


def block(kind: str, row: Any, *, title: str, note: str, open: bool = False) -> Context:
    """An item of components/_hostile.html: the text, its size and hash, and where the whole of it is."""
    text = original(kind, row)
    item: Context = {"title": title, "note": note, "text": text, "size": None, "open": open}
    item |= {"id": f"{kind[0]}{row.pk}", "about": f"{kind}:{row.pk}"}
    if text is None:
        return item
    size = len(text.encode("utf-8", "surrogatepass"))
    return item | {"size": size, "digest": story.digest(text), "original": (kind, row.pk)}


def _call(row: ToolCall) -> Context:
    near = Alert.objects.filter(attributions__tool_call=row, attributions__superseded_at=None)
    return {
        "title": f"Tool call {visible(row.name, limit=60)}",
        "terms": [
            ("Started", row.started_at),
            ("Ended", row.ended_at or "not told"),
            ("Step", row.global_step),
            ("Episode", row.episode.native_id if row.episode else None),
            ("Sandbox", row.sandbox.native_id if row.sandbox else None),
            ("Host", row.host.name if row.host else None),
            ("Asked for", spoken(row.arguments)[:400]),
        ],
        "run": row.run,
        "text": block("call", row, title="Arguments", note=row.name, open=True),
        "alerts": list(near.select_related("host").order_by("-id")[:MOST]),
    }


def _process(row: Process) -> Context:
    return {
        "title": f"Process {row.pid}",
        "terms": [
            ("Program", row.exe or "not seen"),
            ("Started", row.started_at),
            ("Ended", row.ended_at or "not told"),
            ("Host", row.host.name),
            ("User", row.uid),
            ("Parent", row.ppid),
            ("Directory", row.cwd or None),
            ("Control group", row.cgroup or None),
        ],
        "run": row.run,
        "text": block("process", row, title="Command line", note=f"pid {row.pid}", open=True),
        "alerts": list(Alert.objects.filter(process=row).select_related("host").order_by("-id")[:MOST]),
    }


def _connection(row: Connection) -> Context:
    return {
        "title": f"Connection to {visible(row.remote or 'nobody', limit=60)}",
        "terms": [
            ("From", row.local),
            ("State", f"{row.proto} {row.state}"),
            ("First seen", row.opened_at),
            ("Closed", row.closed_at or "not told"),
            ("Host", row.host.name),
        ],
        "run": row.run,
        "process": row.process,
        "alerts": list(Alert.objects.filter(connection=row).select_related("host").order_by("-id")[:MOST]),
    }


def _alert(row: Alert) -> Context:
    current = alerts.current(row)
    spans = Incident.objects.filter(spans__key=bytes(row.correlation_key), spans__first_alert_id__lte=row.pk)
    return {
        "title": row.title,
        "terms": [
            ("Level", row.get_level_display()),
            ("Rule", row.rule.title),
            ("Seen on the host", row.occurred_at),
            ("Received", row.received_at),
            ("Host", row.host.name),
        ],
        "run": row.run,
        "incident": spans.order_by("-id").first(),
        "process": row.process,
        "connection": row.connection,
        "call": current.tool_call if current else None,
        "text": block("alert", row, title="Detail", note="as it was raised", open=True),
        "difference": differences([row]).get(row.pk),
    }


def _first(model: type[Model], *also: str) -> Callable[[int], Any]:
    return lambda pk: model._default_manager.select_related(*also).filter(pk=pk).first()


FINDERS: dict[str, Callable[[int], Any]] = {
    "call": _first(ToolCall, "run", "host", "episode", "sandbox"),
    "process": _first(Process, "run", "host"),
    "connection": _first(Connection, "run", "host", "process"),
    "alert": alerts.one,
}
SHOWN: dict[str, Callable[[Any], Context]] = {
    "call": _call,
    "process": _process,
    "connection": _connection,
    "alert": _alert,
}
