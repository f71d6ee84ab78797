"""The queue: what waits and what is in hand."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.db.models import Max
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from apps.accounts.roles import Right
from apps.console.access import Signed, page
from apps.console.answers import toast
from apps.console.context import feed_cursor
from apps.console.panels import incident as panels
from apps.console.panels.case import Case
from apps.fleet.models import Host, TrainingRun
from apps.incidents import services
from apps.incidents.choices import Verdict
from apps.incidents.models import Incident
from apps.incidents.selectors import queue

GROUPS = {"new": "Unacknowledged", "taken": "In hand", "closed": "Closed"}
COUNTS = (
    ("all", "All open", ""),
    ("new", "New", "new"),
    ("escalating", "Escalating", "escalating"),
    ("regressed", "Regressed", "regressed"),
    ("taken", "In hand", "ongoing"),
    ("closed", "Closed 24 h", "closed"),
)
PARAMETERS = ("state", "level", "owner", "run", "host", "behaviour", "drill", "text")


@page(Right.VIEW)
def queue_page(request: Signed) -> HttpResponse:
    """The page; or, for a script that asks for what follows a cursor, those rows alone."""
    cursor = feed_cursor()
    filters = _filters(request)
    after = request.GET.get("after", "")
    found = queue.page(filters, user=request.user, after=after)
    more = _url(request, after=found.after) if found.after else None
    if request.htmx and after:  # type: ignore[attr-defined]
        return render(request, "console/queue/_more.html", {"rows": found.rows, "next_url": more})
    context = _counts(request, filters)
    for group in context["groups"]:
        group["rows"] = [row for row in found.rows if row.group == group["slug"]]
    first = found.rows[0] if found.rows else None
    context |= {
        "section": "queue",
        "cursor": cursor,
        "has_rows": bool(found.rows),
        "next_url": more,
        "filters": _shown(request, filters),
        "peek": panels.peek(Case(first.incident, state=first.state)) if first else None,
        "last_closed_at": None if first else Incident.objects.aggregate(at=Max("closed_at"))["at"],
    }
    return render(request, "console/queue/page.html", context)


@page(Right.VIEW)
def queue_rows(request: Signed) -> HttpResponse:
    """The rows of these ids, as they are now."""
    return render(
        request, "console/queue/_rows.html", {"rows": queue.by_ids(_ids(request.GET.get("ids", "")))}
    )


@page(Right.VIEW)
def queue_counts(request: Signed) -> HttpResponse:
    """How many are where."""
    return render(request, "console/queue/_counts.html", _counts(request, _filters(request)))


@page(Right.TRIAGE, methods=("POST",))
def queue_act(request: Signed) -> HttpResponse:
    """One act on several incidents; each stands by itself, and what was lost to somebody else is said."""
    act, ids = request.POST.get("act", ""), _ids(request.POST.get("ids", ""))
    done, beaten = 0, []
    for incident in Incident.objects.filter(pk__in=ids).select_related("owner", "run").order_by("pk"):
        try:
            _act(act, incident, request)
        except services.Lost as error:
            beaten.append(f"{incident.number}: {error.says}")
        except (KeyError, ValueError):
            return toast("Not done: that act is not known, or it needs a verdict.", status=422)
        else:
            done += 1
    words = {"take": "taken", "release": "given back", "close": "closed"}
    return toast(" ".join([f"{done} {words.get(act, 'changed')}.", *beaten[:3]]))


def _act(act: str, incident: Incident, request: Signed) -> None:
    acts: dict[str, Any] = {
        "take": lambda: services.take(incident, by=request.user),
        "release": lambda: services.release(incident, by=request.user),
        "close": lambda: services.close(
            incident, verdict=Verdict(request.POST.get("verdict", "")), by=request.user
        ),
    }
    acts[act]()


def _counts(request: Signed, filters: queue.Filters) -> dict[str, Any]:
    found = queue.counts(filters, user=request.user)
    number = {**found.states, "all": found.open, "closed": found.closed}
    by_group = {"new": found.waiting, "taken": found.open - found.waiting, "closed": found.closed}
    groups = ("closed",) if filters.state == "closed" else ("new", "taken")
    return {
        "state": filters.state,
        "counts": [
            {
                "slug": slug,
                "word": word,
                "glyph": glyph,
                "count": number.get(slug, 0),
                "url": _url(request, state="" if slug == "all" else slug, after=""),
            }
            for slug, word, glyph in COUNTS
        ],
        "capped": found.capped,
        "groups": [
            {"slug": slug, "word": GROUPS[slug], "count": by_group[slug], "rows": []} for slug in groups
        ],
    }


def _filters(request: Signed) -> queue.Filters:
    given = {name: request.GET.get(name, "").replace("\x00", "")[:120] for name in PARAMETERS}
    state = given["state"] if given["state"] in (*queue.DERIVED, "closed") else ""
    return queue.Filters(
        state=state,
        level=given["level"],
        owner=given["owner"],
        run=_number(given["run"]),
        host=_number(given["host"]),
        behaviour=given["behaviour"],
        drill=given["drill"],
        text=given["text"],
    )


def _shown(request: Signed, filters: queue.Filters) -> list[dict[str, str]]:
    """What narrows the list, each with the way to lift it."""
    words = {
        "level": f"≥ {filters.level}",
        "run": _name(TrainingRun, filters.run),
        "host": _name(Host, filters.host),
        "drill": {"only": "drills only", "no": "without drills"}.get(filters.drill, ""),
    }
    given = [name for name in PARAMETERS if name != "state" and request.GET.get(name)]
    return [
        {
            "name": name,
            "value": words.get(name) or str(getattr(filters, name) or "?"),
            "clear_url": _url(request, **{name: "", "after": ""}),
        }
        for name in given
    ]


def _name(model: type[Host] | type[TrainingRun], pk: int | None) -> str:
    row = model.objects.filter(pk=pk).first() if pk is not None else None
    return row.name if row else ""


def _url(request: Signed, **changed: str) -> str:
    kept = {name: request.GET[name] for name in (*PARAMETERS, "after") if request.GET.get(name)} | changed
    query = urlencode({name: value for name, value in kept.items() if value})
    return reverse("queue") + (f"?{query}" if query else "")


def _number(text: str) -> int | None:
    """The number, or one that no row has: a filter that cannot be read must not show everything."""
    if not text:
        return None
    return int(text) if text.isdecimal() and len(text) < 19 else -1


def _ids(text: str) -> list[int]:
    parts: Iterable[str] = text.split(",")[: queue.MANY]
    return [int(part) for part in parts if part.isdecimal() and len(part) < 19]
