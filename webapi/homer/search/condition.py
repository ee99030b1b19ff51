# SPDX-License-Identifier: GPL-2.0-or-later
"""What HOMER's clients write as the value of a field, as SQL with bound values.

``abc`` is equality, ``a;b;c`` a list, ``%`` makes a pattern, ``!=`` negates, ``||`` in front joins
with OR, ``isEmpty`` and ``isNull`` look for what is not there. Names of columns come from
``field.PROFILES`` and from ``sip.custom_headers`` only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import sql

from webapi.errors import bad_parameter
from webapi.filters import Condition, escape_like
from webapi.homer.field import ID_MASK, INTEGER, Field, Profile
from webapi.homer.search.asked import check_text, number
from webapi.parameters import moment

NOT_SEARCHED: Final = frozenset({"limit", "node", "profile", "targetResultsContainer"})
"""Elements that a form sends and that are no conditions."""
SMART_INPUT: Final = "smartinput"
MAX_ELEMENTS: Final = 50
"""Conditions of one search, and values of one list."""
COMPARISONS: Final = ("=", "!=", "<", "<=", ">", ">=", "LIKE", "NOT LIKE")
_SIGNS: Final[Mapping[str, str]] = {sign: sign.replace("!=", "<>") for sign in COMPARISONS[:6]}
_NOT: Final = "!="
_OR: Final = "||"
_EMPTY: Final = ("isEmpty", "isNull")
_DATA: Final = "data_header."
_OURS: Final = ("id", "create_date")
"""Fields of every profile that are no text."""
_SAYABLE: Final = re.compile(r"[A-Za-z_][\w-]*\Z", re.ASCII)
"""Headers for which HOMER has names of fields, with ``_`` in the place of ``-``."""
_TRAILING_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")


class Names:
    """The fields of a profile, with the headers that this installation keeps beside."""

    def __init__(self, profile: Profile, custom_headers: Sequence[str]) -> None:
        self.profile = profile
        headers = (entry.partition(":")[0].strip() for entry in custom_headers)
        self._headers = {
            _plain(name): name for name in headers if profile.is_sip and _SAYABLE.match(name)
        }

    def column(self, name: str) -> tuple[Field | None, sql.Composable]:
        """What the profile knows as ``name``, and SQL for it. Raises ApiError for any other."""
        found = self.profile.find(name)
        if found and (found.expression or found.id == "raw"):
            return found, sql.Identifier(found.key)
        header = self._headers.get(_plain(name.removeprefix(_DATA)))
        if header and name.startswith(_DATA):
            value = sql.SQL("coalesce(headers ->> {}, '')").format(sql.Literal(header))
            return None, value
        if name in _OURS:
            return None, sql.Identifier("ts" if name == "create_date" else name)
        message = f"there is no such field in {self.profile.key}"
        raise bad_parameter(name[:60], message)


def _plain(header: str) -> str:
    """A name of a header as HOMER's fields can say it."""
    return header.lower().replace("-", "_")


def of_elements(
    names: Names,
    elements: object,
    *,
    any_of: bool,
    smart: Callable[[Names, str], Condition],
) -> list[Condition]:
    """The one condition that the elements of a search make, or none. Raises ApiError."""
    if not isinstance(elements, list) or not all(isinstance(one, dict) for one in elements):
        raise bad_parameter("param.search", "must have a list of fields for each profile")
    if len(elements) > MAX_ELEMENTS:
        raise bad_parameter("param.search", f"has more than {MAX_ELEMENTS} fields")
    parts: list[sql.Composable] = []
    values: list[Any] = []
    for element in elements:
        name = element.get("name")
        if not isinstance(name, str):
            raise bad_parameter("param.search", "has a field without a name")
        joiner = " OR " if any_of else " AND "
        given = texts(name, element.get("value"))
        if name in NOT_SEARCHED or not given:
            continue
        if given[0].startswith(_OR):
            joiner, given[0] = " OR ", given[0].removeprefix(_OR)
        condition, bound = (
            smart(names, given[0]) if name == SMART_INPUT else of_value(names, name, given)
        )
        parts += [sql.SQL(joiner), condition] if parts else [condition]
        values += bound
    return [(sql.SQL("({})").format(sql.Composed(parts)), values)] if parts else []


