"""Levels of rules and alerts, worst first."""

from django.db.models import TextChoices


class Level(TextChoices):
    CRITICAL = "critical", "Critical"
    HIGH = "high", "High"
    MEDIUM = "medium", "Medium"
    LOW = "low", "Low"
    INFO = "info", "Info"


# For sorting and for "the worst of": a higher number is worse. OCSF severity_id counts the same way.
RANK: dict[str, int] = {Level.CRITICAL: 5, Level.HIGH: 4, Level.MEDIUM: 3, Level.LOW: 2, Level.INFO: 1}
