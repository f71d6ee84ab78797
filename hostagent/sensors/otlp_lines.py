"""Lines of a trace file, read as spans. The run writes them, so nothing in them is believed or unbounded."""

from __future__ import annotations

import json
import time
from typing import Any

from hostagent import protocol
from hostagent.protocol import Record
from hostagent.sensors import written_after

MAX_TEXT = 32 * 1024
MAX_ATTRIBUTES = 128
MAX_SPANS_PER_LINE = 1_000
BELIEVABLE_S = 86_400.0


def records_of(line: bytes, *, run: str) -> list[Record]:
    """The records one line stands for; none when it is not one of ours. `run` is known, never read."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, dict):
        return []
    if value.get("kind") == protocol.RUN_STEP:
        return step_of(value, run)
    if "resourceSpans" in value:
        return [span_record(span, run) for span in exported(value)][:MAX_SPANS_PER_LINE]
    if is_span(value) and (value.get("startTimeUnixNano") or not value.get("endTimeUnixNano")):
        return [span_record(value, run)]
    try:
        spans = written_after.spans_of(value)
    except RecursionError:
        return []
    return [span_record(span, run) for span in spans if is_span(span)][:MAX_SPANS_PER_LINE]


def step_of(value: dict[str, Any], run: str) -> list[Record]:
    step = value.get("global_step")
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 2**53:
        return []
    return [{"kind": protocol.RUN_STEP, "at": time.time(), "run": run, "global_step": step}]


def exported(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The spans of one OTLP export request, each with its resource's attributes beside it."""
    found: list[dict[str, Any]] = []
    for resource in objects(value.get("resourceSpans")):
        inner = resource.get("resource")
        attributes = inner.get("attributes") if isinstance(inner, dict) else None
        for scope in objects(resource.get("scopeSpans")):
            spans = [span for span in objects(scope.get("spans")) if is_span(span)]
            found += [{**span, "resource": {"attributes": attributes or []}} for span in spans]
    return found


def objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def is_span(value: dict[str, Any]) -> bool:
    return all(isinstance(value.get(key), str) and value[key] for key in ("traceId", "spanId", "name"))


def span_record(span: dict[str, Any], run: str) -> Record:
    """A span with its texts cut to size; one without an end is the start signal of a call still running."""
    end = nanoseconds(span.get("endTimeUnixNano"))
    cut = Cut()
    return {
        "kind": protocol.SPAN,
        "at": believable(end or nanoseconds(span.get("startTimeUnixNano"))),
        "run": run,
        "started_only": end == 0,
        "span": cut.value(span),
        "truncated": cut.happened,
    }


def nanoseconds(value: object) -> int:
    try:
        return max(int(value), 0) if isinstance(value, int | str) else 0
    except ValueError:
        return 0


def believable(nanos: int) -> float:
    """The span's own time while it is near ours; a clock that is a day off says nothing."""
    now = time.time()
    return nanos / 1e9 if abs(nanos / 1e9 - now) < BELIEVABLE_S else now


class Cut:
    """Copies a JSON value with long texts and long lists cut."""

    def __init__(self) -> None:
        self.happened = False

    def value(self, value: Any, depth: int = 0) -> Any:
        if depth > 24:
            self.happened = True
            return None
        if isinstance(value, str):
            self.happened = self.happened or len(value) > MAX_TEXT
            return value[:MAX_TEXT]
        if isinstance(value, list):
            self.happened = self.happened or len(value) > MAX_ATTRIBUTES
            return [self.value(item, depth + 1) for item in value[:MAX_ATTRIBUTES]]
        if isinstance(value, dict):
            items = list(value.items())[:MAX_ATTRIBUTES]
            self.happened = self.happened or len(value) > MAX_ATTRIBUTES
            return {key[:256]: self.value(item, depth + 1) for key, item in items}
        return value
