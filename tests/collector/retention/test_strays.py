# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of a default partition: deleted, moved, and their room given back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import partitions
from collector.partitions import Partitions
from collector.retention import strays
from tests.fix_api import store
from tests.sip_text import packet, request

TABLE = "sip_message_call"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Connection = AsyncConnection[TupleRow]


async def _store(connection: Connection, *hours: float) -> None:
    await store(
        connection,
        [packet(request(number=1), at=(NOON + hour * HOUR).timestamp()) for hour in hours],
    )


async def test_old_ones_are_deleted_some_at_a_time_and_written_down(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round is bounded; the next one goes on."""
    monkeypatch.setattr(strays, "ROWS_PER_DELETE", 4)
    monkeypatch.setattr(strays, "DELETES_PER_ROUND", 2)
    await _store(connection, *range(-10, 3))
    arguments = (connection, TABLE, "call", NOON, "age", "node1")
    assert await strays.delete_old(*arguments) == 8
    assert await strays.delete_old(*arguments) == 2
    assert await strays.delete_old(*arguments) == 0
    assert await partitions.default_rows(connection, TABLE) == 3
    found = await connection.execute(
        "SELECT sum(messages), min(range_begin), max(range_end) < %s, bool_and(octets > 100)"
        " FROM retention_log WHERE partition = 'sip_message_call_default'",
        (NOON,),
    )
    assert await found.fetchone() == (10, NOON - 10 * HOUR, True, True)


async def test_they_move_where_they_belong(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One partition at a time, only those that are needed, so many in a round."""
    monkeypatch.setattr(strays, "MOVES_PER_ROUND", 2)
    await _store(connection, 0, 0.5, 100, 1000)
    made = Partitions(3600)
    assert await strays.settle(connection, TABLE, made) == 2
    assert await strays.settle(connection, TABLE, made) == 1
    assert await strays.settle(connection, TABLE, made) == 0
    assert await partitions.default_rows(connection, TABLE) == 0
    async with connection.transaction():
        present = await partitions.read(connection, TABLE)
    assert [part.begin for part in present] == [NOON, NOON + 100 * HOUR, NOON + 1000 * HOUR]
    found = await connection.execute("SELECT count(*) FROM sip_message_call")
    assert await found.fetchone() == (4,)


async def test_the_room_is_given_back_when_nothing_is_left(connection: Connection) -> None:
    """Deleted rows occupy the disk until then."""

    async def size() -> int:
        found = await connection.execute("SELECT pg_relation_size('sip_message_call_default')")
        return int(((await found.fetchone()) or (0,))[0])

    await _store(connection, 1, 2)
    await strays.give_back(connection, TABLE)
    assert await size() > 0
    await strays.settle(connection, TABLE, Partitions(3600))
    assert await size() > 0
    await strays.give_back(connection, TABLE)
    assert await size() == 0
