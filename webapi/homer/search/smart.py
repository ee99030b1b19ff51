# SPDX-License-Identifier: GPL-2.0-or-later
"""The smart input: a condition written in one line.

::

    expression := conjunction { OR conjunction }
    conjunction := condition { AND condition }
    condition := [NOT] "(" expression ")" | field sign value
    sign := "=" | "!=" | "<>" | ">" | ">=" | "<" | "<=" | [NOT] LIKE

A value is a word, or stands in single or double quotes. What does not parse is refused, with the
place where it stops making sense.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from psycopg import sql

from webapi.errors import bad_parameter
from webapi.filters import Condition
from webapi.homer.search.condition import (
    MAX_ELEMENTS,
    SMART_INPUT,
    Names,
    compared,
    like,
    matching,
)

_MAX_DEPTH: Final = 20
_EQUAL: Final = ("=", "!=", "LIKE", "NOT LIKE")
"""As in a form: ``%`` makes a pattern, ``isEmpty`` looks for nothing."""
_FIELD: Final = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_SIGN: Final = re.compile(r"<=|>=|<>|!=|=|<|>|(?:NOT\s+)?LIKE(?=[\s'\"])", re.IGNORECASE)
_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*+)'|\"((?:[^\"\\]|\\.)*+)\"", re.DOTALL)
_ESCAPED_QUOTE: Final = re.compile(r"\\(['\"])")
_WORD: Final = re.compile(r"[^\s()\",;]|\([^\s()\",;]*\)")
_SPACE: Final = re.compile(r"\s*")


def parse(names: Names, text: str) -> Condition:
    """The condition. Raises ApiError 400 that says where the text stops making sense."""
    reader = _Reader(names, text)
    found = reader.expression(0)
    reader.expect_end()
    return found


class _Reader:
    """Reads the text from the left."""

    def __init__(self, names: Names, text: str) -> None:
        self._names = names
        self._text = text
        self._at = 0
        self._conditions = 0

    def expression(self, depth: int) -> Condition:
        """Alternatives."""
        if depth > _MAX_DEPTH:
            self._fail("has more than 20 brackets within each other")
        return self._joined(depth, "OR")

    def expect_end(self) -> None:
        """Raise ApiError if there is more."""
        if self._take(r"\S") is not None:
            self._at -= 1
            self._fail("needs AND or OR here")

    def _joined(self, depth: int, word: str) -> Condition:
        parts: list[sql.Composable] = []
        values: list[Any] = []
        while not parts or self._keyword(word):
            condition, bound = (
                self._joined(depth, "AND") if word == "OR" else self._condition(depth)
            )
            parts.append(condition)
            values += bound
        return sql.SQL("({})").format(sql.SQL(f" {word} ").join(parts)), values

    def _condition(self, depth: int) -> Condition:
        negated = self._keyword("NOT")
        if self._take(r"\(") is not None:
            condition, values = self.expression(depth + 1)
            if self._take(r"\)") is None:
                self._fail("needs ) here")
        else:
            condition, values = self._comparison()
        return (sql.SQL("NOT {}").format(condition) if negated else condition), values

    def _comparison(self) -> Condition:
        self._conditions += 1
        if self._conditions > MAX_ELEMENTS:
            self._fail(f"has more than {MAX_ELEMENTS} conditions")
        name = self._match(_FIELD)
        if name is None:
            self._fail("needs the name of a field here")
        field, column = self._names.column(name)
        sign = self._match(_SIGN)
        if sign is None:
            self._fail(f"needs one of = != < <= > >= LIKE after {name}")
        sign = " ".join(sign.upper().replace("<>", "!=").split())
        value = self._value()
        if sign.endswith("LIKE") and name not in ("raw", "id", "create_date"):
            condition, values = like(column, value)
        elif sign in _EQUAL:
            condition, values = matching(field, column, name, value)
        elif name == "raw":
            self._fail("raw is compared with = != LIKE only")
        else:
            return compared(field, column, name, sign, value)
        negated = sign in ("!=", "NOT LIKE")
        return (sql.SQL("NOT ({})").format(condition) if negated else condition), values

    def _value(self) -> str:
        self._skip()
        quoted = _QUOTED.match(self._text, self._at)
        if quoted:
            self._at = quoted.end()
            return _ESCAPED_QUOTE.sub(r"\1", quoted[1] if quoted[1] is not None else quoted[2])
        begin = self._at
        if self._text.startswith("'", begin):
            self._fail("the quotation has no end")
        while word := _WORD.match(self._text, self._at):
            self._at = word.end()
        if begin == self._at:
            self._fail("needs a value here; quote one that has blanks")
        return self._text[begin : self._at]

    def _keyword(self, word: str) -> bool:
        return self._take(rf"(?i:{word})(?![\w.])") is not None

    def _take(self, pattern: str) -> str | None:
        return self._match(re.compile(pattern))

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        self._skip()
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _fail(self, what: str) -> NoReturn:
        rest = self._text[self._at : self._at + 20] or "the end"
        raise bad_parameter(SMART_INPUT, f"{what}, at character {self._at + 1}: {rest!r}")
