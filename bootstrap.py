#!/usr/bin/env python3
"""Makes `.venv` hold exactly what the lock files name, each file checked by its hash.

Runs on whatever `python3` is there, so it keeps to the language of Python 3.7: it has to be able to say
that the version is too old. With everything in place it takes no time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "sentinel.stamp"
INSTALLER_LOCK, LOCK = ROOT / "requirements-uv.lock", ROOT / "requirements.lock"
OLDEST, NEWEST = (3, 11), (3, 13)
OTHER_NAMES = ["python3.13", "python3.12", "python3.11"]


def main() -> int:
    """`.venv` is there and current."""
    if STAMP.exists() and STAMP.read_text() == wanted() and suits(str(PYTHON)):
        return 0
    if not suits(str(PYTHON)):
        python = suitable_python()
        step(f"Making .venv with Python {spelt(version(python))}", python, "-m", "venv", "--clear", str(VENV))
    quiet = ["-q", "--disable-pip-version-check"]
    step(
        "Fetching the installer",
        *[str(PYTHON), "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(INSTALLER_LOCK)],
    )
    step(
        f"Installing {LOCK.read_text().count('==')} packages, each checked by its hash",
        *[str(VENV / "bin" / "uv"), "pip", "sync", "-q", "--require-hashes", str(LOCK)],
    )
    STAMP.write_text(wanted())
    return 0


def wanted() -> str:
    """What the stamp of a finished `.venv` says."""
    return hashlib.sha256(INSTALLER_LOCK.read_bytes() + LOCK.read_bytes()).hexdigest()


def version(python: str) -> tuple[int, ...]:
    """Major and minor version of an interpreter; empty for one that is not there or does not run."""
    if not shutil.which(python):
        return ()
    code = "import sys; print(*sys.version_info[:2])"
    told = subprocess.run(
        [python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    return tuple(int(part) for part in told.stdout.split())


def spelt(numbers: tuple[int, ...]) -> str:
    """The version as people write it."""
    return ".".join(map(str, numbers))


def suits(python: str) -> bool:
    """Whether Sentinel runs on that interpreter."""
    return OLDEST <= version(python) <= NEWEST


def suitable_python() -> str:
    """An interpreter that Sentinel runs on; the one that runs this file is asked first."""
    for name in [sys.executable, *OTHER_NAMES]:
        if suits(name):
            check_modules(name)
            return name
    return fail(
        f"Sentinel needs Python 3.11, 3.12 or 3.13 and this is {spelt(sys.version_info[:2])}: install one,"
        " for example with\n  apt-get install python3 python3-venv"
    )


def check_modules(python: str) -> None:
    """The interpreter can make a virtual environment; Debian packs that part separately."""
    if subprocess.call([python, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL):
        numbers = spelt(version(python))
        fail(
            f"Python {numbers} cannot make virtual environments: install the missing part with\n"
            f"  apt-get install python{numbers}-venv"
        )


def step(title: str, *argv: str) -> None:
    """One command has succeeded, with its time on the terminal; else its own words and a way out."""
    sys.stdout.write(f"  {title} ... ")
    sys.stdout.flush()
    begun = time.time()
    # The system's certificates: an organisation's own authority is known there, not to the installer.
    env = dict(os.environ, UV_SYSTEM_CERTS="1", VIRTUAL_ENV=str(VENV))
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.stdout.write("failed\n" + done.stdout.decode("utf-8", "replace"))
        fail(
            "The set-up did not finish: mend what stands above (often the way to the package index is"
            " missing), then give the same command again."
        )
    sys.stdout.write(f"{time.time() - begun:.1f} s\n")


def fail(sentence: str) -> str:
    """The set-up ends here with one sentence."""
    sys.stderr.write(sentence + "\n")
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
