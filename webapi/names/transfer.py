# SPDX-License-Identifier: GPL-2.0-or-later
"""Aliases as homer-app has them, JSON and CSV: many at once, in and out.

Beside its fields ``alias``, ``ip``, ``mask``, ``port``, ``captureID`` and ``status`` there are
``node`` and ``type``, which are ours.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from collector.log import one_line
from webapi.access import fields
from webapi.change import parse_json
from webapi.errors import ApiError
from webapi.export.table import FORMULA, cell, csv_lines
from webapi.names.alias import MAX_NAME, MAX_TEXT, Alias, Wanted
from webapi.names.asked import MAX_PORT, network

FIELDS: Final = ("alias", "ip", "mask", "port", "captureID", "status", "node", "type")
REQUIRED: Final = ("alias", "ip")
IGNORED: Final = frozenset({"id", "guid", "version", "create_date"})
"""What homer-app has beside that, and means nothing elsewhere."""
_DIGITS: Final = re.compile(r"[0-9]{1,5}\Z")
_TRUE: Final = frozenset({"true", "t", "1", ""})
_FALSE: Final = frozenset({"false", "f", "0"})
WORDS: Final = sorted(_TRUE | _FALSE)
"""What text may say for true and false; empty is true."""


def to_fields(alias: Alias) -> dict[str, Any]:
    """One alias, as an object."""
    values = (
        *(alias.name, str(alias.network.network_address), alias.network.prefixlen, alias.port),
        *(alias.capture_id, alias.enabled, alias.capture_node, alias.type),
    )
    return dict(zip(FIELDS, values, strict=True))


def to_json(aliases: Iterable[Alias]) -> bytes:
    """An object with ``data``, as homer-app answers it."""
    return orjson.dumps({"data": list(map(to_fields, aliases))})


def to_csv(aliases: Iterable[Alias]) -> bytes:
    """A line of names, then a line each."""
    lines = (map(cell, to_fields(alias).values()) for alias in aliases)
    return csv_lines([FIELDS]) + csv_lines(lines)


def from_json(body: bytes, most: int) -> list[Wanted]:
    """An object with a list of objects as ``data``. Raises ApiError 400, 409 and 422."""
    found = parse_json(body)
    if not isinstance(found, dict):
        raise ApiError(400, "bad_json", "the body is not a JSON object")
    data = fields.check(found, ("data",))["data"]
    if not isinstance(data, list):
        raise fields.wrong("data", "must be a list")
    return _all(enumerate(data, 1), "entry", most)


def from_csv(body: bytes, most: int) -> list[Wanted]:
    """The first line names the columns. Raises ApiError 400, 409 and 422."""
    try:
        lines = csv.DictReader(
            io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True, restval=""
        )
        return _all(_lines(lines), "line", most)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ApiError(400, "bad_csv", f"the body is not CSV: {error}") from None


def _lines(lines: csv.DictReader[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line in lines:
        yield lines.line_num, {name: _text(value) for name, value in line.items()}


def _text(value: str | list[str]) -> Any:
    """Without the apostrophe that keeps a spreadsheet from calculating."""
    if isinstance(value, str) and value[:1] == "'" and value[1:].startswith(FORMULA):
        return value[1:]
    return value


def _all(found: Iterable[tuple[int, Any]], place: str, most: int) -> list[Wanted]:
    wanted = []
    for number, given in found:
        try:
            wanted.append(from_fields(given))
        except ApiError as error:
            message = f"{place} {number}: {error}"
            raise ApiError(error.status, error.code, message, error.field) from None
        if len(wanted) > most:
            message = f"there may be {most} aliases (web.max_aliases), and these are more"
            raise ApiError(409, "too_many_aliases", message)
    return wanted


def from_fields(given: Any) -> Wanted:
    """One alias, from an object of ``FIELDS``. Raises ApiError 422."""
    if not isinstance(given, dict):
        raise ApiError(422, "bad_field", "is no object")
    for name in given:
        if name not in FIELDS and name not in IGNORED:
            shown = one_line(str(name))[:MAX_TEXT]
            raise fields.wrong(shown, f"there is no such field; there are {', '.join(FIELDS)}")
    address = fields.text(given, "ip", MAX_TEXT, empty=False).strip()
    return Wanted(
        fields.text(given, "alias", MAX_NAME, empty=False).strip(),
        network(
            f"{address}/{_number(given, 'mask', 128)}" if given.get("mask", "") != "" else address
        ),
        _number(given, "port", MAX_PORT),
        fields.text(given, "node", MAX_TEXT).strip(),
        fields.text(given, "type", MAX_TEXT).strip(),
        fields.text(given, "captureID", MAX_TEXT).strip(),
        _flag(given, "status"),
    )


def _number(given: Mapping[str, Any], name: str, high: int) -> int:
    """CSV has text only; without the field, or with an empty one, it is 0."""
    value = given.get(name, "")
    is_number = isinstance(value, int | str) and not isinstance(value, bool)
    text = str(value or 0)
    found = int(text) if is_number and _DIGITS.match(text) else high + 1
    if found > high:
        raise fields.wrong(name, f"must be a number from 0 to {high}")
    return found


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, True)
    if isinstance(value, str):
        value = value.strip().lower()
        if value in WORDS:
            return value in _TRUE
    if not isinstance(value, bool):
        raise fields.wrong(name, "must be true or false")
    return value
