"""Hosts, the software on them, and the training runs they carry."""

from django.db import models

from apps.fleet.choices import AgentState, AlertFormat, RunState


class Host(models.Model):
    """A machine under watch."""

    name = models.CharField(max_length=120, unique=True)
    machine_id = models.CharField(max_length=64, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class HostAgent(models.Model):
    """The software on a host: one key pair, one gapless numbering of batches."""

    uuid = models.UUIDField(unique=True)
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="agents")
    public_key = models.BinaryField(max_length=32, unique=True)
    state = models.CharField(max_length=16, choices=AgentState, default=AgentState.ACTIVE)
    version = models.CharField(max_length=32)
    capabilities = models.JSONField(
        default=dict
    )  # {"cgroup_kill": true, "process_events": true, "root": true …}
    sensors = models.JSONField(default=dict)  # {name: {"mode", "ok", "blind"}} of the last heartbeat
    spool = models.JSONField(default=dict)
    clock_offset_ms = models.FloatField(null=True, blank=True)  # host minus server
    clock_error_ms = models.FloatField(null=True, blank=True)
    enrolled_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    last_sequence = models.BigIntegerField(default=0)
    boot_id = models.CharField(max_length=64, blank=True)
    addresses = models.JSONField(default=list)  # of its interfaces, as of the last heartbeat
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # One voice a host: whoever comes second is a clone until a person decides.
            models.UniqueConstraint(
                fields=["host"],
                condition=models.Q(state=AgentState.ACTIVE),
                name="fleet_one_active_agent_a_host",
            ),
        ]


class EnrolmentToken(models.Model):
    """A one-time right to enrol one host. Only the hash is kept."""

    digest = models.CharField(max_length=64, unique=True)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(HostAgent, null=True, blank=True, on_delete=models.PROTECT)


class AlertSource(models.Model):
    """A sensor of somebody else that may send its alerts. Only the hash of its token is kept."""

    name = models.CharField(max_length=64)
    format = models.CharField(max_length=24, choices=AlertFormat)
    digest = models.CharField(max_length=64, unique=True)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class TrainingRun(models.Model):
    """One training of one policy; may stand on many hosts."""

    name = models.CharField(max_length=120, db_index=True)
    marker = models.CharField(max_length=120, unique=True)  # value of SENTINEL_RUN in its processes
    state = models.CharField(max_length=16, choices=RunState, default=RunState.RUNNING)
    framework = models.CharField(max_length=40, blank=True)
    lineage = models.CharField(max_length=120, blank=True, db_index=True)
    owner = models.CharField(max_length=120, blank=True)
    policy = models.CharField(max_length=120, blank=True, db_default="")
    base_checkpoint = models.CharField(max_length=400, blank=True, db_default="")
    parent_run = models.CharField(max_length=120, blank=True, db_default="")  # by the name it is told under
    drill = models.BooleanField(default=False)
    global_step = models.BigIntegerField(null=True, blank=True)
    native_ids = models.JSONField(default=dict)
    contract = models.JSONField(default=dict)  # as its launch told it; what holds is in RunContract
    started_at = models.DateTimeField()  # host clock
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["-id"], condition=models.Q(state__in=["running", "paused"]), name="fleet_live_runs"
            )
        ]

    def __str__(self) -> str:
        return self.name


class TraceToken(models.Model):
    """A right to send the traces of one run, and nothing else. Only the hash is kept."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="trace_tokens")
    digest = models.CharField(max_length=64, unique=True)
    made_by = models.CharField(max_length=150)
    made_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)


class RunContract(models.Model):
    """One version of what a run may do. Which one holds follows from `ends_at` (apps/fleet/contracts.py)."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="contracts", db_index=False)
    version = models.PositiveIntegerField()
    body = models.JSONField(default=dict)
    by = models.CharField(max_length=150)
    reason = models.CharField(max_length=400)
    made_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # Of two people who change the same version one is stored.
            models.UniqueConstraint(fields=["run", "version"], name="fleet_contract_version_once")
        ]


class Placement(models.Model):
    """Where a run stands on one host: what an order will be aimed at."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="placements")
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="placements")
    cgroup = models.CharField(max_length=400, blank=True)
    root_pid = models.BigIntegerField()
    root_start_ticks = models.BigIntegerField()
    gpus = models.JSONField(default=list)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "host"], name="fleet_one_placement_a_host")]
        indexes = [
            models.Index(fields=["host"], condition=models.Q(ended_at=None), name="fleet_live_placements")
        ]


class Episode(models.Model):
    """One trajectory of the agent under training. Native ids stay as they came."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="episodes")
    native_id = models.CharField(max_length=200)
    global_step = models.BigIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    native_ids = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "native_id"], name="fleet_episode_once_a_run")]


class Sandbox(models.Model):
    """The container, cgroup or network namespace in which an episode's tools run."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="sandboxes")
    host = models.ForeignKey(  # null: it came through the trace door, which knows no host
        Host, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    native_id = models.CharField(max_length=200)
    cgroup = models.CharField(max_length=400, blank=True)
    netns = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "native_id"], name="fleet_sandbox_once_a_run")]
