"""The append-only chain of acts. No foreign keys: names are evidence and stay when their rows go."""

from django.db import models


class AuditEntry(models.Model):
    """One act. `hash` covers the entry's canonical bytes and the hash before it.

    UPDATE, DELETE and TRUNCATE are refused by triggers (migration 0001).
    """

    seq = models.BigIntegerField(primary_key=True)  # 1, 2, 3 … without gaps: a hole is a broken chain
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=48, db_index=True)
    by_kind = models.CharField(max_length=16)  # person | host | script | system
    by_name = models.CharField(max_length=150)
    subject_kind = models.CharField(max_length=32)
    subject_id = models.CharField(max_length=64)
    subject_name = models.CharField(max_length=200)
    drill = models.BooleanField(default=False)
    request_id = models.CharField(max_length=32, blank=True)
    detail = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        indexes = [models.Index(fields=["subject_kind", "subject_id", "-seq"], name="audit_by_subject")]


class Checkpoint(models.Model):
    """A signed statement "the chain has `size` entries and ends in `head`", to be kept off the box."""

    size = models.BigIntegerField(unique=True)
    head = models.CharField(max_length=64)
    note = models.TextField()  # C2SP signed note, as it is handed to a witness
    made_at = models.DateTimeField(auto_now_add=True)
