# SPDX-License-Identifier: GPL-2.0-or-later
"""What was seen, minute by minute: the state that others show, and the growth of hours and days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row

from collector.retention.measure import Measured
from collector.retention.plan import AGE, Limit

KEPT: Final = timedelta(days=2)
SPANS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

_SAVE: Final = """
    INSERT INTO retention_sample (journal_id, minute, looked_at, octets, octets_limit, disk,
                                  disk_used, disk_size, disk_limit, findings)
    VALUES (%s, date_trunc('minute', %s::timestamptz), %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (journal_id, minute) DO UPDATE
        SET looked_at = excluded.looked_at, octets = excluded.octets,
            octets_limit = excluded.octets_limit, disk = excluded.disk,
            disk_used = excluded.disk_used, disk_size = excluded.disk_size,
            disk_limit = excluded.disk_limit, findings = excluded.findings"""

_LAST: Final = """
    SELECT looked_at, octets, disk, disk_used, findings
      FROM retention_sample WHERE journal_id = %s ORDER BY minute DESC LIMIT 1"""

_FIRST: Final = """
    SELECT looked_at, octets, disk, disk_used, findings
      FROM retention_sample WHERE journal_id = %s AND minute >= %s ORDER BY minute LIMIT 1"""

# What went because of a limit would still be there without it.
_DROPPED: Final = """
    SELECT coalesce(sum(octets), 0)::bigint FROM retention_log
     WHERE dropped_at > %s AND reason <> %s"""


class Sample(NamedTuple):
    """One look."""

    looked_at: datetime
    octets: int
    disk: str
    disk_used: int
    findings: list[str]


class Growth(NamedTuple):
    """Bytes per second over a span of time, as if no limit had made anything go."""

    octets: float
    disk: float


async def save(
    connection: AsyncConnection[TupleRow],
    journal_id: UUID,
    measured: Measured,
    limits: Sequence[Limit],
    findings: Sequence[str],
) -> None:
    """Keep what a look has found; of several file systems the one that is nearest to its limit."""
    octets_limit = sum(limit.most for limit in limits if limit.device is None)
    on_disks = [limit for limit in limits if limit.device is not None]
    disk = max(on_disks, key=lambda limit: limit.used - limit.most, default=None)
    found = next((item for item in measured.disks if disk and item.device == disk.device), None)
    await connection.execute(
        _SAVE,
        (
            *(journal_id, measured.at, measured.at, measured.octets, octets_limit),
            *((found.path, found.used, found.size) if found else ("", 0, 0)),
            *(disk.most if disk else 0, list(findings)),
        ),
    )


async def forget_old(connection: AsyncConnection[TupleRow], now: datetime) -> None:
    """Delete samples that no forecast needs."""
    await connection.execute("DELETE FROM retention_sample WHERE minute < %s", (now - KEPT,))


async def last_sample(connection: AsyncConnection[TupleRow], journal_id: UUID) -> Sample | None:
    """What the last look of a capture node has found."""
    async with connection.cursor(row_factory=class_row(Sample)) as cursor:
        await cursor.execute(_LAST, (journal_id,))
        return await cursor.fetchone()


async def growth(
    connection: AsyncConnection[TupleRow], journal_id: UUID, now: datetime, span: timedelta
) -> Growth | None:
    """The growth over the last ``span``, or over what is known of it; None when nothing is."""
    last = await last_sample(connection, journal_id)
    async with connection.cursor(row_factory=class_row(Sample)) as cursor:
        await cursor.execute(_FIRST, (journal_id, now - span))
        first = await cursor.fetchone()
    if last is None or first is None:
        return None
    seconds = (last.looked_at - first.looked_at).total_seconds()
    if seconds < 60:
        return None
    found = await connection.execute(_DROPPED, (first.looked_at, AGE))
    dropped = ((await found.fetchone()) or (0,))[0]
    disk = last.disk_used - first.disk_used + dropped if last.disk == first.disk else 0
    return Growth((last.octets - first.octets + dropped) / seconds, disk / seconds)
