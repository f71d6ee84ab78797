"""Is this an order for us? Only what the pinned server key signed, for this host, once, and in time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from hostagent import protocol
from hostagent.config import Identity
from hostagent.journal import Journal
from hostagent.keys import ServerKey
from hostagent.protocol import OrderPayload, Signed, Stage

MAX_PAYLOAD_CHARS = 512 * 1024
LONGEST_DRILL_S = 3600.0
SHAPE: dict[str, type | tuple[type, ...]] = {
    "order_id": int,
    "number": str,
    "agent_id": str,
    "host_id": str,
    "run": str,
    "marker": str,
    "action": str,
    "targets": dict,
    "respawn_watch_s": (int, float),
    "nonce": str,
    "issued_ms": int,
    "expires_ms": int,
}


@dataclass(frozen=True)
class Forged:
    """Not the server's word: nothing in it is believed, not even which order it claims to be."""

    why: str


@dataclass(frozen=True)
class Refusal:
    """The server's word, but not one to act on; the receipt says why."""

    order: OrderPayload
    stage: Stage
    why: str


@dataclass(frozen=True)
class Known:
    """Taken before, and carried out or in hand: nothing to do."""


Verdict = OrderPayload | Forged | Refusal | Known


class Judge:
    """Decides about every order before anything is touched."""

    def __init__(self, identity: Identity, server_key: ServerKey, journal: Journal) -> None:
        self._identity = identity
        self._server_key = server_key
        self._journal = journal
        self._taken: set[object] = set()

    def judge(self, signed: object, *, now_ms: float) -> Verdict:
        """Takes the order into the journal if it is to be carried out; says why not otherwise."""
        if isinstance(signed, dict) and str(signed.get("payload")) in self._taken:
            return Known()  # listed until its last receipt has arrived; a signature costs milliseconds
        text = self._authentic(signed)
        if isinstance(text, Forged):
            return text
        order = parse(text)
        if order is None:
            return Forged("signed, but not in the shape of an order")
        known = self._journal.knows(order["order_id"])
        if known is not None:
            if known == text:
                self._taken.add(text)
                return Known()
            return Refusal(order, "REFUSED", "another order was already taken under this number")
        refusal = self._refusal(order, now_ms)
        if refusal is not None:
            return refusal
        if not self._journal.take(order["order_id"], order["nonce"], text):
            return Refusal(order, "REFUSED", "the nonce was used before: a replayed order")
        self._taken.add(text)
        return order

    def _authentic(self, signed: object) -> str | Forged:
        if not isinstance(signed, dict):
            return Forged("not a signed order")
        text, signature = signed.get("payload"), signed.get("signature")
        if not isinstance(text, str) or not isinstance(signature, str) or len(text) > MAX_PAYLOAD_CHARS:
            return Forged("not a signed order")
        try:
            data = protocol.order_bytes(text)
        except UnicodeEncodeError:
            return Forged("not text that can be signed")
        if not self._server_key.signed(data, signature):
            return Forged("not signed by the server key pinned at enrolment")
        return text

    def _refusal(self, order: OrderPayload, now_ms: float) -> Refusal | None:
        if order["agent_id"] != self._identity.agent_id or order["host_id"] != self._identity.host_id:
            return Refusal(order, "REFUSED", "the order is for another host")
        if order["action"] not in (*protocol.ACTIONS, protocol.DRILL):
            return Refusal(order, "REFUSED", "this host agent does not know the action")
        if now_ms >= order["expires_ms"]:
            late = (now_ms - order["expires_ms"]) / 1000
            return Refusal(order, "EXPIRED", f"the order expired {late:.1f} s before it was read")
        return None


def parse(text: str) -> OrderPayload | None:
    """The order in an exact JSON text, or None if any field is missing or of another kind."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    for name, kind in SHAPE.items():
        if not isinstance(value.get(name), kind) or isinstance(value.get(name), bool):
            return None
    if not value["marker"] or not value["nonce"] or not targets_fit(value["targets"]):
        return None
    if value["action"] == protocol.DRILL and not play_fits(value.get("play")):
        return None
    return cast(OrderPayload, value)


def targets_fit(targets: dict[str, Any]) -> bool:
    pids = targets.get("pids", [])
    return (
        isinstance(targets.get("cgroup"), str | None)
        and isinstance(targets.get("root_pid"), int | None)
        and isinstance(targets.get("root_start_ticks"), int | None)
        and isinstance(pids, list)
        and all(isinstance(pair, list) and [type(part) for part in pair] == [int, int] for pair in pids)
    )


def play_fits(play: object) -> bool:
    if not isinstance(play, dict) or not isinstance(play.get("name"), str):
        return False
    return type(play.get("seconds")) in (int, float) and 0 < play["seconds"] <= LONGEST_DRILL_S


def signed_orders(reply: dict[str, Any]) -> list[Signed]:
    """The orders in the server's answer; anything else in their place counts as none."""
    orders = reply.get("orders")
    return cast(list[Signed], orders[:100]) if isinstance(orders, list) else []
