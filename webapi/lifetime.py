# SPDX-License-Identifier: GPL-2.0-or-later
"""When legs were there: where their rows are, and what was captured with their Call-IDs.

A Call-ID alone says nothing of time, and an index of every partition would have to be asked. Where
anything is known of it, only the partitions of that time are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from psycopg import sql
from psycopg.rows import DictRow

from webapi.parameters import EARLIEST, LATEST
from webapi.sites.reading import Reading
from webapi.subject import CALLS

Span: TypeAlias = tuple[datetime, datetime]
"""From the first moment to the second, which is no part of it."""
ANY_TIME: Final[Span] = (EARLIEST, LATEST)
AROUND: Final = timedelta(hours=1)
"""Reports, logs and CDRs come a while after the last message of a leg, or before the first one."""
_US: Final = timedelta(microseconds=1)

FILED: Final = sql.SQL("SELECT ts FROM call_key WHERE call_id = %s")
USES: Final = sql.SQL(
    "SELECT {} FROM call WHERE call_id = %s AND ts >= %s AND ts < %s LIMIT 100"
).format(CALLS.select(payload=False))


async def uses_of(reading: Reading, call_id: str, span: Span = ANY_TIME) -> list[DictRow]:
    """The rows of ``call`` with this Call-ID whose legs were there within ``span``.

    Of a recent leg ``call_key`` knows where the row is filed, which is the last one if the Call-ID
    was used before. Only if that is not the one that is asked for, all partitions are looked into.
    """
    filed = [] if reading.several else await reading.query(FILED, (call_id,), prepare=True)
    begin, end = span
    for within in (*((key["ts"], key["ts"] + _US) for key in filed), ANY_TIME):
        found = await reading.query(USES, (call_id, *within), prepare=True)
        met = [row for row in found if row["started_at"] < end and row["last_at"] >= begin]
        if met:
            return met
    return []


def lifetime(call_ids: Collection[str], known: Iterable[Mapping[str, Any]]) -> Span:
    """When what has one of these Call-IDs was captured, by the rows of ``call`` that are known.

    Any time when there is no row of one of them; up to now while one of them goes on.
    """
    rows = [row for row in known if row["call_id"] in call_ids]
    if {row["call_id"] for row in rows} != set(call_ids):
        return ANY_TIME
    begin = min(row["started_at"] for row in rows) - AROUND
    if any(row["ended_at"] is None and row["timed_out_at"] is None for row in rows):
        return begin, LATEST
    return begin, max(row["last_at"] for row in rows) + AROUND
