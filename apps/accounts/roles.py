"""Roles and what each may do, in one table. Nobody gets more, in pages, sockets and API alike."""

from django.db.models import TextChoices


class Role(TextChoices):
    VIEWER = "viewer", "Viewer"
    RESPONDER = "responder", "Responder"
    OPERATOR = "operator", "Operator"
    AUDITOR = "auditor", "Auditor"
    ADMIN = "admin", "Admin"


class Right(TextChoices):
    VIEW = "view", "see incidents, runs, hosts and orders"
    TRIAGE = "triage", "take, change and annotate incidents"
    CONTAIN = "contain", "pause and kill training runs"
    CONTRACT = "contract", "set what a training run may do"
    RESUME = "resume", "resume a paused run"
    DRILL = "drill", "start a drill"
    AUDIT = "audit", "read the audit trail"
    EXPORT = "export", "export the audit trail"
    ENROL = "enrol", "enrol and revoke hosts"
    PEOPLE = "people", "manage people and roles"


RIGHTS: dict[str, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.VIEW}),
    Role.RESPONDER: frozenset({Right.VIEW, Right.TRIAGE}),
    Role.OPERATOR: frozenset(
        {Right.VIEW, Right.TRIAGE, Right.CONTAIN, Right.CONTRACT, Right.RESUME, Right.DRILL}
    ),
    Role.AUDITOR: frozenset({Right.VIEW, Right.AUDIT, Right.EXPORT}),
    Role.ADMIN: frozenset(Right),
}


def may(role: str, right: Right) -> bool:
    """Whether `role` carries `right`; an unknown role carries none."""
    return right in RIGHTS.get(role, frozenset())
