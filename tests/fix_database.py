# SPDX-License-Identifier: GPL-2.0-or-later
"""A real PostgreSQL for tests of single modules: one server, and a database that has no rows."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final, NamedTuple

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from collector import migrate
from stack.ports import free_port
from stack.postgres import Cluster

_numbers = itertools.count()

_EMPTY: Final = """
DO $$
DECLARE
    name text;
    filled boolean;
BEGIN
    PERFORM pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role TO replica;  -- no triggers: those of foreign keys above all
    FOR name IN SELECT oid::regclass FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND oid > {newest}
    LOOP
        EXECUTE format('DROP TABLE %s', name);
    END LOOP;
    FOR name IN SELECT oid::regclass FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
            AND NOT relispartition AND oid <> ALL ({filled})
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', name) INTO filled;
        IF filled THEN
            EXECUTE format('DELETE FROM %s', name);
        END IF;
    END LOOP;
    FOR name IN SELECT sequencename::regclass FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL
    LOOP
        EXECUTE format('ALTER SEQUENCE %s RESTART', name);
    END LOOP;
END
$$
"""
"""Rows, partitions and numbers as in the template, in a fraction of the time of a new database."""


class Database(NamedTuple):
    """One database; ``dsn`` writes, ``reader_dsn`` reads."""

    dsn: str
    reader_dsn: str


class Emptied(NamedTuple):
    """A database that is used again."""

    database: Database
    empty: Callable[[], object]


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
    asyncio.run(migrate_database(_dsns(cluster, name)))
    return name


@pytest.fixture(scope="module")
def shared_database(cluster: Cluster, template: str) -> Iterator[Database]:
    """A database with the schema of this version, for all tests of a module."""
    yield from fresh(cluster, template)


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[Database]:
    """A database without schema."""
    yield from fresh(cluster, "template0")


@pytest.fixture
def other_database(cluster: Cluster, template: str) -> Iterator[Database]:
    """One more, as after ``init-db``."""
    yield from fresh(cluster, template)


@pytest.fixture(scope="module")
def emptied_database(cluster: Cluster, shared_database: Database) -> Iterator[Emptied]:
    """``shared_database``, and how to empty it."""
    name = conninfo_to_dict(shared_database.dsn)["dbname"]
    dsn = make_conninfo(cluster.dsn("kemiscope_admin"), dbname=name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT oid::bigint, oid::regclass::text FROM pg_class"
            " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        statement = sql.SQL(_EMPTY).format(
            newest=sql.Literal(max(oid for oid, _ in tables)),
            # By a migration: it stays.
            filled=sql.Literal([oid for oid, name in tables if _has_rows(connection, name)]),
        )
        yield Emptied(shared_database, lambda: connection.execute(statement))


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with the schema of this version, without rows.

    It is new, or that of the module where this has the mark ``one_database``: its tests change
    rows and partitions, and those that change more have the mark ``own_database``.
    """
    marks = {mark.name for mark in request.node.iter_markers()}
    if "one_database" in marks and "own_database" not in marks:
        emptied: Emptied = request.getfixturevalue("emptied_database")
        yield emptied.database
        emptied.empty()
    else:
        yield from fresh(request.getfixturevalue("cluster"), request.getfixturevalue("template"))


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """A writer's connection to ``database``, in autocommit mode."""
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as opened:
        yield opened


def fresh(cluster: Cluster, template: str, options: str = "") -> Iterator[Database]:
    """A database that is a copy of another one, dropped at the end.

    ``options`` are of CREATE DATABASE.
    """
    name = f"test_{next(_numbers)}"
    _create_database(cluster, name, template, options)
    yield _dsns(cluster, name)
    with psycopg.connect(cluster.dsn("kemiscope_admin"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _create_database(cluster: Cluster, name: str, template: str, options: str = "") -> None:
    with psycopg.connect(cluster.dsn("kemiscope_admin"), autocommit=True) as connection:
        connection.execute(
            sql.SQL(
                "CREATE DATABASE {} OWNER kemiscope_writer ENCODING 'UTF8' TEMPLATE {} {}"
            ).format(sql.Identifier(name), sql.Identifier(template), sql.SQL(options))
        )


def _has_rows(connection: psycopg.Connection[TupleRow], table: str) -> bool:
    found = connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(table)))
    return found.fetchone() is not None


def _dsns(cluster: Cluster, name: str) -> Database:
    return Database(
        make_conninfo(cluster.dsn(), dbname=name),
        make_conninfo(cluster.dsn("kemiscope_reader"), dbname=name),
    )


async def migrate_database(database: Database) -> None:
    """Give it the schema of this version."""
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await migrate.migrate(connection)
        await migrate.grant_reader(connection, database.reader_dsn)
