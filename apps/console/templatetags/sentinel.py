"""`{% load sentinel %}`: every tag and filter of the console, by its name in a template."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.accounts.roles import Right
from apps.console.templatetags import figures, marks, untrusted

register = template.Library()

for shape in (
    figures.num,
    figures.percent,
    figures.delta,
    figures.took,
    figures.age,
    figures.utc,
    figures.size,
):
    register.filter(shape.__name__, shape)
register.filter("clock", figures.clock)
register.filter("hostile", untrusted.hostile)
register.filter("hostile_block", untrusted.hostile_block)
register.filter("controls", untrusted.controls)
for mark in (
    marks.icon,
    marks.severity,
    marks.origin,
    marks.state,
    marks.lamp,
    marks.tile,
    marks.stage_lamp,
    marks.act,
    marks.drill,
    marks.avatar,
):
    register.simple_tag(mark, name=mark.__name__)

COUNT_STEPS = 14
GPU_STEPS = 10
COVERAGE_TICKS = 32
TICK = 132 / COVERAGE_TICKS
GRADES = ((90, "exact"), (60, "strong"), (30, "fair"), (float("-inf"), "weak"))
ROOMS = (15, 20, 25, 30, 40, 50, 60, 80, 100)  # widths that join.css knows
JOIN_END = 82  # per cent of the width, so that the last label has room


@register.filter
def may(user: Any, right: str) -> bool:
    """Whether this person's role carries `right`; nobody may anything."""
    return bool(getattr(user, "is_authenticated", False) and user.may(Right(right)))


@register.filter
def step(count: object, steps: int = COUNT_STEPS) -> int:
    """A count as a width from 1 to `steps`."""
    return max(1, min(steps, int(count))) if isinstance(count, int | float) else 1


@register.filter
def tenth(percent: object) -> int:
    """A share of 0 to 100 as one of eleven steps."""
    return max(0, min(GPU_STEPS, round(percent / GPU_STEPS))) if isinstance(percent, int | float) else 0


@register.filter
def depth(level: object) -> int:
    """The indent of a process in its tree, at most six."""
    return max(0, min(6, int(level))) if isinstance(level, int) else 0


@register.filter
def grade(strength: object) -> str:
    """How strong one match is, in a word."""
    if not isinstance(strength, int | float):
        return str(strength)
    return next(word for least, word in GRADES if strength >= least)


@register.filter
def digest(value: object) -> str:
    """A hash by its ends: `9f2c…71ab`."""
    text = str(value or "")
    return f"{text[:4]}…{text[-4:]}" if len(text) > 12 else text


@register.filter
def spread(deltas: Sequence[float | None]) -> list[int]:
    """Places of a thread's knots in per cent of its width: in order of time, far enough apart to read."""
    known = [max(0.0, float(delta or 0)) for delta in deltas]
    longest = max(known, default=0.0) or 1.0
    gap = JOIN_END / max(1, len(known) - 1) * 0.72 if len(known) > 1 else 0.0
    places: list[float] = []
    for index, delta in enumerate(known):
        wanted = (delta / longest) ** 0.5 * JOIN_END
        room = JOIN_END - gap * (len(known) - 1 - index)
        floor = places[-1] + gap if places else 0.0
        places.append(max(floor, min(wanted, room)) if index else 0.0)
    return [round(place) for place in places]


@register.filter
def places(facts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each fact of a join with its place, from its `delta_ms`, and the room up to the next one."""
    ats = spread([fact.get("delta_ms") for fact in facts])
    ends = [*ats[1:], 100]
    return [
        {"at": at, "room": max(room for room in ROOMS if room <= max(ROOMS[0], end - at)), "fact": fact}
        for at, end, fact in zip(ats, ends, facts, strict=True)
    ]


@register.filter
def reach(facts: Sequence[dict[str, Any]]) -> int:
    """How far the thread of a join goes, in per cent of the width."""
    return max(spread([fact.get("delta_ms") for fact in facts]), default=0)


@register.simple_tag
def coverage(total: int, late: int, blind: int) -> SafeString:
    """A tick a host (in proportion above 32): reporting, late, and hatched where nobody watches."""
    ticks = min(total, COVERAGE_TICKS)
    dark, slow = _share(blind, total, ticks), _share(late, total, ticks)
    kinds = ["seen"] * (ticks - dark - slow) + ["late"] * slow + ["dark"] * dark
    return format_html(
        '<svg class="coverage" width="{0}" height="16" viewBox="0 0 {0} 16" aria-hidden="true">{1}</svg>',
        round(ticks * TICK, 1),
        format_html_join("", "{}", ((_tick(kind, place * TICK),) for place, kind in enumerate(kinds))),
    )


@register.simple_tag
def blindbar(spans: Iterable[tuple[float, float]], label: str) -> SafeString:
    """The last minutes as a bar; each (start, width) in per cent of it is time nobody watched."""
    shape = '<rect x="{}%" width="{}%" y="0" height="12" fill="url(#hatch)"/>'
    dark = format_html_join("", shape, ((round(at, 2), round(width, 2)) for at, width in spans))
    return format_html('<svg class="blindbar" role="img" aria-label="{}">{}</svg>', label, dark)


@register.simple_tag
def spark(counts: Sequence[int] | None) -> SafeString | str:
    """Twelve bars of how many alerts came, the last quarter set apart; nothing where it was not counted."""
    if not counts:
        return ""
    top = max(*counts, 1)
    bars = [
        f"M{2 + 4 * place} 16v-{max(1, round(15 * count / top))}" for place, count in enumerate(counts[-12:])
    ]
    cut = len(bars) * 3 // 4
    return format_html(
        '<svg class="spark" viewBox="0 0 48 16" aria-hidden="true"><path d="{}"/><path d="{}"/></svg>',
        "".join(bars[:cut]),
        "".join(bars[cut:]),
    )


def _share(part: int, total: int, ticks: int) -> int:
    return max(1, round(part * ticks / total)) if part and total else 0


def _tick(kind: str, left: float) -> SafeString:
    if kind == "dark":
        block = '<rect class="dark" fill="url(#hatch)" x="{}" y="0" width="{}" height="16"/>'
        return format_html(block, round(left, 2), round(TICK - 1, 2))
    return format_html('<rect class="{}" x="{}" y="2" width="2" height="12"/>', kind, round(left, 2))
