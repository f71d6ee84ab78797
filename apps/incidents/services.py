"""What people do with incidents. Each act is one transaction: compare-and-set, history, audit, feed.

Whoever comes second gets `Lost`, which names the winner; nothing of the second act is kept.
"""

import contextlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from apps.accounts.models import User
from apps.attribution.choices import Origin
from apps.audit.services import By, Subject, record
from apps.core import transitions
from apps.core.text import storable
from apps.detection.choices import RANK, Level
from apps.detection.models import Alert
from apps.feed.services import publish
from apps.incidents.choices import OPEN, Status, Verdict
from apps.incidents.models import Annotation, Incident, IncidentSpan, StatusChange

UNDO_SECONDS = 10
INVERTIBLE = {"take": "owner", "close": "verdict", "grade": "level"}  # act: the field it moves last
NOTE_LIMIT = 400
TEXT_LIMIT = 20_000


class Lost(Exception):
    """Somebody else was first: `by` moved it to `now_is`, at `when`."""

    def __init__(self, incident: Incident) -> None:
        last = StatusChange.objects.filter(incident=incident).order_by("-id").first()
        self.by: str = last.by if last else ""
        self.when: datetime | None = last.at if last else None
        self.now_is = Status(Incident.objects.values_list("status", flat=True).get(pk=incident.pk))
        super().__init__(self.says)

    @property
    def says(self) -> str:
        """One sentence for the person who came second."""
        return (
            f"{self.by or 'Somebody'} was first: it is {self.now_is.label.lower()} now. Nothing was changed."
        )


class TooLate(Exception):
    """The ten seconds for taking an act back are over, or somebody acted since."""


class Unreasoned(ValueError):
    """An act that needs a reason came without one."""


def take(incident: Incident, *, by: User, version: int | None = None, via: str = "person") -> Incident:
    """The incident is in hand, and `by` owns it."""
    return _act(
        incident, "incident.taken", by=by, via=via, version=version, frm=[Status.NEW], to=Status.TAKEN,
        owner=by, taken_at=timezone.now(), history=[("owner", "", by.username)],
    )  # fmt: skip


def release(incident: Incident, *, by: User, version: int | None = None, via: str = "person") -> Incident:
    """The incident waits for somebody again."""
    return _act(
        incident, "incident.released", by=by, via=via, version=version, frm=[Status.TAKEN], to=Status.NEW,
        only=Q(owner=incident.owner_id), owner=None, taken_at=None, history=[("owner", _owner(incident), "")],
    )  # fmt: skip


def assign(
    incident: Incident, *, to: User, by: User, version: int | None = None, via: str = "person"
) -> Incident:
    """The incident is in hand, and `to` owns it."""
    return _act(
        incident, "incident.assigned", by=by, via=via, version=version, frm=OPEN, to=Status.TAKEN, owner=to,
        only=Q(owner=incident.owner_id), taken_at=incident.taken_at or timezone.now(),
        history=[("owner", _owner(incident), to.username)],
    )  # fmt: skip


def grade(
    incident: Incident,
    *,
    level: str,
    by: User,
    note: str = "",
    version: int | None = None,
    via: str = "person",
) -> Incident:
    """The incident has the level that a person gave it."""
    level = Level(level).value
    return _act(
        incident, "incident.graded", by=by, via=via, version=version, frm=OPEN, to=incident.status, note=note,
        only=Q(level=incident.level), level=level, rank=RANK[level],
        history=[("level", incident.level, level)],
    )  # fmt: skip


def judge(
    incident: Incident,
    *,
    origin: str,
    by: User,
    note: str,
    version: int | None = None,
    via: str = "person",
) -> Incident:
    """A person has said who did it, and why; the machine's own conclusion stays beside it.

    Raises ValueError for an unknown origin, and Unreasoned where no reason is given.
    """
    origin = Origin(origin).value
    if not note.strip():
        raise Unreasoned("Say why: the reason stays with the verdict.")
    return _act(
        incident, "incident.judged", by=by, via=via, version=version, frm=Status, to=incident.status,
        note=note, only=Q(judged=incident.judged), judged=origin, judged_by=by.username,
        judged_at=timezone.now(), history=[("judged", incident.judged, origin)],
    )  # fmt: skip


@transaction.atomic
def close(
    incident: Incident,
    *,
    verdict: str,
    by: User,
    note: str = "",
    version: int | None = None,
    via: str = "person",
) -> Incident:
    """The incident is closed with a person's verdict, and later alerts open a new one."""
    verdict = Verdict(verdict).value
    _end_spans(incident)
    return _act(
        incident, "incident.closed", by=by, via=via, version=version, frm=OPEN, to=Status.CLOSED, note=note,
        verdict=verdict, closed_at=timezone.now(), history=[("verdict", "", verdict)],
    )  # fmt: skip


@transaction.atomic
def reopen(
    incident: Incident, *, by: User, note: str = "", version: int | None = None, via: str = "person"
) -> Incident:
    """The incident is open again: with its owner if it had one, and collecting where nothing follows it."""
    _resume_spans(incident)
    return _act(
        incident, "incident.reopened", by=by, via=via, version=version, frm=[Status.CLOSED], note=note,
        to=Status.TAKEN if incident.owner_id else Status.NEW, verdict="", closed_at=None,
        history=[("verdict", incident.verdict, "")],
    )  # fmt: skip


