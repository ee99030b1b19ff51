# SPDX-License-Identifier: GPL-2.0-or-later
"""A real PostgreSQL for tests of single modules: one server, a fresh database for each test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from collector import migrate
from stack.ports import free_port
from stack.postgres import Cluster

_numbers = itertools.count()


class Database(NamedTuple):
    """One database; ``dsn`` writes, ``reader_dsn`` reads."""

    dsn: str
    reader_dsn: str


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running server for the whole test run."""
    server = Cluster(tmp_path_factory.mktemp("cluster") / "postgres", free_port())
    server.create("fsync = off\nautovacuum = off\nmax_connections = 100\n")
    with (server.directory / "log").open("wb") as log:
        server.start(log)
    try:
        server.wait_ready()
        server.create_database()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    """Name of a database with the schema of this version, to be copied."""
    name = "template_kemiscope"
    _create_database(cluster, name, "template0")
    asyncio.run(_migrate(_dsns(cluster, name)))
    return name


@pytest.fixture(scope="module")
def shared_database(cluster: Cluster, template: str) -> Iterator[Database]:
    """A database with the schema of this version, for all tests of a module."""
    yield from _fresh(cluster, template)


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[Database]:
    """A database without schema."""
    yield from _fresh(cluster, "template0")


@pytest.fixture
def database(cluster: Cluster, template: str) -> Iterator[Database]:
    """A database with the schema of this version."""
    yield from _fresh(cluster, template)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """A writer's connection to ``database``, in autocommit mode."""
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as opened:
        yield opened


def _fresh(cluster: Cluster, template: str) -> Iterator[Database]:
    name = f"test_{next(_numbers)}"
    _create_database(cluster, name, template)
    yield _dsns(cluster, name)
    with psycopg.connect(cluster.dsn("kemiscope_admin"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _create_database(cluster: Cluster, name: str, template: str) -> None:
    with psycopg.connect(cluster.dsn("kemiscope_admin"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER kemiscope_writer ENCODING 'UTF8' TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )


def _dsns(cluster: Cluster, name: str) -> Database:
    return Database(
        make_conninfo(cluster.dsn(), dbname=name),
        make_conninfo(cluster.dsn("kemiscope_reader"), dbname=name),
    )


async def _migrate(database: Database) -> None:
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await migrate.migrate(connection)
        await migrate.grant_reader(connection, database.reader_dsn)
