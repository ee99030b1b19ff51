# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets of the quarantine on their way through the hop once more.

Each packet is stored, leaves the quarantine and changes its fate in the balance in one transaction:
stopped at whatever moment, it is stored once, and the balance stays closed. Its time of arrival is
the one that it had. Outputs do not see it again: they had their own copy of the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, Error
from psycopg.rows import TupleRow, class_row

from collector import hop
from collector.causes import CAUSES, Cause, Outcome
from collector.columns import TABLES
from collector.correlation.pending import Pending
from collector.correlation.writer import Writer
from collector.hop import Batch, Options
from collector.hop_options import options
from collector.journal import record
from collector.log import one_line
from collector.moment import from_us, to_us
from collector.partitions import Partitions
from collector.selection import Selection
from collector.settings import Settings
from collector.sqlstate import blames_row
from collector.store import Store

BATCH: Final = 200
"""Packets of one transaction."""
PROCESS: Final = -1
"""In the counters, beside those of the ingest processes."""

_TAKE: Final = """
    SELECT id, journal_id, received_at, host(peer) AS peer, port, cause, packet FROM quarantine
     WHERE id > %(after)s AND (%(cause)s::text IS NULL OR cause = %(cause)s)
     ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED"""
_LEAVE: Final = "DELETE FROM quarantine WHERE id = %s"
_STAY: Final = "UPDATE quarantine SET cause = %s, detail = %s WHERE id = %s"
_COUNT: Final = """
    INSERT INTO ingest_counter AS have (journal_id, process, cause, messages)
    VALUES (%s, %s, %s, %s)
    ON CONFLICT (journal_id, process, cause) DO UPDATE
        SET messages = have.messages + excluded.messages"""
# The node publishes what it counts again within a second, but no cause that has become 0.
_UNPUBLISH: Final = "DELETE FROM balance WHERE journal_id = %s AND cause = %s"


class Kept(NamedTuple):
    """A packet of the quarantine."""

    id: int
    journal_id: UUID
    received_at: datetime
    peer: str
    port: int
    cause: str
    packet: bytes


class Replay:
    """Replays by the settings of now, but for the capture password and the filter of duplicates.

    The quarantine keeps no passwords, and what an operator replays is no duplicate.
    """

    def __init__(self, connection: AsyncConnection[TupleRow], settings: Settings) -> None:
        """``connection`` is in autocommit mode. Raises SettingsError."""
        tolerant = msgspec.structs.replace(
            settings,
            senders=msgspec.structs.replace(settings.senders, passwords=()),
            filter=msgspec.structs.replace(settings.filter, duplicate_window=0.0),
        )
        self._connection = connection
        self._options: Options = options(tolerant, Selection(tolerant), max_refused=0)
        self._partitions = Partitions(settings.partition.interval)
        self._writer = Writer(settings.partition.interval)
        self.fates: Counter[Cause] = Counter()
        """What became of the packets, by cause; the rejected stay in the quarantine."""

    async def run(self, cause: str | None = None, *, dry: bool = False) -> None:
        """Replay all packets, or those of one ``cause``; with ``dry`` take everything back."""
        await self._writer.prepare(self._connection)
        after = 0
        while True:
            async with self._connection.transaction(force_rollback=dry):
                async with self._connection.cursor(row_factory=class_row(Kept)) as cursor:
                    await cursor.execute(_TAKE, {"after": after, "cause": cause, "limit": BATCH})
                    kept = await cursor.fetchall()
                if not kept:
                    return
                await self._replay(kept)
            after = kept[-1].id
            self._partitions.forget()

    async def _replay(self, kept: Sequence[Kept]) -> None:
        pending = Pending()
        for one in kept:
            batch = Batch()
            hop.encode(_record(one), batch, self._options, 1)
            fate = next((cause for cause in CAUSES if batch.causes[cause]), Cause.JOURNAL_DAMAGED)
            refusal = ""
            if fate.outcome is not Outcome.REJECTED:
                refusal = await self._store(one, batch)
                fate = Cause.STORE_REFUSED if refusal else fate
            if fate.outcome is Outcome.REJECTED:
                await self._connection.execute(_STAY, (fate.label, refusal, one.id))
            else:
                await self._connection.execute(_LEAVE, (one.id,))
                pending.add(batch.facts)
            await self._recount(one, fate)
            self.fates[fate] += 1
        await self._writer.write(self._connection, pending, [])

    async def _store(self, one: Kept, batch: Batch) -> str:
        """Store the row of a packet; returns why PostgreSQL does not take it, or nothing."""
        for table, rows in zip(TABLES, batch.rows, strict=True):
            if rows.data:
                first, last = from_us(rows.first_ts), from_us(rows.last_ts)
                await self._partitions.prepare(self._connection, table.name, first, last)
        # Its sender was counted when it came, and its fate is counted below.
        batch.senders = {}
        batch.causes = [0] * len(CAUSES)
        try:
            await Store(one.journal_id, PROCESS).commit(self._connection, batch, ())
        except Error as error:
            if not blames_row(error.sqlstate):
                raise
            return one_line(str(error))
        return ""

    async def _recount(self, one: Kept, fate: Cause) -> None:
        """The packet had one fate, and has another one now."""
        if fate.label == one.cause:
            return
        for label, change in ((one.cause, -1), (fate.label, 1)):
            counter = (one.journal_id, PROCESS, label, change)
            await self._connection.execute(_COUNT, counter)
        await self._connection.execute(_UNPUBLISH, (one.journal_id, one.cause))


def _record(one: Kept) -> bytes:
    """The packet as the journal had it."""
    record_id = record.make_id(1000 * to_us(one.received_at), 0, 0)
    transport = record.Transport.UDP
    return record.pack(
        record_id, record.pack_address(one.peer), one.port, transport, bytes(one.packet)
    )
