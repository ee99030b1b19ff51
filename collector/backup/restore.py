# SPDX-License-Identifier: GPL-2.0-or-later
"""Brings a backup back: all of its rows in the place of all that are there, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from collector import migrate
from collector.api_token import local_name
from collector.backup import document
from collector.backup.document import Head, Row, SettingsFile
from collector.backup.tables import TABLES
from collector.errors import BackupError

ACTION: Final = "restored"
"""What the audit log calls it."""

_COLUMNS: Final = """
    SELECT attname, attidentity <> '' FROM pg_attribute
     WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""
_INSERT: Final = """
    INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
    SELECT {columns} FROM json_populate_record(NULL::{table}, %s::json)"""
_NEXT_NUMBER: Final = """
    SELECT setval(pg_get_serial_sequence(%s, {name}), coalesce(max({column}), 1),
                  max({column}) IS NOT NULL) FROM {table}"""
_AUDIT: Final = "INSERT INTO audit_log (username, action, subject, detail) VALUES (%s, %s, %s, %s)"


async def restore(
    connection: AsyncConnection[TupleRow], path: Path, *, replace: bool
) -> Counter[str]:
    """Put the rows of a backup into the database; returns how many, by table.

    Sessions end. Without ``replace`` there must be no user yet. Raises BackupError for a file that
    is not whole or of a newer version, and psycopg.Error; then nothing has changed.
    """
    await migrate.check(connection)
    counts: Counter[str] = Counter()
    async with connection.transaction():
        # So that nobody signs in, or changes what is being replaced, in between.
        for table in TABLES:
            await connection.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier(table)))
        found = await connection.execute("SELECT count(*) FROM web_user")
        row = await found.fetchone()
        if row and row[0] and not replace:
            message = f"the database has {row[0]} users: --replace replaces all that users made"
            raise BackupError(message)
        for table in reversed(TABLES):
            await connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        known = {table: await _columns(connection, table) for table in TABLES}
        for line in document.read(path):
            if isinstance(line, Head):
                _check_age(line, path)
            elif isinstance(line, Row):
                await _insert(connection, line, known.get(line.table), path)
                counts[line.table] += 1
        for table, columns in known.items():
            await _number_on(
                connection, table, (name for name, counted in columns.items() if counted)
            )
        told = Jsonb({"rows": dict(counts)})
        await connection.execute(_AUDIT, (local_name(), ACTION, path.name, told))
    return counts


def settings_of(path: Path) -> SettingsFile | None:
    """The settings file in a backup. Raises BackupError."""
    found = None
    for line in document.read(path):
        if isinstance(line, SettingsFile):
            found = line
    return found


def _check_age(head: Head, path: Path) -> None:
    newest = migrate.migrations()[-1].number
    if head.schema > newest:
        message = (
            f"{path}: was made by version {head.version} with schema {head.schema}; "
            f"this version knows up to {newest}: update this program"
        )
        raise BackupError(message)


async def _columns(connection: AsyncConnection[TupleRow], table: str) -> dict[str, bool]:
    """Columns that can be given, and whether PostgreSQL numbers them."""
    found = await connection.execute(_COLUMNS, (table,))
    return dict(await found.fetchall())


async def _insert(
    connection: AsyncConnection[TupleRow], row: Row, columns: dict[str, bool] | None, path: Path
) -> None:
    # Columns that came later keep their defaults; what is not here any more is not guessed at.
    if columns is None or not row.values or row.values.keys() - columns.keys():
        message = f"{path}: {row.table} has no such row: {', '.join(sorted(row.values))}"
        raise BackupError(message)
    statement = sql.SQL(_INSERT).format(
        table=sql.Identifier(row.table),
        columns=sql.SQL(", ").join(map(sql.Identifier, row.values)),
    )
    await connection.execute(statement, (msgspec.json.encode(row.values).decode(),))


async def _number_on(
    connection: AsyncConnection[TupleRow], table: str, counted: Iterable[str]
) -> None:
    for column in counted:
        statement = sql.SQL(_NEXT_NUMBER).format(
            name=sql.Literal(column), column=sql.Identifier(column), table=sql.Identifier(table)
        )
        await connection.execute(statement, (table,))
