"""Every path, by every role and by nobody: the answer is the one in this table, and no path is missing."""

import re
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from apps.accounts.roles import Right, may
from apps.response.services import issue, preview
from tests.console.cast import ROLES, browser, person, story

PUBLIC = None
# path name -> the right it needs
CONSOLE: dict[str, Right | None] = {
    "queue": Right.VIEW,
    "queue_rows": Right.VIEW,
    "queue_counts": Right.VIEW,
    "queue_act": Right.TRIAGE,
    "incident": Right.VIEW,
    "incident_peek": Right.VIEW,
    "incident_panel": Right.VIEW,
    "incident_figure": Right.VIEW,
    "incident_act": Right.TRIAGE,
    "incident_annotate": Right.TRIAGE,
    "incident_close": Right.TRIAGE,
    "incident_judge": Right.TRIAGE,
    "runs": Right.VIEW,
    "unassigned": Right.VIEW,
    "run": Right.VIEW,
    "run_panel": Right.VIEW,
    "run_figure": Right.VIEW,
    "run_token_make": Right.TRIAGE,
    "run_token_revoke": Right.TRIAGE,
    "run_gpus": Right.VIEW,
    "run_calls": Right.VIEW,
    "run_contract": Right.CONTRACT,
    "fact": Right.VIEW,
    "fact_original": Right.VIEW,
    "contain": Right.CONTAIN,
    "hosts": Right.VIEW,
    "host": Right.VIEW,
    "hosts_panel": Right.VIEW,
    "host_offer": Right.ENROL,
    "host_revoke": Right.ENROL,
    "host_drill": Right.VIEW,
    "host_drill_start": Right.DRILL,
    "source_make": Right.ENROL,
    "source_revoke": Right.ENROL,
    "report_original": Right.VIEW,
    "orders": Right.VIEW,
    "order": Right.VIEW,
    "order_panel": Right.VIEW,
    "order_bundle": Right.VIEW,
    "rules": Right.VIEW,
    "audit": Right.AUDIT,
    "audit_check": Right.AUDIT,
    "audit_verifier": Right.AUDIT,
    "audit_export": Right.EXPORT,
    "search": Right.VIEW,
    "settings": Right.VIEW,
    "settings_theme": Right.VIEW,
    "settings_keys": Right.VIEW,
    "token_make": Right.VIEW,
    "token_revoke": Right.VIEW,
    "people": Right.PEOPLE,
    "person_change": Right.PEOPLE,
    "healthz": PUBLIC,
}
POSTS = {
    "queue_act", "incident_act", "host_offer", "host_revoke", "source_make", "source_revoke", "audit_check",
    "settings_theme", "settings_keys", "run_token_make", "run_token_revoke", "token_make", "token_revoke",
    "person_change",
}  # fmt: skip
# Doors of the sign-in library that are open before anybody is known; all its others ask for a sign-in.
ENTRANCE = {
    "account_login", "account_logout", "account_inactive", "account_reauthenticate", "mfa_authenticate",
    "mfa_login_webauthn",
}  # fmt: skip
CLOSED = (
    "signup/", "password/reset/", "password/reset/key/x-y/", "email/", "confirm-email/", "confirm-email/x/",
    "login/code/confirm/",
)  # fmt: skip
PARTS = {"incident_panel": "head", "run_panel": "head", "hosts_panel": "cells"}


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern), pattern
        else:
            yield from routes(pattern, prefix + str(pattern.pattern))


def of_console() -> dict[str, URLPattern]:
    mine = [(path, it) for path, it in routes() if it.callback.__module__.startswith("apps.console.views")]
    return {it.name: it for _, it in mine if it.name}


