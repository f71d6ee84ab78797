"""The host's page: who may start a drill, the question before it, and how it stands."""

import pytest

from apps.drills.models import Drill
from apps.drills.services import receive
from apps.fleet.models import Host
from tests.console.cast import browser, person
from tests.drills.cast import asked, said
from tests.response.cast import Machine, machine, run

pytestmark = pytest.mark.django_db
OPERATOR, VIEWER = "ana", "otto"


@pytest.fixture
def one() -> Machine:
    return machine()


def page(who: str, host: Host) -> str:
    return browser(who).get(f"/fleet/{host.pk}/").content.decode()


def test_the_button_is_for_those_who_may(one: Machine):
    assert "Start the drill rome" in page(OPERATOR, one.host)
    assert "Start the drill rome" not in page(VIEWER, one.host)


def test_it_is_asked_first_and_then_on_its_way(one: Machine):
    ana = browser(OPERATOR)
    question = ana.get(f"/fleet/{one.host.pk}/drill/start/").content.decode()
    assert "Start the drill rome?" in question
    assert not Drill.objects.exists()
    answer = ana.post(
        f"/fleet/{one.host.pk}/drill/start/", {"reason": "monthly"}, headers={"HX-Request": "true"}
    )
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, f"/fleet/{one.host.pk}/")
    drill = Drill.objects.get()
    assert (drill.reason, drill.by.username) == ("monthly", OPERATOR)
    shown = page(OPERATOR, one.host)
    assert drill.number in shown
    assert "Asked for" in shown
    assert "Start the drill rome" not in shown


def test_without_scripts_a_form_does_the_same(one: Machine):
    answer = browser(OPERATOR).post(f"/fleet/{one.host.pk}/drill/start/")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/fleet/{one.host.pk}/")


def test_a_refusal_of_the_server_is_shown_in_the_question_with_what_was_typed(one: Machine):
    drill = asked(one, person("jonas"))
    answer = browser(OPERATOR).post(f"/fleet/{one.host.pk}/drill/start/", {"reason": "<i>again"})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert f"{drill.number} is under way on gpu-a12-01 already" in text
    assert "&lt;i&gt;again" in text


def test_a_refusal_of_the_host_is_shown_with_its_words_escaped(one: Machine):
    drill = asked(one, person("jonas"))
    receive(one.agent, *one.signed(said(drill, "REFUSED", detail="not allowed <script>x</script>\u202e")))
    shown = page(VIEWER, one.host)
    assert "Refused by the host" in shown
    assert "not allowed &lt;script&gt;" in shown
    assert "\u202e" not in shown
    assert "Start the drill rome" in page(OPERATOR, one.host)


def test_while_it_plays_its_run_is_a_link_with_the_mark(one: Machine):
    drill = asked(one, person("jonas"))
    receive(one.agent, *one.signed(said(drill, "STARTED", run="drill-rome-1")))
    training = run(one, name="drill-rome-1", drill=True)
    shown = browser(VIEWER).get(f"/fleet/{one.host.pk}/drill/").content.decode()
    assert f'href="/runs/{training.pk}/"' in shown
    assert "Made by a drill, not by a real run" in shown
    assert "pause or kill" in shown


def test_one_that_was_started_at_the_host_keeps_the_button_away(one: Machine):
    run(one, name="drill-rome-1", drill=True)
    shown = page(OPERATOR, one.host)
    assert "Start the drill rome" not in shown
    assert "A drill can be started while the host reports and none is playing" in shown


def test_one_that_nobody_fetched_says_so(one: Machine):
    asked(one, person("jonas"))
    Drill.objects.update(expires_at="2026-01-01T00:00:00Z")
    assert "did not fetch it within a minute" in page(VIEWER, one.host)


def test_a_host_that_does_not_report_is_not_offered(one: Machine):
    one.agent.last_seen_at = None
    one.agent.save()
    assert "Start the drill rome" not in page(OPERATOR, one.host)
    answer = browser(OPERATOR).post(f"/fleet/{one.host.pk}/drill/start/")
    assert "does not report" in answer.content.decode()
