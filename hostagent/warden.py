"""The kill path: hears the bell, takes or fetches orders, carries them out, and sends receipts.

It shares no thread, no lock and no file with the sensors and their upload: when those are stuck, a stop
still arrives.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import queue
import threading
import time

from hostagent import protocol, runs
from hostagent.bell import Bell
from hostagent.client import UNREACHABLE, AgentClient, RefusedError
from hostagent.clock import Clock
from hostagent.config import State, write_atomically
from hostagent.drill.ordered import Stagehand
from hostagent.executors.processes import ProcessExecutor
from hostagent.journal import Journal
from hostagent.keys import ServerKey, load_key
from hostagent.orders import Forged, Judge, Known, Refusal, parse, signed_orders
from hostagent.protocol import OrderPayload, Record, Signed, Stage
from hostagent.receipts import Receipts

log = logging.getLogger(__name__)

POLL_S = 2.0  # while the bell is down
REASSURE_S = 15.0  # while it is up: a ring that was lost costs no more than this
HEALTH_S = 5.0
TIMEOUT_S = 5.0
FINISH_S = 3.0


class Warden:
    """One per host: the only thing that stops runs."""

    def __init__(self, state: State, *, allow_drills: bool = False) -> None:
        identity = state.identity()
        key = load_key(state.key_file)
        self._state = state
        self._stop = threading.Event()
        self._calls: queue.SimpleQueue[list[Signed]] = queue.SimpleQueue()
        self._receipts_stop = threading.Event()
        self._at_work: list[threading.Thread] = []
        self._clock = Clock()
        self._journal = Journal(state.journal_file)
        self._judge = Judge(identity, ServerKey(identity.server_key), self._journal)
        self._client = AgentClient(identity, key, timeout=TIMEOUT_S)
        self._receipts = Receipts(self._journal, key, AgentClient(identity, key, timeout=TIMEOUT_S))
        self._stagehand = Stagehand(state, self._receipts, allowed=allow_drills or identity.allow_drills)
        self._bell = Bell(identity, AgentClient(identity, key), self._clock, self._calls.put)
        self._runs: dict[str, threading.Lock] = {}
        self._refused: set[tuple[int, str]] = set()
        self._reached_at = 0.0
        self._problem = ""

    def run(self) -> None:
        """Carries out orders until told to stop; first those a restart interrupted."""
        threads = [
            threading.Thread(target=self._receipts.run, args=(self._receipts_stop,), name="receipts"),
            threading.Thread(target=self._bell.run, args=(self._stop,), name="bell", daemon=True),
            threading.Thread(target=self._tell_health, name="health", daemon=True),
        ]
        for thread in threads:
            thread.start()
        for text in self._journal.unfinished():
            order = parse(text)
            if order is not None:
                self._begin(order, again=True)
        while not self._stop.is_set():
            calls = self._heard(REASSURE_S if self._bell.up else POLL_S)
            if not self._stop.is_set():
                self._answer(calls)
        self._let_finish()
        self._receipts.wake()
        self._receipts_stop.set()
        threads[0].join(TIMEOUT_S)

    def _let_finish(self) -> None:
        """A stop under way is not left half done; what takes longer is in the journal for the next start."""
        deadline = time.monotonic() + FINISH_S
        for thread in self._at_work:
            thread.join(max(0.0, deadline - time.monotonic()))

    def stop(self) -> None:
        self._stop.set()
        self._calls.put([])

    def _heard(self, timeout: float) -> list[list[Signed]]:
        """Every call of the bell so far: orders that it brought, or none; one to fetch when time is up."""
        try:
            calls = [self._calls.get(timeout=timeout)]
        except queue.Empty:
            return [[]]
        with contextlib.suppress(queue.Empty):
            while True:
                calls.append(self._calls.get_nowait())
        return calls

    def _answer(self, calls: list[list[Signed]]) -> None:
        """What was brought is begun, and the rest fetched once.

        This thread ends with the agent and never before: one odd answer must not cost the next order.
        """
        for signed in itertools.chain.from_iterable(calls):
            self._take(signed)
        if not all(calls):
            try:
                self.fetch()
            except Exception:
                log.exception("orders could not be read")

    def fetch(self) -> None:
        """Every order that waits at the server is judged, and begun if it is for us."""
        try:
            reply = self._client.get(protocol.PATH_ORDERS)
        except (RefusedError, *UNREACHABLE) as error:
            self._note(f"orders cannot be fetched: {error}")
            return
        self._note("")
        self._reached_at = time.monotonic()
        for signed in signed_orders(reply.body):
            self._take(signed)

    def _note(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.warning(problem)
        self._problem = problem

    def _take(self, signed: object) -> None:
        try:
            self._judge_and_begin(signed)
        except Exception:
            log.exception("an order could not be begun")

    def _judge_and_begin(self, signed: object) -> None:
        verdict = self._judge.judge(signed, now_ms=self._clock.server_now_ms())
        if isinstance(verdict, Known):
            return
        if isinstance(verdict, Forged):
            self._tell_forged(verdict)
        elif isinstance(verdict, Refusal):
            self._refuse(verdict)
        else:
            self._begin(verdict, again=False)

    def _begin(self, order: OrderPayload, *, again: bool) -> None:
        if order["action"] == protocol.DRILL:
            self._stagehand.begin(order, again=again)
            return
        since = time.monotonic()
        detail = "the host agent was restarted; the order is taken up again" if again else ""
        self._receipts.give(order, "DELIVERED", since=since, detail=detail)
        name = f"order-{order['order_id']}"
        thread = threading.Thread(target=self._execute, args=(order, since), name=name, daemon=True)
        thread.start()
        self._at_work = [other for other in self._at_work if other.is_alive()] + [thread]

    def _execute(self, order: OrderPayload, since: float) -> None:
        def report(stage: Stage, **fields: object) -> None:
            self._receipts.give(order, stage, since=since, **fields)  # type: ignore[arg-type]

        try:
            executor = ProcessExecutor(order, report, stopping=self._stop.is_set)
            with self._lock_of(order["marker"]):
                if order["action"] == "PAUSE":
                    return executor.pause()
                if order["action"] == "RESUME":
                    return executor.resume()
                dead = executor.kill()
            if dead:
                executor.watch()
        except Exception as error:
            log.exception("order %s failed", order["number"])
            report("NOT_CONFIRMED", detail=f"the host agent failed while carrying it out: {error!r}")

    def _lock_of(self, marker: str) -> threading.Lock:
        return self._runs.setdefault(marker, threading.Lock())

    def _refuse(self, refusal: Refusal) -> None:
        key = (refusal.order["order_id"], refusal.order["nonce"])
        if key in self._refused:
            return  # said once; the server lists it until it has heard
        self._refused.add(key)
        log.warning("order %s: %s", refusal.order["number"], refusal.why)
        self._receipts.give(refusal.order, refusal.stage, since=time.monotonic(), detail=refusal.why)

    def _tell_forged(self, forged: Forged) -> None:
        """Somebody speaks in the server's name: news for people, and nothing is touched."""
        log.error("forged order: %s", forged.why)
        if (0, forged.why) not in self._refused:
            self._refused.add((0, forged.why))
            with contextlib.suppress(OSError):  # a full disk; the log has it
                runs.leave_note(self._state, forged_alert(forged.why))

    def _tell_health(self) -> None:
        while True:
            mode = "bell" if self._bell.up else "poll"
            ok = self._bell.up or time.monotonic() - self._reached_at < 3 * POLL_S
            try:
                text = json.dumps({"at": time.time(), "mode": mode, "ok": ok})
                write_atomically(self._state.health / "warden.json", text)
            except OSError as error:
                log.warning("cannot write health: %s", error)
            if self._stop.wait(HEALTH_S):
                return


def forged_alert(why: str) -> Record:
    return {
        "kind": protocol.ALERT,
        "at": time.time(),
        "rule": "forged-order",
        "title": "An order that the server did not sign reached this host",
        "level": "critical",
        "technique": "T1565",
        "family": "tampering",
        "run": None,
        "pid": None,
        "start_ticks": None,
        "detail": {"why": why},
    }
