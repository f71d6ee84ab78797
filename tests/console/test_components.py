"""The marks of the console say what they mean in shape and word, and hostile text stays text."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.console.templatetags import figures, marks, sentinel, untrusted
from apps.fleet.choices import RunState
from apps.fleet.models import Host, TrainingRun
from apps.incidents.models import Incident
from apps.response.choices import Stage

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)> [a](javascript:alert(1))"


# ── text that an agent could choose ──────────────────────────────────────────


def test_hostile_text_is_never_markup():
    for shown in (untrusted.hostile(ATTACK), untrusted.hostile_block(ATTACK)):
        assert "<script" not in shown
        assert "<img" not in shown
        assert "&lt;script&gt;" in shown


def test_control_and_direction_characters_are_spelt_out():
    shown = untrusted.hostile("ok \x1b[2K\u202egpj.exe\u200b\x00")
    assert shown == "ok \\x1b[2K\\u202egpj.exe\\u200b\\x00"


def test_a_terminal_sequence_is_marked_as_one_piece():
    shown = untrusted.hostile_block("a\x1b[2Kb\u202e\nc")
    assert shown == 'a<span class="ctl">\\x1b[2K</span>b<span class="ctl">\\u202e</span>\nc'
    assert untrusted.controls("a\x1b[2Kb\u202e\nc é") == 2


def test_a_line_is_folded_and_cut():
    assert untrusted.hostile("a \n\n  b\tc   d") == "a b\tc d"
    assert untrusted.hostile("x" * 300, 10) == "x" * 10 + "…"


def test_a_block_says_how_much_is_not_shown():
    assert untrusted.hostile_block("x" * 9_000).endswith("… 808 more characters, not shown")


def test_an_argv_is_quoted_as_it_was_split():
    shown = untrusted.as_text(["sh", "-c", "rm 'a b'", "", "plain-1.2:3/x"])
    assert shown == "sh -c 'rm '\\''a b'\\''' '' plain-1.2:3/x"


@pytest.mark.parametrize("value", [None, 7, {"a": "\x1b"}, ["a", 1], "", "\ud800"])
def test_whatever_a_host_sends_can_be_shown(value):
    assert isinstance(untrusted.hostile(value), str)
    assert "\x1b" not in untrusted.hostile(value)


# ── numbers and times ────────────────────────────────────────────────────────


def test_numbers_have_thousands_and_a_true_minus():
    assert figures.num(48_211) == "48,211"
    assert figures.num(-3) == "−3"
    assert figures.num(-0.2) == "0"
    assert figures.num(None) == "–"
    assert figures.percent(97) == "97\u202f%"


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0, "0"), (25, "+25 ms"), (412.4, "+412 ms"), (1_600, "+1.6 s"), (-3, "−3 ms"), (None, "")],
)
def test_the_time_between_two_facts(ms, said):
    assert figures.delta(ms) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (50, "50s"), (119, "1m"), (7_200, "2h"), (9 * 86_400, "9d"), (-5, "0s")]
)
def test_ages_are_short(seconds, said):
    assert figures.short_age(seconds) == said


def test_times_are_utc_and_the_day_is_named_when_it_is_not_today():
    now = timezone.now().replace(microsecond=106_000)
    assert figures.clock(now, "ms").endswith(".106")
    assert " " not in figures.clock(now)
    past = datetime(2026, 1, 2, 14, 2, 48, tzinfo=UTC)
    assert figures.clock(past) == "2 Jan 14:02:48"
    assert "2026-01-02 14:02:48.000 UTC" in figures.utc(past)


def test_an_age_carries_its_moment_for_the_script():
    moment = timezone.now() - timedelta(minutes=6, seconds=3)
    assert f'datetime="{moment.isoformat()}"' in figures.age(moment)
    assert ">6m<" in figures.age(moment)


@pytest.mark.parametrize(
    ("count", "said"), [(1, "1 byte"), (412, "412 bytes"), (3_400, "3.4 KB"), (1_800_000, "1.8 MB")]
)
def test_sizes(count, said):
    assert figures.size(count) == said


# ── marks ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("level", ["critical", "high", "medium", "low", "info"])
def test_each_severity_has_its_own_outline_and_word(level):
    shown = marks.severity(level)
    assert f"#sev-{level}" in shown
    assert level.capitalize() in shown


def test_the_bar_under_an_origin_is_how_sure_it_is():
    assert '<rect width="97%"' in marks.origin("model", 97)
    assert "97\u202f%" in marks.origin("model", 97)
    assert '<rect width="100%"' in marks.origin("external", 240)


def test_an_unknown_origin_shows_no_figure():
    shown = marks.origin("unknown", 40)
    assert "Unknown" in shown
    assert "%" not in shown


def test_every_stage_of_an_order_has_a_tile_and_only_proof_is_green():
    green = {stage for stage in Stage if 'data-lamp="ok"' in marks.tile(stage.value)}
    assert green == {Stage.VERIFIED, Stage.PAUSED, Stage.RESUMED}
    loud = {stage for stage in Stage if 'data-lamp="bad"' in marks.tile(stage.value)}
    assert {Stage.SURVIVED, Stage.UNREACHABLE} <= loud


def test_the_words_of_a_stage_are_the_registered_ones():
    for stage in Stage:
        assert marks.STAGES[stage.value][2] in {stage.label, "Captured"}


def test_a_mark_never_lets_a_name_be_markup():
    assert "<script" not in marks.avatar(ATTACK)
    assert "<script" not in marks.state(ATTACK)
    assert "<script" not in marks.lamp("host", ATTACK)
    assert "<script" not in marks.act(ATTACK)


def test_coverage_draws_what_is_dark_even_when_it_is_little():
    shown = sentinel.coverage(412, 4, 3)
    assert shown.count("url(#hatch)") == 1
    assert shown.count('class="late"') == 1
    assert shown.count("<rect") == sentinel.COVERAGE_TICKS
    assert sentinel.coverage(0, 0, 0).count("<rect") == 0


def test_knots_of_a_join_keep_their_order_and_their_distance():
    ats = sentinel.spread([0, 25, 186, 412])
    assert ats == sorted(ats)
    assert ats[0] == 0
    assert ats[-1] == sentinel.JOIN_END
    assert min(b - a for a, b in pairwise(ats)) >= 15
    assert sentinel.spread([0, 0, 0, 0]) == sorted(set(sentinel.spread([0, 0, 0, 0])))
    assert sentinel.spread([]) == []


@pytest.mark.parametrize(("role", "may"), [(Role.VIEWER, False), (Role.OPERATOR, True), (Role.ADMIN, True)])
def test_templates_ask_the_roles_table(role, may):
    assert sentinel.may(User(username="ana", role=role), "contain") is may


# ── components ───────────────────────────────────────────────────────────────


def _incident(**given) -> Incident:
    now = timezone.now()
    return Incident(
        **{
            "pk": 42,
            "title": ATTACK,
            "level": "critical",
            "rank": 5,
            "first_alert_at": now,
            "last_alert_at": now,
            "opened_at": now,
            "changed_at": now,
        }
        | given
    )


def _row(incident: Incident, user: User) -> str:
    row = {"incident": incident, "state": "new", "group": "new", "hosts": 1, "host": "a", "hours": None}
    return render_to_string("components/_row.html", {"row": row, "user": user})


def test_a_row_shows_a_hostile_title_as_text():
    shown = _row(_incident(), User(username="ana", role=Role.OPERATOR))
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_what_a_drill_made_is_marked_in_its_row():
    user = User(username="ana", role=Role.VIEWER)
    assert "Drill</span>" in _row(_incident(drill=True), user)
    assert "Drill" not in _row(_incident(drill=False), user)


def test_a_viewer_can_select_and_contain_nothing():
    run = TrainingRun(pk=7, name="run-a", state=RunState.RUNNING)
    viewer = _row(_incident(run=run), User(username="v", role=Role.VIEWER))
    operator = _row(_incident(run=run), User(username="o", role=Role.OPERATOR))
    assert "checkbox" not in viewer
    assert "data-contain" not in viewer
    assert "checkbox" in operator
    assert "data-contain" in operator


def _ladder(state: RunState, role: Role) -> str:
    run = TrainingRun(pk=7, name="run-a", state=state)
    ladder = {"run": run, "hosts": 2, "gpus": None, "incident": None}
    return render_to_string("components/_ladder.html", {"ladder": ladder, "user": User(role=role)})


def test_kill_stands_last_and_has_no_key():
    shown = _ladder(RunState.RUNNING, Role.OPERATOR)
    kill = shown.index('data-act="kill"')
    assert shown.index('data-act="pause"') < kill
    assert "data-key" not in shown[shown.rindex("<button", 0, kill) :]


def test_the_ladder_offers_what_the_state_allows():
    assert "action=RESUME" in _ladder(RunState.PAUSED, Role.OPERATOR)
    assert "action=PAUSE" not in _ladder(RunState.PAUSED, Role.OPERATOR)
    assert "<button" not in _ladder(RunState.KILLED, Role.OPERATOR)
    assert "<button" not in _ladder(RunState.RUNNING, Role.VIEWER)


def _receipt(**given) -> str:
    beats = [{"kind": "to", "text": "unknown"}] * 4
    target = {
        "host": Host(pk=1, name="gpu-1"),
        "stage": "VERIFIED",
        "beats": beats,
        "probes": [],
        "loud": False,
    }
    return render_to_string("components/_receipt.html", {"target": target | given})


def test_a_silent_host_is_loud_and_its_processes_are_a_question_mark():
    shown = _receipt(stage="UNREACHABLE", loud=True, before=27, after=None)
    assert 'class="loud"' in shown
    assert "27 → ?" in shown
    assert "Stop it another way" in shown


def test_a_survivor_is_named_as_text():
    shown = _receipt(
        survivors=[{"pid": 7, "argv": [ATTACK], "state": "D", "wchan": "nvidia_ioctl"}], note="n"
    )
    assert "<script" not in shown
    assert "nvidia_ioctl" in shown


def test_text_that_was_not_captured_is_a_gap_in_words():
    item = {"title": "Tool call 1", "note": "bash", "text": None, "size": None, "digest": "", "id": "c1"}
    assert "Not captured" in render_to_string("components/_hostile.html", {"item": item})
