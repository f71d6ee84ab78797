"""Telling of a tool call costs the training nothing, whatever is wrong with the telling."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from hostagent.trace import RunTrace, written


def nowhere(tmp_path: Path) -> Path:
    return tmp_path / "gone" / "trace.jsonl"


def folder(tmp_path: Path) -> Path:
    return tmp_path


def unread_pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def full_pipe(tmp_path: Path) -> Path:
    path = unread_pipe(tmp_path)
    handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        while True:
            os.write(handle, b" " * 4096)
    except BlockingIOError:
        return path  # the handle stays open: somebody could read, and nobody does


@pytest.mark.parametrize("place", [nowhere, folder, unread_pipe, full_pipe])
def test_a_file_that_cannot_be_written_is_said_once(
    tmp_path: Path, place: Any, caplog: pytest.LogCaptureFixture
) -> None:
    trace = RunTrace(place(tmp_path), "r")
    with caplog.at_level(logging.WARNING, "hostagent.trace"):
        for number in range(3):
            trace.step(number)
            with trace.tool_call("bash", {"command": "id"}, episode=number, global_step=number) as call:
                assert call.environ["TRACEPARENT"]
    assert len(caplog.records) == 1


class Odd:
    def __repr__(self) -> str:
        raise ValueError


def itself() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": Path("/tmp")},
        {("a", "b"): 1},
        {"x": Odd()},
        itself(),
        {"x": "\ud800"},
        {"x": float("nan")},
        None,
    ],
)
def test_arguments_of_any_kind_are_told(tmp_path: Path, arguments: Any) -> None:
    path = tmp_path / "trace.jsonl"
    with RunTrace(path, "r").tool_call("tool", arguments, episode="e", global_step=1):
        pass
    start, end = (json.loads(line) for line in path.read_text().splitlines())
    assert start["spanId"] == end["spanId"]
    said = {one["key"]: one["value"] for one in end["attributes"]}
    assert said["gen_ai.tool.call.arguments"] == {"stringValue": written(arguments)}


def test_what_the_tool_raises_goes_on_to_the_training(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with (
        pytest.raises(ZeroDivisionError),
        RunTrace(path, "r").tool_call("tool", {}, episode=1, global_step=1),
    ):
        _ = 1 / 0
    assert json.loads(path.read_text().splitlines()[-1])["status"] == {"code": 2}
