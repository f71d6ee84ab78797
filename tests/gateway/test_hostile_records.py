"""Records that a compromised host or a clever process could send: kept harmless, and in nobody's way."""

import json
from typing import Any

import pytest

from apps.detection.models import Alert, DetectionRule
from apps.detection.services import MOST_HOST_RULES
from apps.fleet.models import TrainingRun
from apps.gateway import ingest
from apps.telemetry.models import Connection, Event, GpuSample, Process, ToolCall
from tests.gateway.machine import Machine
from tests.gateway.working import NOW, alert, process, run_start, socket, span, told

pytestmark = pytest.mark.django_db

NASTY = "a\x00b\u202ec\x1b[31m<script>'; DROP TABLE x; --\U0001f480"


@pytest.fixture
def machine(db: None) -> Machine:
    return Machine.enrolled()


def test_nasty_text_in_every_field_is_stored(machine: Machine) -> None:
    told(
        machine,
        run_start(NASTY, marker=NASTY, cgroup=NASTY, owner=NASTY, framework=NASTY, lineage=NASTY,
                  native_ids={NASTY: [NASTY]}, contract={"a": NASTY}, gpus=[NASTY]),
        span(run=NASTY, name=NASTY, status={"code": NASTY}),
        process(argv=(NASTY, NASTY), exe=NASTY, cwd=NASTY, cgroup=NASTY, marker=NASTY, traceparent=NASTY,
                env_names=[NASTY]),
        socket(remote=NASTY, local=NASTY, proto=NASTY, state=NASTY),
        alert(NASTY, title=NASTY, level=NASTY, technique=NASTY, family=NASTY, detail={NASTY: {NASTY: NASTY}}),
        {"kind": "gap", "at": NOW, "dropped": 1, "reason": NASTY, "kinds": {NASTY: 1}},
        {"kind": "gpu.process", "at": NOW, "gpu_uuid": NASTY, "pid": 1},
        {"kind": "heartbeat", "at": NOW, "sensors": {NASTY: NASTY}, "spool": {NASTY: 1}, "version": NASTY},
        {"kind": "run.end", "at": NOW, "run": NASTY, "reason": NASTY},
        {"kind": NASTY[:20], "at": NOW, NASTY: NASTY},
    )  # fmt: skip
    assert Process.objects.get().argv[0].startswith("a\\x00b\u202e")
    assert TrainingRun.objects.get().name.startswith("a\\x00b")
    assert DetectionRule.objects.filter(slug="a-b-c-31m-script-drop-table-x").exists()
    assert Event.objects.filter(kind__startswith="a\\x00").exists()


def test_endless_text_is_cut(machine: Machine) -> None:
    long = "x" * 300_000
    told(
        machine,
        process(argv=[long] * 40, exe=long, cwd=long, cgroup=long, marker=long, traceparent=long),
        socket(remote=long, local=long),
        alert(long, title=long, family=long, technique=long, detail={"a": long}),
        span(long, run=long),
        run_start(long, marker=long, cgroup=long),
    )
    row = Process.objects.get()
    assert len(json.dumps(row.argv)) < 150_000
    assert row.truncated
    assert len(row.exe) == 4_096
    assert len(json.dumps(Alert.objects.get(rule__source="host").detail)) < 140_000
    assert len(ToolCall.objects.get().arguments) == 65_536


@pytest.mark.parametrize(
    "spoilt",
    [
        process(pid=-1),
        process(pid=2**40),
        process(pid="1"),
        process(start_ticks=2**70),
        process(argv=[1, 2]),
        process(argv=()) | {"argv": "ssh -R"},
        process(uid=2**64),
        socket(netns=-5),
        alert(detail=[1]),
        alert(rule=""),
        {"kind": "run.step", "at": NOW, "run": "rome", "global_step": 2**63},
        {"kind": "run.step", "at": NOW, "run": "rome", "global_step": 1.5},
        {"kind": "process.end", "at": NOW, "pid": 1, "exit_code": 2**40},
        {"kind": "span", "at": NOW, "span": "x"},
        {"kind": "gpu.process", "at": NOW},
        {"kind": "of.tomorrow", "at": NOW, "x": {"deep": [1, {"er": None}]}},
        b'{"kind":"alert","at":1795000000.0,"rule":"x","detail":{"a":1e999}}',
        b'{"kind":"process.start","at":1795000000.0,"pid":5,"pid":"x"}',
    ],
)
def test_record_that_cannot_be_is_kept_as_it_came_and_the_others_count(machine: Machine, spoilt: Any) -> None:
    record = spoilt if isinstance(spoilt, bytes) else json.dumps(spoilt).encode()
    told(machine, json.dumps(process(77)).encode(), record, json.dumps(process(78)).encode())
    assert {row.pid for row in Process.objects.all()} >= {77, 78}
    kept = Event.objects.get()
    assert kept.position == 1
    assert kept.data["problem"]
    assert kept.data["raw"].startswith('{"kind')


