# SPDX-License-Identifier: GPL-2.0-or-later
"""Each query about calls and registrations prunes partitions and uses an index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector import statistics
from collector.tables import PARTITIONED
from tests.fix_database import Database
from tests.plan import HOUR, NOW, explain, make_day
from webapi import calls, legs, lifetime, search, stats
from webapi.search import Search
from webapi.subject import CALLS, REGISTRATIONS

Connection = AsyncConnection[TupleRow]
SPAN = {"begin": NOW - 3 * HOUR, "end": NOW - 2 * HOUR}
STATS: Mapping[str, Any] = {
    "begin": NOW - HOUR,
    "end": NOW,
    "step": timedelta(minutes=1),
    "node": None,
    "peer": None,
    "limit": 100,
}

FILL = (
    """
    INSERT INTO call (ts, call_id, started_at, last_at, messages, first_rank, first_at, first_id,
        src_port, dst_port, src_ip, dst_ip, from_user, ruri_user, transport, node, bye_at)
    SELECT at, n || '@x', at, at, 6, 0, at, n, 5060, 5060, '192.0.2.1', '198.51.100.2',
           '+4930' || 100000 + mod(n * 7919, 900000), '0049' || 100000 + mod(n * 104729, 900000),
           'UDP', '2001', CASE WHEN mod(n, 10) > 0 THEN at END
      FROM (SELECT n, %(begin)s + n * interval '3 s' AS at
              FROM generate_series(0::bigint, 24 * 1200 - 1) AS n) AS begun
    """,
    """
    INSERT INTO call_link (ts, call_id, linked_id, reason, confidence)
    SELECT ts, call_id, (first_id - 1) || '@x', 'header', 'certain' FROM call
    """,
    """
    INSERT INTO registration (call_id, aor, first_at, last_at, requests, challenges, failures,
        contact, contact_user)
    SELECT call_id, from_user || '@x', ts, ts, 2, 1, 0, 'sip:' || from_user || '@192.0.2.1',
           from_user
      FROM call
    """,
    """
    INSERT INTO call_minute
    SELECT date_trunc('minute', ts), node, '', '', state, 0, count(*), 0, 0, 0, 0, 0, 0
      FROM call GROUP BY 1, 2, 5
    """,
    """
    INSERT INTO stat_minute
    SELECT minute, gen_random_uuid(), 0, '2001', 'INVITE', 0, 1, 1 FROM call_minute
    """,
)


@pytest.fixture(scope="module")
def filled_database(shared_database: Database) -> Database:
    """24 hourly partitions with 1,200 calls each."""
    asyncio.run(_fill(shared_database))
    return shared_database


async def _fill(database: Database) -> None:
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await make_day(connection, PARTITIONED)
        for statement in FILL:
            await connection.execute(statement, {"begin": NOW - 24 * HOUR})
        await connection.execute("VACUUM ANALYZE")


@pytest.fixture
async def filled(filled_database: Database) -> AsyncIterator[Connection]:
    """A connection that reads no table whole if there is another way."""
    async with await AsyncConnection.connect(filled_database.dsn, autocommit=True) as connection:
        # Small tables are read whole for good reasons; the question is what is possible.
        await connection.execute("SET enable_seqscan TO off")
        yield connection


def _first_slice(wanted: Search) -> tuple[sql.Composed, list[Any]]:
    begin, end = next(iter(search.slices(wanted))) if wanted.sliced else (wanted.begin, wanted.end)
    return search.build(wanted, begin, end, wanted.limit)


@pytest.mark.parametrize(
    ("parameters", "index"),
    [
        ({}, "call_started_at_idx"),
        ({"sort": "started_at", "from": "-1h"}, "call_started_at_idx"),
        ({"ip": "192.0.2.0/24", "state": "busy", "text": "alice"}, "call_started_at_idx"),
        ({"running": "true"}, "call_started_at_idx1"),
        ({"caller": "+4930555555"}, "call_caller_started_at_idx"),
        ({"callee": "0049555555"}, "call_callee_started_at_idx"),
        ({"caller": "+493055*"}, "call_caller_started_at_idx"),
        ({"callee": "*555555"}, "call_reverse_started_at_idx1"),
        ({"caller": "*555555"}, "call_reverse_started_at_idx"),
        ({"caller": "*5555*"}, "call_started_at_idx"),
        ({"callee": "*5555*"}, "call_started_at_idx"),
        ({"caller": "*5*"}, "call_started_at_idx"),
    ],
)
async def test_a_search_reads_the_newest_partition_through_an_index(
    filled: Connection, parameters: dict[str, str], index: str
) -> None:
    """The first slice of a day's search; a row may be filed ten minutes later."""
    wanted = Search.parse(CALLS, {"from": "-1d", "to": "now"} | parameters, 100, NOW)
    plan = await explain(filled, *_first_slice(wanted))
    assert plan.partitions <= {"1100", "1200", "default"}
    assert not plan.scans_whole
    assert index in plan.indexes, plan.indexes


@pytest.mark.parametrize(
    ("value", "indexes"),
    [
        ("+4930555555", {"call_caller_started_at_idx", "call_callee_started_at_idx"}),
        ("0049555*", {"call_caller_started_at_idx", "call_callee_started_at_idx"}),
        ("*555555", {"call_reverse_started_at_idx", "call_reverse_started_at_idx1"}),
        ("*55555*", {"call_started_at_idx"}),
    ],
)
async def test_a_number_is_looked_for_on_both_sides(
    filled: Connection, value: str, indexes: set[str]
) -> None:
    """Each with its index, in the partitions of the range."""
    parameters = {"number": value, "from": "-6h", "to": "-3h"}
    wanted = Search.parse(CALLS, parameters, 100, NOW)
    plan = await explain(filled, *search.build(wanted, wanted.begin, wanted.end, 100))
    assert plan.partitions <= {"0600", "0700", "0800", "0900", "default"}
    assert not plan.scans_whole
    assert indexes <= plan.indexes


