# SPDX-License-Identifier: GPL-2.0-or-later
"""Proxies over https, and what the book says when PostgreSQL does not answer."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.errors import SettingsError
from stack import certificate
from tests.fake_control import TOKEN, FakeControl
from tests.fix_api import load_settings
from tests.fix_database import Database
from webapi.app import create_app
from webapi.context import Context
from webapi.trace.book import Book
from webapi.trace.proxy import State
from webapi.trace.tracing import TRACING


@pytest.mark.parametrize(
    ("authority", "state"), [("proxy", State.READY), ("other", State.UNREACHABLE)]
)
async def test_certificates_are_checked(
    database: Database, tmp_path: Path, authority: str, state: State
) -> None:
    """The token goes to nobody whose certificate is not trusted."""
    made = {name: certificate.make(tmp_path / name, name) for name in ("proxy", "other")}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made["proxy"].certificate, made["proxy"].key)
    proxy = FakeControl()
    await proxy.server.start_server(ssl=context)
    settings = load_settings(
        database,
        TRACE_PROXIES=f"edge={proxy.url.replace('http', 'https')}",
        TRACE_TOKEN=TOKEN,
        TRACE_TLS_CA=str(made[authority].certificate),
    )
    app = create_app(settings)
    async with proxy.server, TestClient(TestServer(app)):
        (watched,) = app[TRACING].proxies
        await watched.ask()
        assert watched.state is state
        assert bool(proxy.bodies) is (state is State.READY)


async def test_a_missing_authority_stops_the_start(database: Database, tmp_path: Path) -> None:
    """With the name of the setting."""
    settings = load_settings(
        database,
        TRACE_PROXIES="edge=https://127.0.0.1:1",
        TRACE_TOKEN=TOKEN,
        TRACE_TLS_CA=str(tmp_path / "missing.pem"),
    )
    with pytest.raises(SettingsError, match=r"trace\.tls_ca: .*missing\.pem: No such file"):
        await TestServer(create_app(settings)).start_server()


@pytest.fixture
async def book(database: Database) -> AsyncIterator[Book]:
    """A book that is open."""
    context = Context(load_settings(database))
    opened = Book(context)
    task = asyncio.create_task(opened.run())
    async with context.pool:
        yield opened
        task.cancel()


async def test_the_book_is_fresh_or_says_that_it_is_not(
    book: Book, connection: AsyncConnection[TupleRow]
) -> None:
    """What was read before the moment that was asked for is not complete."""
    await connection.execute(
        "INSERT INTO trace_rule (kind, value, action, percent, calls, methods, expires_at,"
        " requested_by, reason) VALUES ('all', '*', 'include', 100, 1, '{}',"
        " now() + interval '1 h', 'anna', 'x')"
    )
    wanted = await book.wanted(time.monotonic(), 5)
    assert wanted
    assert ([one.rule.kind for one in wanted.active], wanted.complete) == (["all"], True)
    await connection.execute("ALTER TABLE trace_rule RENAME TO other")
    later = await book.wanted(time.monotonic(), 0.3)
    assert later
    assert (later.active, later.complete) == (wanted.active, False)
    assert later.now > wanted.now
    assert book.error
    await connection.execute("ALTER TABLE other RENAME TO trace_rule")
    again = await book.wanted(time.monotonic(), 5)
    assert again
    assert again.complete
    assert book.error is None


async def test_a_book_that_was_never_read_says_nothing(
    book: Book, connection: AsyncConnection[TupleRow]
) -> None:
    """So that no proxy loses its rules because of it."""
    await connection.execute("ALTER TABLE trace_rule RENAME TO other")
    assert await book.wanted(time.monotonic(), 0.3) is None
