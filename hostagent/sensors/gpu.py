"""Processes on the GPUs by NVML, where a GPU and NVML's Python binding are there."""

from __future__ import annotations

import importlib
import threading
import time
from pathlib import Path
from typing import Any

from hostagent import procfs, protocol
from hostagent.outlet import Outlet
from hostagent.protocol import SensorState

DEVICES = Path("/dev")
EVERY_S = 5.0
NO_GPU = "No GPU is read here"


class GpuSensor:
    """Reports every process that holds a context on a GPU, with its memory."""

    name = "gpu"

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._nvml, self._why_not = load_nvml()
        self._read_at = 0.0

    def state(self) -> SensorState:
        if self._nvml is None:
            return {"mode": "off", "ok": True, "blind": f"{NO_GPU}: {self._why_not}."}
        fresh = time.monotonic() - self._read_at < 3 * EVERY_S
        return {"mode": "nvml", "ok": fresh, "blind": "A context that lives less than 5 s can be missed."}

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(EVERY_S):
            if self._nvml is not None:
                self.read()

    def read(self) -> None:
        """One record for each process on each GPU."""
        nvml: Any = self._nvml
        for index in range(nvml.nvmlDeviceGetCount()):
            device = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = as_text(nvml.nvmlDeviceGetUUID(device))
            shares = self._shares(device)
            holders = [
                *nvml.nvmlDeviceGetComputeRunningProcesses(device),
                *nvml.nvmlDeviceGetGraphicsRunningProcesses(device),
            ]
            for pid, memory in {holder.pid: holder.usedGpuMemory for holder in holders}.items():
                self._report(uuid, pid, memory, shares.get(pid))
        self._read_at = time.monotonic()

    def _shares(self, device: object) -> dict[int, int]:
        nvml: Any = self._nvml
        since = int((time.time() - EVERY_S) * 1e6)
        try:
            samples = nvml.nvmlDeviceGetProcessUtilization(device, since)
        except nvml.NVMLError:
            return {}
        return {sample.pid: sample.smUtil for sample in samples}

    def _report(self, uuid: str, pid: int, memory: int | None, share: int | None) -> None:
        self._outlet.put(
            {
                "kind": protocol.GPU_PROCESS,
                "at": time.time(),
                "gpu_uuid": uuid,
                "pid": pid,
                "start_ticks": procfs.start_ticks(pid),
                "memory_bytes": memory or 0,
                "sm_percent": share,
            }
        )


def load_nvml() -> tuple[Any, str]:
    """NVML ready for use, or None and why not.

    Not loaded where there is nothing to ask: the binding takes 18 MiB, a quarter of all that the agent may.
    """
    if not any(DEVICES.glob("nvidia*")):
        return None, "no GPU device on this host"
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
    except ImportError:
        return None, "nvidia-ml-py is not installed"
    except Exception as error:
        return None, f"NVML does not start ({error})"
    return nvml, ""


def as_text(value: bytes | str) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value
