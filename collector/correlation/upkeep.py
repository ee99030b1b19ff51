# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of calls without a message: time runs out for some, keys are forgotten.

Work is done in small portions and never waits for a row that a writer has locked.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.correlation.columns import PERIOD_US
from collector.correlation.writer import FILING_LOCK, KEYS_KEPT
from collector.moment import to_us
from collector.settings import Settings

_PORTION: Final = 5000

_TIME_OUT: Final = """
    WITH written AS (
        UPDATE call SET timed_out_at = %(now)s
         WHERE (call_id, ts) IN (
            SELECT call_id, ts FROM call
             WHERE ended_at IS NULL AND timed_out_at IS NULL
               AND started_at < %(unanswered)s
               AND last_at < CASE WHEN answered_at IS NULL THEN %(unanswered)s ELSE %(answered)s END
             LIMIT %(portion)s FOR UPDATE SKIP LOCKED)
        RETURNING started_at
    ), changed AS (
        INSERT INTO call_changed (minute)
        SELECT DISTINCT date_trunc('minute', started_at) FROM written
    )
    SELECT FROM written"""

_FORGET_KEYS: Final = """
    DELETE FROM call_key WHERE call_id IN (
        SELECT call_id FROM call_key WHERE ts < %s LIMIT %s)"""

_FORGET_REGISTRATIONS: Final = """
    DELETE FROM registration WHERE (call_id, aor) IN (
        SELECT call_id, aor FROM registration WHERE last_period <= %s AND last_at < %s
         LIMIT %s FOR UPDATE SKIP LOCKED)"""


async def keep(connection: AsyncConnection[TupleRow], settings: Settings, now: datetime) -> None:
    """Time out calls that nothing is heard of, and remove keys and registrations of long ago."""
    correlation = settings.correlation
    times = {
        "now": now,
        "unanswered": now - timedelta(seconds=correlation.unanswered_timeout),
        "answered": now - timedelta(seconds=correlation.answered_timeout),
        "portion": _PORTION,
    }
    while (await connection.execute(_TIME_OUT, times)).rowcount == _PORTION:
        pass
    while await _forget_keys(connection, now - KEYS_KEPT):
        pass
    kept = settings.retention.record
    if kept:
        oldest = now - timedelta(seconds=kept)
        while (
            await connection.execute(
                _FORGET_REGISTRATIONS, (to_us(oldest) // PERIOD_US, oldest, _PORTION)
            )
        ).rowcount == _PORTION:
            pass


async def _forget_keys(connection: AsyncConnection[TupleRow], oldest: datetime) -> bool:
    """Whether there may be more. A writer must not lose a key that it has just looked up."""
    async with connection.transaction():
        found = await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (FILING_LOCK,))
        row = await found.fetchone()
        if not row or not row[0]:
            return False
        deleted = await connection.execute(_FORGET_KEYS, (oldest, _PORTION))
        return deleted.rowcount == _PORTION
