# SPDX-License-Identifier: GPL-2.0-or-later
"""Committing batches to a real PostgreSQL: all or nothing, exactly once."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import hop, store
from collector.causes import Cause
from collector.errors import ProgressConflictError
from collector.hop import Batch
from collector.journal import record
from collector.journal.segment import HEADER_BYTES, Segment
from collector.store import Progress, Step, Store
from tests.fix_api import JOURNAL, OPTIONS, PEER
from tests.sip_text import packet, request

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
SEGMENT = Segment(Path("00/x.seg"), 0, 0, uuid.UUID(int=7))


def _batch(*packets: bytes, peer: bytes = PEER) -> Batch:
    batch = Batch()
    buffer = b"".join(
        record.pack(10**18 + 64 * number, peer, 9060, 0, data)
        for number, data in enumerate(packets)
    )
    hop.encode(buffer, batch, OPTIONS, len(packets))
    return batch


async def _count(connection: Connection, table: str) -> int:
    found = await connection.execute(f"SELECT count(*) FROM {table}".encode())  # noqa: S608
    row = await found.fetchone()
    assert row
    return int(row[0])


async def test_rows_progress_and_counters_are_one_commit(connection: Connection) -> None:
    """All of it is there afterwards."""
    writer = Store(JOURNAL, 3)
    assert await writer.progress(connection, SEGMENT) == Progress(HEADER_BYTES, 0, HEADER_BYTES)
    batch = _batch(packet(request()), packet(request("REGISTER")), packet(request("OPTIONS")), b"?")
    await writer.commit(connection, batch, [Step(SEGMENT, HEADER_BYTES, 900, 4)])
    assert await writer.progress(connection, SEGMENT) == Progress(900, 4, 900)
    found = await connection.execute("SELECT kind, method FROM sip_message ORDER BY kind")
    assert await found.fetchall() == [
        ("call", "INVITE"),
        ("other", "OPTIONS"),
        ("registration", "REGISTER"),
    ]
    found = await connection.execute("SELECT process, cause, messages FROM ingest_counter")
    assert sorted(await found.fetchall()) == [(3, "not_hep", 1), (3, "stored", 3)]
    assert await _count(connection, "stat_minute") == 3
    assert await _count(connection, "sender") == 2
    found = await connection.execute("SELECT cause, packet FROM quarantine")
    assert await found.fetchall() == [("not_hep", b"?")]


async def test_the_same_records_cannot_be_stored_twice(connection: Connection) -> None:
    """Progress is compared and set: the second commit changes nothing at all."""
    batch = _batch(packet(request()))
    step = Step(SEGMENT, HEADER_BYTES, 500, 1)
    await Store(JOURNAL, 1).commit(connection, batch, [step])
    with pytest.raises(ProgressConflictError):
        await Store(JOURNAL, 2).commit(connection, batch, [step])
    assert await _count(connection, "sip_message") == 1
    assert await _count(connection, "ingest_counter") == 1


@pytest.mark.own_database
async def test_a_failed_commit_leaves_nothing(connection: Connection) -> None:
    """Rows that PostgreSQL refuses take progress and counters with them."""
    await connection.execute(
        "ALTER TABLE sip_message_call ADD CHECK (call_id <> 'poison@x') NOT VALID"
    )
    batch = _batch(packet(request("OPTIONS")), packet(request(call_id="poison@x")))
    writer = Store(JOURNAL, 1)
    with pytest.raises(psycopg.errors.CheckViolation):
        await writer.commit(connection, batch, [Step(SEGMENT, HEADER_BYTES, 500, 2)])
    assert await writer.progress(connection, SEGMENT) == Progress(HEADER_BYTES, 0, HEADER_BYTES)
    for table in ("sip_message", "ingest_counter", "stat_minute", "sender"):
        assert await _count(connection, table) == 0


async def test_counters_add_up(connection: Connection) -> None:
    """A second batch of the same minute adds to the rows of the first."""
    writer = Store(JOURNAL, 1)
    for number in range(3):
        await writer.commit(connection, _batch(packet(request(number=number + 1), at=1e9)), [])
    found = await connection.execute("SELECT messages FROM ingest_counter")
    assert await found.fetchall() == [(3,)]
    found = await connection.execute("SELECT packets, rejected FROM sender")
    assert await found.fetchall() == [(3, 0)]
    found = await connection.execute("SELECT method, status_class, messages FROM stat_minute")
    assert await found.fetchall() == [("INVITE", 0, 3)]


async def test_invented_methods_and_nodes_do_not_grow_the_tables(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anyone can send any method, node name and source address: beyond a limit they are one."""
    monkeypatch.setattr(store, "MAX_NODES", 5)
    monkeypatch.setattr(store, "MAX_SENDERS", 5)
    writer = Store(JOURNAL, 1)
    for number in range(20):
        peer = record.pack_address(f"203.0.113.{number}")
        message = packet(request(f"M{number}"), at=1e9, node_name=b"node%d" % number)
        await writer.commit(connection, _batch(message, peer=peer), [])
    found = await connection.execute("SELECT DISTINCT node FROM stat_minute ORDER BY node")
    assert [node for (node,) in await found.fetchall()] == [
        "(other)",
        *(f"node{number}" for number in range(5)),
    ]
    found = await connection.execute("SELECT DISTINCT method FROM stat_minute")
    assert await found.fetchall() == [("(other)",)]
    assert await _count(connection, "sender") == 6
    found = await connection.execute("SELECT sum(packets)::int, sum(rejected)::int FROM sender")
    assert await found.fetchall() == [(20, 0)]


