"""The trail by script: read, checked, exported, verified."""

from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient

from apps.audit import verify
from apps.audit.models import AuditEntry
from tests.api.script import ROOT, script_of
from tests.audit.trails import make_trail
from tests.response.cast import person


@pytest.mark.django_db(transaction=True)
async def test_an_export_is_streamed_as_a_file_that_the_verifier_accepts(tmp_path: Path) -> None:
    await sync_to_async(make_trail)()
    script = await sync_to_async(lambda: script_of(person("auditor")))()
    headers = {"Authorization": f"Bearer {script.token}"}
    for form in ("jsonl", "csv"):
        answer = await AsyncClient().get(f"{ROOT}/audit/export", {"form": form}, headers=headers)
        assert answer.status_code == 200
        name = answer["Content-Disposition"].split('"')[1]
        path = tmp_path / name
        path.write_bytes(b"".join([piece async for piece in answer]))  # type: ignore[attr-defined]
        key = (await sync_to_async(script.get)("/audit/chain")).json()["key"]
        assert verify.check(path, key).seq == verify.check(path, key).statement["last"]
    assert await AuditEntry.objects.filter(action="audit.exported", by_kind="script").acount() == 2
    await sync_to_async(connections.close_all)()


@pytest.mark.django_db
def test_entries_chain_check_checkpoint_and_verifier() -> None:
    make_trail()
    script = script_of(person("auditor"))
    page = script.get("/audit/entries", size=5).json()
    rest = script.get("/audit/entries", size=50, before=page["next"]).json()
    assert [item["seq"] for item in page["items"] + rest["items"]] == list(range(13, 0, -1))
    assert script.get("/audit/entries", action="token.made").json()["items"][0]["by_name"] == "ana"
    told = script.post("/audit/checks").json()
    assert (told["holds"], told["size"], told["broken_at"]) == (True, 13, None)
    note = script.post("/audit/checkpoints")
    assert note["Content-Type"].startswith("text/plain")
    chain = script.get("/audit/chain").json()
    assert chain["checkpoint"] == note.content.decode()
    assert verify.opened(chain["checkpoint"], chain["key"])[1] == "14"
    assert chain["last_check"]["detail"]["holds"] is True
    assert script.get("/audit/verify.py").content == Path(verify.__file__).read_bytes()


@pytest.mark.django_db
def test_an_export_of_no_time_at_all_is_refused() -> None:
    script = script_of(person("auditor"))
    answer = script.get("/audit/export", until="2001-01-01T00:00:00Z")
    assert (answer.status_code, answer.json()["code"]) == (404, "nothing_there")
    assert script.get("/audit/export", until="yesterday").status_code == 422
    assert script.get("/audit/export", form="xlsx").status_code == 422
