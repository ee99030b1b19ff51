# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a live stream is: which transactions' rows have been read.

A transaction becomes visible as a whole. So it is enough to remember the oldest one that was still
running, and which of those after it were visible already.
"""

from __future__ import annotations

import base64
from typing import Annotated, Final, NamedTuple

import msgspec

MAX_KNOWN: Final = 64
"""Transactions in an event's id. They are more only while a transaction writes for a long time."""
_XID_MASK: Final = (1 << 32) - 1
_HALF: Final = 1 << 31
_Xid = Annotated[int, msgspec.Meta(ge=0, le=_XID_MASK)]
_Xids = Annotated[tuple[_Xid, ...], msgspec.Meta(max_length=MAX_KNOWN)]
_Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Text = Annotated[str, msgspec.Meta(max_length=4096)]


class Snapshot(NamedTuple):
    """What ``pg_current_snapshot()`` says: all below ``oldest`` have ended, none from ``next`` on
    has begun."""

    oldest: int
    next: int

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """From ``xmin:xmax:xip_list``."""
        oldest, next_, _ = text.split(":", 2)
        return cls(int(oldest), int(next_))


class Position(NamedTuple):
    """Everything below ``first`` has been read, and ``known``; times are µs since 1970."""

    first: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    """64 bits, as xid8."""
    known: _Xids
    """32 bits, as a row has them in xmin."""
    floor_us: Annotated[int, msgspec.Meta(ge=0, le=250_000_000_000_000_000)]
    """Rows before it were not looked at."""
    at_us: Annotated[int, msgspec.Meta(ge=0, le=250_000_000_000_000_000)]
    """When it was so."""


def after(snapshot: Snapshot, visible: set[int]) -> tuple[int, tuple[int, ...]]:
    """``first`` and ``known`` when all that is ``visible`` in a snapshot has been read.

    Numbers of 32 bits come round; what lies less than half the circle ahead is later.
    """
    low = snapshot.oldest & _XID_MASK
    known = sorted(xid for xid in visible if (xid - low) & _XID_MASK < _HALF)
    return snapshot.oldest, tuple(known)


class EventId(NamedTuple):
    """Where a stream goes on: behind the row ``key`` of the transactions ``batch``, which were read
    together from ``position`` on; without both behind the position."""

    position: Position
    batch: _Xids = ()
    key: tuple[_Integer | _Text, ...] = ()

    def encode(self) -> str:
        """Text for one line; empty when it would be too long."""
        if max(len(self.position.known), len(self.batch)) > MAX_KNOWN:
            return ""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, order: tuple[type, ...]) -> EventId | None:
        """None if it is none, or of another kind of row: ``order`` are the types of a key."""
        try:
            padded = text + "=" * (-len(text) % 4)
            found = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=cls)
        except (ValueError, msgspec.DecodeError):
            return None
        fits = tuple(map(type, found.key)) in ((), order)
        return found if fits and not any("\0" in str(part) for part in found.key) else None
