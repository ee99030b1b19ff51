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
SERIES: Final = """
    SELECT date_bin(%(step)s, minute, 'epoch') AS time, sum(received)::bigint AS received,
           sum(lost)::bigint AS lost
      FROM (
        SELECT minute, loss.received - lag(loss.received) OVER readings AS received,
               lost - lag(lost) OVER readings AS lost
          FROM capture_loss AS loss JOIN capture_node USING (journal_id)
         WHERE minute >= %(begin)s - interval '1 hour' AND minute < %(end)s
           AND (%(capture_node)s::text IS NULL OR name = %(capture_node)s)
        WINDOW readings AS (PARTITION BY journal_id ORDER BY minute)
      ) AS reading
     WHERE minute >= %(begin)s AND received IS NOT NULL
     GROUP BY time ORDER BY time LIMIT %(limit)s"""
"""What one capture node, or all, received and lost in each step. What came while no reading was
taken counts for the next one, if that follows within the hour."""


async def note(connection: AsyncConnection[TupleRow], counters: Counters, now: datetime) -> None:
    """Write how the counters of this node stand. Raises what psycopg raises."""
    found = read_received(counters)
    lost = sum(count for cause, count in found.causes.items() if cause.outcome is Outcome.DROPPED)
    await connection.execute(_NOTE, (now, counters.journal_id, found.received, lost))


def span(begin: datetime, end: datetime) -> dict[str, datetime]:
    """Parameters of ``READ`` for a time: whole minutes, from the reading before it on."""
    floor = begin.replace(second=0, microsecond=0)
    return {"begin": floor - _MINUTE, "end": max(begin, end)}
