"""Insert what is new, replace what is older: one prepared statement for a whole batch.

`INSERT … ON CONFLICT … DO UPDATE … WHERE` means the same to SQLite and PostgreSQL. Going through the ORM's objects
costs about five times as much a row, which is what decides how many events a second can be kept up with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from django.db import connection
from django.db.models import JSONField, Model

Row = Mapping[str, Any]
"""Column → value; a column that is not named has its default."""


def upsert(table: type[Model], key: Sequence[str], rows: Iterable[Row], newer_by: str | None = None) -> None:
    """`key` are the columns of a unique constraint. With `newer_by` only a row that is greater
    in that column replaces a stored one; else every one does."""
    defaults, as_json = _shape(table)
    values = [_values({**defaults, **row}, as_json) for row in rows]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(_statement(connection.vendor, table, tuple(key), newer_by), values)


def row_of(instance: Model) -> dict[str, Any]:
    """All columns of a model's instance but its primary key."""
    return {name: getattr(instance, name) for name in _shape(type(instance))[0]}


def _values(row: dict[str, Any], as_json: tuple[str, ...]) -> tuple[Any, ...]:
    for name in as_json:
        row[name] = orjson.dumps(row[name]).decode()
    return tuple(row.values())


@cache
def _shape(table: type[Model]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Columns with their defaults, in the order of the statement; and those that hold JSON."""
    columns = [field for field in table._meta.concrete_fields if not field.primary_key]
    defaults = {field.attname: field.get_default() for field in columns}
    return defaults, tuple(field.attname for field in columns if isinstance(field, JSONField))


@cache
def _statement(vendor: str, table: type[Model], key: tuple[str, ...], newer_by: str | None) -> str:
    quoted = connection.ops.quote_name
    name, columns = quoted(table._meta.db_table), list(_shape(table)[0])
    changed = ", ".join(f"{quoted(c)} = excluded.{quoted(c)}" for c in columns if c not in key)
    condition = f" WHERE excluded.{quoted(newer_by)} > {name}.{quoted(newer_by)}" if newer_by else ""
    return (
        f"INSERT INTO {name} ({', '.join(map(quoted, columns))}) "  # noqa: S608 - names of our own tables only
        f"VALUES ({', '.join(['%s'] * len(columns))}) "
        f"ON CONFLICT ({', '.join(map(quoted, key))}) DO UPDATE SET {changed}{condition}"
    )
