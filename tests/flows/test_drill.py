"""From a yes on the host's page to a drill that plays there, and its end by a kill like any run's."""

import http.cookiejar
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.drills.models import Drill
from apps.fleet.models import Placement, TrainingRun
from hostagent import runs
from tests.flows.training_host import TrainingHost, gone, marked, reached, until
from tests.live import Web, session_of
from tests.response.cast import order, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.cgroup]


@pytest.fixture
def willing(server: Web, tmp_path: Path) -> Iterator[TrainingHost]:
    """A host that was enrolled to allow drills."""
    one = TrainingHost.enrolled(tmp_path / "hostagent", server)
    one.state.save_identity(replace(one.state.identity(), allow_drills=True))
    one.start()
    yield one
    one.stop()


def say_yes(server: Web, host: TrainingHost, who: User) -> Drill:
    """As the page's form does it, through the real web process."""
    until(lambda: heard(host), what="the host reports")
    address = f"{server.address}/fleet/{host.host.pk}/drill/start/"
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    cookie = f"{settings.SESSION_COOKIE_NAME}={session_of(who)}"
    question = opener.open(asked(address, cookie)).read().decode()
    token = question.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    csrf = next(one.value for one in jar if one.name == "csrftoken")
    body = urllib.parse.urlencode({"csrfmiddlewaretoken": token, "reason": "monthly"}).encode()
    opener.open(asked(address, f"{cookie}; csrftoken={csrf}", body, Origin=server.address)).read()
    return Drill.objects.get()


def asked(address: str, cookie: str, body: bytes | None = None, **headers: str) -> urllib.request.Request:
    return urllib.request.Request(address, data=body, headers={"Cookie": cookie, **headers})  # noqa: S310


def heard(host: TrainingHost) -> bool:
    host.agent.refresh_from_db()
    return host.agent.last_seen_at is not None


def test_a_yes_plays_the_drill_and_a_kill_of_its_run_ends_it(server: Web, willing: TrainingHost) -> None:
    ana = person()
    drill = say_yes(server, willing, ana)
    until(lambda: stage(drill) == "STARTED", what="the host signed that it plays")
    drill.refresh_from_db()
    (playing,) = [run for run in runs.all_runs(willing.state) if run.running]
    assert (playing.run, playing.drill) == (drill.run_name, True)
    training = TrainingRun.objects.create(
        name=playing.run, marker=playing.marker, started_at=datetime.now(UTC), drill=True
    )
    Placement.objects.create(
        run=training, host=willing.host, cgroup=playing.cgroup or "", root_pid=playing.root_pid,
        root_start_ticks=playing.root_start_ticks, started_at=datetime.now(UTC),
    )  # fmt: skip
    pids = marked(playing.marker)
    target = order(training, ana).targets.get()
    until(lambda: reached(target, "VERIFIED"), what="verified dead")
    assert gone(pids)
    until(lambda: stage(drill) == "ENDED", what="the host signed that it is over")
    told = AuditEntry.objects.filter(action__startswith="drill.").order_by("seq")
    assert [(entry.action, entry.by_name) for entry in told] == [
        ("drill.asked", "ana"),
        ("drill.started", "gpu-a12-01"),
        ("drill.ended", "gpu-a12-01"),
    ]
    assert all(entry.drill for entry in told)


def test_a_training_host_refuses_and_says_how_to_allow_it(server: Web, training_host: TrainingHost) -> None:
    drill = say_yes(server, training_host, person())
    until(lambda: stage(drill) == "REFUSED", what="the host signed its refusal")
    drill.refresh_from_db()
    assert "--allow-drills" in drill.detail
    assert list(runs.all_runs(training_host.state)) == []


def stage(drill: Drill) -> str:
    return Drill.objects.get(pk=drill.pk).stage
