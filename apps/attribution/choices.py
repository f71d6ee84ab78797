"""Who may have done it."""

from django.db.models import TextChoices


class Origin(TextChoices):
    MODEL = "model", "Model"
    OPERATOR = "operator", "Operator"
    EXTERNAL = "external", "External"
    UNKNOWN = "unknown", "Unknown"
