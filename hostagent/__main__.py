"""The command line: enrol, run, launch, drill, status."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from pathlib import Path

from hostagent import __version__, linux
from hostagent.client import RefusedError
from hostagent.config import ENV_STATE, NotEnrolledError, state_at

ENV_ENROL = "SENTINEL_ENROL_TOKEN"
TRACE_FILE = "a trace or trajectory file of the framework's own (or a folder of *.jsonl); may be repeated"
LINEAGE = {
    "--policy": "name of the policy that is trained",
    "--base-checkpoint": "the checkpoint that the training begins from",
    "--parent-run": "the run that this one goes on from",
}
MOST_CONTRACT = 8_000
ALLOW_DRILLS = "let people start a drill on this host from the server; without it they are refused"


def main(argv: list[str] | None = None) -> int:
    """Runs one command; says in one sentence why it could not."""
    options = parser().parse_args(argv)
    logging.basicConfig(
        level=os.environ.get("SENTINEL_AGENT_LOG", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        return int(options.command(options) or 0)
    except BlockingIOError:
        return fail("another host agent runs on this state directory")
    except (NotEnrolledError, RefusedError, OSError, ValueError) as error:
        return fail(str(error))


def enrol(options: argparse.Namespace) -> int:
    from hostagent.enrol import AlreadyEnrolledError, enrol

    try:
        identity = enrol(
            state_at(options.state),
            server=options.server,
            token=options.token,
            ca_file=options.ca_file,
            allow_drills=options.allow_drills,
        )
    except AlreadyEnrolledError as error:
        return fail(str(error))
    say(f"enrolled as {identity.host_name} at {identity.server}")
    return 0


def run(options: argparse.Namespace) -> None:
    from hostagent import agent

    agent.run(state_at(options.state), allow_drills=options.allow_drills)


def observe(options: argparse.Namespace) -> None:
    from hostagent import observer

    observer.main(state_at(options.state), parent=options.parent)


def launch(options: argparse.Namespace) -> int:
    from hostagent.launcher import Launch, RunExistsError, launch

    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not argv:
        return fail("no command to launch: put it after `--`")
    what = Launch(
        run=options.run,
        argv=argv,
        framework=options.framework,
        lineage=options.lineage,
        owner=options.owner,
        drill=options.drill,
        policy=options.policy,
        base_checkpoint=options.base_checkpoint,
        parent_run=options.parent_run,
        more_traces=options.trace_file,
        user=options.user,
        contract=contract_of(options.contract),
        gpus=options.gpu,
        native_ids=dict(pair.partition("=")[::2] for pair in options.native_id),
    )
    try:
        code = launch(state_at(options.state), what)
    except RunExistsError as error:
        return fail(str(error))
    # A run mostly ends because it was stopped: taking the interpreter down would cost as much processor as
    # the whole proof that is under way beside it, and nothing here is left to be written.
    os._exit(code)


def contract_of(given: str) -> dict[str, object]:
    """JSON as it is; of a file its text, which the server reads: a host has no YAML."""
    if given.lstrip().startswith("{"):
        found: dict[str, object] = json.loads(given)
        return found
    text = Path(given).read_text(encoding="utf-8")
    if len(text) > MOST_CONTRACT:
        raise ValueError(f"{given}: a contract has at most {MOST_CONTRACT:,} characters")
    return {"yaml": text}


def drill(options: argparse.Namespace) -> int:
    from hostagent.drill import rome

    if options.parent:
        linux.die_with_parent(options.parent)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)  # the agent's own haste is for stops
    return rome.play(state_at(options.state), seconds=options.seconds, say=say)


def status(options: argparse.Namespace) -> int:
    from hostagent.status import status

    found = status(state_at(options.state))
    say(json.dumps(found, indent=2))
    return 0 if found["running"] else 3


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="hostagent", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True)

    def command(name: str, function: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument("--state", help=f"state directory (or {ENV_STATE})")
        made.set_defaults(command=function)
        return made

    made = command("enrol", enrol, "make this host known to a server")
    made.add_argument("--server", required=True)
    made.add_argument(
        "--token",
        default=os.environ.get(ENV_ENROL, ""),
        help=f"one-time enrolment token (or {ENV_ENROL}, which keeps it out of the process list)",
    )
    made.add_argument("--ca-file", help="certificate authority of the server, if it is not a public one")
    made.add_argument("--allow-drills", action="store_true", help=ALLOW_DRILLS)
    made = command("run", run, "observe this host and carry out orders")
    made.add_argument("--allow-drills", action="store_true", help=ALLOW_DRILLS)
    made = command("observe", observe, "the observing half; started by `run`")
    made.add_argument("--parent", type=int, required=True)
    made = command("launch", launch, "start a training run in a control group of its own")
    made.add_argument("--run", required=True, help="the run's name, unique among runs")
    for name in ("--framework", "--lineage", "--owner"):
        made.add_argument(name, default="")
    made.add_argument("--drill", action="store_true")
    made.add_argument("--user", default="", help="run as this user, who then cannot touch the agent's state")
    for name, text in LINEAGE.items():
        made.add_argument(name, default="", help=text)
    made.add_argument("--trace-file", action="append", default=[], metavar="PATH", help=TRACE_FILE)
    made.add_argument("--contract", default="{}", help="what the run may do: a YAML file, or JSON")
    made.add_argument("--gpu", action="append", default=[], help="UUID of a GPU granted to the run")
    made.add_argument("--native-id", action="append", default=[], metavar="KEY=VALUE")
    made.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    made = command("drill", drill, "play an incident harmlessly, to prove that watch and stop work")
    made.add_argument("name", choices=["rome"])
    # Long enough for a person to sign in, understand it and stop it; it ends by itself all the same.
    made.add_argument("--seconds", type=float, default=900.0)
    made.add_argument("--parent", type=int, default=0, help="end with this process")
    command("status", status, "how this host's agent is")
    return top


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def fail(text: str) -> int:
    sys.stderr.write(f"hostagent: {text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
