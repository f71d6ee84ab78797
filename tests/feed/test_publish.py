"""What is published in one transaction, however much, is in the feed."""

import pytest
from django.db import transaction

from apps.feed import services as feed
from apps.feed.models import FeedEntry

pytestmark = pytest.mark.django_db


def test_more_changes_than_one_statement_takes_values() -> None:
    """A host may open thousands of incidents at once, and a statement takes 65,535 values."""
    entries = [
        FeedEntry(kind="incident.changed", topics=["queue"], subject_kind="incident", subject_id=number)
        for number in range(10_000)
    ]
    with transaction.atomic():
        feed.publish_many(entries)
    assert FeedEntry.objects.filter(kind="incident.changed").count() == 10_000
