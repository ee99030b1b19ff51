# SPDX-License-Identifier: GPL-2.0-or-later
"""Partitions of the message tables: made ahead of time, made on demand, ended early.

Several capture nodes and ingest processes may do this at once: making partitions happens under an
advisory lock, and every lock on a table that others use is waited for only briefly. What becomes of
old ones is the matter of ``retention``.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from psycopg import AsyncConnection, Error, errors, sql
from psycopg.rows import TupleRow

from collector.log import LimitedLog
from collector.moment import EPOCH
from collector.tables import PARTITIONED

_FILLFACTORS: Final = {table.name: table.fillfactor for table in PARTITIONED}
_LOCK: Final = 0x70617274  # "part"
_LOCK_TIMEOUT: Final = "2s"
"""A long query on a table must not make ingest wait behind our wish for an exclusive lock."""

LOCKED_PAUSE_S: Final = 10.0
"""While somebody locks a table, rows go to the default partition for this long without a try."""
MOST_AT_ONCE: Final = 16
"""Partitions of one table made in one transaction. Ingest waits for it, PostgreSQL keeps a dozen
locks for each, and how many there could be is up to the times that senders write."""

_BOUND: Final = re.compile(r"FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)")
_ENDS: Final = "kemiscope_ends_"
"""Beginning of the name of the constraint that ``end_early`` needs for a while; the rest is the
time, in seconds since 1970, from which on it is nobody's and may be removed."""


Span: TypeAlias = tuple[datetime, datetime]
"""From the first moment to the second, which is no part of it."""


class Partition(NamedTuple):
    """One partition of a table: rows with ``begin`` <= ts < ``end``."""

    name: str
    begin: datetime
    end: datetime


class Partitions:
    """The partitions of one database as this process knows them."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = timedelta(seconds=interval_seconds)
        self._known: dict[str, list[Partition]] = {}
        self._locked_until = 0.0
        self._limited = LimitedLog()

    async def prepare(
        self, connection: AsyncConnection[TupleRow], table: str, first: datetime, last: datetime
    ) -> None:
        """``ensure`` for rows that are about to be stored, whatever stands in the way.

        Those without a partition go to the default one, and the log says so.
        """
        if time.monotonic() < self._locked_until:
            return
        try:
            await self.ensure(connection, table, first, last)
        except errors.LockNotAvailable as error:
            self._locked_until = time.monotonic() + LOCKED_PAUSE_S
            self._limited.warn("locked", f"{table}: using the default partition: {error}")
        else:
            if not self.covers(table, first, last):
                span = f"{first:%Y-%m-%d %H:%M} … {last:%Y-%m-%d %H:%M}"
                text = f"{table}: rows of {span} need more partitions than are made at once"
                self._limited.warn("many", f"{text}: some use the default partition")

    async def ensure(
        self, connection: AsyncConnection[TupleRow], table: str, first: datetime, last: datetime
    ) -> list[Partition]:
        """Make what is missing for rows from ``first`` to ``last``; returns what was made.

        Costs nothing when this process knows that the partitions exist. A partition made with
        another interval setting is respected: only the gaps are filled. Rows of the default
        partition that belong into a new one are moved.

        When more than ``MOST_AT_ONCE`` are missing, the outermost are made: an agent that was away
        sends old messages while others send new ones. Rows between them go to the default
        partition until a later call, or ``retention.strays``, makes theirs; see ``covers``.

        Raises psycopg.errors.LockNotAvailable when the table is locked by somebody for long; rows
        go to the default partition then.
        """
        if self.covers(table, first, last):
            return []
        made = []
        async with connection.transaction():
            await limit_lock_wait(connection)
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            present = await read(connection, table)
            missing = gaps(present, *self._range(first, last))
            for begin, end in outermost(missing, self._interval, MOST_AT_ONCE):
                partition = Partition(_name(table, begin), begin, end)
                await _create(connection, table, partition)
                made.append(partition)
        self._known[table] = sorted(present + made, key=lambda item: item.begin)
        return made

    def covers(self, table: str, first: datetime, last: datetime) -> bool:
        """Whether this process knows of partitions for all rows from ``first`` to ``last``."""
        return not gaps(self._known.get(table, []), *self._range(first, last))

    def _range(self, first: datetime, last: datetime) -> Span:
        return floor(first, self._interval), floor(last, self._interval) + self._interval

    async def ensure_ahead(
        self, connection: AsyncConnection[TupleRow], now: datetime, ahead: int
    ) -> list[Partition]:
        """Make the current and the next ``ahead`` partitions of every table.

        Raises psycopg.errors.LockNotAvailable when one is locked, after the others have theirs.
        """
        made = []
        locked = None
        for table in PARTITIONED:
            last = now + ahead * self._interval
            try:
                while some := await self.ensure(connection, table.name, now, last):
                    made += some
            except errors.LockNotAvailable as error:
                locked = error
        if locked:
            raise locked
        return made

    def forget(self) -> None:
        """Read the partitions again at the next use: another database, or somebody dropped some."""
        self._known.clear()


async def read(connection: AsyncConnection[TupleRow], table: str) -> list[Partition]:
    """The partitions of a table, oldest first, without the default partition.

    Call in a transaction. Raises psycopg.errors.LockNotAvailable when one of them is locked.
    """
    await limit_lock_wait(connection)
    await connection.execute("SET LOCAL timezone TO 'UTC'")
    found = await connection.execute(
        """
        SELECT child.relname, pg_get_expr(child.relpartbound, child.oid)
          FROM pg_inherits
          JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
         WHERE pg_inherits.inhparent = %s::regclass
        """,
        (table,),
    )
    partitions = []
    for name, bound in await found.fetchall():
        span = parse_bound(bound)
        if span:
            partitions.append(Partition(name, *span))
    return sorted(partitions, key=lambda item: item.begin)


def parse_bound(text: str | None) -> tuple[datetime, datetime] | None:
    """Begin and end from a partition bound as ``pg_get_expr`` writes it when timezone is UTC."""
    matched = _BOUND.match(text or "")
    if not matched:
        return None
    begin, end = matched.groups()
    return datetime.fromisoformat(begin), datetime.fromisoformat(end)


def default_of(table: str) -> str:
    """Name of a table's default partition."""
    return f"{table}_default"


