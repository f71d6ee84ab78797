"""States of a received batch."""

from django.db.models import TextChoices


class BatchState(TextChoices):
    PENDING = "pending", "Waiting"
    DONE = "done", "Worked off"
    DEAD = "dead", "Dead letter"  # could not be worked off; shown to people, kept as received
