# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations against a real PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import migrate
from collector.columns import SIP_MESSAGE, SIP_MESSAGE_TABLES
from collector.errors import SchemaError
from tests.fix_database import Database


def test_files_are_numbered_and_explained() -> None:
    """Each begins with a comment: why, what it locks, how to go back."""
    numbers = [migration.number for migration in migrate.migrations()]
    assert numbers == sorted(set(numbers))
    for migration in migrate.migrations():
        comment = migration.text.split("\n\n")[0]
        assert all(line.startswith("--") for line in comment.splitlines()[:3])
        assert "Locks:" in migration.text
        assert "Back:" in migration.text


async def test_running_twice_changes_nothing(empty_database: Database) -> None:
    """All at first, none the second time."""
    async with await AsyncConnection.connect(empty_database.dsn, autocommit=True) as connection:
        assert await migrate.migrate(connection) == migrate.migrations()
        assert await migrate.migrate(connection) == []


async def test_many_at_once_apply_each_file_once(empty_database: Database) -> None:
    """Capture nodes that start together do not trip over each other."""

    async def one() -> int:
        async with await AsyncConnection.connect(empty_database.dsn, autocommit=True) as connection:
            return len(await migrate.migrate(connection))

    assert sum(await asyncio.gather(*(one() for _ in range(4)))) == len(migrate.migrations())


async def test_an_empty_database_is_named_with_the_remedy(empty_database: Database) -> None:
    """The message is a command to run."""
    async with await AsyncConnection.connect(empty_database.dsn, autocommit=True) as connection:
        with pytest.raises(SchemaError, match="python -m collector init-db"):
            await migrate.check(connection)


async def test_a_migration_that_came_late_is_applied(
    connection: AsyncConnection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with a lower number than the newest in the database: named until then, then applied."""
    late = migrate.Migration(0, "0000_late", "CREATE TABLE late (x int)")
    every = [late, *migrate.migrations()]
    monkeypatch.setattr(migrate, "migrations", lambda: every)
    with pytest.raises(SchemaError, match="needs 0: run `python -m collector init-db`"):
        await migrate.check(connection)
    assert await migrate.migrate(connection) == [late]
    await connection.execute("SELECT * FROM late")


async def test_a_newer_schema_is_refused(connection: AsyncConnection[TupleRow]) -> None:
    """An old program does not write into a schema that it does not know."""
    await connection.execute("INSERT INTO schema_migration VALUES (9999, 'future', '')")
    with pytest.raises(SchemaError, match="update this program"):
        await migrate.migrate(connection)


async def test_a_changed_file_is_noticed(connection: AsyncConnection[TupleRow]) -> None:
    """What was applied must be what the file says."""
    await connection.execute("UPDATE schema_migration SET sha256 = 'x' WHERE number = 1")
    with pytest.raises(SchemaError, match="0001_sip_message"):
        await migrate.migrate(connection)


async def test_the_columns_are_those_of_the_code(connection: AsyncConnection[TupleRow]) -> None:
    """Names, types and order, in all three tables."""
    for table in SIP_MESSAGE_TABLES:
        found = await connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_name = %s ORDER BY ordinal_position",
            (table,),
        )
        assert await found.fetchall() == [(column.name, column.type) for column in SIP_MESSAGE]


async def test_only_utf8_is_accepted() -> None:
    """Text columns hold what senders send."""

    class Info:
        @staticmethod
        def parameter_status(_name: str) -> str:
            return "LATIN1"

    class Connection:
        info = Info

    with pytest.raises(SchemaError, match="ENCODING 'UTF8'"):
        await migrate.migrate(Connection())  # type: ignore[arg-type]


async def test_the_reader_reads_and_does_not_write(database: Database) -> None:
    """Also tables that later migrations make."""
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as writer:
        await writer.execute("CREATE TABLE later (x int)")
    async with await AsyncConnection.connect(database.reader_dsn) as reader:
        await reader.execute("SELECT * FROM sip_message, later, capture_node")
        found = await reader.execute(
            "SELECT bool_or(has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))"
            " FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
            " AND relnamespace = 'public'::regnamespace"
        )
        assert await found.fetchone() == (False,)