async def limit_lock_wait(connection: AsyncConnection[TupleRow], longest: str = "") -> None:
    """In this transaction, give up waiting for a lock after ``longest``, or a short while."""
    await connection.execute(
        sql.SQL("SET LOCAL lock_timeout TO {}").format(sql.Literal(longest or _LOCK_TIMEOUT))
    )


async def end_early(
    connection: AsyncConnection[TupleRow],
    table: str,
    partition: Partition,
    at: datetime,
    patience_s: float,
) -> Partition:
    """Let ``partition`` end at ``at``; a new one, which is returned, takes the rest of its range.

    No row at or after ``at`` may be in it, nor come within ``patience_s``. Its rows are read once
    to prove that; nobody waits meanwhile. Then the two are exchanged, which takes a moment.

    Raises psycopg.errors.LockNotAvailable when somebody uses the table for long, QueryCanceled
    when reading takes longer than ``patience_s``, CheckViolation when such a row is there. All is
    as before then.
    """
    given_up_at = math.ceil(datetime.now(UTC).timestamp() + patience_s)
    rest = Partition(_name(table, at), at, partition.end)
    names = {
        "table": sql.Identifier(table),
        "partition": sql.Identifier(partition.name),
        "proof": sql.Identifier(f"{_ENDS}{given_up_at}"),
        "begin": sql.Literal(partition.begin),
        "at": sql.Literal(at),
        "patience": sql.Literal(f"{patience_s:.0f}s"),
    }

    async def run(*statements: str) -> None:
        for statement in statements:
            await connection.execute(sql.SQL(statement).format(**names))

    async with connection.transaction():
        await limit_lock_wait(connection)
        await run(
            "ALTER TABLE {partition} ADD CONSTRAINT {proof}"
            " CHECK (ts >= {begin} AND ts < {at}) NOT VALID"
        )
    try:
        async with connection.transaction():
            await limit_lock_wait(connection)
            await run(
                "SET LOCAL statement_timeout TO {patience}",
                "ALTER TABLE {partition} VALIDATE CONSTRAINT {proof}",
            )
        async with connection.transaction():
            await limit_lock_wait(connection)
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            # With the proof attaching reads no row, so the table is locked for milliseconds.
            await run(
                "ALTER TABLE {table} DETACH PARTITION {partition}",
                "ALTER TABLE {table} ATTACH PARTITION {partition}"
                " FOR VALUES FROM ({begin}) TO ({at})",
                "ALTER TABLE {partition} DROP CONSTRAINT {proof}",
            )
            await _create(connection, table, rest)
    except Error:
        await remove_proofs(connection, given_up_at)
        raise
    return rest


