"""Where an incident stands with people."""

from django.db.models import TextChoices


class Status(TextChoices):
    NEW = "new", "New"
    TAKEN = "taken", "In hand"
    CLOSED = "closed", "Closed"


OPEN = frozenset({Status.NEW, Status.TAKEN})


class Verdict(TextChoices):
    """Said by a person on closing; the machine's own conclusion stays beside it."""

    MODEL = "model", "Model-initiated"
    SANCTIONED = "sanctioned", "Sanctioned by the task"
    OPERATOR = "operator", "Operator"
    DEPENDENCY = "dependency", "Dependency"
    EXTERNAL = "external", "Outside party"
    MONITORING = "monitoring", "Monitoring error"
    DRILL = "drill", "Drill"
