# SPDX-License-Identifier: GPL-2.0-or-later
"""What a live stream reads each second: the newest partition, by an index, and nothing whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.moment import to_us
from collector.tables import PARTITIONED
from tests.fix_database import Database
from tests.plan import HOUR, NOW, Plan, explain, make_day
from webapi.filters import conditions
from webapi.live import statement
from webapi.live.position import EventId, Position
from webapi.live.statement import Asked
from webapi.subject import CALLS, MESSAGES, Subject

Connection = AsyncConnection[TupleRow]
LOOKBACK = timedelta(seconds=10)
SINCE = Position(1000, (1001, 1003), to_us(NOW), to_us(NOW))
FILTERS: tuple[dict[str, str], ...] = ({}, {"node": "2001"}, {"ip": "192.0.2.0/24"})
FILL = (
    """
    INSERT INTO sip_message_call
        (ts, id, src_port, dst_port, call_id, method, transport, node, raw)
    SELECT %(begin)s + n * interval '3 s', n, 5060, 5060, n / 4 || '@x', 'INVITE', 'UDP', '2001',
           'x'::bytea
      FROM generate_series(0::bigint, 24 * 1200 - 1) AS n
    """,
    """
    INSERT INTO call (ts, call_id, started_at, last_at, messages, first_rank, first_at, first_id,
        src_port, dst_port, transport, node)
    SELECT min(ts), call_id, min(ts), max(ts), 4, 0, min(ts), min(id), 5060, 5060, 'UDP', '2001'
      FROM sip_message_call GROUP BY call_id
    """,
    "INSERT INTO call_key SELECT call_id, ts FROM call",
)


@pytest.fixture(scope="module")
def filled_database(shared_database: Database) -> Database:
    """24 hourly partitions with 1,200 messages each; nothing is known of how full they are."""
    asyncio.run(_fill(shared_database))
    return shared_database


async def _fill(database: Database) -> None:
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await make_day(connection, PARTITIONED)
        for fill in FILL:
            await connection.execute(fill, {"begin": NOW - 24 * HOUR})


@pytest.fixture
async def reader(filled_database: Database) -> AsyncIterator[Connection]:
    """A connection with the rights of the web API."""
    async with await AsyncConnection.connect(filled_database.reader_dsn) as opened:
        yield opened


async def _plan(reader: Connection, subject: Subject) -> Plan:
    asked = [
        Asked(conditions(subject.filters, chosen), payload=False, limit=100) for chosen in FILTERS
    ]
    query, values = statement.build(subject, SINCE, NOW - LOOKBACK, asked, EventId(SINCE))
    await reader.execute(statement.PREPARE)
    return await explain(reader, query, values)


async def test_new_messages_are_read_from_the_newest_partition(reader: Connection) -> None:
    """By their time, once for all filters."""
    plan = await _plan(reader, MESSAGES)
    assert plan.partitions == {"1100", "1200", "default"}
    # PostgreSQL cuts the names of indexes.
    assert plan.indexes
    assert all("_ts_from_user" in name for name in plan.indexes), plan.indexes
    assert plan.scans_whole == []
    scans = [n["Relation Name"] for n in plan.nodes if "Relation Name" in n]
    assert len(scans) == len(set(scans))


async def test_changed_calls_are_found_by_the_newest_messages(reader: Connection) -> None:
    """Each by its key; running it reads one partition of call for each."""
    plan = await _plan(reader, CALLS)
    messages = {
        node["Relation Name"] for node in plan.nodes
        if node.get("Relation Name", "").startswith("sip_message")
    }  # fmt: skip
    assert {name.rpartition("_")[2] for name in messages} == {"1100", "1200", "default"}
    assert "call_key_pkey" in plan.indexes
    assert plan.scans_whole == []
    assert not {node["Node Type"] for node in plan.nodes} & {"Hash Join", "Merge Join"}
