# SPDX-License-Identifier: GPL-2.0-or-later
"""What PostgreSQL is told of a capture node's connections."""

from __future__ import annotations

from psycopg.conninfo import make_conninfo

from collector import settings
from collector.pool import make_pool
from tests.fix_database import Database


async def test_the_server_notices_that_a_node_has_gone_or_stands_still(
    empty_database: Database,
) -> None:
    """On every connection, beside what the DSN itself asks for."""
    dsn = make_conninfo(empty_database.dsn, options="-c geqo=off")
    pool = make_pool(settings.load(None, {"KEMISCOPE_DATABASE_DSN": dsn}))
    wanted = {
        "geqo": "off",
        "idle_in_transaction_session_timeout": "1min",
        "tcp_keepalives_count": "4",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_user_timeout": "30000",
    }
    async with pool:
        for _ in range(2):
            async with pool.connection() as connection, pool.connection() as second:
                for one in (connection, second):
                    found = await one.execute(
                        "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)",
                        (list(wanted),),
                    )
                    assert dict(await found.fetchall()) == wanted
