# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls behind the messages: takes facts over when their rows are committed, and writes them.

Facts wait in memory for a moment, so that several messages of a leg cost one update. The journal
keeps their segments until they are written, and the database knows how far that is. So whatever
happens in between, the facts are read again from there: never lost, never taken twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import hop
from collector.correlation.fact import Fact, ReportFact
from collector.correlation.pending import Pending
from collector.correlation.writer import Mark, Writer
from collector.hop import Batch, Options
from collector.journal.reader import Claim
from collector.settings import Settings

_READ_BYTES: Final = 1 << 20
MAX_PENDING: Final = 5000
"""Legs and registrations that wait at most; then they are written before their time."""


class Correlator:
    """The calls of one ingest process."""

    def __init__(self, settings: Settings) -> None:
        self.enabled = settings.correlation.calls
        self._interval = settings.correlation.interval
        self._pending = Pending()
        self._writer = Writer(settings.partition.interval)
        self._written_at = 0.0
        self._hurry = False

    @property
    def is_due(self) -> bool:
        """Whether it is time to ``write``."""
        if not self.enabled:
            return False
        waited = time.monotonic() - self._written_at >= self._interval
        return self._hurry or waited or len(self._pending) >= MAX_PENDING

    async def resume(self, connection: AsyncConnection[TupleRow]) -> None:
        """Begin with a new connection. What was pending is forgotten: read it again."""
        self._pending.clear()
        if self.enabled:
            await self._writer.prepare(connection)

    def add(self, facts: Iterable[Fact | ReportFact]) -> None:
        """Take over the facts of messages whose rows are committed."""
        self._pending.add(facts)

    def read_again(self, claim: Claim, options: Options) -> None:
        """Take over the facts of a segment that is stored up to its offset, but not correlated."""
        end = claim.offset
        claim.offset = claim.correlated
        while claim.offset < end:
            batch = Batch()
            data = claim.read(_READ_BYTES)[: end - claim.offset]
            consumed = hop.encode(data, batch, options, MAX_PENDING)
            # Damage was counted when it was read first.
            claim.offset += consumed or claim.skip_damage(data) or len(data)
            self.add(batch.facts)
        claim.offset = end

    def hurry(self) -> None:
        """Write at the next occasion: a segment waits to be removed."""
        self._hurry = True

    async def write(self, connection: AsyncConnection[TupleRow], claims: Iterable[Claim]) -> int:
        """Write what is pending, which are the facts of the claims up to their offsets.

        Returns how many rows PostgreSQL refused. Raises ProgressConflictError if another process
        has been there, and what psycopg raises.
        """
        behind = [claim for claim in claims if claim.correlated != claim.offset]
        marks = [Mark(claim.segment.uid, claim.correlated, claim.offset) for claim in behind]
        refused = self._writer.refused
        if marks:
            await self._writer.write(connection, self._pending, marks)
        for claim in behind:
            claim.correlated = claim.offset
        self._pending.clear()
        self._written_at = time.monotonic()
        self._hurry = False
        return self._writer.refused - refused
