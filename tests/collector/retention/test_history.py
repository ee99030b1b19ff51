# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples of what was seen, and growth from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.retention import history
from collector.retention.disk import FileSystem
from collector.retention.measure import Measured
from collector.retention.plan import Limit
from tests.collector.retention.test_plan import MB, part
from tests.fix_api import JOURNAL

NOW = datetime(2026, 11, 23, 12, 30, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
Connection = AsyncConnection[TupleRow]


async def _save(
    connection: Connection, ago: timedelta, octets: int, used: int, findings: tuple[str, ...] = ()
) -> None:
    disks = [FileSystem("/var", 1, used * MB, 1000 * MB), FileSystem("/srv", 2, 1, 1000 * MB)]
    measured = Measured(NOW - ago, [part("call", 0, octets)], disks, "")
    limits = [
        Limit("max_bytes", None, octets * MB, 500 * MB, 0, 500 * MB),
        *(Limit("max_disk_percent", d.device, d.used, 900 * MB, 0, 950 * MB) for d in disks),
    ]
    await history.save(connection, JOURNAL, measured, limits, findings)


async def test_one_row_a_minute_and_the_last_look_counts(connection: Connection) -> None:
    """The file system that is nearest to its limit is kept."""
    await _save(connection, timedelta(seconds=10), 100, 300)
    await _save(connection, timedelta(), 110, 310, ("a finding",))
    found = await connection.execute(
        "SELECT looked_at, octets, octets_limit, disk, disk_used, disk_size, disk_limit, findings"
        " FROM retention_sample"
    )
    assert await found.fetchall() == [
        (NOW, 110 * MB, 500 * MB, "/var", 310 * MB, 1000 * MB, 900 * MB, ["a finding"])
    ]
    assert await history.last_sample(connection, JOURNAL) == (
        *(NOW, 110 * MB, "/var", 310 * MB, ["a finding"]),
    )


async def test_growth_counts_what_limits_took_and_not_what_grew_old(
    connection: Connection,
) -> None:
    """Age makes room as it always will; a limit does so because it is reached."""
    for ago, octets, used in ((30 * HOUR, 1, 1), (HOUR, 100, 500), (timedelta(), 136, 572)):
        await _save(connection, ago, octets, used)
    for reason, octets, ago in (("age", 50, HOUR / 2), ("max_bytes", 36, HOUR / 2)):
        await connection.execute(
            "INSERT INTO retention_log (dropped_at, kind, partition, range_begin, range_end,"
            " messages, octets, reason, capture_node)"
            " VALUES (%s, 'call', 'p', now(), now(), 1, %s, %s, 'n')",
            (NOW - ago, octets * MB, reason),
        )
    grown = await history.growth(connection, JOURNAL, NOW, timedelta(hours=2))
    assert grown == (72 * MB / 3600, 108 * MB / 3600)


async def test_growth_needs_a_minute(connection: Connection) -> None:
    """Before that it is not known."""
    assert await history.growth(connection, JOURNAL, NOW, HOUR) is None
    await _save(connection, timedelta(seconds=40), 100, 300)
    await _save(connection, timedelta(), 110, 310)
    assert await history.growth(connection, JOURNAL, NOW, HOUR) is None


async def test_old_samples_go(connection: Connection) -> None:
    """A day and a half behind the longest forecast."""
    await _save(connection, history.KEPT + timedelta(minutes=1), 1, 1)
    await _save(connection, timedelta(days=1), 2, 2)
    await history.forget_old(connection, NOW)
    found = await connection.execute("SELECT octets FROM retention_sample")
    assert await found.fetchall() == [(2 * MB,)]
