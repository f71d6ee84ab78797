"""One token, one host, once; a second key for a known machine stands apart until a person decides."""

import secrets
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.audit.services import SYSTEM, By
from apps.feed.models import FeedEntry
from apps.fleet.models import EnrolmentToken, Host, HostAgent
from apps.fleet.services import (
    Application,
    EnrolmentError,
    accept_clone,
    enrol,
    offer_enrolment,
    revoke,
    token_is_open,
)

pytestmark = pytest.mark.django_db
ANA = By("person", "ana")


def application(hostname: str = "trainer-7", machine_id: str = "m7", key: bytes | None = None) -> Application:
    return Application(key or secrets.token_bytes(32), hostname, machine_id, version="0.1.0")


def enrolled(hostname: str = "trainer-7", machine_id: str = "m7", key: bytes | None = None) -> HostAgent:
    return enrol(offer_enrolment(ANA), application(hostname, machine_id, key))


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))


def test_host_is_enrolled_audited_and_on_the_feed() -> None:
    agent = enrolled()
    assert (agent.state, agent.host.name, agent.host.machine_id) == ("active", "trainer-7", "m7")
    assert actions() == ["enrolment.offered", "host.enrolled"]
    assert FeedEntry.objects.get().kind == "host.changed"


def test_text_of_a_token_is_kept_nowhere() -> None:
    text = offer_enrolment(ANA)
    assert text not in str(EnrolmentToken.objects.values()) + str(AuditEntry.objects.values())


def test_token_opens_one_host_only() -> None:
    text = offer_enrolment(ANA)
    assert token_is_open(text)
    enrol(text, application())
    assert not token_is_open(text)
    with pytest.raises(EnrolmentError) as refused:
        enrol(text, application("other", "other"))
    assert refused.value.code == "used-token"
    assert Host.objects.count() == 1


def test_answer_that_was_lost_can_be_asked_for_again() -> None:
    text, asked = offer_enrolment(ANA), application()
    first = enrol(text, asked)
    assert enrol(text, asked).pk == first.pk
    assert actions().count("host.enrolled") == 1


def test_token_expires() -> None:
    text = offer_enrolment(ANA)
    EnrolmentToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(EnrolmentError) as refused:
        enrol(text, application())
    assert refused.value.code == "expired-token"


@pytest.mark.parametrize("text", ["", "sen-wrong", "x" * 10_000, "\x00", "\ud800"])
def test_token_that_nobody_made_opens_nothing(text: str) -> None:
    offer_enrolment(ANA)
    with pytest.raises(EnrolmentError) as refused:
        enrol(text, application())
    assert refused.value.code == "unknown-token"
    assert not Host.objects.exists()


@pytest.mark.parametrize(("hostname", "machine_id"), [("other-name", "m7"), ("trainer-7", "other-machine")])
def test_second_key_of_a_known_machine_or_name_is_a_clone(hostname: str, machine_id: str) -> None:
    first = enrolled()
    second = enrolled(hostname, machine_id)
    assert (second.state, second.host_id) == ("clone", first.host_id)
    first.refresh_from_db()
    assert first.state == "active"
    assert Host.objects.get().machine_id == "m7"
    assert actions()[-1] == "host.cloned"


def test_machines_without_an_id_are_not_one_machine() -> None:
    assert enrolled("box-1", "").host_id != enrolled("box-2", "").host_id


def test_same_key_again_is_the_same_agent() -> None:
    key = secrets.token_bytes(32)
    assert enrolled(key=key).pk == enrolled(key=key).pk


def test_key_that_turns_up_on_another_machine_is_refused() -> None:
    key = secrets.token_bytes(32)
    enrolled(key=key)
    with pytest.raises(EnrolmentError) as refused:
        enrolled("elsewhere", "m8", key)
    assert refused.value.code == "copied-key"


def test_revoked_key_does_not_come_back_with_a_new_token() -> None:
    key = secrets.token_bytes(32)
    revoke(enrolled(key=key), by=ANA, reason="sold")
    with pytest.raises(EnrolmentError) as refused:
        enrolled(key=key)
    assert refused.value.code == "revoked"


def test_machine_is_enrolled_anew_after_its_agent_was_revoked() -> None:
    first = enrolled()
    assert revoke(first, by=ANA)
    assert not revoke(first, by=ANA)
    second = enrolled()
    assert (second.state, second.host_id) == ("active", first.host_id)
    assert actions().count("host.revoked") == 1


def test_person_decides_for_the_clone_and_the_former_agent_is_out() -> None:
    first = enrolled()
    second = enrolled()
    assert accept_clone(second, by=ANA)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("revoked", "active")
    assert not accept_clone(second, by=ANA)
    assert AuditEntry.objects.order_by("seq").last().by_name == "ana"  # type: ignore[union-attr]


def test_names_are_stored_harmlessly() -> None:
    agent = enrolled("evil\x00\ud800" + "x" * 500, "m\x00")
    assert agent.host.name.startswith("evil\\x00")
    assert len(agent.host.name) <= 130
    assert SYSTEM.name not in agent.host.name
