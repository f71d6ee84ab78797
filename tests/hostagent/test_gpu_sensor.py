"""Processes on a GPU, as NVML tells them. No GPU is on the test machine: NVML here has its shape alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hostagent import procfs
from hostagent.sensors import gpu
from hostagent.sensors.gpu import GpuSensor
from tests.hostagent.seeing import Seen


class Nvml:
    """The six calls that are used, named and shaped as nvidia-ml-py has them."""

    NVMLError = type("NVMLError", (Exception,), {})
    fails = False

    def nvmlInit(self) -> None:  # noqa: N802
        if self.fails:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, device: int) -> bytes:  # noqa: N802
        return b"GPU-1"

    def nvmlDeviceGetComputeRunningProcesses(self, device: int) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=os.getpid(), usedGpuMemory=2**30)]

    def nvmlDeviceGetGraphicsRunningProcesses(self, device: int) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=1, usedGpuMemory=None)]

    def nvmlDeviceGetProcessUtilization(self, device: int, since: int) -> list[Any]:  # noqa: N802
        if since <= 0:
            raise self.NVMLError("Not Found")
        return [SimpleNamespace(pid=os.getpid(), smUtil=97)]


@pytest.fixture(autouse=True)
def _a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(gpu, "DEVICES", tmp_path)


def test_without_a_device_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "DEVICES", tmp_path / "empty")
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())  # type: ignore[arg-type]
    state = GpuSensor(Seen()).state()  # type: ignore[arg-type]
    assert (state["mode"], state["blind"]) == ("off", "No GPU is read here: no GPU device on this host.")


def test_the_binding_that_is_handed_out_has_what_is_used() -> None:
    """Loaded by itself: eighteen MiB for the length of this test's process otherwise."""
    names = [name for name in vars(Nvml) if name.startswith(("nvml", "NVML"))]
    code = (
        f"import pynvml; assert not [n for n in {names!r} if not hasattr(pynvml, n)]; print(pynvml.NVMLError)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_holders_of_a_gpu_are_told_with_memory_and_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())  # type: ignore[arg-type]
    seen = Seen()
    sensor = GpuSensor(seen)  # type: ignore[arg-type]
    sensor.read()
    mine, other = seen.of("gpu.process", pid=os.getpid())[0], seen.of("gpu.process", pid=1)[0]
    assert (mine["gpu_uuid"], mine["memory_bytes"], mine["sm_percent"]) == ("GPU-1", 2**30, 97)
    assert mine["start_ticks"] == procfs.start_ticks(os.getpid())
    assert (other["memory_bytes"], other["sm_percent"]) == (0, None)
    assert sensor.state()["mode"] == "nvml"


def test_without_nvml_the_sensor_says_that_it_is_off_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # type: ignore[arg-type]
    assert GpuSensor(Seen()).state()["mode"] == "off"  # type: ignore[arg-type]
    broken = Nvml()
    broken.fails = True
    monkeypatch.setitem(sys.modules, "pynvml", broken)  # type: ignore[arg-type]
    state = GpuSensor(Seen()).state()  # type: ignore[arg-type]
    assert state["mode"] == "off"
    assert "Driver Not Loaded" in state["blind"]
