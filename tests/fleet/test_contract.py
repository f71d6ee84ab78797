"""What a run may do: read from what people write, and set version by version."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.audit.services import By
from apps.fleet import contracts, runs
from apps.fleet.contract import Contract, Unreadable, from_yaml, loosened, of, written
from apps.fleet.models import Host, RunContract, TrainingRun

ANA = By("person", "ana")
TEXT = """
destinations: [10.0.0.0/8, "203.0.113.7:443", "[2001:db8::1]:443"]
programs: [python3.12, /usr/bin/git]
gpu_owners: [python3.12, "uid:1000"]
note: reviewed
"""


def run(name: str = "kestrel", **also) -> TrainingRun:
    return TrainingRun.objects.create(name=name, marker=name, started_at=timezone.now(), **also)


def change(body: dict, version: int, **also) -> contracts.Change:
    given = {"reason": "what the team reviewed", "ends_at": None} | also
    return contracts.Change(of(body), version=version, **given)


def test_what_is_written_is_read_and_written_again():
    contract = from_yaml(TEXT)
    assert from_yaml(written(contract)) == contract
    assert of(contract.body) == contract


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ("10.9.8.7:22", True),
        ("203.0.113.7:443", True),
        ("203.0.113.7:444", False),
        ("[2001:db8::1]:443", True),
        ("[::ffff:10.0.0.1]:80", True),
        ("203.0.113.8:443", False),
        ("evil.example:443", False),
        ("", False),
        ("\x1b[31m", False),
    ],
)
def test_a_peer_is_within_or_not(peer: str, allowed: bool):
    assert from_yaml(TEXT).allows_peer(peer) is allowed


def test_a_program_is_known_by_its_file_and_not_by_its_own_word():
    contract = from_yaml(TEXT)
    assert contract.allows_program("/usr/bin/git", "git")
    assert contract.allows_program("/opt/bin/python3.12")
    assert not contract.allows_program("/tmp/git", "git")
    assert not contract.allows_program("/tmp/.x/nvml-helper", "python3.12")
    assert contract.allows_program("", "python3.12")
    assert contract.allows_on_gpu("/tmp/x", "x", 1000)
    assert not contract.allows_on_gpu("/tmp/x", "x", 1001)


def test_what_is_not_said_restricts_nothing_and_an_empty_list_allows_nothing():
    assert Contract().allows_peer("198.51.100.7:443")
    assert not of({"destinations": []}).allows_peer("198.51.100.7:443")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("destinations: [registry.internal:443]", "Names are not taken"),
        ("destinations: [10.0.0.0/33]", "no address"),
        ("destinations: ['10.0.0.1:99999']", "no address"),
        ("destinations: [22:30]", "put it in quotes"),
        ("destinations: 10.0.0.1", "a list"),
        ("programs: [bin/git]", "whole path"),
        ("programs: ['git\u202e']", "cannot be seen"),
        ("gpu_owners: ['uid:root']", "no user number"),
        ("egress: []", "there is no such key"),
        ("[1, 2]", "mapping"),
        ("a: &a [x]\nprograms: *a", "aliases are not read"),
        ("programs: [a]\nprograms: [b]", "given twice"),
        ("programs: [a", "Line 1"),
        ("!!python/object/apply:os.system ['id']", "not read as YAML"),
        ("programs: " + "[" * 5_000, "not"),
        ("programs: [" + "a," * 300 + "]", "at most 200"),
        ("x" * 70_000, "longer than"),
        ("note: \x00", "not YAML"),
    ],
)
def test_what_cannot_be_taken_is_said(text: str, says: str):
    with pytest.raises(Unreadable, match=r".") as refused:
        from_yaml(text)
    assert says in str(refused.value)


def test_everything_that_is_wrong_is_said_at_once():
    with pytest.raises(Unreadable) as refused:
        of({"destinations": ["nowhere", 7], "programs": ["a/b"], "other": 1})
    assert len(refused.value.wrong) == 4
    assert "destinations, entry 2" in str(refused.value)


def test_looser_is_whatever_the_former_did_not_cover():
    old = of({"destinations": ["10.0.0.0/8", "192.0.2.1:443"], "programs": ["git"]})
    assert loosened(of({"destinations": ["10.1.0.0/16"], "programs": ["/usr/bin/git"]}), old) == []
    wider = {"destinations": ["192.0.2.1", "::/0"], "programs": ["git", "ssh"]}
    assert loosened(of(wider), old) == ["destination 192.0.2.1", "destination ::/0", "program ssh"]
    assert loosened(Contract(), old) == ["every destination", "every program"]


@pytest.mark.django_db
def test_a_change_has_an_owner_a_reason_and_stands_in_the_trail():
    row = contracts.set_contract(run(), change({"programs": ["git"]}, 0), by=ANA)
    assert (row.version, row.by, row.ends_at) == (1, "ana", None)
    entry = AuditEntry.objects.get(action="contract.set")
    assert entry.detail["body"] == {"programs": ["git"]}
    assert entry.detail["reason"] == "what the team reviewed"


@pytest.mark.django_db
def test_what_loosens_needs_an_end_and_after_it_the_former_holds_again():
    mine, now = run(), timezone.now()
    contracts.set_contract(mine, change({"programs": ["git"]}, 0), by=ANA)
    wider = {"programs": ["git", "ssh"]}
    for bad in (None, now - timedelta(hours=1), now + timedelta(days=91)):
        with pytest.raises(contracts.Refused):
            contracts.set_contract(mine, change(wider, 1, ends_at=bad), by=ANA)
    contracts.set_contract(mine, change(wider, 1, ends_at=now + timedelta(hours=6)), by=ANA)
    rows = contracts.versions(mine)
    assert contracts.in_force(rows, timezone.now()).version == 2
    assert contracts.in_force(rows, now + timedelta(hours=7)).version == 1
    assert contracts.in_force(rows, now - timedelta(hours=1)) is None
    with pytest.raises(contracts.Refused, match="needs an end"):  # not by way of what holds for a time
        contracts.set_contract(mine, change(wider, 2), by=ANA)


@pytest.mark.django_db
def test_a_change_without_a_reason_or_of_an_older_version_is_not_taken():
    mine = run()
    with pytest.raises(contracts.Refused, match="reason"):
        contracts.set_contract(mine, change({}, 0, reason="why"), by=ANA)
    contracts.set_contract(mine, change({}, 0), by=ANA)
    with pytest.raises(contracts.Lost, match="ana was first"):
        contracts.set_contract(mine, change({}, 0), by=By("person", "jonas"))
    assert RunContract.objects.count() == AuditEntry.objects.filter(action="contract.set").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_is_first():
    mine, gate, done = run(), threading.Barrier(2), []

    def act(name: str) -> None:
        gate.wait(10)
        try:
            contracts.set_contract(mine, change({"programs": [name]}, 0), by=By("person", name))
            done.append("set")
        except contracts.Lost:
            done.append("lost")
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(name,)) for name in ("ana", "jonas")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(done) == ["lost", "set"]
    assert RunContract.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("told", [{"programs": ["git"]}, {"yaml": "programs: [git]"}])
def test_what_the_launch_told_is_the_first_version(told: dict):
    host = Host.objects.create(name="gpu-1", machine_id="1")
    start = runs.Start(
        host_id=host.pk, host_name=host.name, at=timezone.now(), name="r", marker="r", root_pid=1,
        root_start_ticks=1, contract=told,
    )  # fmt: skip
    mine, act = runs.start_run(start)
    row = RunContract.objects.get()
    assert (row.version, row.body, row.by) == (1, {"programs": ["git"]}, "launch on gpu-1")
    assert row.made_at == mine.started_at
    assert act.detail["contract"] == row.body
    runs.start_run(start)  # told again, nothing is set again
    assert RunContract.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("told", [{"egress": []}, {"yaml": "a: &a\nb: *a"}, {"programs": "x"}, {"yaml": 7}])
def test_what_cannot_be_read_does_not_hold_and_fails_nothing(told: dict):
    host = Host.objects.create(name="gpu-1", machine_id="1")
    start = runs.Start(
        host_id=host.pk, host_name=host.name, at=timezone.now(), name="r", marker="r", root_pid=1,
        root_start_ticks=1, contract=told,
    )  # fmt: skip
    mine, act = runs.start_run(start)
    assert "contract" not in act.detail
    assert contracts.versions(mine) == []
