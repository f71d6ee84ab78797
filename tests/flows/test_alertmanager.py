"""A real Alertmanager: what it sends arrives, and what was answered 503 arrives later, once."""

import contextlib
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.detection.models import Alert
from apps.gateway import ingest
from apps.telemetry import reports
from apps.telemetry.models import Report
from tests.flows.training_host import until
from tests.gateway.reporting import Sensor
from tests.live import free_port

PROGRAM, AMTOOL = shutil.which("prometheus-alertmanager"), shutil.which("amtool")
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(PROGRAM is None or AMTOOL is None, reason="prometheus-alertmanager is not installed"),
]
CONFIG = """
route:
  receiver: sentinel
  group_wait: 100ms
  group_interval: 1s
receivers:
  - name: sentinel
    webhook_configs:
      - url: {server}/v1/alerts/alertmanager
        http_config:
          authorization:
            credentials: {token}
"""


class Alertmanager:
    """One, with this server as its only receiver."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def raise_alert(self, name: str) -> None:
        """As Prometheus or a person would."""
        labels = (f"alertname={name}", "instance=trainer-7:9400", "severity=critical")
        notes = ("--annotation=summary=GPUs are busy and no step moves",)
        command = [str(AMTOOL), f"--alertmanager.url={self.address}", "alert", "add", *labels, *notes]
        subprocess.run(command, check=True, capture_output=True)

    def failed(self) -> float:
        """How many of its requests were answered so that it sends again."""
        name = 'alertmanager_notification_requests_failed_total{integration="webhook"}'
        lines = self._asked("/metrics").splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)

    def is_up(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self._asked("/-/ready"))
        return False

    def _asked(self, path: str) -> str:
        with urllib.request.urlopen(self.address + path, timeout=5) as answer:  # noqa: S310
            return str(answer.read().decode())


@pytest.fixture
def sensor() -> Sensor:
    return Sensor("alertmanager", "prometheus")


@pytest.fixture
def manager(server: Any, sensor: Sensor, tmp_path: Path) -> Iterator[Alertmanager]:
    config, port = tmp_path / "alertmanager.yml", free_port()
    config.write_text(CONFIG.format(server=server.address, token=sensor.text))
    command = [
        str(PROGRAM), f"--config.file={config}", f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            one = Alertmanager(port)
            until(one.is_up, what="Alertmanager is up")
            yield one
        finally:
            running.terminate()
            running.wait(timeout=15)


def raised() -> list[Alert]:
    ingest.work_off()
    return list(Alert.objects.select_related("rule", "host"))


def test_alert_arrives(manager: Alertmanager) -> None:
    manager.raise_alert("GpuBusyAtNight")
    (alert,) = until(raised)
    assert (alert.title, alert.level) == ("GPUs are busy and no step moves", "critical")
    assert (alert.rule.slug, alert.host.name) == ("alertmanager.gpubusyatnight", "trainer-7")


def test_what_was_answered_503_arrives_later_and_once(manager: Alertmanager, sensor: Sensor) -> None:
    full = [
        Report(source=sensor.source, body=b"[]", digest=f"{n:064}", received_at=timezone.now())
        for n in range(reports.MOST_WAITING)
    ]
    Report.objects.bulk_create(full)
    manager.raise_alert("GpuBusyAtNight")
    until(lambda: manager.failed() > 0, what="it was answered 503")
    assert Report.objects.count() == reports.MOST_WAITING
    Report.objects.update(state="done")
    (alert,) = until(raised)
    assert alert.rule.slug == "alertmanager.gpubusyatnight"
    assert manager.failed() >= 1
    assert Report.objects.exclude(digest__startswith="0" * 60).count() == 1
