# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a backup: all tables as they were at one instant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from psycopg import AsyncConnection, IsolationLevel, sql
from psycopg.rows import TupleRow

from collector import __version__, migrate
from collector.backup import document
from collector.backup.document import Head, Row, SettingsFile, Tail
from collector.backup.tables import TABLES
from collector.moment import to_text

_values: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_FETCHED: Final = 500
_ROWS: Final = "SELECT row_to_json(kept)::text FROM {} AS kept ORDER BY kept"


async def save(
    connection: AsyncConnection[TupleRow], settings_file: SettingsFile | None, file: BinaryIO
) -> int:
    """Write a whole backup; returns how many rows it has. Raises OSError and psycopg.Error."""
    await migrate.check(connection)
    schema = migrate.migrations()[-1].number
    made_at = to_text(datetime.now(UTC))
    document.write(file, Head(document.FORM, __version__, schema, made_at))
    if settings_file:
        document.write(file, settings_file)
    rows = 0
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    async with connection.transaction():
        for table in TABLES:
            async with connection.cursor(name="backup") as cursor:
                await cursor.execute(sql.SQL(_ROWS).format(sql.Identifier(table)))
                while found := await cursor.fetchmany(_FETCHED):
                    for (text,) in found:
                        document.write(file, Row(table, _values(text)))
                    rows += len(found)
    document.write(file, Tail(rows))
    return rows


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file for its owner only; gone again when the block fails.

    Raises OSError, also when there is one: a backup is not written over.
    """
    # Only so are hashes and secrets never readable for others, not even for a moment.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
