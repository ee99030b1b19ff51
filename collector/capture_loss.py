# SPDX-License-Identifier: GPL-2.0-or-later
"""What the capture nodes lost, and when: a call's quality is read beside it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.balance import read_received
from collector.causes import Outcome
from collector.journal.counters import Counters

_MINUTE: Final = timedelta(minutes=1)

_NOTE: Final = """
    INSERT INTO capture_loss (minute, journal_id, received, lost)
    VALUES (date_trunc('minute', %s::timestamptz, 'UTC'), %s, %s, %s)
    ON CONFLICT (minute, journal_id) DO UPDATE
        SET received = excluded.received, lost = excluded.lost"""

READ: Final = """
    SELECT sum(received)::bigint AS received, sum(lost)::bigint AS lost
      FROM (
        SELECT max(received) - min(received) AS received, max(lost) - min(lost) AS lost
          FROM capture_loss WHERE minute BETWEEN %(begin)s AND %(end)s GROUP BY journal_id
      ) AS node"""
"""With ``span``: what all nodes received meanwhile, and lost of it; nulls when nothing is known."""


async def note(connection: AsyncConnection[TupleRow], counters: Counters, now: datetime) -> None:
    """Write how the counters of this node stand. Raises what psycopg raises."""
    found = read_received(counters)
    lost = sum(count for cause, count in found.causes.items() if cause.outcome is Outcome.DROPPED)
    await connection.execute(_NOTE, (now, counters.journal_id, found.received, lost))


def span(begin: datetime, end: datetime) -> dict[str, datetime]:
    """Parameters of ``READ`` for a time: whole minutes, from the reading before it on."""
    floor = begin.replace(second=0, microsecond=0)
    return {"begin": floor - _MINUTE, "end": max(begin, end)}
