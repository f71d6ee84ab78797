"""Who may have done it."""

from django.db.models import TextChoices


class Origin(TextChoices):
    MODEL = "model", "Model"
    OPERATOR = "operator", "Operator"
    EXTERNAL = "external", "External"
    DEPENDENCY = "dependency", "Dependency"
    MONITORING = "monitoring", "Monitoring"
    UNKNOWN = "unknown", "Unknown"
