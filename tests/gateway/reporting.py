"""Reports sent through the door as an alert source would, and worked off at once."""

import json
from typing import Any

from django.test import Client

from apps.audit.services import SYSTEM
from apps.detection.models import Alert
from apps.fleet.models import AlertSource
from apps.fleet.sources import make_source
from apps.gateway import ingest


class Sensor:
    """An alert source with its token."""

    def __init__(self, form: str, name: str = "") -> None:
        self.form = form
        self.source: AlertSource
        self.source, self.text = make_source(name=name or f"the {form}", form=form, by=SYSTEM)

    def post(self, content: Any, **headers: str) -> Any:
        """The door's answer; nothing is worked off."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        given = {"Authorization": f"Bearer {self.text}"} | headers
        kind = given.pop("Content-Type", "application/json")
        return Client().post(f"/v1/alerts/{self.form}", body, content_type=kind, headers=given)

    def tell(self, content: Any) -> list[Alert]:
        """The alerts that this report raised."""
        last = Alert.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        answer = self.post(content)
        assert answer.status_code == 200, answer.content
        ingest.work_off()
        assert not self.source.reports.exclude(state="done").exists(), self.source.reports.last().error
        rows = Alert.objects.filter(pk__gt=last).select_related("rule", "host", "run", "process")
        return list(rows.order_by("pk"))