@pytest.fixture
def addresses(db) -> dict[str, str]:
    """An address for each name, of rows that exist."""
    it = story()
    order = issue(
        it.run, action="PAUSE", by=person("ana"), reason="to look", typed_name="", idempotency_key="0" * 16,
        parameters_digest=preview(it.run).digest,
    )  # fmt: skip
    rows = {
        "fact": it.process,
        "incident": it.incident,
        "run": it.run,
        "contain": it.run,
        "host": it.host,
        "order": order,
    }
    found = {}
    for name, pattern in of_console().items():
        wanted = pattern.pattern.converters
        kwargs = {}
        if "pk" in wanted:
            row = rows.get(name) or rows.get(name.split("_")[0]) or person("mei")
            kwargs["pk"] = row.pk
        if "name" in wanted:
            kwargs["name"] = PARTS[name]
        if "act" in wanted:
            kwargs["act"] = "take"
        if "kind" in wanted:
            kwargs["kind"] = "process"
        found[name] = reverse(name, kwargs=kwargs)
    return found


def test_every_path_of_the_console_is_in_the_table_and_declares_the_same_right():
    declared = {name: it.callback.rights for name, it in of_console().items()}
    assert declared == {name: None if right is None else (right,) for name, right in CONSOLE.items()}


def test_every_path_belongs_to_a_door_whose_check_is_known():
    doors = ("apps.console.views", "apps.console.api", "ninja.", "apps.gateway", "allauth.", "functools")
    for path, it in routes():
        assert it.callback.__module__.startswith(doors), path


@pytest.mark.parametrize("name", sorted(CONSOLE.keys() - {"healthz"}))
def test_each_role_gets_what_the_table_says(name: str, addresses: dict[str, str]):
    right = CONSOLE[name]
    for who, role in ROLES.items():
        client = browser(who)
        answer = client.post(addresses[name]) if name in POSTS else client.get(addresses[name])
        refused = answer.status_code == 403
        assert refused is not may(role, right), f"{who} at {addresses[name]}: {answer.status_code}"
        assert answer.status_code < 500
        assert "/accounts/login/" not in answer.headers.get("Location", "")


@pytest.mark.parametrize("name", sorted(CONSOLE.keys() - {"healthz"}))
def test_nobody_without_a_session_gets_anything(name: str, addresses: dict[str, str]):
    client = browser(None)
    ask = client.post if name in POSTS else client.get
    plain = ask(addresses[name])
    assert plain.status_code == 302
    assert plain.headers["Location"].startswith("/accounts/login/?next=")
    for headers in ({"HX-Request": "true"}, {"Accept": "application/json"}):
        script = ask(addresses[name], headers=headers)
        assert script.status_code == 401
        assert script.content == b"Signed out."


@pytest.mark.parametrize("name", sorted(CONSOLE.keys() - {"healthz"}))
def test_whoever_was_sent_away_gets_nothing_with_the_old_session(name: str, addresses: dict[str, str]):
    client = browser("ana")
    user = person("ana")
    user.is_active = False
    user.save()
    ask = client.post if name in POSTS else client.get
    assert ask(addresses[name]).status_code == 302


def test_a_session_alone_opens_no_path_of_the_api(addresses: dict[str, str]):
    client = browser("ada")
    for path, it in routes():
        if path.startswith("api/v1/") and it.callback.__module__.startswith("ninja."):
            address = "/" + re.sub(r"<\w+_id>", "1", path)
            answers = client.get(address), client.post(address, {}, "application/json")
            codes = {answer.status_code for answer in answers}
            assert codes <= {401, 405, 404}, (address, codes)


def test_the_sign_in_library_opens_only_the_entrance_to_strangers(db):
    client = browser(None)
    for path, it in routes():
        address = "/" + path.replace("<int:pk>", "1")
        if not it.callback.__module__.startswith("allauth.") or it.name in ENTRANCE or "(?P" in address:
            continue  # those with a pattern are behind the doors that are closed altogether, below
        answer = client.get(address)
        away = answer.status_code == 302 and "/accounts/login/" in answer.headers["Location"]
        assert away or answer.status_code == 404, (address, answer.status_code)


@pytest.mark.parametrize("door", CLOSED)
def test_doors_of_mail_and_self_registration_are_closed(door: str, db):
    for client in (browser(None), browser("mei")):
        assert client.get(f"/accounts/{door}").status_code == 404
        assert client.post(f"/accounts/{door}", {"email": "x@example.org"}).status_code == 404