@pytest.mark.parametrize("value", [10**30, -(10**30), 1e308, 5e-324, 10**4000])
def test_huge_numbers_in_details_are_storable(machine: Machine, value: float) -> None:
    told(machine, json.dumps(alert(detail={"n": value})).encode(), json.dumps(alert()).encode())
    assert Alert.objects.count() + Event.objects.count() == 2


def test_host_that_invents_rules_without_end_gets_no_more_than_its_share(machine: Machine) -> None:
    told(machine, *(alert(f"rule-{number}", title=f"t{number}") for number in range(MOST_HOST_RULES + 500)))
    assert DetectionRule.objects.count() <= MOST_HOST_RULES + 1
    assert Alert.objects.count() == MOST_HOST_RULES + 500
    assert Alert.objects.filter(rule__slug="host-other").count() == 500


def test_host_cannot_rename_a_rule(machine: Machine) -> None:
    told(machine, alert("firewall", title="Blocked", level="high"))
    told(machine, alert("firewall", title="Nothing to see", level="info", technique="T0000"))
    rule = DetectionRule.objects.get()
    assert (rule.title, rule.level, rule.technique) == ("Blocked", "high", "T1571")


def test_host_cannot_change_what_another_host_saw(machine: Machine) -> None:
    other = Machine.enrolled()
    told(machine, process(200, ("ssh", "eve")), socket(200))
    told(
        other,
        process(200, ("sleep", "1")),
        {"kind": "process.end", "at": NOW + 5, "pid": 200, "start_ticks": 2_000},
        {
            "kind": "socket.close",
            "at": NOW + 9,
            "pid": 200,
            "local": "10.0.0.5:40000",
            "remote": "198.51.100.7:22",
        },
    )
    mine = Process.objects.get(host=machine.agent.host)
    assert (mine.argv, mine.ended_at) == (["ssh", "eve"], None)
    assert Connection.objects.get(host=machine.agent.host).closed_at is None


def test_run_cannot_rewrite_its_tool_call(machine: Machine) -> None:
    told(machine, run_start(), span("ssh -R 1:2:3 eve", end=2.0))
    told(machine, span("ls", end=9.0))
    call = ToolCall.objects.get()
    assert "ssh -R" in call.arguments
    assert call.ended_at is not None
    assert call.ended_at.timestamp() == pytest.approx(NOW + 2.0, abs=0.001)


def test_run_cannot_take_over_the_tool_call_of_another(machine: Machine) -> None:
    told(machine, run_start("rome"), run_start("oslo", root_pid=7), span("ls", run="rome"))
    told(machine, span("ls", run="oslo", end=5.0))
    call = ToolCall.objects.get()
    assert call.run is not None
    assert (call.run.name, call.ended_at) == ("rome", None)


def test_process_of_which_not_even_the_start_was_read_is_stored_and_ends(machine: Machine) -> None:
    told(
        machine,
        process(90, ("[gone]",), start_ticks=None, ppid=None, exe=None, cwd=None, uid=None, cgroup=None),
    )
    row = Process.objects.get()
    assert row.start_ticks < 0
    told(machine, {"kind": "process.end", "at": NOW + 3, "pid": 90, "start_ticks": None, "exit_code": -9})
    row.refresh_from_db()
    assert (row.exit_code, row.ended_at is not None) == (-9, True)


def test_gpu_sample_belongs_to_the_run_of_its_process(machine: Machine) -> None:
    told(machine, run_start(), process(300, ("python", "miner.py"), cgroup="/sentinel/rome/x"))
    told(machine, {"kind": "gpu.process", "at": NOW, "gpu_uuid": "GPU-1", "pid": 300, "start_ticks": 3_000,
                   "memory_bytes": 2**33, "sm_percent": 97.5})  # fmt: skip
    assert GpuSample.objects.get().run == TrainingRun.objects.get()


def test_nothing_waits_twice(machine: Machine) -> None:
    told(machine, alert())
    assert ingest.work_off() == 0
    assert Alert.objects.count() == 1


def test_whatever_depth_the_door_lets_pass_is_worked_off(machine: Machine) -> None:
    from apps.gateway.records import count

    deepest = 0
    for depth in (10, 100, 900, 950, 980, 985, 990, 995, 2_000):
        detail = b'{"a":' * depth + b"1" + b"}" * depth
        record = b'{"kind":"alert","at":1795000000.0,"rule":"x","detail":' + detail + b"}"
        try:
            count(b"[" + record + b"]")
        except ValueError:
            break
        told(machine, record)
        deepest = depth
    assert deepest >= 100
    assert "\u2026" in json.dumps(Alert.objects.last().detail, ensure_ascii=False)  # type: ignore[union-attr]
