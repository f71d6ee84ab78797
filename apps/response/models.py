"""Orders to hosts, and the receipts that they signed."""

from django.conf import settings
from django.db import models

from apps.fleet.models import Host, HostAgent, TrainingRun
from apps.incidents.models import Incident
from apps.response.choices import Action, Stage


class ContainmentOrder(models.Model):
    """`CO-0193`: one act on one run. What came of it is read from its targets, never stored beside them."""

    action = models.CharField(max_length=8, choices=Action)
    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="orders")
    incident = models.ForeignKey(
        Incident, null=True, blank=True, on_delete=models.PROTECT, related_name="orders"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders")
    reason = models.CharField(max_length=500)
    parameters_digest = models.CharField(max_length=64)  # sha256 over the exact targets the person saw
    idempotency_key = models.CharField(max_length=64, unique=True)
    drill = models.BooleanField(default=False)
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The name that people say."""
        return f"CO-{self.pk:04d}"


class OrderTarget(models.Model):
    """One host's part of an order: the exact signed text, and how far it got."""

    order = models.ForeignKey(ContainmentOrder, on_delete=models.PROTECT, related_name="targets")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="+")
    agent = models.ForeignKey(HostAgent, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    nonce = models.CharField(max_length=32, unique=True)
    payload = models.TextField(blank=True)  # exact JSON text that was signed; holds this row's id
    signature = models.CharField(max_length=96, blank=True)
    stage = models.CharField(max_length=16, choices=Stage, default=Stage.REQUESTED)
    stage_at = models.DateTimeField()  # server clock of the last move
    delivered_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    processes_before = models.IntegerField(null=True, blank=True)
    processes_after = models.IntegerField(null=True, blank=True)
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "host"], name="response_target_once_a_host")]
        indexes = [
            # Read by a host agent that was rung.
            models.Index(
                fields=["agent", "id"],
                condition=models.Q(stage__in=["REQUESTED", "UNREACHABLE"]),
                name="response_pending",
            ),
            models.Index(fields=["stage_at"], condition=models.Q(settled_at=None), name="response_unsettled"),
        ]


class Receipt(models.Model):
    """What a host signed about an order, as it was received."""

    target = models.ForeignKey(OrderTarget, on_delete=models.PROTECT, related_name="receipts")
    seq = models.PositiveIntegerField()
    stage = models.CharField(max_length=16, choices=Stage)
    payload = models.TextField()  # exact text under the signature
    signature = models.CharField(max_length=96)
    data = models.JSONField()  # the payload, parsed, without the evidence in it
    host_at = models.DateTimeField()  # host clock
    received_at = models.DateTimeField()  # server clock

    class Meta:
        constraints = [models.UniqueConstraint(fields=["target", "seq"], name="response_receipt_once")]
