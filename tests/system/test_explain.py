# SPDX-License-Identifier: GPL-2.0-or-later
"""Each query of the API prunes partitions and uses an index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector.columns import SIP_MESSAGE_TABLES
from collector.partitions import Partitions
from tests.fix_api import store
from tests.sip_text import packet, request
from webapi import calls, search
from webapi.search import Search

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Connection = AsyncConnection[TupleRow]


@pytest.fixture
async def filled(connection: Connection) -> Connection:
    """24 hourly partitions with a few hundred messages each."""
    for table in SIP_MESSAGE_TABLES:
        await Partitions(3600).ensure(connection, table, NOW - 24 * HOUR, NOW)
    for hour in range(24):
        begin = (NOW - (24 - hour) * HOUR).timestamp()
        await store(
            connection,
            [
                packet(request(call_id=f"{hour}-{n}@x", number=n + 1), at=begin + 12 * n)
                for n in range(300)
            ],
        )
    await connection.execute("ANALYZE")
    # Small tables are read whole for good reasons; the question is what is possible.
    await connection.execute("SET enable_seqscan TO off")
    return connection


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"sort": "ts"},
        {"from_user": "al*"},
        {"ip": "192.0.2.0/24"},
        {"method": "INVITE", "status": "none", "text": "bob"},
    ],
)
async def test_a_search_by_time_reads_one_partition_through_brin(
    filled: Connection, parameters: dict[str, str]
) -> None:
    """The first slice of a day's search touches the partition of that second only."""
    wanted = Search.parse({"from": "-1d", "to": "now"} | parameters, 100, NOW)
    begin, end = next(iter(search.slices(wanted)))
    statement, values = search.build(wanted, begin, end, wanted.limit)
    plan = await _explain(filled, statement, values)
    scanned = {node["Relation Name"] for node in _nodes(plan) if "Relation Name" in node}
    expected = "1100" if wanted.descending else "1200"
    assert {name.rpartition("_")[2] for name in scanned} <= {expected, "default"}
    indexes = {node["Index Name"] for node in _nodes(plan) if "Index Name" in node}
    assert any("_ts" in name for name in indexes), indexes


async def test_a_search_by_call_id_uses_its_index(filled: Connection) -> None:
    """In every partition of the range, and no table is read whole."""
    wanted = Search.parse({"call_id": "3-7@x"}, 100, NOW)
    statement, values = search.build(wanted, wanted.begin, wanted.end, wanted.limit)
    _assert_call_id_index(await _explain(filled, statement, values))


async def test_a_search_by_call_id_and_time_is_pruned(filled: Connection) -> None:
    """A known time leaves few partitions."""
    wanted = Search.parse({"call_id": "3-7@x", "from": "-2h", "to": "-1h"}, 100, NOW)
    statement, values = search.build(wanted, wanted.begin, wanted.end, wanted.limit)
    plan = await _explain(filled, statement, values)
    scanned = {node["Relation Name"] for node in _nodes(plan) if "Relation Name" in node}
    assert {name.rpartition("_")[2] for name in scanned} <= {"1000", "default"}


async def test_a_call_uses_the_call_id_index(filled: Connection) -> None:
    """Without any time."""
    _assert_call_id_index(await _explain(filled, calls.QUERY, ["3-7@x", 100]))


def _assert_call_id_index(plan: dict[str, Any]) -> None:
    nodes = list(_nodes(plan))
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    indexes = [node["Index Name"] for node in nodes if "Index Name" in node]
    assert len(indexes) >= 24
    assert all(name.endswith("call_id_idx") for name in indexes), indexes


async def _explain(
    connection: Connection, statement: sql.Composed, values: list[Any]
) -> dict[str, Any]:
    # Parameters are bound on the server, as in the API.
    found = await connection.execute(sql.SQL("EXPLAIN (FORMAT JSON) ") + statement, values)
    row = await found.fetchone()
    assert row
    document = row[0] if isinstance(row[0], list) else json.loads(row[0])
    plan: dict[str, Any] = document[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
