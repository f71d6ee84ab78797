"""What a child does between fork and exec: die with its parent, and be nobody special."""

import ctypes
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import Signals

from sentinel.stack.problems import StackError

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1

# Loaded before any fork: a child between fork and exec had better not open libraries.
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def known_ordinary_user() -> int:
    """A user that the machine has a name for: PostgreSQL's programs look theirs up."""
    return next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid), 1)


def enter_user_namespace(inside: int, uid: int, gid: int) -> None:
    """The process is the ordinary user `inside` to itself, while its files stay `uid`'s outside.

    PostgreSQL refuses to run as root. A namespace that maps one uid satisfies it without a new
    user on the machine and without opening the permissions of any folder.
    """
    if LIBC is None or LIBC.unshare(CLONE_NEWUSER):
        raise PermissionError("user namespaces are not permitted here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inside} {gid} 1")


def die_with_parent(signal: Signals, parent: int) -> None:
    """The kernel sends `signal` when the starting thread ends, even by kill -9."""
    if LIBC is None:
        return
    LIBC.prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the request stood
        os._exit(1)


def prepare(signal: Signals, *, namespace: bool) -> Callable[[], None]:
    """The function for `Popen(preexec_fn=...)`; everything it needs is read before the fork."""
    parent, uid, gid = os.getpid(), os.geteuid(), os.getegid()
    inside = known_ordinary_user() if namespace else 0

    def between_fork_and_exec() -> None:
        if namespace:
            enter_user_namespace(inside, uid, gid)
        die_with_parent(signal, parent)

    return between_fork_and_exec


@contextmanager
def refusal_explained() -> Iterator[None]:
    """A refusal between fork and exec, of which Python tells no more than that, becomes a sentence."""
    try:
        yield
    except subprocess.SubprocessError as error:
        raise StackError(
            "PostgreSQL does not run as root (or as a user without a name) and this machine forbids user"
            " namespaces: start Sentinel as an ordinary user, or give it a database of yours with"
            " DATABASE_URL."
        ) from error
