# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of ``call``, ``call_link`` and ``registration``, written as they are and not by messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

CALL_START: Final = datetime(2026, 11, 23, 10, tzinfo=UTC)
_CALL: Final = {
    "messages": 6,
    "first_rank": 0,
    "first_id": 1_795_428_000_000_000_000,
    "src_port": 5060,
    "dst_port": 5060,
    "src_ip": "192.0.2.1",
    "dst_ip": "198.51.100.2",
    "from_user": "alice",
    "from_tag": "a",
    "to_user": "bob",
    "ruri_user": "bob",
    "transport": "UDP",
    "node": "2001",
}
_REGISTRATION: Final = {
    "requests": 2,
    "challenges": 1,
    "failures": 0,
    "contact": "sip:alice@192.0.2.1",
    "contact_user": "alice",
    "contact_domain": "192.0.2.1",
    "src_ip": "192.0.2.1",
    "node": "2001",
}


async def add_call(
    connection: AsyncConnection[TupleRow], call_id: str, after_s: float = 0, **columns: Any
) -> None:
    """A leg that begins ``after_s`` after ``CALL_START``; columns that end in _at are seconds too,
    counted from its beginning."""
    began = CALL_START + timedelta(seconds=after_s)
    times = {
        name: began + timedelta(seconds=value)
        for name, value in columns.items()
        if name.endswith("_at")
    }
    row = _CALL | {"ts": began, "started_at": began, "last_at": began, "first_at": began}
    await _insert(connection, "call", row | columns | times | {"call_id": call_id})


async def add_answered(
    connection: AsyncConnection[TupleRow],
    call_id: str,
    after_s: float = 0,
    *,
    talk_s: float = 60,
    **columns: Any,
) -> None:
    """A leg that rang after 1 s, was answered after 3 s and ended by the caller."""
    ended = 3 + talk_s
    facts = {"progress_at": 1, "ringing_at": 1, "answered_at": 3, "answer_status": 200}
    end = {"bye_at": ended, "bye_tag": "a", "last_at": ended}
    await add_call(connection, call_id, after_s, **facts | end | columns)


async def add_failed(
    connection: AsyncConnection[TupleRow],
    call_id: str,
    after_s: float = 0,
    *,
    status: int,
    **columns: Any,
) -> None:
    """A leg that was refused after 2 s."""
    facts = {"failed_at": 2, "failure_status": status, "last_at": 2}
    await add_call(connection, call_id, after_s, **facts | columns)


async def add_link(
    connection: AsyncConnection[TupleRow],
    call_id: str,
    linked_id: str,
    reason: str = "header",
    confidence: str = "certain",
    *,
    after_s: float = 0,
) -> None:
    """An edge of a leg that is filed ``after_s`` after ``CALL_START``."""
    filed = CALL_START + timedelta(seconds=after_s)
    row = {"ts": filed, "call_id": call_id, "linked_id": linked_id, "reason": reason}
    await _insert(connection, "call_link", row | {"confidence": confidence, "detail": "X-CID"})


async def add_registration(
    connection: AsyncConnection[TupleRow],
    aor: str,
    call_id: str,
    after_s: float = 0,
    *,
    status: int = 200,
    expires: int | None = 3600,
    **columns: Any,
) -> None:
    """A registration answered ``after_s`` after ``CALL_START``, 50 ms after its request."""
    last = CALL_START + timedelta(seconds=after_s)
    request = last - timedelta(milliseconds=50)
    row: dict[str, Any] = _REGISTRATION | {
        "call_id": call_id,
        "aor": aor,
        "first_at": request,
        "last_at": last,
        "request_at": request,
        "request_id": 1,
        "request_cseq": 2,
        "response_at": last,
        "response_id": 2,
        "response_cseq": 2,
        "status": status,
    }
    if status < 300:
        row |= {"registered_at": last, "registered_id": 2, "granted_expires": expires}
    await _insert(connection, "registration", row | columns)


async def _insert(
    connection: AsyncConnection[TupleRow], table: str, row: Mapping[str, Any]
) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join([sql.Placeholder()] * len(row)),
    )
    await connection.execute(statement, list(row.values()))
