# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections to the database: of an ingest process, and of an operator's command."""

from __future__ import annotations

from typing import Final

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from collector.settings import Settings

_UNANSWERED_S: Final = 30
"""A peer that answers nothing for this long is gone, for the node as for PostgreSQL."""
_QUIET_S: Final = 10
_PROBE_S: Final = 5
STOPPED_S: Final = 60
"""So long a process may stand still in the middle of a transaction."""

_SERVER: Final = {
    "tcp_user_timeout": _UNANSWERED_S * 1000,
    "tcp_keepalives_idle": _QUIET_S,
    "tcp_keepalives_interval": _PROBE_S,
    "tcp_keepalives_count": (_UNANSWERED_S - _QUIET_S) // _PROBE_S,
    "idle_in_transaction_session_timeout": STOPPED_S * 1000,
}
_CONFIGURE: Final = sql.SQL("SELECT {}").format(
    sql.SQL(", ").join(
        sql.SQL("set_config({}, {}, false)").format(name, str(value))
        for name, value in _SERVER.items()
    )
)


def make_pool(settings: Settings) -> AsyncConnectionPool[AsyncConnection]:
    """A pool that is not open yet; it needs no database to open, and notices when one has gone.

    PostgreSQL notices as soon when this node has gone: what its transactions had locked would keep
    other nodes waiting, by the kernel's defaults for two hours.
    """
    return AsyncConnectionPool(
        settings.database.dsn,
        min_size=0,
        max_size=10,
        open=False,
        configure=_configure,
        check=AsyncConnectionPool.check_connection,
        timeout=settings.database.connect_timeout,
        reconnect_timeout=settings.database.connect_timeout,
        kwargs={
            "autocommit": True,
            "application_name": f"kemiscope ingest {settings.node.name}",
            "connect_timeout": int(settings.database.connect_timeout),
            "tcp_user_timeout": _UNANSWERED_S * 1000,
            "keepalives_idle": _QUIET_S,
        },
    )


async def connect(settings: Settings) -> AsyncConnection[TupleRow]:
    """One connection of the writer's role, in autocommit mode. Raises psycopg.Error."""
    return await AsyncConnection.connect(
        settings.database.dsn,
        autocommit=True,
        connect_timeout=int(settings.database.connect_timeout),
    )


async def _configure(connection: AsyncConnection) -> None:
    await connection.execute(_CONFIGURE)
