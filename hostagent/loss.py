"""What was lost, exactly: how many records of which kind, between which times, and why."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field

from hostagent import protocol
from hostagent.protocol import Record


@dataclass
class Loss:
    """A count that grows while nothing can be kept and ends up in one gap record."""

    reason: str = ""
    kinds: dict[str, int] = field(default_factory=dict)
    first_at: float = 0.0
    last_at: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.kinds.values())

    def add(self, kind: str, at: float, reason: str) -> None:
        self.first_at = min(self.first_at or at, at)
        self.last_at = max(self.last_at, at)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.reason = self.reason or reason

    def record(self, sequence: int) -> Record:
        """The gap record that goes into batch `sequence`."""
        return {
            "kind": protocol.GAP,
            "at": time.time(),
            "from_at": self.first_at,
            "to_at": self.last_at,
            "from_sequence": sequence - 1,
            "to_sequence": sequence,
            "dropped": self.total,
            "kinds": dict(self.kinds),
            "reason": self.reason,
        }

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Loss:
        return cls(**json.loads(text)) if text else cls()
