"""Whose token this is, and what it may do."""

from ninja import Router, Schema

from apps.accounts.roles import RIGHTS, Right
from apps.console.api.bearer import Bearer, ScriptRequest
from apps.console.api.problems import ERRORS

router = Router(tags=["me"], auth=Bearer(*Right))


class MeShape(Schema):
    """The person behind the token."""

    username: str
    role: str
    rights: list[Right]


@router.get("", response={200: MeShape, **ERRORS})
def who_am_i(request: ScriptRequest) -> MeShape:
    """The person whose token this is."""
    user = request.auth
    return MeShape(username=user.username, role=user.role, rights=sorted(RIGHTS.get(user.role, ())))
