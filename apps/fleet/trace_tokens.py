"""Tokens that are good for one thing: sending the traces of one run."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.audit.services import By, Subject, record
from apps.core.keys import token_digest
from apps.fleet.models import TraceToken, TrainingRun

PREFIX = "snr_"  # so that a leaked one is recognised, and no person's is taken for one
NOTED_EVERY = timedelta(minutes=1)


@transaction.atomic
def make_trace_token(run: TrainingRun, *, by: By) -> tuple[TraceToken, str]:
    """Training code of `run` can send its traces; the text is returned once, and only its hash is kept."""
    text = PREFIX + secrets.token_urlsafe(32)
    token = TraceToken.objects.create(run=run, digest=token_digest(text), made_by=by.name[:150])
    record("trace_token.made", by=by, subject=_subject(token), run=run.name)
    return token, text


@transaction.atomic
def revoke_trace_token(token: TraceToken, *, by: By) -> bool:
    """The token opens nothing from now on; False when it was revoked before."""
    if not TraceToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    record("trace_token.revoked", by=by, subject=_subject(token), run=token.run.name, made_by=token.made_by)
    return True


def use_trace_token(text: str) -> TraceToken | None:
    """The token that `text` is, with its run, noted as used; None when it opens nothing."""
    token = (
        TraceToken.objects.select_related("run").filter(digest=token_digest(text), revoked_at=None).first()
        if text.startswith(PREFIX)
        else None
    )
    now = timezone.now()
    if token and (token.last_used_at is None or token.last_used_at < now - NOTED_EVERY):
        TraceToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def trace_tokens_of(run: TrainingRun) -> QuerySet[TraceToken]:
    """The tokens of the run that still open something, newest first."""
    return TraceToken.objects.filter(run=run, revoked_at=None).select_related("run").order_by("-id")


def _subject(token: TraceToken) -> Subject:
    return Subject("trace_token", str(token.pk), f"trace token {token.pk}")
