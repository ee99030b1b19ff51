# SPDX-License-Identifier: GPL-2.0-or-later
"""What every request asks of the database is found by an index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from tests.plan import explain
from webapi.access import audit, sessions, tokens, users

NOW = datetime(2026, 11, 23, tzinfo=UTC)
Connection = AsyncConnection[TupleRow]


@pytest.fixture
async def filled(connection: Connection) -> Connection:
    """Many users, sessions, tokens, and things done."""
    for statement in (
        (
            "INSERT INTO web_user (username, role, source)"
            " SELECT 'user' || n, 'user', 'ldap' FROM generate_series(1, 2000) n"
        ),
        (
            "INSERT INTO web_session (token_sha256, user_id, idle_expires_at, expires_at, address,"
            " user_agent) SELECT sha256(n::text::bytea), n, now() + '1 h', now() + '1 d', '::1', ''"
            " FROM generate_series(1, 2000) n"
        ),
        (
            "INSERT INTO api_token (token_sha256, name, user_id, scopes, expires_at)"
            " SELECT sha256(n::text::bytea), 'x', n, '{read}', now() + '1 d'"
            " FROM generate_series(1, 2000) n"
        ),
        (
            "INSERT INTO audit_log (at, username, action)"
            " SELECT timestamptz '2026-11-01' + n * interval '1 s', 'user' || n % 500,"
            " CASE WHEN n % 500 = 0 THEN 'exported' ELSE 'signed_in' END"
            " FROM generate_series(1, 20000) n"
        ),
        "ANALYZE web_user, web_session, api_token, audit_log",
    ):
        await connection.execute(statement.encode())
    return connection


TOKEN = {"digest": bytes(32), "touched": timedelta(minutes=1)}


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (sessions.FIND, TOKEN, "web_session_token_sha256_key"),
        (tokens.FIND, TOKEN, "api_token_token_sha256_key"),
        (users.BY_NAME, ("anna",), "web_user_username"),
        (users.BY_ID, (5,), "web_user_pkey"),
        (audit.select({}), {"limit": 100}, "audit_log_pkey"),
        (
            audit.select({"username": 1, "before": 1}),
            {"username": "user7", "before": 10_000, "limit": 10},
            "audit_log_username",
        ),
        (
            audit.select({"action": 1}),
            {"action": "exported", "limit": 100},
            "audit_log_action",
        ),
        (
            audit.select({"from": 1, "to": 1}),
            {"from": NOW, "to": NOW + timedelta(hours=1), "limit": 100},
            "audit_log_at",
        ),
    ],
)
async def test_an_index_is_used(
    filled: Connection, statement: sql.SQL | sql.Composed, values: Any, index: str
) -> None:
    """And no table is read whole."""
    plan = await explain(filled, statement, values)
    assert plan.scans_whole == []
    assert index in plan.indexes
