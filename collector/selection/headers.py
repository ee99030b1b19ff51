# SPDX-License-Identifier: GPL-2.0-or-later
"""Headers that the settings ask for by name: those of the leg before, and custom ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

import re2

from collector.selection.expression import compile_pattern
from collector.sip import find_headers
from collector.sip_header import COMPACT_NAMES

_NAME: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}\Z")
"""A token (RFC 3261 §25.1)."""
_INTEGER: Final = re.compile(rb"-?[0-9]{1,15}\Z")
_DECIMAL: Final = re.compile(rb"-?[0-9]{1,15}\.[0-9]{1,9}\Z")


class ValueType(StrEnum):
    """How the value of a custom header is kept."""

    TEXT = "text"
    NUMBER = "number"
    """A JSON number; text when it is none."""


class AlegHeader(NamedTuple):
    """One header that names the leg before."""

    name: bytes
    """In lower case."""
    label: str
    """As the settings spell it."""
    pattern: re2.Pattern[bytes] | None
    """Its first group is the part of the value that counts."""


class CustomHeader(NamedTuple):
    """One header that is kept."""

    name: bytes
    """In lower case."""
    key: str
    """As the settings spell it."""
    type: ValueType


class Found(NamedTuple):
    """What the wanted headers of a message say."""

    aleg_id: bytes = b""
    """The leg before, clean text; ``b""`` when none says."""
    aleg_header: str = ""
    """Which header said it."""
    custom: Mapping[str, str | int | float] = MappingProxyType({})
    """The custom headers by name."""


class Headers:
    """Finds the wanted headers of one message in one pass."""

    def __init__(self, aleg: Iterable[str], custom: Iterable[str]) -> None:
        """Entries as in ``correlation.headers`` and ``sip.custom_headers``; raises ValueError."""
        self._aleg = tuple(map(_aleg_header, aleg))
        self._custom = tuple(map(_custom_header, custom))
        self._wanted = frozenset([item.name for item in self._aleg]).union(
            item.name for item in self._custom
        )

    def find(self, payload: bytes, max_field_bytes: int) -> Found:
        """What is wanted of one message.

        Of several A-leg headers the first in the settings that is in the message counts; of a
        header that is repeated the first one. Values are cut at ``max_field_bytes``.
        """
        found = find_headers(payload, self._wanted)
        aleg_id, header = self._aleg_id(found, max_field_bytes)
        return Found(aleg_id, header, self._values(found, max_field_bytes))

    def _aleg_id(self, found: dict[bytes, bytes], max_bytes: int) -> tuple[bytes, str]:
        for name, label, pattern in self._aleg:
            value = found.get(name)
            if value and pattern:
                matched = pattern.search(value)
                value = matched[1] if matched else b""
            if value:
                return _clean(value, max_bytes).encode(), label
        return b"", ""

    def _values(self, found: dict[bytes, bytes], max_bytes: int) -> dict[str, str | int | float]:
        values: dict[str, str | int | float] = {}
        for name, key, kind in self._custom:
            value = found.get(name)
            if value is not None:
                convert = _number if kind is ValueType.NUMBER else _clean
                values[key] = convert(value, max_bytes)
        return values


def _aleg_header(entry: str) -> AlegHeader:
    """From ``Name`` or ``Name: pattern``."""
    name, colon, pattern = entry.partition(":")
    if not colon:
        return AlegHeader(_full_name(name), name.strip(), None)
    compiled = compile_pattern(pattern.strip().encode())
    if compiled.groups < 1:
        message = f"{pattern.strip()!r} has no group: put parentheses around the part that counts"
        raise ValueError(message)
    return AlegHeader(_full_name(name), name.strip(), compiled)


def _custom_header(entry: str) -> CustomHeader:
    """From ``Name`` or ``Name: number``."""
    name, _, kind = entry.partition(":")
    try:
        value_type = ValueType(kind.strip() or ValueType.TEXT)
    except ValueError:
        message = f"{entry!r}: the type after the colon must be {' or '.join(ValueType)}"
        raise ValueError(message) from None
    return CustomHeader(_full_name(name), name.strip(), value_type)


def _full_name(name: str) -> bytes:
    """A header name in lower case, compact forms written out."""
    if not _NAME.match(name.strip()):
        message = f"{name!r} is no header name"
        raise ValueError(message)
    lower = name.strip().lower().encode()
    return COMPACT_NAMES.get(lower, lower)


def _number(value: bytes, max_bytes: int) -> str | int | float:
    if _INTEGER.match(value):
        return int(value)
    if _DECIMAL.match(value):
        return float(value)
    return _clean(value, max_bytes)


def _clean(value: bytes, max_bytes: int) -> str:
    text = value.decode("utf-8", "replace").replace("\0", "\ufffd")
    return text.encode()[:max_bytes].decode("utf-8", "ignore")
