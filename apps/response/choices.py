"""Acts of containment and how far they got."""

from django.db.models import TextChoices


class Action(TextChoices):
    PAUSE = "PAUSE", "Pause"
    RESUME = "RESUME", "Resume"
    KILL = "KILL", "Kill"


class Stage(TextChoices):
    """Where a target stands. Only a signed receipt moves it past REQUESTED, except for silence and expiry."""

    REQUESTED = "REQUESTED", "Requested"
    DELIVERED = "DELIVERED", "Delivered"
    FROZEN = "FROZEN", "Frozen"
    CAPTURED = "CAPTURED", "Evidence captured"
    SIGNALLED = "SIGNALLED", "Signalled"
    WATCHING = "WATCHING", "Watching"  # dead on every probe, respawn watch still running
    VERIFIED = "VERIFIED", "Verified dead"
    PAUSED = "PAUSED", "Paused"
    RESUMED = "RESUMED", "Resumed"
    SURVIVED = "SURVIVED", "Survived"
    NOT_CONFIRMED = "NOT_CONFIRMED", "Not confirmed"
    UNREACHABLE = "UNREACHABLE", "Unreachable"
    REFUSED = "REFUSED", "Refused"
    EXPIRED = "EXPIRED", "Expired"
    CANCELLED = "CANCELLED", "Cancelled"


# Nothing follows these by itself. UNREACHABLE and NOT_CONFIRMED are not here: a late receipt may settle them.
SETTLED = frozenset(
    {
        Stage.VERIFIED,
        Stage.PAUSED,
        Stage.RESUMED,
        Stage.SURVIVED,
        Stage.REFUSED,
        Stage.EXPIRED,
        Stage.CANCELLED,
    }
)
PROVEN = frozenset({Stage.VERIFIED, Stage.PAUSED, Stage.RESUMED})
# Worst first: the verdict line names the first that any host is in.
WORST_FIRST = (
    Stage.SURVIVED,
    Stage.UNREACHABLE,
    Stage.NOT_CONFIRMED,
    Stage.REFUSED,
    Stage.EXPIRED,
    Stage.CANCELLED,
    Stage.REQUESTED,
    Stage.DELIVERED,
    Stage.FROZEN,
    Stage.CAPTURED,
    Stage.SIGNALLED,
    Stage.WATCHING,
    Stage.VERIFIED,
    Stage.PAUSED,
    Stage.RESUMED,
)

# From an order to what comes of it. A receipt moves a target on from any of these, and never back. Receipts
# come in bundles and after long silences, so steps may be left out; what the server itself concluded from
# silence gives way to what a host signed, except that NOT_CONFIRMED is only undone by an outcome.
STEPS = (
    Stage.REQUESTED,
    Stage.DELIVERED,
    Stage.FROZEN,
    Stage.CAPTURED,
    Stage.SIGNALLED,
    Stage.WATCHING,
)
_SILENT = (Stage.UNREACHABLE, Stage.EXPIRED)
OUTCOMES: dict[str, frozenset[Stage]] = {
    Action.KILL: frozenset({Stage.VERIFIED, Stage.SURVIVED}),
    Action.PAUSE: frozenset({Stage.PAUSED, Stage.SURVIVED}),
    Action.RESUME: frozenset({Stage.RESUMED}),
}
REFUSALS = frozenset({Stage.REFUSED, Stage.EXPIRED, Stage.NOT_CONFIRMED})
REACHED_FROM: dict[str, frozenset[Stage]] = {
    **{
        step: frozenset({*STEPS[:place], *_SILENT})
        for place, step in enumerate(STEPS)
        if step != Stage.REQUESTED
    },
    **{
        outcome: frozenset({*STEPS, *_SILENT, Stage.NOT_CONFIRMED})
        for outcome in (Stage.VERIFIED, Stage.PAUSED, Stage.RESUMED, Stage.SURVIVED, Stage.REFUSED)
    },
    Stage.NOT_CONFIRMED: frozenset({*STEPS, *_SILENT}),
    Stage.EXPIRED: frozenset({Stage.REQUESTED, Stage.DELIVERED, Stage.UNREACHABLE}),
}
# What a dead run looks like from its host: all five, or it is not verified.
PROBES = ("cgroup", "marker", "gpu", "sockets", "respawn")
