"""A script: a person's token, and requests with it."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import User
from apps.accounts.services import make_token

ROOT = "/api/v1"


@dataclass
class Script:
    """Asks the API with one token."""

    token: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(ROOT + path, query, headers=self._headers())

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.client.post(
            ROOT + path, json.dumps(body or {}), content_type="application/json",
            headers=self._headers() | {name.replace("_", "-"): text for name, text in headers.items()},
        )  # fmt: skip

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def script_of(user: User) -> Script:
    return Script(make_token(user, name="nightly")[1])
