# SPDX-License-Identifier: GPL-2.0-or-later
"""Legs, registrations and links as rows in PostgreSQL's binary COPY format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import Any, Final

from collector.copy_binary import (
    NULL,
    clean_text,
    inet,
    jsonb,
    pack_int2,
    pack_int4,
    pack_int8,
    pack_length,
    timestamp,
)
from collector.correlation.columns import Group

Encoder = Callable[[Any], bytes]

MAX_TEXT_BYTES: Final = 512
"""Longest value of a text column; a longer one is cut. The messages have it whole."""
MAX_SEEN_BYTES: Final = 4096
"""Of the messages of a leg that repeats are counted by; further ones are not looked at."""
_INT2_MAX: Final = (1 << 15) - 1

_NONE: Final[Mapping[int, bytes]] = {}

_pack_count: Final = Struct(">h").pack


def _text(value: bytes | None) -> bytes:
    if not value:
        return NULL
    value = clean_text(value, MAX_TEXT_BYTES)
    return pack_length(len(value)) + value


def _integer(value: int | None) -> bytes:
    return NULL if value is None else pack_int4(4, value)


def _smallint(value: int | None) -> bytes:
    return NULL if value is None else pack_int2(2, min(value, _INT2_MAX))


def _bigint(value: int | None) -> bytes:
    return NULL if value is None else pack_int8(8, value)


def _boolean(value: bool | None) -> bytes:
    return NULL if value is None else b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


def _inet(value: bytes | None) -> bytes:
    return NULL if value is None else inet(value)


def _jsonb(value: bytes | None) -> bytes:
    return jsonb(value) if value else NULL


def _seen(values: list[int] | None) -> bytes:
    """4 bytes for each message, in the order of their values: that of arrival says nothing."""
    if not values:
        return NULL
    kept = sorted(values)[: MAX_SEEN_BYTES // 4]
    return pack_length(4 * len(kept)) + b"".join([value.to_bytes(4) for value in kept])


_ENCODERS: Final[dict[str, Encoder]] = {
    "text": _text,
    "integer": _integer,
    "smallint": _smallint,
    "bigint": _bigint,
    "boolean": _boolean,
    "inet": _inet,
    "jsonb": _jsonb,
    "bytea": _seen,
    "timestamp with time zone": timestamp,
}


class RowEncoder:
    """Encodes what the groups of one table say."""

    def __init__(self, filing: int, groups: tuple[Group, ...]) -> None:
        """``filing`` is the number of columns before those of the groups."""
        columns = filing + sum(len(group.columns) for group in groups)
        self._start = _pack_count(columns)
        self._nothing = [NULL * len(group.columns) for group in groups]
        self._encoders = [_group_encoder(group) for group in groups]

    def row(
        self, filing: Iterable[bytes], slots: list[Any], given: Mapping[int, bytes] = _NONE
    ) -> bytes:
        """One COPY row: encoded filing columns, then the slots in the order of the groups.

        ``given`` has what stands in the place of a slot, encoded already.
        """
        # Most slots of most rows are empty.
        parts = self._nothing.copy()
        for number, value in enumerate(slots):
            if value is not None:
                parts[number] = given.get(number) or self._encoders[number](value)
        return b"".join((self._start, *filing, *parts))

    def slot(self, number: int, value: Any) -> bytes:
        """One slot, encoded."""
        return self._encoders[number](value)


def _group_encoder(group: Group) -> Encoder:
    """Encodes the value of a single column, or the values of several."""
    encoders = [_ENCODERS[column.type] for column in group.columns]
    if len(encoders) == 1:
        return encoders[0]
    return lambda values: b"".join(
        [encode(value) for encode, value in zip(encoders, values, strict=True)]
    )


def required_text(value: bytes) -> bytes:
    """A text value that is never null; clean as it is, like a Call-ID in its row."""
    return pack_length(len(value)) + value


def optional_text(value: bytes) -> bytes:
    """A text value; NULL when it is empty."""
    return _text(value)
