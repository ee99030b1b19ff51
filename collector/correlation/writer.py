# SPDX-License-Identifier: GPL-2.0-or-later
"""Brings what is pending to PostgreSQL: one transaction for all of it, and for how far it goes.

The rows of a leg from several processes and nodes meet in one row, because the first that names a
Call-ID decides in ``call_key`` where it is filed. All rows are written in the order of their keys,
table after table, so that two writers never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor, Error, sql
from psycopg.rows import TupleRow

from collector.copy_binary import NULL, timestamp
from collector.correlation.columns import (
    CALL,
    CALL_FILING,
    CALL_LINK,
    REGISTRATION,
    REGISTRATION_FILING,
    flat,
)
from collector.correlation.encode import optional_text, required_text
from collector.correlation.known import Filed, KnownLegs
from collector.correlation.leg import FIRST, STARTED, Leg
from collector.correlation.links import CONFIDENCE
from collector.correlation.merge import merge_assignments
from collector.correlation.pending import Pending
from collector.correlation.staging import Staging
from collector.correlation.stream_writer import STREAM_STAGING, StreamWriter
from collector.correlation.streams import FIRST_AT
from collector.errors import ProgressConflictError
from collector.hop.form import FORM
from collector.log import LimitedLog
from collector.moment import from_us, to_us
from collector.partitions import Partitions
from collector.sqlstate import blames_row
from collector.statement import names, statement

MOVED_LATER: Final = timedelta(minutes=10)
"""A row that is filed this much after the leg's first message is filed anew: searches by time look
no further."""
FILING_LOCK: Final = 0x66696C65  # "file"
"""Shared by all that write; whoever files rows anew has it alone."""
KEYS_KEPT: Final = timedelta(days=1)
"""Keys are forgotten so long after their ts. A message that comes later finds its call by a search,
which costs more."""


class _FiledLateError(Exception):
    """A row is filed too late for its beginning."""


class _MovedError(Exception):
    """A row is no longer where this process has last seen it."""


class Mark(NamedTuple):
    """How far the pending facts go in one segment; offsets in bytes."""

    segment: UUID
    was_octets: int
    octets: int


_NO_ORIGIN: Final = (1 << 15) - 1
"""first_rank of what a message says of a leg that is known: it comes after every other. In a row it
means that the leg's row was gone, and this one must not be."""
_NOWHERE: Final = (_NO_ORIGIN, 0, 0, 0, 0, *[b""] * 11, b"-", b"-", b"", b"")

_CALL_FACT: Final = (*CALL_FILING, *flat(CALL))
_REGISTRATION_FACT: Final = (*REGISTRATION_FILING, *flat(REGISTRATION))
_LINK_FACT: Final = CALL_LINK[1:]

_CALL_STAGING: Final = Staging("call_fact", _CALL_FACT)
_REGISTRATION_STAGING: Final = Staging("registration_fact", _REGISTRATION_FACT)
_LINK_STAGING: Final = Staging("call_link_fact", _LINK_FACT)
_STAGINGS: Final = (_CALL_STAGING, _REGISTRATION_STAGING, _LINK_STAGING, STREAM_STAGING)

# A leg whose key may be forgotten is looked for in call. One that begins here and now has its key
# if it has a row; after an outage of days it can have a row without.
_KEYS: Final = statement(
    """
    INSERT INTO call_key (call_id, ts)
    SELECT call_id,
           CASE WHEN first_rank = 0 AND started_at > now() - {kept} / 2 OR EXISTS (
                    SELECT FROM call_key WHERE call_key.call_id = call_fact.call_id)
                THEN started_at
                ELSE coalesce((SELECT call.ts FROM call WHERE call.call_id = call_fact.call_id
                                ORDER BY call.ts DESC LIMIT 1), started_at) END
      FROM call_fact WHERE ts IS NULL ORDER BY call_id
    ON CONFLICT DO NOTHING
    """,
    kept=sql.Literal(KEYS_KEPT),
)

_KEY_OF: Final = "(SELECT call_key.ts FROM call_key WHERE call_key.call_id = {}.call_id)"

