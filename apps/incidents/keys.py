"""What belongs into one incident: alerts of one behaviour of one run (or host), drills apart. Pure."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from apps.detection.choices import RANK


@lru_cache(maxsize=65_536)
def correlation_key(*, run_id: int | None, host_id: int, behaviour: str, drill: bool) -> bytes:
    """The 16 bytes under which alerts are grouped."""
    place = f"host {host_id}" if run_id is None else f"run {run_id}"
    text = f"{place}\n{behaviour}\n{'drill' if drill else ''}"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


@dataclass(slots=True)
class Group:
    """The alerts of one key in one lot, counted."""

    key: bytes
    behaviour: str
    place: str  # as people say it: "in run rome-drill" or "on host trainer-7"
    run_id: int | None
    drill: bool
    technique: str = ""
    level: str = "info"
    count: int = 0
    hosts: set[int] = field(default_factory=set)
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, *, level: str, host_id: int, at: datetime, technique: str = "") -> None:
        """One alert more."""
        self.count += 1
        self.hosts.add(host_id)
        if RANK[level] > RANK[self.level]:
            self.level = level
            self.technique = technique or self.technique
        self.technique = self.technique or technique
        self.first_at = at if self.first_at is None or at < self.first_at else self.first_at
        self.last_at = at if self.last_at is None or at > self.last_at else self.last_at

    def empty(self) -> None:
        """Nothing is counted any more."""
        self.count, self.level, self.technique = 0, "info", ""
        self.hosts.clear()
        self.first_at = self.last_at = None

    @property
    def title(self) -> str:
        """What happens, and where."""
        return f"{self.behaviour[:1].upper()}{self.behaviour[1:]} {self.place}"[:200]
