# SPDX-License-Identifier: GPL-2.0-or-later
"""The connections of the web API."""

from __future__ import annotations

import asyncio

import psycopg
from psycopg import sql

from tests.fix_api import load_settings
from tests.fix_database import Database
from webapi.context import Context

_ONE = sql.SQL("SELECT 1 AS one FROM pg_sleep(0.1)")
_END = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE application_name = 'kemiscope webapi' AND datname = current_database()"
)


async def test_all_connections_died(shared_database: Database) -> None:
    """After a restart of the database the next request has its answer, not the one after."""
    settings = load_settings(shared_database)
    context = Context(settings)

    async def ask() -> int:
        async with context.connection() as connection:
            (row,) = await context.query(connection, _ONE)
            return int(row["one"])

    async with context.pool:
        await asyncio.gather(*(ask() for _ in range(settings.web.connections)))
        with psycopg.connect(shared_database.reader_dsn, autocommit=True) as connection:
            assert connection.execute(_END).fetchone() == (settings.web.connections,)
        assert await ask() == 1
