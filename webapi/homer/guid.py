# SPDX-License-Identifier: GPL-2.0-or-later
"""HOMER calls everything by a UUID; what has a number here gets one made of it (RFC 9562 §5.8)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final
from uuid import UUID

from webapi.homer.body import unknown

_MARK: Final = int.from_bytes(b"kemisc") << 80 | 8 << 76 | 2 << 62
_ID_BITS: Final = 32
_KIND_SHIFT: Final = 64


class Kind(IntEnum):
    """Whose numbers."""

    USER = 1
    TOKEN = 2


def of(kind: Kind, number: int) -> str:
    """The UUID of this one."""
    return str(UUID(int=_MARK | kind << _KIND_SHIFT | number))


def number_of(kind: Kind, guid: UUID) -> int:
    """The number again. Raises ApiError 404 for a UUID that ``of`` has not made of this kind."""
    number = guid.int & ((1 << _ID_BITS) - 1)
    if of(kind, number) != str(guid) or number >> _ID_BITS - 1:
        raise unknown()
    return number