def texts(name: str, value: object) -> list[str]:
    """The value of an element: text, a number, or a list of them. Nothing for an empty one."""
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MAX_ELEMENTS:
        raise bad_parameter(name[:60], f"has more than {MAX_ELEMENTS} values")
    found = []
    for one in listed:
        if one is None or one == "":
            continue
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise bad_parameter(name[:60], "must be text")
        check_text(name[:60], str(one))
        found.append(str(one))
    return found


def of_value(names: Names, name: str, given: Sequence[str]) -> Condition:
    """The condition that a field of a form makes; ``given`` are alternatives."""
    field, column = names.column(name)
    negated = given[0].startswith(_NOT)
    parted = [part for text in given for part in text.split(";")]
    wanted = [part for part in (part.removeprefix(_NOT) for part in parted) if part]
    if not wanted:
        raise bad_parameter(name, "has no value")
    if len(wanted) > MAX_ELEMENTS:
        raise bad_parameter(name, f"has more than {MAX_ELEMENTS} values")
    parts, values = [], []
    for value in wanted:
        part, bound = matching(field, column, name, value)
        parts.append(part)
        values += bound
    form = "NOT ({})" if negated else "({})"
    return sql.SQL(form).format(sql.SQL(" OR ").join(parts)), values


def matching(field: Field | None, column: sql.Composable, name: str, value: str) -> Condition:
    """Equality, a pattern, or nothing at all, as the value says."""
    if name == "raw":
        return _raw(value)
    if value in _EMPTY and name not in _OURS:
        return sql.SQL("{}::text = ''").format(column), []
    if "%" in value and name not in _OURS:
        return like(column, value)
    return compared(field, column, name, "=", value)


def compared(
    field: Field | None, column: sql.Composable, name: str, sign: str, value: str
) -> Condition:
    """``column sign value`` by the type of the field; ``sign`` is of ``COMPARISONS``."""
    bound: Any = value
    form = "{} " + _SIGNS[sign] + " %s"
    if name == "id":
        form, bound = "{} & %s " + _SIGNS[sign] + " %s", number(name, value) & ID_MASK
        return sql.SQL(form).format(column), [ID_MASK, bound]
    if name == "create_date":
        bound = _instant(name, value)
    elif field and field.type == INTEGER:
        bound = number(name, value)
    return sql.SQL(form).format(column), [bound]


def _instant(name: str, value: str) -> datetime:
    """Milliseconds since 1970 as everywhere in HOMER, or ISO 8601."""
    if value.isascii() and value.isdecimal():
        value = f"{int(value[:17]) / 1000:.3f}"
    return moment(name, value, datetime.now(UTC))


def like(column: sql.Composable, pattern: str) -> Condition:
    """Text that the pattern describes, upper and lower case told apart."""
    return sql.SQL("{}::text LIKE %s").format(column), [_whole(pattern)]


def _raw(pattern: str) -> Condition:
    """Text within the packet, upper and lower case of ASCII not told apart.

    The packet is compared in PostgreSQL's escape form, in which every byte has a place.
    """
    wanted = pattern if "%" in pattern else f"%{escape_like(pattern)}%"
    return sql.SQL("encode(raw, 'escape') ILIKE %s").format(), [_whole(_escaped(wanted))]


def _escaped(pattern: str) -> str:
    """A pattern for ``encode(…, 'escape')``: there other bytes than ASCII are like ``\\303``."""
    return "".join(chr(octet) if octet < 0x80 else f"\\\\{octet:03o}" for octet in pattern.encode())


def _whole(pattern: str) -> str:
    """PostgreSQL refuses a pattern that ends within an escape."""
    return pattern + "\\" if _TRAILING_ESCAPE.search(pattern) else pattern
