# SPDX-License-Identifier: GPL-2.0-or-later
"""Drop a partition and write down that it went.

First it is truncated: that frees its bytes, locks nothing but the partition itself, and the record
of it is written in the same transaction. Then the empty table is dropped, which locks the whole
table for a moment; when somebody's long query forbids that, it is done another time.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from psycopg import AsyncConnection, errors, sql
from psycopg.rows import TupleRow

from collector.log import LOGGER
from collector.partitions import limit_lock_wait
from collector.retention.measure import Part
from collector.retention.plan import AGE
from collector.settings.quantity import approximate

_LOCK_TIMEOUT: Final = "500ms"
"""Ingest waits behind our wish for the whole table, so we do not insist."""

_RECORD: Final = """
    WITH logged AS (
        INSERT INTO retention_log (kind, partition, range_begin, range_end, messages, octets,
                                   reason, capture_node)
        VALUES (%(kind)s, %(partition)s, %(begin)s, %(end)s, %(messages)s, %(octets)s,
                %(reason)s, %(node)s)
    )
    INSERT INTO retention_dropped AS have (kind, reason, partitions, messages, octets)
    VALUES (%(kind)s, %(reason)s, 1, %(messages)s, %(octets)s)
    ON CONFLICT (kind, reason) DO UPDATE
        SET partitions = have.partitions + 1, messages = have.messages + excluded.messages,
            octets = have.octets + excluded.octets"""

_USERS: Final = """
    SELECT string_agg(DISTINCT format('process %%s of role %%s', pid, usename), ', ')
      FROM pg_locks
      JOIN pg_stat_activity USING (pid)
     WHERE relation = to_regclass(quote_ident(%s)) AND granted AND pid <> pg_backend_pid()"""


async def drop(connection: AsyncConnection[TupleRow], part: Part, reason: str, node: str) -> int:
    """Drop one partition, or empty the default one; returns the bytes freed.

    ``node`` is who does it. Raises psycopg.errors.LockNotAvailable when somebody uses it for long.
    """
    name = sql.Identifier(part.partition.name)
    begin, end = part.partition.begin, part.partition.end
    if part.is_default and part.filled:
        begin, end = await _span(connection, part)
    octets, filled = part.octets, part.filled

    async def write_down() -> None:
        if filled:
            await record(
                connection,
                *(part.kind, part.partition.name, begin, end, part.messages, octets),
                *(reason, node),
            )

    try:
        async with connection.transaction():
            await limit_lock_wait(connection)
            await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(name))
            if part.is_default and await _has_newer(connection, part):
                return 0
            # Another capture node may have emptied it meanwhile, and written that down.
            octets, filled = await _size(connection, part)
            await connection.execute(sql.SQL("TRUNCATE TABLE {}").format(name))
            await write_down()
    except errors.UndefinedTable:
        return 0  # another capture node was faster
    except errors.DiskFull:
        # No file can be made any more, but a table can still be dropped, which makes room.
        if part.is_default or not await _drop_table(connection, part):
            raise
        await write_down()
    else:
        if not part.is_default:
            await _drop_table(connection, part)
    if filled:
        LOGGER.log(
            logging.INFO if reason == AGE else logging.WARNING,
            "%s dropped (%s): %s … %s, about %d messages, %s",
            *(part.partition.name, reason, begin.isoformat(), end.isoformat()),
            *(part.messages, approximate(octets)),
        )
    return octets


async def record(
    connection: AsyncConnection[TupleRow],
    kind: str,
    partition: str,
    begin: datetime,
    end: datetime,
    messages: int,
    octets: int,
    reason: str,
    node: str,
) -> None:
    """Write down what goes, in the transaction in which it goes."""
    await connection.execute(
        _RECORD,
        {
            "kind": kind,
            "partition": partition,
            "begin": begin,
            "end": end,
            "messages": messages,
            "octets": octets,
            "reason": reason,
            "node": node,
        },
    )


async def users_of(connection: AsyncConnection[TupleRow], partition: str) -> str:
    """Who uses a partition at this moment; empty when nobody does any more."""
    found = await connection.execute(_USERS, (partition,))
    row = await found.fetchone()
    return (row and row[0]) or ""


async def _drop_table(connection: AsyncConnection[TupleRow], part: Part) -> bool:
    try:
        async with connection.transaction():
            await limit_lock_wait(connection, _LOCK_TIMEOUT)
            await connection.execute(
                sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(part.partition.name))
            )
    except errors.LockNotAvailable:
        return False
    return True


async def _span(connection: AsyncConnection[TupleRow], part: Part) -> tuple[datetime, datetime]:
    found = await connection.execute(
        sql.SQL("SELECT min(ts), max(ts) FROM {}").format(sql.Identifier(part.partition.name))
    )
    row = await found.fetchone()
    end = part.partition.end
    return (row[0] or end, row[1] or end) if row else (end, end)


async def _size(connection: AsyncConnection[TupleRow], part: Part) -> tuple[int, bool]:
    """``octets`` and ``filled`` of the part as they are now."""
    found = await connection.execute(
        "SELECT pg_total_relation_size(relation), pg_relation_size(relation) > 0"
        "  FROM to_regclass(quote_ident(%s)) AS relation",
        (part.partition.name,),
    )
    row = await found.fetchone()
    return (row[0] or 0, bool(row[1])) if row else (0, False)


async def _has_newer(connection: AsyncConnection[TupleRow], part: Part) -> bool:
    found = await connection.execute(
        sql.SQL("SELECT 1 FROM {} WHERE ts >= %s LIMIT 1").format(
            sql.Identifier(part.partition.name)
        ),
        (part.partition.end,),
    )
    return await found.fetchone() is not None
