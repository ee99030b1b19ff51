# SPDX-License-Identifier: GPL-2.0-or-later
"""Legs that this process has lately brought into their rows.

Of such a leg the process knows where its row is filed, and that the row has the origin of a message
at least as early: what later messages say of the origin can only lose there. So neither need be
sent and looked up again, which is most of what an update of a running call would cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

MAX_LEGS: Final = 50_000
"""In each of two generations. An older leg is written as if it were new, which costs more."""


class Filed(NamedTuple):
    """A leg in its row."""

    ts: int
    """What files the row, µs since 1970."""
    first: tuple[int, int, int]
    """Rank, time and id of the earliest origin that was written."""


class KnownLegs:
    """The last legs by Call-ID; the oldest are forgotten in thousands."""

    def __init__(self) -> None:
        self._young: dict[bytes, Filed] = {}
        self._old: dict[bytes, Filed] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, call_id: bytes) -> Filed | None:
        """What is known of a leg."""
        return self._young.get(call_id) or self._old.get(call_id)

    def add(self, legs: Mapping[bytes, Filed]) -> None:
        """Remember legs whose rows are committed."""
        self._young.update(legs)
        if len(self._young) > MAX_LEGS:
            self._old, self._young = self._young, {}

    def forget(self) -> None:
        """Know nothing: a row is not where it was, or the database is another."""
        self._young = {}
        self._old = {}
