"""A statement that comes again is planned once a connection."""

import pytest
from django.contrib.sessions.models import Session
from django.db import connection

from apps.core.bulk import rows

pytestmark = pytest.mark.django_db


def test_what_the_models_ask_again_and_again_is_prepared() -> None:
    for number in range(8):
        Session.objects.filter(pk=str(number)).first()
    known = rows("SELECT statement FROM pg_prepared_statements")
    assert any("django_session" in statement for (statement,) in known), connection.settings_dict["OPTIONS"]
