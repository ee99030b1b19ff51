# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls behind the messages: takes facts over as their rows are made, and writes them.

Facts wait in memory for a moment, so that several messages of a leg cost one update. The journal
keeps their segments until they are written, and the database knows how far that is. So whatever
happens in between, the facts are read again from there: never lost, never taken twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import hop
from collector.correlation.pending import Pending
from collector.correlation.writer import Mark, Writer
from collector.hop import Batch, Options
from collector.journal.reader import Claim
from collector.settings import Settings

_READ_BYTES: Final = 1 << 20
_READ_RECORDS: Final = 5000
_PATIENCE: Final = 4
"""Intervals that calls may wait while their messages do not keep up."""
MAX_PENDING: Final = 20_000
"""Legs and registrations that wait at most; then they are written before their time."""


class Correlator:
    """The calls of one ingest process: they are written beside the messages, not in between."""

    def __init__(self, settings: Settings) -> None:
        self.enabled = settings.correlation.calls
        self._interval = settings.correlation.interval
        self.pending = Pending()
        """Takes over the facts of messages whose rows are about to be committed. If they are not:
        ``forget``, and read again what is."""
        self._writer = Writer(settings.partition.interval)
        self._connection: AsyncConnection[TupleRow] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._ends: list[tuple[Claim, int]] = []
        """Of what is being written: offsets up to which the claims will be correlated."""
        self._written_at = 0.0
        self.is_behind = False
        """Whether the messages do not keep up: then calls are written less often, at less cost."""

    @property
    def refused(self) -> int:
        """Rows that PostgreSQL did not take, since the start."""
        return self._writer.refused

    @property
    def is_due(self) -> bool:
        """Whether it is time to ``start``."""
        if not self.enabled or self._writing:
            return False
        waited = time.monotonic() - self._written_at
        patience = self._interval * (_PATIENCE if self.is_behind else 1)
        return waited >= patience or self.is_full

    @property
    def is_full(self) -> bool:
        """Whether so much is pending that no more may come before it is written."""
        return len(self.pending) >= MAX_PENDING

    async def resume(self, connection: AsyncConnection[TupleRow]) -> None:
        """Begin with a new connection. What was pending is forgotten: read it again."""
        await self.forget()
        self._connection = connection
        if self.enabled:
            await self._writer.prepare(connection)

    async def forget(self) -> None:
        """Drop what is pending, and stop writing, whatever becomes of that: the database knows how
        far it came."""
        if self._writing:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        self._writing = None
        self.pending = Pending()

    def read_again(self, claim: Claim, options: Options) -> None:
        """Take over the facts of a segment that is stored up to its offset, but not correlated."""
        end = claim.offset
        claim.offset = claim.correlated
        while claim.offset < end:
            batch = Batch(pending=self.pending)
            data = claim.read(_READ_BYTES)[: end - claim.offset]
            consumed = hop.encode(data, batch, options, _READ_RECORDS)
            # Damage was counted when it was read first.
            claim.offset += consumed or claim.skip_damage(data) or len(data)
        claim.offset = end

    def start(self, claims: Iterable[Claim]) -> None:
        """Begin to write what is pending: the facts of the claims up to their offsets."""
        behind = [claim for claim in claims if claim.correlated != claim.offset]
        marks = [Mark(claim.segment.uid, claim.correlated, claim.offset) for claim in behind]
        pending, self.pending = self.pending, Pending()
        self._written_at = time.monotonic()
        if marks and self._connection:
            self._ends = [(claim, claim.offset) for claim in behind]
            self._writing = asyncio.create_task(
                self._writer.write(self._connection, pending, marks)
            )

    async def settle(self, *, wait: bool) -> None:
        """Take note of a write that has ended; ``wait`` for it if it has not.

        Raises what it has raised: ProgressConflictError if another process has been there, and what
        psycopg raises. Then ``resume``.
        """
        if self._writing and (wait or self._writing.done()):
            await self._writing
            self._writing = None
            for claim, octets in self._ends:
                claim.correlated = octets
