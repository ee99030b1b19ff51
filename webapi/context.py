# SPDX-License-Identifier: GPL-2.0-or-later
"""What every handler needs: the settings, the database, and those of other sites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from aiohttp import web
from psycopg import AsyncConnection, errors, sql
from psycopg.rows import DictRow

from collector.log import LOGGER, one_line
from collector.settings import Settings
from webapi.database import Database, fetch, limit
from webapi.errors import ApiError
from webapi.sites.sites import Sites


class Context(Database):
    """Settings and databases of one application; as a database itself that of this site."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            settings.database.reader_dsn,
            connections=settings.web.connections,
            timeout_s=settings.database.connect_timeout,
        )
        self.settings = settings
        self.sites = Sites(self, settings)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """While there are connections; it does not wait for a database."""
        async with self.pool, self.sites.opened():
            yield

    @asynccontextmanager
    async def change(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        """A transaction that may write what the role may: users, sessions, trace rules and so on.

        Raises ApiError 503 when the database cannot be used, or not for that.
        """
        try:
            async with self.connection() as connection, connection.transaction():
                await connection.execute("SET TRANSACTION READ WRITE")
                await connection.execute(limit(self.settings.web.query_timeout))
                yield connection
        except (
            errors.InsufficientPrivilege,
            errors.ReadOnlySqlTransaction,
            errors.FeatureNotSupported,  # to write, during recovery
        ) as error:
            LOGGER.warning("database: %s", one_line(str(error)))
            message = (
                "the web API's role cannot write what it has to: run "
                "`python -m collector init-db`; database.reader_dsn must not name a standby"
            )
            raise ApiError(503, "database_not_writable", message) from error

    async def query(
        self,
        connection: AsyncConnection[DictRow],
        statement: sql.SQL | sql.Composed,
        values: Sequence[Any] | Mapping[str, Any] = (),
        *,
        prepare: bool | None = None,
    ) -> list[DictRow]:
        """All rows of one statement; raises ApiError 503 after ``web.query_timeout``."""
        timeout_s = self.settings.web.query_timeout
        return await fetch(connection, statement, values, timeout_s, prepare=prepare)


CONTEXT: Final = web.AppKey("context", Context)


def json_response(data: Any) -> web.Response:
    """``data`` as JSON."""
    return web.Response(body=orjson.dumps(data), content_type="application/json")
