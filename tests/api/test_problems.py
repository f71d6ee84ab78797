"""Whatever goes wrong has one shape, and nothing of the inside in it."""

import pytest

from tests.api.facts import incident
from tests.api.script import Script, script_of
from tests.response.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def script() -> Script:
    return script_of(person("responder"))


def body(answer: object, status: int) -> dict[str, object]:
    assert answer.status_code == status  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "application/problem+json"  # type: ignore[index]
    told: dict[str, object] = answer.json()  # type: ignore[attr-defined]
    assert {"type", "title", "status", "code", "detail", "request_id"} <= set(told)
    assert told["status"] == status
    assert told["request_id"] == answer["Sentinel-Request-Id"]  # type: ignore[index]
    return told


def test_an_unknown_path_a_wrong_method_and_a_missing_row(script: Script) -> None:
    assert body(script.get("/nothing/here"), 404)["code"] == "not_found"
    assert body(script.get("/incidents/404"), 404)["code"] == "not_found"
    answer = script.client.delete("/api/v1/incidents", headers=script._headers())
    assert body(answer, 405)["code"] == "no_such_method"
    assert answer["Allow"] == "GET"


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "1e3", "%00", "1;drop"])
def test_a_number_that_no_row_can_have(script: Script, number: str) -> None:
    assert script.get(f"/incidents/{number}").status_code in (404, 422)


def test_a_body_that_is_no_json_or_not_the_right_one(script: Script) -> None:
    row = incident()
    path = f"/api/v1/incidents/{row.pk}/take"
    for text in (
        "",
        "{",
        "[]",
        '{"version": "x"}',
        '{"version": 1e400}',
        "[" * 100_000,
        '{"version":' + "9" * 5000 + "}",
    ):
        answer = script.client.post(path, text, content_type="application/json", headers=script._headers())
        assert body(answer, answer.status_code)["status"] in (400, 422)
    row.refresh_from_db()
    assert row.version == 1


def test_what_cannot_be_accepted_is_named_part_by_part(script: Script) -> None:
    told = body(script.post(f"/incidents/{incident().pk}/close", {"version": 1, "verdict": "maybe"}), 422)
    assert [part["at"].rsplit(".", 1)[-1] for part in told["wrong"]] == ["verdict"]  # type: ignore[attr-defined]


def test_a_fault_tells_nothing_of_the_inside(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr("apps.incidents.selectors.queue.page", fail)
    answer = script.get("/incidents")
    assert body(answer, 500)["code"] == "fault"
    assert b"secret" not in answer.content
