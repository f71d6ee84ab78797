"""Starts a training run so that it can be seen as one and stopped as one.

The run gets a control group of its own, its marker in the environment and a trace file. It is reported
before its first instruction; and its end is reported, whatever it left behind.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from hostagent import cgroups, procfs, protocol, runs
from hostagent.cgroups import Cgroup
from hostagent.config import State
from hostagent.protocol import ENV_RUN, ENV_TRACE_FILE
from hostagent.runs import Run

EMPTY_S = 2.0  # for what dies with the root


class RunExistsError(Exception):
    """A run of this name is running here: two runs must not share a marker."""


@dataclass(kw_only=True)
class Launch:
    """What is to be started, and what is said about it."""

    run: str
    argv: list[str]
    framework: str = ""
    lineage: str = ""
    owner: str = ""
    drill: bool = False
    native_ids: dict[str, str] = field(default_factory=dict)
    gpus: list[str] = field(default_factory=list)
    contract: dict[str, Any] = field(default_factory=dict)
    policy: str = ""
    base_checkpoint: str = ""
    parent_run: str = ""
    more_traces: list[str] = field(default_factory=list)
    user: str = ""


def launch(state: State, what: Launch, *, on_started: Callable[[Run], None] = lambda run: None) -> int:
    """Runs it to its end and returns its exit code, as a shell would say it."""
    state.prepare()
    if any(found.running for found in runs.named(state, what.run)):
        raise RunExistsError(f"a run named {what.run} is running on this host")
    name = runs.folder_name(what.run)
    folder = state.runs / name
    folder.mkdir(mode=0o700)
    account = account_of(what.user) if what.user else None
    group = cgroups.create(name)
    trace_file = str(place_for_trace(folder, account))
    environ = {**os.environ, ENV_RUN: what.run, ENV_TRACE_FILE: trace_file}
    gate_out, gate_in = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(gate_in)
        become(what.argv, environ, group, gate_out, account)
    os.close(gate_out)
    run = Run(
        folder=folder,
        run=what.run,
        marker=what.run,
        cgroup=group.path if group else None,
        root_pid=child,
        root_start_ticks=procfs.start_ticks(child) or 0,
        launcher_pid=os.getpid(),
        launcher_start_ticks=procfs.start_ticks(os.getpid()) or 0,
        started_at=time.time(),
        trace_file=trace_file,
        more_traces=[os.path.abspath(path) for path in what.more_traces],  # noqa: PTH100 - links stay as they are
        drill=what.drill,
    )
    run.report(start_record(run, what))
    run.save()
    forward_signals(child)
    os.write(gate_in, b"g")
    os.close(gate_in)
    on_started(run)
    return finish(run, group, child)


def account_of(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise ValueError(f"there is no user {user} on this host") from None


def place_for_trace(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """Where the run writes its spans: beside its manifest, or for another user in a folder it can only pass.

    The file is that user's, the folder is not: it cannot be swapped for a link to somewhere else.
    """
    if account is None:
        return folder / runs.TRACE
    place = Path(tempfile.mkdtemp(prefix="sentinel-trace-"))
    place.chmod(0o711)
    (place / runs.TRACE).touch(mode=0o600)
    os.chown(place / runs.TRACE, account.pw_uid, account.pw_gid)
    return place / runs.TRACE


def become(
    argv: list[str],
    environ: dict[str, str],
    group: Cgroup | None,
    gate: int,
    account: pwd.struct_passwd | None,
) -> NoReturn:
    """The child: into a group and session of its own, wait until the run is known, then be the program."""
    try:
        if group is not None:
            group.enter()
        os.setsid()
        if account is not None:
            os.initgroups(account.pw_name, account.pw_gid)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            environ |= {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
        if os.read(gate, 1) != b"g":
            os._exit(125)  # the launcher ended before the run was known
        os.close(gate)
        os.execvpe(argv[0], argv, environ)  # noqa: S606 - the argument list is the operator's own
    except OSError as error:
        os.write(2, f"hostagent: cannot start {argv[0]}: {error.strerror}\n".encode())
    except ValueError as error:  # a NUL in an argument
        os.write(2, f"hostagent: cannot start {argv[0]!r}: {error}\n".encode())
    os._exit(127)


def finish(run: Run, group: Cgroup | None, child: int) -> int:
    """Waits for the run's root; then the end is reported and an empty group removed."""
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    reason = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
    run.ended_at = time.time()
    run.report(
        {
            "kind": protocol.RUN_END,
            "at": run.ended_at,
            "run": run.run,
            "reason": reason,
            "exit_code": code,
        }
    )
    run.save()
    if group is not None and group.wait_event("populated", "0", seconds=EMPTY_S):
        group.remove()  # stays when something is left in it: that is for the server to say
    return code if code >= 0 else 128 - code


def forward_signals(child: int) -> None:
    """The launcher ends when the run does; a signal to it is meant for the run."""

    def forward(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forward)


def start_record(run: Run, what: Launch) -> protocol.Record:
    return {
        "kind": protocol.RUN_START,
        "at": run.started_at,
        "run": run.run,
        "marker": run.marker,
        "cgroup": run.cgroup,
        "root_pid": run.root_pid,
        "root_start_ticks": run.root_start_ticks,
        "framework": what.framework,
        "lineage": what.lineage,
        "owner": what.owner,
        "policy": what.policy,
        "base_checkpoint": what.base_checkpoint,
        "parent_run": what.parent_run,
        "drill": what.drill,
        "native_ids": what.native_ids,
        "gpus": what.gpus,
        "contract": what.contract,
    }
