# SPDX-License-Identifier: GPL-2.0-or-later
"""One batch, one transaction: rows, journal progress and counters are committed together.

That is what makes storing exactly-once: whatever happens between the journal and the commit, the
progress in the database says which records are rows and which are to be read again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor, Error, sql
from psycopg.rows import TupleRow

from collector import hep, hop, moment
from collector.causes import CAUSES
from collector.columns import TABLES
from collector.copy_binary import COPY_HEADER, COPY_TRAILER
from collector.errors import ProgressConflictError
from collector.hep import PROTOCOL_UDP, TYPE_LOG, TYPE_RTCP, TYPE_SIP, Hep
from collector.hop import (
    US_PER_MINUTE,
    Batch,
    Options,
    Refused,
    SenderKey,
    SenderTally,
    StatKey,
    StatTally,
)
from collector.journal.record import OTHER_PEER, format_address, pack
from collector.journal.segment import HEADER_BYTES, Segment
from collector.sip import METHODS

MAX_NODES: Final = 1000
MAX_SENDERS: Final = 1000
"""Capture agents told apart in stat_minute, and senders in sender, by one process since its start.
Anyone can invent them, so further ones are counted together as OTHER."""
OTHER: Final = "(other)"
_QUARANTINE_TEXT: Final = 500

_COPY: Final = tuple(
    sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table.name),
        sql.SQL(", ").join(sql.Identifier(c.name) for c in table.columns),
    )
    for table in TABLES
)

_PROBES: Final = tuple(
    hep.encode(Hep(3, PROTOCOL_UDP, bytes(4), bytes(4), 5060, 5060, 0, 0, type_, 0, payload))
    for type_, payload in (
        *(
            (TYPE_SIP, b"%b sip:a SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 %b\r\n\r\n" % (method, method))
            for method in (b"INVITE", b"REGISTER", b"OPTIONS")
        ),
        (TYPE_LOG, b"a line"),
        (TYPE_RTCP, b'{"ssrc":1,"type":201,"report_blocks":[]}'),
    )
)
"""Ordinary packets that give a row in each table."""

# The WHERE makes it a compare-and-set: no row comes back when somebody else was there first.
_PROGRESS: Final = """
    INSERT INTO journal_progress AS have
        (segment, journal_id, slot, first_record, octets, records, correlated)
    VALUES (%(segment)s, %(journal_id)s, %(slot)s, %(first_record)s, %(octets)s, %(records)s,
            CASE WHEN %(correlates)s THEN %(begin)s ELSE %(octets)s END)
    ON CONFLICT (segment) DO UPDATE
        SET octets = excluded.octets, records = excluded.records, updated_at = now(),
            correlated = CASE WHEN %(correlates)s THEN have.correlated ELSE excluded.octets END
        WHERE have.octets = %(was_octets)s
    RETURNING have.segment"""

_COUNTER: Final = """
    INSERT INTO ingest_counter AS have (journal_id, process, cause, messages)
    VALUES (%s, %s, %s, %s)
    ON CONFLICT (journal_id, process, cause) DO UPDATE
        SET messages = have.messages + excluded.messages"""

_STAT: Final = """
    INSERT INTO stat_minute AS have
        (minute, journal_id, process, node, method, status_class, messages, octets)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (minute, journal_id, process, node, method, status_class) DO UPDATE
        SET messages = have.messages + excluded.messages, octets = have.octets + excluded.octets"""

_SENDER: Final = """
    INSERT INTO sender AS have (journal_id, process, peer, node, hep_version, first_seen,
                                last_seen, packets, rejected, clock_offset_us)
    VALUES (%(journal_id)s, %(process)s, %(peer)s, %(node)s, %(version)s, %(seen)s, %(seen)s,
            %(packets)s, %(rejected)s, %(offset)s)
    ON CONFLICT (journal_id, process, peer, node, hep_version) DO UPDATE
        SET last_seen = excluded.last_seen,
            packets = have.packets + excluded.packets,
            rejected = have.rejected + excluded.rejected,
            clock_offset_us = excluded.clock_offset_us"""

_QUARANTINE: Final = """
    INSERT INTO quarantine (journal_id, received_at, peer, port, cause, detail, packet)
    VALUES (%s, %s, %s, %s, %s, %s, %s)"""


class Step(NamedTuple):
    """How far one segment moves with a batch; offsets in bytes, records counted from its first."""

    segment: Segment
    was_octets: int
    octets: int
    records: int


class Progress(NamedTuple):
    """How far a segment is stored: bytes and records, and bytes whose calls are written."""

    octets: int
    records: int
    correlated: int


class Store:
    """Writes the batches of one ingest process."""

    def __init__(self, journal_id: UUID, process: int, *, correlates: bool = False) -> None:
        """Where nobody ``correlates``, calls are as far as messages."""
        self._correlates = correlates
        self._journal_id = journal_id
        self._process = process
        self._nodes: set[bytes] = set()
        self._known_senders: set[SenderKey] = set()

    async def progress(self, connection: AsyncConnection[TupleRow], segment: Segment) -> Progress:
        """What is committed of a segment; the beginning if nothing is."""
        found = await connection.execute(
            "SELECT octets, records, correlated FROM journal_progress WHERE segment = %s",
            (segment.uid,),
        )
        row = await found.fetchone()
        return Progress(*row) if row else Progress(HEADER_BYTES, 0, HEADER_BYTES)

    async def commit(
        self,
        connection: AsyncConnection[TupleRow],
        batch: Batch,
        steps: Iterable[Step],
        detail: str = "",
    ) -> None:
        """Store a batch and the progress of its segments, all or nothing.

        ``detail`` is kept with the batch's quarantined packets. Raises ProgressConflictError if
        another process has committed one of the segments, and what psycopg raises.
        """
        async with connection.transaction(), connection.cursor() as cursor:
            for step in steps:
                await self._advance(cursor, step)
            await self._copy(cursor, batch)
            await cursor.executemany(_COUNTER, self._counters(batch.causes))
            await cursor.executemany(_STAT, self._stats(batch.stats))
            await cursor.executemany(_SENDER, self._senders(batch.senders))
            if batch.refused:
                await cursor.executemany(_QUARANTINE, self._refused(batch.refused, detail))

    async def accepts_rows(self, connection: AsyncConnection[TupleRow]) -> bool:
        """Try to store an ordinary message in every table, and take it back."""
        buffer = b"".join(pack(time.time_ns(), OTHER_PEER, 0, 0, probe) for probe in _PROBES)
        batch = Batch()
        hop.encode(buffer, batch, Options(), len(_PROBES))
        try:
            async with (
                connection.transaction(force_rollback=True),
                connection.cursor() as cursor,
            ):
                await self._copy(cursor, batch)
        except Error:
            return False
        return True

    async def _copy(self, cursor: AsyncCursor[TupleRow], batch: Batch) -> None:
        for copy, rows in zip(_COPY, batch.rows, strict=True):
            if rows.data:
                async with cursor.copy(copy) as stream:
                    await stream.write(COPY_HEADER)
                    await stream.write(rows.data)
                    await stream.write(COPY_TRAILER)

    async def _advance(self, cursor: AsyncCursor[TupleRow], step: Step) -> None:
        await cursor.execute(
            _PROGRESS,
            {
                "segment": step.segment.uid,
                "journal_id": self._journal_id,
                "slot": step.segment.slot,
                "first_record": step.segment.first_record,
                "octets": step.octets,
                "records": step.records,
                "was_octets": step.was_octets,
                "correlates": self._correlates,
                "begin": HEADER_BYTES,
            },
        )
        if await cursor.fetchone() is None:
            message = f"{step.segment.path} was committed by another process meanwhile"
            raise ProgressConflictError(message)

    def _counters(self, causes: Sequence[int]) -> list[tuple[object, ...]]:
        return [
            (self._journal_id, self._process, cause.label, causes[cause])
            for cause in CAUSES
            if causes[cause]
        ]

    def _stats(self, stats: dict[StatKey, StatTally]) -> list[tuple[object, ...]]:
        folded: dict[tuple[object, ...], list[int]] = {}
        for (minute, node, method, status_class), tally in stats.items():
            name = method.decode("ascii", "replace")
            key = (
                moment.from_us(minute * US_PER_MINUTE),
                self._journal_id,
                self._process,
                self._node(node),
                name if name in METHODS else OTHER,
                status_class,
            )
            counts = folded.setdefault(key, [0, 0])
            counts[0] += tally.messages
            counts[1] += tally.octets
        return [(*key, *counts) for key, counts in folded.items()]

    def _senders(self, senders: dict[SenderKey, SenderTally]) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for key, tally in senders.items():
            if key not in self._known_senders and len(self._known_senders) >= MAX_SENDERS:
                peer, node, version = OTHER_PEER, OTHER, 0
            else:
                self._known_senders.add(key)
                peer, node, version = key[0], self._node(key[1]), key[2]
            rows.append(
                {
                    "journal_id": self._journal_id,
                    "process": self._process,
                    "peer": format_address(peer),
                    "node": node,
                    "version": version,
                    "seen": moment.from_id(tally.last_id),
                    "packets": tally.packets,
                    "rejected": tally.rejected,
                    "offset": tally.clock_offset,
                }
            )
        return rows

    def _refused(self, refused: list[Refused], detail: str) -> list[tuple[object, ...]]:
        return [
            (
                self._journal_id,
                moment.from_id(item.record_id),
                format_address(item.peer),
                item.port,
                item.cause.label,
                detail[:_QUARANTINE_TEXT],
                item.packet,
            )
            for item in refused
        ]

    def _node(self, node: bytes) -> str:
        """The node's name; senders can invent any number of them, so only so many are kept."""
        if node not in self._nodes:
            if len(self._nodes) >= MAX_NODES:
                return OTHER
            self._nodes.add(node)
        return node[:255].decode("utf-8", "replace").replace("\0", "\ufffd")
