# SPDX-License-Identifier: GPL-2.0-or-later
"""What a capture node, its outputs and its retention publish, for the status page to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import statistics
from collector.partitions import Partition
from collector.peers import Peers
from collector.retention import history
from collector.retention.disk import FileSystem
from collector.retention.drop import record
from collector.retention.measure import Measured, Part
from collector.retention.plan import Limit
from tests import page_rows
from tests.fix_api import JOURNAL

CAUSES: Final = {
    "stored": 1_204_311,
    "keepalive": 30_212,
    "filter_method": 88_120,
    "duplicate": 12_005,
    "hep_chunk": 3,
    "password": 210,
    "kernel": 412,
}
WAITING: Final = 57
SHARES: Final = {
    "call": 50,
    "registration": 20,
    "other": 10,
    "report": 8,
    "event": 2,
    "record": 10,
}
"""Kind → percent of what is stored."""
_GIB: Final = 1 << 30
Connection = AsyncConnection[TupleRow]


async def publish(
    connection: Connection,
    name: str,
    causes: Mapping[str, int],
    unaccounted: int = 0,
    journal_id: UUID = JOURNAL,
) -> None:
    """A node's balance as its keeper writes it, who goes on for an hour."""
    received = sum(causes.values()) + WAITING + unaccounted
    await connection.execute(
        "INSERT INTO capture_node VALUES (%(id)s, %(name)s, '1.0.0', %(soon)s, %(got)s,"
        " %(waiting)s, 1843200, now(), %(soon)s, %(soon)s, %(missing)s)"
        " ON CONFLICT (journal_id) DO UPDATE SET name = excluded.name,"
        " received = excluded.received, unaccounted = excluded.unaccounted",
        {
            "id": journal_id,
            "name": name,
            "got": received,
            "waiting": WAITING,
            "missing": unaccounted,
            "soon": page_rows.now() + timedelta(hours=1),
        },
    )
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO balance VALUES (%s, %s, %s)"
            " ON CONFLICT (journal_id, cause) DO UPDATE SET messages = excluded.messages",
            [(journal_id, cause, messages) for cause, messages in causes.items()],
        )


async def publish_losses(
    connection: Connection, until: datetime, lost: Sequence[int], journal_id: UUID = JOURNAL
) -> None:
    """What a node has lost in each minute up to ``until``, of a hundred times as many."""
    last = until.replace(second=0, microsecond=0)
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO capture_loss VALUES (%s, %s, %s, %s)",
            [
                (last - timedelta(minutes=minute), journal_id, 1_000_000 - 6000 * minute, sum(rest))
                for minute, rest in enumerate(lost[: len(lost) - n] for n in range(len(lost)))
            ],
        )


async def publish_output(connection: Connection, name: str, error: str) -> None:
    """An output that cannot deliver."""
    await connection.execute(
        "INSERT INTO output_state VALUES (%s, %s, 'udp:192.0.2.60:9060', true, false, 1204, 983040,"
        " now() - interval '3 min', now(), %s)",
        (JOURNAL, name, error),
    )
    await connection.execute(
        "INSERT INTO output_balance VALUES (%(id)s, %(name)s, 'delivered', 1190233),"
        " (%(id)s, %(name)s, 'type', 30212), (%(id)s, %(name)s, 'backlog', 12)",
        {"id": JOURNAL, "name": name},
    )


async def publish_retention(connection: Connection, now: datetime) -> None:
    """A disk that fills by a GiB in an hour, and partitions that had to go."""
    day = timedelta(days=1)
    for hours in (22, 16, 10, 5, 2, 0.5, 0):
        octets = round((34 - hours) * _GIB)
        disk = FileSystem("/var/lib/postgresql", 1, octets + 20 * _GIB, 100 * _GIB)
        limits = [
            Limit("max_bytes", None, octets, 60 * _GIB, 0, 60 * _GIB),
            Limit("max_disk_percent", 1, disk.used, 85 * _GIB, 0, 85 * _GIB),
        ]
        parts = [
            Part(kind, kind, Partition("p", now, now + day), octets * percent // 100, True, 1, 1)
            for kind, percent in SHARES.items()
        ]
        at = now - timedelta(hours=hours)
        await history.save(connection, JOURNAL, Measured(at, parts, [disk], ""), limits, [])
    for kind, days in (("registration", 3), ("other", 3)):
        end = now - days * day
        await record(
            connection, *(kind, f"{kind}_1", end - day, end, 81_233, _GIB, "age", "capture1")
        )


async def count_calls(connection: Connection, until: datetime, minutes: int) -> None:
    """The counters of calls, minute by minute, as the keeper makes them."""
    last = until.replace(second=0, microsecond=0)
    for minute in range(minutes):
        await statistics.count(connection, last - timedelta(minutes=minute), Peers([]))


async def add_rules(connection: Connection, rules: Iterable[Mapping[str, Any]]) -> None:
    """Trace rules for half an hour."""
    for rule in rules:
        await connection.execute(
            "INSERT INTO trace_rule (kind, value, action, percent, calls, methods, expires_at,"
            " requested_by, reason) VALUES (%(kind)s, %(value)s, 'include', 100, 100, '{INVITE}',"
            " now() + interval '30 min', 'anna', %(reason)s)",
            rule,
        )


async def fill(connection: Connection, until: datetime, minutes: int = 60) -> None:
    """All of it, of a node that has calls of the last hour."""
    await publish(connection, "capture1", CAUSES)
    await publish_output(connection, "relay:archive", "Connection refused")
    await publish_retention(connection, page_rows.now())
    await publish_losses(connection, until, [0] * (minutes - 9) + [0, 0, 140, 260, 12, 0, 0, 0, 0])
    await count_calls(connection, until, minutes)
    await add_rules(connection, [{"kind": "from_user", "value": "4711", "reason": "no audio"}])
