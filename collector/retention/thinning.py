# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeping failures only: what went well of REGISTER, OPTIONS and the like is removed after a while.

Everything is stored and can be searched at first, because at the time of the request nobody knows
how it ends. A minute later the messages of a Call-ID and method go when the exchange succeeded: it
has a 2xx and no other failure than a challenge (401, 407). What failed or was never answered stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector.columns import SIP_MESSAGE_TABLES
from collector.sip import CHALLENGES, Kind, kind_of

LONGEST_STEP: Final = timedelta(minutes=5)
"""Of capture time in one transaction: it must not hold up anybody."""
REASON: Final = "retention.failed_only"
"""In retention_dropped, beside the reasons for which whole partitions go."""
_LOCK: Final = 0x7468696E  # "thin"

# Exchanges may lie across the border of two steps, so the verdict is over more than is removed.
_REMOVE: Final = sql.SQL(
    """
    DELETE FROM {table} AS message
     USING (SELECT call_id, method
              FROM {table}
             WHERE ts >= %(look_back)s AND ts < %(look_ahead)s AND method = ANY(%(methods)s)
             GROUP BY call_id, method
            HAVING bool_or(status BETWEEN 200 AND 299)
               AND NOT bool_or(status >= 300 AND status <> ALL(%(challenges)s))) AS success
     WHERE message.call_id = success.call_id AND message.method = success.method
       AND message.ts >= %(begin)s AND message.ts < %(end)s
    """
)

_COUNT: Final = """
    INSERT INTO retention_dropped AS have (kind, reason, partitions, messages, octets)
    VALUES (%s, %s, 0, %s, 0)
    ON CONFLICT (kind, reason) DO UPDATE SET messages = have.messages + excluded.messages"""


class Step(NamedTuple):
    """What one call of ``thin`` did in one table."""

    table: str
    begin: datetime
    end: datetime
    removed: int


async def thin(
    connection: AsyncConnection[TupleRow], methods: Iterable[str], after_seconds: float
) -> list[Step]:
    """Remove what went well and is older than ``after_seconds``; at most one step per table.

    Several nodes may call it; each stretch of time is gone through once. Messages that are stored
    later than ``after_seconds`` after their capture stay.
    """
    by_table: dict[Kind, list[str]] = {}
    for method in methods:
        by_table.setdefault(kind_of(method.encode()), []).append(method)
    after = timedelta(seconds=after_seconds)
    steps = []
    for kind, names in by_table.items():
        async with connection.transaction():
            step = await _thin_table(connection, kind, names, after)
        if step:
            steps.append(step)
    return steps


async def _thin_table(
    connection: AsyncConnection[TupleRow], kind: Kind, methods: list[str], after: timedelta
) -> Step | None:
    table = SIP_MESSAGE_TABLES[kind]
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    now = datetime.now(UTC)
    found = await connection.execute("SELECT done_until FROM thinning WHERE name = %s", (table,))
    row = await found.fetchone()
    begin = row[0] if row else now - after - LONGEST_STEP
    end = min(now - after, begin + LONGEST_STEP)
    if end <= begin:
        return None
    removed = await connection.execute(
        _REMOVE.format(table=sql.Identifier(table)),
        {
            "methods": methods,
            "challenges": list(CHALLENGES),
            "begin": begin,
            "end": end,
            "look_back": begin - after,
            "look_ahead": end + after,
        },
    )
    await connection.execute(
        """
        INSERT INTO thinning (name, done_until) VALUES (%s, %s)
        ON CONFLICT (name) DO UPDATE SET done_until = excluded.done_until
        """,
        (table, end),
    )
    if removed.rowcount:
        await connection.execute(_COUNT, (kind.label, REASON, removed.rowcount))
    return Step(table, begin, end, removed.rowcount)