async def test_what_is_counted_as_one_may_come_in_one_batch(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Senders and nodes beyond the limits, and names that are the same as text."""
    monkeypatch.setattr(store, "MAX_NODES", 2)
    monkeypatch.setattr(store, "MAX_SENDERS", 2)
    names = (b"a\xff", b"a\xfe", b"b", b"c", b"d")
    batch = _batch(*(packet(request(), at=1e9, node_name=name) for name in names))
    await Store(JOURNAL, 1).commit(connection, batch, [])
    found = await connection.execute("SELECT node, packets FROM sender ORDER BY node")
    assert await found.fetchall() == [("(other)", 3), ("a\ufffd", 2)]
    found = await connection.execute("SELECT node, messages FROM stat_minute ORDER BY node")
    assert await found.fetchall() == [("(other)", 3), ("a\ufffd", 2)]


async def test_one_conflict_keeps_the_other_segments_where_they_are(
    connection: Connection,
) -> None:
    """Several segments move together or not at all."""
    other = SEGMENT._replace(uid=uuid.UUID(int=8))
    writer = Store(JOURNAL, 1)
    steps = [Step(SEGMENT, HEADER_BYTES, 500, 1), Step(other, HEADER_BYTES, 600, 1)]
    await writer.commit(connection, _batch(packet(request())), steps)
    steps = [Step(SEGMENT, 500, 700, 2), Step(other, HEADER_BYTES, 800, 2)]
    with pytest.raises(ProgressConflictError):
        await writer.commit(connection, _batch(packet(request())), steps)
    assert await writer.progress(connection, SEGMENT) == Progress(500, 1, 500)
    assert await writer.progress(connection, other) == Progress(600, 1, 600)
    assert await _count(connection, "sip_message") == 1


@pytest.mark.own_database
async def test_the_probe_row_leaves_no_trace(connection: Connection) -> None:
    """It tells whether PostgreSQL takes ordinary rows, and stores none."""
    writer = Store(JOURNAL, 1)
    assert await writer.accepts_rows(connection)
    assert await _count(connection, "sip_message") == 0
    await connection.execute("ALTER TABLE sip_message_other ADD CHECK (false) NOT VALID")
    assert not await writer.accepts_rows(connection)


async def test_hostile_names_are_stored_as_text(connection: Connection) -> None:
    """NUL and invalid UTF-8 in a node name, and a very long one."""
    writer = Store(JOURNAL, 1)
    for name in (b"a\0b", b"\xff\xfe", b"n" * 5000, "ü".encode() * 300):
        await writer.commit(connection, _batch(packet(request(), node_name=name)), [])
    assert await _count(connection, "sip_message") == 4
    found = await connection.execute("SELECT max(length(node)) FROM sender")
    assert await found.fetchall() == [(255,)]


async def test_quarantined_packets_keep_detail_and_bytes(connection: Connection) -> None:
    """Whatever the bytes are."""
    data = bytes(range(256))
    batch = _batch(data)
    await Store(JOURNAL, 1).commit(connection, batch, [], detail="x" * 1000)
    found = await connection.execute(
        "SELECT host(peer), port, cause, length(detail), packet FROM quarantine"
    )
    assert await found.fetchall() == [("203.0.113.5", 9060, Cause.NOT_HEP.label, 500, data)]
