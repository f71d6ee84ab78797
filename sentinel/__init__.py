"""Sentinel: who did it, a verified stop, a record that others can check."""

from sentinel.celery import app as celery_app

__all__ = ["celery_app"]
