"""Whether this server can do its work: 503 only when people could not see or stop a run."""

from typing import Any

import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from apps.audit import rights
from apps.console.access import public
from apps.feed import hub
from apps.fleet.choices import AgentState
from apps.fleet.health import limits
from apps.fleet.models import HostAgent
from apps.telemetry.choices import BatchState
from apps.telemetry.models import Batch, Report

Part = dict[str, Any]
NEEDED = ("database", "migrations", "feed")  # a kill needs these, and neither broker nor workers
BACKLOG_LIMIT = 10_000
_migrated = False


@public
async def healthz(request: HttpRequest) -> JsonResponse:
    """Each part with its state. Without sign-in, so it names numbers and nothing else."""
    parts = await sync_to_async(_stored)()
    parts["broker"] = await sync_to_async(_broker)()
    linked = hub.current().linked
    parts["feed"] = {"ok": linked or not parts["database"]["ok"], "linked": linked}
    well = all(parts[name]["ok"] for name in NEEDED if name in parts)
    state = "ok" if all(part["ok"] for part in parts.values()) else "degraded" if well else "down"
    answer = {"status": state, "version": settings.VERSION, "parts": parts}
    return JsonResponse(answer, status=200 if well else 503, headers={"Cache-Control": "no-store"})


def _stored() -> dict[str, Part]:
    try:
        return {
            "database": _database(),
            "migrations": _migrations(),
            "inbox": _inbox(),
            "agents": _agents(),
            "audit": _audit(),
        }
    except DatabaseError:
        return {"database": {"ok": False}}


def _database() -> Part:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"ok": True}


def _migrations() -> Part:
    """Looked up until it holds once: what is applied does not go away under a running process."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if missing:
            return {"ok": False, "missing": missing}
        _migrated = True
    return {"ok": True, "missing": 0}


def _inbox() -> Part:
    """What waits to be worked off, and for how long; what could not be."""
    waiting = Batch.objects.filter(state=BatchState.PENDING).order_by("id")
    oldest = waiting.values_list("received_at", flat=True).first()
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    number = len(waiting.values_list("pk")[:BACKLOG_LIMIT])
    dead = sum(
        len(rows.filter(state=BatchState.DEAD).values_list("pk")[:BACKLOG_LIMIT])
        for rows in (Batch.objects, Report.objects)
    )
    return {"ok": age < 30, "waiting": number, "oldest_seconds": round(age, 1), "dead": dead}


def _agents() -> Part:
    """Host agents by when they were last heard."""
    late, blind = limits(timezone.now())
    heard = list(HostAgent.objects.filter(state=AgentState.ACTIVE).values_list("last_seen_at", flat=True))
    dark = sum(at is None or at < blind for at in heard)
    seen = sum(at is not None and at >= late for at in heard)
    return {"ok": not dark, "total": len(heard), "reporting": seen, "blind": dark}


def _audit() -> Part:
    """Whether the database would refuse this server a change of its trail; work goes on either way."""
    return {"ok": True, "append_only": rights.of_this_role().append_only}


def _broker() -> Part:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5, retry=None
    )
    try:
        client.ping()
    except (redis.RedisError, OSError):
        return {"ok": False}
    finally:
        client.close()
    return {"ok": True}
