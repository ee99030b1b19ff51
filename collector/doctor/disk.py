# SPDX-License-Identifier: GPL-2.0-or-later
"""How much room the captured messages have, and what had to go for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection, errors
from psycopg.rows import TupleRow

from collector.doctor.finding import Finding, Level, ago
from collector.retention import history
from collector.retention.limits import limits
from collector.retention.measure import Measured, measure
from collector.retention.pace import Pace
from collector.retention.plan import AGE
from collector.settings import Settings
from collector.settings.quantity import approximate

LOOKED_WITHIN: Final = timedelta(minutes=5)
"""Ingest looks every few seconds."""
_CHECK: Final = "disk"
_DROPPED: Final = """
    SELECT reason, count(*), sum(octets)::bigint, max(dropped_at), max(range_end)
      FROM retention_log
     WHERE dropped_at > now() - interval '1 day' AND reason <> %s
     GROUP BY reason ORDER BY reason"""


async def check(
    settings: Settings, connection: AsyncConnection[TupleRow], journal_id: UUID
) -> list[Finding]:
    """Limits and their use, what the last look of ingest has found, and the drops of a day."""
    try:
        measured = await measure(connection, settings.retention.disk_path)
    except errors.LockNotAvailable as error:
        return [Finding(_CHECK, Level.WARN, f"the tables cannot be measured: {error}")]
    findings = check_limits(settings, measured)
    last = await history.last_sample(connection, journal_id)
    if last is None or measured.at - last.looked_at > LOOKED_WITHIN:
        seen = ago((measured.at - last.looked_at).total_seconds()) if last else "never"
        text = f"ingest last looked after the limits {seen}"
        findings.append(Finding(_CHECK, Level.WARN, text, "see the log of ingest for why not"))
    else:
        findings += [
            Finding(
                *(_CHECK, Level.WARN, finding),
                "python -m collector retention --dry-run shows what is there; docs/retention.md",
            )
            for finding in last.findings
        ]
    found = await connection.execute(_DROPPED, (AGE,))
    for reason, count, octets, when, newest in await found.fetchall():
        text = (
            f"{count:,} partitions, {approximate(octets)}, dropped in the last day for "
            f"retention.{reason}, the last {ago((datetime.now(UTC) - when).total_seconds())}, "
            f"with messages up to {newest:%Y-%m-%d %H:%M} UTC"
        )
        advice = "SELECT * FROM retention_log ORDER BY id DESC"
        findings.append(Finding(_CHECK, Level.NOTE, text, advice))
    return findings


def check_limits(settings: Settings, measured: Measured) -> list[Finding]:
    """What is in use of each limit, and whether anything keeps the disk from filling up.

    Above ``max_bytes`` is a failure; above ``max_disk_percent`` there is a reserve first.
    """
    findings = []
    found = limits(settings, measured, Pace(), 0)
    for limit in found:
        exceeded = Level.FAIL if limit.used > limit.last else Level.WARN
        level = exceeded if limit.used > limit.most else Level.OK
        percent = f" of {settings.retention.max_disk_percent:g} %" if limit.device else ""
        text = f"{limit.shown}{percent} (retention.{limit.setting})"
        findings.append(Finding(_CHECK, level, text))
    if settings.retention.max_disk_percent and measured.unwatched:
        findings.append(
            Finding(
                _CHECK,
                Level.NOTE if settings.retention.max_bytes else Level.WARN,
                f"retention.max_disk_percent does not work: {measured.unwatched}",
                "set retention.max_bytes, or retention.disk_path if the disk is on this host",
            )
        )
    elif not found:
        findings.append(
            Finding(
                *(_CHECK, Level.WARN, "messages go by age only, however full the disk is"),
                "set retention.max_bytes or retention.max_disk_percent",
            )
        )
    return findings
