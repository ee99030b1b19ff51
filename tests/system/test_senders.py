# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of senders once through a real node into a real PostgreSQL."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, dict_row

from collector.columns import TABLES
from stack.trial import Trial
from tests.collector.test_senders import approximate
from tests.sender import Row, Sender
from tests.senders import SENDERS
from tests.system.counts import node, wait_until_all_stored

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_every_sender_is_stored_as_the_table_says(running: Trial) -> None:
    """Datagram after datagram, all columns that matter; nothing else is stored, nothing lost."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        running.connect() as connection,
    ):
        sender.connect(("127.0.0.1", running.hep_port))
        for number, line in enumerate(SENDERS):
            newest = _newest(connection)
            sender.send(line.packet)
            running.wait(partial(_have_ended, connection, number + 1), line.name)
            _compare(line, _rows_after(connection, newest))
    wait_until_all_stored(running, len(SENDERS))
    counts = node(running)
    assert counts["stored"] == sum(bool(line.rows) for line in SENDERS)
    assert counts["keepalive"] == sum(not line.rows for line in SENDERS)
    assert counts["unaccounted"] == 0


def _have_ended(connection: psycopg.Connection[TupleRow], packets: int) -> bool:
    """Whether so many packets are stored, filtered or rejected."""
    row = connection.execute("SELECT sum(messages)::bigint FROM ingest_counter").fetchone()
    return row is not None and (row[0] or 0) >= packets


def _newest(connection: psycopg.Connection[TupleRow]) -> int:
    """The id of the row that arrived last."""
    newest = 0
    for table in TABLES:
        query = sql.SQL("SELECT max(id) FROM {}").format(sql.Identifier(table.name))
        row = connection.execute(query).fetchone()
        newest = max(newest, (row and row[0]) or 0)
    return newest


def _rows_after(connection: psycopg.Connection[TupleRow], newest: int) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for table in TABLES:
            names = [column.name for column in table.columns]
            order = sql.SQL("id, block" if "block" in names else "id")
            cursor.execute(
                sql.SQL("SELECT * FROM {} WHERE id > %s ORDER BY {}").format(
                    sql.Identifier(table.name), order
                ),
                (newest,),
            )
            rows = cursor.fetchall()
            if rows:
                found[table.name] = rows
    return found


def _compare(line: Sender, found: dict[str, list[Row]]) -> None:
    assert list(found) == ([line.table] if line.rows else []), line.name
    for row, expected in zip(found.get(line.table, []), line.rows, strict=True):
        shown = {name: _plain(name, row[name]) for name in expected}
        assert shown == approximate(expected), line.name
        if line.sent_at is not None:
            # The recordings are old by now: they are filed by arrival and keep their time.
            assert (row["sender_ts"] or row["ts"]) == _EPOCH + timedelta(
                microseconds=line.sent_at
            ), line.name


def _plain(name: str, value: Any) -> Any:
    return str(value) if name.endswith("_ip") and value is not None else value
