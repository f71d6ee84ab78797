"""Text that a host, a trace or an AI agent chose is shown as text: never as markup, never obeyed."""

import json

import pytest
from django.urls import reverse

from apps.response.services import issue, preview
from tests.console.cast import browser, person, story

pytestmark = pytest.mark.django_db

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
    for name in ("join", "evidence", "timeline", "episodes", "tree", "history", "hypotheses", "head"):
        found.append(reverse("incident_panel", args=[*incident, name]))
    found += [reverse(name, args=run) for name in ("run", "run_figure", "contain")]
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
        if bad in body and "figure" not in address  # those are JSON, below
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
    figures = {address: json.loads(body) for address, body in pages.items() if "figure" in address}
    assert len(figures) == 2
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
