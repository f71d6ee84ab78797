"""Something that changes."""

from django.db import transaction

from apps.feed.models import FeedEntry
from apps.feed.services import publish


def change(*topics: str, **detail: object) -> FeedEntry:
    """A change in a transaction of its own."""
    with transaction.atomic():
        return publish(
            "incident.changed", topics=topics or ["queue"], subject=("incident", 1), by="ana", **detail
        )
