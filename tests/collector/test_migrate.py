# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations against a real PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest
from psycopg import AsyncConnection
from psycopg.errors import (
    CheckViolation,
    InsufficientPrivilege,
    LockNotAvailable,
    UniqueViolation,
)
from psycopg.rows import TupleRow

from collector import migrate
from collector.columns import SIP_MESSAGE, SIP_MESSAGE_TABLES
from collector.errors import SchemaError
from tests.fix_database import Database


def test_files_are_numbered_once_and_explained() -> None:
    """Each begins with a comment: why, what it locks, how to go back."""
    numbers = [migration.number for migration in migrate.migrations()]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
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


async def test_a_newer_schema_is_refused(connection: AsyncConnection[TupleRow]) -> None:
    """An old program does not write into a schema that it does not know."""
    await connection.execute("INSERT INTO schema_migration VALUES (9999, 'future', '')")
    with pytest.raises(SchemaError, match="update this program"):
        await migrate.migrate(connection)


async def test_a_file_that_comes_later_with_a_lower_number_is_applied(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two branches of work may each have added one: the newest number says nothing."""
    files = migrate.migrations()
    late = migrate.Migration(files[-1].number + 1, "late", "CREATE TABLE late ()")
    newest = migrate.Migration(files[-1].number + 2, "newest", "CREATE TABLE newest ()")
    async with await AsyncConnection.connect(empty_database.dsn, autocommit=True) as connection:
        monkeypatch.setattr(migrate, "migrations", lambda: [*files, newest])
        await migrate.migrate(connection)
        monkeypatch.setattr(migrate, "migrations", lambda: [*files, late, newest])
        with pytest.raises(SchemaError, match=f"lacks schema migration {late.number} of"):
            await migrate.check(connection)
        assert await migrate.migrate(connection) == [late]
        await migrate.check(connection)


async def test_a_changed_file_is_noticed(connection: AsyncConnection[TupleRow]) -> None:
    """What was applied must be what the file says."""
    await connection.execute("UPDATE schema_migration SET sha256 = 'x' WHERE number = 1")
    with pytest.raises(SchemaError, match="0001_sip_message"):
        await migrate.migrate(connection)


def _more(text: str, number: int = 9001) -> migrate.Migration:
    return migrate.Migration(number, "more", text)


def _also(monkeypatch: pytest.MonkeyPatch, *more: migrate.Migration) -> None:
    files = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: [*files, *more])


async def test_ingest_waits_no_longer_than_stated_for_an_upgrade(
    database: Database, connection: AsyncConnection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody reads for long, the upgrade waits briefly, lets rows pass, and tries again."""
    monkeypatch.setattr(migrate, "LOCK_WAIT_S", 0.2)
    monkeypatch.setattr(migrate, "PAUSE_S", 0.2)
    _also(monkeypatch, _more("ALTER TABLE sender ADD COLUMN more text"))
    async with (
        await AsyncConnection.connect(database.dsn) as slow,
        await AsyncConnection.connect(database.dsn, autocommit=True) as ingest,
    ):
        await slow.execute("SELECT count(*) FROM sender")
        upgrade = asyncio.create_task(migrate.migrate(connection))
        # Longer than one wait: without a limit this would wait for the slow one.
        await ingest.execute("SET lock_timeout TO '5s'")
        for _ in range(8):
            await ingest.execute("DELETE FROM sender")
            await asyncio.sleep(0.1)
        assert not upgrade.done()
        await slow.rollback()
        assert [one.name for one in await upgrade] == ["more"]


async def test_an_upgrade_gives_up_in_the_end(
    database: Database, connection: AsyncConnection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was applied until then stays, and the next run goes on there."""
    for name, value in (("LOCK_WAIT_S", 0.05), ("PAUSE_S", 0.01), ("ATTEMPTS", 3)):
        monkeypatch.setattr(migrate, name, value)
    free = _more("CREATE TABLE free_to_make ()")
    locked = _more("ALTER TABLE sender ADD COLUMN more text", free.number + 1)
    _also(monkeypatch, free, locked)
    async with await AsyncConnection.connect(database.dsn) as slow:
        await slow.execute("SELECT count(*) FROM sender")
        with pytest.raises(LockNotAvailable):
            await migrate.migrate(connection)
        await slow.rollback()
    assert await migrate.migrate(connection) == [locked]


async def test_work_that_takes_too_long_is_taken_back(
    connection: AsyncConnection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it was asked for without a limit."""
    monkeypatch.setattr(migrate, "WORK_S", 0.05)
    slow = _more("LOCK TABLE sender; SELECT pg_sleep(0.3)")
    _also(monkeypatch, slow)
    with pytest.raises(SchemaError, match="init-db --no-time-limit"):
        await migrate.migrate(connection)
    assert await migrate.migrate(connection, time_limit=False) == [slow]


async def test_an_index_is_made_beside_those_who_write(
    connection: AsyncConnection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a transaction, as the file's header says; the connection is as before."""
    text = (
        "-- Outside of a transaction.\n\n"
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS sender_node ON sender (node)"
    )
    _also(monkeypatch, _more(text))
    assert [one.name for one in await migrate.migrate(connection)] == ["more"]
    assert await migrate.migrate(connection) == []
    found = await connection.execute("SELECT to_regclass('sender_node') IS NOT NULL")
    assert await found.fetchone() == (True,)
    limit = await (await connection.execute("SHOW lock_timeout")).fetchone()
    assert limit == ("0",)


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
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
            " AND relnamespace = 'public'::regnamespace"
            " AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
        )
        written = {name for (name,) in await found.fetchall()}
    assert written == {
        *("trace_rule", "web_user", "web_session", "api_token", "audit_log"),
        *("alias", "alias_version", "saved_search", "share_link"),
        *("homer_user", "homer_setting", "homer_user_setting", "homer_mapping", "homer_agent"),
    }


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM trace_rule",
        "TRUNCATE trace_rule",
        "UPDATE trace_rule SET reason = 'x'",
        "UPDATE trace_rule SET requested_by = 'x', ended_at = now()",
        "INSERT INTO sip_message_call SELECT * FROM sip_message_call",
        "UPDATE call SET call_id = ''",
        "UPDATE web_user SET username = 'x'",
        "UPDATE web_user SET source = 'ldap'",
        "UPDATE web_user SET issuer = 'x', subject = 'y'",
        "UPDATE web_session SET user_id = 1",
        "UPDATE web_session SET expires_at = now()",
        "UPDATE api_token SET scopes = '{admin}'",
        "UPDATE api_token SET expires_at = now()",
        "UPDATE audit_log SET username = 'x'",
        "DELETE FROM audit_log",
        "UPDATE web_secret SET secret = sha256('x')",
        "DELETE FROM web_secret",
        "TRUNCATE audit_log",
        "UPDATE alias SET guid = gen_random_uuid()",
        "DELETE FROM alias_version",
        "UPDATE saved_search SET user_id = 1",
        "UPDATE share_link SET call_ids = '{x}'",
        "UPDATE share_link SET expires_at = now()",
        "CREATE TABLE mine ()",
    ],
)
async def test_the_reader_changes_nothing_but_what_it_has_to(
    database: Database, statement: str
) -> None:
    """And of these neither what was asked for nor the history."""
    async with await _writing_reader(database) as reader:
        with pytest.raises(InsufficientPrivilege):
            await reader.execute(statement)


async def test_the_reader_adds_and_ends_trace_rules(database: Database) -> None:
    """Each once, for one kind and value."""
    insert = (
        "INSERT INTO trace_rule (kind, value, action, percent, calls, methods, expires_at,"
        " requested_by, reason) VALUES ('all', '*', 'include', 1.5, 1, '{INVITE}',"
        " now() + interval '1 h', 'anna', 'a test')"
    )
    async with await _writing_reader(database) as reader:
        await reader.execute(insert)
        with pytest.raises(UniqueViolation):
            await reader.execute(insert)
        await reader.execute(
            "UPDATE trace_rule SET ended_at = now(), ended_by = 'ben', ended = 'removed'"
        )
        await reader.execute(insert)
        with pytest.raises(CheckViolation):
            await reader.execute("UPDATE trace_rule SET ended = 'removed' WHERE ended IS NULL")


async def _writing_reader(database: Database) -> AsyncConnection[TupleRow]:
    """The role itself reads only unless a transaction says otherwise."""
    reader = await AsyncConnection.connect(database.reader_dsn, autocommit=True)
    await reader.execute("SET default_transaction_read_only TO off")
    return reader
