# SPDX-License-Identifier: GPL-2.0-or-later
"""Records that were read together, and where any place among them is in their slots."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from collector.journal.record import SLOT_BITS, Record
from collector.output.fate import Fate
from collector.output.state import Position

_SLOT_MASK: Final = (1 << SLOT_BITS) - 1


@dataclass(slots=True)
class Portion:
    """Records in order of arrival, and what to commit when they are delivered."""

    records: list[Record]
    slots: dict[int, Position]
    """The positions behind them, of the slots that they came from."""
    missing: dict[int, Counter[Fate]]
    """By slot: records that are gone, found before the first one here."""
    starts: dict[int, Position] = field(default_factory=dict)
    """The positions before the first record of each slot that has one here."""
    _places: tuple[bytes, Sequence[int]] | None = None
    """Slot and end of each record, when the records themselves are forgotten."""

    def forget(self) -> None:
        """Drop the records, but not what ``prefix`` needs to know of them."""
        self._places = self._find_places()
        self.records = []

    def prefix(self, count: int) -> Portion:
        """The first ``count`` records as a portion of their own, without the records."""
        slots, ends = self._places or self._find_places()
        if count >= len(slots):
            return self
        numbers = Counter(slots[:count])
        last = dict(zip(slots[:count], ends, strict=False))
        found = {
            slot: msgspec.structs.replace(
                self.starts[slot],
                octets=self.starts[slot].octets + last[slot],
                number=self.starts[slot].number + number,
            )
            for slot, number in numbers.items()
        }
        missing = {slot: gone for slot, gone in self.missing.items() if slot in found}
        return Portion([], found, missing)

    def _find_places(self) -> tuple[bytes, Sequence[int]]:
        slots = bytes([found.id & _SLOT_MASK for found in self.records])
        return slots, array("L", [found.end for found in self.records])
