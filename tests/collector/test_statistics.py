# SPDX-License-Identifier: GPL-2.0-or-later
"""Minutes are counted anew from the calls, by one node, and only when they have changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from collector import statistics
from collector.correlation import upkeep
from collector.peers import Peers
from tests import flow
from tests.call_rows import CALL_START, add_answered, add_call, add_failed
from tests.fix_api import load_settings
from tests.fix_calls import Ingests
from tests.fix_database import Database

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
NOBODY = Peers(())
LONG_AGO = timedelta(hours=1)


async def _mark(connection: Connection, *minutes: int, ago: timedelta = LONG_AGO) -> None:
    """As the writer of calls does, a while ago."""
    for minute in minutes:
        await connection.execute(
            "INSERT INTO call_changed VALUES (%s, now() - %s)",
            (CALL_START + timedelta(minutes=minute), ago),
        )


async def _minutes(connection: Connection, columns: str) -> list[Any]:
    query = sql.SQL("SELECT extract(minute FROM minute)::int, {} FROM call_minute ORDER BY 1, 2")
    found = await connection.execute(query.format(sql.SQL(columns)))
    return await found.fetchall()


async def test_a_minute_holds_what_began_in_it(connection: Connection) -> None:
    """Divided by state and status, with sums and how many there are of each."""
    await add_answered(connection, "1@x", 0, talk_s=10)
    await add_answered(connection, "2@x", 59.9, talk_s=20)
    await add_failed(connection, "3@x", 30, status=486)
    await add_call(connection, "4@x", 30, progress_at=2)
    await add_call(connection, "no INVITE@x", 30, first_rank=2)
    await add_answered(connection, "next minute@x", 60)
    await _mark(connection, 0)
    assert await statistics.refresh(connection, NOBODY) == [CALL_START]
    assert await _minutes(
        connection, "state, status, calls, pdd_calls, pdd_ms, setup_ms, duration_calls, duration_ms"
    ) == [
        (0, "busy", 486, 1, 1, 2000, 0, 0, 0),
        (0, "completed", 200, 2, 2, 2000, 6000, 2, 30_000),
        (0, "ringing", 0, 1, 1, 2000, 0, 0, 0),
    ]


async def test_whoever_changes_calls_names_their_minutes(
    connection: Connection, ingests: Ingests
) -> None:
    """Also the one that a call leaves because it turns out to have begun earlier."""
    read = flow.load("session-direct")
    messages = read.messages
    second = 1_000_000
    late = messages[0].us // (60 * second) * (60 * second) + 70 * second
    moved = [message._replace(us=late + 100 * at) for at, message in enumerate(messages)]
    ingesting = await ingests.open()
    await ingesting.store(moved[1:])
    await ingesting.write()
    before = await _named(connection)
    assert len(before) == 1
    await connection.execute("UPDATE call_changed SET marked_at = now() - interval '1 hour'")
    await statistics.refresh(connection, NOBODY)
    assert await _minutes(connection, "calls") == [(before[0].minute, 1)]
    await ingesting.store([moved[0]._replace(us=late - 60 * second)])
    await ingesting.write()
    named = await _named(connection)
    assert named == [before[0] - timedelta(minutes=1), before[0]]
    await connection.execute("UPDATE call_changed SET marked_at = now() - interval '1 hour'")
    await statistics.refresh(connection, NOBODY)
    assert await _minutes(connection, "calls") == [(named[0].minute, 1)]


async def test_a_call_that_times_out_names_its_minute(
    connection: Connection, database: Database
) -> None:
    """Its state changes without a message."""
    await add_call(connection, "1@x")
    now = CALL_START + timedelta(days=1)
    await upkeep.keep(connection, load_settings(database), now)
    assert await _named(connection) == [CALL_START]


async def _named(connection: Connection) -> list[datetime]:
    found = await connection.execute("SELECT DISTINCT minute FROM call_changed ORDER BY minute")
    return [minute for (minute,) in await found.fetchall()]


async def test_counting_again_changes_nothing_but_what_changed(connection: Connection) -> None:
    """However often it is done: nothing is counted up."""
    await add_call(connection, "1@x")
    await add_call(connection, "2@x", 60)
    for _ in range(3):
        await _mark(connection, 0, 0, 1)
        await statistics.refresh(connection, NOBODY)
    assert await _minutes(connection, "state, calls") == [(0, "trying", 1), (1, "trying", 1)]
    await connection.execute(
        "UPDATE call SET answered_at = first_at, answer_status = 200 WHERE call_id = '1@x'"
    )
    await connection.execute("DELETE FROM call WHERE call_id = '2@x'")
    assert await statistics.refresh(connection, NOBODY) == []
    await _mark(connection, 0, 1)
    await statistics.refresh(connection, NOBODY)
    assert await _minutes(connection, "state, calls") == [(0, "answered", 1)]


@pytest.mark.parametrize(
    ("age", "waited", "due"),
    [
        (timedelta(0), timedelta(seconds=4), False),
        (timedelta(0), timedelta(seconds=6), True),
        (timedelta(minutes=4), timedelta(seconds=50), False),
        (timedelta(minutes=4), timedelta(seconds=70), True),
        (timedelta(days=9), timedelta(minutes=9), False),
        (timedelta(days=9), timedelta(minutes=11), True),
    ],
)
async def test_an_older_minute_waits_longer(
    connection: Connection, age: timedelta, waited: timedelta, *, due: bool
) -> None:
    """From its first change on, whatever comes after it, and never longer than the limit."""
    await connection.execute(
        "INSERT INTO call_changed SELECT now() - %(waited)s - %(age)s, now() - %(waited)s"
        " UNION ALL SELECT now() - %(waited)s - %(age)s, now()",
        {"waited": waited, "age": age},
    )
    assert bool(await statistics.refresh(connection, NOBODY)) is due


async def test_one_pass_is_bounded(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """In minutes and in time; those that have waited longest come first, nothing is forgotten."""
    monkeypatch.setattr(statistics, "MAX_MINUTES", 2)
    for minute in range(5):
        await _mark(connection, minute, ago=LONG_AGO - timedelta(seconds=minute))
    passes = [await statistics.refresh(connection, NOBODY) for _ in range(3)]
    assert [[found.minute for found in counted] for counted in passes] == [[0, 1], [2, 3], [4]]
    await _mark(connection, 0, 1)
    assert len(await statistics.refresh(connection, NOBODY, budget_s=0)) == 1


async def test_of_several_nodes_one_counts(connection: Connection, database: Database) -> None:
    """While one is at it, the other leaves it alone and takes what the first has left."""
    await add_call(connection, "1@x")
    await _mark(connection, 0)
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as other:
        async with other.transaction():
            await other.execute("SELECT pg_advisory_xact_lock(%s)", (statistics._LOCK,))
            assert await statistics.refresh(connection, NOBODY) == []
        assert await statistics.refresh(other, NOBODY) == [CALL_START]
    assert await statistics.refresh(connection, NOBODY) == []


async def test_a_change_during_the_count_is_not_lost(
    connection: Connection, database: Database
) -> None:
    """It is not seen, and not forgotten either: its minute comes again."""
    await _mark(connection, 0)
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as writer:
        async with writer.transaction():
            await add_call(writer, "1@x")
            await _mark(writer, 0)
            assert await statistics.refresh(connection, NOBODY) == [CALL_START]
        assert await _minutes(connection, "calls") == []
        assert await statistics.refresh(connection, NOBODY) == [CALL_START]
    assert await _minutes(connection, "calls") == [(0, 1)]


async def test_a_death_while_counting_leaves_all_as_it_was(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The minute is still to be counted."""
    await add_call(connection, "1@x")
    await _mark(connection, 0)
    with monkeypatch.context() as patched:
        patched.setattr(statistics, "_fold", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await statistics.refresh(connection, NOBODY)
    assert await statistics.refresh(connection, NOBODY) == [CALL_START]
    assert await _minutes(connection, "calls") == [(0, 1)]


async def test_peers_have_their_names(connection: Connection) -> None:
    """Addresses without one are counted together."""
    peers = Peers(["carrier=203.0.113.0/24", "pbx=198.51.100.2"])
    for number, source in enumerate(["192.0.2.1", "192.0.2.2", "203.0.113.7", None]):
        await add_call(connection, f"{number}@x", src_ip=source)
    await _mark(connection, 0)
    await statistics.refresh(connection, peers)
    assert await _minutes(connection, "src_peer, dst_peer, calls") == [
        (0, "", "pbx", 3),
        (0, "carrier", "pbx", 1),
    ]


async def test_invented_nodes_do_not_grow_the_table(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a limit they are one."""
    monkeypatch.setattr(statistics, "MAX_NODES", 3)
    for number in range(9):
        await add_call(connection, f"{number}@x", node=f"node{number}")
    await _mark(connection, 0)
    await statistics.refresh(connection, NOBODY)
    assert await _minutes(connection, "node, calls") == [
        (0, "(other)", 6),
        *((0, f"node{number}", 1) for number in range(3)),
    ]


async def test_a_call_that_is_filed_later_counts(connection: Connection) -> None:
    """Where it began, not where it is filed."""
    await add_call(connection, "1@x", 30, ts=CALL_START + timedelta(minutes=5))
    await _mark(connection, 0, 5)
    await statistics.refresh(connection, NOBODY)
    assert await _minutes(connection, "calls") == [(0, 1)]
