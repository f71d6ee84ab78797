"""The cast (Ana, Jonas, Mei, Otto, Ada) and one incident as it would be after ingest."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.attribution.models import Attribution
from apps.detection.choices import RANK
from apps.detection.models import Alert, DetectionRule
from apps.fleet.models import Episode, Host, HostAgent, Placement, TrainingRun
from apps.incidents.models import Incident, IncidentHost, IncidentSpan
from apps.telemetry.models import Batch, Connection, Event, GpuSample, Process, ToolCall

ROLES = {
    "ana": Role.OPERATOR,
    "jonas": Role.RESPONDER,
    "mei": Role.VIEWER,
    "otto": Role.AUDITOR,
    "ada": Role.ADMIN,
}


def person(name: str) -> User:
    """One of the cast."""
    user = User.objects.filter(username=name).first()
    if user is None:
        user = User(username=name, first_name=name.capitalize(), role=ROLES[name])
        user.set_unusable_password()
        user.save()
    return user


def browser(name: str | None) -> Client:
    """A signed-in browser, or somebody without a session."""
    client = Client()
    if name:
        client.force_login(person(name), backend="django.contrib.auth.backends.ModelBackend")
    return client


TUNNEL = "ssh -fN -R 0.0.0.0:2222:localhost:22"


@dataclass
class Story:
    """An agent of `run` opened a tunnel on `host`."""

    host: Host
    agent: HostAgent
    run: TrainingRun
    batch: Batch
    rule: DetectionRule
    call: ToolCall
    process: Process
    incident: Incident
    key: bytes
    at: datetime
    alerts: list[Alert]

    def alert(self, *, at: datetime | None = None, text: str = "Reverse SSH tunnel") -> Alert:
        """One more alert of the incident."""
        moment = at or timezone.now()
        return Alert.objects.create(
            rule=self.rule, level=self.incident.level, title=text[:200], host=self.host, run=self.run,
            process=self.process, batch=self.batch, position=Alert.objects.count(), occurred_at=moment,
            received_at=moment, correlation_key=self.key, detail={"remote": text},
        )  # fmt: skip


def story(name: str = "gpu-a12-03", *, text: str = TUNNEL, drill: bool = False) -> Story:
    """Everything that the incident page can show; `text` stands in every field that a host controls."""
    at = timezone.now() - timedelta(minutes=2)
    agent = _host(name, text)
    run = _run(agent.host, text, at=at, drill=drill)
    batch = Batch.objects.create(
        agent=agent, sequence=1, body=b"[]", digest=hashlib.sha256(b"[]").hexdigest(), signature="s",
        received_at=at,
    )  # fmt: skip
    call = _call(agent.host, run, text, at=at)
    process, connection = _facts(agent.host, run, batch, text, at=at)
    incident = _incident(run, text, at=at)
    rule, _ = DetectionRule.objects.get_or_create(
        slug="reverse-tunnel",
        defaults={"title": "Reverse tunnel", "family": "tunnels", "behaviour": "tunnel", "level": "critical"},
    )
    key = uuid.uuid4().bytes
    made = Story(agent.host, agent, run, batch, rule, call, process, incident, key, at, [])
    alert = made.alert(at=at + timedelta(milliseconds=412), text=_short(text, 200))
    Alert.objects.filter(pk=alert.pk).update(connection=connection)
    made.alerts.append(alert)
    IncidentSpan.objects.create(incident=incident, key=key, first_alert_id=alert.pk)
    IncidentHost.objects.create(incident=incident, host=agent.host)
    said = text.replace("\x00", "")
    Attribution.objects.create(
        alert=alert, tool_call=call, origin="model", strength=97, clock_error_ms=8.0, delta_ms=412.0,
        basis=[{"matcher": "cgroup", "strength": "exact", "says": said, "against": False}], missing=[said],
    )  # fmt: skip
    return made


def _host(name: str, text: str) -> HostAgent:
    host = Host.objects.create(name=_short(name), machine_id=uuid.uuid4().hex)
    agent = HostAgent.objects.create(
        uuid=uuid.uuid4(), host=host, public_key=uuid.uuid4().bytes * 2, version=_short(text, 32),
        last_seen_at=timezone.now(), clock_offset_ms=3.0, clock_error_ms=2.0,
        sensors={text[:40]: {"mode": text, "ok": True, "blind": text}}, spool={"pending": 0, "dropped": 0},
    )  # fmt: skip
    agent.enrolled_at = timezone.now() - timedelta(days=30)
    agent.save()
    return agent


def _run(host: Host, text: str, *, at: datetime, drill: bool) -> TrainingRun:
    run = TrainingRun.objects.create(
        name=_short(text, 100) + uuid.uuid4().hex[:8], marker=uuid.uuid4().hex, framework=_short(text, 40),
        lineage=_short(text, 100), owner=_short(text, 100), started_at=at - timedelta(hours=1), drill=drill,
        global_step=18_412, end_reason=_short(text, 200),
    )  # fmt: skip
    Placement.objects.create(
        run=run, host=host, cgroup=f"/{_short(text, 300)}", root_pid=41_902, root_start_ticks=1,
        gpus=["GPU-1"], started_at=at,
    )  # fmt: skip
    return run


def _call(host: Host, run: TrainingRun, text: str, *, at: datetime) -> ToolCall:
    episode = Episode.objects.create(run=run, native_id=_short(text, 150), global_step=18_412, started_at=at)
    return ToolCall.objects.create(
        run=run, episode=episode, host=host, trace_id=uuid.uuid4().hex, span_id=uuid.uuid4().hex[:16],
        call_id=_short(text, 150), name=_short(text, 150), arguments=text.replace("\x00", ""),
        arguments_captured=True, global_step=18_412, started_at=at, received_at=at,
    )  # fmt: skip


def _facts(
    host: Host, run: TrainingRun, batch: Batch, text: str, *, at: datetime
) -> tuple[Process, Connection]:
    """A shell, the process in question with its socket, what it started; a gap and a GPU beside them."""
    moments = {ms: at + timedelta(milliseconds=ms) for ms in (5, 25, 60, 186)}
    _process(host, run, batch, text, pid=48_200, ppid=41_902, at=moments[5])
    process = _process(host, run, batch, text, pid=48_211, ppid=48_200, at=moments[25])
    _process(host, run, batch, text, pid=48_212, ppid=48_211, at=moments[60])
    connection = Connection.objects.create(
        host=host, process=process, run=run, pid=48_211, start_ticks=10, proto="tcp", state="ESTABLISHED",
        local="10.0.0.1:50000", remote=_short(text, 60), batch=batch, position=0, opened_at=moments[186],
        received_at=at,
    )  # fmt: skip
    Event.objects.create(
        kind="gap", host=host, batch=batch, position=9, occurred_at=at, received_at=at,
        data={"dropped": 7, "reason": text.replace("\x00", "")},
    )  # fmt: skip
    GpuSample.objects.create(
        host=host, run=run, gpu_uuid=_short(text, 60), pid=48_211, start_ticks=10, sm_percent=40.0,
        occurred_at=at, received_at=at,
    )  # fmt: skip
    return process, connection


def _incident(run: TrainingRun, text: str, *, at: datetime) -> Incident:
    return Incident.objects.create(
        title=_short(text, 200), behaviour="tunnel", level="critical", rank=RANK["critical"], run=run,
        drill=run.drill, origin="model", confidence=97, alert_count=1, first_alert_at=at,
        last_alert_at=timezone.now(), opened_at=at, changed_at=at,
    )  # fmt: skip


def _process(
    host: Host, run: TrainingRun, batch: Batch, text: str, *, pid: int, ppid: int, at: datetime
) -> Process:
    clean = text.replace("\x00", "")
    return Process.objects.create(
        host=host, run=run, batch=batch, pid=pid, ppid=ppid, start_ticks=pid, argv=["ssh", clean], exe=clean,
        cwd=clean, cgroup=clean, marker=run.marker, started_at=at, executed_at=at, received_at=at,
    )  # fmt: skip


def _short(text: str, limit: int = 120) -> str:
    return text[:limit].replace("\x00", "")
