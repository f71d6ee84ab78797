"""The join: alert, process, tool call; with what it rests on."""

from django.db import models

from apps.attribution.choices import Origin
from apps.detection.models import Alert
from apps.telemetry.models import Process, ToolCall


class Attribution(models.Model):
    """What was concluded about one alert, and from what. A later one supersedes, none is changed.

    `basis` is a list of {"matcher", "strength", "says", "against": bool}; `missing` a list of sentences
    about what could not be seen. An alert without a current row has not been looked at yet.
    """

    # No index of their own: those below hold the rows that anybody asks for.
    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="attributions", db_index=False)
    tool_call = models.ForeignKey(
        ToolCall, null=True, blank=True, on_delete=models.PROTECT, related_name="attributions", db_index=False
    )
    # Whose signs were weighed: the alert's own, or who is found to have held the connection that it names.
    process = models.ForeignKey(
        Process, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    origin = models.CharField(max_length=12, choices=Origin)
    strength = models.PositiveSmallIntegerField()  # 0 to 100
    clock_error_ms = models.FloatField(null=True, blank=True)  # null: not measured
    delta_ms = models.FloatField(null=True, blank=True)  # alert minus start of the tool call
    basis = models.JSONField(default=list)
    missing = models.JSONField(default=list)
    made_at = models.DateTimeField(auto_now_add=True)
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alert"], condition=models.Q(superseded_at=None), name="attribution_one_current"
            )
        ]
        indexes = [
            models.Index(
                fields=["tool_call"],
                condition=models.Q(tool_call__isnull=False),
                name="attribution_by_call",
            )
        ]
