# SPDX-License-Identifier: GPL-2.0-or-later
"""The table refused_peer over a real PostgreSQL."""

from __future__ import annotations

from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.admission.publication import publish
from collector.admission.refused import Refused
from collector.causes import Cause
from collector.journal.record import OTHER_PEER, pack_address

Connection = AsyncConnection[TupleRow]
HERE, THERE = UUID(int=1), UUID(int=2)
HOST = Refused(pack_address("192.0.2.7"), Cause.SENDER_RATE, 5, 1_800_000_000_123_456_000)
OTHERS = Refused(OTHER_PEER, Cause.SENDER_NETWORK, 7, 1_800_000_001_000_000_000)


async def _node(connection: Connection, journal_id: UUID) -> None:
    await connection.execute(
        "INSERT INTO capture_node VALUES (%s, 'n', '', now(), 0, 0, 0, NULL, NULL, NULL, 0)",
        (journal_id,),
    )


async def _rows(connection: Connection) -> list[TupleRow]:
    found = await connection.execute(
        "SELECT journal_id, host(peer), cause, packets, extract(epoch FROM last_seen)::text"
        " FROM refused_peer ORDER BY 1, 2, 3"
    )
    return await found.fetchall()


async def test_the_table_says_what_the_file_says(connection: Connection) -> None:
    """New, changed and vanished rows; those of another node stay as they are."""
    for journal_id in (HERE, THERE):
        await _node(connection, journal_id)
    await publish(connection, THERE, [HOST])
    await publish(connection, HERE, [])
    await publish(connection, HERE, [HOST, OTHERS])
    there = (THERE, "192.0.2.7", "sender_rate", 5, "1800000000.123456")
    assert await _rows(connection) == [
        (HERE, "192.0.2.7", "sender_rate", 5, "1800000000.123456"),
        (HERE, "::", "sender_network", 7, "1800000001.000000"),
        there,
    ]
    await publish(connection, HERE, [OTHERS._replace(packets=12)])
    assert await _rows(connection) == [
        (HERE, "::", "sender_network", 12, "1800000001.000000"),
        there,
    ]
    await publish(connection, HERE, [])
    assert await _rows(connection) == [there]


async def test_a_node_that_is_forgotten_takes_its_rows_with_it(connection: Connection) -> None:
    """As with its balance."""
    await _node(connection, HERE)
    await publish(connection, HERE, [HOST])
    await connection.execute("DELETE FROM capture_node")
    assert await _rows(connection) == []
