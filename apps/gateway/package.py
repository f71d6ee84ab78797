"""The host agent as one archive, made of what this server runs on: a training host needs no package index.

The archive is the same bytes for the same server: sorted, without times, owners or caches.
"""

import gzip
import io
import json
import platform
import re
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePosixPath

from django.conf import settings

# Dependencies of hostagent/pyproject.toml, by distribution; a test holds the two together.
CARRIED = ("nvidia-ml-py", "pycryptodome", "websockets")
INSIDE = "site-packages"
DESCRIPTION = "platform.json"
PYTHONS = ((3, 11), (3, 13))
NOT_NEEDED = re.compile(r"(^|/)(SelfTest|tests?|__pycache__)/|\.(pyc|pyi|c|h)$|^example\.py$")
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_TAG = re.compile(r"(manylinux|musllinux)_(\d+)_(\d+)_(.+)|(manylinux\d+)_(.+)")


class NotPortableError(Exception):
    """Something in the environment fits this server's Python alone."""


@lru_cache(maxsize=1)
def archive() -> bytes:
    """The archive (tar, gzip). Raises NotPortableError where it would not run elsewhere."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, DESCRIPTION, json.dumps(fits(), indent=1, sort_keys=True).encode() + b"\n")
        for name, path in sorted(_files()):
            _add(tar, name, path.read_bytes())
    return gzip.compress(packed.getvalue(), mtime=0)


def fits() -> dict[str, object]:
    """Which hosts the archive runs on."""
    kind, version = "glibc", (2, 5)
    for name in CARRIED:
        found = _needs_libc(distribution(name))
        if found:
            kind, version = found[0], max(version, found[1])
    return {
        "system": platform.system(),
        "machine": platform.machine().lower(),
        "libc": kind,
        "libc_version": list(version),
        "python_from": list(PYTHONS[0]),
        "python_to": list(PYTHONS[1]),
    }


def _needs_libc(found: Distribution) -> tuple[str, tuple[int, int]] | None:
    """The oldest C library that one of the wheel's tags promises to run on; None for pure Python."""
    tags = re.findall(r"^Tag: .*-(\S+)$", found.read_text("WHEEL") or "", re.MULTILINE)
    oldest: tuple[str, tuple[int, int]] | None = None
    for tag in tags:
        if not (read := _TAG.fullmatch(tag)):
            continue
        kind = "musl" if read[1] == "musllinux" else "glibc"
        version = (int(read[2]), int(read[3])) if read[1] else _LEGACY[read[5]]
        oldest = min(oldest, (kind, version)) if oldest else (kind, version)
    return oldest


def _files() -> Iterator[tuple[str, Path]]:
    """Every file of the archive under its name in there."""
    agent = settings.BASE_DIR / "hostagent"
    for path in agent.rglob("*.py"):
        yield f"{INSIDE}/hostagent/{path.relative_to(agent).as_posix()}", path
    for name in CARRIED:
        yield from _installed(distribution(name))


def _installed(found: Distribution) -> Iterator[tuple[str, Path]]:
    for file in found.files or ():
        name = PurePosixPath(file).as_posix()
        if name.startswith("..") or NOT_NEEDED.search(name) or _for_this_python_only(name, found):
            continue
        if ".dist-info/" in name and not name.endswith("/METADATA") and "licen" not in name.lower():
            continue
        yield f"{INSIDE}/{name}", Path(str(file.locate()))


def _for_this_python_only(name: str, found: Distribution) -> bool:
    """Whether this is an extension that other Pythons cannot load.

    websockets works without its one; anything else of this kind would leave the host without what it needs.
    """
    if not name.endswith(".so") or ".abi3." in name:
        return False
    if found.name == "websockets" and PurePosixPath(name).name.startswith("speedups."):
        return True
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    raise NotPortableError(f"{name} of {found.name} runs on {suffix} of Python {sys.version_info[:2]} only")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
    tar.addfile(entry, io.BytesIO(content))
