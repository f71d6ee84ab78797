"""The examples in docs/traces.md run against stand-ins with the methods that the frameworks have."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from hostagent import trace
from tests.architecture.tree import ROOT

BLOCK = re.compile(r"^```python (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = dict(BLOCK.findall((ROOT / "docs" / "traces.md").read_text()))


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    path = tmp_path / "trace.jsonl"
    monkeypatch.setenv(trace.ENV_TRACE_FILE, str(path))
    monkeypatch.setenv(trace.ENV_RUN, "rome")
    monkeypatch.setitem(sys.modules, "sentinel_trace", trace)
    trace.run_trace.cache_clear()

    def calls() -> list[dict[str, str]]:
        spans = [json.loads(line) for line in path.read_text().splitlines()]
        ended = [
            span for span in spans if "endTimeUnixNano" in span and span["name"].startswith("execute_tool")
        ]
        return [
            {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]} for span in ended
        ]

    yield calls
    trace.run_trace.cache_clear()


def module(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(".".join(parts[:end])))
    vars(sys.modules[name]).update(members)


def run(name: str, **known: Any) -> dict[str, Any]:
    space: dict[str, Any] = {"trace": trace.RunTrace.from_environ(), "tool": trace.tool, **known}
    exec(compile(EXAMPLES[name], f"docs/traces.md: {name}", "exec"), space)  # noqa: S102 - our own document
    return space


def method_of(base: type, name: str, example: str, **known: Any) -> type:
    """A class below `base` with the example's method in it, as one would paste it."""
    body = "\n".join(f"    {line}" for line in EXAMPLES[example].splitlines())
    space: dict[str, Any] = {
        "Base": base,
        "trace": trace.RunTrace.from_environ(),
        "tool": trace.tool,
        **known,
    }
    exec(compile(f"class Own(Base):\n{body}", f"docs/traces.md: {example}", "exec"), space)  # noqa: S102 - our own document
    assert name in vars(space["Own"])
    return space["Own"]  # type: ignore[no-any-return]


def test_roll(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class TrajEnvManager:
        rollout_cache = SimpleNamespace(tag="train", group_id=3, env_id=12)
        episode_id, group_seed, current_step = 7, 0, 41
        tokenizer = SimpleNamespace(batch_decode=lambda ids: ["rm -rf /"])

        def step(self, llm_output: Any) -> str:
            return trace.environ()[trace.ENV_TRACEPARENT]

    module(monkeypatch, "roll.pipeline.agentic.env_manager.traj_env_manager", TrajEnvManager=TrajEnvManager)
    run("roll")
    assert TrajEnvManager().step(SimpleNamespace(batch={"responses": [[1]]})).startswith("00-")
    assert TrajEnvManager().step(SimpleNamespace(batch=None))
    first = told()[0]
    assert first["sentinel.episode"] == "train_3_7_0_12"
    assert first["sentinel.global_step"] == "41"
    assert json.loads(first["gen_ai.tool.call.arguments"]) == {"action": "rm -rf /"}


def test_verl(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class ToolAgentLoop:
        async def run(self, sampling_params: Any, **kwargs: Any) -> Any:
            call = SimpleNamespace(name="bash", arguments='{"command": "id"}')
            return await asyncio.gather(self._call_tool(call, {}), self._call_tool(call, {}))

        async def _call_tool(self, tool_call: Any, tools_kwargs: dict[str, Any]) -> str:
            return trace.environ()[trace.ENV_TRACEPARENT]

    module(monkeypatch, "verl.experimental.agent_loop.tool_agent_loop", ToolAgentLoop=ToolAgentLoop)
    made = run("verl")["TracedToolAgentLoop"]()
    assert len(set(asyncio.run(made.run({}, index=5)))) == 2
    first, then = told()
    assert first["sentinel.episode"] == then["sentinel.episode"]
    assert first["sentinel.episode"].startswith("5-")
    assert first["gen_ai.tool.call.arguments"] == '{"command": "id"}'


def test_skyrl(told: Any) -> None:
    class BaseTextEnv:
        def _execute_tool(self, tool_group_name: str, tool_name: str, tool_input: Any) -> str:
            return "done"

    made: Any = method_of(BaseTextEnv, "_execute_tool", "skyrl")()
    assert made._execute_tool("search", "find", {"query": "x"}) == "done"
    assert told()[0]["gen_ai.tool.name"] == "search.find"


def test_prime_rl(told: Any) -> None:
    class ToolEnv:
        async def call_tool(self, tool_name: str, tool_args: Any, tool_call_id: str, **kwargs: Any) -> str:
            return "done"

    made: Any = method_of(ToolEnv, "call_tool", "prime")()
    assert asyncio.run(made.call_tool("bash", {"command": "id"}, "call-1")) == "done"
    assert told()[0]["gen_ai.tool.call.id"] == "call-1"


def test_openrlhf(told: Any) -> None:
    made: Any = method_of(object, "step", "openrlhf", run=str)()
    asked = {"action_text": "ls"}
    assert asyncio.run(made.step(asked)) == {"environment_feedback": "ls"}
    assert json.loads(told()[0]["gen_ai.tool.call.arguments"]) == {"states": asked}


def test_every_example_is_run_here_and_is_short() -> None:
    assert set(EXAMPLES) == {"roll", "verl", "skyrl", "prime", "openrlhf"}
    assert all(len(text.strip().splitlines()) <= 15 for text in EXAMPLES.values())


def test_the_file_that_the_door_hands_out_is_the_helper(tmp_path: Path) -> None:
    from django.test import Client

    answer = Client().get("/agent/v1/sentinel_trace.py")
    assert answer.status_code == 200
    (tmp_path / "sentinel_trace.py").write_bytes(answer.content)
    argv = [sys.executable, "-c", "import sentinel_trace; print(sentinel_trace.tool.__name__)"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "tool\n"
