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

from collector.columns import TABLES
from collector.hep import TYPE_LOG, TYPE_RTCP, TYPE_SIP
from collector.partitions import Partitions
from tests.fix_api import store
from tests.sip_text import packet, request
from webapi import calls, search
from webapi.search import Search
from webapi.subject import EVENTS, MESSAGES, REPORTS, SUBJECTS, Subject

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Connection = AsyncConnection[TupleRow]

BY_SUBJECT = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)


@pytest.fixture
async def filled(connection: Connection) -> Connection:
    """24 hourly partitions with a hundred messages, reports and events each."""
    for table in TABLES:
        await Partitions(3600).ensure(connection, table.name, NOW - 24 * HOUR, NOW)
    for hour in range(24):
        begin = (NOW - (24 - hour) * HOUR).timestamp()
        await store(
            connection,
            [
                packet(
                    payload,
                    at=begin + 30 * n,
                    type=kind,
                    correlation_id=b"%d-%d@x" % (hour, n),
                )
                for n in range(120)
                for kind, payload in (
                    (TYPE_SIP, request(call_id=f"{hour}-{n}@x", number=n + 1)),
                    (TYPE_RTCP, b'{"ssrc":%d}' % n),
                    (TYPE_LOG, b"a line"),
                )
            ],
        )
    await connection.execute("ANALYZE")
    # Small tables are read whole for good reasons; the question is what is possible.
    await connection.execute("SET enable_seqscan TO off")
    return connection


@pytest.mark.parametrize(
    ("subject", "parameters"),
    [
        *((subject, {}) for subject in SUBJECTS),
        *((subject, {"sort": "ts"}) for subject in SUBJECTS),
        *((subject, {"ip": "192.0.2.0/24"}) for subject in SUBJECTS),
        (MESSAGES, {"from_user": "al*"}),
        (MESSAGES, {"method": "INVITE", "status": "none", "text": "bob"}),
        (REPORTS, {"type": "5", "ssrc": "7", "node": "2001"}),
        (EVENTS, {"type": "100", "text": "line"}),
    ],
)
async def test_a_search_by_time_reads_one_partition_through_brin(
    filled: Connection, subject: Subject, parameters: dict[str, str]
) -> None:
    """The first slice of a day's search touches the partition of that second only."""
    wanted = Search.parse(subject, {"from": "-1d", "to": "now"} | parameters, 100, NOW)
    begin, end = next(iter(search.slices(wanted)))
    statement, values = search.build(wanted, begin, end, wanted.limit)
    plan = await _explain(filled, statement, values)
    scanned = {node["Relation Name"] for node in _nodes(plan) if "Relation Name" in node}
    expected = "1100" if wanted.descending else "1200"
    assert {name.rpartition("_")[2] for name in scanned} <= {expected, "default"}
    indexes = {node["Index Name"] for node in _nodes(plan) if "Index Name" in node}
    assert any("_ts" in name for name in indexes), indexes


@BY_SUBJECT
async def test_a_search_by_call_id_uses_its_index(filled: Connection, subject: Subject) -> None:
    """In every partition of the range, and no table is read whole."""
    wanted = Search.parse(subject, {"call_id": "3-7@x"}, 100, NOW)
    statement, values = search.build(wanted, wanted.begin, wanted.end, wanted.limit)
    _assert_call_id_index(await _explain(filled, statement, values))


@BY_SUBJECT
async def test_a_search_by_call_id_and_time_is_pruned(filled: Connection, subject: Subject) -> None:
    """A known time leaves few partitions."""
    wanted = Search.parse(subject, {"call_id": "3-7@x", "from": "-2h", "to": "-1h"}, 100, NOW)
    statement, values = search.build(wanted, wanted.begin, wanted.end, wanted.limit)
    plan = await _explain(filled, statement, values)
    scanned = {node["Relation Name"] for node in _nodes(plan) if "Relation Name" in node}
    assert {name.rpartition("_")[2] for name in scanned} <= {"1000", "default"}


@BY_SUBJECT
async def test_a_call_uses_the_call_id_index(filled: Connection, subject: Subject) -> None:
    """Without any time."""
    _assert_call_id_index(await _explain(filled, calls.QUERIES[subject], ["3-7@x", 100]))


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
