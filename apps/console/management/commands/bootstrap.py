"""What the first start needs: one person who can sign in, and a token for this machine's host agent.

Safe to run on every start. The answer is one line of JSON; what it holds is shown once and kept nowhere.
"""

import json
import os
import secrets
import socket
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.accounts.services import create_person
from apps.audit.services import SYSTEM
from apps.core.locks import Lock, take
from apps.fleet.choices import AgentState
from apps.fleet.models import HostAgent
from apps.fleet.services import offer_enrolment

NAME = "admin"


class Command(BaseCommand):
    """`manage.py bootstrap [--enrol]`."""

    help = "Make the first admin, and an enrolment token for this machine where it needs one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--enrol", action="store_true", help="a token, if nobody speaks for this machine")

    def handle(self, *args: Any, **options: Any) -> None:
        token = token_for(socket.gethostname()) if options["enrol"] else None
        self.stdout.write(json.dumps(first_admin() | {"enrolment_token": token}))


@transaction.atomic
def first_admin() -> dict[str, Any]:
    """Somebody can sign in. `password` is told when it was made here, which happens once."""
    take(Lock.ENROLMENT)  # two starts at once make one admin
    if User.objects.exists():
        return {"created": False, "username": NAME, "password": None}
    given = os.environ.get("SENTINEL_ADMIN_PASSWORD", "")
    password = given or secrets.token_urlsafe(12)
    try:
        create_person(username=NAME, password=password, role=Role.ADMIN, by=SYSTEM)
    except ValidationError as error:
        raise CommandError(f"SENTINEL_ADMIN_PASSWORD is refused: {' '.join(error.messages)}") from None
    return {"created": True, "username": NAME, "password": None if given else password}


def token_for(name: str) -> str | None:
    """A token, where no host agent speaks for the machine that calls itself `name`."""
    speaking = HostAgent.objects.filter(state=AgentState.ACTIVE, host__name=name)
    return None if speaking.exists() else offer_enrolment(SYSTEM)
