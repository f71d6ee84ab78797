"""Who a script is: the person whose token it holds, with that person's role and nothing more."""

from typing import TypeVar

from django.http import Http404, HttpRequest
from ninja.security import HttpBearer

from apps.accounts.models import User
from apps.accounts.roles import Right
from apps.accounts.tokens import use_token
from apps.console.api.problems import Problem

Row = TypeVar("Row")
VIA = "script"  # in the audit trail, beside the person's name


class ScriptRequest(HttpRequest):
    """A request behind `Bearer`."""

    auth: User


class Bearer(HttpBearer):
    """Lets in whoever holds one of `rights`. The operation carries it, so a test can walk them by role."""

    def __init__(self, *rights: Right) -> None:
        super().__init__()
        self.rights = rights

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        found = use_token(token)
        if found is None:
            return None
        if not any(found.user.may(right) for right in self.rights):
            raise forbidden(self.rights[0])
        return found.user


def permit(user: User, right: Right) -> None:
    """Raises the 403 unless `user` holds `right`."""
    if not user.may(right):
        raise forbidden(right)


def forbidden(right: Right) -> Problem:
    """What somebody without `right` is told."""
    return Problem(403, "not_allowed", f"Your role does not let you {right.label}.")


def found(row: Row | None) -> Row:
    """`row`, or the 404."""
    if row is None:
        raise Http404
    return row
