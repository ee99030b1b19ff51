# SPDX-License-Identifier: GPL-2.0-or-later
"""The column list and the migration say the same."""

from __future__ import annotations

import re

import pytest

from collector.columns import SIP_MESSAGE, SIP_MESSAGE_TABLES
from collector.migrate import DIRECTORY

SQL = (DIRECTORY / "0001_sip_message.sql").read_text()
TYPES = {"timestamptz": "timestamp with time zone"}


def _columns_in_sql() -> list[tuple[str, str, bool]]:
    found = re.search(r"CREATE TABLE sip_message_call \((.*?)\) PARTITION", SQL, re.DOTALL)
    assert found
    columns = []
    for line in found[1].strip().splitlines():
        name, kind, *rest = line.strip().rstrip(",").split()
        assert rest in ([], ["NOT", "NULL"])
        columns.append((name, TYPES.get(kind, kind), bool(rest)))
    return columns


def test_names_types_and_order_are_those_of_the_migration() -> None:
    """COPY goes by position."""
    assert [(name, kind) for name, kind, _ in _columns_in_sql()] == [
        (column.name, column.type) for column in SIP_MESSAGE
    ]


def test_what_must_be_there_always_is() -> None:
    """The columns that a row never leaves empty, whatever the message: see test_row."""
    assert {name for name, _, required in _columns_in_sql() if required} == {
        *("ts", "id", "src_port", "dst_port", "call_id", "transport", "node", "raw")
    }


@pytest.mark.parametrize("table", SIP_MESSAGE_TABLES)
def test_each_table_is_created_indexed_and_in_the_view(table: str) -> None:
    """All three alike."""
    assert f"CREATE TABLE {table}" in SQL
    assert f"ON {table} USING brin (ts)" in SQL
    assert f"ON {table} (call_id)" in SQL
    assert f"PARTITION OF {table} DEFAULT" in SQL
    kind = table.removeprefix("sip_message_")
    assert f"'{kind}' AS kind, * FROM {table}" in SQL


def test_every_column_is_explained() -> None:
    """The documentation is made of it."""
    assert all(column.meaning for column in SIP_MESSAGE)
    assert len({column.name for column in SIP_MESSAGE}) == len(SIP_MESSAGE)
