"""Which drills there are, and how far one that was asked for has got."""

from django.db.models import TextChoices


class Name(TextChoices):
    ROME = "rome", "Rome"


class Stage(TextChoices):
    """Only a signed receipt moves a request past REQUESTED; that it expired is read from the clock."""

    REQUESTED = "REQUESTED", "Asked for"
    DELIVERED = "DELIVERED", "At the host"
    STARTED = "STARTED", "Playing"
    ENDED = "ENDED", "Over"
    REFUSED = "REFUSED", "Refused by the host"
    NOT_CONFIRMED = "NOT_CONFIRMED", "Did not start"
    EXPIRED = "EXPIRED", "Expired"


UNDER_WAY = (Stage.REQUESTED, Stage.DELIVERED, Stage.STARTED)
OVER = frozenset({Stage.ENDED, Stage.REFUSED, Stage.NOT_CONFIRMED, Stage.EXPIRED})
# Receipts come in bundles and after silences, so steps may be left out; nothing goes back.
REACHED_FROM: dict[str, frozenset[Stage]] = {
    Stage.DELIVERED: frozenset({Stage.REQUESTED}),
    Stage.STARTED: frozenset({Stage.REQUESTED, Stage.DELIVERED}),
    **{over: frozenset(UNDER_WAY) for over in OVER},
}
