"""Many rows at once: COPY into a staging table of this connection, then one statement that reads it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection

Parameters = Sequence[Any] | Mapping[str, Any]


def stage(name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> str:
    """The `rows` are in the answered temporary table with `columns` (name, type) until the commit."""
    table = f"pg_temp.stage_{name}"
    fields = ", ".join(f"{column} {kind}" for column, kind in columns)
    names = ", ".join(column for column, _ in columns)
    with connection.cursor() as cursor:
        # NOTICEs of IF NOT EXISTS are cheaper than asking first; the table outlives its rows.
        cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS stage_{name} ({fields}) ON COMMIT DELETE ROWS")
        cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - ours; of an earlier use in this transaction
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    return table


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
