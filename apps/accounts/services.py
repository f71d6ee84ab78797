"""People, their sessions and the tokens of their scripts; each act with its audit entry."""

import secrets
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import ApiToken, Theme, User
from apps.accounts.roles import Role
from apps.audit.services import By, Subject, record
from apps.core import transitions
from apps.core.keys import token_digest
from apps.feed.services import ring

TOKEN_PREFIX = "snt_"  # noqa: S105 - so that a leaked one is recognised
TOKEN_DAYS = 365
PEOPLE = "people"  # the bell at which open sockets look again who their person is


class Refused(Exception):
    """The change would leave Sentinel without what it needs; the text says what."""


@transaction.atomic
def create_person(*, username: str, password: str, role: str, by: By, full_name: str = "") -> User:
    """A person can sign in. Raises ValidationError (name taken, weak password, unknown role)."""
    first, _, last = full_name.strip().partition(" ")
    user = User(username=username.strip().lower(), role=Role(role), first_name=first, last_name=last)
    validate_password(password, user)
    user.set_password(password)
    user.full_clean()
    user.save()
    record("person.created", by=by, subject=_subject(user), role=user.role)
    return user


@transaction.atomic
def change_role(person: User, *, role: str, by: User) -> User:
    """The person may do what `role` says, from the next request on. Raises Refused for the last admin."""
    role, before = Role(role).value, person.role
    if before == Role.ADMIN and role != Role.ADMIN:
        _keep_an_admin(person)
    if before != role and transitions.moved(person, "role", frm=[before], to=role):
        record("person.changed", by=_person(by), subject=_subject(person), before=before, after=role)
        ring(PEOPLE)
    return person


@transaction.atomic
def set_active(person: User, *, active: bool, by: User) -> User:
    """The person may sign in again, or is out at once: sessions and tokens end with the right."""
    if not active:
        _keep_an_admin(person)
    if User.objects.filter(pk=person.pk, is_active=not active).update(is_active=active):
        person.is_active = active
        ended = 0 if active else _end_sessions(person)
        record(
            "person.changed", by=_person(by), subject=_subject(person), active=active, sessions_ended=ended
        )
    return person


@transaction.atomic
def make_token(user: User, *, name: str, days: int = TOKEN_DAYS) -> tuple[ApiToken, str]:
    """A script of `user` has a way in; the text is returned once and kept nowhere."""
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user=user,
        name=name.strip(),
        digest=token_digest(text),
        expires_at=timezone.now() + timedelta(days=days),
    )
    token.full_clean()
    token.save()
    record("token.made", by=_person(user), subject=Subject("token", str(token.pk), token.name))
    return token, text


@transaction.atomic
def revoke_token(token: ApiToken, *, by: User) -> None:
    """The token opens nothing from now on."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record(
            "token.revoked",
            by=_person(by),
            subject=Subject("token", str(token.pk), token.name),
            owner=token.user.username,
        )


def set_theme(user: User, *, theme: str) -> None:
    """Pages of `user` come in `theme` from the first byte. Raises ValueError for an unknown one."""
    User.objects.filter(pk=user.pk).update(theme=Theme(theme).value)


def set_single_keys(user: User, *, on: bool) -> None:
    """Single-letter keys work for `user`, or rest (WCAG 2.1.4)."""
    User.objects.filter(pk=user.pk).update(single_keys=on)


def session_started(user: User, *, methods: list[str], address: str) -> None:
    """The sign-in is in the trail."""
    record("session.started", by=_person(user), subject=_subject(user), methods=methods, address=address)


@transaction.atomic
def session_ended(user: User) -> None:
    """The sign-out is in the trail."""
    record("session.ended", by=_person(user), subject=_subject(user))


@transaction.atomic
def session_failed(username: str, *, reason: str, address: str) -> None:
    """The refused sign-in is in the trail, under the name that was claimed."""
    # An unknown name is not kept: people type passwords into the wrong field.
    known = User.objects.filter(username=username.lower()).exists() if username else False
    record(
        "session.failed",
        by=By("person", username if known else "unknown"),
        subject=Subject("person", "", username if known else "unknown"),
        reason=reason,
        address=address,
    )


def _end_sessions(person: User) -> int:
    """Rows carry no owner in a column, so the live ones are read; there are as many as people signed in."""
    mine = [
        row.pk
        for row in Session.objects.filter(expire_date__gte=timezone.now()).iterator()
        if row.get_decoded().get("_auth_user_id") == str(person.pk)
    ]
    Session.objects.filter(pk__in=mine).delete()
    return len(mine)


def _keep_an_admin(person: User) -> None:
    others = User.objects.select_for_update().filter(role=Role.ADMIN, is_active=True).exclude(pk=person.pk)
    if person.role == Role.ADMIN and not others.exists():
        raise Refused("This is the last admin: make another one first.")


def _person(user: User) -> By:
    return By("person", user.username)


def _subject(user: User) -> Subject:
    return Subject("person", str(user.pk), user.username)
