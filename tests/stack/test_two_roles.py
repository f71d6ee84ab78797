"""The tables belong to one database role; what runs is another, and never learns the owner's password."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from sentinel.env import ROOT
from sentinel.stack import access
from sentinel.stack.postgres import ROLE, SERVICES, Postgres
from tests.stack.running import Stack

OF_ROLE = "SELECT current_user, pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"


@pytest.mark.stack
@pytest.mark.parametrize("name", ["web", "worker", "beat", "hostagent"])
def test_what_runs_does_not_know_the_owner(running: Stack, name: str) -> None:
    environ = Path(f"/proc/{running.pid(name)}/environ").read_bytes()
    owner = (running.home / "keys" / "postgres.password").read_bytes().strip()
    assert owner not in environ
    assert b"DATABASE_OWNER_URL" not in environ


@pytest.mark.stack
def test_a_running_stack_is_the_services_role_and_says_so(running: Stack) -> None:
    found = access.read(running.home)
    with psycopg.connect(found["DATABASE_URL"]) as line:
        assert line.execute(OF_ROLE).fetchone() == (SERVICES, ROLE)
    with psycopg.connect(found["DATABASE_OWNER_URL"]) as line:
        assert line.execute(OF_ROLE).fetchone() == (ROLE, ROLE)
        who = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
        assert line.execute(who, [line.info.backend_pid]).fetchall() == [(SERVICES,)]
    assert running.health()["audit"] == {"ok": True, "append_only": True}


@pytest.mark.stack
def test_a_command_of_a_person_is_the_services_role_and_psql_the_owner(running: Stack) -> None:
    def told(*arguments: str) -> str:
        command = [sys.executable, "-m", "sentinel.stack", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=running.env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    ask = "from django.db import connection as c; print(c.settings_dict['USER'])"
    assert told("manage", "shell", "--no-imports", "-c", ask) == SERVICES
    assert told("psql", "-Atc", "SELECT current_user") == ROLE


def test_a_home_from_before_there_were_two_roles_gets_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(Postgres, "admit_services", lambda self, data: None)
        Postgres(tmp_path).initialise()
    assert not (tmp_path / "keys" / "postgres-app.password").exists()
    postgres = Postgres(tmp_path)
    assert not postgres.initialise()
    postgres.start()
    try:
        postgres.wait_ready()
        with psycopg.connect(postgres.services_url) as line:
            assert line.execute(OF_ROLE).fetchone() == (SERVICES, ROLE)
    finally:
        postgres.stop()


def prepared(**env: str) -> tuple[int, dict[str, Any]]:
    """What the first step of a start says over the test's database."""
    command = [sys.executable, "-m", "sentinel.stack.prepare"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def url(role: str, password: str) -> str:
    given = connection.settings_dict
    return f"postgresql://{role}:{quote(password)}@/{given['NAME']}?host={quote(given['HOST'])}&port={given['PORT']}"


@pytest.mark.django_db(transaction=True)
class TestWithADatabaseOfOnesOwn:
    """Two addresses of one database."""

    def owner(self) -> str:
        return url(ROLE, connection.settings_dict["PASSWORD"])

    def services(self) -> str:
        return url(SERVICES, (settings.KEYS_DIR / "postgres-app.password").read_text().strip())

    def test_the_services_have_their_rights_after_the_first_step(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {SERVICES}")
        code, said = prepared(DATABASE_URL=self.services(), DATABASE_OWNER_URL=self.owner())
        assert (code, said["username"]) == (0, "admin")
        with psycopg.connect(self.services()) as line:
            assert line.execute("SELECT count(*) > 0 FROM audit_auditentry").fetchone() == (True,)
            assert line.execute("DELETE FROM accounts_user").rowcount == 1
            line.rollback()

    def test_one_role_for_both_is_refused_in_a_sentence(self) -> None:
        code, said = prepared(DATABASE_URL=self.owner(), DATABASE_OWNER_URL=self.owner())
        assert (code, said["problem"][:48]) == (3, "DATABASE_URL and DATABASE_OWNER_URL both name th")

    def test_a_role_that_is_not_there_is_named(self) -> None:
        code, said = prepared(DATABASE_URL=url("nobody_known", "x"), DATABASE_OWNER_URL=self.owner())
        assert code == 3
        assert "does not take the services' role nobody_known" in said["problem"]
        assert "correct DATABASE_URL or DATABASE_OWNER_URL" in said["problem"]

    def test_a_wrong_password_of_the_owner_is_laid_to_its_own_setting(self) -> None:
        code, said = prepared(DATABASE_URL=self.services(), DATABASE_OWNER_URL=url(ROLE, "wrong"))
        assert code == 3
        assert "correct DATABASE_OWNER_URL" in said["problem"]

    def test_with_one_address_alone_its_role_does_everything(self) -> None:
        code, _said = prepared(DATABASE_URL=self.owner())
        assert code == 0
