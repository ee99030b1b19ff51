# SPDX-License-Identifier: GPL-2.0-or-later
"""What is stored, by its own time: a search that finds nothing may look at another hour or kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.doctor.finding import Finding, Level, ago

RECENT: Final = timedelta(hours=1)
"""What pages and the API show when no time is given."""
_CHECK: Final = "messages"
_SHOWN: Final = 8

_COUNTS: Final = """
    SELECT method, sum(messages)::bigint FROM stat_minute
     WHERE minute >= now() - %s GROUP BY method ORDER BY 2 DESC LIMIT %s"""
_NEWEST: Final = "SELECT max(minute) FROM stat_minute"


async def check(connection: AsyncConnection[TupleRow]) -> list[Finding]:
    """The messages of the last hour by method; else of when the newest are."""
    found = await connection.execute(_COUNTS, (RECENT, _SHOWN))
    counts = await found.fetchall()
    if counts:
        parts = ", ".join(f"{count:,} {method}" for method, count in counts)
        return [Finding(_CHECK, Level.OK, f"of the last hour: {parts} (with their responses)")]
    found = await connection.execute(_NEWEST)
    row = await found.fetchone()
    if row is None or row[0] is None:
        return [Finding(_CHECK, Level.NOTE, "none is stored yet")]
    newest: datetime = row[0]
    when = ago((datetime.now(UTC) - newest).total_seconds())
    text = f"none of the last hour; the newest are of {newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return [Finding(_CHECK, Level.NOTE, f"{text}, {when}", "search there, with a longer range")]
