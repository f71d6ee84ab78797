"""Trace tokens: what lets training code send the traces of one run, and nothing else."""

from datetime import datetime

from ninja import Router, Schema, Status

from apps.accounts.roles import Right
from apps.audit.services import By
from apps.console.api.bearer import VIA, Bearer, ScriptRequest, found
from apps.console.api.problems import ERRORS
from apps.console.api.runs import run_of
from apps.console.api.shapes import Id
from apps.fleet import trace_tokens
from apps.fleet.models import TraceToken

router = Router(tags=["runs"], auth=Bearer(Right.VIEW))
MOST = 200


class TraceTokenShape(Schema):
    """A trace token. Its text is not kept."""

    id: int
    made_by: str
    made_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewTraceToken(Schema):
    """A trace token right after it was made: the only time that its text is told."""

    token: TraceTokenShape
    text: str


@router.get("/{run_id}/trace-tokens", response={200: list[TraceTokenShape], **ERRORS})
def list_trace_tokens(request: ScriptRequest, run_id: Id) -> list[TraceTokenShape]:
    """The run's trace tokens that still open something, newest first."""
    return [TraceTokenShape.from_orm(row) for row in trace_tokens.trace_tokens_of(run_of(run_id))[:MOST]]


@router.post("/{run_id}/trace-tokens", response={201: NewTraceToken, **ERRORS}, auth=Bearer(Right.TRIAGE))
def make_trace_token(request: ScriptRequest, run_id: Id) -> Status[NewTraceToken]:
    """Make a trace token for one run."""
    token, text = trace_tokens.make_trace_token(run_of(run_id), by=By(VIA, request.auth.username))
    return Status(201, NewTraceToken(token=TraceTokenShape.from_orm(token), text=text))


@router.post(
    "/{run_id}/trace-tokens/{token_id}/revoke",
    response={200: TraceTokenShape, **ERRORS},
    auth=Bearer(Right.TRIAGE),
)
def revoke_trace_token(request: ScriptRequest, run_id: Id, token_id: Id) -> TraceTokenShape:
    """The token opens nothing from now on; revoked twice is revoked once."""
    token = found(TraceToken.objects.select_related("run").filter(pk=token_id, run=run_id).first())
    trace_tokens.revoke_trace_token(token, by=By(VIA, request.auth.username))
    token.refresh_from_db()
    return TraceTokenShape.from_orm(token)
