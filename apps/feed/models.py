"""What changed, in commit order: a browser that was away replays from its cursor."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class FeedEntry(models.Model):
    """One change. It says where to look, not what is there: the rows carry the truth."""

    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=40)
    topics = ArrayField(
        models.CharField(max_length=64)
    )  # "queue", "incident:42", "run:7", "order:9", "fleet"
    subject_kind = models.CharField(max_length=24)
    subject_id = models.BigIntegerField()
    by = models.CharField(max_length=150, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["at"], name="feed_by_age")]  # retention deletes by age
