# SPDX-License-Identifier: GPL-2.0-or-later
"""Partitions: the arithmetic, and against a real PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection, errors
from psycopg.rows import TupleRow

from collector import partitions
from collector.partitions import Partition, Partitions
from collector.tables import PARTITIONED
from tests.fix_api import store
from tests.fix_database import Database
from tests.sip_text import packet, request

TABLE = "sip_message_call"
NOON = datetime(2026, 11, 23, 12, 34, tzinfo=UTC)
HOUR = timedelta(hours=1)
Connection = AsyncConnection[TupleRow]


@given(
    st.lists(st.integers(0, 200), max_size=10),
    st.integers(0, 100),
    st.integers(1, 100),
    st.sampled_from([1, 6, 24]),
)
def test_gaps_fill_exactly_what_is_missing(
    borders: list[int], begin: int, length: int, hours: int
) -> None:
    """Present partitions and gaps together cover the range once, whatever was there."""
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    marks = sorted(set(borders))
    present = [
        Partition("p", epoch + marks[i] * HOUR, epoch + marks[i + 1] * HOUR)
        for i in range(0, len(marks) - 1, 2)
    ]
    first, last = epoch + begin * HOUR, epoch + (begin + length) * HOUR
    missing = partitions.gaps(present, first, last)
    found = partitions.outermost(missing, hours * HOUR, length)
    covered = [
        *((part.begin, part.end) for part in present if part.end > first and part.begin < last),
        *found,
    ]
    covered.sort()
    assert all(a[1] <= b[0] for a, b in pairwise(covered)), "overlap"
    for hour in range(begin, begin + length):
        moment = epoch + hour * HOUR
        assert sum(low <= moment < high for low, high in covered) == 1
    assert all(high - low <= hours * HOUR for low, high in found)


@given(st.lists(st.integers(0, 99), max_size=8), st.integers(1, 12), st.sampled_from([1, 6, 24]))
def test_the_outermost_are_as_many_as_wanted_and_from_both_ends(
    borders: list[int], most: int, hours: int
) -> None:
    """The same pieces as without a limit, and none in the middle."""
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    marks = [epoch + mark * HOUR for mark in sorted(set(borders))]
    spans = [(marks[i], marks[i + 1]) for i in range(0, len(marks) - 1, 2)]
    every = partitions.outermost(spans, hours * HOUR, 100)
    some = partitions.outermost(spans, hours * HOUR, most)
    assert len(some) == min(most, len(every))
    if len(every) > most:
        assert some == every[: most // 2] + every[len(every) - (most - most // 2) :]
    else:
        assert some == every


async def test_one_call_makes_no_more_than_is_good(connection: Connection) -> None:
    """Old and new rows at once: both ends first, the rest by later calls, rows included."""
    made = partitions.MOST_AT_ONCE
    first, last = NOON - timedelta(hours=30), NOON
    hours = Partitions(3600)
    for at in (first, NOON - timedelta(hours=15), last):
        await store(connection, [packet(request(), at=at.timestamp())])
    some = await hours.ensure(connection, TABLE, first, last)
    assert (len(some), some[0].begin, some[-1].begin) == (
        *(made, partitions.floor(first, HOUR), partitions.floor(last, HOUR)),
    )
    assert not hours.covers(TABLE, first, last)
    assert await partitions.default_rows(connection, TABLE) == 1
    while more := await hours.ensure(connection, TABLE, first, last):
        assert len(more) <= made
        some += more
    assert len(some) == 31
    assert hours.covers(TABLE, first, last)
    assert await partitions.default_rows(connection, TABLE) == 0


async def test_many_ahead(connection: Connection) -> None:
    """As many as the settings say, however many are made at once."""
    made = await Partitions(3600).ensure_ahead(connection, NOON, 20)
    assert len(made) == 21 * len(PARTITIONED)


async def test_ahead_of_time(connection: Connection) -> None:
    """The current partition and the next ones of every table, aligned to the interval in UTC."""
    made = await Partitions(6 * 3600).ensure_ahead(connection, NOON, 2)
    assert [part.name for part in made if part.name.startswith(TABLE)] == [
        "sip_message_call_20261123_1200",
        "sip_message_call_20261123_1800",
        "sip_message_call_20261124_0000",
    ]
    assert len(made) == 3 * len(PARTITIONED)
    assert await Partitions(6 * 3600).ensure_ahead(connection, NOON, 2) == []


async def test_another_interval_fills_around_what_is_there(connection: Connection) -> None:
    """Changing the setting on a running system neither fails nor overlaps."""
    await Partitions(6 * 3600).ensure(connection, TABLE, NOON, NOON)
    made = await Partitions(86400).ensure(connection, TABLE, NOON, NOON)
    assert [(part.begin.hour, part.end.hour) for part in made] == [(0, 12), (18, 0)]
    async with connection.transaction():
        present = await partitions.read(connection, TABLE)
    assert present[0].begin == NOON.replace(hour=0, minute=0)
    assert present[-1].end == NOON.replace(day=24, hour=0, minute=0)


async def test_rows_of_the_default_partition_move(connection: Connection) -> None:
    """A row that came before its partition ends up where it belongs."""
    await store(connection, [packet(request(), at=NOON.timestamp())])
    assert await partitions.default_rows(connection, TABLE) == 1
    (made,) = await Partitions(3600).ensure(connection, TABLE, NOON, NOON)
    assert await partitions.default_rows(connection, TABLE) == 0
    found = await connection.execute("SELECT tableoid::regclass::text FROM sip_message_call")
    assert await found.fetchall() == [(made.name,)]


async def test_many_nodes_at_once_make_each_partition_once(database: Database) -> None:
    """The advisory lock lets one do it and the others see it."""

    async def one() -> int:
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
            return len(await Partitions(3600).ensure(connection, TABLE, NOON, NOON + 5 * HOUR))

    assert sum(await asyncio.gather(*(one() for _ in range(5)))) == 6


async def test_a_locked_table_is_not_waited_for(
    connection: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's long lock costs a moment, then the default partition takes the rows."""
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT", "50ms")
    async with await AsyncConnection.connect(database.dsn) as blocker:
        await blocker.execute("LOCK TABLE sip_message_call_default IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(errors.LockNotAvailable):
            await Partitions(3600).ensure(connection, TABLE, NOON, NOON)
        await blocker.rollback()
    assert len(await Partitions(3600).ensure(connection, TABLE, NOON, NOON)) == 1


async def test_a_locked_table_keeps_no_other_from_its_partitions(
    connection: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the others are made ahead all the same."""
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT", "50ms")
    async with await AsyncConnection.connect(database.dsn) as blocker:
        await blocker.execute(f"LOCK TABLE {PARTITIONED[0].name} IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(errors.LockNotAvailable):
            await Partitions(3600).ensure_ahead(connection, NOON, 1)
        await blocker.rollback()
    made = await Partitions(3600).ensure_ahead(connection, NOON, 1)
    assert {part.name.rpartition("_20")[0] for part in made} == {PARTITIONED[0].name}


async def test_what_cannot_be_made_stops_no_row(
    connection: Connection,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A lock, or too many at once: said once, and for a while a locked table is left in peace."""
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT", "50ms")
    hours = Partitions(3600)
    async with await AsyncConnection.connect(database.dsn) as blocker:
        await blocker.execute("LOCK TABLE sip_message_call_default IN ACCESS EXCLUSIVE MODE")
        await hours.prepare(connection, TABLE, NOON, NOON)
        await blocker.rollback()
    await hours.prepare(connection, TABLE, NOON, NOON)
    assert not hours.covers(TABLE, NOON, NOON)
    assert "using the default partition" in caplog.text
    caplog.clear()
    await Partitions(3600).prepare(connection, TABLE, NOON - 30 * HOUR, NOON)
    assert "rows of 2026-11-22 06:34 … 2026-11-23 12:34 need more partitions" in caplog.text


async def test_a_partition_that_ends_early_keeps_its_rows(connection: Connection) -> None:
    """It ends, a new one has the rest of its range, and attaching it again reads no row."""
    (whole,) = await Partitions(6 * 3600).ensure(connection, TABLE, NOON, NOON)
    await store(connection, [packet(request(number=n + 1), at=NOON.timestamp()) for n in range(9)])
    said: list[str] = []
    connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    await connection.execute("SET client_min_messages TO debug1")
    rest = await partitions.end_early(connection, TABLE, whole, NOON + HOUR, 30)
    await connection.execute("SET client_min_messages TO notice")
    assert f'partition constraint for table "{whole.name}" is implied' in " ".join(said)
    assert rest == Partition("sip_message_call_20261123_1334", NOON + HOUR, whole.end)
    async with connection.transaction():
        assert await partitions.read(connection, TABLE) == [whole._replace(end=NOON + HOUR), rest]
    await store(connection, [packet(request(number=10), at=(NOON + HOUR).timestamp())])
    found = await connection.execute(
        "SELECT tableoid::regclass::text, count(*) FROM sip_message_call GROUP BY 1 ORDER BY 1"
    )
    assert await found.fetchall() == [(whole.name, 9), (rest.name, 1)]
    assert await _proofs(connection) == []


async def test_ending_early_under_load_neither_refuses_nor_loses_a_row(
    connection: Connection, database: Database
) -> None:
    """Rows go on coming, before and behind the new end, while it is done."""
    (whole,) = await Partitions(6 * 3600).ensure(connection, TABLE, NOON, NOON)
    stop = asyncio.Event()
    stored = 0

    async def load() -> None:
        nonlocal stored
        async with await AsyncConnection.connect(database.dsn, autocommit=True) as other:
            while not stop.is_set():
                await store(other, [packet(request(), at=NOON.timestamp())] * 50)
                stored += 50

    loads = [asyncio.create_task(load()) for _ in range(2)]
    await asyncio.sleep(0.3)
    await partitions.end_early(connection, TABLE, whole, NOON + HOUR, 30)
    await asyncio.sleep(0.3)
    stop.set()
    await asyncio.gather(*loads)
    found = await connection.execute("SELECT count(*) FROM sip_message_call")
    assert await found.fetchone() == (stored,)
    assert await partitions.default_rows(connection, TABLE) == 0


async def test_a_row_behind_the_new_end_leaves_all_as_it_was(connection: Connection) -> None:
    """A clock that is ahead: another try will choose a later end."""
    (whole,) = await Partitions(6 * 3600).ensure(connection, TABLE, NOON, NOON)
    await store(connection, [packet(request(), at=(NOON + 2 * HOUR).timestamp())])
    with pytest.raises(errors.CheckViolation):
        await partitions.end_early(connection, TABLE, whole, NOON + HOUR, 30)
    assert await _proofs(connection) == []
    async with connection.transaction():
        assert await partitions.read(connection, TABLE) == [whole]


async def test_a_reader_in_the_way_leaves_all_as_it_was(
    connection: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the partition nor its readers notice."""
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT", "50ms")
    (whole,) = await Partitions(6 * 3600).ensure(connection, TABLE, NOON, NOON)
    async with await AsyncConnection.connect(database.dsn) as reader:
        # The parent only: adding and checking the constraint work, the exchange does not.
        await reader.execute("LOCK TABLE ONLY sip_message_call IN ACCESS SHARE MODE")
        with pytest.raises(errors.LockNotAvailable):
            await partitions.end_early(connection, TABLE, whole, NOON + HOUR, 30)
    assert await _proofs(connection) == []
    async with connection.transaction():
        assert await partitions.read(connection, TABLE) == [whole]


async def test_what_an_interrupted_end_leaves_is_removed_in_time(connection: Connection) -> None:
    """Its constraint would refuse rows one day; that of somebody at work is left alone."""
    (whole,) = await Partitions(6 * 3600).ensure(connection, TABLE, NOON, NOON)
    for until in (1000, 2000):
        await connection.execute(
            f"ALTER TABLE {whole.name} ADD CONSTRAINT kemiscope_ends_{until} CHECK (ts > 'epoch')"
        )
    await partitions.remove_proofs(connection, 1999.9)
    assert await _proofs(connection) == ["kemiscope_ends_2000"]


async def _proofs(connection: Connection) -> list[str]:
    found = await connection.execute(
        "SELECT conname FROM pg_constraint WHERE starts_with(conname, 'kemiscope_ends_')"
    )
    return [name for (name,) in await found.fetchall()]
