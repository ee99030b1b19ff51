# SPDX-License-Identifier: GPL-2.0-or-later
"""A portion on its way to a receiver: what is sent of it, and what it means if a part arrives."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.output.fate import Fate
from collector.output.portion import Portion


@dataclass(slots=True)
class Shipment:
    """One portion, encoded for one receiver."""

    portion: Portion
    unsent: Mapping[int, Fate]
    """Records that are not sent, by their place in the portion."""
    ends: Sequence[int]
    """For each record how much of the shipment must arrive for it to be delivered."""
    _whole: tuple[Portion, Counter[Fate]] | None = None

    @property
    def size(self) -> int:
        """How much must arrive for all of it."""
        return self.ends[-1] if self.ends else 0

    def part(self, arrived: int) -> tuple[Portion, Counter[Fate]]:
        """What is delivered when so much has arrived, with the fates of these records."""
        if arrived < self.size:
            return self._part(bisect_right(self.ends, arrived))
        # Asked for again and again while it settles.
        self._whole = self._whole or self._part(len(self.ends))
        return self._whole

    def _part(self, count: int) -> tuple[Portion, Counter[Fate]]:
        fates = Counter(fate for place, fate in self.unsent.items() if place < count)
        fates[Fate.DELIVERED] = count - fates.total()
        return self.portion.prefix(count), fates
