# SPDX-License-Identifier: GPL-2.0-or-later
"""The connections of one ingest process."""

from __future__ import annotations

from psycopg import AsyncConnection
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
