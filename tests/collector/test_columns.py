# SPDX-License-Identifier: GPL-2.0-or-later
"""The column lists and the migrations say the same."""

from __future__ import annotations

import psycopg
import pytest

from collector.columns import SIP_MESSAGE_TABLES, TABLES, Table
from tests.fix_database import Database

pytestmark = pytest.mark.one_database

ALL = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@ALL
def test_names_types_and_order_are_those_of_the_database(database: Database, table: Table) -> None:
    """COPY names them in this order."""
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(
            """
            SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
            """,
            (table.name,),
        ).fetchall()
    assert found == [(column.name, column.type) for column in table.columns]


@ALL
def test_what_must_be_there_always_is(database: Database, table: Table) -> None:
    """The columns that a row never leaves empty, whatever the packet: see the rows' own tests."""
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(
            "SELECT attname FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull",
            (table.name,),
        ).fetchall()
    required = {"ts", "id", "src_port", "dst_port", "call_id", "node"}
    required |= {"transport", "raw"} if table.name in SIP_MESSAGE_TABLES else set()
    assert {name for (name,) in found} - {"type", "block", "payload"} == required


@ALL
def test_each_table_is_partitioned_and_indexed(database: Database, table: Table) -> None:
    """By time, and with the two indexes and the default partition that all have."""
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = %s ORDER BY indexdef", (table.name,)
        ).fetchall()
        children = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
            (table.name,),
        ).fetchall()
    ways = sorted(text.partition(" USING ")[2] for (text,) in found)
    assert len(ways) == 2
    assert ways[0].startswith("brin (ts")
    assert ways[1] == "btree (call_id)"
    assert (f"{table.name}_default",) in children


def test_the_view_shows_every_sip_message(database: Database) -> None:
    """With the kind by which its table is told."""
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute("SELECT pg_get_viewdef('sip_message'::regclass)").fetchone()
        names = connection.execute("SELECT * FROM sip_message LIMIT 0").description
    assert found
    assert names
    for table in TABLES:
        assert (f"FROM {table.name}" in found[0]) == (table.name in SIP_MESSAGE_TABLES)
    assert [name.name for name in names] == ["kind", *(c.name for c in TABLES[0].columns)]


@ALL
def test_every_column_is_explained(table: Table) -> None:
    """The documentation is made of it."""
    assert all(column.meaning for column in table.columns)
    assert len({column.name for column in table.columns}) == len(table.columns)
