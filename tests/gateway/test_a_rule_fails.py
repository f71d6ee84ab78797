"""A rule that breaks over what it is shown says so: something may have been missed."""

from dataclasses import replace

import pytest

from apps.detection import engine
from apps.detection.models import Alert
from tests.gateway.machine import Machine
from tests.gateway.working import process, told

pytestmark = pytest.mark.django_db(transaction=True)


def fail(subject: object) -> None:
    raise RecursionError


def test_the_failure_is_an_alert_beside_what_the_others_found(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = engine._NAMED["process"]["ssh"]
    broken = tuple(replace(rule, match=fail) if rule.slug == "ssh-socks-proxy" else rule for rule in rules)
    monkeypatch.setitem(engine._NAMED["process"], "ssh", broken)
    tunnel = ["ssh", "-D", "1080", "-R", "9001:127.0.0.1:8000", "eve@198.51.100.7"]
    told(Machine.enrolled(), process(201, tunnel), process(202, tunnel))
    found = Alert.objects.order_by("position", "rule__slug").values_list("position", "rule__slug")
    assert list(found) == [
        (0, "rule-failed"), (0, "ssh-remote-forward"), (1, "rule-failed"), (1, "ssh-remote-forward"),
    ]  # fmt: skip
    assert Alert.objects.filter(rule__slug="rule-failed").first().detail == {  # type: ignore[union-attr]
        "rules": {"ssh-socks-proxy": "RecursionError"}
    }
