"""Enrolment: who may speak for a host, from the one-time token to the revocation."""

import hashlib
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.audit.services import By, Subject, record
from apps.core.keys import token_digest
from apps.core.locks import Lock, take
from apps.core.text import storable
from apps.core.transitions import move
from apps.feed.services import publish
from apps.fleet.choices import AgentState
from apps.fleet.models import EnrolmentToken, Host, HostAgent

TOKEN_LASTS = timedelta(hours=1)
PREFIX = "sen-"


class EnrolmentError(Exception):
    """Nobody was enrolled; `code` for the program, the text for the person."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Application:
    """What a host agent says about itself when it asks to be enrolled. Hostile until a person looks."""

    public_key: bytes
    hostname: str
    machine_id: str
    boot_id: str = ""
    version: str = ""
    capabilities: dict[str, Any] = field(default_factory=dict)
    sensors: dict[str, Any] = field(default_factory=dict)


def offer_enrolment(by: By, *, lasts: timedelta = TOKEN_LASTS) -> str:
    """One host can be enrolled with the answered text, once, until it expires. Only its hash is kept."""
    text = PREFIX + secrets.token_urlsafe(24)
    with transaction.atomic():
        token = EnrolmentToken.objects.create(
            digest=token_digest(text), made_by=by.name[:150], expires_at=timezone.now() + lasts
        )
        record(
            "enrolment.offered",
            by=by,
            subject=Subject("enrolment", str(token.pk), f"token {token.pk}"),
            expires_at=token.expires_at,
        )
    return text


def token_is_open(text: str) -> bool:
    """Whether `text` is a token that was neither used nor has expired."""
    return EnrolmentToken.objects.filter(
        digest=token_digest(text), used_at=None, expires_at__gt=timezone.now()
    ).exists()


def enrol(token: str, application: Application) -> HostAgent:
    """The key of `application` speaks for its host, or stands beside it as a clone; the token is spent.

    A machine (or name) for which another key speaks already gets a second agent in state CLONE, which
    is not listened to until a person decides. Asked again with the same token and key, the answer is
    the same: the first one may have been lost on the way. Raises EnrolmentError.
    """
    with transaction.atomic():
        take(Lock.ENROLMENT)  # two of one machine at once: one is first, the other a clone
        spent = _open_token(token, application)
        if spent.used_by is not None:
            return spent.used_by
        agent = _known_key(application) or _new_agent(application)
        spent.used_at, spent.used_by = timezone.now(), agent
        spent.save(update_fields=["used_at", "used_by"])
        cloned = agent.state == AgentState.CLONE
        record(
            "host.cloned" if cloned else "host.enrolled",
            by=By("host", agent.host.name),
            subject=Subject("host", str(agent.host_id), agent.host.name),
            agent=str(agent.uuid),
            key=hashlib.sha256(application.public_key).hexdigest(),
            machine_id=application.machine_id,
            hostname=application.hostname,
            offered_by=spent.made_by,
        )
        publish("host.changed", topics=["fleet"], subject=("host", agent.host_id), state=agent.state)
    return agent


def revoke(agent: HostAgent, *, by: By, reason: str = "") -> bool:
    """The agent is not listened to any more, from this moment; False when it was revoked before."""
    with transaction.atomic():
        rows = HostAgent.objects.filter(pk=agent.pk)
        if not move(
            rows,
            "state",
            frm=[AgentState.ACTIVE, AgentState.CLONE],
            to=AgentState.REVOKED,
            revoked_at=timezone.now(),
        ):
            return False
        subject = Subject("host", str(agent.host_id), agent.host.name)
        record("host.revoked", by=by, subject=subject, agent=str(agent.uuid), reason=reason)
        publish("host.changed", topics=["fleet"], subject=("host", agent.host_id), by=by.name)
    return True


def accept_clone(agent: HostAgent, *, by: By) -> bool:
    """A person decided: the clone speaks for the host, the agent before it is revoked."""
    with transaction.atomic():
        take(Lock.ENROLMENT)
        for other in agent.host.agents.filter(state=AgentState.ACTIVE):
            revoke(other, by=by, reason="another host agent was accepted in its place")
        rows = HostAgent.objects.filter(pk=agent.pk)
        if not move(rows, "state", frm=[AgentState.CLONE], to=AgentState.ACTIVE):
            return False
        subject = Subject("host", str(agent.host_id), agent.host.name)
        record("host.enrolled", by=by, subject=subject, agent=str(agent.uuid), accepted="clone")
        publish("host.changed", topics=["fleet"], subject=("host", agent.host_id), by=by.name)
    return True


def _open_token(text: str, application: Application) -> EnrolmentToken:
    token = EnrolmentToken.objects.select_for_update().filter(digest=token_digest(text)).first()
    if token is None:
        raise EnrolmentError("unknown-token", "This enrolment token is not known here.")
    if token.used_by is not None:
        if bytes(token.used_by.public_key) != application.public_key:
            raise EnrolmentError("used-token", "This enrolment token was used before; ask for a new one.")
        if token.used_by.state == AgentState.REVOKED:
            raise EnrolmentError("revoked", "This host agent was revoked; make a new key and a new token.")
    elif token.expires_at <= timezone.now():
        raise EnrolmentError("expired-token", "This enrolment token has expired; ask for a new one.")
    return token


def _known_key(application: Application) -> HostAgent | None:
    """The agent that holds this key already: it enrols again after losing what it was told."""
    agent = HostAgent.objects.select_related("host").filter(public_key=application.public_key).first()
    if agent is not None and agent.state == AgentState.REVOKED:
        raise EnrolmentError("revoked", "This host agent was revoked; make a new key and a new token.")
    if agent is not None and agent.host.machine_id != storable(application.machine_id, limit=64):
        raise EnrolmentError("copied-key", "This key belongs to another machine; make a new one.")
    return agent


def _new_agent(application: Application) -> HostAgent:
    host, state = _place(application)
    return HostAgent.objects.create(
        uuid=uuid.uuid4(),
        host=host,
        public_key=application.public_key,
        state=state,
        version=storable(application.version, limit=32),
        capabilities=application.capabilities,
        sensors=application.sensors,
        boot_id=storable(application.boot_id, limit=64),
    )


def _place(application: Application) -> tuple[Host, str]:
    """The host this machine is, and whether its voice is taken."""
    name = storable(application.hostname, limit=120)
    machine_id = storable(application.machine_id, limit=64)
    taken = HostAgent.objects.select_related("host").filter(state=AgentState.ACTIVE)
    same = Q(machine_id=machine_id) & ~Q(machine_id="")  # a container may have no machine id at all
    rivals = taken.filter(Q(host__in=Host.objects.filter(same)) | Q(host__name=name))
    if rival := rivals.order_by("pk").first():
        return rival.host, AgentState.CLONE
    # Nobody speaks for either any more: a person revoked the former agent, or there was none.
    host = Host.objects.filter(name=name).first() or Host.objects.filter(same).first()
    if host is None:
        return Host.objects.create(name=name, machine_id=machine_id), AgentState.ACTIVE
    if host.machine_id != machine_id:
        Host.objects.filter(pk=host.pk).update(machine_id=machine_id)
        host.machine_id = machine_id
    return host, AgentState.ACTIVE
