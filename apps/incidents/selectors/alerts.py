"""Alerts of one incident: found through its spans, page by page, never counted."""

from django.db.models import Prefetch, Q, QuerySet

from apps.attribution.models import Attribution
from apps.detection.models import Alert
from apps.incidents.models import Incident

PAGE = 50
NEAR = 100  # first and last alerts that conclusions are read from: an incident may hold a million


def of(incident: Incident) -> QuerySet[Alert]:
    """Every alert that belongs to the incident, in no order yet."""
    belongs = Q(pk__in=[])
    for span in incident.spans.all():
        part = Q(correlation_key=span.key, pk__gte=span.first_alert_id)
        belongs |= part & (Q() if span.last_alert_id is None else Q(pk__lte=span.last_alert_id))
    return Alert.objects.filter(belongs)


def page(incident: Incident, *, before: int | None = None, size: int = PAGE) -> list[Alert]:
    """The newest alerts before the alert `before`, with what is known about each."""
    rows = of(incident).order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(_whole(rows)[:size])


def newest(
    *, run: int | None = None, host: int | None = None, before: int | None = None, size: int = PAGE
) -> list[Alert]:
    """The newest alerts of the fleet, of a run or of a host, before the alert `before`."""
    rows = Alert.objects.order_by("-id")
    if run is not None:
        rows = rows.filter(run=run)
    if host is not None:
        rows = rows.filter(host=host)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(_whole(rows)[:size])


def one(pk: int) -> Alert | None:
    """One alert with what is known about it."""
    return _whole(Alert.objects.filter(pk=pk)).first()


def near(incident: Incident) -> list[Alert]:
    """The first and the last alerts, oldest first: what conclusions and figures are made from."""
    rows = _whole(of(incident))
    first = list(rows.order_by("id")[:NEAR])
    if len(first) < NEAR:
        return first
    last = rows.filter(pk__gt=first[-1].pk).order_by("-id")[:NEAR]
    return first + list(last)[::-1]


def key(incident: Incident) -> Alert | None:
    """The alert that the join is drawn for, without reading the others: `key_alert` over their ids alone."""
    ids = _near_ids(incident)
    if not ids:
        return None
    found = Attribution.objects.filter(alert__in=ids, superseded_at=None, tool_call__isnull=False)
    best = found.order_by("-strength", "alert").values_list("alert", flat=True).first()
    return _whole(Alert.objects.filter(pk=best or ids[0])).first()


def current(alert: Alert) -> Attribution | None:
    """What is concluded about the alert now; None while nobody has looked."""
    found: list[Attribution] = getattr(alert, "concluded", [])
    return found[0] if found else None


def key_alert(rows: list[Alert]) -> Alert | None:
    """The alert that the join is drawn for: the one with the strongest tie to a tool call, else the first."""

    def tie(alert: Alert) -> tuple[bool, bool, int, int]:
        found = current(alert)
        joined = bool(found and found.tool_call_id)
        return joined, bool(alert.process_id), found.strength if found else 0, -alert.pk

    return max(rows, key=tie, default=None)


def _near_ids(incident: Incident) -> list[int]:
    rows = of(incident).values_list("pk", flat=True)
    first = list(rows.order_by("pk")[:NEAR])
    if len(first) < NEAR:
        return first
    return first + list(rows.filter(pk__gt=first[-1]).order_by("-pk")[:NEAR])


def _whole(rows: QuerySet[Alert]) -> QuerySet[Alert]:
    now = Attribution.objects.filter(superseded_at=None).select_related("tool_call__episode", "process")
    return (
        rows.select_related("rule", "host", "run", "process", "connection", "batch", "report__source")
        .prefetch_related(Prefetch("attributions", queryset=now, to_attr="concluded"))
        .defer("batch__body", "report__body")
    )
