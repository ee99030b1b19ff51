# SPDX-License-Identifier: GPL-2.0-or-later
"""The web API over the databases of two sites, and one of them goes away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from stack.postgres import Cluster
from tests.fix_api import Answer, load_settings
from tests.fix_database import Database, fresh, migrate_database
from webapi.app import create_app

HERE: Final = "vienna"
THERE: Final = "berlin"


class Remote:
    """The database of the other site."""

    def __init__(self, database: Database, admin: str) -> None:
        self.database = database
        self.admin = admin
        """Who may send it away."""

    @property
    def entry(self) -> str:
        """As ``sites.databases`` names it."""
        return f"{THERE}={self.database.reader_dsn}"

    def go(self) -> None:
        """Nobody can connect, and who is connected is thrown out."""
        with psycopg.connect(self.admin, autocommit=True) as admin:
            admin.execute(self._allow("false"))
            admin.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
                (self._name,),
            )

    def come_back(self) -> None:
        """As it was."""
        with psycopg.connect(self.admin, autocommit=True) as admin:
            admin.execute(self._allow("true"))

    @property
    def _name(self) -> str:
        return str(conninfo_to_dict(self.database.dsn)["dbname"])

    def _allow(self, whether: str) -> sql.Composed:
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        return statement.format(sql.Identifier(self._name), sql.SQL(whether))


class Far(Remote):
    """The same with a writer's connection."""

    def __init__(self, remote: Remote, connection: AsyncConnection[TupleRow]) -> None:
        super().__init__(remote.database, remote.admin)
        self.connection = connection


@pytest.fixture
def remote(cluster: Cluster, template: str) -> Iterator[Remote]:
    """The other site."""
    for database in fresh(cluster, template):
        yield Remote(database, cluster.dsn("kemiscope_admin"))


@pytest.fixture
async def german_database(cluster: Cluster) -> AsyncIterator[Database]:
    """One that sorts text in another way than by its bytes."""
    for database in fresh(cluster, "template0", "LOCALE_PROVIDER icu ICU_LOCALE 'de'"):
        await migrate_database(database)
        yield database


@pytest.fixture
async def far(remote: Remote) -> AsyncIterator[Far]:
    """The other site, with a writer's connection."""
    dsn = remote.database.dsn
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield Far(remote, connection)


class Asks:
    """Makes GET requests."""

    def __init__(self, client: TestClient[Request, Application]) -> None:
        self.client = client

    async def __call__(self, path: str, **parameters: str) -> Answer:
        """As ``fix_api.Get``."""
        query = {name.rstrip("_"): value for name, value in parameters.items()}
        answer = await self.client.get(path, params=query, headers={"Host": "127.0.0.1:9080"})
        return Answer(answer.status, await answer.json())


@asynccontextmanager
async def asking(here: Database, *entries: str, **environment: str) -> AsyncIterator[Asks]:
    """The API with these ``sites.databases``."""
    listed = ", ".join(f"'{entry}'" for entry in entries)
    settings = load_settings(
        here,
        **{
            "SITES_NAME": HERE,
            "SITES_DATABASES": f"[{listed}]",
            "SITES_TIMEOUT": "0.5",
            "SITES_RETRY": "0",
            **environment,
        },
    )
    async with TestClient(TestServer(create_app(settings))) as client:
        yield Asks(client)


@pytest.fixture
async def ask(database: Database, far: Far) -> AsyncIterator[Asks]:
    """Of this site and the other one."""
    async with asking(database, far.entry) as opened:
        yield opened
