"""Receipts: on disk before they leave, signed as they leave, sent until the server has them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import queue
import threading
import time
from typing import Any

from hostagent import protocol
from hostagent.client import UNREACHABLE, AgentClient, RefusedError
from hostagent.journal import Journal, Step, Waiting
from hostagent.keys import HostKey
from hostagent.protocol import FINAL_STAGES, OrderPayload, ReceiptPayload, Signed, Stage

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
PASSING = frozenset({"DELIVERED", "FROZEN", "CAPTURED", "SIGNALLED"})
LINGER_S = 0.05  # how long they wait for what they lead to; a slow stop is told step by step
PAUSE_S = 0.03
NEVER = frozenset({400, 404, 409, 413, 422})  # this very receipt will not be taken


class Receipts:
    """Takes stages from executors without making them wait; one thread stores, signs and sends."""

    def __init__(self, journal: Journal, key: HostKey, client: AgentClient) -> None:
        self._journal = journal
        self._key = key
        self._client = client
        self._queue: queue.SimpleQueue[ReceiptPayload | None] = queue.SimpleQueue()
        self._seq: dict[int, int] = {}
        self._lock = threading.Lock()

    def give(
        self,
        order: OrderPayload,
        stage: Stage,
        *,
        since: float,
        detail: str = "",
        evidence: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """The stage is reached now; its receipt will reach the server."""
        payload: ReceiptPayload = {
            "order_id": order["order_id"],
            "nonce": order["nonce"],
            "seq": self._next_seq(order["order_id"]),
            "stage": stage,
            "at_ms": int(time.time() * 1000),
            "mono_ms": round((time.monotonic() - since) * 1000, 3),
            "took": {},
            "method": None,
            "probes": {},
            "processes_before": None,
            "processes_after": None,
            "survivors": [],
            "evidence": evidence,
            "evidence_sha256": None,
            "detail": detail[:2000],
        }
        payload.update(fields)  # type: ignore[typeddict-item]
        self._queue.put(payload)

    def run(self, stop: threading.Event) -> None:
        """Stores, signs and sends until told to stop; what is not sent by then goes out after the restart."""
        wait = 0.0
        while not stop.is_set():
            try:
                self._store(timeout=wait or 1.0)
                wait = self._send(wait)
            except Exception:
                log.exception("receipts wait")
                wait = LONGEST_WAIT_S
        self._store(timeout=0.0)
        self._send(0.0)

    def _store(self, *, timeout: float) -> None:
        """What was given is on disk; then what a stop came to leaves before the steps to it.

        All are kept first: an agent that is killed now must not leave a hole in the receipts' numbers.
        """
        kept = self._keep(self._given(timeout))
        results = {step.payload for step, stage in kept if stage not in PASSING}
        if len(results) < len(kept) and self._hurry(results):
            time.sleep(PAUSE_S)  # the server is telling people now

    def _given(self, timeout: float) -> list[ReceiptPayload]:
        """What waits to be kept; a step waits a little for what it leads to."""
        given: list[ReceiptPayload] = []
        with contextlib.suppress(queue.Empty):
            payload = self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
            until = time.monotonic() + (LINGER_S if timeout else 0.0)
            while payload is not None:
                given.append(payload)
                left = until - time.monotonic() if payload["stage"] in PASSING else 0.0
                payload = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
        return given

    def _hurry(self, results: set[str]) -> bool:
        """The results leave alone; False where that was not possible: they go with the others then."""
        first = [item for item in self._journal.unsent() if item.payload in results]
        if not first:
            return False  # none, or behind so many others that none of it is in this bundle
        with contextlib.suppress(RefusedError, *UNREACHABLE):
            self._post(first)
            return True
        return False

    def _keep(self, given: list[ReceiptPayload]) -> list[tuple[Step, Stage]]:
        """Those that are on disk now. One that cannot be written as JSON costs no other."""
        kept = []
        for one in given:
            try:
                kept.append((step_of(one), one["stage"]))
            except Exception:
                log.exception("the receipt %s of order %s is lost", one["stage"], one["order_id"])
        if kept:
            self._journal.add([step for step, _ in kept])
        return kept

    def wake(self) -> None:
        self._queue.put(None)

    def _send(self, waited: float) -> float:
        """Everything that waits is sent; how long to wait before the next attempt if it is not."""
        while waiting := self._journal.unsent():
            try:
                self._post(waiting)
            except RefusedError as refused:
                if refused.status not in NEVER:
                    log.warning("receipts refused for now: %s", refused)
                    return refused.retry_after or min(max(waited * 2, FIRST_WAIT_S), LONGEST_WAIT_S)
                self._post_singly(waiting)
            except UNREACHABLE:
                return min(max(waited * 2, FIRST_WAIT_S), LONGEST_WAIT_S)
        return 0.0

    def _post(self, waiting: list[Waiting]) -> None:
        self._client.post(protocol.PATH_RECEIPTS, json.dumps([self._signed(one) for one in waiting]).encode())
        self._journal.sent([item.id for item in waiting])

    def _signed(self, one: Waiting) -> Signed:
        return {"payload": one.payload, "signature": self._key.sign(protocol.receipt_bytes(one.payload))}

    def _post_singly(self, waiting: list[Waiting]) -> None:
        """One receipt the server will not have must not hold up the others."""
        for item in waiting:
            try:
                self._post([item])
            except RefusedError as refused:
                if refused.status not in NEVER:
                    raise OSError(str(refused)) from refused
                log.error("receipt refused for good: %s", refused)
                self._journal.sent([item.id], refused=True)

    def _next_seq(self, order_id: int) -> int:
        with self._lock:
            seq = self._seq.get(order_id)
            seq = self._journal.next_seq(order_id) if seq is None else seq
            self._seq[order_id] = seq + 1
            return seq


def step_of(payload: ReceiptPayload) -> Step:
    """The receipt as the exact text that gets signed, its evidence bound to it by hash."""
    if payload["evidence"] is not None:
        payload["evidence_sha256"] = evidence_hash(payload["evidence"])
    text = json.dumps(payload, separators=(",", ":"))
    return Step(payload["order_id"], payload["seq"], text, payload["stage"] in FINAL_STAGES)


def evidence_hash(evidence: dict[str, Any]) -> str:
    """SHA-256 of the evidence as JSON with sorted keys and no spaces: anyone can reckon it again."""
    text = json.dumps(evidence, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
