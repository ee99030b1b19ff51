# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections to the database: of an ingest process, and of an operator's command."""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from collector.settings import Settings


def make_pool(settings: Settings) -> AsyncConnectionPool[AsyncConnection]:
    """A pool that is not open yet; it needs no database to open, and notices when one has gone."""
    return AsyncConnectionPool(
        settings.database.dsn,
        min_size=0,
        max_size=10,
        open=False,
        check=AsyncConnectionPool.check_connection,
        timeout=settings.database.connect_timeout,
        reconnect_timeout=settings.database.connect_timeout,
        kwargs={
            "autocommit": True,
            "application_name": f"kemiscope ingest {settings.node.name}",
            "connect_timeout": int(settings.database.connect_timeout),
            "tcp_user_timeout": 30_000,
            "keepalives_idle": 10,
        },
    )


async def connect(settings: Settings) -> AsyncConnection[TupleRow]:
    """One connection of the writer's role, in autocommit mode. Raises psycopg.Error."""
    return await AsyncConnection.connect(
        settings.database.dsn,
        autocommit=True,
        connect_timeout=int(settings.database.connect_timeout),
    )
