"""The one way a status moves: a compare-and-set UPDATE, so two people cannot both win."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Model, QuerySet


def move(rows: QuerySet[Any], field: str, *, frm: Iterable[str], to: str, **also: Any) -> int:
    """Set `field` to `to` on those `rows` that are in one of `frm`; returns how many moved.

    0 means somebody else was first (or the move is not allowed from where the row is).
    """
    return rows.filter(**{f"{field}__in": list(frm)}).update(**{field: to}, **also)


def moved(row: Model, field: str, *, frm: Iterable[str], to: str, **also: Any) -> bool:
    """`move` for one row, which is refreshed when it moved."""
    manager = type(row)._default_manager
    if not move(manager.filter(pk=row.pk), field, frm=frm, to=to, **also):
        return False
    row.refresh_from_db(fields=[field, *also])
    return True
