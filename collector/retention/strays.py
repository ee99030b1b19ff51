# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows in a default partition: there was no partition for them when they came.

They are deleted at the same age as all others, and moved where they belong when that can be made.
What they leave behind is given back to the disk.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector.partitions import Partitions, default_of, limit_lock_wait
from collector.retention import drop

ROWS_PER_DELETE: Final = 10_000
DELETES_PER_ROUND: Final = 50
MOVES_PER_ROUND: Final = 20
"""A round of housekeeping must not take long; the rest follows in the next one."""

_DELETE: Final = """
    WITH gone AS (
        DELETE FROM {default} AS stray
         WHERE ctid = ANY (ARRAY(SELECT ctid FROM {default} WHERE ts < %s LIMIT %s))
        RETURNING ts, pg_column_size(stray) AS octets
    )
    SELECT count(*), min(ts), max(ts), coalesce(sum(octets), 0)::bigint FROM gone"""


async def delete_old(
    connection: AsyncConnection[TupleRow],
    table: str,
    kind: str,
    cutoff: datetime,
    reason: str,
    node: str,
) -> int:
    """Delete strays older than ``cutoff``, some at a time; returns how many."""
    default = default_of(table)
    deleted = 0
    statement = sql.SQL(_DELETE).format(default=sql.Identifier(default))
    for _ in range(DELETES_PER_ROUND):
        async with connection.transaction():
            await limit_lock_wait(connection)
            found = await connection.execute(statement, (cutoff, ROWS_PER_DELETE))
            rows, begin, end, octets = await found.fetchone() or (0, cutoff, cutoff, 0)
            if not rows:
                break
            deleted += rows
            await drop.record(connection, kind, default, begin, end, rows, octets, reason, node)
    return deleted


async def settle(connection: AsyncConnection[TupleRow], table: str, partitions: Partitions) -> int:
    """Make the partitions that strays belong to, which moves them; returns how many were made.

    Raises psycopg.errors.LockNotAvailable when somebody uses the table for long.
    """
    default = sql.Identifier(default_of(table))
    made = 0
    for _ in range(MOVES_PER_ROUND):
        found = await connection.execute(sql.SQL("SELECT ts FROM {} LIMIT 1").format(default))
        row = await found.fetchone()
        if row is None:
            break
        partitions.forget()
        made += len(await partitions.ensure(connection, table, row[0], row[0]))
    return made


async def give_back(connection: AsyncConnection[TupleRow], table: str) -> None:
    """Free what rows that are gone from the default partition still occupy.

    Raises psycopg.errors.LockNotAvailable when somebody uses it for long.
    """
    default = sql.Identifier(default_of(table))
    async with connection.transaction():
        await limit_lock_wait(connection)
        await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(default))
        found = await connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(default))
        if await found.fetchone() is None:
            await connection.execute(sql.SQL("TRUNCATE TABLE {}").format(default))
