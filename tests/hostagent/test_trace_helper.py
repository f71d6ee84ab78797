"""The helper in training code: around a function, for a subprocess, and as one file that stands alone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hostagent import protocol, trace
from tests.architecture.tree import ROOT


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    path = tmp_path / "trace.jsonl"
    monkeypatch.setenv(trace.ENV_TRACE_FILE, str(path))
    monkeypatch.setenv(trace.ENV_RUN, "rome")
    trace.run_trace.cache_clear()
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()]
    trace.run_trace.cache_clear()


def known(span: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def printed(environ: dict[str, str]) -> list[str]:
    argv = ["sh", "-c", 'echo "$TRACEPARENT $SENTINEL_RUN"']
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout.split()


def test_every_call_of_a_decorated_function_is_a_tool_call(lines: Any) -> None:
    @trace.tool
    def bash(command: str, timeout: int = 5) -> list[str]:
        return printed(trace.environ())

    named, run = bash("id")
    start, end = lines()
    assert named == f"00-{start['traceId']}-{start['spanId']}-01"
    assert run == "rome"
    assert "endTimeUnixNano" not in start
    assert end["status"] == {"code": 1}
    assert known(end)["gen_ai.tool.name"] == "bash"
    assert json.loads(known(end)["gen_ai.tool.call.arguments"]) == {"command": "id"}
    assert trace.ENV_TRACEPARENT not in trace.environ()


def test_async_calls_at_once_keep_their_own_names(lines: Any) -> None:
    class Box:
        @trace.tool(name="shell")
        async def run(self, command: str) -> str:
            await asyncio.sleep(0)
            return trace.environ()[trace.ENV_TRACEPARENT]

    async def both() -> list[str]:
        return await asyncio.gather(Box().run("a"), Box().run("b"))

    names = asyncio.run(both())
    assert len(set(names)) == 2
    ends = [span for span in lines() if "endTimeUnixNano" in span]
    assert sorted(known(span)["gen_ai.tool.call.arguments"] for span in ends) == [
        '{"command": "a"}',
        '{"command": "b"}',
    ]
    assert {known(span)["gen_ai.tool.name"] for span in ends} == {"shell"}


def test_calls_within_an_episode_are_of_it_and_of_one_trace(lines: Any) -> None:
    run = trace.RunTrace.from_environ()
    with run.episode("traj-7", global_step=3) as episode:
        with run.tool_call("bash", "id", call_id="call-9"):
            pass
        with run.tool_call("bash", {}, episode="other", global_step=4):
            pass
    spans = lines()
    assert {span["traceId"] for span in spans} == {episode.trace_id}
    first, other = known(spans[2]), known(spans[4])
    assert (first["sentinel.episode"], first["sentinel.global_step"]) == ("traj-7", "3")
    assert (first["gen_ai.tool.call.id"], first["gen_ai.tool.call.arguments"]) == ("call-9", "id")
    assert spans[2]["parentSpanId"] == episode.span_id
    assert (other["sentinel.episode"], other["sentinel.global_step"]) == ("other", "4")
    assert (spans[0]["name"], spans[-1]["name"]) == ("trajectory", "trajectory")


def test_failure_of_the_tool_is_the_tools_own_and_is_told(lines: Any) -> None:
    @trace.tool
    def bash(command: str) -> None:
        raise KeyError(command)

    with pytest.raises(KeyError):
        bash("id")
    with pytest.raises(TypeError):
        bash("id", "more", wrong=1)  # type: ignore[call-arg]
    assert [span["status"] for span in lines() if "status" in span] == [{"code": 2}, {"code": 2}]


def test_without_a_run_nothing_is_written_and_everything_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(trace.ENV_TRACE_FILE, raising=False)
    monkeypatch.delenv(trace.ENV_RUN, raising=False)
    trace.run_trace.cache_clear()

    @trace.tool
    def bash(command: str) -> str:
        return trace.environ()[trace.ENV_TRACEPARENT]

    assert bash("id").startswith("00-")
    trace.run_trace.cache_clear()


def test_file_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "sentinel_trace.py").write_bytes((ROOT / "hostagent" / "trace.py").read_bytes())
    code = (
        "import sys; from sentinel_trace import tool, environ\n"
        "@tool\ndef f(x): return environ()['TRACEPARENT']\n"
        "assert f(1); print(any(name.startswith('hostagent') for name in sys.modules))"
    )
    argv = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_names_in_the_environment_are_the_protocols() -> None:
    ours = (trace.ENV_RUN, trace.ENV_TRACE_FILE, trace.ENV_TRACEPARENT)
    assert ours == (protocol.ENV_RUN, protocol.ENV_TRACE_FILE, protocol.ENV_TRACEPARENT)