@transaction.atomic
def annotate(
    incident: Incident, *, text: str, by: User, alert: Alert | None = None, via: str = "person"
) -> Annotation:
    """What `by` wrote stands with the incident. Raises ValueError for an empty or overlong text."""
    text = storable(text.strip(), limit=TEXT_LIMIT + 1)
    if not text or len(text) > TEXT_LIMIT:
        raise ValueError(f"An annotation has between 1 and {TEXT_LIMIT:,} characters.")
    row = Annotation.objects.create(incident=incident, by=by, text=text, alert=alert)
    record(
        "incident.annotated",
        by=By(via, by.username),
        subject=_subject(incident),
        drill=incident.drill,
        annotation=row.pk,
        text=text,
    )
    _publish("incident.annotated", incident, by)
    return row


def undo(incident: Incident, *, act: str, by: User, via: str = "person") -> Incident:
    """The last act of `by` is taken back by its inverse; both stay in history and audit.

    Raises TooLate when it was not the last act on this incident, or longer ago than `UNDO_SECONDS`.
    """
    field = INVERTIBLE[act]
    since = timezone.now() - timedelta(seconds=UNDO_SECONDS)
    last = StatusChange.objects.filter(incident=incident).exclude(field="grew").order_by("-id").first()
    mine = last is not None and last.field == field and last.by == by.username and last.at >= since
    if last is None or not mine or not last.after:  # nothing after: that was the inverse itself
        raise TooLate("That can no longer be taken back.")
    if act == "take" and last.before:
        former = User.objects.get(username=last.before)
        return assign(incident, to=former, by=by, version=incident.version, via=via)
    if act == "take":
        return release(incident, by=by, version=incident.version, via=via)
    if act == "close":
        return reopen(incident, by=by, version=incident.version, via=via)
    return grade(incident, level=last.before, by=by, version=incident.version, via=via)


@transaction.atomic
def _act(
    incident: Incident,
    action: str,
    *,
    by: User,
    via: str,
    version: int | None,
    frm: Iterable[str],
    to: str,
    history: list[tuple[str, str, str]],
    note: str = "",
    only: Q | None = None,
    **also: Any,
) -> Incident:
    """One move with its history, audit entry and feed entry; or Lost, and none of them."""
    note = storable(note.strip(), limit=NOTE_LIMIT)
    rows = Incident.objects.filter(only or Q(), pk=incident.pk)
    if version is not None:
        rows = rows.filter(version=version)
    before, now = incident.status, timezone.now()
    seen = {before} & set(frm)  # compared with what the person saw, and not only with what is allowed
    if not transitions.move(
        rows, "status", frm=seen, to=to, changed_at=now, version=F("version") + 1, **also
    ):
        raise Lost(incident)
    moves = [("status", before, to)] * (before != to) + [move for move in history if move[1] != move[2]]
    StatusChange.objects.bulk_create(
        StatusChange(incident=incident, field=field, before=old, after=new, by=by.username, note=note)
        for field, old, new in moves
    )
    incident.refresh_from_db()
    record(
        action, by=By(via, by.username), subject=_subject(incident), drill=incident.drill,
        moved=[{"field": field, "before": old, "after": new} for field, old, new in moves], note=note,
    )  # fmt: skip
    _publish("incident.changed", incident, by)
    return incident


def _end_spans(incident: Incident) -> None:
    """Later alerts belong to another incident. Locks in correlation's order: span, then incident."""
    for span in incident.spans.select_for_update().filter(last_alert_id=None).order_by("key"):
        # Read after the lock was given: correlation holds it while it inserts alerts of this key.
        newest = Alert.objects.filter(correlation_key=span.key).aggregate(newest=Max("id"))["newest"]
        span.last_alert_id = max(newest or 0, span.first_alert_id)
        span.save(update_fields=["last_alert_id"])


def _resume_spans(incident: Incident) -> None:
    """The incident collects again, except for keys under which another incident has begun."""
    for span in incident.spans.order_by("key", "-id").distinct("key"):
        with contextlib.suppress(IntegrityError), transaction.atomic():
            if not IncidentSpan.objects.filter(key=span.key, pk__gt=span.pk).exists():
                IncidentSpan.objects.filter(pk=span.pk).update(last_alert_id=None)


def _owner(incident: Incident) -> str:
    return incident.owner.username if incident.owner else ""


def _subject(incident: Incident) -> Subject:
    return Subject("incident", str(incident.pk), incident.number)


def _publish(kind: str, incident: Incident, by: User) -> None:
    topics = ["queue", f"incident:{incident.pk}"] + ([f"run:{incident.run_id}"] if incident.run_id else [])
    publish(
        kind,
        topics=topics,
        subject=("incident", incident.pk),
        by=by.username,
        status=incident.status,
        level=incident.level,
        version=incident.version,
        owner=incident.owner.username if incident.owner else None,
    )
