"""Programs of the machine that some tests need: installed where that may be done, else named.

Run by `make test` before pytest. Nothing here fails the run: a test that lacks its program is skipped and
gives the reason itself.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """A Debian package, the program that shows it is there, and the tests that use it."""

    package: str
    programs: tuple[str, ...]
    tests: str


NEEDS = (
    Need("chromium", ("chromium", "chromium-browser", "google-chrome"), "browser tests"),
    Need("openssh-client", ("ssh",), "the drill's real reverse tunnel"),
    Need("openssh-server", ("sshd", "/usr/sbin/sshd"), "the drill's real reverse tunnel"),
    Need("cron", ("cron", "/usr/sbin/cron"), "scenarios of who did it"),
    Need("at", ("atd", "/usr/sbin/atd"), "scenarios of who did it"),
)


def missing() -> list[Need]:
    """Needs with none of their programs on this machine."""
    return [need for need in NEEDS if not any(shutil.which(program) for program in need.programs)]


def install(packages: list[str]) -> None:
    """The packages are there, if Debian's tools could get them; what they say shows on failure only."""
    # Nothing that comes with a package starts by itself, and nobody is asked anything.
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", "-q", *command], env=env, capture_output=True, check=False)
        if done.returncode:
            sys.stdout.write(done.stderr.decode(errors="replace"))


def main() -> int:
    """What could be installed is; the rest stands on the terminal with the tests that go without."""
    lacking = missing()
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        sys.stdout.write(f"  Installing {', '.join(need.package for need in lacking)} ...\n")
        sys.stdout.flush()
        install([need.package for need in lacking])
        lacking = missing()
    for need in lacking:
        sys.stdout.write(f"  {need.package} is missing, so {need.tests} are skipped or use a stand-in:")
        sys.stdout.write(f" apt-get install {need.package}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
