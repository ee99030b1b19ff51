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

from psycopg import AsyncConnection, AsyncCursor, Error
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
from collector.statement import copy_statement

MAX_NODES: Final = 1000
MAX_SENDERS: Final = 1000
"""Capture agents told apart in stat_minute, and senders in sender, by one process since its start.
Anyone can invent them, so further ones are counted together as OTHER."""
OTHER: Final = "(other)"
_QUARANTINE_TEXT: Final = 500

_COPY: Final = tuple(copy_statement(table.name, table.columns) for table in TABLES)

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

# One statement for all that is noted beside the rows: what it costs is mostly the way there and
# back. The WHERE makes it a compare-and-set: a segment does not come back when somebody else was
# there first.
_NOTE: Final = """
    WITH counted AS (
        INSERT INTO ingest_counter AS have (journal_id, process, cause, messages)
        SELECT %(journal_id)s, %(process)s, cause, messages
          FROM unnest(%(causes)s::text[], %(cause_messages)s::bigint[]) AS new (cause, messages)
        ON CONFLICT (journal_id, process, cause) DO UPDATE
            SET messages = have.messages + excluded.messages
    ), minutes AS (
        INSERT INTO stat_minute AS have
            (minute, journal_id, process, node, method, status_class, messages, octets)
        SELECT minute, %(journal_id)s, %(process)s, node, method, status_class, messages, octets
          FROM unnest(%(minutes)s::timestamptz[], %(stat_nodes)s::text[], %(methods)s::text[],
                      %(status_classes)s::smallint[], %(stat_messages)s::bigint[],
                      %(octets)s::bigint[])
            AS new (minute, node, method, status_class, messages, octets)
        ON CONFLICT (minute, journal_id, process, node, method, status_class) DO UPDATE
            SET messages = have.messages + excluded.messages,
                octets = have.octets + excluded.octets
    ), senders AS (
        INSERT INTO sender AS have (journal_id, process, peer, node, hep_version, first_seen,
                                    last_seen, packets, rejected, clock_offset_us)
        SELECT %(journal_id)s, %(process)s, peer::inet, node, version, seen, seen, packets,
               rejected, clock_offset
          FROM unnest(%(peers)s::text[], %(sender_nodes)s::text[], %(versions)s::smallint[],
                      %(seen)s::timestamptz[], %(packets)s::bigint[], %(rejected)s::bigint[],
                      %(clock_offsets)s::bigint[])
            AS new (peer, node, version, seen, packets, rejected, clock_offset)
        ON CONFLICT (journal_id, process, peer, node, hep_version) DO UPDATE
            SET last_seen = excluded.last_seen,
                packets = have.packets + excluded.packets,
                rejected = have.rejected + excluded.rejected,
                clock_offset_us = excluded.clock_offset_us
    )
    INSERT INTO journal_progress AS have
        (segment, journal_id, slot, first_record, octets, records, correlated)
    SELECT segment, %(journal_id)s, slot, first_record, octets, records,
           CASE WHEN %(correlates)s THEN %(begin)s ELSE octets END
      FROM unnest(%(segments)s::uuid[], %(slots)s::smallint[], %(first_records)s::bigint[],
                  %(segment_octets)s::bigint[], %(records)s::bigint[])
        AS new (segment, slot, first_record, octets, records)
    ON CONFLICT (segment) DO UPDATE
        SET octets = excluded.octets, records = excluded.records, updated_at = now(),
            correlated = CASE WHEN %(correlates)s THEN have.correlated ELSE excluded.octets END
        WHERE have.octets = (%(was_octets)s::bigint[])[
            array_position(%(segments)s::uuid[], have.segment)]
    RETURNING have.segment"""

_STAT_COLUMNS: Final = (
    *("minutes", "stat_nodes", "methods", "status_classes", "stat_messages", "octets"),
)
_SENDER_COLUMNS: Final = (
    *("peers", "sender_nodes", "versions", "seen", "packets", "rejected", "clock_offsets"),
)

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
            await self._note(cursor, batch, list(steps))
            await self._copy(cursor, batch)
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

    async def _note(
        self, cursor: AsyncCursor[TupleRow], batch: Batch, steps: Sequence[Step]
    ) -> None:
        """Say how far the segments are with this batch, and count what is in it."""
        await cursor.execute(
            _NOTE,
            {
                "journal_id": self._journal_id,
                "process": self._process,
                "correlates": self._correlates,
                "begin": HEADER_BYTES,
                "segments": [step.segment.uid for step in steps],
                "slots": [step.segment.slot for step in steps],
                "first_records": [step.segment.first_record for step in steps],
                "was_octets": [step.was_octets for step in steps],
                "segment_octets": [step.octets for step in steps],
                "records": [step.records for step in steps],
                "causes": [cause.label for cause in CAUSES if batch.causes[cause]],
                "cause_messages": [batch.causes[cause] for cause in CAUSES if batch.causes[cause]],
                **_columns(_STAT_COLUMNS, self._stats(batch.stats)),
                **_columns(_SENDER_COLUMNS, self._senders(batch.senders)),
            },
        )
        moved = {segment for (segment,) in await cursor.fetchall()}
        for step in steps:
            if step.segment.uid not in moved:
                message = f"{step.segment.path} was committed by another process meanwhile"
                raise ProgressConflictError(message)

    def _stats(self, stats: dict[StatKey, StatTally]) -> list[tuple[object, ...]]:
        folded: dict[tuple[object, ...], StatTally] = {}
        for (minute, node, method, status_class), tally in stats.items():
            name = method.decode("ascii", "replace")
            key = (
                moment.from_us(minute * US_PER_MINUTE),
                self._node(node),
                name if name in METHODS else OTHER,
                status_class,
            )
            sums = folded.setdefault(key, StatTally())
            sums.messages += tally.messages
            sums.octets += tally.octets
        return [(*key, sums.messages, sums.octets) for key, sums in folded.items()]

    def _senders(self, senders: dict[SenderKey, SenderTally]) -> list[tuple[object, ...]]:
        folded: dict[tuple[object, ...], SenderTally] = {}
        for key, tally in senders.items():
            if key not in self._known_senders and len(self._known_senders) >= MAX_SENDERS:
                peer, node, version = OTHER_PEER, OTHER, 0
            else:
                self._known_senders.add(key)
                peer, node, version = key[0], self._node(key[1]), key[2]
            sums = folded.setdefault((format_address(peer), node, version), SenderTally())
            sums.packets += tally.packets
            sums.rejected += tally.rejected
            if tally.last_id >= sums.last_id:
                sums.last_id, sums.clock_offset = tally.last_id, tally.clock_offset
        return [
            (*key, moment.from_id(sums.last_id), sums.packets, sums.rejected, sums.clock_offset)
            for key, sums in folded.items()
        ]

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


def _columns(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> dict[str, list[object]]:
    """Rows as the arrays that ``unnest`` takes, by name."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}
