"""What a run may do: the version that holds, those before it, and setting another."""

from datetime import UTC, datetime
from typing import Annotated, Any

from ninja import Field, Router, Schema, Status

from apps.accounts.roles import Right
from apps.audit.services import By
from apps.console.api.bearer import VIA, Bearer, ScriptRequest
from apps.console.api.problems import CONFLICT, ERRORS, Problem
from apps.console.api.runs import run_of
from apps.console.api.shapes import Id
from apps.fleet import contracts
from apps.fleet.contract import MOST_TEXT, Contract, Unreadable, from_yaml, of
from apps.fleet.models import RunContract, TrainingRun

router = Router(tags=["runs"], auth=Bearer(Right.VIEW))


class VersionShape(Schema):
    """One version. `ends_at`: from then on the version before holds again."""

    version: int
    body: dict[str, Any]
    by: str
    reason: str
    made_at: datetime
    ends_at: datetime | None
    holds: bool


class ContractShape(Schema):
    """Every version, newest first. `newest` has to come back with a change."""

    newest: int
    versions: list[VersionShape]


class ContractChange(Schema):
    """The whole contract, as data or as the text of a YAML document, and why it is set."""

    contract: dict[str, Any] | None = None
    yaml: Annotated[str, Field(max_length=MOST_TEXT)] | None = None
    reason: Annotated[str, Field(max_length=contracts.REASON)]
    ends_at: datetime | None = None
    version: Annotated[int, Field(ge=0, lt=2**31)]


@router.get("/{run_id}/contract", response={200: ContractShape, **ERRORS})
def get_contract(request: ScriptRequest, run_id: Id) -> ContractShape:
    """What the run may do, version by version."""
    return _shape(run_of(run_id))


@router.post("/{run_id}/contract", response={201: ContractShape, **CONFLICT}, auth=Bearer(Right.CONTRACT))
def set_contract(request: ScriptRequest, run_id: Id, change: ContractChange) -> Status[ContractShape]:
    """A new version holds; what allows more than before needs `ends_at`."""
    run = run_of(run_id)
    ends_at = change.ends_at
    if ends_at is not None and ends_at.tzinfo is None:
        ends_at = ends_at.replace(tzinfo=UTC)
    try:
        asked = contracts.Change(_read(change), change.reason, ends_at, change.version)
        contracts.set_contract(run, asked, by=By(VIA, request.auth.username))
    except (Unreadable, contracts.Refused) as error:
        wrong = [{"at": "body", "says": says} for says in error.wrong[:20]]
        raise Problem(422, "invalid", "The contract was not set.", wrong=wrong) from None
    except contracts.Lost as lost:
        newest = lost.newest.version if lost.newest else 0
        raise Problem(409, "lost", str(lost), newest=newest) from None
    return Status(201, _shape(run))


def _read(change: ContractChange) -> Contract:
    if (change.contract is None) is (change.yaml is None):
        raise Unreadable(["Send either contract or yaml."])
    return of(change.contract) if change.contract is not None else from_yaml(change.yaml or "")


def _shape(run: TrainingRun) -> ContractShape:
    rows = contracts.versions(run)
    held = contracts.in_force(rows, datetime.now(UTC))
    return ContractShape(
        newest=rows[0].version if rows else 0, versions=[_version(row, held) for row in rows]
    )


def _version(row: RunContract, held: RunContract | None) -> VersionShape:
    names = [name for name in VersionShape.model_fields if name != "holds"]
    return VersionShape(holds=row == held, **{name: getattr(row, name) for name in names})
