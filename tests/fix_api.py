# SPDX-License-Identifier: GPL-2.0-or-later
"""The web API over a database with a few known messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector import hop, settings
from collector.hop import Batch, Options
from collector.journal import record
from collector.journal.record import Transport
from collector.selection import Selection
from collector.settings import origin
from collector.store import Store
from tests.fix_database import Database
from webapi.app import create_app

JOURNAL = UUID(int=1)
PEER = record.pack_address("203.0.113.5")
OPTIONS = Options(
    # Tests choose their times; the windows have tests of their own.
    accept_past=50 * 365 * 86_400_000_000,
    accept_future=50 * 365 * 86_400_000_000,
    max_field_bytes=512,
    max_refused=100,
)


class Answer(NamedTuple):
    """Status and decoded JSON."""

    status: int
    json: Any


class Get(Protocol):
    """Makes one GET request."""

    async def __call__(self, path: str, **parameters: str) -> Answer:
        """``parameters`` are query parameters; a trailing underscore is cut off."""


async def store(
    connection: AsyncConnection[TupleRow],
    packets: list[bytes],
    selection: Selection | None = None,
    process: int = 0,
) -> None:
    """Store HEP packets as an ingest process does, in the order given."""
    now = time.time_ns() & -64
    buffer = b"".join(
        record.pack(now + 64 * number, PEER, 9060, Transport.UDP, packet)
        for number, packet in enumerate(packets)
    )
    batch = Batch()
    assert hop.encode(buffer, batch, OPTIONS._replace(selection=selection), len(packets)) == len(
        buffer
    )
    await Store(JOURNAL, process).commit(connection, batch, [])


def load_settings(database: Database, **environment: str) -> settings.Settings:
    """Settings that name the test database; ``environment`` as WEB_MAX_ROWS="2"."""
    return load_with_origins(database, **environment)[0]


def load_with_origins(
    database: Database, **environment: str
) -> tuple[settings.Settings, origin.Origins]:
    """The same, and where each value comes from."""
    variables = {
        "KEMISCOPE_DATABASE_DSN": database.dsn,
        "KEMISCOPE_DATABASE_READER_DSN": database.reader_dsn,
        "KEMISCOPE_CONFIG": "/dev/null",
        # Who may ask is a subject of tests/webapi/access.
        "KEMISCOPE_WEB_SIGN_IN": "off",
    }
    variables |= {f"KEMISCOPE_{name}": value for name, value in environment.items()}
    return settings.load_with_origins(None, variables)


@pytest.fixture
async def client(database: Database) -> AsyncIterator[TestClient[Request, Application]]:
    """A client of the API, over the empty test database."""
    app = create_app(load_settings(database))
    async with TestClient(TestServer(app)) as opened:
        yield opened


@pytest.fixture
def get(client: TestClient[Request, Application]) -> Get:
    """GET with the Host header of the API's own address."""

    async def request(path: str, **parameters: str) -> Answer:
        query = {name.rstrip("_"): value for name, value in parameters.items()}
        answer = await client.get(path, params=query, headers={"Host": "127.0.0.1:9080"})
        return Answer(answer.status, await answer.json())

    return request
