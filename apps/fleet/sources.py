"""Alert sources: which sensors of others may send, from the token to its revocation."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.audit.services import By, Subject, record
from apps.core.keys import token_digest
from apps.core.text import storable
from apps.feed.services import publish
from apps.fleet.choices import AlertFormat
from apps.fleet.models import AlertSource

PREFIX = "src-"
NOTED_EVERY = timedelta(seconds=10)


@transaction.atomic
def make_source(*, name: str, form: str, by: By) -> tuple[AlertSource, str]:
    """A sensor may send its alerts in that format; the text of its token is returned once and kept nowhere.

    Raises ValueError where the name is empty or too long, or nobody reads that format.
    """
    called = storable(name.strip(), limit=400)
    if not 0 < len(called) <= 64:
        raise ValueError("A source needs a name of at most 64 characters.")
    if form not in AlertFormat.values:
        raise ValueError("Nobody here reads that format.")
    text = PREFIX + secrets.token_urlsafe(32)
    source = AlertSource.objects.create(
        name=called, format=form, digest=token_digest(text), made_by=by.name[:150]
    )
    record("source.made", by=by, subject=_subject(source), format=form)
    publish("source.changed", topics=["fleet"], subject=("source", source.pk), by=by.name)
    return source, text


@transaction.atomic
def revoke_source(source: AlertSource, *, by: By) -> bool:
    """Its token opens nothing from now on; False when it was revoked before."""
    rows = AlertSource.objects.filter(pk=source.pk, revoked_at=None)
    if not rows.update(revoked_at=timezone.now()):
        return False
    record("source.revoked", by=by, subject=_subject(source), format=source.format)
    publish("source.changed", topics=["fleet"], subject=("source", source.pk), by=by.name)
    return True


def use_source(text: str) -> AlertSource | None:
    """The live source whose token `text` is, noted as heard; None when it opens nothing."""
    source = AlertSource.objects.filter(digest=token_digest(text), revoked_at=None).first()
    now = timezone.now()
    if source is not None:
        stale = Q(last_seen_at=None) | Q(last_seen_at__lt=now - NOTED_EVERY)
        AlertSource.objects.filter(stale, pk=source.pk).update(last_seen_at=now)
    return source


def _subject(source: AlertSource) -> Subject:
    return Subject("source", str(source.pk), source.name)