async def remove_proofs(connection: AsyncConnection[TupleRow], now: float) -> None:
    """Remove the constraints that an interrupted ``end_early`` has left, before they refuse rows.

    ``now`` is in seconds since 1970: those of an ``end_early`` under way have a later time.
    """
    found = await connection.execute(
        "SELECT relname, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
        " WHERE starts_with(conname, %s)",
        (_ENDS,),
    )
    for partition, name in await found.fetchall():
        if int(name.removeprefix(_ENDS)) <= now:
            async with connection.transaction():
                await limit_lock_wait(connection)
                await connection.execute(
                    sql.SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(
                        sql.Identifier(partition), sql.Identifier(name)
                    )
                )


async def default_rows(connection: AsyncConnection[TupleRow], table: str) -> int:
    """Rows in the default partition, counted up to 1,000: it should have none."""
    found = await connection.execute(
        sql.SQL("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT 1000) AS row").format(
            sql.Identifier(default_of(table))
        )
    )
    row = await found.fetchone()
    return int(row[0]) if row else 0


def floor(moment: datetime, interval: timedelta) -> datetime:
    """The beginning of the interval that ``moment`` falls into, counted from 1970 in UTC."""
    return moment - (moment - EPOCH) % interval


def gaps(present: Sequence[Partition], begin: datetime, end: datetime) -> list[Span]:
    """The stretches from ``begin`` to ``end`` that no partition covers.

    ``present`` is sorted and free of overlaps.
    """
    missing = []
    position = begin
    for partition in present:
        if partition.end <= position:
            continue
        if partition.begin >= end:
            break
        if position < partition.begin:
            missing.append((position, partition.begin))
        position = partition.end
    if position < end:
        missing.append((position, end))
    return missing


def outermost(spans: Sequence[Span], interval: timedelta, most: int) -> list[Span]:
    """The first and the last pieces of ``spans``, cut at interval borders, ``most`` in all.

    ``spans`` and what comes back are in order of time. All pieces when they are no more than that.
    """
    first = list(islice((piece for span in spans for piece in _cut(span, interval)), most + 1))
    if len(first) <= most:
        return first
    backwards = (piece for span in reversed(spans) for piece in _cut_backwards(span, interval))
    last = list(islice(backwards, most - most // 2))
    return [*first[: most // 2], *reversed(last)]


def _cut(span: Span, interval: timedelta) -> Iterator[Span]:
    begin, end = span
    while begin < end:
        border = min(floor(begin, interval) + interval, end)
        yield begin, border
        begin = border


def _cut_backwards(span: Span, interval: timedelta) -> Iterator[Span]:
    begin, end = span
    while begin < end:
        border = max(floor(end - datetime.resolution, interval), begin)
        yield border, end
        end = border


def _name(table: str, begin: datetime) -> str:
    return f"{table}_{begin:%Y%m%d_%H%M}"


async def _create(connection: AsyncConnection[TupleRow], table: str, partition: Partition) -> None:
    found = await connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = ''",
        (table,),
    )
    columns = [sql.Identifier(name) for (name,) in await found.fetchall()]
    names = {
        "columns": sql.SQL(", ").join(columns),
        "table": sql.Identifier(table),
        "default": sql.Identifier(default_of(table)),
        "new": sql.Identifier(partition.name),
        "begin": sql.Literal(partition.begin),
        "end": sql.Literal(partition.end),
        "fillfactor": sql.Literal(_FILLFACTORS[table]),
    }
    # Made apart and then attached: attaching locks out neither readers nor writers of the table,
    # only the default partition, which nobody uses.
    for statement in (
        "LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE",
        "CREATE TABLE {new} (LIKE {table} INCLUDING ALL) WITH (fillfactor = {fillfactor})",
        """
        WITH moved AS (
            DELETE FROM {default} WHERE ts >= {begin} AND ts < {end} RETURNING *
        )
        INSERT INTO {new} ({columns}) SELECT {columns} FROM moved
        """,
        "ALTER TABLE {table} ATTACH PARTITION {new} FOR VALUES FROM ({begin}) TO ({end})",
    ):
        await connection.execute(sql.SQL(statement).format(**names))
