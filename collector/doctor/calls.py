# SPDX-License-Identifier: GPL-2.0-or-later
"""Do the calls keep up with their messages, and did all of them get their row?"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.doctor.finding import Finding, Level, span
from collector.settings import Settings

_PATIENCE: Final = timedelta(seconds=30)
"""Added to the setting: a busy node writes calls late, and catches up."""

_RUNNING: Final = """
    SELECT count(*) FROM (
        SELECT FROM call WHERE ended_at IS NULL AND timed_out_at IS NULL LIMIT 100000) AS running"""

# A segment's progress is touched with every batch: an old one that is not correlated is stuck.
_BEHIND: Final = """
    SELECT extract(epoch FROM now() - min(updated_at))::float FROM journal_progress
     WHERE journal_id = %s AND correlated < octets"""

_REFUSED: Final = "SELECT calls_refused FROM capture_node WHERE journal_id = %s"


async def check(
    settings: Settings, connection: AsyncConnection[TupleRow], journal_id: UUID
) -> list[Finding]:
    """Running calls, and what is wrong with correlation."""
    if not settings.correlation.calls:
        return [Finding("calls", Level.NOTE, "correlation.calls is off: only messages are stored")]
    found = await connection.execute(_RUNNING)
    row = await found.fetchone()
    findings = [Finding("calls", Level.OK, f"{row[0] if row else 0:,} go on now")]
    found = await connection.execute(_BEHIND, (journal_id,))
    row = await found.fetchone()
    behind_s = row[0] if row and row[0] is not None else 0.0
    if behind_s > settings.correlation.interval + _PATIENCE.total_seconds():
        findings.append(
            Finding(
                "calls",
                Level.WARN,
                f"they are {span(behind_s)} behind their messages",
                "the log of ingest says why; segments stay in the journal meanwhile",
            )
        )
    found = await connection.execute(_REFUSED, (journal_id,))
    row = await found.fetchone()
    if row and row[0]:
        findings.append(
            Finding(
                "calls",
                Level.WARN,
                f"PostgreSQL refused {row[0]:,} updates of calls; the messages are stored",
                "the log of ingest says why",
            )
        )
    return findings
