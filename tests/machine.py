"""Programs of the machine that some tests need: installed where that may be done, else named.

Run by `make test` before pytest. Nothing here fails the run: a test that lacks its program is skipped and
gives the reason itself.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Need:
    """A Debian package, the program that shows it is there, and the tests that use it."""

    package: str
    programs: tuple[str, ...]
    tests: str


KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NEEDS = (
    Need("chromium", ("chromium", "chromium-browser", "google-chrome"), "browser tests"),
    Need("openssh-client", ("ssh",), "the drill's real reverse tunnel"),
    Need("openssh-server", ("sshd", "/usr/sbin/sshd"), "the drill's real reverse tunnel"),
    Need("cron", ("cron", "/usr/sbin/cron"), "scenarios of who did it"),
    Need("at", ("atd", "/usr/sbin/atd"), "scenarios of who did it"),
    Need("curl", ("curl",), "a real Suricata's alerts"),
    Need("iproute2", ("ip", "/usr/sbin/ip"), "a real Suricata's alerts"),
    Need("prometheus-alertmanager", ("prometheus-alertmanager",), "a real Alertmanager's alerts"),
    Need("suricata", ("suricata",), "a real Suricata's alerts"),
)


def missing() -> list[Need]:
    """Needs with none of their programs on this machine."""
    return [need for need in NEEDS if not any(shutil.which(program) for program in need.programs)]


def install(packages: list[str]) -> None:
    """The packages are there, if Debian's tools could get them; what they say shows on failure only.

    One at a time: a release that has no longer one of them gives the others all the same.
    """
    apt("update")
    for package in packages:
        if not apt("install", "-y", "--no-install-recommends", package):
            with tempfile.TemporaryDirectory() as folder:
                from_backports(package, Path(folder))


def from_backports(package: str, folder: Path) -> None:
    """The package is there if this release has it among its backports; the machine's own list stays."""
    told = apt("indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages").split()
    if len(told) < 2 or not KEYRING.exists():
        return
    address, codename = told[:2]
    for name in ("lists", "archives"):
        (folder / name / "partial").mkdir(parents=True)
    suites = (codename, f"{codename}-backports")
    lines = (f"deb [signed-by={KEYRING}] {address} {suite} main\n" for suite in suites)
    listed = folder / "sources.list"
    listed.write_text("".join(lines))
    places = {"Etc::sourcelist": listed, "Etc::sourceparts": "-", "State::lists": folder / "lists"}
    options = [f"-oDir::{name}={place}" for name, place in {**places, "Cache": folder}.items()]
    apt(*options, "update")
    apt(*options, "install", "-y", "--no-install-recommends", "-t", suites[1], package)


def apt(*words: str) -> str:
    """What apt-get said, or nothing where it failed: then what it complained of stands on the terminal.

    Nothing that comes with a package starts by itself, and nobody is asked anything.
    """
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    done = subprocess.run(["apt-get", "-q", *words], env=env, capture_output=True, check=False)
    if done.returncode:
        sys.stdout.write(done.stderr.decode(errors="replace"))
        return ""
    return done.stdout.decode(errors="replace")


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
