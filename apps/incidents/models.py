"""What a person handles: alerts of one behaviour of one run (or host), with status, owner and notes."""

from django.conf import settings
from django.db import models

from apps.attribution.choices import Origin
from apps.detection.choices import Level
from apps.detection.models import Alert
from apps.fleet.models import Host, TrainingRun
from apps.incidents.choices import Status, Verdict


class Incident(models.Model):
    """`INC-0042`. The counters are kept by correlation; status and owner move by compare-and-set only."""

    title = models.CharField(max_length=200)
    behaviour = models.CharField(max_length=60)
    technique = models.CharField(max_length=16, blank=True)
    level = models.CharField(max_length=8, choices=Level)
    rank = models.PositiveSmallIntegerField()  # RANK[level], to sort by
    status = models.CharField(max_length=8, choices=Status, default=Status.NEW)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="incidents"
    )
    run = models.ForeignKey(
        TrainingRun, null=True, blank=True, on_delete=models.PROTECT, related_name="incidents"
    )
    drill = models.BooleanField(default=False)
    follows = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="followed_by"
    )
    origin = models.CharField(max_length=12, choices=Origin, default=Origin.UNKNOWN)
    confidence = models.PositiveSmallIntegerField(default=0)  # of the origin, 0 to 100
    judged = models.CharField(max_length=12, choices=Origin, blank=True)  # by a person; `origin` stays
    judged_by = models.CharField(max_length=150, blank=True)
    judged_at = models.DateTimeField(null=True, blank=True)
    alert_count = models.BigIntegerField(default=0)
    first_alert_at = models.DateTimeField()  # host clock
    last_alert_at = models.DateTimeField()
    opened_at = models.DateTimeField()  # server clock
    changed_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=16, choices=Verdict, blank=True)
    version = models.PositiveBigIntegerField(default=1)  # compare-and-set of edits

    class Meta:
        indexes = [
            # The queue: open ones, urgent first, by keyset.
            models.Index(
                fields=["-rank", "-id"], condition=~models.Q(status="closed"), name="incidents_queue"
            ),
            models.Index(fields=["-closed_at"], condition=models.Q(status="closed"), name="incidents_closed"),
            models.Index(fields=["run", "-id"], name="incidents_by_run"),
            models.Index(fields=["behaviour", "-id"], name="incidents_by_behaviour"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The name that people say."""
        return f"INC-{self.pk:04d}"


class IncidentSpan(models.Model):
    """Which alerts belong: those with `key` from `first_alert_id` to `last_alert_id`.

    Open while `last_alert_id` is null. Correlation locks the open span of a key before its alerts are
    inserted, so closing one waits for alerts under way. Ids and not foreign keys: a span is a range.
    """

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="spans")
    key = models.BinaryField(max_length=16)
    first_alert_id = models.BigIntegerField()
    last_alert_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=models.Q(last_alert_id=None), name="incidents_one_open_span_a_key"
            )
        ]
        indexes = [models.Index(fields=["key", "-id"], name="incidents_span_by_key")]


class IncidentHost(models.Model):
    """The hosts of an incident."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="hosts")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["incident", "host"], name="incidents_host_once")]


class Annotation(models.Model):
    """What a person wrote."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="annotations")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=20_000)
    alert = models.ForeignKey(Alert, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)


class StatusChange(models.Model):
    """The history: what moved from where to where, by whom."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="changes")
    field = models.CharField(max_length=16)  # status | owner | level | origin | opened | grew
    before = models.CharField(max_length=150, blank=True)
    after = models.CharField(max_length=150, blank=True)
    by = models.CharField(max_length=150)
    note = models.CharField(max_length=400, blank=True)
    at = models.DateTimeField(auto_now_add=True)
