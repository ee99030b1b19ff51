# SPDX-License-Identifier: GPL-2.0-or-later
"""The column lists and the migration say the same."""

from __future__ import annotations

import psycopg
import pytest

from collector.columns import Column
from collector.correlation.columns import (
    CALL,
    REGISTRATION,
    REGISTRATION_FILING,
    REGISTRATION_GENERATED,
    STREAM,
    Group,
    Rule,
    flat,
)
from collector.tables import CALL_LINK_TABLE, CALL_TABLE, STREAM_TABLE
from tests.fix_database import Database

REGISTRATION_COLUMNS = (*REGISTRATION_FILING, *flat(REGISTRATION), *REGISTRATION_GENERATED)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("call", CALL_TABLE.columns),
        ("call_link", CALL_LINK_TABLE.columns),
        ("registration", REGISTRATION_COLUMNS),
        ("rtp_stream", STREAM_TABLE.columns),
    ],
)
def test_names_types_and_order_are_those_of_the_database(
    database: Database, table: str, columns: tuple[Column, ...]
) -> None:
    """And every one says what it means."""
    with psycopg.connect(database.dsn) as connection:
        found = connection.execute(
            """
            SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
            """,
            (table,),
        ).fetchall()
    assert found == [(column.name, column.type) for column in columns]
    assert all(column.meaning for column in columns)


@pytest.mark.parametrize("group", [*CALL, *REGISTRATION, *STREAM], ids=lambda group: group.name)
def test_a_group_has_a_key_that_no_two_messages_share(group: Group) -> None:
    """FIRST and LAST need one: time and id of the message. The other rules have one column."""
    if group.rule in (Rule.FIRST, Rule.LAST):
        names = [column.name for column in group.columns[: group.keys]]
        assert names[-2].endswith("_at")
        assert names[-1].endswith("_id")
    else:
        assert len(group.columns) == 1
