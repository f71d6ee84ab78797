"""Fragments of the fleet page: hosts by health, derived from when each was last heard."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Prefetch
from django.urls import reverse
from django.utils import timezone

from apps.console.panels.racks import racks
from apps.fleet.choices import LIVE_RUNS, AgentState
from apps.fleet.health import WORST_FIRST, Health, health
from apps.fleet.models import Host, HostAgent, Placement, TrainingRun
from apps.incidents.choices import Status
from apps.incidents.models import Incident, IncidentHost
from apps.incidents.selectors import queue
from apps.telemetry.models import Event

Context = dict[str, Any]
CELLS = 1_000
LINES = 50
WATCHED = timedelta(minutes=10)
COUNTS = (
    ("all", "All", "", ""),
    ("reporting", "Reporting", "check", "ok"),
    ("incident", "In incident", "sev-critical", "bad"),
    ("late", "Late", "clock", "late"),
    ("blind", "Blind", "blind", "blind"),
    ("clone", "Clone", "warn", "bad"),
    ("revoked", "Revoked", "close", ""),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A host with the voice that speaks for it, and how it is watched."""

    host: Host
    agent: HostAgent | None
    clones: list[HostAgent]
    state: Health
    incident: bool

    def fits(self, wanted: str) -> bool:
        """Whether the filter `wanted` shows it."""
        if wanted == "clone":
            return bool(self.clones)
        return not wanted or self.state == wanted or (wanted == "incident" and self.incident)


def everybody() -> list[Seen]:
    """Every host, by name, in three queries."""
    agents = Prefetch("agents", queryset=HostAgent.objects.order_by("-enrolled_at"))
    in_incident = set(
        IncidentHost.objects.exclude(incident__status=Status.CLOSED).values_list("host_id", flat=True)
    )
    now = timezone.now()
    return [_seen(host, in_incident, now) for host in Host.objects.prefetch_related(agents).order_by("name")]


def cells(wanted: str, current: int | None = None) -> Context:
    """A cell a host, and how many are in which health."""
    all_hosts = everybody()
    shown = [seen for seen in all_hosts if seen.fits(wanted)]
    count = Counter(seen.state.value for seen in all_hosts)
    count |= {
        "all": len(all_hosts),
        "incident": sum(seen.incident for seen in all_hosts),
        "clone": sum(bool(seen.clones) for seen in all_hosts),
    }
    return {
        "health": wanted,
        "counts": [
            {
                "slug": slug,
                "word": word,
                "glyph": glyph,
                "count": count[slug],
                "url": _url(slug),
                "lamp": lamp,
            }
            for slug, word, glyph, lamp in COUNTS
        ],
        "racks": racks([_cell(seen, current) for seen in shown[:CELLS]]),
        "cells_cut": max(0, len(shown) - CELLS),
    }


def _cell(seen: Seen, current: int | None) -> Context:
    return {
        "host": seen.host,
        "state": seen.state.value,
        "incident": seen.incident,
        "current": seen.host.pk == current,
    }


def attention(wanted: str) -> Context:
    """Hosts as a table, worst first."""
    order = {state: place for place, state in enumerate(WORST_FIRST)}
    shown = sorted(
        (seen for seen in everybody() if seen.fits(wanted)),
        key=lambda seen: (order[seen.state], seen.host.name),
    )[:LINES]
    runs = _runs([seen.host.pk for seen in shown])
    return {
        "rows": [
            {
                "host": seen.host,
                "agent": seen.agent,
                "state": seen.state.value,
                **_blind(seen),
                "cost": _cost(seen, runs.get(seen.host.pk, [])),
                "runs": runs.get(seen.host.pk, []),
            }
            for seen in shown
        ]
    }


