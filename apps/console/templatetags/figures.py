"""Numbers and times as the console writes them: thousands apart, a true minus, UTC, short ages."""

from datetime import UTC, datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

MINUS = "−"
NARROW = "\u202f"
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def num(value: object, places: int = 0) -> str:
    """`48211` as `48,211`; what is no number comes back as a dash."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "–"
    text = f"{abs(value):,.{places}f}"
    return MINUS + text if value < 0 and text.strip("0.,") else text


def percent(value: object, places: int = 0) -> str:
    """`97` as `97 %`, with a narrow space that does not break."""
    return f"{num(value, places)}{NARROW}%"


def delta(ms: object) -> str:
    """Milliseconds between two facts: `+412 ms`, `+1.6 s`, `−3 ms`; zero is the origin."""
    if not isinstance(ms, int | float):
        return ""
    if round(ms) == 0:
        return "0"
    sign = MINUS if ms < 0 else "+"
    size = abs(ms)
    return f"{sign}{size:,.0f} ms" if size < 1_000 else f"{sign}{size / 1_000:,.1f} s"


def took(ms: object) -> str:
    """How long something lasted: `0.2 s`, `412 ms`, `3 min 4 s`."""
    if not isinstance(ms, int | float):
        return "–"
    if ms < 1_000:
        return f"{ms:,.0f} ms"
    if ms < 100_000:
        return f"{ms / 1_000:.1f} s"
    minutes, seconds = divmod(round(ms / 1_000), 60)
    return f"{minutes:,} min {seconds} s"


def short_age(seconds: float) -> str:
    """`50s`, `6m`, `2h`, `9d`; the future is `0s`."""
    whole = max(0, int(seconds))
    size, unit = next(((size, unit) for size, unit in _STEPS if whole >= size), (1, "s"))
    return f"{whole // size}{unit}"


def age(value: datetime | None) -> SafeString | str:
    """The age now, and the moment for the script that keeps it true."""
    if value is None:
        return "–"
    seconds = (timezone.now() - value).total_seconds()
    return format_html(
        '<time datetime="{}" title="{}" data-age>{}</time>',
        value.isoformat(),
        full(value),
        short_age(seconds),
    )


def full(value: datetime) -> str:
    """The whole moment, for titles: `2026-11-23 14:02:48.106 UTC`."""
    moment = value.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1_000:03d} UTC"


def clock(value: datetime, precision: str = "s") -> str:
    """`14:02:48` or `14:02:48.106`; with the day in front when it is not today."""
    moment = value.astimezone(UTC)
    text = f"{moment:%H:%M:%S}"
    if precision == "ms":
        text = f"{text}.{moment.microsecond // 1_000:03d}"
    today = timezone.now().astimezone(UTC).date()
    return text if moment.date() == today else f"{moment.day} {moment:%b} {text}"


def utc(value: datetime | None, precision: str = "s") -> SafeString | str:
    """A moment in UTC, machine-readable, whole in its title."""
    if value is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', value.isoformat(), full(value), clock(value, precision)
    )


def size(count: object) -> str:
    """Bytes: `412 bytes`, `3.4 KB`, `1.8 MB`."""
    if not isinstance(count, int | float):
        return "–"
    if count < 1_000:
        return f"{count:,.0f} byte{'' if count == 1 else 's'}"
    power = next((power for power in (1, 2) if count < 1_000 ** (power + 1)), 3)
    return f"{count / 1_000**power:,.1f} {('KB', 'MB', 'GB')[power - 1]}"
