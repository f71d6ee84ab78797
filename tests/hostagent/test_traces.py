"""Spans that a run writes become records, whatever else it writes there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hostagent.config import State
from hostagent.runs import Run
from hostagent.sensors.otlp_lines import records_of
from hostagent.sensors.runs import RunSensor
from hostagent.sensors.tail import MAX_LINE_BYTES, Tail
from hostagent.spool import Spool
from hostagent.trace import RunTrace
from tests.hostagent.conftest import ENV
from tests.hostagent.seeing import Seen, running

SPAN = {"traceId": "a" * 32, "spanId": "b" * 16, "name": "execute_tool bash", "startTimeUnixNano": "1"}


def line(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    state = State(tmp_path / "state").prepare()
    folder = state.runs / "r-1"
    folder.mkdir()
    made = Run(
        folder=folder,
        run="r",
        marker="r",
        cgroup=None,
        root_pid=os.getpid(),
        root_start_ticks=0,
        launcher_pid=1,
        launcher_start_ticks=0,
        started_at=time.time(),
        trace_file=str(folder / "trace.jsonl"),
        ended_at=time.time(),
    )
    made.save()
    return made


@pytest.fixture
def sensor(run: Run) -> Iterator[tuple[RunSensor, Seen]]:
    state = State(run.folder.parent.parent)
    seen = Seen()
    made = RunSensor(state, seen, Spool(state.spool_file))  # type: ignore[arg-type]
    with running(made):
        yield made, seen


def test_a_tool_call_is_told_when_it_starts_and_when_it_ends(
    run: Run, sensor: tuple[RunSensor, Seen]
) -> None:
    _, seen = sensor
    trace = RunTrace(Path(run.trace_file), "r")
    trace.step(3)
    with trace.tool_call("bash", {"command": "id"}, episode=7, global_step=3) as call:
        start = seen.wait("span", started_only=True)
        assert call.environ["TRACEPARENT"] == f"00-{call.trace_id}-{call.span_id}-01"
    end = seen.wait("span", started_only=False)
    assert start["run"] == end["run"] == "r"
    assert start["span"]["spanId"] == end["span"]["spanId"] == call.span_id
    attributes = {one["key"]: one["value"] for one in end["span"]["attributes"]}
    assert attributes["gen_ai.tool.call.arguments"] == {"stringValue": '{"command": "id"}'}
    assert attributes["sentinel.episode"] == {"stringValue": "7"}
    assert attributes["sentinel.global_step"] == {"intValue": "3"}
    assert seen.wait("run.step")["global_step"] == 3


def test_a_call_that_fails_ends_with_an_error(run: Run, sensor: tuple[RunSensor, Seen]) -> None:
    _, seen = sensor
    trace = RunTrace(Path(run.trace_file), "r")
    with pytest.raises(ZeroDivisionError), trace.tool_call("x", {}, episode=1, global_step=1):
        raise ZeroDivisionError
    assert seen.wait("span", started_only=False)["span"]["status"] == {"code": 2}


def test_an_export_as_the_collector_writes_it_is_read() -> None:
    export = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "roll"}}]},
                "scopeSpans": [{"spans": [SPAN, {**SPAN, "endTimeUnixNano": 5}, {"name": "no ids"}]}],
            }
        ]
    }
    records = records_of(line(export), run="r")
    assert [one["started_only"] for one in records] == [True, False]
    assert records[0]["span"]["resource"]["attributes"][0]["key"] == "service.name"


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        line({"resourceSpans": 5}),
        line({"resourceSpans": [None, {"scopeSpans": {"spans": 1}}]}),
        line({"kind": "run.step", "global_step": "3"}),
        line({"kind": "run.step", "global_step": True}),
        line({"kind": "run.step", "global_step": -1}),
        line({"kind": "run.end", "at": 1, "run": "r"}),
        line({"kind": "alert", "at": 1, "rule": "x", "title": "y"}),
        line({**SPAN, "spanId": ["b"]}),
    ],
)
def test_what_is_no_span_is_nothing(hostile: bytes) -> None:
    assert records_of(hostile, run="r") == []


def test_a_span_speaks_for_its_own_run_only_and_is_cut_to_size() -> None:
    monster = {
        **SPAN,
        "run": "other",
        "startTimeUnixNano": "99999999999999999999999999",
        "endTimeUnixNano": "soon",
        "attributes": [{"key": "k", "value": {"stringValue": "x" * 100_000}}] * 500,
        "deep": json.loads("[" * 60 + "]" * 60),
    }
    (record,) = records_of(line(monster), run="r")
    assert record["run"] == "r"
    assert record["started_only"] is True
    assert record["truncated"] is True
    assert abs(record["at"] - time.time()) < 60
    assert len(record["span"]["attributes"]) == 128
    assert len(record["span"]["attributes"][0]["value"]["stringValue"]) == 32 * 1024


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "t"
    tail = Tail(path, 0)
    assert list(tail.lines()) == []
    path.write_bytes(b"one\ntw")
    assert list(tail.lines()) == [b"one"]
    assert tail.position == 4
    path.write_bytes(b"one\ntwo\n\nthree\n")
    assert list(tail.lines()) == [b"two", b"three"]


def test_a_line_without_end_is_passed_over_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"x" * (5 * MAX_LINE_BYTES) + b"\nfine\n")
    tail, found = Tail(path, 0), []
    for _ in range(4):
        found += list(tail.lines())
    assert found[-1] == b"fine"
    assert all(len(one) <= MAX_LINE_BYTES for one in found)
    assert tail.overlong >= 1


def test_a_link_or_a_pipe_in_the_files_place_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"traceId": "a", "spanId": "b", "name": "c"}\n')
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe")
    assert list(Tail(tmp_path / "link", 0).lines()) == []
    assert list(Tail(tmp_path / "pipe", 0).lines()) == []


def test_a_trace_file_that_was_cut_is_an_alert(run: Run, sensor: tuple[RunSensor, Seen]) -> None:
    _, seen = sensor
    path = Path(run.trace_file)
    path.write_bytes(line(SPAN) + b"\n")
    seen.wait("span")
    path.write_bytes(b"")
    assert seen.wait("alert")["rule"] == "trace-file-cut"


def test_a_restart_reads_on_where_the_spool_knows_it_was(run: Run) -> None:
    state = State(run.folder.parent.parent)
    spool = Spool(state.spool_file)
    path = Path(run.trace_file)
    path.write_bytes(line(SPAN) + b"\n")
    spool.add([], cursors={"r-1/trace.jsonl": path.stat().st_size})
    with path.open("ab") as file:
        file.write(line({**SPAN, "spanId": "c" * 16}) + b"\n")
    seen = Seen()
    RunSensor(state, seen, spool).read()  # type: ignore[arg-type]
    assert [one["span"]["spanId"] for one in seen.of("span")] == ["c" * 16]
    assert seen.read["r-1/trace.jsonl"] == path.stat().st_size


def test_a_launched_run_is_told_from_start_to_end(agent: Callable[[], Any], state: State, stub: Any) -> None:
    """Also what was launched while no agent ran."""
    argv = [
        sys.executable,
        "-m",
        "hostagent",
        "launch",
        "--state",
        str(state.root),
        "--run",
        "a run; rm -rf /",
    ]
    argv += [
        "--framework",
        "F",
        "--native-id",
        "exp=1",
        "--policy",
        "kestrel",
        "--base-checkpoint",
        "step-900",
        "--parent-run",
        "before",
        "--drill",
        "--",
        "sh",
        "-c",
        "echo $SENTINEL_RUN; exit 3",
    ]
    done = subprocess.run(argv, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout == "a run; rm -rf /\n"
    agent()
    end = stub.wait(lambda: stub.records("run.end"))[0]
    (start,) = stub.records("run.start")
    assert (start["run"], start["marker"], start["drill"]) == ("a run; rm -rf /", "a run; rm -rf /", True)
    assert (start["framework"], start["native_ids"]) == ("F", {"exp": "1"})
    lineage = [start[key] for key in ("policy", "base_checkpoint", "parent_run")]
    assert lineage == ["kestrel", "step-900", "before"]
    assert start["root_start_ticks"] > 0
    assert (end["exit_code"], end["reason"]) == (3, "exited with 3")
    assert start["at"] <= end["at"]


def test_files_of_the_frameworks_own_are_read_where_the_launch_names_them(
    agent: Callable[[], Any], state: State, stub: Any, tmp_path: Path
) -> None:
    agent()
    folder, single = tmp_path / "dumps", tmp_path / "traces.jsonl"
    folder.mkdir()
    options = ["--trace-file", str(folder), "--trace-file", str(single), "--"]
    spans = [line({**SPAN, "spanId": own * 16}).decode() for own in "cde"]
    code = 'echo "$1" > "$4/a.jsonl"; echo "$2" > "$5"; echo "$3" >> "$SENTINEL_TRACE_FILE"'
    done = launched(state, "theirs", *options, "sh", "-c", code, "sh", *spans, str(folder), str(single))
    assert done.returncode == 0, done.stderr
    found = stub.wait(lambda: len(stub.records("span")) >= 3 and stub.records("span"))
    assert sorted(one["span"]["spanId"][0] for one in found) == ["c", "d", "e"]
    assert {one["run"] for one in found} == {"theirs"}


def test_two_runs_of_one_name_at_once_are_refused(launch: Callable[..., Any], state: State) -> None:
    run = launch("import time; time.sleep(60)")
    argv = [
        sys.executable,
        "-m",
        "hostagent",
        "launch",
        "--state",
        str(state.root),
        "--run",
        run.run,
        "--",
        "true",
    ]
    done = subprocess.run(argv, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is running on this host" in done.stderr


def test_a_run_whose_launcher_was_killed_still_ends(
    agent: Callable[[], Any], launch: Callable[..., Any], stub: Any
) -> None:
    agent()
    run = launch("import time; time.sleep(60)")
    run.process.kill()
    run.process.wait()
    os.kill(run.known.root_pid, 9)
    end = stub.wait(lambda: stub.records("run.end"))[0]
    assert end["run"] == run.run
    assert end["exit_code"] is None


def test_what_cannot_be_started_is_said_with_the_code_of_a_shell(state: State) -> None:
    argv = [
        sys.executable,
        "-m",
        "hostagent",
        "launch",
        "--state",
        str(state.root),
        "--run",
        "x",
        "--",
        "/no/such",
    ]
    done = subprocess.run(argv, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "cannot start /no/such" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a run as somebody else")
def test_a_run_of_another_user_traces_and_cannot_touch_the_agents_state(
    agent: Callable[[], Any], state: State, stub: Any
) -> None:
    agent()
    code = f"""
id -u
echo '{{"traceId":"a","spanId":"b","name":"c"}}' >> "$SENTINEL_TRACE_FILE" && echo traced
rm -f "$SENTINEL_TRACE_FILE" 2>/dev/null || echo kept
ls {state.root} 2>/dev/null || echo closed
"""
    done = launched(state, "theirs", "--user", "games", "--", "sh", "-c", code)
    assert done.stdout.split() == ["5", "traced", "kept", "closed"]
    assert stub.wait(lambda: stub.records("span"))[0]["run"] == "theirs"
    assert "no user nobody-there" in launched(state, "x", "--user", "nobody-there", "--", "true").stderr


def launched(state: State, run: str, *rest: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hostagent", "launch", "--state", str(state.root), "--run", run, *rest]
    return subprocess.run(argv, env=ENV, capture_output=True, text=True, check=False)
