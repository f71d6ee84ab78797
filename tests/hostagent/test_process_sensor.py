"""Every program that starts is told with its arguments, place and parentage; so is its end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hostagent import procfs
from hostagent.sensors.proc_events import EXEC, EXIT, ProcEvent, ProcEvents
from hostagent.sensors.processes import ProcessSensor, exit_code, read_process
from hostagent.sensors.table import ProcessTable
from tests.hostagent.seeing import Seen, running


def events_work() -> bool:
    try:
        events = ProcEvents()
    except OSError:
        return False
    with contextlib.closing(events):
        return events.self_test()


@pytest.fixture(params=["netlink", "sweep"])
def seen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    if request.param == "sweep":
        monkeypatch.setattr("hostagent.sensors.processes.ProcEvents", refuse)
    elif not events_work():
        pytest.skip("the kernel's process events do not reach this namespace")
    seen = Seen()
    sensor = ProcessSensor(seen, ProcessTable())  # type: ignore[arg-type]
    with running(sensor):
        seen.wait("process.start", pid=os.getpid())
        assert sensor.state()["mode"] == request.param
        assert sensor.state()["blind"]
        yield seen


def refuse() -> None:
    raise PermissionError("no")


def test_a_program_is_told_whole(seen: Seen) -> None:
    parent = f"00-{'1' * 32}-{'2' * 16}-01"
    env = {"PATH": os.environ["PATH"], "SENTINEL_RUN": "run-x", "TRACEPARENT": parent, "SECRET": "hunter2"}
    argv = ["/bin/sleep", "5", "6", "", "tab\there", "ünï"][:3]
    with subprocess.Popen(argv, env=env, cwd="/tmp") as process:
        record = seen.wait("process.start", pid=process.pid, argv=argv)
        process.kill()
    assert record["ppid"] == os.getpid()
    assert record["exe"].endswith("/sleep")
    assert record["cwd"] == "/tmp"
    assert record["uid"] == os.getuid()
    assert record["marker"] == "run-x"
    assert record["traceparent"] == parent
    assert set(record["env_names"]) == set(env)
    assert record["netns"] == procfs.netns(os.getpid())
    assert record["cgroup"] == procfs.cgroup(os.getpid())
    assert record["truncated"] is False
    assert record["unread"] == []
    assert abs(record["at"] - time.time()) < 60
    assert "hunter2" not in json.dumps(record)
    end = seen.wait("process.end", pid=process.pid)
    assert end["start_ticks"] == record["start_ticks"]


def test_a_second_program_under_the_same_number_is_news(seen: Seen) -> None:
    code = "import os, time; time.sleep(1.5); os.execv('/bin/sleep', ['sleep', '7'])"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        first = seen.wait("process.start", pid=process.pid)
        second = seen.wait("process.start", pid=process.pid, argv=["sleep", "7"])
        process.kill()
    assert first["start_ticks"] == second["start_ticks"]
    assert first["argv"][1] == "-c"


def test_a_fork_without_a_program_of_its_own_is_told(seen: Seen) -> None:
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    record = seen.wait("process.start", pid=child)
    assert record["ppid"] == os.getpid()
    os.kill(child, 9)
    os.waitpid(child, 0)
    seen.wait("process.end", pid=child)


def test_short_programs_in_a_row_are_all_told() -> None:
    """What the sweep says that it can miss, the events do not."""
    if not events_work():
        pytest.skip("the kernel's process events do not reach this namespace")
    seen = Seen()
    with running(ProcessSensor(seen, ProcessTable())):  # type: ignore[arg-type]
        seen.wait("process.start", pid=os.getpid())
        pids = []
        for _ in range(100):
            with subprocess.Popen(["/bin/true"]) as process:
                pids.append(process.pid)
        for pid in pids:
            seen.wait("process.start", pid=pid)
            assert seen.wait("process.end", pid=pid)["exit_code"] == 0
    assert seen.of("gap") == []


def test_exit_codes_are_told_as_people_know_them(seen: Seen) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time, os; time.sleep(1.5); os._exit(7)"]) as failing:
        seen.wait("process.start", pid=failing.pid)
    end = seen.wait("process.end", pid=failing.pid)
    assert end["exit_code"] in (7, None)  # a sweep cannot know it
    assert [exit_code(status) for status in (0, 7 << 8, 9, 0x7F)] == [0, 7, -9, 0x7F]


@pytest.mark.parametrize(
    ("argv", "cut"),
    [
        (["x" * 40_000], True),
        (["x"] * 600, True),
        (["a b", "", 'q"uote', "<script>", "line\nbreak", "\x1b[31m", "\\"], False),
        (["\udcff\udcfe", "ok"], False),
    ],
)
def test_hostile_arguments_stay_a_list_of_bounded_text(argv: list[str], cut: bool) -> None:
    # exec directly, so that odd bytes get into the command line as they are
    code = "import time; time.sleep(20)"
    with subprocess.Popen([sys.executable, "-c", code, *argv]) as process:
        record = wait_for_program(process.pid)
        process.kill()
    told = record["argv"][3:]
    assert record["truncated"] is cut
    assert len(told) <= 512
    assert sum(map(len, told)) <= 32 * 1024
    if not cut:
        assert len(told) == len(argv)
        assert told == [arg.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for arg in argv]
    json.dumps(record, ensure_ascii=False).encode("utf-8")


def wait_for_program(pid: int) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        record, _ = read_process(pid, time.time(), "test")
        if len(record["argv"]) > 3 and record["env_names"]:
            return record
    raise AssertionError("the program never showed")


def test_a_deleted_program_and_a_name_full_of_brackets_are_read(tmp_path: Any) -> None:
    path = tmp_path / "evil) S 1 (x"
    path.write_bytes(Path("/bin/sleep").read_bytes())
    path.chmod(0o755)
    with subprocess.Popen([str(path), "20"]) as process:
        deadline = time.monotonic() + 10
        while procfs.link(process.pid, "exe") != str(path):
            assert time.monotonic() < deadline
        path.unlink()
        record, _ = read_process(process.pid, time.time(), "test")
        found = procfs.stat(process.pid)
        process.kill()
    assert record["exe"] == f"{path} (deleted)"
    assert found is not None
    assert found.ppid == os.getpid()
    assert found.comm == "evil) S 1 (x"


def test_what_was_gone_before_it_could_be_read_is_said_to_be_unread() -> None:
    with subprocess.Popen(["/bin/true"]) as process:
        pass
    record, _ = read_process(process.pid, time.time(), "exec")
    assert record["pid"] == process.pid
    assert {"argv", "exe", "cgroup", "env_names"} <= set(record["unread"])
    assert record["start_ticks"] is None


def test_another_listener_coming_and_going_does_not_look_like_a_loss() -> None:
    """The kernel numbers its answer to a new subscriber like an event; everybody gets to see it."""
    if not events_work():
        pytest.skip("the kernel's process events do not reach this namespace")
    with contextlib.closing(ProcEvents()) as events:
        assert events.self_test()
        for _ in range(5):
            with contextlib.closing(ProcEvents()) as other:
                assert other.self_test()
        while events.read():
            pass
        assert events.missed == 0


def test_a_program_that_ended_before_it_could_be_read_again_leaves_none_that_runs_for_ever() -> None:
    """`bash -c 'wc -l x'` becomes wc; when that is over before /proc is read, the end is still bash's."""
    seen, table = Seen(), ProcessTable()
    sensor = ProcessSensor(seen, table)  # type: ignore[arg-type]
    with subprocess.Popen(["/bin/sleep", "30"]) as process:
        sensor._handle(ProcEvent(EXEC, process.pid, time.time()))
        process.kill()
    sensor._handle(ProcEvent(EXEC, process.pid, time.time()))
    sensor._handle(ProcEvent(EXIT, process.pid, time.time(), exit_status=9))
    (start,), (end,) = seen.of("process.start"), seen.of("process.end")
    assert start["start_ticks"] is not None
    assert end["start_ticks"] == start["start_ticks"]
    assert table.get(process.pid) is None
