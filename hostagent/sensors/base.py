"""What every sensor is: a name, a loop of its own, and an honest account of itself."""

from __future__ import annotations

import threading
from typing import Protocol

from hostagent.protocol import SensorState


class Sensor(Protocol):
    """Runs on a thread of its own until told to stop; a sensor that fails is started again."""

    name: str

    def state(self) -> SensorState:
        """How it works here, whether it works now, and what it cannot see."""
        ...

    def run(self, stop: threading.Event) -> None: ...
