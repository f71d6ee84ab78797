"""A drill is asked for, signed and in the trail with one commit; what the host signs about it moves it on."""

import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.audit import services as audit
from apps.core.text import storable
from apps.drills import selectors
from apps.drills.choices import OVER, REACHED_FROM, Name, Stage
from apps.drills.models import Drill, DrillReceipt
from apps.feed import services as feed
from apps.fleet.choices import AgentState
from apps.fleet.health import Health, health
from apps.fleet.models import Host, HostAgent
from apps.response.reading import UnprovenError
from apps.response.signing import canonical, sign_order, signed_by

EXPIRY = timedelta(seconds=60)  # a drill that begins long after it was asked for surprises everybody
SECONDS = 900  # as `hostagent drill` has it
LONGEST_TEXT = 16_384


class DrillRefusedError(Exception):
    """Nothing was asked for. `code` is for scripts, the text for the person."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def ask(host: Host, *, name: str, by: User, reason: str = "", by_kind: str = "person") -> Drill:
    """The host has a signed request waiting, and is rung when this commits.

    Who may ask is checked at the door; here it is refused (DrillRefusedError) for a host that is not heard,
    and while a drill is asked for or playing there. Whether the host allows drills it says itself.
    """
    if name not in Name.values:
        raise DrillRefusedError("unknown_drill", f"There is no drill by this name: {', '.join(Name.values)}.")
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host.pk)  # one drill a host at a time
        agent = _agent_of(host)
        _check_free(host)
        now = timezone.now()
        drill = Drill.objects.create(
            host=host,
            agent=agent,
            by=by,
            name=name,
            seconds=SECONDS,
            reason=storable(reason.strip(), limit=500),
            nonce=secrets.token_hex(16),
            requested_at=now,
            expires_at=now + EXPIRY,
            stage_at=now,
        )
        drill.payload = canonical(_payload(drill))
        drill.signature = sign_order(drill.payload)
        drill.save(update_fields=["payload", "signature"])
        _record("drill.asked", drill, by=audit.By(by_kind, by.username), reason=drill.reason)
        _publish(drill, by=by.username)
        feed.ring(f"orders:{agent.pk}")
    return drill


def _agent_of(host: Host) -> HostAgent:
    agent = HostAgent.objects.filter(host=host, state=AgentState.ACTIVE).first()
    if agent is None or health(agent) != Health.REPORTING:
        raise DrillRefusedError("not_online", f"{host.name} does not report: nobody there could play it.")
    return agent


def _check_free(host: Host) -> None:
    if waiting := selectors.under_way(host):
        raise DrillRefusedError("under_way", f"{waiting.number} is under way on {host.name} already.")
    if run := selectors.playing(host):
        raise DrillRefusedError("under_way", f"A drill is playing on {host.name} already: {run.name}.")


def _payload(drill: Drill) -> dict[str, Any]:
    """In the shape of an order, so that a host agent of any version can read or refuse it. No run in it."""
    return {
        "order_id": -drill.pk,
        "number": drill.number,
        "agent_id": str(drill.agent.uuid),
        "host_id": str(drill.host_id),
        "run": "",
        "marker": f"no run: {drill.nonce}",
        "action": "DRILL",
        "targets": {"cgroup": None, "root_pid": None, "root_start_ticks": None, "pids": []},
        "respawn_watch_s": 0,
        "nonce": drill.nonce,
        "issued_ms": _ms(drill.requested_at),
        "expires_ms": _ms(drill.expires_at),
        "reason": drill.reason,
        "by": drill.by.username,
        "drill": True,
        "play": {"name": drill.name, "seconds": drill.seconds},
    }


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def receive(agent: HostAgent, payload_text: str, signature: str) -> tuple[str, str]:
    """`stored`, `duplicate` or `refused`, and why. It counts when its host signed it, and only forwards."""
    with transaction.atomic():
        try:
            return _take(agent, payload_text, signature), ""
        except UnprovenError as refused:
            subject = audit.Subject("agent", str(agent.uuid), agent.host.name)
            by = audit.By("host", agent.host.name)
            audit.record("receipt.refused", by=by, subject=subject, why=[f"1: {refused}"])
            return "refused", str(refused)


def _take(agent: HostAgent, text: str, signature: str) -> str:
    said = _read(agent, text, signature)
    mine = Drill.objects.select_for_update(no_key=True, of=("self",)).select_related("host", "agent", "by")
    drill = mine.filter(pk=-said["order_id"], agent=agent).first()
    if drill is None:
        raise UnprovenError("this host agent was asked for no such drill")
    if not secrets.compare_digest(drill.nonce.encode(), said["nonce"].encode("utf-8", "replace")):
        raise UnprovenError("the nonce is not that of the request")
    if known := drill.receipts.filter(seq=said["seq"]).first():
        if known.payload != text:
            raise UnprovenError("another receipt was already received under this number")
        return "duplicate"
    now, stage = timezone.now(), Stage(said["stage"])
    DrillReceipt.objects.create(
        drill=drill, seq=said["seq"], stage=stage, payload=text, signature=signature, received_at=now
    )
    before = Stage(drill.stage)
    if before in REACHED_FROM[stage]:
        drill.stage, drill.stage_at = stage, now
        drill.run_name = storable(str(said.get("run") or ""), limit=120) or drill.run_name
        drill.detail = storable(str(said.get("detail") or ""), limit=500)
        drill.save(update_fields=["stage", "stage_at", "run_name", "detail"])
        _tell(drill)
    return "stored"


def _read(agent: HostAgent, text: str, signature: str) -> dict[str, Any]:
    if len(text) > LONGEST_TEXT or not signed_by(agent, text, signature):
        raise UnprovenError("the signature is not of this host agent's key")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise UnprovenError("not JSON") from None
    if not isinstance(said, dict) or not _shaped(said):
        raise UnprovenError("not in the shape of a receipt about a drill")
    return said


def _shaped(said: dict[str, Any]) -> bool:
    return (
        all(type(said.get(name)) is int for name in ("order_id", "seq"))
        and -(2**63) < said["order_id"] < 0
        and 0 <= said["seq"] < 2**31
        and all(isinstance(said.get(name), str) for name in ("nonce", "stage"))
        and said["stage"] in REACHED_FROM
    )


def _tell(drill: Drill) -> None:
    """The trail has what the host did, and pages look again."""
    by = audit.By("host", drill.host.name)
    if drill.stage == Stage.STARTED:
        _record("drill.started", drill, by=by, run=drill.run_name)
    elif drill.stage in OVER:
        action = "drill.ended" if drill.stage == Stage.ENDED else "drill.refused"
        _record(action, drill, by=by, stage=drill.stage, run=drill.run_name, why=drill.detail)
    _publish(drill, by=drill.host.name)


def _record(action: str, drill: Drill, *, by: audit.By, **detail: Any) -> None:
    subject = audit.Subject("host", str(drill.host_id), drill.host.name)
    audit.record(action, by=by, subject=subject, drill=True, number=drill.number, play=drill.name, **detail)


def _publish(drill: Drill, *, by: str) -> None:
    feed.publish(
        "drill.moved",
        topics=["fleet"],
        subject=("host", drill.host_id),
        by=by,
        number=drill.number,
        stage=drill.stage,
    )