def one(host: Host) -> Context:
    """What is known about one host and the software on it."""
    in_incident = set(
        IncidentHost.objects.filter(host=host)
        .exclude(incident__status=Status.CLOSED)
        .values_list("host_id", flat=True)
    )
    seen = _seen(host, in_incident, timezone.now())
    agent = seen.agent
    found = list(
        Incident.objects.exclude(status=Status.CLOSED).filter(hosts__host=host).order_by("-rank", "-id")[:10]
    )
    states = queue.states_of(found)
    return {
        "host": {
            "host": host,
            "agent": agent,
            "state": seen.state.value,
            **_blind(seen),
            "sensors": _sensors(agent),
            "spool_pending": agent.spool.get("pending") if agent else None,
            "runs": _runs([host.pk]).get(host.pk, []),
            "incidents": [{"incident": row, "state": states[row.pk]} for row in found],
            "clones": seen.clones,
            "gap": _gap(host),
        }
    }


PANELS: dict[str, Callable[[str], Context]] = {"cells": cells, "attention": attention}


def _seen(host: Host, in_incident: set[int], now: datetime) -> Seen:
    agents = list(host.agents.all())
    voice = next((it for it in agents if it.state == AgentState.ACTIVE), None)
    revoked = next((it for it in agents if it.state == AgentState.REVOKED), None)
    clones = [it for it in agents if it.state == AgentState.CLONE]
    agent = voice or revoked
    return Seen(host, agent, clones, health(agent, now=now), host.pk in in_incident)


def _blind(seen: Seen) -> Context:
    """The last ten minutes, and which part of them nobody watched."""
    now = timezone.now()
    heard = seen.agent.last_seen_at if seen.agent else None
    silent = min(WATCHED, now - heard) if heard else WATCHED
    if seen.state == Health.REPORTING:
        return _watched(now - seen.agent.enrolled_at if seen.agent else WATCHED)
    share = 100 * silent / WATCHED
    seconds = int(silent.total_seconds())
    says = f"Nobody watched for the last {seconds // 60} min {seconds % 60} s"
    return {"since": f"{seconds} s", "blind_spans": [(100 - share, share)], "blind_says": says}


def _watched(enrolled: timedelta) -> Context:
    """Heard all the time since it was enrolled; what was before that nobody watched."""
    if enrolled >= WATCHED:
        return {"since": "", "blind_spans": [], "blind_says": "Watched for the last 10 minutes"}
    says = f"Watched for {int(enrolled.total_seconds()) // 60} min, since it was enrolled"
    return {"since": "", "blind_spans": [(0, 100 - 100 * enrolled / WATCHED)], "blind_says": says}


def _cost(seen: Seen, runs: list[TrainingRun]) -> str:
    if seen.agent and (seen.agent.spool or {}).get("dropped"):
        return f"{seen.agent.spool['dropped']} records dropped"
    if seen.state in (Health.BLIND, Health.LATE) and runs:
        return f"{len(runs)} live run{'s' if len(runs) > 1 else ''} unobserved"
    return "" if seen.state == Health.REPORTING else "no live run known"


def _sensors(agent: HostAgent | None) -> list[Context]:
    found = agent.sensors if agent and isinstance(agent.sensors, dict) else {}
    return [
        {
            "name": name,
            "mode": told.get("mode", ""),
            "ok": told.get("ok", True),
            "blind": told.get("blind", ""),
        }
        for name, told in sorted(found.items())
        if isinstance(told, dict)
    ]


def _runs(hosts: list[int]) -> dict[int, list[TrainingRun]]:
    rows = Placement.objects.filter(host__in=hosts, ended_at=None, run__state__in=LIVE_RUNS)
    found: dict[int, list[TrainingRun]] = {}
    for row in rows.select_related("run").order_by("run__name"):
        found.setdefault(row.host_id, []).append(row.run)
    return found


def _gap(host: Host) -> str:
    last = Event.objects.filter(host=host, kind="gap").order_by("-occurred_at").first()
    if last is None:
        return ""
    lost, why = last.data.get("dropped", "Some"), last.data.get("reason", "")
    return f"{lost} records lost at {last.occurred_at:%H:%M:%S} UTC: {why}"


def _url(slug: str) -> str:
    return reverse("hosts") + ("" if slug == "all" else f"?{urlencode({'health': slug})}")
