# SPDX-License-Identifier: GPL-2.0-or-later
"""Each query of the API prunes partitions and uses an index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.columns import TABLES
from collector.hep import TYPE_LOG, TYPE_RTCP, TYPE_SIP
from collector.moment import to_us
from tests.fix_api import store
from tests.fix_database import Database
from tests.plan import HOUR, NOW, Plan, explain, make_day
from tests.sip_text import packet, request
from webapi import calls, search
from webapi.export import handlers
from webapi.homer.field import PROFILES, Profile
from webapi.homer.search import asked, packets
from webapi.lifetime import ANY_TIME
from webapi.search import Cursor, Search
from webapi.subject import EVENTS, MESSAGES, OF_CALL_ID, REPORTS, Subject

Connection = AsyncConnection[TupleRow]

BY_SUBJECT = pytest.mark.parametrize("subject", OF_CALL_ID, ids=lambda subject: subject.name)


_MANY = """
    INSERT INTO sip_message_call (ts, id, src_port, dst_port, call_id, transport, node, raw,
        from_user, to_user, ruri_user, src_ip, dst_ip)
    SELECT %s + n * interval '0.4 s', n, 5060, 5060, n || '@y', 'UDP', '2001',
           convert_to(repeat(md5(n::text), 30), 'UTF8'), 'a' || n, 'b' || n, 'c' || n,
           '192.0.2.1'::inet + n %% 200, '198.51.100.1'
      FROM generate_series(1, 8000) AS n
    """
"""So many in one hour that it is worth while to know where in it something is."""


@pytest.fixture(scope="module")
def filled_database(shared_database: Database) -> Database:
    """24 hourly partitions with a hundred messages, reports and events each."""
    asyncio.run(_fill(shared_database))
    return shared_database


async def _fill(database: Database) -> None:
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await make_day(connection, TABLES)
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
        await connection.execute(_MANY, (NOW - 12 * HOUR,))
        await connection.execute("VACUUM ANALYZE")


@pytest.fixture
async def filled(filled_database: Database) -> AsyncIterator[Connection]:
    """A connection that reads no table whole if there is another way."""
    async with await AsyncConnection.connect(filled_database.dsn, autocommit=True) as connection:
        # Small tables are read whole for good reasons; the question is what is possible.
        await connection.execute("SET enable_seqscan TO off")
        yield connection


@pytest.mark.parametrize(
    ("subject", "parameters"),
    [
        *((subject, {}) for subject in OF_CALL_ID),
        *((subject, {"sort": "ts"}) for subject in OF_CALL_ID),
        *((subject, {"ip": "192.0.2.0/24"}) for subject in OF_CALL_ID),
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
    plan = await explain(filled, statement, values)
    expected = "1100" if wanted.descending else "1200"
    assert plan.partitions <= {expected, "default"}
    assert any("_ts" in name for name in plan.indexes), plan.indexes


@pytest.mark.parametrize(
    ("parameters", "column"),
    [
        ({"from_user": "nobody"}, "from_user"),
        ({"src_ip": "2001:db8::1"}, "src_ip"),
        ({"user_agent": "None/1.0"}, "user_agent"),
        ({"status": "503"}, "status"),
        ({"status": "5xx"}, "status"),
        ({"method": "REFER,INFO"}, "method"),
    ],
)
async def test_a_search_of_a_day_is_told_where_nothing_is(
    filled: Connection, parameters: dict[str, str], column: str
) -> None:
    """By the filters of the BRIN index, in each partition of the range."""
    wanted = Search.parse(MESSAGES, {"from": "-1d", "to": "now"} | parameters, 100, NOW)
    plan = await explain(filled, *search.build(wanted, wanted.begin, wanted.end, 100))
    assert not plan.scans_whole
    conditions = [node["Index Cond"] for node in plan.nodes if "Index Cond" in node]
    assert sum(column in condition for condition in conditions) >= 24, conditions


@pytest.mark.parametrize(
    ("parameters", "columns"),
    [
        ({"number": "nobody"}, ("from_user", "to_user", "ruri_user")),
        ({"ip": "203.0.113.77"}, ("src_ip", "dst_ip")),
    ],
)
async def test_a_search_of_several_columns_asks_for_each_of_them(
    filled: Connection, parameters: dict[str, str], columns: tuple[str, ...]
) -> None:
    """Where there is enough that it pays."""
    span = {"from": "-12h", "to": "-11h"}
    wanted = Search.parse(MESSAGES, span | parameters, 100, NOW)
    plan = await explain(filled, *search.build(wanted, wanted.begin, wanted.end, 100))
    # PostgreSQL cuts the names of indexes.
    conditions = [
        node["Index Cond"]
        for node in plan.nodes
        if node.get("Index Name", "").startswith("sip_message_call_20261123_00")
    ]
    assert len(conditions) == len(columns)
    for condition, column in zip(conditions, columns, strict=True):
        assert column in condition


@BY_SUBJECT
async def test_a_search_by_call_id_uses_its_index(filled: Connection, subject: Subject) -> None:
    """In every partition of the range, and no table is read whole."""
    wanted = Search.parse(subject, {"call_id": "3-7@x"}, 100, NOW)
    statement, values = search.build(wanted, wanted.begin, wanted.end, wanted.limit)
    _assert_call_id_index(await explain(filled, statement, values))


@BY_SUBJECT
async def test_a_search_by_call_id_and_time_is_pruned(filled: Connection, subject: Subject) -> None:
    """A known time leaves few partitions."""
    wanted = Search.parse(subject, {"call_id": "3-7@x", "from": "-2h", "to": "-1h"}, 100, NOW)
    statement, values = search.build(wanted, wanted.begin, wanted.end, wanted.limit)
    plan = await explain(filled, statement, values)
    assert plan.partitions <= {"1000", "default"}


@BY_SUBJECT
async def test_a_call_uses_the_call_id_index(filled: Connection, subject: Subject) -> None:
    """Where nothing is known of it; else in the partitions of its time."""
    statement = calls.QUERIES[subject]
    _assert_call_id_index(await explain(filled, statement, [["3-7@x"], *ANY_TIME, 100]))
    lived = (NOW - 2 * HOUR, NOW - HOUR)
    plan = await explain(filled, statement, [["3-7@x"], *lived, 100])
    assert plan.partitions <= {"1000", "default"}


async def test_the_export_of_a_call_uses_the_call_id_index(filled: Connection) -> None:
    """The first page and those behind it."""
    first = handlers.search_of(["3-7@x", "4-7@x"], 1000)
    later = replace(first, cursor=Cursor("ts", to_us(NOW), to_us(NOW), (7,)))
    for wanted in (first, later):
        statement, values = search.build(wanted, wanted.begin, wanted.end, 500)
        _assert_call_id_index(await explain(filled, statement, values))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
async def test_homers_profiles_are_read_as_the_tables_themselves(
    filled: Connection, profile: Profile
) -> None:
    """Their names and expressions hinder neither pruning nor the indexes for time and Call-ID."""
    end = int(NOW.timestamp() * 1000)
    span = {"from": end - 7_200_000, "to": end - 1}
    wanted = asked.parse({"timestamp": span, "param": {"search": {profile.key: {}}}})
    by_time = packets.newest(profile, wanted, [], 100, payload=True)
    begin, end_of_slice = next(iter(search.slices(by_time)))
    plan = await explain(filled, *search.build(by_time, begin, end_of_slice, 100))
    assert plan.partitions <= {"1100", "default"}
    assert any("_ts" in name for name in plan.indexes), plan.indexes
    of_calls = packets.of_calls(profile, wanted, ["3-7@x", "4-7@x"], 100)
    plan = await explain(filled, *search.build(of_calls, wanted.begin, wanted.end, 100))
    assert not plan.scans_whole
    assert plan.partitions <= {"1000", "1100", "default"}
    assert all(name.endswith("call_id_idx") for name in plan.indexes), plan.indexes


def _assert_call_id_index(plan: Plan) -> None:
    assert not plan.scans_whole
    assert len(plan.partitions) >= 24
    assert all(name.endswith("call_id_idx") for name in plan.indexes), plan.indexes
