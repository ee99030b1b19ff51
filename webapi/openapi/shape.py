# SPDX-License-Identifier: GPL-2.0-or-later
"""Schemas out of columns and types."""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from collector.columns import Column
from webapi.schema import TIME, Schema, array, by_name, one_of, optional, record

STRING: Final[Schema] = {"type": "string"}
INTEGER: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
ANY_OBJECT: Final = by_name({})
ID: Final[Schema] = {
    "type": "string",
    "pattern": "^[0-9]+$",
    "description": "Of a message; text, because a browser's numbers cannot hold it.",
}
_OF_POSTGRESQL: Final[Mapping[str, Schema]] = {
    "timestamp with time zone": TIME,
    "bigint": INTEGER,
    "integer": INTEGER,
    "smallint": INTEGER,
    "double precision": NUMBER,
    "real": NUMBER,
    "boolean": BOOLEAN,
    "inet": STRING,
    "text": STRING,
    "jsonb": ANY_OBJECT,
}
_OF_PYTHON: Final[Mapping[type, Schema]] = {
    str: STRING,
    int: INTEGER,
    float: NUMBER,
    bool: BOOLEAN,
    datetime: TIME,
}


def of_columns(
    columns: Iterable[Column], but: Collection[str] = (), **more: Schema
) -> dict[str, Schema]:
    """The fields of a row as ``webapi.rows`` shows it: what it does not have is left out."""
    shown = {column.name: _of_column(column) for column in columns if column.name not in but}
    return {**shown, **more}


def _of_column(column: Column) -> Schema:
    is_id = column.type == "bigint" and column.name.endswith("_id")
    found = ID if is_id else _OF_POSTGRESQL[column.type]
    return {**found, "description": column.meaning}


def of_type(kind: Any, but: Collection[str] = (), **other: Schema) -> Schema:
    """What becomes of a value of this type when it is shown as JSON.

    Fields of a NamedTuple are all there, unless they are in ``but``; ``other`` are instead of them
    or beside them. Raises TypeError for what it does not know.
    """
    if found := _OF_PYTHON.get(kind):
        return found
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (wanted,) = (part for part in arguments if part is not types.NoneType)
        return optional(of_type(wanted))
    if origin in (tuple, frozenset):
        return array(of_type(arguments[0]))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return one_of(kind)
    if isinstance(kind, type) and hasattr(kind, "_fields"):
        hints = typing.get_type_hints(kind).items()
        shown = {name: of_type(hint) for name, hint in hints if name not in (*but, *other)}
        return record({**shown, **other})
    message = f"no schema is known for {kind}"
    raise TypeError(message)
