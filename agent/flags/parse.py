# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line as Go's ``flag`` package reads it, with its words for what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from agent.flags.table import FLAGS, Flag, Kind, Value
from collector.errors import KemiscopeError

_BOOLEANS: Final = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "FALSE", "false", "False"), False
)
_NUMBER: Final = re.compile(
    r"([+-]?)(0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*"
    r"|[1-9](?:_?[0-9])*)\Z"
)
"""A literal of Go: ``10``, ``0x0a``, ``0o12``, ``012``, ``0b1010``, ``1_000``."""
_BASES: Final = {"x": 16, "o": 8, "b": 2}
_BEYOND: Final = 1 << 64
_RANGES: Final = {Kind.INT: range(-(1 << 63), 1 << 63), Kind.UINT: range(_BEYOND)}
_MOST_DIGITS: Final = 70
"""What has more is out of range; 64 binary ones and the prefix are within."""


class FlagError(KemiscopeError):
    """A command line that cannot be read: Go's programs print it and the usage, and exit with 2."""


class HelpRequestedError(KemiscopeError):
    """``-h`` or ``-help`` was met, and none of these is a flag."""


class Line(NamedTuple):
    """A command line, read."""

    values: Mapping[str, Value]
    """Every flag; its default where it is not given."""
    given: frozenset[str]
    rest: Sequence[str]
    """What was not read: all from the first argument on that is neither flag nor value."""


def parse(arguments: Sequence[str]) -> Line:
    """Read the arguments behind the program's name.

    ``-name value``, ``-name=value``, two dashes for one; the last of the same name counts. A
    boolean takes a value only behind ``=``. ``--`` and the first argument that is no flag end the
    flags. Raises FlagError, HelpRequestedError.
    """
    found: dict[str, Value] = {}
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        if len(argument) < 2 or argument[0] != "-":
            break
        at += 1
        if argument == "--":
            break
        name, equals, text = argument[2 if argument[1] == "-" else 1 :].partition("=")
        if not name or name[0] == "-":
            message = f"bad flag syntax: {argument}"
            raise FlagError(message)
        flag = FLAGS.get(name)
        if flag is None:
            if name in ("h", "help"):
                raise HelpRequestedError
            message = f"flag provided but not defined: -{name}"
            raise FlagError(message)
        if not equals and flag.kind is Kind.BOOL:
            text = "true"
        elif not equals:
            if at == len(arguments):
                message = f"flag needs an argument: -{name}"
                raise FlagError(message)
            text = arguments[at]
            at += 1
        found[name] = _value(flag, text)
    defaults = {name: flag.default for name, flag in FLAGS.items()}
    return Line(defaults | found, frozenset(found), arguments[at:])


def _value(flag: Flag, text: str) -> Value:
    """The value of a flag; raises FlagError."""
    if flag.kind is Kind.STRING:
        return text
    if flag.kind is Kind.BOOL:
        if text not in _BOOLEANS:
            message = f"invalid boolean value {_quoted(text)} for -{flag.name}: parse error"
            raise FlagError(message)
        return _BOOLEANS[text]
    number = _number(text)
    reason = "value out of range"
    if number is None or (flag.kind is Kind.UINT and text[0] in "+-"):
        reason = "parse error"
    elif number in _RANGES[flag.kind]:
        return number
    message = f"invalid value {_quoted(text)} for flag -{flag.name}: {reason}"
    raise FlagError(message)


def _number(text: str) -> int | None:
    """An integer in one of Go's notations, or None."""
    literal = _NUMBER.match(text)
    if literal is None:
        return None
    digits = literal[2].replace("_", "")
    if len(digits) > _MOST_DIGITS:
        return _BEYOND
    base = _BASES.get(digits[1:2].lower(), 8 if digits[0] == "0" else 10)
    number = int(digits[2:] if digits[1:2].isalpha() else digits, base)
    return -number if literal[1] == "-" else number


def _quoted(text: str) -> str:
    """As Go's ``%q`` shows it."""
    return json.dumps(text, ensure_ascii=False)
