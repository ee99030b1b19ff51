# SPDX-License-Identifier: GPL-2.0-or-later
"""What was seen, minute by minute: the state that others show, and the growth of hours and days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow, class_row, dict_row

from collector.retention.measure import Measured
from collector.retention.plan import AGE, Limit
from collector.tables import KINDS

KEPT: Final = timedelta(days=2)
SPANS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

OCTETS: Final = {kind: f"{kind}_octets" for kind in KINDS}
"""Kind → the column that says what it occupies."""
_SAVED: Final = (
    *("looked_at", "octets", "octets_limit", "disk", "disk_used", "disk_size", "disk_limit"),
    *("findings", *OCTETS.values()),
)
_SAVE: Final = sql.SQL(
    """
    INSERT INTO retention_sample (journal_id, minute, {columns})
    VALUES (%s, date_trunc('minute', %s::timestamptz), {values})
    ON CONFLICT (journal_id, minute) DO UPDATE SET ({columns}) = ROW({new})"""
).format(
    columns=sql.SQL(", ").join(map(sql.Identifier, _SAVED)),
    values=sql.SQL(", ").join([sql.Placeholder()] * len(_SAVED)),
    new=sql.SQL(", ").join(sql.Identifier("excluded", name) for name in _SAVED),
)

_LAST: Final = """
    SELECT looked_at, octets, disk, disk_used, findings
      FROM retention_sample WHERE journal_id = %s ORDER BY minute DESC LIMIT 1"""

# What went because of a limit would still be there without it.
GROWTH: Final = """
    SELECT grown.*, latest.octets - first.octets + dropped.octets AS octets,
           CASE WHEN latest.disk = first.disk
                THEN latest.disk_used - first.disk_used + dropped.octets ELSE 0 END AS disk
      FROM unnest(%(journal_ids)s::uuid[]) AS node (journal_id)
     CROSS JOIN LATERAL (SELECT * FROM retention_sample AS sample
                          WHERE sample.journal_id = node.journal_id
                          ORDER BY minute DESC LIMIT 1) AS latest
     CROSS JOIN LATERAL (SELECT * FROM retention_sample AS sample
                          WHERE sample.journal_id = node.journal_id AND minute >= %(since)s
                          ORDER BY minute LIMIT 1) AS first
     CROSS JOIN LATERAL (SELECT node.journal_id,
                                extract(epoch FROM latest.looked_at - first.looked_at)::float8
                                AS seconds) AS grown
     CROSS JOIN LATERAL (SELECT coalesce(sum(octets), 0)::bigint AS octets
                           FROM retention_log
                          WHERE dropped_at > first.looked_at AND reason <> %(age)s) AS dropped
     WHERE seconds >= 60"""
"""Bytes by which captured messages and disk have grown within ``seconds``, by node; no row where
that is not known. Its values are ``growth_values``."""


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
            *(sum(part.octets for part in measured.parts if part.kind == kind) for kind in KINDS),
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


def growth_values(journal_ids: Sequence[UUID], now: datetime, span: timedelta) -> dict[str, Any]:
    """For ``GROWTH`` of these nodes over the last ``span``, or over what is known of it."""
    return {"journal_ids": list(journal_ids), "since": now - span, "age": AGE}


def growth_of(row: Mapping[str, Any]) -> Growth:
    """What a row of ``GROWTH`` says."""
    return Growth(row["octets"] / row["seconds"], row["disk"] / row["seconds"])


async def growth(
    connection: AsyncConnection[TupleRow], journal_id: UUID, now: datetime, span: timedelta
) -> Growth | None:
    """The growth over the last ``span``, or over what is known of it; None when nothing is."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(GROWTH, growth_values([journal_id], now, span))
        row = await cursor.fetchone()
    return growth_of(row) if row else None
