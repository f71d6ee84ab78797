"""What the receipts of all hosts together say about the run. Called with the order locked."""

from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from apps.core.transitions import move
from apps.fleet.choices import LIVE_RUNS, RunState
from apps.fleet.models import Placement, TrainingRun
from apps.response.choices import Action, Stage
from apps.response.models import OrderTarget
from apps.telemetry.models import Process

# A run whose host said "ended" because the kill emptied it is verified dead all the same.
KILLED_FROM = LIVE_RUNS | {RunState.ENDED}
RESULTS = {
    Action.PAUSE: (Stage.PAUSED, LIVE_RUNS, RunState.PAUSED),
    Action.RESUME: (Stage.RESUMED, LIVE_RUNS, RunState.RUNNING),
}


def settle(target: OrderTarget) -> str | None:
    """`target` has just moved: its placement and the run follow where there is proof.

    Returns the run's new state if it changed.
    """
    order = target.order
    if order.action == Action.KILL:
        return _kill(target) if target.stage == Stage.VERIFIED else None
    stage, frm, to = RESULTS[Action(order.action)]
    if target.stage != stage or _others_than(stage, target):
        return None
    return to if move(TrainingRun.objects.filter(pk=order.run_id), "state", frm=frm, to=to) else None


def _kill(target: OrderTarget) -> str | None:
    run_id, now = target.order.run_id, timezone.now()
    # The host looked for each of them. One whose end was not told would be shown as running for ever.
    known = Process.objects.filter(run=run_id, host=target.host_id, ended_at=None, received_at__lte=now)
    known.update(ended_at=Greatest(F("started_at"), Value(now)))  # start times are the host's clock
    Placement.objects.filter(run=run_id, host=target.host_id, ended_at=None).update(ended_at=now)
    # Placements that came after the order was issued have no target in it: the run lives on there.
    if _others_than(Stage.VERIFIED, target) or Placement.objects.filter(run=run_id, ended_at=None).exists():
        return None
    run = TrainingRun.objects.filter(pk=run_id)
    number = target.order.number
    if not move(run, "state", frm=KILLED_FROM, to=RunState.KILLED, end_reason=f"killed by {number}"):
        return None
    run.filter(ended_at=None).update(ended_at=now)
    return RunState.KILLED


def _others_than(stage: Stage, target: OrderTarget) -> bool:
    return OrderTarget.objects.filter(order=target.order_id).exclude(stage=stage).exists()
