# SPDX-License-Identifier: GPL-2.0-or-later
"""Housekeeping against a real PostgreSQL and a real journal."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from collector.admission.refused import RefusedPeers
from collector.causes import Cause
from collector.journal import segment
from collector.journal.counters import Counters, Field, NodeField, Role, claim_slot
from collector.keeper import Keeper
from tests.call_rows import CALL_START, add_answered
from tests.fix_api import load_settings, store
from tests.fix_database import Database
from tests.fix_journal import PEER, OpenWriter, append
from tests.sip_text import packet, request

Connection = AsyncConnection[TupleRow]


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[AsyncConnectionPool[AsyncConnection]]:
    """The pool that ingest shares with its keeper."""
    opened: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
        database.dsn, min_size=0, max_size=4, open=False, kwargs={"autocommit": True}
    )
    async with opened:
        yield opened


@pytest.fixture
def make_keeper(
    database: Database, pool: AsyncConnectionPool[AsyncConnection], journal: Path
) -> Keeper:
    """A keeper with short retention."""
    settings = load_settings(
        database,
        JOURNAL_DIRECTORY=str(journal),
        RETENTION_CALL="4d",
        RETENTION_REGISTRATION="3d",
        RETENTION_STATISTICS="30d",
        RETENTION_QUARANTINE_MESSAGES="5",
        JOURNAL_SYNC_INTERVAL="50ms",
    )
    return Keeper(settings, Counters(journal), pool)


async def _run(subject: Keeper, seconds: float) -> None:
    task = asyncio.create_task(subject.run())
    await asyncio.sleep(seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _run_until(
    subject: Keeper, connection: Connection, query: str, wanted: Sequence[object]
) -> None:
    """Until the query gives that, however busy the machine is; a time-out fails.

    A row of one column stands for its value.
    """
    task = asyncio.create_task(subject.run())
    found: list[object] = []
    try:
        async with asyncio.timeout(20):
            while found != wanted:
                await asyncio.sleep(0.05)
                rows = await _rows(connection, query)
                found = [row[0] if len(row) == 1 else row for row in rows]
    except TimeoutError:
        assert found == wanted
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _rows(connection: Connection, query: str) -> list[TupleRow]:
    return await (await connection.execute(query.encode())).fetchall()


async def test_it_publishes_the_node_and_its_balance(
    make_keeper: Keeper, connection: Connection, open_writer: OpenWriter
) -> None:
    """Once a second, with what waits in the journal."""
    writer = open_writer()
    append(writer, packet(request()), packet(request()))
    writer.drop(Cause.UNREADABLE)
    query = "SELECT cause, messages FROM balance"
    await _run_until(make_keeper, connection, query, [("unreadable", 1)])
    found = await connection.execute(
        "SELECT received, waiting, unaccounted, waiting_octets > 0, last_packet_at IS NOT NULL,"
        " oldest_waiting_at IS NOT NULL, last_commit_at FROM capture_node"
    )
    assert await found.fetchall() == [(3, 2, 0, True, True, True, None)]


async def test_it_publishes_who_decodes_in_plain_python(
    make_keeper: Keeper, connection: Connection, journal: Path
) -> None:
    """Of the ingest processes that live; those that ended do not count."""
    counters = Counters(journal)
    locks = []
    for _ in range(3):
        number, lock = claim_slot(counters, journal, Role.INGEST, 1)
        counters.slot(number)[Field.PLAIN_HOP] = 1
        locks.append(lock)
    os.close(locks.pop())
    await _run_until(make_keeper, connection, "SELECT plain_hops FROM capture_node", [2])
    for lock in locks:
        os.close(lock)


async def test_it_publishes_who_is_refused(
    make_keeper: Keeper, connection: Connection, open_writer: OpenWriter, journal: Path
) -> None:
    """Counted at the door and in the balance alike."""
    writer = open_writer()
    peers = RefusedPeers(journal, writer.slot)
    for _ in range(3):
        writer.drop(Cause.SENDER_NETWORK)
        peers.count(PEER, Cause.SENDER_NETWORK)
    query = "SELECT host(peer), cause, packets FROM refused_peer"
    await _run_until(make_keeper, connection, query, [("203.0.113.9", "sender_network", 3)])
    found = await connection.execute("SELECT cause, messages FROM balance")
    assert await found.fetchall() == [("sender_network", 3)]


async def test_it_counts_calls(make_keeper: Keeper, connection: Connection) -> None:
    """Those of the minutes that somebody has named."""
    await add_answered(connection, "1@x")
    await connection.execute(
        "INSERT INTO call_changed SELECT date_trunc('minute', started_at), '2000-01-01' FROM call"
    )
    query = "SELECT minute, state, calls FROM call_minute"
    await _run_until(make_keeper, connection, query, [(CALL_START, "completed", 1)])


async def test_it_makes_partitions_and_drops_old_ones(
    make_keeper: Keeper, connection: Connection
) -> None:
    """Ahead of time; whole partitions beyond the retention of their kind; old counters."""
    await connection.execute(
        "CREATE TABLE old_call PARTITION OF sip_message_call"
        " FOR VALUES FROM (now() - interval '6 days') TO (now() - interval '5 days')"
    )
    await connection.execute(
        "CREATE TABLE kept_call PARTITION OF sip_message_call"
        " FOR VALUES FROM (now() - interval '5 days') TO (now() - interval '3 days')"
    )
    await connection.execute(
        "INSERT INTO stat_minute VALUES (now() - interval '31 days', %(j)s, 1, '', '', 0, 1, 1),"
        " (now() - interval '29 days', %(j)s, 1, '', '', 0, 1, 1)",
        {"j": uuid.uuid4()},
    )
    query = (
        "SELECT to_regclass('old_call'), to_regclass('kept_call'),"
        " (SELECT count(*) FROM stat_minute),"
        " (SELECT count(*) FROM pg_inherits WHERE inhparent = 'sip_message_other'::regclass)"
    )
    await _run_until(make_keeper, connection, query, [(None, "kept_call", 1, 1 + 5)])


async def test_what_was_done_in_the_web_api_is_kept_for_its_time(
    make_keeper: Keeper, connection: Connection
) -> None:
    """The audit log and ended tokens for retention.audit, sessions that are over for a day."""
    for statement in (
        (
            "INSERT INTO audit_log (at, username, action) SELECT now() - days * interval '1 day',"
            " days::text, 'x' FROM unnest(ARRAY[366, 364, 0]) days"
        ),
        "INSERT INTO web_user (username, role, source) VALUES ('anna', 'user', 'ldap')",
        (
            "INSERT INTO api_token (token_sha256, name, user_id, scopes, created_at, expires_at)"
            " SELECT sha256(days::text::bytea), days::text, 1, '{}', '2020-01-01',"
            " now() - days * interval '1 day' FROM unnest(ARRAY[366, 364]) days"
        ),
        (
            "INSERT INTO web_session (token_sha256, user_id, idle_expires_at, expires_at, address,"
            " user_agent) SELECT sha256(days::text::bytea), 1, now(),"
            " now() - days * interval '1 day', '::1', days::text FROM unnest(ARRAY[2, 0, -1]) days"
        ),
    ):
        await connection.execute(statement.encode())
    for query, left in (
        ("SELECT username FROM audit_log ORDER BY id", ["364", "0"]),
        ("SELECT name FROM api_token ORDER BY id", ["364"]),
        ("SELECT user_agent FROM web_session ORDER BY id", ["0", "-1"]),
    ):
        await _run_until(make_keeper, connection, query, left)


async def test_ended_trace_rules_are_kept_for_their_time(
    make_keeper: Keeper, connection: Connection
) -> None:
    """Who asked for what, and why; not longer than retention.trace_rules."""
    await connection.execute(
        "INSERT INTO trace_rule (kind, value, action, percent, calls, methods, created_at,"
        " expires_at, requested_by, reason)"
        " SELECT 'from_user', days::text, 'include', 100, 1, '{}', now() - days * interval '1 d',"
        " now() - (days - 1) * interval '1 d', 'anna', 'a test'"
        " FROM unnest(ARRAY[1, 300, 365, 367, 900]) days"
    )
    query = "SELECT value FROM trace_rule ORDER BY id"
    await _run_until(make_keeper, connection, query, ["1", "300", "365"])


async def test_the_quarantine_stays_small(make_keeper: Keeper, connection: Connection) -> None:
    """The newest are kept."""
    await store(connection, [b"bad%d" % number for number in range(12)])
    query = "SELECT packet FROM quarantine ORDER BY id"
    await _run_until(make_keeper, connection, query, [b"bad%d" % n for n in range(7, 12)])


async def test_progress_outlives_its_segment_and_then_goes(
    make_keeper: Keeper, connection: Connection, open_writer: OpenWriter, journal: Path
) -> None:
    """Rows of segments that are long gone are removed, those of present or recent ones stay."""
    append(open_writer(), packet(request()))
    (present,) = segment.in_slot(journal / "00")
    gone, recent = uuid.uuid4(), uuid.uuid4()
    counters = Counters(journal)
    for uid, age in ((present.uid, "1 day"), (gone, "1 day"), (recent, "1 minute")):
        await connection.execute(
            "INSERT INTO journal_progress VALUES (%s, %s, 0, 0, 0, 0, now() - %s::interval, 0)",
            (uid, counters.journal_id, age),
        )
    counters.close()
    query = "SELECT segment FROM journal_progress ORDER BY segment"
    await _run_until(make_keeper, connection, query, sorted((present.uid, recent)))


async def test_brin_indexes_are_kept_up(make_keeper: Keeper, connection: Connection) -> None:
    """Searches for the newest messages need not read the unsummarized end."""
    keeper_task = asyncio.create_task(make_keeper.run())
    async with asyncio.timeout(10):
        while True:
            found = await connection.execute(
                "SELECT relname FROM pg_class JOIN pg_partition_tree('sip_message_call')"
                " ON relid = oid WHERE isleaf AND relname !~ 'default' ORDER BY relname LIMIT 1"
            )
            if await found.fetchone():
                break
            await asyncio.sleep(0.05)
    keeper_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeper_task
    await store(connection, [packet(request(number=n + 1)) for n in range(2000)])
    await make_keeper._summarize(connection)
    found = await connection.execute(
        "SELECT sum(brin_summarize_new_values(indexrelid)) FROM pg_index"
        " JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam"
        " WHERE amname = 'brin' AND indrelid IN"
        " (SELECT relid FROM pg_partition_tree('sip_message_call') WHERE isleaf)"
    )
    assert await found.fetchone() == (0,)


async def test_only_one_keeps_house(
    make_keeper: Keeper,
    database: Database,
    pool: AsyncConnectionPool[AsyncConnection],
    journal: Path,
) -> None:
    """A second one waits, and takes over when the first ends."""
    settings = load_settings(database, JOURNAL_DIRECTORY=str(journal))
    second = Keeper(settings, Counters(journal), pool)
    first_task = asyncio.create_task(make_keeper.run())
    await asyncio.sleep(0.3)
    second_task = asyncio.create_task(second.run())
    await asyncio.sleep(0.3)
    assert [make_keeper.is_keeper, second.is_keeper] == [True, False]
    first_task.cancel()
    async with asyncio.timeout(5):
        while not second.is_keeper:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    second_task.cancel()
    await asyncio.gather(first_task, second_task, return_exceptions=True)


async def test_without_a_database_the_rest_goes_on(
    database: Database, journal: Path, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is synced and kernel drops are counted."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    append(open_writer(), packet(request()))
    settings = load_settings(
        database._replace(dsn="host=127.0.0.1 port=1"),
        JOURNAL_DIRECTORY=str(journal),
        JOURNAL_SYNC_INTERVAL="20ms",
    )
    counters = Counters(journal)
    counters.node[NodeField.KERNEL_DROPS] = 7
    broken: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
        "host=127.0.0.1 port=1", min_size=0, max_size=1, open=False, timeout=0.2
    )
    async with broken:
        await _run(Keeper(settings, counters, broken), 0.5)
    assert len(synced) == 1
    assert counters.node[NodeField.KERNEL_DROPS] == 7
