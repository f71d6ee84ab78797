"""Passwords are hashed cheaply here: what is tested is who gets in, and not how slow guessing is."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def cheap_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def nobody_has_tried_yet(db) -> None:
    cache.clear()
