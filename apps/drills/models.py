"""Drills that were asked for, and the receipts that hosts signed about them."""

from django.conf import settings
from django.db import models

from apps.drills.choices import Name, Stage
from apps.fleet.models import Host, HostAgent


class Drill(models.Model):
    """`DR-0007`: one person asked one host to play one drill. What it sets off is a run like any, marked.

    The signed text names it by `-id`: host agents keep the numbers of drills apart from those of orders.
    """

    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="drills", db_index=False)
    agent = models.ForeignKey(HostAgent, on_delete=models.PROTECT, related_name="+", db_index=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="drills")
    name = models.CharField(max_length=16, choices=Name)
    seconds = models.PositiveIntegerField()
    reason = models.CharField(max_length=500, blank=True)
    nonce = models.CharField(max_length=32, unique=True)
    payload = models.TextField(blank=True)  # exact JSON text that was signed; holds this row's id
    signature = models.CharField(max_length=96, blank=True)
    stage = models.CharField(max_length=16, choices=Stage, default=Stage.REQUESTED)
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    stage_at = models.DateTimeField()  # server clock of the last move
    run_name = models.CharField(max_length=120, blank=True)  # as the host says: hostile text
    detail = models.CharField(max_length=500, blank=True)  # the same

    class Meta:
        indexes = [
            # Read on the host's page.
            models.Index(fields=["host", "-id"], name="drills_by_host"),
            # Read by a host agent for which no order waits.
            models.Index(
                fields=["agent", "id"], condition=models.Q(stage=Stage.REQUESTED), name="drills_pending"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The name that people say."""
        return f"DR-{self.pk:04d}"


class DrillReceipt(models.Model):
    """What a host signed about a drill, as it was received."""

    drill = models.ForeignKey(Drill, on_delete=models.PROTECT, related_name="receipts", db_index=False)
    seq = models.PositiveIntegerField()
    stage = models.CharField(max_length=16, choices=Stage)
    payload = models.TextField()  # exact text under the signature
    signature = models.CharField(max_length=96)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["drill", "seq"], name="drills_receipt_once")]