@pytest.mark.parametrize("sort", ["duration_ms", "-pdd_ms", "caller", "-status"])
async def test_another_sort_reads_its_range_only(filled: Connection, sort: str) -> None:
    """Through the index on time."""
    parameters = {"sort": sort, "from": "-2h", "to": "-90m"}
    plan = await explain(filled, *_first_slice(Search.parse(CALLS, parameters, 100, NOW)))
    assert plan.partitions <= {"1000", "default"}
    assert plan.indexes == {"call_started_at_idx"}


async def test_a_leg_by_its_call_id(filled: Connection) -> None:
    """Without any time it is looked for in each partition, by the key."""
    wanted = Search.parse(CALLS, {"call_id": "777@x", "to": "-30m"}, 100, NOW)
    for statement, values in (
        _first_slice(wanted),
        (lifetime.USES, ["777@x", *lifetime.ANY_TIME]),
    ):
        plan = await explain(filled, statement, values)
        assert not plan.scans_whole
        assert plan.indexes == {"call_pkey"}
    plan = await explain(filled, calls.STREAMS, [["777@x"], *lifetime.ANY_TIME, 100])
    assert not plan.scans_whole
    assert all(name.startswith("rtp_stream_call_id_ts") for name in plan.indexes), plan.indexes


async def test_a_leg_whose_time_is_known(filled: Connection) -> None:
    """Only the partition of that time is looked into."""
    span = tuple(SPAN.values())
    for statement, values in (
        (lifetime.USES, ["777@x", *span]),
        (calls.STREAMS, [["777@x"], *span, 100]),
    ):
        plan = await explain(filled, statement, values)
        assert plan.partitions <= {"0900", "default"}
        assert not plan.scans_whole
    plan = await explain(filled, lifetime.FILED, ["777@x"])
    assert plan.indexes == {"call_key_pkey"}


async def test_links_and_legs_are_looked_for_around_the_call(filled: Connection) -> None:
    """In few partitions, from both ends of a link."""
    values = {"ids": ["777@x", "778@x"], **SPAN}
    plan = await explain(filled, legs.EDGES, values)
    assert plan.partitions <= {"0900", "default"}
    assert not plan.scans_whole
    assert {"call_link_pkey", "call_link_linked_id_idx"} == plan.indexes
    plan = await explain(filled, legs.LEGS, values)
    assert plan.partitions <= {"0900", "default"}
    assert plan.indexes == {"call_pkey"}


async def test_guesses_read_the_window_only(filled: Connection) -> None:
    """By time or by the ends of the numbers, whatever is less."""
    values = {
        "first": NOW - 3 * HOUR,
        "last": NOW - 3 * HOUR + timedelta(seconds=6),
        "filed": NOW - 3 * HOUR + timedelta(minutes=10),
        "caller": "5555555%",
        "callee": "1234567%",
        "src_ip": "192.0.2.1",
        "dst_ip": "198.51.100.2",
        "ids": ["777@x"],
    }
    plan = await explain(filled, legs.GUESSES, values)
    assert plan.partitions <= {"0900", "default"}
    assert not plan.scans_whole
    assert plan.indexes <= {
        *("call_started_at_idx", "call_reverse_started_at_idx", "call_reverse_started_at_idx1")
    }


@pytest.mark.parametrize(
    ("parameters", "index"),
    [
        ({}, "registration_last_period"),
        ({"sort": "last_at", "state": "registered"}, "registration_last_period"),
        ({"aor": "+4930555555@x"}, "registration_aor"),
        ({"aor": "+493055*"}, "registration_aor"),
        ({"contact_user": "+4930555555"}, "registration_contact"),
        ({"call_id": "777@x"}, "registration_pkey"),
    ],
)
async def test_registrations_are_found_and_grouped_by_indexes(
    filled: Connection, parameters: dict[str, str], index: str
) -> None:
    """What else belongs to an address of record is found by its index, too."""
    wanted = Search.parse(REGISTRATIONS, parameters, 100, NOW)
    plan = await explain(filled, *_first_slice(wanted))
    assert not plan.scans_whole
    assert {index, "registration_aor"} <= plan.indexes, plan.indexes


async def test_statistics_read_minutes_and_never_calls(filled: Connection) -> None:
    """By the keys of the tables of counters."""
    for by in stats.BY:
        for stepped in (False, True):
            plan = await explain(filled, stats.calls_query(by, stepped=stepped), STATS)
            assert plan.indexes == {"call_minute_pkey"}, by
    for query in (stats.registrations_query(()), stats.messages_query(("node",))):
        plan = await explain(filled, query, STATS)
        assert plan.indexes == {"stat_minute_pkey"}


async def test_counting_a_minute_reads_its_calls_only(filled: Connection) -> None:
    """What the keeper does."""
    minute = NOW - 3 * HOUR
    values = {
        "begin": minute,
        "end": minute + timedelta(minutes=1),
        "filed": minute + timedelta(minutes=11),
    }
    plan = await explain(filled, statistics._BY_ADDRESS, values)
    assert plan.partitions <= {"0900", "default"}
    assert plan.indexes == {"call_started_at_idx"}
