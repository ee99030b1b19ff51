# SPDX-License-Identifier: GPL-2.0-or-later
"""A database as the web API reads it: connections, limits, and what its errors mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from psycopg import AsyncConnection, Error, OperationalError, errors, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from collector.log import LOGGER, one_line
from webapi.errors import ApiError


class Database:
    """The connections to one database."""

    def __init__(self, dsn: str, *, connections: int, timeout_s: float) -> None:
        """``connections`` is the most of them, ``timeout_s`` the longest wait for one."""
        self.pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            dsn,
            connection_class=AsyncConnection[DictRow],
            min_size=0,
            max_size=connections,
            open=False,
            check=self._check,
            timeout=timeout_s,
            reconnect_timeout=timeout_s,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "application_name": "kemiscope webapi",
                # libpq takes whole seconds, and means no limit by 0.
                "connect_timeout": max(1, int(timeout_s)),
                # Whatever role the DSN names, this side only reads.
                "options": "-c default_transaction_read_only=on -c timezone=UTC",
            },
        )

    async def _check(self, connection: AsyncConnection[DictRow]) -> None:
        try:
            await AsyncConnectionPool.check_connection(connection)
        except Error:
            # When the database was restarted all are dead; the pool would try one after the other,
            # longer and longer apart, until connect_timeout is over.
            await self.pool.check()
            raise

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        """A connection from the pool; raises ApiError 503 when the database cannot be used."""
        with as_api_errors():
            async with self.pool.connection() as connection:
                yield connection


@contextmanager
def as_api_errors() -> Iterator[None]:
    """What psycopg raises when a database cannot be used becomes ApiError 503."""
    try:
        yield
    except errors.QueryCanceled:
        raise _too_slow() from None
    except errors.UndefinedTable as error:
        LOGGER.warning("database: %s", one_line(str(error)))
        message = "the database lacks a table of this version: run `python -m collector init-db`"
        raise ApiError(503, "database_schema", message) from error
    except (OperationalError, PoolTimeout) as error:
        LOGGER.warning("database: %s", one_line(str(error)))
        message = "the database does not answer; captured messages wait in the journal"
        raise ApiError(503, "database_unavailable", message) from error


async def fetch(
    connection: AsyncConnection[DictRow],
    statement: sql.SQL | sql.Composed,
    values: Sequence[Any] | Mapping[str, Any],
    timeout_s: float,
    *,
    prepare: bool | None = None,
) -> list[DictRow]:
    """All rows of one statement; raises ApiError 503 if it takes longer than ``timeout_s``.

    With ``prepare`` one plan serves all executions, whatever the values: right when these say
    nothing about the way to the rows, since planning over many partitions takes longer than reading
    a few rows of them. None leaves it to psycopg and PostgreSQL.
    """
    plans = sql.SQL("force_generic_plan" if prepare else "auto")
    # A page takes milliseconds, compiling its plan half a second.
    limits = sql.SQL("{}; SET LOCAL plan_cache_mode TO {}; SET LOCAL jit TO off").format(
        limit(timeout_s), plans
    )
    try:
        async with _limited(connection, limits), connection.cursor() as cursor:
            await cursor.execute(statement, values, prepare=prepare)
            return await cursor.fetchall()
    except errors.QueryCanceled:
        raise _too_slow() from None


@asynccontextmanager
async def _limited(
    connection: AsyncConnection[DictRow], limits: sql.Composed
) -> AsyncIterator[None]:
    """A transaction with these settings, or a part of the one that is open."""
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        async with connection.transaction():
            await connection.execute(limits)
            yield
        return
    # A transaction of psycopg's would begin with a message, and a wait, of its own.
    await connection.execute(sql.SQL("BEGIN; {}").format(limits))
    try:
        yield
    except BaseException:
        with suppress(Error):  # of a connection that is gone, which the pool notices
            await connection.rollback()
        raise
    await connection.commit()


def limit(timeout_s: float) -> sql.Composed:
    milliseconds = sql.Literal(max(1, int(timeout_s * 1000)))
    return sql.SQL("SET LOCAL statement_timeout TO {}").format(milliseconds)


def _too_slow() -> ApiError:
    message = "the query took longer than web.query_timeout; narrow it, by time for example"
    return ApiError(503, "query_timeout", message)
