# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of one connection for rows on their way: copied there, merged from there by SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import AsyncCursor, sql
from psycopg.rows import TupleRow

from collector.columns import Column
from collector.copy_binary import COPY_HEADER, COPY_TRAILER


def names(columns: Iterable[Column]) -> sql.Composed:
    """The columns, with commas between."""
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


class Staging:
    """One table; it empties itself with each commit."""

    def __init__(self, name: str, columns: Sequence[Column]) -> None:
        table = sql.Identifier(name)
        typed = (
            sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
            for column in columns
        )
        self.create = sql.SQL(
            "CREATE TEMP TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS"
        ).format(table, sql.SQL(", ").join(typed))
        """Makes a new connection ready."""
        self._empty = sql.SQL("DELETE FROM {}").format(table)
        self._copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            table, names(columns)
        )

    async def fill(self, cursor: AsyncCursor[TupleRow], rows: Iterable[bytes]) -> None:
        """Put COPY rows in the place of what is there: an earlier part of this transaction."""
        await cursor.execute(self._empty)
        async with cursor.copy(self._copy) as stream:
            await stream.write(b"".join((COPY_HEADER, *rows, COPY_TRAILER)))