# A call that began earlier than was known leaves the minute where it was counted, which lies
# between its beginning and ts: both are named for the statistics.
_CALLS: Final = statement(
    """
    WITH written AS (
        INSERT INTO call AS have (ts, {names})
        SELECT coalesce(call_fact.ts, {key}), {names} FROM call_fact ORDER BY call_id
        ON CONFLICT (call_id, ts) DO UPDATE SET {assignments},
            timed_out_at = CASE WHEN have.timed_out_at >= excluded.last_at
                                THEN have.timed_out_at END
        RETURNING call_id, ts, started_at, first_rank
    ), changed AS (
        INSERT INTO call_changed (minute)
        SELECT date_trunc('minute', started_at) FROM written
         UNION
        SELECT generate_series(
                   date_trunc('minute', greatest(started_at, ts - {later})), ts, '1 minute')
          FROM written WHERE started_at < date_trunc('minute', ts)
    )
    SELECT call_id, written.ts, written.started_at, written.first_rank
      FROM written JOIN call_fact USING (call_id)
     WHERE call_fact.ts IS NULL OR written.first_rank = {no_origin}
           OR written.started_at < written.ts - {later}
    """,
    names=names(_CALL_FACT[1:]),
    key=sql.SQL(_KEY_OF).format(sql.Identifier("call_fact")),
    assignments=merge_assignments(CALL),
    later=sql.Literal(MOVED_LATER),
    no_origin=sql.Literal(_NO_ORIGIN),
)

_LINKS: Final = statement(
    """
    INSERT INTO call_link AS have (ts, {names})
    SELECT {key}, {names} FROM call_link_fact ORDER BY call_id, linked_id, reason
    ON CONFLICT (call_id, linked_id, reason, ts) DO UPDATE SET detail = excluded.detail
        WHERE excluded.detail COLLATE "C" < have.detail
    """,
    names=names(_LINK_FACT),
    key=sql.SQL(_KEY_OF).format(sql.Identifier("call_link_fact")),
)

_LINKS_OF_STORED: Final = statement(
    """
    INSERT INTO call_link (ts, {names})
    SELECT leg.ts, {names}
      FROM call_link_fact
      JOIN (SELECT call.call_id AS leg_id, max(call.ts) AS ts FROM call
             WHERE call.call_id IN (SELECT call_id FROM call_link_fact)
             GROUP BY call.call_id) AS leg ON leg_id = call_id
     ORDER BY call_id, linked_id, reason
    ON CONFLICT DO NOTHING
    """,
    names=names(_LINK_FACT),
)

_REGISTRATIONS: Final = statement(
    """
    INSERT INTO registration AS have ({names})
    SELECT {names} FROM registration_fact ORDER BY call_id, aor
    ON CONFLICT (call_id, aor) DO UPDATE SET {assignments}
    """,
    names=names(_REGISTRATION_FACT),
    assignments=merge_assignments(REGISTRATION),
)

_MARK: Final = """
    UPDATE journal_progress SET correlated = %(octets)s
     WHERE segment = %(segment)s AND correlated = %(was_octets)s"""


