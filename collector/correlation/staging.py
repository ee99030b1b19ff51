# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of one connection for rows on their way: copied there, merged from there by SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import AsyncCursor, sql
from psycopg.rows import TupleRow

from collector.columns import Column
from collector.copy_binary import COPY_HEADER, COPY_TRAILER
from collector.statement import copy_statement, statement


class Staging:
    """One table; it empties itself with each commit."""

    def __init__(self, name: str, columns: Sequence[Column]) -> None:
        table = sql.Identifier(name)
        typed = (
            sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
            for column in columns
        )
        self.create = statement(
            "CREATE TEMP TABLE IF NOT EXISTS {table} ({columns}) ON COMMIT DELETE ROWS",
            table=table,
            columns=sql.SQL(", ").join(typed),
        )
        """Makes a new connection ready."""
        self._empty = statement("DELETE FROM {table}", table=table)
        self._copy = copy_statement(name, columns)

    async def fill(self, cursor: AsyncCursor[TupleRow], rows: Iterable[bytes]) -> None:
        """Put COPY rows in the place of what is there: an earlier part of this transaction."""
        await cursor.execute(self._empty)
        async with cursor.copy(self._copy) as stream:
            await stream.write(b"".join((COPY_HEADER, *rows, COPY_TRAILER)))
