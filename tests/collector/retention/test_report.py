# SPDX-License-Identifier: GPL-2.0-or-later
"""What the operator reads."""

from __future__ import annotations

import os
from datetime import timedelta

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import settings
from collector.retention import report
from collector.retention.history import Growth
from collector.retention.measure import Measured, Part
from collector.retention.plan import Limit, plan
from collector.retention.watch import Look
from collector.settings import Settings
from tests.collector.retention.test_plan import MB, NOW, PRECIOUS, part
from tests.fix_api import JOURNAL, load_settings
from tests.fix_database import Database


def _settings(**values: str) -> Settings:
    variables = {f"KEMISCOPE_RETENTION_{name}": value for name, value in values.items()}
    return settings.load(None, {"KEMISCOPE_CONFIG": os.devnull, **variables})


def _look(parts: list[Part], limits: list[Limit], unwatched: str = "") -> Look:
    cutoffs = {"call": NOW - timedelta(hours=20)}
    decided = plan(parts, limits, NOW, cutoffs, PRECIOUS)
    return Look(Measured(NOW, parts, [], unwatched), limits, decided)


def test_everything_at_a_glance() -> None:
    """Kinds, limits with forecast, what goes and why."""
    parts = [part("call", 30, 100), part("call", 0, 400), part("other", 3, 200), part("other", 0)]
    used = sum(item.octets for item in parts)
    limits = [
        Limit("max_bytes", None, used, 600 * MB, 6 * MB, 600 * MB),
        Limit("max_disk_percent", 1, 5000 * MB, 9000 * MB, 0, 9500 * MB, "/var"),
    ]
    growths = {"hour": Growth(MB, 2 * MB), "day": Growth(0, -MB)}
    text = report.report(_look(parts, limits), _settings(MAX_BYTES="600MB"), growths, dry=True)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines == [
        "kind partitions messages bytes oldest kept for",
        "call 2 2 476.8 MiB 2026-11-22 06:00 14d",
        "registration 0 0 0 bytes - 3d",
        "other 2 2 200.3 MiB 2026-11-23 09:00 3d",
        "event 0 0 0 bytes - 3d",
        "report 0 0 0 bytes - 14d",
        "record 0 0 0 bytes - 90d",
        "",
        "limit in use of share last hour, reached last day, reached",
        "retention.max_bytes 677.1 MiB 572.2 MiB 118.3% +3.4 GiB/h, reached +0 bytes/h, reached",
        (
            "retention.max_disk_percent 4.7 GiB 8.4 GiB 55.6% "
            "+6.7 GiB/h, in 33.3 min -3.4 GiB/h, never"
        ),
        "",
        "2 partitions would go now, 286.1 MiB:",
        "",
        "partition from to messages bytes reason",
        "call_-30 2026-11-22 06:00 2026-11-22 07:00 1 95.4 MiB age",
        "other_-3 2026-11-23 09:00 2026-11-23 10:00 1 190.7 MiB retention.max_bytes",
    ]


def test_what_does_not_work_is_said() -> None:
    """Limits that are off, that cannot be watched, that cannot be kept."""
    text = report.report(
        *(_look([part("call", 0)], [], "the database does not run on this host"), _settings()),
        {"hour": None},
        dry=False,
    )
    assert "retention.max_bytes is off\n" in text
    assert "max_disk_percent does not work: the database does not run on this host\n" in text
    assert text.endswith("nothing goes now\n")
    limit = Limit("max_bytes", None, 10 * MB, 5 * MB, 0, 5 * MB, "all")
    text = report.report(
        _look([part("call", 0)], [limit]), _settings(MAX_BYTES="5MB"), {"hour": None}, dry=True
    )
    assert "not known yet" in text
    assert "too small for what comes in" in text


async def test_a_dry_run_and_a_round(
    connection: AsyncConnection[TupleRow], database: Database
) -> None:
    """The same words; only one of them acts."""
    await connection.execute(
        "CREATE TABLE old_call PARTITION OF sip_message_call"
        " FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00')"
    )
    loaded = load_settings(database)
    for dry in (True, True, False):
        text = await report.run(connection, loaded, JOURNAL, dry=dry)
        assert f"1 partitions {'would go' if dry else 'go'} now" in text
        assert "old_call   2020-01-01 00:00  2020-01-02 00:00  0         64.0 KiB  age" in text
    text = await report.run(connection, loaded, JOURNAL, dry=True)
    assert text.endswith("nothing would go now\n")
