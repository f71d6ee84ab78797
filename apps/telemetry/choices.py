"""States of a received batch, and where a tool call is known from."""

from django.db.models import TextChoices


class BatchState(TextChoices):
    PENDING = "pending", "Waiting"
    DONE = "done", "Worked off"
    DEAD = "dead", "Dead letter"  # could not be worked off; shown to people, kept as received


class KnownFrom(TextChoices):
    SPAN = "span", "Its span"
    ASKED = "asked", "The model's answer"  # asked for; no span has told that it ran
    PROCESS = "process", "A process"  # named in a process's environment; no span has told what it is
    RECORD = "record", "A record written afterwards"  # with no times of its own


TOLD = frozenset({KnownFrom.SPAN, KnownFrom.RECORD})
