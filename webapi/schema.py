# SPDX-License-Identifier: GPL-2.0-or-later
"""What values look like, as JSON Schema (draft 2020-12): of parameters beside their parsers, and of
what is read and answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
Parameters: TypeAlias = Mapping[str, Schema]
"""The query parameters of a route: what they are called, and what they look like."""


class Setting(NamedTuple):
    """Stands in a schema for the value of a setting of ``web``."""

    name: str


NO_PARAMETERS: Final[Parameters] = {}
TEXT: Final[Schema] = {"type": "string", "minLength": 1}
PATTERN: Final[Schema] = {**TEXT, "description": "Exact text, or a pattern with `*`."}
FLAG: Final[Schema] = {"type": "boolean"}
MOMENT: Final[Schema] = {
    "type": "string",
    "description": "ISO 8601 (UTC without a zone), seconds since 1970, `now`, or `-15m`.",
    "examples": ["2026-11-23T12:00:00Z", "-15m"],
}
TIME_ZONE: Final[Schema] = {
    **TEXT,
    "description": "Name of the IANA time zone database; the times of the file are on its clock.",
    "examples": ["Europe/Berlin"],
}
DURATION: Final[Schema] = {
    "type": "string",
    "pattern": r"^[0-9]{1,8}(\.[0-9]{1,6})?(ms|s|m)?$",
    "description": "Seconds, or a number with a unit.",
    "examples": ["1.5", "250ms", "2m"],
}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
"""In an answer: UTC, with µs where they are known."""


def integer(low: int, high: int) -> Schema:
    """A number from ``low`` to ``high``."""
    return {"type": "integer", "minimum": low, "maximum": high}


def up_to(setting: str) -> Schema:
    """A number of rows, at most that of the setting of ``web``."""
    return {
        "type": "integer",
        "minimum": 1,
        "maximum": Setting(setting),
        "description": f"Up to `web.{setting}`.",
    }


def one_of(words: Iterable[str]) -> Schema:
    """One of a few words."""
    return {"type": "string", "enum": [str(word) for word in words]}


def some_of(item: Schema, description: str = "") -> Schema:
    """One or several, in a parameter with commas between them."""
    found: Schema = {"type": "array", "items": item, "minItems": 1}
    return {**found, "description": description} if description else found


def optional(schema: Schema) -> Schema:
    """That, or null."""
    if set(schema) == {"type"}:
        return {"type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def array(item: Schema) -> Schema:
    """Any number of them."""
    return {"type": "array", "items": item}


def by_name(value: Schema) -> Schema:
    """An object whose names are data."""
    return {"type": "object", "additionalProperties": value}


def record(
    required: Mapping[str, Schema], more: Mapping[str, Schema] | None = None
) -> dict[str, Any]:
    """An object with these fields, and ``more`` that it may have; no others."""
    return {
        "type": "object",
        "properties": {**required, **(more or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def ref(name: str) -> Schema:
    """One of the schemas that the description has under a name."""
    return {"$ref": f"#/components/schemas/{name}"}
