"""An alert as a difference from its run's contract."""

import pytest

from apps.detection.difference import Seen, difference, seen_in
from apps.fleet.contract import Contract, of
from apps.telemetry.models import GpuSample, Process
from tests.console.cast import story

LISTED = of(
    {"destinations": ["10.0.0.0/8", "192.0.2.1", "192.0.2.2"], "programs": ["git"], "gpu_owners": ["uid:7"]}
)


@pytest.mark.parametrize(
    ("contract", "seen", "says"),
    [
        (LISTED, Seen(peer="198.51.100.7:443"), "destination 198.51.100.7:443 is not among the 3 allowed"),
        (LISTED, Seen(peer="10.1.1.1:443"), "destination 10.1.1.1:443 is allowed"),
        (LISTED, Seen(exe="/tmp/xmrig", called="git"), "program /tmp/xmrig is not among the 1 allowed"),
        (LISTED, Seen(called="xmrig"), "program xmrig, by its own word is not among the 1 allowed"),
        (of({"gpu_owners": []}), Seen(exe="/x", on_gpu=True), "GPU held by /x is not allowed: none is"),
        (of({"gpu_owners": ["uid:7"]}), Seen(exe="/x", uid=7, on_gpu=True), "GPU held by /x is allowed"),
    ],
)
def test_a_difference_is_said(contract: Contract, seen: Seen, says: str):
    (term,) = difference(contract, seen)
    assert term.says == says
    assert term.within is says.endswith(" is allowed")


def test_a_contract_says_nothing_of_what_it_does_not_name_and_of_what_was_not_seen():
    assert difference(Contract(), Seen(peer="198.51.100.7:443", exe="/tmp/xmrig", on_gpu=True)) == []
    assert difference(LISTED, Seen()) == []


@pytest.mark.django_db
def test_what_an_alert_is_about_is_read_from_its_process_connection_and_gpu():
    it = story()
    (alert,) = it.alerts
    alert.refresh_from_db()
    Process.objects.filter(pk=it.process.pk).update(exe="/usr/bin/ssh", uid=1000)
    it.process.refresh_from_db()
    alert.process = it.process
    assert seen_in([alert])[alert.pk] == Seen(alert.connection.remote, "/usr/bin/ssh", "ssh", 1000, False)
    GpuSample.objects.update(start_ticks=it.process.start_ticks)
    assert seen_in([alert])[alert.pk].on_gpu
