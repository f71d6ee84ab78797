"""Text that a host, a trace or an AI agent chose is shown as text: never as markup, never obeyed."""

import json
import re

import pytest
from django.urls import reverse

from apps.console.templatetags.untrusted import controls, hostile, hostile_block
from apps.core.text import visible
from apps.response.services import issue, preview
from apps.telemetry.models import Connection, ToolCall
from tests.console.cast import browser, person, story

pytestmark = pytest.mark.django_db

JSON = re.compile("figure|gpus")
MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
TEXT = MARKUP + "\x1b[2K\u202e javascript:alert(3) {{7*7}}{% now %}"
FORBIDDEN = (
    "<script>alert",
    "<img src=x",
    "\x1b",
    "\u202e",
    "\x00",
    'href="javascript:',
    "href='javascript:",
)


@pytest.fixture
def pages() -> dict[str, str]:
    """Every page and fragment about a story in which each field that a host controls is hostile."""
    it = story(text=TEXT)
    order = issue(
        it.run, action="KILL", by=person("ana"), reason="to stop it", typed_name=it.run.name,
        parameters_digest=preview(it.run).digest, idempotency_key="0" * 16, incident=it.incident,
    )  # fmt: skip
    order.targets.update(detail=TEXT, stage="SURVIVED")
    incident, run, host = [it.incident.pk], [it.run.pk], [it.host.pk]
    found = [reverse(name) for name in ("queue", "queue_counts", "runs", "hosts", "orders", "rules", "audit")]
    found += [f"{reverse('queue_rows')}?ids={it.incident.pk}", f"{reverse('queue')}?run={it.run.pk}"]
    found += [
        f"{reverse('search')}?q=%3Cscript%3Ealert(1)",
        f"{reverse('queue')}?behaviour=%3Cscript%3Ealert",
    ]
    found += [
        reverse(f"incident{part}", args=incident) for part in ("", "_peek", "_figure", "_close", "_annotate")
    ]
    for name in (
        "join",
        "evidence",
        "timeline",
        "episodes",
        "recurrence",
        "tree",
        "history",
        "hypotheses",
        "head",
    ):
        found.append(reverse("incident_panel", args=[*incident, name]))
    found += [reverse(name, args=run) for name in ("run", "run_figure", "contain")]
    found += [reverse(name, args=run) for name in ("run_gpus", "run_calls", "run_contract")]
    found += [reverse("run_panel", args=[*run, name]) for name in ("alerts", "contract")]
    rows = (("call", it.call), ("process", it.process), ("alert", it.alerts[0]))
    found += [reverse("fact", args=[kind, row.pk]) for kind, row in rows]
    found += [reverse("fact", args=["connection", it.alerts[0].connection_id or Connection.objects.get().pk])]
    found += [
        reverse("host", args=host),
        reverse("order", args=[order.pk]),
        reverse("order_panel", args=[order.pk]),
    ]
    ada = browser("ada")
    answers = {address: ada.get(address) for address in found}
    assert {
        address: answer.status_code for address, answer in answers.items() if answer.status_code != 200
    } == {}
    return {address: answer.content.decode() for address, answer in answers.items()}


def test_no_page_carries_it_as_markup_or_control_character(pages: dict[str, str]):
    found = {
        (address, bad): body[max(0, body.index(bad) - 80) : body.index(bad) + 20]
        for address, body in pages.items()
        for bad in FORBIDDEN
        if bad in body and not JSON.search(address)  # those are JSON, below
    }
    assert found == {}


def test_it_is_shown_all_the_same(pages: dict[str, str]):
    shown = [address for address, body in pages.items() if "&lt;script&gt;alert(1)" in body]
    assert len(shown) >= 12
    page = next(body for address, body in pages.items() if address.startswith("/incidents/"))
    assert "\\x1b" in page
    assert "\\u202e" in page


def test_templates_in_it_are_not_executed(pages: dict[str, str]):
    assert all("49{% now" not in body for body in pages.values())


def test_figures_carry_it_as_text_without_control_characters(pages: dict[str, str]):
    figures = {address: json.loads(body) for address, body in pages.items() if JSON.search(address)}
    assert len(figures) == 3
    for address, figure in figures.items():
        flat = json.dumps(figure, ensure_ascii=False)
        assert "\x1b" not in flat, address
        assert "\u202e" not in flat, address


def test_a_nul_from_a_browser_is_an_answer_and_no_failure():
    ana = browser("ana")
    it = story()
    for address in ("/?text=%00", "/?owner=%00&behaviour=%00", "/search/?q=%00", "/queue/rows/?ids=%00,1"):
        assert ana.get(address).status_code == 200
    answer = ana.post(reverse("incident_annotate", args=[it.incident.pk]), {"text": "a\x00b"})
    assert answer.status_code == 302


def test_numbers_that_no_row_can_have_are_not_found():
    ada = browser("ada")
    for address in ("/incidents/99999999999999999999/", "/runs/99999999999999999999/", "/orders/0/"):
        assert ada.get(address).status_code == 404
    assert ada.get("/?run=99999999999999999999&after=zzz").status_code == 200


SMUGGLED = {
    "zero width": "\u200b\u200c\u200d\u2060\ufeff",
    "direction": "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "tags": "\U000e0001\U000e0041\U000e007f",
    "variation selectors": "\ufe00\ufe0f\U000e0100\U000e01ef",
    "fillers": "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u180e\u00ad",
    "controls": "\x00\x07\x1b\x7f\x9b\u2028",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_cannot_be_seen_is_written_out_and_so_copied_as_text(name: str):
    for char in SMUGGLED[name]:
        for shown in (visible(f"a{char}b"), str(hostile(f"a{char}b")), str(hostile_block(f"a{char}b"))):
            assert char not in shown, hex(ord(char))
            assert f"{ord(char):x}" in shown
        assert controls(f"a{char}b") == 1


def test_text_that_people_write_stays_as_it_is():
    for text in ("übung – 東京", "naïve café", "Ελλάδα", "한국어", "हिन्दी", "a\tb\nc"):
        assert visible(text) == text


def test_the_original_is_given_out_whole_as_a_file_that_nothing_runs():
    it = story()
    whole = MARKUP + "\u202e\u200b" + "x" * 20_000
    ToolCall.objects.filter(pk=it.call.pk).update(arguments=whole)
    shown = browser("mei").get(reverse("fact", args=["call", it.call.pk])).content.decode()
    assert "more characters, not shown" in shown
    address = reverse("fact_original", args=["call", it.call.pk])
    assert address in shown
    answer = browser("mei").get(address)
    assert answer.content.decode() == whole
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="call-{it.call.pk}.txt"'
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert browser(None).get(address).status_code == 302
    for kind in ("process", "alert"):
        row = it.process if kind == "process" else it.alerts[0]
        assert browser("mei").get(reverse("fact_original", args=[kind, row.pk])).status_code == 200


def test_there_is_no_original_where_nothing_was_captured_and_no_fact_of_other_kinds():
    it = story()
    ToolCall.objects.update(arguments_captured=False)
    mei = browser("mei")
    addresses = [f"/facts/call/{it.call.pk}/original/", "/facts/host/1/", "/facts/call/99999999999999999999/"]
    assert {mei.get(address).status_code for address in addresses} == {404}
    assert "Not captured." in mei.get(f"/facts/call/{it.call.pk}/").content.decode()
