"""Batches as they were received (the inbox), and the facts read out of them."""

from typing import ClassVar

from django.db import models

from apps.fleet.models import AlertSource, Episode, Host, HostAgent, Sandbox, TrainingRun
from apps.telemetry.choices import BatchState, KnownFrom

# `db_index=False`: an index or constraint of the model begins with that column, or nobody asks by it.


class Batch(models.Model):
    """One signed upload of a host agent, byte for byte: the evidence under every fact."""

    agent = models.ForeignKey(HostAgent, on_delete=models.PROTECT, related_name="batches", db_index=False)
    sequence = models.BigIntegerField()
    body = models.BinaryField()  # as sent, still compressed; STORAGE EXTERNAL (migration 0001)
    encoding = models.CharField(max_length=8, default="identity")
    digest = models.CharField(max_length=64)  # sha256 of body
    signature = models.CharField(max_length=96)
    received_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=BatchState, default=BatchState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    records = models.PositiveIntegerField(null=True, blank=True)
    error = models.CharField(max_length=400, blank=True)
    worked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "sequence"], name="telemetry_batch_once")]
        indexes = [
            # Read by the drain: what waits, oldest first.
            models.Index(fields=["id"], condition=models.Q(state="pending"), name="telemetry_inbox"),
            models.Index(fields=["-id"], condition=models.Q(state="dead"), name="telemetry_dead_letters"),
        ]


class Report(models.Model):
    """One upload of an alert source, byte for byte: the evidence under the alerts of other products."""

    source = models.ForeignKey(AlertSource, on_delete=models.PROTECT, related_name="reports", db_index=False)
    body = models.BinaryField()  # as sent
    encoding = models.CharField(max_length=8, default="identity")
    digest = models.CharField(max_length=64)  # sha256 of body
    received_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=BatchState, default=BatchState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    told = models.JSONField(default=dict)  # what was in it: how many alerts, resolved, cut, not readable
    error = models.CharField(max_length=400, blank=True)
    worked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "digest"], name="telemetry_report_once")]
        indexes = [
            # Read by the drain: what waits, oldest first.
            models.Index(fields=["id"], condition=models.Q(state="pending"), name="telemetry_reports_due"),
            models.Index(fields=["-id"], condition=models.Q(state="dead"), name="telemetry_reports_dead"),
        ]


class NativeId(models.Model):
    """What a source calls one of its alerts, hashed: told again in other bytes, it raises nothing again."""

    source = models.ForeignKey(AlertSource, on_delete=models.PROTECT, related_name="+", db_index=False)
    digest = models.BinaryField(max_length=16)
    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="+", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "digest"], name="telemetry_native_id_once")]


class Event(models.Model):
    """An observed fact that has no table of its own: gaps, run steps, tampering."""

    kind = models.CharField(max_length=32)
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="+", db_index=False)
    run = models.ForeignKey(TrainingRun, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="+", db_index=False)
    position = models.PositiveIntegerField()
    occurred_at = models.DateTimeField()  # host clock
    received_at = models.DateTimeField()  # server clock
    data = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "position"], name="telemetry_event_once")]
        indexes = [models.Index(fields=["host", "-occurred_at"], name="telemetry_event_by_host")]


class Process(models.Model):
    """A process on a host, named by pid and start time: a pid alone is used again."""

    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="+", db_index=False)
    pid = models.BigIntegerField()
    start_ticks = models.BigIntegerField()
    ppid = models.BigIntegerField()
    argv = models.JSONField(default=list)
    exe = models.TextField(blank=True)
    cwd = models.TextField(blank=True)
    uid = models.BigIntegerField(null=True, blank=True)
    cgroup = models.TextField(blank=True)
    netns = models.BigIntegerField(null=True, blank=True)
    marker = models.CharField(max_length=120, blank=True)
    traceparent = models.CharField(max_length=64, blank=True)
    run = models.ForeignKey(
        TrainingRun, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    truncated = models.BooleanField(default=False)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()  # host clock
    executed_at = models.DateTimeField()  # host clock: since when it runs this program
    received_at = models.DateTimeField()  # server clock
    ended_at = models.DateTimeField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "pid", "start_ticks"], name="telemetry_process_once")
        ]
        indexes = [
            models.Index(fields=["run", "-started_at"], name="telemetry_process_by_run"),
            models.Index(fields=["host", "-started_at"], name="telemetry_process_by_host"),
        ]


