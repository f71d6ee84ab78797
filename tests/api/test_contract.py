"""What a run may do, by script."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.api.script import script_of
from tests.response import cast

pytestmark = pytest.mark.django_db
WHY = "what the team reviewed"


def test_a_contract_is_set_as_data_or_as_yaml_and_told_version_by_version() -> None:
    address = f"/runs/{cast.run().pk}/contract"
    script = script_of(cast.person())
    assert script.get(address).json() == {"newest": 0, "versions": []}
    first = script.post(address, {"contract": {"programs": ["git"]}, "reason": WHY, "version": 0})
    assert (first.status_code, first.json()["versions"][0]["body"]) == (201, {"programs": ["git"]})
    end = (timezone.now() + timedelta(hours=1)).isoformat()
    wider = {"yaml": "programs: [git, ssh]", "reason": WHY, "version": 1}
    refused = script.post(address, wider)
    assert refused.status_code == 422
    assert "needs an end" in refused.json()["wrong"][0]["says"]
    assert script.post(address, wider | {"ends_at": end}).status_code == 201
    told = script.get(address).json()
    assert [(row["version"], row["holds"]) for row in told["versions"]] == [(2, True), (1, False)]
    assert told["newest"] == 2


def test_whoever_saw_an_older_version_is_told_who_was_first() -> None:
    address = f"/runs/{cast.run().pk}/contract"
    script = script_of(cast.person())
    change = {"contract": {}, "reason": WHY, "version": 0}
    assert script.post(address, change).status_code == 201
    late = script.post(address, change)
    assert (late.status_code, late.json()["newest"]) == (409, 1)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"contract": {}, "yaml": ""},
        {"contract": {"programs": ["a\x00"]}},
        {"contract": {"destinations": ["nowhere", 5]}},
        {"contract": {"programs": [{"a": [[[]]]}]}},
        {"yaml": "a: &a [*a]"},
        {"yaml": "\ud800"},
        {"yaml": "x" * 70_000},
        {"contract": {}, "reason": "\x00"},
        {"contract": {}, "ends_at": "0001-01-01T00:00:00"},
        {"contract": {}, "ends_at": "9999-12-31T23:59:59+14:00"},
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_reasons(bad: dict[str, object]) -> None:
    address = f"/runs/{cast.run().pk}/contract"
    answer = script_of(cast.person()).post(address, {"reason": WHY, "version": 0} | bad)
    assert answer.status_code == 422, answer.content
    assert answer.json()["wrong"]


def test_a_note_that_the_database_could_not_keep_is_kept_as_it_can() -> None:
    address = f"/runs/{cast.run().pk}/contract"
    given = {"contract": {"note": "a\x00\ud800"}, "reason": WHY, "version": 0}
    answer = script_of(cast.person()).post(address, given)
    assert answer.json()["versions"][0]["body"] == {"note": "a\\x00\\ud800"}
