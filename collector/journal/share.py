# SPDX-License-Identifier: GPL-2.0-or-later
"""Which segments an ingest process takes: one takes all while it can, several share when it cannot.

The messages of a call come through several segments. A process that reads all of them writes the
row of a call once; two that know half of the call each write it twice. So the processes tell each
other how busy they are, in the journal's counters, and as long as all their work is little the
first of them does it alone. The others only take what it leaves lying.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from collector.journal.counters import Counters, Field, Role, held
from collector.journal.reader import Claim, Reader

_ONE: Final = 1000
"""All of a process' time, in ``Field.BUSY``."""
ALONE: Final = 800
"""The first process does all while the processes are less busy than that, taken together."""
ALONE_AGAIN: Final = 600
"""It begins to do so when they are less busy than that: between the two nothing changes."""
LOOK_S: Final = 1.0
"""How often the processes look how busy they all are."""
GRACE_S: Final = 0.5
"""What the first process has left lying for so long is for any: it may hang, or have died."""


class Share:
    """The part of one ingest process in the work of all that read the journal."""

    def __init__(self, journal: Path, counters: Counters, number: int) -> None:
        """``number`` is the process' slot."""
        self._journal = journal
        self._counters = counters
        self._number = number
        self._tell(0)
        counters.slot(number)[Field.ALONE] = 1
        self._rested = 0.0
        self._looked_at = time.monotonic()
        self._look()

    def rested(self, seconds: float) -> None:
        """The process had nothing to do for so long."""
        self._rested += seconds

    def update(self) -> None:
        """Tell how busy this process is and learn how busy the others are, now and then."""
        passed = time.monotonic() - self._looked_at
        if passed >= LOOK_S:
            self._tell(max(0.0, 1 - self._rested / passed))
            self._looked_at += passed
            self._rested = 0.0
            self._look()

    def claim(self, reader: Reader, *, idle: bool) -> Claim | None:
        """Claim a segment if there is one for this process; ``idle`` if its own give nothing."""
        # Asked each time: were they of two minds, what begins would lie there for the grace.
        if self._counters.slot(self._first)[Field.ALONE]:
            return reader.claim_next(grace_s=0 if self._first == self._number else GRACE_S)
        return reader.claim_next(1 if idle else self._readers)

    def _tell(self, busy: float) -> None:
        self._counters.slot(self._number)[Field.BUSY] = int(_ONE * busy)

    def _look(self) -> None:
        """How busy is everyone, and who is the first? Slots are taken from the last one down."""
        alive = [self._number]
        for number in self._counters.used_slots():
            if number != self._number and self._counters.slot(number)[Field.ROLE] == Role.INGEST:
                with held(self._journal / f"{number:02d}") as is_free:
                    if not is_free:
                        alive.append(number)
        self._readers = len(alive)
        self._first = max(alive)
        if self._first == self._number:
            slot = self._counters.slot(self._number)
            busy = sum(self._counters.slot(number)[Field.BUSY] for number in alive)
            slot[Field.ALONE] = busy < (ALONE if slot[Field.ALONE] else ALONE_AGAIN)
