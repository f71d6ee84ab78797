"""Many rows at once: by COPY, into a staging table of this connection where some may be there already."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

MOST_ROWS = 2_000  # of an INSERT that the ORM writes out row by row: a statement takes 65,535 values

Parameters = Sequence[Any] | Mapping[str, Any]

# Tables that are emptied at every commit cost two milliseconds a commit, used or not. So rows are deleted
# before the next use, and only what has piled up (nobody vacuums a temporary table) is truncated.
MOST_LEFT = 2_000
_left: "WeakKeyDictionary[Any, dict[str, int]]" = WeakKeyDictionary()


def stage(name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> str:
    """The `rows` are in the answered temporary table with `columns` (name, type), and nothing else is."""
    table = f"pg_temp.stage_{name}"
    fields = ", ".join(f"{column} {kind}" for column, kind in columns)
    names = ", ".join(column for column, _ in columns)
    with connection.cursor() as cursor:
        left = _left.setdefault(connection.connection, {})
        empty = "TRUNCATE" if left.get(name, 0) > MOST_LEFT else "DELETE FROM"
        cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS stage_{name} ({fields}); {empty} {table}")
        number = 0 if empty == "TRUNCATE" else left.get(name, 0)
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
                number += 1
        left[name] = number
    return table


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """The `rows` are in `table` itself: for those that cannot be there yet."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as into,
    ):
        for row in rows:
            into.write_row(row)


def run(sql: str, parameters: Parameters = ()) -> int:
    """How many rows one statement changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def rows(sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
    """What one statement answers."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
