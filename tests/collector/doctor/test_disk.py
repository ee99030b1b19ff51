# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor says of limits, drops, and of a disk that nobody watches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.doctor import disk
from collector.doctor.finding import Level
from collector.retention import history
from collector.retention.disk import FileSystem
from collector.retention.measure import Measured
from tests.collector.retention.test_plan import MB, NOW, part
from tests.fix_api import JOURNAL, load_settings
from tests.fix_database import Database

VAR = FileSystem("/var", 1, 800 * MB, 1000 * MB)


@pytest.mark.parametrize(
    ("settings", "measured", "levels", "words"),
    [
        ({}, Measured(NOW, [], [VAR], ""), ["ok"], "/var is 80.0% full of 90 %"),
        (
            {"MAX_DISK_PERCENT": "79"},
            Measured(NOW, [], [VAR], ""),
            ["warn"],
            "retention.max_disk_percent",
        ),
        (
            {"MAX_BYTES": "10MB"},
            Measured(NOW, [part("call", 0, 9)], [VAR], ""),
            ["ok", "ok"],
            "8.6 MiB of 9.5 MiB in use (retention.max_bytes)",
        ),
        (
            {"MAX_DISK_PERCENT": "50", "MAX_BYTES": "8MB"},
            Measured(NOW, [part("call", 0, 9)], [VAR], ""),
            ["fail", "fail"],
            "/var is 80.0% full of 50 %",
        ),
        ({}, Measured(NOW, [], [], "elsewhere"), ["warn"], "does not work: elsewhere"),
        (
            {"MAX_BYTES": "10MB"},
            Measured(NOW, [], [], "elsewhere"),
            ["ok", "note"],
            "does not work: elsewhere",
        ),
        (
            {"MAX_DISK_PERCENT": "0"},
            Measured(NOW, [], [VAR], ""),
            ["warn"],
            "by age only",
        ),
    ],
)
def test_limits(
    database: Database,
    settings: dict[str, str],
    measured: Measured,
    levels: list[str],
    words: str,
) -> None:
    """In use, exceeded, or not watched at all."""
    loaded = load_settings(database, **{f"RETENTION_{k}": v for k, v in settings.items()})
    findings = disk.check_limits(loaded, measured)
    assert [finding.level for finding in findings] == levels
    assert any(words in finding.text for finding in findings)


async def test_what_ingest_has_found_and_dropped(
    connection: AsyncConnection[TupleRow], database: Database
) -> None:
    """Findings of the last look fail; drops of a day are told, those by age are not."""
    loaded = load_settings(database, RETENTION_MAX_DISK_PERCENT="0", RETENTION_MAX_BYTES="1GiB")
    assert [(f.level, f.text) for f in await disk.check(loaded, connection, JOURNAL)][1:] == [
        (Level.WARN, "ingest last looked after the limits never")
    ]
    now = datetime.now(UTC)
    old = Measured(now - timedelta(minutes=6), [], [], "")
    await history.save(connection, JOURNAL, old, [], ["old"])
    findings = await disk.check(loaded, connection, JOURNAL)
    assert findings[1].text == "ingest last looked after the limits 6.0 min ago"
    await history.save(connection, JOURNAL, old._replace(at=now), [], ["max_bytes: too small"])
    for reason, days in (("max_bytes", 0), ("max_bytes", 0.1), ("age", 0), ("max_bytes", 2)):
        await connection.execute(
            "INSERT INTO retention_log (dropped_at, kind, partition, range_begin, range_end,"
            " messages, octets, reason, capture_node)"
            " VALUES (%s, 'call', 'p', %s, %s, 1, 1048576, %s, 'n')",
            (now - timedelta(days=days), NOW, NOW, reason),
        )
    _, finding, drops = await disk.check(loaded, connection, JOURNAL)
    assert (finding.level, finding.text) == (Level.WARN, "max_bytes: too small")
    assert drops.level is Level.NOTE
    assert drops.text.startswith("2 partitions, 2.0 MiB, dropped in the last day for retention.max")
    assert "up to 2026-11-23 12:30 UTC" in drops.text
