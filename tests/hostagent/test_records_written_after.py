"""Trajectory files and other lines that are no OTLP, as their frameworks write them and as nobody should."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from apps.gateway.otlp import read_span
from hostagent.config import State
from hostagent.runs import Run
from hostagent.sensors.otlp_lines import records_of
from hostagent.sensors.runs import RunSensor
from hostagent.sensors.written_after import MOST_CALLS
from hostagent.spool import Spool
from tests.hostagent.seeing import Seen
from tests.hostagent.test_traces import SPAN, line, run

__all__ = ["run"]  # a fixture

CALLS = [
    {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}},
    {"id": "c2", "type": "function", "function": {"name": "bash", "arguments": {"command": "id"}}},
]
TRAJECTORY = {
    "trajectory_id": "train_3_7_0_12",
    "timestamp": "20261118_110640_500000",
    "env_info": {"env_id": 12, "group_id": 3, "episode_id": 7, "sandbox_id": "sb-1"},
    "timing_info": {"traj_time_env_total": 30.0},
    "failure_info": {},
    "messages": [{"role": "user", "content": "go"}, {"role": "assistant", "tool_calls": CALLS}],
    "tools": [],
}
LLM = {
    "model": "m",
    "stream": False,
    "status": "success",
    "start_time": 1_795_000_000.25,
    "end_time": 1_795_000_001.5,
    "request": {"messages": []},
    "response": {"choices": [{"message": {"role": "assistant", "tool_calls": CALLS[:1]}}]},
}
SDK = {
    "name": "execute_tool bash",
    "context": {"trace_id": "0x" + "a" * 32, "span_id": "0x" + "b" * 16, "trace_state": "[]"},
    "parent_id": "0x" + "c" * 16,
    "start_time": "2026-11-18T11:06:40.500000Z",
    "end_time": "2026-11-18T11:06:41.500000Z",
    "status": {"status_code": "ERROR"},
    "attributes": {"gen_ai.tool.name": "bash", "global_step": 3},
}


def spans(value: Any) -> list[dict[str, Any]]:
    return [record["span"] for record in records_of(line(value), run="r")]


def test_trajectory_is_an_episode_and_calls_somewhere_within_it() -> None:
    end = datetime(2026, 11, 18, 11, 6, 40, 500_000).timestamp()  # noqa: DTZ001 - the host's own time
    seen = [read_span(span, run="r") for span in spans(TRAJECTORY)]
    episode, first, second = seen
    assert episode is not None
    assert first is not None
    assert second is not None
    assert (episode.whole, episode.episode) == (True, "train_3_7_0_12")
    assert episode.native_ids["sandbox_id"] == "sb-1"
    assert (first.tool, first.call_id, first.arguments) == ("bash", "c1", '{"command": "ls"}')
    assert (second.call_id, json.loads(second.arguments)) == ("c2", {"command": "id"})
    assert first.parent_span_id == episode.span_id
    assert all(one is not None and one.told_after for one in seen)
    assert (first.started_at, first.ended_at) == (pytest.approx(end - 30), pytest.approx(end))


def test_trajectory_stands_also_inside_a_row_as_text() -> None:
    assert spans({"trajectory_data": json.dumps(TRAJECTORY), "score": 1.0}) == spans(TRAJECTORY)


def test_line_that_is_read_twice_is_the_same_spans() -> None:
    for value in (TRAJECTORY, LLM, SDK, {"name": "x", "startTimeUnixNano": "5"}):
        assert spans(value)
        assert spans(value) == spans(value)
    assert spans(TRAJECTORY)[0]["traceId"] != spans(TRAJECTORY | {"trajectory_id": "other"})[0]["traceId"]


def test_answer_of_a_model_asks_for_calls() -> None:
    (chat,) = spans(LLM)
    seen = read_span(chat, run="r")
    assert seen is not None
    assert (seen.started_at, seen.ended_at) == (
        pytest.approx(1_795_000_000.25),
        pytest.approx(1_795_000_001.5),
    )
    assert [(one.name, one.call_id, one.arguments) for one in seen.asked] == [
        ("bash", "c1", '{"command": "ls"}')
    ]


def test_span_of_the_sdk_is_read() -> None:
    seen = read_span(spans(SDK)[0], run="r")
    assert seen is not None
    assert (seen.trace_id, seen.span_id, seen.parent_span_id) == ("a" * 32, "b" * 16, "c" * 16)
    assert (seen.tool, seen.global_step, seen.failed, seen.told_after) == ("bash", 3, True, False)
    assert seen.ended_at == seen.started_at + 1


def test_naive_time_is_the_hosts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        naive = spans(SDK | {"start_time": "2026-11-18T19:06:40.500000"})
    finally:
        monkeypatch.undo()
        time.tzset()
    assert naive[0]["startTimeUnixNano"] == spans(SDK)[0]["startTimeUnixNano"]


def test_span_without_ids_or_without_a_start_is_kept_and_marked() -> None:
    (made,) = spans({"name": "execute_tool x", "startTimeUnixNano": "1795000000000000000"})
    assert read_span(made, run="r") is not None
    (ended,) = spans(
        {key: value for key, value in SPAN.items() if "start" not in key} | {"endTimeUnixNano": "9"}
    )
    assert ended["startTimeUnixNano"] == "9"
    seen = read_span(ended | {"traceId": "a" * 32}, run="r")
    assert seen is not None
    assert seen.told_after


@pytest.mark.parametrize(
    "hostile",
    [
        TRAJECTORY | {"timestamp": "soon"},
        TRAJECTORY | {"timestamp": 5},
        TRAJECTORY | {"messages": 5},
        {"trajectory_data": "{" * 5_000},
        {"trajectory_data": "[" * 100_000},
        LLM | {"start_time": "x"},
        LLM | {"start_time": -1},
        SDK | {"start_time": None, "end_time": None},
        SDK | {"context": 5},
        {"name": 5, "startTimeUnixNano": 5},
        {"name": "x"},
    ],
)
def test_what_makes_no_sense_is_nothing(hostile: Any) -> None:
    assert spans(hostile) == []


@pytest.mark.parametrize(
    "odd",
    [
        TRAJECTORY | {"messages": [None, 5, {"tool_calls": 5}, {"tool_calls": [{"function": {"name": 5}}]}]},
        TRAJECTORY | {"env_info": 5, "timing_info": [], "trajectory_id": {"a": 1}},
        TRAJECTORY | {"timing_info": {"traj_time_env_total": 1e300}},
        LLM | {"response": "x", "end_time": None, "model": {}},
        SDK | {"attributes": [], "status": 5, "parent_id": 5},
    ],
)
def test_odd_parts_cost_no_more_than_themselves(odd: Any) -> None:
    assert all(read_span(made, run="r") is not None for made in spans(odd))
    assert spans(odd)


def test_endless_trajectory_is_cut() -> None:
    many = [{"role": "assistant", "tool_calls": [{"name": "x", "arguments": ""}] * 9_000}]
    assert len(spans(TRAJECTORY | {"messages": many})) == MOST_CALLS + 1


def test_every_file_that_a_run_was_launched_with_is_read(run: Run, tmp_path: Path) -> None:
    folder, single = tmp_path / "out", tmp_path / "own" / "traces.jsonl"
    folder.mkdir()
    single.parent.mkdir()
    for path in (folder / "traces.jsonl", folder / "step_1.jsonl", single, Path(run.trace_file)):
        path.write_bytes(line({**SPAN, "name": str(path)}) + b"\n")
    (folder / "secret.jsonl").symlink_to(single)
    run.more_traces = [str(folder), str(single), str(tmp_path / "not-there-yet")]
    run.save()
    state = State(run.folder.parent.parent)
    seen = Seen()
    sensor = RunSensor(state, seen, Spool(state.spool_file))  # type: ignore[arg-type]
    sensor.read()
    (folder / "step_2.jsonl").write_bytes(line({**SPAN, "name": "later"}) + b"\n")
    sensor.read()
    names = [one["span"]["name"] for one in seen.of("span")]
    assert len(names) == len(set(names)) == 5
    assert names[-1] == "later"
    assert len(seen.read) == 5
