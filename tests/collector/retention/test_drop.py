# SPDX-License-Identifier: GPL-2.0-or-later
"""Dropping one partition, in front of a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection, errors
from psycopg.rows import TupleRow

from collector import partitions
from collector.partitions import Partitions
from collector.retention import drop as dropping
from collector.retention.drop import drop, users_of
from collector.retention.measure import END, Part, measure
from tests.fix_api import store
from tests.fix_database import Database
from tests.sip_text import packet, request

TABLE = "sip_message_call"
HOUR = timedelta(hours=1)
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
Connection = AsyncConnection[TupleRow]


@pytest.fixture
async def parts(connection: Connection) -> list[Part]:
    """Three hourly partitions with 500 messages each, oldest first."""
    await Partitions(3600).ensure(connection, TABLE, NOON, NOON + 2 * HOUR)
    for hour in range(3):
        moment = (NOON + hour * HOUR).timestamp()
        await store(connection, [packet(request(number=n + 1), at=moment) for n in range(500)])
    await connection.execute("ANALYZE")
    return await measured(connection)


async def measured(connection: Connection, *, default: bool = False) -> list[Part]:
    """The filled partitions, oldest first, or the default one."""
    found = (await measure(connection)).parts
    return sorted(
        (p for p in found if p.table == TABLE and p.is_default == default and p.filled),
        key=lambda p: p.partition.begin,
    )


async def _log(connection: Connection) -> list[tuple[object, ...]]:
    found = await connection.execute(
        "SELECT kind, partition, range_begin, range_end, messages, octets, reason, capture_node"
        " FROM retention_log ORDER BY id"
    )
    return await found.fetchall()


async def test_it_goes_and_is_written_down(connection: Connection, parts: list[Part]) -> None:
    """With its range, what it held and why; the sums grow."""
    for part in parts[:2]:
        assert await drop(connection, part, "max_bytes", "node1") == part.octets > 500 * 600
    assert [part.partition for part in await measured(connection)] == [parts[2].partition]
    assert await _log(connection) == [
        ("call", *part.partition, 500, part.octets, "max_bytes", "node1") for part in parts[:2]
    ]
    found = await connection.execute("SELECT * FROM retention_dropped")
    octets = parts[0].octets + parts[1].octets
    assert await found.fetchall() == [("call", "max_bytes", 2, 1000, octets)]


async def test_a_long_query_elsewhere_does_not_keep_the_bytes(
    connection: Connection, database: Database, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the empty table waits for its end, and is not written down again."""
    monkeypatch.setattr(dropping, "_LOCK_TIMEOUT", "50ms")
    async with await AsyncConnection.connect(database.dsn) as reader:
        await reader.execute("SELECT * FROM sip_message_call WHERE ts >= %s", (NOON + 2 * HOUR,))
        assert await drop(connection, parts[0], "age", "node1") > 500 * 600
        # Somebody stores meanwhile and is not held up.
        await store(connection, [packet(request(), at=(NOON + HOUR).timestamp())])
        assert len(await _log(connection)) == 1
    (empty,) = [p for p in (await measure(connection)).parts if p.partition == parts[0].partition]
    assert not empty.filled
    assert await drop(connection, empty, "age", "node1") == empty.octets < 100_000
    assert len(await _log(connection)) == 1
    found = await connection.execute("SELECT to_regclass(%s)", (parts[0].partition.name,))
    assert await found.fetchone() == (None,)


async def test_two_nodes_write_down_once_what_goes(
    connection: Connection, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have seen that it is too much; the table of the first stays for the moment."""

    async def leave(*_: object) -> bool:
        return False

    with monkeypatch.context() as patched:
        patched.setattr(dropping, "_drop_table", leave)
        assert await drop(connection, parts[0], "max_bytes", "node1") == parts[0].octets
    assert await drop(connection, parts[0], "max_bytes", "node2") < 100_000
    assert [row[-1] for row in await _log(connection)] == ["node1"]
    found = await connection.execute("SELECT to_regclass(%s)", (parts[0].partition.name,))
    assert await found.fetchone() == (None,)
    assert await drop(connection, parts[0], "max_bytes", "node3") == 0


async def test_a_partition_that_is_being_read_stays_and_its_reader_is_named(
    connection: Connection, database: Database, parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader is not interrupted."""
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT", "50ms")
    async with await AsyncConnection.connect(database.reader_dsn) as reader:
        await reader.execute("SELECT * FROM sip_message_call")
        with pytest.raises(errors.LockNotAvailable):
            await drop(connection, parts[0], "age", "node1")
        users = await users_of(connection, parts[0].partition.name)
        assert users == f"process {reader.info.backend_pid} of role kemiscope_reader"
    assert await _log(connection) == []
    assert await users_of(connection, parts[0].partition.name) == ""


async def test_another_node_was_faster(connection: Connection, parts: list[Part]) -> None:
    """What is gone is gone."""
    await connection.execute(f"DROP TABLE {parts[0].partition.name}")
    assert await drop(connection, parts[0], "age", "node1") == 0
    assert await _log(connection) == []


async def test_the_default_partition_is_emptied_and_stays(connection: Connection) -> None:
    """With the range that its rows had; not when newer ones have come."""
    late = [packet(request(number=n + 1), at=NOON.timestamp() + n) for n in range(50)]
    await store(connection, late)
    (part,) = await measured(connection, default=True)
    assert part.partition.end < END
    newer = part.partition.end + timedelta(seconds=1)
    await store(connection, [packet(request(), at=newer.timestamp())])
    assert await drop(connection, part, "max_bytes", "node1") == 0
    (again,) = await measured(connection, default=True)
    assert again.partition.end == END
    await connection.execute("DELETE FROM sip_message_call WHERE ts >= %s", (newer,))
    assert await drop(connection, part, "max_bytes", "node1") > 0
    (entry,) = await _log(connection)
    assert entry[1:4] == (f"{TABLE}_default", NOON, NOON + timedelta(seconds=49))
    assert await measured(connection, default=True) == []
    assert await partitions.default_rows(connection, TABLE) == 0
