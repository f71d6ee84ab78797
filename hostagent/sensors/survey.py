"""What the sensors could do on this host, told at enrolment before any of them runs."""

from __future__ import annotations

from hostagent.protocol import SensorState
from hostagent.sensors import gpu, namespaces, processes, runs, sockets
from hostagent.sensors.proc_events import ProcEvents


def survey() -> dict[str, SensorState]:
    nvml, why_not = gpu.load_nvml()
    return {
        "processes": process_events(),
        "sockets": {"mode": namespaces.mode(), "ok": True, "blind": sockets.BLIND},
        "runs": {"mode": "inotify", "ok": True, "blind": runs.BLIND},
        "gpu": {
            "mode": "nvml" if nvml else "off",
            "ok": True,
            "blind": "" if nvml else f"{gpu.NO_GPU}: {why_not}.",
        },
    }


def process_events() -> SensorState:
    try:
        events = ProcEvents()
    except (OSError, AttributeError) as error:
        return {"mode": "sweep", "ok": True, "blind": processes.blind(processes.BLIND_SWEEP, f"({error})")}
    try:
        if events.self_test():
            return {"mode": "netlink", "ok": True, "blind": processes.blind(processes.BLIND_EVENTS)}
        return {"mode": "sweep", "ok": True, "blind": processes.blind(processes.BLIND_SWEEP)}
    finally:
        events.close()
