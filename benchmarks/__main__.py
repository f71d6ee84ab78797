"""The figures of speed, measured one after the other and kept.

    python -m benchmarks [name ...]

Each is run in a process of its own; what it says goes to the screen and, with its command and the machine's
load before it, into `benchmarks/results/<name>.md`. Nothing else should run meanwhile.
"""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
COMMANDS = {
    "ingest": ["ingest"],
    "screen": ["screen"],
    "timeline": ["timeline"],
    "feed": ["feed"],
    "kill": ["kill", "40", "16"],
    "kill_under_load": ["kill", "40", "16", "10000"],
    "queue_page": ["queue_page"],
    "hostagent_rest": ["hostagent_rest"],
    "attribution": ["attribution", "200", "20"],
    "otlp": ["otlp"],
}


def main(names: list[str]) -> None:
    if unknown := set(names) - COMMANDS.keys():
        sys.exit(f"Not measured here: {', '.join(sorted(unknown))}. There are {', '.join(COMMANDS)}.")
    for name in names or COMMANDS:
        keep(name)


def keep(name: str) -> None:
    """The benchmark has run, and its figures are in its file."""
    module, *arguments = COMMANDS[name]
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    load = os.getloadavg()[0]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    shown = " ".join(["python -m", f"benchmarks.{module}", *arguments])
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, load before {load:.1f}"
    text = f"`{shown}` on {datetime.now(UTC):%Y-%m-%d}, {where}\n\n{done.stdout.strip()}\n"
    print(text, flush=True)
    (RESULTS / f"{name}.md").write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
