"""The marks of the console: shape, word, then colour. Each is one small piece of escaped HTML."""

from functools import lru_cache
from typing import Any
from zlib import crc32

from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.console.templatetags.figures import percent

SEVERITIES = {"critical": "Critical", "high": "High", "medium": "Medium", "low": "Low", "info": "Info"}
ORIGINS = {
    "model": "Model", "operator": "Operator", "external": "External",
    "dependency": "Dependency", "monitoring": "Monitoring", "unknown": "Unknown",
}  # fmt: skip
ORIGINS_LONG = {**ORIGINS, "model": "Model-initiated"}
STATES = {
    "new": ("new", "New"),
    "taken": ("ongoing", "In hand"),
    "ongoing": ("ongoing", "Ongoing"),
    "escalating": ("escalating", "Escalating"),
    "regressed": ("regressed", "Regressed"),
    "closed": ("closed", "Closed"),
}
RUNS = {
    "running": ("ok", "runs", "Running"),
    "paused": ("wait", "pause", "Paused"),
    "ended": ("", "closed", "Ended"),
    "killed": ("ok", "check", "Verified dead"),
}
HOSTS = {
    "reporting": ("ok", "check", "Reporting"),
    "late": ("late", "clock", "Late"),
    "blind": ("blind", "blind", "Blind"),
    "clone": ("bad", "warn", "Clone"),
    "revoked": ("", "close", "Revoked"),
}
STAGES = {
    "REQUESTED": ("wait", "clock", "Requested"),
    "DELIVERED": ("wait", "clock", "Delivered"),
    "FROZEN": ("wait", "clock", "Frozen"),
    "CAPTURED": ("wait", "clock", "Captured"),
    "SIGNALLED": ("wait", "clock", "Signalled"),
    "WATCHING": ("wait", "clock", "Watching"),
    "VERIFIED": ("ok", "check", "Verified dead"),
    "PAUSED": ("ok", "check", "Paused"),
    "RESUMED": ("ok", "check", "Resumed"),
    "SURVIVED": ("bad", "regressed", "Survived"),
    "UNREACHABLE": ("bad", "offline", "Unreachable"),
    "NOT_CONFIRMED": ("late", "warn", "Not confirmed"),
    "REFUSED": ("bad", "close", "Refused"),
    "EXPIRED": ("late", "clock", "Expired"),
    "CANCELLED": ("", "close", "Cancelled"),
}
ACTS = {"PAUSE": ("pause", "Pause"), "RESUME": ("pause", "Resume"), "KILL": ("kill", "Kill")}
AVATAR_HUES = 6


@lru_cache(maxsize=256)
def icon(name: str, extra: str = "") -> SafeString:
    """One icon of the sprite; words beside it carry the meaning."""
    return format_html(
        '<svg class="i i-{}{}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        name,
        f" {extra}" if extra else "",
        static("icons/icons.svg"),
        name,
    )


@lru_cache(maxsize=256)
def severity(level: str) -> SafeString:
    """Outline and word of a level."""
    known = level if level in SEVERITIES else "info"
    return format_html(
        '<span class="sev" data-sev="{}">{}<span>{}</span></span>',
        known,
        icon(f"sev-{known}"),
        SEVERITIES[known],
    )


def origin(who: str, strength: int | None = None, long: bool = False) -> SafeString:
    """Who did it; the bar under the chip is how sure that is. Unknown has no figure."""
    known = who if who in ORIGINS else "unknown"
    word = (ORIGINS_LONG if long else ORIGINS)[known]
    sure: SafeString | str = ""
    if strength is not None and known != "unknown":
        sure = format_html(
            ' <b>{}</b><svg class="share" aria-hidden="true"><rect width="{}%" height="2"/></svg>',
            percent(strength),
            max(0, min(100, int(strength))),
        )
    return format_html('<span class="chip" data-origin="{}">{}{}{}</span>', known, icon(known), word, sure)


@lru_cache(maxsize=256)
def state(slug: str) -> SafeString:
    """Where an incident stands."""
    glyph, word = STATES.get(slug, ("ongoing", slug))
    return format_html('<span class="state" data-state="{}">{}{}</span>', slug, icon(glyph), word)


def lamp(kind: str, slug: str, word: str = "") -> SafeString:
    """State of a `run` or a `host`; `word` replaces its own word."""
    table = RUNS if kind == "run" else HOSTS
    light, glyph, own = table.get(slug, ("", "unknown", slug))
    return format_html('<span class="lamp" data-lamp="{}">{}{}</span>', light, icon(glyph), word or own)


def tile(stage: str) -> SafeString:
    """What a host's receipt amounts to."""
    light, glyph, word = STAGES.get(stage, ("", "unknown", stage))
    return format_html('<span class="tile" data-lamp="{}">{}{}</span>', light, icon(glyph), word)


def stage_lamp(stage: str, word: str = "") -> SafeString:
    """The same in a line of text."""
    light, glyph, own = STAGES.get(stage, ("", "unknown", stage))
    return format_html('<span class="lamp" data-lamp="{}">{}{}</span>', light, icon(glyph), word or own)


def act(action: str) -> SafeString:
    """An act of containment, with its glyph and colour."""
    slug, word = ACTS.get(action, ("orders", action))
    return format_html('<span class="lamp" data-act="{}">{}{}</span>', slug, icon(slug), word)


def drill() -> SafeString:
    """The mark on everything that a drill made."""
    return format_html(
        '<span class="drill" title="Made by a drill, not by a real run">{}Drill</span>', icon("flow")
    )


def avatar(person: Any) -> SafeString:
    """Two letters of a person, or a dashed ring for nobody."""
    if not person:
        return format_html(
            '<span class="avatar" data-none title="{0}"><span class="vh">{0}</span></span>', "No owner"
        )
    name = getattr(person, "shown", None) or str(person)
    letters = getattr(person, "initials", None) or name[:2].upper()
    hue = crc32(name.encode()) % AVATAR_HUES + 1
    shape = '<span class="avatar" data-h="{}" title="{}"><span aria-hidden="true">{}</span>{}</span>'
    return format_html(shape, hue, name, letters, format_html('<span class="vh">{}</span>', name))
