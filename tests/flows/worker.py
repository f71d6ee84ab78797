"""A real Celery worker over the database of the test, with a broker that holds nothing of other tests."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]


def start_worker() -> subprocess.Popen[bytes]:
    """A worker with two processes, in a session of its own; it may not be ready yet."""
    from tests.live import database_url

    arguments = ["-A", "sentinel", "worker", "-c", "2", "--without-gossip", "--without-mingle"]
    env = os.environ | {"DATABASE_URL": database_url(), "SENTINEL_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "celery", *arguments, "--loglevel", "ERROR"]
    return subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """As the kernel would, the worker and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def worker() -> Iterator[None]:
    """A worker for the length of the block."""
    process = start_worker()
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        kill_group(process)


@contextlib.contextmanager
def clean_broker() -> Iterator[None]:
    """Nothing waits in the broker, before and after."""
    client = redis.from_url(settings.REDIS_URL)
    client.flushdb()
    try:
        yield
    finally:
        client.flushdb()


def until(holds: Callable[[], bool], seconds: float = 90) -> None:
    """`holds` has come true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
