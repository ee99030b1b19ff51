# SPDX-License-Identifier: GPL-2.0-or-later
"""Statements as they go to the server."""

from __future__ import annotations

from psycopg import sql

from collector.columns import Column
from collector.statement import copy_statement, statement


def test_parts_are_quoted_by_what_they_are() -> None:
    """Identifiers and values, each in its own manner."""
    made = statement("SELECT {name} = {value}", name=sql.Identifier('a"b'), value=sql.Literal("c'"))
    assert made == b"SELECT \"a\"\"b\" = 'c'''"


def test_copy_names_the_columns_in_their_order() -> None:
    """That of the rows."""
    columns = Column("b", "text", ""), Column("a", "bigint", "")
    assert copy_statement("t", columns) == b'COPY "t" ("b", "a") FROM STDIN (FORMAT BINARY)'