class Writer:
    """Writes what one ingest process knows."""

    def __init__(self, partition_interval: float) -> None:
        """``partition_interval`` in seconds."""
        self._partitions = Partitions(partition_interval)
        self._calls = FORM.row_encoder(len(CALL_FILING), CALL)
        self._nowhere = {FIRST: self._calls.slot(FIRST, _NOWHERE)}
        self._known = KnownLegs()
        self._registrations = FORM.row_encoder(2, REGISTRATION)
        self._links = FORM.row_encoder(len(_LINK_FACT), ())
        self._streams = StreamWriter()
        self._limited = LimitedLog()
        self.refused = 0
        """Rows that PostgreSQL did not take, since the start."""

    async def prepare(self, connection: AsyncConnection[TupleRow]) -> None:
        """Make a new connection ready for ``write``."""
        self._partitions.forget()
        self._known.forget()
        # To compile statements that take microseconds a row costs more than to run them.
        await connection.execute("SET jit = off")
        for staging in _STAGINGS:
            await connection.execute(staging.create)

    async def write(
        self, connection: AsyncConnection[TupleRow], pending: Pending, marks: Sequence[Mark]
    ) -> None:
        """Merge all that is pending into its rows, and note how far it goes; all or nothing.

        A row that PostgreSQL refuses is left out, logged and counted. Raises
        ProgressConflictError if another process has been there, and what psycopg raises.
        """
        starts = [leg[STARTED] for leg in pending.legs.values()]
        starts += [stream[FIRST_AT] for stream in pending.streams.values()]
        if starts:
            await self._make_partitions(connection, from_us(min(starts)), from_us(max(starts)))
        alone = False
        while True:
            try:
                filed = await self._write(connection, pending, marks, alone=alone)
            except _FiledLateError:
                alone = True
            except _MovedError:
                self._known.forget()
            else:
                self._known.add(filed)
                return

    async def _write(
        self,
        connection: AsyncConnection[TupleRow],
        pending: Pending,
        marks: Sequence[Mark],
        *,
        alone: bool,
    ) -> dict[bytes, Filed]:
        """The legs that are known now.

        Raises _FiledLateError when rows must be filed anew, for which nobody else may write, and
        _MovedError when somebody has done so to a leg that was known.
        """
        lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.execute(f"SELECT {lock}(%s)", (FILING_LOCK,))
            filed: dict[bytes, Filed] = {}
            for call_id, ts, started_at, rank in await self._merge_isolated(
                connection, cursor, pending
            ):
                if rank == _NO_ORIGIN:
                    raise _MovedError
                if started_at < ts - MOVED_LATER:
                    if not alone:
                        raise _FiledLateError
                    await self._file_anew(connection, cursor, call_id, ts, started_at)
                else:
                    key = call_id.encode()
                    filed[key] = Filed(to_us(ts), pending.legs[key][FIRST][:3])
            for mark in marks:
                await cursor.execute(_MARK, mark._asdict())
                if not cursor.rowcount:
                    message = f"segment {mark.segment} was correlated by another process meanwhile"
                    raise ProgressConflictError(message)
        return filed

    async def _merge_isolated(
        self, connection: AsyncConnection[TupleRow], cursor: AsyncCursor[TupleRow], pending: Pending
    ) -> list[TupleRow]:
        """``_merge``, in halves when PostgreSQL refuses, until what it refuses stands alone."""
        try:
            async with connection.transaction():
                return await self._merge(cursor, pending)
        except Error as error:
            if not blames_row(error.sqlstate):
                raise
            if len(pending) <= 1:
                self.refused += 1
                self._limited.warn(
                    "refused", f"a call, registration or stream was left out: {error}"
                )
                return []
        found = []
        for half in pending.halves():
            found += await self._merge_isolated(connection, cursor, half)
        return found

    async def _merge(self, cursor: AsyncCursor[TupleRow], pending: Pending) -> list[TupleRow]:
        """Call-ID, ts, beginning and first_rank of the calls that were not known, or are filed too
        late for a search by time, or are no longer where they were."""
        written: list[TupleRow] = []
        if pending.legs:
            rows = [self._call_row(call_id, leg) for call_id, leg in pending.legs.items()]
            await _CALL_STAGING.fill(cursor, rows)
            await cursor.execute(_KEYS)
            await cursor.execute(_CALLS)
            written = await cursor.fetchall()
        if pending.edges:
            await _LINK_STAGING.fill(cursor, self._edge_rows(pending))
            await cursor.execute(_LINKS)
        if pending.registrations:
            rows = [
                self._registrations.row((required_text(call_id), required_text(aor)), registration)
                for (call_id, aor), registration in pending.registrations.items()
            ]
            await _REGISTRATION_STAGING.fill(cursor, rows)
            await cursor.execute(_REGISTRATIONS)
        if pending.streams:
            await self._streams.write(cursor, pending.streams)
        return written

    def _call_row(self, call_id: bytes, leg: Leg) -> bytes:
        known = self._known.get(call_id)
        if known and known.first <= leg[FIRST][:3]:
            filing = timestamp(known.ts), required_text(call_id)
            return self._calls.row(filing, leg, self._nowhere)
        return self._calls.row((NULL, required_text(call_id)), leg)

    def _edge_rows(self, pending: Pending) -> list[bytes]:
        return [
            self._links.row(
                (
                    required_text(call_id),
                    optional_text(edge.linked_id),
                    required_text(edge.reason.encode()),
                    optional_text(edge.detail),
                    required_text(CONFIDENCE[edge.reason].encode()),
                ),
                [],
            )
            for (call_id, _, _), edge in pending.edges.items()
        ]

    async def link(self, connection: AsyncConnection[TupleRow], pending: Pending) -> int:
        """Add the edges of legs that are in ``call`` already; returns how many are new."""
        async with connection.transaction(), connection.cursor() as cursor:
            await _LINK_STAGING.fill(cursor, self._edge_rows(pending))
            await cursor.execute(_LINKS_OF_STORED)
            return cursor.rowcount

    async def _file_anew(
        self,
        connection: AsyncConnection[TupleRow],
        cursor: AsyncCursor[TupleRow],
        call_id: str,
        ts: datetime,
        started_at: datetime,
    ) -> None:
        await self._make_partitions(connection, started_at, started_at)
        values = {"call_id": call_id, "ts": ts, "started_at": started_at}
        for update in (
            "UPDATE call SET ts = %(started_at)s WHERE call_id = %(call_id)s AND ts = %(ts)s",
            "UPDATE call_link SET ts = %(started_at)s WHERE call_id = %(call_id)s AND ts = %(ts)s",
            "UPDATE call_key SET ts = %(started_at)s WHERE call_id = %(call_id)s",
        ):
            await cursor.execute(update, values)

    async def _make_partitions(
        self, connection: AsyncConnection[TupleRow], first: datetime, last: datetime
    ) -> None:
        for table in ("call", "call_link", "rtp_stream"):
            await self._partitions.prepare(connection, table, first, last)
