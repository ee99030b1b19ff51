# SPDX-License-Identifier: GPL-2.0-or-later
"""SQL that is put together once and executed often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

from psycopg import sql

from collector.columns import Column


def statement(text: LiteralString, /, **parts: sql.Composable) -> bytes:
    """``text`` with its ``{parts}`` filled in.

    psycopg would put a ``Composed`` together anew each time: of one with hundreds of columns that
    takes a millisecond, more than to send it.
    """
    return sql.SQL(text).format(**parts).as_bytes()


def names(columns: Iterable[Column]) -> sql.Composed:
    """The columns, with commas between."""
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def copy_statement(table: str, columns: Iterable[Column]) -> bytes:
    """COPY in PostgreSQL's binary format: see ``copy_binary``."""
    return statement(
        "COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)",
        table=sql.Identifier(table),
        columns=names(columns),
    )
