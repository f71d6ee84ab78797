"""The folder that holds all state, and the short folder its sockets fit into."""

import os
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from sentinel.stack.problems import StackError

# sockaddr_un holds 107 bytes; PostgreSQL appends "/.s.PGSQL.5432.lock" beside it.
LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432.lock")


def private_folder(path: Path) -> Path:
    """`path` is a folder of ours that nobody else may enter; an existing one is not changed."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"The folder {path} cannot be made ({error.strerror}): free the path, or set SENTINEL_HOME"
            " to a folder you may write to."
        ) from error
    if path.stat().st_uid != os.geteuid():
        raise StackError(
            f"The folder {path} belongs to another user: start Sentinel as that user, or set"
            " SENTINEL_HOME to a folder of your own."
        )
    return path


def socket_path(home: Path) -> Path:
    """Where sockets lie: inside `home`, or under the system's folder when that path is too long."""
    inside = home / "run"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_FOLDER:
        return inside
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108  (0700, its owner is checked)
    return base / f"sentinel-{os.geteuid()}-{sha256(os.fsencode(home)).hexdigest()[:12]}"


def socket_folder(home: Path) -> Path:
    """A private folder for sockets is there, its path short enough for one."""
    folder = private_folder(socket_path(home))
    if folder.is_symlink() or folder.stat().st_mode & 0o077:
        raise StackError(f"The folder {folder} is open to other users: remove it, then start again.")
    if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
        raise StackError(
            f"No folder is short enough for a socket ({folder}): set SENTINEL_HOME to a short path."
        )
    return folder


def drop_socket_folder(home: Path) -> None:
    """A socket folder outside `home` is gone; inside it belongs to the home's own."""
    if socket_path(home).parent != home:
        with suppress(OSError):
            socket_path(home).rmdir()


def secret(path: Path) -> str:
    """The secret kept at `path`, made on first use and readable to its owner only."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """`path` holds `text`, whole or not at all, readable to its owner only."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