class Connection(models.Model):
    """A socket with its owner, from first seen to last seen."""

    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="+")
    process = models.ForeignKey(
        Process, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    run = models.ForeignKey(
        TrainingRun, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    pid = models.BigIntegerField(null=True, blank=True)
    start_ticks = models.BigIntegerField(null=True, blank=True)
    netns = models.BigIntegerField(null=True, blank=True)
    proto = models.CharField(max_length=8)
    state = models.CharField(max_length=16)
    local = models.CharField(max_length=64)
    remote = models.CharField(max_length=64, blank=True)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="+", db_index=False)
    position = models.PositiveIntegerField()
    opened_at = models.DateTimeField()  # host clock, when first seen
    received_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "position"], name="telemetry_connection_once")
        ]
        indexes = [
            models.Index(fields=["process"], name="telemetry_conn_by_process"),
            models.Index(fields=["run", "-opened_at"], name="telemetry_conn_by_run"),
            # Read when a close arrives.
            models.Index(
                fields=["host", "local", "remote"],
                condition=models.Q(closed_at=None),
                name="telemetry_conn_open",
            ),
            # Read by flow_owners: whose a flow was, by both ends and by the far one.
            models.Index(
                fields=["local", "remote", "-opened_at"],
                condition=~models.Q(remote=""),
                name="telemetry_conn_by_ends",
            ),
            models.Index(
                fields=["remote", "-opened_at"],
                condition=~models.Q(remote=""),
                name="telemetry_conn_by_remote",
            ),
        ]


class VouchedCalls(models.Manager["ToolCall"]):
    """Tool calls that something else than a process vouches for.

    One that a process alone names is hardly evidence about that process, which may name what it likes: who
    weighs it asks `every` for it. And one that was asked for and is told under another row since is that row.
    """

    def get_queryset(self) -> models.QuerySet["ToolCall"]:
        found = super().get_queryset().exclude(known_from=KnownFrom.PROCESS)
        return found.exclude(known_from=KnownFrom.ASKED, told_as__isnull=False)


class ToolCall(models.Model):
    """One tool call of the agent under training: known when it starts, finished when its span ends.

    `told_as` is another row under which the same call is told: lists leave this one out.
    """

    run = models.ForeignKey(
        TrainingRun,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="tool_calls",
        db_index=False,
    )
    episode = models.ForeignKey(
        Episode, null=True, blank=True, on_delete=models.PROTECT, related_name="tool_calls"
    )
    sandbox = models.ForeignKey(Sandbox, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    host = models.ForeignKey(
        Host, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    trace_id = models.CharField(max_length=32)
    span_id = models.CharField(max_length=16)
    parent_span_id = models.CharField(max_length=16, blank=True)
    call_id = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=200)
    arguments = models.TextField(blank=True)  # hostile text
    arguments_captured = models.BooleanField(default=False)  # content capture is opt-in upstream
    global_step = models.BigIntegerField(null=True, blank=True)
    started_at = models.DateTimeField()  # clock of the host that ran it
    ended_at = models.DateTimeField(null=True, blank=True)
    failed = models.BooleanField(default=False)
    received_at = models.DateTimeField()
    known_from = models.CharField(max_length=8, choices=KnownFrom, default=KnownFrom.SPAN, db_default="span")
    said_run = models.CharField(max_length=120, blank=True, db_default="")  # hostile text
    asked_key = models.CharField(max_length=16, blank=True, db_default="")  # which part of which answer
    told_as = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="also", db_index=False
    )

    objects = VouchedCalls()
    every: ClassVar[models.Manager["ToolCall"]] = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trace_id", "span_id"], name="telemetry_tool_call_once"),
            models.UniqueConstraint(
                fields=["trace_id", "asked_key"],
                condition=~models.Q(asked_key=""),
                name="telemetry_tool_call_asked_once",
            ),
        ]
        indexes = [
            # Read when a call ends that is told under two rows.
            models.Index(
                fields=["told_as"],
                condition=models.Q(told_as__isnull=False),
                name="telemetry_call_told_as",
            ),
            # Read when a run begins, and by the list of calls of no known run.
            models.Index(
                fields=["said_run", "-id"], condition=models.Q(run=None), name="telemetry_call_unassigned"
            ),
            models.Index(fields=["run", "-started_at"], name="telemetry_call_by_run"),
            models.Index(fields=["host", "-started_at"], name="telemetry_call_by_host"),
        ]


class SpanLink(models.Model):
    """Where a span that is no tool call stands in its trace: how a call finds its run, episode and step."""

    trace_id = models.CharField(max_length=32)
    span_id = models.CharField(max_length=16)
    parent_span_id = models.CharField(max_length=16, blank=True)
    run = models.ForeignKey(
        TrainingRun, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    said_run = models.CharField(max_length=120, blank=True)
    episode = models.CharField(max_length=200, blank=True)
    global_step = models.BigIntegerField(null=True, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["trace_id", "span_id"], name="telemetry_span_once")]
        indexes = [
            models.Index(
                fields=["said_run"],
                condition=models.Q(run=None) & ~models.Q(said_run=""),
                name="telemetry_span_unassigned",
            )
        ]


class GpuSample(models.Model):
    """Who held a GPU, as the driver said."""

    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="+", db_index=False)
    run = models.ForeignKey(TrainingRun, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    gpu_uuid = models.CharField(max_length=64)
    pid = models.BigIntegerField()
    start_ticks = models.BigIntegerField()
    memory_bytes = models.BigIntegerField(null=True, blank=True)
    sm_percent = models.FloatField(null=True, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["host", "-occurred_at"], name="telemetry_gpu_by_host")]
