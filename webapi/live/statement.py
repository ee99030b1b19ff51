# SPDX-License-Identifier: GPL-2.0-or-later
"""The statement that reads what is new, for all filters at once.

Rows of a short while are looked at, found by their time; new are those whose transaction was not
visible before. Each filter is then put to the new rows only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import sql

from collector.columns import SIP_MESSAGE, SIP_MESSAGE_TABLES
from collector.correlation.writer import KEYS_KEPT
from collector.moment import from_us
from collector.sip import Kind
from webapi.filters import Condition
from webapi.live.position import EventId, Position
from webapi.subject import CALLS, Subject

PREPARE: Final = sql.SQL(
    # Partitions are young: what the planner knows of them is out of date or nothing.
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
    "SET LOCAL enable_seqscan TO off; SET LOCAL enable_hashjoin TO off;"
    "SET LOCAL enable_mergejoin TO off; SET LOCAL jit TO off"
)
"""Begins a transaction of these statements, which all see the same."""
_COLUMNS: Final = sql.SQL(", ").join(sql.Identifier(column.name) for column in SIP_MESSAGE)
_IS_NEW: Final = sql.SQL(
    "age({0}.xmin) <= (SELECT age(coalesce(%s::text::xid8, pg_snapshot_xmin(pg_current_snapshot()))"
    "::xid)) AND {0}.xmin <> ALL (%s::text[]::xid[])"
)
_MESSAGE: Final = sql.SQL(
    "SELECT {kind} AS kind, {columns}, xmin AS writer FROM {table} WHERE ts >= %s AND {new}"
)
_CALL: Final = sql.SQL(
    """
    SELECT call.*, call.xmin AS writer
      FROM (SELECT call_id FROM {messages} WHERE ts >= %s UNION SELECT unnest(%s::text[])) AS told
      JOIN call_key USING (call_id)
      JOIN call ON call.call_id = call_key.call_id AND call.ts = call_key.ts AND call.ts >= %s
     WHERE {new}
    """
)
_READ: Final = sql.SQL(
    """
    WITH fresh AS MATERIALIZED ({source})
    SELECT state.*, asked.*
      FROM (SELECT pg_current_snapshot()::text AS snapshot,
                   ARRAY(SELECT DISTINCT writer::text FROM fresh) AS writers) AS state
      LEFT JOIN ({asked}) AS asked ON true
    """
)
_ASKED: Final = sql.SQL(
    """
    (SELECT {number} AS asked, count(*) OVER () AS found, {columns} FROM fresh
      WHERE {conditions} ORDER BY {order} LIMIT %s)
    """
)
_NOTHING: Final = sql.SQL("SELECT NULL::integer AS asked WHERE false")


class Asked(NamedTuple):
    """What one group of clients wants of the new rows."""

    conditions: Sequence[Condition]
    payload: bool
    limit: int
    """Most rows; the first ones by time."""
    sent: Sequence[str] = ()
    """Call-IDs that are wanted whatever the conditions say: a client shows them."""


def build(
    subject: Subject, since: Position | None, floor: datetime, asked: Sequence[Asked], at: EventId
) -> tuple[sql.Composed, list[Any]]:
    """The statement and its values; None for ``since`` finds what is visible and may yet follow.

    ``at`` leaves out the rows up to its key.
    """
    source, values = _source(subject, since, floor, [name for one in asked for name in one.sent])
    parts: list[sql.Composable] = []
    keys = [sql.Identifier(name) for name in (subject.time, *subject.order)]
    for number, one in enumerate(asked):
        condition, bound = _conditions(one, keys, at)
        columns = [
            sql.SQL("NULL::bytea AS {}" if name == subject.payload and not one.payload else "{}")
            .format(sql.Identifier(name))
            for name in subject.columns
        ]  # fmt: skip
        parts.append(
            _ASKED.format(
                number=sql.Literal(number),
                columns=sql.SQL(", ").join(columns),
                conditions=condition,
                order=sql.SQL(", ").join(keys),
            )
        )
        values += [*bound, one.limit]
    statement = _READ.format(
        source=source, asked=sql.SQL(" UNION ALL ").join(parts) if parts else _NOTHING
    )
    return statement, values


def _source(
    subject: Subject, since: Position | None, floor: datetime, sent: Sequence[str]
) -> tuple[sql.Composable, list[Any]]:
    """The new rows of a subject, without filters."""
    new: list[Any] = [
        str(since.first) if since else None,
        [str(xid) for xid in since.known] if since else [],
    ]
    # Of the two that are streamed.
    if subject is CALLS:
        source = _CALL.format(
            messages=sql.Identifier(SIP_MESSAGE_TABLES[0]),
            new=_IS_NEW.format(sql.Identifier("call")),
        )
        return source, [floor, list(sent), floor - KEYS_KEPT, *new]
    parts = [
        _MESSAGE.format(
            kind=sql.Literal(kind.label),
            columns=_COLUMNS,
            table=sql.Identifier(table),
            new=_IS_NEW.format(sql.Identifier(table)),
        )
        for kind, table in zip(Kind, SIP_MESSAGE_TABLES, strict=True)
    ]
    return sql.SQL(" UNION ALL ").join(parts), [floor, *new] * len(parts)


def _conditions(one: Asked, keys: Sequence[sql.Composable], at: EventId) -> Condition:
    parts: list[sql.Composable] = [condition for condition, _ in one.conditions]
    values: list[Any] = [value for _, bound in one.conditions for value in bound]
    wanted: sql.Composable = sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")
    if one.sent:
        wanted = sql.SQL("({} OR call_id = ANY (%s))").format(wanted)
        values.append(list(one.sent))
    if at.key:
        time_us, *order = at.key
        wanted = sql.SQL("{} AND NOT (writer = ANY (%s::text[]::xid[]) AND ({}) <= ({}))").format(
            wanted,
            sql.SQL(", ").join(keys),
            sql.SQL(", ").join([sql.Placeholder()] * len(keys)),
        )
        values += [[str(xid) for xid in at.batch], from_us(int(time_us)), *order]
    return wanted, values
