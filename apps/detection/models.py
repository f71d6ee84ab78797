"""Rules as they are known to the database, and alerts: facts that never change."""

from django.db import models

from apps.detection.choices import Level
from apps.fleet.models import Host, TrainingRun
from apps.telemetry.models import Batch, Connection, Process, Report


class DetectionRule(models.Model):
    """A rule that has raised or may raise alerts; those in code are written here when first used."""

    slug = models.CharField(max_length=80, unique=True)
    version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=200)
    family = models.CharField(max_length=40)
    behaviour = models.CharField(max_length=60)  # what incidents are grouped by
    level = models.CharField(max_length=8, choices=Level)
    technique = models.CharField(max_length=16, blank=True)  # ATT&CK id
    source = models.CharField(max_length=24, default="sentinel")  # who raises it
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.slug


class Alert(models.Model):
    """One finding about one fact. It carries no state: incidents do.

    `correlation_key` is a fact too (the hash of run or host, behaviour and drill); which incident an
    alert belongs to follows from `incidents.IncidentSpan`.
    """

    rule = models.ForeignKey(DetectionRule, on_delete=models.PROTECT, related_name="alerts")
    level = models.CharField(max_length=8, choices=Level)
    title = models.CharField(max_length=200)
    # No index of their own for what an index below begins with: every one costs each insert.
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="+", db_index=False)
    run = models.ForeignKey(
        TrainingRun, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    process = models.ForeignKey(
        Process, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    connection = models.ForeignKey(
        Connection, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # What it was found in: a batch of a host agent, or a report of an alert source.
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    report = models.ForeignKey(
        Report, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    position = models.PositiveIntegerField()
    occurred_at = models.DateTimeField()  # host clock
    received_at = models.DateTimeField()  # server clock
    correlation_key = models.BinaryField(max_length=16)
    drill = models.BooleanField(default=False)
    detail = models.JSONField(default=dict)  # hostile values

    class Meta:
        constraints = [
            # A batch worked off twice doubles nothing.
            models.UniqueConstraint(fields=["batch", "position", "rule"], name="detection_alert_once"),
            models.UniqueConstraint(
                fields=["report", "position", "rule"],
                condition=models.Q(report__isnull=False),
                name="detection_alert_once_a_report",
            ),
            models.CheckConstraint(
                condition=models.Q(batch__isnull=False, report__isnull=True)
                | models.Q(batch__isnull=True, report__isnull=False),
                name="detection_alert_of_one_upload",
            ),
        ]
        indexes = [
            models.Index(fields=["correlation_key", "id"], name="detection_alert_by_key"),
            models.Index(
                fields=["run", "-id"], condition=models.Q(run__isnull=False), name="detection_alert_by_run"
            ),
            models.Index(fields=["host", "-id"], name="detection_alert_by_host"),
            # Of sensors on the wire, until a host has reported the connection.
            models.Index(
                fields=["-occurred_at"],
                condition=models.Q(process=None, detail__has_key="flow"),
                name="detection_alert_unowned",
            ),
            models.Index(
                fields=["process"],
                condition=models.Q(process__isnull=False),
                name="detection_alert_by_process",
            ),
            models.Index(
                fields=["connection"],
                condition=models.Q(connection__isnull=False),
                name="detection_alert_by_conn",
            ),
        ]
