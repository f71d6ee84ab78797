"""A receipt as text from a host: read only after its signature, and only in its shape."""

import json
import math
from typing import Any, NoReturn

from apps.core.text import storable
from apps.fleet.models import HostAgent
from apps.response.choices import PROBES, Stage
from apps.response.signing import signed_by

MOST_TEXT = 1_000_000


class UnprovenError(Exception):
    """This receipt proves nothing."""


def read(agent: HostAgent, text: str, signature: str) -> dict[str, Any]:
    """The content of a receipt that this agent signed, or UnprovenError.

    It comes back as PostgreSQL's JSON can hold it (no NUL, no infinity), and without the process tree taken
    as evidence: the exact text is kept beside it, and nobody asks the database what is in there.
    """
    if len(text) > MOST_TEXT or not signed_by(agent, text, signature):
        raise UnprovenError("the signature is not of this host agent's key")
    try:
        said = json.loads(text, parse_constant=_no_number, parse_float=_finite)
        data = _storable({**said, "evidence": None} if isinstance(said, dict) else said)
    except (ValueError, RecursionError):
        raise UnprovenError("not JSON") from None
    if not isinstance(data, dict) or not _shaped(data):
        raise UnprovenError("not in the shape of a receipt")
    return data


def _shaped(data: dict[str, Any]) -> bool:
    return (
        all(type(data.get(name)) is int for name in ("order_id", "seq", "at_ms"))
        and 0 < data["order_id"] < 2**63
        and 0 <= data["seq"] < 2**31
        and 0 <= data["at_ms"] < 10**14
        and all(_count(data.get(name)) for name in ("processes_before", "processes_after"))
        and data.get("stage") in Stage.values
        and isinstance(data.get("nonce"), str)
        and isinstance(data.get("mono_ms"), int | float)
        and 0 <= data["mono_ms"] < 10**12
        and all(isinstance(data.get(name, {}), dict) for name in ("probes", "took"))
        and isinstance(data.get("survivors", []), list)
        and isinstance(data.get("detail", ""), str)
    )


def _count(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value < 2**31)


def judged(data: dict[str, Any]) -> tuple[Stage, str]:
    """The stage that the receipt supports, and why it is less than what it says.

    A host that calls a run dead shows it by every probe; a claim without them is not a proof.
    """
    stage = Stage(data["stage"])
    if stage != Stage.VERIFIED:
        return stage, ""
    probes = data.get("probes", {})
    missing = [name for name in PROBES if not _held(probes.get(name))]
    if missing:
        return Stage.NOT_CONFIRMED, f"Called dead without the proof of: {', '.join(missing)}."
    if data.get("survivors") or data.get("processes_after") != 0:
        return Stage.NOT_CONFIRMED, "Called dead with processes left."
    return stage, ""


def _held(probe: Any) -> bool:
    return isinstance(probe, dict) and probe.get("ok") is True


def _storable(value: Any) -> Any:
    if isinstance(value, dict):
        return {storable(key, limit=200): _storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    return storable(value, limit=10_000) if isinstance(value, str) else value


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
